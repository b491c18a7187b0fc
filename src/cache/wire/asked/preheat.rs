//! The arguments of a preheat.

use super::{Asker, TASKS, URL_MAX, URLS_MAX, WORD_MAX, What, meaning, naming, peers, timeout, url};
use crate::cache::model::{Args, Digest, Image, Platform, PreheatArgs, PreheatKind, Scope};
use crate::cache::wire::fields::{Fault, Fields};
use crate::cache::wire::{pins, secrets};
use serde_json::Value;

/// The most hosts that a preheat names: the original's limit.
const IPS_MAX: usize = 100;
/// The most hosts that it may count: the original's limit.
const COUNT_MAX: u64 = 200;

pub(super) fn read(args: &Fields, asker: &Asker<'_>) -> Result<What, Fault> {
    let kind = match args.text("type", WORD_MAX)?.as_deref() {
        Some("file") => PreheatKind::File,
        Some("image") => PreheatKind::Image,
        None | Some("") => return Err(args.breach("type", "required")),
        Some(_) => return Err(args.breach("type", "expected image or file (oneof)")),
    };
    let url = url(args)?;
    let urls = args.texts("urls", URLS_MAX, URL_MAX)?;
    if urls.iter().flatten().any(String::is_empty) {
        return Err(args.breach("urls", "expected no empty entries"));
    }
    let (masked, secrets) = secrets::read(args)?;
    let digest = digest(args)?;
    let platform_text = args.text("platform", WORD_MAX)?.unwrap_or_default();
    let all: Vec<&str> =
        urls.iter().flatten().chain(Some(&url).filter(|url| !url.is_empty())).map(String::as_str).collect();
    if digest.is_some() && (kind == PreheatKind::Image || all.len() != 1) {
        return Err(args.breach("digest", "expected only with one url of type file"));
    }
    let mut preheat = PreheatArgs {
        kind,
        naming: naming(args)?,
        headers: masked.headers,
        username: masked.username,
        password: masked.password,
        platform: Platform::own(),
        scope: scope(args)?,
        ips: args.texts("ips", IPS_MAX, WORD_MAX)?.filter(|ips| !ips.is_empty()),
        count: small(args.bounded("count", 1, COUNT_MAX)?),
        percentage: small(args.bounded("percentage", 1, 100)?),
        concurrent_tasks: args.bounded_or("concurrent_task_count", TASKS.0, TASKS.1)?,
        concurrent_peers: peers(args)?,
        timeout: timeout(args)?,
        revalidate: args.flag("revalidate")?.unwrap_or(false),
        ttl: args.duration("ttl")?,
        pin: pins::read(args, asker.name)?,
        digest,
        images: Vec::new(),
        platform_text,
        url: String::new(),
        urls: None,
    };
    elsewhere(args)?;
    if all.is_empty() {
        return Err(meaning("args.url: a preheat needs url or urls"));
    }
    if kind == PreheatKind::Image {
        preheat.platform = Platform::parse(&preheat.platform_text).map_err(meaning)?;
        let images = all.iter().map(|text| Image::parse(text, asker.plain));
        preheat.images = images.collect::<Result<_, _>>().map_err(meaning)?;
    }
    (preheat.url, preheat.urls) = (url, urls);
    Ok(What::Job(Box::new(Args::Preheat(preheat)), secrets))
}

/// The digest that a content must have.
pub(super) fn digest(fields: &Fields) -> Result<Option<Digest>, Fault> {
    let text = fields.text("digest", WORD_MAX)?.filter(|text| !text.is_empty());
    let parsed = text.map(|text| text.parse::<Digest>()).transpose();
    parsed.map_err(|why| fields.breach("digest", why))
}

/// Unknown words mean the default, as they do to the original.
fn scope(args: &Fields) -> Result<Scope, Fault> {
    Ok(match args.text("scope", WORD_MAX)?.as_deref() {
        Some("all_seed_peers") => Scope::AllSeedPeers,
        Some("all_peers") => Scope::AllPeers,
        _ => Scope::SingleSeedPeer,
    })
}

fn small(number: Option<u64>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

/// Refuses accounts of object stores: what needs one could not be fetched.
fn elsewhere(args: &Fields) -> Result<(), Fault> {
    for name in ["object_storage", "hdfs"] {
        let Some(value) = args.json(name)? else { continue };
        let Value::Object(object) = value else { return Err(args.breach(name, "expected an object")) };
        if object.values().any(|value| !matches!(value, Value::Null | Value::Bool(false)) && value.as_str() != Some(""))
        {
            return Err(meaning(format_args!("args.{name}: only http and https origins are fetched from here")));
        }
    }
    Ok(())
}
