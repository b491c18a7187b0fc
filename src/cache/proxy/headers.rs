//! Which headers are passed on, to the origin and back, and which are ours.

use crate::cache::model::secret::is_secret_header;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, PRAGMA, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE, REFERER, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use sha2::{Digest as _, Sha256};

/// How we name ourselves in `Via`.
pub(super) const OURSELVES: &str = "1.1 hostler";
/// The daemon id of the task.
pub(super) const TASK_ID: HeaderName = HeaderName::from_static("x-dragonfly-task-id");
/// Whether it was served from a complete local copy.
pub(super) const FINISHED: HeaderName = HeaderName::from_static("x-dragonfly-task-download-finished");
/// This host.
pub(super) const SERVER_IP: HeaderName = HeaderName::from_static("x-dragonfly-server-ip");
/// Whose fault an error is.
pub(super) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-dragonfly-error-type");
/// What Dragonfly's own headers begin with.
const DRAGONFLY: &str = "x-dragonfly-";

/// Headers that belong to one connection (RFC 9110, 7.6.1), and those that old proxies and clients use as such.
fn is_of_the_hop(name: &HeaderName) -> bool {
    [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// All but those of this connection, `Connection` itself being heard about which those are.
fn end_to_end(headers: &HeaderMap, also: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let named: Vec<_> = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok()).collect();
    let is_named = |name: &HeaderName| {
        named.iter().flat_map(|list| list.split(',')).any(|one| one.trim().eq_ignore_ascii_case(name.as_str()))
    };
    // Beside a transfer encoding a length says nothing (RFC 9112, 6.3), and whoever believes it reads another message.
    let is_length = |name: &HeaderName| *name == CONTENT_LENGTH && headers.contains_key(TRANSFER_ENCODING);
    let kept =
        headers.iter().filter(|(name, _)| !is_of_the_hop(name) && !also(name) && !is_named(name) && !is_length(name));
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in kept {
        passed.append(name.clone(), value.clone());
    }
    passed
}

/// A request's headers as they are forwarded. `Host` and `Via` are set by who sends them.
pub(super) fn forwarded(headers: &HeaderMap) -> HeaderMap {
    end_to_end(headers, |name| *name == HOST || *name == VIA || *name == EXPECT || name.as_str().starts_with(DRAGONFLY))
}

/// A request's headers as they go with a fetch: it is for everybody who will want the same, so what is about this one
/// answer (its range, its form, what the client has already) stays behind.
pub(super) fn fetched_with(headers: &HeaderMap) -> HeaderMap {
    let own = [HOST, VIA, EXPECT, RANGE, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, CACHE_CONTROL, PRAGMA];
    end_to_end(headers, |name| {
        own.contains(name) || name.as_str().starts_with("if-") || name.as_str().starts_with(DRAGONFLY)
    })
}

/// An answer's headers as they are passed on to the client.
pub(super) fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut passed = end_to_end(headers, |_| false);
    passed.append(VIA, HeaderValue::from_static(OURSELVES));
    passed
}

/// Whether this request has been through here already.
pub(super) fn went_through_us(headers: &HeaderMap) -> bool {
    let values = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|list| list.split(',')).any(|hop| hop.trim().eq_ignore_ascii_case(OURSELVES))
}

/// Whether a browser sent it, as far as it shows: any page may have made it do so, and the connection's rights are not the
/// page's. `Accept-Language` is what every browser sends with everything and what programs do not.
pub(super) fn is_of_a_browser(headers: &HeaderMap) -> bool {
    [ORIGIN, REFERER, ACCEPT_LANGUAGE].iter().any(|name| headers.contains_key(name))
        || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"))
}

/// Whether `Host` names this machine itself, as a program does that uses the mirror. A page whose name was made to lead
/// here does not.
pub(super) fn calls_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let Ok(authority) = host.parse::<hyper::http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.to_canonical().is_loopback())
}

/// What a request shows of credentials, as a hash to know it again by; none where it shows nothing. Of headers as
/// [`fetched_with`] gives them.
pub(super) fn credentials(headers: &HeaderMap) -> Option<[u8; 32]> {
    let mut shown: Vec<_> = headers.iter().filter(|(name, _)| is_secret_header(name.as_str())).collect();
    if shown.is_empty() {
        return None;
    }
    shown.sort_by_key(|(name, _)| name.as_str());
    let mut hash = Sha256::new();
    for (name, value) in shown {
        for part in [name.as_str().as_bytes(), value.as_bytes()] {
            // With its length: what belongs to which cannot be shifted.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    Some(hash.finalize().into())
}
