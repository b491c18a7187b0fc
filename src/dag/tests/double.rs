//! Both rooms of processes, with a keeper that does nothing: for tests of rooms that only look at them.

use crate::base::Bus;
use crate::dag::executors::tests::{settings, tools};
use crate::dag::{self, Host};
use crate::keeper::link::Twin;
use crate::metrics::Metrics;
use crate::proc;
use crate::store::Store;
use tempfile::TempDir;

/// They live as long as this.
pub struct Double {
    /// Supervised processes.
    pub tasks: proc::Handle,
    /// DAG runs.
    pub runs: dag::Handle,
    /// Where both tell what has changed.
    pub bus: Bus,
    /// What both count with.
    pub metrics: Metrics,
    _twin: Twin,
    _dir: TempDir,
}

impl Double {
    /// With a store of their own.
    pub async fn start() -> Double {
        let dir = tempfile::tempdir().unwrap();
        let (tools, twin) = tools(&dir, Store::in_memory()).await;
        let (tasks, bus, metrics) = (tools.tasks.clone(), tools.bus.clone(), tools.metrics.clone());
        let host = Host { held: Vec::new(), keeper: "a".into(), boot: "b".into(), stopping: false, restored: None };
        let (runs, engine) = dag::start(tools, settings(), host).await.unwrap();
        tokio::spawn(engine.run());
        Double { tasks, runs, bus, metrics, _twin: twin, _dir: dir }
    }
}
