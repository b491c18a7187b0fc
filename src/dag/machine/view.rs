//! What clients may see of runs.

use super::run::Run;
use super::stored::StoredRun;
use super::{GroupView, View};
use crate::dag::model::{State, TaskId};

impl GroupView {
    /// The state of one instance.
    pub fn state(&self, index: u32) -> State {
        let byte = self.states.get(index as usize).copied().unwrap_or(0);
        State::ALL.get(byte as usize).copied().unwrap_or_default()
    }
}

impl View {
    /// What a run looks like that only the store has.
    pub fn of_stored(stored: &StoredRun) -> View {
        Run::of_stored(stored).view()
    }

    /// The task of this name: an instance's name first, else the defined name of a group with exactly one instance.
    pub fn find(&self, name: &str) -> Option<TaskId> {
        let group_of = |name: &str| self.groups.iter().position(|group| group.template.name == name);
        let instance = name.rsplit_once('_').and_then(|(defined, index)| {
            let group = group_of(defined)?;
            // Only as it is written: neither `+1` nor `01`.
            let number = index.parse().ok().filter(|number: &u32| number.to_string() == index)?;
            Some((group, number)).filter(|_| number < self.groups.get(group).map_or(0, |known| known.template.count))
        });
        let alias = || {
            let group = group_of(name)?;
            Some((group, 0)).filter(|_| self.groups.get(group).is_some_and(|known| known.template.count == 1))
        };
        let (group, index) = instance.or_else(alias)?;
        Some(TaskId { group: u32::try_from(group).ok()?, index })
    }
}

impl Run {
    /// The run as clients see it.
    pub(super) fn view(&self) -> View {
        let name = |group: &u32| self.group(*group).map(|group| group.template.name.clone());
        let groups = self.groups.iter().map(|group| GroupView {
            template: group.template.clone(),
            states: group.states().clone(),
            edits: group.edits.clone(),
            by: group.by,
            added: group.added.iter().filter_map(name).collect(),
        });
        View { row: self.row.clone(), groups: groups.collect(), edges: self.graph.edges().collect() }
    }
}
