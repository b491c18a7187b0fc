//! The files: looked at all the time, read now and then, watched where the kernel tells of changes.
//!
//! * `directory` an item's directory, opened so that nothing leads out of it; `looks` looks at files in it
//! * `read` a whole file with both digests; `pace` how fast, where nobody waits
//! * `patience` file work that may never come back, kept apart from everything else; `waited` what somebody waits for
//! * `house` what all this needs of the room, and no more
//! * `doubts` files that changed only just, left alone for a moment
//! * `driver` one task that hears everybody; `passes` one for each pool; `wanted` what it is asked in between
//! * `readings` the files that are being read; `watch` what the kernel tells
//!
//! ```text
//!   look_at ──┐                                  ┌─ passes of a pool ── every file once in stat_every ─┐
//!   inotify ──┼──> driver ──> wanted of a pool ──┘                    └─ what is wanted, at once ──────┼──> the room
//!   read    ──┘         └───> readings ── one thread each, paced where nobody waits ───────────────────┘
//! ```
//!
//! **Absent:** what a look or a reading means. **Idle:** with nothing published, no timer runs.

mod directory;
mod doubts;
mod driver;
mod house;
mod looks;
mod pace;
mod passes;
mod patience;
mod read;
mod readings;
mod waited;
mod wanted;
mod watch;

use super::engine::Handle;
use super::machine::ReadOrder;
use super::model::{ItemNo, Look, Reading, Stamp, TagNo};
use driver::Command;
use readings::GoingOn;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

pub(in crate::hub) use directory::{Held, make_below};
pub use looks::look_many;
pub(in crate::hub) use waited::{look_patiently, measure_patiently};

/// Looks, and readings. Clones are the same.
#[derive(Clone)]
pub struct Verifier {
    commands: UnboundedSender<Command>,
    /// Until it runs.
    asked: Arc<Mutex<Option<UnboundedReceiver<Command>>>>,
    going_on: Arc<GoingOn>,
    settings: Settings,
}

/// How it works.
#[derive(Clone, Copy, Debug)]
struct Settings {
    /// In this time every file is looked at once.
    stat_every: Duration,
    /// How many bytes a second are read where nobody waits; 0: as many as come.
    hash_rate: u64,
    /// Files up to so many bytes may take their place in memory.
    small: u64,
}

impl Verifier {
    /// One that does nothing before [`Verifier::run`]; what it is asked until then is not forgotten. Every file is looked
    /// at once in `stat_every`; where nobody waits, files are read at `hash_rate` bytes a second (0: as fast as they come);
    /// those of more than `small` bytes without taking the place of what others have in memory.
    pub fn new(stat_every: Duration, hash_rate: u64, small: u64) -> Verifier {
        let (commands, asked) = mpsc::unbounded_channel();
        Verifier {
            commands,
            asked: Arc::new(Mutex::new(Some(asked))),
            going_on: Arc::default(),
            settings: Settings { stat_every, hash_rate, small },
        }
    }

    /// Looks and reads for as long as the daemon lives.
    pub async fn run(self, handle: Handle) {
        self.run_in(handle).await;
    }

    async fn run_in<H: house::House>(self, house: H) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(asked) = asked {
            Box::pin(driver::drive(house, asked, self.settings, self.going_on)).await;
        }
    }

    /// See [`Effect::Read`](super::machine::Effect::Read).
    pub fn read(&self, order: ReadOrder) {
        self.ask(Command::Read(order));
    }

    /// See [`Effect::StopReading`](super::machine::Effect::StopReading).
    pub fn stop_reading(&self, tag: TagNo) {
        self.ask(Command::StopReading(tag));
    }

    /// See [`Effect::LookAt`](super::machine::Effect::LookAt).
    pub fn look_at(&self, item: ItemNo, file: Arc<str>) {
        self.ask(Command::LookAt(item, file));
    }

    /// How many bytes of a tag's file were read so far; none: it is not being read.
    pub fn bytes(&self, tag: TagNo) -> Option<u64> {
        self.going_on.bytes(tag)
    }

    /// There is a pool more, or less.
    pub fn pools_changed(&self) {
        self.ask(Command::PoolsChanged);
    }

    /// Once it has ended with the daemon, nobody hears.
    fn ask(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

/// Looks at one file, by pool, item's directory and name. Blocks.
pub fn look(pool: &Path, dir: &str, file: &str) -> Look {
    looks::look(pool, dir, file)
}

/// Reads one file, as fast as the disk is. After each part that was read `go_on` is told how many bytes that were, and may
/// wait. None: it said no. Blocks.
pub fn measure(pool: &Path, dir: &str, file: &str, go_on: &dyn Fn(u64) -> bool) -> Option<Reading> {
    read::measure(pool, dir, file, u64::MAX, go_on)
}

/// Opens one file to be handed out: the file and what it was when it was opened. Blocks.
///
/// # Errors
/// What a look finds instead.
pub fn open(pool: &Path, dir: &str, file: &str) -> Result<(File, Stamp), Look> {
    let directory = directory::Directory::open(pool, dir)?;
    Ok(directory.open_file(file)?)
}

/// Whether an open file is still what it was. Blocks.
pub fn is_still(file: &File, stamp: Stamp) -> bool {
    directory::stamp_of_open(file).is_ok_and(|now| now == stamp)
}

/// The same, as far as this host knows: nobody else is asked, and nothing is waited for. A file system of this host
/// always knows.
pub fn is_still_as_known(file: &File, stamp: Stamp) -> bool {
    directory::stamp_as_known(file).is_some_and(|now| now == stamp)
}

/// Opens an item's directory, which is made where there is none, never through a symbolic link that leads out of the pool,
/// to put a file there. Blocks.
///
/// # Errors
/// The kernel's; with the path.
pub(in crate::hub) fn directory(pool: &Path, dir: &str) -> io::Result<Held> {
    directory::make(pool, dir)
}

#[cfg(test)]
mod tests;
