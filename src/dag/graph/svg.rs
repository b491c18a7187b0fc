//! The picture as SVG: needs no style sheet, font or script, and is readable on light and on dark ground, with colours
//! and without.

use super::layout::{Frame, Point, Size, lay_out};
use super::picture::{Kind, Node, Picture, What};
use super::text::line_part;
use crate::dag::model::{Counts, State};

/// Of a box with one task.
const HEIGHT: f64 = 38.0;
/// Of one with many: there is a bar below the text.
const TALL: f64 = 48.0;
const PADDING: f64 = 12.0;
/// Narrower boxes look lost.
const NARROWEST: f64 = 92.0;
/// Longer names are shortened in the middle; the whole is in the title.
const LETTERS_MAX: usize = 36;
/// The mean width of a letter of the name, and of the line below it.
const LETTER: f64 = 7.2;
const SMALL_LETTER: f64 = 6.4;
const EDGE: &str = "#7d8590";

/// Draws it.
pub fn svg(picture: &Picture) -> String {
    let sizes: Vec<Size> = picture.nodes.iter().map(size).collect();
    let edges: Vec<(usize, usize)> = picture.edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let layout = lay_out(&sizes, &edges);
    let Size { width, height } = layout.size;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
         font-family=\"system-ui, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif\">\n<title>{}</title>\n",
        escaped(&picture.title)
    );
    line_part(
        &mut text,
        format_args!(
            "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M0 0.8 8 4 0 7.2z\" fill=\"{EDGE}\"/></marker></defs>\n\
             <g fill=\"none\" stroke=\"{EDGE}\" stroke-width=\"1.3\">\n"
        ),
    );
    for (edge, route) in picture.edges.iter().zip(&layout.routes) {
        let dashes = if edge.kind == Kind::Generates { " stroke-dasharray=\"5 4\"" } else { "" };
        let is_joint = picture.nodes.get(edge.to).is_some_and(|node| matches!(node.what, What::Joint));
        let tip = if is_joint { "" } else { " marker-end=\"url(#tip)\"" };
        line_part(&mut text, format_args!("<path d=\"{}\"{dashes}{tip}/>\n", path(route)));
    }
    text.push_str("</g>\n<g fill=\"#1f2328\" text-anchor=\"middle\" stroke-width=\"1.2\">\n");
    for (node, frame) in picture.nodes.iter().zip(&layout.frames) {
        draw_node(&mut text, node, frame);
    }
    text.push_str("</g>\n</svg>\n");
    text
}

/// How big a node has to be.
fn size(node: &Node) -> Size {
    if matches!(node.what, What::Joint) {
        return Size { width: 7.0, height: 7.0 };
    }
    let name = letters(&shortened(&node.label)) as f64 * LETTER;
    let below = letters(&below(node)) as f64 * SMALL_LETTER;
    let height = if matches!(node.what, What::Task(_)) { HEIGHT } else { TALL };
    Size { width: (name.max(below) + 2.0 * PADDING).max(NARROWEST).round(), height }
}

fn draw_node(text: &mut String, node: &Node, frame: &Frame) {
    let Frame { corner: Point { x, y }, size: Size { width, height } } = *frame;
    let middle = x + width / 2.0;
    if matches!(node.what, What::Joint) {
        let (centre, radius) = (y + height / 2.0, height / 2.0);
        line_part(
            text,
            format_args!("<circle cx=\"{middle:.1}\" cy=\"{centre:.1}\" r=\"{radius:.1}\" fill=\"{EDGE}\"/>\n"),
        );
        return;
    }
    let (fill, line) = colours(&node.what);
    line_part(text, format_args!("<g><title>{}: {}</title>", escaped(&node.label), node.status()));
    if let What::Group(_) | What::Layer(_) = node.what {
        // There are more behind it.
        let (x, y) = (x + 4.0, y - 4.0);
        rectangle(text, (x, y, width, height), fill, line);
    }
    rectangle(text, (x, y, width, height), fill, line);
    let name = escaped(&shortened(&node.label));
    let (first, second) = (y + 16.5, y + 30.0);
    line_part(
        text,
        format_args!("<text x=\"{middle:.1}\" y=\"{first:.1}\" font-size=\"12\" font-weight=\"600\">{name}</text>"),
    );
    let below = below(node);
    line_part(text, format_args!("<text x=\"{middle:.1}\" y=\"{second:.1}\" font-size=\"10\">{below}</text>"));
    if let What::Group(counts) | What::Layer(counts) = &node.what {
        bar(text, counts, (x + PADDING, y + height - 10.0, width - 2.0 * PADDING));
    }
    text.push_str("</g>\n");
}

fn rectangle(text: &mut String, (x, y, width, height): (f64, f64, f64, f64), fill: &str, line: &str) {
    line_part(
        text,
        format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\" fill=\"{fill}\" \
             stroke=\"{line}\"/>"
        ),
    );
}

/// How the tasks divide into states, as parts of a line.
fn bar(text: &mut String, counts: &Counts, (x, y, width): (f64, f64, f64)) {
    let total = (counts.total() as f64).max(1.0);
    let mut left = x;
    for (state, count) in counts.present() {
        let part = width * f64::from(count) / total;
        let (_, colour) = colours(&What::Task(state));
        line_part(
            text,
            format_args!("<rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{part:.1}\" height=\"4\" fill=\"{colour}\"/>"),
        );
        left += part;
    }
}

/// A curve through the points: level at each, straight inside a layer.
fn path(route: &[Point]) -> String {
    let mut path = String::new();
    let mut last: Option<Point> = None;
    for (place, point) in route.iter().enumerate() {
        let Point { x, y } = point;
        match last {
            None => line_part(&mut path, format_args!("M{x:.1} {y:.1}")),
            // The points after the first come in pairs: the left and the right side of a layer.
            Some(_) if place.is_multiple_of(2) => line_part(&mut path, format_args!("H{x:.1}")),
            Some(from) => {
                let bend = (from.x + x) / 2.0;
                line_part(&mut path, format_args!("C{bend:.1} {:.1} {bend:.1} {y:.1} {x:.1} {y:.1}", from.y));
            }
        }
        last = Some(*point);
    }
    path
}

/// What is written below the name.
fn below(node: &Node) -> String {
    match &node.what {
        What::Task(_) | What::Joint => node.status(),
        What::Group(_) | What::Layer(_) => node.status().to_lowercase(),
    }
}

/// The ground and the line of a node.
pub fn colours(what: &What) -> (&'static str, &'static str) {
    match what {
        What::Task(State::Queued) => ("#e9ecf0", "#8c959f"),
        What::Task(State::Running) => ("#cfe4ff", "#1f6feb"),
        What::Task(State::Retry) => ("#fff1c2", "#b58105"),
        What::Task(State::Errored) => ("#ffd4d0", "#cf222e"),
        What::Task(State::Killed) => ("#e9d8fd", "#8250df"),
        What::Task(State::Paused) => ("#fde0c5", "#bc4c00"),
        What::Task(State::Completed) => ("#d2f3d9", "#1a7f37"),
        What::Group(_) | What::Layer(_) | What::Joint => ("#f6f8fa", "#6e7781"),
    }
}

/// How many narrow letters wide a text is: those of East Asia, and pictures, are two.
fn letters(text: &str) -> usize {
    text.chars().map(|c| if u32::from(c) >= 0x1100 && c != '…' && c != '–' { 2 } else { 1 }).sum()
}

/// A long name without its middle: beginning and end tell more.
fn shortened(name: &str) -> String {
    let all: Vec<char> = name.chars().collect();
    if all.len() <= LETTERS_MAX {
        return name.to_owned();
    }
    let keep = LETTERS_MAX / 2;
    let (head, tail) = (all.iter().take(keep), all.iter().skip(all.len() - keep + 1));
    head.chain(['…'].iter()).chain(tail).collect()
}

/// As text or attribute of XML. What XML cannot hold at all is in no picture.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
