//! Bodies as clients write them, and what is said about wrong ones.

use super::*;
use crate::dag::model::Capacity;
use expect_test::{Expect, expect};
use serde_json::json;

const LIMITS: Limits =
    Limits { capacity: Some(Capacity { cores: 4, memory_mb: 4096, running: 100 }), max_tasks: 1_000 };

fn specification() -> Value {
    json!({"tag": "t", "parameters": {"P": "of its own"}, "tasks": {"a": {"job": {"command": ["echo", "{{P}}"]}}}})
}

fn put(body: &str) -> Result<Dag, Invalid> {
    let owner = Arc::new(Owner { uid: 1000, name: "ada".into(), operator: false });
    read(DagName::new("nightly").unwrap(), body.as_bytes(), &LIMITS, owner, 1000)
}

fn with_schedule(schedule: Value) -> String {
    json!({"specification": specification(), "schedule": schedule}).to_string()
}

fn shown(dag: &Dag) -> Value {
    serde_json::from_str(&show(dag)).expect("JSON")
}

#[track_caller]
fn refused(body: &str, expected: Expect) {
    expected.assert_eq(&put(body).unwrap_err().to_string());
}

/// The command of the only task, as a firing runs it.
fn command(dag: &Dag) -> Value {
    dag.blueprint.templates[0].job(0).unwrap().shown["command"].clone()
}

#[test]
fn a_whole_body_is_shown_as_it_was_put() {
    let body = json!({
        "specification": specification(),
        "schedule": {"cron": "0 3 * * *", "timezone": "Europe/Berlin", "overlap": "queue", "catch_up": "last",
            "parameters": {"P": "of the schedule"}},
    });
    let dag = put(&body.to_string()).unwrap();
    assert_eq!(command(&dag), json!(["echo", "of the schedule"]));
    assert_eq!(&*dag.text, specification().to_string());
    let shown = shown(&dag);
    assert_eq!((&shown["specification"], &shown["schedule"]), (&body["specification"], &body["schedule"]));
    assert_eq!((&shown["name"], &shown["owner"]), (&json!("nightly"), &json!("ada")));
    assert_eq!(put(&shown.to_string()).unwrap(), dag, "what was got can be put");
}

#[test]
fn a_specification_is_shown_as_the_text_it_is() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let text =
        format!(r#"{{"tag": "t", "x": [1e999, "\ud800", {deep}], "tasks": {{"a": {{"job": {{"command": ["a"]}}}}}}}}"#);
    let dag = put(&text).unwrap();
    assert!(show(&dag).contains(&text), "{}", show(&dag));
    assert_eq!(put(&show(&dag)).unwrap(), dag);
    let other = specification::with_tag(text.as_bytes(), "o\"ther").unwrap();
    assert_eq!(other.replace(r#""o\"ther""#, r#""t""#).replace(' ', ""), text.replace(' ', ""));
}

#[test]
fn what_is_left_out_has_its_usual_value() {
    let dag = put(&with_schedule(json!({"cron": "@daily"}))).unwrap();
    let schedule = dag.schedule.as_ref().unwrap();
    assert_eq!((schedule.zone, schedule.zone_given), (Zone::host(), false));
    assert_eq!((schedule.overlap, schedule.catch_up), (Overlap::Skip, CatchUp::None));
    assert_eq!(shown(&dag)["schedule"], json!({"cron": "@daily", "overlap": "skip", "catch_up": "none"}));
    assert_eq!(command(&dag), json!(["echo", "of its own"]));
    assert_eq!(dag.text, dag.fired_text);
    for body in [specification().to_string(), with_schedule(Value::Null)] {
        let dag = put(&body).unwrap();
        assert_eq!((dag.schedule.clone(), &*dag.text), (None, &*specification().to_string()));
        assert_eq!(shown(&dag).get("schedule"), None);
    }
}

#[test]
fn what_is_wrong_is_named_with_what_was_expected() {
    refused("{", expect!["this is no JSON: EOF while parsing an object at line 1 column 1"]);
    refused("[]", expect!["expected an object with specification, not []"]);
    refused("{}", expect!["specification: expected an object, and there is none"]);
    refused(r#"{"specification": 5}"#, expect!["specification: expected an object, not 5"]);
    refused(
        r#"{"specification": {"tag": "t", "tasks": {}}}"#,
        expect!["tasks: expected an object with at least one task, not {}"],
    );
    refused(
        r#"{"specification": {}, "shedule": {}}"#,
        expect![[r#"there is no key "shedule": did you mean schedule?"#]],
    );
    refused(r#"{"tag": "t"}"#, expect![[r#"there is no key "tag": expected one of specification, schedule"#]]);
    refused(&with_schedule(json!("daily")), expect![[r#"schedule: expected an object with cron, not "daily""#]]);
    refused(&with_schedule(json!({})), expect!["schedule: cron: expected a crontab line, and there is none"]);
    refused(
        &with_schedule(json!({"cron": "0 3 * *"})),
        expect![
            "schedule: cron: expected 5 fields (minute, hour, day of month, month, day of week) or an @alias, found 4 fields"
        ],
    );
    refused(
        &with_schedule(json!({"cron": "61 * * * *"})),
        expect![[r#"schedule: cron: minute: "61" is not valid, expected a number from 0 to 59"#]],
    );
    refused(&with_schedule(json!({"cron": 5})), expect!["schedule: cron: expected a string, not 5"]);
    refused(
        &with_schedule(json!({"cron": "@reboot"})),
        expect!["schedule: cron: expected times, and @reboot is none: only cron tasks have it"],
    );
    refused(
        &with_schedule(json!({"cron": "@daily", "timezone": "Mars"})),
        expect![[r#"schedule: timezone: unknown time zone "Mars": expected a name such as "Europe/Berlin" or "UTC""#]],
    );
    refused(
        &with_schedule(json!({"cron": "@daily", "timezon": "UTC"})),
        expect![[r#"schedule: there is no key "timezon": did you mean timezone?"#]],
    );
    refused(
        &with_schedule(json!({"cron": "@daily", "overlap": "wait"})),
        expect![[r#"schedule: overlap: expected one of skip, queue, allow, replace, not "wait""#]],
    );
    refused(
        &with_schedule(json!({"cron": "@daily", "catch_up": true})),
        expect!["schedule: catch_up: expected a string, not true"],
    );
    refused(
        &with_schedule(json!({"cron": "@daily", "parameters": ["P"]})),
        expect![[r#"schedule: parameters: expected an object, not ["P"]"#]],
    );
    refused(
        &with_schedule(json!({"cron": "@daily", "parameters": {"Q": "1"}})),
        expect![[r#"schedule: parameters: the specification has no "Q" to give a value"#]],
    );
}
