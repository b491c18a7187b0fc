//! The nouns of the room, in types that keep their invariants: numbers and rights (`values`), projects (`project`),
//! tasks (`task`), and who works and who manages (`people`).

mod people;
mod project;
mod task;
mod values;

pub use people::{Access, Manager, Process, Worker, WorkerSecret};
pub use project::{Definition, Limit, Project, Rate, Sample};
pub use task::{Failing, Lease, NewTask, Outcome, Standing, Status, Task, Vote, hash_of};
pub use values::{Invalid, ManagerId, ProjectId, Role, TaskId, WorkerId};
