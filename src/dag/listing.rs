//! `GET /v1/dagruns`: what the room holds as memory knows it, the rest as it is stored, in the order of numbers.

use super::engine::Handle;
use super::machine::Room;
use super::model::*;
use super::{records, runs, wire};
use crate::auth::Caller;
use crate::base::{Wall, duration};
use crate::http::{Cx, Failure, Query, Reply, blocking};
use crate::store::ReadError;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Runs that are read at once.
const SLICE: usize = 1_000;
/// The most runs that a client may limit the list to.
const LIMIT_MAX: usize = 10_000;

/// Which runs a client wants.
#[derive(Debug, PartialEq)]
struct Filter {
    /// Those with this label.
    tag: Option<String>,
    /// Those in one of these states.
    states: Option<Vec<State>>,
    /// Those that have changed since.
    since: Option<Wall>,
    /// Completed ones too.
    all: bool,
}

impl Filter {
    fn parse(query: &Query, now: Wall) -> Result<Filter, Failure> {
        let truthy = |value: &str| ["1", "true", "yes"].iter().any(|yes| value.eq_ignore_ascii_case(yes));
        let states = query.get("state").map(states).transpose()?;
        let since = query.get("since").map(|text| moment(text, now)).transpose()?;
        let all = query.get("all").is_some_and(truthy)
            || states.as_ref().is_some_and(|states| states.contains(&State::Completed));
        Ok(Filter { tag: query.get("tag").map(str::to_owned), states, since, all })
    }

    fn admits(&self, row: &RunRow) -> bool {
        (self.all || row.state() != State::Completed)
            && self.tag.as_ref().is_none_or(|tag| *tag == row.tag)
            && self.states.as_ref().is_none_or(|states| states.contains(&row.state()))
            && self.since.is_none_or(|since| row.last_update >= since)
    }
}

/// States as a list with commas.
pub fn states(text: &str) -> Result<Vec<State>, Failure> {
    let state = |word: &str| {
        let known = || State::ALL.map(State::word).join(", ");
        let unknown = || runs::bad(format!("state: \"{}\" is none of {}", word.escape_debug(), known()));
        State::named(word.trim()).ok_or_else(unknown)
    };
    text.split(',').map(state).collect()
}

/// A moment as RFC 3339, as nanoseconds, or as how long ago it was.
pub fn moment(text: &str, now: Wall) -> Result<Wall, Failure> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    // Anything shorter is a number of seconds.
    if let Some(at) = wire::from_ns(text).filter(|_| text.len() >= 16) {
        return Ok(at);
    }
    let ago = duration::parse(text).ok().and_then(|ago| TimeDelta::from_std(ago).ok());
    ago.and_then(|ago| now.checked_sub_signed(ago)).ok_or_else(|| {
        runs::bad("since: expected a time such as 2026-03-01T12:00:00Z, nanoseconds, or how long ago, such as 2h")
    })
}

/// One listing, in slices, each of the moment when it is read.
struct Listing {
    handle: Handle,
    caller: Caller,
    filter: Filter,
}

/// `GET /v1/dagruns`
pub async fn list(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let filter = Filter::parse(&cx.query, Utc::now())?;
    let limit = cx.number::<usize>("limit")?.map(|limit| limit.clamp(1, LIMIT_MAX));
    let before = cx.number::<u64>("before")?.unwrap_or(u64::MAX);
    let listing = Arc::new(Listing { handle, caller: cx.caller, filter });
    if let Some(limit) = limit {
        let rows = listing.newest(before, limit).await?;
        return Ok(Reply::json(&rows.iter().map(wire::line).collect::<Vec<_>>()));
    }
    match listing.slice(0..before, false).await? {
        (rows, None) => Ok(Reply::json(&rows.iter().map(wire::line).collect::<Vec<_>>())),
        (rows, rest) => Ok(listing.stream(rows, rest)),
    }
}

impl Listing {
    /// The next runs of a range that the list shall have, and what is left of the range.
    async fn slice(
        self: &Arc<Listing>,
        range: Range<u64>,
        descending: bool,
    ) -> Result<(Vec<RunRow>, Option<Range<u64>>), Failure> {
        let (listing, reader) = (self.clone(), self.handle.tools.store.reader());
        let read = move || {
            let unfinished = !listing.filter.all;
            let rows = records::rows(&reader, range.clone(), unfinished, descending).take(SLICE);
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            let last = rows.last().filter(|_| rows.len() == SLICE).map(|row| row.id.0);
            let rest = last.map(|last| if descending { range.start..last } else { last + 1..range.end });
            let mine = rows.into_iter().filter(|row| listing.caller.may_touch(row.runs_as));
            Ok::<_, ReadError>((mine.collect::<Vec<_>>(), rest))
        };
        let (found, rest) = blocking(read).await?;
        let numbers: Vec<DagRunId> = found.iter().map(|row| row.id).collect();
        let held = move |room: &Room| -> HashMap<DagRunId, RunRow> {
            numbers.into_iter().filter_map(|run| Some((run, room.row(run)?))).collect()
        };
        let mut held = self.handle.look(held).await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in found {
            let row = match held.remove(&row.id) {
                None if !row.state().is_over() => runs::current(&self.handle, row.id).await?, // it ended in between
                now => Some(now.unwrap_or(row)),
            };
            rows.extend(row.filter(|row| self.filter.admits(row)));
        }
        Ok((rows, rest))
    }

    /// The newest so many below a number, the oldest of them first.
    async fn newest(self: &Arc<Listing>, before: u64, limit: usize) -> Result<Vec<RunRow>, Failure> {
        let (mut rows, mut rest) = (Vec::new(), Some(0..before));
        while let Some(range) = rest.take().filter(|_| rows.len() < limit) {
            let (found, left) = self.slice(range, true).await?;
            rows.extend(found);
            rest = left;
        }
        rows.truncate(limit);
        rows.reverse();
        Ok(rows)
    }

    /// A list too long for one piece, of which the first rows are here.
    fn stream(self: Arc<Listing>, rows: Vec<RunRow>, rest: Option<Range<u64>>) -> Reply {
        let opened = !rows.is_empty();
        let first = text(&rows, false);
        let more = stream::unfold((self, rest, opened), |(listing, rest, opened)| async move {
            let (rows, rest) = match listing.slice(rest?, false).await {
                Ok(found) => found,
                Err(why) => return Some((Err(io::Error::other(format!("{why:?}"))), (listing, None, opened))),
            };
            let piece = text(&rows, opened);
            Some((piece, (listing, rest, opened || !rows.is_empty())))
        });
        let bracket = |text: &'static str| stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
        let body = bracket("[").chain(stream::iter([first])).chain(more).chain(bracket("]"));
        Reply::stream("application/json", body)
    }
}

/// Lines with commas between them, and one before them where `opened`.
fn text(rows: &[RunRow], opened: bool) -> io::Result<Bytes> {
    let mut out = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        if opened || place > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut out, &wire::line(row)).map_err(io::Error::other)?;
    }
    Ok(out.into())
}

/// What a specification says of the run as a whole.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    executor: Option<Value>,
    on_failure: Option<Value>,
    max_parallel: Option<Value>,
    priority: Option<Value>,
    user: Option<Value>,
}

/// `GET /v1/dagrun/{run}/summary`
pub async fn summary(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let row = runs::row(&handle, &cx).await?;
    let (reader, run) = (handle.tools.store.reader(), row.id);
    let read = move || {
        let text = records::text(&reader, run)?;
        // It was accepted, so it can be read; should it not, the rest is still worth telling.
        Ok::<_, ReadError>(text.and_then(|text| serde_json::from_str::<Options>(&text).ok()).unwrap_or_default())
    };
    let options = blocking(read).await?;
    let mut summary = wire::summary(&row);
    summary.insert("options".into(), serde_json::to_value(&options).map_err(Failure::internal)?);
    Ok(Reply::json(&summary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::wire::tests::{at, row};

    fn filter(query: &str) -> Filter {
        Filter::parse(&Query::parse(query), at(0)).unwrap()
    }

    fn in_state(state: State) -> RunRow {
        let mut row = row();
        row.history.push(StateChange { at: at(5), state });
        row
    }

    #[test]
    fn completed_runs_are_listed_on_request() {
        let (done, failed) = (in_state(State::Completed), in_state(State::Errored));
        for query in ["", "all=0", "all=no", "all", "all=2"] {
            assert!(!filter(query).admits(&done) && filter(query).admits(&failed), "{query}");
        }
        for query in ["all=1", "all=true", "all=YES", "state=completed,errored"] {
            assert!(filter(query).admits(&done) && filter(query).admits(&failed), "{query}");
        }
        assert!(!filter("all=1&state=completed").admits(&failed));
    }

    #[test]
    fn tags_are_compared_exactly() {
        assert!(filter("tag=tiles").admits(&row()));
        assert!(!filter("tag=Tiles").admits(&row()));
        assert!(!filter("tag=").admits(&row()));
    }

    #[test]
    fn a_moment_has_three_spellings() {
        let now = at(0);
        assert_eq!(moment(&wire::ns(at(-7)), now).unwrap(), at(-7));
        assert_eq!(moment("2h", now).unwrap(), at(-7_200_000_000_000));
        assert_eq!(moment("90", now).unwrap(), at(-90_000_000_000));
        assert_eq!(moment("2024-11-07T17:21:40Z", now).unwrap(), now);
        assert_eq!(moment("soon", now).unwrap_err().status().as_u16(), 400);
        assert!(filter("since=1h").admits(&row()));
        let later = Filter { since: Some(at(8_000_000_000)), ..filter("") };
        assert!(!later.admits(&row()));
    }

    #[test]
    fn an_unknown_state_is_named() {
        let why = Filter::parse(&Query::parse("state=running,done"), at(0)).unwrap_err();
        assert_eq!(why.status().as_u16(), 400);
        assert!(why.message().contains("\"done\""), "{}", why.message());
    }

    #[test]
    fn pieces_of_a_list_make_one() {
        let pieces = [text(&[row()], false), text(&[], true), text(&[row(), row()], true)];
        let all: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.unwrap().to_vec()).collect();
        let read: Vec<Value> = serde_json::from_str(&format!("[{}]", String::from_utf8(all).unwrap())).unwrap();
        assert_eq!(read, vec![Value::from(wire::line(&row())); 3]);
    }

    #[test]
    fn options_are_read_without_the_rest() {
        let text = r#"{"tag":"t","tasks":{"a":{"job":{}}},"priority":3,"onFailure":"stop"}"#;
        let options: Options = serde_json::from_str(text).unwrap();
        assert_eq!((options.priority, options.on_failure, options.user), (Some(3.into()), Some("stop".into()), None));
    }
}
