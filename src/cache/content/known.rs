//! What is known of files since the start: which pieces were compared, and a few that are open.

use super::thread::lock;
use crate::cache::model::TaskNo;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Files held open, so that what is read often costs no look at the file system.
const OPEN: usize = 512;

/// What is known of one content. When another content takes its place there is another one of these: who holds the old one
/// sees that it is gone.
#[derive(Debug)]
pub(super) struct Known {
    /// Pieces that were compared, or written, since the start: a bit each.
    good: Mutex<Vec<u64>>,
    gone: AtomicBool,
    /// How often the file was replaced by one with the same content.
    replaced: AtomicU64,
    /// One comparison at a time: who waits finds it done.
    pub(super) turn: Semaphore,
}

impl Known {
    fn new() -> Known {
        let good = Mutex::new(Vec::new());
        Known { good, gone: AtomicBool::new(false), replaced: AtomicU64::new(0), turn: Semaphore::new(1) }
    }

    /// Whether a piece was compared.
    pub(super) fn is_good(&self, number: u32) -> bool {
        lock(&self.good).get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// It was.
    pub(super) fn good(&self, number: u32) {
        let mut words = lock(&self.good);
        let at = number as usize / 64;
        if words.len() <= at {
            words.resize(at + 1, 0);
        }
        if let Some(word) = words.get_mut(at) {
            *word |= 1 << (number % 64);
        }
    }

    /// They are not what they were.
    pub(super) fn bad(&self, numbers: &[u32]) {
        let mut words = lock(&self.good);
        for number in numbers {
            if let Some(word) = words.get_mut(*number as usize / 64) {
                *word &= !(1 << (number % 64));
            }
        }
    }

    /// Whether no piece was compared.
    pub(super) fn is_blank(&self) -> bool {
        lock(&self.good).iter().all(|word| *word == 0)
    }

    /// Whether another content has taken its place, or none.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// See [`Known::replaced`].
    pub(super) fn edition(&self) -> u64 {
        self.replaced.load(Ordering::Acquire)
    }

    /// The same content is in another file now.
    pub(super) fn replace(&self) {
        self.replaced.fetch_add(1, Ordering::AcqRel);
    }
}

/// What is known of all contents that were touched since the start.
#[derive(Default)]
pub(super) struct Knowledge {
    known: Mutex<HashMap<TaskNo, Arc<Known>>>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    files: HashMap<TaskNo, (Arc<File>, u64, u64)>,
    /// By when they were used last.
    order: BTreeMap<u64, TaskNo>,
    uses: u64,
}

impl Knowledge {
    /// Of this task's present content.
    pub(super) fn of(&self, task: TaskNo) -> Arc<Known> {
        Arc::clone(lock(&self.known).entry(task).or_insert_with(|| Arc::new(Known::new())))
    }

    /// The content is gone: nothing is known of what comes now.
    pub(super) fn forget(&self, task: TaskNo) {
        if let Some(known) = lock(&self.known).remove(&task) {
            known.gone.store(true, Ordering::Release);
        }
        self.close(task);
    }

    /// Holds a file open no longer.
    pub(super) fn close(&self, task: TaskNo) {
        let mut open = lock(&self.open);
        if let Some((_, _, used)) = open.files.remove(&task) {
            open.order.remove(&used);
        }
    }

    /// An open file, with its edition.
    pub(super) fn file(&self, task: TaskNo) -> Option<(Arc<File>, u64)> {
        let open = &mut *lock(&self.open);
        let (file, edition, used) = open.files.get_mut(&task)?;
        open.uses += 1;
        open.order.remove(used);
        *used = open.uses;
        open.order.insert(open.uses, task);
        Some((Arc::clone(file), *edition))
    }

    /// Holds a file open, instead of the one that was used least recently.
    pub(super) fn hold(&self, task: TaskNo, known: &Known, file: &Arc<File>, edition: u64) {
        let open = &mut *lock(&self.open);
        // Whoever replaces a content says so before he closes its file; so what is closed here stays closed.
        if known.is_gone() || known.edition() != edition {
            return;
        }
        open.uses += 1;
        if let Some((_, _, used)) = open.files.insert(task, (Arc::clone(file), edition, open.uses)) {
            open.order.remove(&used);
        }
        open.order.insert(open.uses, task);
        if open.files.len() > OPEN
            && let Some((_, oldest)) = open.order.pop_first()
        {
            open.files.remove(&oldest);
        }
    }
}
