//! What a task is, and what is known of a run: plain values whose constructors keep the invariants.
//!
//! Nothing here is serialised: `wire.rs` and `records.rs` convert, so that neither the API nor the stored format
//! can change by accident.

mod definition;
mod facts;
mod values;

pub use crate::base::Owner;
pub use definition::{
    Backoff, Definition, Dependency, HEALTH_FAILURES, HEALTH_INTERVAL, HEALTH_TIMEOUT, Health, INTERVAL, Kind, Limits,
    Probe, READY_INTERVAL, READY_TIMEOUT, Ready, ReadyWhen, Restart, RestartOn, STABLE_AFTER, STOP_TIMEOUT, Schedule,
    Until,
};
pub use facts::{Firing, NotRun, Offsets, RunRecord, RunState, StartedBy, Status, StoppedBy, Usage};
pub use values::{
    Command, Env, Incarnation, Invalid, NAME_MAX, Nice, OomScoreAdj, REPLICAS_MAX, RESOURCES, Replicas, Rlimit, Signal,
    TaskName, Umask,
};
