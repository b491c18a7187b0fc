//! `task submit`: a task, or many.

use super::bulk;
use crate::base::duration;
use crate::cli::Session;
use crate::cli::client::{Call, CallError};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use crate::cli::project::find;
use crate::cli::worker::Identity;
use chrono::DateTime;
use clap::Args;
use hyper::StatusCode;
use serde_json::{Map, Value};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// Submit a task, or many at once; prints their numbers
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler task submit thumbnails photos/1.jpg
  hostler task submit thumbnails - < recipe.json
  hostler task submit thumbnails photos/1.jpg --unique photos/1.jpg --max-retries 3 --max-assign-time 10m
  find photos -type f | hostler task submit thumbnails --bulk - --max-retries 3
  hostler task submit count --bulk tasks.jsonl --json-lines
  hostler task submit report monthly --delay 2h

The recipe is any text that the project's workers understand. With --bulk each line of the file is a
recipe; with --json-lines each is an object of the API: {\"recipe\": …, \"priority\": …, \"unique_string\": …}, and
what it does not say is taken from this command's options. Exits 1 when tasks of a bulk were refused.")]
pub(super) struct Submit {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
    /// What to do; - is standard input, which is also the default
    #[arg(value_name = "RECIPE", conflicts_with = "bulk")]
    recipe: Option<String>,
    /// Many: one recipe per line of this file; - is standard input
    #[arg(long, value_name = "FILE")]
    bulk: Option<PathBuf>,
    /// The lines are JSON objects
    #[arg(long, requires = "bulk")]
    json_lines: bool,
    #[command(flatten)]
    options: Options,
    /// Submit as this worker, who has been given that right, instead of as a manager
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// What can be said of a task beside its recipe.
#[derive(Debug, Args)]
struct Options {
    /// Higher ones are handed out first [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i16>,
    /// After so many failures it stays failed [default: the first]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(0..))]
    max_retries: Option<i16>,
    /// How long a worker may hold it [default: the daemon's tracker.max_assign_time]
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    max_assign_time: Option<Duration>,
    /// How many workers have to come to the same result [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    verify: Option<i16>,
    /// There is one task with this text in the project at most
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["hash", "bulk"])]
    unique: Option<String>,
    /// The same, as a number
    #[arg(long, value_name = "N", conflicts_with = "bulk", allow_negative_numbers = true)]
    hash: Option<i64>,
    /// Not to be handed out before so long
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    delay: Option<Duration>,
    /// Not to be handed out before this moment: 2026-01-31T08:00:00Z, or Unix seconds
    #[arg(long, value_name = "T", value_parser = moment, conflicts_with = "delay")]
    not_before: Option<i64>,
}

fn moment(text: &str) -> Result<i64, String> {
    let parsed = text.parse().ok().or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp()));
    parsed.ok_or_else(|| "expected 2026-01-31T08:00:00Z or Unix seconds".to_owned())
}

impl Options {
    /// In the words of the API.
    fn fields(&self) -> Result<Map<String, Value>, Problem> {
        let hold = self.max_assign_time.map(|time| {
            // 0 means the daemon's own time, so less than a second is a second.
            let seconds = i32::try_from(time.as_secs().max(1));
            seconds.map_err(|_| Problem::Misuse("--max-assign-time: expected at most 68 years".to_owned()))
        });
        let given = [
            ("priority", self.priority.map(Value::from)),
            ("max_retries", self.max_retries.map(Value::from)),
            ("max_assign_time", hold.transpose()?.map(Value::from)),
            ("verification_count", self.verify.map(Value::from)),
            ("unique_string", self.unique.as_deref().map(Value::from)),
            ("hash_u64", self.hash.map(Value::from)),
            ("delay", self.delay.map(duration::to_json)),
            ("not_before", self.not_before.map(Value::from)),
        ];
        Ok(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
    }
}

impl Submit {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut fields = self.options.fields()?;
        let identity = self.identity.as_deref().map(Identity::read).transpose()?;
        let project = find(&mut at.client, &self.project).await?;
        fields.insert("project".to_owned(), project.id.into());
        if let Some(file) = &self.bulk {
            let lines = bulk::Lines::open(file, self.json_lines)?;
            return bulk::submit(at, lines, fields, identity.as_ref()).await;
        }
        fields.insert("recipe".to_owned(), recipe(self.recipe)?.into());
        let call = Call::post("/task/submit").query("id", 1).body(&Value::Object(fields));
        let call = identity.as_ref().map_or(call.clone(), |identity| identity.sign(call));
        let content = at.client.content(call).await.map_err(refused)?;
        match at.out.json() {
            true => at.out.value(&content)?,
            false => at.out.line(&content.get("id").map(word).unwrap_or_default())?,
        }
        Ok(Exit::Done)
    }
}

/// As given, or all of standard input as it is.
fn recipe(given: Option<String>) -> Result<String, Problem> {
    let text = match given.filter(|recipe| recipe != "-") {
        Some(recipe) => recipe,
        None => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Problem::Misuse(format!("cannot read standard input: {error}")))?;
            text
        }
    };
    match text.is_empty() {
        true => Err(Problem::Misuse("the recipe is empty: a task needs one".to_owned())),
        false => Ok(text),
    }
}

/// The original's words for a task that is there already are a database's.
pub(super) fn refused(error: CallError) -> Problem {
    match error {
        CallError::Refused { status: StatusCode::BAD_REQUEST, message } if message.contains("duplicate key") => {
            Problem::Misuse("the project has a task with that --unique or --hash already (400)".to_owned())
        }
        error => error.into(),
    }
}
