//! Chance that can be repeated: everything a story leaves open follows from one number.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A stream of numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The stream that belongs to this thing, wherever and however often it is asked for.
    pub fn of(thing: impl Hash) -> Chance {
        let mut hasher = DefaultHasher::new();
        thing.hash(&mut hasher);
        Chance(hasher.finish())
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// Below `end`, for places in lists and the like.
    pub fn place(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, hundredths: u64) -> bool {
        self.below(100) < hundredths
    }

    /// One of these, of which there are some.
    pub fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        among[self.place(among.len())].clone()
    }
}
