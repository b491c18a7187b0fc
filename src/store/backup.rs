//! Backups, taken while the store is written to.
//!
//! A tap is opened: from then on every committed operation is heard. The tree is scanned as it stands, each record as it
//! is at its moment, and then everything heard is appended, up to a last mark. A record that was not touched meanwhile
//! is in the scan; for one that was, its last operation follows. So doing it all in order gives exactly the store at the
//! moment of the mark. No object is unlinked before the tap is closed.

use super::archive::{Header, Packer};
use super::batch::Op;
use super::disk::{Disk, DiskView};
use super::formats::{STORE_FORMAT, kind_marks};
use super::layout::{Layout, sync_dir};
use super::reader::{ReadError, View};
use super::record::FIRST_KIND;
use super::tap::{Backlog, Heard, Tap};
use super::writer::Message;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};

/// The records of all rooms: the bytes from the first kind to the last.
pub(super) const RECORDS: (u8, u8) = (FIRST_KIND, u8::MAX);

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It cannot be written.
    #[error("the backup cannot be written: {0}")]
    Write(#[from] io::Error),
    /// A record cannot be read: run a check.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store ended meanwhile.
    #[error("the store has stopped")]
    Stopped,
    /// More was written to the store meanwhile than may wait for it.
    #[error("the receiver of the backup is too slow for what is being written meanwhile")]
    TooSlow,
    /// The store is in memory only.
    #[error("a store in memory has no backup")]
    InMemory,
}

/// Writes a backup of an open store. How many operations it holds.
pub(super) fn backup(disk: &Disk, out: &mut dyn Write) -> Result<u64, BackupError> {
    let listener = Listener::open(disk)?;
    let view = &disk.view;
    let mut packer = Packer::new(BufWriter::new(out), &header(view)?)?;
    pack_records(view, &mut packer)?;
    disk.send(Message::End(listener.id));
    loop {
        match listener.heard.recv() {
            Ok(Heard::Committed(ops)) => {
                listener.backlog.taken(&ops);
                for op in ops.into_iter().filter(is_record) {
                    packer.op(&view.embed(op)?)?;
                }
            }
            Ok(Heard::Began) => {}
            Ok(Heard::Ended) if listener.backlog.cut_off() => return Err(BackupError::TooSlow),
            Ok(Heard::Ended) => return Ok(packer.finish()?),
            Err(_) => return Err(BackupError::Stopped),
        }
    }
}

/// Writes a backup of a store that nobody writes to, into its own directory.
pub(super) fn before_migration(view: &DiskView, layout: &Layout) -> io::Result<PathBuf> {
    let path = layout.dir().join("before-migration.backup");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    let mut packer = Packer::new(BufWriter::new(&file), &header(view)?)?;
    pack_records(view, &mut packer).map_err(|why| match why {
        BackupError::Write(why) => why,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    })?;
    packer.finish()?;
    file.sync_all()?;
    sync_dir(layout.dir())?;
    Ok(path)
}

fn header(view: &DiskView) -> io::Result<Header> {
    let kinds = kind_marks(&*view.backend)?.into_iter().collect();
    Ok(Header { store_format: STORE_FORMAT, kinds })
}

fn pack_records<W: Write>(view: &DiskView, packer: &mut Packer<W>) -> Result<(), BackupError> {
    for pair in view.scan(vec![RECORDS.0], vec![RECORDS.1], false) {
        let (key, value) = pair?;
        packer.op(&Op::Put { key, value })?;
    }
    Ok(())
}

/// The store's own keys are not part of a backup: they describe this directory.
fn is_record(op: &Op) -> bool {
    let (Op::Put { key, .. } | Op::Delete { key } | Op::DeleteRange { from: key, .. }) = op;
    key.first().is_some_and(|kind| (RECORDS.0..RECORDS.1).contains(kind))
}

/// The backup's end of a tap; closes it when dropped.
struct Listener<'a> {
    disk: &'a Disk,
    id: u64,
    heard: Receiver<Heard>,
    backlog: Arc<Backlog>,
}

impl<'a> Listener<'a> {
    /// Returns once the writer tells it everything.
    fn open(disk: &'a Disk) -> Result<Listener<'a>, BackupError> {
        let (to, heard) = mpsc::channel();
        let backlog = Arc::<Backlog>::default();
        let id = disk.taps.fetch_add(1, Ordering::Relaxed);
        disk.send(Message::Open(Tap { id, to, backlog: backlog.clone() }));
        match heard.recv() {
            Ok(_) => Ok(Listener { disk, id, heard, backlog }),
            Err(_) => Err(BackupError::Stopped),
        }
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.disk.send(Message::Drop(self.id));
    }
}
