//! Pictures: what is drawn of runs of every size, in every format, and where the boxes stand.

use super::layout::{Frame, Size, lay_out};
use super::picture::{Kind, Picture, What};
use super::{COLLAPSE, EDGES_MAX, Format, GROUPS_MAX, MERMAID_EDGES_MAX, NODES_MAX, draw};
use crate::base::Wall;
use crate::dag::machine::{GroupView, View};
use crate::dag::model::{Counts, DagRunId, Origin, Owner, RunRow, State, StateChange, TaskId, Template, Trigger};
use expect_test::expect;
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

fn template(name: &str, count: u32) -> Template {
    Template {
        name: name.to_owned(),
        job: Map::new(),
        parameters: Arc::default(),
        own_parameters: Arc::default(),
        axes: Vec::new(),
        count,
        needs: None,
        max_retries: 0,
        retry_interval: 0,
        retry_backoff: None,
        children: Vec::new(),
        parents: Vec::new(),
        is_generator: false,
        trigger: Trigger::Success,
        priority: 0,
    }
}

/// A group whose instances are in these states, and after those in the last of them.
fn group(name: &str, count: u32, states: &[State]) -> GroupView {
    let state = |index: u32| states.get(index as usize).or(states.last()).copied().unwrap_or_default() as u8;
    GroupView {
        template: Arc::new(template(name, count)),
        states: Arc::new((0..count).map(state).collect()),
        edits: BTreeMap::new(),
        by: None,
        added: Vec::new(),
    }
}

fn view(tag: &str, groups: Vec<GroupView>, edges: &[(u32, u32)]) -> View {
    let row = RunRow {
        id: DagRunId(7),
        tag: tag.to_owned(),
        history: vec![StateChange { at: Wall::UNIX_EPOCH, state: State::Running }],
        last_update: Wall::UNIX_EPOCH,
        counts: Counts::default(),
        pass: 0,
        resets: Vec::new(),
        owner: Arc::new(Owner { uid: 0, name: "root".to_owned(), operator: true }),
        runs_as: 0,
        origin: Origin::Client,
    };
    View { row, groups, edges: edges.to_vec() }
}

/// A generator, two tasks it made, a group of many, and a report.
fn small() -> View {
    use State::{Completed, Errored, Queued, Running};
    let list = group("list", 1, &[Completed]);
    let pack = GroupView { by: Some(TaskId { group: 0, index: 0 }), ..group("pack", 2, &[Running, Errored]) };
    let sums = group("sums", 1_000, &[Completed, Completed, Running, Queued]);
    let report = group("report", 1, &[Queued]);
    view("nightly", vec![list, pack, sums, report], &[(0, 3), (1, 3), (2, 3)])
}

/// Names as nasty as they come.
fn nasty() -> View {
    let names = ["a \"b\" \\n", "<x> & 'y' &lt;", "größe-数据 🎉", "br#1;`]-->%%{x}", "line\nbreak\u{0}\u{fffe}"];
    let groups = names.iter().map(|name| group(name, 1, &[State::Paused])).collect();
    view("\"]<tag>&\\", groups, &[(0, 1), (1, 2), (2, 3), (3, 4)])
}

fn json(view: &View) -> Value {
    serde_json::from_str(&draw(view, Format::Json)).expect("JSON")
}

fn picture(view: &View) -> Picture {
    Picture::of("", &view.groups, &view.edges, EDGES_MAX)
}

#[test]
fn as_json() {
    expect![[r#"
        {
          "edges": [
            {
              "from": "n0",
              "kind": "depends",
              "to": "n4"
            },
            {
              "from": "n1",
              "kind": "depends",
              "to": "n4"
            },
            {
              "from": "n2",
              "kind": "depends",
              "to": "n4"
            },
            {
              "from": "n3",
              "kind": "depends",
              "to": "n4"
            },
            {
              "from": "n0",
              "kind": "generates",
              "to": "n1"
            },
            {
              "from": "n0",
              "kind": "generates",
              "to": "n2"
            }
          ],
          "nodes": [
            {
              "count": 1,
              "group": "list",
              "id": "n0",
              "kind": "task",
              "label": "list_0",
              "state": "COMPLETED"
            },
            {
              "count": 1,
              "group": "pack",
              "id": "n1",
              "kind": "task",
              "label": "pack_0",
              "state": "RUNNING"
            },
            {
              "count": 1,
              "group": "pack",
              "id": "n2",
              "kind": "task",
              "label": "pack_1",
              "state": "ERRORED"
            },
            {
              "count": 1000,
              "group": "sums",
              "id": "n3",
              "kind": "group",
              "label": "sums ×1000",
              "states": {
                "COMPLETED": 2,
                "QUEUED": 997,
                "RUNNING": 1
              }
            },
            {
              "count": 1,
              "group": "report",
              "id": "n4",
              "kind": "task",
              "label": "report_0",
              "state": "QUEUED"
            }
          ]
        }"#]]
    .assert_eq(&format!("{:#}", json(&small())));
}

#[test]
fn as_dot() {
    expect![[r##"
        digraph run {
          label="run 7: nightly (RUNNING)";
          labelloc=t;
          rankdir=LR;
          node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11];
          edge [color="#7d8590", arrowsize=0.7];
          n0 [label="list_0\nCOMPLETED", fillcolor="#d2f3d9", color="#1a7f37"];
          n1 [label="pack_0\nRUNNING", fillcolor="#cfe4ff", color="#1f6feb"];
          n2 [label="pack_1\nERRORED", fillcolor="#ffd4d0", color="#cf222e"];
          n3 [label="sums ×1000\n997 QUEUED, 1 RUNNING, 2 COMPLETED", peripheries=2, fillcolor="#f6f8fa", color="#6e7781"];
          n4 [label="report_0\nQUEUED", fillcolor="#e9ecf0", color="#8c959f"];
          n0 -> n4;
          n1 -> n4;
          n2 -> n4;
          n3 -> n4;
          n0 -> n1 [style=dashed];
          n0 -> n2 [style=dashed];
        }
    "##]]
    .assert_eq(&draw(&small(), Format::Dot));
}

#[test]
fn as_mermaid() {
    expect![[r#"
        ---
        title: "run 7: nightly (RUNNING)"
        ---
        flowchart LR
          n0["list_0<br/>COMPLETED"]:::completed
          n1["pack_0<br/>RUNNING"]:::running
          n2["pack_1<br/>ERRORED"]:::errored
          n3[["sums ×1000<br/>997 QUEUED, 1 RUNNING, 2 COMPLETED"]]:::many
          n4["report_0<br/>QUEUED"]:::queued
          n0 --> n4
          n1 --> n4
          n2 --> n4
          n3 --> n4
          n0 -.-> n1
          n0 -.-> n2
          classDef queued fill:#e9ecf0,stroke:#8c959f,color:#1f2328
          classDef running fill:#cfe4ff,stroke:#1f6feb,color:#1f2328
          classDef retry fill:#fff1c2,stroke:#b58105,color:#1f2328
          classDef errored fill:#ffd4d0,stroke:#cf222e,color:#1f2328
          classDef killed fill:#e9d8fd,stroke:#8250df,color:#1f2328
          classDef paused fill:#fde0c5,stroke:#bc4c00,color:#1f2328
          classDef completed fill:#d2f3d9,stroke:#1a7f37,color:#1f2328
          classDef many fill:#f6f8fa,stroke:#6e7781,color:#1f2328
    "#]]
    .assert_eq(&draw(&small(), Format::Mermaid));
}

#[test]
fn as_svg() {
    expect![[r##"
        <svg xmlns="http://www.w3.org/2000/svg" width="562" height="202" viewBox="0 0 562 202" role="img" font-family="system-ui, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif">
        <title>run 7: nightly (RUNNING)</title>
        <defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0.8 8 4 0 7.2z" fill="#7d8590"/></marker></defs>
        <g fill="none" stroke="#7d8590" stroke-width="1.3">
        <path d="M108.0 81.3C132.9 81.3 132.9 122.0 157.8 122.0H399.8C426.9 122.0 426.9 117.0 454.0 117.0" marker-end="url(#tip)"/>
        <path d="M399.8 35.0C426.9 35.0 426.9 117.0 454.0 117.0" marker-end="url(#tip)"/>
        <path d="M399.8 87.0C426.9 87.0 426.9 117.0 454.0 117.0" marker-end="url(#tip)"/>
        <path d="M399.8 162.0C426.9 162.0 426.9 117.0 454.0 117.0" marker-end="url(#tip)"/>
        <path d="M108.0 81.3C132.9 81.3 132.9 35.0 157.8 35.0" stroke-dasharray="5 4" marker-end="url(#tip)"/>
        <path d="M108.0 81.3C132.9 81.3 132.9 87.0 157.8 87.0" stroke-dasharray="5 4" marker-end="url(#tip)"/>
        </g>
        <g fill="#1f2328" text-anchor="middle" stroke-width="1.2">
        <g><title>list_0: COMPLETED</title><rect x="16.0" y="62.3" width="92.0" height="38.0" rx="6" fill="#d2f3d9" stroke="#1a7f37"/><text x="62.0" y="78.8" font-size="12" font-weight="600">list_0</text><text x="62.0" y="92.3" font-size="10">COMPLETED</text></g>
        <g><title>pack_0: RUNNING</title><rect x="157.8" y="16.0" width="242.0" height="38.0" rx="6" fill="#cfe4ff" stroke="#1f6feb"/><text x="278.8" y="32.5" font-size="12" font-weight="600">pack_0</text><text x="278.8" y="46.0" font-size="10">RUNNING</text></g>
        <g><title>pack_1: ERRORED</title><rect x="157.8" y="68.0" width="242.0" height="38.0" rx="6" fill="#ffd4d0" stroke="#cf222e"/><text x="278.8" y="84.5" font-size="12" font-weight="600">pack_1</text><text x="278.8" y="98.0" font-size="10">ERRORED</text></g>
        <g><title>sums ×1000: 997 QUEUED, 1 RUNNING, 2 COMPLETED</title><rect x="161.8" y="134.0" width="242.0" height="48.0" rx="6" fill="#f6f8fa" stroke="#6e7781"/><rect x="157.8" y="138.0" width="242.0" height="48.0" rx="6" fill="#f6f8fa" stroke="#6e7781"/><text x="278.8" y="154.5" font-size="12" font-weight="600">sums ×1000</text><text x="278.8" y="168.0" font-size="10">997 queued, 1 running, 2 completed</text><rect x="169.8" y="176.0" width="217.3" height="4" fill="#8c959f"/><rect x="387.1" y="176.0" width="0.2" height="4" fill="#1f6feb"/><rect x="387.4" y="176.0" width="0.4" height="4" fill="#1a7f37"/></g>
        <g><title>report_0: QUEUED</title><rect x="454.0" y="98.0" width="92.0" height="38.0" rx="6" fill="#e9ecf0" stroke="#8c959f"/><text x="500.0" y="114.5" font-size="12" font-weight="600">report_0</text><text x="500.0" y="128.0" font-size="10">QUEUED</text></g>
        </g>
        </svg>
    "##]]
    .assert_eq(&draw(&small(), Format::Svg));
}

#[test]
fn dot_takes_any_name() {
    expect![[r##"
        digraph run {
          label="run 7: \"]<tag>&amp;\\ (RUNNING)";
          labelloc=t;
          rankdir=LR;
          node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11];
          edge [color="#7d8590", arrowsize=0.7];
          n0 [label="a \"b\" \\n_0\nPAUSED", fillcolor="#fde0c5", color="#bc4c00"];
          n1 [label="<x> &amp; 'y' &amp;lt;_0\nPAUSED", fillcolor="#fde0c5", color="#bc4c00"];
          n2 [label="größe-数据 🎉_0\nPAUSED", fillcolor="#fde0c5", color="#bc4c00"];
          n3 [label="br#1;`]-->%%{x}_0\nPAUSED", fillcolor="#fde0c5", color="#bc4c00"];
          n4 [label="line�break��_0\nPAUSED", fillcolor="#fde0c5", color="#bc4c00"];
          n0 -> n1;
          n1 -> n2;
          n2 -> n3;
          n3 -> n4;
        }
    "##]]
    .assert_eq(&draw(&nasty(), Format::Dot));
}

#[test]
fn mermaid_takes_any_name() {
    expect![[r##"
        ---
        title: "run 7: \"]<tag>&\\ (RUNNING)"
        ---
        flowchart LR
          n0["a #34;b#34; #92;n_0<br/>PAUSED"]:::paused
          n1["#60;x#62; #38; #39;y#39; #38;lt#59;_0<br/>PAUSED"]:::paused
          n2["größe-数据 🎉_0<br/>PAUSED"]:::paused
          n3["br#35;1#59;#96;#93;--#62;#37;#37;#123;x#125;_0<br/>PAUSED"]:::paused
          n4["line�break��_0<br/>PAUSED"]:::paused
          n0 --> n1
          n1 --> n2
          n2 --> n3
          n3 --> n4
          classDef queued fill:#e9ecf0,stroke:#8c959f,color:#1f2328
          classDef running fill:#cfe4ff,stroke:#1f6feb,color:#1f2328
          classDef retry fill:#fff1c2,stroke:#b58105,color:#1f2328
          classDef errored fill:#ffd4d0,stroke:#cf222e,color:#1f2328
          classDef killed fill:#e9d8fd,stroke:#8250df,color:#1f2328
          classDef paused fill:#fde0c5,stroke:#bc4c00,color:#1f2328
          classDef completed fill:#d2f3d9,stroke:#1a7f37,color:#1f2328
          classDef many fill:#f6f8fa,stroke:#6e7781,color:#1f2328
    "##]]
    .assert_eq(&draw(&nasty(), Format::Mermaid));
}

#[test]
fn svg_takes_any_name() {
    let svg = draw(&nasty(), Format::Svg);
    for name in [
        "a &quot;b&quot; \\n_0",
        "&lt;x&gt; &amp; &#39;y&#39; &amp;lt;_0",
        "größe-数据 🎉_0",
        "line\u{fffd}break\u{fffd}\u{fffd}_0",
    ] {
        assert!(svg.contains(&format!(">{name}</text>")), "{name}: {svg}");
        assert!(svg.contains(&format!("<title>{name}: PAUSED</title>")), "{name}: {svg}");
    }
    assert!(svg.contains("<title>run 7: &quot;]&lt;tag&gt;&amp;\\ (RUNNING)</title>"), "{svg}");
}

#[test]
fn a_long_name_is_shortened_on_the_box_alone() {
    let name = format!("{}end", "0123456789".repeat(20));
    let svg = draw(&view("", vec![group(&name, 1, &[])], &[]), Format::Svg);
    assert!(svg.contains(">012345678901234567…890123456789end_0</text>"), "{svg}");
    assert!(svg.contains(&format!("<title>{name}_0: QUEUED</title>")), "{svg}");
}

#[test]
fn groups_become_one_node_when_they_are_many() {
    let nodes = |counts: &[u32]| {
        let groups = counts.iter().map(|count| group("g", *count, &[])).collect();
        let picture = picture(&view("", groups, &[]));
        picture.nodes.iter().map(|node| node.count()).collect::<Vec<_>>()
    };
    assert_eq!(nodes(&[COLLAPSE]).len(), 200);
    assert_eq!(nodes(&[COLLAPSE + 1, 2]), [201, 1, 1]);
    assert_eq!(nodes(&[200, 200, 1_000_000]), [200, 200, 1_000_000], "401 nodes are too many");
    assert_eq!(nodes(&[200, 199, 1_000_000]).len(), NODES_MAX);
    assert_eq!(nodes(&[150, 150, 150, 1]), [150, 150, 150, 1]);
    assert_eq!(nodes(&[0]), [0], "a group without instances is seen all the same");
    let single = picture(&view("", vec![group("g", 1, &[]), group("h", 500, &[])], &[]));
    assert_eq!(single.nodes.iter().map(|node| node.label.as_str()).collect::<Vec<_>>(), ["g_0", "h ×500"]);
}

#[test]
fn the_edges_of_two_groups_meet_where_there_would_be_many() {
    let edges = |from: u32, to: u32| {
        let picture = picture(&view("", vec![group("a", from, &[]), group("b", to, &[])], &[(0, 1)]));
        let joints = picture.nodes.iter().filter(|node| matches!(node.what, What::Joint)).count();
        (picture.edges.len(), joints)
    };
    assert_eq!(edges(1, 1), (1, 0));
    assert_eq!(edges(4, 4), (16, 0));
    assert_eq!(edges(4, 5), (9, 1));
    assert_eq!(edges(1, 200), (200, 0));
    assert_eq!(edges(200, 200), (400, 1));
    assert_eq!(edges(1_000, 200), (200, 0), "a group that is one node has one edge to each");
    assert_eq!(edges(1_000, 1_000), (1, 0));
}

#[test]
fn links_of_generators_lead_from_the_instance_that_made_them() {
    let made = |by| GroupView { by: Some(by), ..group("made", 2, &[]) };
    let groups = vec![group("gen", 3, &[]), made(TaskId { group: 0, index: 1 }), made(TaskId { group: 9, index: 0 })];
    let picture = picture(&view("", groups, &[]));
    let links: Vec<_> = picture.edges.iter().map(|edge| (edge.from, edge.to, edge.kind)).collect();
    assert_eq!(links, [(1, 3, Kind::Generates), (1, 4, Kind::Generates)], "an unknown generator has no edge");
}

#[test]
fn mermaid_gets_no_more_edges_than_it_shows() {
    let groups = |count: u32| (0..40).map(|place| group(&format!("g{place}"), count, &[])).collect::<Vec<_>>();
    let chain: Vec<(u32, u32)> = (1..40).map(|place| (place - 1, place)).collect();
    let arrows = |text: &str| text.matches("-->").count();
    assert_eq!(arrows(&draw(&view("", groups(3), &chain), Format::Mermaid)), 39 * 9);
    assert_eq!(arrows(&draw(&view("", groups(4), &chain), Format::Mermaid)), 39, "624 edges are too many");
    let full: Vec<(u32, u32)> = (0..40).flat_map(|to| (0..to).map(move |from| (from, to))).collect();
    let text = draw(&view("", groups(1), &full), Format::Mermaid);
    assert!(full.len() > MERMAID_EDGES_MAX && text.contains("layer 1: 1 group<br/>") && arrows(&text) == 39, "{text}");
}

#[test]
fn a_run_of_very_many_groups_is_drawn_by_layers() {
    let all = 100_000;
    let groups: Vec<GroupView> = (0..all).map(|place| group(&format!("g{place}"), 2, &[State::Completed])).collect();
    let chain: Vec<(u32, u32)> = (1..all).map(|place| (place - 1, place)).collect();
    let deep = json(&view("", groups.clone(), &chain));
    let nodes = deep["nodes"].as_array().expect("nodes");
    assert_eq!(nodes.len(), 60);
    assert_eq!(nodes[1]["label"], "layers 1668–3334: 1667 groups");
    let tasks: u64 = nodes.iter().filter_map(|node| node["states"]["COMPLETED"].as_u64()).sum();
    assert_eq!(tasks, 2 * u64::from(all));
    let flat = picture(&view("", groups.clone(), &[(0, 1), (1, 2)]));
    let labels: Vec<_> = flat.nodes.iter().map(|node| node.label.as_str()).collect();
    assert_eq!(labels, ["layer 1: 99998 groups", "layer 2: 1 group", "layer 3: 1 group"]);
    let few = view("", groups.into_iter().take(GROUPS_MAX).collect(), &[]);
    assert_eq!(picture(&few).nodes.len(), GROUPS_MAX);
}

#[test]
fn nothing_is_a_picture_too() {
    let nothing = view("", Vec::new(), &[(0, 1)]);
    assert_eq!(draw(&nothing, Format::Json), r#"{"edges":[],"nodes":[]}"#);
    for format in [Format::Dot, Format::Mermaid, Format::Svg] {
        assert!(draw(&nothing, format).contains("run 7"), "{format:?}");
    }
}

fn overlap(one: &Frame, other: &Frame) -> bool {
    let apart =
        |at: f64, size: f64, other_at: f64, other_size: f64| at + size <= other_at || other_at + other_size <= at;
    !apart(one.corner.x, one.size.width, other.corner.x, other.size.width)
        && !apart(one.corner.y, one.size.height, other.corner.y, other.size.height)
}

/// Sizes of nodes, and edges from lower to higher numbers.
fn any_graph() -> impl Strategy<Value = (Vec<Size>, Vec<(usize, usize)>)> {
    let size = (1.0..300.0_f64, 1.0..60.0_f64).prop_map(|(width, height)| Size { width, height });
    proptest::collection::vec(size, 1..40).prop_flat_map(|sizes| {
        let nodes = sizes.len();
        let edge = (0..nodes, 0..nodes).prop_map(|(one, other)| (one.min(other), one.max(other)));
        let edges = proptest::collection::vec(edge, 0..120);
        (Just(sizes), edges.prop_map(|edges| edges.into_iter().filter(|(from, to)| from != to).collect()))
    })
}

proptest! {
    #[test]
    fn boxes_stand_apart_inside_the_picture_and_edges_lead_to_the_right((sizes, edges) in any_graph()) {
        let layout = lay_out(&sizes, &edges);
        prop_assert_eq!(layout.frames.len(), sizes.len());
        for (place, frame) in layout.frames.iter().enumerate() {
            prop_assert!(frame.size.width >= sizes[place].width && frame.size.height == sizes[place].height);
            prop_assert!(frame.corner.x >= 0.0 && frame.corner.x + frame.size.width <= layout.size.width);
            prop_assert!(frame.corner.y >= 0.0 && frame.corner.y + frame.size.height <= layout.size.height);
            for other in &layout.frames[..place] {
                prop_assert!(!overlap(frame, other), "{:?} and {:?}", frame, other);
            }
        }
        for ((from, to), route) in edges.iter().zip(&layout.routes) {
            let (from, to) = (&layout.frames[*from], &layout.frames[*to]);
            prop_assert_eq!(route[0].x, from.corner.x + from.size.width);
            prop_assert_eq!(route[route.len() - 1].x, to.corner.x);
            prop_assert!(route.is_sorted_by(|one, other| one.x <= other.x) && from.corner.x < to.corner.x);
        }
    }
}

#[test]
fn a_cycle_does_no_harm() {
    let sizes = [Size { width: 10.0, height: 10.0 }; 3];
    assert_eq!(lay_out(&sizes, &[(0, 1), (1, 2), (2, 0), (1, 1)]).frames.len(), 3);
}

#[test]
fn a_deep_run_with_long_edges_keeps_few_waypoints() {
    let sizes = vec![Size { width: 90.0, height: 38.0 }; 1_000];
    let chain = (1..1_000).map(|to| (to - 1, to));
    let long = (0..990).map(|from| (from, 999));
    let edges: Vec<_> = chain.chain(long).collect();
    let layout = lay_out(&sizes, &edges);
    assert!(layout.routes.iter().all(|route| route.len() == 2), "half a million waypoints");
}
