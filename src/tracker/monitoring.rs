//! The state of queues over HTTP: samples, and who holds what.

use super::answer::{Answer, bad, content};
use super::engine::Handle;
use super::model::{ProjectId, WorkerId};
use super::wire::{self, Snapshot};
use super::{numbers, people, projects, workers};
use crate::http::{Cx, Failure};
use serde_json::json;
use std::ops::RangeInclusive;

/// How many samples are asked for at most.
const SAMPLES: RangeInclusive<usize> = 1..=999;
/// How many are told where a span of time is asked for: every sample of 400 hours, and more. A longer span is told from
/// its end on.
const SPAN_MAX: usize = 100_000;
/// The moments of a span, in Unix seconds.
const MOMENTS: RangeInclusive<i64> = 1..=2_147_483_646;
/// How many holders are listed.
const HOLDERS: usize = 16;

/// `GET /project/monitoring/{id}?count=`
pub(super) async fn newest(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, "Invalid request")?;
    let count = asked(&cx, "count").ok().and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| SAMPLES.contains(count)).ok_or_else(|| bad("Invalid request"))?;
    samples(handle, cx, project, 0..=i64::MAX, count).await
}

/// `GET /project/monitoring-between/{id}?from=&to=`
pub(super) async fn between(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, "Invalid request")?;
    let (from, to) = (asked(&cx, "from")?, asked(&cx, "to")?);
    if !MOMENTS.contains(&from) || !MOMENTS.contains(&to) {
        return Err(bad("Invalid request"));
    }
    samples(handle, cx, project, from..=to, SPAN_MAX).await
}

fn asked(cx: &Cx, name: &str) -> Result<i64, Failure> {
    cx.query.get(name).and_then(|text| text.parse().ok()).ok_or_else(|| bad("Invalid request"))
}

async fn samples(handle: Handle, cx: Cx, project: ProjectId, within: RangeInclusive<i64>, limit: usize) -> Answer {
    #[derive(serde::Serialize)]
    struct Content {
        snapshots: Vec<Snapshot>,
    }
    let by = people::person(&handle, &cx)?.manager;
    projects::visible(&handle, by, project).await?;
    if within.is_empty() {
        return content(Content { snapshots: Vec::new() });
    }
    let samples = handle.samples(project, within, limit).await?;
    let written = tokio::task::spawn_blocking(move || {
        content(Content { snapshots: samples.iter().map(wire::snapshot).collect() })
    });
    written.await.map_err(Failure::internal)?
}

/// `GET /project/assignees/{id}`
pub(super) async fn assignees(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, "Invalid worker id")?; // in these words
    let by = people::person(&handle, &cx)?.manager;
    projects::visible(&handle, by, project).await?;
    let assignees: Vec<wire::Assignee> = handle
        .look(move |room| {
            let alias = |worker: Option<WorkerId>| match worker {
                Some(worker) => room.worker(worker).map(|worker| worker.alias.clone()).unwrap_or_default(),
                None => workers::UNASSIGNED.to_owned(),
            };
            let line = |(worker, task_count)| wire::Assignee { assignee: alias(worker), task_count };
            room.assignees(project, HOLDERS).into_iter().map(line).collect()
        })
        .await?;
    content(json!({ "assignees": assignees }))
}
