//! What processes said: today's text of each replica, and the log with its ranges, in pieces as they are read.

use super::engine::Handle;
use super::launch::Place;
use super::machine::Task;
use super::model::*;
use super::{history, routes};
use crate::base::{RunId, Wall};
use crate::http::{Cx, ErrorStatus, Failure, Reply, Sse};
use crate::logs::{Logs, Selection, Stem};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use hyper::header::ACCEPT;
use std::io;
use tokio::sync::watch;

/// A line that has not ended after this many bytes is passed on as it is.
const LINE_MAX: usize = 64 << 10;

/// The files of a task, by alias.
struct Files {
    aliases: Vec<(String, Place)>,
}

fn files(task: &Task) -> Files {
    let definition = task.definition();
    let place = |replica| Place::of_task(task, replica);
    let replicas = 0..definition.replica.get();
    Files { aliases: replicas.map(|replica| (task.name().alias(replica), place(replica))).collect() }
}

async fn files_of(handle: &Handle, cx: &Cx) -> Result<Files, Failure> {
    let name = routes::name(cx)?;
    let caller = cx.caller.clone();
    let found = handle
        .look(move |room| {
            let task = room.task(name.as_str()).filter(|task| caller.may_touch(task.runs_as()));
            task.map(files)
        })
        .await?;
    found.ok_or_else(routes::missing)
}

/// `/proc/output`: alias → base64 of what was written since midnight, UTC. Nothing of it is held whole.
pub async fn today(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let files = files_of(&handle, &cx).await?;
    let logs = handle.tools.logs.clone();
    let now = Utc::now();
    let members = stream::iter(files.aliases.into_iter().enumerate()).flat_map(move |(index, (alias, place))| {
        let comma = if index == 0 { "" } else { "," };
        let key = serde_json::Value::from(alias).to_string();
        let open = Bytes::from(format!("{comma}{key}:\""));
        let logs = logs.clone();
        let bytes = stream::iter(place.stems().collect::<Vec<_>>())
            .flat_map(move |stem| logs.read(&stem, Selection::today(now)).boxed());
        once(open).chain(base64_of(bytes)).chain(once(Bytes::from_static(b"\"")))
    });
    let head = once(Bytes::from_static(br#"{"code":200,"msg":"OK","data":{"#));
    let body = head.chain(members).chain(once(Bytes::from_static(b"}}")));
    Ok(Reply::stream("application/json", body))
}

fn once(bytes: Bytes) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::iter([Ok(bytes)])
}

/// The pieces as one base64 text. Three bytes make four letters, so up to two wait for the next piece.
fn base64_of(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let state = (Box::pin(pieces), Vec::new(), false);
    stream::unfold(state, |(mut pieces, mut rest, over)| async move {
        if over {
            return None;
        }
        match pieces.next().await {
            Some(Ok(piece)) => {
                rest.extend_from_slice(&piece);
                let whole = rest.len() - rest.len() % 3;
                let text = STANDARD.encode(&rest[..whole]);
                rest.drain(..whole);
                Some((Ok(Bytes::from(text)), (pieces, rest, false)))
            }
            Some(Err(why)) => Some((Err(why), (pieces, rest, true))),
            None => Some((Ok(Bytes::from(STANDARD.encode(&rest))), (pieces, rest, true))),
        }
    })
}

/// `GET /proc/log`: text, or one event a piece where the client accepts an event stream.
pub async fn log(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let run = cx.number::<u64>("run")?.map(RunId);
    let replica = cx.number::<u32>("replica")?;
    let lines = cx.number::<usize>("lines")?;
    let since = cx.query.get("since").map(moment).transpose()?;
    let follow = cx.query.flag("follow");
    let stream = match cx.query.get("stream") {
        None => None,
        Some("stdout") => Some(false),
        Some("stderr") => Some(true),
        Some(_) => return Err(bad("stream: expected stdout or stderr")),
    };

    let base = Selection { last_lines: lines, since, follow, ..Selection::default() };
    let mut sources = Vec::new();
    if let Some(run) = run {
        let found = history::find(&handle, &cx, run).await?.ok_or_else(|| bad("run: the task has no such run"))?;
        let place = Place::of_run(found.incarnation, found.replica, found.from);
        let end = if follow && found.to.is_none() { Some(end_of(&handle, run)) } else { None };
        for (stem, is_err) in chosen(&place, stream)? {
            let of = |offsets: Offsets| if is_err { offsets.err } else { Some(offsets.out) };
            let from = found.from.and_then(of).unwrap_or(0);
            let done = end.as_ref().map(|end| end.clone().of(is_err));
            let selection = Selection { run: Some((from, found.to.and_then(of))), done, ..base.clone() };
            sources.push((String::new(), stem, selection));
        }
    } else {
        let files = files_of(&handle, &cx).await?;
        let wanted = |place: &Place| replica.is_none_or(|replica| place.replica == replica);
        for (alias, place) in files.aliases.into_iter().filter(|(_, place)| wanted(place)) {
            for (stem, _) in chosen(&place, stream)? {
                sources.push((alias.clone(), stem, base.clone()));
            }
        }
        if sources.is_empty() {
            return Err(bad("replica: the task has no such replica"));
        }
    }
    let pieces = merged(&handle.tools.logs, sources, follow);
    if accepts_events(&cx) {
        let events = pieces.take_while(|piece| std::future::ready(piece.is_ok())).filter_map(|piece| async move {
            let data = String::from_utf8_lossy(&piece.ok()?).into_owned();
            Some(Sse { id: None, event: Some("output".to_owned()), data })
        });
        return Ok(Reply::sse(events));
    }
    Ok(Reply::stream("text/plain; charset=utf-8", pieces))
}

fn bad(message: &str) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "bad_query", message)
}

fn accepts_events(cx: &Cx) -> bool {
    let accept = cx.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// RFC 3339, or how long ago.
fn moment(text: &str) -> Result<Wall, Failure> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let ago = humantime::parse_duration(text).ok().and_then(|ago| chrono::TimeDelta::from_std(ago).ok());
    ago.and_then(|ago| Utc::now().checked_sub_signed(ago))
        .ok_or_else(|| bad("since: expected a time such as 2026-03-01T12:00:00Z, or how long ago, such as 5m"))
}

/// The wanted files of a place, and whether each is standard error.
fn chosen(place: &Place, stream: Option<bool>) -> Result<Vec<(Stem, bool)>, Failure> {
    let all = place.out().map(|stem| (stem, false)).into_iter().chain(place.err().map(|stem| (stem, true)));
    let wanted: Vec<_> = all.filter(|(_, is_err)| stream.is_none_or(|stream| stream == *is_err)).collect();
    if wanted.is_empty() { Err(bad("stream: stderr has a file of its own only with split_output")) } else { Ok(wanted) }
}

/// The sources one after the other; followed, side by side. With more than one, each line says whose it is.
fn merged(logs: &Logs, sources: Vec<(String, Stem, Selection)>, follow: bool) -> BoxStream<'static, io::Result<Bytes>> {
    let many = sources.len() > 1 && sources.iter().any(|(alias, ..)| !alias.is_empty());
    let mut streams: Vec<_> = sources
        .into_iter()
        .map(|(alias, stem, selection)| {
            let pieces = logs.read(&stem, selection);
            if many { labelled(alias, pieces).boxed() } else { pieces.boxed() }
        })
        .collect();
    match (streams.len(), follow) {
        (1, _) => streams.remove(0),
        (_, true) => stream::select_all(streams).boxed(),
        (_, false) => stream::iter(streams).flatten().boxed(),
    }
}

/// Whole lines, each behind its label.
fn labelled(
    alias: String,
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    // Nothing in a name may look like the end of a line.
    let alias: String = alias.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let label = format!("{alias} | ").into_bytes();
    let state = (Box::pin(pieces), Vec::new(), label, false);
    stream::unfold(state, |(mut pieces, mut rest, label, over)| async move {
        if over {
            return None;
        }
        let (text, over) = match pieces.next().await {
            Some(Err(why)) => return Some((Err(why), (pieces, rest, label, true))),
            Some(Ok(piece)) => {
                rest.extend_from_slice(&piece);
                let ended = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                let whole = if ended == 0 && rest.len() > LINE_MAX { rest.len() } else { ended };
                let tail = rest.split_off(whole);
                (std::mem::replace(&mut rest, tail), false)
            }
            None => (std::mem::take(&mut rest), true),
        };
        let mut out = Vec::with_capacity(text.len() + label.len());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            out.extend_from_slice(&label);
            out.extend_from_slice(line);
        }
        if over && out.last().is_some_and(|last| *last != b'\n') {
            out.push(b'\n');
        }
        Some((Ok(Bytes::from(out)), (pieces, rest, label, over)))
    })
}

/// The offsets at which a live run's output will have ended.
#[derive(Clone)]
struct EndOf {
    out: watch::Receiver<Option<u64>>,
    err: watch::Receiver<Option<u64>>,
}

impl EndOf {
    fn of(self, is_err: bool) -> watch::Receiver<Option<u64>> {
        if is_err { self.err } else { self.out }
    }
}

/// Listens for the run's end. A run that ends before the listening begins is found by looking once more.
fn end_of(handle: &Handle, run: RunId) -> EndOf {
    let (out, out_seen) = watch::channel(None);
    let (err, err_seen) = watch::channel(None);
    let mut listener = handle.tools.bus.listen(None);
    let handle = handle.clone();
    tokio::spawn(async move {
        while handle.look(move |room| room.run(run).is_some_and(|run| run.is_live())).await.unwrap_or(false) {
            let events = tokio::select! {
                events = listener.next() => events,
                () = async { tokio::join!(out.closed(), err.closed()); } => break, // nobody reads any more
            };
            // Missed or not: the room itself is asked again.
            let Ok(events) = events else { continue };
            let ended = events
                .iter()
                .find(|event| event.kind == "proc.run.exited" && event.data["run"].as_u64() == Some(run.0));
            if let Some(event) = ended {
                let log = &event.data["log"];
                out.send_replace(log["to"].as_u64());
                err.send_replace(log["err"]["to"].as_u64());
                break;
            }
        }
        // Dropping the senders ends the follow where the log then ends.
    });
    EndOf { out: out_seen, err: err_seen }
}
