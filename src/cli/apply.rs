//! `apply`: files say what there is to be; only what differs is touched.

use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{plain, word};
use crate::cli::{Session, tasks};
use clap::Args;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Make the tasks what files say they are; restarts only what changed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler apply tasks.toml --dry-run
  hostler apply web.json workers.toml
  generate-tasks | hostler apply -

A file holds one task, a list of tasks, or {\"tasks\": [...]}, in JSON or TOML ([[tasks]]). The fields
are those of POST /proc. With --prune, tasks that no file names are stopped and forgotten.")]
pub(super) struct Apply {
    /// Files in JSON or TOML; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// Remove the tasks that no file names
    #[arg(long)]
    prune: bool,
}

impl Apply {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut wanted = Vec::new();
        for file in &self.files {
            wanted.extend(definitions(file, &read(file)?)?);
        }
        let superfluous = match self.prune {
            true => superfluous(&wanted, tasks::all(&mut at.client).await?.into_iter().map(|(name, _)| name)),
            false => Vec::new(),
        };
        let call = Call::post("/proc/apply").maybe("dry_run", self.dry_run.then_some(1)).body(&Value::Array(wanted));
        let answer = at.client.data(call).await?;
        let mut changes = answer.get("changes").and_then(Value::as_array).cloned().unwrap_or_default();
        for name in superfluous {
            if !self.dry_run {
                at.client.ask(Call::delete("/proc").query("name", &name)).await?;
            }
            changes.push(json!({ "name": name, "action": "removed", "fields": [] }));
        }
        if at.out.json() {
            at.out.value(&json!({ "dry_run": self.dry_run, "changes": changes }))?;
            return Ok(Exit::Done);
        }
        for (name, unknown) in changes.iter().flat_map(unknown) {
            at.out.aside(&plain(&format!("{name}: no field is called \"{unknown}\"; it is kept and has no effect")));
        }
        let rows: Vec<Vec<String>> = changes.iter().map(row).collect();
        at.out.table(&["NAME", if self.dry_run { "WOULD BE" } else { "IS" }, "FIELDS"], &rows)?;
        Ok(Exit::Done)
    }
}

fn row(change: &Value) -> Vec<String> {
    let field = |key: &str| change.get(key).map(word).unwrap_or_default();
    let fields = change.get("fields").and_then(Value::as_array).into_iter().flatten().map(word);
    vec![field("name"), field("action"), fields.collect::<Vec<_>>().join(" ")]
}

/// The fields that nothing reads, misspelt ones for instance, each with the task's name.
fn unknown(change: &Value) -> impl Iterator<Item = (String, String)> + '_ {
    let name = change.get("name").map(word).unwrap_or_default();
    let fields = change.get("unknown").and_then(Value::as_array).into_iter().flatten().map(word);
    fields.map(move |field| (name.clone(), field))
}

/// What exists and is not wanted.
fn superfluous(wanted: &[Value], known: impl Iterator<Item = String>) -> Vec<String> {
    let wanted: HashSet<&str> = wanted.iter().filter_map(|task| task.get("name")?.as_str()).collect();
    known.filter(|name| !wanted.contains(name.as_str())).collect()
}

fn read(file: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text).map(|_| text),
        false => std::fs::read_to_string(file),
    };
    read.map_err(|error| Problem::Misuse(format!("cannot read {}: {error}", shown(file))))
}

fn shown(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() }
}

/// The tasks a file holds. Whether they make sense is for the daemon to say.
pub(super) fn definitions(file: &Path, text: &str) -> Result<Vec<Value>, Problem> {
    let wrong = |why: String| Problem::Misuse(format!("{}: {why}", shown(file)));
    let toml = |text: &str| toml::from_str::<Value>(text).map_err(|error| wrong(error.to_string()));
    let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| wrong(error.to_string()));
    let value = match file.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => toml(text)?,
        Some("json") => json(text)?,
        // JSON begins with a bracket; a TOML document that does holds a table, whose bracket is followed by a name.
        _ => json(text).or_else(|error| if text.trim_start().starts_with('{') { Err(error) } else { toml(text) })?,
    };
    let expected = "expected a task, a list of tasks, or {\"tasks\": [...]}";
    let tasks = match value {
        Value::Array(tasks) => tasks,
        Value::Object(mut fields) => match fields.remove("tasks") {
            Some(Value::Array(tasks)) if fields.is_empty() => tasks,
            Some(Value::Array(_)) => {
                let others = fields.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(wrong(format!("what is \"{others}\" beside \"tasks\"? {expected}")));
            }
            Some(_) => return Err(wrong(expected.to_owned())),
            None => vec![Value::Object(fields)],
        },
        _ => return Err(wrong(expected.to_owned())),
    };
    match tasks.iter().position(|task| !task.get("name").is_some_and(Value::is_string)) {
        Some(place) => Err(wrong(format!("task {} has no name: {expected}", place + 1))),
        None => Ok(tasks),
    }
}
