//! Reading a file whole, with both digests in one pass, so that what comes out belongs to one state of the file.

use super::directory::{Directory, Fault, stamp_of_open};
use crate::base::Wall;
use crate::hub::model::{Digests, Look, Reading, Stamp};
use chrono::Utc;
use md5::Md5;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

/// Read at once, at most.
const BUFFER: usize = 256 << 10;
/// A file that is changed while it is read is read anew, so often altogether.
const TRIES: usize = 4;
/// The kernel's stamps are as coarse as its ticks: what is written within one of them may leave no trace. A file that was
/// changed only just is read once this has passed.
const SETTLED: Duration = Duration::from_millis(20);

/// What reading once led to.
enum Once {
    /// All of it, and nothing moved.
    Whole(Stamp, Digests),
    /// It was changed meanwhile.
    Changed,
    /// It is not wanted any more.
    Stopped,
}

/// See [`super::measure`]. A file of more than `kept` bytes is read without taking the place of what others have in memory.
pub(super) fn measure(pool: &Path, dir: &str, file: &str, kept: u64, go_on: &dyn Fn(u64) -> bool) -> Option<Reading> {
    for _ in 0..TRIES {
        // Anew each time: another file may have been put in its place.
        let directory = match Directory::open(pool, dir) {
            Ok(directory) => directory,
            Err(fault) => return Some(without(fault)),
        };
        match once(&directory, file, kept, go_on) {
            Ok(Ok(Once::Whole(stamp, digests))) => return Some(Reading::Whole(stamp, digests)),
            Ok(Ok(Once::Changed)) => {}
            Ok(Ok(Once::Stopped)) => return None,
            Ok(Err(failed)) => return Some(Reading::Failed(failed.to_string())),
            Err(fault) => return Some(without(fault)),
        }
    }
    Some(Reading::Unsteady)
}

fn without(fault: Fault) -> Reading {
    match fault {
        Fault::Seen(look) => Reading::Nothing(look),
        Fault::Ours(errno) => Reading::Failed(errno.desc().to_owned()),
    }
}

fn once(directory: &Directory, file: &str, kept: u64, go_on: &dyn Fn(u64) -> bool) -> Result<io::Result<Once>, Fault> {
    let (opened, stamp) = directory.open_file(file)?;
    std::thread::sleep(to_settle(stamp, Utc::now()));
    let before = stamp_of_open(&opened)?;
    advise(&opened, before.size > kept);
    let digests = match read(&opened, before.size, go_on) {
        Ok(Some(digests)) => digests,
        Ok(None) => return Ok(Ok(Once::Stopped)),
        Err(failed) => return Ok(Err(failed)),
    };
    let unmoved = digests.size == before.size && stamp_of_open(&opened)? == before;
    // What was read counts only while it still is what the name stands for.
    let is_it = unmoved && directory.look(file, Some(&Look::There(before)))? == Look::There(before);
    Ok(Ok(if is_it { Once::Whole(before, digests) } else { Once::Changed }))
}

/// How long to wait until a change of the file would show. A stamp of the future (another host's clock) is not waited for
/// any longer than one of now.
fn to_settle(stamp: Stamp, now: Wall) -> Duration {
    let now = now.timestamp_nanos_opt().unwrap_or(i64::MAX);
    let age = Duration::from_nanos(u64::try_from(now.saturating_sub(stamp.ctime)).unwrap_or_default());
    SETTLED.saturating_sub(age)
}

/// Tells the kernel how the file will be read, so that it reads ahead. Wishes: they may fail.
fn advise(file: &File, in_passing: bool) {
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL);
    if in_passing {
        let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_NOREUSE);
    }
}

/// Reads it from its beginning to its end. One that grows is not followed: that it is longer than it was is enough to know.
/// None: it is not wanted any more.
fn read(mut file: &File, length: u64, go_on: &dyn Fn(u64) -> bool) -> io::Result<Option<Digests>> {
    // One byte more than there should be: that it is longer shows at once.
    let mut buffer = vec![0; usize::try_from(length).map_or(BUFFER, |length| BUFFER.min(length + 1))];
    let (mut md5, mut sha256, mut size) = (Md5::new(), Sha256::new(), 0_u64);
    while size <= length {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(interrupted) if interrupted.kind() == io::ErrorKind::Interrupted => continue,
            Err(failed) => return Err(failed),
        };
        md5.update(&buffer[..count]);
        sha256.update(&buffer[..count]);
        size += count as u64;
        if !go_on(count as u64) {
            return Ok(None);
        }
    }
    Ok(Some(Digests { size, md5: md5.finalize().into(), sha256: sha256.finalize().into() }))
}

#[cfg(test)]
#[path = "tests/read.rs"]
mod tests;
