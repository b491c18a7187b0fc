//! Children: what is asked about them, and what becomes of them and their trees.

use super::{Effect, Exit, Kin, Machine, Phase, Reaped, Slot, Tree, TreeSignal};
use crate::keeper::model::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is asked about children.
impl Machine {
    pub(super) fn spawn(&mut self, spawn: Box<Spawn>) -> Vec<Effect> {
        let slot = spawn.slot;
        let fail = |stage, errno| vec![Effect::Tell(News::Failed { slot, stage, errno })];
        if self.slots.contains_key(&slot) {
            return fail(Stage::Slot, libc::EEXIST);
        }
        if self.slots.len() >= self.max_slots {
            return fail(Stage::Slot, libc::EAGAIN);
        }
        // One byte more: the owner, in front.
        if spawn.intent.len() > INTENT_MAX + 1 {
            return fail(Stage::Request("intent".to_owned()), libc::E2BIG);
        }
        let intent = spawn.intent.clone();
        let held = Slot { pid: 0, start_ticks: 0, intent, group: None, phase: Phase::Starting, doomed: false };
        self.slots.insert(slot, held);
        vec![Effect::Start(spawn)]
    }

    pub(super) fn signal(&mut self, slot: u64, signal: i32, scope: Scope) -> Vec<Effect> {
        // 64 is the highest real-time signal on Linux; 0 only asks whether the process exists.
        if !(1..=64).contains(&signal) {
            return vec![Effect::Log(format!("no such signal: {signal}"))];
        }
        let Some(held) = self.slots.get_mut(&slot) else { return Vec::new() };
        if signal == libc::SIGKILL && scope == Scope::Tree {
            held.doomed = true;
        }
        let pid = held.pid;
        match (held.phase, scope, held.group.clone()) {
            (Phase::Exited { tree: Tree::Empty, .. }, _, _) | (Phase::Exited { .. }, Scope::Leader, _) => Vec::new(),
            // Before its own session exists the group is the keeper's.
            (Phase::Starting, _, _) | (Phase::Live, Scope::Leader, _) => vec![Effect::Kill { pid, signal }],
            (Phase::Live, Scope::Group, _) => vec![Effect::KillGroup { pid, signal }],
            // A leader with the rights to leave its group is still the leader.
            (Phase::Live, Scope::Tree, Some(group)) if signal == libc::SIGKILL => {
                vec![Effect::KillCgroup { group, signal, only: None }, Effect::Kill { pid, signal }]
            }
            (Phase::Live | Phase::Exited { .. }, Scope::Tree, Some(group)) => {
                vec![Effect::KillCgroup { group, signal, only: None }]
            }
            // The leader has been waited for: its pid names the group only as long as members are found.
            (Phase::Exited { .. }, Scope::Group, Some(group)) => {
                vec![Effect::KillCgroup { group, signal, only: Some(pid) }]
            }
            (Phase::Live | Phase::Exited { .. }, Scope::Tree | Scope::Group, None) => {
                self.tree_signals.push(TreeSignal { slot, signal, only_group: scope == Scope::Group });
                Vec::new()
            }
        }
    }

    pub(super) fn acknowledge(&mut self, seqs: &[u64]) -> Vec<Effect> {
        for seq in seqs {
            let Some(slot) = self.unheard.remove(seq) else { continue };
            if let Some(held) = self.slots.get_mut(&slot)
                && let Phase::Exited { acknowledged, .. } = &mut held.phase
            {
                *acknowledged = true;
            }
            self.forget_if_finished(slot);
        }
        Vec::new()
    }

    /// Drops a slot that nobody has anything more to learn of.
    fn forget_if_finished(&mut self, slot: u64) {
        let phase = self.slots.get(&slot).map(|held| held.phase);
        if matches!(phase, Some(Phase::Exited { tree: Tree::Empty, acknowledged: true, .. })) {
            self.forget(slot);
        }
    }

    fn forget(&mut self, slot: u64) -> Option<Slot> {
        let held = self.slots.remove(&slot)?;
        if self.sessions.get(&held.pid) == Some(&slot) {
            self.sessions.remove(&held.pid);
        }
        Some(held)
    }
}

/// What becomes of children.
impl Machine {
    pub(super) fn started(
        &mut self,
        slot: u64,
        pid: i32,
        start_ticks: u64,
        group: Option<String>,
        running: bool,
    ) -> Vec<Effect> {
        let Some(held) = self.slots.get_mut(&slot) else { return Vec::new() };
        (held.pid, held.start_ticks, held.group) = (pid, start_ticks, group);
        self.leaders.insert(pid, slot);
        self.sessions.insert(pid, slot);
        if running { self.running(slot) } else { Vec::new() }
    }

    pub(super) fn running(&mut self, slot: u64) -> Vec<Effect> {
        let Some(held) = self.slots.get_mut(&slot) else { return Vec::new() };
        held.phase = Phase::Live;
        vec![Effect::Tell(News::Spawned { slot, pid: held.pid, start_ticks: held.start_ticks })]
    }

    pub(super) fn not_started(&mut self, slot: u64, stage: Stage, errno: i32) -> Vec<Effect> {
        let Some(held) = self.forget(slot) else { return Vec::new() };
        // A forked child still has to be waited for. Until then it is nobody's, and no news either.
        if self.leaders.remove(&held.pid).is_some() {
            self.strays.insert(held.pid);
        }
        let remove = held.group.map(|group| Effect::RemoveGroup { group });
        remove.into_iter().chain([Effect::Tell(News::Failed { slot, stage, errno })]).collect()
    }

    pub(super) fn reaped(&mut self, reaped: Reaped, now: Duration) -> Vec<Effect> {
        let pid = reaped.pid;
        if let Some(slot) = self.leaders.remove(&pid) {
            return self.leader_exited(slot, &reaped);
        }
        if self.core_pid() == Some(pid) {
            return self.core_exited(reaped.status, now);
        }
        if self.checks(pid) {
            return self.checked(reaped.status);
        }
        self.strays.remove(&pid);
        Vec::new()
    }

    fn leader_exited(&mut self, slot: u64, reaped: &Reaped) -> Vec<Effect> {
        let Some(held) = self.slots.get_mut(&slot) else { return Vec::new() };
        self.seq += 1;
        let Reaped { status, rusage, ended, oom, populated, .. } = *reaped;
        let exit = Exit { seq: self.seq, status, rusage, ended, oom };
        let tree = match populated {
            Some(true) => Tree::Populated,
            Some(false) => Tree::Empty,
            None => Tree::Undecided,
        };
        held.phase = Phase::Exited { exit, tree, acknowledged: false };
        self.unheard.insert(exit.seq, slot);
        match (tree, held.group.clone()) {
            (Tree::Populated, Some(group)) => vec![exited(slot, exit, false), Effect::WatchGroup { slot, group }],
            (Tree::Empty, Some(group)) => vec![exited(slot, exit, true), Effect::RemoveGroup { group }],
            (Tree::Undecided | Tree::Populated | Tree::Empty, _) => {
                self.undecided.push(slot);
                Vec::new()
            }
        }
    }

    /// Decides trees from the list of orphans: who still has some, who must be signalled, and who is nobody's.
    pub(super) fn kin(&mut self, kin: Vec<Kin>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut members: BTreeMap<u64, Vec<i32>> = BTreeMap::new();
        for Kin { pid, session, run, command } in kin {
            let by_session = self.sessions.get(&session).copied();
            let by_run = || run.filter(|run| self.slots.contains_key(run));
            match by_session.or_else(by_run) {
                Some(slot) => members.entry(slot).or_default().push(pid),
                None if self.strays.insert(pid) => effects.push(Effect::Tell(News::Stray { pid, session, command })),
                None => {}
            }
        }
        for slot in std::mem::take(&mut self.undecided) {
            let empty = !members.contains_key(&slot);
            if let Some(held) = self.slots.get_mut(&slot)
                && let Phase::Exited { exit, tree, .. } = &mut held.phase
            {
                *tree = if empty { Tree::Empty } else { Tree::Populated };
                effects.push(exited(slot, *exit, empty));
                if !empty {
                    self.lingering.insert(slot);
                }
            }
        }
        let emptied: Vec<u64> = self.lingering.iter().copied().filter(|slot| !members.contains_key(slot)).collect();
        for slot in emptied {
            effects.extend(self.tree_emptied(slot));
        }
        effects.extend(self.signal_trees(&members));
        effects
    }

    /// Sends what was asked for, and SIGKILL to what has turned up of doomed trees.
    fn signal_trees(&mut self, members: &BTreeMap<u64, Vec<i32>>) -> Vec<Effect> {
        let mut wishes = std::mem::take(&mut self.tree_signals);
        for slot in members.keys() {
            let doomed = self.slots.get(slot).is_some_and(|held| held.doomed && held.group.is_none());
            if doomed && !wishes.iter().any(|wish| wish.slot == *slot && wish.signal == libc::SIGKILL) {
                wishes.push(TreeSignal { slot: *slot, signal: libc::SIGKILL, only_group: false });
            }
        }
        let effects = wishes.into_iter().filter_map(|TreeSignal { slot, signal, only_group }| {
            let held = self.slots.get(&slot)?;
            let leader = self.leaders.contains_key(&held.pid).then_some(held.pid);
            let orphans = members.get(&slot).into_iter().flatten().copied();
            let roots: Vec<i32> = leader.into_iter().chain(orphans).collect();
            let only = only_group.then_some(held.pid);
            (!roots.is_empty()).then_some(Effect::KillTrees { roots, signal, only })
        });
        effects.collect()
    }

    pub(super) fn tree_emptied(&mut self, slot: u64) -> Vec<Effect> {
        self.lingering.remove(&slot);
        let Some(held) = self.slots.get_mut(&slot) else { return Vec::new() };
        let Phase::Exited { tree, .. } = &mut held.phase else { return Vec::new() };
        if *tree != Tree::Populated {
            return Vec::new();
        }
        *tree = Tree::Empty;
        let remove = held.group.clone().map(|group| Effect::RemoveGroup { group });
        self.forget_if_finished(slot);
        remove.into_iter().chain([Effect::Tell(News::TreeEmpty { slot })]).collect()
    }
}

fn exited(slot: u64, exit: Exit, tree_empty: bool) -> Effect {
    let Exit { seq, status, rusage, ended, oom } = exit;
    Effect::Tell(News::Exited { seq, slot, status, rusage, ended, oom, tree_empty })
}
