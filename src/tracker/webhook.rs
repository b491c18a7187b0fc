//! `POST /git/receivehook`: a git server says that a branch has moved, and signs that with a project's own key. Neither
//! who is connected nor any cookie counts. Answers have no JSON.

use super::answer::{Answer, body};
use super::engine::{Handle, HookHash, Settings};
use super::machine::{Ask, Verdict};
use super::model::ProjectId;
use super::wire::asked;
use crate::base::{Hex, Secret, same};
use crate::http::{Cx, Failure, Reply};
use hmac::{Hmac, KeyInit, Mac};
use hyper::{HeaderMap, StatusCode};
use sha1::Sha1;
use sha2::Sha256;
use std::future::pending;

/// What git servers call their signatures, and how they make them: GitHub before and now, Gogs, Gitea.
const KNOWN: [(&str, HookHash); 4] = [
    ("X-Hub-Signature", HookHash::Sha1),
    ("X-Hub-Signature-256", HookHash::Sha256),
    ("X-Gogs-Signature", HookHash::Sha256),
    ("X-Gitea-Signature", HookHash::Sha256),
];

/// `POST /git/receivehook`
pub(super) async fn receive(handle: Handle, cx: Cx) -> Answer {
    cx.acts_as(|| "git hook".to_owned());
    let bad = Ok(Reply::empty().status(StatusCode::BAD_REQUEST));
    let Ok(asked::Hook { reference, after, repository }) = body(&cx).await else { return bad };
    if !counts(&reference, &handle.settings) || after.len() > asked::TEXT_MAX {
        return bad;
    }
    let projects = handle.look(move |room| {
        let ids = room.projects_of_repository(&repository.full_name);
        let key = |id| room.project(id).map(|project| (id, project.webhook_secret.clone()));
        ids.into_iter().filter_map(key).collect::<Vec<_>>()
    });
    let projects: Vec<(ProjectId, Secret)> = projects.await?;
    if projects.is_empty() {
        return bad;
    }
    let shown = signatures(&cx.headers, &handle.settings);
    let content = cx.body.clone();
    let signed = tokio::task::spawn_blocking(move || {
        let fits = |(_, key): &(ProjectId, Secret)| is_signed(key, &content, &shown);
        projects.into_iter().filter(fits).map(|(id, _)| id).collect::<Vec<_>>()
    });
    let projects = signed.await.map_err(Failure::internal)?;
    if projects.is_empty() {
        return Ok(Reply::text("Signature does not match").status(StatusCode::FORBIDDEN));
    }
    match handle.ask(Ask::SetVersion { projects, version: after }, pending()).await? {
        Verdict::Accepted => Ok(Reply::empty()),
        other => Err(super::answer::unexpected(&other)),
    }
}

/// Whether a push to this reference is one of a branch that counts.
fn counts(reference: &str, settings: &Settings) -> bool {
    reference.strip_prefix("refs/heads/").is_some_and(|branch| settings.webhook_branches.iter().any(|b| b == branch))
}

/// The signatures that the request shows, in headers that count: up to the last `=` a value only names the hash.
fn signatures(headers: &HeaderMap, settings: &Settings) -> Vec<(HookHash, Vec<u8>)> {
    let configured = (settings.webhook_header.as_str(), settings.webhook_hash);
    let mut shown: Vec<(HookHash, Vec<u8>)> = Vec::new();
    for (name, hash) in std::iter::once(configured).chain(KNOWN) {
        let Some(value) = headers.get(name) else { continue };
        let hex = value.as_bytes().rsplit(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
        if !hex.is_empty() && !shown.contains(&(hash, hex.clone())) {
            shown.push((hash, hex));
        }
    }
    shown
}

/// Whether one of the signatures is that of `content` under `key`. An empty key signs nothing: everybody knows it.
fn is_signed(key: &Secret, content: &[u8], shown: &[(HookHash, Vec<u8>)]) -> bool {
    !key.expose().is_empty() && shown.iter().any(|(hash, hex)| same(signature(*hash, key, content).as_bytes(), hex))
}

/// The signature in small hexadecimal letters; empty, which no signature shown is, if the key cannot be used.
fn signature(hash: HookHash, key: &Secret, content: &[u8]) -> String {
    let key = key.expose().as_bytes();
    let bytes = match hash {
        HookHash::Sha1 => Hmac::<Sha1>::new_from_slice(key).map(|mac| finish(mac, content)),
        HookHash::Sha256 => Hmac::<Sha256>::new_from_slice(key).map(|mac| finish(mac, content)),
    };
    Hex(&bytes.unwrap_or_default()).to_string()
}

fn finish(mut mac: impl Mac, content: &[u8]) -> Vec<u8> {
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
#[path = "webhook/tests.rs"]
mod tests;
