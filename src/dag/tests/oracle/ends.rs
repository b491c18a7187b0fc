//! What must be made of an attempt's end.

use super::rules::{Live, NotAttached, Run};
use super::{Oracle, Step, recorded};
use crate::dag::machine::{End, How};
use crate::dag::model::{Attempt, DagRunId, Outcome, State};

/// What may be recorded of an end.
struct Allowed {
    outcomes: Vec<Outcome>,
    /// The run with what the generator has added, if it succeeded.
    attached: Option<Box<Run>>,
    /// The code to record; none: any but 0.
    rc: Option<i32>,
}

impl Oracle {
    pub(super) fn ended(&mut self, end: &End, step: &Step<'_>) {
        if self.strays.contains(&end.slot) {
            if end.tree_empty {
                self.strays.remove(&end.slot);
            }
            return;
        }
        let Some((id, at)) = self.find(end.slot) else { return };
        let ending = self.ending;
        let run = self.runs.get_mut(&id).unwrap();
        if run.lives[at].ended {
            let again = recorded(step.plan, id, run.tasks[run.lives[at].task].id, run.lives[at].number);
            assert!(again.is_none(), "recorded again: {again:?}");
        } else {
            run.attempt_ends(id, at, end, ending, step);
        }
        self.close(end);
    }

    /// Forgets the attempt, or waits for its tree.
    fn close(&mut self, end: &End) {
        if let Some(live) = self.live_mut(end.slot) {
            (live.ended, live.lost) = (true, false);
        }
        if end.tree_empty {
            self.gone(end.slot);
        }
    }
}

impl Run {
    fn attempt_ends(&mut self, id: DagRunId, at: usize, end: &End, ending: bool, step: &Step<'_>) {
        let live = self.lives[at].clone();
        let task = self.tasks[live.task].id;
        let Some(record) = recorded(step.plan, id, task, live.number) else {
            // What never was a process may be forgotten, if nobody wants it any more.
            let never = matches!(end.how, How::NotStarted { .. }) && (live.killed || ending);
            assert!(never, "run {id}: the end of {live:?} is not recorded: {end:?}");
            return self.forget(&live);
        };
        let allowed = self.allowed(&live, end, ending, step);
        let outcome = record.outcome;
        assert!(allowed.outcomes.contains(&outcome), "run {id}: {live:?} ended with {end:?}: {record:?} in {self:?}");
        check_record(&live, end, record, &allowed);
        if outcome == Outcome::Completed
            && let Some(attached) = allowed.attached
        {
            *self = *attached;
        }
        self.settle(&live, record);
    }

    /// An attempt that was none.
    fn forget(&mut self, live: &Live) {
        let task = &mut self.tasks[live.task];
        if task.state == State::Running {
            task.state = State::Queued;
        }
    }

    /// What the task is after this attempt.
    pub(super) fn settle(&mut self, live: &Live, record: &Attempt) {
        let pause = self.pause(live.task);
        let task = &mut self.tasks[live.task];
        task.attempts = live.number;
        if live.killed || live.pass != self.pass {
            return;
        }
        assert_eq!(task.state, State::Running, "what has ended ran");
        task.used += u32::from(record.outcome != Outcome::Interrupted);
        (task.state, task.due) = match record.outcome {
            Outcome::Completed => (State::Completed, None),
            Outcome::Retry => (State::Retry, Some(record.stop + pause)),
            Outcome::Errored => (State::Errored, None),
            Outcome::Interrupted => (State::Queued, None),
            Outcome::Killed => (State::Killed, None),
        };
        self.stop_retries();
    }

    fn failure(&self, task: usize) -> Outcome {
        match self.after_failure(task) {
            State::Retry => Outcome::Retry,
            _ => Outcome::Errored,
        }
    }

    fn allowed(&self, live: &Live, end: &End, ending: bool, step: &Step<'_>) -> Allowed {
        let failure = self.failure(live.task);
        let mut allowed = Allowed { outcomes: Vec::new(), attached: None, rc: None };
        match &end.how {
            How::Signal { signal, .. } => allowed.rc = Some(*signal),
            How::NotStarted { rc, .. } => allowed.rc = Some(*rc),
            How::Code { code, .. } if *code != 0 => allowed.rc = Some(*code),
            How::Code { .. } => {}
        }
        if live.killed {
            allowed.outcomes.push(Outcome::Killed);
            return allowed;
        }
        if ending {
            allowed.outcomes.push(Outcome::Interrupted);
            if !live.late && !matches!(end.how, How::Code { .. }) {
                return allowed;
            }
        }
        if live.late || !matches!(end.how, How::Code { code: 0, .. }) {
            allowed.outcomes.push(failure);
        } else {
            if !ending {
                allowed.rc = Some(0);
            }
            self.succeeds(live, failure, &mut allowed, step);
        }
        allowed
    }

    /// The command has succeeded; a generator has only if its output can be added.
    fn succeeds(&self, live: &Live, failure: Outcome, allowed: &mut Allowed, step: &Step<'_>) {
        if self.group(live.task).prints.is_none() {
            return allowed.outcomes.push(Outcome::Completed);
        }
        let attached = (step.printed)(live.slot).map(|groups| self.attached(live.task, &groups));
        match attached {
            Some(Ok(after)) => {
                allowed.outcomes.push(Outcome::Completed);
                allowed.attached = Some(Box::new(after));
            }
            Some(Err(NotAttached::Perhaps(after))) => {
                allowed.outcomes.extend([Outcome::Completed, failure]);
                allowed.attached = Some(after);
            }
            Some(Err(NotAttached::Never)) | None => allowed.outcomes.push(failure),
        }
    }
}

/// The record says what is known.
fn check_record(live: &Live, end: &End, record: &Attempt, allowed: &Allowed) {
    assert!(record.slot == Some(live.slot) || matches!(end.how, How::NotStarted { .. }), "whose? {record:?}");
    assert_eq!(record.pass, live.pass, "pass of {record:?}");
    let rc_of_success = record.outcome == Outcome::Completed;
    match allowed.rc {
        Some(rc) => assert_eq!(record.rc, rc, "code of {record:?} after {end:?}"),
        None => assert_eq!(record.rc == 0, rc_of_success, "code of {record:?} after {end:?}"),
    }
    assert_eq!(record.remark.is_empty(), rc_of_success || is_plain(live, end, record), "remark of {record:?}");
}

/// Whether nothing has to be said about this end: the command has failed by itself.
fn is_plain(live: &Live, end: &End, record: &Attempt) -> bool {
    let failed = matches!(record.outcome, Outcome::Retry | Outcome::Errored);
    failed && matches!(&end.how, How::Code { code, remark } if *code != 0 && remark.is_empty()) && !live.late
}
