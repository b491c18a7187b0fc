//! What is owed once a decision is durable: an answer.

use super::{Message, undelivered};
use crate::tracker::machine::Verdict;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// One answer.
pub(in crate::tracker) struct Answer {
    pub(super) to: oneshot::Sender<Verdict>,
    pub(super) verdict: Verdict,
}

impl Answer {
    /// Tells him. If he has gone, what he was handed goes back.
    pub(in crate::tracker) fn give(self, driver: &UnboundedSender<Message>) {
        if let Err(Verdict::Handed(handed)) = self.to.send(self.verdict)
            && !handed.is_empty()
        {
            let _ = driver.send(Message::Event(undelivered(&handed))); // the driver has ended
        }
    }
}
