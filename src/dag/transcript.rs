//! `GET /v1/dagrun/{run}`: everything there is to tell of a run, written as it is read. Neither the definitions of a
//! million tasks nor the output of one are ever held whole.

use super::engine::{Handle, Stream as Which, file_of};
use super::machine::View;
use super::model::*;
use super::{escape, records, runs, wire};
use crate::http::{Cx, Failure, Reply, blocking};
use crate::logs::{Logs, Selection, Stem};
use crate::store::Reader;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use serde::Serialize;
use std::io;
use std::sync::Arc;

/// Tasks that are written at once …
const SLICE: usize = 1_000;
/// … unless this many bytes are reached before: one definition may be megabytes.
const ENOUGH: usize = 256 << 10;

/// The task that no comma stands before.
const FIRST: TaskId = TaskId { group: 0, index: 0 };

type Piece = io::Result<Bytes>;

/// `GET /v1/dagrun/{run}`
pub async fn run(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let view = Arc::new(runs::view(&handle, &cx).await?);
    let row = &view.row;
    let head = format!(r#"{{"runID":{},"tag":{},"tasks":{{"#, row.id, serde_json::Value::from(row.tag.as_str()));
    let tail = format!(r#"}},"dagStateChanges":{}}}"#, wire::history(row));
    let logs = handle.tools.logs.clone();
    let told = Told { output: wants_output(&cx), details: false };
    let attempts = Attempts { reader: handle.tools.store.reader(), told };

    let body = once(head)
        .chain(sliced(view.clone(), definitions))
        .chain(once(r#"},"taskStates":{"#))
        .chain(sliced(view.clone(), states))
        .chain(once(r#"},"taskAttempts":{"#))
        .chain(
            sliced(view, move |view, from| attempts.parts(view, from))
                .map_ok(move |parts| whole(parts, &logs))
                .try_flatten(),
        )
        .chain(once(tail));
    Ok(Reply::stream("application/json", body))
}

fn wants_output(cx: &Cx) -> bool {
    !matches!(cx.query.get("logs"), Some("0" | "false" | "no"))
}

/// `GET /v1/dagrun/{run}/task/{task}/attempts`
pub async fn attempts(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let (view, task) = runs::task(&handle, &cx).await?;
    let (run, logs) = (view.row.id, handle.tools.logs.clone());
    let told = Told { output: wants_output(&cx), details: true };
    let attempts = Attempts { reader: handle.tools.store.reader(), told };
    let read = move || -> io::Result<_> {
        let mut text = Text::default();
        attempts.tell(run, &records::attempts(&attempts.reader, run, task).map_err(io::Error::other)?, &mut text)?;
        Ok(text.end())
    };
    let parts = blocking(read).await?;
    Ok(Reply::stream("application/json", whole(parts, &logs)))
}

/// Parts one after the other, files as they are read.
fn whole(parts: Vec<Part>, logs: &Logs) -> impl Stream<Item = Piece> + Send + use<> {
    let logs = logs.clone();
    stream::iter(parts).flat_map(move |part| part.pieces(&logs))
}

fn once(text: impl Into<Bytes>) -> impl Stream<Item = Piece> + Send {
    stream::iter([Ok(text.into())])
}

/// What `make` makes of all tasks of a run, slice by slice, each where it keeps nobody waiting. It says where the next
/// slice begins.
fn sliced<T: Send + 'static>(
    view: Arc<View>,
    make: impl Fn(&View, TaskId) -> io::Result<(T, Option<TaskId>)> + Send + Sync + 'static,
) -> impl Stream<Item = io::Result<T>> + Send {
    let make = Arc::new(make);
    stream::try_unfold(Some(FIRST), move |from| {
        let (view, make) = (view.clone(), make.clone());
        async move {
            let Some(from) = from else { return Ok(None) };
            let slice = move || make(&view, from).map(Some);
            tokio::task::spawn_blocking(slice).await.map_err(io::Error::other)?
        }
    })
}

/// The next members of an object of tasks, and which task they leave for later.
fn members(
    view: &View,
    from: TaskId,
    value: impl Fn(TaskId, &mut Vec<u8>) -> io::Result<()>,
) -> io::Result<(Bytes, Option<TaskId>)> {
    let mut out = Vec::new();
    for (place, task) in runs::tasks_from(view, from).enumerate() {
        if place == SLICE || out.len() >= ENOUGH {
            return Ok((out.into(), Some(task)));
        }
        key(view, task, &mut out)?;
        value(task, &mut out)?;
    }
    Ok((out.into(), None))
}

/// The key of a task's member, with the comma before it.
fn key(view: &View, task: TaskId, out: &mut Vec<u8>) -> io::Result<()> {
    if task != FIRST {
        out.push(b',');
    }
    put(&runs::name(view, task), out)?;
    out.push(b':');
    Ok(())
}

fn put(value: &impl Serialize, out: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(out, value).map_err(io::Error::other)
}

fn definitions(view: &View, from: TaskId) -> io::Result<(Bytes, Option<TaskId>)> {
    members(view, from, |task, out| put(&wire::definition(view, task).map_err(io::Error::other)?, out))
}

fn states(view: &View, from: TaskId) -> io::Result<(Bytes, Option<TaskId>)> {
    members(view, from, |task, out| put(&runs::state(view, task).word(), out))
}

/// A part of the attempts: text, or the output of one, to be escaped.
#[derive(Debug, PartialEq)]
enum Part {
    Text(Vec<u8>),
    File { stem: Stem, length: u64 },
}

impl Part {
    fn pieces(self, logs: &Logs) -> BoxStream<'static, Piece> {
        match self {
            Part::Text(text) => once(text).boxed(),
            Part::File { stem, length } => {
                let selection = Selection { to: Some(length), ..Selection::default() };
                escape::stream(logs.read(&stem, selection)).boxed()
            }
        }
    }
}

/// Where attempts come from, and how they are told.
struct Attempts {
    reader: Reader,
    told: Told,
}

/// How attempts are told.
#[derive(Clone, Copy)]
struct Told {
    /// With their output.
    output: bool,
    /// Not only with the keys of a run's record.
    details: bool,
}

impl Attempts {
    /// The attempts of the next tasks, and which task they leave for later.
    fn parts(&self, view: &View, from: TaskId) -> io::Result<(Vec<Part>, Option<TaskId>)> {
        let run = view.row.id;
        let mut read = records::attempts_from(&self.reader, run, from).peekable();
        let mut text = Text::default();
        for (place, task) in runs::tasks_from(view, from).enumerate() {
            if place == SLICE || text.length() >= ENOUGH {
                return Ok((text.end(), Some(task)));
            }
            key(view, task, &mut text.open)?;
            let of_task = read.next_if(|read| read.as_ref().map_or(true, |(of, _)| *of == task)).transpose();
            let attempts = of_task.map_err(io::Error::other)?.map(|(_, attempts)| attempts).unwrap_or_default();
            self.tell(run, &attempts, &mut text)?;
        }
        Ok((text.end(), None))
    }

    fn tell(&self, run: DagRunId, attempts: &[(u32, Attempt)], text: &mut Text) -> io::Result<()> {
        text.attempts(attempts, self.told, &|slot, stream| file_of(run, slot, stream))
    }
}

/// Parts that become one text.
#[derive(Default)]
struct Text {
    parts: Vec<Part>,
    /// How long the texts among them are together.
    closed: usize,
    /// What the next part of text has so far.
    open: Vec<u8>,
}

impl Text {
    /// How long it is so far, files left out.
    fn length(&self) -> usize {
        self.closed + self.open.len()
    }

    fn attempts(
        &mut self,
        attempts: &[(u32, Attempt)],
        Told { output, details }: Told,
        file: &impl Fn(crate::base::RunId, Which) -> io::Result<Stem>,
    ) -> io::Result<()> {
        self.open.push(b'[');
        for (place, (number, attempt)) in attempts.iter().enumerate() {
            if place > 0 {
                self.open.push(b',');
            }
            let more = if details { wire::attempt_details(*number, attempt) } else { String::new() };
            self.open.extend_from_slice(wire::attempt_start(attempt).as_bytes());
            for (stream, kept, behind) in [
                (Which::Output, &attempt.output, wire::ERROR_LOG.to_owned()),
                (Which::Errors, &attempt.errors, wire::attempt_rest(attempt, &more)),
            ] {
                match (kept, attempt.slot) {
                    (Kept::Here(bytes), _) if output => escape::whole(bytes, &mut self.open),
                    (Kept::File(length), Some(slot)) if output => {
                        self.closed += self.open.len();
                        self.parts.push(Part::Text(std::mem::take(&mut self.open)));
                        self.parts.push(Part::File { stem: file(slot, stream)?, length: *length });
                    }
                    _ => {}
                }
                self.open.extend_from_slice(behind.as_bytes());
            }
        }
        self.open.push(b']');
        Ok(())
    }

    fn end(mut self) -> Vec<Part> {
        self.parts.push(Part::Text(self.open));
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::wire::tests::{attempt, view};
    use serde_json::{Value, json};

    #[tokio::test]
    async fn slices_make_one_object_with_all_tasks() {
        let values: Vec<String> = (0..SLICE).map(|value| value.to_string()).collect();
        let task = json!({ "job": { "command": ["{{P}}"] } });
        let view = view(&json!({
            "tag": "t", "parameters": { "P": values }, "tasks": { "a": task, "b": task, "c": { "job": { "command": ["c"] } } },
        }));
        let view = Arc::new(view);
        let all = |stream: BoxStream<'static, Piece>| async {
            let pieces: Vec<Bytes> = stream.map(Result::unwrap).collect().await;
            assert_eq!(pieces.len(), 3, "two thousand tasks and one more");
            serde_json::from_slice::<Value>(&[b"{", pieces.concat().as_slice(), b"}"].concat()).unwrap()
        };
        let tasks = all(sliced(view.clone(), definitions).boxed()).await;
        let states = all(sliced(view, states).boxed()).await;
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!((keys(&tasks), keys(&tasks).len()), (keys(&states), 2 * SLICE + 1));
        assert_eq!(tasks["b_999"]["job"]["command"], json!(["999"]));
        assert_eq!(states["c_0"], "QUEUED");
    }

    #[tokio::test]
    async fn a_slice_ends_when_it_is_long_enough() {
        let values: Vec<String> = (0..20).map(|value| value.to_string()).collect();
        let script = format!("{{{{P}}}}{}", "x".repeat(100 << 10));
        let view = view(&json!({
            "tag": "t", "parameters": { "P": values }, "tasks": { "a": { "job": { "command": ["sh", "-c", script] } } },
        }));
        let pieces: Vec<Bytes> = sliced(Arc::new(view), definitions).map(Result::unwrap).collect().await;
        assert!(pieces.iter().all(|piece| piece.len() < 2 * ENOUGH), "of twenty times 100 KiB");
        let whole: Value = serde_json::from_slice(&[b"{", pieces.concat().as_slice(), b"}"].concat()).unwrap();
        assert_eq!(whole.as_object().unwrap().len(), 20);
    }

    fn parts(attempts: &[Attempt], output: bool) -> Vec<Part> {
        told(attempts, Told { output, details: false })
    }

    fn told(attempts: &[Attempt], told: Told) -> Vec<Part> {
        let attempts: Vec<_> = (1..).zip(attempts.iter().cloned()).collect();
        let mut text = Text::default();
        let file = |slot, _| Stem::new(&format!("dag/4/{slot}.err")).map_err(io::Error::other);
        text.attempts(&attempts, told, &file).unwrap();
        text.end()
    }

    #[test]
    fn a_file_stands_in_the_middle_of_its_attempt() {
        let parts = parts(&[attempt()], true);
        let [Part::Text(before), Part::File { stem, length }, Part::Text(behind)] = parts.as_slice() else {
            panic!("{parts:?}")
        };
        assert_eq!((stem.as_str(), *length), ("dag/4/9.err", 20 << 20));
        let whole: Value = serde_json::from_slice(&[before.as_slice(), b"x", behind].concat()).unwrap();
        assert_eq!((&whole[0]["outputLog"], &whole[0]["errorLog"]), (&json!("north\n"), &json!("x")));
    }

    #[test]
    fn without_output_it_is_one_text() {
        let parts = parts(&[attempt(), attempt()], false);
        let [Part::Text(text)] = parts.as_slice() else { panic!("{parts:?}") };
        let whole: Value = serde_json::from_slice(text).unwrap();
        assert_eq!(whole.as_array().unwrap().len(), 2);
        assert_eq!(
            (&whole[1]["outputLog"], &whole[1]["errorLog"], &whole[1]["rc"]),
            (&json!(""), &json!(""), &json!(7))
        );
    }

    #[test]
    fn of_one_task_attempts_are_told_with_more() {
        let parts = told(&[attempt()], Told { output: false, details: true });
        let [Part::Text(text)] = parts.as_slice() else { panic!("{parts:?}") };
        let whole: Value = serde_json::from_slice(text).unwrap();
        assert_eq!(
            (&whole[0]["rc"], &whole[0]["number"], &whole[0]["outcome"]),
            (&json!(7), &json!(1), &json!("errored"))
        );
        assert_eq!(whole[0]["usage"]["userSeconds"], json!(0.25));
    }

    #[test]
    fn an_attempt_without_a_slot_has_no_file() {
        let parts = parts(&[Attempt { slot: None, ..attempt() }], true);
        assert!(matches!(parts.as_slice(), [Part::Text(_)]), "{parts:?}");
    }
}
