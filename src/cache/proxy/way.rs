//! What becomes of a request: refused, forwarded, or served through the cache. Pure.

use super::headers::went_through_us;
use super::refusal::{Fault, No};
use super::wishes::{flag, text};
use super::{Rule, Settings};
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, TRANSFER_ENCODING};
use hyper::{Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use url::Url;

/// Asks for the cache.
const USE_CACHE: HeaderName = HeaderName::from_static("x-dragonfly-use-p2p");
/// Names the registry that is mirrored.
const REGISTRY: HeaderName = HeaderName::from_static("x-dragonfly-registry");
/// Whose images containerd calls after itself, and where they are.
const HUB: [&str; 2] = ["docker.io", "index.docker.io"];
const HUB_REGISTRY: &str = "registry-1.docker.io";

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way<'r> {
    /// Served through the cache.
    Cached {
        /// What is asked for at the origin.
        url: String,
        /// Query parameters that do not count, where a rule says so.
        filter: Option<&'r str>,
        /// What the content must be, as the URL says it.
        digest: Option<String>,
    },
    /// Sent on as it is.
    Forwarded {
        /// Where to.
        url: String,
    },
}

/// Finds the way of a request. `plain` tells whether the registry at a host speaks plain HTTP.
///
/// # Errors
/// It leads nowhere.
pub(super) fn way<'r>(
    settings: &'r Settings,
    plain: impl Fn(&str) -> bool,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Way<'r>, No> {
    if *method == Method::CONNECT {
        let why = "this proxy opens no tunnels (CONNECT): ask it for http://… addresses, or use it as a mirror";
        return Err(No::new(StatusCode::NOT_IMPLEMENTED, Fault::Proxy, why));
    }
    if went_through_us(headers) {
        let why = "the request has been through this proxy already (its Via header says so)";
        return Err(No::new(StatusCode::LOOP_DETECTED, Fault::Proxy, why));
    }
    let (url, mirrored) = match uri.scheme_str() {
        Some("http" | "https") => (uri.to_string(), false),
        Some(other) => return Err(No::nonsense(format!("{other}: expected an http:// or https:// address"))),
        None => (mirrored(settings, plain, uri, headers)?, true),
    };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(No::nonsense("the address holds a user: credentials belong into the Authorization header"));
    }
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let rule = settings.rules.iter().find(|rule| rule.regex.is_match(bare));
    let digest = named_digest(bare).map(str::to_owned);
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    let wanted = rule.is_some() || flag(headers, &USE_CACHE) || (mirrored && digest.is_some());
    let url = match rule {
        Some(rule) => rule.turn(url)?,
        None => url,
    };
    if *method == Method::GET && !has_body && wanted {
        return Ok(Way::Cached { url, filter: rule.and_then(|rule| rule.filter.as_deref()), digest });
    }
    Ok(Way::Forwarded { url })
}

impl Rule {
    /// Where this rule sends a request for `url`.
    fn turn(&self, url: String) -> Result<String, No> {
        if !self.use_tls && self.redirect.is_none() {
            return Ok(url);
        }
        let no = |why: &str| No::nonsense(format!("{url}: {why}"));
        let mut turned = Url::parse(&url).map_err(|why| no(&why.to_string()))?;
        if self.use_tls && turned.set_scheme("https").is_err() {
            return Err(no("it has no form over https"));
        }
        if let Some(to) = &self.redirect {
            // A host, with its port where it has one of its own; else the scheme's.
            let named =
                Url::parse(&format!("{}://{to}", turned.scheme())).map_err(|why| no(&format!("{to}: {why}")))?;
            let host = turned.set_host(named.host_str());
            if host.is_err() || turned.set_port(named.port()).is_err() {
                return Err(no(&format!("the rule's redirect {to} is no host")));
            }
        }
        Ok(turned.into())
    }
}

/// The address at the registry that a request to the mirror means.
fn mirrored(settings: &Settings, plain: impl Fn(&str) -> bool, uri: &Uri, headers: &HeaderMap) -> Result<String, No> {
    let (space, rest) = without_name_space(uri);
    let named = match text(headers, &REGISTRY)? {
        Some(registry) => Some(registry.to_owned()),
        None => space.or_else(|| settings.registry.clone()),
    };
    let Some(registry) = named else {
        let why = "no registry is named: send X-Dragonfly-Registry or the query ns=HOST, or set cache.proxy.registry \
                   (a proxy's client asks for whole http://… addresses)";
        return Err(No::new(StatusCode::NOT_FOUND, Fault::Proxy, why));
    };
    if !rest.starts_with('/') {
        return Err(No::nonsense(format!("{rest}: expected a path")));
    }
    let base = registry_url(&registry, plain)?;
    Ok(format!("{}{rest}", base.trim_end_matches('/')))
}

/// The URL of a registry from its URL or its host alone.
fn registry_url(text: &str, plain: impl Fn(&str) -> bool) -> Result<String, No> {
    let no = || No::nonsense(format!("\"{}\" is no registry: expected HOST or http(s)://HOST", text.escape_debug()));
    let url = match text {
        host if HUB.contains(&host) => format!("https://{HUB_REGISTRY}"),
        url if url.contains("://") => url.to_owned(),
        host if plain(host) => format!("http://{host}"),
        host => format!("https://{host}"),
    };
    let read = Url::parse(&url).map_err(|_| no())?;
    let is_bare = read.username().is_empty() && read.password().is_none() && read.query().is_none();
    match matches!(read.scheme(), "http" | "https") && read.has_host() && is_bare && read.fragment().is_none() {
        true => Ok(url),
        false => Err(no()),
    }
}

/// The registry that containerd names in the query, and path and query without that: the registry is not asked for it, and
/// the address is the same that a preheat of the image has.
fn without_name_space(uri: &Uri) -> (Option<String>, String) {
    let Some(query) = uri.query() else { return (None, uri.path().to_owned()) };
    let (mut space, mut rest) = (None, Vec::new());
    for pair in query.split('&') {
        match pair.strip_prefix("ns=") {
            Some(value) if space.is_none() && !value.is_empty() => {
                space = Some(percent_decode_str(value).decode_utf8_lossy().into_owned());
            }
            Some(_) => {}
            None => rest.push(pair),
        }
    }
    match rest.is_empty() {
        true => (space, uri.path().to_owned()),
        false => (space, format!("{}?{}", uri.path(), rest.join("&"))),
    }
}

/// The digest by which a URL without query names a blob or a manifest: then its content never changes.
fn named_digest(url: &str) -> Option<&str> {
    let (place, digest) = url.rsplit_once('/')?;
    let (repository, kind) = place.rsplit_once('/')?;
    let (algorithm, hex) = digest.split_once(':')?;
    let length = match algorithm {
        "sha256" => 64,
        "sha512" => 128,
        _ => return None,
    };
    let is_hex = hex.len() == length && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && matches!(kind, "blobs" | "manifests") && repository.contains("/v2/")).then_some(digest)
}
