//! What must hold for any bytes that a client of the tracker, of the cache or of the hub sends: reading them ends in an answer, only
//! JSON objects and `null` are read, and what is accepted keeps to the rules of what is stored.

use hostler::base::Wall;
use hostler::cache::model::{Args, Digest, Identity, Image, Platform, address};
use hostler::cache::wire::asked::{self, Asker, What};
use hostler::cache::wire::page::Page;
use hostler::cache::wire::tokens::{ChangeIn, TokenIn};
use hostler::cache::wire::{clusters, jobs, sign_in};
use hostler::hub::model::{EntryPoint, ItemName, RepName, TagName};
use hostler::hub::wire as hub;
use hostler::tracker::model::NewTask;
use hostler::tracker::wire::asked::{
    Bulk, Extend, Fault, Hook, LogBody, Login, ProjectBody, Release, RequestAccess, SetRole, Submit, Wanted,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Does everything with these bytes that a client can have done with them. Panics if it is wrong.
pub fn feed(data: &[u8]) {
    if let Some(submit) = read::<Submit>(data) {
        task(submit.check());
    }
    if let Some(bulk) = read::<Bulk>(data) {
        assert!(bulk.requests.fault.is_none() || bulk.requests.tasks.is_empty());
        bulk.requests.tasks.into_iter().for_each(|wanted| task(Ok(wanted)));
    }
    if let Some(project) = read::<ProjectBody>(data)
        && project.is_valid()
        && let Ok(definition) = project.definition()
    {
        assert!(!definition.name.is_empty() && !definition.name.contains('\0') && definition.priority >= 0);
        assert!(!(definition.public && definition.hidden));
        assert!(definition.assign.burst >= 1.0 && definition.submit.burst >= 1.0);
        assert!(definition.assign.rate.wire() > 0.0 && definition.submit.rate.wire() > 0.0);
    }
    if let Some(hook) = read::<Hook>(data) {
        assert!(!hook.after.contains('\0'));
    }
    if let Some(entry) = read::<LogBody>(data) {
        assert!(!entry.scope.contains('\0') && !entry.message.contains('\0'));
    }
    read::<Release>(data);
    read::<Extend>(data);
    read::<SetRole>(data);
    read::<RequestAccess>(data);
    read::<Login>(data);
    cached(data);
    published(data);
}

/// The same for the hub.
fn published(data: &[u8]) {
    let names = || {
        let (rep, item) = (RepName::new("weather").ok()?, ItemName::new("rain").ok()?);
        Some((rep, item, TagName::new("t1").ok()?))
    };
    let (rep, item, tag) = names().expect("names");
    if let Ok(posted) = hub::heartbeat::read(data, Wall::UNIX_EPOCH) {
        assert!(posted.beat.lines.iter().all(|line| !line.chars().any(char::is_control) && line.len() <= 2048));
        assert!(posted.beat.entries.len() <= 8 && posted.beat.lines.len() <= 500);
    }
    if let Ok(entries) = hub::identity::entries(data) {
        assert!(entries.iter().all(|entry| EntryPoint::new(entry.as_str()).as_ref() == Ok(entry)));
    }
    if let Ok((pull, secret)) = hub::jobs::pull(data) {
        assert_eq!(pull.source.secret, secret.is_some());
        assert!(!pull.source.dir.contains('/') && !pull.source.file.contains('/'));
    }
    if let Ok(new) = hub::repositories::new_item(data, rep.clone(), item.clone()) {
        assert!(!new.dir.is_empty() && !new.dir.contains('/'));
    }
    if let Ok(new) = hub::tags::new(data, (rep, item, tag), 7) {
        assert!(new.read.is_none() && new.requires.all.len() <= 8);
    }
    if let Ok(requires) = hub::requires::body(data, 7) {
        assert!(requires.all.len() <= 8);
    }
    drop(hub::pools::new(data));
    drop(hub::repositories::new_repository(data));
    drop(hub::users::new(data).map(|user| assert!(!user.password.expose().is_empty())));
    drop(hub::users::serving(data));
}

/// The same for the cache, whose bodies end with their first value.
fn cached(data: &[u8]) {
    let day = Duration::from_secs(86_400);
    let asker = Asker { plain: &|host| host.len() > 7, name: "somebody", keep_jobs_for: day, keep_audit_for: day };
    if let Ok(asked) = asked::job(data, &asker)
        && let What::Job(args, secrets) = asked.what
    {
        assert!(jobs::echo(&args).is_object());
        if let Args::Preheat(args) = *args {
            assert!(args.urls.iter().flatten().chain([&args.url]).any(|url| !url.is_empty()));
            assert!(!args.timeout.is_zero() && (args.password.is_empty() || secrets.any));
        }
    }
    if let Ok(fetch) = asked::fetch(data, "somebody") {
        assert!(!fetch.identity.url.is_empty() && fetch.identity.ids().own().count() > 0);
    }
    if let Ok(cluster) = clusters::new(data) {
        assert!(!cluster.name.is_empty());
    }
    drop(clusters::change(data));
    drop(asked::change(data));
    drop(TokenIn::read(data).map(|token| assert!(!token.name.is_empty() && token.user_id > 0)));
    drop(ChangeIn::read(data).map(|change| assert!(change.bio.is_none_or(|bio| !bio.is_empty()))));
    drop(sign_in::read(data));
    if let Ok(text) = std::str::from_utf8(data) {
        texts(text);
    }
}

/// Addresses, names of images and digests, and what follows the `?` of a list's address.
fn texts(text: &str) {
    assert!(Identity::of_url(text).ids().own().count() > 0);
    let masked = address::masked(text);
    assert_eq!(address::masked(&masked), masked, "what is masked has nothing to mask");
    address::host_of(text);
    if let Ok(image) = Image::parse(text, |host| host.len() > 7) {
        assert_eq!(Image::parse(&image.manifest(&image.reference), |_| false), Ok(image));
    }
    if let Ok(platform) = Platform::parse(text) {
        assert_eq!(Platform::parse(&platform.to_string()), Ok(platform));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }
    let link = Page::default().link("/x", text, 25);
    assert!(link.is_ascii() && !link.contains(['\r', '\n']) && link.ends_with(">;rel=last"), "{link}");
}

fn read<T: DeserializeOwned>(data: &[u8]) -> Option<T> {
    let body = serde_json::from_slice(data).ok()?;
    // Strings that are skipped may hold halves of characters, and numbers that are skipped may be too large: neither is
    // a value of the library's own.
    if let Ok(json) = serde_json::from_slice::<Value>(data) {
        assert!(json.is_object() || json.is_null(), "{json}");
    }
    Some(body)
}

fn task(checked: Result<Wanted, Fault>) {
    let Ok(wanted) = checked else { return };
    assert_ne!(wanted.project, 0);
    let NewTask { recipe, max_retries, verification_count, .. } = wanted.at(Wall::UNIX_EPOCH);
    assert!(!recipe.is_empty() && !recipe.contains('\0'));
    assert!(max_retries >= 0 && verification_count != 0);
}
