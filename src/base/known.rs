//! What was looked up lately and is believed for a moment, so that what happens again and again does not ask each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many entries are remembered; one more, and all are looked up anew.
const REMEMBERED: usize = 1024;

/// Entries that were found lately. That something is not there is never remembered.
pub struct Known<K, V> {
    fresh: Duration,
    entries: LazyLock<Mutex<HashMap<K, (Instant, V)>>>,
}

impl<K: Eq + Hash, V: Clone> Known<K, V> {
    /// Entries are believed for so long.
    pub const fn for_a(fresh: Duration) -> Known<K, V> {
        Known { fresh, entries: LazyLock::new(Mutex::default) }
    }

    /// The entry that is remembered, else what `ask` answers.
    ///
    /// # Errors
    /// Those of `ask`.
    pub async fn or_ask<E>(&self, key: K, ask: impl Future<Output = Result<Option<V>, E>>) -> Result<Option<V>, E> {
        let remembered =
            self.entries().get(&key).filter(|(at, _)| at.elapsed() < self.fresh).map(|(_, entry)| entry.clone());
        if remembered.is_some() {
            return Ok(remembered);
        }
        let found = ask.await?;
        let mut entries = self.entries();
        match &found {
            Some(entry) => {
                if entries.len() >= REMEMBERED {
                    entries.clear();
                }
                entries.insert(key, (Instant::now(), entry.clone()));
            }
            None => drop(entries.remove(&key)),
        }
        Ok(found)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, (Instant, V)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_was_found_is_believed_for_a_while_and_who_was_not_is_asked_again() {
        const FRESH: Duration = Duration::from_secs(5);
        let known: Known<u32, &str> = Known::for_a(FRESH);
        assert_eq!(known.or_ask(1, async { Ok::<_, ()>(None) }).await, Ok(None));
        assert_eq!(known.or_ask(1, async { Ok::<_, ()>(Some("eve")) }).await, Ok(Some("eve")));
        assert_eq!(known.or_ask(1, async { Err(()) }).await, Ok(Some("eve")));
        known.entries().get_mut(&1).unwrap().0 -= FRESH;
        assert_eq!(known.or_ask(1, async { Ok::<_, ()>(None) }).await, Ok(None));
    }
}
