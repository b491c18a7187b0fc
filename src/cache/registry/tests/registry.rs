//! A registry with one image for several machines, which wants to see what a test says.

use crate::base::{Hex, Secret};
use crate::cache::model::{Image, Platform};
use crate::cache::origin::Origins;
use crate::cache::origin::tests::double::{Double, Reply, Seen};
use crate::cache::registry::{Credentials, ResolveError, resolve};
use hyper::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the registry wants to see.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wants {
    Nothing,
    Basic,
    /// A token of its own endpoint.
    Token,
}

pub(super) fn named(bytes: &str) -> String {
    format!("sha256:{}", Hex(&Sha256::digest(bytes.as_bytes())))
}

fn descriptor(kind: &str, bytes: &str, more: &str) -> String {
    format!(r#"{{"mediaType":"{kind}","digest":"{}","size":{}{more}}}"#, named(bytes), bytes.len())
}

/// A manifest with these layers and an empty configuration.
pub(super) fn manifest(layers: &[&str]) -> String {
    let layers: Vec<String> =
        layers.iter().map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer, "")).collect();
    let config = descriptor("application/vnd.oci.image.config.v1+json", "{}", "");
    format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{}]}}"#, layers.join(","))
}

/// An entry of a list.
pub(super) fn entry(manifest: &str, machine: &str) -> String {
    let more = match machine.split_once('/') {
        Some((os, machine)) => format!(r#","platform":{{"os":"{os}","architecture":"{machine}"}}"#),
        None => String::new(),
    };
    let kind = if machine == "list" { "index" } else { "manifest" };
    descriptor(&format!("application/vnd.oci.image.{kind}.v1+json"), manifest, &more)
}

pub(super) fn list(entries: &[String]) -> String {
    format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))
}

/// Manifests by reference.
pub(super) type Manifests = BTreeMap<String, String>;

/// `team/app:v1`: two machines, and something that is for none.
pub(super) fn fixture() -> Manifests {
    let (amd, arm) = (manifest(&["layer-a\n", "layer-b\n", "layer-a\n"]), manifest(&["layer-c\n"]));
    let note = manifest(&["note\n"]);
    let index = list(&[entry(&amd, "linux/amd64"), entry(&arm, "linux/arm64"), entry(&note, "unknown/unknown")]);
    let mut all: Manifests = [amd, arm, note].into_iter().map(|text| (named(&text), text)).collect();
    all.insert("v1".to_owned(), index);
    all
}

/// Serves them. A token is `tN`, N counted from 1; only the newest is good.
pub(super) async fn registry(manifests: Manifests, wants: Wants) -> Double {
    let issued = Arc::new(std::sync::atomic::AtomicU32::new(0));
    Double::start(move |seen| answer(&manifests, wants, &issued, seen)).await
}

fn answer(manifests: &Manifests, wants: Wants, issued: &std::sync::atomic::AtomicU32, seen: &Seen) -> Reply {
    use std::sync::atomic::Ordering::Relaxed;
    let path = seen.target.split('?').next().unwrap();
    if path == "/token" {
        if !["", BASIC].contains(&seen.header("authorization")) {
            return Reply::status(401);
        }
        return Reply::text(format!(r#"{{"token":"t{}"}}"#, issued.fetch_add(1, Relaxed) + 1));
    }
    let good = match wants {
        Wants::Nothing => seen.header("authorization").is_empty(),
        Wants::Basic => seen.header("authorization") == BASIC,
        Wants::Token => seen.header("authorization") == format!("Bearer t{}", issued.load(Relaxed)),
    };
    if !good && seen.header("authorization") != GIVEN {
        let host = seen.header("host");
        let challenge = match wants {
            Wants::Token => format!("Bearer realm=\"http://{host}/token?x=y\",service=\"r.test\""),
            _ => "Basic realm=\"r\"".to_owned(),
        };
        return Reply::status(401).with(WWW_AUTHENTICATE, &challenge);
    }
    match path.strip_prefix("/v2/team/app/manifests/").map(|reference| manifests.get(reference)) {
        Some(Some(text)) => Reply::text(text.clone()).with(CONTENT_TYPE, "application/json"),
        Some(None) => Reply::status(404),
        None => Reply::text("{}"),
    }
}

/// `me` with the password `pw`.
pub(super) const BASIC: &str = "Basic bWU6cHc=";
/// What a caller brings along.
pub(super) const GIVEN: &str = "Bearer given";

pub(super) fn me() -> Option<(String, Secret)> {
    Some(("me".to_owned(), Secret::new("pw")))
}

pub(super) fn account() -> Credentials {
    Credentials { account: me(), ..Credentials::default() }
}

pub(super) fn image(double: &Double) -> Image {
    Image::parse(&double.url("/v2/team/app/manifests/v1"), |_| true).unwrap()
}

/// The blobs, without what comes before their digests.
pub(super) async fn blobs(
    origins: &Origins,
    double: &Double,
    platform: &str,
    credentials: &Credentials,
) -> Result<Vec<String>, ResolveError> {
    let platform = Platform::parse(platform).unwrap();
    let resolved = resolve(origins, &image(double), &platform, credentials).await?;
    let before = double.url("/v2/team/app/blobs/");
    Ok(resolved.blobs.iter().map(|url| url.strip_prefix(&before).unwrap().to_owned()).collect())
}

/// The digests of these contents.
pub(super) fn all(contents: &[&str]) -> Vec<String> {
    contents.iter().map(|text| named(text)).collect()
}

/// The paths that were asked for.
pub(super) fn paths(double: &Double) -> Vec<String> {
    double.seen().iter().map(|seen| seen.target.clone()).collect()
}
