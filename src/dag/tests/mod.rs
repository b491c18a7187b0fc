//! Stories in a simulated world: written ones, random ones that an oracle judges step by step, and one in which
//! everybody dies at every moment once.

mod crash;
mod disk;
pub mod double;
mod fairness;
mod keeper;
mod lives;
mod oracle;
mod regressions;
mod sketch;
mod stories;
mod world;

use super::model::Capacity;
use super::specification::Limits;

/// What specifications must keep to here.
const LIMITS: Limits =
    Limits { capacity: Some(Capacity { cores: 4, memory_mb: 4096, running: 5 }), max_tasks: 100_000 };
