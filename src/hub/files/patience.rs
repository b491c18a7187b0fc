//! File work that may never come back: a dead mount holds whoever touches it, for ever, and cannot be told to stop.
//!
//! Such work goes on in a thread of its own and gives signs of life. Where those stay out for too long, the thread is left
//! alone, and nothing more is begun at that place until it comes back.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The least that a look has to take to be too long.
const LEAST: Duration = Duration::from_secs(5);

/// How long a look may take, where every file is looked at once in `stat_every`.
pub(in crate::hub) fn patience(stat_every: Duration) -> Duration {
    stat_every.max(LEAST)
}

/// The newest sign of life of some work.
#[derive(Debug)]
pub(super) struct Sign {
    began: Instant,
    /// Milliseconds since then.
    newest: AtomicU64,
}

impl Sign {
    /// Of work that begins now.
    pub(super) fn new() -> Arc<Sign> {
        Arc::new(Sign { began: Instant::now(), newest: AtomicU64::new(0) })
    }

    /// It goes on.
    pub(super) fn give(&self) {
        self.give_for(Duration::ZERO);
    }

    /// It goes on, and rests for so long by its own wish.
    pub(super) fn give_for(&self, rest: Duration) {
        let at = self.began.elapsed().saturating_add(rest).as_millis();
        self.newest.store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Until when the next one has to come.
    fn until(&self, patience: Duration) -> Instant {
        let newest = Duration::from_millis(self.newest.load(Ordering::Relaxed));
        let far = Instant::now() + Duration::from_secs(3600);
        self.began.checked_add(newest.saturating_add(patience)).unwrap_or(far)
    }
}

/// Waits for work, for as long as signs of life come. None: it broke down.
///
/// # Errors
/// None came for too long: the work, which goes on.
pub(super) async fn patiently<T>(
    mut work: JoinHandle<T>,
    sign: &Sign,
    patience: Duration,
) -> Result<Option<T>, JoinHandle<T>> {
    loop {
        match tokio::time::timeout_at(sign.until(patience), &mut work).await {
            Ok(Ok(done)) => return Ok(Some(done)),
            Ok(Err(broken)) => {
                tracing::error!(why = %broken, "looking at files broke down; this is a defect");
                return Ok(None);
            }
            Err(_) if sign.until(patience) > Instant::now() => {}
            Err(_) => return Err(work),
        }
    }
}

/// Where threads hang, and how many. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Hanging(Arc<Mutex<HashMap<PathBuf, usize>>>);

impl Hanging {
    /// Whether one hangs there.
    pub(super) fn is_at(&self, place: &PathBuf) -> bool {
        self.lock().contains_key(place)
    }

    /// A thread hangs there; `back` is called when it has come back.
    pub(super) fn add<T: Send + 'static>(
        &self,
        place: PathBuf,
        work: JoinHandle<T>,
        back: impl FnOnce() + Send + 'static,
    ) {
        *self.lock().entry(place.clone()).or_default() += 1;
        let all = self.clone();
        tokio::spawn(async move {
            let _ = work.await;
            all.remove(&place);
            back();
        });
    }

    fn remove(&self, place: &PathBuf) {
        let mut all = self.lock();
        if let Some(count) = all.get_mut(place) {
            *count -= 1;
            if *count == 0 {
                all.remove(place);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said of a place where a thread hangs.
pub(super) fn no_answer(place: &std::path::Path) -> String {
    format!("{} does not answer", place.display())
}

#[cfg(test)]
#[path = "tests/patience.rs"]
mod tests;
