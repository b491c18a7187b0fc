//! `dag show`: a run and its tasks, or one task and its attempts.

use super::answer::{Counts, cell, moment, of_run, of_task, text, time};
use crate::base::Now;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{fields, plain, word};
use crate::cli::{Session, tasks};
use clap::Args;
use serde_json::{Value, json};

/// So many tasks are asked for at once.
const PAGE: usize = 1_000;
/// So many are shown of a big run, unless all are wanted.
const FIRST: usize = 100;

/// Show a run and its tasks, or one task
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag show 7
  hostler dag show 7 --state errored
  hostler dag show 7 --all --json | jq .taskStates
  hostler dag show 7 pack_3

With --json the run is told as the API tells it, attempts included, their output left out; so is a
task, with its state and its attempts.")]
pub(super) struct Show {
    /// The run's number
    #[arg(value_name = "RUN")]
    run: u64,
    /// One of its tasks: what it is, and its attempts
    #[arg(value_name = "TASK", conflicts_with_all = ["state", "all"])]
    task: Option<String>,
    /// Only tasks in this state: queued, running, retry, errored, killed, completed
    #[arg(long, value_name = "S")]
    state: Option<String>,
    /// All tasks, of a big run too
    #[arg(short, long)]
    all: bool,
}

impl Show {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match &self.task {
            Some(task) => show_task(at, self.run, task).await?,
            None if at.out.json() && self.state.is_none() => {
                let mut pieces = at.client.open(Call::get(&of_run(self.run, "")).query("logs", 0)).await?;
                while let Some(bytes) = pieces.next().await? {
                    at.out.bytes(&bytes)?;
                }
                at.out.bytes(b"\n")?;
            }
            None => self.show_run(at).await?,
        }
        Ok(Exit::Done)
    }

    async fn show_run(&self, at: &mut Session) -> Result<(), Problem> {
        if !at.out.json() {
            let run = at.client.ask(Call::get(&of_run(self.run, "/summary"))).await?;
            head(at, &run)?;
        }
        let mut rows = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let call = Call::get(&of_run(self.run, "/tasks"))
                .maybe("state", self.state.as_ref())
                .query("limit", if self.all { PAGE } else { FIRST })
                .maybe("after", after.as_ref());
            let page = at.client.ask(call).await?;
            let listed = page.get("tasks").and_then(Value::as_array).into_iter().flatten();
            if at.out.json() {
                listed.into_iter().try_for_each(|task| at.out.record(task))?;
            } else {
                rows.extend(listed.map(row));
            }
            after = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if after.is_none() || !self.all {
                break;
            }
        }
        if !at.out.json() {
            at.out.table(&["TASK", "STATE", "ATTEMPTS", "STARTED", "TOOK", "RC", "REMARK"], &rows)?;
        }
        if after.is_some() {
            at.out.aside(&format!("these are the first {FIRST} tasks: --all shows all of them"));
        }
        Ok(())
    }
}

/// The run itself, as lines of `key  value`.
fn head(at: &Session, run: &Value) -> Result<(), Problem> {
    let now = Now::read().wall;
    let changed = moment(run.get("lastUpdate")).map(|then| format!("{} ago", tasks::age(then, now)));
    let origin = match run.get("origin") {
        Some(Value::Object(origin)) => origin
            .iter()
            .map(|(key, value)| if key == "due" { time(&json!({ "due": value }), "due") } else { word(value) })
            .collect::<Vec<_>>()
            .join(" "),
        other => other.map(word).unwrap_or_default(),
    };
    let lines = [
        ("run", cell(run, "runID")),
        ("tag", cell(run, "tag")),
        ("state", cell(run, "state")),
        ("tasks", Counts::of(run).to_string()),
        ("owner", cell(run, "owner")),
        ("origin", origin),
        ("restarts", run.get("pass").filter(|pass| pass.as_u64() != Some(0)).map(word).unwrap_or_default()),
        ("started", time(run, "startTime")),
        ("changed", changed.unwrap_or_default()),
    ];
    for (key, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        at.out.line(&format!("{key:10}{}", plain(value)))?;
    }
    at.out.line("")
}

fn row(task: &Value) -> Vec<String> {
    let start = moment(task.get("startTime"));
    let end = moment(task.get("stopTime")).or_else(|| (text(task, "state") == "RUNNING").then(|| Now::read().wall));
    let took = start.zip(end).map(|(start, end)| tasks::age(start, end)).unwrap_or_default();
    let mark = task.get("mark").filter(|mark| !mark.is_null());
    let remark = match mark {
        Some(mark) if cell(mark, "by").is_empty() => cell(mark, "what"),
        Some(mark) => format!("{} by {}", cell(mark, "what"), cell(mark, "by")),
        None => cell(task, "executorLog"),
    };
    vec![
        cell(task, "name"),
        cell(task, "state"),
        cell(task, "attempts"),
        time(task, "startTime"),
        took,
        cell(task, "rc"),
        remark,
    ]
}

async fn show_task(at: &mut Session, run: u64, task: &str) -> Result<(), Problem> {
    let mut told = at.client.ask(Call::get(&of_task(run, task, ""))).await?;
    let state = at.client.ask(Call::get(&of_task(run, task, "/state"))).await?;
    let mut attempts = at.client.ask(Call::get(&of_task(run, task, "/attempts")).query("logs", 0)).await?;
    for attempt in attempts.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        attempt.retain(|key, _| !["outputLog", "errorLog"].contains(&key.as_str()));
    }
    if at.out.json() {
        if let Some(members) = told.as_object_mut() {
            members.extend([("state".to_owned(), json!(text(&state, "state"))), ("attempts".to_owned(), attempts)]);
        }
        return at.out.value(&told);
    }
    let known = [vec!["state".to_owned(), cell(&state, "state")]].into_iter().chain(fields(&told));
    let rows: Vec<Vec<String>> = known.flat_map(|row| lines(&row)).collect();
    at.out.table(&["FIELD", "VALUE"], &rows)?;
    let rows: Vec<Vec<String>> = attempts.as_array().into_iter().flatten().map(attempt).collect();
    if rows.is_empty() {
        return Ok(());
    }
    at.out.line("")?;
    at.out.table(&["ATTEMPT", "OUTCOME", "STARTED", "TOOK", "CPU", "RC", "REMARK"], &rows)
}

/// An attempt as a row of a table.
fn attempt(attempt: &Value) -> Vec<String> {
    let (start, end) = (moment(attempt.get("startTime")), moment(attempt.get("stopTime")));
    let took = start.zip(end).map(|(start, end)| tasks::age(start, end)).unwrap_or_default();
    let seconds = |key: &str| attempt.get("usage")?.get(key)?.as_f64();
    let cpu =
        seconds("userSeconds").zip(seconds("systemSeconds")).map(|(user, system)| format!("{:.1}s", user + system));
    vec![
        cell(attempt, "number"),
        cell(attempt, "outcome"),
        time(attempt, "startTime"),
        took,
        cpu.unwrap_or_default(),
        cell(attempt, "rc"),
        cell(attempt, "executorLog"),
    ]
}

/// A field as rows of a table, one for each line of its value: a script is read line by line.
fn lines(row: &[String]) -> Vec<Vec<String>> {
    let [key, value] = row else { return vec![row.to_vec()] };
    let keys = std::iter::once(key.clone()).chain(std::iter::repeat(String::new()));
    keys.zip(value.lines()).map(|(key, line)| vec![key, line.replace('\t', "    ")]).collect()
}
