//! What owners read in their logs of those who come for their data.
//!
//! Whoever comes is a stranger: what he can do at will and for nothing (be refused, ask for a byte at a time) is written
//! once a minute for him, and that he was given one and the same file a few times a minute, so that he does not push
//! everything else out of the log.

use crate::hub::engine::Handle;
use crate::hub::machine::Ask;
use crate::hub::model::{AccountId, TagNo};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the same is not said again.
const QUIET: Duration = Duration::from_secs(60);
/// How often it is said until then that somebody was given the same file.
const MOST_WHOLE: u32 = 20;
/// How much is remembered of what was said; beyond that nothing new is said until some of it is old.
const REMEMBERED: usize = 4096;

/// What somebody may do too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Often {
    /// He is refused.
    Refused,
    /// He reads parts of a file.
    Parts(TagNo),
    /// He reads a file.
    Whole(TagNo),
}

impl Often {
    /// How often that is said until it was quiet for long enough.
    fn most(self) -> u32 {
        match self {
            Often::Refused | Often::Parts(_) => 1,
            Often::Whole(_) => MOST_WHOLE,
        }
    }
}

/// Writes lines into logs. Clones are the same.
#[derive(Clone)]
pub(super) struct Notes {
    handle: Handle,
    lately: Arc<Mutex<Lately>>,
}

impl Notes {
    pub(super) fn new(handle: Handle) -> Notes {
        Notes { handle, lately: Arc::default() }
    }

    /// So many bytes more went.
    pub(super) fn sent(&self, bytes: u64) {
        self.handle.metrics().hub_sent(bytes);
    }

    /// Something of this account was handed out, whole.
    pub(super) fn served(&self, owner: AccountId, to: Option<IpAddr>, tag: TagNo, line: String) {
        if self.is_news(to, Often::Whole(tag)) {
            self.write(owner, line);
        }
    }

    /// A part of a file was.
    pub(super) fn served_a_part(&self, owner: AccountId, to: Option<IpAddr>, tag: TagNo, line: String) {
        if self.is_news(to, Often::Parts(tag)) {
            self.write(owner, line);
        }
    }

    /// Somebody was refused.
    pub(super) fn refused(&self, owner: AccountId, who: Option<IpAddr>, line: String) {
        if self.is_news(who, Often::Refused) {
            self.write(owner, line);
        }
    }

    fn is_news(&self, who: Option<IpAddr>, what: Often) -> bool {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner).admits((who, what), Instant::now())
    }

    /// Nobody waits for it.
    fn write(&self, owner: AccountId, line: String) {
        // Also called while the daemon ends, when nothing more is begun.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let handle = self.handle.clone();
        runtime.spawn(async move {
            if let Err(why) = handle.ask(Ask::Note(vec![(owner, line)])).await {
                tracing::debug!(%why, "a line of a log is not written");
            }
        });
    }
}

/// What was said lately: since when, and how often.
#[derive(Default)]
struct Lately(HashMap<(Option<IpAddr>, Often), (Instant, u32)>);

impl Lately {
    /// Whether this is to be said now.
    fn admits(&mut self, what: (Option<IpAddr>, Often), now: Instant) -> bool {
        let is_late = |since: Instant| now.saturating_duration_since(since) < QUIET;
        if let Some((since, count)) = self.0.get_mut(&what)
            && is_late(*since)
        {
            *count = count.saturating_add(1);
            return *count <= what.1.most();
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, (since, _)| is_late(*since));
        }
        let fits = self.0.len() < REMEMBERED;
        if fits {
            self.0.insert(what, (now, 1));
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_same_is_said_once_a_minute() {
        let (mut lately, start) = (Lately::default(), Instant::now());
        let at = |address: u32| Some(IpAddr::V4(Ipv4Addr::from(address)));
        assert!(lately.admits((at(1), Often::Refused), start));
        assert!(!lately.admits((at(1), Often::Refused), start + Duration::from_secs(59)));
        assert!(lately.admits((at(2), Often::Refused), start), "somebody else");
        assert!(lately.admits((at(1), Often::Parts(TagNo(1))), start), "something else");
        assert!(lately.admits((at(1), Often::Refused), start + Duration::from_secs(60)));
        let whole = (0..100).filter(|_| lately.admits((at(1), Often::Whole(TagNo(1))), start)).count();
        assert_eq!(whole, 20, "a file that is given to somebody all the time");
        assert!(lately.admits((at(1), Often::Whole(TagNo(1))), start + QUIET));
    }

    #[test]
    fn many_strangers_are_not_remembered_without_end() {
        let (mut lately, start) = (Lately::default(), Instant::now());
        let at = |address: u32| (Some(IpAddr::V4(Ipv4Addr::from(address))), Often::Refused);
        let said = (0..10_000).filter(|address| lately.admits(at(*address), start)).count();
        assert_eq!((said, lately.0.len()), (REMEMBERED, REMEMBERED));
        assert!(lately.admits(at(99_999), start + QUIET));
        assert_eq!(lately.0.len(), 1);
    }
}
