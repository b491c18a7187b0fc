//! Format numbers: old data opens, newer data is refused.
//!
//! The store as a whole has one, [`STORE_FORMAT`]: how keys, references and markers look. Each kind of record has its
//! own, [`Record::FORMAT`]; the number with which a kind was last opened is in the tree. When it is older than the
//! code's, every record of the kind is rewritten at the start, after a backup.

use super::backend::Backend;
use super::batch::Op;
use super::open::OpenError;
use super::record::{DecodeError, Kind, Record, decode, encode, own_key};
use serde_json::Value;
use std::io;
use std::time::SystemTime;

/// The number of the store's own shape.
pub const STORE_FORMAT: u32 = 1;

/// Where the store's number is: decimal text.
const STORE_KEY: &[u8] = b"\0format";

/// Where the estimate of live bytes is: decimal text.
pub(super) const LIVE_KEY: &[u8] = b"\0live";

/// When a backup was restored into this directory: microseconds since the epoch, decimal text.
const RESTORED_KEY: &[u8] = b"\0restored";

/// Before the byte of a kind: where the kind's number is, one byte.
const KIND_PREFIX: &[u8] = b"\0kind";

/// Key and record as JSON.
type Shown = Result<(Value, Value), DecodeError>;

/// What the store knows of a kind without knowing its type: how to verify, show and migrate its records.
#[derive(Clone, Copy)]
pub struct Table {
    kind: Kind,
    format: u8,
    verify: fn(&[u8], &[u8]) -> Result<(), DecodeError>,
    show: fn(&[u8], &[u8]) -> Shown,
    renew: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
}

impl Table {
    /// The table of a kind of record.
    pub const fn of<R: Record>() -> Table {
        Table { kind: R::KIND, format: R::FORMAT, verify: verify::<R>, show: show::<R>, renew: renew::<R> }
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its format number in this version.
    pub fn format(&self) -> u8 {
        self.format
    }

    /// Whether a pair of the tree is a record of this kind.
    pub(super) fn verify(&self, key: &[u8], value: &[u8]) -> Result<(), DecodeError> {
        (self.verify)(key, value)
    }

    /// A pair as JSON for people: key and record, secrets removed.
    pub(super) fn show(&self, key: &[u8], value: &[u8]) -> Shown {
        (self.show)(key, value)
    }

    /// A value in the present format.
    pub(super) fn renew(&self, value: &[u8]) -> Result<Vec<u8>, DecodeError> {
        (self.renew)(value)
    }
}

fn verify<R: Record>(key: &[u8], value: &[u8]) -> Result<(), DecodeError> {
    own_key::<R>(key)?;
    decode::<R>(value).map(drop)
}

fn show<R: Record>(key: &[u8], value: &[u8]) -> Shown {
    use super::record::Key;
    let key = own_key::<R>(key)?.to_json();
    let malformed = |why: serde_json::Error| DecodeError::Malformed { kind: R::KIND.name(), why: why.to_string() };
    // By way of the record, so that masking meets the present shape only.
    let mut json = serde_json::to_value(decode::<R>(value)?).map_err(malformed)?;
    R::mask(&mut json);
    Ok((key, json))
}

fn renew<R: Record>(value: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let record = decode::<R>(value)?;
    encode(&record).map_err(|why| DecodeError::Malformed { kind: R::KIND.name(), why: why.to_string() })
}

/// Compares the store's number with ours. `false`: it has none, so it is new.
pub(super) fn check_store(backend: &dyn Backend) -> Result<bool, OpenError> {
    let Some(value) = backend.get(STORE_KEY).map_err(OpenError::reading)? else {
        return Ok(false);
    };
    match std::str::from_utf8(&value).ok().and_then(|text| text.parse::<u32>().ok()) {
        Some(STORE_FORMAT) => Ok(true),
        Some(found) if found > STORE_FORMAT => {
            Err(OpenError::FromTheFuture { what: "the store", found, known: STORE_FORMAT })
        }
        _ => Err(OpenError::Damaged { why: "its format number is unreadable".into(), copy: None }),
    }
}

/// Writes the store's number down.
pub(super) fn store_mark() -> Op {
    Op::Put { key: STORE_KEY.to_vec(), value: STORE_FORMAT.to_string().into_bytes() }
}

/// Writes down that a backup is restored now.
pub(super) fn restored_mark() -> Op {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Op::Put { key: RESTORED_KEY.to_vec(), value: now.as_micros().to_string().into_bytes() }
}

/// When a backup was last restored into this directory, if ever.
pub(super) fn restored(backend: &dyn Backend) -> io::Result<Option<u64>> {
    let value = backend.get(RESTORED_KEY)?.unwrap_or_default();
    Ok(std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok()))
}

/// Writes a kind's number down.
pub(super) fn kind_mark(kind: u8, format: u8) -> Op {
    Op::Put { key: [KIND_PREFIX, &[kind]].concat(), value: vec![format] }
}

/// The numbers of all kinds that were ever opened: byte and format.
pub(super) fn kind_marks(backend: &dyn Backend) -> io::Result<Vec<(u8, u8)>> {
    let mut marks = Vec::new();
    let end = [KIND_PREFIX, &[u8::MAX]].concat();
    for pair in backend.scan(KIND_PREFIX, &end, false) {
        let (key, value) = pair?;
        if let (Some([kind]), [format]) = (key.strip_prefix(KIND_PREFIX), value.as_slice()) {
            marks.push((*kind, *format));
        }
    }
    Ok(marks)
}

/// The estimate of live bytes; 0 when there is none.
pub(super) fn live_bytes(backend: &dyn Backend) -> io::Result<i64> {
    let value = backend.get(LIVE_KEY)?.unwrap_or_default();
    Ok(std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Which tables are new, and which are to be migrated. A kind from the future is refused.
pub(super) fn compare(backend: &dyn Backend, tables: &[Table]) -> Result<(Vec<Table>, Vec<Table>), OpenError> {
    let marks = kind_marks(backend).map_err(OpenError::reading)?;
    let (mut new, mut old) = (Vec::new(), Vec::new());
    for (nth, table) in tables.iter().enumerate() {
        if let Some(twin) = tables.iter().take(nth).find(|other| other.kind.byte() == table.kind.byte()) {
            return Err(OpenError::KindTwice { one: twin.kind.name(), other: table.kind.name() });
        }
        match marks.iter().find(|(kind, _)| *kind == table.kind.byte()) {
            None => new.push(*table),
            Some((_, format)) if *format == table.format => {}
            Some((_, format)) if *format < table.format => old.push(*table),
            Some((_, format)) => {
                let (found, known) = (u32::from(*format), u32::from(table.format));
                return Err(OpenError::FromTheFuture { what: table.kind.name(), found, known });
            }
        }
    }
    Ok((new, old))
}
