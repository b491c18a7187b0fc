//! The loop's hands over a scripted kernel: what an effect does to processes, and in which order things are told.

use super::*;
use crate::keeper::frames::{Inbox, Outbox};
use crate::keeper::procfs::{self, Descendant, Stat};
use crate::keeper::run::{Channel, Keeper, Settings};
use crate::keeper::sys::{Failure, Kernel, Launch, Started, Step, Watch};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Plays the kernel: gives pids from 10 on, and notes what is done to whom.
#[derive(Default)]
struct Script {
    launched: i32,
    fails: Option<Failure>,
    pipes: VecDeque<OwnedFd>,
    ended: VecDeque<Reaped>,
    kin: Vec<Kin>,
    watches: VecDeque<Watch>,
    done: Vec<(i32, i32)>,
}

impl Kernel for Script {
    fn launch(&mut self, launch: &Launch) -> Result<Started, Failure> {
        if let Some(failure) = self.fails {
            return Err(failure);
        }
        self.launched += 1;
        let pipe = launch.fork.then(|| self.pipes.pop_front()).flatten();
        Ok(Started { pid: 9 + self.launched, start_ticks: 77, pipe })
    }
    fn kill(&mut self, pid: i32, signal: i32) {
        self.done.push((pid, signal));
    }
    fn kill_exact(&mut self, pid: i32, start_ticks: u64, signal: i32) {
        assert_eq!(start_ticks, 77);
        self.done.push((pid, signal));
    }
    fn watch(&mut self, _: i32, _: u64) -> Watch {
        self.watches.pop_front().unwrap_or(Watch::Gone)
    }
    fn reap(&mut self) -> Option<Reaped> {
        self.ended.pop_front()
    }
    fn kin(&mut self, known: &dyn Fn(i32) -> bool, _: &dyn Fn(i32) -> bool) -> Vec<Kin> {
        self.kin.iter().filter(|kin| !known(kin.pid)).cloned().collect()
    }
    /// Every root has one child, a hundred higher, in a process group of its own.
    fn trees(&mut self, roots: &[i32]) -> Vec<Descendant> {
        let tree = |pid: &i32| [*pid, pid + 100].map(|pid| Descendant { pid, group: pid, start_ticks: 77 });
        roots.iter().flat_map(tree).collect()
    }
    fn processes(&mut self, _: &HashMap<i32, String>) -> Vec<Process> {
        Vec::new()
    }
    fn now(&self) -> Duration {
        secs(1000)
    }
}

/// A keeper over the script, its core played by the test.
struct Play {
    keeper: Keeper<Script>,
    core: UnixStream,
    inbox: Inbox,
}

impl Play {
    fn new() -> Play {
        let (read, write) = UnixStream::pair().unwrap();
        let signals = SignalDelivery::with_pipe(read, write, SignalOnly, [0i32; 0]).unwrap();
        let settings = Settings::for_serve(&["hostler".into(), "serve".into()]);
        let mut keeper = Keeper::anew(Script::default(), settings, signals).unwrap();
        keeper.step(Event::Tick, Vec::new());
        let (ours, core) = UnixStream::pair().unwrap();
        keeper.settle(false);
        keeper.channel = Some(Channel { socket: ours, inbox: Inbox::default(), outbox: Outbox::default() });
        // This process is no keeper: its own control group is none of the script's business.
        keeper.groups.wish = Some(None);
        let mut play = Play { keeper, core, inbox: Inbox::default() };
        play.ask(Ask::Hello { oldest: 1, newest: 1, hello: Hello::default() });
        assert!(matches!(play.told()[..], [Tell::Welcome { .. }]));
        play
    }

    fn ask(&mut self, ask: Ask) {
        self.keeper.step(Event::Asked(ask), Vec::new());
        self.keeper.settle(false);
    }

    /// A child that runs, which is the second pid given.
    fn child(&mut self) {
        self.ask(Ask::Spawn(Box::new(spawn(1))));
        assert_eq!(self.told(), [Tell::News(News::Spawned { slot: 1, pid: 11, start_ticks: 77 })]);
    }

    fn told(&mut self) -> Vec<Tell> {
        self.keeper.flush();
        self.core.set_nonblocking(true).unwrap();
        while self.inbox.fill(self.core.as_fd()).unwrap() {}
        let mut told = Vec::new();
        while let Some(frame) = self.inbox.take().unwrap() {
            told.push(Tell::decode(frame.kind, &frame.payload).unwrap());
        }
        told
    }

    fn ended(&mut self, pid: i32) {
        let (status, rusage) = (Status::Code(0), Rusage::default());
        let reaped = Reaped { pid, status, rusage, ended: 5, oom: false, populated: None };
        self.keeper.kernel.ended.push_back(reaped);
        let any = self.keeper.reap();
        self.keeper.settle(any);
    }
}

#[test]
fn scopes_reach_whom_they_name() {
    let mut play = Play::new();
    play.child();
    play.keeper.kernel.kin = vec![kin(50, 11, None)];
    for (scope, expected) in [
        (Scope::Leader, vec![(11, 15)]),
        (Scope::Group, vec![(-11, 15)]),
        (Scope::Tree, vec![(11, 15), (111, 15), (50, 15), (150, 15)]),
    ] {
        play.ask(Ask::Signal { slot: 1, signal: 15, scope });
        assert_eq!(std::mem::take(&mut play.keeper.kernel.done), expected);
    }
}

#[test]
fn a_refusal_of_the_kernel_is_told_with_the_name_of_what_it_refused() {
    let mut play = Play::new();
    for (step, named) in [
        (Step::Exec, Stage::Exec("/bin/true".into())),
        (Step::Chdir, Stage::Chdir("/".into())),
        (Step::Rlimit, Stage::Rlimit("core".to_owned())),
    ] {
        play.keeper.kernel.fails = Some(Failure { step, detail: 1, errno: 13 });
        let rlimits = vec![Rlimit { resource: "core".to_owned(), soft: 0, hard: 0 }];
        play.ask(Ask::Spawn(Box::new(Spawn { rlimits, ..spawn(1) })));
        assert_eq!(play.told(), [Tell::News(News::Failed { slot: 1, stage: named, errno: 13 })]);
    }
}

#[test]
fn a_forked_child_is_told_as_spawned_before_its_exit() {
    let mut play = Play::new();
    let (read, write) = nix::unistd::pipe().unwrap();
    play.keeper.kernel.pipes.push_back(read);
    play.ask(Ask::Spawn(Box::new(Spawn { plain_fork: true, ..spawn(1) })));
    assert!(play.told().is_empty());
    drop(write); // its program has closed it, and has ended before anybody looked
    play.ended(11);
    let told = [News::Spawned { slot: 1, pid: 11, start_ticks: 77 }, told_exit(1, 1, true)].map(Tell::News);
    assert_eq!(play.told(), told);
}

#[test]
fn a_process_that_executes_one_program_after_the_other_is_known_all_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("again.sh");
    std::fs::write(&script, "#!/bin/sh\nexec sh \"$0\"\n").unwrap();
    let start = |wipe: &str| {
        let command = format!("exec {wipe} sh {}", script.display());
        std::process::Command::new("sh").args(["-c", &command]).env("HOSTLER_RUN", "77").spawn().unwrap()
    };
    let (mut known, mut wiped) = (start(""), start("env -i PATH=/usr/bin:/bin"));
    let pids = [known.id(), wiped.id()].map(u32::cast_signed);
    let run_of = |pid| procfs::run_of(pid, &Stat::of(pid).unwrap());
    while run_of(pids[1]).is_some() {} // it has not wiped it yet
    let seen: std::collections::BTreeSet<_> = (0..2000).map(|_| pids.map(run_of)).collect();
    for child in [&mut known, &mut wiped] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(seen, [[Some(77), None]].into());
}

#[test]
fn the_stat_line_survives_any_name() {
    let fields = "S 1 5 6 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 424242 1000 1 0 4096 8192 140001 0";
    for name in ["sh", "a b", ") S 9 9", "((", ""] {
        let stat = Stat::parse(&format!("42 ({name}) {fields}")).unwrap();
        let (command, places) = (name.to_owned(), (4096, 140_001));
        let kernel = false;
        let expected =
            Stat { command, state: 'S', parent: 1, group: 5, session: 6, kernel, start_ticks: 424_242, places };
        assert_eq!(stat, expected);
    }
    for broken in ["", "42", "42 (sh", "42 (sh) S", "42 (sh) S x y z"] {
        assert_eq!(Stat::parse(broken), None);
    }
}
