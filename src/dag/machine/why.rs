//! Why a task does not run yet, in sentences for people.

use super::group::{Group, Phase};
use super::run::Run;
use super::{Alarm, Room};
use crate::dag::model::{DagRunId, Needs, State, TaskId};

impl Room {
    /// Why a task does not run yet, in sentences, for people; none: it does run, or is over.
    pub fn why_waiting(&self, run: DagRunId, task: TaskId) -> Vec<String> {
        let Some(run) = self.runs.get(&run) else { return Vec::new() };
        let Some(group) = run.group(task.group) else { return Vec::new() };
        let Some(state @ (State::Queued | State::Retry)) = group.state(task.index) else { return Vec::new() };
        let mut why = Vec::new();
        match run.state() {
            State::Paused => why.push("the run is paused".to_owned()),
            over if over.is_over() => {
                why.push(format!("the run is {}: nothing of it starts until it is restarted", over.word()));
            }
            _ => {}
        }
        if self.is_ending() {
            why.push("the daemon is stopping".to_owned());
        }
        if run.is_held(task) {
            why.push("processes of its last attempt are still ending".to_owned());
        }
        if state == State::Retry
            && let Some(due) = self.alarms.get(Alarm::Retry(run.id(), task))
        {
            let due = self.scratch.now.later(due - self.scratch.now.mono).wall;
            why.push(format!("its next attempt is due at {}", due.format("%Y-%m-%d %H:%M:%S UTC")));
        }
        match group.phase {
            Phase::Waiting => why.extend(parents_to_come(run, group)),
            Phase::Closed | Phase::Settled(_) if !run.state().is_over() => why.push(never(run, group)),
            Phase::Closed | Phase::Settled(_) | Phase::Ready => {}
        }
        if why.is_empty() {
            why.push(self.in_line(run, task, group));
        }
        why
    }

    /// What a task that waits for nothing but its turn waits for.
    fn in_line(&self, run: &Run, task: TaskId, group: &Group) -> String {
        if let Some(most) = run.blueprint.max_parallel.filter(|most| run.running >= *most) {
            return format!("its run may have {most} attempts at once (maxParallel), and has them");
        }
        if run.is_noop() {
            return "its turn comes".to_owned();
        }
        if self.queue.is_full() {
            return format!("as many attempts run as there may be at once: {}", self.queue.running());
        }
        let Needs { cores, memory_mb } = group.needs(task.index);
        if !self.queue.fits((cores, memory_mb)) {
            let free = self.queue.free();
            return format!(
                "it needs {cores} cores and {memory_mb} MB of memory; free are {} cores and {} MB",
                free.cores, free.memory_mb
            );
        }
        match self.queue.claim() {
            Some(claim) if claim != (run.id(), task.group) => {
                "a bigger task was overtaken often enough and goes first".to_owned()
            }
            _ => "tasks with a higher priority, or that were ready earlier, go first".to_owned(),
        }
    }
}

/// The groups that have not settled, with how much of them is to come.
fn parents_to_come(run: &Run, group: &Group) -> Vec<String> {
    let parents = group.parents.iter().filter_map(|parent| run.group(*parent));
    let waiting = parents.filter(|parent| !matches!(parent.phase, Phase::Settled(_)));
    let sentence = |parent: &Group| {
        let (open, all) = (parent.count() - parent.tally().of(State::Completed), parent.count());
        format!("it waits for {}: {open} of {all} tasks have not completed", parent.template.name)
    };
    waiting.map(sentence).collect()
}

/// Why the instances of a group that have not started never will.
fn never(run: &Run, group: &Group) -> String {
    let parents = group.parents.iter().filter_map(|parent| run.group(*parent));
    let bad: Vec<&str> = parents
        .filter(|parent| parent.phase == Phase::Settled(false))
        .map(|parent| parent.template.name.as_str())
        .collect();
    if bad.is_empty() && run.is_stopped() {
        return "it cannot start: a task has failed, and that stops the run".to_owned();
    }
    format!("it cannot start: not all tasks of {} have completed", bad.join(", "))
}
