//! Heartbeats from outside: read, with what is invalid refused and what is superfluous dropped.

use super::fields::Fields;
use super::identity::distinct;
use super::{Fault, zone};
use crate::base::Wall;
use crate::hub::machine::Beat;
use crate::hub::model::{ItemName, RepName, TagName};
use chrono::NaiveDateTime;

/// Lines that one beat brings: of more, the newest.
const MOST_LINES: usize = 500;
/// The longest line, in bytes.
const LONGEST_LINE: usize = 2 << 10;
/// Digits of a daemon id and of a token of the hub.
const SECRET: usize = 40;
/// How many of them people see.
const SHOWN: usize = 6;
/// How a line begins.
const STAMP: &str = "%Y/%m/%d %H:%M:%S";
/// How a stamp looks, with 0 for any digit.
const SHAPE: &[u8; 20] = b"0000/00/00 00:00:00 ";

/// A heartbeat, as it was posted.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    /// Whose; empty where it is missing.
    pub daemonid: String,
    /// What it says.
    pub beat: Beat,
}

/// Reads one that came at `now`.
///
/// # Errors
/// It is no object, a field is not of its kind, or an entry point is none.
pub fn read(body: &[u8], now: Wall) -> Result<Posted, Fault> {
    let fields = Fields::read(body)?;
    let daemonid = fields.text("daemonid")?.unwrap_or_default();
    let entries = fields.texts("entrypoint")?.unwrap_or_default();
    let entries = distinct(entries.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty()))?;
    let lines = fields.texts("log")?.unwrap_or_default();
    let newest = lines.len().saturating_sub(MOST_LINES);
    let lines = lines.iter().skip(newest).filter_map(|text| line(text, &daemonid, now)).collect();
    let abnormal = fields.texts("abnormaltags")?.unwrap_or_default();
    // What cannot be a tag is none of this account's.
    let abnormal = abnormal.iter().filter_map(|name| tag(name)).collect();
    Ok(Posted { daemonid, beat: Beat { entries, lines, abnormal } })
}

/// A line as it is kept: one line, of printable text, stamped, and without secrets. None where nothing is left of it.
fn line(text: &str, daemonid: &str, now: Wall) -> Option<String> {
    let mut clean = String::with_capacity(text.len().min(LONGEST_LINE));
    for c in text.trim_end().chars().take(LONGEST_LINE) {
        match c {
            '\n' | '\t' => clean.push(' '),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    if clean.trim().is_empty() {
        return None;
    }
    if daemonid.len() == SECRET {
        // Also where it stands beside other digits.
        clean = clean.replace(daemonid, &format!("{}…", daemonid.chars().take(SHOWN).collect::<String>()));
    }
    clean = masked(&clean);
    if !is_stamped(&clean) {
        clean = format!("{} {}", zone().local(now).format(STAMP), clean.trim_start());
    }
    let whole = (0..=clean.len().min(LONGEST_LINE)).rev().find(|at| clean.is_char_boundary(*at));
    clean.truncate(whole.unwrap_or_default());
    Some(clean)
}

/// A line in which of everything that may be a daemon id or a token of the hub only the beginning stands: of as many
/// hexadecimal digits, neither more nor fewer.
fn masked(line: &str) -> String {
    let is_digit = |c: char| c.is_ascii_hexdigit();
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(is_digit) {
        let (before, from) = rest.split_at(start);
        let (digits, after) = from.split_at(from.find(|c| !is_digit(c)).unwrap_or(from.len()));
        masked.push_str(before);
        match digits.len() {
            SECRET => masked.extend([&digits[..SHOWN], "…"]),
            _ => masked.push_str(digits),
        }
        rest = after;
    }
    masked + rest
}

/// Whether a line begins with a moment that there is in a calendar, and goes on.
fn is_stamped(line: &str) -> bool {
    let Some((stamp, rest)) = line.as_bytes().split_at_checked(SHAPE.len()) else { return false };
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    let text = std::str::from_utf8(stamp).unwrap_or_default();
    stamp.iter().zip(SHAPE).all(fits)
        && !rest.trim_ascii().is_empty()
        && NaiveDateTime::parse_from_str(text.trim_end(), STAMP).is_ok()
}

/// `rep/item:tag`
fn tag(text: &str) -> Option<(RepName, ItemName, TagName)> {
    let (rep, rest) = text.split_once('/')?;
    let (item, tag) = rest.split_once(':')?;
    Some((RepName::new(rep).ok()?, ItemName::new(item).ok()?, TagName::new(tag).ok()?))
}
