//! Parameters: cases 30 to 48.

use super::*;

#[track_caller]
fn tasks_of(record: &Value) -> Vec<&str> {
    keys(&record["tasks"])
}

/// The outputs of `name_0`, `name_1`, … without the line ends.
#[track_caller]
fn outputs(record: &Value, name: &str) -> Vec<String> {
    let instances = (0..).map(|index| format!("{name}_{index}"));
    let there = instances.take_while(|instance| record["tasks"].get(instance).is_some());
    there.map(|instance| output(record, &instance).trim_end().to_owned()).collect()
}

#[test]
fn case_030_one_instance_for_each_value() {
    let daemon = daemon();
    let tasks = json!({"s": t(&["/bin/echo", "{{P}}"])});
    let record = run(&daemon, &expanded(json!({"P": ["u", "v"]}), tasks), "COMPLETED");
    assert_eq!(tasks_of(&record), ["s_0", "s_1"]);
    for (task, value) in [("s_0", "u"), ("s_1", "v")] {
        assert_eq!(record["tasks"][task]["job"]["command"], json!(["/bin/echo", value]));
        assert_eq!(output(&record, task), format!("{value}\n"));
    }
}

#[test]
fn case_031_one_value() {
    let daemon = daemon();
    let record = run(&daemon, &expanded(json!({"P": "u"}), json!({"s": t(&["echo", "{{P}}"])})), "COMPLETED");
    assert_eq!(tasks_of(&record), ["s_0"]);
    assert_eq!(record["tasks"]["s_0"]["job"]["command"], json!(["echo", "u"]));
}

#[test]
fn case_032_the_defined_name_of_a_single_instance() {
    let daemon = daemon();
    let record = run(&daemon, &dag(json!({"s": t(&["true"])})), "COMPLETED");
    assert_eq!(tasks_of(&record), ["s_0"]);
    assert_eq!(definition(&daemon, 0, "s"), definition(&daemon, 0, "s_0"));
    assert_eq!(task_state(&daemon, 0, "s"), "COMPLETED");
}

#[test]
fn case_033_the_defined_name_of_several() {
    let daemon = daemon();
    let run = submit(&daemon, &expanded(json!({"P": ["u", "v"]}), json!({"s": t(&["echo", "{{P}}"])})));
    refused(daemon.get(&format!("/v1/dagrun/{run}/task/s")), 404);
}

#[test]
fn case_034_the_product_in_order() {
    let daemon = daemon();
    let parameters = json!({"B": ["x", "y"], "A": ["1", "2", "3"]});
    let record = run(&daemon, &expanded(parameters, json!({"s": t(&["echo", "{{A}}{{B}}"])})), "COMPLETED");
    assert_eq!(outputs(&record, "s"), ["1x", "1y", "2x", "2y", "3x", "3y"]);
}

#[test]
fn case_035_one_value_wherever_it_occurs() {
    let daemon = daemon();
    let tasks = json!({"s": t(&["echo", "{{P}}", "{{P}}-{{P}}"])});
    let record = run(&daemon, &expanded(json!({"P": ["u", "v"]}), tasks), "COMPLETED");
    assert_eq!(outputs(&record, "s"), ["u u-u", "v v-v"]);
}

#[test]
fn case_036_braces_that_are_no_parameter() {
    let daemon = daemon();
    let record = run(&daemon, &expanded(json!({"P": "u"}), json!({"s": t(&["echo", "{{NOPE}}"])})), "COMPLETED");
    assert_eq!(output(&record, "s_0"), "{{NOPE}}\n");
}

#[test]
fn case_037_a_parameter_not_mentioned() {
    let daemon = daemon();
    let record = run(&daemon, &expanded(json!({"P": ["1", "2", "3"]}), json!({"s": t(&["true"])})), "COMPLETED");
    assert_eq!(tasks_of(&record), ["s_0"]);
}

#[test]
fn case_038_in_the_environment_alone() {
    let daemon = daemon();
    let mut task = sh("echo $Q");
    task["job"]["environment"] = json!(["Q={{P}}"]);
    let record = run(&daemon, &expanded(json!({"P": ["u", "v"]}), json!({"s": task})), "COMPLETED");
    assert_eq!(outputs(&record, "s"), ["u", "v"]);
    assert_eq!(record["tasks"]["s_1"]["job"]["environment"], json!(["Q=v"]));
}

#[test]
fn case_039_inserted_text_is_not_scanned_again() {
    let daemon = daemon();
    let parameters = json!({"P": "{{R}}", "R": "z"});
    let record = run(&daemon, &expanded(parameters, json!({"s": t(&["echo", "{{P}}"])})), "COMPLETED");
    assert_eq!(output(&record, "s_0"), "{{R}}\n");
}

/// `m` with two instances that wait each at a gate of its own, and `after`, which waits for both: the run's record.
fn both_before(m: impl Fn(Value) -> Value, last: Value) -> Value {
    let daemon = daemon();
    let (mut u, mut v) = (Gate::new(&daemon, "u"), Gate::new(&daemon, "v"));
    let script = format!("read _ < {}; echo {{{{P}}}}", daemon.path("{{P}}").display());
    let tasks = json!({"m": m(sh(&script)), "after": last});
    let run = submit(&daemon, &expanded(json!({"P": ["u", "v"]}), tasks));
    await_task(&daemon, run, "m_1", "RUNNING");
    u.open();
    await_task(&daemon, run, "m_0", "COMPLETED");
    assert_eq!(task_state(&daemon, run, "after_0"), "QUEUED");
    v.open();
    let record = ends(&daemon, run, "COMPLETED");
    for before in ["m_0", "m_1"] {
        in_order(&record, &[before, "after_0"]);
    }
    assert_eq!(outputs(&record, "m"), ["u", "v"]);
    record
}

#[test]
fn case_040_and_043_a_parent_is_all_its_instances() {
    let record = both_before(|m| m, after(t(&["true"]), &["m"]));
    assert_eq!(record["tasks"]["after_0"]["parents"], json!(["m"]), "as declared");
}

#[test]
fn case_041_a_child_of_all_instances() {
    both_before(|m| plus(m, json!({"children": ["after"]})), t(&["true"]));
}

#[test]
fn case_042_each_of_one_after_each_of_the_other() {
    let daemon = daemon();
    let tasks = json!({"m": t(&["echo", "{{P}}"]), "n": after(t(&["echo", "{{P}}"]), &["m"])});
    let record = run(&daemon, &expanded(json!({"P": ["u", "v"]}), tasks), "COMPLETED");
    for (m, n) in [("m_0", "n_0"), ("m_0", "n_1"), ("m_1", "n_0"), ("m_1", "n_1")] {
        in_order(&record, &[m, n]);
    }
}

#[test]
fn case_044_names_are_taken_literally() {
    let daemon = daemon();
    let tasks = |parent: &str| json!({"k_{{P}}": t(&["true"]), "b": after(t(&["true"]), &[parent])});
    let parameters = json!({"P": ["u", "v"]});
    rejected(&daemon, &expanded(parameters.clone(), tasks("k_u")));
    let record = run(&daemon, &expanded(parameters, tasks("k_{{P}}")), "COMPLETED");
    assert_eq!(tasks_of(&record), ["b_0", "k_{{P}}_0"]);
    in_order(&record, &["k_{{P}}_0", "b_0"]);
    assert_eq!(definition(&daemon, 0, "k_%7B%7BP%7D%7D_0"), record["tasks"]["k_{{P}}_0"]);
}

#[test]
fn case_045_an_instance_is_no_parent() {
    let daemon = daemon();
    rejected(&daemon, &dag(json!({"m": t(&["true"]), "n": after(t(&["true"]), &["m_0"])})));
    // Unless that is somebody's real name.
    let tasks = json!({"m": t(&["true"]), "m_0": t(&["true"]), "n": after(t(&["true"]), &["m_0"])});
    let record = run(&daemon, &dag(tasks), "COMPLETED");
    assert_eq!(tasks_of(&record), ["m_0", "m_0_0", "n_0"]);
    in_order(&record, &["m_0_0", "n_0"]);
}

#[test]
fn case_046_a_parameter_written_with_braces() {
    let daemon = daemon();
    let tasks = json!({"s": t(&["/bin/echo", "{{P}}"])});
    let record = run(&daemon, &expanded(json!({"{{P}}": ["u", "v"]}), tasks), "COMPLETED");
    assert_eq!(outputs(&record, "s"), ["u", "v"]);
}

#[test]
fn case_047_a_parameter_of_the_task() {
    let daemon = daemon();
    let tasks = json!({"s": plus(t(&["echo", "{{P}}"]), json!({"parameters": {"P": ["w"]}}))});
    for specification in [expanded(json!({"P": ["u", "v"]}), tasks.clone()), dag(tasks)] {
        let record = run(&daemon, &specification, "COMPLETED");
        assert_eq!(outputs(&record, "s"), ["w"]);
    }
}

#[test]
fn case_048_in_a_script() {
    let daemon = daemon();
    let tasks = json!({"s": {"job": {"commandString": "echo {{P}} | tr a-z A-Z"}}});
    let record = run(&daemon, &expanded(json!({"P": ["u", "v"]}), tasks), "COMPLETED");
    assert_eq!(outputs(&record, "s"), ["U", "V"]);
}
