//! Projects: made, changed, and told their secrets.

use crate::base::Secret;
use crate::tracker::machine::bucket::Buckets;
use crate::tracker::machine::lane::Lane;
use crate::tracker::machine::{Marks, Refusal, Room, Verdict, What, Write};
use crate::tracker::model::{Definition, Manager, ManagerId, Project, ProjectId, Role};
use std::collections::BTreeMap;

/// What workers are told by a project that has no secret yet.
const NO_SECRET: &str = "{}";

impl Room {
    pub(super) fn create_project(
        &mut self,
        by: Manager,
        definition: Definition,
        webhook_secret: Secret,
    ) -> Result<Verdict, Refusal> {
        let creator = by.id().ok_or(Refusal::NotPermitted)?;
        let may_chain = definition.chain.is_none_or(|to| self.lanes.contains_key(&to) && self.may(by, to, Role::EDIT));
        if definition.public && !by.is_admin() || !may_chain {
            return Err(Refusal::NotPermitted);
        }
        if self.names.contains_key(&definition.name) {
            return Err(Refusal::NameTaken);
        }
        let id = self.counters.project()?;
        let mut project = Project {
            id,
            definition,
            secret: Secret::new(NO_SECRET),
            webhook_secret,
            roles: BTreeMap::new(),
            access: BTreeMap::new(),
            closed: 0,
        };
        // The operator may do everything anyway, and is no account that a row could be about.
        if creator != ManagerId(0) {
            project.roles.insert(creator, Role::ALL);
        }
        self.found(project);
        self.tell(id, What::Project);
        Ok(Verdict::Project(id))
    }

    /// A project is there, and written down.
    pub(super) fn found(&mut self, project: Project) {
        let id = project.id;
        let (secret, webhook_secret) = (project.secret.clone(), project.webhook_secret.clone());
        let roles = project.roles.clone();
        let lane = Lane::new(project, Marks::default());
        self.plan.writes.push(Write::PutProject(id, lane.definition()));
        self.plan.writes.push(Write::PutSecrets(id, secret, webhook_secret));
        self.plan.writes.extend(roles.into_iter().map(|(manager, role)| Write::PutRole(id, manager, role)));
        self.open(lane);
    }

    pub(super) fn update_project(
        &mut self,
        by: Manager,
        id: ProjectId,
        definition: Definition,
    ) -> Result<Verdict, Refusal> {
        self.require(by, id, Role::EDIT)?;
        if !self.lanes.contains_key(&id) {
            return Err(Refusal::NoProject);
        }
        if definition.chain.is_some_and(|to| to == id || !self.may(by, to, Role::EDIT)) {
            return Err(Refusal::NoChain);
        }
        if self.names.get(&definition.name).is_some_and(|other| *other != id) {
            return Err(Refusal::NameTaken);
        }
        if definition.chain.is_some_and(|to| !self.lanes.contains_key(&to)) {
            return Err(Refusal::ChainUnknown);
        }
        self.define(id, definition);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.assign = Buckets::default();
            lane.submit = Buckets::default();
        }
        // It may be open to more workers than before.
        self.stir(id);
        Ok(Verdict::Accepted)
    }

    pub(super) fn set_version(&mut self, projects: &[ProjectId], version: &str) -> Verdict {
        for id in projects {
            if let Some(lane) = self.lanes.get(id) {
                let definition = Definition { version: version.to_owned(), ..lane.project.definition.clone() };
                self.define(*id, definition);
            }
        }
        Verdict::Accepted
    }

    /// A project's definition is another: it is found by what it says now.
    pub(super) fn define(&mut self, id: ProjectId, definition: Definition) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let before = &lane.project.definition;
        if before.name != definition.name {
            self.names.remove(&before.name);
            self.names.insert(definition.name.clone(), id);
        }
        let (old, new) = (before.git_repo.to_lowercase(), definition.git_repo.to_lowercase());
        if old != new {
            if let Some(projects) = self.repositories.get_mut(&old) {
                projects.remove(&id);
                if projects.is_empty() {
                    self.repositories.remove(&old);
                }
            }
            if !new.is_empty() {
                self.repositories.entry(new).or_default().insert(id);
            }
        }
        self.plan.writes.push(lane.define(definition));
        self.list(id);
        self.tell(id, What::Project);
    }

    pub(super) fn set_secret(
        &mut self,
        by: Manager,
        id: ProjectId,
        set: impl FnOnce(&mut Project),
    ) -> Result<Verdict, Refusal> {
        self.require(by, id, Role::SECRET)?;
        let project = &mut self.lanes.get_mut(&id).ok_or(Refusal::NoProject)?.project;
        set(project);
        let (secret, webhook_secret) = (project.secret.clone(), project.webhook_secret.clone());
        self.plan.writes.push(Write::PutSecrets(id, secret, webhook_secret));
        Ok(Verdict::Accepted)
    }
}
