//! The files that attempts write: `dag/<run>/<slot>.out` and `.err` below the directory of all logs.
//!
//! Most attempts live for milliseconds and print a line, so each costs as little as it can: a run's directory is made
//! once, no attempt is marked when it begins, its files are watched only if it lives for a second, and after its end
//! one look reads what is short. That then goes into the record; the file goes when the record is durable, so that a
//! core which dies in between finds it again.

use super::engine::Stream;
use super::model::{Addition, Blueprint, DagRunId, Kept};
use super::specification::{self, Limits};
use crate::base::RunId;
use crate::logs::{Logs, Stem, Whole};
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
    made.get_or_try_init(make).await?;
    Ok(())
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
        Ok(Whole::Bytes(text)) => {
            specification::generated(text, &generator.blueprint, &generator.limits).map_err(|why| why.to_string())
        }
        Ok(Whole::Length(length)) => Err(format!("expected at most {GENERATED_MAX} bytes, not {length}")),
        Err(why) => Err(format!("it cannot be read: {why}")),
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
    if let Err(why) = removed.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
        tracing::warn!(run = run.0, "the output of a purged run stays: {why}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Selection, Settings};
    use futures_util::TryStreamExt as _;
    use serde_json::json;
    use std::path::PathBuf;
    use tempfile::TempDir;
    use tokio::sync::mpsc::unbounded_channel;

    const FILES: Files = Files { run: DagRunId(3), slot: RunId(40) };

    struct Shelf {
        _dir: TempDir,
        logs: Logs,
    }

    impl Shelf {
        async fn new() -> Shelf {
            let dir = tempfile::tempdir().unwrap();
            let logs = Logs::open(dir.path().join("logs"), Settings::default()).unwrap();
            let mut directories = Directories::default();
            make(&directories.of(FILES.run), &logs, FILES.run).await.unwrap();
            Shelf { _dir: dir, logs }
        }

        fn path(&self, stream: Stream) -> PathBuf {
            self.logs.path(&FILES.stem(stream).unwrap())
        }

        fn write(&self, stream: Stream, text: impl AsRef<[u8]>) {
            std::fs::write(self.path(stream), text).unwrap();
        }

        fn collect(&self, over: bool) -> Collected {
            collect(&self.logs, FILES, over, None)
        }

        fn generated(&self) -> Collected {
            let text = json!({ "tag": "t", "tasks": { "a": { "job": { "command": ["x"] } } } }).to_string();
            let limits = Limits { capacity: None, max_tasks: 100 };
            let blueprint = Arc::new(specification::parse(text.as_bytes(), &limits).unwrap());
            collect(&self.logs, FILES, true, Some(&Generator { blueprint, limits }))
        }
    }

    #[tokio::test]
    async fn short_streams_are_taken_and_long_ones_stay() {
        let shelf = Shelf::new().await;
        assert_eq!(shelf.collect(true), Collected::default(), "no file is an empty one");
        shelf.write(Stream::Output, vec![b'o'; SHORT as usize]);
        shelf.write(Stream::Errors, vec![b'e'; SHORT as usize + 1]);
        let taken = shelf.collect(true);
        assert_eq!(taken.output, Kept::Here(vec![b'o'; SHORT as usize].into()));
        assert_eq!(taken.errors, Kept::File(SHORT + 1));
        assert_eq!(spent(FILES, &taken.output, &taken.errors), [FILES.stem(Stream::Output).unwrap()]);
        assert_eq!(shelf.collect(false).output, Kept::File(SHORT), "somebody may still write to it");
    }

    #[tokio::test]
    async fn what_a_generator_prints_is_compiled() {
        let shelf = Shelf::new().await;
        let more = json!({ "b": { "job": { "command": ["y".repeat(2000)] } } }).to_string();
        shelf.write(Stream::Output, &more);
        let taken = shelf.generated();
        assert_eq!(taken.output, Kept::File(more.len() as u64));
        let addition = taken.generated.unwrap().unwrap();
        assert_eq!(addition.templates[0].name, "b");

        shelf.write(Stream::Output, "not json");
        let why = shelf.generated().generated.unwrap().unwrap_err();
        assert!(why.contains("JSON"), "{why}");

        let file = std::fs::File::create(shelf.path(Stream::Output)).unwrap();
        file.set_len(GENERATED_MAX + 1).unwrap(); // a hole: nothing is written
        let why = shelf.generated().generated.unwrap().unwrap_err();
        assert!(why.starts_with("expected at most "), "{why}");
    }

    #[tokio::test]
    async fn spent_files_go_unless_they_are_being_read() {
        let shelf = Shelf::new().await;
        shelf.write(Stream::Output, "read");
        shelf.write(Stream::Errors, "not read");
        let follow = Selection { follow: true, ..Selection::default() };
        let mut reader = Box::pin(shelf.logs.read(&FILES.stem(Stream::Output).unwrap(), follow));
        assert_eq!(reader.try_next().await.unwrap().unwrap(), "read");
        let (sweeper, swept) = unbounded_channel();
        FILES.stems().for_each(|stem| sweeper.send(stem).unwrap());
        drop(sweeper);
        sweep(swept, shelf.logs.clone()).await;
        assert!(shelf.path(Stream::Output).exists());
        assert!(!shelf.path(Stream::Errors).exists());
        assert!(shelf.path(Stream::Errors).parent().unwrap().exists(), "the next attempt needs the directory");
    }

    #[tokio::test]
    async fn a_purged_run_leaves_nothing() {
        let shelf = Shelf::new().await;
        shelf.write(Stream::Output, "x");
        remove(shelf.logs.clone(), FILES.run).await;
        assert!(!shelf.path(Stream::Output).parent().unwrap().exists());
        remove(shelf.logs.clone(), FILES.run).await;
    }
}
