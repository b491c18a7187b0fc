//! What a DAG run is made of: types whose constructors keep the invariants.

mod blueprint;
mod facts;
pub mod graph;
pub mod job;
mod names;
mod template;
pub mod tokens;
mod values;

pub use crate::base::Owner;
pub use blueprint::{Addition, Attributes, Blueprint, Defaults, Executor, OnFailure};
pub use facts::{Attempt, Counts, Edit, Kept, Mark, Origin, Outcome, RunRow, State, StateChange, Usage};
pub use names::{Capacity, DagName, DagRunId, InvalidName, Needs, TaskId};
pub use template::{
    Command, Invalid, Job, Parameter, Parameters, RetryBackoff, Step, StepKind, Template, Trigger, Work,
};
pub use values::Values;
