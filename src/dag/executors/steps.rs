//! Steps that act on supervised tasks: a DAG may start, restart or stop one, or wait until it is ready.
//!
//! A step has no process. It asks, then waits for changes of that task on the bus until it is as it should be. To start
//! what runs and to stop what is down succeed, so a step that is repeated after a crash does no harm.
//!
//! It has the rights of the user its run runs as, and those of an operator only where that user is the daemon's: whoever
//! may change the run's jobs, or prints them in a generator, is that user.

use super::{Executor, ended};
use crate::base::{Bus, RunId};
use crate::dag::engine::Message;
use crate::dag::machine::{Event, How, Launch};
use crate::dag::model::{Job, Step, StepKind, Work};
use crate::proc::Handle;
use crate::proc::machine::{Ask, Asker, Task, TaskState, Verdict};
use crate::proc::model::{Owner as TaskOwner, TaskName};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

pub(super) struct Steps {
    tasks: Handle,
    bus: Bus,
    own: UnboundedSender<Message>,
    /// The uid the daemon runs as.
    daemon: u32,
    running: HashMap<RunId, AbortHandle>,
}

impl Steps {
    pub fn new(tasks: Handle, bus: Bus, own: UnboundedSender<Message>, daemon: u32) -> Steps {
        Steps { tasks, bus, own, daemon, running: HashMap::new() }
    }

    /// How many are under way.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// This one is not any more.
    pub fn over(&mut self, slot: RunId) {
        self.running.remove(&slot);
    }

    fn ended(own: &UnboundedSender<Message>, slot: RunId, outcome: Result<(), String>) {
        let (code, remark) = outcome.map_or_else(|why| (1, why), |()| (0, String::new()));
        let _ = own.send(Message::Ended(Box::new(ended(slot, How::Code { code, remark })))); // the driver has ended
    }
}

impl Executor for Steps {
    fn start(&mut self, launch: Launch, job: Arc<Job>) {
        let Work::Step(step) = &job.work else { return }; // never: it was chosen by that
        let (slot, step, by) = (launch.live.slot, step.clone(), asker(&launch, self.daemon));
        let _ = self.own.send(Message::Event(Event::Started { slot, leader: None })); // the driver is the caller
        let (tasks, bus, own) = (self.tasks.clone(), self.bus.clone(), self.own.clone());
        let acting = tokio::spawn(async move { Steps::ended(&own, slot, act(&tasks, &bus, step, by).await) });
        self.running.insert(slot, acting.abort_handle());
    }

    fn stop(&mut self, slot: RunId, _: bool) {
        if let Some(acting) = self.running.remove(&slot) {
            acting.abort();
            Steps::ended(&self.own, slot, Err("given up before it was done".to_owned()));
        }
    }
}

/// Whose rights a step has, as supervised tasks know him.
fn asker(launch: &Launch, daemon: u32) -> Asker {
    let all = launch.owner.operator && [daemon, 0].contains(&launch.runs_as);
    Asker { owner: TaskOwner { uid: launch.runs_as, name: launch.owner.name.clone(), operator: all }, all }
}

/// Does it, and returns when it is done.
async fn act(tasks: &Handle, bus: &Bus, step: Step, by: Asker) -> Result<(), String> {
    let name = TaskName::new(&step.name).map_err(|why| why.to_string())?;
    let mut changes = bus.listen(None); // before anything is asked, so that nothing is missed
    let (ask, wait) = match step.kind {
        StepKind::Start => (Some(Ask::Start(name)), false),
        StepKind::Restart => (Some(Ask::Restart(name)), false),
        StepKind::Stop => (Some(Ask::Stop(name)), true),
        StepKind::WaitReady => (None, false),
    };
    if let Some(ask) = ask {
        let answer = tasks.ask(ask, by.clone(), wait).await.map_err(|why| why.to_string())?;
        if let Verdict::Refused(why) = answer.verdict {
            return Err(why.to_string());
        }
    }
    let goal = match step.kind {
        StepKind::Stop => return Ok(()), // the answer has waited for it
        StepKind::Start | StepKind::Restart => Goal::Runs,
        StepKind::WaitReady => Goal::Ready,
    };
    loop {
        let (name, by) = (step.name.clone(), by.clone());
        let progress = tasks.look(move |room| {
            let seen = |task: &&Task| by.all || task.runs_as() == by.owner.uid;
            judge(room.task(&name).filter(seen), &name, goal)
        });
        if let Some(outcome) = progress.await.map_err(|why| why.to_string())? {
            return outcome;
        }
        // Missed events are no reason to wait: the next look tells.
        while changes.next().await.is_ok_and(|news| news.iter().all(|event| event.name != step.name)) {}
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// Its processes run, or have run.
    Runs,
    /// They say that they are ready.
    Ready,
}

/// Whether a task has come where it should; none: not yet.
fn judge(task: Option<&Task>, name: &str, goal: Goal) -> Option<Result<(), String>> {
    let Some(task) = task else { return Some(Err(format!("there is no task {name:?}"))) };
    let replicas = u32::try_from(task.seats().len()).unwrap_or(u32::MAX);
    let tally = task.tally();
    match (task.state(), goal) {
        (TaskState::Failed, _) => Some(Err(format!("task {name:?} has failed"))),
        (TaskState::Stopped | TaskState::Stopping, Goal::Runs) => Some(Err(format!("task {name:?} was stopped"))),
        // One that goes by a schedule is in order when it waits for its time.
        (TaskState::Scheduled | TaskState::Succeeded, _) => Some(Ok(())),
        (TaskState::Queued, _) => None,
        (_, Goal::Runs) => (tally.spawned >= replicas).then_some(Ok(())),
        (state, Goal::Ready) => (state == TaskState::Running && tally.ready >= replicas).then_some(Ok(())),
    }
}
