//! Operations as bytes: in redo files, in backups.
//!
//! One frame: a letter, the length of the key (u32), the length of the rest (u64), both big endian, then the key and the
//! rest. The rest is the value of a `P`ut, nothing for a `D`elete, the end of the range for a delete of a `R`ange.

use super::batch::Op;

/// Appends the frame of an operation.
pub(super) fn encode(op: &Op, out: &mut Vec<u8>) {
    let (letter, key, rest) = match op {
        Op::Put { key, value } => (b'P', key, value.as_slice()),
        Op::Delete { key } => (b'D', key, [].as_slice()),
        Op::DeleteRange { from, to } => (b'R', from, to.as_slice()),
    };
    out.push(letter);
    out.extend_from_slice(&(key.len() as u32).to_be_bytes()); // keys are at most some kilobytes
    out.extend_from_slice(&(rest.len() as u64).to_be_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(rest);
}

/// Takes one operation off the front; `None` when the bytes are no frame.
pub(super) fn decode(bytes: &[u8]) -> Option<(Op, &[u8])> {
    let (letter, bytes) = bytes.split_first()?;
    let (key_len, bytes) = bytes.split_first_chunk()?;
    let (rest_len, bytes) = bytes.split_first_chunk()?;
    let (key, bytes) = bytes.split_at_checked(usize::try_from(u32::from_be_bytes(*key_len)).ok()?)?;
    let (rest, bytes) = bytes.split_at_checked(usize::try_from(u64::from_be_bytes(*rest_len)).ok()?)?;
    let key = key.to_vec();
    let op = match letter {
        b'P' => Op::Put { key, value: rest.to_vec() },
        b'D' if rest.is_empty() => Op::Delete { key },
        b'R' => Op::DeleteRange { from: key, to: rest.to_vec() },
        _ => return None,
    };
    Some((op, bytes))
}

/// All operations of a sequence of frames; `None` when any part is no frame.
pub(super) fn decode_all(mut bytes: &[u8]) -> Option<Vec<Op>> {
    let mut ops = Vec::new();
    while !bytes.is_empty() {
        let (op, rest) = decode(bytes)?;
        ops.push(op);
        bytes = rest;
    }
    Some(ops)
}
