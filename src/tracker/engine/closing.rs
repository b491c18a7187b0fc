//! What is owed once a decision is durable: the answers, in the order of the decisions.

use super::{Message, undelivered};
use crate::store::Ticket;
use crate::tracker::machine::Verdict;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

/// Decisions that went to the disk in one batch.
pub(in crate::tracker) struct Closing {
    /// None: nothing was to be written, but what was decided before may be on its way.
    pub(super) ticket: Option<Ticket>,
    pub(super) answers: Vec<Answer>,
}

/// One answer.
pub(in crate::tracker) struct Answer {
    pub(super) to: oneshot::Sender<Verdict>,
    pub(super) verdict: Verdict,
}

impl Answer {
    /// Tells him. If he has gone, what he was handed goes back.
    pub(super) fn give(self, driver: &UnboundedSender<Message>) {
        if let Err(Verdict::Handed(handed)) = self.to.send(self.verdict)
            && !handed.is_empty()
        {
            let _ = driver.send(Message::Event(undelivered(&handed))); // the driver has ended
        }
    }
}

/// Answers, each when it and all before it is durable; counts down how many are open.
pub(in crate::tracker) async fn close(
    mut closed: UnboundedReceiver<Closing>,
    driver: UnboundedSender<Message>,
    open: Arc<AtomicUsize>,
) {
    while let Some(Closing { ticket, answers }) = closed.recv().await {
        if let Some(ticket) = ticket
            && ticket.durable().await.is_err()
        {
            // The core ends. Nobody is told anything any more, since nothing later can become durable either.
            return;
        }
        answers.into_iter().for_each(|answer| answer.give(&driver));
        open.fetch_sub(1, Ordering::AcqRel);
    }
}
