//! Firings of stored DAGs become runs.

use super::calendar::{Decided, Fire, Fired, FiringRow};
use super::words::{Submission, What, Write};
use super::{AT_ONCE, Room};
use crate::dag::model::{DagName, DagRunId, Origin};

impl Room {
    /// Looks which schedules are due.
    pub(super) fn look_at_calendar(&mut self) {
        if self.is_ending() {
            return;
        }
        let by_dag = &self.by_dag;
        let busy = |name: &DagName| by_dag.get(name).map_or(0, std::collections::BTreeSet::len);
        let decided = self.calendar.tick(self.scratch.now, &busy);
        self.carry_out(decided);
    }

    /// Runs what is owed of the DAGs that have become idle; some of it in the next step, if it is much.
    pub(super) fn run_owed(&mut self) {
        for _ in 0..AT_ONCE {
            if self.is_ending() {
                return;
            }
            let Some(name) = self.idle.pop_first() else { return };
            if !self.by_dag.contains_key(&name) {
                let decided = self.calendar.idle(&name);
                self.carry_out(decided);
                self.look_at_touched();
            }
        }
        self.unfinished |= !self.idle.is_empty();
    }

    fn carry_out(&mut self, decided: Decided) {
        for row in decided.rows {
            self.scratch.write(Write::PutDag(Box::new(row)));
        }
        for (name, row) in decided.not {
            if let Some(dag) = self.calendar.get(name.as_str()) {
                self.scratch.change(dag.runs_as, What::NotFired(name.clone(), row.clone()));
            }
            self.scratch.write(Write::PutFiring(name, Box::new(row)));
        }
        for fire in decided.fire {
            self.fire(fire);
        }
    }

    fn fire(&mut self, Fire { dag, due, replace }: Fire) {
        let name = dag.name.clone();
        if replace {
            let others: Vec<DagRunId> = self.by_dag.get(&name).into_iter().flatten().copied().collect();
            others.into_iter().for_each(|run| self.kill(run, &format!("the schedule of {name}")));
        }
        let submission = Submission {
            blueprint: dag.blueprint.clone(),
            text: dag.fired_text.clone(),
            runs_as: dag.runs_as,
            origin: Origin::Schedule(name.clone(), due),
            key: None,
        };
        let run = self.submit(submission, dag.owner.clone());
        let row = FiringRow { at: due, last: due, count: 1, what: Fired::Run(run) };
        self.scratch.write(Write::PutFiring(name, Box::new(row)));
    }

    /// Keeps count of the runs of each DAG that are not over.
    pub(super) fn count_for_dag(&mut self, id: DagRunId) {
        let Some(run) = self.runs.get(&id) else { return };
        let Some(name) = run.row.origin.dag() else { return };
        if !run.state().is_over() {
            self.by_dag.entry(name.clone()).or_default().insert(id);
        } else if let Some(active) = self.by_dag.get_mut(name) {
            let was = active.remove(&id);
            if active.is_empty() {
                self.by_dag.remove(name);
                if was {
                    self.idle.insert(name.clone());
                }
            }
        }
    }
}
