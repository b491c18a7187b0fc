//! What a client's ask must be answered with, and what follows from it.

use super::rules::Run;
use super::{Oracle, Step};
use crate::dag::machine::{Ask, Refusal, Verdict};
use crate::dag::model::{DagRunId, Edit, State, TaskId, Work};
use std::rc::Rc;

impl Oracle {
    pub(super) fn asked(&mut self, ask: &Ask, step: &Step<'_>) {
        let verdict = step.plan.verdict.as_ref().expect("an ask is answered");
        if let Verdict::Refused(Refusal::ShuttingDown) = verdict {
            assert!(self.ending, "refused without reason: {ask:?}");
            return;
        }
        match ask {
            Ask::Submit(_) => {
                let Verdict::Submitted(id) = verdict else { panic!("a submission is accepted, not {verdict:?}") };
                assert!(!self.purged.contains(id), "run {id} was there before");
                let sketch = step.sketch.as_ref().expect("a submission has a sketch");
                let before = self.runs.insert(*id, Run::new(Rc::clone(sketch)));
                assert!(before.is_none(), "run {id} is there already");
            }
            Ask::SetState(id, state) => self.set_state(*id, *state, verdict),
            Ask::Kill(id) => {
                let Some(run) = self.known(*id, verdict) else { return };
                if run.state().is_over() {
                    assert_eq!(*verdict, Verdict::AlreadySo, "a kill of run {id}, which is over");
                } else {
                    assert_eq!(*verdict, Verdict::Accepted, "a kill of run {id}");
                    run.kill();
                }
            }
            Ask::KillTask(id, task) => self.kill_task(*id, *task, verdict),
            Ask::Edit(id, task, edit) => self.edit(*id, *task, edit, verdict),
            Ask::Purge(id) => self.purge(*id, verdict),
            Ask::PutDag(_) | Ask::DeleteDag(_) => {}
        }
    }

    /// The run, if there is one; else it must have been refused.
    fn known(&mut self, id: DagRunId, verdict: &Verdict) -> Option<&mut Run> {
        let run = self.runs.get_mut(&id);
        if run.is_none() {
            assert_eq!(*verdict, Verdict::Refused(Refusal::NoRun(id)));
        }
        run
    }

    fn set_state(&mut self, id: DagRunId, to: State, verdict: &Verdict) {
        let Some(run) = self.known(id, verdict) else { return };
        let from = run.state();
        let expected = match (from, to) {
            (_, State::Retry | State::Errored | State::Completed) | (State::Completed, _) => None,
            (State::Paused, State::Paused) | (State::Killed, State::Killed) => Some(Verdict::AlreadySo),
            (State::Queued | State::Running, State::Paused | State::Killed)
            | (State::Paused, State::Queued | State::Running | State::Killed)
            | (State::Errored | State::Killed, State::Queued | State::Running) => Some(Verdict::Accepted),
            _ => None,
        };
        let refused = Verdict::Refused(Refusal::Transition { run: id, from, to });
        assert_eq!(*verdict, expected.unwrap_or(refused), "run {id}: {from:?} to {to:?}");
        if *verdict != Verdict::Accepted {
            return;
        }
        match (from, to) {
            (_, State::Killed) => run.kill(),
            (_, State::Paused) => run.history.push(State::Paused),
            (State::Paused, _) => run.history.push(State::Queued),
            _ => run.restart(),
        }
    }

    fn kill_task(&mut self, id: DagRunId, task: TaskId, verdict: &Verdict) {
        let Some(run) = self.known(id, verdict) else { return };
        let Some(place) = run.place(task) else {
            return assert_eq!(*verdict, Verdict::Refused(Refusal::NoTask(id)));
        };
        let over = matches!(run.tasks[place].state, State::Completed | State::Errored | State::Killed);
        // Of a run that is over, a task that waits for nothing may be left alone.
        if over || run.state().is_over() && *verdict == Verdict::AlreadySo {
            return assert_eq!(*verdict, Verdict::AlreadySo, "run {id}: a kill of {task:?}, which is over");
        }
        assert_eq!(*verdict, Verdict::Accepted, "run {id}: a kill of {task:?}");
        run.kill_task(place);
    }

    fn edit(&mut self, id: DagRunId, task: TaskId, edit: &Edit, verdict: &Verdict) {
        let Some(run) = self.known(id, verdict) else { return };
        let Some(place) = run.place(task) else {
            return assert_eq!(*verdict, Verdict::Refused(Refusal::NoTask(id)));
        };
        let state = run.tasks[place].state;
        let Verdict::Refused(why) = verdict else {
            assert_eq!(*verdict, Verdict::Accepted, "an edit of {task:?}");
            let free = run.state() == State::Paused || run.state().is_over();
            assert!(
                free && state != State::Completed && !run.tasks[place].passing && run.running(place).is_none(),
                "an edit of {task:?} in {run:?}"
            );
            run.tasks[place].untouched = false;
            let task = &mut run.tasks[place];
            match edit {
                Edit::Done | Edit::Skip => (task.state, task.due) = (State::Completed, None),
                Edit::Job(job) => {
                    (task.needs, task.step, task.edited) = (job.needs, matches!(job.work, Work::Step(_)), true);
                    task.timeout = job.timeout.map(|limit| limit.as_secs());
                }
            }
            return;
        };
        let right = match why {
            Refusal::Active(_) => matches!(run.state(), State::Queued | State::Running),
            Refusal::TaskRunning | Refusal::StillEnding(_) => run.running(place).is_some() || run.tasks[place].passing,
            Refusal::TaskCompleted => state == State::Completed,
            _ => false,
        };
        assert!(right, "an edit of {task:?} is refused with {why:?}: {run:?}");
    }

    fn purge(&mut self, id: DagRunId, verdict: &Verdict) {
        let Some(run) = self.known(id, verdict) else { return };
        let expected = match () {
            () if !run.state().is_over() => Verdict::Refused(Refusal::Active(id)),
            () if !run.lives.is_empty() => Verdict::Refused(Refusal::StillEnding(id)),
            () => Verdict::Accepted,
        };
        assert_eq!(*verdict, expected, "a purge of {run:?}");
        if *verdict == Verdict::Accepted {
            self.runs.remove(&id);
            self.purged.insert(id);
        }
    }
}
