//! What is owed once decisions are durable: answers, files to be removed. It is paid in the order of the decisions.
//!
//! ```text
//!   driver ──add──> Debts: (ticket, what is owed), in order ──> Payer: each once it and all before it are durable ──> pay
//! ```
//!
//! After a failed commit nothing is paid any more. What stays owed is dropped, and whoever waits for it learns that.

use super::ticket::Ticket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a driver owes for decisions that are on their way to the disk. When it is dropped, the [`Payer`] pays what is left.
pub struct Debts<T> {
    queue: UnboundedSender<(Option<Ticket>, T)>,
    /// How many are not paid yet.
    open: Arc<AtomicUsize>,
}

/// Who pays [`Debts`].
pub struct Payer<T> {
    queue: UnboundedReceiver<(Option<Ticket>, T)>,
    open: Arc<AtomicUsize>,
}

impl<T> Debts<T> {
    /// Nothing is owed yet. The payer is to be spawned.
    pub fn new() -> (Debts<T>, Payer<T>) {
        let (debts, owed) = unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        (Debts { queue: debts, open: open.clone() }, Payer { queue: owed, open })
    }

    /// Owes this as soon as the decision is durable, and all that was added before is paid. Without a ticket nothing was
    /// to be written, but what was decided before may be on its way.
    pub fn add(&self, ticket: Option<Ticket>, owed: T) {
        self.open.fetch_add(1, Ordering::AcqRel);
        let _ = self.queue.send((ticket, owed)); // a commit has failed, or the runtime is ending
    }

    /// Whether nothing is owed: everything that was added was paid. Never again after a failed commit.
    pub fn are_paid(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }
}

impl<T> Payer<T> {
    /// Pays each debt in its turn, until the driver has ended and all are paid, or a commit has failed.
    pub async fn pay(mut self, mut pay: impl FnMut(T)) {
        while let Some((ticket, owed)) = self.queue.recv().await {
            if let Some(ticket) = ticket
                && ticket.durable().await.is_err()
            {
                // The core ends. Nobody is told anything any more, since nothing later can become durable either.
                return;
            }
            pay(owed);
            self.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ticket::CommitError;
    use super::super::{Batch, Store};
    use super::*;
    use futures_util::future::FutureExt as _;
    use std::cell::RefCell;
    use tokio::sync::oneshot;

    #[test]
    fn debts_are_paid_in_their_order_whichever_is_durable_first() {
        let (debts, payer) = Debts::new();
        let paid = RefCell::new(Vec::new());
        let mut paying = Box::pin(payer.pay(|owed| paid.borrow_mut().push(owed)));
        let [(first, ticket), (second, later)] = [Ticket::awaited(), Ticket::awaited()];
        debts.add(Some(ticket), 1);
        debts.add(None, 2);
        debts.add(Some(later), 3);
        second.send(Ok(())).unwrap();
        assert!(paying.as_mut().now_or_never().is_none());
        assert_eq!((paid.take(), debts.are_paid()), (vec![], false));
        first.send(Ok(())).unwrap();
        assert!(paying.as_mut().now_or_never().is_none());
        assert_eq!((paid.take(), debts.are_paid()), (vec![1, 2, 3], true));
    }

    #[test]
    fn nothing_is_paid_after_a_failed_commit() {
        let (debts, payer) = Debts::new();
        let (store, paid) = (Store::dying_after(1), RefCell::new(0));
        let mut told = Vec::new();
        // Nothing was to be written for the last one; it may tell of what was not.
        for ticket in [Some(store.submit(Batch::new())), Some(store.submit(Batch::new())), None] {
            let (answer, answered) = oneshot::channel::<()>();
            debts.add(ticket, answer);
            told.push(answered);
        }
        let pay = |answer: oneshot::Sender<()>| {
            *paid.borrow_mut() += 1;
            answer.send(()).unwrap();
        };
        assert!(payer.pay(pay).now_or_never().is_some(), "it has ended");
        assert_eq!((paid.take(), debts.are_paid()), (1, false));
        let told: Vec<_> = told.into_iter().map(|answered| answered.now_or_never().unwrap().is_ok()).collect();
        assert_eq!(told, [true, false, false], "who is told nothing does not wait for ever");
        let (answer, answered) = oneshot::channel();
        debts.add(None, answer);
        assert!(answered.now_or_never().unwrap().is_err());
        assert!(!debts.are_paid());
    }

    #[test]
    fn a_writer_that_is_gone_has_failed() {
        let (debts, payer) = Debts::new();
        let (writer, ticket) = Ticket::awaited();
        debts.add(Some(ticket), ());
        drop(writer);
        assert!(payer.pay(|()| unreachable!("it is not durable")).now_or_never().is_some());
        assert!(!debts.are_paid());
    }

    #[test]
    fn what_is_left_at_the_end_of_the_driver_is_paid() {
        let (debts, payer) = Debts::new();
        let paid = RefCell::new(Vec::new());
        let (writer, ticket) = Ticket::awaited();
        debts.add(Some(ticket), "first");
        debts.add(None, "second");
        drop(debts);
        let mut paying = Box::pin(payer.pay(|owed| paid.borrow_mut().push(owed)));
        assert!(paying.as_mut().now_or_never().is_none(), "it is not durable yet");
        writer.send(Ok(())).unwrap();
        assert!(paying.now_or_never().is_some(), "it has ended");
        assert_eq!(paid.take(), ["first", "second"]);
    }

    /// Whoever is answered at once when nothing is owed must not overtake those before him.
    #[test]
    fn what_is_durable_at_once_is_owed_until_it_is_paid() {
        let (debts, payer) = Debts::new();
        assert!(debts.are_paid());
        debts.add(Some(Ticket::known(Ok(()))), ());
        assert!(!debts.are_paid());
        let mut paying = Box::pin(payer.pay(|()| assert!(!debts.are_paid())));
        assert!(paying.as_mut().now_or_never().is_none());
        assert!(debts.are_paid());
        debts.add(Some(Ticket::known(Err(CommitError::Stopped))), ());
        assert!(paying.now_or_never().is_some());
        assert!(!debts.are_paid());
    }
}
