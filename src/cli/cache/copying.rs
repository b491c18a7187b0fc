//! A copy of a file that is still coming: what the daemon has finished is copied while it fetches the rest.
//!
//! Pieces are compared with the daemon's checksums as they are copied: what comes out is right whatever has happened to
//! the cache's file, and however often the daemon had to begin again.

use super::number;
use rustix::fs::ioctl_ficlone;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that are read at once: they stay in the processor's own memory until they are written.
const AT_ONCE: usize = 256 << 10;

/// A file that fills up.
pub(super) struct Copying {
    to: Arc<File>,
    /// What is copied: by its place, how long it is and its checksum.
    done: HashMap<u64, (u64, u32)>,
    /// Whether it can share its blocks with the cache's, once that was tried.
    shares: Option<bool>,
    /// Nobody wants it any more.
    over: Arc<AtomicBool>,
}

#[derive(Clone, Copy)]
struct Piece {
    offset: u64,
    length: u64,
    crc: u32,
}

impl Copying {
    pub(super) fn to(file: File) -> Copying {
        Copying { to: Arc::new(file), done: HashMap::new(), shares: None, over: Arc::default() }
    }

    /// Shares the blocks of the cache's file, as it is now; whether that can be. It is tried once, and again where it could.
    pub(super) fn share(&mut self, from: &File) -> bool {
        if self.shares != Some(false) {
            // What was copied before is not what is there now.
            self.done.clear();
            self.shares = Some(ioctl_ficlone(&*self.to, from).is_ok());
        }
        self.shares == Some(true)
    }

    /// How long the file is.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn length(&self) -> io::Result<u64> {
        self.to.metadata().map(|found| found.len())
    }

    /// Copies what `task` has finished and is not copied as it is now. A piece that is not what it should be is left for
    /// the next time.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) async fn follow(&mut self, from: File, task: &Value) -> io::Result<()> {
        let pieces = task.get("pieces").and_then(Value::as_array).into_iter().flatten().filter_map(Piece::of);
        let wanted: Vec<Piece> = pieces.filter(|piece| !self.has(piece)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let (to, over) = (Arc::clone(&self.to), Arc::clone(&self.over));
        let copy = move || {
            let mut buffer = vec![0; AT_ONCE];
            let mut copied = Vec::new();
            for piece in wanted {
                if piece.copy(&from, &to, &mut buffer, &over)? {
                    copied.push(piece);
                }
            }
            Ok(copied)
        };
        let copied: io::Result<Vec<Piece>> = tokio::task::spawn_blocking(copy).await.map_err(io::Error::other)?;
        self.done.extend(copied?.into_iter().map(|piece| (piece.offset, (piece.length, piece.crc))));
        Ok(())
    }

    /// Whether everything of this task is copied as it is now; then the file is as long as it.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub(super) fn is_whole(&self, task: &Value) -> io::Result<bool> {
        let Some(length) = number(task, "content_length") else { return Ok(false) };
        let mut end = 0;
        for piece in task.get("pieces").and_then(Value::as_array).into_iter().flatten() {
            match Piece::of(piece).filter(|piece| piece.offset == end && self.has(piece)) {
                Some(piece) => end += piece.length,
                None => return Ok(false),
            }
        }
        if end == length {
            // What was here before may have been longer.
            self.to.set_len(length)?;
        }
        Ok(end == length)
    }

    fn has(&self, piece: &Piece) -> bool {
        self.done.get(&piece.offset) == Some(&(piece.length, piece.crc))
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        // A command that ends does not wait for the rest of a copy.
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Piece {
    fn of(piece: &Value) -> Option<Piece> {
        let crc = piece.get("digest")?.as_str()?.strip_prefix("crc32:")?.parse().ok()?;
        Some(Piece { offset: number(piece, "offset")?, length: number(piece, "length")?, crc })
    }

    /// Copies it; whether it is what it should be.
    fn copy(self, from: &File, to: &File, buffer: &mut [u8], over: &AtomicBool) -> io::Result<bool> {
        let mut sum = crc32fast::Hasher::new();
        let mut at = self.offset;
        let end = self.offset.saturating_add(self.length);
        while at < end {
            if over.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            let read = match from.read_at(&mut buffer[..most], at) {
                Ok(read) if read > 0 => read,
                Err(failed) if failed.kind() == ErrorKind::Interrupted => continue,
                // It ends too early, or cannot be read: the daemon will find the same.
                Ok(_) | Err(_) => return Ok(false),
            };
            sum.update(&buffer[..read]);
            to.write_all_at(&buffer[..read], at)?;
            at += read as u64;
        }
        Ok(sum.finalize() == self.crc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("a disk");
        file
    }

    fn task(length: Option<u64>, pieces: &[(u64, &[u8])]) -> Value {
        let piece = |(offset, bytes): &(u64, &[u8])| json!({ "offset": offset, "length": bytes.len(), "digest": format!("crc32:{}", crc32fast::hash(bytes)) });
        json!({ "content_length": length, "pieces": pieces.iter().map(piece).collect::<Vec<_>>() })
    }

    fn text(copying: &Copying) -> String {
        let mut bytes = vec![0; copying.length().expect("a file") as usize];
        copying.to.read_exact_at(&mut bytes, 0).expect("its bytes");
        String::from_utf8(bytes).expect("text")
    }

    #[tokio::test]
    async fn pieces_are_taken_as_they_come_in_any_order() {
        let mut copying = Copying::to(file(b"something that was here before"));
        let half = task(None, &[(3, b"bbb")]);
        copying.follow(file(b"...bbb"), &half).await.expect("a copy");
        assert!(!copying.is_whole(&half).expect("an answer"), "its length is not known");
        let whole = task(Some(7), &[(0, b"aaa"), (3, b"bbb"), (6, b"c")]);
        assert!(!copying.is_whole(&whole).expect("an answer"), "the first piece is missing");
        copying.follow(file(b"aaa...c"), &whole).await.expect("a copy");
        assert!(copying.is_whole(&whole).expect("an answer"), "the second one was not copied again");
        assert_eq!(text(&copying), "aaabbbc");
    }

    #[tokio::test]
    async fn what_is_not_what_it_should_be_is_not_taken_for_it() {
        let mut copying = Copying::to(file(b""));
        let first = task(Some(6), &[(0, b"aaa"), (3, b"bbb")]);
        copying.follow(file(b"aaabxb"), &first).await.expect("a copy");
        assert!(!copying.is_whole(&first).expect("an answer"), "a bit is wrong");
        copying.follow(file(b"aaab"), &first).await.expect("a copy");
        assert!(!copying.is_whole(&first).expect("an answer"), "the file is too short");
        copying.follow(file(b"aaabbb"), &first).await.expect("a copy");
        assert!(copying.is_whole(&first).expect("an answer"));
        let other = task(Some(4), &[(0, b"aay"), (3, b"z")]);
        assert!(!copying.is_whole(&other).expect("an answer"), "the origin has another one now");
        copying.follow(file(b"aayz"), &other).await.expect("a copy");
        assert!(copying.is_whole(&other).expect("an answer"));
        assert_eq!(text(&copying), "aayz");
        assert!(!copying.is_whole(&task(Some(9), &[(0, b"aay"), (3, b"z")])).expect("an answer"), "there is more");
    }
}
