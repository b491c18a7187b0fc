//! The bytes of a file, on their way out.
//!
//! ```text
//! blocking pool:  read 0 -- is it what it was? --> read 1 -- is it? --> …
//!                                  `--> sent ---------------------`--> sent
//! ```
//!
//! The next piece is read while one is sent, and each piece is only handed on after the file was found to be what it was
//! when it was opened: who gets everything has got what was published, and whoever does not sees his connection break.

use crate::hub::model::Stamp;
use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// How much is read at once, in bytes.
const PIECE: u64 = 256 << 10;

/// Hears of pieces as they are handed on, and of the end by being dropped.
pub(super) trait Listens: Send + 'static {
    /// So many bytes more.
    fn sent(&mut self, bytes: u64);
}

/// What is left to be sent.
struct Rest<L> {
    file: Arc<File>,
    stamp: Stamp,
    range: Range<u64>,
    /// The piece that is being read.
    next: Option<JoinHandle<io::Result<Bytes>>>,
    listener: L,
}

/// The bytes of this range of a file that was this when it was opened. Nothing is read, and nobody hears of it, before the
/// first piece is asked for.
pub(super) fn bytes<L: Listens>(
    file: File,
    stamp: Stamp,
    range: Range<u64>,
    listener: L,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let rest = Rest { file: Arc::new(file), stamp, range, next: None, listener };
    try_unfold(rest, |mut rest| async move {
        let Some(reading) = rest.next.take().or_else(|| rest.read()) else { return Ok(None) };
        let bytes = reading.await.map_err(io::Error::other)??;
        rest.next = rest.read();
        rest.listener.sent(bytes.len() as u64);
        Ok(Some((bytes, rest)))
    })
}

impl<L> Rest<L> {
    /// Begins to read the next piece; none is left.
    fn read(&mut self) -> Option<JoinHandle<io::Result<Bytes>>> {
        let length = PIECE.min(self.range.end.saturating_sub(self.range.start));
        let (file, stamp, at) = (self.file.clone(), self.stamp, self.range.start);
        self.range.start += length;
        (length > 0).then(|| tokio::task::spawn_blocking(move || piece(&file, stamp, at, length)))
    }
}

/// Reads a piece. Blocks.
fn piece(file: &File, stamp: Stamp, at: u64, length: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut buffer, at)?;
    match stamp_of(file)? == stamp {
        true => Ok(buffer.into()),
        false => Err(io::Error::other("the file was changed while it was being sent")),
    }
}

/// What the kernel says of it now. Blocks.
fn stamp_of(file: &File) -> io::Result<Stamp> {
    let found = file.metadata()?;
    let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    Ok(Stamp {
        dev: found.dev(),
        ino: found.ino(),
        size: found.size(),
        mtime: nanos(found.mtime(), found.mtime_nsec()),
        ctime: nanos(found.ctime(), found.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, TryStreamExt};
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<u64>>);

    impl Listens for Heard {
        fn sent(&mut self, bytes: u64) {
            *self.0.lock().unwrap() += bytes;
        }
    }

    fn file(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        std::fs::write(&path, content).unwrap();
        (dir, path)
    }

    fn content() -> Vec<u8> {
        (0..700_000_u32).map(|at| (at % 251) as u8).collect()
    }

    #[tokio::test]
    async fn a_file_goes_out_as_it_is() {
        let (_dir, path) = file(&content());
        for range in [0..700_000, 0..4, 262_144..262_145, 699_999..700_000, 100..600_000, 5..5] {
            let (opened, heard) = (File::open(&path).unwrap(), Heard::default());
            let stamp = stamp_of(&opened).unwrap();
            let pieces = bytes(opened, stamp, range.clone(), heard.clone());
            let sent: Vec<Bytes> = pieces.try_collect().await.unwrap();
            let expected = &content()[range.start as usize..range.end as usize];
            assert_eq!(sent.concat(), expected, "{range:?}");
            assert_eq!(*heard.0.lock().unwrap(), range.end - range.start);
        }
    }

    #[tokio::test]
    async fn a_file_that_changes_is_never_sent_to_its_end() {
        use std::io::Write;
        let (_dir, path) = file(&content());
        let opened = File::open(&path).unwrap();
        // As if it had been found so some time ago: kernels tell times in coarse steps.
        let before = Stamp { mtime: 1, ..stamp_of(&opened).unwrap() };
        let mut pieces = Box::pin(bytes(opened, before, 0..700_000, Heard::default()));
        assert!(pieces.next().await.unwrap().is_err(), "it is not what it was");
        let opened = File::open(&path).unwrap();
        let stamp = stamp_of(&opened).unwrap();
        let mut pieces = Box::pin(bytes(opened, stamp, 0..700_000, Heard::default()));
        assert!(pieces.next().await.unwrap().is_ok());
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"x").unwrap();
        let rest: Vec<io::Result<Bytes>> = pieces.collect().await;
        assert!(rest.last().unwrap().is_err(), "the last piece was not read before");
    }

    #[tokio::test]
    async fn a_file_that_is_cut_short_breaks_off() {
        let (_dir, path) = file(b"short");
        let opened = File::open(&path).unwrap();
        let stamp = stamp_of(&opened).unwrap();
        let sent: io::Result<Vec<Bytes>> = bytes(opened, stamp, 0..10, Heard::default()).try_collect().await;
        assert!(sent.is_err());
    }
}
