//! What is owed once a decision is durable: the answers and the removals, in the order of the decisions.

use super::{Given, Reader};
use crate::cache::machine::{Event, Verdict};
use crate::cache::model::{Ids, JobId, TaskNo};
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

/// How many files are removed at once.
const REMOVED_AT_ONCE: usize = 8;

/// Decisions that went to the disk in one batch.
pub(super) struct Closing {
    pub(super) answers: Vec<Answer>,
    /// Files of tasks that are written down as doomed.
    pub(super) removals: Vec<(TaskNo, Ids)>,
    /// Jobs that can be read from the store from then on.
    pub(super) finished: Vec<JobId>,
}

impl Closing {
    /// Pays what is owed, now that it is durable. `forget` hears of jobs that can be read from the store.
    pub(super) fn close(self, forget: impl Fn(&[JobId]), removals: &UnboundedSender<(TaskNo, Ids)>) {
        forget(&self.finished);
        for removal in self.removals {
            let _ = removals.send(removal); // the runtime is ending
        }
        self.answers.into_iter().for_each(Answer::give);
    }
}

/// One answer.
pub(super) struct Answer {
    pub(super) asker: Asker,
    pub(super) verdict: Verdict,
}

/// Who asked, and how he is answered.
pub(super) struct Asker {
    /// Only of an open.
    pub(super) reader: Option<Reader>,
    pub(super) answer: oneshot::Sender<Given>,
}

impl Answer {
    /// Tells him. If he has gone, what was opened for him is left.
    pub(super) fn give(self) {
        let Answer { asker: Asker { reader, answer }, verdict } = self;
        let given = match (verdict, reader) {
            (Verdict::Opened(task), Some(reader)) => Given::Opened(reader.holding(task)),
            (verdict, _) => Given::Verdict(verdict),
        };
        drop(answer.send(given));
    }
}

/// Removes files, some at once, and tells the driver how that went.
pub(super) async fn remove<F>(
    removals: UnboundedReceiver<(TaskNo, Ids)>,
    events: UnboundedSender<Event>,
    remove: impl Fn(TaskNo, Ids) -> F,
) where
    F: Future<Output = crate::cache::machine::Removed>,
{
    let next = |mut removals: UnboundedReceiver<(TaskNo, Ids)>| async move {
        let removal = removals.recv().await?;
        Some((removal, removals))
    };
    futures_util::stream::unfold(removals, next)
        .for_each_concurrent(REMOVED_AT_ONCE, |(no, ids)| {
            let removed = remove(no, ids);
            let events = &events;
            async move {
                let _ = events.send(Event::Removed(no, removed.await)); // the driver has ended
            }
        })
        .await;
}
