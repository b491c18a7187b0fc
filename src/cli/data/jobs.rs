//! `data jobs`: what is being pulled, read and handed out.

use crate::cli::Session;
use crate::cli::cache::{number, size, text};
use crate::cli::client::{Call, segment};
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::Value;

/// List pulls, publications of large files, and what is handed out to other hosts
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler data jobs
  hostler data jobs 0000001f
  hostler data jobs 0000001f --rm

Jobs that are over are listed for a while. --rm ends what a job does, and forgets it.")]
pub(super) struct Jobs {
    /// Only this one
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    id: Option<String>,
    /// End it and forget it
    #[arg(long, requires = "id")]
    rm: bool,
}

impl Jobs {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let path = self.id.as_ref().map_or("/api/job".to_owned(), |id| path_of(id));
        if let Some(id) = self.id.as_ref().filter(|_| self.rm) {
            let answer = at.client.ask(Call::delete(&path)).await?;
            match at.out.json() {
                true => at.out.value(&answer)?,
                false => at.out.line(&format!("removed {id}"))?,
            }
            return Ok(Exit::Done);
        }
        let answer = at.client.data(Call::get(&path)).await?;
        let jobs = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(id) = self.id.as_ref().filter(|_| jobs.is_empty()) {
            return Err(Problem::Misuse(format!("there is no job {id}")));
        }
        if at.out.json() {
            at.out.value(&answer)?;
            return Ok(Exit::Done);
        }
        at.out.table(&["ID", "TAG", "STATE", "SIZE", "PATH", "WHY"], &jobs.iter().map(row).collect::<Vec<_>>())?;
        Ok(Exit::Done)
    }
}

/// The path of a job among the routes.
pub(super) fn path_of(id: &str) -> String {
    format!("/api/job/{}", segment(id))
}

fn row(job: &Value) -> Vec<String> {
    let bytes = match (number(job, "size"), number(job, "srcsize")) {
        (Some(done), Some(all)) if done == all => size(all),
        (Some(done), Some(all)) => format!("{} of {}", size(done), size(all)),
        // Nobody knows yet.
        (Some(0), None) => String::new(),
        (Some(done), None) => size(done),
        (None, all) => all.map(size).unwrap_or_default(),
    };
    let cell = |key| text(job, key).to_owned();
    vec![cell("id"), cell("tag"), cell("stat"), bytes, cell("path"), cell("reason")]
}
