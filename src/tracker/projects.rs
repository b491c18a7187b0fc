//! Projects over HTTP: what can be set of them, their secrets, and what is done to all their tasks at once.

use super::answer::{
    Answer, ENTRY, aside, bad, body, content, database, forbidden, missing, refused, settled, unexpected,
};
use super::engine::Handle;
use super::machine::{Ask, Refusal, Room, Verdict};
use super::model::{Definition, Manager, ProjectId, Role};
use super::wire;
use super::wire::asked::{self, ProjectBody};
use super::{numbers, people};
use crate::base::Secret;
use crate::http::{Cx, Failure};
use serde::Serialize;
use serde_json::json;
use std::future::pending;

const BAD_ID: &str = "Invalid project id";

/// `POST /project/create`
pub(super) async fn create(handle: Handle, cx: Cx) -> Answer {
    let sent: ProjectBody = body(&cx).await?;
    if !sent.is_valid() {
        return Err(bad("Invalid project"));
    }
    sent.fits()?;
    let by = people::person(&handle, &cx)?.manager;
    let sent = ProjectBody { paused: false, ..sent };
    let (public, chain, is_last) = (sent.public, sent.chain, sent.chain == 0);
    let definition = match sent.definition() {
        Ok(definition) => Box::new(definition),
        Err(why) => {
            let chain = ProjectId(asked::number(chain));
            let may_chain = handle.look(move |room| has(room, chain) && room.may(by, chain, Role::EDIT)).await?;
            let permitted = by != Manager::Guest && (!public || by.is_admin()) && (is_last || may_chain);
            return if permitted { database(&why.to_string()) } else { refused(&Refusal::NotPermitted) };
        }
    };
    let webhook_secret = uuid().map_err(|why| Failure::internal(why.to_string()))?;
    match handle.ask(Ask::CreateProject { by, definition, webhook_secret }, pending()).await? {
        Verdict::Project(id) => content(json!({ "id": id.0 })),
        Verdict::Refused(Refusal::Unauthorized | Refusal::NoChain | Refusal::NoProject | Refusal::ChainUnknown) => {
            refused(&Refusal::NotPermitted)
        }
        Verdict::Refused(why) => refused(&why),
        other => Err(unexpected(&other)),
    }
}

fn has(room: &Room, project: ProjectId) -> bool {
    room.project(project).is_some()
}

/// A random UUID of version 4.
fn uuid() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xF << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
    let digits = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default());
    Ok(Secret::new(parts.join("-")))
}

/// `GET /project/get/{id}`
pub(super) async fn get(handle: Handle, cx: Cx) -> Answer {
    let id = numbers::project(&cx, "Invalid worker id")?; // in these words
    let by = people::person(&handle, &cx)?.manager;
    let found =
        handle.look(move |room| room.project(id).map(|project| (sees(by, project), project.definition.clone())));
    match found.await? {
        None => Err(missing("Project not found")),
        Some((false, _)) => Err(forbidden()),
        Some((true, definition)) => content(wire::project_twice(id, &definition)),
    }
}

/// Whether he may know of it.
fn sees(by: Manager, project: &super::model::Project) -> bool {
    !project.definition.hidden || by.may(project, Role::READ)
}

/// Refuses him who may not know of a project that is there.
///
/// # Errors
/// 403
pub(super) async fn visible(handle: &Handle, by: Manager, id: ProjectId) -> Result<(), Failure> {
    let seen = handle.look(move |room| room.project(id).is_none_or(|project| sees(by, project))).await?;
    if seen { Ok(()) } else { Err(forbidden()) }
}

/// `POST /project/update/{id}`
pub(super) async fn update(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, BAD_ID)?;
    let sent: ProjectBody = body(&cx).await?;
    if !sent.is_valid() || sent.chain == i64::from(project.0) && sent.chain != 0 {
        return Err(bad("Invalid request"));
    }
    sent.fits()?;
    let by = people::person(&handle, &cx)?.manager;
    let definition = match sent.definition() {
        Ok(definition) => Box::new(definition),
        Err(why) => {
            required(&handle, by, project, Role::EDIT).await?;
            return if handle.look(move |room| has(room, project)).await? {
                database(&why.to_string())
            } else {
                refused(&Refusal::NoProject)
            };
        }
    };
    settled(handle.ask(Ask::UpdateProject { by, project, definition }, pending()).await?)
}

/// Demands a role.
///
/// # Errors
/// 403
pub(super) async fn required(handle: &Handle, by: Manager, project: ProjectId, role: Role) -> Result<(), Failure> {
    let may = handle.look(move |room| room.may(by, project, role)).await?;
    if may { Ok(()) } else { Err(forbidden()) }
}

/// `GET /project/list`
pub(super) async fn list(handle: Handle, cx: Cx) -> Answer {
    let by = people::person(&handle, &cx)?.manager;
    let seen: Vec<(ProjectId, Definition)> = handle
        .look(move |room| {
            let seen = room.projects().filter(|project| sees(by, project));
            seen.map(|project| (project.id, project.definition.clone())).collect()
        })
        .await?;
    let bytes = seen.iter().map(|(_, definition)| ENTRY + wire::text(definition)).sum();
    aside(bytes, || content(Projects(seen))).await
}

struct Projects(Vec<(ProjectId, Definition)>);

impl Serialize for Projects {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Content<'a> {
            projects: Vec<wire::Project<'a>>,
        }
        let projects = self.0.iter().map(|(id, definition)| wire::project(*id, definition)).collect();
        Content { projects }.serialize(to)
    }
}

/// `GET /project/secret/{id}`: for workers with access, and for managers.
pub(super) async fn secret(handle: Handle, cx: Cx) -> Answer {
    let id = numbers::project(&cx, BAD_ID)?;
    let worker = match people::Claim::of(&cx.headers) {
        Ok(claim) => handle.look(move |room| claim.check(room)).await?.ok(),
        Err(_) => None,
    };
    let secret = match worker {
        Some(worker) => {
            cx.acts_as(|| format!("worker {}", worker.id));
            let readable = move |room: &Room| {
                let project = room.project(id)?;
                let access = project.access_of(worker.id)?;
                // Submitting includes fetching, and with it the secret.
                (access.may_fetch() || access.may_submit()).then(|| project.secret.clone())
            };
            handle.look(readable).await?.ok_or_else(forbidden)?
        }
        None => {
            let by = people::person(&handle, &cx)?.manager;
            required(&handle, by, id, Role::SECRET).await?;
            let found = handle.look(move |room| room.project(id).map(|project| project.secret.clone())).await?;
            found.unwrap_or_else(|| Secret::new(""))
        }
    };
    content(json!({ "secret": secret.expose() }))
}

/// `POST /project/secret/{id}`
pub(super) async fn set_secret(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, BAD_ID)?;
    let by = people::person(&handle, &cx)?.manager;
    required(&handle, by, project, Role::SECRET).await?;
    let asked::SecretBody { secret } = body(&cx).await?;
    asked::at_most(asked::TEXT_MAX, "secret", secret.len())?;
    settled(handle.ask(Ask::SetSecret { by, project, secret: Secret::new(secret) }, pending()).await?)
}

/// `GET /project/webhook_secret/{id}`
pub(super) async fn webhook_secret(handle: Handle, cx: Cx) -> Answer {
    let id = numbers::project(&cx, BAD_ID)?;
    let by = people::person(&handle, &cx)?.manager;
    required(&handle, by, id, Role::SECRET).await?;
    let found = handle.look(move |room| room.project(id).map(|project| project.webhook_secret.clone())).await?;
    content(json!({ "webhook_secret": found.as_ref().map_or("", Secret::expose) }))
}

/// `POST /project/webhook_secret/{id}`
pub(super) async fn set_webhook_secret(handle: Handle, cx: Cx) -> Answer {
    let project = numbers::project(&cx, BAD_ID)?;
    let asked::WebhookSecretBody { webhook_secret } = body(&cx).await?;
    asked::at_most(asked::TEXT_MAX, "webhook_secret", webhook_secret.len())?;
    let by = people::person(&handle, &cx)?.manager;
    let ask = Ask::SetWebhookSecret { by, project, secret: Secret::new(webhook_secret) };
    settled(handle.ask(ask, pending()).await?)
}

/// What is done to all tasks of a project.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mass {
    /// FAILED ones are NEW again.
    ResetFailed,
    /// All are gone.
    HardReset,
    /// All that are held are free.
    Reclaim,
}

/// `POST /project/reset_failed_tasks/{id}`, `…/hard_reset/{id}`, `…/reclaim_assigned_tasks/{id}`
pub(super) async fn mass(handle: Handle, cx: Cx, how: Mass) -> Answer {
    let project = numbers::project(&cx, BAD_ID)?;
    let by = people::person(&handle, &cx)?.manager;
    let ask = match how {
        Mass::ResetFailed => Ask::ResetFailed { by, project },
        Mass::HardReset => Ask::HardReset { by, project },
        Mass::Reclaim => Ask::Reclaim { by, project },
    };
    match handle.ask(ask, pending()).await? {
        Verdict::Affected(tasks) => content(json!({ "affected_tasks": tasks })),
        Verdict::Refused(Refusal::NoProject) => content(json!({ "affected_tasks": 0 })),
        Verdict::Refused(why) => refused(&why),
        other => Err(unexpected(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhook_secrets_are_random_uuids() {
        let (one, other) = (uuid().unwrap(), uuid().unwrap());
        assert_ne!(one.expose(), other.expose());
        let parts: Vec<&str> = one.expose().split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{}", one.expose());
    }
}
