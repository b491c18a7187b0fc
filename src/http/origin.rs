//! The rules on `Host` and `Origin`.
//!
//! A right that comes from the connection or from a cookie is lent by the browser to every page its user opens. Two
//! rules keep such pages out. *Host*: the name the client called must be one of ours, so that a foreign name that
//! was made to point here (DNS rebinding) opens nothing. *Origin*: what changes something must not come from a page
//! of another origin. Names are parsed and compared whole; `localhost.evil.example` is not `localhost`.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The names by which this daemon may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// This host's name and `http.hosts`: names or addresses, compared without regard to case.
    pub hosts: Vec<String>,
    /// Addresses it listens on.
    pub addresses: Vec<IpAddr>,
    /// Origins (`https://pages.example`) that may call across origins.
    pub cors_origins: Vec<String>,
}

/// Where the request was made out to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The host of an absolute request target, which outranks the header.
    pub authority: Option<&'a str>,
    /// Our end of the connection.
    pub address: Option<IpAddr>,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

impl Names {
    /// Whether the request calls us by a name of ours. Without a `Host` it does, as in HTTP/1.0: every browser sends
    /// one. An empty one names nothing of ours.
    pub fn called(&self, headers: &HeaderMap, target: Target<'_>) -> bool {
        match host(headers, target) {
            Called::Nothing => true,
            Called::As(text) => Host::parse(text).is_some_and(|host| self.is_ours(&host, target.address)),
            Called::Several => false,
        }
    }

    fn is_ours(&self, host: &Host, address: Option<IpAddr>) -> bool {
        match &host.name {
            Name::Address(ip) => {
                ip.is_loopback() || self.addresses.contains(ip) || address == Some(*ip) || self.listed(&ip.to_string())
            }
            Name::Text(name) => name == "localhost" || self.listed(name),
        }
    }

    fn listed(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.trim_end_matches('.').eq_ignore_ascii_case(name))
    }

    /// Whether the request comes from a page of another origin that is not in `http.cors_origins`.
    pub fn is_foreign(&self, headers: &HeaderMap, target: Target<'_>) -> bool {
        if self.allowed_origin(headers).is_some() {
            return false;
        }
        let site = headers.get(HeaderName::from_static("sec-fetch-site"));
        // Another port of this host is the same site and yet somebody else's page.
        if site.is_some_and(|site| site == "cross-site" || site == "same-site") {
            return true;
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => false,
            (Some(origin), None) => !origin.to_str().is_ok_and(|origin| same_origin(origin, headers, target)),
            (Some(_), Some(_)) => true,
        }
    }

    /// The request's origin, where it is one that may call across origins.
    pub fn allowed_origin<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let origin = headers.get(ORIGIN)?.to_str().ok()?;
        let listed = |allowed: &String| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin);
        self.cors_origins.iter().any(listed).then_some(origin)
    }
}

/// Whether the request carries a secret of its own in a header that no page can make a browser send unasked.
/// `Basic` is not one: browsers remember it.
pub fn shows_token(headers: &HeaderMap) -> bool {
    let scheme = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| {
        let (scheme, token) = text.trim().split_once(' ')?;
        (!token.trim().is_empty()).then_some(scheme)
    });
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token"))
}

enum Called<'a> {
    Nothing,
    As(&'a str),
    Several,
}

fn host<'a>(headers: &'a HeaderMap, target: Target<'a>) -> Called<'a> {
    let mut all = headers.get_all(HOST).iter();
    match (target.authority, all.next(), all.next()) {
        (_, Some(_), Some(_)) => Called::Several,
        (Some(authority), ..) => Called::As(authority),
        (None, Some(header), None) => match header.to_str() {
            Ok(text) => Called::As(text),
            Err(_) => Called::Several,
        },
        (None, None, _) => Called::Nothing,
    }
}

/// Whether `origin` is the origin of this very request: scheme, host and port.
fn same_origin(origin: &str, headers: &HeaderMap, target: Target<'_>) -> bool {
    let (scheme, port) = if target.tls { ("https", 443) } else { ("http", 80) };
    let Some((from_scheme, from)) = origin.split_once("://") else { return false };
    let Called::As(to) = host(headers, target) else { return false };
    match (Host::parse(from), Host::parse(to)) {
        (Some(from), Some(to)) => {
            from_scheme.eq_ignore_ascii_case(scheme)
                && from.name == to.name
                && from.port.unwrap_or(port) == to.port.unwrap_or(port)
        }
        _ => false,
    }
}

/// A host as in `Host` or after the `//` of an origin.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    name: Name,
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum Name {
    /// An address, however it was spelled.
    Address(IpAddr),
    /// A name in small letters, without the dot at its end.
    Text(String),
}

impl Host {
    fn parse(text: &str) -> Option<Host> {
        let text = text.trim();
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (inside, after) = rest.split_once(']')?;
                let address: Ipv6Addr = inside.parse().ok()?;
                let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
                (Name::Address(IpAddr::V6(address).to_canonical()), port)
            }
            None => match text.split_once(':') {
                Some((name, port)) => (Name::parse(name)?, Some(port)),
                None => (Name::parse(text)?, None),
            },
        };
        // "host:" means the default port, RFC 3986 3.2.3.
        let port = match port {
            None | Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
        };
        Some(Host { name, port })
    }
}

impl Name {
    fn parse(text: &str) -> Option<Name> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if text.is_empty() || !text.bytes().all(known) {
            return None;
        }
        Some(match ipv4(text) {
            Some(address) => Name::Address(IpAddr::V4(address)),
            None => Name::Text(text.to_ascii_lowercase()),
        })
    }
}

/// An IPv4 address as `inet_aton` and browsers read it: one to four numbers, each decimal, octal (`0…`) or
/// hexadecimal (`0x…`), the last one filling the remaining bytes. `127.1` is `127.0.0.1`.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, front) = numbers.split_last()?;
    if front.len() > 3 || front.iter().any(|byte| *byte > 255) {
        return None;
    }
    let bytes_of_last = u32::try_from(4 - front.len()).ok()?;
    if u64::from(*last) >= 1 << (8 * bytes_of_last) {
        return None;
    }
    let high = front.iter().zip([24, 16, 8]).map(|(byte, shift)| byte << shift).sum::<u32>();
    Some(Ipv4Addr::from(high | last))
}

fn number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(""), _) => return Some(0),
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        (None, _) => (lower.as_str(), 10),
    };
    // from_str_radix would take a sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}
