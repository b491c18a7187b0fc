//! Pictures that other programs make: JSON, DOT, Mermaid. Nodes are `n0`, `n1` …; names stand in labels only.

use super::picture::{Edge, Kind, Node, Picture, What};
use super::svg::colours;
use crate::dag::model::{Counts, State};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// `{"nodes":[{id,kind,label,group,count,state|states}],"edges":[{from,to,kind}]}`.
pub fn json(picture: &Picture) -> String {
    let node = |(place, node): (usize, &Node)| {
        let mut shown = json!({ "id": format!("n{place}"), "label": node.label, "group": node.group });
        shown["count"] = node.count().into();
        let kind = match &node.what {
            What::Task(state) => {
                shown["state"] = state.word().into();
                "task"
            }
            What::Group(counts) => {
                shown["states"] = states(counts);
                "group"
            }
            What::Layer(counts) => {
                shown["states"] = states(counts);
                "layer"
            }
            What::Joint => "joint",
        };
        shown["kind"] = kind.into();
        shown
    };
    let edge = |edge: &Edge| {
        let (from, to) = (format!("n{}", edge.from), format!("n{}", edge.to));
        json!({ "from": from, "to": to, "kind": edge.word() })
    };
    let nodes: Vec<Value> = picture.nodes.iter().enumerate().map(node).collect();
    let edges: Vec<Value> = picture.edges.iter().map(edge).collect();
    json!({ "nodes": nodes, "edges": edges }).to_string()
}

fn states(counts: &Counts) -> Value {
    counts.present().map(|(state, count)| (state.word().to_owned(), count.into())).collect::<Map<_, _>>().into()
}

/// For Graphviz.
pub fn dot(picture: &Picture) -> String {
    let mut text = format!("digraph run {{\n  label={};\n  labelloc=t;\n  rankdir=LR;\n", quoted(&[&picture.title]));
    text.push_str("  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=11];\n");
    text.push_str("  edge [color=\"#7d8590\", arrowsize=0.7];\n");
    for (place, node) in picture.nodes.iter().enumerate() {
        let label = quoted(&[&node.label, &node.status()]);
        let (fill, line) = colours(&node.what);
        let shape = match node.what {
            What::Joint => "shape=point, width=0.08, color=\"#7d8590\", label=\"\"".to_owned(),
            What::Task(_) => format!("label={label}, fillcolor=\"{fill}\", color=\"{line}\""),
            What::Group(_) | What::Layer(_) => {
                format!("label={label}, peripheries=2, fillcolor=\"{fill}\", color=\"{line}\"")
            }
        };
        line_of(&mut text, format_args!("n{place} [{shape}];"));
    }
    for edge in &picture.edges {
        let dashes = if edge.kind == Kind::Generates { " [style=dashed]" } else { "" };
        line_of(&mut text, format_args!("n{} -> n{}{dashes};", edge.from, edge.to));
    }
    text + "}\n"
}

/// Lines of a label as DOT reads them: C's escapes, and HTML's entities.
fn quoted(lines: &[&str]) -> String {
    let escaped = |line: &&str| line.replace('&', "&amp;").replace('\\', "\\\\").replace('"', "\\\"");
    let lines = lines.iter().filter(|line| !line.is_empty()).map(escaped);
    format!("\"{}\"", lines.collect::<Vec<_>>().join("\\n"))
}

/// For Mermaid.
pub fn mermaid(picture: &Picture) -> String {
    // The title is YAML, of which a text in JSON is a part.
    let mut text = format!("---\ntitle: {}\n---\nflowchart LR\n", Value::from(picture.title.as_str()));
    for (place, node) in picture.nodes.iter().enumerate() {
        let label = format!("\"{}<br/>{}\"", coded(&node.label), coded(&node.status()));
        match &node.what {
            What::Task(state) => line_of(&mut text, format_args!("n{place}[{label}]:::{}", class(*state))),
            What::Group(_) | What::Layer(_) => line_of(&mut text, format_args!("n{place}[[{label}]]:::many")),
            What::Joint => line_of(&mut text, format_args!("n{place}(( ))")),
        }
    }
    for edge in &picture.edges {
        let arrow = if edge.kind == Kind::Generates { "-.->" } else { "-->" };
        line_of(&mut text, format_args!("n{} {arrow} n{}", edge.from, edge.to));
    }
    let classes = State::ALL.map(|state| (class(state), What::Task(state)));
    for (class, what) in classes.into_iter().chain([("many".to_owned(), What::Group(Counts::default()))]) {
        let (fill, line) = colours(&what);
        line_of(&mut text, format_args!("classDef {class} fill:{fill},stroke:{line},color:#1f2328"));
    }
    text
}

/// The name of a state's class.
fn class(state: State) -> String {
    state.word().to_ascii_lowercase()
}

/// A text in which Mermaid finds no syntax of its own: `#34;` is its way of writing `"`.
fn coded(text: &str) -> String {
    let mut coded = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '_' | '-' | ',' | ':' | '(' | ')') {
            line_part(&mut coded, format_args!("#{};", u32::from(c)));
        } else {
            coded.push(c);
        }
    }
    coded
}

fn line_of(text: &mut String, line: std::fmt::Arguments<'_>) {
    line_part(text, format_args!("  {line}\n"));
}

/// Appends; writing to a `String` cannot fail.
pub fn line_part(text: &mut String, part: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(part);
}
