//! The rules of specifications, one by one; `tests/expander.rs` is a slow expander that argues with the real one.

mod expander;
mod generated;
mod refusals;

use super::*;
use crate::dag::model::{Command, RetryBackoff, Step, StepKind, Trigger};
use serde_json::json;
use std::time::Duration;

const LIMITS: Limits =
    Limits { capacity: Some(Capacity { cores: 4, memory_mb: 4096, running: 100 }), max_tasks: 1_000 };

fn read(specification: &Value) -> Result<Blueprint, Invalid> {
    parse(specification.to_string().as_bytes(), &LIMITS)
}

#[track_caller]
fn accepted(specification: &Value) -> Blueprint {
    read(specification).unwrap_or_else(|why| panic!("{why}"))
}

/// A specification with these tasks.
fn with(tasks: Value) -> Value {
    json!({"tag": "t", "tasks": tasks})
}

/// The same with parameters.
fn with_values(parameters: Value, tasks: Value) -> Value {
    json!({"tag": "t", "parameters": parameters, "tasks": tasks})
}

/// A specification with one task `a` that has this job.
fn job_of(job: Value) -> Value {
    with(json!({"a": {"job": job}}))
}

fn template<'a>(run: &'a Blueprint, task: &str) -> &'a Template {
    run.templates.iter().find(|template| template.name == task).expect("a task")
}

/// What an instance is shown as.
#[track_caller]
fn shown(run: &Blueprint, task: &str, index: u32) -> Value {
    Value::Object(template(run, task).job(index).unwrap_or_else(|why| panic!("{why}")).shown)
}

/// The last words of the commands of all instances.
#[track_caller]
fn words(run: &Blueprint, task: &str) -> Vec<String> {
    let last = |index| {
        let command = shown(run, task, index)["command"].clone();
        command.as_array().and_then(|words| words.last()?.as_str().map(str::to_owned)).expect("a command")
    };
    (0..template(run, task).count).map(last).collect()
}

/// Names of the edges' ends.
fn arrows(run: &Blueprint) -> Vec<(&str, &str)> {
    let name = |place: u32| run.templates[place as usize].name.as_str();
    run.edges.iter().map(|(parent, child)| (name(*parent), name(*child))).collect()
}

fn echo(text: &str) -> Value {
    json!({"job": {"command": ["/bin/echo", text]}})
}

/// As the original documents it.
#[test]
fn the_published_example_is_accepted_as_it_stands() {
    let run = accepted(&json!({
        "tag": "mediumtest",
        "parameters": {"JOBNO": ["1", "2"]},
        "tasks": {"simple": {"job": {
            "command": ["/usr/bin/python3", "script.py", "{{JOBNO}}"], "cores": "1", "memoryMB": "100"}}}
    }));
    assert_eq!((run.tag.as_str(), template(&run, "simple").count), ("mediumtest", 2));
    assert_eq!(
        shown(&run, "simple", 1),
        json!({"environment": [], "memoryMB": "100", "cores": "1", "command": ["/usr/bin/python3", "script.py", "2"]})
    );
    assert_eq!(template(&run, "simple").instance(1), "simple_1");
}

#[test]
fn what_is_not_said_has_its_default() {
    let run = accepted(&with(json!({"a": echo("x")})));
    let a = template(&run, "a");
    assert_eq!((a.max_retries, a.retry_interval, a.retry_backoff, a.priority), (0, 0, None, 0));
    assert_eq!((a.is_generator, a.trigger, a.count), (false, Trigger::Success, 1));
    assert_eq!((a.children.len(), a.parents.len()), (0, 0));
    let job = a.job(0).expect("a job");
    assert_eq!(job.needs, super::super::model::Needs { cores: 1, memory_mb: 0 });
    assert_eq!((job.timeout, a.needs), (None, Some(job.needs)));
    assert_eq!(
        (run.executor, run.on_failure, run.max_parallel, run.priority, run.user),
        (Executor::Local, OnFailure::Continue, None, 0, None)
    );
}

#[test]
fn optional_keys_are_understood() {
    let run = accepted(&json!({
        "tag": "t", "executor": "noop", "onFailure": "stop", "maxParallel": "3", "priority": -5, "user": "ann",
        "tasks": {"a": {"job": {"command": ["x"], "timeout": 90}, "maxRetries": "2", "retryIntervalSeconds": 7,
            "trigger": "always", "priority": "9", "retryBackoff": {"factor": 1.5, "maxSeconds": 60}}}
    }));
    assert_eq!((run.executor, run.on_failure, run.max_parallel), (Executor::Noop, OnFailure::Stop, Some(3)));
    assert_eq!((run.priority, run.user.as_deref()), (-5, Some("ann")));
    let a = template(&run, "a");
    assert_eq!((a.max_retries, a.retry_interval, a.trigger, a.priority), (2, 7, Trigger::Always, 9));
    assert_eq!(a.retry_backoff, Some(RetryBackoff { factor: 1.5, max: Duration::from_secs(60) }));
    assert_eq!(a.job(0).expect("a job").timeout, Some(Duration::from_secs(90)));
}

#[test]
fn unknown_keys_are_ignored_and_those_of_a_job_are_shown_as_they_came() {
    let run = accepted(&json!({"tag": "t", "autogenerate": 1, "parameters": {"P": "v"}, "tasks": {"a": {
        "colour": null, "job": {"command": ["x"], "minCPUs": 7, "queue": {"{{P}}": ["{{P}}", true]}}}}}));
    assert_eq!(
        shown(&run, "a", 0),
        json!({"command": ["x"], "environment": [], "minCPUs": 7,
        "queue": {"{{P}}": ["v", true]}})
    );
}

#[test]
fn numbers_of_a_job_are_shown_as_text() {
    for (cores, memory) in [(json!("1"), json!("100")), (json!(1), json!(100))] {
        let run = accepted(&job_of(json!({"command": ["x"], "cores": cores, "memoryMB": memory, "timeout": 0})));
        let shown = shown(&run, "a", 0);
        assert_eq!((&shown["cores"], &shown["memoryMB"], &shown["timeout"]), (&json!("1"), &json!("100"), &json!("0")));
        assert_eq!(template(&run, "a").job(0).expect("a job").timeout, None);
    }
}

#[test]
fn environments_become_lists() {
    let environment = |given: Value| {
        let run = accepted(&job_of(json!({"command": ["x"], "environment": given})));
        shown(&run, "a", 0)["environment"].clone()
    };
    assert_eq!(environment(json!(["B=b c", "A="])), json!(["B=b c", "A="]));
    assert_eq!(environment(json!({"B": "2", "A": "x=y", "C": 3})), json!(["A=x=y", "B=2", "C=3"]));
    let run = accepted(&job_of(json!({"command": ["x"], "environment": ["B=b c", "A=x=y"]})));
    let Work::Command { env, .. } = template(&run, "a").job(0).expect("a job").work else { panic!("no command") };
    assert_eq!(env, [("B".to_owned(), "b c".to_owned()), ("A".to_owned(), "x=y".to_owned())]);
}

#[test]
fn a_job_is_a_command_a_script_or_a_step() {
    let work = |job: Value| template(&accepted(&job_of(job)), "a").job(0).expect("a job").work;
    assert_eq!(
        work(json!({"commandString": "printf ab | wc -c", "workDir": "/tmp"})),
        Work::Command { command: Command::Script("printf ab | wc -c".into()), env: vec![], dir: Some("/tmp".into()) }
    );
    assert_eq!(
        work(json!({"command": ["ls", ""], "workDir": ""})),
        Work::Command { command: Command::Argv(vec!["ls".into(), String::new()]), env: vec![], dir: None }
    );
    for kind in StepKind::ALL {
        let step = Work::Step(Step { kind, name: "web server".into() });
        assert_eq!(work(json!({"proc": {kind.word(): "web server", "note": 1}})), step);
    }
}

#[test]
fn the_nearest_default_counts() {
    let run = accepted(&json!({"tag": "t",
        "jobDefaults": {"cores": "2", "memoryMB": "5", "environment": {"A": 1}, "note": "j"},
        "taskDefaults": {"maxRetries": 1, "retryIntervalSeconds": 9, "job": {"memoryMB": 6, "note": ["t"]}},
        "tasks": {
            "a": {"job": {"command": ["x"], "cores": "1", "environment": []}},
            "b": {"job": {"command": ["x"], "note": {}}, "maxRetries": 0}}}));
    let common = json!({"command": ["x"], "memoryMB": "6"});
    let over = |own: Value| {
        let mut job = common.as_object().expect("an object").clone();
        job.extend(own.as_object().expect("an object").clone());
        Value::Object(job)
    };
    assert_eq!(shown(&run, "a", 0), over(json!({"cores": "1", "environment": [], "note": ["t"]})));
    assert_eq!(shown(&run, "b", 0), over(json!({"cores": "2", "environment": ["A=1"], "note": {}})));
    assert_eq!((template(&run, "a").max_retries, template(&run, "b").max_retries), (1, 0));
    assert_eq!((template(&run, "a").retry_interval, template(&run, "b").retry_interval), (9, 9));
}

#[test]
fn a_task_that_says_what_to_run_drops_the_defaults_that_do() {
    let run = accepted(&json!({"tag": "t", "jobDefaults": {"proc": {"start": "web"}},
        "taskDefaults": {"maxRetries": 1, "job": {"command": ["/bin/false"]}},
        "tasks": {"a": {"job": {"commandString": "exit 0"}}, "b": {"job": {}}}}));
    assert_eq!(shown(&run, "a", 0), json!({"commandString": "exit 0", "environment": []}));
    assert_eq!(shown(&run, "b", 0), json!({"command": ["/bin/false"], "environment": []}));
    assert_eq!(template(&run, "a").max_retries, 1);
}

#[test]
fn the_last_list_by_name_varies_fastest() {
    let lists = json!({"B": ["x", "y"], "A": ["1", "2", "3"], "C": ["not", "used"], "D": []});
    let run = accepted(&with_values(lists, json!({"a": echo("{{B}}{{A}}"), "b": echo("{{NOPE}}")})));
    assert_eq!(words(&run, "a"), ["x1", "y1", "x2", "y2", "x3", "y3"]);
    assert_eq!(words(&run, "b"), ["{{NOPE}}"]);
}

#[test]
fn within_an_instance_a_list_has_one_value() {
    let run = accepted(&with_values(
        json!({"P": ["u", "v"]}),
        json!({"a": {"job": {
        "command": ["{{P}}", "{{P}}-{{P}}"], "environment": ["Q={{P}}"], "workDir": "/{{P}}"}}}),
    ));
    assert_eq!(shown(&run, "a", 0), json!({"command": ["u", "u-u"], "environment": ["Q=u"], "workDir": "/u"}));
    assert_eq!(words(&run, "a"), ["u-u", "v-v"]);
}

#[test]
fn what_is_inserted_is_not_looked_at_again() {
    let run = accepted(&with_values(json!({"P": "{{R}}", "R": "z"}), json!({"a": echo("{{P}}{{R}}")})));
    assert_eq!(words(&run, "a"), ["{{R}}z"]);
}

#[test]
fn a_list_counts_wherever_in_the_job_it_is() {
    for job in [
        json!({"command": ["x"], "environment": ["Q={{P}}"]}),
        json!({"commandString": "echo {{P}} | tr a-z A-Z"}),
        json!({"command": ["x"], "cores": "{{P}}"}),
        json!({"command": ["x"], "deep": [{"er": "{{P}}"}]}),
        json!({"proc": {"restart": "web{{P}}"}}),
    ] {
        let run = accepted(&with_values(json!({"P": ["1", "2"]}), json!({"a": {"job": job}})));
        assert_eq!(template(&run, "a").count, 2, "{job}");
        assert_ne!(shown(&run, "a", 0), shown(&run, "a", 1), "{job}");
    }
    let run = accepted(&with_values(json!({"P": ["1", "2"]}), json!({"a": {"job": {"command": ["x"], "{{P}}": 1}}})));
    assert_eq!(template(&run, "a").count, 1, "a key was looked at");
}

#[test]
fn braces_around_a_parameters_name_change_nothing() {
    let run = accepted(&with_values(json!({"{{P}}": ["u", "v"]}), json!({"a": echo("{{P}}")})));
    assert_eq!(words(&run, "a"), ["u", "v"]);
}

#[test]
fn a_tasks_own_parameters_go_before_the_runs() {
    let own = json!({"job": {"command": ["echo", "{{P}}{{Q}}"]}, "parameters": {"P": ["w"]}});
    let run = accepted(&with_values(json!({"P": ["u", "v"], "Q": "q"}), json!({"a": own, "b": echo("{{P}}")})));
    assert_eq!((words(&run, "a"), words(&run, "b")), (vec!["wq".to_owned()], vec!["u".to_owned(), "v".to_owned()]));
    let run = accepted(&with(json!({"a": own})));
    assert_eq!(words(&run, "a"), ["w{{Q}}"]);
    let run = accepted(&json!({"tag": "t", "taskDefaults": {"parameters": {"P": ["1", "2"]}},
        "tasks": {"a": own, "b": echo("{{P}}")}}));
    assert_eq!((template(&run, "a").count, template(&run, "b").count), (1, 2));
}

#[test]
fn names_and_tags_are_taken_as_they_are() {
    let tasks = json!({"k_{{P}}": echo("{{P}}"), "z": {"job": {"command": ["x"]}, "parents": ["k_{{P}}"]}});
    let run = accepted(&json!({"tag": "{{P}}", "parameters": {"P": ["u", "v"]}, "tasks": tasks}));
    assert_eq!((run.tag.as_str(), template(&run, "k_{{P}}").instance(1)), ("{{P}}", "k_{{P}}_1".to_owned()));
    assert_eq!(arrows(&run), [("k_{{P}}", "z")]);
}

#[test]
fn an_edge_from_both_ends_is_one() {
    let run = accepted(&with(json!({
        "a": {"job": {"command": ["x"]}, "children": ["b", "b"]},
        "b": {"job": {"command": ["x"]}, "parents": ["a", "a"]}})));
    assert_eq!(arrows(&run), [("a", "b")]);
    assert_eq!((&template(&run, "a").children, &template(&run, "b").parents), (&vec!["b".into()], &vec!["a".into()]));
}

#[test]
fn needs_may_differ_between_instances() {
    let run = accepted(&with_values(
        json!({"C": ["1", "4"], "M": "77"}),
        json!({
        "a": {"job": {"command": ["x"], "cores": "{{C}}", "memoryMB": "{{M}}"}},
        "b": {"job": {"command": ["{{C}}"], "cores": 3, "memoryMB": "1{{M}}"}}}),
    ));
    let needs = |task, index| {
        let needs = template(&run, task).needs(index);
        (needs.cores, needs.memory_mb)
    };
    assert_eq!((needs("a", 0), needs("a", 1), needs("b", 1)), ((1, 77), (4, 77), (3, 177)));
    assert_eq!((template(&run, "a").needs, template(&run, "b").needs.is_some()), (None, true));
    assert_eq!(template(&run, "a").job(1).expect("a job").needs, template(&run, "a").needs(1));
}

#[test]
fn waits_grow_up_to_their_cap() {
    let waits = |task: Value, failed: &[u32]| {
        let run = accepted(&with(json!({"a": task})));
        failed.iter().map(|failed| template(&run, "a").retry_wait(*failed).as_secs_f64()).collect::<Vec<_>>()
    };
    let task = |more: Value| {
        let mut task = json!({"job": {"command": ["x"]}});
        task.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        task
    };
    let steady = task(json!({"retryIntervalSeconds": 10}));
    assert_eq!(waits(steady, &[1, 2, 100]), [10.0, 10.0, 10.0]);
    let growing = task(json!({"retryIntervalSeconds": 10, "retryBackoff": 3}));
    assert_eq!(waits(growing, &[0, 1, 2, 3, 7, u32::MAX]), [10.0, 10.0, 30.0, 90.0, 3600.0, 3600.0]);
    let capped = task(json!({"retryIntervalSeconds": 10, "retryBackoff": {"factor": 2, "maxSeconds": 25.5}}));
    assert_eq!(waits(capped, &[1, 2, 3]), [10.0, 20.0, 25.5]);
    assert_eq!(waits(task(json!({"retryBackoff": 2})), &[1, u32::MAX]), [0.0, 0.0]);
    let level =
        task(json!({"retryIntervalSeconds": 4294967295_u32, "retryBackoff": {"factor": 1, "maxSeconds": 1e12}}));
    assert_eq!(waits(level, &[u32::MAX]), [4294967295.0]);
}

#[test]
fn a_million_values_are_one_text() {
    let values: Vec<String> = (0..1_000_000).map(|value| value.to_string()).collect();
    let text = with_values(json!({"P": values, "UNUSED": ["a", "b"]}), json!({"a": echo("{{P}}"), "b": echo("x")}));
    let limits = Limits { max_tasks: 1_000_001, ..LIMITS };
    let run = parse(text.to_string().as_bytes(), &limits).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(template(&run, "a").count, 1_000_000);
    assert_eq!(shown(&run, "a", 999_999)["command"], json!(["/bin/echo", "999999"]));
    let why = parse(text.to_string().as_bytes(), &Limits { max_tasks: 1_000_000, ..LIMITS }).expect_err("too many").0;
    assert!(why.contains("1000001") && why.contains("at most 1000000"), "{why}");
}

#[test]
fn the_same_text_makes_the_same_groups_in_the_order_of_their_names() {
    let text = with(json!({"c": echo("x"), "a": echo("x"), "B": echo("x"), "a_1": echo("x")})).to_string();
    let run = parse(text.as_bytes(), &LIMITS).expect("a run");
    assert_eq!(run.templates.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["B", "a", "a_1", "c"]);
    assert_eq!(parse(text.as_bytes(), &Limits { capacity: None, max_tasks: u32::MAX }), Ok(run));
}

#[test]
fn parameters_can_be_given_over_those_of_the_specification() {
    let text = json!({"tag": "t", "parameters": {"P": ["u"], "{{Q}}": "q", "R": "r"}, "tasks": {"a": echo("{{P}}{{Q}}{{R}}")}});
    let given = |parameters: Value| -> Result<Vec<String>, Invalid> {
        let text = with_parameters(text.to_string().as_bytes(), parameters.as_object().expect("an object"))?;
        Ok(words(&parse(text.as_bytes(), &LIMITS)?, "a"))
    };
    let refused = |parameters| given(parameters).expect_err("it was accepted").0;
    assert_eq!(given(json!({})), Ok(vec!["uqr".to_owned()]));
    assert_eq!(given(json!({"P": ["1", "2"], "Q": "-", "{{R}}": "."})), Ok(vec!["1-.".to_owned(), "2-.".to_owned()]));
    assert!(refused(json!({"S": "s"})).contains("\"S\""));
    assert!(refused(json!({"P": 5})).contains("\"P\": expected a string or an array of strings, not 5"));
    assert!(refused(json!({"P": [], "Q": "x"})).contains("{{P}}"));
    let none = with_parameters(
        with(json!({"a": echo("x")})).to_string().as_bytes(),
        &Map::from_iter([("P".into(), json!("x"))]),
    );
    assert!(none.expect_err("it has no parameters").0.contains("\"P\""));
}

#[test]
fn one_instance_can_get_another_job() {
    let run = accepted(&with_values(json!({"P": ["u", "v"], "Q": "q", "L": ["1", "2"]}), json!({"a": echo("{{P}}")})));
    let a = template(&run, "a");
    let other = |value: Value| job(&value, a, 1, &LIMITS);
    let accepted = other(json!({"commandString": "{{P}}{{Q}}{{NOPE}}", "cores": 2})).expect("a job");
    assert_eq!(
        Value::Object(accepted.shown.clone()),
        json!({"commandString": "vq{{NOPE}}", "cores": "2", "environment": []})
    );
    assert_eq!((accepted.needs.cores, Job::read(accepted.shown.clone())), (2, Ok(accepted)));
    for (value, said) in [
        (json!([]), "expected an object"),
        (json!({}), "command"),
        (json!({"command": ["x"], "cores": 5}), "cores: expected at most 4"),
        (json!({"command": ["{{L}}"]}), "{{L}}"),
        (json!({"command": ["x", "{{Q}}".repeat(5 << 20)]}), "bytes"),
    ] {
        let why = other(value).expect_err("it was accepted").0;
        assert!(why.contains(said) && why.contains("task 'a_1': job: "), "{why}");
    }
    assert!(job(&json!({"command": ["x"]}), a, 2, &LIMITS).is_err());
    let generator = super::tests::accepted(&with(json!({"g": {"job": {"command": ["x"]}, "isGenerator": true}})));
    assert!(job(&json!({"proc": {"start": "web"}}), template(&generator, "g"), 0, &LIMITS).is_err());
}
