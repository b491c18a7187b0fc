//! What a content's digest must be.

use super::id::TaskId;
use crate::base::{Hex, hex};
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

impl Digest {
    /// Whether equal digests mean equal contents, whoever made the contents. A checksum finds damage, and no more: two
    /// contents with one checksum are made in a moment.
    pub fn is_strong(&self) -> bool {
        !matches!(self, Digest::Crc32(_))
    }

    /// The digest as the id of a task: what stands after the colon. A checksum has ten decimal digits there.
    pub fn id(&self) -> TaskId {
        match self {
            Digest::Sha256(bytes) => TaskId::new(bytes),
            Digest::Sha512(bytes) => TaskId::new(&bytes[..]),
            Digest::Crc32(value) => {
                // Two decimal digits to a byte, so that the id reads as the number does.
                let pair = |place: u32| {
                    let digits = u64::from(*value) / 100_u64.pow(place) % 100;
                    u8::try_from(digits / 10 * 16 + digits % 10).unwrap_or(0)
                };
                TaskId::new(&[pair(4), pair(3), pair(2), pair(1), pair(0)])
            }
        }
    }
}

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Digest, NoDigest> {
        let read = |(algorithm, value): (&str, &str)| match algorithm {
            "sha256" => hex::read(value).map(Digest::Sha256),
            "sha512" => hex::read(value).map(Digest::Sha512),
            "crc32" if value.bytes().all(|byte| byte.is_ascii_digit()) => value.parse().ok().map(Digest::Crc32),
            _ => None,
        };
        text.split_once(':').and_then(read).ok_or_else(|| NoDigest(text.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Digest::Sha256(bytes) => write!(f, "sha256:{}", Hex(bytes)),
            Digest::Sha512(bytes) => write!(f, "sha512:{}", Hex(&bytes[..])),
            Digest::Crc32(value) => write!(f, "crc32:{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_read_as_they_are_written() {
        let long = format!("sha512:{}", "0f".repeat(64));
        for text in [EMPTY, &long, "crc32:0", "crc32:2504815813", "crc32:4294967295"] {
            assert_eq!(text.parse::<Digest>().map(|digest| digest.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(EMPTY.to_uppercase().replace("SHA", "sha").parse::<Digest>().unwrap().to_string(), EMPTY);
    }

    #[test]
    fn what_is_no_digest_is_told_so() {
        let cut = &EMPTY[..EMPTY.len() - 1];
        for text in ["", "sha256", "sha256:", cut, "md5:00", "crc32:", "crc32:+1", "crc32:4294967296", "SHA256:00"] {
            let error = text.parse::<Digest>().unwrap_err().to_string();
            assert!(error.starts_with("expected sha256:HEX") && error.contains(text), "{error}");
        }
    }

    #[test]
    fn the_id_of_a_digest_is_what_follows_its_colon() {
        for text in [EMPTY, "crc32:2504815813"] {
            let id = text.parse::<Digest>().unwrap().id().to_string();
            assert_eq!(id, text.split_once(':').unwrap().1);
        }
        assert_eq!(Digest::Crc32(7).id().to_string(), "0000000007");
        assert!(Digest::Sha256([0; 32]).is_strong() && !Digest::Crc32(0).is_strong());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(sha256|sha512|crc32|.{0,4}):?[0-9a-fA-F]{0,140}.{0,3}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
            }
        }
    }
}
