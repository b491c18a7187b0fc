//! The bodies of the fuzz targets in `tests/fuzz/`, fed with their seeds and thousands of mutations of them. The choice is
//! fixed, so that what fails once fails again.

#[path = "fuzz/bodies.rs"]
mod bodies;
#[path = "fuzz/specification.rs"]
mod specification;

use std::path::Path;
use std::{fs, panic};

/// Words that bring mutations further than bytes alone.
const WORDS: [&[u8]; 16] = [
    b"{{P}}",
    b"{{",
    b"}}",
    b"\"",
    b"\\ud800",
    b"[",
    b"]",
    b"{",
    b"}",
    b"null",
    b"-1",
    b"1e999",
    b",",
    b":",
    b"\\u0000",
    b"\"job\":{}",
];

/// A generator of numbers (xorshift) that begins the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// Some part of a text.
    fn part<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        let start = self.below(text.len());
        &text[start..text.len().min(start + 1 + self.below(40))]
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let files = fs::read_dir(folder).expect("a folder of seeds").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    let found: Vec<_> = files.iter().map(|file| fs::read(file).expect("a seed")).collect();
    assert!(!found.is_empty(), "there are no seeds for {target}");
    found
}

/// One change: something cut, overwritten, doubled, or put in.
fn mutated(text: &mut Vec<u8>, seeds: &[Vec<u8>], numbers: &mut Numbers) {
    let at = numbers.below(text.len());
    match numbers.below(6) {
        0 => drop(text.drain(at..text.len().min(at + 1 + numbers.below(20)))),
        1 => text.splice(at..at, WORDS[numbers.below(WORDS.len())].iter().copied()).for_each(drop),
        2 => {
            let seed = &seeds[numbers.below(seeds.len())];
            let part = numbers.part(seed).to_vec();
            drop(text.splice(at..at, part));
        }
        3 => {
            let part = numbers.part(text).to_vec();
            drop(text.splice(at..at, part));
        }
        4 => text.truncate(at),
        _ => {
            if let Some(byte) = text.get_mut(at) {
                *byte = numbers.below(256) as u8;
            }
        }
    }
}

/// Feeds the seeds, and so many mutations of them.
fn mutations(target: &str, rounds: usize, feed: impl Fn(&[u8]) + panic::RefUnwindSafe) {
    let seeds = seeds(target);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for seed in &seeds {
        feed(seed);
    }
    for round in 0..rounds {
        let mut text = seeds[round % seeds.len()].clone();
        for _ in 0..=numbers.below(4) {
            mutated(&mut text, &seeds, &mut numbers);
        }
        let fed = panic::catch_unwind(|| feed(&text));
        assert!(fed.is_ok(), "round {round}: {}", text.escape_ascii());
    }
}

#[test]
fn specifications() {
    mutations("specification", 6_000, specification::feed);
}

#[test]
fn bodies_of_requests() {
    mutations("bodies", 20_000, bodies::feed);
}
