//! The sidecar of a log file: what is known of it besides its bytes. Pure.
//!
//! ```text
//! logical   0 ........ kept ================= end        what readers and records speak of
//! physical             └ hole │ kept - base .. length     what the file system has: logical - base
//! ```
//!
//! `base` is 0 until the child truncates its file; then the bytes so far are gone and the next one written, at
//! physical 0, has the logical offset where the old ones ended.
//!
//! A sidecar is a list of records of [`SIZE`] bytes, appended one at a time, numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | kind: 1 mark, 2 kept, 3 cut |
//! | 1–3 | zero |
//! | 4–7 | CRC-32 of the other 20 bytes |
//! | 8–15 | wall time, microseconds since 1970, signed |
//! | 16–23 | logical offset |
//!
//! A record that does not check, torn by a power cut say, is passed over.

use crate::base::Wall;

/// Bytes of one record.
pub(super) const SIZE: usize = 24;

/// More records than this and a sidecar is thinned out: 192 KiB at most.
pub(super) const MOST: usize = 8192;

/// Released space begins and ends at multiples of this: the block size of nearly every file system.
const BLOCK: u64 = 4096;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// At this time the log ended at this offset.
    Mark,
    /// Bytes before this offset were released.
    Kept,
    /// The file was found truncated: physical 0 is this offset from now on.
    Cut,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub kind: Kind,
    pub at: Wall,
    pub offset: u64,
}

impl Record {
    pub(super) fn encode(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[0] = match self.kind {
            Kind::Mark => 1,
            Kind::Kept => 2,
            Kind::Cut => 3,
        };
        bytes[8..16].copy_from_slice(&self.at.timestamp_micros().to_le_bytes());
        bytes[16..].copy_from_slice(&self.offset.to_le_bytes());
        let sum = crc32fast::hash(&bytes);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; SIZE]) -> Option<Record> {
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        let (at, offset) = rest.split_first_chunk::<8>()?;
        let [kind, _, _, _, sum @ ..] = *head;
        let mut summed = *bytes;
        summed[4..8].fill(0);
        if crc32fast::hash(&summed) != u32::from_le_bytes(sum) {
            return None;
        }
        let kind = match kind {
            1 => Kind::Mark,
            2 => Kind::Kept,
            3 => Kind::Cut,
            _ => return None,
        };
        let at = Wall::from_timestamp_micros(i64::from_le_bytes(*at))?;
        Some(Record { kind, at, offset: u64::from_le_bytes(offset.try_into().ok()?) })
    }

    /// Every sound record of a sidecar, in order.
    pub(super) fn all(sidecar: &[u8]) -> Vec<Record> {
        sidecar.as_chunks::<SIZE>().0.iter().filter_map(Record::decode).collect()
    }
}

/// What must be known of one log at any time; small, since there are thousands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Ledger {
    /// The logical offset of physical 0.
    pub base: u64,
    /// Bytes before this one are gone.
    pub kept: u64,
    /// The end, as last seen.
    pub end: u64,
    /// The offset of the last mark.
    marked: Option<u64>,
    /// How many records the sidecar has.
    pub records: usize,
}

impl Ledger {
    pub(super) fn new(records: &[Record]) -> Ledger {
        let mut ledger = Ledger { records: records.len(), ..Ledger::default() };
        for record in records {
            match record.kind {
                Kind::Mark => ledger.marked = Some(record.offset),
                Kind::Kept => ledger.kept = ledger.kept.max(record.offset),
                Kind::Cut => (ledger.base, ledger.kept) = (record.offset, ledger.kept.max(record.offset)),
            }
            ledger.end = ledger.end.max(record.offset);
        }
        ledger
    }

    /// The file was seen with this length. A record is owed when it is shorter than before: somebody truncated it.
    /// What it holds now may be new or the rest of the old; it counts as new, so no byte is hidden.
    #[must_use = "a cut must be written down"]
    pub(super) fn seen(&mut self, length: u64, at: Wall) -> Option<Record> {
        let cut = self.base + length < self.end;
        if cut {
            (self.base, self.kept) = (self.end, self.end);
        }
        self.end = self.base + length;
        cut.then_some(Record { kind: Kind::Cut, at, offset: self.base })
    }

    /// A mark at the end as last seen; none when the last mark says the same, since then it could answer nothing new.
    #[must_use = "a mark must be written down"]
    pub(super) fn mark(&mut self, at: Wall) -> Option<Record> {
        let fresh = self.marked != Some(self.end);
        self.marked = Some(self.end);
        fresh.then_some(Record { kind: Kind::Mark, at, offset: self.end })
    }

    /// The offset to release up to, when more than `cap` bytes are kept: an eighth more than needed, so that it is
    /// not needed again at once.
    pub(super) fn release(&self, cap: u64) -> Option<u64> {
        if self.end - self.kept <= cap {
            return None;
        }
        let physical = (self.end - (cap - cap / 8)).saturating_sub(self.base);
        let kept = self.base + physical / BLOCK * BLOCK;
        (kept > self.kept).then_some(kept)
    }

    /// The bytes before `kept` are released.
    #[must_use = "the first kept offset must be written down"]
    pub(super) fn keep(&mut self, kept: u64, at: Wall) -> Record {
        self.kept = self.kept.max(kept);
        Record { kind: Kind::Kept, at, offset: self.kept }
    }
}

/// Where to begin so that nothing written at or after `at` is left out: the last mark before the first one later than
/// `at`. A clock that was set back makes this too early, never too late.
pub(super) fn since(records: &[Record], at: Wall) -> u64 {
    let marks = records.iter().filter(|record| record.kind == Kind::Mark);
    marks.take_while(|mark| mark.at <= at).last().map_or(0, |mark| mark.offset)
}

/// The same knowledge in about half as many records: no marks of what is gone, every other mark of the older half,
/// one record for what is kept, and the last cut.
pub(super) fn thin(records: &[Record]) -> Vec<Record> {
    let kept = Ledger::new(records).kept;
    let last = |kind| records.iter().rfind(|record| record.kind == kind).copied();
    let facts = [last(Kind::Cut), last(Kind::Kept)].into_iter().flatten();
    let marks: Vec<Record> = records.iter().filter(|record| record.kind == Kind::Mark).copied().collect();
    let spared = |(index, mark): (usize, &Record)| {
        let dispensable = marks.get(index + 1).is_some_and(|next| {
            let superfluous = next.offset <= kept || (index % 2 == 1 && index < marks.len() / 2);
            // Before the clock was set back, the later time is the one that keeps `since` from going too far.
            superfluous && mark.at <= next.at
        });
        (!dispensable).then_some(*mark)
    };
    facts.chain(marks.iter().enumerate().filter_map(spared)).collect()
}
