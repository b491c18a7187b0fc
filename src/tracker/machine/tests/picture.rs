//! Everything that can be seen of a room, to be compared.

use crate::base::Now;
use crate::tracker::machine::Room;
use crate::tracker::model::{
    Access, Definition, ManagerId, ProjectId, Role, Sample, Standing, Task, TaskId, Worker, WorkerId,
};

#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) workers: Vec<(Worker, u64)>,
    pub(super) projects: Vec<ProjectPicture>,
    pub(super) tasks: usize,
}

#[derive(Debug, PartialEq)]
pub(super) struct ProjectPicture {
    pub(super) id: ProjectId,
    pub(super) definition: Definition,
    pub(super) secrets: (String, String),
    pub(super) roles: Vec<(ManagerId, Role)>,
    pub(super) access: Vec<(WorkerId, Access)>,
    pub(super) assignees: Vec<(Option<WorkerId>, u64)>,
    pub(super) count: Sample,
    pub(super) tasks: Vec<(Task, Standing)>,
}

impl Picture {
    pub(super) fn of(room: &Room, now: Now) -> Picture {
        let project = |project: &crate::tracker::model::Project| {
            let id = project.id;
            let (tasks, more) = room.tasks(id, TaskId(0), (usize::MAX, usize::MAX), |_, _| true);
            assert_eq!(more, None);
            for (task, standing) in &tasks {
                assert_eq!(room.task(task.id).as_ref(), Some(&(task.clone(), standing.clone())));
            }
            let mut access: Vec<_> =
                room.access_list(id).into_iter().map(|(worker, access)| (worker.id, access)).collect();
            access.sort_by_key(|(worker, _)| *worker);
            ProjectPicture {
                id,
                definition: project.definition.clone(),
                secrets: (project.secret.expose().to_owned(), project.webhook_secret.expose().to_owned()),
                roles: room.roles(id).into_iter().collect(),
                access,
                assignees: room.assignees(id, usize::MAX),
                count: room.count(id, now),
                tasks: tasks.into_iter().map(|(task, standing)| ((*task).clone(), standing)).collect(),
            }
        };
        Picture {
            workers: room.workers().map(|(worker, closed)| (worker.clone(), closed)).collect(),
            projects: room.projects().map(project).collect(),
            tasks: room.len(),
        }
    }
}
