//! The words of the hub, as types whose constructors keep what must hold.

mod entry;
mod health;
mod item;
mod job;
mod member;
mod names;
mod pool;
mod requirement;
mod tag;

pub use entry::{BadEntryPoint, EntryPoint};
pub use health::{Health, Look, LookedAt, Reading, Reason, Stamp, State};
pub use item::{Access, Item, ItemNo, Repository};
pub use job::{Job, JobId, JobKind, JobState, PullSource};
pub use member::{DaemonId, Member};
pub use names::{BadName, ItemName, PoolName, RepName, TagName, comment, file_name};
pub use pool::Pool;
pub use requirement::{Requirement, Requirements};
pub use tag::{Digests, Tag, TagNo};

/// The number of an account.
pub type AccountId = u32;

/// The account of operators who have none: the built-in one, which never was in the list of accounts.
pub const OPERATOR: AccountId = 0;
