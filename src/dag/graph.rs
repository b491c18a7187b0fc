//! A run's graph as a picture: JSON, Graphviz DOT, Mermaid, SVG.

use super::machine::View;

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

/// Draws it. Takes time with the number of drawn nodes.
pub fn draw(view: &View, format: Format) -> String {
    let _ = (view, format);
    unimplemented!()
}
