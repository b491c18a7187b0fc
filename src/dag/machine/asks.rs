//! What clients want of runs: submit, kill, pause, resume, restart, edit, forget.

use super::Room;
use super::attempts::Doom;
use super::calendar::Dag;
use super::run::Run;
use super::stored::StoredRun;
use super::words::{Ask, Asker, Effect, Refusal, Submission, Verdict, What, Write};
use crate::base::RunId;
use crate::dag::model::{DagName, DagRunId, Edit, Mark, Owner, RunRow, State, TaskId};
use std::sync::Arc;

impl Room {
    pub(super) fn asked(&mut self, ask: Ask, by: &Asker, found: Option<Box<StoredRun>>) {
        let verdict = if self.is_ending() { Err(Refusal::ShuttingDown) } else { self.admit(ask, by, found) };
        self.scratch.plan.verdict = Some(verdict.unwrap_or_else(Verdict::Refused));
    }

    fn admit(&mut self, ask: Ask, by: &Asker, found: Option<Box<StoredRun>>) -> Result<Verdict, Refusal> {
        if let Some(id) = ask.run() {
            self.take_up(id, found);
            let run = self.runs.get(&id).ok_or(Refusal::NoRun(id))?;
            if !by.all && run.row.runs_as != by.owner.uid {
                return Err(Refusal::NoRun(id));
            }
        }
        let name = &by.owner.name;
        match ask {
            Ask::Submit(submission) => {
                let key = submission.key.clone();
                let id = self.submit(*submission, Arc::new(by.owner.clone()));
                if let Some((key, digest)) = key {
                    self.scratch.write(Write::PutKey { uid: by.owner.uid, key, digest, run: id });
                }
                Ok(Verdict::Submitted(id))
            }
            Ask::SetState(id, state) => self.set_state(id, state, name),
            Ask::Kill(id) => Ok(self.kill_unless_over(id, name)),
            Ask::KillTask(id, task) => self.kill_task(id, task, name),
            Ask::Edit(id, task, edit) => self.edit(id, task, edit, name),
            Ask::Purge(id) => self.purge(id),
            Ask::PutDag(dag) => self.put_dag(*dag, by),
            Ask::DeleteDag(dag) => self.delete_dag(&dag, by),
        }
    }

    /// Holds a run that only the store had, for this step and as long as it is needed.
    fn take_up(&mut self, id: DagRunId, found: Option<Box<StoredRun>>) {
        let Some(stored) = found.filter(|stored| stored.row.id == id && stored.row.state().is_over()) else { return };
        self.runs.entry(id).or_insert_with(|| Run::of_stored(&stored));
        self.scratch.touched.insert(id);
    }

    /// A new run, which begins at once.
    pub(super) fn submit(&mut self, submission: Submission, owner: Arc<Owner>) -> DagRunId {
        let Submission { blueprint, text, runs_as, origin, key: _ } = submission;
        let id = self.next_run;
        self.next_run = DagRunId(id.0 + 1);
        self.put_numbers();
        self.scratch.write(Write::PutText(id, text));
        let now = self.scratch.now.wall;
        let row = RunRow {
            id,
            tag: blueprint.tag.clone(),
            history: Vec::new(),
            last_update: now,
            counts: Default::default(),
            pass: 0,
            resets: Vec::new(),
            owner,
            runs_as,
            origin,
        };
        let mut run = Run::new(row, blueprint);
        run.begin(&mut self.scratch);
        run.rebuild(&mut self.scratch);
        self.runs.insert(id, run);
        self.count_for_dag(id);
        id
    }

    fn set_state(&mut self, id: DagRunId, to: State, by: &str) -> Result<Verdict, Refusal> {
        let from = self.runs.get(&id).map(Run::state).ok_or(Refusal::NoRun(id))?;
        match (from, to) {
            (State::Queued | State::Running, State::Paused) => self.enter(id, State::Paused),
            (State::Queued | State::Running | State::Paused, State::Killed) => self.kill(id, by),
            (State::Paused, State::Queued | State::Running) => self.resume(id),
            (State::Errored | State::Killed, State::Queued | State::Running) => self.restart(id),
            (State::Paused, State::Paused) | (State::Killed, State::Killed) => return Ok(Verdict::AlreadySo),
            (State::Queued | State::Running, State::Queued | State::Running)
            | (State::Errored, State::Paused | State::Killed)
            | (State::Killed, State::Paused)
            | (State::Completed | State::Retry, _)
            | (_, State::Retry | State::Errored | State::Completed) => {
                return Err(Refusal::Transition { run: id, from, to });
            }
        }
        Ok(Verdict::Accepted)
    }

    pub(super) fn enter(&mut self, id: DagRunId, state: State) {
        if let Some(run) = self.runs.get_mut(&id) {
            run.enter(state, &mut self.scratch);
        }
    }

    fn resume(&mut self, id: DagRunId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if run.edited {
            run.rebuild(&mut self.scratch);
        }
        run.begin(&mut self.scratch);
    }

    fn kill_unless_over(&mut self, id: DagRunId, by: &str) -> Verdict {
        if self.runs.get(&id).is_some_and(|run| run.state().is_over()) {
            return Verdict::AlreadySo;
        }
        self.kill(id, by);
        Verdict::Accepted
    }

    /// The run is over; what runs of it is ended, and recorded when it has.
    pub(super) fn kill(&mut self, id: DagRunId, by: &str) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let active: Vec<_> = run.live.iter().copied().collect();
        for (task, _) in &active {
            if run.task(*task) == Some(State::Running) {
                run.set(*task, State::Killed, None, &mut self.scratch);
            }
        }
        for task in std::mem::take(&mut run.retrying) {
            run.set(task, State::Killed, None, &mut self.scratch);
        }
        // What the other executor has was never started: no attempt will tell of it.
        if let Some(passing) = run.passing.take() {
            let TaskId { group, index } = passing.first;
            let running = run.group(group).map(|known| known.stretches(index..index + passing.count, State::Running));
            for (range, after) in running.into_iter().flatten() {
                run.paint(group, range.clone(), State::Running, State::Killed, &mut self.scratch);
                let (task, count) = (TaskId { group, index: range.start }, range.end - range.start);
                let (mark, pass) = (Mark::Killed(by.to_owned()), run.row.pass);
                self.scratch.write(Write::PutMark { run: id, task, count, pass, after, mark });
            }
        }
        run.enter(State::Killed, &mut self.scratch);
        for (_, slot) in active {
            self.doom(slot, Doom::Killed(Some(by.to_owned())));
        }
    }

    fn kill_task(&mut self, id: DagRunId, task: TaskId, by: &str) -> Result<Verdict, Refusal> {
        let run = self.runs.get_mut(&id).ok_or(Refusal::NoRun(id))?;
        let state = run.task(task).ok_or(Refusal::NoTask(id))?;
        if state.is_over() || run.state().is_over() {
            return Ok(Verdict::AlreadySo);
        }
        run.mark(task, Mark::Killed(by.to_owned()), &mut self.scratch);
        run.settle(task.group, &mut self.scratch);
        let slots: Vec<RunId> = run.lives(task).collect();
        slots.into_iter().for_each(|slot| self.doom(slot, Doom::Killed(Some(by.to_owned()))));
        Ok(Verdict::Accepted)
    }

    fn edit(&mut self, id: DagRunId, task: TaskId, edit: Edit, by: &str) -> Result<Verdict, Refusal> {
        let under_way = self.attempt(id, task).is_some();
        let run = self.runs.get_mut(&id).ok_or(Refusal::NoRun(id))?;
        match (run.task(task).ok_or(Refusal::NoTask(id))?, run.state()) {
            (State::Completed, _) => return Err(Refusal::TaskCompleted),
            (State::Running, _) => return Err(Refusal::TaskRunning),
            (_, State::Queued | State::Running | State::Retry) => return Err(Refusal::Active(id)),
            // Its attempt, when it ends, would say something else.
            _ if under_way => return Err(Refusal::StillEnding(id)),
            (_, State::Paused | State::Errored | State::Killed | State::Completed) => {}
        }
        match edit {
            Edit::Job(job) => run.change_job(task, job, &mut self.scratch),
            Edit::Done => run.mark(task, Mark::Done(by.to_owned()), &mut self.scratch),
            Edit::Skip => run.mark(task, Mark::Skipped(by.to_owned()), &mut self.scratch),
        }
        if run.state() == State::Paused {
            run.edited = true;
            run.resume_retries(&mut self.scratch);
        } else {
            self.scratch.rows.insert(id);
        }
        Ok(Verdict::Accepted)
    }

    fn purge(&mut self, id: DagRunId) -> Result<Verdict, Refusal> {
        let run = self.runs.get(&id).ok_or(Refusal::NoRun(id))?;
        if !run.state().is_over() {
            return Err(Refusal::Active(id));
        }
        if !run.live.is_empty() {
            return Err(Refusal::StillEnding(id));
        }
        let owner = run.row.runs_as;
        self.runs.remove(&id);
        self.scratch.write(Write::DeleteRun(id));
        self.scratch.effect(Effect::RemoveOutput(id));
        self.scratch.change(owner, What::Purged(id));
        Ok(Verdict::Accepted)
    }

    fn put_dag(&mut self, dag: Dag, by: &Asker) -> Result<Verdict, Refusal> {
        let (name, text, runs_as) = (dag.name.clone(), dag.text.clone(), dag.runs_as);
        if self.calendar.get(name.as_str()).is_some_and(|known| !may_touch(by, known)) {
            return Err(Refusal::NotYours(name));
        }
        let row = self.calendar.put(dag, self.scratch.now);
        self.scratch.write(Write::PutDag(Box::new(row)));
        self.scratch.write(Write::PutDagText(name.clone(), text));
        self.scratch.change(runs_as, What::Dag(name));
        Ok(Verdict::Accepted)
    }

    fn delete_dag(&mut self, name: &DagName, by: &Asker) -> Result<Verdict, Refusal> {
        let known = self.calendar.get(name.as_str()).filter(|dag| may_touch(by, dag));
        let owner = known.map(|dag| dag.runs_as).ok_or_else(|| Refusal::NoDag(name.clone()))?;
        self.calendar.remove(name);
        self.scratch.write(Write::DeleteDag(name.clone()));
        self.scratch.change(owner, What::Dag(name.clone()));
        Ok(Verdict::Accepted)
    }
}

/// Whether he may replace or remove a stored DAG.
fn may_touch(by: &Asker, dag: &Dag) -> bool {
    by.all || dag.owner.uid == by.owner.uid
}
