//! One answer's body, brought to its places in the file.

use super::asking::{Trouble, failure};
use crate::cache::content::claims::{Claims, WINDOW};
use crate::cache::content::known::Known;
use crate::cache::content::live::Live;
use crate::cache::content::thread::{DataThread, lock};
use crate::cache::content::writer::{Current, Job, Written};
use crate::cache::machine::Event;
use crate::cache::model::{Crc, Extent, TaskNo};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _, OptionFuture};
use futures_util::stream::BoxStream;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::UnboundedSender;

/// Bytes that wait to be written, for each of at most two connections: 8 MiB for a fetch. Beyond that nothing is taken
/// from the socket.
const WAITING: u64 = 4 << 20;

/// What the connections of one fetch share.
pub(super) struct Site {
    pub(super) task: TaskNo,
    pub(super) live: Arc<Live>,
    pub(super) known: Arc<Known>,
    pub(super) file: Arc<File>,
    pub(super) path: Arc<Path>,
    pub(super) claims: Arc<Mutex<Claims>>,
    /// Its length becomes known at the end of a content that does not say.
    pub(super) extent: Mutex<Extent>,
    pub(super) thread: DataThread,
    pub(super) events: UnboundedSender<Event>,
}

/// A body, and what it is for.
pub(super) struct Body {
    pub(super) stream: BoxStream<'static, io::Result<Bytes>>,
    /// What it brings, as its head says; open where that is not known.
    pub(super) bytes: Range<u64>,
    /// What is taken from it.
    pub(super) claim: Range<u32>,
    /// It brings everything, and nothing else can be had: pieces that are there are passed over.
    pub(super) alone: bool,
}

/// How one connection ended: its claim, how many bytes it brought, and what went wrong.
pub(super) struct Ended {
    pub(super) claim: Range<u32>,
    pub(super) brought: u64,
    pub(super) trouble: Option<Trouble>,
}

/// Where one connection is.
struct Transfer {
    site: Arc<Site>,
    extent: Extent,
    claim: Range<u32>,
    alone: bool,
    /// Where the next byte belongs.
    at: u64,
    parts: Vec<(u64, Bytes)>,
    waiting: u64,
    current: Option<Current>,
    /// Nothing more is taken from the connection.
    over: bool,
    trouble: Option<Trouble>,
    /// Pieces that were completed.
    finished: usize,
    /// The content ends where it ends: the last piece has to be closed.
    closes: bool,
}

impl Site {
    /// Notes pieces that have come; whether these were the last.
    fn note(&self, finished: &[(u32, Crc)]) -> bool {
        let has_all = {
            let mut claims = lock(&self.claims);
            finished.iter().for_each(|(number, crc)| claims.put(*number, *crc));
            !claims.is_missing_any()
        };
        if has_all {
            self.live.settles(true);
        }
        has_all
    }

    /// Takes a body to its end, or as far as its claim goes.
    pub(super) async fn take(self: Arc<Site>, body: Body) -> Ended {
        let Body { mut stream, bytes, claim, alone } = body;
        let extent = *lock(&self.extent);
        let mut transfer = Transfer {
            at: bytes.start,
            extent,
            claim,
            alone,
            parts: Vec::new(),
            waiting: 0,
            current: None,
            over: false,
            trouble: None,
            finished: 0,
            closes: false,
            site: self,
        };
        let mut writing: Option<BoxFuture<'static, io::Result<Written>>> = None;
        loop {
            if writing.is_none() {
                writing = transfer.write();
            }
            if writing.is_none() && transfer.over {
                break;
            }
            let takes = !transfer.over && transfer.waiting < WAITING;
            tokio::select! {
                biased;
                Some(written) = OptionFuture::from(writing.as_mut()) => {
                    writing = None;
                    transfer.written(written);
                }
                chunk = stream.next(), if takes => transfer.received(chunk, &bytes),
            }
        }
        transfer.end(bytes.start)
    }
}

impl Transfer {
    /// The next write, where there is anything to write.
    fn write(&mut self) -> Option<BoxFuture<'static, io::Result<Written>>> {
        let ends = self.over && std::mem::take(&mut self.closes);
        if self.parts.is_empty() && !ends {
            return None;
        }
        self.waiting = 0;
        let job = Job {
            file: Arc::clone(&self.site.file),
            path: Arc::clone(&self.site.path),
            parts: std::mem::take(&mut self.parts),
            current: self.current.take(),
            piece_length: self.extent.piece_length,
            length: self.extent.length,
            ends,
        };
        let thread = self.site.thread.clone();
        Some(async move { thread.blocking(move || job.write()).await }.boxed())
    }

    fn written(&mut self, written: io::Result<Written>) {
        let site = &self.site;
        match written {
            Ok(Written { finished, current }) => {
                self.finished += finished.len();
                let has_all = site.note(&finished);
                for (number, crc) in finished {
                    site.known.good(number);
                    site.live.put(number, crc);
                    // The room may be gone: the daemon is ending.
                    let _ = site.events.send(Event::Piece(site.task, number, crc));
                }
                if let Some((number, bytes)) = current.as_ref().map(Current::place) {
                    site.live.coming(number, bytes);
                }
                self.current = current;
                site.live.publish(*lock(&site.extent));
                if has_all {
                    self.stop(None);
                }
            }
            Err(failed) => {
                self.stop(Some(Trouble::Lasting(failure(failed.to_string()))));
                self.parts.clear();
            }
        }
    }

    fn received(&mut self, chunk: Option<io::Result<Bytes>>, bytes: &Range<u64>) {
        match chunk {
            Some(Ok(chunk)) => {
                let left = bytes.end.saturating_sub(self.at);
                let mut chunk = chunk;
                chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                self.place(chunk);
            }
            Some(Err(broken)) => self.broken(&broken.to_string(), bytes),
            None if self.extent.length.is_none() => {
                self.closes = true;
                self.stop(None);
            }
            None if self.at < bytes.end => self.broken("it ended early", bytes),
            None => self.stop(None),
        }
        if self.at >= bytes.end {
            self.stop(None);
        }
    }

    /// Cuts a chunk at the bounds of pieces, and takes what is wanted of it.
    fn place(&mut self, mut chunk: Bytes) {
        let piece_length = self.extent.piece_length.max(1);
        while !chunk.is_empty() && !self.over {
            let number = u32::try_from(self.at / piece_length).unwrap_or(u32::MAX);
            let mut claims = lock(&self.site.claims);
            if number >= self.claim.end && !self.alone && !claims.extend(&mut self.claim, WINDOW) {
                drop(claims);
                self.stop(None);
                return;
            }
            let wanted = !claims.has(number);
            drop(claims);
            let rest = (u64::from(number) + 1).saturating_mul(piece_length) - self.at;
            let part = chunk.split_to(chunk.len().min(usize::try_from(rest).unwrap_or(usize::MAX)));
            let at = self.at;
            self.at += part.len() as u64;
            if wanted {
                self.waiting += part.len() as u64;
                self.parts.push((at, part));
            }
        }
    }

    fn broken(&mut self, how: &str, bytes: &Range<u64>) {
        let come = self.at - bytes.start;
        let why = match self.extent.length {
            Some(_) => format!("the connection broke after {come} of {} bytes: {how}", bytes.end - bytes.start),
            None => format!("the connection broke after {come} bytes: {how}"),
        };
        self.stop(Some(Trouble::Passing(failure(why), None)));
    }

    fn stop(&mut self, trouble: Option<Trouble>) {
        self.over = true;
        if self.trouble.is_none() {
            self.trouble = trouble;
        }
    }

    fn end(self, start: u64) -> Ended {
        if let Some((number, _)) = self.current.as_ref().map(Current::place) {
            self.site.live.coming(number, 0);
        }
        if self.extent.length.is_none() && self.trouble.is_none() {
            let mut extent = lock(&self.site.extent);
            extent.length = Some(self.at);
            let total = crate::cache::model::piece::pieces_of(self.at, extent.piece_length);
            lock(&self.site.claims).set_total(total);
        }
        self.site.note(&[]);
        lock(&self.site.claims).release(&self.claim);
        let brought = self.at - start;
        let nothing = || Trouble::Passing(failure("the origin gave less than was asked for"), None);
        let trouble = self.trouble.or_else(|| (self.finished == 0).then(nothing));
        Ended { claim: self.claim, brought, trouble }
    }
}
