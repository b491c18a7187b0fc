//! Paths and queries as they came: split first, decoded after.
//!
//! A percent-encoded slash inside a name is part of the name, so the raw path is cut at its slashes before
//! anything is decoded. The router then sees a *canonical* path in which every segment is decoded but for the two
//! characters that would be ambiguous, `/` and `%`.

use crate::http::table::{Row, Slashes};
use percent_encoding::percent_decode_str;

/// A path, split and decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    segments: Vec<String>,
    /// Whether every segment was UTF-8 once decoded.
    readable: bool,
}

impl Segments {
    /// Splits a raw path.
    pub fn of(raw: &str) -> Segments {
        let (mut segments, mut readable) = (Vec::new(), true);
        for segment in raw.strip_prefix('/').unwrap_or(raw).split('/') {
            let bytes = percent_decode_str(segment);
            readable &= bytes.clone().decode_utf8().is_ok();
            segments.push(bytes.decode_utf8_lossy().into_owned());
        }
        Segments { segments, readable }
    }

    /// The segments that are not empty.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(String::as_str).filter(|segment| !segment.is_empty())
    }

    /// The path by a family's rules, as the router compares it. None when a part of it is not UTF-8: nothing here has
    /// such a name.
    pub fn canonical(&self, rules: &Row) -> Option<String> {
        if !self.readable {
            return None;
        }
        let all = || self.segments.iter().map(String::as_str);
        let mut kept: Vec<&str> = match rules.slashes {
            Slashes::Ignored => self.named().collect(),
            Slashes::Exact => all().collect(),
            Slashes::TrailingEqual => match self.segments.as_slice() {
                [rest @ .., last] if last.is_empty() => rest.iter().map(String::as_str).collect(),
                _ => all().collect(),
            },
            Slashes::Collapsed => self.resolved(),
        };
        if rules.mount.is_some() && kept.first().copied() == rules.mount {
            kept.remove(0);
        }
        let mut path = String::new();
        for (place, segment) in kept.iter().enumerate() {
            path.push('/');
            if place == 0 && rules.any_case {
                encode_into(&mut path, &segment.to_ascii_lowercase());
            } else {
                encode_into(&mut path, segment);
            }
        }
        Some(if path.is_empty() { "/".to_owned() } else { path })
    }

    /// Without empty segments and dots; an empty last segment stays, because there the slash counts.
    fn resolved(&self) -> Vec<&str> {
        let mut kept = Vec::new();
        for segment in self.named() {
            match segment {
                "." => {}
                ".." => drop(kept.pop()),
                _ => kept.push(segment),
            }
        }
        let slash_at_end = self.segments.last().is_some_and(|last| matches!(last.as_str(), "" | "." | ".."));
        if slash_at_end && !kept.is_empty() {
            kept.push("");
        }
        kept
    }
}

fn encode_into(path: &mut String, segment: &str) {
    for character in segment.chars() {
        match character {
            '/' => path.push_str("%2F"),
            '%' => path.push_str("%25"),
            other => path.push(other),
        }
    }
}

/// Undoes what [`Segments::canonical`] does to one segment.
pub fn decoded(parameter: &str) -> String {
    percent_decode_str(parameter).decode_utf8_lossy().into_owned()
}

/// What follows the `?`: percent-decoded, `+` left alone, because names may hold one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    raw: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: String,
    value: String,
    /// The part is `name=value`: one equals sign and something after it.
    plain: bool,
}

impl Query {
    /// Reads the text after the `?`.
    pub fn parse(raw: &str) -> Query {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let part = |text: &str| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            Part { name: decode(name), value: decode(value), plain: !value.is_empty() && !value.contains('=') }
        };
        let parts = raw.split('&').filter(|text| !text.is_empty()).map(part).collect();
        Query { raw: raw.to_owned(), parts }
    }

    /// The value of `name`; where it is given several times, the last one. `?name` alone gives the empty text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    /// The values of `name`, in order.
    pub fn all<'q>(&'q self, name: &str) -> impl Iterator<Item = &'q str> {
        self.parts.iter().filter(move |part| part.name == name).map(|part| part.value.as_str())
    }

    /// As [`get`](Query::get), but a part counts only if it is exactly `name=value` with a value: the reading of
    /// `/proc`, for which `name=`, `name` and `name=a=b` are no names.
    pub fn plain(&self, name: &str) -> Option<&str> {
        self.parts.iter().rfind(|part| part.plain && part.name == name).map(|part| part.value.as_str())
    }

    /// Whether `name` is given as `1`, `true`, or without a value.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "" | "1" | "true"))
    }

    /// The text itself.
    pub fn raw(&self) -> &str {
        &self.raw
    }
}
