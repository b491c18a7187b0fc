//! What generators have printed becomes part of their run: all of it, or nothing.

use super::Room;
use super::group::{Group, Phase};
use super::judge::Judged;
use super::run::Run;
use super::words::{End, What, Write};
use crate::dag::model::{Addition, DagRunId, Outcome, State, TaskId, Template};
use std::sync::Arc;

impl Room {
    /// A generator has ended well: takes its tasks in, or makes a failure of it. Other tasks have nothing to take in.
    pub(super) fn take_in(&mut self, id: DagRunId, task: TaskId, end: &End, judged: Judged) -> Judged {
        let Some(run) = self.runs.get_mut(&id) else { return judged };
        if !run.group(task.group).is_some_and(|group| group.template.is_generator) {
            return judged;
        }
        let added = match &end.generated {
            Some(Ok(addition)) => run.check(task, addition, self.settings.max_tasks).map(|edges| (addition, edges)),
            Some(Err(why)) => Err(why.clone()),
            None => Err("it was not read".to_owned()),
        };
        match added {
            Err(why) => Judged { rc: 0, outcome: Outcome::Errored, remark: format!("generator output: {why}") },
            Ok((addition, edges)) => {
                let first = run.groups.len() as u32;
                run.append(task, &addition.templates, &edges);
                if !addition.templates.is_empty() {
                    self.scratch.write(Write::PutAddition { run: id, first, by: task, text: addition.text.clone() });
                    let groups = addition.templates.iter().map(|template| template.name.clone()).collect();
                    self.scratch.change(run.row.runs_as, What::Added { run: id, groups });
                }
                for group in first..run.groups.len() as u32 {
                    run.arrive(group, &mut self.scratch);
                }
                judged
            }
        }
    }
}

impl Run {
    /// The edges that an addition brings, or why it cannot be attached.
    fn check(&mut self, by: TaskId, addition: &Addition, max_tasks: u32) -> Result<Vec<(u32, u32)>, String> {
        let added: u64 = addition.templates.iter().map(|template| u64::from(template.count)).sum();
        let all = self.row.counts.total() + added;
        if added > 0 && all > u64::from(max_tasks) {
            return Err(format!("expected at most {max_tasks} tasks in the run with all that is added, not {all}"));
        }
        let groups = &self.groups;
        let started = |group: u32| {
            groups.get(group as usize).is_some_and(|known| known.tally().of(State::Queued) < known.count())
        };
        self.graph.attach(by.group, &addition.templates, &started).map_err(|why| why.0)
    }

    /// Appends groups with their edges. What follows from them is for [`Run::rebuild`] or [`Run::arrive`].
    pub(super) fn append(&mut self, by: TaskId, templates: &[Arc<Template>], edges: &[(u32, u32)]) {
        let first = self.groups.len() as u32;
        self.groups.extend(templates.iter().map(|template| Group::new(template.clone(), Some(by))));
        if let Some(generator) = self.group_mut(by.group) {
            generator.added.extend(first..first + templates.len() as u32);
        }
        self.graph.append(by.group, templates, edges);
        for (parent, child) in edges {
            self.connect(*parent, *child);
        }
        self.grow(templates);
    }

    /// Counts a new edge.
    fn connect(&mut self, parent: u32, child: u32) {
        let settled = match self.group(parent).map(|known| known.phase) {
            Some(Phase::Settled(well)) => Some(well),
            _ => None,
        };
        let Some(known) = self.group_mut(child) else { return };
        known.parents.push(parent);
        known.bad += u32::from(settled == Some(false));
        known.waits += u32::from(settled.is_none());
        if settled.is_none() && known.phase == Phase::Ready {
            // Ready, but nothing of it had started.
            known.phase = Phase::Waiting;
            self.index(child);
        }
    }
}
