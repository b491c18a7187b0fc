//! What generators print, and where it is attached.

use super::*;
use crate::dag::model::graph::Graph;

const OUTSIDE: Limits = LIMITS;

/// A run: generator `g` with the child `z`, and `other`, which nobody knows.
fn run() -> Blueprint {
    accepted(&json!({"tag": "t", "parameters": {"P": ["u", "v"]},
        "jobDefaults": {"cores": 2}, "taskDefaults": {"maxRetries": 3},
        "tasks": {
            "g": {"job": {"command": ["x"]}, "isGenerator": true, "children": ["z"]},
            "other": {"job": {"command": ["x"]}},
            "z": {"job": {"command": ["x"]}}}}))
}

fn added(run: &Blueprint, tasks: Value) -> Result<Addition, Invalid> {
    generated(format!("\n {tasks} \n").as_bytes(), run, &OUTSIDE)
}

/// What attaching these tasks to the run brings, by name; `started` have begun.
fn attached(run: &Blueprint, tasks: Value, started: &[&str]) -> Result<Vec<String>, String> {
    let place = |name: &str| run.templates.iter().position(|group| group.name == name).expect("a group") as u32;
    let addition = added(run, tasks).map_err(|why| why.0)?;
    let started: Vec<u32> = started.iter().map(|name| place(name)).collect();
    let edges = graph_of(run).attach(place("g"), &addition.templates, &|child| started.contains(&child));
    let name = |place: &u32| {
        let group = run.templates.iter().chain(&addition.templates).nth(*place as usize);
        group.map_or("?", |group| group.name.as_str()).to_owned()
    };
    Ok(edges.map_err(|why| why.0)?.iter().map(|(parent, child)| format!("{} {}", name(parent), name(child))).collect())
}

fn graph_of(run: &Blueprint) -> Graph {
    Graph::new(&run.templates, &run.edges)
}

fn task(more: Value) -> Value {
    let mut task = echo("hi");
    task.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    task
}

#[test]
fn generated_tasks_get_the_runs_parameters_and_defaults() {
    let tasks = json!({"n": echo("{{P}}"), "m": {"job": {"commandString": "{{P}}"}, "parameters": {"P": "own"}}});
    let addition = added(&run(), tasks.clone()).unwrap_or_else(|why| panic!("{why}"));
    let names: Vec<_> = addition.templates.iter().map(|group| (group.name.as_str(), group.count)).collect();
    assert_eq!((names, &*addition.text), (vec![("m", 1), ("n", 2)], tasks.to_string().as_str()));
    assert_eq!(addition.templates[0].job(0).expect("a job").shown["commandString"], json!("own"));
    assert_eq!((addition.templates[1].max_retries, addition.templates[1].needs(0).cores), (3, 2));
    assert_eq!(added(&run(), json!({})).expect("nothing is fine").templates.len(), 0);
}

#[test]
fn output_that_is_no_tasks_is_refused() {
    for (output, said) in [
        ("", "expected an object of tasks, and nothing was printed"),
        (" \n", "expected an object of tasks, and nothing was printed"),
        ("not json", "this is no JSON: expected ident (line 1, column 2)"),
        ("[]", "tasks: expected an object, not []"),
        ("{\"n\": {}}", "task 'n': job: expected an object, and there is none"),
        ("{} {}", "this is no JSON: trailing characters (line 1, column 4)"),
    ] {
        assert_eq!(generated(output.as_bytes(), &run(), &OUTSIDE), Err(Invalid(said.into())), "{output}");
    }
    let many =
        generated(json!({"n": echo("{{P}}")}).to_string().as_bytes(), &run(), &Limits { max_tasks: 1, ..OUTSIDE });
    assert!(many.expect_err("too many").0.contains("at most 1 "));
}

#[test]
fn children_of_the_generator_wait_for_what_it_makes() {
    let run = run();
    assert_eq!(attached(&run, json!({"n": echo("hi")}), &[]), Ok(vec!["n z".to_owned()]));
    assert_eq!(attached(&run, json!({}), &[]), Ok(vec![]));
    let chain = json!({"n1": task(json!({"children": ["n2"]})), "n2": echo("x")});
    assert_eq!(attached(&run, chain, &[]), Ok(vec!["n1 z".into(), "n1 n2".into(), "n2 z".into()]));
    let declared = json!({"n": task(json!({"parents": ["g", "other"], "children": ["z"]}))});
    assert_eq!(attached(&run, declared, &[]), Ok(vec!["g n".into(), "other n".into(), "n z".into()]));
}

#[test]
fn what_comes_after_a_child_is_not_waited_for() {
    let after = json!({"n": task(json!({"parents": ["z"]})), "m": task(json!({"parents": ["n"]})), "free": echo("x")});
    assert_eq!(attached(&run(), after, &[]), Ok(vec!["z n".into(), "free z".into(), "n m".into()]));
}

#[test]
fn two_children_are_never_made_to_wait_for_each_other() {
    let run = accepted(&with(json!({
        "c1": {"job": {"command": ["x"]}, "parents": ["g"]},
        "c2": {"job": {"command": ["x"]}, "parents": ["g"]},
        "g": {"job": {"command": ["x"]}, "isGenerator": true}})));
    let crossed = json!({"n1": task(json!({"parents": ["c1"]})), "n2": task(json!({"parents": ["c2"]}))});
    // n2 before c1 is taken first; n1 before c2 would then close c1 -> n1 -> c2 -> n2 -> c1.
    assert_eq!(attached(&run, crossed, &[]), Ok(vec!["c1 n1".into(), "c2 n2".into(), "n2 c1".into()]));
}

/// Attaches these tasks, and says what that brings.
fn grows(run: &Blueprint, graph: &mut Graph, generator: u32, tasks: Value) -> Vec<(u32, u32)> {
    let addition = added(run, tasks).expect("tasks");
    let brought = graph.attach(generator, &addition.templates, &|_| false).expect("edges");
    graph.append(generator, &addition.templates, &brought);
    brought
}

#[test]
fn what_waits_for_a_generator_waits_for_everything_generated_below_it() {
    let run = run();
    let mut graph = graph_of(&run);
    // Of the run: g 0, other 1, z 2.
    let inner = json!({"h": task(json!({"isGenerator": true})), "last": task(json!({"parents": ["h"]}))});
    assert_eq!(grows(&run, &mut graph, 0, inner), [(3, 2), (3, 4), (4, 2)]);
    let leaf = json!({"i": task(json!({"isGenerator": true}))});
    assert_eq!(grows(&run, &mut graph, 3, leaf), [(5, 2), (5, 4)], "of the child that h declares, and of that of g");
    assert_eq!(grows(&run, &mut graph, 5, json!({"leaf": echo("x")})), [(6, 2), (6, 4)]);
    let edges: Vec<_> = graph.edges().collect();
    assert_eq!(edges, [(0, 2), (3, 2), (3, 4), (4, 2), (5, 2), (5, 4), (6, 2), (6, 4)]);
}

#[test]
fn instances_of_a_generator_do_not_wait_for_what_the_others_add() {
    let run = run();
    let mut graph = graph_of(&run);
    let after = task(json!({"parents": ["g"]}));
    assert_eq!(grows(&run, &mut graph, 0, json!({"one": after})), [(0, 3), (3, 2)]);
    assert_eq!(grows(&run, &mut graph, 0, json!({"two": after})), [(0, 4), (4, 2)]);
}

#[test]
fn what_comes_before_the_generator_cannot_come_after_what_it_adds() {
    let run = accepted(&with(json!({
        "before": {"job": {"command": ["x"]}, "children": ["g"]},
        "g": {"job": {"command": ["x"]}, "isGenerator": true}})));
    let why = graph_of(&run).attach(
        1,
        &added(&run, json!({"n": task(json!({"children": ["before"]}))})).expect("n").templates,
        &|_| false,
    );
    assert_eq!(why, Err(Invalid("the tasks wait for each other: before -> g -> n -> before".into())));
}

#[test]
fn names_and_edges_that_do_not_fit_are_refused() {
    for (tasks, started, said) in [
        (json!({"z": echo("x")}), &[][..], "task 'z' is in the run already"),
        (json!({"m": echo("x"), "n": task(json!({"parents": ["zz"]}))}), &[], "unknown parent 'zz' in task 'n'"),
        (json!({"n": task(json!({"children": ["zz"]}))}), &[], "unknown child 'zz' in task 'n'"),
        (json!({"n": task(json!({"children": ["g"]}))}), &[], "child 'g' of task 'n' has already started"),
        (
            json!({"n": task(json!({"children": ["other"]}))}),
            &["other"],
            "child 'other' of task 'n' has already started",
        ),
        (
            json!({"n": task(json!({"parents": ["z"], "children": ["z"]}))}),
            &[],
            "the tasks wait for each other: z -> n -> z",
        ),
        (json!({"n": task(json!({"parents": ["n"]}))}), &[], "the tasks wait for each other: n -> n"),
    ] {
        assert_eq!(attached(&run(), tasks, started), Err(said.to_owned()));
    }
    assert_eq!(
        attached(&run(), json!({"n": task(json!({"parents": ["other"]}))}), &["other"]),
        Ok(vec!["other n".into(), "n z".into()])
    );
}

#[test]
fn no_output_brings_edges_without_end() {
    let tasks = |count: u32, letter: &str, more: Value| -> Map<String, Value> {
        (0..count).map(|task_number| (format!("{letter}{task_number}"), task(more.clone()))).collect()
    };
    let limits = Limits { max_tasks: 10_000, ..LIMITS };
    let mut all = tasks(1_001, "c", json!({"parents": ["g"]}));
    all.insert("g".into(), task(json!({"isGenerator": true})));
    let run = parse(with(Value::Object(all)).to_string().as_bytes(), &limits).expect("a run");
    let output = Value::Object(tasks(1_000, "n", json!({}))).to_string();
    let addition = generated(output.as_bytes(), &run, &limits).expect("tasks");
    let g = run.templates.iter().position(|group| group.name == "g").expect("the generator") as u32;
    let why = graph_of(&run).attach(g, &addition.templates, &|_| false).expect_err("too much").0;
    assert_eq!(why, "1000 tasks are too many for 1001 children of the generator to wait for");
}
