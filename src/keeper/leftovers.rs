//! Ending what an earlier keeper of this boot left behind. Pure, a part of the machine.
//!
//! ```text
//! asked --scan--> told (grace runs) --grace over--> killing --scan finds nobody--> gone
//!                  `------- watched process gone: scan again -------'
//! ```
//! The processes are no children of this keeper, so their pids may be given away at any moment: each is named with its
//! start time and signalled through a pidfd. One of them is watched at a time; when it is gone, the host's processes
//! are read again, once for all leftovers that need it.
//!
//! A process belongs to a leftover when it is its leader, is in its session (while the leader lives, or with the
//! leftover's `HOSTLER_RUN`), or carries its `HOSTLER_RUN` under nobody's care: what is below another living daemon of
//! ours, which may use the same numbers, is that daemon's.
//!
//! **Absent:** control groups: the loop adds a leftover group's members to what it reports as scanned.

use crate::keeper::machine::Effect;
use crate::keeper::model::{Cgroup, Leftover, News};
use crate::keeper::wire::{fields, variants};
use std::collections::BTreeMap;
use std::time::Duration;

/// How soon to look again for a process that cannot be watched.
const RETRY: Duration = Duration::from_secs(1);

/// A living process of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its pid.
    pub pid: i32,
    /// Its session.
    pub session: i32,
    /// Its start time.
    pub start_ticks: u64,
    /// `HOSTLER_RUN` of its environment, unless the process at the top of those that carry this number is the child
    /// of another daemon of ours.
    pub run: Option<u64>,
    /// The name of the control group it is in, among those of leftovers.
    pub group: Option<String>,
}

/// All leftovers being ended, by slot.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leftovers(BTreeMap<u64, Remnant>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Remnant {
    leftover: Leftover,
    phase: Phase,
    /// Its members are to be read.
    scan: bool,
    /// Its members are to be read at this time, since nobody watches them.
    retry_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Asked,
    Told { kill_at: Duration },
    Killing,
}

fields!(Remnant { leftover, phase, scan, retry_at });
variants!(Phase { 0 => Asked, 1 => Told { kill_at }, 2 => Killing });

impl Leftovers {
    pub(super) fn end(&mut self, leftover: Leftover) {
        let remnant = Remnant { leftover, phase: Phase::Asked, scan: true, retry_at: None };
        // A new core asks again for what the old one had asked: the grace goes on, the answer comes once.
        self.0.entry(remnant.leftover.slot).or_insert(remnant);
    }

    /// The watched process is gone.
    pub(super) fn moved(&mut self, slot: u64) {
        if let Some(remnant) = self.0.get_mut(&slot) {
            remnant.scan = true;
        }
    }

    pub(super) fn wants_scan(&self) -> bool {
        self.0.values().any(|remnant| remnant.scan)
    }

    /// The control groups to look into for the scan.
    pub(super) fn groups(&self) -> Vec<String> {
        self.0.values().filter_map(|remnant| group_of(&remnant.leftover)).collect()
    }

    /// No watch could be set: there is nothing for it but to look again.
    pub(super) fn unwatched(&mut self, slot: u64, now: Duration) {
        if let Some(remnant) = self.0.get_mut(&slot) {
            remnant.retry_at = Some(now.saturating_add(RETRY));
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let grace = |remnant: &Remnant| match remnant.phase {
            Phase::Told { kill_at } => Some(kill_at),
            Phase::Asked | Phase::Killing => None,
        };
        self.0.values().flat_map(|remnant| grace(remnant).into_iter().chain(remnant.retry_at)).min()
    }

    pub(super) fn tick(&mut self, now: Duration) {
        for remnant in self.0.values_mut() {
            if matches!(remnant.phase, Phase::Told { kill_at } if kill_at <= now) {
                remnant.phase = Phase::Killing;
                remnant.scan = true;
            }
            if remnant.retry_at.is_some_and(|at| at <= now) {
                remnant.retry_at = None;
                remnant.scan = true;
            }
        }
    }

    pub(super) fn scanned(&mut self, processes: &[Process], now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.0.retain(|slot, remnant| {
            if !remnant.scan {
                return true;
            }
            remnant.scan = false;
            let members = members(&remnant.leftover, processes);
            let Some(first) = members.first() else {
                effects.extend(group_of(&remnant.leftover).map(|group| Effect::RemoveGroup { group }));
                effects.push(Effect::Tell(News::LeftoverGone { slot: *slot }));
                return false;
            };
            let signal = match remnant.phase {
                Phase::Asked => {
                    remnant.phase = Phase::Told { kill_at: now.saturating_add(remnant.leftover.grace) };
                    Some(remnant.leftover.signal)
                }
                Phase::Told { .. } => None,
                Phase::Killing => Some(libc::SIGKILL),
            };
            for (member, signal) in members.iter().zip(std::iter::repeat(signal)) {
                let Process { pid, start_ticks, .. } = **member;
                effects.extend(signal.map(|signal| Effect::KillExact { pid, start_ticks, signal }));
            }
            effects.push(Effect::WatchProcess { slot: *slot, pid: first.pid, start_ticks: first.start_ticks });
            true
        });
        effects
    }

    pub(super) fn carried(&self) -> Vec<u8> {
        let remnants: Vec<Remnant> = self.0.values().cloned().collect();
        crate::keeper::wire::encode(&remnants)
    }

    /// What a keeper before this one carried over. Watches do not survive it: everything is scanned again.
    pub(super) fn taken_over(bytes: &[u8]) -> Result<Leftovers, crate::keeper::wire::Malformed> {
        let remnants: Vec<Remnant> = crate::keeper::wire::decode(bytes)?;
        let anew = remnants.into_iter().map(|remnant| (remnant.leftover.slot, Remnant { scan: true, ..remnant }));
        Ok(Leftovers(anew.collect()))
    }
}

fn group_of(leftover: &Leftover) -> Option<String> {
    Cgroup::directory(leftover.cgroup.as_deref()?, leftover.slot)
}

fn members<'a>(leftover: &Leftover, processes: &'a [Process]) -> Vec<&'a Process> {
    let is_leader = |process: &Process| process.pid == leftover.pid && process.start_ticks == leftover.start_ticks;
    let leader_lives = processes.iter().any(is_leader);
    let group = group_of(leftover);
    let belongs = |process: &&Process| {
        let older = process.start_ticks < leftover.start_ticks;
        let same_run = process.run == Some(leftover.slot);
        let same_session = process.session == leftover.pid && leader_lives;
        let same_group = group.is_some() && process.group == group;
        !older && (is_leader(process) || same_session || same_run || same_group)
    };
    processes.iter().filter(belongs).collect()
}
