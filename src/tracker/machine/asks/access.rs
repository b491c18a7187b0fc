//! Who may do what in a project: access for workers, roles for managers.

use crate::tracker::machine::{Refusal, Room, Verdict, What, Write};
use crate::tracker::model::{Access, Manager, ManagerId, ProjectId, Role, WorkerId};

impl Room {
    pub(super) fn request_access(
        &mut self,
        worker: WorkerId,
        project: ProjectId,
        (assign, submit): (bool, bool),
    ) -> Result<Verdict, Refusal> {
        if !self.workers.contains_key(&worker) {
            return Err(Refusal::NoWorker);
        }
        let there = self.project(project).ok_or(Refusal::NoRequest)?;
        if there.access.contains_key(&worker) {
            return Err(Refusal::NoRequest);
        }
        self.put_access(project, worker, Some(Access { assign, submit, pending: true }));
        Ok(Verdict::Accepted)
    }

    pub(super) fn accept_access(
        &mut self,
        by: Manager,
        project: ProjectId,
        worker: WorkerId,
    ) -> Result<Verdict, Refusal> {
        let access = self.access_for(by, project, worker)?;
        if access.pending {
            self.put_access(project, worker, Some(Access { pending: false, ..access }));
            self.serve_worker(worker, Some(project));
        }
        Ok(Verdict::Accepted)
    }

    pub(super) fn reject_access(
        &mut self,
        by: Manager,
        project: ProjectId,
        worker: WorkerId,
    ) -> Result<Verdict, Refusal> {
        self.access_for(by, project, worker)?;
        self.put_access(project, worker, None);
        Ok(Verdict::Accepted)
    }

    fn access_for(&self, by: Manager, project: ProjectId, worker: WorkerId) -> Result<Access, Refusal> {
        self.require(by, project, Role::MANAGE_ACCESS)?;
        self.project(project).and_then(|project| project.access_of(worker)).ok_or(Refusal::NoAccess)
    }

    pub(super) fn put_access(&mut self, project: ProjectId, worker: WorkerId, access: Option<Access>) {
        let Some(lane) = self.lanes.get_mut(&project) else { return };
        match access {
            Some(access) => lane.project.access.insert(worker, access),
            None => lane.project.access.remove(&worker),
        };
        self.plan.writes.push(Write::PutAccess(project, worker, access));
        self.tell(project, What::Access(worker));
    }

    pub(super) fn set_role(
        &mut self,
        by: Manager,
        project: ProjectId,
        manager: ManagerId,
        role: Role,
    ) -> Result<Verdict, Refusal> {
        self.require(by, project, Role::MANAGE_ACCESS)?;
        if !self.lanes.contains_key(&project) {
            return Err(Refusal::NoProject);
        }
        self.put_role(project, manager, role);
        Ok(Verdict::Accepted)
    }

    pub(super) fn put_role(&mut self, project: ProjectId, manager: ManagerId, role: Role) {
        let Some(lane) = self.lanes.get_mut(&project) else { return };
        let roles = &mut lane.project.roles;
        let before = if role == Role::NONE { roles.remove(&manager) } else { roles.insert(manager, role) };
        if before.unwrap_or_default() != role {
            self.plan.writes.push(Write::PutRole(project, manager, role));
        }
    }

    pub(super) fn forget_manager(&mut self, manager: ManagerId) -> Verdict {
        let known: Vec<_> = self.lanes.values().filter(|lane| lane.project.roles.contains_key(&manager)).collect();
        let projects: Vec<_> = known.into_iter().map(|lane| lane.project.id).collect();
        for project in projects {
            self.put_role(project, manager, Role::NONE);
        }
        Verdict::Accepted
    }
}
