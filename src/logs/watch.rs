//! The thread that notices growth: it sets time marks, bounds sizes and wakes followers.
//!
//! ```text
//!            watch, follow                                 forget, last follower gone
//!   (none) ───────────────> due ──quiet──> watched ────────────────────────────────> (none)
//!                            ^ └─grew─┐      │ event
//!                            └────────┘<─────┘   mark, wake followers, look again in a second
//! ```
//!
//! inotify watches are one-shot: after the first event a busy file is looked at once a second instead, so a child that
//! writes a million lines a second costs us the same as one that writes one. A file that does not exist yet is awaited
//! through its directory. Where the kernel grants no more watches, a file stays due for ever, which is polling; it is
//! said once, in the log.

use super::file::{Bound, LogFile};
use super::stem::Stem;
use crate::base::{Now, Wall};
use chrono::{Days, NaiveTime, TimeDelta};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// A log file as rooms share it. Locked for single system calls, on this thread and the blocking pool only.
pub(super) type Shared = Arc<Mutex<LogFile>>;

pub(super) fn lock(file: &Shared) -> MutexGuard<'_, LogFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a growing file is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two marks.
    pub mark: Duration,
    /// Between two wake-ups of followers.
    pub follow: Duration,
}

/// What the thread did; read by anyone.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// How often the thread woke up.
    pub wakeups: AtomicU64,
    /// A file over its cap could not be bounded: its file system punches no holes.
    pub unbounded: AtomicBool,
    /// A file is polled: the kernel grants no more inotify watches.
    pub polling: AtomicBool,
}

pub(super) enum Command {
    /// Mark this file while it grows, and keep no more than so many bytes.
    Watch { stem: Stem, file: Shared, cap: u64 },
    /// Mark it no more.
    Forget { stem: Stem },
    /// Mark it now, with this time.
    Mark { file: Shared, at: Wall },
    /// Wake the other end whenever the file may have grown, and once when that is sure to work.
    Follow { stem: Stem, file: Shared, follower: watch::Sender<()> },
    /// A follower of this file has gone.
    Unfollow { stem: Stem },
    /// The file is going to be deleted: nobody watches or follows it any more.
    Remove { stem: Stem },
    /// Say when everything before is done.
    Settle { done: oneshot::Sender<()> },
}

/// The thread, seen from outside. It ends when the last of these is gone.
pub(super) struct Watcher {
    commands: Sender<Command>,
    bell: UnixStream,
}

impl Watcher {
    /// Starts the thread.
    pub(super) fn start(pace: Pace, counters: Arc<Counters>) -> io::Result<Watcher> {
        let (bell, rung) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        let (commands, asked) = channel();
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let files = Files::new(inotify, pace, counters);
        std::thread::Builder::new().name("logs".to_owned()).spawn(move || run(files, &asked, &rung))?;
        Ok(Watcher { commands, bell })
    }

    /// Asks the thread; never blocks. A full bell has been rung already.
    pub(super) fn ask(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            let _ = (&self.bell).write(&[0]);
        }
    }
}

fn run(mut files: Files, asked: &Receiver<Command>, rung: &UnixStream) {
    let mut eve = next_eve(Now::read().wall);
    loop {
        loop {
            match asked.try_recv() {
                Ok(command) => files.obey(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let now = Now::read().wall;
        if now >= eve {
            files.mark_hot();
            eve = next_eve(now);
        }
        files.look_at_due();
        let timeout = files.pause(eve - now);
        let timeout = timeout.map_or(PollTimeout::NONE, |pause| {
            // Up to the next millisecond: rounding down would spin.
            PollTimeout::try_from(pause + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
        });
        let mut ready =
            [PollFd::new(files.inotify.as_fd(), PollFlags::POLLIN), PollFd::new(rung.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut ready, timeout); // an interrupted one is a wake-up like any other
        files.counters.wakeups.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 64];
        while (&*rung).read(&mut bytes).is_ok_and(|count| count == bytes.len()) {}
        files.hear();
    }
}

/// Shortly before the next midnight (UTC). A mark at midnight itself would come a little late and hide from "today"
/// what was written in between; one that comes early hides nothing.
fn next_eve(now: Wall) -> Wall {
    let early = now + EARLY;
    let tomorrow = early.date_naive().checked_add_days(Days::new(1));
    tomorrow.map_or(Wall::MAX_UTC, |day| day.and_time(NaiveTime::MIN).and_utc() - EARLY)
}

const EARLY: TimeDelta = TimeDelta::milliseconds(5);

/// One file that somebody marks or follows. With a `due` time it is looked at then; else the kernel tells. With
/// neither `due` nor `watch` both the file and its directory are gone.
struct Entry {
    file: Shared,
    /// None: only followed, not marked.
    cap: Option<u64>,
    followers: Vec<watch::Sender<()>>,
    watch: Option<WatchDescriptor>,
    due: Option<Instant>,
    /// The end when it was last looked at.
    seen: u64,
    /// When it was last marked, and when the mark is owed that came too soon after.
    marked: Option<Instant>,
    owed: Option<Instant>,
    /// Where it is in the order of [`Files::timers`].
    timer: Option<Instant>,
}

struct Files {
    inotify: Inotify,
    entries: HashMap<Stem, Entry>,
    /// Several files wait for one directory.
    watches: HashMap<WatchDescriptor, Vec<Stem>>,
    /// The earlier of `due` and `owed` of each entry that has one: what a wake-up costs does not grow with the files.
    timers: BTreeSet<(Instant, Stem)>,
    pace: Pace,
    counters: Arc<Counters>,
}

impl Files {
    fn new(inotify: Inotify, pace: Pace, counters: Arc<Counters>) -> Files {
        let (entries, watches, timers) = (HashMap::new(), HashMap::new(), BTreeSet::new());
        Files { inotify, entries, watches, timers, pace, counters }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Watch { stem, file, cap } => {
                if let Err(why) = lock(&file).prepare() {
                    tracing::warn!(log = %stem, %why, "could not create the directory of a log");
                }
                let entry = self.entries.entry(stem.clone()).or_insert_with(|| Entry::new(file));
                entry.cap = Some(cap);
                // A core that starts anew does not know when what it finds was written: before now.
                mark(&entry.file, None);
                entry.due = Some(Instant::now());
                self.retime(&stem);
            }
            Command::Forget { stem } => {
                if let Some(entry) = self.entries.get_mut(&stem) {
                    (entry.cap, entry.owed) = (None, None);
                }
                self.retime(&stem);
                self.tidy(&stem);
            }
            Command::Mark { file, at } => mark(&file, Some(at)),
            Command::Follow { stem, file, follower } => {
                let entry = self.entries.entry(stem.clone()).or_insert_with(|| Entry::new(file));
                entry.followers.push(follower);
                entry.due = Some(Instant::now());
                entry.seen = u64::MAX; // unlike any length: this look wakes whoever is here
                self.retime(&stem);
            }
            Command::Unfollow { stem } => {
                if let Some(entry) = self.entries.get_mut(&stem) {
                    entry.followers.retain(|follower| !follower.is_closed());
                }
                self.tidy(&stem);
            }
            Command::Remove { stem } => {
                if let Some(entry) = self.entries.get_mut(&stem) {
                    (entry.cap, entry.followers) = (None, Vec::new());
                }
                self.tidy(&stem);
            }
            Command::Settle { done } => {
                self.look_at_due();
                let _ = done.send(()); // who asked may have gone
            }
        }
    }

    /// Drops the entry when nobody wants it.
    fn tidy(&mut self, stem: &Stem) {
        if !self.entries.get(stem).is_some_and(|entry| entry.cap.is_none() && entry.followers.is_empty()) {
            return;
        }
        let Some(Entry { watch, timer, .. }) = self.entries.remove(stem) else { return };
        if let Some(timer) = timer {
            self.timers.remove(&(timer, stem.clone()));
        }
        if let Some(watch) = watch
            && let Some(stems) = self.watches.get_mut(&watch)
        {
            stems.retain(|other| other != stem);
            if stems.is_empty() {
                self.watches.remove(&watch);
                let _ = self.inotify.rm_watch(watch); // gone with its file, perhaps
            }
        }
    }

    /// Puts the entry where it belongs in the order of time, after a change of `due` or `owed`.
    fn retime(&mut self, stem: &Stem) {
        let Some(entry) = self.entries.get_mut(stem) else { return };
        let next = [entry.due, entry.owed].into_iter().flatten().min();
        let last = std::mem::replace(&mut entry.timer, next);
        if last == next {
            return;
        }
        if let Some(last) = last {
            self.timers.remove(&(last, stem.clone()));
        }
        self.timers.extend(next.map(|next| (next, stem.clone())));
    }

    /// The kernel's news.
    fn hear(&mut self) {
        while let Ok(events) = self.inotify.read_events() {
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    let all: Vec<_> = self.watches.keys().copied().collect();
                    all.into_iter().for_each(|watch| self.fired(watch));
                } else {
                    self.fired(event.wd);
                }
            }
        }
    }

    /// One-shot: the watch is gone (a second event says only that), and its files are looked at.
    fn fired(&mut self, watch: WatchDescriptor) {
        for stem in self.watches.remove(&watch).unwrap_or_default() {
            if let Some(entry) = self.entries.get_mut(&stem) {
                (entry.watch, entry.due) = (None, Some(Instant::now()));
            }
            self.retime(&stem);
        }
    }

    /// Marks every file that is growing just now; the others have not changed since their last mark.
    fn mark_hot(&self) {
        let hot = |entry: &&Entry| entry.cap.is_some() && (entry.due.is_some() || entry.owed.is_some());
        self.entries.values().filter(hot).for_each(|entry| mark(&entry.file, None));
    }

    /// How long nothing is due: for ever when every file is quiet.
    fn pause(&self, to_eve: TimeDelta) -> Option<Duration> {
        let (next, _) = self.timers.first()?;
        Some(next.saturating_duration_since(Instant::now()).min(to_eve.to_std().unwrap_or_default()))
    }

    fn look_at_due(&mut self) {
        let now = Instant::now();
        let past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let due = self.timers.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<Stem> = due.map(|(_, stem)| stem.clone()).collect();
        for stem in due {
            let Some(entry) = self.entries.get_mut(&stem) else { continue };
            if past(entry.owed) {
                entry.mark(now, self.pace);
            }
            if past(entry.due) {
                self.look_at(&stem, now);
            }
            self.retime(&stem);
        }
    }

    fn look_at(&mut self, stem: &Stem, now: Instant) {
        let Some(entry) = self.entries.get_mut(stem) else { return };
        if let Some(growth) = entry.growth() {
            entry.due = Some(now + entry.act(growth, now, self.pace, &self.counters));
            return;
        }
        // The last bytes before the silence get a mark as well.
        entry.mark(now, self.pace);
        entry.due = None;
        if entry.watch.is_some() {
            return;
        }
        let path = lock(&entry.file).path().to_owned();
        match arm(&self.inotify, &path) {
            Ok(watch) => {
                entry.watch = Some(watch);
                self.watches.entry(watch).or_default().push(stem.clone());
            }
            Err(Errno::ENOENT) => {}
            Err(why) => {
                if !self.counters.polling.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%why, log = %stem, "no inotify watch: logs are polled");
                }
                entry.due = Some(now + self.pace.mark);
            }
        }
        // What came between the look and the watch.
        if let Some(growth) = entry.growth() {
            entry.due = Some(now + entry.act(growth, now, self.pace, &self.counters));
        }
    }
}

impl Entry {
    fn new(file: Shared) -> Entry {
        let (cap, followers, watch, due) = (None, Vec::new(), None, None);
        Entry { file, cap, followers, watch, due, seen: 0, marked: None, owed: None, timer: None }
    }

    /// By how much the file is not as it was when last asked.
    fn growth(&mut self) -> Option<u64> {
        let end = lock(&self.file).look().map_or(self.seen, |ledger| ledger.end);
        let seen = std::mem::replace(&mut self.seen, end);
        (seen != end).then(|| end.abs_diff(seen))
    }

    /// What growth calls for; answers when to look again.
    fn act(&mut self, growth: u64, now: Instant, pace: Pace, counters: &Counters) -> Duration {
        self.followers.retain(|follower| follower.send(()).is_ok());
        self.mark(now, pace);
        match self.cap.map_or(Ok(Bound::Kept), |cap| lock(&self.file).bound(cap)) {
            Ok(Bound::Kept) => {}
            Ok(Bound::Impossible) if counters.unbounded.swap(true, Ordering::Relaxed) => {}
            Ok(Bound::Impossible) => tracing::warn!("this file system cannot punch holes: logs grow over their cap"),
            Err(why) => tracing::warn!(%why, "could not release the oldest part of a log"),
        }
        // One that fills much of its cap between two looks is looked at more often, so that it does not run far ahead.
        let fast = self.cap.is_some_and(|cap| growth > cap / 8);
        let pause = if self.followers.is_empty() { pace.mark } else { pace.follow };
        if fast { pause.min(pace.mark / 16) } else { pause }
    }

    /// Marks now, or when the last mark is old enough.
    fn mark(&mut self, now: Instant, pace: Pace) {
        if self.cap.is_none() {
            return;
        }
        self.owed = self.marked.map(|marked| marked + pace.mark).filter(|next| *next > now);
        if self.owed.is_none() {
            mark(&self.file, None);
            self.marked = Some(now);
        }
    }
}

/// Tells of the next growth of the file, or of its creation when it does not exist.
fn arm(inotify: &Inotify, path: &Path) -> Result<WatchDescriptor, Errno> {
    let once = AddWatchFlags::IN_ONESHOT | AddWatchFlags::IN_DONT_FOLLOW;
    match inotify.add_watch(path, AddWatchFlags::IN_MODIFY | once) {
        Err(Errno::ENOENT) => {
            let created = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
            let watch = inotify.add_watch(path.parent().unwrap_or(Path::new(".")), created | once)?;
            // Created meanwhile: that watch stays for others, this file gets its own.
            inotify.add_watch(path, AddWatchFlags::IN_MODIFY | once).or(Ok(watch))
        }
        other => other,
    }
}

fn mark(file: &Shared, at: Option<Wall>) {
    let mut file = lock(file);
    if let Err(why) = file.mark(at) {
        tracing::warn!(file = %file.path().display(), %why, "could not look at a log");
    }
}

#[cfg(test)]
mod tests;
