//! What every room holds: the store behind one cheap handle, on disk or in memory.

use super::batch::Batch;
use super::memory::{Memory, MemoryView};
use super::reader::Reader;
use super::ticket::{CommitError, Ticket};
use std::sync::Arc;
use std::time::Duration;

/// The store. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Memory(Arc<Memory>),
}

/// The disk is too full for another write of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk is full: {free} bytes are free")]
pub struct Full {
    /// Free bytes at the last look.
    pub free: u64,
}

/// The store in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of the database and the objects on disk, the reserve not counted.
    pub size_on_disk: u64,
    /// About how many of these are keys and values still in use.
    pub live_bytes: u64,
    /// Decisions committed since the store was opened.
    pub commits: u64,
    /// How long the last group commit took, flush and fsync included.
    pub last_commit: Duration,
    /// Decisions that wait for the writer.
    pub queued: usize,
    /// Whether writes of clients are refused.
    pub full: bool,
    /// Free bytes on the disk at the last look.
    pub free: u64,
    /// Bytes held in reserve.
    pub reserve: u64,
    /// What was done to a damaged database when it was opened.
    pub repaired: Option<String>,
}

impl Store {
    /// A store in memory, for tests: commits at once, forgets at the end.
    pub fn in_memory() -> Store {
        Store { engine: Engine::Memory(Arc::default()) }
    }

    /// A store in memory that commits so many decisions, then no more: a crash story's end.
    pub fn dying_after(commits: u64) -> Store {
        Store { engine: Engine::Memory(Arc::new(Memory::dying_after(commits))) }
    }

    /// What the next process would find: the committed decisions, in memory and alive again. A store on disk is its own
    /// survivor.
    pub fn survivors(&self) -> Store {
        match &self.engine {
            Engine::Memory(memory) => Store { engine: Engine::Memory(Arc::new(memory.survivors())) },
        }
    }

    /// Hands a decision to the writer. Never blocks. Decisions become durable, and visible, in the order of submission;
    /// an empty one is durable when all earlier ones are.
    pub fn submit(&self, batch: Batch) -> Ticket {
        if let Some(why) = batch.unwritable {
            return Ticket::known(Err(CommitError::Unwritable(why)));
        }
        match &self.engine {
            Engine::Memory(memory) => Ticket::known(memory.submit(batch)),
        }
    }

    /// Whether a client's write may start: asked before any state changes. Costs one atomic load.
    ///
    /// # Errors
    /// [`Full`] while the reserve is not whole.
    pub fn admits(&self) -> Result<(), Full> {
        match &self.engine {
            Engine::Memory(_) => Ok(()),
        }
    }

    /// A reader of this store.
    pub fn reader(&self) -> Reader {
        match &self.engine {
            Engine::Memory(memory) => Reader { view: Arc::new(MemoryView(memory.clone())) },
        }
    }

    /// The store in numbers.
    pub fn stats(&self) -> Stats {
        match &self.engine {
            Engine::Memory(memory) => {
                let (commits, live_bytes) = memory.counts();
                Stats { commits, live_bytes, ..Stats::default() }
            }
        }
    }
}
