//! What is drawn of a run: its tasks, or its groups where the tasks are too many, or layers of groups where those are.

use super::layers::longest_path;
use super::{COLLAPSE, GROUPS_MAX, NODES_MAX};
use crate::dag::machine::GroupView;
use crate::dag::model::{Counts, State};
use std::ops::Range;

/// Between two groups that have more pairs of instances than this, edges meet in one joint.
const PAIRS_MAX: usize = 16;
/// At most so many layers are drawn of a run that is drawn by layers.
const LAYERS_MAX: usize = 60;

/// Nodes and edges, ready to be written down.
#[derive(Debug, Default)]
pub struct Picture {
    /// What it shows.
    pub title: String,
    /// The nodes; others know them by their place.
    pub nodes: Vec<Node>,
    /// The edges, every one between two nodes of the list.
    pub edges: Vec<Edge>,
}

/// One node.
#[derive(Debug)]
pub struct Node {
    /// What is written on it.
    pub label: String,
    /// The defined name of the group it belongs to; none: it stands for several, or for nothing.
    pub group: Option<String>,
    /// What it stands for.
    pub what: What,
}

/// What a node stands for.
#[derive(Debug)]
pub enum What {
    /// One task.
    Task(State),
    /// All tasks of a group.
    Group(Counts),
    /// All tasks of all groups of some layers.
    Layer(Counts),
    /// Nothing: every node before it comes before every node behind it.
    Joint,
}

/// One edge, by the places of its nodes.
#[derive(Debug)]
pub struct Edge {
    /// What comes first.
    pub from: usize,
    /// What comes after it.
    pub to: usize,
    /// Why.
    pub kind: Kind,
}

/// Why one node comes after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It waits for it.
    Depends,
    /// It was added by it.
    Generates,
}

impl Picture {
    /// The most detailed picture of these groups that is not too big.
    pub fn of(title: &str, groups: &[GroupView], edges: &[(u32, u32)], edges_max: usize) -> Picture {
        let title = printable(title);
        let links = groups.iter().filter(|group| group.by.is_some()).count();
        if groups.len() > GROUPS_MAX || edges.len() + links > edges_max {
            return Picture { title, ..by_layers(groups, edges) };
        }
        let nodes: usize = groups.iter().map(|group| size(group, true)).sum();
        if nodes <= NODES_MAX {
            let detailed = by_groups(groups, edges, true);
            if detailed.edges.len() <= edges_max {
                return Picture { title, ..detailed };
            }
        }
        Picture { title, ..by_groups(groups, edges, false) }
    }

    /// Connects every node of one range with every node of the other.
    fn connect(&mut self, from: Range<usize>, to: Range<usize>, kind: Kind) {
        // One to many is a fan already.
        if from.len() == 1 || to.len() == 1 || from.len() * to.len() <= PAIRS_MAX {
            let pairs = from.flat_map(|from| to.clone().map(move |to| Edge { from, to, kind }));
            return self.edges.extend(pairs);
        }
        let joint = self.nodes.len();
        self.nodes.push(Node { label: String::new(), group: None, what: What::Joint });
        self.edges.extend(from.map(|from| Edge { from, to: joint, kind }));
        self.edges.extend(to.map(|to| Edge { from: joint, to, kind }));
    }
}

impl Edge {
    /// The word for programs.
    pub fn word(&self) -> &'static str {
        match self.kind {
            Kind::Depends => "depends",
            Kind::Generates => "generates",
        }
    }
}

impl Node {
    /// How many tasks it stands for.
    pub fn count(&self) -> u64 {
        match &self.what {
            What::Task(_) => 1,
            What::Group(counts) | What::Layer(counts) => counts.total(),
            What::Joint => 0,
        }
    }

    /// The second line of a label: the state, or how many tasks are in which.
    pub fn status(&self) -> String {
        match &self.what {
            What::Task(state) => state.word().to_owned(),
            What::Group(counts) | What::Layer(counts) => {
                let words = counts.present().map(|(state, count)| format!("{count} {}", state.word()));
                words.collect::<Vec<_>>().join(", ")
            }
            What::Joint => String::new(),
        }
    }
}

/// How many nodes a group is.
fn size(group: &GroupView, detailed: bool) -> usize {
    let count = group.template.count;
    // The only instance of a group says more than the group, in the same room.
    let is_split = count == 1 || detailed && (1..=COLLAPSE).contains(&count);
    if is_split { count as usize } else { 1 }
}

fn by_groups(groups: &[GroupView], edges: &[(u32, u32)], detailed: bool) -> Picture {
    let mut picture = Picture::default();
    let mut places = Vec::with_capacity(groups.len());
    for group in groups {
        let first = picture.nodes.len();
        let name = &group.template.name;
        if detailed && size(group, true) > 1 || group.template.count == 1 {
            let node = |index: u32| Node {
                label: printable(&group.template.instance(index)),
                group: Some(name.clone()),
                what: What::Task(group.state(index)),
            };
            picture.nodes.extend((0..group.template.count).map(node));
        } else {
            let label = format!("{} ×{}", printable(name), group.template.count);
            picture.nodes.push(Node { label, group: Some(name.clone()), what: What::Group(counts(group)) });
        }
        places.push(first..picture.nodes.len());
    }
    let place = |group: u32| places.get(group as usize).cloned();
    for &(parent, child) in edges {
        if let (Some(from), Some(to)) = (place(parent), place(child)) {
            picture.connect(from, to, Kind::Depends);
        }
    }
    for (group, to) in groups.iter().zip(&places) {
        let Some(by) = group.by else { continue };
        if let Some(from) = place(by.group).and_then(|from| from.clone().nth(by.index as usize).or(from.last())) {
            picture.connect(from..from + 1, to.clone(), Kind::Generates);
        }
    }
    picture
}

/// A run of very many groups: what stands in the same layer is one node, or in the same few layers.
fn by_layers(groups: &[GroupView], edges: &[(u32, u32)]) -> Picture {
    let depends = edges.iter().map(|(parent, child)| (*parent as usize, *child as usize));
    let made = groups.iter().enumerate().filter_map(|(place, group)| Some((group.by?.group as usize, place)));
    let layers = longest_path(groups.len(), &depends.chain(made).collect::<Vec<_>>());
    let depth = layers.iter().max().map_or(0, |last| last + 1);
    let band = depth.div_ceil(LAYERS_MAX).max(1);
    let mut sums = vec![(0_u64, Counts::default()); depth.div_ceil(band)];
    for (group, layer) in groups.iter().zip(&layers) {
        let Some((number, sum)) = sums.get_mut(layer / band) else { continue };
        *number += 1;
        for (sum, count) in sum.0.iter_mut().zip(counts(group).0) {
            *sum = sum.saturating_add(count);
        }
    }
    let mut picture = Picture::default();
    for (place, (number, counts)) in sums.into_iter().enumerate() {
        let first = place * band + 1;
        let last = (first + band - 1).min(depth);
        let which = if first == last { format!("layer {first}") } else { format!("layers {first}–{last}") };
        let noun = if number == 1 { "group" } else { "groups" };
        let label = format!("{which}: {number} {noun}");
        picture.nodes.push(Node { label, group: None, what: What::Layer(counts) });
    }
    // Whatever stands in a layer waits for something in the one before it.
    picture.edges.extend((1..picture.nodes.len()).map(|to| Edge { from: to - 1, to, kind: Kind::Depends }));
    picture
}

/// How many instances of a group are in which state.
fn counts(group: &GroupView) -> Counts {
    let mut counts = Counts::default();
    for state in (0..group.template.count).map(|index| group.state(index)) {
        if let Some(count) = counts.0.get_mut(state as usize) {
            *count += 1;
        }
    }
    counts
}

/// The text without anything that no picture can show.
fn printable(text: &str) -> String {
    let has_none = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if has_none(c) { '\u{fffd}' } else { c }).collect()
}
