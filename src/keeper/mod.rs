//! # keeper — the process that must not die
//!
//! The small parent of everything: it starts children and the core, waits for them, signals them, and holds what must
//! outlive a core: exits until they are written down, listening sockets, the intent behind each child. It is the
//! service's main process, so a crash of the core changes no child's parent, and an upgrade replaces it in place.
//!
//! ```text
//!                 frames over a socketpair                poll loop
//!   core: link <----------------------------> run --events--> machine --effects--> run --> sys --> kernel
//!                     (frames, wire)                       (leftovers)               launch, cgroup, procfs
//! ```
//! `model` has the words, `wire` their bytes, `carry` what survives an upgrade, `notify` the service manager.
//! Only [`link`] belongs to the core; everything else runs in the keeper, on one thread, on std, nix, libc and
//! signal-hook.
//!
//! **Absent:** JSON, the store, configuration, schedules, and any policy about children: the only thing ever
//! restarted from here is the core. No pipes of children: they write to files.

mod carry;
mod cgroup;
pub mod frames;
mod launch;
mod leftovers;
pub mod link;
mod machine;
pub mod model;
mod notify;
mod procfs;
mod run;
mod sys;
#[cfg(test)]
mod tests;
mod wire;

pub use carry::{CarryError, check as check_carried_state};
pub use link::{ConnectError, Link, Owner, Twin, Welcome, socket_from_env};
pub use model::*;
pub use procfs::start_ticks;
pub use run::{Settings, run};
pub use wire::Ask;
