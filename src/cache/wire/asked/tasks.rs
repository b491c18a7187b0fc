//! What is asked of tasks without a job: `POST …/tasks` and `POST …/tasks/id`.

use super::preheat::digest;
use super::{TEXT_MAX, naming, url};
use crate::cache::model::{Digest, Identity, PinOwner};
use crate::cache::wire::fields::{Fault, Fields};
use crate::cache::wire::pins;
use crate::cache::wire::secrets::{self, Secrets};
use std::time::Duration;

/// One file to be fetched.
#[derive(Debug)]
pub struct Fetch {
    /// What it is.
    pub identity: Identity,
    /// What it must be.
    pub digest: Option<Digest>,
    /// How long it is kept unused.
    pub ttl: Option<Duration>,
    /// Who keeps it.
    pub pin: Option<PinOwner>,
    /// The origin is asked whether it has changed.
    pub revalidate: bool,
    /// What is sent along.
    pub secrets: Secrets,
}

/// Reads what names a content; its ids tell the rest.
///
/// # Errors
/// See [`Fault`].
pub fn identity(body: &[u8]) -> Result<Identity, Fault> {
    let fields = Fields::read(body)?;
    let identity = named(&fields)?;
    if identity.url.is_empty() && identity.content.is_none() {
        return Err(fields.breach("url", "required, unless content_for_calculating_task_id is given"));
    }
    Ok(identity)
}

/// Reads what is to be fetched.
///
/// # Errors
/// See [`Fault`].
pub fn fetch(body: &[u8], caller: &str) -> Result<Fetch, Fault> {
    let fields = Fields::read(body)?;
    let identity = named(&fields)?;
    if identity.url.is_empty() {
        return Err(fields.breach("url", "required"));
    }
    let (_, secrets) = secrets::read(&fields)?;
    Ok(Fetch {
        identity,
        digest: digest(&fields)?,
        ttl: fields.duration("ttl")?,
        pin: pins::read(&fields, caller)?,
        revalidate: fields.flag("revalidate")?.unwrap_or(false),
        secrets,
    })
}

fn named(fields: &Fields) -> Result<Identity, Fault> {
    let content = fields.text("content_for_calculating_task_id", TEXT_MAX)?;
    Ok(Identity { content, ..naming(fields)?.of(&url(fields)?) })
}
