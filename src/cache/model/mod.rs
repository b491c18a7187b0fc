//! What the cache is about: tasks and their ids, pieces, images, jobs, clusters. Values that keep their own invariants.

pub mod address;
pub mod cluster;
pub mod digest;
pub mod id;
pub mod image;
pub mod job;
pub mod piece;
pub mod pin;
pub mod secret;
pub mod task;

pub use cluster::{BlockList, Cluster, ClusterChange, ClusterId, Limits, NewCluster, Scopes};
pub use digest::Digest;
pub use id::{DEFAULT_FILTER, Filter, Identity, Ids, TaskId};
pub use image::{Image, ImageError, Platform};
pub use job::{
    Args, FindArgs, FindBy, Found, GcArgs, GcKind, ImageArgs, Job, JobHead, JobId, JobKind, JobResult, JobState,
    Naming, NewJob, Part, PartState, PreheatArgs, PreheatKind, Scope, UrlOutcome,
};
pub use piece::{Crc, Pieces, piece_length};
pub use pin::PinOwner;
pub use task::{Extent, Failure, LastUse, Source, Task, TaskNo, TaskState, Validators};
