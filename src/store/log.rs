//! A look at sled's log before sled looks at it, since it says nothing of what it leaves out, and then overwrites it.
//!
//! The log is made of segments, anywhere in the file `db`. Each begins with its place in the log, and with the last place
//! that was known to be written when it was begun. sled replays what comes after its snapshot:
//! - It looks for the segment with that last known place. When it is not there, all that follows the snapshot is dropped.
//! - In a segment before it, a message whose checksum is wrong ends the segment: the rest of it is passed over.
//!
//! Neither happens to a log that is whole, however the process ended. What comes after the last known place is not judged:
//! there a wrong checksum is the end of what was written.
//!
//! A power cut may leave a later segment of a large group of decisions, and no earlier one: sled writes them in any order.
//! So where the log breaks off within its last segments, those behind the break are taken away: what is left is the
//! state after some decision. It is not known whether that is a group that nobody was promised, or damage; so it is said,
//! and the files are kept. A log that breaks off earlier is damaged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The size of a segment, sled's default.
pub(super) const SEGMENT: usize = 512 << 10;

/// A segment's head: the checksum of the rest, its place, the last known place.
const HEAD: usize = 20;

/// Closer to the end of a segment no message begins.
const LONGEST_MESSAGE_HEAD: usize = 32;

/// The kind of a message that says that its segment ends here.
const CAP: u8 = 2;

struct Segment {
    /// Where it is in the file.
    offset: u64,
    /// The last known place.
    known: i64,
}

/// So many segments may be taken away, 16 MiB: more than one group of decisions fills.
const LAST_FEW: usize = 32;

/// How a log is after a place in it.
#[derive(Debug)]
pub(super) enum Log {
    /// As it was written.
    Whole,
    /// It breaks off: why, and where in the file the segments behind that are.
    BreaksOff(String, Vec<u64>),
    /// More is missing than that.
    Damaged(String),
}

/// Looks at the log after a place in it.
pub(super) fn look(file: &Path, after: i64) -> io::Result<Log> {
    let file = match File::open(file) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Log::Whole), // about to be made
        file => file?,
    };
    let first = start_of(after);
    let mut segments = segments(&file, first)?;
    let mut behind = Vec::new();
    let mut why = None;
    while let Some((end, what)) = first_break(&file, first, &segments)? {
        behind.extend(segments.split_off(&end).into_values().map(|segment| segment.offset));
        why.get_or_insert(what);
    }
    Ok(match why {
        None => Log::Whole,
        Some(why) if segments.is_empty() || behind.len() > LAST_FEW => Log::Damaged(why),
        Some(why) => Log::BreaksOff(why, behind),
    })
}

/// Takes segments away: their heads are overwritten, as sled does with those that it does not use.
pub(super) fn take_away(file: &Path, segments: &[u64]) -> io::Result<()> {
    let file = File::options().write(true).open(file)?;
    for offset in segments {
        file.write_all_at(&[0; HEAD], *offset)?;
    }
    file.sync_all()
}

/// Where the segments begin that sled would not replay as they were written, and what is wrong before them.
fn first_break(file: &File, first: i64, segments: &BTreeMap<i64, Segment>) -> io::Result<Option<(i64, String)>> {
    let known = segments.values().map(|segment| segment.known).max().unwrap_or(-1);
    if known < first {
        return Ok(None);
    }
    let last = start_of(known);
    if !segments.contains_key(&last) {
        return Ok(Some((last, format!("the segment at {last:#x} of its log is gone"))));
    }
    let mut bytes = vec![0; SEGMENT];
    for (place, segment) in segments.range(..last) {
        let read = read_at(file, &mut bytes, segment.offset)?;
        if let Some(at) = broken_message(&bytes[..read], *place) {
            let at = segment.offset + at as u64;
            return Ok(Some((place + 1, format!("its log is damaged at byte {at}"))));
        }
    }
    Ok(None)
}

/// Where the segment with this place begins.
fn start_of(place: i64) -> i64 {
    place - place.rem_euclid(SEGMENT as i64)
}

/// The segments from a place on, by their places.
fn segments(file: &File, first: i64) -> io::Result<BTreeMap<i64, Segment>> {
    let mut segments = BTreeMap::new();
    for offset in (0..file.metadata()?.len()).step_by(SEGMENT) {
        let mut head = [0; HEAD];
        if read_at(file, &mut head, offset)? < HEAD {
            break;
        }
        let number = |at: usize| i64::from_le_bytes(std::array::from_fn(|nth| head[at + nth])) ^ i64::MAX;
        let place = number(4);
        if stored_sum(&head) == Some(crc32fast::hash(&head[4..])) && place >= first {
            segments.insert(place, Segment { offset, known: number(12) });
        }
    }
    Ok(segments)
}

/// Checksums are stored inverted.
fn stored_sum(bytes: &[u8]) -> Option<u32> {
    Some(!u32::from_le_bytes(*bytes.first_chunk()?))
}

/// Where in a segment a message is not what was written, if any is.
fn broken_message(segment: &[u8], place: i64) -> Option<usize> {
    let mut at = HEAD;
    while at + LONGEST_MESSAGE_HEAD <= SEGMENT {
        match segment.get(at..).and_then(|bytes| message(bytes, place)) {
            Some((CAP, _)) => return None,
            Some((_, len)) => at += len,
            None => return Some(at),
        }
    }
    None
}

/// The kind and the length of the message at the start of these bytes, when its checksum is right.
fn message(bytes: &[u8], place: i64) -> Option<(u8, usize)> {
    let sum = stored_sum(bytes)?;
    let (kind, rest) = bytes.get(4..)?.split_first()?;
    let (len, rest) = number(rest)?;
    let (segment, rest) = number(rest)?;
    let (_page, rest) = number(rest)?;
    let head = bytes.len() - rest.len();
    let body = rest.get(..usize::try_from(len).ok()?)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    hasher.update(&bytes[4..head]);
    let right = hasher.finalize() == sum && i64::try_from(segment) == Ok(place / SEGMENT as i64);
    right.then_some((*kind, head + body.len()))
}

/// A number in as few bytes as it needs, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let more = match first {
        0..=240 => return Some((u64::from(*first), rest)),
        241..=248 => 1,
        249 => 2,
        more => usize::from(*more) - 247,
    };
    let (more, rest) = rest.split_at_checked(more)?;
    let number = match (first, more) {
        (241..=248, [low]) => 240 + 256 * (u64::from(*first) - 241) + u64::from(*low),
        (249, [high, low]) => 2288 + 256 * u64::from(*high) + u64::from(*low),
        _ => more.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    };
    Some((number, rest))
}

/// As many bytes as there are.
fn read_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<usize> {
    let wanted = bytes.len();
    while !bytes.is_empty() {
        match file.read_at(bytes, at) {
            Ok(0) => break,
            Ok(read) => {
                bytes = &mut bytes[read..];
                at += read as u64;
            }
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(wanted - bytes.len())
}
