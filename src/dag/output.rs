//! The files that attempts write: `dag/<run>/<slot>.out` and `.err` below the directory of all logs.
//!
//! Most attempts live for milliseconds and print a line, so each costs as little as it can: a run's directory is made
//! once, no attempt is marked when it begins, its files are watched only if it lives for a second, and after its end
//! one look reads what is short. That then goes into the record; the file goes when the record is durable, so that a
//! core which dies in between finds it again.

use super::engine::Stream;
use super::model::{Addition, Attempt, Blueprint, DagRunId, Kept};
use super::specification::{self, Limits};
use crate::base::RunId;
use crate::logs::{Logs, Selection, Stem, Whole};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::UnboundedReceiver;

/// Streams up to this length are kept in the attempt's record.
const SHORT: u64 = 1024;

/// What a generator may print, in bytes: as much as a specification may have.
const GENERATED_MAX: u64 = 64 << 20;

/// How many files are removed in one go.
const SWEPT: usize = 1_000;

/// The directory of all attempts' output.
pub(super) const ROOT: &str = "dag";

/// The directory of a run's output.
///
/// # Errors
/// None in fact: digits make a name.
pub(super) fn directory(run: DagRunId) -> io::Result<Stem> {
    Stem::new(&format!("{ROOT}/{run}")).map_err(io::Error::other)
}

/// The two files of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Files {
    pub run: DagRunId,
    pub slot: RunId,
}

impl Files {
    /// The file of this stream.
    ///
    /// # Errors
    /// None in fact: digits and dots make a name.
    pub fn stem(self, stream: Stream) -> io::Result<Stem> {
        let end = match stream {
            Stream::Output => "out",
            Stream::Errors => "err",
        };
        Stem::new(&format!("{ROOT}/{}/{}.{end}", self.run, self.slot)).map_err(io::Error::other)
    }

    /// Both.
    pub fn stems(self) -> impl Iterator<Item = Stem> {
        [Stream::Output, Stream::Errors].into_iter().filter_map(move |stream| self.stem(stream).ok())
    }
}

/// Directories of runs, made when their first attempt begins.
#[derive(Debug, Default)]
pub(super) struct Directories(HashMap<DagRunId, Arc<OnceCell<()>>>);

impl Directories {
    /// The one of this run: to be made by whoever needs it first.
    pub fn of(&mut self, run: DagRunId) -> Arc<OnceCell<()>> {
        self.0.entry(run).or_default().clone()
    }

    /// Nothing of this run will be started for now.
    pub fn forget(&mut self, run: DagRunId) {
        self.0.remove(&run);
    }
}

/// Makes the directory unless it was made already.
///
/// # Errors
/// The file system's.
pub(super) async fn make(made: &OnceCell<()>, logs: &Logs, run: DagRunId) -> io::Result<()> {
    let make = || async {
        let (logs, dir) = (logs.clone(), directory(run)?);
        tokio::task::spawn_blocking(move || logs.create_dir(&dir)).await.map_err(io::Error::other)?
    };
    made.get_or_try_init(make).await.map(|()| ())
}

/// What a generator's output is read with.
#[derive(Debug, Clone)]
pub(super) struct Generator {
    pub blueprint: Arc<Blueprint>,
    pub limits: Limits,
}

/// What an attempt has left behind.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Collected {
    pub output: Kept,
    pub errors: Kept,
    pub generated: Option<Result<Addition, String>>,
}

/// Looks at what an attempt has written, once its leader has ended: with `over`, nothing of its tree is left and short
/// streams are taken. Blocks.
pub(super) fn collect(logs: &Logs, files: Files, over: bool, generator: Option<&Generator>) -> Collected {
    let most = |most: u64| if over { most } else { 0 };
    let look = |stream, most| files.stem(stream).and_then(|stem| logs.whole(&stem, most));
    let errors = kept(look(Stream::Errors, most(SHORT)), over, files);
    let Some(generator) = generator else {
        return Collected { output: kept(look(Stream::Output, most(SHORT)), over, files), errors, generated: None };
    };
    let whole = look(Stream::Output, GENERATED_MAX);
    let generated = match &whole {
        Ok(Whole::Bytes(text)) => specification::generated(text, &generator.blueprint, &generator.limits)
            .map_err(|why| format!("its output adds no tasks: {why}")),
        Ok(Whole::Length(length)) => Err(format!("its output is too long: {length} bytes, of {GENERATED_MAX} at most")),
        Err(why) => Err(format!("its output cannot be read: {why}")),
    };
    Collected { output: kept(whole, over, files), errors, generated: Some(generated) }
}

fn kept(whole: io::Result<Whole>, over: bool, files: Files) -> Kept {
    match whole {
        Ok(Whole::Bytes(bytes)) if over && bytes.len() as u64 <= SHORT => Kept::Here(bytes.into()),
        Ok(Whole::Bytes(bytes)) => Kept::File(bytes.len() as u64),
        Ok(Whole::Length(length)) => Kept::File(length),
        Err(why) => {
            tracing::warn!(run = files.run.0, slot = files.slot.0, "output cannot be read: {why}");
            Kept::File(0)
        }
    }
}

/// The files whose bytes are in the attempt's record.
pub(super) fn spent(files: Files, output: &Kept, errors: &Kept) -> Vec<Stem> {
    let streams = [(Stream::Output, output), (Stream::Errors, errors)];
    let here = streams.into_iter().filter(|(_, kept)| matches!(kept, Kept::Here(_)));
    here.filter_map(|(stream, _)| files.stem(stream).ok()).collect()
}

/// Removes the files that it is told of, many at once.
pub(super) async fn sweep(mut spent: UnboundedReceiver<Stem>, logs: Logs) {
    loop {
        let mut some = Vec::new();
        if spent.recv_many(&mut some, SWEPT).await == 0 {
            return;
        }
        let logs = logs.clone();
        let swept = tokio::task::spawn_blocking(move || {
            for stem in some {
                if let Err(why) = logs.discard(&stem) {
                    tracing::warn!(file = stem.as_str(), "the output of an ended attempt stays: {why}");
                }
            }
        });
        if let Err(why) = swept.await {
            tracing::warn!("removing output: {why}");
        }
    }
}

/// Removes all output of a run.
pub(super) async fn remove(logs: Logs, run: DagRunId) {
    let removed = tokio::task::spawn_blocking(move || logs.remove_dir(&directory(run)?)).await;
    if let Err(why) = removed.map_err(io::Error::other).flatten() {
        tracing::warn!(run = run.0, "the output of a purged run stays: {why}");
    }
}

/// The last `most` bytes of one stream of an ended attempt.
///
/// # Errors
/// The file system's.
pub(super) async fn bytes(
    logs: &Logs,
    run: DagRunId,
    attempt: &Attempt,
    stream: Stream,
    most: u64,
) -> io::Result<Bytes> {
    let kept = match stream {
        Stream::Output => &attempt.output,
        Stream::Errors => &attempt.errors,
    };
    let slot = match (kept, attempt.slot) {
        (Kept::Here(bytes), _) => {
            let from = bytes.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
            return Ok(bytes.slice(from..));
        }
        (Kept::File(_), None) => return Ok(Bytes::new()),
        (Kept::File(_), Some(slot)) => slot,
    };
    let stem = Files { run, slot }.stem(stream)?;
    let from = logs.length(&stem).await?.saturating_sub(most);
    let selection = Selection { from: Some(from), ..Selection::default() };
    let append = |mut all: BytesMut, piece: Bytes| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    };
    Ok(logs.read(&stem, selection).try_fold(BytesMut::new(), append).await?.freeze())
}
