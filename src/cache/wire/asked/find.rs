//! The arguments of the jobs that look for tasks, and of those that forget old records.

use super::{Asker, TASKS, TEXT_MAX, WORD_MAX, What, meaning, naming, peers, timeout, url};
use crate::cache::model::{Args, FindArgs, FindBy, GcArgs, GcKind, Image, ImageArgs, Platform, TaskId};
use crate::cache::wire::fields::{Fault, Fields};
use crate::cache::wire::secrets::{self, Masked, Secrets};

pub(super) fn get(args: &Fields) -> Result<What, Fault> {
    let mut find = selectors(args, false, Masked::default())?;
    find.concurrent_peers = peers(args)?;
    Ok(What::Job(Box::new(Args::GetTask(find)), Secrets::default()))
}

pub(super) fn delete(args: &Fields, asker: &Asker<'_>) -> Result<What, Fault> {
    if !args.flag("image")?.unwrap_or(false) {
        let find = selectors(args, false, Masked::default())?;
        return Ok(What::Job(Box::new(Args::DeleteTask(find)), Secrets::default()));
    }
    let (masked, secrets) = secrets::read(args)?;
    let mut find = selectors(args, true, masked)?;
    find.platform = args.text("platform", WORD_MAX)?.unwrap_or_default();
    let image = Image::parse(&find.url, asker.plain).map_err(meaning)?;
    find.by = FindBy::Image(image, Platform::parse(&find.platform).map_err(meaning)?);
    Ok(What::Job(Box::new(Args::DeleteTask(find)), secrets))
}

/// Which task. Of several selectors the first counts that is given, in this order: the address, the content, the id.
fn selectors(args: &Fields, image: bool, masked: Masked) -> Result<FindArgs, Fault> {
    let url = url(args)?;
    let content = args.text("content_for_calculating_task_id", TEXT_MAX)?;
    let task_id = args.text(args.either("task_id", "taskid"), WORD_MAX)?.unwrap_or_default();
    let naming = naming(args)?;
    let by = match &content {
        _ if !url.is_empty() => FindBy::Url(Box::new(naming.of(&url))),
        _ if image => return Err(args.breach("url", "required with image")),
        Some(content) => FindBy::Content(content.clone()),
        None if task_id.is_empty() => {
            let rule = "one of task_id, content_for_calculating_task_id and url is required";
            return Err(Fault::Binding(format!("args: {rule}")));
        }
        None => FindBy::Id(TaskId::parse(&task_id)),
    };
    let timeout = timeout(args)?;
    let Masked { headers, username, password } = masked;
    let (platform, concurrent_peers) = (String::new(), 0);
    Ok(FindArgs {
        by,
        task_id,
        url,
        content,
        naming,
        concurrent_peers,
        timeout,
        image,
        headers,
        username,
        password,
        platform,
    })
}

pub(super) fn distribution(args: &Fields, asker: &Asker<'_>) -> Result<What, Fault> {
    let url = url(args)?;
    if url.is_empty() {
        return Err(args.breach("url", "required"));
    }
    let (masked, secrets) = secrets::read(args)?;
    let naming = naming(args)?;
    let platform_text = args.text("platform", WORD_MAX)?.unwrap_or_default();
    let concurrent_layers = args.bounded_or("concurrent_layer_count", TASKS.0, TASKS.1)?;
    let (concurrent_peers, timeout) = (peers(args)?, timeout(args)?);
    let args = ImageArgs {
        image: Image::parse(&url, asker.plain).map_err(meaning)?,
        platform: Platform::parse(&platform_text).map_err(meaning)?,
        url,
        naming,
        headers: masked.headers,
        username: masked.username,
        password: masked.password,
        platform_text,
        concurrent_layers,
        concurrent_peers,
        timeout,
    };
    Ok(What::Job(Box::new(Args::Distribution(args)), secrets))
}

pub(super) fn gc(args: &Fields, asker: &Asker<'_>) -> Result<What, Fault> {
    let (kind, usual) = match args.text("type", WORD_MAX)?.as_deref() {
        Some("job") => (GcKind::Job, asker.keep_jobs_for),
        Some("audit") => (GcKind::Audit, asker.keep_audit_for),
        _ => return Err(args.breach("type", "expected job or audit (oneof)")),
    };
    let ttl = args.duration("ttl")?.unwrap_or(usual);
    Ok(What::Job(Box::new(Args::Gc(GcArgs { kind, ttl })), Secrets::default()))
}
