//! What every room holds: the store behind one cheap handle, on disk or in memory.

use super::backup::{BackupError, backup};
use super::batch::Batch;
use super::check::{Report, Rule, check};
use super::disk::Disk;
use super::export::{ExportError, export};
use super::formats::Table;
use super::layout::Layout;
use super::memory::{Memory, MemoryView};
use super::open::{OpenError, Settings};
use super::reader::{Reader, View};
use super::ticket::{CommitError, Ticket};
use super::writer::Haste;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// The store. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Disk(Arc<Disk>),
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
    /// Opens the store in a data directory, or makes a new one. Blocks, for seconds when there is much to recover.
    ///
    /// # Errors
    /// [`OpenError`] says which may pass by themselves. Nothing was lost by trying.
    pub fn open(settings: Settings) -> Result<Store, OpenError> {
        Ok(Store { engine: Engine::Disk(Arc::new(Disk::open(settings)?)) })
    }

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
            Engine::Disk(_) => self.clone(),
            Engine::Memory(memory) => Store { engine: Engine::Memory(Arc::new(memory.survivors())) },
        }
    }

    /// Hands a decision to the writer. Never blocks. Decisions become durable, and visible, in the order of submission;
    /// an empty one is durable when all earlier ones are.
    pub fn submit(&self, batch: Batch) -> Ticket {
        self.decide(batch, Haste::Awaited)
    }

    /// As [`Store::submit`], for a decision that nobody waits for: it may take up to 3 ms longer, so that others share
    /// its flush.
    pub fn submit_lazily(&self, batch: Batch) -> Ticket {
        self.decide(batch, Haste::Lazy)
    }

    fn decide(&self, batch: Batch, haste: Haste) -> Ticket {
        if let Some(why) = batch.unwritable {
            return Ticket::known(Err(CommitError::Unwritable(why)));
        }
        match &self.engine {
            Engine::Disk(disk) => disk.submit(batch, haste),
            Engine::Memory(memory) => Ticket::known(memory.submit(batch)),
        }
    }

    /// Whether a client's write may start: asked before any state changes. Costs one atomic load.
    ///
    /// # Errors
    /// [`Full`] while the reserve is not whole.
    pub fn admits(&self) -> Result<(), Full> {
        match &self.engine {
            Engine::Disk(disk) => disk.admits(),
            Engine::Memory(_) => Ok(()),
        }
    }

    /// As [`Store::admits`], for a write of so many bytes: ask it where a body may be larger than the reserve. Costs one
    /// statvfs of the data directory.
    ///
    /// # Errors
    /// [`Full`] while the reserve is not whole, or when this write would make it so.
    pub fn admits_bytes(&self, bytes: u64) -> Result<(), Full> {
        match &self.engine {
            Engine::Disk(disk) => disk.admits_bytes(bytes),
            Engine::Memory(_) => Ok(()),
        }
    }

    /// A reader of this store.
    pub fn reader(&self) -> Reader {
        Reader { view: self.view() }
    }

    /// When a backup was last restored into this store, in microseconds since the epoch. Numbers that were given since the
    /// backup was made are unknown here; counted on from there, none is given twice.
    pub fn restored(&self) -> Option<u64> {
        match &self.engine {
            Engine::Disk(disk) => disk.restored,
            Engine::Memory(_) => None,
        }
    }

    /// The store in numbers.
    pub fn stats(&self) -> Stats {
        match &self.engine {
            Engine::Disk(disk) => disk.stats(),
            Engine::Memory(memory) => {
                let (commits, live_bytes) = memory.counts();
                Stats { commits, live_bytes, ..Stats::default() }
            }
        }
    }

    /// Writes a backup while the store goes on: the store as it is at some moment before this returns. Blocks. How many
    /// operations the backup holds.
    ///
    /// # Errors
    /// The writer's, or an unreadable record. What was written then is no backup, and [`restore`] refuses it.
    ///
    /// [`restore`]: super::restore
    pub fn backup(&self, out: &mut dyn Write) -> Result<u64, BackupError> {
        match &self.engine {
            Engine::Disk(disk) => backup(disk, out),
            Engine::Memory(_) => Err(BackupError::InMemory),
        }
    }

    /// Writes every record as a line of JSON, secrets masked; `tables` are the kinds to show. Blocks. How many lines.
    ///
    /// # Errors
    /// The writer's, or an unreadable record.
    pub fn export(&self, tables: &[Table], out: &mut dyn Write) -> Result<u64, ExportError> {
        export(&*self.view(), tables, out)
    }

    /// Reads everything and looks for damage; the rooms' rules look at references between records. Blocks. A store in
    /// memory has only rules to break.
    pub fn check(&self, rules: &[Rule]) -> Report {
        match &self.engine {
            Engine::Disk(disk) => {
                let db = Layout::new(&disk.settings.dir).db();
                check(&disk.view, &db, &disk.settings.tables, rules)
            }
            Engine::Memory(_) => super::check::check_rules(&self.reader(), rules),
        }
    }

    /// Asks the next start to compact the database, which cannot be done while it is in use. Blocks.
    ///
    /// # Errors
    /// The request cannot be written down.
    pub fn compact_at_next_open(&self) -> io::Result<()> {
        match &self.engine {
            Engine::Disk(disk) => super::compact::request(&Layout::new(&disk.settings.dir)),
            Engine::Memory(_) => Ok(()),
        }
    }

    /// Commits what was submitted, then takes nothing more: later decisions are answered [`CommitError::Stopped`].
    /// Blocks. Dropping the last handle does the same.
    pub fn close(&self) {
        if let Engine::Disk(disk) = &self.engine {
            disk.close();
        }
    }

    fn view(&self) -> Arc<dyn View> {
        match &self.engine {
            Engine::Disk(disk) => disk.view.clone(),
            Engine::Memory(memory) => Arc::new(MemoryView(memory.clone())),
        }
    }
}
