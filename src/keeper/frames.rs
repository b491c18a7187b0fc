//! Frames over a Unix stream: length, kind, payload, and descriptors beside it.
//!
//! Both ends use this: the keeper inside its poll loop, the core inside its runtime. Nothing here blocks or waits;
//! the caller says when the socket can be read or written.
//!
//! ```text
//! u32 length of the payload | u8 kind | u8 descriptors | payload          all little-endian
//! ```
//! A payload over [`INLINE_MAX`] travels in a memfd: `kind` has its high bit set, the payload is the true length as
//! u64, and the memfd comes before the frame's own descriptors.
//!
//! **Absent:** what the kinds mean (`wire`), and any trust in the other end's lengths.

use crate::keeper::sys;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// The longest payload inside the stream, in bytes. Longer ones would crowd the socket's buffer (about 200 KB).
pub const INLINE_MAX: usize = 64 * 1024;
/// The longest payload at all: a table of 20,000 slots with full intents has 90 MB.
pub const PAYLOAD_MAX: u64 = 256 * 1024 * 1024;
/// Descriptors of one frame; the kernel's own bound for one message is 253.
pub const FDS_MAX: usize = 64;

const HEADER: usize = 6;
const IN_MEMFD: u8 = 0x80;
/// Descriptors that may wait for their frame before the other end counts as broken.
const FDS_WAITING_MAX: usize = 4 * FDS_MAX;

/// A whole frame.
#[derive(Debug)]
pub struct Frame {
    /// What the payload is; below 128.
    pub kind: u8,
    /// The encoded message.
    pub payload: Vec<u8>,
    /// Descriptors that came or go along.
    pub fds: Vec<OwnedFd>,
}

/// Why a stream of frames cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other end has closed.
    #[error("the other end has closed")]
    Closed,
    /// A header or memfd that no honest end sends.
    #[error("bad frame: {0}")]
    Bad(&'static str),
    /// The socket failed.
    #[error("socket")]
    Socket(#[from] io::Error),
}

/// Frames on their way in.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// How many of `bytes` belong to frames already taken.
    taken: usize,
    fds: VecDeque<OwnedFd>,
}

impl Inbox {
    /// Reads once from `socket`; true when there may be more.
    ///
    /// # Errors
    /// The end of the stream, a socket error, or more descriptors than frames could want.
    pub fn fill(&mut self, socket: BorrowedFd<'_>) -> Result<bool, FrameError> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        let before = self.bytes.len();
        self.bytes.resize(before + INLINE_MAX, 0);
        let room = self.bytes.get_mut(before..).unwrap_or_default();
        let received = sys::receive(socket, room, &mut self.fds);
        let got = received.as_ref().map_or(0, |got| *got);
        self.bytes.truncate(before + got);
        match received {
            Ok(0) => Err(FrameError::Closed),
            Ok(_) if self.fds.len() > FDS_WAITING_MAX => Err(FrameError::Bad("too many descriptors")),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The next whole frame; none: more must be read first.
    ///
    /// # Errors
    /// A frame that cannot be right. The stream is of no use afterwards.
    pub fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let waiting = self.bytes.get(self.taken..).unwrap_or_default();
        let Some(([a, b, c, d, kind, fds], rest)) = waiting.split_first_chunk::<HEADER>() else {
            // Nothing half-read remains: do not keep the buffer of a busy moment through an idle week.
            if waiting.is_empty() {
                self.bytes = Vec::new();
                self.taken = 0;
            }
            return Ok(None);
        };
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let (kind, count) = (*kind, usize::from(*fds));
        if length > INLINE_MAX {
            return Err(FrameError::Bad("length"));
        }
        if count > FDS_MAX + 1 {
            return Err(FrameError::Bad("descriptor count"));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        if self.fds.len() < count {
            return Err(FrameError::Bad("descriptors are missing"));
        }
        let mut payload = payload.to_vec();
        let mut fds: VecDeque<OwnedFd> = self.fds.drain(..count).collect();
        self.taken += HEADER + length;
        if kind & IN_MEMFD != 0 {
            let memfd = fds.pop_front().ok_or(FrameError::Bad("no memfd"))?;
            payload = read_memfd(memfd, &payload)?;
        }
        Ok(Some(Frame { kind: kind & !IN_MEMFD, payload, fds: fds.into() }))
    }
}

/// Reads exactly what the frame promised out of its memfd.
fn read_memfd(memfd: OwnedFd, length: &[u8]) -> Result<Vec<u8>, FrameError> {
    let length = u64::from_le_bytes(length.try_into().map_err(|_| FrameError::Bad("memfd length"))?);
    let file = File::from(memfd);
    if length > PAYLOAD_MAX || file.metadata()?.len() != length {
        return Err(FrameError::Bad("memfd length"));
    }
    let mut payload = vec![0; usize::try_from(length).map_err(|_| FrameError::Bad("memfd length"))?];
    file.read_exact_at(&mut payload, 0)?;
    Ok(payload)
}

/// Frames on their way out, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<Outgoing>,
    queued: usize,
}

#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    /// Travel with the first byte.
    fds: Vec<OwnedFd>,
}

impl Outbox {
    /// Puts a frame at the end.
    ///
    /// # Errors
    /// No memfd could be made for a big payload, or the frame is beyond the bounds of its kind.
    pub fn push(&mut self, frame: Frame) -> io::Result<()> {
        let Frame { mut kind, mut payload, mut fds } = frame;
        if payload.len() as u64 > PAYLOAD_MAX || fds.len() > FDS_MAX {
            return Err(io::Error::new(ErrorKind::InvalidInput, "frame too big"));
        }
        if payload.len() > INLINE_MAX {
            let mut file = File::from(sys::memfd("hostler-frame")?);
            file.write_all(&payload)?;
            fds.insert(0, file.into());
            payload = (payload.len() as u64).to_le_bytes().to_vec();
            kind |= IN_MEMFD;
        }
        let length = u32::try_from(payload.len()).map_err(|_| ErrorKind::InvalidInput)?;
        let count = u8::try_from(fds.len()).map_err(|_| ErrorKind::InvalidInput)?;
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&[kind, count]);
        bytes.append(&mut payload);
        self.queued += bytes.len();
        self.frames.push_back(Outgoing { bytes, sent: 0, fds });
        Ok(())
    }

    /// How many bytes wait.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Writes what the socket takes; returns when all is written or the socket is full.
    ///
    /// # Errors
    /// The other end is gone, or the socket failed.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> Result<(), FrameError> {
        while let Some(first) = self.frames.front_mut() {
            let fds: Vec<_> = first.fds.iter().map(AsFd::as_fd).collect();
            match sys::send(socket, first.bytes.get(first.sent..).unwrap_or_default(), &fds) {
                Ok(count) => {
                    first.fds.clear();
                    first.sent += count;
                    self.queued -= count;
                    if first.sent == first.bytes.len() {
                        self.frames.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Err(FrameError::Closed),
                Err(error) => return Err(error.into()),
            }
        }
        self.frames.shrink_to(64);
        Ok(())
    }
}
