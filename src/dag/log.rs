//! `GET /v1/dagrun/{run}/task/{task}/log`: what an attempt said or is saying, in pieces as they are read.

use super::engine::{Handle, Stream as Which, file_of};
use super::listing;
use super::machine::Room;
use super::model::*;
use super::{escape, records, runs};
use crate::base::RunId;
use crate::http::{Cx, Failure, Reply, Sse, blocking};
use crate::logs::Selection;
use bytes::Bytes;
use chrono::Utc;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use hyper::header::ACCEPT;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// Bytes in pieces.
pub(super) type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// An attempt of which there is output to read.
#[derive(Clone)]
pub(super) struct Source {
    pub run: DagRunId,
    pub task: TaskId,
    pub number: u32,
    pub of: Of,
}

/// Whether it still writes.
#[derive(Clone)]
pub(super) enum Of {
    /// In this slot.
    Live(RunId),
    /// No longer.
    Ended(Box<Attempt>),
}

/// `GET /v1/dagrun/{run}/task/{task}/log`
pub async fn log(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let streams = match cx.query.get("stream") {
        None | Some("both") => vec![Which::Output, Which::Errors],
        Some("stdout") => vec![Which::Output],
        Some("stderr") => vec![Which::Errors],
        Some(_) => return Err(runs::bad("stream: expected stdout, stderr or both")),
    };
    let as_json = match cx.query.get("format") {
        None => accepts(&cx, "application/json"),
        Some("text") => false,
        Some("json") => true,
        Some(_) => return Err(runs::bad("format: expected text or json")),
    };
    let since = cx.query.get("since").map(|text| listing::moment(text, Utc::now())).transpose()?;
    let last_lines = cx.number("lines")?;
    let selection = Selection { since, last_lines, follow: cx.query.flag("follow"), ..Selection::default() };
    let attempt = cx.number("attempt")?;

    let (view, task) = runs::task(&handle, &cx).await?;
    let source = find(&handle, view.row.id, task, attempt).await?.ok_or_else(|| {
        let name = runs::name(&view, task);
        runs::not_found(match attempt {
            Some(number) => format!("task {name} of run {} has no attempt {number}", view.row.id),
            None => format!("task {name} of run {} has no attempt yet", view.row.id),
        })
    })?;
    let pieces = all(&handle, &source, &streams, selection)?;
    if accepts(&cx, "text/event-stream") {
        return Ok(Reply::sse(events(pieces)));
    }
    if as_json {
        let name = cx.query.get("stream").unwrap_or("both");
        let head = format!(r#"{{"attempt":{},"stream":"{name}","text":""#, source.number);
        let body = once(head).chain(escape::stream(pieces)).chain(once(r#""}"#));
        return Ok(Reply::stream("application/json", body));
    }
    Ok(Reply::stream("text/plain; charset=utf-8", pieces))
}

/// Pieces as events: what ends one may be half a character, whose rest comes with the next.
fn events(pieces: Pieces) -> impl Stream<Item = Sse> + Send {
    let texts = escape::texts(pieces).take_while(|text| std::future::ready(text.is_ok()));
    texts.filter_map(|text| async move {
        let data = text.ok().filter(|text| !text.is_empty())?;
        Some(Sse { id: None, event: Some("output".to_owned()), data })
    })
}

fn accepts(cx: &Cx, content_type: &str) -> bool {
    let accept = cx.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains(content_type))
}

fn once(bytes: impl Into<Bytes>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::iter([Ok(bytes.into())])
}

/// The attempt of this number; without one, that which runs or else the last.
pub(super) async fn find(
    handle: &Handle,
    run: DagRunId,
    task: TaskId,
    wanted: Option<u32>,
) -> Result<Option<Source>, Failure> {
    let live = handle
        .look(move |room| {
            let live = room.attempt(run, task).filter(|live| !live.ended);
            live.map(|live| (live.number, live.slot))
                .filter(|(number, _)| wanted.is_none_or(|wanted| wanted == *number))
        })
        .await?;
    if let Some((number, slot)) = live {
        return Ok(Some(Source { run, task, number, of: Of::Live(slot) }));
    }
    let ended = recorded(handle, run, task, wanted).await?;
    Ok(ended.map(|(number, attempt)| Source { run, task, number, of: Of::Ended(Box::new(attempt)) }))
}

/// The ended attempt of this number, else the last one.
async fn recorded(
    handle: &Handle,
    run: DagRunId,
    task: TaskId,
    wanted: Option<u32>,
) -> Result<Option<(u32, Attempt)>, Failure> {
    handle.settled().await; // what had ended a moment ago is in the store after this
    let reader = handle.tools.store.reader();
    let attempts = blocking(move || records::attempts(&reader, run, task)).await?;
    Ok(attempts.into_iter().rfind(|(number, _)| wanted.is_none_or(|wanted| wanted == *number)))
}

/// The streams of an attempt one after the other; of one that is followed, side by side.
pub(super) fn all(
    handle: &Handle,
    source: &Source,
    streams: &[Which],
    selection: Selection,
) -> Result<Pieces, Failure> {
    let end = match source.of {
        Of::Live(slot) if selection.follow => Some(end_of(handle, source.run, source.task, slot)),
        Of::Live(_) | Of::Ended(_) => None,
    };
    let pieces = |stream: &Which| match &source.of {
        Of::Ended(attempt) => ended(handle, source.run, attempt, *stream, &selection, None),
        Of::Live(slot) => {
            let selection = Selection { done: end.clone(), ..selection.clone() };
            live(handle, source, *slot, *stream, selection)
        }
    };
    let mut each = streams.iter().map(pieces).collect::<io::Result<Vec<_>>>().map_err(Failure::internal)?;
    Ok(match end {
        _ if each.len() == 1 => each.remove(0),
        Some(_) => stream::select_all(each).boxed(),
        None => stream::iter(each).flatten().boxed(),
    })
}

/// What an ended attempt wrote to a stream, as far as it is selected; behind `from`, if some of it was given before.
fn ended(
    handle: &Handle,
    run: DagRunId,
    attempt: &Attempt,
    stream: Which,
    selection: &Selection,
    from: Option<u64>,
) -> io::Result<Pieces> {
    let kept = match stream {
        Which::Output => &attempt.output,
        Which::Errors => &attempt.errors,
    };
    match (kept, attempt.slot) {
        (Kept::Here(bytes), _) => {
            let late = selection.since.is_some_and(|since| attempt.stop < since);
            let bytes = match from {
                Some(from) => bytes.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default(),
                None if late => &[],
                None => tail(bytes, selection.last_lines),
            };
            Ok(once(Bytes::copy_from_slice(bytes)).boxed())
        }
        (Kept::File(_), None) => Ok(stream::empty().boxed()),
        (Kept::File(length), Some(slot)) => {
            let whole = Selection { to: Some(*length), follow: false, done: None, ..selection.clone() };
            let rest = |from| Selection { from: Some(from), to: Some(*length), ..Selection::default() };
            let stem = file_of(run, slot, stream)?;
            Ok(handle.tools.logs.read(&stem, from.map_or(whole, rest)).boxed())
        }
    }
}

/// What a live attempt has written and, followed, what it will. Should it end meanwhile, its file may be gone before
/// all of it was read; then the record has the rest.
fn live(handle: &Handle, source: &Source, slot: RunId, stream: Which, selection: Selection) -> io::Result<Pieces> {
    let stem = file_of(source.run, slot, stream)?;
    let reached = Arc::new(AtomicU64::new(0));
    let (seen, handle, source) = (reached.clone(), handle.clone(), source.clone());
    let pieces = handle.tools.logs.pieces(&stem, selection.clone()).map_ok(move |piece| {
        seen.store(piece.offset + piece.bytes.len() as u64, Ordering::Relaxed);
        piece.bytes
    });
    let rest = stream::once(async move {
        let found = recorded(&handle, source.run, source.task, Some(source.number)).await;
        let Some((_, attempt)) = found.map_err(|why| io::Error::other(format!("{why:?}")))? else {
            return Ok(stream::empty().boxed());
        };
        let from = Some(reached.load(Ordering::Relaxed)).filter(|reached| *reached > 0);
        ended(&handle, source.run, &attempt, stream, &selection, from)
    });
    Ok(pieces.chain(rest.try_flatten()).boxed())
}

/// The last so many lines; a last line without its newline counts.
fn tail(bytes: &[u8], lines: Option<usize>) -> &[u8] {
    let Some(lines) = lines else { return bytes };
    let length: usize = bytes.split_inclusive(|byte| *byte == b'\n').rev().take(lines).map(<[u8]>::len).sum();
    bytes.get(bytes.len() - length..).unwrap_or_default()
}

/// Ends followers when the attempt does: its sender is dropped then. An attempt that ends before the listening begins is
/// found by looking once more.
fn end_of(handle: &Handle, run: DagRunId, task: TaskId, slot: RunId) -> watch::Receiver<Option<u64>> {
    let (end, seen) = watch::channel(None);
    let mut news = handle.tools.bus.listen(None);
    let handle = handle.clone();
    tokio::spawn(async move {
        let lives = move |room: &Room| room.attempt(run, task).is_some_and(|live| live.slot == slot && !live.ended);
        while handle.look(lives).await.unwrap_or(false) {
            loop {
                let events = tokio::select! {
                    events = news.next() => events,
                    () = end.closed() => return, // nobody reads any more
                };
                // Missed or not: the room itself is asked again.
                if events.is_err() || events.is_ok_and(|events| events.iter().any(|event| runs::concerns(event, run))) {
                    break;
                }
            }
        }
    });
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_event_never_ends_within_a_character() {
        let pieces = [b"a\xe2".as_slice(), b"\x82\xac\n", b""].map(|piece| Ok(Bytes::from_static(piece)));
        let told: Vec<String> = events(stream::iter(pieces).boxed()).map(|event| event.data).collect().await;
        assert_eq!(told, ["a", "€\n"]);
    }

    #[test]
    fn the_last_lines_of_a_short_text() {
        assert_eq!(tail(b"a\nb\nc", None), b"a\nb\nc");
        assert_eq!(tail(b"a\nb\nc", Some(2)), b"b\nc");
        assert_eq!(tail(b"a\nb\n", Some(1)), b"b\n");
        assert_eq!(tail(b"a\nb\n", Some(0)), b"");
        assert_eq!(tail(b"", Some(9)), b"");
    }
}
