//! Generators: cases 49 to 63.

use super::*;

/// `G(x)` of the reference: a generator that prints this.
fn g(output: &Value) -> Value {
    printing(&output.to_string())
}

fn printing(text: &str) -> Value {
    plus(t(&["/bin/echo", text]), json!({"isGenerator": true}))
}

/// A generator `g`, and `z` after it.
fn with_child(generator: Value) -> Value {
    dag(json!({"g": plus(generator, json!({"children": ["z"]})), "z": t(&["true"])}))
}

fn says(word: &str) -> Value {
    t(&["/bin/echo", word])
}

/// The generator has failed `tries` times for what it printed, and nothing has come of it; the last reason.
#[track_caller]
fn failed(record: &Value, tries: usize) -> String {
    assert_eq!(record["taskStates"], json!({"g_0": "ERRORED", "z_0": "QUEUED"}), "{record}");
    assert_eq!(codes(record, "g_0"), vec![0; tries]);
    assert_eq!(attempts(record, "z_0"), [] as [Value; 0]);
    let reason = attempts(record, "g_0")[tries - 1]["executorLog"].as_str().expect("text");
    assert!(!reason.is_empty(), "{record}");
    reason.to_owned()
}

#[test]
fn case_049_what_is_printed_becomes_tasks() {
    let daemon = daemon();
    let record = run(&daemon, &with_child(g(&json!({"n": says("hi")}))), "COMPLETED");
    assert_eq!(keys(&record["tasks"]), ["g_0", "n_0", "z_0"]);
    in_order(&record, &["g_0", "n_0", "z_0"]);
    assert_eq!(output(&record, "n_0"), "hi\n");
}

#[test]
fn case_050_generated_tasks_are_tasks_of_the_run() {
    let daemon = daemon();
    let record = run(&daemon, &with_child(g(&json!({"n": says("hi")}))), "COMPLETED");
    assert_eq!(summary(&daemon, 0)["taskCounts"], json!({"COMPLETED": 3}));
    assert_eq!(record["taskStates"]["n_0"], "COMPLETED");
    assert_eq!(attempts(&record, "n_0").len(), 1);
    assert_eq!(record["tasks"]["n_0"]["parents"], json!(["g"]));
    assert_eq!(record["tasks"]["g_0"]["children"], json!(["z", "n"]));
    assert_eq!(definition(&daemon, 0, "n"), record["tasks"]["n_0"]);
}

#[test]
fn case_051_edges_among_generated_tasks() {
    let daemon = daemon();
    let printed = json!({"n1": plus(says("1"), json!({"children": ["n2"]})), "n2": says("2")});
    let record = run(&daemon, &with_child(g(&printed)), "COMPLETED");
    in_order(&record, &["g_0", "n1_0", "n2_0", "z_0"]);
}

#[test]
fn case_052_generated_tasks_are_expanded() {
    let daemon = daemon();
    // The braces are put together at run time: the generator itself is not to be expanded.
    let script = r#"b='{'; e='}'; printf '{"n":{"job":{"command":["/bin/echo","%s"]}}}' "$b${b}P$e$e""#;
    let tasks = json!({"g": plus(sh(script), json!({"isGenerator": true, "children": ["z"]})), "z": t(&["true"])});
    let record = run(&daemon, &expanded(json!({"P": ["u", "v"]}), tasks), "COMPLETED");
    assert_eq!(keys(&record["tasks"]), ["g_0", "n_0", "n_1", "z_0"]);
    for (task, value) in [("n_0", "u\n"), ("n_1", "v\n")] {
        assert_eq!(output(&record, task), value);
        in_order(&record, &["g_0", task, "z_0"]);
    }
}

#[test]
fn case_053_output_that_is_not_json() {
    let daemon = daemon();
    let record = run(&daemon, &with_child(printing("not json")), "ERRORED");
    failed(&record, 1);
}

#[test]
fn case_054_output_that_is_no_object() {
    let daemon = daemon();
    for generator in [plus(t(&["true"]), json!({"isGenerator": true})), printing("[]"), printing("  ")] {
        let record = run(&daemon, &with_child(generator), "ERRORED");
        failed(&record, 1);
    }
}

#[test]
fn case_055_nothing_to_add() {
    let daemon = daemon();
    let record = run(&daemon, &with_child(printing(" {} ")), "COMPLETED");
    assert_eq!(record["taskStates"], json!({"g_0": "COMPLETED", "z_0": "COMPLETED"}));
}

#[test]
fn case_056_a_name_in_use() {
    let daemon = daemon();
    let record = run(&daemon, &with_child(g(&json!({"n": says("n"), "z": says("other")}))), "ERRORED");
    assert!(failed(&record, 1).contains('z'));
    assert_eq!(record["tasks"]["z_0"]["job"]["command"], json!(["true"]));
    assert_eq!(keys(&record["tasks"]), ["g_0", "z_0"]);
}

#[test]
fn case_057_all_or_none() {
    let daemon = daemon();
    let printed = json!({"fine": says("fine"), "lost": after(says("lost"), &["nobody"])});
    let record = run(&daemon, &with_child(g(&printed)), "ERRORED");
    assert!(failed(&record, 1).contains("nobody"));
    assert_eq!(keys(&record["tasks"]), ["g_0", "z_0"]);
}

#[test]
fn case_058_a_child_that_has_begun() {
    let daemon = daemon();
    let record = run(&daemon, &with_child(g(&json!({"n": plus(says("n"), json!({"children": ["g"]}))}))), "ERRORED");
    failed(&record, 1);
}

#[test]
fn case_059_after_the_generators_child() {
    let daemon = daemon();
    let record = run(&daemon, &with_child(g(&json!({"n": after(says("n"), &["z"])}))), "COMPLETED");
    in_order(&record, &["g_0", "z_0", "n_0"]);
}

#[test]
fn case_060_output_of_a_failed_attempt() {
    let daemon = daemon();
    let script = format!("echo '{}'; exit 3", json!({"n": says("n")}));
    let record = run(&daemon, &with_child(plus(sh(&script), json!({"isGenerator": true}))), "ERRORED");
    assert_eq!(record["taskStates"], json!({"g_0": "ERRORED", "z_0": "QUEUED"}));
    assert_eq!(codes(&record, "g_0"), [3]);
}

#[test]
fn case_061_bad_output_is_tried_again() {
    let daemon = daemon();
    let record = run(&daemon, &with_child(plus(printing("not json"), json!({"maxRetries": 2}))), "ERRORED");
    failed(&record, 3);
}

#[test]
fn case_062_a_generated_generator() {
    let daemon = daemon();
    let second = g(&json!({"leaf": says("leaf")}));
    let record = run(&daemon, &with_child(g(&json!({"n": second}))), "COMPLETED");
    assert_eq!(keys(&record["tasks"]), ["g_0", "leaf_0", "n_0", "z_0"]);
    in_order(&record, &["g_0", "n_0", "leaf_0"]);
    assert_eq!(output(&record, "leaf_0"), "leaf\n");
}

#[test]
fn case_063_a_generator_of_several_instances() {
    let daemon = daemon();
    let generator = printing(r#"{"n{{P}}":{"job":{"command":["/bin/echo","{{P}}"]}}}"#);
    let tasks = json!({"g": plus(generator, json!({"children": ["z"]})), "z": t(&["true"])});
    let record = run(&daemon, &expanded(json!({"P": ["u", "v"]}), tasks), "COMPLETED");
    assert_eq!(keys(&record["tasks"]), ["g_0", "g_1", "nu_0", "nv_0", "z_0"]);
    for (generator, task) in [("g_0", "nu_0"), ("g_1", "nv_0")] {
        in_order(&record, &[generator, task, "z_0"]);
    }
    assert_eq!((output(&record, "nu_0"), output(&record, "nv_0")), ("u\n", "v\n"));
}
