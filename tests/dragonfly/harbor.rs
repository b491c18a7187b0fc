//! Cases 94 and 95: what Harbor sends, and what it reads.

use super::*;
use serde::Deserialize;

/// What Harbor decodes of a job.
#[derive(Deserialize)]
struct Job {
    id: i64,
    created_at: chrono::DateTime<chrono::FixedOffset>,
    updated_at: chrono::DateTime<chrono::FixedOffset>,
    state: String,
    result: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    job_states: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    error: String,
    results: Option<Vec<Preheated>>,
}

#[derive(Deserialize)]
struct Preheated {
    success_tasks: Option<Vec<Done>>,
    failure_tasks: Option<Vec<Undone>>,
    scheduler_cluster_id: u64,
}

#[derive(Deserialize)]
struct Done {
    url: String,
    hostname: String,
    ip: String,
}

#[derive(Deserialize)]
struct Undone {
    url: String,
    hostname: String,
    ip: String,
    description: String,
}

fn profile(manifest: &str) -> Value {
    let args = json!({
        "type": "image", "url": manifest, "tag": "", "filtered_query_params": "", "scope": "", "concurrent_count": 0,
        "timeout": 0, "headers": {"Authorization": "Bearer z"}, "platform": "linux/amd64",
    });
    json!({"type": "preheat", "args": args, "scheduler_cluster_ids": null})
}

#[test]
fn case_94_harbors_body_is_taken() {
    let (cache, registry) = (shared(), Registry::start(Access::Exactly("Bearer z")));
    let job = cache.post(&profile(&registry.manifest())).expect(200).json();
    assert!(job["id"].is_u64(), "{job}");
    chrono::DateTime::parse_from_rfc3339(text(&job["created_at"])).expect("RFC 3339");
    warmed(&cache.poll(&job));
}

#[test]
fn case_95_harbor_reads_what_came_of_it() {
    let (cache, registry) = (shared(), Registry::start(Access::Exactly("Bearer z")));
    registry.falsify(LAYER_B);
    let job = cache.post(&profile(&registry.manifest())).expect(200).json();
    let polled: Job = serde_json::from_value(cache.poll(&job)).expect("what Harbor decodes");
    assert_eq!((Some(polled.id), polled.state.as_str()), (job["id"].as_i64(), "SUCCESS"));
    assert!(polled.updated_at >= polled.created_at);
    let part = &polled.result.job_states[0];
    let results = part.results.as_ref().expect("results");
    assert_eq!((part.error.as_str(), results[0].scheduler_cluster_id), ("", 1));
    let done = results[0].success_tasks.as_ref().expect("successes");
    assert!(done.iter().all(|row| row.hostname == cast::HOSTNAME && row.ip == cast::IP && !row.url.is_empty()));
    let undone = &results[0].failure_tasks.as_ref().expect("failures")[0];
    assert_eq!((undone.url.as_str(), undone.hostname.as_str()), (registry.blob(LAYER_B).as_str(), cast::HOSTNAME));
    assert!(undone.ip == cast::IP && !undone.description.is_empty());
}

#[test]
fn harbor_asks_first_whether_it_is_well() {
    let answer = shared().stranger().with("Authorization", "Bearer whatever").get("/healthy").expect(200);
    assert_eq!(answer.text().trim_end(), "\"OK\"");
}
