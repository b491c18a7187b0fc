//! Pieces: how long they are, which are there, and their checksums.

use std::ops::Range;

/// The IEEE CRC-32 of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc(pub u32);

/// The shortest piece, 4 MiB.
pub const SHORTEST: u64 = 4 << 20;
/// The longest piece, 64 MiB.
pub const LONGEST: u64 = 64 << 20;

/// How long the pieces of a content of this length are where nobody says: the power of two at or above 1/500 of it, within
/// [`SHORTEST`] and [`LONGEST`]. Source: Dragonfly's own rule.
pub fn piece_length(_length: u64) -> u64 {
    unimplemented!()
}

/// The pieces of a content: which are there. Where the length is not known yet, there are as many as have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    crcs: Vec<Option<Crc>>,
}

impl Pieces {
    /// None there yet.
    pub fn new() -> Pieces {
        Pieces::default()
    }

    /// One has come, or come anew.
    pub fn put(&mut self, number: u32, crc: Crc) {
        let at = number as usize;
        if self.crcs.len() <= at {
            self.crcs.resize(at + 1, None);
        }
        self.crcs[at] = Some(crc);
    }

    /// One is not there any more.
    pub fn take(&mut self, number: u32) {
        if let Some(crc) = self.crcs.get_mut(number as usize) {
            *crc = None;
        }
    }

    /// Its checksum, where it is there.
    pub fn get(&self, number: u32) -> Option<Crc> {
        self.crcs.get(number as usize).copied().flatten()
    }

    /// Those there, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Crc)> {
        self.crcs.iter().enumerate().filter_map(|(at, crc)| Some((u32::try_from(at).ok()?, (*crc)?)))
    }

    /// How many are there.
    pub fn count(&self) -> u32 {
        u32::try_from(self.crcs.iter().flatten().count()).unwrap_or(u32::MAX)
    }
}

/// How many pieces so many bytes are.
pub fn pieces_of(length: u64, piece_length: u64) -> u32 {
    u32::try_from(length.div_ceil(piece_length.max(1))).unwrap_or(u32::MAX)
}

/// The bytes of a piece: the last one is shorter.
pub fn bytes_of(number: u32, length: u64, piece_length: u64) -> Range<u64> {
    let start = u64::from(number) * piece_length;
    start.min(length)..(start + piece_length).min(length)
}
