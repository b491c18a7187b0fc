//! What rooms store: records with typed keys, and how both become bytes.
//!
//! A key in the tree is the kind's byte followed by the encoded key; encodings keep the order of the keys, so a range
//! of keys is a range of bytes. A value is the record's format number, one byte, followed by its JSON. Format 0 never
//! occurs in a record: a value that starts with it names a file under `objects/` (see `objects.rs`).

use crate::base::{Hex, RunId};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::ops::{Bound, RangeBounds};

/// Bytes below this one belong to the store itself.
pub(super) const FIRST_KIND: u8 = 0x10;

/// One kind of record: its place in the tree and its name in messages, exports and findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    byte: u8,
    name: &'static str,
}

impl Kind {
    /// A kind with its prefix and its name, such as `Kind::new(0x10, "proc.task")`.
    ///
    /// # Panics
    /// While compiling, when used in a constant: for a byte outside `0x10..=0xFE`, which the store keeps for itself.
    pub const fn new(byte: u8, name: &'static str) -> Kind {
        assert!(byte >= FIRST_KIND && byte < u8::MAX, "kinds are 0x10 to 0xFE");
        Kind { byte, name }
    }

    /// The prefix of its keys.
    pub const fn byte(self) -> u8 {
        self.byte
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// Something a room stores.
pub trait Record: Serialize + DeserializeOwned {
    /// Where it is kept.
    const KIND: Kind;
    /// The number of its present shape, from 1; raised on any change that older code or data would misread.
    const FORMAT: u8;
    /// What it is found by.
    type Key: Key;

    /// Reads a record of an older format. `None`: this format was never written, or cannot be read any more.
    fn migrate(format: u8, json: Value) -> Option<Self> {
        let _ = (format, json);
        None
    }

    /// Removes secrets from the JSON form, before an export shows it to a person.
    fn mask(json: &mut Value) {
        let _ = json;
    }
}

/// A key: bytes whose order is the order of the keys.
pub trait Key: Sized {
    /// Appends the encoded key.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads exactly these bytes; `None` when they are no such key.
    fn decode(bytes: &[u8]) -> Option<Self>;

    /// How an export shows it. Without a better form, the encoded bytes in hexadecimal.
    fn to_json(&self) -> Value {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        Value::String(Hex(&bytes).to_string())
    }
}

/// The only key of a kind that has one record.
impl Key for () {
    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(bytes: &[u8]) -> Option<()> {
        bytes.is_empty().then_some(())
    }

    fn to_json(&self) -> Value {
        Value::Null
    }
}

/// Numbers are big endian: bytes sort as numbers do. In a tuple only the last part may vary in length.
macro_rules! number_keys {
    ($($number:ty),*) => {$(
        impl Key for $number {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn decode(bytes: &[u8]) -> Option<$number> {
                bytes.try_into().ok().map(<$number>::from_be_bytes)
            }

            fn to_json(&self) -> Value {
                Value::from(*self)
            }
        }

        impl<Rest: Key> Key for ($number, Rest) {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
                self.1.encode(out);
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                let (number, rest) = bytes.split_first_chunk()?;
                Some((<$number>::from_be_bytes(*number), Rest::decode(rest)?))
            }

            fn to_json(&self) -> Value {
                Value::Array(vec![self.0.to_json(), self.1.to_json()])
            }
        }
    )*};
}

number_keys!(u8, u16, u32, u64);

impl Key for RunId {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<RunId> {
        u64::decode(bytes).map(RunId)
    }

    fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

impl Key for String {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<String> {
        String::from_utf8(bytes.to_vec()).ok()
    }

    fn to_json(&self) -> Value {
        Value::String(self.clone())
    }
}

/// A stored value could not be read as the record it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer hostler.
    #[error("{kind}: format {found} is from the future; this version knows up to {known}")]
    FromTheFuture {
        /// The kind's name.
        kind: &'static str,
        /// The format found.
        found: u8,
        /// The newest format this version knows.
        known: u8,
    },
    /// An older format that the record does not read.
    #[error("{kind}: format {format} is not readable")]
    Forgotten {
        /// The kind's name.
        kind: &'static str,
        /// The format found.
        format: u8,
    },
    /// The key or the JSON is not what the kind writes.
    #[error("{kind}: {why}")]
    Malformed {
        /// The kind's name.
        kind: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// The tree's key of a record.
pub(super) fn full_key<R: Record>(key: &R::Key) -> Vec<u8> {
    let mut out = vec![R::KIND.byte];
    key.encode(&mut out);
    out
}

/// The record's key out of the tree's.
pub(super) fn own_key<R: Record>(full: &[u8]) -> Result<R::Key, DecodeError> {
    let malformed = || DecodeError::Malformed { kind: R::KIND.name, why: format!("key {} is damaged", Hex(full)) };
    let (kind, key) = full.split_first().ok_or_else(malformed)?;
    if *kind != R::KIND.byte {
        return Err(malformed());
    }
    R::Key::decode(key).ok_or_else(malformed)
}

/// Half-open bounds in the tree for a range of keys.
pub(super) fn full_range<R: Record>(range: impl RangeBounds<R::Key>) -> (Vec<u8>, Vec<u8>) {
    // The smallest byte string above `key` is `key` with a zero byte.
    let above = |key: &R::Key| {
        let mut full = full_key::<R>(key);
        full.push(0);
        full
    };
    let from = match range.start_bound() {
        Bound::Included(key) => full_key::<R>(key),
        Bound::Excluded(key) => above(key),
        Bound::Unbounded => vec![R::KIND.byte],
    };
    let to = match range.end_bound() {
        Bound::Included(key) => above(key),
        Bound::Excluded(key) => full_key::<R>(key),
        Bound::Unbounded => vec![R::KIND.byte + 1],
    };
    (from, to)
}

/// Writes a record as a value.
pub(super) fn encode<R: Record>(record: &R) -> Result<Vec<u8>, serde_json::Error> {
    const { assert!(R::FORMAT > 0, "formats start at 1; 0 marks a value kept as a file") };
    let mut value = vec![R::FORMAT];
    serde_json::to_writer(&mut value, record)?;
    Ok(value)
}

/// Reads a value as a record, migrating an older format.
pub(super) fn decode<R: Record>(value: &[u8]) -> Result<R, DecodeError> {
    let kind = R::KIND.name;
    let malformed = |why: String| DecodeError::Malformed { kind, why };
    let (&format, json) = value.split_first().ok_or_else(|| malformed("a value is empty".into()))?;
    if format == R::FORMAT {
        return serde_json::from_slice(json).map_err(|why| malformed(why.to_string()));
    }
    if format > R::FORMAT {
        return Err(DecodeError::FromTheFuture { kind, found: format, known: R::FORMAT });
    }
    let json = serde_json::from_slice(json).map_err(|why| malformed(why.to_string()))?;
    R::migrate(format, json).ok_or(DecodeError::Forgotten { kind, format })
}

/// Makes a type a [`Record`] of format 1: the byte and the name of its kind, its key, and the function that masks it, if
/// any of it is secret.
macro_rules! record {
    ($record:ty, $byte:expr, $name:expr, $key:ty $(, $mask:path)?) => {
        impl $crate::store::Record for $record {
            const KIND: $crate::store::Kind = $crate::store::Kind::new($byte, $name);
            const FORMAT: u8 = 1;
            type Key = $key;

            $(fn mask(json: &mut serde_json::Value) {
                $mask(json);
            })?
        }
    };
}

pub(crate) use record;
