//! The store on real disks: damaged files, full and read-only disks, killed processes, power cuts, old formats.
//!
//! Some tests run this very program again as a child, told by an environment variable what to do there.

#[path = "store/damage.rs"]
mod damage;
#[path = "store/format.rs"]
mod format;
#[path = "store/full.rs"]
mod full;
#[path = "store/idle.rs"]
mod idle;
#[path = "store/kill.rs"]
mod kill;
#[path = "store/replay.rs"]
mod replay;
#[path = "store/story.rs"]
mod story;
#[path = "store/trace.rs"]
mod trace;
