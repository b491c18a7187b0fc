//! The shapes that clients rely on, key by key, and a run to show them with.

use super::*;
use crate::base::RunId;
use crate::dag::machine::GroupView;
use crate::dag::specification::{self, Limits};
use expect_test::{Expect, expect};
use serde_json::to_string_pretty;
use std::sync::Arc;
use std::time::Duration;

/// So many nanoseconds after a moment with 19 digits.
pub(in crate::dag) fn at(nanoseconds: i64) -> Wall {
    Wall::from_timestamp_nanos(1_731_000_100_000_000_000 + nanoseconds)
}

/// Run 4, which is RUNNING.
pub(in crate::dag) fn row() -> RunRow {
    let change = |nanoseconds, state| StateChange { at: at(nanoseconds), state };
    let mut counts = Counts::default();
    counts.0[State::Completed as usize] = 3;
    counts.0[State::Queued as usize] = 1;
    RunRow {
        id: DagRunId(4),
        tag: "tiles".into(),
        history: vec![change(1, State::Queued), change(900_000, State::Running)],
        last_update: at(7_250_000_400),
        counts,
        pass: 1,
        resets: Vec::new(),
        owner: Arc::new(Owner { uid: 1000, name: "uid 1000 (maps)".into(), operator: false }),
        runs_as: 1000,
        origin: Origin::Client,
    }
}

/// A view of this specification with all tasks QUEUED.
pub(in crate::dag) fn view(specification: &Value) -> View {
    let limits = Limits { capacity: None, max_tasks: u32::MAX };
    let blueprint = specification::parse(specification.to_string().as_bytes(), &limits).unwrap();
    let group = |template: &Arc<Template>| GroupView {
        template: template.clone(),
        states: Arc::new(vec![State::Queued as u8; template.count as usize]),
        edits: Default::default(),
        by: None,
        added: Vec::new(),
    };
    View { row: row(), groups: blueprint.templates.iter().map(group).collect(), edges: blueprint.edges }
}

/// An attempt that failed.
pub(in crate::dag) fn attempt() -> Attempt {
    Attempt {
        slot: Some(RunId(9)),
        pass: 0,
        start: at(2_000_000),
        stop: at(3_002_000_000),
        rc: 7,
        outcome: Outcome::Errored,
        remark: "a \"remark\"".into(),
        output: Kept::Here("north\n".into()),
        errors: Kept::File(20 << 20),
        usage: Some(Usage { user: Duration::from_millis(250), system: Duration::ZERO, max_rss_kib: 1024 }),
    }
}

fn shows(value: &impl Serialize, expected: Expect) {
    expected.assert_eq(&to_string_pretty(value).unwrap());
}

#[test]
fn moments_are_nineteen_digits_and_come_back() {
    assert_eq!(ns(at(1)), "1731000100000000001");
    assert_eq!(from_ns("1731000100000000001"), Some(at(1)));
    assert_eq!(ns(Wall::UNIX_EPOCH), "0000000000000000000");
    assert_eq!(ns(Wall::MIN_UTC), "0000000000000000000");
    for none in ["", "-1", "+1", "1.5", "99999999999999999999999"] {
        assert_eq!(from_ns(none), None, "{none:?}");
    }
}

#[test]
fn a_line_has_six_keys_and_a_summary_more() {
    shows(
        &line(&row()),
        expect![[r#"
            {
              "lastUpdate": "1731000107250000400",
              "runID": 4,
              "startTime": "1731000100000000001",
              "state": "RUNNING",
              "tag": "tiles",
              "taskCounts": {
                "COMPLETED": 3,
                "QUEUED": 1
              }
            }"#]],
    );
    let name = DagName::new("nightly").unwrap();
    let mut more = summary(&RunRow { origin: Origin::Schedule(name, at(0)), ..row() });
    line(&row()).keys().for_each(|key| drop(more.remove(key)));
    shows(
        &more,
        expect![[r#"
        {
          "dag": "nightly",
          "dagStateChanges": [
            {
              "state": "QUEUED",
              "time": "1731000100000000001"
            },
            {
              "state": "RUNNING",
              "time": "1731000100000900000"
            }
          ],
          "origin": {
            "by": "schedule",
            "dag": "nightly",
            "due": "1731000100000000000"
          },
          "owner": "uid 1000 (maps)",
          "pass": 1,
          "runsAs": 1000,
          "tasks": 4
        }"#]],
    );
}

#[test]
fn a_definition_has_six_keys_and_shows_what_generators_add() {
    let mut view = view(&json!({
        "tag": "t",
        "parameters": { "P": ["u", "v"] },
        "tasks": {
            "g": { "job": { "command": ["{{P}}"], "cores": 2, "odd": "kept" }, "children": ["z", "z"], "isGenerator": true },
            "n": { "job": { "command": ["n"] }, "parents": ["g"] },
            "z": { "job": { "commandString": "z" }, "maxRetries": 1, "retryIntervalSeconds": "5" },
        },
    }));
    view.groups[0].added = vec!["n".into(), "m".into()];
    view.groups[1].by = Some(TaskId { group: 0, index: 1 });
    let shown = |group, index| definition(&view, TaskId { group, index }).unwrap();
    shows(
        &shown(0, 1),
        expect![[r#"
        {
          "maxRetries": 0,
          "retryIntervalSeconds": 0,
          "job": {
            "command": [
              "v"
            ],
            "cores": "2",
            "environment": [],
            "odd": "kept"
          },
          "children": [
            "z",
            "n",
            "m"
          ],
          "parents": [],
          "isGenerator": true
        }"#]],
    );
    shows(
        &shown(1, 0),
        expect![[r#"
        {
          "maxRetries": 0,
          "retryIntervalSeconds": 0,
          "job": {
            "command": [
              "n"
            ],
            "environment": []
          },
          "children": [],
          "parents": [
            "g"
          ],
          "isGenerator": false
        }"#]],
    );
    assert!(shown(3, 0).is_none());

    let other = specification::job(
        &json!({ "command": ["other"] }),
        &view.groups[2].template,
        0,
        &Limits { capacity: None, max_tasks: 1 },
    );
    let mut edited = view.clone();
    edited.groups[2].edits.insert(0, Arc::new(other.unwrap()));
    let shown = definition(&edited, TaskId { group: 2, index: 0 }).unwrap();
    shows(
        &shown,
        expect![[r#"
        {
          "maxRetries": 1,
          "retryIntervalSeconds": 5,
          "job": {
            "command": [
              "other"
            ],
            "environment": []
          },
          "children": [],
          "parents": [],
          "isGenerator": false
        }"#]],
    );
}

#[test]
fn an_attempt_has_six_keys() {
    let attempt = attempt();
    let text = format!("{}out{}err{}", attempt_start(&attempt), ERROR_LOG, attempt_rest(&attempt, ""));
    let read: Value = serde_json::from_str(&text).unwrap();
    shows(
        &read,
        expect![[r#"
            {
              "errorLog": "err",
              "executorLog": "a \"remark\"",
              "outputLog": "out",
              "rc": 7,
              "startTime": "1731000100002000000",
              "stopTime": "1731000103002000000"
            }"#]],
    );
}

#[test]
fn a_task_of_a_page_shows_its_last_or_its_live_attempt() {
    let mut facts = TaskFacts { last: Some((2, attempt())), live: None, mark: Some(Mark::Killed("root".into())) };
    shows(
        &task_line("a_0", State::Killed, &facts),
        expect![[r#"
        {
          "attempts": 2,
          "executorLog": "a \"remark\"",
          "mark": {
            "by": "root",
            "what": "killed"
          },
          "name": "a_0",
          "rc": 7,
          "startTime": "1731000100002000000",
          "state": "KILLED",
          "stopTime": "1731000103002000000",
          "usage": {
            "maxRssKiB": 1024,
            "systemSeconds": 0.0,
            "userSeconds": 0.25
          }
        }"#]],
    );
    facts.live = Some((3, at(5)));
    facts.mark = None;
    shows(
        &task_line("a_0", State::Running, &facts),
        expect![[r#"
        {
          "attempts": 3,
          "executorLog": null,
          "mark": null,
          "name": "a_0",
          "rc": null,
          "startTime": "1731000100000000005",
          "state": "RUNNING",
          "stopTime": null,
          "usage": null
        }"#]],
    );
    let never = task_line("a_0", State::Queued, &TaskFacts::default());
    assert_eq!((&never["attempts"], &never["startTime"], &never["mark"]), (&json!(0), &Value::Null, &Value::Null));
}

#[test]
fn a_firing_says_what_became_of_it() {
    let ran = FiringRow { at: at(0), last: at(0), count: 1, what: Fired::Run(DagRunId(3)) };
    assert_eq!(firing(&ran), json!({ "time": ns(at(0)), "last": ns(at(0)), "count": 1, "what": "run", "runID": 3 }));
    let missed = FiringRow { last: at(60_000_000_000), count: 2, what: Fired::Missed, ..ran };
    assert_eq!((&firing(&missed)["what"], &firing(&missed)["runID"]), (&json!("missed"), &Value::Null));
}
