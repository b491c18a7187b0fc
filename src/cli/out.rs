//! Standard output: tables on a terminal, aligned text in a pipe, JSON where asked; and how a command's end is told.

use crate::cli::exit::{Exit, Problem};
use comfy_table::{ContentArrangement, LineStyle, Table, presets};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Where a verb says what it has to say. Clones are the same place.
#[derive(Clone)]
pub(super) struct Out {
    to: Arc<Mutex<dyn Write + Send>>,
    json: bool,
    terminal: bool,
}

impl Out {
    /// Standard output.
    pub(super) fn standard(json: bool) -> Out {
        Out { to: Arc::new(Mutex::new(io::stdout())), json, terminal: io::stdout().is_terminal() }
    }

    /// A buffer that a test looks into.
    #[cfg(test)]
    pub(super) fn buffer(to: Arc<Mutex<Vec<u8>>>, json: bool, terminal: bool) -> Out {
        Out { to, json, terminal }
    }

    /// Plain text into anything.
    #[cfg(test)]
    pub(super) fn writing(to: Arc<Mutex<dyn Write + Send>>) -> Out {
        Out { to, json: false, terminal: false }
    }

    /// Whether the answer is to be JSON.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Bytes as they are, at once.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Result<(), Problem> {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to.write_all(bytes).and_then(|()| to.flush()).map_err(Problem::Output)
    }

    /// One line of text.
    pub(super) fn line(&self, text: &str) -> Result<(), Problem> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// One JSON value: indented for eyes, on one line for programs.
    pub(super) fn value(&self, value: &Value) -> Result<(), Problem> {
        self.line(&if self.terminal { format!("{value:#}") } else { value.to_string() })
    }

    /// One JSON value of many, always on one line.
    pub(super) fn record(&self, value: &Value) -> Result<(), Problem> {
        self.line(&value.to_string())
    }

    /// Rows under their headings; what a name may contain cannot move the cursor.
    pub(super) fn table(&self, head: &[&str], rows: &[Vec<String>]) -> Result<(), Problem> {
        let rows = rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect::<Vec<_>>());
        if self.terminal {
            let mut table = Table::new();
            table
                .load_style(presets::NOTHING.header_separator(LineStyle::none().fill('─').junction('─')))
                .set_content_arrangement(ContentArrangement::Disabled);
            table.set_header(head);
            table.add_rows(rows);
            return self.line(&table.to_string());
        }
        let head = head.iter().map(|word| (*word).to_owned()).collect();
        self.bytes(aligned(std::iter::once(head).chain(rows).collect()).as_bytes())
    }

    /// Says on standard error what is not part of the answer.
    pub(super) fn aside(&self, text: &str) {
        // Nobody is left to be told when this fails.
        let _ = writeln!(io::stderr(), "hostler: {text}");
    }

    /// Tells how the command ended, and with which code.
    pub(super) fn finish(&mut self, outcome: Result<Exit, Problem>) -> ExitCode {
        let exit = match outcome {
            Ok(exit) => exit,
            Err(problem) => {
                let exit = problem.exit();
                if !problem.is_quiet() {
                    self.failure(&problem.to_string(), exit);
                }
                exit
            }
        };
        ExitCode::from(exit.code())
    }

    /// Says on standard error why something was not done.
    pub(super) fn failure(&self, why: &str, exit: Exit) {
        if self.json {
            let _ = writeln!(io::stderr(), "{}", json!({ "error": why, "exit": exit.code() }));
        } else {
            // A syntax error points into the text it is about, on lines of its own.
            self.aside(&why.lines().map(plain).collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Columns side by side, two blanks between, nothing behind the last.
fn aligned(rows: Vec<Vec<String>>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The text without anything that a terminal would act on.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// An object as lines `key  value`, one level of nesting written as `key.key`.
pub(super) fn fields(value: &Value) -> Vec<Vec<String>> {
    fn gather(prefix: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    gather(&name, value, rows);
                }
            }
            Value::Null => {}
            Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
                rows.push(vec![prefix.to_owned(), items.iter().map(word).collect::<Vec<_>>().join(" ")]);
            }
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    gather(&format!("{prefix}.{place}"), item, rows);
                }
            }
            other => rows.push(vec![prefix.to_owned(), word(other)]),
        }
    }
    let mut rows = Vec::new();
    gather("", value, &mut rows);
    rows
}

/// A value as a cell: texts without quotes, nothing for null.
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
