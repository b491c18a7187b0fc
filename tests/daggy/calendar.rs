//! Beyond the interface: stored DAGs, running them, and their schedules.

use std::time::Duration;

use chrono::{DateTime, Timelike, Utc};
use support::{Client, require_root};

use super::*;

#[track_caller]
fn put(client: &Client, name: &str, body: &Value) -> Answer {
    client.send(Request::new("PUT", &format!("/v1/dag/{name}")).json(body))
}

#[track_caller]
fn run_stored(client: &Client, name: &str, body: &Value) -> u64 {
    let answer = client.post(&format!("/v1/dag/{name}/run"), body).expect(200).json();
    let run = answer["runID"].as_u64().expect("a number");
    assert_eq!(answer, json!({"runID": run}));
    run
}

/// A specification with one parameter that it says.
fn saying() -> Value {
    expanded(json!({"P": "usual"}), json!({"s": t(&["echo", "{{P}}"])}))
}

#[track_caller]
fn moment(time: &Value) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(i64::try_from(nanos(time)).expect("before the year 2262"))
}

#[track_caller]
fn firings(daemon: &Daemon, name: &str) -> Value {
    daemon.get(&format!("/v1/dag/{name}/firings")).expect(200).json()
}

// First, because it takes longest.
#[test]
fn a_dag_fires_every_minute() {
    let daemon = daemon();
    let mut events = daemon.unix().stream(Request::new("GET", "/events?kind=dag.run.state"));
    let schedule = json!({"cron": "* * * * *", "parameters": {"P": "fired"}});
    put(&daemon.tcp(), "minutely", &json!({"specification": saying(), "schedule": schedule})).expect(200);
    assert_eq!(list(&daemon, "?all=1"), json!([]), "not before its time");
    let due = moment(&firings(&daemon, "minutely")["next"][0]);
    events.event_within(Duration::from_secs(70));
    let record = ends(&daemon, 0, "COMPLETED");
    assert_eq!(output(&record, "s_0"), "fired\n");
    assert!(nanos(&record["dagStateChanges"][0]["time"]) >= due.timestamp_nanos_opt().expect("a time") as u64);
    let told = daemon.get("/v1/dagrun/0/summary").expect(200).json();
    assert_eq!((&told["origin"]["by"], &told["dag"]), (&json!("schedule"), &json!("minutely")));
    assert_eq!(moment(&told["origin"]["due"]), due);
    let past = firings(&daemon, "minutely")["past"].take();
    assert_eq!((&past[0]["what"], &past[0]["runID"]), (&json!("run"), &json!(0)));
    assert_eq!(moment(&past[0]["time"]), due);
    assert_eq!((due.second(), due.nanosecond()), (0, 0));
}

#[test]
fn a_dag_is_stored_shown_and_forgotten() {
    let mut daemon = daemon();
    assert_eq!(daemon.get("/v1/dags").expect(200).json(), json!([]));
    assert_eq!(put(&daemon.tcp(), "plain", &saying()).expect(200).json(), json!({"name": "plain"}));
    let shown = daemon.get("/v1/dag/plain").expect(200).json();
    assert_eq!((&shown["name"], &shown["specification"]), (&json!("plain"), &saying()));
    put(&daemon.tcp(), "plain", &shown).expect(200); // what was got can be put
    let schedule = json!({"cron": "0 3 * * *", "timezone": "Europe/Paris", "overlap": "queue", "catch_up": "last"});
    put(&daemon.tcp(), "nightly", &json!({"specification": saying(), "schedule": schedule})).expect(200);
    let listed = daemon.get("/v1/dags").expect(200).json();
    let names: Vec<&str> = listed.as_array().expect("a list").iter().filter_map(|dag| dag["name"].as_str()).collect();
    assert_eq!(names, ["nightly", "plain"]);
    assert_eq!((&listed[0]["schedule"], &listed[1]["next"]), (&schedule, &json!(null)));
    let before = ["plain", "nightly"].map(|name| daemon.get(&format!("/v1/dag/{name}")).expect(200).json());
    assert_eq!(before[1]["schedule"], schedule);
    daemon.restart();
    assert_eq!(["plain", "nightly"].map(|name| daemon.get(&format!("/v1/dag/{name}")).expect(200).json()), before);

    let run = run_stored(&daemon.tcp(), "plain", &json!({}));
    assert_eq!(daemon.delete("/v1/dag/plain").expect(200).text(), "");
    refused(daemon.get("/v1/dag/plain"), 404);
    refused(daemon.delete("/v1/dag/plain"), 404);
    ends(&daemon, run, "COMPLETED"); // its runs stay
    daemon.restart();
    refused(daemon.post("/v1/dag/plain/run", &json!({})), 404);
    assert_eq!(listed_names(&daemon), ["nightly"]);
}

#[track_caller]
fn listed_names(daemon: &Daemon) -> Vec<String> {
    let listed = daemon.get("/v1/dags").expect(200).json();
    listed.as_array().expect("a list").iter().map(|dag| dag["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_stored_dag_is_run_with_parameters() {
    let daemon = daemon();
    put(&daemon.tcp(), "d", &saying()).expect(200);
    let run = |body: Value| {
        let run = run_stored(&daemon.tcp(), "d", &body);
        (run, ends(&daemon, run, "COMPLETED"))
    };
    let (_, record) = run(json!({}));
    assert_eq!(output(&record, "s_0"), "usual\n");
    let (number, record) = run(json!({"parameters": {"P": ["a", "b"]}, "tag": "other"}));
    assert_eq!((output(&record, "s_0"), output(&record, "s_1")), ("a\n", "b\n"));
    assert_eq!(record["tag"], "other");
    let told = daemon.get(&format!("/v1/dagrun/{number}/summary")).expect(200).json();
    assert_eq!(told["origin"], json!({"by": "dag", "dag": "d"}));
    for bad in [
        json!({"parameters": {"Q": "x"}}),
        json!({"parameters": {"P": 7}}),
        json!({"parameters": {"P": []}}),
        json!({"parameters": ["P"]}),
        json!({"tag": ""}),
        json!({"parameter": {}}),
        json!([]),
    ] {
        refused(daemon.post("/v1/dag/d/run", &bad), 400);
    }
    assert_eq!(listed(&daemon, "?all=1"), [0, 1]);

    // A key makes one run here as well.
    let with_key = || {
        let request = Request::new("POST", "/v1/dag/d/run").header("Idempotency-Key", "k").json(&json!({}));
        daemon.tcp().send(request).expect(200).json()
    };
    assert_eq!((with_key(), with_key()), (json!({"runID": 2}), json!({"runID": 2})));
}

#[test]
fn what_is_no_stored_dag() {
    let daemon = daemon();
    let with = |schedule: Value| json!({"specification": saying(), "schedule": schedule});
    for (body, named) in [
        (json!({"specification": dag(json!({}))}), "tasks"),
        (json!({"schedule": {"cron": "* * * * *"}}), "specification"),
        (json!({"specification": saying(), "shedule": {}}), "schedule"),
        (with(json!("* * * * *")), "schedule"),
        (with(json!({})), "cron"),
        (with(json!({"cron": "* * *"})), "cron"),
        (with(json!({"cron": "* * * * * *"})), "cron"),
        (with(json!({"cron": "@reboot"})), "cron"),
        (with(json!({"cron": "* * * * *", "timezone": "Mars/Base"})), "timezone"),
        (with(json!({"cron": "* * * * *", "overlap": "maybe"})), "overlap"),
        (with(json!({"cron": "* * * * *", "catch_up": 1})), "catch_up"),
        (with(json!({"cron": "* * * * *", "catchup": "all"})), "catch_up"),
        (with(json!({"cron": "* * * * *", "parameters": {"Q": "x"}})), "Q"),
    ] {
        let text = refused(put(&daemon.tcp(), "d", &body), 400);
        assert!(text.contains(named), "{text:?} does not name {named}");
    }
    for name in [".hidden", "-dash", "a%20b", &"x".repeat(129), "%C3%A9"] {
        refused(put(&daemon.tcp(), name, &saying()), 400);
    }
    assert_eq!(listed_names(&daemon), [] as [&str; 0]);
}

#[test]
fn what_a_schedule_will_do() {
    let daemon = daemon();
    let schedule = json!({"cron": "30 3 * * *", "timezone": "UTC"});
    put(&daemon.tcp(), "d", &json!({"specification": saying(), "schedule": schedule})).expect(200);
    let told = firings(&daemon, "d");
    assert_eq!((keys(&told), &told["past"]), (vec!["next", "past"], &json!([])));
    let next: Vec<DateTime<Utc>> = told["next"].as_array().expect("a list").iter().map(moment).collect();
    assert_eq!(next.len(), 10);
    assert!(next[0] > Utc::now() && next[0] - Utc::now() <= chrono::TimeDelta::days(1), "{next:?}");
    assert!(next.windows(2).all(|pair| pair[1] - pair[0] == chrono::TimeDelta::days(1)), "{next:?}");
    assert!(next.iter().all(|at| (at.hour(), at.minute(), at.second()) == (3, 30, 0)), "{next:?}");
    put(&daemon.tcp(), "d", &saying()).expect(200);
    assert_eq!(firings(&daemon, "d")["next"], json!([]), "no schedule, no firings");
}

#[test]
fn stored_dags_of_others_are_not_there() {
    require_root();
    let daemon = daemon();
    let nobody = daemon.tcp().as_user(65_534);
    put(&daemon.tcp(), "mine", &saying()).expect(200);
    assert_eq!(nobody.get("/v1/dags").expect(200).json(), json!([]));
    let before = daemon.get("/v1/dag/mine").expect(200).json();
    refused(nobody.get("/v1/dag/mine"), 404);
    refused(nobody.get("/v1/dag/mine/firings"), 404);
    refused(put(&nobody, "mine", &dag(json!({"a": t(&["true"])}))), 403);
    refused(nobody.delete("/v1/dag/mine"), 404);
    refused(nobody.post("/v1/dag/mine/run", &json!({})), 404);
    assert_eq!(daemon.get("/v1/dag/mine").expect(200).json(), before);
    refused(put(&nobody, "his", &plus(saying(), json!({"user": "root"}))), 403);

    // Whoever runs it, it runs as its owner and with his rights.
    let vault = json!({"name": "vault", "cmd": "exec sleep 300", "type": "daemon"});
    daemon.post("/proc", &vault).expect(200);
    let tasks = json!({"who": t(&["id", "-u"]), "step": {"job": {"proc": {"stop": "vault"}}}});
    put(&nobody, "his", &dag(tasks)).expect(200);
    for client in [&nobody, &daemon.tcp()] {
        let run = run_stored(client, "his", &json!({}));
        let record = ends(&daemon, run, "ERRORED");
        assert_eq!(output(&record, "who_0"), "65534\n");
        assert_eq!(record["taskStates"]["step_0"], "ERRORED");
        nobody.get(&format!("/v1/dagrun/{run}")).expect(200);
    }
    let listed = daemon.get("/proc").expect(200).json();
    assert_eq!(listed["data"]["tasks"]["vault"]["running"], 1, "it was not stopped");
}
