//! Rows of another tracker. Each keeps its number; what is there already is never replaced.

use crate::tracker::machine::recover::one_each;
use crate::tracker::machine::{Imported, Member, Refusal, Room, Verdict, What, Write};
use crate::tracker::model::{
    Access, Definition, Manager, ManagerId, Project, ProjectId, Role, Standing, Status, Task, Worker, WorkerId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Room {
    pub(super) fn import(&mut self, by: Manager, rows: Vec<Imported>) -> Result<Verdict, Refusal> {
        if !by.is_admin() {
            return Err(Refusal::Unauthorized);
        }
        // Projects may be chained to some that only follow.
        let coming: BTreeSet<ProjectId> = rows
            .iter()
            .filter_map(|row| if let Imported::Project { id, .. } = row { Some(*id) } else { None })
            .collect();
        let mut new = Vec::new();
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            answers.push(match row {
                Imported::Worker(worker, closed) => self.import_worker(worker, closed),
                Imported::Project { id, definition, secret, webhook_secret, closed } => {
                    let (roles, access) = (BTreeMap::new(), BTreeMap::new());
                    let definition = *definition;
                    let project = Project { id, definition, secret, webhook_secret, roles, access, closed };
                    let answer = self.import_project(project, &coming);
                    new.extend(answer.is_ok().then_some(id));
                    answer
                }
                Imported::Access(project, worker, access) => self.import_access(project, worker, access),
                Imported::Role(project, manager, role) => self.import_role(project, manager, role),
                Imported::Task(task, standing) => self.import_task(task, standing),
            });
        }
        self.cut_loose_chains(&new);
        Ok(Verdict::Imported(answers))
    }

    fn import_worker(&mut self, worker: Worker, closed: u64) -> Result<(), Refusal> {
        let id = worker.id;
        known(id.0 != 0, || format!("worker {id}"))?;
        vacant(self.workers.contains_key(&id), || format!("worker {id}"))?;
        self.counters.skip_worker(id)?;
        self.plan.writes.push(Write::PutWorker(Box::new(worker.clone())));
        if closed > 0 {
            self.plan.writes.push(Write::PutWorkerClosed(id, closed));
        }
        self.workers.insert(id, Member { worker, closed });
        Ok(())
    }

    fn import_project(&mut self, project: Project, coming: &BTreeSet<ProjectId>) -> Result<(), Refusal> {
        let (id, closed) = (project.id, project.closed);
        known(id.0 != 0, || format!("project {id}"))?;
        vacant(self.lanes.contains_key(&id), || format!("project {id}"))?;
        if self.names.contains_key(&project.definition.name) {
            return Err(Refusal::NameTaken);
        }
        if let Some(to) = project.definition.chain {
            let there = self.lanes.contains_key(&to) || coming.contains(&to);
            known(there && to != id, || format!("project {to}"))?;
        }
        self.counters.skip_project(id)?;
        self.found(project);
        if closed > 0 {
            self.plan.writes.push(Write::PutClosed(id, closed));
        }
        self.tell(id, What::Project);
        Ok(())
    }

    /// Where a project was chained to one whose row was refused in the end, it is chained to none.
    fn cut_loose_chains(&mut self, new: &[ProjectId]) {
        for id in new {
            let Some(definition) = self.project(*id).map(|project| &project.definition) else { continue };
            if definition.chain.is_some_and(|to| !self.lanes.contains_key(&to)) {
                let definition = Definition { chain: None, ..definition.clone() };
                self.define(*id, definition);
            }
        }
    }

    fn import_access(&mut self, project: ProjectId, worker: WorkerId, access: Access) -> Result<(), Refusal> {
        let there = self.project(project).ok_or_else(|| Refusal::Unknown(format!("project {project}")))?;
        let taken = there.access.contains_key(&worker);
        known(self.workers.contains_key(&worker), || format!("worker {worker}"))?;
        vacant(taken, || format!("access of worker {worker} to project {project}"))?;
        self.put_access(project, worker, Some(access));
        self.serve_worker(worker, Some(project));
        Ok(())
    }

    fn import_role(&mut self, project: ProjectId, manager: ManagerId, role: Role) -> Result<(), Refusal> {
        let there = self.project(project).ok_or_else(|| Refusal::Unknown(format!("project {project}")))?;
        vacant(there.roles.contains_key(&manager), || format!("role of manager {manager} in project {project}"))?;
        self.put_role(project, manager, role);
        Ok(())
    }

    fn import_task(&mut self, task: Task, mut standing: Standing) -> Result<(), Refusal> {
        let (id, project) = (task.id, task.project);
        let lane = self.lanes.get(&project).ok_or_else(|| Refusal::Unknown(format!("project {project}")))?;
        known(id.0 != 0, || format!("task {id}"))?;
        vacant(self.places.get(id).is_some(), || format!("task {id}"))?;
        if lane.knows(task.what.hash) {
            return Err(Refusal::Duplicate);
        }
        if standing.status == Status::Failed {
            standing.lease = None;
        }
        one_each(&mut standing.votes);
        let holder = standing.lease.map(|lease| lease.worker);
        for worker in standing.votes.iter().map(|vote| vote.worker).chain(holder) {
            known(self.workers.contains_key(&worker), || format!("worker {worker}"))?;
        }
        self.counters.skip_task(id)?;
        self.settle_imported(Arc::new(task), standing);
        Ok(())
    }

    fn settle_imported(&mut self, task: Arc<Task>, standing: Standing) {
        let (id, project, lease) = (task.id, task.project, standing.lease);
        let Some(lane) = self.lanes.get_mut(&project) else { return };
        self.plan.writes.push(Write::PutTask(task.clone(), lane.marks.epoch));
        let written = standing != Standing::default();
        lane.insert(task, standing, self.now.wall);
        if written {
            self.plan.writes.extend(lane.written(id));
        }
        self.places.set(id, project);
        if let Some(lease) = lease {
            self.resume(id, lease);
        }
        self.list(project);
        self.stir(project);
    }
}

fn known(is: bool, what: impl FnOnce() -> String) -> Result<(), Refusal> {
    if is { Ok(()) } else { Err(Refusal::Unknown(what())) }
}

fn vacant(taken: bool, what: impl FnOnce() -> String) -> Result<(), Refusal> {
    if taken { Err(Refusal::NumberTaken(what())) } else { Ok(()) }
}
