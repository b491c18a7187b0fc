//! The declarative ask: these tasks shall be so.
//!
//! Only what differs is touched. A task whose processes would be the same is adjusted around them; a cron task is
//! never interrupted, its next firing is the first of the new kind; what an operator had stopped stays stopped.

use super::stored::Seats;
use super::words::{Asker, Difference, Effect, Offer, Refusal, Verdict, What, Write};
use super::{Alarm, Phase, Room};
use crate::proc::model::{Definition, Incarnation, StartedBy, StoppedBy, TaskName};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

impl Room {
    pub(super) fn apply(&mut self, offers: Vec<Offer>, dry_run: bool, by: &Asker) -> Result<Verdict, Refusal> {
        let differences = self.compare(&offers, by)?;
        let as_is = differences.iter().all(|(_, difference)| *difference == Difference::Unchanged);
        if !dry_run {
            for (offer, (_, difference)) in offers.into_iter().zip(&differences) {
                self.make_so(offer, *difference, by);
            }
        }
        self.scratch.plan.differences = differences;
        Ok(if as_is { Verdict::AlreadySo } else { Verdict::Accepted })
    }

    /// What would have to be done, or why it must not.
    fn compare(&self, offers: &[Offer], by: &Asker) -> Result<Vec<(TaskName, Difference)>, Refusal> {
        let mut named = HashMap::new();
        for Offer { definition, .. } in offers {
            self.refuse_too_many(definition.replica)?;
            if named.insert(&definition.name, definition).is_some() {
                return Err(Refusal::Twice(definition.name.clone()));
            }
        }
        self.refuse_cycles(&named)?;
        let differences = offers.iter().map(|offer| self.difference(offer, by)).collect::<Result<Vec<_>, _>>()?;
        // One step begins no more runs than one task may have: the thread that takes it has others to serve.
        let touched = offers.iter().zip(&differences).filter(|(_, difference)| **difference != Difference::Unchanged);
        let replicas: u64 = touched.map(|(offer, _)| u64::from(offer.definition.replica.get())).sum();
        if replicas > u64::from(self.settings.max_replicas) {
            return Err(Refusal::TooManyAtOnce { max: self.settings.max_replicas });
        }
        Ok(offers.iter().map(|offer| offer.definition.name.clone()).zip(differences).collect())
    }

    fn difference(&self, Offer { definition, runs_as }: &Offer, by: &Asker) -> Result<Difference, Refusal> {
        if !self.names.contains_key(&definition.name) {
            return Ok(Difference::Created);
        }
        let task = self.touch(&definition.name, by)?;
        let before = task.definition();
        let cron = before.schedule().is_some() && definition.schedule().is_some();
        Ok(match () {
            () if *runs_as == task.runs_as() && **before == *definition => Difference::Unchanged,
            () if *runs_as == task.runs_as() && (cron || before.same_process(definition)) => Difference::Adjusted,
            () => Difference::Restarted,
        })
    }

    fn make_so(&mut self, offer: Offer, difference: Difference, by: &Asker) {
        let existing = self.names.get(&offer.definition.name).copied();
        match (difference, existing) {
            (Difference::Created, _) | (_, None) => self.add_task(offer, by),
            (Difference::Restarted, Some(incarnation)) => self.replace(incarnation, offer, by),
            (Difference::Adjusted, Some(incarnation)) => self.adjust(incarnation, offer.definition, by),
            (Difference::Unchanged, Some(_)) => {}
        }
    }

    /// Another definition, with new processes.
    fn replace(&mut self, incarnation: Incarnation, offer: Offer, by: &Asker) {
        let client = by.owner.name.clone();
        self.waive(incarnation, true);
        self.clear_task(incarnation, &StoppedBy::Client(client.clone()));
        let Some(task) = self.tasks.get_mut(&incarnation) else { return };
        let before = std::mem::replace(&mut task.stored.definition, Arc::new(offer.definition));
        task.stored.owner = Arc::new(by.owner.clone());
        task.stored.runs_as = offer.runs_as;
        let (stored, stopped) = (task.stored.clone(), task.standing.stopped);
        let (name, has) = (before.name.clone(), stored.definition.replica.get());
        task.resize(has);
        task.standing.cursor = None;
        self.scratch.standings.insert(incarnation);
        self.scratch.seats.extend((has..before.replica.get()).map(|replica| (incarnation, replica)));
        self.scratch.changed.insert(name.clone());
        self.unindex_deps(incarnation, &before);
        self.index_deps(incarnation, &stored.definition);
        self.firings.clear(incarnation);
        self.change(&name, offer.runs_as, What::Changed);
        let scheduled = stored.definition.schedule().is_some();
        self.write(Write::PutTask(stored));
        match () {
            () if scheduled => self.schedule_from_now(incarnation),
            () if stopped => {}
            () => self.launch_task(incarnation, StartedBy::Client(client), Seats::Idle),
        }
    }

    /// Another definition for the same processes.
    fn adjust(&mut self, incarnation: Incarnation, definition: Definition, by: &Asker) {
        let Some(task) = self.tasks.get(&incarnation) else { return };
        let when = |definition: &Definition| {
            definition.schedule().map(|schedule| (schedule.cron.text().to_owned(), schedule.zone))
        };
        let rescheduled = when(task.definition()) != when(&definition);
        self.redefine(incarnation, definition, &by.owner.name);
        if rescheduled {
            self.schedule_from_now(incarnation);
        } else {
            self.set_firing(incarnation);
        }
        self.adjust_runs(incarnation);
    }

    /// Lets the runs of a task follow its definition in how they are stopped and probed.
    fn adjust_runs(&mut self, incarnation: Incarnation) {
        let now = self.scratch.now.mono;
        let Some(task) = self.tasks.get(&incarnation) else { return };
        let definition = task.definition().clone();
        let runs: BTreeSet<_> = task.seats.iter().flat_map(|seat| seat.runs.iter().copied()).collect();
        for run in runs {
            let Some(known) = self.runs.get_mut(&run) else { continue };
            (known.live.stop_signal, known.live.stop_timeout) = (definition.stop_signal, definition.stop_timeout);
            self.scratch.lives.insert(run);
            if known.phase != Phase::Up {
                continue;
            }
            if !known.live.ready {
                self.alarms.clear(Alarm::Probe(run));
                self.effect(Effect::StopProbes { run });
                self.watch_ready(run);
                continue;
            }
            known.unwell = 0;
            match &definition.health {
                Some(health) => self.alarms.set(Alarm::Probe(run), now + health.interval),
                None => self.alarms.clear(Alarm::Probe(run)),
            }
        }
    }
}
