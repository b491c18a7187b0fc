//! One log file and its sidecar. Everything here blocks.
//!
//! Neither file is held open: a host may have many thousands. No symbolic link is followed at the last component and
//! nothing but a regular file is read; the log itself is never created here, only its sidecar.

use super::marks::{Ledger, MOST, Record, SIZE, since, thin};
use super::stem::SIDECAR;
use crate::base::{Now, Wall};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc;
use nix::unistd::{Whence, lseek};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Added to every open: no symbolic link, no waiting for the other end of a fifo.
const CAREFULLY: i32 = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;

/// What happened to the bytes over the cap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bound {
    /// There were none, or they are released.
    Kept,
    /// This file system cannot punch holes: the file grows on.
    Impossible,
}

/// What is to be had of a log whose writers are gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whole {
    /// All of its bytes.
    Bytes(Vec<u8>),
    /// It is too long, or its beginning is released: it ends at this offset.
    Length(u64),
}

pub(super) struct LogFile {
    path: PathBuf,
    sidecar: PathBuf,
    ledger: Ledger,
    loaded: bool,
    /// Whether the last record could not be written, so that it is said once and not every second.
    trouble: bool,
}

impl LogFile {
    /// Names the file, which need not exist. Nothing is read before it is needed.
    pub(super) fn new(path: PathBuf) -> LogFile {
        let mut sidecar = path.clone().into_os_string();
        sidecar.push(SIDECAR);
        LogFile { path, sidecar: sidecar.into(), ledger: Ledger::default(), loaded: false, trouble: false }
    }

    /// What the file and its sidecar say, read once.
    fn load(&mut self) {
        if std::mem::replace(&mut self.loaded, true) {
            return;
        }
        self.ledger = Ledger::new(&records(&self.sidecar));
        // Released, but the process died before that was written down.
        if let Some(first) = open(&self.path, OpenOptions::new().read(true)).ok().flatten().and_then(first_data) {
            self.ledger.kept = self.ledger.kept.max(self.ledger.base + first);
        }
    }

    /// Creates the directories that the file is to be in, for root alone.
    pub(super) fn prepare(&self) -> io::Result<()> {
        let parent = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the length anew; a file that is not there changes nothing.
    pub(super) fn look(&mut self) -> io::Result<&Ledger> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if found.is_file() => self.seen(found.len()),
            Ok(_) => return Err(io::Error::other("not a regular file")),
            Err(why) if why.kind() == io::ErrorKind::NotFound => self.load(),
            Err(why) => return Err(why),
        }
        Ok(&self.ledger)
    }

    /// Notes where the log ends now, and answers it. `at` is the time to write down, such as the start of the run
    /// whose first byte will be there; by default that is now, read after the length so that no byte seems older.
    ///
    /// An empty log needs no mark: whatever it will hold comes later.
    pub(super) fn mark(&mut self, at: Option<Wall>) -> io::Result<u64> {
        if self.look()?.end == 0 {
            return Ok(0);
        }
        let at = at.unwrap_or_else(|| Now::read().wall);
        if let Some(mark) = self.ledger.mark(at) {
            self.note(mark, false);
        }
        Ok(self.ledger.end)
    }

    /// Opens the file for reading, and looks at it.
    pub(super) fn reader(&mut self) -> io::Result<Option<File>> {
        let Some(file) = open(&self.path, OpenOptions::new().read(true))? else { return Ok(None) };
        self.seen(file.metadata()?.len());
        Ok(Some(file))
    }

    /// All of it, when it is no longer than `most` bytes and nothing of it is missing; else its length alone.
    pub(super) fn whole(&mut self, most: u64) -> io::Result<Whole> {
        let Some(file) = self.reader()? else { return Ok(Whole::Bytes(Vec::new())) };
        let Ledger { base, kept, end, .. } = self.ledger;
        if base > 0 || kept > 0 || end > most {
            return Ok(Whole::Length(end));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(end).unwrap_or_default());
        file.take(end).read_to_end(&mut bytes)?;
        Ok(Whole::Bytes(bytes))
    }

    /// As of the last look.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Where to begin to see everything written since `at`.
    pub(super) fn since(&self, at: Wall) -> u64 {
        since(&records(&self.sidecar), at)
    }

    /// Releases the oldest blocks when more than `cap` bytes are kept.
    pub(super) fn bound(&mut self, cap: u64) -> io::Result<Bound> {
        let Some(kept) = self.ledger.release(cap) else { return Ok(Bound::Kept) };
        let Some(file) = open(&self.path, OpenOptions::new().write(true))? else { return Ok(Bound::Kept) };
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        // From the very beginning: what an earlier call left behind goes too, and holes cost nothing.
        let length = i64::try_from(kept - self.ledger.base).map_err(io::Error::other)?;
        match fallocate(&file, hole, 0, length) {
            Ok(()) => {
                let record = self.ledger.keep(kept, Now::read().wall);
                self.note(record, false);
                Ok(Bound::Kept)
            }
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(Bound::Impossible),
            Err(why) => Err(why.into()),
        }
    }

    /// Deletes both files, and a draft that a dying process left.
    pub(super) fn remove(&self) -> io::Result<()> {
        for path in [&self.path, &self.sidecar, &self.draft()] {
            match fs::remove_file(path) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
                _ => {}
            }
        }
        Ok(())
    }

    fn seen(&mut self, length: u64) {
        self.load();
        if let Some(cut) = self.ledger.seen(length, Now::read().wall) {
            // Without this record later offsets would mean other bytes after a power cut.
            self.note(cut, true);
        }
    }

    /// Appends a record. A full disk costs the record and nothing else: the log's own bytes do not need it.
    fn note(&mut self, record: Record, durable: bool) {
        self.ledger.records += 1;
        let written = if self.ledger.records > MOST { self.rewrite(record) } else { self.append(record, durable) };
        match &written {
            // That the disk is full is told elsewhere, and once.
            Err(why) if !self.trouble && why.kind() != io::ErrorKind::StorageFull => {
                tracing::warn!(file = %self.sidecar.display(), %why, "could not note a time mark of a log");
            }
            _ => {}
        }
        self.trouble = written.is_err();
    }

    fn append(&self, record: Record, durable: bool) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).custom_flags(CAREFULLY);
        let mut file = options.open(&self.sidecar)?;
        // A torn record would shift all that follow.
        let length = file.metadata()?.len();
        if length % SIZE as u64 != 0 {
            file.set_len(length - length % SIZE as u64)?;
        }
        file.write_all(&record.encode())?;
        if durable { file.sync_data() } else { Ok(()) }
    }

    fn draft(&self) -> PathBuf {
        self.sidecar.with_extension("marks.new")
    }

    /// Writes the sidecar anew, thinned out.
    fn rewrite(&mut self, record: Record) -> io::Result<()> {
        let mut all = records(&self.sidecar);
        all.push(record);
        let thinned = thin(&all);
        let draft = self.draft();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(CAREFULLY);
        let mut file = options.open(&draft)?;
        let bytes: Vec<u8> = thinned.iter().flat_map(Record::encode).collect();
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&draft, &self.sidecar)?;
        self.ledger.records = thinned.len();
        Ok(())
    }
}

/// Opens an existing regular file; none when there is none.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<Option<File>> {
    match options.custom_flags(CAREFULLY).open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
        Ok(_) => Err(io::Error::other("not a regular file")),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

/// All records; a sidecar that cannot be read says nothing.
fn records(sidecar: &Path) -> Vec<Record> {
    let mut bytes = Vec::new();
    let file = open(sidecar, OpenOptions::new().read(true)).ok().flatten();
    if let Some(mut file) = file
        && file.read_to_end(&mut bytes).is_err()
    {
        bytes.clear();
    }
    Record::all(&bytes)
}

/// The first physical offset that is not in a hole at the file's beginning.
fn first_data(file: File) -> Option<u64> {
    lseek(&file, 0, Whence::SeekData).ok().and_then(|first| u64::try_from(first).ok())
}
