//! What an origin's answer says, and what is asked of it. Pure.

use crate::base::Wall;
use crate::cache::model::{Extent, Source, Validators};
use chrono::DateTime;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, RETRY_AFTER, TRANSFER_ENCODING,
};
use hyper::{HeaderMap, StatusCode};
use std::ops::Range;
use std::time::Duration;

/// The longest that an origin may make us wait.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Headers that are passed on, as long as they are not longer than this: they are kept in a record of bounded size.
const PASSED_ON: [&str; 6] = [
    "content-type",
    "content-disposition",
    "content-encoding",
    "content-language",
    "docker-content-digest",
    "docker-distribution-api-version",
];
const LONGEST_HEADER: usize = 512;

/// Headers by which a request says what it wants of a content: ours to set.
const OURS: [HeaderName; 6] = [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Goal {
    /// Everything.
    All,
    /// Everything, if it has changed.
    IfChanged,
    /// These pieces, of the version that is known.
    Some(Range<u32>),
}

/// Takes a request's own headers, and says what is wanted.
pub(super) fn ask_for(
    headers: &mut HeaderMap,
    bytes: Option<Range<u64>>,
    changed_since: Option<&Source>,
    of: Option<&Source>,
) {
    for name in OURS {
        headers.remove(name);
    }
    // What is kept is what everybody gets; who wants it packed asks for it himself.
    headers.entry("accept-encoding").or_insert(HeaderValue::from_static("identity"));
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if let Some(bytes) = bytes {
        set(RANGE, &format!("bytes={}-{}", bytes.start, bytes.end.saturating_sub(1)));
        if let Some(version) = of.and_then(|source| strong(&source.validators)) {
            set(IF_RANGE, version);
        }
    }
    if let Some(Source { validators, .. }) = changed_since {
        if let Some(tag) = &validators.etag {
            set(IF_NONE_MATCH, tag);
        }
        if let Some(date) = &validators.last_modified {
            set(IF_MODIFIED_SINCE, date);
        }
    }
}

/// What names one version, byte for byte; none where the origin gives nothing of the kind.
pub(super) fn strong(validators: &Validators) -> Option<&str> {
    match (&validators.etag, &validators.last_modified) {
        (Some(tag), _) if !tag.starts_with("W/") => Some(tag),
        (_, Some(date)) => Some(date),
        (_, None) => None,
    }
}

/// What an answer that brings everything says of the content. Pieces are as long as wished, else as the length demands.
pub(super) fn source(headers: &HeaderMap, piece_length: Option<u64>, now: Wall) -> Source {
    // Beside a transfer encoding a length says nothing (RFC 9112, 6.3).
    let told = text(headers, &CONTENT_LENGTH).filter(|_| !headers.contains_key(TRANSFER_ENCODING));
    let length = told.and_then(|length| length.trim().parse().ok());
    let own = || length.map_or(crate::cache::model::piece::SHORTEST, crate::cache::model::piece_length);
    let piece_length = piece_length.filter(|length| *length > 0).unwrap_or_else(own);
    let bounded =
        |name: &HeaderName| text(headers, name).filter(|text| text.len() <= LONGEST_HEADER).map(str::to_owned);
    let passed_on = |name: &&str| {
        let value = headers.get(*name)?.to_str().ok()?;
        (value.len() <= LONGEST_HEADER).then(|| ((*name).to_owned(), value.to_owned()))
    };
    Source {
        extent: Extent { length, piece_length },
        validators: Validators { etag: bounded(&ETAG), last_modified: bounded(&LAST_MODIFIED) },
        headers: PASSED_ON.iter().filter_map(passed_on).collect(),
        checked: now,
    }
}

/// Whether an origin that answered so lets us ask for parts.
pub(super) fn gives_ranges(headers: &HeaderMap) -> bool {
    text(headers, &ACCEPT_RANGES).is_some_and(|units| units.split(',').any(|unit| unit.trim() == "bytes"))
}

/// Whether two answers speak of the same version, byte for byte.
pub(super) fn same_version(old: &Source, new: &Source) -> bool {
    let named = match (&old.validators.etag, &new.validators.etag) {
        (Some(old), Some(new)) => old == new && !old.starts_with("W/"),
        (None, None) => old.validators.last_modified.is_some() && old.validators == new.validators,
        (Some(_), None) | (None, Some(_)) => false,
    };
    named && old.extent.length == new.extent.length
}

/// Whether a part belongs to the version that is known; where it begins and ends, then.
pub(super) fn part(headers: &HeaderMap, source: &Source, asked: &Range<u64>) -> Option<Range<u64>> {
    let (bytes, total) = content_range(text(headers, &CONTENT_RANGE)?)?;
    let known = |name: &HeaderName, old: &Option<String>| match (text(headers, name), old) {
        (Some(new), Some(old)) => new == old,
        (None, _) | (_, None) => true,
    };
    let same = known(&ETAG, &source.validators.etag) && known(&LAST_MODIFIED, &source.validators.last_modified);
    let fits =
        bytes.start == asked.start && bytes.end <= asked.end && (total.is_none() || total == source.extent.length);
    (same && fits).then_some(bytes)
}

/// Reads `bytes 0-9/100`; the total may be `*`.
fn content_range(text: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (bytes, total) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = bytes.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = if total == "*" { None } else { Some(total.trim().parse().ok()?) };
    (first <= last).then_some((first..last.checked_add(1)?, total))
}

/// Whether a later request may be answered otherwise.
pub(super) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error()
}

/// How long the origin asks us to wait.
pub(super) fn retry_after(headers: &HeaderMap, now: Wall) -> Option<Duration> {
    let text = text(headers, &RETRY_AFTER)?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Now;

    #[test]
    fn a_length_beside_a_transfer_encoding_is_none() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("14"));
        let length = |headers: &HeaderMap| source(headers, None, Now::read().wall).extent.length;
        assert_eq!(length(&headers), Some(14));
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        assert_eq!(length(&headers), None);
    }

    #[test]
    fn a_part_is_of_the_version_and_of_the_place_that_was_asked_for() {
        let known = Source {
            extent: Extent { length: Some(100), piece_length: 10 },
            validators: Validators { etag: Some("\"a\"".to_owned()), last_modified: None },
            headers: Vec::new(),
            checked: Now::read().wall,
        };
        for (range, etag, fits) in [
            ("bytes 20-39/100", Some("\"a\""), Some(20..40)),
            ("bytes 20-39/*", None, Some(20..40)),
            ("bytes 20-29/100", None, Some(20..30)),
            ("bytes 20-39/100", Some("\"b\""), None),
            ("bytes 20-39/101", None, None),
            ("bytes 10-39/100", None, None),
            ("bytes 20-40/100", None, None),
            ("bytes 39-20/100", None, None),
            ("bytes 20-18446744073709551615/100", None, None),
            ("lines 20-39/100", None, None),
            ("bytes */100", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, HeaderValue::from_static(range));
            if let Some(etag) = etag {
                headers.insert(ETAG, HeaderValue::from_static(etag));
            }
            assert_eq!(part(&headers, &known, &(20..40)), fits, "{range} {etag:?}");
        }
    }
}
