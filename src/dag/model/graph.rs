//! Dependencies between groups: found, checked, extended.

use super::template::{Invalid, Template};
use std::sync::Arc;

/// The edges that these templates declare: (parent, child) as places in the list, sorted, each once.
///
/// # Errors
/// A name that is none of theirs (with the task that names it), or a cycle (with its path).
pub fn edges(templates: &[Arc<Template>]) -> Result<Vec<(u32, u32)>, Invalid> {
    let _ = templates;
    unimplemented!()
}

/// The edges that attaching `added` behind `groups` brings: those that the new templates declare, and one from each new
/// group to each child of the generator, save where the new group was itself declared to come after that child. Sorted;
/// new groups have the places behind the old ones. (What a generated task waits for on account of its generator needs
/// no edge: the instance that made it has completed.)
///
/// # Errors
/// A name that is in use, an unknown name, a child that `started` says has begun, or a cycle.
pub fn attach(
    groups: &[Arc<Template>],
    edges: &[(u32, u32)],
    generator: u32,
    added: &[Arc<Template>],
    started: &dyn Fn(u32) -> bool,
) -> Result<Vec<(u32, u32)>, Invalid> {
    let _ = (groups, edges, generator, added, started);
    unimplemented!()
}
