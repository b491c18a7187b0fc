//! The rules of specifications, one by one, and a slow expander that argues with the real one.

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

/// A specification with one task `a` that has this job.
fn job_of(job: Value) -> Value {
    with(json!({"a": {"job": job}}))
}

/// What an instance is shown as.
#[track_caller]
fn shown(run: &Blueprint, task: &str, index: u32) -> Value {
    let template = run.templates.iter().find(|template| template.name == task).expect("a task");
    Value::Object(template.job(index).unwrap_or_else(|why| panic!("{why}")).shown)
}

#[track_caller]
fn commands(run: &Blueprint, task: &str) -> Vec<Value> {
    let template = run.templates.iter().find(|template| template.name == task).expect("a task");
    (0..template.count).map(|index| shown(run, task, index)["command"].clone()).collect()
}

/// Refused, with all of this in the message.
#[track_caller]
fn refused(specification: &Value, said: &[&str]) {
    let why = read(specification).map(|_| ()).expect_err("it was accepted").0;
    for part in said {
        assert!(why.contains(part), "{part:?} is not said: {why}");
    }
}

#[test]
fn a_list_makes_one_instance_for_each_value() {
    let run = accepted(&json!({"tag": "t", "parameters": {"P": ["u", "v"]},
        "tasks": {"s": {"job": {"command": ["/bin/echo", "{{P}}"]}}}}));
    assert_eq!(commands(&run, "s"), [json!(["/bin/echo", "u"]), json!(["/bin/echo", "v"])]);
}
