//! The seam below the writer: an ordered map of bytes that applies changes atomically and can make them durable.
//!
//! sled is behind it (`tree.rs`); tests put one there that counts and fails. Another engine, or a journal in front of
//! this one, would be another implementation, and no room would notice.

use super::reader::Pair;
use std::collections::BTreeMap;
use std::io;

/// Changes that are applied together: keys with their new values, or with none when they go.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// How many changes are applied together at most: sled never gives back the memory of larger batches.
pub(super) const MOST_CHANGES: usize = 256;

/// Raw pairs of the map.
pub(super) type RawPairs = Box<dyn Iterator<Item = io::Result<Pair>> + Send>;

/// An ordered map of bytes.
pub(super) trait Backend: Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>>;

    /// The pairs with keys in `from..to`; the greatest first when `back`.
    fn scan(&self, from: &[u8], to: &[u8], back: bool) -> RawPairs;

    /// Applies at most [`MOST_CHANGES`]: readers see them at once; a crash keeps all or none of them, and none unless
    /// all that were applied before are kept too.
    fn apply(&self, changes: Changes) -> io::Result<()>;

    /// Makes all that was applied durable. After an error nobody knows what is on disk, and it is not to be tried again.
    fn sync(&self) -> io::Result<()>;

    /// Bytes on disk.
    fn size(&self) -> io::Result<u64>;
}
