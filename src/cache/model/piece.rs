//! Pieces: how long they are, which are there, and their checksums.

use std::ops::Range;

/// The IEEE CRC-32 of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc(pub u32);

/// The shortest piece, 4 MiB.
pub const SHORTEST: u64 = 4 << 20;
/// The longest piece, 64 MiB.
pub const LONGEST: u64 = 64 << 20;

/// How many pieces a content of middling length is cut into, about.
const PIECES: u64 = 500;

/// How long the pieces of a content of this length are where nobody says: the power of two at or above 1/500 of it, within
/// [`SHORTEST`] and [`LONGEST`]. Source: Dragonfly's own rule.
pub fn piece_length(length: u64) -> u64 {
    (length / PIECES).checked_next_power_of_two().unwrap_or(LONGEST).clamp(SHORTEST, LONGEST)
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
        // Two that have the same pieces are equal.
        while self.crcs.last() == Some(&None) {
            self.crcs.pop();
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
    let start = u64::from(number).saturating_mul(piece_length);
    start.min(length)..start.saturating_add(piece_length).min(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_are_as_long_as_dragonflys() {
        let table = [
            (0, 4_194_304, 0),
            (1, 4_194_304, 1),
            (4_194_304, 4_194_304, 1),
            (4_194_305, 4_194_304, 2),
            (10_485_760, 4_194_304, 3),
            (2_097_152_499, 4_194_304, 501),
            (2_097_152_500, 8_388_608, 251),
            (8_388_608_500, 33_554_432, 251),
            (16_777_216_500, 67_108_864, 251),
            (67_108_864_000, 67_108_864, 1000),
        ];
        for (length, expected, pieces) in table {
            assert_eq!((piece_length(length), pieces_of(length, expected)), (expected, pieces), "{length}");
        }
        assert_eq!(piece_length(u64::MAX), LONGEST);
    }

    #[test]
    fn pieces_come_and_go() {
        let mut pieces = Pieces::new();
        pieces.put(2, Crc(7));
        pieces.put(0, Crc(5));
        pieces.take(9);
        assert_eq!(pieces.iter().collect::<Vec<_>>(), [(0, Crc(5)), (2, Crc(7))]);
        assert_eq!((pieces.count(), pieces.get(2), pieces.get(1), pieces.get(9)), (2, Some(Crc(7)), None, None));
        pieces.take(2);
        let mut other = Pieces::new();
        other.put(0, Crc(5));
        assert_eq!(pieces, other, "what is not there leaves no trace");
    }

    proptest! {
        #[test]
        fn pieces_cover_a_content_without_gaps(length: u64, piece_length: u64, number: u32) {
            let one = bytes_of(number, length, piece_length);
            prop_assert!(one.start <= one.end && one.end <= length);
            let next = bytes_of(number.saturating_add(1), length, piece_length);
            prop_assert!(number == u32::MAX || next.start == one.end);
            if piece_length > 0 && pieces_of(length, piece_length) < u32::MAX {
                prop_assert_eq!(bytes_of(pieces_of(length, piece_length), length, piece_length), length..length);
            }
        }
    }
}
