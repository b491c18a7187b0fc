//! The life of a run, from the decision to the last process of its tree.
//!
//! ```text
//! Waiting --place free--> Launching --spawned--> Up --stop--> Stopping
//!    |                        |                   |               |
//!  stop: dropped        not launched            exit            exit
//!                             |                   v               v
//!                             `----> gone <--- Leftover (if some of the tree is left: signal, then KILL)
//! ```
//!
//! A run is *attached* while its task counts it as its own. A client's stop detaches it at once: the replica is free
//! for a successor, which waits in its place until the old tree is gone. A stop of our own (shutdown, probes) leaves
//! it attached, so that its end decides what the replica does next.

use super::stored::LiveRun;
use super::words::{Effect, Exit, Launch, Scope, What, Write};
use super::{Alarm, Rest, Room};
use crate::base::{Mono, RunId, Wall};
use crate::proc::model::{
    Incarnation, Kind, Offsets, Restart, RestartOn, RunRecord, RunState, Signal, StartedBy, Status, StoppedBy,
    TaskName, Usage,
};
use std::time::Duration;

/// How long after a leader's end we may hear of it, a new core included.
const NEWS_TAKES: Duration = Duration::from_secs(2);
/// How long after a KILL the tree is killed again, should anything of it still be there.
const KILL_AGAIN: Duration = Duration::from_secs(5);

/// A run that is not over.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) live: LiveRun,
    pub(super) phase: Phase,
    /// Liveness probes that have failed in a row.
    pub(super) unwell: u32,
}

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// For the tree of its predecessor to go.
    Waiting,
    /// The launch is under way.
    Launching,
    /// It is a process.
    Up,
    /// It was told to end.
    Stopping,
    /// The leader has ended; the rest of the tree was told to.
    Leftover,
    /// An earlier keeper had it; what is left is being ended.
    Foreign,
}

/// How a leader ended, or did not begin.
struct End {
    at: Wall,
    status: Option<Status>,
    usage: Option<Usage>,
    oom: bool,
    log: Option<Offsets>,
    error: Option<String>,
}

impl Run {
    /// What is stored of it: who, why, since when.
    pub fn facts(&self) -> &LiveRun {
        &self.live
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The same in the words of listings and history.
    pub fn state(&self) -> RunState {
        match self.phase {
            Phase::Waiting | Phase::Launching if self.live.stopped_by.is_none() => RunState::Starting,
            Phase::Up if self.live.ready => RunState::Running,
            Phase::Up => RunState::Unready,
            Phase::Waiting | Phase::Launching | Phase::Stopping | Phase::Leftover | Phase::Foreign => {
                RunState::Stopping
            }
        }
    }

    /// Whether its leader lives or is about to.
    pub fn is_live(&self) -> bool {
        match self.phase {
            Phase::Waiting | Phase::Launching | Phase::Up | Phase::Stopping => true,
            Phase::Leftover | Phase::Foreign => false,
        }
    }

    pub(super) fn stored(&self, kill_at: Option<Mono>) -> LiveRun {
        LiveRun { kill_at, over: !self.is_live(), ..self.live.clone() }
    }
}

impl Room {
    /// Gives a replica a run, which launches as soon as its place is free.
    pub(super) fn begin_run(&mut self, incarnation: Incarnation, replica: u32, by: StartedBy) {
        let run = RunId(self.number());
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        let definition = &task.stored.definition;
        let live = LiveRun {
            run,
            name: definition.name.clone(),
            incarnation,
            replica,
            runs_as: task.stored.runs_as,
            started_by: by,
            stopped_by: None,
            attached: true,
            leader: None,
            start: None,
            born: None,
            log_from: None,
            ready: false,
            over: false,
            kill_at: None,
            stop_signal: definition.stop_signal,
            stop_timeout: definition.stop_timeout,
        };
        self.alarms.clear(Alarm::Start(incarnation, replica));
        self.insert_run(Run { live, phase: Phase::Waiting, unwell: 0 });
        self.launch_if_free(run);
    }

    /// Takes a run into every index.
    pub(super) fn insert_run(&mut self, run: Run) {
        let LiveRun { run: id, incarnation, replica, attached, .. } = run.live;
        self.scratch.lives.insert(id);
        self.places.entry((run.live.name.clone(), replica)).or_default().push(id);
        if let Some(task) = self.tasks.get_mut(&incarnation) {
            task.present += 1;
            task.live += u32::from(run.is_live());
            if attached {
                task.seat_mut(replica, |seat| seat.runs.push(id));
            }
        }
        self.runs.insert(id, run);
    }

    /// Launches a waiting run unless something of a predecessor is still there.
    pub(super) fn launch_if_free(&mut self, run: RunId) {
        let Some(known) = self.runs.get(&run).filter(|known| known.phase == Phase::Waiting) else { return };
        let LiveRun { incarnation, replica, .. } = known.live;
        let name = known.live.name.clone();
        if self.runs_at(&name, replica).any(|other| !other.live.attached) {
            return;
        }
        let (Some(known), Some(task)) = (self.runs.get_mut(&run), self.tasks.get(&incarnation)) else { return };
        known.phase = Phase::Launching;
        let launch = Launch {
            run,
            incarnation,
            replica,
            definition: task.stored.definition.clone(),
            owner: task.stored.owner.clone(),
            runs_as: task.stored.runs_as,
            started_by: known.live.started_by.clone(),
        };
        self.effect(Effect::Launch(launch));
    }

    /// The run is a process.
    pub(super) fn spawned(&mut self, run: RunId, pid: i32, start_ticks: u64, log: Option<Offsets>) {
        let now = self.scratch.now;
        let Some(known) = self.runs.get_mut(&run) else {
            // Nobody knows what it is for: it must not run on unseen.
            return self.effect(Effect::Signal { run, signal: Signal::KILL, scope: Scope::Tree });
        };
        if known.phase != Phase::Launching {
            return;
        }
        known.phase = Phase::Up;
        known.live.leader = Some((pid, start_ticks));
        known.live.start = Some(now.wall);
        known.live.born = Some(now.mono);
        known.live.log_from = log;
        self.scratch.lives.insert(run);
        let LiveRun { name, incarnation, replica, runs_as, stopped_by, .. } = known.live.clone();
        self.change(&name, runs_as, What::RunStarted { run, replica, pid });
        if let Some(task) = self.tasks.get_mut(&incarnation) {
            task.seat_mut(replica, |seat| seat.spawned |= seat.runs.contains(&run));
            self.scratch.changed.insert(name);
        }
        match stopped_by {
            Some(_) if self.is_killing() => self.kill(run),
            Some(_) => self.signal_stop(run),
            None => self.watch_ready(run),
        }
    }

    /// Tells a run to end. With `detach` its replica is free for a successor at once.
    pub(super) fn stop_run(&mut self, run: RunId, why: StoppedBy, detach: bool) {
        if detach {
            self.detach(run);
        }
        let Some(known) = self.runs.get_mut(&run) else { return };
        match known.phase {
            Phase::Waiting => {
                known.live.stopped_by = Some(why);
                self.never_ran(run, RunState::Stopped, None);
            }
            Phase::Launching if known.live.stopped_by.is_none() => {
                known.live.stopped_by = Some(why);
                self.scratch.lives.insert(run);
                self.effect(Effect::Withdraw { run });
            }
            Phase::Up => {
                known.live.stopped_by = Some(why);
                self.signal_stop(run);
            }
            Phase::Launching | Phase::Stopping | Phase::Leftover | Phase::Foreign => {}
        }
    }

    /// Takes a run from its replica, which rests until further notice.
    fn detach(&mut self, run: RunId) {
        let Some(known) = self.runs.get_mut(&run).filter(|known| known.live.attached) else { return };
        known.live.attached = false;
        let LiveRun { incarnation, replica, .. } = known.live;
        self.scratch.lives.insert(run);
        self.scratch.seats.insert((incarnation, replica));
        self.scratch.idle.insert(incarnation);
        if let Some(task) = self.tasks.get_mut(&incarnation) {
            task.seat_mut(replica, |seat| {
                seat.runs.retain(|other| *other != run);
                seat.rest = Rest::Idle;
                seat.ready = false;
            });
        }
    }

    /// Sends the stop signal to a process and sets the time it has.
    pub(super) fn signal_stop(&mut self, run: RunId) {
        let now = self.scratch.now.mono;
        let Some(known) = self.runs.get_mut(&run) else { return };
        known.phase = Phase::Stopping;
        let LiveRun { name, incarnation, replica, runs_as, stopped_by, stop_signal, stop_timeout, .. } =
            known.live.clone();
        self.alarms.set(Alarm::Kill(run), now + stop_timeout);
        self.quieten(run, incarnation, replica);
        self.scratch.lives.insert(run);
        self.effect(Effect::Signal { run, signal: stop_signal, scope: Scope::Group });
        if let Some(by) = stopped_by {
            self.change(&name, runs_as, What::RunStopping { run, replica, by });
        }
    }

    pub(super) fn stop_timed_out(&mut self, run: RunId) {
        self.kill(run);
    }

    /// Kills all of a run, and again until it is gone.
    pub(super) fn kill(&mut self, run: RunId) {
        let Some(known) = self.runs.get_mut(&run) else { return };
        if known.phase == Phase::Up {
            known.phase = Phase::Stopping;
            let LiveRun { incarnation, replica, .. } = known.live;
            self.quieten(run, incarnation, replica);
        }
        self.alarms.set(Alarm::Kill(run), self.scratch.now.mono + KILL_AGAIN);
        self.scratch.lives.insert(run);
        self.effect(Effect::Signal { run, signal: Signal::KILL, scope: Scope::Tree });
    }

    pub(super) fn not_launched(&mut self, run: RunId, why: String) {
        let Some(known) = self.runs.get(&run).filter(|known| known.phase == Phase::Launching) else { return };
        match known.live.stopped_by {
            Some(_) => self.never_ran(run, RunState::Stopped, None),
            None => self.never_ran(run, RunState::NotStarted, Some(why)),
        }
    }

    /// The run is over without ever having been a process.
    pub(super) fn never_ran(&mut self, run: RunId, state: RunState, error: Option<String>) {
        let at = self.scratch.now.wall;
        let end = End { at, status: None, usage: None, oom: false, log: None, error };
        self.record(run, end, state);
        self.end_attached(run, false, self.scratch.now.mono);
        self.gone(run);
    }

    /// The leader has ended. Heard again, it is only acknowledged again.
    pub(super) fn exited(&mut self, exit: &Exit) {
        self.scratch.plan.heard.push(exit.seq);
        let run = exit.run;
        let Some(known) = self.runs.get(&run) else {
            if !exit.tree_empty {
                self.effect(Effect::Signal { run, signal: Signal::KILL, scope: Scope::Tree });
            }
            return;
        };
        match known.phase {
            Phase::Leftover | Phase::Foreign if exit.tree_empty => return self.gone(run),
            Phase::Leftover | Phase::Foreign => return,
            Phase::Waiting | Phase::Launching | Phase::Up | Phase::Stopping => {}
        }
        let state = match &known.live.stopped_by {
            None if exit.status.is_success() => RunState::Succeeded,
            None | Some(StoppedBy::NotReady | StoppedBy::Unhealthy(_)) => RunState::Failed,
            Some(StoppedBy::Client(_) | StoppedBy::Shutdown | StoppedBy::Replaced | StoppedBy::Unknown) => {
                RunState::Stopped
            }
        };
        let LiveRun { incarnation, replica, .. } = known.live;
        if known.phase == Phase::Up {
            self.quieten(run, incarnation, replica);
        }
        let end = End {
            at: exit.ended,
            status: Some(exit.status),
            usage: Some(exit.usage),
            oom: exit.oom,
            log: exit.log,
            error: None,
        };
        self.record(run, end, state);
        self.end_attached(run, state == RunState::Succeeded, self.ago(exit.ended));
        if exit.tree_empty { self.gone(run) } else { self.sweep(run) }
    }

    /// The leader has ended and left processes behind: they are told to end, in the time a stop may take.
    pub(super) fn sweep(&mut self, run: RunId) {
        let now = self.scratch.now.mono;
        let Some(known) = self.runs.get_mut(&run) else { return };
        known.phase = Phase::Leftover;
        let signal = known.live.stop_signal;
        if self.alarms.get(Alarm::Kill(run)).is_none() {
            self.alarms.set(Alarm::Kill(run), now + known.live.stop_timeout);
        }
        self.scratch.lives.insert(run);
        self.effect(Effect::Signal { run, signal, scope: Scope::Tree });
    }

    pub(super) fn tree_empty(&mut self, run: RunId) {
        if self.runs.get(&run).is_some_and(|known| known.phase == Phase::Leftover) {
            self.gone(run);
        }
    }

    pub(super) fn leftover_gone(&mut self, run: RunId) {
        if self.runs.get(&run).is_some_and(|known| known.phase == Phase::Foreign) {
            self.gone(run);
        }
    }

    /// How a run ended while nobody watched is not known.
    pub(super) fn interrupted(&mut self, run: RunId) {
        let at = self.scratch.now.wall;
        let end = End { at, status: None, usage: None, oom: false, log: None, error: None };
        self.record(run, end, RunState::Interrupted);
    }

    /// Writes the line of the history.
    fn record(&mut self, run: RunId, end: End, state: RunState) {
        let Some(known) = self.runs.get(&run) else { return };
        let live = known.live.clone();
        let record = RunRecord {
            run,
            name: live.name.clone(),
            incarnation: live.incarnation,
            owner: live.runs_as,
            replica: live.replica,
            pid: live.leader.map(|(pid, _)| pid),
            start: live.start,
            end: end.at,
            status: end.status,
            state,
            started_by: live.started_by,
            stopped_by: live.stopped_by,
            oom: end.oom,
            usage: end.usage,
            log_from: live.log_from,
            log_to: end.log,
            error: end.error,
        };
        self.change(&live.name, live.runs_as, What::RunEnded(Box::new(record.clone())));
        self.write(Write::PutRun(Box::new(record)));
    }

    /// When on the monotonic clock that was: the pause before the next start counts from the end itself, not from the
    /// moment it was heard of. An end that seems longer ago than [`NEWS_TAKES`] tells of a clock that was set.
    fn ago(&self, ended: Wall) -> Mono {
        let now = self.scratch.now;
        let since = (now.wall - ended).to_std().unwrap_or_default();
        if since > NEWS_TAKES { now.mono } else { Mono(now.mono.0.saturating_sub(since)) }
    }

    /// The leader is no more: what does its replica do next?
    fn end_attached(&mut self, run: RunId, success: bool, now: Mono) {
        let Some(known) = self.runs.get_mut(&run) else { return };
        let attached = std::mem::replace(&mut known.live.attached, false);
        let was_live = known.is_live();
        // From here on it does not count as live, whatever becomes of its tree.
        known.phase = Phase::Leftover;
        let LiveRun { name, incarnation, replica, stopped_by, born, runs_as, .. } = known.live.clone();
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        task.live -= u32::from(was_live && task.live > 0);
        self.scratch.changed.insert(name.clone());
        if !attached {
            return;
        }
        let lived = born.map_or(Duration::ZERO, |born| now - born);
        let shut_down = stopped_by == Some(StoppedBy::Shutdown);
        let definition = task.stored.definition.clone();
        let stopped = task.standing.stopped;
        let gave_up = task.seat_mut(replica, |seat| {
            seat.runs.retain(|other| *other != run);
            seat.ready = false;
            let rest = match &definition.kind {
                Kind::Daemon(_) if stopped || shut_down => Rest::Idle,
                Kind::Daemon(restart) => {
                    if lived >= restart.stable_after {
                        seat.failures = 0;
                    }
                    let wanted = wants_restart(restart, success);
                    seat.failures += u32::from(wanted);
                    after_life(restart, definition.interval, seat.failures, success, now)
                }
                Kind::Once if shut_down => Rest::Again,
                Kind::Once | Kind::Cron(_) => Rest::Finished { success },
            };
            seat.rest = rest;
            (rest == Rest::Failed).then_some(seat.failures)
        });
        let rest = task.seats.get(replica as usize).map(|seat| seat.rest);
        if task.stored.definition.schedule().is_some() && task.tally.busy == 0 {
            self.scratch.idle.insert(incarnation);
        }
        if let Some(Rest::Pause(until)) = rest.filter(|_| self.ending.is_none()) {
            self.alarms.set(Alarm::Start(incarnation, replica), until);
        }
        self.scratch.seats.insert((incarnation, replica));
        if let Some(failures) = gave_up.flatten() {
            self.change(&name, runs_as, What::GaveUp { replica, failures });
        }
    }

    /// Nothing of the run is left: whoever waits for its place may go on.
    pub(super) fn gone(&mut self, run: RunId) {
        let Some(known) = self.runs.remove(&run) else { return };
        let LiveRun { name, incarnation, replica, runs_as, .. } = known.live;
        for alarm in [Alarm::Kill(run), Alarm::Ready(run), Alarm::Probe(run)] {
            self.alarms.clear(alarm);
        }
        self.scratch.lives.insert(run);
        if let Some(task) = self.tasks.get_mut(&incarnation) {
            task.present = task.present.saturating_sub(1);
        }
        self.change(&name, runs_as, What::RunGone { run, replica });
        self.free_place(&name, replica, run);
        self.ending_heard_of(incarnation);
    }

    fn free_place(&mut self, name: &TaskName, replica: u32, run: RunId) {
        let key = (name.clone(), replica);
        let Some(place) = self.places.get_mut(&key) else { return };
        place.retain(|other| *other != run);
        if place.is_empty() {
            self.places.remove(&key);
            return;
        }
        place.clone().into_iter().for_each(|next| self.launch_if_free(next));
    }

    /// A daemon's pause is over.
    pub(super) fn pause_over(&mut self, incarnation: Incarnation, replica: u32) {
        let due = self.tasks.get(&incarnation).and_then(|task| task.seats.get(replica as usize));
        if due.is_some_and(|seat| seat.runs.is_empty() && matches!(seat.rest, Rest::Pause(_))) {
            self.begin_run(incarnation, replica, StartedBy::Restart);
        }
    }

    /// Sends a signal to those runs that are up; answers how many runs that were.
    pub(super) fn signal_up(&mut self, runs: &[RunId], signal: Signal, scope: Scope) -> usize {
        let up = |run: &&RunId| self.runs.get(run).is_some_and(|known| known.phase == Phase::Up);
        let up: Vec<RunId> = runs.iter().filter(up).copied().collect();
        let count = up.len();
        up.into_iter().for_each(|run| self.effect(Effect::Signal { run, signal, scope }));
        count
    }
}

fn wants_restart(restart: &Restart, success: bool) -> bool {
    match restart.on {
        RestartOn::Always => true,
        RestartOn::Failure => !success,
        RestartOn::Never => false,
    }
}

/// What a daemon's replica does after a life; `failures` counts it already.
fn after_life(restart: &Restart, interval: Duration, failures: u32, success: bool, now: Mono) -> Rest {
    if !wants_restart(restart, success) {
        return Rest::Finished { success };
    }
    if restart.max_restarts.is_some_and(|max| failures > max) {
        return Rest::Failed;
    }
    let pause = restart.backoff.map_or(interval, |backoff| backoff.pause(interval, failures));
    Rest::Pause(now + pause)
}
