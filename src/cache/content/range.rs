//! Which bytes a `Range` header asks for (RFC 9110, section 14). Pure.

use crate::cache::model::{Extent, Source, Validators};
use hyper::HeaderMap;
use hyper::header::{IF_RANGE, RANGE};
use std::ops::Range;

/// See [`super::Contents::range`].
pub(super) fn range(headers: &HeaderMap, source: &Source) -> Result<Option<Range<u64>>, ()> {
    let same = headers.get(IF_RANGE).is_none_or(|named| names(&source.validators, named.as_bytes()));
    if same { asked(headers, source.extent) } else { Ok(None) }
}

/// Whether this is the version. Weak tags never are.
fn names(validators: &Validators, named: &[u8]) -> bool {
    let of = |text: &Option<String>| text.as_ref().is_some_and(|text| text.as_bytes() == named);
    if named.ends_with(b"\"") {
        !named.starts_with(b"W/") && of(&validators.etag)
    } else {
        of(&validators.last_modified)
    }
}

fn asked(headers: &HeaderMap, extent: Extent) -> Result<Option<Range<u64>>, ()> {
    let mut given = headers.get_all(RANGE).iter();
    let (Some(one), None) = (given.next(), given.next()) else { return Ok(None) };
    let Some(length) = extent.length else { return Ok(None) };
    let Some(spec) = one.to_str().ok().and_then(bytes_unit) else { return Ok(None) };
    let Some((first, last)) = spec.split_once('-') else { return Ok(None) };
    let (Some(first), Some(last)) = (number(first.trim()), number(last.trim())) else { return Ok(None) };
    let range = match (first, last) {
        (None, None) => return Ok(None),
        (Some(first), Some(last)) if last < first => return Ok(None),
        (Some(first), last) => first..last.map_or(length, |last| last.saturating_add(1).min(length)),
        (None, Some(suffix)) => length.saturating_sub(suffix)..length,
    };
    if range.is_empty() { Err(()) } else { Ok(Some(range)) }
}

/// What follows `bytes=`; the unit is read in any case.
fn bytes_unit(text: &str) -> Option<&str> {
    let (unit, spec) = text.split_once('=')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(spec)
}

/// None: no number. A number too large for us is larger than anything there is.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}
