//! What came of jobs. There is one entry for the one scheduler and peer that this host is; lists in it are never `null`.

use super::{Around, Host, group, part_state, state};
use crate::cache::model::address::masked;
use crate::cache::model::{ClusterId, Found, Job, JobResult, PartState, UrlOutcome};
use crate::cache::wire::moment;
use serde_json::{Value, json};

pub(super) fn of(job: &Job, around: &Around<'_>) -> Value {
    let error = || (job.part.state == PartState::Failure).then_some(&job.part.error);
    match &job.part.result {
        JobResult::Purged(purged) => match error() {
            None => json!({ "purged": purged }),
            Some(error) => json!({ "purged": purged, "error": error }),
        },
        JobResult::Distribution { layers, cached } => {
            let mut answer = distribution(layers, cached, around.host);
            if let Some(error) = error() {
                answer["error"] = json!(error);
            }
            answer
        }
        _ => grouped(job, around),
    }
}

fn grouped(job: &Job, around: &Around<'_>) -> Value {
    let over = matches!(job.part.state, PartState::Success | PartState::Failure);
    let entry = json!({
        "task_uuid": format!("task_{}", job.part.unit),
        "task_name": job.kind().word(),
        "state": part_state(job.part.state),
        "results": over.then(|| [results(job, around.host)]),
        "error": job.part.error,
        "created_at": moment(job.created),
        "ttl": 0,
        "progress": progress(job, over, around.bytes),
    });
    json!({
        "group_uuid": group(job),
        "state": state(job.state()),
        "created_at": moment(job.created),
        "updated_at": moment(job.updated),
        "job_states": [entry],
    })
}

fn results(job: &Job, host: Host<'_>) -> Value {
    let mut results = match &job.part.result {
        JobResult::Preheat(outcomes) => preheated(outcomes, &job.part.error, host),
        JobResult::Found(found) => json!({ "peers": found.iter().map(|found| peer(found, host)).collect::<Vec<_>>() }),
        JobResult::Deleted { removed, failed } => {
            let entry = || json!({ "hostname": host.hostname, "ip": host.ip, "host_type": host.host_type });
            let failed = failed.iter().map(|(_, why)| {
                let mut entry = entry();
                entry["description"] = json!(why);
                entry
            });
            json!({
                "success_tasks": removed.iter().map(|_| entry()).collect::<Vec<_>>(),
                "failure_tasks": failed.collect::<Vec<_>>(),
            })
        }
        JobResult::Distribution { .. } | JobResult::Purged(_) => json!({}),
    };
    results["scheduler_cluster_id"] = json!(ClusterId::LOCAL.0);
    results
}

/// Nothing is dropped: what had not come to an end when the job did, failed with it.
fn preheated(outcomes: &[UrlOutcome], error: &str, host: Host<'_>) -> Value {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for UrlOutcome { url, end, .. } in outcomes {
        let mut entry = json!({ "url": masked(url), "hostname": host.hostname, "ip": host.ip });
        let why = match end {
            Some(Ok(())) => {
                done.push(entry);
                continue;
            }
            Some(Err(why)) => why.as_str(),
            None if error.is_empty() => "not fetched",
            None => error,
        };
        entry["description"] = json!(why);
        failed.push(entry);
    }
    json!({ "success_tasks": done, "failure_tasks": failed })
}

fn peer(found: &Found, host: Host<'_>) -> Value {
    json!({
        "id": peer_id(found, host),
        "hostname": host.hostname,
        "ip": host.ip,
        "host_type": host.host_type,
        "created_at": moment(found.created),
        "updated_at": moment(found.used),
        "IsFinished": found.finished,
        "is_finished": found.finished,
        "task_id": found.id.to_string(),
        "content_length": found.length,
        "cached_bytes": found.cached_bytes,
        "piece_length": found.piece_length,
        "finished_pieces": found.finished_pieces,
        "total_pieces": found.total_pieces,
    })
}

fn peer_id(found: &Found, host: Host<'_>) -> String {
    let seed = if host.host_type == "super" { "-seed" } else { "" };
    let (ip, hostname, peer) = (host.ip, host.hostname, found.peer);
    if host.long_peer_ids { format!("{ip}-{hostname}-{peer}{seed}") } else { format!("{ip}-{hostname}{seed}") }
}

fn progress(job: &Job, over: bool, (fetched, to_fetch): (u64, u64)) -> Value {
    let outcomes: &[UrlOutcome] = match &job.part.result {
        JobResult::Preheat(outcomes) => outcomes,
        _ => &[],
    };
    let ended = outcomes.iter().filter(|outcome| outcome.end.is_some());
    let kept: u64 = ended.clone().filter_map(|outcome| outcome.bytes).sum();
    let (done, total) = if over { (kept, kept) } else { (kept.max(fetched), kept.max(to_fetch)) };
    json!({
        "urls_total": outcomes.len(),
        "urls_done": ended.count(),
        "bytes_total": total,
        "bytes_done": done,
    })
}

/// The answer to who asks where the blobs of an image are cached: here, or nowhere. What the guide calls `layers` of a
/// peer, servers call `cached_layers`; both are there.
pub fn distribution(layers: &[String], cached: &[String], host: Host<'_>) -> Value {
    let listed = |urls: &[String]| json!(urls.iter().map(|url| json!({ "url": url })).collect::<Vec<_>>());
    let mut peers = Vec::new();
    if !cached.is_empty() {
        peers.push(json!({
            "ip": host.ip,
            "hostname": host.hostname,
            "scheduler_cluster_id": ClusterId::LOCAL.0,
            "cached_layers": listed(cached),
            "layers": listed(cached),
            "host_type": host.host_type,
        }));
    }
    json!({ "image": { "layers": listed(layers) }, "peers": peers })
}
