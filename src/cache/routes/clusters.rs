//! Clusters. This host works for the first; others are kept, and nobody works for them.

use super::answer::{self, given, number};
use super::paged::{page_of, paged};
use super::{Door, Shared};
use crate::cache::machine::{Ask, Refusal, Verdict};
use crate::cache::model::{Cluster, ClusterId};
use crate::cache::wire::clusters;
use crate::http::{Cx, Failure, Reply};
use serde_json::Value;

/// `POST …/clusters`
pub(super) async fn create(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, true).await?;
    let new = clusters::new(&cx.body)?;
    told(shared.handle.ask(Ask::CreateCluster(Box::new(new))).await?)
}

/// `GET …/clusters`
pub(super) async fn list(shared: Shared, cx: Cx, door: Door, path: &'static str) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, false).await?;
    let (page, name) = (page_of(&cx.query)?, given(&cx, "name"));
    let named = |cluster: &&Cluster| name.as_ref().is_none_or(|name| *name == cluster.name);
    let (total, rows) = shared.handle.look(|room| {
        let total = room.clusters().filter(named).count();
        let range = page.range(total);
        let rows = room.clusters().filter(named).skip(range.start).take(range.len()).cloned();
        (total, rows.collect::<Vec<_>>())
    });
    let rows: Vec<Value> = rows.iter().map(clusters::cluster).collect();
    // The original's list of nothing.
    let reply = if total == 0 { answer::json(&Value::Null) } else { answer::json(&rows) };
    paged(reply, page, path, &cx.query, total as u64)
}

/// `GET …/clusters/{id}`
pub(super) async fn get(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, false).await?;
    let id = ClusterId(number(&cx, "id")?);
    let found = shared.handle.look(|room| room.clusters().find(|cluster| cluster.id == id).cloned());
    Ok(answer::json(&clusters::cluster(&found.ok_or(Refusal::NotFound)?)))
}

/// `PATCH …/clusters/{id}`
pub(super) async fn change(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, true).await?;
    let id = ClusterId(number(&cx, "id")?);
    let change = clusters::change(&cx.body)?;
    told(shared.handle.ask(Ask::PatchCluster(id, Box::new(change))).await?)
}

/// `DELETE …/clusters/{id}`
pub(super) async fn delete(shared: Shared, cx: Cx, door: Door) -> Result<Reply, Failure> {
    door.enter(&shared, &cx, true).await?;
    match shared.handle.ask(Ask::DeleteCluster(ClusterId(number(&cx, "id")?))).await? {
        Verdict::Done => Ok(Reply::empty()),
        Verdict::Refused(refusal) => Err(of_routes(refusal).into()),
        other => Err(answer::unexpected(&other)),
    }
}

fn told(verdict: Verdict) -> Result<Reply, Failure> {
    match verdict {
        Verdict::Cluster(cluster) => Ok(answer::json(&clusters::cluster(&cluster))),
        Verdict::Refused(refusal) => Err(of_routes(refusal).into()),
        other => Err(answer::unexpected(&other)),
    }
}

/// One that is missing is told as any record is, unless a job names it.
fn of_routes(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::NoCluster(_) => Refusal::NotFound,
        other => other,
    }
}
