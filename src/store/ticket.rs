//! The promise that a decision will be on disk.

use tokio::sync::oneshot;

/// Why a decision did not become durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The disk or the database failed. What is on disk is unknown until the store has been opened again.
    #[error("the commit failed: {0}")]
    Storage(String),
    /// The store takes no more decisions: it was closed, or an earlier commit failed.
    #[error("the store has stopped")]
    Stopped,
    /// A record in the batch cannot be written as JSON: nothing of the batch was stored.
    #[error("a record cannot be written: {0}")]
    Unwritable(String),
}

/// The writer's end of a ticket.
pub(super) type Answer = oneshot::Sender<Result<(), CommitError>>;

/// What [`Store::submit`] gives: redeem it to wait for the disk, or drop it; the decision is written either way.
///
/// [`Store::submit`]: super::Store::submit
#[derive(Debug)]
pub struct Ticket {
    state: State,
}

#[derive(Debug)]
enum State {
    Known(Result<(), CommitError>),
    Awaited(oneshot::Receiver<Result<(), CommitError>>),
}

impl Ticket {
    /// A ticket whose answer is known already.
    pub(super) fn known(result: Result<(), CommitError>) -> Ticket {
        Ticket { state: State::Known(result) }
    }

    /// A ticket that the writer answers.
    pub(super) fn awaited() -> (Answer, Ticket) {
        let (sender, receiver) = oneshot::channel();
        (sender, Ticket { state: State::Awaited(receiver) })
    }

    /// Returns once the decision is on disk.
    ///
    /// # Errors
    /// It is not, or nobody can tell.
    pub async fn durable(self) -> Result<(), CommitError> {
        match self.state {
            State::Known(result) => result,
            State::Awaited(receiver) => receiver.await.unwrap_or(Err(CommitError::Stopped)),
        }
    }

    /// As [`Ticket::durable`], for a thread that may block. Panics inside an async task, where it would block others.
    ///
    /// # Errors
    /// As [`Ticket::durable`].
    pub fn wait(self) -> Result<(), CommitError> {
        match self.state {
            State::Known(result) => result,
            State::Awaited(receiver) => receiver.blocking_recv().unwrap_or(Err(CommitError::Stopped)),
        }
    }
}
