//! What is being sent, and what was sent last: in memory only.

use super::Outgoing;
use crate::hub::model::{AccountId, JobId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The first number.
const FIRST: u64 = 0xf000_0000;
/// How many that are over are remembered.
const REMEMBERED: usize = 100;

/// The board of this process.
static BOARD: Board = Board::new();

pub(super) fn board() -> &'static Board {
    &BOARD
}

/// See the head of this file.
pub(super) struct Board(Mutex<Inside>);

struct Inside {
    next: u64,
    live: BTreeMap<u64, (Outgoing, Arc<AtomicU64>)>,
    over: VecDeque<Outgoing>,
}

/// What is being sent.
pub(super) struct Sent {
    pub(super) owner: AccountId,
    /// `rep/item:tag`
    pub(super) tag: String,
    pub(super) file: String,
    /// Bytes of the file.
    pub(super) size: u64,
}

/// A transfer that goes on as long as this lives.
pub(super) struct Transfer {
    board: &'static Board,
    id: u64,
    sent: Arc<AtomicU64>,
}

impl Board {
    const fn new() -> Board {
        Board(Mutex::new(Inside { next: FIRST, live: BTreeMap::new(), over: VecDeque::new() }))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One begins.
    pub(super) fn begin(&'static self, what: Sent) -> Transfer {
        let mut inside = self.inside();
        let id = inside.next;
        inside.next += 1;
        let Sent { owner, tag, file, size } = what;
        let sent = Arc::new(AtomicU64::new(0));
        inside
            .live
            .insert(id, (Outgoing { id: JobId(id), owner, tag, file, over: false, sent: 0, size }, sent.clone()));
        Transfer { board: self, id, sent }
    }

    /// See [`super::outgoing`].
    pub(super) fn list(&self) -> Vec<Outgoing> {
        let inside = self.inside();
        let live = inside.live.values().map(|(outgoing, sent)| with(outgoing.clone(), sent));
        let mut all: Vec<Outgoing> = live.chain(inside.over.iter().cloned()).collect();
        all.sort_unstable_by_key(|outgoing| std::cmp::Reverse(outgoing.id));
        all
    }
}

fn with(outgoing: Outgoing, sent: &AtomicU64) -> Outgoing {
    Outgoing { sent: sent.load(Ordering::Relaxed), ..outgoing }
}

impl Transfer {
    /// So many bytes more.
    pub(super) fn count(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many bytes so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let mut inside = self.board.inside();
        if let Some((outgoing, sent)) = inside.live.remove(&self.id) {
            inside.over.push_front(Outgoing { over: true, ..with(outgoing, &sent) });
            inside.over.truncate(REMEMBERED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(tag: &str) -> Sent {
        Sent { owner: 1, tag: tag.to_owned(), file: "a.bin".to_owned(), size: 10 }
    }

    #[test]
    fn transfers_are_seen_while_they_go_on_and_for_a_while_after() {
        let board: &'static Board = Box::leak(Box::new(Board::new()));
        let first = board.begin(sent("a/b:1"));
        let second = board.begin(sent("a/b:2"));
        first.count(4);
        let seen: Vec<_> = board.list().iter().map(|one| (one.id.to_string(), one.sent, one.over)).collect();
        assert_eq!(seen, [("f0000001".to_owned(), 0, false), ("f0000000".to_owned(), 4, false)]);
        drop(second);
        first.count(6);
        drop(first);
        let seen: Vec<_> = board.list().iter().map(|one| (one.tag.clone(), one.sent, one.over)).collect();
        assert_eq!(seen, [("a/b:2".to_owned(), 0, true), ("a/b:1".to_owned(), 10, true)]);
        for number in 0..200 {
            drop(board.begin(sent(&format!("a/b:{number}"))));
        }
        assert_eq!(board.list().len(), REMEMBERED);
        assert_eq!(board.list()[0].tag, "a/b:199");
    }
}
