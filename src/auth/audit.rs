//! The audit log: who asked for what, from where, and what came of it.
//!
//! Every refused and every state-changing request is one line of JSON in `audit/audit.log`. Full files are renamed to
//! `audit.log.1` and so on; the oldest goes. One thread writes; it sleeps while nobody asks anything, and syncs at
//! most once a second while there is something new. A failing disk loses lines, never requests: how many were lost is
//! a line of its own once writing works again.
//!
//! **Absent:** bodies, queries and headers, for they may hold secrets: the caller of [`Audit::note`] names the route and
//! the thing it was about, and nothing else.

use crate::base::Wall;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that may wait for the disk before new ones are lost.
const WAITING: usize = 16_384;
/// The pause between two syncs.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How much is written at once, and read at once.
pub(super) const CHUNK: usize = 64 * 1024;
/// Longer texts within a line are cut, in bytes.
pub(super) const LONGEST_TEXT: usize = 512;
/// Longer lines are not ours: no entry can be as long, even with every byte escaped.
const LONGEST_LINE: usize = 64 * 1024;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// A file of this many bytes is put aside.
    pub max_bytes: u64,
    /// How many files there are, the current one included.
    pub files: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { max_bytes: 8 * 1024 * 1024, files: 10 }
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused: a 4xx.
    Refused,
    /// It could not be done: a 5xx.
    Failed,
}

impl Outcome {
    /// By the status of the answer.
    pub fn of(status: u16) -> Outcome {
        match status {
            ..400 => Outcome::Done,
            400..500 => Outcome::Refused,
            500.. => Outcome::Failed,
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When the answer was given.
    pub at: Wall,
    /// Who asked: [`super::Caller::name`].
    pub who: String,
    /// As which user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// From where: [`super::Peer::from`].
    pub from: String,
    /// Method and path, without the query.
    pub what: String,
    /// The name of the thing it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// What that means.
    pub outcome: Outcome,
    /// Why it was refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Which lines are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// At most so many, the newest.
    pub limit: usize,
    /// Only those whose `who` contains this.
    pub who: Option<String>,
    /// Only those from then on.
    pub since: Option<Wall>,
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
}

impl Filter {
    fn wants(&self, entry: &Entry) -> bool {
        self.who.as_ref().is_none_or(|who| entry.who.contains(who.as_str()))
            && self.since.is_none_or(|since| entry.at >= since)
            && self.outcome.is_none_or(|outcome| entry.outcome == outcome)
    }
}

/// The log. Clones write to the same file. When the last one is dropped the rest is written and synced, but nobody waits
/// for that: a process that is about to end calls [`Audit::settle`] first.
#[derive(Clone)]
pub struct Audit {
    writer: SyncSender<Message>,
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    settings: Settings,
    /// Held while files change their names, and while a reader opens them all.
    names: Mutex<()>,
    lost: AtomicU64,
}

enum Message {
    Line(Box<Entry>),
    /// Everything before this is to be on disk.
    Settle(SyncSender<()>),
}

impl Audit {
    /// Opens the log in `dir`, which is made if it is missing, readable by its owner alone.
    ///
    /// # Errors
    /// The directory or the file cannot be made, or no thread can be started.
    pub fn open(dir: &Path, settings: Settings) -> io::Result<Audit> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let shared = Arc::new(Shared { dir: dir.to_owned(), settings, names: Mutex::new(()), lost: AtomicU64::new(0) });
        let (writer, messages) = sync_channel(WAITING);
        let current = Current::open(shared.clone())?;
        thread::Builder::new().name("audit".to_owned()).spawn(move || current.run(&messages))?;
        Ok(Audit { writer, shared })
    }

    /// A log that keeps nothing, for a daemon that cannot use its disk and refuses everything.
    pub fn discarding() -> Audit {
        let shared = Shared {
            dir: PathBuf::new(),
            settings: Settings::default(),
            names: Mutex::new(()),
            lost: AtomicU64::new(0),
        };
        Audit { writer: sync_channel(0).0, shared: Arc::new(shared) }
    }

    /// Adds a line, without waiting for anything.
    pub fn note(&self, entry: Entry) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.writer.try_send(Message::Line(Box::new(entry)))
        {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until every line noted so far is on disk. Blocks.
    pub fn settle(&self) {
        let (done, wait) = sync_channel(1);
        if self.writer.send(Message::Settle(done)).is_ok() {
            wait.recv().ok(); // an error means that the writer is gone, and with it the wait
        }
    }

    /// Removes files that were put aside and hold nothing as new as `before`; how many lines that were. A file that holds
    /// one newer line stays, and so does the one that is written. Blocks.
    ///
    /// # Errors
    /// A file cannot be read or removed.
    pub fn forget(&self, before: Wall) -> io::Result<u64> {
        let _names = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut forgotten = 0;
        // The highest number is the oldest: what stays has no gap.
        for number in (1..self.shared.settings.files.max(1)).rev() {
            let path = self.shared.path(number);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
                Err(why) => return Err(why),
            };
            if Wall::from(file.metadata()?.modified()?) >= before {
                break;
            }
            let lines = count_lines(file)?;
            fs::remove_file(&path)?;
            forgotten += lines;
        }
        Ok(forgotten)
    }

    /// The newest lines that `filter` wants, newest first. Blocks: it reads files.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn recent(&self, filter: &Filter) -> io::Result<Vec<Entry>> {
        self.settle();
        let mut found = Vec::new();
        for file in self.shared.open_all()? {
            if found.len() >= filter.limit || older(&file, filter.since)? {
                break;
            }
            for line in Backwards::new(file)? {
                // A line torn by a crash is no entry; its neighbours are.
                let Ok(entry) = serde_json::from_slice::<Entry>(&line?) else { continue };
                if filter.wants(&entry) {
                    found.push(entry);
                    if found.len() >= filter.limit {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }
}

/// How many lines a file has, empty ones not counted.
fn count_lines(mut file: File) -> io::Result<u64> {
    let (mut lines, mut empty) = (0, true);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk)?;
        let Some(read) = chunk.get(..read).filter(|read| !read.is_empty()) else { break };
        for byte in read {
            match byte {
                b'\n' => lines += u64::from(!std::mem::replace(&mut empty, true)),
                _ => empty = false,
            }
        }
    }
    Ok(lines + u64::from(!empty))
}

/// Whether nothing in this file, nor in those before it, can be as new as `since`.
fn older(file: &File, since: Option<Wall>) -> io::Result<bool> {
    let Some(since) = since else { return Ok(false) };
    Ok(Wall::from(file.metadata()?.modified()?) < since)
}

impl Shared {
    /// 0 is the current file.
    fn path(&self, number: usize) -> PathBuf {
        match number {
            0 => self.dir.join("audit.log"),
            number => self.dir.join(format!("audit.log.{number}")),
        }
    }

    /// The current file, for writing; made if it is missing, its name on disk.
    fn append(&self) -> io::Result<File> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(self.path(0))?;
        File::open(&self.dir)?.sync_all()?;
        Ok(file)
    }

    /// All files, newest first.
    fn open_all(&self) -> io::Result<Vec<File>> {
        let _names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files = Vec::new();
        for number in 0..self.settings.files.max(1) {
            match File::open(self.path(number)) {
                Ok(file) => files.push(file),
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                Err(why) => return Err(why),
            }
        }
        Ok(files)
    }

    /// Makes room for a new current file.
    fn shift(&self) -> io::Result<()> {
        let _names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for number in (0..self.settings.files.max(1)).rev() {
            let result = if number + 1 >= self.settings.files {
                fs::remove_file(self.path(number))
            } else {
                fs::rename(self.path(number), self.path(number + 1))
            };
            match result {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The file being written, and the thread's state.
struct Current {
    shared: Arc<Shared>,
    file: File,
    size: u64,
    /// The file ends in the middle of a line.
    torn: bool,
    unsynced: bool,
    synced: Option<Instant>,
    /// Lines are being lost, and the daemon's own log says so.
    losing: bool,
}

impl Current {
    fn open(shared: Arc<Shared>) -> io::Result<Current> {
        let file = shared.append()?;
        let size = file.metadata()?.len();
        // Whether the last life ended inside a line is not worth reading: an empty line is skipped.
        Ok(Current { shared, file, size, torn: size > 0, unsynced: false, synced: None, losing: false })
    }

    fn run(mut self, messages: &Receiver<Message>) {
        while let Some(first) = self.next(messages) {
            let mut lines = Vec::new();
            let mut waiting = Vec::new();
            for message in std::iter::once(first).chain(messages.try_iter()) {
                match message {
                    Message::Line(entry) => push(&mut lines, *entry),
                    Message::Settle(done) => waiting.push(done),
                }
                if lines.len() >= CHUNK {
                    break;
                }
            }
            self.write(&lines);
            let due = self.synced.is_none_or(|at| at.elapsed() >= SYNC_EVERY);
            if due || !waiting.is_empty() {
                self.sync();
            }
            for done in waiting {
                done.send(()).ok(); // whoever asked may have gone
            }
        }
        self.sync();
    }

    /// Waits for a message: for ever when all is synced, else until the next sync is due. Nothing when all senders are
    /// gone.
    fn next(&mut self, messages: &Receiver<Message>) -> Option<Message> {
        if self.unsynced {
            let left = self.synced.map_or(Duration::ZERO, |at| SYNC_EVERY.saturating_sub(at.elapsed()));
            match messages.recv_timeout(left) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.sync(),
            }
        }
        messages.recv().ok()
    }

    fn write(&mut self, lines: &[u8]) {
        let mut block = Vec::with_capacity(lines.len());
        if self.torn {
            block.push(b'\n');
        }
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            push(&mut block, lost_lines(lost));
        }
        block.extend(lines);
        if lines.is_empty() && lost == 0 {
            return;
        }
        if let Err(why) = self.turn_if_full(block.len()).and_then(|()| self.file.write_all(&block)) {
            self.torn = true;
            let missed = lines.iter().filter(|byte| **byte == b'\n').count();
            self.shared.lost.fetch_add(lost + u64::try_from(missed).unwrap_or(0), Ordering::Relaxed);
            if !std::mem::replace(&mut self.losing, true) {
                tracing::error!(%why, "the audit log cannot be written: its lines are lost, and will be counted there");
            }
            return;
        }
        if std::mem::take(&mut self.losing) {
            tracing::info!(lost, "the audit log can be written again");
        }
        self.torn = false;
        self.unsynced = true;
        self.size += u64::try_from(block.len()).unwrap_or(0);
    }

    /// Puts a full file aside.
    fn turn_if_full(&mut self, more: usize) -> io::Result<()> {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        if self.size == 0 || self.size.saturating_add(more) <= self.shared.settings.max_bytes {
            return Ok(());
        }
        self.sync();
        self.shared.shift()?;
        self.file = self.shared.append()?;
        self.size = 0;
        Ok(())
    }

    fn sync(&mut self) {
        if !std::mem::take(&mut self.unsynced) {
            return;
        }
        self.synced = Some(Instant::now());
        if let Err(why) = self.file.sync_data() {
            tracing::error!(%why, "the audit log could not be synced: its newest lines may be lost");
        }
    }
}

fn lost_lines(count: u64) -> Entry {
    Entry {
        at: crate::base::Now::read().wall,
        who: "hostler".to_owned(),
        uid: None,
        from: "audit".to_owned(),
        what: "lost lines".to_owned(),
        target: None,
        status: 500,
        outcome: Outcome::Failed,
        why: Some(format!("lines that could not be written: about {count}")),
    }
}

/// Appends the entry as one line.
fn push(lines: &mut Vec<u8>, mut entry: Entry) {
    let optional = [&mut entry.target, &mut entry.why].into_iter().flatten();
    for text in [&mut entry.who, &mut entry.from, &mut entry.what].into_iter().chain(optional) {
        let cut = text.char_indices().map(|(at, _)| at).find(|at| *at >= LONGEST_TEXT);
        if let Some(cut) = cut {
            text.truncate(cut);
            text.push('…');
        }
    }
    // An entry is strings and numbers: there is nothing in it that has no JSON.
    if serde_json::to_writer(&mut *lines, &entry).is_ok() {
        lines.push(b'\n');
    }
}

/// The lines of a file, last first, without their ends.
struct Backwards {
    file: File,
    /// Where the unread part ends.
    end: u64,
    /// Read, and not yet given out.
    rest: Vec<u8>,
}

impl Backwards {
    fn new(file: File) -> io::Result<Backwards> {
        let end = file.metadata()?.len();
        Ok(Backwards { file, end, rest: Vec::new() })
    }

    /// Reads the chunk before what has been read.
    fn fill(&mut self) -> io::Result<()> {
        let length = self.end.min(CHUNK as u64);
        self.end -= length;
        self.file.seek(SeekFrom::Start(self.end))?;
        let mut chunk = Vec::with_capacity(CHUNK + self.rest.len());
        (&mut self.file).take(length).read_to_end(&mut chunk)?;
        if self.rest.len() > LONGEST_LINE {
            self.rest.clear();
        }
        chunk.append(&mut self.rest);
        self.rest = chunk;
        Ok(())
    }
}

impl Iterator for Backwards {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        loop {
            if let Some(at) = self.rest.iter().rposition(|byte| *byte == b'\n') {
                let line = self.rest.split_off(at + 1);
                self.rest.truncate(at);
                return Some(Ok(line));
            }
            if self.end == 0 {
                return (!self.rest.is_empty()).then(|| Ok(std::mem::take(&mut self.rest)));
            }
            if let Err(why) = self.fill() {
                self.end = 0;
                self.rest.clear();
                return Some(Err(why));
            }
        }
    }
}
