//! Who may work for a project: asking, granting, taking away.

use super::answer::{Answer, bad, body, forbidden, long, refused, settled};
use super::engine::Handle;
use super::machine::{Ask, Refusal, Verdict};
use super::model::{ProjectId, Role};
use super::wire::{self, asked};
use super::{numbers, people};
use crate::http::{Cx, ErrorStatus};
use serde::Serialize;
use std::future::pending;

/// `GET /project/access_list/{id}`
pub(super) async fn list(handle: Handle, cx: Cx) -> Answer {
    #[derive(Serialize)]
    struct Content {
        accesses: Vec<wire::AccessRow>,
    }
    let id = numbers::project(&cx, "Invalid worker id")?; // in these words
    let by = people::person(&handle, &cx)?.manager;
    let rows = handle.look(move |room| {
        let row = |(worker, access)| wire::access(id, worker, access);
        let allowed = room.may(by, id, Role::MANAGE_ACCESS);
        allowed.then(|| room.access_list(id).into_iter().map(row).collect::<Vec<_>>())
    });
    let accesses = rows.await?.ok_or_else(forbidden)?;
    long(accesses.len(), Content { accesses }).await
}

/// `POST /project/request_access`: what is asked for is looked at before who asks.
pub(super) async fn request(handle: Handle, cx: Cx) -> Answer {
    let asked::RequestAccess { assign, submit, project } = body(&cx).await?;
    if !assign && !submit {
        return Err(bad("Invalid request"));
    }
    let worker = people::worker(&handle, &cx, ErrorStatus::UNAUTHORIZED).await?.id;
    let project = ProjectId(asked::number(project));
    match handle.ask(Ask::RequestAccess { worker, project, assign, submit }, pending()).await? {
        Verdict::Refused(Refusal::NoProject) => refused(&Refusal::NoRequest),
        verdict => settled(verdict),
    }
}

/// `POST /project/accept_request/{id}/{worker}`
pub(super) async fn accept(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, "Invalid worker id")?; // in these words
    let worker = numbers::worker(&cx)?;
    let by = people::person(&handle, &cx)?.manager;
    decided(handle.ask(Ask::AcceptAccess { by, project, worker }, pending()).await?)
}

/// `POST /project/reject_request/{id}/{worker}`
pub(super) async fn reject(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, "Invalid project id")?;
    let worker = numbers::worker(&cx)?;
    let by = people::person(&handle, &cx)?.manager;
    decided(handle.ask(Ask::RejectAccess { by, project, worker }, pending()).await?)
}

/// A worker or project that is not there has no row.
fn decided(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Refused(Refusal::NoWorker | Refusal::NoProject) => refused(&Refusal::NoAccess),
        verdict => settled(verdict),
    }
}
