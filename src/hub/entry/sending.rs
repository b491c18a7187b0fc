//! The bytes of a file, on their way out.
//!
//! ```text
//! in memory:      read 0 -- is it what it was? --> sent   read 1 -- is it? --> sent   …
//! blocking pool:  read 0 -- is it what it was? --> read 1 -- is it? --> …
//!                                  `--> sent ---------------------`--> sent
//! ```
//!
//! What is in memory is read where it is sent. From the first piece on that is not, the next one is read while one is sent.
//! Each piece is only handed on after the file was found to be what it was when it was opened: who gets everything has got
//! what was published, and whoever does not sees his connection break.

use crate::cache::content;
use crate::hub::files;
use crate::hub::model::Stamp;
use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
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
        let ahead = rest.next.take();
        let bytes = match ahead.is_none().then(|| rest.in_memory()).flatten() {
            Some(bytes) => bytes,
            None => {
                let Some(reading) = ahead.or_else(|| rest.read()) else { return Ok(None) };
                let bytes = reading.await.map_err(io::Error::other)??;
                rest.next = rest.read();
                bytes
            }
        };
        rest.listener.sent(bytes.len() as u64);
        Ok(Some((bytes, rest)))
    })
}

impl<L> Rest<L> {
    /// The next piece, or a part of it, where it is in memory and the file is what it was.
    fn in_memory(&mut self) -> Option<Bytes> {
        let end = self.range.end.min(self.range.start.saturating_add(PIECE));
        let bytes = content::in_memory(&self.file, self.range.start..end)?;
        files::is_still_as_known(&self.file, self.stamp).then(|| {
            self.range.start += bytes.len() as u64;
            bytes
        })
    }

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
    match files::is_still(file, stamp) {
        true => Ok(buffer.into()),
        false => Err(io::Error::other("the file was changed while it was being sent")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, TryStreamExt};
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    use std::path::Path;
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
        let path = dir.path().canonicalize().unwrap().join("i/a.bin");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        (dir, path)
    }

    /// Opens it; with what it is.
    fn open(path: &Path) -> (File, Stamp) {
        let dir = path.parent().unwrap();
        files::open(dir.parent().unwrap(), dir.file_name().unwrap().to_str().unwrap(), "a.bin").unwrap()
    }

    fn content() -> Vec<u8> {
        (0..700_000_u32).map(|at| (at % 251) as u8).collect()
    }

    #[tokio::test]
    async fn a_file_goes_out_as_it_is() {
        let (_dir, path) = file(&content());
        for range in [0..700_000, 0..4, 262_144..262_145, 699_999..700_000, 100..600_000, 5..5] {
            for is_cold in [false, true] {
                let ((opened, stamp), heard) = (open(&path), Heard::default());
                if is_cold {
                    opened.sync_all().unwrap();
                    posix_fadvise(&opened, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
                }
                let pieces = bytes(opened, stamp, range.clone(), heard.clone());
                let sent: Vec<Bytes> = pieces.try_collect().await.unwrap();
                let expected = &content()[range.start as usize..range.end as usize];
                assert_eq!(sent.concat(), expected, "{range:?}");
                assert_eq!(*heard.0.lock().unwrap(), range.end - range.start);
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_changes_is_never_sent_to_its_end() {
        use std::io::Write;
        let (_dir, path) = file(&content());
        let (opened, stamp) = open(&path);
        // As if it had been found so some time ago: kernels tell times in coarse steps.
        let before = Stamp { mtime: 1, ..stamp };
        let mut pieces = Box::pin(bytes(opened, before, 0..700_000, Heard::default()));
        assert!(pieces.next().await.unwrap().is_err(), "it is not what it was");
        let (opened, stamp) = open(&path);
        let mut pieces = Box::pin(bytes(opened, stamp, 0..700_000, Heard::default()));
        assert!(pieces.next().await.unwrap().is_ok());
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"x").unwrap();
        let rest: Vec<io::Result<Bytes>> = pieces.collect().await;
        assert!(rest.last().unwrap().is_err(), "the last piece was not read before");
    }

    #[tokio::test]
    async fn a_file_that_is_cut_short_breaks_off() {
        let (_dir, path) = file(b"short");
        let (opened, stamp) = open(&path);
        let sent: io::Result<Vec<Bytes>> = bytes(opened, stamp, 0..10, Heard::default()).try_collect().await;
        assert!(sent.is_err());
    }
}
