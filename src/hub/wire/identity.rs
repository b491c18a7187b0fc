//! Who one is, where one can be reached, what one's log says: as clients see it.

use super::Fault;
use super::fields::Fields;
use crate::hub::machine::Standing;
use crate::hub::model::{EntryPoint, Member};
use serde::Serialize;

/// Addresses that an account may set, and that a heartbeat may report.
pub const MOST_ENTRIES: usize = 8;
/// Lines after the first where it is not said how many.
const RANGE: u64 = 9;

/// The id of an account's daemon.
#[derive(Debug, Serialize)]
pub struct Id<'a> {
    daemonid: &'a str,
}

impl<'a> From<&'a Member> for Id<'a> {
    fn from(member: &'a Member) -> Id<'a> {
        Id { daemonid: member.daemon.expose() }
    }
}

/// Where an account can be reached.
#[derive(Debug, Serialize)]
pub struct EntryPoints {
    entrypoint: Vec<String>,
}

impl From<&[EntryPoint]> for EntryPoints {
    fn from(entries: &[EntryPoint]) -> EntryPoints {
        EntryPoints { entrypoint: entries.iter().map(EntryPoint::to_string).collect() }
    }
}

/// Lines of a log.
#[derive(Debug, Serialize)]
pub struct Log {
    log: Vec<String>,
}

impl From<Vec<String>> for Log {
    fn from(log: Vec<String>) -> Log {
        Log { log }
    }
}

/// Whether an account is online.
#[derive(Debug, Serialize)]
pub struct Online {
    status: &'static str,
}

impl From<&Standing> for Online {
    fn from(standing: &Standing) -> Online {
        Online { status: if standing.online { "online" } else { "offline" } }
    }
}

/// The same, and where it can be reached.
#[derive(Debug, Serialize)]
pub struct Status {
    #[serde(flatten)]
    online: Online,
    #[serde(flatten)]
    entries: EntryPoints,
}

impl From<(&Standing, &[EntryPoint])> for Status {
    fn from((standing, entries): (&Standing, &[EntryPoint])) -> Status {
        Status { online: standing.into(), entries: entries.into() }
    }
}

/// An entry point, and whether it answered when it was last asked.
#[derive(Debug, Serialize)]
pub struct Reached {
    entrypoint: String,
    available: bool,
}

impl From<&(EntryPoint, bool)> for Reached {
    fn from((entry, available): &(EntryPoint, bool)) -> Reached {
        Reached { entrypoint: entry.to_string(), available: *available }
    }
}

/// What clients of the original read of it: the address, a space, `available` or `not available`; more of them with commas.
pub fn reached(entries: &[(EntryPoint, bool)]) -> String {
    let word = |available: bool| if available { "available" } else { "not available" };
    let texts: Vec<String> = entries.iter().map(|(entry, available)| format!("{entry} {}", word(*available))).collect();
    texts.join(", ")
}

/// Which lines of a log are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many younger ones there are.
    pub index: u64,
    /// How many.
    pub count: u64,
}

impl Window {
    /// Reads what path and query say: from line `index` on, both ends of `range` included. No more than `ring` count.
    ///
    /// # Errors
    /// One of them is no whole number, or is negative.
    pub fn read(index: &str, range: Option<&str>, ring: usize) -> Result<Window, Fault> {
        let ring = u64::try_from(ring).unwrap_or(u64::MAX);
        let range = range.map_or(Ok(RANGE), |range| number("range", range))?;
        Ok(Window { index: number("index", index)?, count: range.min(ring).saturating_add(1) })
    }
}

/// A number from 0, however large.
fn number(name: &str, text: &str) -> Result<u64, Fault> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Wrong(format!("{name}: expected a whole number from 0, not \"{}\"", text.escape_debug())));
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

/// Where an account wants to be reached: one address, or a list of up to [`MOST_ENTRIES`].
///
/// # Errors
/// It is no object, there are none or too many, or one is none.
pub fn entries(body: &[u8]) -> Result<Vec<EntryPoint>, Fault> {
    let fields = Fields::read(body)?;
    let texts = fields.text_or_texts("entrypoint")?.ok_or_else(|| fields.absent("entrypoint"))?;
    if texts.is_empty() || texts.len() > MOST_ENTRIES {
        return Err(fields.breach("entrypoint", format_args!("expected 1 to {MOST_ENTRIES} addresses")));
    }
    distinct(texts.iter().map(String::as_str))
}

/// These addresses, each once.
pub(super) fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<EntryPoint>, Fault> {
    let mut entries = Vec::new();
    for text in texts {
        let entry = EntryPoint::new(text).map_err(|why| Fault::Wrong(why.to_string()))?;
        // Whoever sends thousands of them is not made to wait for a comparison of each with each.
        if entries.len() < MOST_ENTRIES && !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    Ok(entries)
}
