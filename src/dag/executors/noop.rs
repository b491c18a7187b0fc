//! The executor that executes nothing: every task succeeds at once. It answers through the driver's mailbox, so that
//! a run of a million tasks keeps nobody waiting.

use super::{Executor, ended};
use crate::base::RunId;
use crate::dag::engine::Message;
use crate::dag::machine::{End, Event, How, Launch};
use crate::dag::model::{Addition, DagRunId, Job, TaskId};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

pub(super) struct Noop {
    own: UnboundedSender<Message>,
}

impl Noop {
    pub fn new(own: UnboundedSender<Message>) -> Noop {
        Noop { own }
    }

    /// Passes several tasks at once.
    pub fn pass(&self, run: DagRunId, first: TaskId, count: u32) {
        let _ = self.own.send(Message::Event(Event::Passed { run, first, count })); // the driver is the caller
    }
}

impl Executor for Noop {
    fn start(&mut self, launch: Launch, _: Arc<Job>) {
        let success = How::Code { code: 0, remark: String::new() };
        // A generator that is not executed has nothing to add.
        let nothing = || Ok(Addition { templates: Vec::new(), text: "{}".into() });
        let generated = launch.template.is_generator.then(nothing);
        let end = End { generated, ..ended(launch.live.slot, success) };
        let _ = self.own.send(Message::Ended(Box::new(end))); // as above
    }

    fn stop(&mut self, _: RunId, _: bool) {
        // What never runs need not be stopped.
    }
}
