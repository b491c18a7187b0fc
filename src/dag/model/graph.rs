//! Dependencies between groups: found, checked, extended.
//!
//! Nothing here recurses, since a chain may be as long as there are tasks. [`edges`] takes time with the number of groups
//! and edges; [`Graph::attach`] only with what is added and what comes after it.

use super::template::{Invalid, Template};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// The most edges that the generators of a run may bring: what each of their children waits for is told one by one.
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
        declare(place, template, |name| places.get(name).copied(), &mut edges)?;
    }
    edges.sort_unstable();
    edges.dedup();
    let mut order = Order::of(templates.len());
    edges.iter().for_each(|(parent, child)| order.add(*parent, *child));
    order.acyclic(|place| templates.get(place as usize).map_or("", |template| &template.name))?;
    Ok(edges)
}

/// The groups of a run and who depends on whom, extended by what generators add.
#[derive(Clone, Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    /// By name. Filled when the first addition comes: most runs have none.
    places: HashMap<String, u32>,
    /// How many edges additions have brought.
    brought: usize,
}

#[derive(Clone, Debug)]
struct Node {
    template: Arc<Template>,
    /// The generator that added it.
    by: Option<u32>,
    /// Sorted.
    children: Vec<u32>,
}

impl Graph {
    /// The graph of a specification: its groups with their [`edges`].
    pub fn new(templates: &[Arc<Template>], edges: &[(u32, u32)]) -> Graph {
        let mut graph = Graph { nodes: Vec::new(), places: HashMap::new(), brought: 0 };
        graph.extend(None, templates, edges);
        graph
    }

    /// All edges: (parent, child), sorted.
    pub fn edges(&self) -> impl Iterator<Item = (u32, u32)> {
        (0..).zip(&self.nodes).flat_map(|(parent, node)| node.children.iter().map(move |child| (parent, *child)))
    }

    /// The groups that depend on this one, sorted.
    pub fn children(&self, group: u32) -> &[u32] {
        self.nodes.get(group as usize).map_or(&[], |node| &node.children)
    }

    /// Takes groups in that a generator has added, with what [`Graph::attach`] says they bring.
    pub fn append(&mut self, generator: u32, added: &[Arc<Template>], edges: &[(u32, u32)]) {
        self.brought += edges.len();
        self.extend(Some(generator), added, edges);
    }

    /// The edges are sorted. Those from groups that were there before lead to new ones, so that all lists stay sorted.
    fn extend(&mut self, by: Option<u32>, added: &[Arc<Template>], edges: &[(u32, u32)]) {
        self.nodes.extend(added.iter().map(|template| Node { template: template.clone(), by, children: Vec::new() }));
        for (parent, child) in edges {
            if let Some(node) = self.nodes.get_mut(*parent as usize) {
                node.children.push(*child);
            }
        }
    }

    /// The edges that attaching `added` behind the groups brings: those that the new templates declare, and one from
    /// each new group to each child of the generator, save where the new group was itself declared to come after that
    /// child. Sorted; new groups have the places behind the old ones. (What a generated task waits for on account of
    /// its generator needs no edge: the instance that made it has completed.)
    ///
    /// Children of the generator are all groups behind an edge from it, but for those that it has added itself. So what
    /// waits for a generator waits for everything that is generated below it, however often. Whether a child has begun
    /// (which takes a restart, since it waits for the generator) is not asked: the edges follow from what is declared
    /// alone, so that they come out the same when the additions of a stored run are attached again in their order.
    ///
    /// # Errors
    /// A name that is in use, an unknown name, a declared child that `started` says has begun, or a cycle.
    pub fn attach(
        &mut self,
        generator: u32,
        added: &[Arc<Template>],
        started: &dyn Fn(u32) -> bool,
    ) -> Result<Vec<(u32, u32)>, Invalid> {
        self.find_places();
        self.brings(generator, added, started)
    }

    fn brings(
        &self,
        generator: u32,
        added: &[Arc<Template>],
        started: &dyn Fn(u32) -> bool,
    ) -> Result<Vec<(u32, u32)>, Invalid> {
        let first = number(self.nodes.len())?;
        let new = first..number(self.nodes.len() + added.len())?;
        if let Some(taken) = added.iter().find(|template| self.places.contains_key(&template.name)) {
            return Err(Invalid(format!("task '{}' is in the run already", taken.name)));
        }
        let own = places(added, first);
        let mut brought = Vec::new();
        for (place, template) in (first..).zip(added) {
            let find = |name: &str| self.places.get(name).or_else(|| own.get(name)).copied();
            declare(place, template, find, &mut brought)?;
        }
        let mut extended = Extended { graph: self, added, more: HashMap::new() };
        brought.iter().for_each(|(parent, child)| extended.add(*parent, *child));
        // An edge to an old group can only have been declared as one of the new group's children.
        let late = |(_, child): &&(u32, u32)| *child < first && (*child == generator || started(*child));
        if let Some((parent, child)) = brought.iter().find(late) {
            let (parent, child) = (extended.name(*parent), extended.name(*child));
            return Err(Invalid(format!("child '{child}' of task '{parent}' has already started")));
        }
        extended.acyclic(generator, new.clone())?;
        let children = self.waiting(generator);
        if children.len().saturating_mul(added.len()).saturating_add(self.brought) > ATTACHED_MAX {
            let (tasks, children) = (added.len(), children.len());
            return Err(Invalid(format!(
                "{tasks} tasks are too many for {children} children of the generator to wait for"
            )));
        }
        // Only from a group that a new one names as its parent does any way lead from old ones to new ones.
        let entered = brought.iter().any(|(parent, _)| *parent < first && *parent != generator);
        for child in children {
            // What comes after this child, be it by way of an earlier one, cannot come before it as well.
            let after = if entered { extended.reached(child..child + 1) } else { BTreeSet::new() };
            for place in new.clone().filter(|place| !after.contains(place)) {
                extended.add(place, child);
                brought.push((place, child));
            }
        }
        brought.sort_unstable();
        brought.dedup();
        Ok(brought)
    }

    fn find_places(&mut self) {
        let known = self.places.len();
        let new = (0..).zip(&self.nodes).skip(known).map(|(place, node)| (node.template.name.clone(), place));
        self.places.extend(new);
    }

    /// The children of a generator that wait for what it adds.
    fn waiting(&self, generator: u32) -> Vec<u32> {
        let own = |child: &u32| self.nodes.get(*child as usize).is_some_and(|node| node.by == Some(generator));
        self.children(generator).iter().copied().filter(|child| !own(child)).collect()
    }
}

/// A graph with what is about to be added to it.
struct Extended<'a> {
    graph: &'a Graph,
    added: &'a [Arc<Template>],
    /// Children beside those that the graph knows.
    more: HashMap<u32, Vec<u32>>,
}

impl<'a> Extended<'a> {
    fn add(&mut self, parent: u32, child: u32) {
        self.more.entry(parent).or_default().push(child);
    }

    fn children(&self, parent: u32) -> impl Iterator<Item = u32> {
        self.graph.children(parent).iter().chain(self.more.get(&parent).into_iter().flatten()).copied()
    }

    fn name(&self, place: u32) -> &'a str {
        let template = match (place as usize).checked_sub(self.graph.nodes.len()) {
            Some(new) => self.added.get(new),
            None => self.graph.nodes.get(place as usize).map(|node| &node.template),
        };
        template.map_or("", |template| &template.name)
    }

    /// These groups and all that come after any of them.
    fn reached(&self, from: Range<u32>) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut open: Vec<u32> = from.collect();
        while let Some(group) = open.pop() {
            if found.insert(group) {
                open.extend(self.children(group));
            }
        }
        found
    }

    /// Every new cycle goes through a new group, so only what comes after these is looked at. All of them come after
    /// the generator.
    fn acyclic(&self, generator: u32, new: Range<u32>) -> Result<(), Invalid> {
        let reached: Vec<u32> = self.reached(new.clone()).into_iter().collect();
        let place = |group: u32| reached.binary_search(&group).ok().and_then(|place| u32::try_from(place).ok());
        let mut order = Order::of(reached.len());
        for (parent, group) in (0..).zip(&reached) {
            let made = if *group == generator { new.clone() } else { 0..0 };
            self.children(*group).chain(made).filter_map(place).for_each(|child| order.add(parent, child));
        }
        order.acyclic(|place| reached.get(place as usize).map_or("", |group| self.name(*group)))
    }
}

/// The place of each name.
fn places(templates: &[Arc<Template>], first: u32) -> HashMap<&str, u32> {
    templates.iter().map(|template| template.name.as_str()).zip(first..).collect()
}

/// Appends the edges that one template declares.
fn declare(
    place: u32,
    template: &Template,
    find: impl Fn(&str) -> Option<u32>,
    edges: &mut Vec<(u32, u32)>,
) -> Result<(), Invalid> {
    let find = |kind: &str, name: &String| {
        find(name).ok_or_else(|| Invalid(format!("unknown {kind} '{}' in task '{}'", shortened(name), template.name)))
    };
    for parent in &template.parents {
        edges.push((find("parent", parent)?, place));
    }
    for child in &template.children {
        edges.push((place, find("child", child)?));
    }
    Ok(())
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

/// Who comes after whom, among groups that are numbered from 0.
struct Order {
    children: Vec<Vec<u32>>,
}

impl Order {
    fn of(groups: usize) -> Order {
        Order { children: vec![Vec::new(); groups] }
    }

    fn add(&mut self, parent: u32, child: u32) {
        if let Some(children) = self.children.get_mut(parent as usize) {
            children.push(child);
        }
    }

    fn children(&self, parent: u32) -> &[u32] {
        self.children.get(parent as usize).map_or(&[], Vec::as_slice)
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
