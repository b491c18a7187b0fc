//! What a content's digest must be.

use std::fmt;
use std::str::FromStr;

/// A digest with its algorithm, as `sha256:HEX`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-512.
    Sha512(Box<[u8; 64]>),
    /// IEEE CRC-32, on the wire its decimal value.
    Crc32(u32),
}

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected sha256:HEX, sha512:HEX or crc32:NUMBER, not \"{}\"", .0.escape_debug())]
pub struct NoDigest(pub String);

impl FromStr for Digest {
    type Err = NoDigest;
    fn from_str(_text: &str) -> Result<Digest, NoDigest> {
        unimplemented!()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}
