//! Cases 78–84: how often jobs may come, and clusters.

use super::*;
use std::time::Instant;

const CLUSTERS: &str = "/oapi/v1/clusters";

/// Thirty look-ups as fast as they go, for these clusters; how they were answered.
#[track_caller]
fn thirty(cache: &Cache, clusters: Value) -> Vec<Answer> {
    let body = json!({
        "type": "get_task", "args": {"url": "https://example.com/rate"}, "scheduler_cluster_ids": clusters,
    });
    let senders: Vec<_> = (0..3)
        .map(|_| {
            let (client, body) = (cache.client(), body.clone());
            std::thread::spawn(move || (0..10).map(|_| client.post("/oapi/v1/jobs", &body)).collect::<Vec<_>>())
        })
        .collect();
    senders.into_iter().flat_map(|sender| sender.join().expect("answers")).collect()
}

fn statuses(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[track_caller]
fn create(cache: &Cache, name: &str) -> Answer {
    let empty = json!({});
    let body = json!({
        "name": name, "scheduler_cluster_config": empty, "seed_peer_cluster_config": empty, "peer_cluster_config": empty,
    });
    cache.client().post(CLUSTERS, &body)
}

#[track_caller]
fn patch(cache: &Cache, id: u64, body: &Value) -> Value {
    cache.client().send(Request::new("PATCH", &format!("{CLUSTERS}/{id}")).json(body)).expect(200).json()
}

#[test]
fn no_registry_is_asked_for_what_is_not_let_in() {
    let (cache, registry) = (shared(), Registry::start(Access::Open));
    let args = json!({"type": "image", "url": registry.manifest(), "platform": "linux/amd64"});
    for kind in ["preheat", "get_image_distribution"] {
        let body = json!({"type": kind, "args": args, "scheduler_cluster_ids": [9999]});
        refused_so(cache.post(&body), 404, "scheduler cluster id 9999: record not found");
    }
    assert_eq!(registry.server().seen().len(), 0);
}

#[test]
fn case_78_jobs_for_a_cluster_come_at_its_rate() {
    let cache = Cache::start();
    let begin = Instant::now();
    let answers = thirty(&cache, json!([1]));
    // Ten at once, and ten for every second that it took.
    let most = 11 + usize::try_from(begin.elapsed().as_millis() / 100).expect("some seconds");
    let (good, refused) = (statuses(&answers, 200), statuses(&answers, 429));
    assert_eq!(good + refused, 30);
    assert!((10..=most).contains(&good), "{good} of 30, where {most} may be let in");
    for answer in answers.iter().filter(|answer| answer.status == 429) {
        assert_eq!(answer.text(), "rate limit exceeded");
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
        let wait: u64 = answer.header("retry-after").expect("when").parse().expect("seconds");
        assert!((1..=2).contains(&wait), "{wait}");
    }
}

#[test]
fn case_79_jobs_for_all_clusters_and_looks_are_not_limited() {
    let cache = Cache::start();
    assert_eq!(statuses(&thirty(&cache, Value::Null), 200), 30);
    assert_eq!(statuses(&thirty(&cache, json!([])), 200), 30);
    thirty(&cache, json!([1]));
    for _ in 0..30 {
        cache.client().get("/oapi/v1/jobs?per_page=1").expect(200);
    }
}

#[test]
fn case_80_there_is_one_cluster_at_first() {
    let cache = Cache::start();
    let answer = cache.client().get(CLUSTERS).expect(200);
    let clusters = answer.json();
    assert_eq!(list(&clusters).len(), 1, "{clusters}");
    assert!(answer.header("link").is_some());
    let first = &clusters[0];
    for (key, value) in [
        ("id", json!(1)),
        ("scheduler_cluster_id", json!(1)),
        ("name", json!("cluster-1")),
        ("is_default", json!(true)),
    ] {
        assert_eq!(first[key], value, "{key} in {first}");
    }
    let limits = &first["scheduler_cluster_config"];
    for (key, value) in [("candidate_parent_limit", 3), ("filter_parent_limit", 15), ("job_rate_limit", 10)] {
        assert_eq!(limits[key], value, "{key} in {first}");
    }
    assert_eq!(first["peer_cluster_config"]["load_limit"], 200, "{first}");
    assert_eq!(first["seed_peer_cluster_config"]["load_limit"], 2000, "{first}");
    let expected = [
        "bio",
        "created_at",
        "id",
        "is_default",
        "name",
        "peer_cluster_config",
        "scheduler_cluster_config",
        "scheduler_cluster_id",
        "scopes",
        "seed_peer_cluster_config",
        "seed_peer_cluster_id",
        "updated_at",
    ];
    assert_eq!(keys(first), expected);
    assert_eq!(cache.client().get(&format!("{CLUSTERS}/1")).expect(200).json(), *first);
    assert_eq!(list(&cache.client().get(&format!("{CLUSTERS}?name=cluster-1")).expect(200).json()).len(), 1);
}

#[test]
fn case_81_clusters_are_made_with_their_three_configurations() {
    let mut cache = Cache::start();
    let incomplete = json!({"name": "second", "scheduler_cluster_config": {}, "seed_peer_cluster_config": {}});
    invalid(cache.client().post(CLUSTERS, &incomplete));
    let made = create(&cache, "second").expect(200).json();
    assert_eq!((&made["name"], made["id"].as_u64() > Some(1)), (&json!("second"), true), "{made}");
    refused_so(create(&cache, "second"), 409, "Conflict");
    for (part, limits) in [
        ("scheduler_cluster_config", json!({"job_rate_limit": 1_000_001})),
        ("scheduler_cluster_config", json!({"candidate_parent_limit": 21})),
        ("seed_peer_cluster_config", json!({"load_limit": 50_001})),
        ("peer_cluster_config", json!({"load_limit": 2001})),
    ] {
        let third = json!({
            "name": "third", "scheduler_cluster_config": {}, "seed_peer_cluster_config": {}, "peer_cluster_config": {},
        });
        invalid(cache.client().post(CLUSTERS, &plus(third, json!({part: limits}))));
    }
    cache.daemon.restart();
    let shown = cache.client().get(&format!("{CLUSTERS}/{}", made["id"])).expect(200).json();
    assert_eq!(shown, made);
}

#[test]
fn case_82_the_rate_follows_its_cluster() {
    let cache = Cache::start();
    let changed = patch(&cache, 1, &json!({"scheduler_cluster_config": {"job_rate_limit": 50}}));
    assert_eq!(changed["scheduler_cluster_config"]["job_rate_limit"], 50, "{changed}");
    assert_eq!(statuses(&thirty(&cache, json!([1])), 200), 30);
    let shown = cache.client().get(&format!("{CLUSTERS}/1")).expect(200).json();
    assert_eq!((&shown["is_default"], &shown["name"]), (&json!(true), &json!("cluster-1")), "{shown}");
    assert_eq!(shown["scheduler_cluster_config"]["job_rate_limit"], 50, "{shown}");
    assert_eq!(shown["peer_cluster_config"]["load_limit"], 200, "what was not given stays: {shown}");
}

#[test]
fn case_83_the_cluster_of_this_host_stays() {
    let cache = Cache::start();
    let said = refused(cache.client().delete(&format!("{CLUSTERS}/1")), 500);
    assert!(said.contains("scheduler cluster exists scheduler"), "{said}");
    let other = create(&cache, "other").expect(200).json()["id"].as_u64().expect("an id");
    assert_eq!(cache.client().delete(&format!("{CLUSTERS}/{other}")).expect(200).text(), "");
    refused_so(cache.client().get(&format!("{CLUSTERS}/{other}")), 404, "record not found");
}

#[test]
fn case_84_nobody_works_for_another_cluster() {
    let (cache, origin) = (Cache::start(), Origin::start());
    let other = create(&cache, "other").expect(200).json()["id"].clone();
    for (kind, args) in [
        ("get_task", json!({"url": "https://example.com/84"})),
        ("delete_task", json!({"url": "https://example.com/84"})),
        ("preheat", json!({"type": "file", "url": origin.hello()})),
    ] {
        let said = refused(cache.post(&json!({"type": kind, "args": args, "scheduler_cluster_ids": [other]})), 500);
        assert!(said.ends_with("schedulers not found"), "{kind}: {said}");
    }
    assert_eq!(cache.client().get("/oapi/v1/jobs").expect(200).json(), json!([]));
    let both =
        json!({"type": "get_task", "args": {"url": "https://example.com/84"}, "scheduler_cluster_ids": [1, other]});
    succeeded(&cache.poll(&cache.post(&both).expect(200).json()));
}
