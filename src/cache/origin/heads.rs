//! The headers of requests: what is sent on, what is ours to say, and what must not leave the origin it was meant for.

use crate::cache::model::secret::is_secret_header;
use hyper::HeaderMap;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT, VIA,
};

/// What belongs to one connection, or is ours to say.
const NOT_SENT: [HeaderName; 13] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HOST,
    VIA,
    EXPECT,
    ACCEPT_ENCODING,
];

/// Whether the header of this name proves who is asking: not sent to another origin, and not shown to anybody.
pub fn is_secret(name: &HeaderName) -> bool {
    is_secret_header(name.as_str())
}

/// What is sent for these headers. The length of a body only counts where there is one.
pub(super) fn sent(given: &HeaderMap, with_body: bool) -> HeaderMap {
    // `Connection` names further headers that belong to it.
    let listed = |name: &HeaderName| {
        let mut values = given.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.any(|list| list.split(',').any(|word| word.trim().eq_ignore_ascii_case(name.as_str())))
    };
    let mut sent = HeaderMap::with_capacity(given.len() + 3);
    for (name, value) in given {
        if !NOT_SENT.contains(name) && !listed(name) && (with_body || *name != CONTENT_LENGTH) {
            let mut value = value.clone();
            value.set_sensitive(is_secret(name));
            sent.append(name, value);
        }
    }
    // Bytes are kept as they are, not as somebody would pack them for a transfer.
    sent.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    sent.insert(VIA, HeaderValue::from_static("1.1 hostler"));
    sent.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("hostler/", env!("CARGO_PKG_VERSION"))));
    sent
}

/// Whether there is a secret among them.
pub(super) fn has_secrets(headers: &HeaderMap) -> bool {
    headers.keys().any(is_secret)
}

/// Takes the secrets out.
pub(super) fn drop_secrets(headers: &mut HeaderMap) {
    let secret: Vec<HeaderName> = headers.keys().filter(|name| is_secret(name)).cloned().collect();
    for name in secret {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn what_belongs_to_a_connection_is_not_sent_on() {
        let given = map(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("x-stay", "2"),
            ("via", "1.0 somebody"),
            ("host", "elsewhere"),
            ("te", "trailers"),
            ("proxy-authorization", "Basic eA=="),
            ("accept-encoding", "gzip"),
            ("content-length", "5"),
            ("expect", "100-continue"),
        ]);
        let sent = sent(&given, false);
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept-encoding", "user-agent", "via", "x-stay"]);
        assert!(sent[VIA] == "1.1 hostler" && sent[ACCEPT_ENCODING] == "identity");
        assert!(super::sent(&given, true).contains_key(CONTENT_LENGTH));
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        let mut given = map(&[
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("x-api-key", "k"),
            ("private-token", "t"),
            ("x-auth", "a"),
            ("x-client-secret", "s"),
            ("x-password", "p"),
            ("accept", "*/*"),
        ]);
        assert!(has_secrets(&given));
        assert!(sent(&given, false)["x-api-key"].is_sensitive() && !sent(&given, false)["accept"].is_sensitive());
        drop_secrets(&mut given);
        assert_eq!(given.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
        assert!(!has_secrets(&given));
    }
}
