//! `GET /v1/dagrun/{run}`: everything there is to tell of a run, written as it is read. Neither the definitions of a
//! million tasks nor the output of one are ever held whole.

use super::engine::{Handle, Stream as Which, file_of};
use super::machine::View;
use super::model::*;
use super::{escape, records, runs, wire};
use crate::http::{Cx, Failure, Reply};
use crate::logs::{Logs, Selection, Stem};
use crate::store::Reader;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Tasks that are written at once.
const SLICE: usize = 1_000;

/// The task that no comma stands before.
const FIRST: TaskId = TaskId { group: 0, index: 0 };

type Piece = io::Result<Bytes>;

/// `GET /v1/dagrun/{run}`
pub async fn run(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let view = Arc::new(runs::view(&handle, &cx).await?);
    let output = !matches!(cx.query.get("logs"), Some("0" | "false" | "no"));
    let row = &view.row;
    let head = format!(r#"{{"runID":{},"tag":{},"tasks":{{"#, row.id, serde_json::Value::from(row.tag.as_str()));
    let tail = format!(r#"}},"dagStateChanges":{}}}"#, wire::history(row));
    let logs = handle.tools.logs.clone();
    let attempts = Attempts { reader: handle.tools.store.reader(), handle, output };

    let body = once(head)
        .chain(sliced(view.clone(), definitions))
        .chain(once(r#"},"taskStates":{"#))
        .chain(sliced(view.clone(), states))
        .chain(once(r#"},"taskAttempts":{"#))
        .chain(
            sliced(view, move |view, tasks| attempts.parts(view, tasks))
                .map_ok(move |parts| {
                    stream::iter(parts).flat_map({
                        let logs = logs.clone();
                        move |part| part.pieces(&logs)
                    })
                })
                .try_flatten(),
        )
        .chain(once(tail));
    Ok(Reply::stream("application/json", body))
}

fn once(text: impl Into<Bytes>) -> impl Stream<Item = Piece> + Send {
    stream::iter([Ok(text.into())])
}

/// What `make` makes of all tasks of a run, slice by slice, each where it keeps nobody waiting.
fn sliced<T: Send + 'static>(
    view: Arc<View>,
    make: impl Fn(&View, &[TaskId]) -> io::Result<T> + Send + Sync + 'static,
) -> impl Stream<Item = io::Result<T>> + Send {
    let make = Arc::new(make);
    stream::try_unfold(Some(FIRST), move |from| {
        let (view, make) = (view.clone(), make.clone());
        async move {
            let Some(from) = from else { return Ok(None) };
            let slice = move || {
                let mut tasks: Vec<TaskId> = runs::tasks_from(&view, from).take(SLICE + 1).collect();
                let next = if tasks.len() > SLICE { tasks.pop() } else { None };
                Ok(Some((make(&view, &tasks)?, next)))
            };
            tokio::task::spawn_blocking(slice).await.map_err(io::Error::other)?
        }
    })
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

fn definitions(view: &View, tasks: &[TaskId]) -> io::Result<Bytes> {
    let mut out = Vec::new();
    for task in tasks {
        key(view, *task, &mut out)?;
        put(&wire::definition(view, *task).map_err(io::Error::other)?, &mut out)?;
    }
    Ok(out.into())
}

fn states(view: &View, tasks: &[TaskId]) -> io::Result<Bytes> {
    let mut out = Vec::new();
    for task in tasks {
        key(view, *task, &mut out)?;
        put(&runs::state(view, *task).word(), &mut out)?;
    }
    Ok(out.into())
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

/// Where attempts come from, and whether with their output.
struct Attempts {
    handle: Handle,
    reader: Reader,
    output: bool,
}

impl Attempts {
    /// The attempts of these tasks, which follow one another.
    fn parts(&self, view: &View, tasks: &[TaskId]) -> io::Result<Vec<Part>> {
        let run = view.row.id;
        let (Some(first), Some(last)) = (tasks.first(), tasks.last()) else { return Ok(Vec::new()) };
        let read = records::attempts_from(&self.reader, run, *first);
        let within = read.take_while(|read| read.as_ref().map_or(true, |(task, _)| task <= last));
        let read: BTreeMap<_, _> = within.collect::<Result<_, _>>().map_err(io::Error::other)?;
        let file = |slot, stream| file_of(&self.handle, run, slot, stream);
        let mut text = Text { parts: Vec::new(), open: Vec::new() };
        for task in tasks {
            key(view, *task, &mut text.open)?;
            text.attempts(read.get(task).map(Vec::as_slice).unwrap_or_default(), self.output, &file)?;
        }
        Ok(text.end())
    }
}

/// Parts that become one text.
struct Text {
    parts: Vec<Part>,
    /// What the next part of text has so far.
    open: Vec<u8>,
}

impl Text {
    fn attempts(
        &mut self,
        attempts: &[(u32, Attempt)],
        output: bool,
        file: &impl Fn(crate::base::RunId, Which) -> io::Result<Stem>,
    ) -> io::Result<()> {
        self.open.push(b'[');
        for (place, (_, attempt)) in attempts.iter().enumerate() {
            if place > 0 {
                self.open.push(b',');
            }
            self.open.extend_from_slice(wire::attempt_start(attempt).as_bytes());
            for (stream, kept, behind) in [
                (Which::Output, &attempt.output, wire::ERROR_LOG.to_owned()),
                (Which::Errors, &attempt.errors, wire::attempt_rest(attempt)),
            ] {
                match (kept, attempt.slot) {
                    (Kept::Here(bytes), _) if output => escape::whole(bytes, &mut self.open),
                    (Kept::File(length), Some(slot)) if output => {
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

    fn parts(attempts: &[Attempt], output: bool) -> Vec<Part> {
        let attempts: Vec<_> = (1..).zip(attempts.iter().cloned()).collect();
        let mut text = Text { parts: Vec::new(), open: Vec::new() };
        let file = |slot, _| Stem::new(&format!("dag/4/{slot}.err")).map_err(io::Error::other);
        text.attempts(&attempts, output, &file).unwrap();
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
    fn an_attempt_without_a_slot_has_no_file() {
        let parts = parts(&[Attempt { slot: None, ..attempt() }], true);
        assert!(matches!(parts.as_slice(), [Part::Text(_)]), "{parts:?}");
    }
}
