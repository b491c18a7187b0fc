//! A double of the keeper and of what else carries attempts out: children with scripted lives, whose ends are kept
//! until they are acknowledged, and who do not care whether a core is there.

use super::sketch::Group;
use crate::base::chance::Chance;
use crate::base::{Mono, RunId, Wall};
use crate::dag::machine::{End, Held, How, Launch, LiveAttempt};
use crate::dag::model::{DagRunId, Executor, Kept, TaskId, Usage, Work};
use crate::dag::specification::generated;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The life of one child, if nobody interferes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    /// How long the launch takes.
    pub(super) launch: Duration,
    /// Whether it can be started at all.
    pub(super) starts: bool,
    /// How long the leader lives.
    pub(super) lives: Duration,
    /// With what it ends: an exit code, or minus a signal.
    pub(super) ends: i32,
    /// How long it takes to end when asked to; none: it does not listen.
    pub(super) heeds: Option<Duration>,
    /// How long its children outlive it.
    pub(super) lingers: Option<Duration>,
    /// Whether a generator prints what it should, this time.
    pub(super) well: bool,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            launch: Duration::ZERO,
            starts: true,
            lives: Duration::from_secs(1),
            ends: 0,
            heeds: Some(Duration::ZERO),
            lingers: None,
            well: true,
        }
    }
}

impl Script {
    /// What this task does the `time`th time, in a story with this seed.
    pub(super) fn any(seed: u64, run: DagRunId, name: &str, time: u32) -> Script {
        let mut chance = Chance::of((seed, run.0, name, time));
        let millis = |chance: &mut Chance, end: u64| Duration::from_millis(chance.below(end));
        let ends = match chance.below(12) {
            0 | 1 => 1,
            2 => 7,
            3 => -11,
            _ => 0,
        };
        Script {
            launch: if chance.percent(70) { Duration::ZERO } else { millis(&mut chance, 300) },
            starts: !chance.percent(3),
            lives: if chance.percent(20) { Duration::ZERO } else { millis(&mut chance, 6_000) },
            ends,
            heeds: chance.percent(75).then(|| millis(&mut chance, 2_000)),
            lingers: chance.percent(15).then(|| millis(&mut chance, 20_000)),
            well: chance.percent(85),
        }
    }

    fn how(&self) -> How {
        match self.ends {
            code @ 0.. => How::Code { code, remark: String::new() },
            signal => How::Signal { signal: -signal, oom: false },
        }
    }
}

/// A process tree.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) live: LiveAttempt,
    pub(super) script: Script,
    /// Whether its leader, and whether anything of its tree, is there.
    pub(super) leads: bool,
    pub(super) tree: bool,
    /// How the leader ended, as it is told.
    pub(super) end: Option<End>,
    pub(super) heard: bool,
    /// What compiles its output.
    launch: Launch,
    printed: Option<String>,
    /// Whether it belongs to an earlier keeper.
    pub(super) orphan: bool,
    /// And the disk did not know it when that one died: nobody will ever ask for it.
    unknown: bool,
}

/// A launch that the core has begun and the keeper has not heard of. Dies with the core.
#[derive(Clone, Debug)]
pub(super) struct Intended {
    pub(super) launch: Launch,
    pub(super) script: Script,
    pub(super) printed: Option<String>,
}

/// What an attempt is carried out by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A process.
    Keeper,
    /// The core itself: a step, or nothing at all.
    Core,
}

pub(super) fn carried_out_by(launch: &Launch) -> By {
    let task = launch.live.task;
    let job = launch.edited.as_deref().cloned().unwrap_or_else(|| launch.template.job(task.index).unwrap());
    match (launch.executor(), job.work) {
        (Executor::Local, Work::Command { .. }) => By::Keeper,
        (Executor::Noop, _) | (_, Work::Step(_)) => By::Core,
    }
}

/// What a generator's script says it prints.
pub(super) fn printed(group: &Group, index: u32, script: &Script) -> Option<String> {
    let print = group.prints.as_ref()?;
    Some(if script.well { print.text(index) } else { "{\"half a".into() })
}

/// All process trees of the host that are ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Keeper {
    pub(super) children: BTreeMap<RunId, Child>,
    seq: u64,
    /// Every child there ever was, with how it ended once it has.
    pub(super) ever: BTreeMap<RunId, (DagRunId, TaskId, Option<How>)>,
}

impl Keeper {
    /// Starts a process. There is no other of its task, but for strays that nobody knows.
    pub(super) fn start(&mut self, intended: Intended, strays: &BTreeSet<RunId>) -> (i32, u64) {
        let Intended { launch, script, printed } = intended;
        let slot = launch.live.slot;
        let leader = (i32::try_from(slot.0 % 1_000_000).unwrap(), 7);
        let (run, task) = (launch.live.run, launch.live.task);
        for other in self.children.values() {
            let same = (other.live.run, other.live.task) == (run, task);
            let stray = other.unknown || strays.contains(&other.live.slot);
            assert!(!same || !other.tree || stray, "{slot}: {:?} is not gone yet", other.live);
        }
        let before = self.ever.insert(slot, (run, task, None));
        assert!(before.is_none(), "slot {slot} was given before: {before:?}");
        let live = LiveAttempt { leader: Some(leader), ..launch.live.clone() };
        let (leads, tree, heard, orphan, unknown) = (true, true, false, false, false);
        let child = Child { live, script, leads, tree, end: None, heard, launch, printed, orphan, unknown };
        self.children.insert(slot, child);
        leader
    }

    /// The leader ends; answers what is to be told of it.
    pub(super) fn leader_ends(&mut self, slot: RunId, signal: Option<i32>, now: Wall) -> Option<End> {
        let child = self.children.get_mut(&slot).filter(|child| child.leads)?;
        let how = signal.map_or_else(|| child.script.how(), |signal| How::Signal { signal, oom: false });
        child.leads = false;
        child.tree = child.script.lingers.is_some() && signal != Some(SIGKILL);
        self.seq += 1;
        if let Some((.., ended)) = self.ever.get_mut(&slot) {
            *ended = Some(how.clone());
        }
        if child.orphan {
            return None;
        }
        let well = matches!(how, How::Code { code: 0, .. });
        let blueprint = &child.launch.blueprint;
        let compile = |text: &String| generated(text.as_bytes(), blueprint, &super::LIMITS).map_err(|why| why.0);
        let end = End {
            slot,
            seq: Some(self.seq),
            how,
            at: now,
            tree_empty: !child.tree,
            output: Kept::Here(Bytes::new()),
            errors: Kept::Here(Bytes::new()),
            usage: Some(Usage::default()),
            generated: child.printed.as_ref().filter(|_| well).map(compile),
        };
        child.end = Some(end.clone());
        Some(end)
    }

    /// The rest of the tree ends. False: it had ended, or the leader is still there.
    pub(super) fn tree_ends(&mut self, slot: RunId) -> bool {
        let Some(child) = self.children.get_mut(&slot).filter(|child| !child.leads && child.tree) else { return false };
        child.tree = false;
        true
    }

    /// These ends need not be told again.
    pub(super) fn heard(&mut self, seq: u64) {
        let told = |child: &&mut Child| child.end.as_ref().is_some_and(|end| end.seq == Some(seq));
        self.children.values_mut().filter(told).for_each(|child| child.heard = true);
        self.forget();
    }

    /// A child is forgotten when its end was heard and its tree is gone.
    pub(super) fn forget(&mut self) {
        self.children.retain(|_, child| child.leads || child.tree || !(child.heard || child.orphan));
    }

    /// The table that a new core is shown, in the order of the ends.
    pub(super) fn held(&self) -> Vec<Held> {
        let held = |child: &Child| Held {
            live: child.live.clone(),
            end: child.end.clone().filter(|_| !child.heard).map(|end| Box::new(End { tree_empty: !child.tree, ..end })),
            tree_empty: !child.leads && !child.tree,
        };
        self.children.values().filter(|child| !child.orphan).map(held).collect()
    }

    /// Another keeper: its predecessor's children live on, and nobody hears of them.
    pub(super) fn dies(&mut self, known: &BTreeSet<RunId>) {
        for (slot, child) in &mut self.children {
            child.unknown |= !child.orphan && !known.contains(slot);
            child.orphan = true;
        }
        self.forget();
    }
}

/// Its number.
pub(super) const SIGKILL: i32 = 9;

/// The end of something that was no process.
pub(super) fn plain_end(slot: RunId, how: How, at: Wall) -> End {
    End {
        slot,
        seq: None,
        how,
        at,
        tree_empty: true,
        output: Kept::default(),
        errors: Kept::default(),
        usage: None,
        generated: None,
    }
}

/// What happens by itself, sooner or later.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fact {
    /// A launch comes to its process.
    Launched(RunId),
    /// The leader ends by itself, or by this signal.
    LeaderEnds(RunId, Option<i32>),
    TreeEnds(RunId),
    /// What the core itself carries out ends like this.
    CoreEnds(RunId, How),
    Passed(DagRunId, TaskId, u32),
    LeftoverEnds(RunId),
}

impl Fact {
    /// Whether it happens without a core.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Fact::LeaderEnds(..) | Fact::TreeEnds(_))
    }
}

/// What will happen, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    facts: BTreeMap<(Mono, u64), Fact>,
    serial: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Mono, fact: Fact) {
        self.serial += 1;
        self.facts.insert((at, self.serial), fact);
    }

    pub(super) fn next(&self) -> Option<Mono> {
        self.facts.first_key_value().map(|((at, _), _)| *at)
    }

    /// The first fact that is due.
    pub(super) fn take(&mut self, now: Mono) -> Option<Fact> {
        self.next().filter(|at| *at <= now)?;
        self.facts.pop_first().map(|(_, fact)| fact)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Fact) -> bool) {
        self.facts.retain(|_, fact| keep(fact));
    }

    pub(super) fn has(&self, wanted: impl Fn(&Fact) -> bool) -> bool {
        self.facts.values().any(wanted)
    }
}
