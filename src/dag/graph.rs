//! A run's graph as a picture: JSON, Graphviz DOT, Mermaid, SVG.
//!
//! ```text
//! View ── picture ──> nodes and edges ──┬── text ──> JSON, DOT, Mermaid
//!                                       └── layout (layers, order, places) ── svg ──> SVG
//! ```
//!
//! What is drawn is bounded, whatever the run is: groups become one node each when their instances would be too many,
//! layers of groups when the groups would be. So every format takes milliseconds and fits what shows it.

mod layers;
mod layout;
mod picture;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use super::machine::{GroupView, View};
use super::model::{Blueprint, Template};
use picture::Picture;
use std::collections::BTreeMap;
use std::sync::Arc;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For programs.
    Json,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
    /// A picture.
    Svg,
}

/// Groups with more instances than this are drawn as one node.
pub const COLLAPSE: u32 = 200;
/// With more nodes than this, every group is drawn as one node.
const NODES_MAX: usize = 400;
/// With more groups than this, layers of groups are drawn.
const GROUPS_MAX: usize = 2_000;
/// With more edges than this, groups are drawn as one node each, or layers of them.
const EDGES_MAX: usize = 6_000;
/// Mermaid shows no flowchart with more edges (its `maxEdges`, which a document may not set).
const MERMAID_EDGES_MAX: usize = 500;

/// Draws it. Takes time with the number of drawn nodes, plus a glance at every task's state: big runs belong on the
/// blocking pool.
pub fn draw(view: &View, format: Format) -> String {
    let row = &view.row;
    let title = format!("run {}: {} ({})", row.id, row.tag, row.state().word());
    write(&title, &view.groups, &view.edges, format)
}

/// Draws what a specification will be, before anything of it has run.
pub fn sketch(blueprint: &Blueprint, format: Format) -> String {
    let group = |template: &Arc<Template>| GroupView {
        template: template.clone(),
        states: Arc::default(),
        edits: BTreeMap::new(),
        by: None,
        added: Vec::new(),
    };
    let groups: Vec<GroupView> = blueprint.templates.iter().map(group).collect();
    write(&blueprint.tag, &groups, &blueprint.edges, format)
}

fn write(title: &str, groups: &[GroupView], edges: &[(u32, u32)], format: Format) -> String {
    let edges_max = if format == Format::Mermaid { MERMAID_EDGES_MAX } else { EDGES_MAX };
    let picture = Picture::of(title, groups, edges, edges_max);
    match format {
        Format::Json => text::json(&picture),
        Format::Dot => text::dot(&picture),
        Format::Mermaid => text::mermaid(&picture),
        Format::Svg => svg::svg(&picture),
    }
}
