//! The files: looked at all the time, read now and then, watched where the kernel tells of changes.

use super::engine::Handle;
use super::machine::ReadOrder;
use super::model::{ItemNo, Look, Reading, TagNo};
use std::fs::File;
use std::io;
use std::path::Path;

/// Looks, and readings. Clones are the same.
#[derive(Clone)]
pub struct Verifier {}

impl Verifier {
    /// One that does nothing before [`Verifier::run`].
    pub fn new(_stat_every: std::time::Duration, _hash_rate: u64, _small: u64) -> Verifier {
        unimplemented!()
    }

    /// Looks and reads for as long as the daemon lives.
    pub async fn run(self, _handle: Handle) {
        unimplemented!()
    }

    /// See [`Effect::Read`](super::machine::Effect::Read).
    pub fn read(&self, _order: ReadOrder) {
        unimplemented!()
    }

    /// See [`Effect::StopReading`](super::machine::Effect::StopReading).
    pub fn stop_reading(&self, _tag: TagNo) {
        unimplemented!()
    }

    /// See [`Effect::LookAt`](super::machine::Effect::LookAt).
    pub fn look_at(&self, _item: ItemNo) {
        unimplemented!()
    }
}

/// Looks at one file, by pool, item's directory and name. Blocks.
pub fn look(_pool: &Path, _dir: &str, _file: &str) -> Look {
    unimplemented!()
}

/// Reads one file, as fast as the disk is; `go_on` is asked now and then. None: it said no. Blocks.
pub fn measure(_pool: &Path, _dir: &str, _file: &str, _go_on: &dyn Fn(u64) -> bool) -> Option<Reading> {
    unimplemented!()
}

/// Opens one file to be handed out: the file and what it was when it was opened. Blocks.
///
/// # Errors
/// What a look finds instead.
pub fn open(_pool: &Path, _dir: &str, _file: &str) -> Result<(File, super::model::Stamp), Look> {
    unimplemented!()
}

/// Opens an item's directory, which is made where there is none, never through a symbolic link that leads out of the pool:
/// its path, to put a file there. Blocks.
///
/// # Errors
/// The kernel's; with the path.
pub fn directory(_pool: &Path, _dir: &str) -> io::Result<std::path::PathBuf> {
    unimplemented!()
}
