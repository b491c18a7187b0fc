//! What clients want, by theme. Who asks was proven before; what he may is decided here, in the order of `tracker.md` 8.

mod access;
mod import;
mod maintenance;
mod projects;
mod tasks;
mod workers;

use super::waiting::Waiter;
use super::{Ask, Refusal, Room, Verdict};
use crate::tracker::model::{Manager, ProjectId, Role};
use tasks::Admission;

impl Room {
    /// Answers an ask.
    pub(super) fn asked(&mut self, ask: Ask) -> Verdict {
        self.decide(ask).unwrap_or_else(Verdict::Refused)
    }

    fn decide(&mut self, ask: Ask) -> Result<Verdict, Refusal> {
        match ask {
            Ask::CreateWorker { alias, secret } => self.create_worker(alias, secret),
            Ask::RenameWorker { worker, alias } => self.rename_worker(worker, alias),
            Ask::PauseWorker { by, worker, paused } => self.pause_worker(by, worker, paused),
            Ask::CreateProject { by, definition, webhook_secret } => {
                self.create_project(by, *definition, webhook_secret)
            }
            Ask::UpdateProject { by, project, definition } => self.update_project(by, project, *definition),
            Ask::SetVersion { projects, version } => Ok(self.set_version(&projects, &version)),
            Ask::SetSecret { by, project, secret } => self.set_secret(by, project, |project| project.secret = secret),
            Ask::SetWebhookSecret { by, project, secret } => {
                self.set_secret(by, project, |project| project.webhook_secret = secret)
            }
            Ask::RequestAccess { worker, project, assign, submit } => {
                self.request_access(worker, project, (assign, submit))
            }
            Ask::AcceptAccess { by, project, worker } => self.accept_access(by, project, worker),
            Ask::RejectAccess { by, project, worker } => self.reject_access(by, project, worker),
            Ask::SetRole { by, project, manager, role } => self.set_role(by, project, manager, role),
            Ask::ForgetManager(manager) => Ok(self.forget_manager(manager)),
            Ask::ResetFailed { by, project } => self.reset_failed(by, project),
            Ask::HardReset { by, project } => self.hard_reset(by, project),
            Ask::Reclaim { by, project } => self.reclaim(by, project),
            Ask::Submit { by, project, tasks } => self.submit(by, project, tasks, Admission::Asked),
            Ask::SubmitMore { by, project, tasks } => self.submit(by, project, tasks, Admission::Given),
            Ask::Fetch { worker, from, count, wait, process } => {
                self.fetch(Waiter { worker, from, count: count.max(1), process }, wait)
            }
            Ask::Release { worker, task, outcome, reason } => Ok(self.release(worker, task, outcome, reason)),
            Ask::Extend { worker, task, by } => self.extend(worker, task, by),
            Ask::DeleteTask { by, task } => self.delete_task(by, task),
            Ask::Requeue { by, task } => self.requeue(by, task),
            Ask::Import { by, rows } => self.import(by, rows),
        }
    }

    /// That this person may do this in that project.
    fn require(&self, by: Manager, project: ProjectId, role: Role) -> Result<(), Refusal> {
        if self.may(by, project, role) { Ok(()) } else { Err(Refusal::Unauthorized) }
    }
}
