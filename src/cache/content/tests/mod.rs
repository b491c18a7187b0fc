//! A scripted origin, a room in small, and what becomes of bytes between them.

mod breaks;
mod claims;
mod disk;
mod fetching;
mod ranges;
mod reading;
mod room;
mod script;

use room::World;
use script::Script;
use std::time::Duration;

/// The longest that anything in these tests may take.
const BOUND: Duration = Duration::from_secs(30);

/// Bytes that tell where they belong.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 + at / 251 * 7 + at / 65_521) as u8).collect()
}

fn sha256(bytes: &[u8]) -> crate::cache::model::Digest {
    use sha2::{Digest as _, Sha256};
    let mut found = [0; 32];
    found.copy_from_slice(&Sha256::digest(bytes));
    crate::cache::model::Digest::Sha256(found)
}
