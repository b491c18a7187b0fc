//! What is owed once a decision is durable: an answer.

use crate::hub::machine::Verdict;
use tokio::sync::oneshot;

/// One answer.
pub(super) struct Answer {
    pub(super) to: oneshot::Sender<Verdict>,
    pub(super) verdict: Verdict,
}

impl Answer {
    /// Tells him, unless he has gone: then he is owed nothing.
    pub(super) fn give(self) {
        drop(self.to.send(self.verdict));
    }
}
