//! The tables of a task_tracker, as `psql \copy TABLE TO 'TABLE.csv' CSV HEADER` writes them: columns by name in any
//! order, `t` and `f`, bytes as `\x…`, nothing for NULL. Rows become the JSON that the daemon's import takes.

use crate::base::hex;
use crate::cli::exit::Problem;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use csv::{Reader, ReaderBuilder, StringRecord};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// A table as a file; one that is not there has no rows.
pub(super) struct Table {
    file: String,
    columns: HashMap<String, usize>,
    rows: Option<Reader<Box<dyn std::io::Read>>>,
}

/// A row, with the line it stands on.
#[derive(Debug)]
pub(super) struct Row<'a> {
    columns: &'a HashMap<String, usize>,
    cells: StringRecord,
    /// Of the file, from 1.
    pub(super) line: u64,
}

impl Table {
    /// Opens `NAME.csv` in a directory.
    ///
    /// # Errors
    /// It is there and cannot be read, or lacks one of the `needed` columns.
    pub(super) fn open(directory: &Path, name: &str, needed: &[&str]) -> Result<Table, Problem> {
        let path = directory.join(format!("{name}.csv"));
        match File::open(&path) {
            Ok(file) => Table::read(&format!("{name}.csv"), Box::new(file), needed),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Table { file: format!("{name}.csv"), columns: HashMap::new(), rows: None })
            }
            Err(error) => Err(Problem::Misuse(format!("cannot read {}: {error}", path.display()))),
        }
    }

    fn read(file: &str, from: Box<dyn std::io::Read>, needed: &[&str]) -> Result<Table, Problem> {
        let mut rows = ReaderBuilder::new().flexible(true).from_reader(from);
        let header = rows.headers().map_err(|error| Problem::Misuse(format!("{file}: {error}")))?;
        let columns: HashMap<String, usize> =
            header.iter().enumerate().map(|(at, name)| (name.trim().to_ascii_lowercase(), at)).collect();
        if let Some(missing) = needed.iter().find(|name| !columns.contains_key(**name)) {
            let why = format!("{file} has no column \"{missing}\": was it written with CSV HEADER?");
            return Err(Problem::Misuse(why));
        }
        Ok(Table { file: file.to_owned(), columns, rows: Some(rows) })
    }

    /// The file's name.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Whether the file is there.
    pub(super) fn exists(&self) -> bool {
        self.rows.is_some()
    }

    /// The next row; the error says what is wrong with one, and the rows after it can still be read.
    pub(super) fn next(&mut self) -> Option<Result<Row<'_>, (u64, String)>> {
        let rows = self.rows.as_mut()?;
        let mut cells = StringRecord::new();
        let read = rows.read_record(&mut cells);
        let line = cells.position().map_or_else(|| rows.position().line(), csv::Position::line);
        match read {
            Ok(true) => Some(Ok(Row { columns: &self.columns, cells, line })),
            Ok(false) => None,
            Err(error) if error.is_io_error() => {
                self.rows = None;
                Some(Err((line, error.to_string())))
            }
            Err(error) => Some(Err((line, error.to_string()))),
        }
    }
}

impl Row<'_> {
    /// A cell as text; empty where it is NULL, or the column is not there.
    fn text(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|at| self.cells.get(*at)).unwrap_or_default()
    }

    /// A cell as a whole number; none where it is NULL.
    pub(super) fn number(&self, column: &str) -> Result<Option<i64>, String> {
        match self.text(column) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| format!("{column}: expected a whole number, not \"{text}\"")),
        }
    }

    fn id(&self, column: &str) -> Result<i64, String> {
        let id = self.number(column)?.filter(|id| *id > 0);
        id.ok_or_else(|| format!("{column}: expected a number above 0"))
    }

    fn real(&self, column: &str) -> Result<f64, String> {
        match self.text(column) {
            "" => Ok(0.0),
            // Infinity is what some wrote for "without a limit".
            text => text
                .parse::<f64>()
                .ok()
                .filter(|number| !number.is_nan())
                .map(|number| number.clamp(-f64::MAX, f64::MAX))
                .ok_or_else(|| format!("{column}: expected a number, not \"{text}\"")),
        }
    }

    fn flag(&self, column: &str) -> Result<bool, String> {
        match self.text(column) {
            "t" | "true" => Ok(true),
            "f" | "false" | "" => Ok(false),
            other => Err(format!("{column}: expected t or f, not \"{other}\"")),
        }
    }

    /// Bytes as PostgreSQL writes them, as base64.
    fn bytes(&self, column: &str, length: usize) -> Result<String, String> {
        let expected = || format!("{column}: expected {length} bytes as \\x and hex digits");
        let digits = self.text(column).strip_prefix("\\x").ok_or_else(expected)?;
        let bytes = hex::read(digits).filter(|bytes: &Vec<u8>| bytes.len() == length);
        Ok(STANDARD.encode(bytes.ok_or_else(expected)?))
    }

    /// `manager`
    pub(super) fn manager(&self) -> Result<Value, String> {
        Ok(json!({
            "id": self.id("id")?,
            "username": self.text("username"),
            "register_time": self.number("register_time")?.unwrap_or(0),
            "tracker_admin": self.flag("tracker_admin")?,
            "sha512": self.bytes("password", 64)?,
        }))
    }

    /// `worker`
    pub(super) fn worker(&self) -> Result<Value, String> {
        Ok(json!({
            "id": self.id("id")?,
            "alias": self.text("alias"),
            "created": self.number("created")?.unwrap_or(0),
            "secret": self.bytes("secret", 32)?,
            "closed": self.number("closed_task_count")?.unwrap_or(0).max(0),
            "paused": self.flag("paused")?,
        }))
    }

    /// `project`, and the number of the project it is chained to.
    pub(super) fn project(&self) -> Result<(Value, Option<i64>), String> {
        let project = json!({
            "id": self.id("id")?,
            "name": self.text("name"),
            "priority": self.number("priority")?.unwrap_or(0),
            "clone_url": self.text("clone_url"),
            "git_repo": self.text("git_repo"),
            "version": self.text("version"),
            "motd": self.text("motd"),
            "public": self.flag("public")?,
            "hidden": self.flag("hidden")?,
            "paused": self.flag("paused")?,
            "assign_rate": self.real("assign_rate")?,
            "submit_rate": self.real("submit_rate")?,
            "secret": self.text("secret"),
            "webhook_secret": self.text("webhook_secret"),
            "closed": self.number("closed_task_count")?.unwrap_or(0).max(0),
        });
        Ok((project, self.number("chain")?.filter(|chain| *chain != 0)))
    }

    /// `manager_has_role_on_project`
    pub(super) fn role(&self) -> Result<Value, String> {
        Ok(json!({
            "manager": self.id("manager")?,
            "project": self.id("project")?,
            "role": self.number("role")?.unwrap_or(0),
        }))
    }

    /// `worker_access`
    pub(super) fn access(&self) -> Result<Value, String> {
        Ok(json!({
            "worker": self.id("worker")?,
            "project": self.id("project")?,
            "assign": self.flag("role_assign")?,
            "submit": self.flag("role_submit")?,
            "request": self.flag("request")?,
        }))
    }

    /// `task`, without its votes.
    pub(super) fn task(&self) -> Result<Value, String> {
        Ok(json!({
            "id": self.id("id")?,
            "project": self.id("project")?,
            "recipe": self.text("recipe"),
            "priority": self.number("priority")?.unwrap_or(0),
            "max_retries": self.number("max_retries")?.unwrap_or(0),
            "max_assign_time": self.number("max_assign_time")?.unwrap_or(0),
            "verification_count": self.number("verification_count")?.unwrap_or(0),
            "hash": self.number("hash64")?.unwrap_or(0),
            "status": self.number("status")?.unwrap_or(1),
            "retries": self.number("retries")?.unwrap_or(0),
            "assignee": self.number("assignee")?,
            "assign_time": self.number("assign_time")?,
        }))
    }

    /// `worker_verifies_task`: which task, which worker, what it came to.
    pub(super) fn vote(&self) -> Result<(i64, i64, i64), String> {
        Ok((self.id("task")?, self.id("worker")?, self.number("verification_hash")?.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &'static str, needed: &[&str]) -> Result<Table, Problem> {
        Table::read("t.csv", Box::new(text.as_bytes()), needed)
    }

    #[test]
    fn rows_are_read_by_the_names_of_their_columns() {
        let secret = "00ff".repeat(16);
        let text: &'static str = Box::leak(
            format!("paused,id,alias,created,secret,unknown\nt,7,\"a \"\"b\"\", c\",1700000000,\\x{secret},x\n")
                .into_boxed_str(),
        );
        let mut workers = table(text, &["id", "secret"]).unwrap();
        let row = workers.next().unwrap().unwrap();
        assert_eq!(row.line, 2);
        let worker = row.worker().unwrap();
        let expected = json!({ "id": 7, "alias": "a \"b\", c", "created": 1_700_000_000, "closed": 0, "paused": true,
            "secret": STANDARD.encode([0, 0xff].repeat(16)) });
        assert_eq!(worker, expected);
        assert!(workers.next().is_none());
    }

    #[test]
    fn what_is_wrong_is_told_by_its_column_and_the_rest_is_read() {
        let text = "id,project,recipe,hash64\n1,2,\"two\nlines\",\n0,2,x,\n3,2,x,soon\n4,2,x,-9\n";
        let mut tasks = table(text, &["id"]).unwrap();
        let mut told = Vec::new();
        while let Some(row) = tasks.next() {
            let row = row.unwrap();
            told.push((row.line, row.task().map(|task| (task["recipe"].clone(), task["hash"].clone()))));
        }
        assert_eq!(
            told,
            [
                (2, Ok((json!("two\nlines"), json!(0)))),
                (4, Err("id: expected a number above 0".to_owned())),
                (5, Err("hash64: expected a whole number, not \"soon\"".to_owned())),
                (6, Ok((json!("x"), json!(-9)))),
            ]
        );
    }

    #[test]
    fn bytes_are_exactly_as_many_as_there_must_be() {
        for bad in ["", "\\x", "\\x00", "00112233", "\\x0011223g", "\\x+0112233", "\\x00112ä3"] {
            let text: &'static str = Box::leak(format!("b\n\"{bad}\"\n").into_boxed_str());
            let mut rows = table(text, &[]).unwrap();
            assert!(rows.next().unwrap().unwrap().bytes("b", 4).is_err(), "{bad}");
        }
        let mut rows = table("b\n\\x00112233\n", &[]).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().bytes("b", 4), Ok(STANDARD.encode([0, 0x11, 0x22, 0x33])));
    }

    #[test]
    fn a_table_without_a_header_or_a_file_is_told_or_empty() {
        let why = table("1,2,3\n", &["id"]).err().unwrap().to_string();
        assert!(why.contains("t.csv has no column \"id\""), "{why}");
        let mut none = Table::open(Path::new("/nonexistent"), "task", &["id"]).unwrap();
        assert!(!none.exists() && none.next().is_none());
    }
}
