//! Jobs as clients see them, on each occasion.

use super::{ask, at};
use crate::cache::model::{
    Cluster, ClusterId, Found, Job, JobId, JobResult, Limits, Part, PartState, Scopes, TaskId, TaskNo, UrlOutcome,
};
use crate::cache::wire::asked::What;
use crate::cache::wire::jobs::{Around, Host, Occasion, User, distribution, job};
use crate::cache::wire::moment;
use expect_test::expect;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

const HOST: Host<'static> = Host {
    hostname: "box-a",
    ip: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10)),
    host_type: "super",
    long_peer_ids: true,
};

fn made(kind: &str, args: &str, state: PartState, result: JobResult) -> Job {
    let What::Job(args, _) = ask(format!(r#"{{"type":"{kind}","args":{args}}}"#)).unwrap().what else {
        panic!("{kind}")
    };
    let error = if state == PartState::Failure { "it failed" } else { "" };
    Job {
        id: JobId(12),
        created: at(0),
        updated: at(30),
        group: Uuid::from_u128(7),
        bio: String::new(),
        user: 0,
        args: Arc::new(*args),
        clusters: vec![ClusterId::LOCAL],
        has_secrets: false,
        part: Part { unit: Uuid::from_u128(8), state, error: error.to_owned(), result },
    }
}

fn local() -> Cluster {
    Cluster {
        id: ClusterId::LOCAL,
        name: "cluster-1".to_owned(),
        bio: String::new(),
        limits: Limits::default(),
        scopes: Scopes::default(),
        is_default: true,
        created: at(0),
        updated: at(0),
    }
}

fn shown(shown: &Job, occasion: Occasion) -> Value {
    let clusters = [local()];
    job(shown, occasion, &Around { host: HOST, clusters: &clusters, user: None, bytes: (5, 20), expires: None })
}

fn entry(job: &Job) -> Value {
    shown(job, Occasion::Asked)["result"]["job_states"][0].clone()
}

fn found() -> Found {
    Found {
        id: TaskId::new(&[0xab; 32]),
        peer: Uuid::from_u128(9),
        created: at(-60),
        used: at(-30),
        finished: true,
        length: Some(14),
        piece_length: 4 << 20,
        cached_bytes: 14,
        finished_pieces: 1,
        total_pieces: Some(1),
    }
}

fn outcome(url: &str, end: Option<Result<(), String>>) -> UrlOutcome {
    UrlOutcome { url: url.to_owned(), end, bytes: Some(14) }
}

#[test]
fn three_fields_depend_on_the_occasion() {
    let pending = made("get_task", r#"{"task_id":"abcdef0123"}"#, PartState::Pending, JobResult::Found(Vec::new()));
    let fields = |occasion| {
        let shown = shown(&pending, occasion);
        let clusters = shown["scheduler_clusters"].as_array().map(Vec::len);
        (shown["result"].is_null(), shown["seed_peer_clusters"].clone(), clusters)
    };
    assert_eq!(fields(Occasion::Made), (true, Value::Null, Some(1)));
    assert_eq!(fields(Occasion::Asked), (false, json!([]), Some(1)));
    assert_eq!(fields(Occasion::Listed), (false, Value::Null, None));
}

#[test]
fn a_job_of_nobody_that_was_made_has_all_keys() {
    let job =
        made("get_task", r#"{"url":"u","filtered_query_params":"x"}"#, PartState::Pending, JobResult::Found(vec![]));
    let mut shown = shown(&job, Occasion::Made);
    shown["scheduler_clusters"] = json!("…");
    expect![[r#"
        {
          "args": {
            "application": "",
            "concurrent_peer_count": 500,
            "content_for_calculating_task_id": null,
            "filtered_query_params": "x",
            "piece_length": null,
            "tag": "",
            "task_id": "",
            "timeout": 3600000000000,
            "url": "u"
          },
          "bio": "",
          "created_at": "2026-03-02T10:00:00.104Z",
          "expires_at": null,
          "id": 12,
          "is_del": 0,
          "result": null,
          "scheduler_clusters": "…",
          "seed_peer_clusters": null,
          "state": "PENDING",
          "task_id": "group_00000000-0000-0000-0000-000000000007",
          "type": "get_task",
          "updated_at": "2026-03-02T10:00:30.104Z",
          "user": {
            "avatar": "",
            "bio": "",
            "configs": null,
            "created_at": "0001-01-01T00:00:00Z",
            "email": "",
            "id": 0,
            "is_del": 0,
            "location": "",
            "name": "",
            "phone": "",
            "state": "",
            "updated_at": "0001-01-01T00:00:00Z"
          },
          "user_id": 0
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&shown).unwrap());
}

#[test]
fn a_job_of_somebody_names_him() {
    let mut owned = made("get_task", r#"{"url":"u"}"#, PartState::Pending, JobResult::Found(vec![]));
    owned.user = 4;
    let user = Some(User { name: "bob".to_owned(), created: at(1) });
    let around = Around { host: HOST, clusters: &[], user, bytes: (0, 0), expires: Some(at(9)) };
    let shown = job(&owned, Occasion::Asked, &around);
    assert_eq!((&shown["user"]["id"], &shown["user"]["name"]), (&json!(4), &json!("bob")));
    assert_eq!(shown["expires_at"], moment(at(9)));
}

#[test]
fn what_was_found_is_one_peer() {
    let job = made("get_task", r#"{"url":"u"}"#, PartState::Success, JobResult::Found(vec![found()]));
    expect![[r#"
        {
          "created_at": "2026-03-02T10:00:00.104Z",
          "group_uuid": "group_00000000-0000-0000-0000-000000000007",
          "job_states": [
            {
              "created_at": "2026-03-02T10:00:00.104Z",
              "error": "",
              "progress": {
                "bytes_done": 0,
                "bytes_total": 0,
                "urls_done": 0,
                "urls_total": 0
              },
              "results": [
                {
                  "peers": [
                    {
                      "IsFinished": true,
                      "cached_bytes": 14,
                      "content_length": 14,
                      "created_at": "2026-03-02T09:59:00.104Z",
                      "finished_pieces": 1,
                      "host_type": "super",
                      "hostname": "box-a",
                      "id": "192.0.2.10-box-a-00000000-0000-0000-0000-000000000009-seed",
                      "ip": "192.0.2.10",
                      "is_finished": true,
                      "piece_length": 4194304,
                      "task_id": "abababababababababababababababababababababababababababababababab",
                      "total_pieces": 1,
                      "updated_at": "2026-03-02T09:59:30.104Z"
                    }
                  ],
                  "scheduler_cluster_id": 1
                }
              ],
              "state": "SUCCESS",
              "task_name": "get_task",
              "task_uuid": "task_00000000-0000-0000-0000-000000000008",
              "ttl": 0
            }
          ],
          "state": "SUCCESS",
          "updated_at": "2026-03-02T10:00:30.104Z"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&shown(&job, Occasion::Asked)["result"]).unwrap());
}

#[test]
fn peers_are_called_as_the_configuration_says() {
    let job = made("get_task", r#"{"url":"u"}"#, PartState::Success, JobResult::Found(vec![found()]));
    let id = |host_type, long_peer_ids| {
        let host = Host { host_type, long_peer_ids, ..HOST };
        let around = Around { host, clusters: &[], user: None, bytes: (0, 0), expires: None };
        let shown = super::super::jobs::job(&job, Occasion::Asked, &around);
        shown["result"]["job_states"][0]["results"][0]["peers"][0]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(id("super", false), "192.0.2.10-box-a-seed");
    assert_eq!(id("normal", false), "192.0.2.10-box-a");
    assert_eq!(id("normal", true), "192.0.2.10-box-a-00000000-0000-0000-0000-000000000009");
}

#[test]
fn lists_are_never_null_once_a_job_is_over() {
    let args = r#"{"type":"file","url":"u"}"#;
    let results = |kind, args, result| entry(&made(kind, args, PartState::Success, result))["results"].to_string();
    let none = r#"[{"failure_tasks":[],"scheduler_cluster_id":1,"success_tasks":[]}]"#;
    assert_eq!(results("preheat", args, JobResult::Preheat(Vec::new())), none);
    let nothing = JobResult::Deleted { removed: Vec::new(), failed: Vec::new() };
    assert_eq!(results("delete_task", r#"{"url":"u"}"#, nothing), none);
    let nobody = r#"[{"peers":[],"scheduler_cluster_id":1}]"#;
    assert_eq!(results("get_task", r#"{"url":"u"}"#, JobResult::Found(Vec::new())), nobody);
    let started = made("preheat", args, PartState::Started, JobResult::Preheat(vec![outcome("u", None)]));
    assert_eq!((&entry(&started)["results"], &entry(&started)["state"]), (&Value::Null, &json!("STARTED")));
    assert_eq!(shown(&started, Occasion::Asked)["state"], "PENDING");
    assert_eq!(shown(&started, Occasion::Asked)["result"]["state"], "PENDING");
}

#[test]
fn nothing_of_a_preheat_is_dropped() {
    let outcomes = vec![
        outcome("http://a/1", Some(Ok(()))),
        outcome("http://a/2", Some(Err("the origin answered 404 Not Found".to_owned()))),
        outcome("http://a/3", None),
    ];
    let args = r#"{"type":"file","urls":["http://a/1","http://a/2","http://a/3"]}"#;
    let failed = made("preheat", args, PartState::Failure, JobResult::Preheat(outcomes.clone()));
    expect![[r#"{"failure_tasks":[{"description":"the origin answered 404 Not Found","hostname":"box-a","ip":"192.0.2.10","url":"http://a/2"},{"description":"it failed","hostname":"box-a","ip":"192.0.2.10","url":"http://a/3"}],"scheduler_cluster_id":1,"success_tasks":[{"hostname":"box-a","ip":"192.0.2.10","url":"http://a/1"}]}"#]]
    .assert_eq(&entry(&failed)["results"][0].to_string());
    assert_eq!(entry(&failed)["error"], "it failed");
    let url = "http://ada:S3CRET@a/1";
    let given = format!(r#"{{"type":"file","url":"{url}","urls":["{url}"]}}"#);
    let secret = made("preheat", &given, PartState::Success, JobResult::Preheat(vec![outcome(url, Some(Ok(())))]));
    let text = shown(&secret, Occasion::Asked).to_string();
    assert_eq!((text.matches("S3CRET").count(), text.matches("ada:***@a/1").count()), (0, 3), "{text}");
    let started = made("preheat", args, PartState::Started, JobResult::Preheat(outcomes));
    expect![[r#"{"bytes_done":28,"bytes_total":28,"urls_done":2,"urls_total":3}"#]]
        .assert_eq(&entry(&started)["progress"].to_string());
}

#[test]
fn what_was_removed_and_what_was_not() {
    let why = "task abab failed: Operation not permitted".to_owned();
    let result = JobResult::Deleted { removed: vec![TaskNo(1)], failed: vec![(TaskNo(2), why)] };
    let job = made("delete_task", r#"{"url":"u"}"#, PartState::Success, result);
    expect![[r#"[{"failure_tasks":[{"description":"task abab failed: Operation not permitted","host_type":"super","hostname":"box-a","ip":"192.0.2.10"}],"scheduler_cluster_id":1,"success_tasks":[{"host_type":"super","hostname":"box-a","ip":"192.0.2.10"}]}]"#]]
    .assert_eq(&entry(&job)["results"].to_string());
}

#[test]
fn a_gc_job_tells_its_result_at_once_and_has_no_group() {
    let done = made("gc", r#"{"type":"job"}"#, PartState::Success, JobResult::Purged(3));
    let told = shown(&done, Occasion::Made);
    assert_eq!((&told["result"], &told["state"]), (&json!({"purged": 3}), &json!("SUCCESS")));
    assert_eq!(told["task_id"], "00000000-0000-0000-0000-000000000007");
    let failed = made("gc", r#"{"type":"audit"}"#, PartState::Failure, JobResult::Purged(0));
    assert_eq!(shown(&failed, Occasion::Asked)["result"], json!({"purged": 0, "error": "it failed"}));
}

#[test]
fn where_an_image_is_cached() {
    let urls = ["http://r/v2/a/blobs/sha256:1", "http://r/v2/a/blobs/sha256:2"].map(str::to_owned);
    expect![[r#"{"image":{"layers":[{"url":"http://r/v2/a/blobs/sha256:1"},{"url":"http://r/v2/a/blobs/sha256:2"}]},"peers":[]}"#]]
        .assert_eq(&distribution(&urls, &[], HOST).to_string());
    expect![[r#"[{"cached_layers":[{"url":"http://r/v2/a/blobs/sha256:2"}],"host_type":"super","hostname":"box-a","ip":"192.0.2.10","layers":[{"url":"http://r/v2/a/blobs/sha256:2"}],"scheduler_cluster_id":1}]"#]]
        .assert_eq(&distribution(&urls, &urls[1..], HOST)["peers"].to_string());
    let result = JobResult::Distribution { layers: urls.to_vec(), cached: urls[1..].to_vec() };
    let args = r#"{"url":"http://r/v2/a/manifests/v1"}"#;
    let job = made("get_image_distribution", args, PartState::Success, result);
    assert_eq!(shown(&job, Occasion::Listed)["result"], distribution(&urls, &urls[1..], HOST));
}

#[test]
fn moments_have_as_many_digits_as_they_need() {
    let at = |nanos| moment(chrono::DateTime::from_timestamp(0, nanos).unwrap());
    assert_eq!(at(0), "1970-01-01T00:00:00Z");
    assert_eq!(at(100_000_000), "1970-01-01T00:00:00.1Z");
    assert_eq!(at(123_456_789), "1970-01-01T00:00:00.123456789Z");
}
