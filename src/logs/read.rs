//! Reading logs: a part of one, by offset, by time, by lines from its end, or as it grows.
//!
//! A read resolves its beginning once and then takes one piece after the other, each looked up anew: what is released
//! or truncated meanwhile is skipped, and the piece behind it says how much was. Zeros out of a hole are never passed
//! on, because the first kept offset is compared again after each read.

use super::engine::{Following, Logs, blocking};
use super::stem::Stem;
use super::watch::{Shared, lock};
use crate::base::Wall;
use bytes::Bytes;
use chrono::NaiveTime;
use futures_util::stream::{self, Stream, StreamExt as _};
use std::io;
use std::os::unix::fs::FileExt as _;
use tokio::sync::watch;

/// Bytes of one piece at most, and of one step backwards when lines are counted.
const PIECE: u64 = 64 * 1024;

/// Which part of a log. Everything given must hold; nothing given is the whole.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// From this offset on.
    pub from: Option<u64>,
    /// Up to before this offset, which need not be written yet.
    pub to: Option<u64>,
    /// What was written since then, exact to the time mark before it: never less, at most a second's output more.
    pub since: Option<Wall>,
    /// One run: from its first offset to the one behind its last, if it is over.
    pub run: Option<(u64, Option<u64>)>,
    /// Of that, the last so many lines; a last line without its newline counts.
    pub last_lines: Option<usize>,
    /// Then go on with what is written later.
    pub follow: bool,
    /// Ends a follow: holds the offset behind the run's last byte as soon as the run is over, told before another run
    /// writes to the file. All bytes before it are still given. A sender that is dropped ends it at the length then.
    pub done: Option<watch::Receiver<Option<u64>>>,
}

impl Selection {
    /// What was written since midnight, UTC.
    pub fn today(now: Wall) -> Selection {
        Selection { since: Some(midnight(now)), ..Selection::default() }
    }

    fn first(&self) -> u64 {
        self.from.unwrap_or(0).max(self.run.map_or(0, |(first, _)| first))
    }

    fn end(&self) -> u64 {
        let run = self.run.and_then(|(_, end)| end).unwrap_or(u64::MAX);
        self.to.unwrap_or(u64::MAX).min(run)
    }
}

/// The last midnight, UTC.
pub fn midnight(now: Wall) -> Wall {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}

/// Some bytes in a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The logical offset of the first of them.
    pub offset: u64,
    /// How many bytes just before them were asked for but are gone: released over the cap, or truncated by the child.
    pub skipped: u64,
    /// The bytes; never none, and never cut out of a hole.
    pub bytes: Bytes,
}

impl Logs {
    /// The bytes selected, in order. A file that does not exist is empty; followed, it may yet come.
    pub fn read(&self, stem: &Stem, selection: Selection) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        self.pieces(stem, selection).map(|piece| piece.map(|piece| piece.bytes))
    }

    /// As [`Logs::read`], each piece with its offset and what is missing before it. The last item is the first error.
    pub fn pieces(&self, stem: &Stem, selection: Selection) -> impl Stream<Item = io::Result<Piece>> + Send + use<> {
        let reading = Reading::Begin { logs: self.clone(), stem: stem.clone(), selection };
        stream::unfold(reading, |reading| async {
            match reading.next().await {
                Ok(Some((piece, rest))) => Some((Ok(piece), rest)),
                Ok(None) => None,
                Err(why) => Some((Err(why), Reading::Over)),
            }
        })
    }

    /// Waits for a line, at or behind `from`, that contains `pattern`, and answers the offset behind what was read to
    /// find it. In the pattern `*` stands for anything within the line: `listening on *:80`. A line that is not ended
    /// yet is looked at as well, and of a long line its last 64 KiB. Bound this by a time-out of your own.
    ///
    /// # Errors
    /// The file system's, and `NotFound` when the file is removed meanwhile.
    pub async fn wait_for_line(&self, stem: &Stem, from: u64, pattern: &str) -> io::Result<u64> {
        let selection = Selection { from: Some(from), follow: true, ..Selection::default() };
        let mut pieces = std::pin::pin!(self.pieces(stem, selection));
        let mut line = Vec::new();
        while let Some(piece) = pieces.next().await {
            let Piece { offset, skipped, bytes } = piece?;
            if skipped > 0 {
                line.clear();
            }
            line.extend_from_slice(&bytes);
            if line.split(|byte| *byte == b'\n').any(|line| contains(line, pattern)) {
                return Ok(offset + bytes.len() as u64);
            }
            let ended = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            let long = line.len().saturating_sub(PIECE as usize);
            line.drain(..ended.max(long));
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "the log was removed"))
    }
}

/// Whether the parts of the pattern between its `*` occur in the line, in order.
fn contains(line: &[u8], pattern: &str) -> bool {
    let mut rest = Some(line);
    for part in pattern.split('*').map(str::as_bytes).filter(|part| !part.is_empty()) {
        let found = rest.and_then(|rest| rest.windows(part.len()).position(|window| window == part));
        rest = found.and_then(|found| rest?.get(found + part.len()..));
    }
    rest.is_some()
}

/// Where a read is.
enum Reading {
    Begin { logs: Logs, stem: Stem, selection: Selection },
    Going(Box<Going>),
    Over,
}

struct Going {
    file: Shared,
    at: u64,
    end: u64,
    /// Not asked to follow, or the file is gone.
    following: Option<Following>,
    done: Option<watch::Receiver<Option<u64>>>,
}

impl Reading {
    async fn next(self) -> io::Result<Option<(Piece, Reading)>> {
        let mut going = match self {
            Reading::Over => return Ok(None),
            Reading::Going(going) => going,
            Reading::Begin { logs, stem, selection } => Box::new(Going::begin(&logs, &stem, selection).await?),
        };
        while going.at < going.end {
            let (file, at, end) = (going.file.clone(), going.at, going.end);
            match blocking(move || take(&file, at, end)).await? {
                Taken::Piece(mut piece) => {
                    going.heed_done();
                    if piece.offset >= going.end {
                        return Ok(None);
                    }
                    piece.bytes.truncate(usize::try_from(going.end - piece.offset).unwrap_or(usize::MAX));
                    going.at = piece.offset + piece.bytes.len() as u64;
                    return Ok(Some((piece, Reading::Going(going))));
                }
                Taken::NotYet if going.more().await => {}
                Taken::NotYet | Taken::Gone => return Ok(None),
            }
        }
        Ok(None)
    }
}

impl Going {
    async fn begin(logs: &Logs, stem: &Stem, selection: Selection) -> io::Result<Going> {
        let file = logs.file(stem);
        // Before the first look, so that nothing falls in between.
        let following = selection.follow.then(|| logs.follow(stem));
        let (this, asked) = (file.clone(), selection.clone());
        let (at, length) = blocking(move || begin(&this, &asked)).await?;
        let end = if selection.follow { selection.end() } else { selection.end().min(length) };
        Ok(Going { file, at, end, following, done: selection.done })
    }

    /// Looks whether the run is over. After a look at the file, so that none of the next run's bytes is taken for
    /// this one's: they were written after its end was told.
    fn heed_done(&mut self) {
        if let Some(end) = self.done.as_ref().and_then(|done| *done.borrow()) {
            self.end = self.end.min(end);
        }
    }

    /// Everything there is was given: waits for more. False when there will be none.
    async fn more(&mut self) -> bool {
        let Some(following) = &mut self.following else { return false };
        let Some(done) = &mut self.done else { return following.changed().await };
        let over = tokio::select! {
            over = done.wait_for(Option::is_some) => over.map(|end| *end),
            grew = following.changed() => return grew,
        };
        // Nothing more to wait for: read on to the end of the run, or to the length of now.
        self.end = self.end.min(over.ok().flatten().unwrap_or(u64::MAX));
        (self.done, self.following) = (None, None);
        true
    }
}

/// Where the selection begins, and where the log ends. Blocks.
fn begin(file: &Shared, selection: &Selection) -> io::Result<(u64, u64)> {
    let (length, since) = {
        let mut file = lock(file);
        let length = file.look()?.end;
        (length, selection.since.map_or(0, |at| file.since(at)))
    };
    let first = selection.first().max(since);
    let end = selection.end().min(length);
    let first = match selection.last_lines {
        Some(lines) => last_lines(file, first, end, lines)?,
        None => first,
    };
    Ok((first, length))
}

/// The offset at which the last `lines` lines before `end` begin, not before `first`. Reads backwards, block by block.
fn last_lines(file: &Shared, first: u64, end: u64, lines: usize) -> io::Result<u64> {
    if lines == 0 {
        return Ok(end.max(first));
    }
    let mut left = lines;
    let mut until = end;
    while until > first {
        let from = first.max(until.saturating_sub(PIECE));
        let Taken::Piece(piece) = take(file, from, until)? else { break };
        // A short or moved piece: what it lacks is gone, and lines are counted in what is left.
        for (index, _) in piece.bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let behind = piece.offset + index as u64 + 1;
            if behind == end {
                continue; // the newline that ends the last line begins none
            }
            left -= 1;
            if left == 0 {
                return Ok(behind);
            }
        }
        if piece.skipped > 0 {
            return Ok(piece.offset);
        }
        until = from;
    }
    Ok(first)
}

/// What a look for more bytes finds.
enum Taken {
    Piece(Piece),
    /// The log ends before them.
    NotYet,
    /// They are released or truncated, all that were asked for.
    Gone,
}

/// The next bytes from `at` on, before `end`. Blocks.
fn take(file: &Shared, at: u64, end: u64) -> io::Result<Taken> {
    loop {
        let (open, ledger) = {
            let mut file = lock(file);
            let Some(open) = file.reader()? else { return Ok(Taken::NotYet) };
            (open, file.ledger().clone())
        };
        let offset = at.max(ledger.kept);
        if offset >= end {
            return Ok(Taken::Gone);
        }
        let length = ledger.end.min(end).saturating_sub(offset).min(PIECE);
        if length == 0 {
            return Ok(Taken::NotYet);
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let count = open.read_at(&mut bytes, offset - ledger.base)?;
        bytes.truncate(count);
        // Released or truncated under our hands? Then these may be zeros or other bytes.
        let mut file = lock(file);
        let now = file.look()?;
        if count > 0 && now.base == ledger.base && now.kept <= offset {
            return Ok(Taken::Piece(Piece { offset, skipped: offset - at, bytes: bytes.into() }));
        }
    }
}
