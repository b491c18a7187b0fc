//! A backup as a file: every record, long ones included, with a checksum each and a trailer that proves the end.
//!
//! ```text
//! "hostler backup 1\n"
//! frame*:  length of the body (u64), CRC-32 of the body (u32), both big endian, body
//! body:    'H' + JSON, first and once: the store's format, and each kind's
//!          'O' + an operation (see frames.rs); doing them in order gives the store
//!          'E' + JSON, last and once: how many operations, and a CRC-32 over all their checksums
//! ```

use super::batch::Op;
use super::frames;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

const MAGIC: &[u8] = b"hostler backup 1\n";

/// A body longer than this is damage, not data: no request body comes near it.
const LONGEST_BODY: u64 = 1 << 30;

/// What stands first.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) store_format: u32,
    /// The format number of each kind, by its byte.
    pub(super) kinds: BTreeMap<u8, u8>,
}

/// What stands last.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Trailer {
    operations: u64,
    checksum: u32,
}

/// Writes a backup.
pub(super) struct Packer<W> {
    out: W,
    operations: u64,
    checksum: crc32fast::Hasher,
}

impl<W: Write> Packer<W> {
    pub(super) fn new(mut out: W, header: &Header) -> io::Result<Packer<W>> {
        out.write_all(MAGIC)?;
        let mut packer = Packer { out, operations: 0, checksum: crc32fast::Hasher::new() };
        packer.frame(&body(b'H', header)?)?;
        Ok(packer)
    }

    /// Appends an operation.
    pub(super) fn op(&mut self, op: &Op) -> io::Result<()> {
        let mut body = vec![b'O'];
        frames::encode(op, &mut body);
        let crc = self.frame(&body)?;
        self.checksum.update(&crc.to_be_bytes());
        self.operations += 1;
        Ok(())
    }

    /// Writes the trailer. How many operations there are.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let trailer = Trailer { operations: self.operations, checksum: self.checksum.clone().finalize() };
        self.frame(&body(b'E', &trailer)?)?;
        self.out.flush()?;
        Ok(self.operations)
    }

    fn frame(&mut self, body: &[u8]) -> io::Result<u32> {
        let crc = crc32fast::hash(body);
        self.out.write_all(&(body.len() as u64).to_be_bytes())?;
        self.out.write_all(&crc.to_be_bytes())?;
        self.out.write_all(body)?;
        Ok(crc)
    }
}

fn body(letter: u8, json: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut body = vec![letter];
    serde_json::to_writer(&mut body, json)?;
    Ok(body)
}

/// Why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error("the backup cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("this is no backup of hostler, or one of another version")]
    Foreign,
    /// A checksum is wrong, or the end is missing.
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
}

/// Reads a backup.
pub(super) struct Unpacker<R> {
    from: R,
    pub(super) header: Header,
    operations: u64,
    checksum: crc32fast::Hasher,
}

impl<R: Read> Unpacker<R> {
    pub(super) fn new(mut from: R) -> Result<Unpacker<R>, ArchiveError> {
        let mut magic = [0; MAGIC.len()];
        match from.read_exact(&mut magic) {
            Err(why) if why.kind() != io::ErrorKind::UnexpectedEof => return Err(why.into()),
            _ if magic != MAGIC => return Err(ArchiveError::Foreign),
            _ => {}
        }
        let (first, _) = read_frame(&mut from)?;
        let header = first.strip_prefix(b"H").and_then(|json| serde_json::from_slice(json).ok());
        let header = header.ok_or(ArchiveError::Damaged("the header is unreadable"))?;
        Ok(Unpacker { from, header, operations: 0, checksum: crc32fast::Hasher::new() })
    }

    /// The next operation; none after the last, when the trailer agrees and nothing follows it.
    pub(super) fn next(&mut self) -> Result<Option<Op>, ArchiveError> {
        let (body, crc) = read_frame(&mut self.from)?;
        match body.split_first() {
            Some((b'O', frame)) => {
                self.checksum.update(&crc.to_be_bytes());
                self.operations += 1;
                match frames::decode(frame) {
                    Some((op, [])) => Ok(Some(op)),
                    _ => Err(ArchiveError::Damaged("an operation is unreadable")),
                }
            }
            Some((b'E', json)) => {
                let counted = Trailer { operations: self.operations, checksum: self.checksum.clone().finalize() };
                if serde_json::from_slice::<Trailer>(json).ok() != Some(counted) {
                    return Err(ArchiveError::Damaged("the trailer does not match what precedes it"));
                }
                match self.from.read(&mut [0])? {
                    0 => Ok(None),
                    _ => Err(ArchiveError::Damaged("something follows the trailer")),
                }
            }
            _ => Err(ArchiveError::Damaged("a frame of an unknown kind")),
        }
    }
}

fn read_frame(from: &mut impl Read) -> Result<(Vec<u8>, u32), ArchiveError> {
    let cut = |why: io::Error| match why.kind() {
        io::ErrorKind::UnexpectedEof => ArchiveError::Damaged("it ends too early"),
        _ => ArchiveError::Io(why),
    };
    let (mut len, mut crc) = ([0; 8], [0; 4]);
    from.read_exact(&mut len).map_err(cut)?;
    from.read_exact(&mut crc).map_err(cut)?;
    let (len, crc) = (u64::from_be_bytes(len), u32::from_be_bytes(crc));
    if len > LONGEST_BODY {
        return Err(ArchiveError::Damaged("a length is impossible"));
    }
    let mut body = Vec::new(); // grows as data comes: a damaged length reserves nothing
    from.take(len).read_to_end(&mut body)?;
    if body.len() as u64 != len {
        return Err(ArchiveError::Damaged("it ends too early"));
    }
    if crc32fast::hash(&body) != crc {
        return Err(ArchiveError::Damaged("a checksum differs"));
    }
    Ok((body, crc))
}
