//! What is owed once a decision is durable: the answers, in the order of the decisions.

use crate::hub::machine::Verdict;
use crate::store::Ticket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

/// Decisions that went to the disk in one batch.
pub(super) struct Closing {
    /// None: nothing was to be written, but what was decided before may be on its way.
    pub(super) ticket: Option<Ticket>,
    pub(super) answers: Vec<Answer>,
}

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

/// Closes batches, each when it and all before it is durable; counts down how many are open.
pub(super) async fn close(mut closed: UnboundedReceiver<Closing>, open: Arc<AtomicUsize>) {
    while let Some(Closing { ticket, answers }) = closed.recv().await {
        if let Some(ticket) = ticket
            && ticket.durable().await.is_err()
        {
            // The core ends. Nobody is told anything any more, since nothing later can become durable either.
            return;
        }
        answers.into_iter().for_each(Answer::give);
        open.fetch_sub(1, Ordering::AcqRel);
    }
}
