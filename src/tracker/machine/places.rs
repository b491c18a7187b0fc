//! Where each task is: its project, by its number.
//!
//! Numbers are given out one after the other, so neighbours lie on one page, and a task costs four bytes here. A page
//! goes with its last task.

use crate::tracker::model::{ProjectId, TaskId};
use std::collections::BTreeMap;

/// Small enough that a page with one task left does not matter.
const PAGE: usize = 64;

/// The projects of 64 neighbours.
#[derive(Debug)]
struct Page {
    /// 0: no such task.
    slots: [u32; PAGE],
    /// How many are not 0.
    used: usize,
}

/// The project of each task.
#[derive(Debug, Default)]
pub(super) struct Places {
    pages: BTreeMap<u64, Box<Page>>,
    count: usize,
}

impl Places {
    /// How many tasks there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The project of a task.
    pub(super) fn get(&self, task: TaskId) -> Option<ProjectId> {
        let (page, slot) = split(task);
        let project = *self.pages.get(&page)?.slots.get(slot)?;
        (project != 0).then_some(ProjectId(project))
    }

    /// A task is in that project.
    pub(super) fn set(&mut self, task: TaskId, project: ProjectId) {
        let (page, slot) = split(task);
        let page = self.pages.entry(page).or_insert_with(|| Box::new(Page { slots: [0; PAGE], used: 0 }));
        if let Some(place) = page.slots.get_mut(slot) {
            let new = usize::from(*place == 0);
            page.used += new;
            self.count += new;
            *place = project.0;
        }
    }

    /// A task is gone.
    pub(super) fn clear(&mut self, task: TaskId) {
        let (number, slot) = split(task);
        let Some(page) = self.pages.get_mut(&number) else { return };
        let Some(place) = page.slots.get_mut(slot) else { return };
        let gone = usize::from(*place != 0);
        *place = 0;
        page.used -= gone;
        self.count -= gone;
        if page.used == 0 {
            self.pages.remove(&number);
        }
    }
}

fn split(task: TaskId) -> (u64, usize) {
    let slot = usize::try_from(task.0 % PAGE as u64).unwrap_or_default();
    (task.0 / PAGE as u64, slot)
}
