//! What a daemon without a task takes.

use super::figures::Spread;
use super::kernel::{kib, settle};
use super::report::Line;
use super::support::{Daemon, millis};

const ROUNDS: usize = 3;

pub fn measure() -> Vec<Line> {
    let (mut keeper, mut core, mut core_pss) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let daemon = Daemon::start();
        let pids = [daemon.keeper_pid(), daemon.core_pid().expect("a core")];
        settle(&pids, millis(250));
        let mib = |pid, field| kib(pid, "smaps_rollup", field) / 1024.0;
        keeper.push(mib(pids[0], "Pss"));
        core.push(mib(pids[1], "Rss"));
        core_pss.push(mib(pids[1], "Pss"));
    }
    let spread = |measured: Vec<f64>| measured.into_iter().collect::<Spread>().digits(2);
    let (keeper, core, core_pss) = (spread(keeper), spread(core), spread(core_pss));
    vec![
        Line::new("keeper, PSS MiB", keeper).aim("≤ 2", keeper.median <= 2.0),
        Line::new("core, RSS MiB", core).beside(format!("{core_pss} PSS")).aim("≤ 16", core.median <= 16.0),
    ]
}
