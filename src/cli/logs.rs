//! `logs`: what tasks have said, and what they say as they say it.

use crate::base::{Now, Wall};
use crate::cli::client::{Call, CallError, Client, Pieces};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{Out, plain};
use crate::cli::watch::patiently;
use crate::cli::{Session, tasks};
use chrono::{SecondsFormat, TimeDelta};
use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::{self, SelectAll};
use serde_json::json;

/// Show what tasks have written to their outputs
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler logs web
  hostler logs -n 20 -f web db
  hostler logs --since 15m 'worker-*'
  hostler logs --since 2026-01-31T06:00:00Z --stderr web

Several names are told apart by a prefix. With --json each line is an object. A log that is followed
goes on when the daemon has been away.")]
pub(super) struct Logs {
    /// Then show what comes, as it comes; end it with Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many lines
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u64>,
    /// Only since then: an RFC 3339 time, or how long ago (15m, 2h)
    #[arg(long, value_name = "T", value_parser = since)]
    since: Option<String>,
    /// Only this run, by its number (see `hostler why NAME`)
    #[arg(long, value_name = "R")]
    run: Option<u64>,
    /// Only this replica
    #[arg(long, value_name = "INDEX")]
    replica: Option<u32>,
    /// Only standard output, of a task with split output
    #[arg(long, conflicts_with = "stderr")]
    stdout: bool,
    /// Only standard error, of a task with split output
    #[arg(long)]
    stderr: bool,
    /// Names or globs
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// A time as the API takes it: RFC 3339.
fn since(text: &str) -> Result<String, String> {
    if chrono::DateTime::parse_from_rfc3339(text).is_ok() {
        return Ok(text.to_owned());
    }
    let ago = crate::base::duration::parse(text).map_err(|_| {
        format!("\"{text}\" is not a time: expected 2026-01-31T06:00:00Z, or how long ago, such as 15m")
    })?;
    let ago = chrono::TimeDelta::from_std(ago).map_err(|_| format!("\"{text}\" is too long ago"))?;
    let then = crate::base::Now::read().wall.checked_sub_signed(ago).ok_or(format!("\"{text}\" is too long ago"))?;
    Ok(then.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}

impl Logs {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let names = tasks::resolve(&mut at.client, &self.names).await?;
        let many = names.len() > 1;
        let mut printers = Vec::new();
        let mut sources = SelectAll::new();
        for (place, name) in names.iter().enumerate() {
            let tail = Tail::open(at.client.another(), self.call(name)).await;
            let mut tail = tail.map_err(|error| match tasks::is_unknown(&error) {
                true => tasks::unknown(name),
                false => Problem::from(error),
            })?;
            let mut printer = Printer::new(name, many, at.out.clone());
            if self.follow {
                sources.push(Box::pin(stream::unfold(Some(tail), move |tail| numbered(place, tail))));
                printers.push(printer);
                continue;
            }
            // One after the other: whole logs are not to be mixed.
            while let Heard::Bytes(bytes) = tail.piece().await? {
                printer.show(&bytes)?;
            }
            printer.end()?;
        }
        while let Some((place, piece)) = sources.next().await {
            let Some(printer) = printers.get_mut(place) else { continue };
            match piece? {
                Heard::Bytes(bytes) => printer.show(&bytes)?,
                Heard::Gap => {
                    printer.end()?;
                    at.out.aside("the daemon is back; the last seconds before that may be shown twice");
                }
                Heard::End => printer.end()?,
            }
        }
        Ok(Exit::Done)
    }

    fn call(&self, name: &str) -> Call {
        let stream = match (self.stdout, self.stderr) {
            (true, _) => Some("stdout"),
            (_, true) => Some("stderr"),
            _ => None,
        };
        Call::get("/proc/log")
            .query("name", name)
            .maybe("replica", self.replica)
            .maybe("stream", stream)
            .maybe("lines", self.lines)
            .maybe("since", self.since.as_ref())
            .maybe("run", self.run)
            .maybe("follow", self.follow.then_some(1))
    }
}

/// What a followed log has to say.
pub(super) enum Heard {
    /// This.
    Bytes(bytes::Bytes),
    /// The connection was lost and made again.
    Gap,
    /// Nothing more.
    End,
}

/// A followed log, across lost connections.
pub(super) struct Tail {
    client: Client,
    call: Call,
    /// When something last came.
    heard: Wall,
    pieces: Pieces,
}

impl Tail {
    /// Asks for a log.
    pub(super) async fn open(client: Client, call: Call) -> Result<Tail, CallError> {
        let pieces = client.open(call.clone()).await?;
        Ok(Tail { client, call, heard: Now::read().wall, pieces })
    }

    /// What comes next on this connection.
    pub(super) async fn piece(&mut self) -> Result<Heard, CallError> {
        let bytes = self.pieces.next().await?;
        self.heard = Now::read().wall;
        Ok(bytes.map_or(Heard::End, Heard::Bytes))
    }

    /// What comes next, on another connection when this one is lost.
    pub(super) async fn next(&mut self) -> Result<Heard, CallError> {
        match self.piece().await {
            Err(error) if error.is_passing() => {}
            heard => return heard,
        }
        // The log knows its times to the second: rather some lines twice than one not at all.
        let since = self.heard - TimeDelta::seconds(1);
        let call = self.call.clone().query("since", since.to_rfc3339_opts(SecondsFormat::Micros, true));
        self.pieces = patiently(async || self.client.open(call.clone()).await).await?;
        Ok(Heard::Gap)
    }
}

type Numbered = (usize, Result<Heard, CallError>);

/// What one of several logs says next, with its number, up to and with its end.
async fn numbered(place: usize, tail: Option<Tail>) -> Option<(Numbered, Option<Tail>)> {
    let mut tail = tail?;
    let heard = tail.next().await;
    let more = matches!(heard, Ok(Heard::Bytes(_) | Heard::Gap));
    Some(((place, heard), more.then_some(tail)))
}

/// Writes one task's log: as it is, or line by line where lines get a prefix or become JSON.
pub(super) struct Printer {
    name: String,
    prefix: Option<String>,
    out: Out,
    /// A line that has not ended yet.
    rest: Vec<u8>,
}

impl Printer {
    pub(super) fn new(name: &str, many: bool, out: Out) -> Printer {
        let prefix = many.then(|| format!("{} | ", plain(name)));
        Printer { name: name.to_owned(), prefix, out, rest: Vec::new() }
    }

    pub(super) fn show(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if self.prefix.is_none() && !self.out.json() {
            return self.out.bytes(bytes);
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.rest);
                self.line(&line)?;
            }
        }
        Ok(())
    }

    /// A last line without its line break is shown all the same.
    pub(super) fn end(&mut self) -> Result<(), Problem> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() { Ok(()) } else { self.line(&rest) }
    }

    fn line(&self, line: &[u8]) -> Result<(), Problem> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if self.out.json() {
            return self.out.record(&json!({ "name": self.name, "line": String::from_utf8_lossy(line) }));
        }
        let prefix = self.prefix.as_deref().unwrap_or_default();
        self.out.bytes(&[prefix.as_bytes(), line, b"\n"].concat())
    }
}
