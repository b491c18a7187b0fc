//! The pure parts: stories of the machine, the bytes on the wire, and the loop over a scripted kernel.

use super::leftovers::Process;
use super::machine::*;
use super::model::*;
use super::wire::{Ask, Tell, VERSION};
use proptest::prelude::*;
use std::time::Duration;

mod link;
mod script;
mod stories;
mod wire;

const CORE: i32 = 900;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine and its clock, which jumps from deadline to deadline.
struct World {
    machine: Machine,
    now: Duration,
    /// What it did beside telling.
    done: Vec<Effect>,
    told: Vec<News>,
    cores: i32,
}

impl World {
    /// A keeper whose core has not said hello.
    fn starting() -> World {
        let (now, done, told) = (secs(1000), Vec::new(), Vec::new());
        let mut world = World { machine: Machine::new(None), now, done, told, cores: 0 };
        world.event(Event::Tick);
        world
    }

    /// A keeper whose core is connected.
    fn new() -> World {
        let mut world = World::starting();
        world.hello();
        world.done.clear();
        world
    }

    fn hello(&mut self) {
        self.ask(Ask::Hello { oldest: 1, newest: VERSION, hello: Hello::default() });
    }

    fn event(&mut self, event: Event) {
        for effect in self.machine.step(event, self.now) {
            match effect {
                Effect::Tell(news) => self.told.push(news),
                Effect::StartCore => {
                    self.cores += 1;
                    let pid = CORE + self.cores;
                    assert_eq!(self.machine.step(Event::CoreStarted { pid }, self.now), []);
                    self.done.push(Effect::StartCore);
                }
                Effect::Log(_) => {}
                other => self.done.push(other),
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        self.event(Event::Asked(ask));
    }

    fn core(&self) -> i32 {
        CORE + self.cores
    }

    /// Lets time pass; every deadline on the way gets its tick.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.machine.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.event(Event::Tick);
        }
        self.now = end;
    }

    fn reap(&mut self, pid: i32, status: Status, populated: Option<bool>) {
        let rusage = Rusage::default();
        self.event(Event::Reaped(Reaped { pid, status, rusage, ended: 5, oom: false, populated }));
    }

    fn core_dies(&mut self, status: Status) {
        self.reap(self.core(), status, None);
    }

    /// A live child in `slot`, whose pid is the slot's number.
    fn child(&mut self, slot: u64, group: Option<&str>) {
        self.ask(Ask::Spawn(Box::new(spawn(slot))));
        let pid = i32::try_from(slot).unwrap();
        let group = group.map(str::to_owned);
        self.event(Event::Started { slot, pid, start_ticks: slot * 10, group, running: true });
        assert_eq!(self.told.pop(), Some(News::Spawned { slot, pid, start_ticks: slot * 10 }));
        self.done.clear();
    }

    fn told(&mut self) -> Vec<News> {
        std::mem::take(&mut self.told)
    }

    fn done(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.done)
    }
}

fn spawn(slot: u64) -> Spawn {
    Spawn {
        slot,
        program: "/bin/true".into(),
        argv: vec!["true".into()],
        env: Vec::new(),
        cwd: "/".into(),
        uid: nix::unistd::getuid().as_raw(),
        gid: nix::unistd::getgid().as_raw(),
        groups: Vec::new(),
        umask: 0o022,
        nice: 0,
        oom_score_adj: None,
        rlimits: Vec::new(),
        cgroup: None,
        stdin: Stdio::Null,
        stdout: Stdio::Null,
        stderr: Stdio::SameAsStdout,
        plain_fork: false,
        intent: Vec::new(),
    }
}

fn kin(pid: i32, session: i32, run: Option<u64>) -> Kin {
    Kin { pid, session, run, command: "sh".to_owned() }
}

fn told_exit(seq: u64, slot: u64, tree_empty: bool) -> News {
    let (status, rusage) = (Status::Code(0), Rusage::default());
    News::Exited { seq, slot, status, rusage, ended: 5, oom: false, tree_empty }
}
