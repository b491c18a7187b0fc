//! The hands of the room: whoever carries an attempt out.
//!
//! ```text
//!                     ┌─ command ──> local ──> keeper
//!   Launch ──whose?───┼─ step ─────> steps ──> proc
//!                     └─ no-op ────> noop
//! ```
//!
//! What comes of an attempt is told to the driver as a [`Message`]: never from within a call, so that the driver serves
//! its mailbox in between.

mod local;
mod noop;
mod steps;

pub(super) use local::{Known, Local, Phase, collect, exit};
use noop::Noop;
use steps::Steps;

use crate::base::{Mono, Now, RunId};
use crate::dag::engine::{Message, Settings, Tools};
use crate::dag::machine::{End, How, Launch};
use crate::dag::model::{DagRunId, Executor as Kind, Job, Kept, TaskId, Work};
use crate::keeper as kept;
use crate::logs::Stem;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// Carries attempts out.
trait Executor {
    /// Starts an attempt. Its start, if it gets that far, and its end are told to the driver.
    fn start(&mut self, launch: Launch, job: Arc<Job>);

    /// Ends an attempt, kindly or by force. Nothing happens if it is not one of its own.
    fn stop(&mut self, slot: RunId, force: bool);
}

/// All executors.
pub(super) struct Hands {
    local: Local,
    steps: Steps,
    noop: Noop,
    own: UnboundedSender<Message>,
}

impl Hands {
    /// Hands that already hold these processes.
    pub fn new(tools: &Tools, settings: &Settings, own: &UnboundedSender<Message>, local: Local) -> Hands {
        let steps = Steps::new(tools.tasks.clone(), tools.bus.clone(), own.clone(), settings.own_uid);
        Hands { local, steps, noop: Noop::new(own.clone()), own: own.clone() }
    }

    /// Starts an attempt.
    pub fn start(&mut self, launch: Launch) {
        let job = match &launch.edited {
            Some(job) => Ok(job.clone()),
            None => launch.template.job(launch.live.task.index).map(Arc::new),
        };
        let job = match job {
            Ok(job) => job,
            Err(why) => {
                let end = ended(launch.live.slot, not_started(126, why));
                let _ = self.own.send(Message::Ended(Box::new(end))); // the driver is the caller
                return;
            }
        };
        let executor: &mut dyn Executor = match (launch.executor(), &job.work) {
            (Kind::Noop, _) => &mut self.noop,
            (Kind::Local, Work::Command { .. }) => &mut self.local,
            (Kind::Local, Work::Step(_)) => &mut self.steps,
        };
        executor.start(launch, job);
    }

    /// Ends an attempt.
    pub fn stop(&mut self, slot: RunId, force: bool) {
        self.local.stop(slot, force);
        self.steps.stop(slot, force);
    }

    /// Passes fresh tasks of a run that executes nothing.
    pub fn pass(&self, run: DagRunId, first: TaskId, count: u32) {
        self.noop.pass(run, first, count);
    }

    /// An attempt is over: it is known no more, and the files that are to go are answered.
    pub fn over(&mut self, end: &mut End) -> Vec<Stem> {
        self.steps.over(end.slot);
        self.local.over(end)
    }

    /// The local executor, for what only it hears.
    pub fn local(&mut self) -> &mut Local {
        &mut self.local
    }

    /// How many attempts run, or are about to.
    pub fn busy(&self) -> usize {
        self.local.known() + self.steps.running()
    }

    /// How many of them are processes.
    pub fn processes(&self) -> usize {
        self.local.processes()
    }

    /// When [`Local::watch_due`] is owed.
    pub fn deadline(&self) -> Option<Mono> {
        self.local.deadline()
    }
}

/// The longest reason, in characters: it may quote what the run's owner wrote, and each one is kept.
const WHY_MAX: usize = 1_000;

/// It never was a process.
pub(super) fn not_started(rc: i32, why: impl ToString) -> How {
    How::NotStarted { rc, why: why.to_string().chars().take(WHY_MAX).collect() }
}

/// The end, now, of an attempt that has left no process and no output.
pub(super) fn ended(slot: RunId, how: How) -> End {
    End {
        slot,
        seq: None,
        how,
        at: Now::read().wall,
        tree_empty: true,
        output: Kept::default(),
        errors: Kept::default(),
        usage: None,
        generated: None,
    }
}

/// What the keeper says of a child that it could not start.
fn refused(stage: &kept::Stage, errno: i32) -> How {
    let missing = matches!(stage, kept::Stage::Exec(_)) && errno == nix::libc::ENOENT;
    not_started(if missing { 127 } else { 126 }, stage.explain(errno))
}

#[cfg(test)]
pub(super) mod tests;
