//! The thread without the thread: the test says when it looks.

use super::*;
use crate::logs::marks::{Kind, Record};
use std::fs::{self, OpenOptions};

const DAY: TimeDelta = TimeDelta::days(1);

/// What the thread works with, without the thread: the test says when it looks.
struct World {
    dir: tempfile::TempDir,
    files: Files,
}

impl World {
    fn new(mark: Duration) -> World {
        let pace = Pace { mark, follow: Duration::ZERO };
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).unwrap();
        World { dir: tempfile::tempdir().unwrap(), files: Files::new(inotify, pace, Arc::default()) }
    }

    fn file(&self, name: &str) -> (Stem, Shared) {
        let file = LogFile::new(self.dir.path().join(name));
        (Stem::new(name).unwrap(), Arc::new(Mutex::new(file)))
    }

    fn watch(&mut self, name: &str) {
        let (stem, file) = self.file(name);
        self.files.obey(Command::Watch { stem, file, cap: 1 << 20 });
    }

    fn append(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// What happened since, and what follows from it at once.
    fn turn(&mut self) {
        self.files.hear();
        self.files.look_at_due();
    }

    fn due(&self) -> usize {
        self.files.entries.values().filter(|entry| entry.due.is_some()).count()
    }

    fn marks(&self, name: &str) -> Vec<u64> {
        let sidecar = fs::read(self.dir.path().join(format!("{name}.marks"))).unwrap_or_default();
        let marks = Record::all(&sidecar).into_iter().filter(|record| record.kind == Kind::Mark);
        marks.map(|mark| mark.offset).collect()
    }
}

#[test]
fn silent_files_cost_a_watch_and_no_wake_up() {
    let mut world = World::new(Duration::ZERO);
    for name in 0..300 {
        world.append(&name.to_string(), "");
        world.watch(&name.to_string());
    }
    world.turn();
    assert_eq!((world.files.watches.len(), world.files.pause(DAY)), (300, None));
    world.append("7", "x");
    world.files.hear();
    assert_eq!((world.files.watches.len(), world.due()), (299, 1), "only the one that grew");
    world.turn();
    assert!(world.files.pause(DAY).is_some());
    world.turn();
    assert_eq!((world.files.watches.len(), world.files.pause(DAY)), (300, None), "silent again");
    assert_eq!(world.marks("7"), [1]);
    assert!(world.marks("8").is_empty(), "an empty log needs none");
}

#[test]
fn a_busy_file_is_marked_no_more_often_than_asked() {
    let mut world = World::new(Duration::from_secs(3600));
    world.append("busy", "");
    world.watch("busy");
    let (stem, file) = world.file("busy");
    let (follower, mut news) = watch::channel(());
    world.files.obey(Command::Follow { stem, file, follower });
    for _ in 0..10 {
        world.append("busy", "line\n");
        world.turn();
        assert!(news.has_changed().unwrap(), "a follower hears of each growth");
        news.mark_unchanged();
    }
    world.turn();
    assert_eq!(world.marks("busy"), [5], "the first growth at once, the others owed");
    let pause = world.files.pause(DAY).unwrap();
    assert!(pause > Duration::from_secs(3000), "nothing to do but the mark that is owed: {pause:?}");
    world.files.mark_hot();
    assert_eq!(world.marks("busy"), [5, 50], "before midnight");
}

#[test]
fn files_to_come_are_awaited_through_their_directory() {
    let mut world = World::new(Duration::ZERO);
    world.watch("one");
    world.watch("two");
    world.turn();
    assert_eq!((world.files.watches.len(), world.files.pause(DAY)), (1, None));
    world.append("two", "");
    world.turn();
    assert_eq!((world.files.watches.len(), world.files.pause(DAY)), (2, None));
    world.append("two", "text");
    world.turn();
    assert_eq!(world.marks("two"), [4]);
    world.append("one", "text");
    world.turn();
    assert_eq!(world.marks("one"), [4]);
}

#[test]
fn what_nobody_wants_is_let_go() {
    let mut world = World::new(Duration::ZERO);
    world.append("log", "text");
    world.watch("log");
    let (stem, file) = world.file("log");
    let (follower, news) = watch::channel(());
    world.files.obey(Command::Follow { stem: stem.clone(), file, follower });
    world.turn();
    world.turn();
    world.files.obey(Command::Forget { stem: stem.clone() });
    assert_eq!(world.files.entries.len(), 1, "still followed");
    drop(news);
    world.files.obey(Command::Unfollow { stem });
    assert!(world.files.entries.is_empty() && world.files.watches.is_empty() && world.files.timers.is_empty());
}

#[test]
fn a_removed_file_takes_its_followers_along() {
    let mut world = World::new(Duration::ZERO);
    let (stem, file) = world.file("log");
    let (follower, news) = watch::channel(());
    world.files.obey(Command::Follow { stem: stem.clone(), file, follower });
    world.turn();
    world.files.obey(Command::Remove { stem });
    assert!(news.has_changed().is_err() && world.files.entries.is_empty() && world.files.watches.is_empty());
}

#[test]
fn the_eve_is_always_ahead_and_just_before_midnight() {
    let midnight = Wall::UNIX_EPOCH + TimeDelta::days(20_000);
    let eve = midnight - EARLY;
    assert_eq!(next_eve(midnight - TimeDelta::hours(3)), eve);
    assert_eq!(next_eve(eve), eve + DAY);
    assert_eq!(next_eve(midnight), eve + DAY);
    assert_eq!(next_eve(Wall::MAX_UTC - DAY), Wall::MAX_UTC);
}
