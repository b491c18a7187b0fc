//! `import tracker`: an existing task_tracker, from the tables of its database.
//!
//! People, workers and projects first, then how projects are chained, who may do what, and the tasks. What depends on a
//! row that was not taken is not sent: the number may be somebody else's here.

use super::dump::{Row, Table};
use super::send::{Sender, Tally};
use crate::cli::Session;
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Take over managers, workers, projects and tasks of a task_tracker
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  mkdir dump && cd dump
  for t in manager worker project worker_access manager_has_role_on_project task worker_verifies_task; do
    psql tracker -c \"\\\\copy $t TO '$t.csv' CSV HEADER\"
  done
  hostler import tracker . --dry-run
  hostler import tracker .

Numbers and secrets stay as they are, so workers need only the new address; managers keep their passwords.
Nothing that is here already is replaced: rows whose number or name is taken are refused, each with its
reason, and the same row once more is no harm. Exits 1 when rows were refused. For operators.")]
pub(super) struct Tracker {
    /// The directory with manager.csv, worker.csv, project.csv, …; those that are missing have no rows
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Read and count only
    #[arg(long)]
    dry_run: bool,
}

/// What depends on others must not be given to whoever has their numbers here.
#[derive(Default)]
struct Known {
    managers: HashMap<i64, String>,
    workers: HashSet<i64>,
    projects: HashMap<i64, String>,
}

impl Tracker {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        if !self.directory.is_dir() {
            return Err(Problem::Misuse(format!("{} is not a directory", self.directory.display())));
        }
        let mut import = Import::new(self.dry_run, at);
        let mut known = Known::default();
        let any = import.everything(at, &self.directory, &mut known).await;
        import.bar.finish_and_clear();
        if !any? {
            let why = format!(
                "{} holds none of the tables: manager.csv, worker.csv, project.csv, task.csv, …",
                self.directory.display()
            );
            return Err(Problem::Misuse(why));
        }
        import.report(at)
    }
}

struct Import {
    dry: bool,
    bar: ProgressBar,
    tallies: Vec<(String, Tally)>,
}

impl Import {
    fn new(dry: bool, at: &Session) -> Import {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{spinner} {msg} {pos} rows {per_sec}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        if at.out.json() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Import { dry, bar, tallies: Vec::new() }
    }

    /// Whether there was any table.
    async fn everything(&mut self, at: &mut Session, from: &Path, known: &mut Known) -> Result<bool, Problem> {
        self.managers(at, from, known).await?;
        self.workers(at, from, known).await?;
        self.projects(at, from, known).await?;
        self.access(at, from, known).await?;
        self.roles(at, from, known).await?;
        self.tasks(at, from, known).await?;
        Ok(!self.tallies.is_empty())
    }

    /// Sends the rows that `read` makes of a table's: their number and what they are. The numbers that were not taken.
    async fn table(
        &mut self,
        at: &mut Session,
        mut table: Table,
        kind: &'static str,
        mut read: impl FnMut(&Row<'_>) -> Result<(i64, Value), String>,
    ) -> Result<Vec<i64>, Problem> {
        if !table.exists() {
            return Ok(Vec::new());
        }
        let file = table.file().to_owned();
        self.bar.set_message(file.clone());
        self.bar.set_position(0);
        let mut sender = Sender::new(kind, &file, self.dry);
        while let Some(row) = table.next() {
            sender.tally.read += 1;
            let (line, row) = match row {
                Ok(row) => (row.line, read(&row)),
                Err((line, why)) => (line, Err(why)),
            };
            match row {
                Ok((id, row)) => sender.push(at, line, id, row).await?,
                Err(why) => sender.refuse(at, line, &why)?,
            }
            self.bar.inc(1);
        }
        sender.flush(at).await?;
        self.tallies.push((file.clone(), sender.tally));
        Ok(sender.lost)
    }

    async fn managers(&mut self, at: &mut Session, from: &Path, known: &mut Known) -> Result<(), Problem> {
        let table = Table::open(from, "manager", &["id", "username", "password"])?;
        let lost = self.table(at, table, "managers", |row| {
            let manager = row.manager()?;
            let id = number(&manager, "id");
            known.managers.insert(id, text(&manager, "username"));
            Ok((id, manager))
        });
        for id in lost.await? {
            known.managers.remove(&id);
        }
        Ok(())
    }

    async fn workers(&mut self, at: &mut Session, from: &Path, known: &mut Known) -> Result<(), Problem> {
        let table = Table::open(from, "worker", &["id", "alias", "secret"])?;
        let lost = self.table(at, table, "workers", |row| {
            let worker = row.worker()?;
            known.workers.insert(number(&worker, "id"));
            Ok((number(&worker, "id"), worker))
        });
        for id in lost.await? {
            known.workers.remove(&id);
        }
        Ok(())
    }

    /// A project may be chained to one with a higher number, or in a circle: chains come when all are there.
    async fn projects(&mut self, at: &mut Session, from: &Path, known: &mut Known) -> Result<(), Problem> {
        let table = Table::open(from, "project", &["id", "name"])?;
        let mut chains = Vec::new();
        let lost = self.table(at, table, "projects", |row| {
            let (project, chain) = row.project()?;
            let id = number(&project, "id");
            known.projects.insert(id, text(&project, "name"));
            chains.extend(chain.map(|chain| (row.line, id, chain)));
            Ok((id, project))
        });
        for id in lost.await? {
            known.projects.remove(&id);
        }
        let mut sender = Sender::new("chains", "project.csv", self.dry);
        for (line, project, chain) in chains {
            let Some(name) = known.projects.get(&project) else { continue };
            match known.projects.get(&chain) {
                Some(_) => {
                    sender.push(at, line, project, json!({ "project": project, "name": name, "chain": chain })).await?
                }
                None => sender.refuse(at, line, &format!("chain: project {chain} was not imported"))?,
            }
        }
        sender.flush(at).await?;
        if let Some((_, tally)) = self.tallies.last_mut().filter(|_| sender.tally.refused > 0) {
            tally.refused += sender.tally.refused;
        }
        Ok(())
    }

    async fn access(&mut self, at: &mut Session, from: &Path, known: &Known) -> Result<(), Problem> {
        let table = Table::open(from, "worker_access", &["worker", "project"])?;
        let sent = self.table(at, table, "access", |row| {
            let access = row.access()?;
            known.worker(number(&access, "worker"))?;
            known.project(number(&access, "project"))?;
            Ok((0, access))
        });
        sent.await.map(drop)
    }

    async fn roles(&mut self, at: &mut Session, from: &Path, known: &Known) -> Result<(), Problem> {
        let table = Table::open(from, "manager_has_role_on_project", &["manager", "project", "role"])?;
        let sent = self.table(at, table, "roles", |row| {
            let mut role = row.role()?;
            let manager = number(&role, "manager");
            let name = known.managers.get(&manager).ok_or_else(|| format!("manager {manager} was not imported"))?;
            known.project(number(&role, "project"))?;
            role["username"] = name.as_str().into();
            Ok((0, role))
        });
        sent.await.map(drop)
    }

    async fn tasks(&mut self, at: &mut Session, from: &Path, known: &Known) -> Result<(), Problem> {
        let mut votes = self.votes(at, from, known)?;
        let table = Table::open(from, "task", &["id", "project", "recipe"])?;
        let sent = self.table(at, table, "tasks", |row| {
            let mut task = row.task()?;
            known.project(number(&task, "project"))?;
            // Whoever was not imported holds nothing here.
            if known.worker(number(&task, "assignee")).is_err() {
                task["assignee"] = Value::Null;
            }
            let id = number(&task, "id");
            task["votes"] = votes.remove(&id).unwrap_or_default().into();
            Ok((id, task))
        });
        sent.await.map(drop)
    }

    /// What workers came to so far, by task.
    fn votes(&mut self, at: &Session, from: &Path, known: &Known) -> Result<HashMap<i64, Vec<Value>>, Problem> {
        let mut table = Table::open(from, "worker_verifies_task", &["task", "worker", "verification_hash"])?;
        let mut votes: HashMap<i64, Vec<Value>> = HashMap::new();
        let file = table.file().to_owned();
        let mut sender = Sender::new("votes", &file, self.dry);
        if !table.exists() {
            return Ok(votes);
        }
        while let Some(row) = table.next() {
            sender.tally.read += 1;
            let (line, vote) = match row {
                Ok(row) => (row.line, row.vote().and_then(|vote| known.worker(vote.1).map(|()| vote))),
                Err((line, why)) => (line, Err(why)),
            };
            match vote {
                Ok((task, worker, value)) => {
                    votes.entry(task).or_default().push(json!({ "worker": worker, "value": value }));
                    // They go with their tasks.
                    sender.tally.imported += u64::from(!self.dry);
                }
                Err(why) => sender.refuse(at, line, &why)?,
            }
        }
        self.tallies.push((file.clone(), sender.tally));
        Ok(votes)
    }

    fn report(&self, at: &Session) -> Result<Exit, Problem> {
        let refused: u64 = self.tallies.iter().map(|(_, tally)| tally.refused).sum();
        if at.out.json() {
            let one = |tally: &Tally| json!({ "read": tally.read, "imported": tally.imported, "same": tally.same, "refused": tally.refused });
            let all: Map<String, Value> = self.tallies.iter().map(|(file, tally)| (file.clone(), one(tally))).collect();
            at.out.record(&Value::Object(all))?;
        } else {
            let row = |(file, tally): &(String, Tally)| {
                let counts = [tally.read, tally.imported, tally.same, tally.refused];
                std::iter::once(file.clone()).chain(counts.map(|count| count.to_string())).collect()
            };
            let rows: Vec<Vec<String>> = self.tallies.iter().map(row).collect();
            at.out.table(&["FILE", "READ", "IMPORTED", "WERE HERE", "REFUSED"], &rows)?;
        }
        Ok(if refused > 0 { Exit::Unhealthy } else { Exit::Done })
    }
}

impl Known {
    fn worker(&self, id: i64) -> Result<(), String> {
        self.workers.contains(&id).then_some(()).ok_or_else(|| format!("worker {id} was not imported"))
    }

    fn project(&self, id: i64) -> Result<(), String> {
        self.projects.contains_key(&id).then_some(()).ok_or_else(|| format!("project {id} was not imported"))
    }
}

fn number(row: &Value, key: &str) -> i64 {
    row.get(key).and_then(Value::as_i64).unwrap_or(0)
}

fn text(row: &Value, key: &str) -> String {
    row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
