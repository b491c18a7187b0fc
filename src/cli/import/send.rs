//! Rows on their way to the daemon: so many at a time, with what became of each.

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::Problem;
use crate::cli::watch::patiently;
use serde_json::{Value, json};

/// Rows in one request.
const MOST: usize = 1000;
/// Bytes in one request; a single row may be larger.
const BYTES: usize = 900 << 10;

/// What became of the rows of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Rows that were read.
    pub(super) read: u64,
    /// Those that are there now and were not before.
    pub(super) imported: u64,
    /// Those that were there already, just so.
    pub(super) same: u64,
    /// Those that cannot be read, or that the daemon does not take.
    pub(super) refused: u64,
}

/// A row that waits to be sent: what it is, where it stands, and its number.
struct Waiting {
    line: u64,
    id: i64,
}

/// The way of one kind of rows.
pub(super) struct Sender<'a> {
    kind: &'static str,
    file: &'a str,
    rows: Vec<Value>,
    waiting: Vec<Waiting>,
    bytes: usize,
    dry: bool,
    /// What became of them so far.
    pub(super) tally: Tally,
    /// The numbers of those that were not taken.
    pub(super) lost: Vec<i64>,
}

impl<'a> Sender<'a> {
    /// For rows of this kind, in the word of the API; `dry` ones are only counted.
    pub(super) fn new(kind: &'static str, file: &'a str, dry: bool) -> Sender<'a> {
        Sender {
            kind,
            file,
            rows: Vec::new(),
            waiting: Vec::new(),
            bytes: 0,
            dry,
            tally: Tally::default(),
            lost: Vec::new(),
        }
    }

    /// A row that is not to be sent: why.
    pub(super) fn refuse(&mut self, at: &Session, line: u64, why: &str) -> Result<(), Problem> {
        self.tally.refused += 1;
        if at.out.json() {
            return at.out.record(&json!({ "file": self.file, "line": line, "error": why }));
        }
        at.out.line(&crate::cli::out::plain(&format!("{}:{line}: {why}", self.file)))
    }

    /// A row to be sent, by and by.
    pub(super) async fn push(&mut self, at: &mut Session, line: u64, id: i64, row: Value) -> Result<(), Problem> {
        if self.dry {
            return Ok(());
        }
        let bytes = row.to_string().len();
        if self.rows.len() >= MOST || self.bytes + bytes > BYTES {
            self.flush(at).await?;
        }
        self.bytes += bytes;
        self.rows.push(row);
        self.waiting.push(Waiting { line, id });
        Ok(())
    }

    /// Sends what waits.
    pub(super) async fn flush(&mut self, at: &mut Session) -> Result<(), Problem> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let body = json!({ self.kind: std::mem::take(&mut self.rows) });
        let call = Call::post("/hostler/v1/import/tracker").body(&body).patient();
        // A row that is there already is the same row: it can be sent again.
        let client = &mut at.client;
        let answer = patiently(async || client.ask(call.clone()).await).await?;
        let results = answer.get(self.kind).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (place, row) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            match results.get(place).and_then(Value::as_str) {
                Some("imported") => self.tally.imported += 1,
                Some("same") => self.tally.same += 1,
                _ => {
                    let why = results.get(place).and_then(|result| result.get("refused")?.as_str());
                    self.lost.push(row.id);
                    self.refuse(at, row.line, why.unwrap_or("the daemon says nothing about it"))?;
                }
            }
        }
        Ok(())
    }
}
