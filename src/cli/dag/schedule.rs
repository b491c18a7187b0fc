//! `dag schedule`: stores a DAG under a name, to be run again or by a schedule.

use super::answer::{cell, change, of_dag, time};
use super::file;
use super::parameters::Parameters;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{fields, plain};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Store a DAG under a name, with or without a schedule; show, change or remove it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag schedule                                            # all stored DAGs
  hostler dag schedule nightly pack.yaml --cron '0 3 * * *' --param DIR=/srv
  hostler dag schedule nightly --cron '30 2 * * *' --timezone Europe/Berlin
  hostler dag schedule nightly                                    # what it is
  hostler dag schedule nightly --remove
  hostler dag run nightly --wait

With FILE the DAG is stored, in place of one of that name; without --cron it runs only on request.
Without FILE, --cron and the other options change the schedule of a stored DAG.")]
pub(super) struct Schedule {
    /// The name: letters, digits, '.', '_', '-'
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The specification, in JSON or YAML; - is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    plan: Plan,
    /// Forget it; its runs stay
    #[arg(long, requires = "name", conflicts_with_all = ["file", "cron", "timezone", "overlap", "catch_up", "param"])]
    remove: bool,
}

/// When it runs by itself.
#[derive(Debug, Args)]
struct Plan {
    /// When: minute, hour, day, month, weekday, as in crontab; or @daily and the like
    #[arg(long, value_name = "CRON", requires = "name")]
    cron: Option<String>,
    /// In which time zone [default: the host's]
    #[arg(long, value_name = "ZONE", requires = "name")]
    timezone: Option<String>,
    /// What to do when the run before is not over [default: skip]
    #[arg(long, requires = "name")]
    overlap: Option<Overlap>,
    /// What to do about times at which the daemon was not there [default: none]
    #[arg(long, requires = "name")]
    catch_up: Option<CatchUp>,
    #[command(flatten)]
    parameters: Parameters,
}

/// When the run before is not over.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Overlap {
    /// Leave this one out
    Skip,
    /// Run when it is
    Queue,
    /// Run beside it
    Allow,
    /// Kill it, and run
    Replace,
}

/// When the daemon was not there.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum CatchUp {
    /// Let them pass
    None,
    /// Run for the last of them
    Last,
    /// Run for each of them
    All,
}

/// The word of a choice, which is also the API's.
fn choice(value: &impl ValueEnum) -> Value {
    value.to_possible_value().map(|value| value.get_name().to_owned()).into()
}

impl Schedule {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let Some(name) = &self.name else { return list(at).await };
        let path = of_dag(name, "");
        if self.remove {
            change(at, Call::delete(&path), &plain(&format!("removed {name}"))).await?;
            return Ok(Exit::Done);
        }
        let body = match &self.file {
            Some(file) => {
                let mut body = json!({ "specification": file::object(file)? });
                if let Some(schedule) = self.plan.over(Map::new())? {
                    body["schedule"] = Value::Object(schedule);
                }
                body
            }
            None => {
                let mut stored = at.client.ask(Call::get(&path)).await?;
                let old = stored.get("schedule").and_then(Value::as_object).cloned().unwrap_or_default();
                let Some(schedule) = self.plan.over(old)? else { return show(at, &stored) };
                let specification = stored.get_mut("specification").map(Value::take).unwrap_or_default();
                json!({ "specification": specification, "schedule": schedule })
            }
        };
        change(at, Call::put(&path).body(&body), &plain(&format!("stored {name}"))).await?;
        Ok(Exit::Done)
    }
}

impl Plan {
    /// A schedule with what is given here over what it had; none when nothing is given.
    fn over(&self, old: Map<String, Value>) -> Result<Option<Map<String, Value>>, Problem> {
        let given = [
            ("cron", self.cron.as_deref().map(Value::from)),
            ("timezone", self.timezone.as_deref().map(Value::from)),
            ("overlap", self.overlap.as_ref().map(choice)),
            ("catch_up", self.catch_up.as_ref().map(choice)),
            ("parameters", Some(Value::Object(self.parameters.object()?)).filter(|_| !self.parameters.is_empty())),
        ];
        let given: Vec<_> = given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        if given.is_empty() {
            return Ok(None);
        }
        let keys = ["cron", "timezone", "overlap", "catch_up", "parameters"];
        let mut schedule: Map<String, Value> =
            old.into_iter().filter(|(key, value)| keys.contains(&key.as_str()) && !value.is_null()).collect();
        schedule.extend(given.into_iter().map(|(key, value)| (key.to_owned(), value)));
        match schedule.contains_key("cron") {
            true => Ok(Some(schedule)),
            false => Err(Problem::Misuse("a schedule needs --cron".to_owned())),
        }
    }
}

/// A stored DAG as lines; its specification only in JSON.
fn show(at: &Session, stored: &Value) -> Result<Exit, Problem> {
    if at.out.json() {
        at.out.value(stored)?;
        return Ok(Exit::Done);
    }
    let mut told = stored.clone();
    let specification = told.as_object_mut().and_then(|told| told.remove("specification")).unwrap_or_default();
    let mut rows = fields(&told);
    rows.push(vec!["tag".to_owned(), cell(&specification, "tag")]);
    let tasks = specification.get("tasks").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    rows.push(vec!["tasks".to_owned(), tasks.cloned().collect::<Vec<_>>().join(" ")]);
    at.out.table(&["FIELD", "VALUE"], &rows)?;
    Ok(Exit::Done)
}

/// All stored DAGs.
async fn list(at: &mut Session) -> Result<Exit, Problem> {
    let answer = at.client.ask(Call::get("/v1/dags")).await?;
    if at.out.json() {
        at.out.value(&answer)?;
        return Ok(Exit::Done);
    }
    let row = |dag: &Value| {
        let empty = Value::Null;
        let schedule = dag.get("schedule").unwrap_or(&empty);
        vec![
            cell(dag, "name"),
            cell(schedule, "cron"),
            cell(schedule, "timezone"),
            cell(schedule, "overlap"),
            cell(schedule, "catch_up"),
            time(dag, "next"),
            cell(dag, "owner"),
        ]
    };
    let rows: Vec<Vec<String>> = answer.as_array().into_iter().flatten().map(row).collect();
    at.out.table(&["NAME", "CRON", "ZONE", "OVERLAP", "CATCH UP", "NEXT", "OWNER"], &rows)?;
    Ok(Exit::Done)
}
