//! A task: a recipe for workers, where it stands, and what speaks for its being done.

use super::people::Process;
use super::values::{ProjectId, TaskId, WorkerId};
use crate::base::Wall;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use std::sync::Arc;

/// A task to be.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    /// What to do, for workers to understand; never empty.
    pub recipe: Arc<str>,
    /// Higher ones are handed out first.
    pub priority: i16,
    /// After so many failures it stays failed; 0 and 1 both mean the first. Never negative.
    pub max_retries: i16,
    /// How long it may be held, in seconds; 0: the configured time. Negative: no time at all.
    pub max_assign: i32,
    /// How many workers have to come to the same result; never 0, and 1 or less: the first result closes it.
    pub verification_count: i16,
    /// No two tasks of a project have the same; 0: none.
    pub hash: i64,
    /// It is not handed out earlier.
    pub not_before: Option<Wall>,
}

#[cfg(test)]
impl NewTask {
    /// With nothing but a recipe.
    pub fn plain(recipe: impl Into<Arc<str>>) -> NewTask {
        NewTask {
            recipe: recipe.into(),
            priority: 0,
            max_retries: 0,
            max_assign: 0,
            verification_count: 1,
            hash: 0,
            not_before: None,
        }
    }
}

/// A task as it was submitted. It never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// Whose it is.
    pub project: ProjectId,
    /// What was asked for.
    pub what: NewTask,
}

/// Where a task stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// NEW or FAILED.
    pub status: Status,
    /// How often it has failed.
    pub retries: i16,
    /// Who holds it; only while NEW.
    pub lease: Option<Lease>,
    /// Results so far, one per worker.
    pub votes: Vec<Vote>,
    /// Its last failure.
    pub failing: Option<Failing>,
}

/// Whether a task can still be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It waits for a worker, or one holds it.
    #[default]
    New,
    /// It has failed for good, until somebody resets it.
    Failed,
}

impl Status {
    /// The number on the wire.
    pub fn wire(self) -> i64 {
        match self {
            Status::New => 1,
            Status::Failed => 2,
        }
    }
}

/// That a worker holds a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who.
    pub worker: WorkerId,
    /// Since when.
    pub since: Wall,
    /// When its time is up.
    pub until: Wall,
    /// The process whose death ends it.
    pub process: Option<Process>,
}

/// What a worker came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Who.
    pub worker: WorkerId,
    /// His result, as a number.
    pub value: i64,
}

/// A failure, for people who want to know why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// When.
    pub at: Wall,
    /// Who reported it.
    pub worker: WorkerId,
    /// What he said; mostly nothing.
    pub reason: String,
}

/// How a worker gives a task back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, with this result.
    Done(i64),
    /// Failed.
    Failed,
    /// As if he had never had it.
    Skipped,
}

/// The hash of a unique string: SipHash-2-4 with the keys 1 and 2 over its bytes, as a signed number (`tracker.md` 6.6).
pub fn hash_of(unique: &str) -> i64 {
    let mut hasher = SipHasher24::new_with_keys(1, 2);
    hasher.write(unique.as_bytes());
    hasher.finish().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::hash_of;

    #[test]
    fn unique_strings_have_the_hashes_that_other_trackers_gave_them() {
        let known = [
            ("hello", 2_957_200_328_589_801_622),
            ("a", 5_158_252_350_249_958_646),
            ("job-42", -3_735_849_614_223_894_796),
            ("https://example.org/page?id=1", 2_211_306_745_215_423_824),
            ("éclair", 9_177_957_934_771_781_157),
            ("0123456789abcdef", -6_526_970_866_249_423_772),
        ];
        for (text, hash) in known {
            assert_eq!(hash_of(text), hash, "{text}");
        }
    }
}
