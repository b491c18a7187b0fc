//! The start: what is stored and what the keeper holds become one room again.
//!
//! | a run was stored as not over and … | then |
//! |---|---|
//! | the keeper holds it | it goes on; its exit, if there is one, is heard now |
//! | the keeper does not, same boot | interrupted; what may be left of it is ended, and its place waits for that |
//! | another boot | interrupted |
//! | it was not launched yet, same keeper | it waits for its launch as before |
//!
//! A run that the keeper holds and the disk has not heard of was started by what followed from an event, a moment
//! before the last core died. It is taken as decided, with all of the launch it was part of.
//!
//! Then what was running is started again: daemons, and once tasks that were cut short (a run that ended is never
//! repeated). A cron task waits for its schedule, which accounts for what was missed. Tasks start in the order of
//! their creation: with Meproc's dependencies, the order decides who waits for whom.
//!
//! All of it is one decision, so a crash on the way only means to begin again.

use super::run::{Phase, Run};
use super::stored::{Found, Held, LiveRun, Queued, Seats, Stored, StoredRest};
use super::task::{Rest, Task};
use super::words::{Effect, Exit, Plan, Write};
use super::{Alarm, Numbers, Room, Scratch, Settings, Timers};
use crate::base::{Now, RunId, Wall};
use crate::proc::model::{Incarnation, Kind, StartedBy, StoppedBy};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// A launch that the keeper knows of and the disk does not.
#[derive(Default)]
struct Begun {
    by: Option<StartedBy>,
    at: Option<Wall>,
    replicas: BTreeSet<u32>,
}

impl Room {
    /// The room as it was left, with what is to be done first.
    pub fn recover(settings: Settings, stored: Stored, found: Found, now: Now) -> (Room, Plan) {
        let same_boot = stored.boot.as_deref() == Some(found.boot.as_str());
        let booted = stored.boot.is_some() && !same_boot;
        let mut room = Room {
            settings,
            tasks: BTreeMap::new(),
            names: BTreeMap::new(),
            runs: BTreeMap::new(),
            places: HashMap::new(),
            needed_by: HashMap::new(),
            watched: HashMap::new(),
            alarms: Timers::default(),
            firings: Timers::default(),
            numbers: numbers(&stored, &found),
            ending: None,
            scratch: Scratch::at(now),
        };
        if !same_boot {
            room.write(Write::PutBoot(found.boot));
        }
        if room.numbers.ceiling > stored.ceiling.max(1) {
            // The keeper's runs go beyond what was reserved; when they are forgotten, this must not be.
            room.write(Write::PutCeiling(room.numbers.ceiling));
        }
        let mut tasks = stored.tasks;
        tasks.sort_by_key(|(task, _)| task.incarnation);
        for (task, standing) in tasks {
            room.insert_task(Task::new(task, standing));
        }
        for (incarnation, replica, rest) in stored.seats {
            room.settle_seat(incarnation, replica, rest, same_boot);
        }
        let mut live: BTreeMap<RunId, LiveRun> = stored.live.into_iter().map(|live| (live.run, live)).collect();
        let held: Vec<_> = found.held.into_iter().map(|held| (live.remove(&held.intent.run), held)).collect();
        // What is lost comes first: what is held may have been started in its place.
        for lost in live.into_values() {
            if lost.leader.is_none() && !lost.over && !found.new_keeper {
                room.insert_run(Run { live: lost, phase: Phase::Waiting, unwell: 0 });
            } else {
                room.lost(lost, same_boot);
            }
        }
        let mut begun = BTreeMap::new();
        for (known, held) in held {
            let unwritten = known.is_none() && !held.recorded;
            let LiveRun { incarnation, replica, started_by, start, .. } = &held.intent;
            if unwritten {
                let launch: &mut Begun = begun.entry(*incarnation).or_default();
                launch.replicas.insert(*replica);
                (launch.by, launch.at) = (Some(started_by.clone()), *start);
            }
            room.adopt(held, known);
        }
        for (incarnation, launch) in &begun {
            room.go_on_with(*incarnation, launch);
        }
        room.wait_again();
        if found.stopping {
            room.shutdown();
        } else {
            room.start_again(found.new_keeper, |incarnation| booted && !begun.contains_key(&incarnation));
        }
        let plan = room.finish();
        (room, plan)
    }

    fn settle_seat(&mut self, incarnation: Incarnation, replica: u32, rest: StoredRest, same_boot: bool) {
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        task.seat_mut(replica, |seat| {
            seat.rest = match rest {
                StoredRest::Pause { until, failures } if same_boot => {
                    seat.failures = failures;
                    Rest::Pause(until)
                }
                StoredRest::Pause { .. } => Rest::Idle,
                StoredRest::Again => Rest::Again,
                StoredRest::Finished { success } => Rest::Finished { success },
                StoredRest::Failed => Rest::Failed,
            };
            seat.spawned = matches!(seat.rest, Rest::Finished { .. } | Rest::Failed | Rest::Pause(_));
        });
    }

    /// A run that the keeper holds goes on.
    fn adopt(&mut self, held: Held, known: Option<LiveRun>) {
        let Held { intent, exit, tree_empty, recorded } = held;
        let run = intent.run;
        let mut live = known.unwrap_or_else(|| LiveRun { over: recorded, ..intent.clone() });
        if self.tasks.get(&live.incarnation).is_none_or(|task| live.replica as usize >= task.seats.len()) {
            if live.attached && live.stopped_by.is_none() {
                live.stopped_by = Some(StoppedBy::Unknown);
            }
            live.attached = false;
        }
        live.attached &= !live.over;
        live.leader = live.leader.or(intent.leader);
        live.start = live.start.or(intent.start);
        live.born = live.born.or(intent.born);
        live.log_from = live.log_from.or(intent.log_from);
        let (over, stopping, ready) = (live.over, live.stopped_by.is_some(), live.ready);
        if let Some(at) = live.kill_at {
            self.alarms.set(Alarm::Kill(run), at);
        }
        let phase = match live.leader {
            _ if over => Phase::Leftover,
            None if exit.is_none() => Phase::Launching,
            _ => Phase::Up,
        };
        let (incarnation, replica, attached) = (live.incarnation, live.replica, live.attached);
        self.insert_run(Run { live, phase, unwell: 0 });
        if let Some(task) = self.tasks.get_mut(&incarnation).filter(|_| attached) {
            task.seat_mut(replica, |seat| (seat.spawned, seat.ready) = (true, ready));
        }
        match exit {
            Some(exit) => self.exited(&Exit { tree_empty, ..exit }),
            None if over && tree_empty => self.gone(run),
            None if over => {}
            None if phase == Phase::Launching && stopping => return self.effect(Effect::Withdraw { run }),
            None if phase == Phase::Launching => return,
            None if stopping => return self.stop_again(run),
            None => return self.watch_again(run),
        }
        if over && self.runs.contains_key(&run) {
            self.sweep(run);
        }
    }

    /// A launch of which the keeper has runs that the disk has not heard of: the last core died between acting and
    /// writing. What was decided stays decided, so it is neither queued nor due any more, and the replicas that did
    /// not get as far are started now.
    fn go_on_with(&mut self, incarnation: Incarnation, Begun { by, at, replicas }: &Begun) {
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        let queued = task.standing.queued.as_ref().filter(|queued| Some(&queued.by) == by.as_ref());
        let seats = match (queued, by) {
            (Some(queued), _) => queued.seats,
            (None, Some(StartedBy::Schedule(_) | StartedBy::HostBoot)) => Seats::Idle,
            // A restart is about one replica, and a recovery about what this one finds as well.
            (None, _) => return,
        };
        for replica in (0..).take(task.seats.len()).filter(|replica| !replicas.contains(replica)) {
            task.seat_mut(replica, |seat| {
                if seat.is_meant(seats) {
                    seat.rest = Rest::Again;
                }
            });
            self.scratch.seats.insert((incarnation, replica));
        }
        task.standing.last_time = at.or(task.standing.last_time);
        self.unqueue(incarnation);
        if let Some(StartedBy::Schedule(due)) = by {
            self.has_fired(incarnation, *due);
        }
    }

    /// The run had been told to end; whether it was told indeed is not known. It keeps the time it had.
    fn stop_again(&mut self, run: RunId) {
        let kill_at = self.alarms.get(Alarm::Kill(run));
        self.signal_stop(run);
        if let Some(at) = kill_at {
            self.alarms.set(Alarm::Kill(run), at);
        }
    }

    /// Probes of a run that goes on begin again.
    fn watch_again(&mut self, run: RunId) {
        let now = self.scratch.now.mono;
        let Some(known) = self.runs.get(&run) else { return };
        if !known.live.ready {
            return self.watch_ready(run);
        }
        let task = self.tasks.get(&known.live.incarnation);
        if let Some(health) = task.and_then(|task| task.stored.definition.health.as_ref()) {
            self.alarms.set(Alarm::Probe(run), now + health.interval);
        }
    }

    /// A run that nobody holds any more.
    fn lost(&mut self, live: LiveRun, same_boot: bool) {
        let LiveRun { run, incarnation, replica, over, stopped_by, .. } = live.clone();
        let ran = live.leader.is_some();
        let task = self.tasks.get(&incarnation).filter(|task| (replica as usize) < task.seats.len());
        let attached = live.attached && !over && task.is_some();
        // A stop of ours other than the shutdown has had its effect: such a once run is not to be repeated.
        let wanted = attached && matches!(stopped_by, None | Some(StoppedBy::Shutdown));
        let phase = if over { Phase::Leftover } else { Phase::Foreign };
        self.insert_run(Run { live: LiveRun { attached: false, over: true, ..live }, phase, unwell: 0 });
        if !over {
            self.interrupted(run);
        }
        if let Some(task) = self.tasks.get_mut(&incarnation).filter(|_| attached) {
            let kind = task.stored.definition.kind.clone();
            task.seat_mut(replica, |seat| {
                seat.spawned = ran;
                seat.rest = match kind {
                    Kind::Daemon(_) => Rest::Idle,
                    Kind::Once if wanted => Rest::Again,
                    Kind::Cron(_) if !ran && wanted => Rest::Again,
                    Kind::Once | Kind::Cron(_) => Rest::Finished { success: false },
                };
            });
            self.scratch.seats.insert((incarnation, replica));
        }
        if same_boot {
            let grace = self.runs.get(&run).map_or(Duration::ZERO, |known| known.live.stop_timeout);
            self.end_foreign(run, grace);
        } else {
            self.gone(run);
        }
    }

    /// Runs that the keeper has not heard of yet: launched now, or ended if that had been asked meanwhile.
    fn wait_again(&mut self) {
        for run in self.runs_in(Phase::Waiting) {
            let Some(LiveRun { incarnation, replica, stopped_by, .. }) =
                self.runs.get(&run).map(|known| known.live.clone())
            else {
                continue;
            };
            let seat = self.tasks.get(&incarnation).and_then(|task| task.seats.get(replica as usize));
            match stopped_by.or_else(|| seat.is_none().then_some(StoppedBy::Unknown)) {
                Some(why) => self.stop_run(run, why, false),
                None => self.launch_if_free(run),
            }
        }
    }

    /// Has what is left of a run of an earlier keeper ended.
    pub(super) fn end_foreign(&mut self, run: RunId, grace: Duration) {
        let Some(known) = self.runs.get_mut(&run) else { return };
        known.phase = Phase::Foreign;
        let (leader, signal) = (known.live.leader, known.live.stop_signal);
        self.scratch.lives.insert(run);
        self.effect(Effect::EndLeftover { run, leader, signal, grace });
    }

    /// Starts what was running, and takes up what was waiting.
    fn start_again(&mut self, new_keeper: bool, booted: impl Fn(Incarnation) -> bool) {
        self.clock_went_back();
        for incarnation in self.tasks.keys().copied().collect::<Vec<_>>() {
            let Some(task) = self.tasks.get_mut(&incarnation).filter(|task| !task.standing.stopped) else { continue };
            let daemon = matches!(task.stored.definition.kind, Kind::Daemon(_));
            let mut again = Vec::new();
            for replica in (0..).take(task.seats.len()) {
                task.seat_mut(replica, |seat| {
                    // A daemon's replica that is not known to rest was meant to run; a pause of another life is over.
                    let due =
                        daemon && (seat.rest == Rest::Idle || (new_keeper && matches!(seat.rest, Rest::Pause(_))));
                    if seat.runs.is_empty() && due {
                        seat.rest = Rest::Again;
                    }
                    match seat.rest {
                        Rest::Again if seat.runs.is_empty() => again.push(replica),
                        Rest::Pause(until) if seat.runs.is_empty() => {
                            self.alarms.set(Alarm::Start(incarnation, replica), until);
                        }
                        Rest::Again | Rest::Pause(_) | Rest::Idle | Rest::Finished { .. } | Rest::Failed => {}
                    }
                });
            }
            match task.standing.queued.clone() {
                Some(Queued { by, seats }) => self.launch_task(incarnation, by, seats),
                None if again.is_empty() => {}
                None if new_keeper => self.launch_task(incarnation, StartedBy::Recovery, Seats::Again),
                None => again.into_iter().for_each(|replica| self.begin_run(incarnation, replica, StartedBy::Recovery)),
            }
            self.take_up_schedule(incarnation, booted(incarnation));
        }
    }

    fn take_up_schedule(&mut self, incarnation: Incarnation, booted: bool) {
        let Some(task) = self.tasks.get(&incarnation) else { return };
        let Some(schedule) = task.definition().schedule() else { return };
        if schedule.cron.is_reboot() && booted && task.tally.busy == 0 {
            return self.launch_task(incarnation, StartedBy::HostBoot, Seats::Idle);
        }
        if task.standing.cursor.is_none() {
            return self.schedule_from_now(incarnation);
        }
        self.look_at_schedule(incarnation);
        self.scratch.idle.insert(incarnation);
    }
}

/// Numbers go on behind everything that may have been handed out.
fn numbers(stored: &Stored, found: &Found) -> Numbers {
    let held = found.held.iter().map(|held| held.intent.run.0 + 1).max().unwrap_or(0);
    let next = stored.ceiling.max(held).max(found.logged + 1);
    Numbers { next, ceiling: next }
}
