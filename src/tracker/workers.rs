//! Worker accounts over HTTP.

use super::answer::{Answer, bad, body, content, done, forbidden, later, long, missing, refused, settled, unexpected};
use super::engine::Handle;
use super::machine::{Ask, Refusal, Verdict};
use super::model::{WorkerId, WorkerSecret};
use super::people;
use super::wire::{self, asked};
use crate::auth::{Allowance, Place};
use crate::base::Now;
use crate::http::{Cx, ErrorStatus, Failure};
use serde_json::json;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The alias that stands for nobody in particular.
pub(super) const UNASSIGNED: &str = "unassigned";
/// What a worker is called that says nothing.
const DEFAULT_ALIAS: &str = "default_alias";
/// How many workers are looked at in one go.
const SLICE: usize = 10_000;

/// Workers that one place may make at once: a fleet behind one address, or what a host's scripts need. And the pause after
/// which it may make one more: a worker is never removed, and anybody may make it.
const NEWCOMERS: (u32, Duration) = (10_000, Duration::from_secs(1));

/// How many workers each place has made lately.
#[derive(Clone)]
pub(super) struct Newcomers(Arc<Mutex<Allowance>>);

impl Newcomers {
    /// None so far.
    pub(super) fn new() -> Newcomers {
        let (at_once, every) = NEWCOMERS;
        Newcomers(Arc::new(Mutex::new(Allowance::new(at_once, every))))
    }

    fn admit(&self, from: Place) -> Result<(), Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(from, Now::read().mono)
    }
}

/// `POST /worker/create`
pub(super) async fn create(handle: Handle, cx: Cx, newcomers: Newcomers) -> Answer {
    let asked::Alias { mut alias } = body(&cx).await?;
    if alias == UNASSIGNED {
        let message = "You are now allowed to create a worker"; // in these words
        return Err(Failure::public(ErrorStatus::FORBIDDEN, "reserved", message));
    }
    if !handle.settings.anybody_makes_workers && !people::person(&handle, &cx)?.is_manager() {
        return Err(forbidden());
    }
    asked::at_most(asked::ALIAS_MAX, "alias", alias.len())?;
    if let Err(rest) = newcomers.admit(cx.from) {
        return Ok(later("too many workers were made from there", rest.as_secs_f64().max(0.001)));
    }
    if alias.is_empty() {
        DEFAULT_ALIAS.clone_into(&mut alias);
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|why| Failure::internal(why.to_string()))?;
    let ask = Ask::CreateWorker { alias, secret: WorkerSecret(secret) };
    match handle.ask(ask, pending()).await? {
        Verdict::Worker(worker) => {
            cx.acts_as(|| format!("worker {}", worker.id));
            content(json!({ "worker": wire::worker(&worker, true) }))
        }
        Verdict::Refused(why) => refused(&why),
        other => Err(unexpected(&other)),
    }
}

/// `POST /worker/update`
pub(super) async fn update(handle: Handle, cx: Cx) -> Answer {
    let worker = people::worker(&handle, &cx, ErrorStatus::UNAUTHORIZED).await?.id;
    let asked::Alias { alias } = body(&cx).await?;
    asked::at_most(asked::ALIAS_MAX, "alias", alias.len())?;
    match handle.ask(Ask::RenameWorker { worker, alias }, pending()).await? {
        Verdict::Refused(Refusal::NoWorker) => super::answer::said(false, "Could not update worker"),
        verdict => settled(verdict),
    }
}

/// `GET /worker/get/{id}`
pub(super) async fn get(handle: Handle, cx: Cx) -> Answer {
    let text = cx.param("id");
    let number: i64 = text
        .parse()
        .map_err(|_| bad(format!("strconv.ParseInt: parsing \"{}\": invalid syntax", text.escape_debug())))?;
    if number <= 0 {
        return Err(bad("Invalid worker id"));
    }
    let id = WorkerId(asked::number(number));
    let with_secret = people::person(&handle, &cx)?.manager.is_admin();
    let worker = handle.look(move |room| room.worker(id).map(|worker| wire::worker(worker, with_secret))).await?;
    let worker = worker.ok_or_else(|| missing("Worker not found"))?;
    content(json!({ "worker": worker }))
}

/// `POST /worker/set_paused`
pub(super) async fn set_paused(handle: Handle, cx: Cx) -> Answer {
    let by = people::person(&handle, &cx)?.manager;
    if !by.is_admin() {
        return Err(forbidden());
    }
    let asked::Pause { worker, paused } = body(&cx).await?;
    let ask = Ask::PauseWorker { by, worker: WorkerId(asked::number(worker)), paused };
    match handle.ask(ask, pending()).await? {
        Verdict::Accepted => done(),
        Verdict::Refused(Refusal::NoWorker) => Err(bad("Invalid worker")),
        verdict => settled(verdict),
    }
}

/// `GET /worker/stats`. Workers are only ever added, so that slices fit together.
pub(super) async fn stats(handle: Handle, _: Cx) -> Answer {
    let mut all = Vec::new();
    loop {
        let seen = all.len();
        let slice: Vec<wire::WorkerStats> = handle
            .look(move |room| {
                let line = |(worker, closed): (&super::model::Worker, u64)| wire::WorkerStats {
                    alias: worker.alias.clone(),
                    closed_task_count: closed,
                    paused: worker.paused,
                    id: worker.id.0,
                };
                room.workers().skip(seen).take(SLICE).map(line).collect()
            })
            .await?;
        let is_last = slice.len() < SLICE;
        all.extend(slice);
        if is_last {
            let length = all.len();
            return long(length, Stats { stats: all }).await;
        }
    }
}

#[derive(serde::Serialize)]
struct Stats {
    stats: Vec<wire::WorkerStats>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_makes_many_workers_and_no_flood_of_them() {
        let newcomers = Newcomers::new();
        // As long as this takes less than a pause, and else one more for each.
        let refused = (0..2 * NEWCOMERS.0).filter(|_| newcomers.admit(Place::User(1000)).is_err()).count();
        assert!(refused > 0, "everything was admitted");
        assert!(newcomers.admit(Place::User(1001)).is_ok(), "another place pays for nothing");
    }
}
