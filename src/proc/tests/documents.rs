//! Whatever a client posts is refused or read, and what is read is written so that it is read again as the same.

use super::world::{World, wall};
use crate::base::{Mono, RunId, Wall};
use crate::proc::machine::{
    Ask, Cursor, LiveRun, Owed, Queued, Refusal, Room, Seats, Standing, StoredRest, StoredTask, Verdict, Write,
};
use crate::proc::model::*;
use crate::proc::{document, records, wire};
use crate::store::{Batch, Store};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// JSON of any shape, up to a depth that no field asks for.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        ".{0,8}".prop_map(Value::from),
        "-?[0-9]{1,25}(\\.[0-9]{0,12})?(ms|s|m|h|days| MiB|e9)?".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// One of the values that make sense for a field, most of the time.
fn field(name: &'static str, good: Vec<Value>) -> impl Strategy<Value = Option<(String, Value)>> {
    let value = prop_oneof![12 => proptest::sample::select(good), 1 => any_json()];
    proptest::option::weighted(0.4, value).prop_map(move |value| Some((name.to_owned(), value?)))
}

fn times() -> Vec<Value> {
    [json!(1), json!(0.1), json!(3.000_000_001), json!("1h 30m"), json!("7ns"), json!(1e9), json!(0)].to_vec()
}

fn surroundings() -> impl Strategy<Value = Vec<Option<(String, Value)>>> {
    let fields: Vec<BoxedStrategy<_>> = vec![
        field("env", vec![json!({"A": "b", "C": ""}), json!({})]).boxed(),
        field("env_file", vec![json!("/etc/env")]).boxed(),
        field("cwd", vec![json!("/srv/ä")]).boxed(),
        field("umask", vec![json!("022"), json!("7"), json!("0")]).boxed(),
        field("stop_signal", vec![json!("INT"), json!(40), json!("SIGTERM")]).boxed(),
        field("stop_timeout", times()).boxed(),
        field("reload_signal", vec![json!("HUP"), json!(10)]).boxed(),
        field("nice", vec![json!(-20), json!(5.0)]).boxed(),
        field("oom_score_adj", vec![json!(-1000), json!(0)]).boxed(),
        field("log_max", vec![json!("64 MiB"), json!(0), json!(u64::MAX)]).boxed(),
        field("split_output", vec![json!(true), json!(false)]).boxed(),
        field(
            "ready",
            vec![
                json!({"tcp": "[::1]:80"}),
                json!({"http": "http://localhost/", "interval": "200ms"}),
                json!({"exec": ["true", ""], "timeout": 7}),
                json!({"exec": "test -e x"}),
                json!({"log": "ready"}),
                json!({"notify": true}),
            ],
        )
        .boxed(),
        field("health", vec![json!({"tcp": "db:1", "failures": 1}), json!({"exec": "true", "interval": 0.5})]).boxed(),
        field(
            "limits",
            vec![
                json!({"memory": "1 GiB", "cpu": 0.3, "pids": 7}),
                json!({"rlimits": {"nofile": 1024, "core": "unlimited", "as": {"soft": 1, "hard": "unlimited"}}}),
                json!({"rlimits": {"nofile": 1, "AS": 2}}),
                json!({"rlimits": {"nofile": 1, "NOFILE": 2}}),
            ],
        )
        .boxed(),
    ];
    fields
}

fn any_document() -> impl Strategy<Value = Map<String, Value>> {
    let fields: Vec<BoxedStrategy<_>> = vec![
        field("replica", vec![json!(1), json!(10_000), json!(2.0)]).boxed(),
        field("interval", times()).boxed(),
        field("user", vec![json!("guest"), json!("")]).boxed(),
        field("group", vec![json!("users")]).boxed(),
        field("deps", vec![json!(["a", ""]), json!([{"task": "b", "until": "ready"}, {"task": "c"}])]).boxed(),
        field("cron", vec![json!("*/5 1-3 * * mon"), json!("@daily"), json!("@reboot")]).boxed(),
        field("timezone", vec![json!("UTC"), json!("Europe/Berlin")]).boxed(),
        field("overlap", vec![json!("queue"), json!("allow")]).boxed(),
        field("catch_up", vec![json!("all")]).boxed(),
        field("jitter", times()).boxed(),
        field("restart", vec![json!("failure"), json!("never")]).boxed(),
        field("backoff", vec![json!({}), json!({"factor": 1.5, "max": "1h"})]).boxed(),
        field("max_restarts", vec![json!(0), json!(5)]).boxed(),
        field("stable_after", times()).boxed(),
        field("state", vec![json!("running")]).boxed(),
        field("comment", vec![json!({"mine": [1, null]})]).boxed(),
    ];
    let name = prop_oneof![4 => ".{1,20}", 1 => "[\\x01-\\x1f\"\\\\]{250,255}"];
    let kind = prop_oneof![9 => proptest::sample::select(vec!["once", "daemon", "cron"]), 1 => Just("coroutine")];
    let command = prop_oneof![
        ".{0,20}".prop_map(|line| ("cmd", json!(line))),
        proptest::collection::vec(".{0,5}", 0..3).prop_map(|words| ("argv", json!(words))),
    ];
    (name, kind, command, fields, surroundings()).prop_map(|(name, kind, (word, command), fields, more)| {
        let mut document: Map<String, Value> = fields.into_iter().chain(more).flatten().collect();
        document.extend([("name".into(), json!(name)), ("type".into(), json!(kind)), (word.into(), command)]);
        document
    })
}

fn any_wall() -> impl Strategy<Value = Wall> {
    (0..4_000_000_000_000_000_i64).prop_map(|micros| Wall::from_timestamp_micros(micros).unwrap())
}

fn any_time() -> impl Strategy<Value = Duration> {
    (0..u64::from(u32::MAX), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn any_started() -> impl Strategy<Value = StartedBy> {
    prop_oneof![
        ".{0,80}".prop_map(StartedBy::Client),
        Just(StartedBy::Restart),
        any_wall().prop_map(StartedBy::Schedule),
        Just(StartedBy::HostBoot),
        Just(StartedBy::Recovery),
    ]
}

fn any_stopped() -> impl Strategy<Value = StoppedBy> {
    prop_oneof![
        ".{0,80}".prop_map(StoppedBy::Client),
        Just(StoppedBy::Shutdown),
        Just(StoppedBy::NotReady),
        ".{0,200}".prop_map(StoppedBy::Unhealthy),
        Just(StoppedBy::Replaced),
        Just(StoppedBy::Unknown),
    ]
}

fn any_offsets() -> impl Strategy<Value = Offsets> {
    (any::<u64>(), any::<Option<u64>>()).prop_map(|(out, err)| Offsets { out, err })
}

fn any_name() -> impl Strategy<Value = TaskName> {
    prop_oneof![".{1,60}", "[\\x01-\\x1f]{255}"].prop_filter_map("a name", |name| TaskName::new(&name).ok())
}

prop_compose! {
    fn any_live()(
        (run, name, incarnation, replica) in (any::<u64>(), any_name(), any::<u64>(), any::<u32>()),
        (runs_as, started_by) in (any::<u32>(), any_started()),
        stopped_by in proptest::option::of(any_stopped()),
        leader in any::<Option<(i32, u64)>>(),
        (start, born) in proptest::option::of((any_wall(), any_time())).prop_map(Option::unzip),
        log_from in proptest::option::of(any_offsets()),
        (attached, ready, over) in any::<(bool, bool, bool)>(),
        kill_at in proptest::option::of(any_time()),
        (stop_signal, stop_timeout) in (1..=64_i64, any_time()),
    ) -> LiveRun {
        LiveRun {
            run: RunId(run), name, incarnation: Incarnation(incarnation), replica, runs_as, started_by, stopped_by,
            attached, leader, start, born: born.map(Mono), log_from, ready, over, kill_at: kill_at.map(Mono),
            stop_signal: Signal::new(stop_signal).unwrap(), stop_timeout,
        }
    }
}

prop_compose! {
    fn any_standing()(
        stopped in any::<bool>(),
        (last_time, start_time) in (proptest::option::of(any_wall()), proptest::option::of(any_wall())),
        queued in proptest::option::of((any_started(), any::<bool>())),
        cursor in proptest::option::of((any_wall(), proptest::collection::vec((any_wall(), any_wall()), 0..3))),
    ) -> Standing {
        let seats = |again| if again { Seats::Again } else { Seats::Idle };
        let owed = |owed: Vec<_>| owed.into_iter().map(|(after, through)| Owed { after, through }).collect();
        Standing {
            stopped, last_time, start_time,
            queued: queued.map(|(by, again)| Queued { by, seats: seats(again) }),
            cursor: cursor.map(|(decided, stretches)| Cursor { decided, owed: owed(stretches) }),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn anything_is_refused_or_read(document in proptest::collection::btree_map(".{0,6}", any_json(), 0..8)) {
        let _ = document::read(document.into_iter().collect(), REPLICAS_MAX);
    }

    #[test]
    fn what_is_read_is_written_to_be_read_again(document in any_document(), standing in any_standing()) {
        let Ok(definition) = document::read(document, REPLICAS_MAX) else { return Ok(()) };
        let owner = Owner { uid: 7, name: "uid 7 (eve)".into(), operator: false };
        let task = StoredTask {
            incarnation: Incarnation(3), definition: Arc::new(definition), owner: Arc::new(owner), runs_as: 9,
        };
        let writes = vec![
            Write::PutTask(task.clone()),
            Write::PutStanding { incarnation: Incarnation(3), standing: standing.clone() },
        ];
        prop_assert_eq!(stored(writes).tasks, [(task, standing)]);
    }

    #[test]
    fn a_listing_shows_the_same_as_the_object_of_each_task(posted in proptest::collection::vec(any_document(), 1..4)) {
        let mut world = World::new();
        let documents = wire::Documents::default();
        for document in posted {
            let Ok(definition) = document::read(document, 3) else { continue };
            let name = definition.name.clone();
            let created = world.create(definition);
            prop_assert!(!matches!(created, Verdict::Refused(Refusal::TooMany { .. })), "{:?}", created);
            let read = |documents: &wire::Documents, room: &Room| -> Value {
                serde_json::from_slice(&documents.listing(&wire::listed(room, |_| true))).unwrap()
            };
            let shown = read(&documents, &world.room);
            prop_assert_eq!(&shown, &read(&documents, &world.room), "from what was kept");
            prop_assert_eq!(&shown["msg"], "OK");
            let tasks: Map<_, _> = world.room.tasks().map(|task| {
                (task.name().to_string(), Value::Object(wire::task_object(task)))
            }).collect();
            prop_assert_eq!(&shown["data"]["tasks"], &Value::Object(tasks));
            // What is kept is of another definition after this.
            let _ = world.ask(Ask::Scale { name, replica: Replicas::new(2).unwrap() });
            prop_assert_eq!(&read(&documents, &world.room), &read(&wire::Documents::default(), &world.room));
        }
    }

    #[test]
    fn runs_are_stored_and_travel_as_they_are(live in any_live(), until in any_time(), failures in any::<u32>()) {
        let intent = records::intent(&live);
        prop_assert_eq!(records::read_intent(&intent), Ok(live.clone()));
        let unstopped = records::intent(&LiveRun { stopped_by: None, ..live.clone() });
        prop_assert!(unstopped.len() <= crate::keeper::INTENT_MAX, "{} bytes", unstopped.len());
        let rest = StoredRest::Pause { until: Mono(until), failures };
        let seat = Write::PutSeat { incarnation: live.incarnation, replica: live.replica, rest };
        let loaded = stored(vec![Write::PutLive(Box::new(live.clone())), seat]);
        prop_assert_eq!(loaded.seats, [(live.incarnation, live.replica, rest)]);
        prop_assert_eq!(loaded.live, [live]);
    }
}

fn stored(writes: Vec<Write>) -> crate::proc::machine::Stored {
    let store = Store::in_memory();
    let mut batch = Batch::new();
    records::write(writes, wall("2026-03-01T00:00:00Z"), &mut batch);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.submit(batch).durable()).unwrap();
    records::load(&store.reader()).unwrap()
}
