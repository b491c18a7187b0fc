//! What clients want. An ask is refused before anything has changed, or done as a whole.

use super::stored::{Queued, Seats, Standing, StoredTask};
use super::task::{Rest, Task};
use super::words::{Ask, Asker, Offer, Refusal, Scope, Verdict, What, Write};
use super::{Alarm, Room};
use crate::base::RunId;
use crate::proc::model::{
    Command, Definition, Incarnation, Kind, NotRun, Replicas, Signal, StartedBy, StoppedBy, TaskName,
};
use std::collections::HashMap;
use std::sync::Arc;

impl Room {
    pub(super) fn asked(&mut self, ask: Ask, by: &Asker) {
        let verdict = match ask {
            _ if self.is_ending() => Err(Refusal::ShuttingDown),
            Ask::Create(offer) => self.create(*offer, by),
            Ask::Restart(name) => self.restart(&name, by),
            Ask::Delete(name) => self.delete(&name, by),
            Ask::Stop(name) => self.stop(&name, by),
            Ask::Start(name) => self.start(&name, by),
            Ask::Scale { name, replica } => self.scale(&name, replica, by),
            Ask::Signal { name, replica, signal } => self.signal(&name, replica, signal, by),
            Ask::Reload(name) => self.reload(&name, by),
            Ask::Apply { offers, dry_run } => self.apply(offers, dry_run, by),
        };
        self.scratch.plan.verdict = Some(verdict.unwrap_or_else(Verdict::Refused));
    }

    /// The task of this name, if the asker may touch it.
    pub(super) fn touch(&self, name: &TaskName, by: &Asker) -> Result<&Task, Refusal> {
        let task = self.task(name.as_str()).ok_or_else(|| Refusal::NotFound(name.clone()))?;
        if by.all || by.owner.uid == task.runs_as() { Ok(task) } else { Err(Refusal::NotAllowed(name.clone())) }
    }

    pub(super) fn refuse_too_many(&self, replica: Replicas) -> Result<(), Refusal> {
        let max = self.settings.max_replicas;
        if replica.get() > max { Err(Refusal::TooMany { max }) } else { Ok(()) }
    }

    fn create(&mut self, offer: Offer, by: &Asker) -> Result<Verdict, Refusal> {
        let definition = &offer.definition;
        self.refuse_too_many(definition.replica)?;
        if self.names.contains_key(&definition.name) {
            return Err(Refusal::Exists(definition.name.clone()));
        }
        self.refuse_cycles(&HashMap::from([(&definition.name, definition)]))?;
        self.add_task(offer, by);
        Ok(Verdict::Accepted)
    }

    /// A new task, launched unless it is one for the schedule.
    pub(super) fn add_task(&mut self, offer: Offer, by: &Asker) {
        let incarnation = Incarnation(self.number());
        let Offer { definition, runs_as } = offer;
        let scheduled = definition.schedule().is_some();
        let stored =
            StoredTask { incarnation, definition: Arc::new(definition), owner: Arc::new(by.owner.clone()), runs_as };
        self.write(Write::PutTask(stored.clone()));
        self.change(&stored.definition.name, runs_as, What::Created);
        self.scratch.standings.insert(incarnation);
        self.insert_task(Task::new(stored, Standing::default()));
        if scheduled {
            self.schedule_from_now(incarnation);
        } else {
            self.launch_task(incarnation, StartedBy::Client(by.owner.name.clone()), Seats::Idle);
        }
    }

    /// Takes a task into every index.
    pub(super) fn insert_task(&mut self, task: Task) {
        let (incarnation, definition) = (task.incarnation(), task.definition().clone());
        self.names.insert(definition.name.clone(), incarnation);
        self.index_deps(incarnation, &definition);
        self.scratch.changed.insert(definition.name.clone());
        self.tasks.insert(incarnation, task);
    }

    fn restart(&mut self, name: &TaskName, by: &Asker) -> Result<Verdict, Refusal> {
        let incarnation = self.touch(name, by)?.incarnation();
        let client = by.owner.name.clone();
        self.clear_task(incarnation, &StoppedBy::Client(client.clone()));
        self.resume_schedule(incarnation);
        self.launch_task(incarnation, StartedBy::Client(client), Seats::Idle);
        Ok(Verdict::Accepted)
    }

    fn delete(&mut self, name: &TaskName, by: &Asker) -> Result<Verdict, Refusal> {
        let incarnation = self.touch(name, by)?.incarnation();
        self.waive(incarnation, true);
        self.clear_task(incarnation, &StoppedBy::Client(by.owner.name.clone()));
        self.firings.clear(incarnation);
        let Some(task) = self.tasks.remove(&incarnation) else { return Ok(Verdict::Accepted) };
        self.names.remove(name);
        self.unindex_deps(incarnation, task.definition());
        self.scratch.changed.insert(name.clone());
        self.write(Write::DeleteTask { incarnation, name: name.clone(), runs_as: task.runs_as() });
        self.change(name, task.runs_as(), What::Deleted);
        Ok(Verdict::Accepted)
    }

    fn stop(&mut self, name: &TaskName, by: &Asker) -> Result<Verdict, Refusal> {
        let task = self.touch(name, by)?;
        let (incarnation, owner, replicas) = (task.incarnation(), task.runs_as(), task.seats.len());
        let tally = task.tally;
        let active = tally.busy + tally.pausing > 0 || task.standing.queued.is_some();
        let scheduled = task.definition().schedule().is_some();
        // What has ended by itself stays ended, as it ended.
        if task.standing.stopped || !(active || scheduled) {
            (0..).take(replicas).for_each(|replica| self.wait_for_place(name, replica));
            return Ok(Verdict::AlreadySo);
        }
        self.waive(incarnation, true);
        self.clear_task(incarnation, &StoppedBy::Client(by.owner.name.clone()));
        self.firings.clear(incarnation);
        if let Some(task) = self.tasks.get_mut(&incarnation) {
            task.standing.stopped = true;
        }
        self.scratch.standings.insert(incarnation);
        self.change(name, owner, What::Stopped);
        Ok(Verdict::Accepted)
    }

    fn start(&mut self, name: &TaskName, by: &Asker) -> Result<Verdict, Refusal> {
        let task = self.touch(name, by)?;
        let incarnation = task.incarnation();
        let idle = task.seats.iter().any(|seat| seat.runs.is_empty() && !matches!(seat.rest, Rest::Pause(_)));
        let scheduled = task.stored.definition.schedule().is_some();
        match (task.standing.stopped, scheduled) {
            (false, true) => return Ok(Verdict::AlreadySo),
            (false, false) if !idle || task.standing.queued.is_some() => return Ok(Verdict::AlreadySo),
            (true, true) => self.resume_schedule(incarnation),
            (_, false) => self.launch_task(incarnation, StartedBy::Client(by.owner.name.clone()), Seats::Idle),
        }
        Ok(Verdict::Accepted)
    }

    fn scale(&mut self, name: &TaskName, replica: Replicas, by: &Asker) -> Result<Verdict, Refusal> {
        let task = self.touch(name, by)?;
        self.refuse_too_many(replica)?;
        let incarnation = task.incarnation();
        if task.stored.definition.replica == replica {
            return Ok(Verdict::AlreadySo);
        }
        let definition = Definition { replica, ..Definition::clone(&task.stored.definition) };
        self.redefine(incarnation, definition, &by.owner.name);
        Ok(Verdict::Accepted)
    }

    /// Puts another definition in place whose processes are the same as those that run, and adjusts what differs.
    pub(super) fn redefine(&mut self, incarnation: Incarnation, definition: Definition, client: &str) {
        let Some(task) = self.tasks.get(&incarnation) else { return };
        let (before, owner) = (task.stored.definition.clone(), task.runs_as());
        let (had, has) = (before.replica.get(), definition.replica.get());
        // A once task that has ended, or a cron task, gets its new replicas with the next launch.
        let active = match definition.kind {
            Kind::Daemon(_) => {
                let standing = &task.standing;
                standing.last_time.is_some() && !standing.stopped && standing.queued.is_none()
            }
            Kind::Once => task.tally.busy > 0,
            Kind::Cron(_) => false,
        };
        for replica in has..had {
            self.clear_seat(incarnation, replica, &StoppedBy::Client(client.to_owned()));
        }
        self.unindex_deps(incarnation, &before);
        self.index_deps(incarnation, &definition);
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        task.resize(has);
        if matches!(task.standing.queued, Some(Queued { seats: Seats::Again, .. })) {
            // The launch that waits is for what was cut short, and for these now, too.
            for replica in had..has {
                task.seat_mut(replica, |seat| seat.rest = Rest::Again);
                self.scratch.seats.insert((incarnation, replica));
            }
        }
        task.stored.definition = Arc::new(definition);
        let stored = task.stored.clone();
        self.scratch.changed.insert(before.name.clone());
        self.write(Write::PutTask(stored));
        self.change(&before.name, owner, What::Changed);
        if active {
            (had..has).for_each(|replica| {
                self.begin_run(incarnation, replica, StartedBy::Client(client.to_owned()));
            });
        }
        self.reconsider(incarnation);
    }

    fn signal(
        &mut self,
        name: &TaskName,
        replica: Option<u32>,
        signal: Signal,
        by: &Asker,
    ) -> Result<Verdict, Refusal> {
        let task = self.touch(name, by)?;
        if let Some(replica) = replica.filter(|replica| *replica as usize >= task.seats.len()) {
            return Err(Refusal::NoReplica { name: name.clone(), replica });
        }
        let meant = (0..).zip(&task.seats).filter(|(at, _)| replica.is_none_or(|replica| *at == replica));
        let runs: Vec<RunId> = meant.flat_map(|(_, seat)| seat.runs.iter().copied()).collect();
        self.send(name, &runs, signal, Scope::Group)
    }

    fn reload(&mut self, name: &TaskName, by: &Asker) -> Result<Verdict, Refusal> {
        let task = self.touch(name, by)?;
        let definition = task.definition();
        let signal = definition.reload_signal.ok_or_else(|| Refusal::NoReload(name.clone()))?;
        // A program that reloads tells its own workers; behind a shell it is not the leader.
        let scope = match definition.command {
            Command::Argv(_) => Scope::Leader,
            Command::Shell(_) => Scope::Group,
        };
        let runs: Vec<RunId> = task.seats.iter().flat_map(|seat| seat.runs.iter().copied()).collect();
        self.send(name, &runs, signal, scope)
    }

    fn send(&mut self, name: &TaskName, runs: &[RunId], signal: Signal, scope: Scope) -> Result<Verdict, Refusal> {
        match self.signal_up(runs, signal, scope) {
            0 => Err(Refusal::NotRunning(name.clone())),
            _ => Ok(Verdict::Accepted),
        }
    }

    /// Ends what runs of a task and takes it out of the queue: all its replicas are free.
    pub(super) fn clear_task(&mut self, incarnation: Incarnation, why: &StoppedBy) {
        self.waive(incarnation, false);
        self.unqueue(incarnation);
        let replicas = self.tasks.get(&incarnation).map_or(0, |task| task.seats.len());
        (0..).take(replicas).for_each(|replica| self.clear_seat(incarnation, replica, why));
    }

    /// Ends what runs of a replica: it rests.
    fn clear_seat(&mut self, incarnation: Incarnation, replica: u32, why: &StoppedBy) {
        let Some(task) = self.tasks.get(&incarnation) else { return };
        let name = task.name().clone();
        let runs = task.seats.get(replica as usize).map_or_else(Vec::new, |seat| seat.runs.clone());
        runs.into_iter().for_each(|run| self.stop_run(run, why.clone(), true));
        self.wait_for_place(&name, replica);
        self.alarms.clear(Alarm::Start(incarnation, replica));
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        task.seat_mut(replica, super::task::Seat::reset);
        self.scratch.seats.insert((incarnation, replica));
    }

    /// Whoever asked and wants to wait, waits for all that is still ending in this place, told by him or before.
    fn wait_for_place(&mut self, name: &TaskName, replica: u32) {
        let ending: Vec<RunId> = self.runs_at(name, replica).map(|run| run.live.run).collect();
        self.scratch.plan.ending.extend(ending);
    }

    /// A stopped cron task goes by its schedule again; what it left out meanwhile is accounted for.
    fn resume_schedule(&mut self, incarnation: Incarnation) {
        let Some(task) = self.tasks.get_mut(&incarnation).filter(|task| task.standing.stopped) else { return };
        task.standing.stopped = false;
        if let Some(decided) = task.standing.cursor.as_ref().map(|cursor| cursor.decided) {
            self.account(incarnation, decided, self.scratch.now.wall, NotRun::Stopped);
        }
        self.schedule_from_now(incarnation);
    }
}
