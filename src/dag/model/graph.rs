//! Dependencies between groups: found, checked, extended.
//!
//! Nothing here recurses, since a chain may be as long as there are tasks; everything but [`attach`] takes time with
//! the number of groups and edges.

use super::template::{Invalid, Template};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The most edges that one generator's output may bring: what each of its children waits for is told one by one.
const ATTACHED_MAX: usize = 1_000_000;

/// How many names of a cycle a message tells.
const CYCLE_SHOWN: usize = 10;

/// The edges that these templates declare: (parent, child) as places in the list, sorted, each once.
///
/// # Errors
/// A name that is none of theirs (with the task that names it), or a cycle (with its path).
pub fn edges(templates: &[Arc<Template>]) -> Result<Vec<(u32, u32)>, Invalid> {
    number(templates.len())?;
    let places = places(templates, 0);
    let mut edges = Vec::new();
    for (place, template) in (0..).zip(templates) {
        declare(place, template, &places, &mut edges)?;
    }
    edges.sort_unstable();
    edges.dedup();
    let name = |place: u32| templates.get(place as usize).map_or("", |template| template.name.as_str());
    Graph::new(templates.len(), edges.iter()).acyclic(name)?;
    Ok(edges)
}

/// The edges that attaching `added` behind `groups` brings: those that the new templates declare, and one from each new
/// group to each child of the generator, save where the new group was itself declared to come after that child. Sorted;
/// new groups have the places behind the old ones. (What a generated task waits for on account of its generator needs
/// no edge: the instance that made it has completed.)
///
/// Children of the generator are those that templates declare, on either end. Whether one of them has begun (which takes
/// a restart, since it waits for the generator) is not asked: the edges follow from what is declared alone, so that they
/// come out the same when a stored run is read again.
///
/// # Errors
/// A name that is in use, an unknown name, a declared child that `started` says has begun, or a cycle.
pub fn attach(
    groups: &[Arc<Template>],
    edges: &[(u32, u32)],
    generator: u32,
    added: &[Arc<Template>],
    started: &dyn Fn(u32) -> bool,
) -> Result<Vec<(u32, u32)>, Invalid> {
    let first = number(groups.len())?;
    let name = |place: u32| groups.iter().chain(added).nth(place as usize).map_or("", |group| group.name.as_str());
    let mut all = places(groups, 0);
    if let Some(taken) = added.iter().find(|template| all.contains_key(template.name.as_str())) {
        return Err(Invalid(format!("task '{}' is in the run already", taken.name)));
    }
    all.extend(places(added, first));
    let mut brought = Vec::new();
    for (place, template) in (first..).zip(added) {
        declare(place, template, &all, &mut brought)?;
    }
    let late = |(_, child): &&(u32, u32)| *child < first && (*child == generator || started(*child));
    // An edge to an old group can only have been declared as one of the new group's children.
    if let Some((parent, child)) = brought.iter().find(late) {
        return Err(Invalid(format!("child '{}' of task '{}' has already started", name(*child), name(*parent))));
    }
    let mut graph = Graph::new(groups.len() + added.len(), edges.iter().chain(&brought));
    graph.acyclic(name)?;
    let children = declared_children(groups, edges, generator);
    if children.len().saturating_mul(added.len()) > ATTACHED_MAX {
        let (tasks, children) = (added.len(), children.len());
        return Err(Invalid(format!(
            "{tasks} tasks are too many for {children} children of the generator to wait for"
        )));
    }
    // Only from a group that a new one names as its parent does any way lead from old ones to new ones.
    let entered = brought.iter().any(|(parent, _)| *parent < first && *parent != generator);
    for child in children {
        // What comes after this child, be it by way of an earlier one, cannot come before it as well.
        let after = if entered { graph.after(child) } else { Vec::new() };
        for (place, _) in (first..).zip(added).filter(|(place, _)| after.get(*place as usize) != Some(&true)) {
            graph.add(place, child);
            brought.push((place, child));
        }
    }
    brought.sort_unstable();
    brought.dedup();
    Ok(brought)
}

/// The place of each name.
fn places(templates: &[Arc<Template>], first: u32) -> HashMap<&str, u32> {
    templates.iter().map(|template| template.name.as_str()).zip(first..).collect()
}

/// Appends the edges that one template declares.
fn declare(
    place: u32,
    template: &Template,
    places: &HashMap<&str, u32>,
    edges: &mut Vec<(u32, u32)>,
) -> Result<(), Invalid> {
    let find = |kind: &str, name: &String| {
        let found = places.get(name.as_str()).copied();
        found.ok_or_else(|| Invalid(format!("unknown {kind} '{}' in task '{}'", shortened(name), template.name)))
    };
    for parent in &template.parents {
        edges.push((find("parent", parent)?, place));
    }
    for child in &template.children {
        edges.push((place, find("child", child)?));
    }
    Ok(())
}

/// The groups behind an edge from the generator that it or they declare. Other edges from it were brought by the
/// generator that made this one.
fn declared_children(groups: &[Arc<Template>], edges: &[(u32, u32)], generator: u32) -> Vec<u32> {
    let Some(parent) = groups.get(generator as usize) else { return Vec::new() };
    let own: HashSet<&String> = parent.children.iter().collect();
    let declared = |child: &u32| {
        let child = groups.get(*child as usize);
        child.is_some_and(|child| own.contains(&child.name) || child.parents.contains(&parent.name))
    };
    edges.iter().filter(|(parent, _)| *parent == generator).map(|(_, child)| *child).filter(declared).collect()
}

fn number(length: usize) -> Result<u32, Invalid> {
    u32::try_from(length).map_err(|_| Invalid("there are too many tasks".into()))
}

/// A name that nobody has checked, for a message.
fn shortened(name: &str) -> String {
    const MOST: usize = 200;
    let mut letters = name.chars();
    let shown: String = letters.by_ref().take(MOST).collect();
    if letters.next().is_none() { shown } else { shown + "…" }
}

/// Who comes after whom.
struct Graph {
    children: Vec<Vec<u32>>,
}

impl Graph {
    fn new<'a>(groups: usize, edges: impl Iterator<Item = &'a (u32, u32)>) -> Graph {
        let mut graph = Graph { children: vec![Vec::new(); groups] };
        edges.for_each(|(parent, child)| graph.add(*parent, *child));
        graph
    }

    fn add(&mut self, parent: u32, child: u32) {
        if let Some(children) = self.children.get_mut(parent as usize) {
            children.push(child);
        }
    }

    fn children(&self, parent: u32) -> &[u32] {
        self.children.get(parent as usize).map_or(&[], Vec::as_slice)
    }

    /// For each group, whether it comes after this one; the group itself counts too.
    fn after(&self, from: u32) -> Vec<bool> {
        let mut found = vec![false; self.children.len()];
        let mut open = vec![from];
        while let Some(group) = open.pop() {
            let Some(seen) = found.get_mut(group as usize).filter(|seen| !**seen) else { continue };
            *seen = true;
            open.extend(self.children(group));
        }
        found
    }

    /// Takes groups away of which no parent is left; what cannot be taken is on a cycle or behind one.
    fn acyclic<'a>(&self, name: impl Fn(u32) -> &'a str) -> Result<(), Invalid> {
        let mut waiting = vec![0_u32; self.children.len()];
        for child in self.children.iter().flatten() {
            if let Some(parents) = waiting.get_mut(*child as usize) {
                *parents += 1;
            }
        }
        let mut free: Vec<u32> =
            (0..).zip(&waiting).filter(|(_, parents)| **parents == 0).map(|(group, _)| group).collect();
        let mut taken = 0;
        while let Some(group) = free.pop() {
            taken += 1;
            for child in self.children(group) {
                let Some(parents) = waiting.get_mut(*child as usize) else { continue };
                *parents -= 1;
                if *parents == 0 {
                    free.push(*child);
                }
            }
        }
        if taken == self.children.len() {
            return Ok(());
        }
        let cycle = self.cycle(&waiting);
        let names = cycle.iter().chain(cycle.first()).map(|group| name(*group));
        Err(Invalid(format!("the tasks wait for each other: {}", path(names.collect()))))
    }

    /// One cycle among the groups that still wait for parents: each has a parent among them, so who goes from parent to
    /// parent comes around.
    fn cycle(&self, waiting: &[u32]) -> Vec<u32> {
        let stuck = |group: u32| waiting.get(group as usize).is_some_and(|parents| *parents > 0);
        let mut parent_of = HashMap::new();
        for (parent, children) in (0..).zip(&self.children).filter(|(parent, _)| stuck(*parent)) {
            for child in children {
                parent_of.entry(*child).or_insert(parent);
            }
        }
        let mut walked = Vec::new();
        let mut steps = HashMap::new();
        let mut next = (0..).zip(waiting).find(|(_, parents)| **parents > 0).map(|(group, _)| group);
        while let Some(group) = next {
            if let Some(begin) = steps.insert(group, walked.len()) {
                walked.drain(..begin);
                break;
            }
            walked.push(group);
            next = parent_of.get(&group).copied();
        }
        walked.reverse();
        let lowest = walked.iter().enumerate().min_by_key(|(_, group)| **group).map_or(0, |(step, _)| step);
        walked.rotate_left(lowest);
        walked
    }
}

/// `a -> b -> a`, the middle of a long one left out.
fn path(names: Vec<&str>) -> String {
    let Some(left_out) = names.len().checked_sub(CYCLE_SHOWN).filter(|left_out| *left_out > 1) else {
        return names.join(" -> ");
    };
    let (front, back) = names.split_at(names.len() - 2);
    let front = front.iter().take(CYCLE_SHOWN - 2).copied().collect::<Vec<_>>().join(" -> ");
    format!("{front} -> ({left_out} more) -> {}", back.join(" -> "))
}
