//! What a client has already, and whether it is still the same: conditional requests against what the origin said.

use crate::cache::model::Validators;
use chrono::DateTime;
use hyper::header::{HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH};

/// Whether the client has this version: its answer is a 304 (RFC 9110, 13.1.2 and 13.1.3).
pub(super) fn has_it(headers: &HeaderMap, validators: &Validators) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        let Some(etag) = &validators.etag else { return false };
        let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        return known.flat_map(tags).any(|tag| tag == "*" || opaque(tag) == opaque(etag));
    }
    match (text(headers, &IF_MODIFIED_SINCE), &validators.last_modified) {
        (Some(since), Some(modified)) => since == modified || is_not_after(modified, since),
        _ => false,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The members of a list of entity tags; a comma inside quotes is part of a tag.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    list.split(move |letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    })
    .map(str::trim)
}

/// Weak comparison: the mark of weakness does not count.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn is_not_after(modified: &str, since: &str) -> bool {
    match (DateTime::parse_from_rfc2822(modified), DateTime::parse_from_rfc2822(since)) {
        (Ok(modified), Ok(since)) => modified <= since,
        _ => false,
    }
}
