//! `cache rm`: contents that are not wanted any more.

use super::list::table;
use super::naming::{Narrowed, is_url, of_task, path_of};
use super::text;
use crate::cli::Session;
use crate::cli::client::{Call, CallError};
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use hyper::StatusCode;
use serde_json::{Value, json};

/// Remove contents from the cache, with their files
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler cache rm https://example.com/big.iso
  hostler cache rm a98dbdb348fc49073bcf3776df104154ab4855959bc6be80503f35991ec07316
  hostler cache rm --tag nightly --dry-run
  hostler cache rm --image oci://registry.example.com/team/app:v1
  hostler cache rm --all

It comes back when the files are gone. Exits 1 when one could not be removed, 100 when there is none
of that id or address.")]
pub(super) struct Rm {
    /// Their ids, or addresses
    #[arg(value_name = "ID|URL", conflicts_with_all = ["q", "image", "all"], required_unless_present_any = ["q", "image", "all", "tag", "application"])]
    what: Vec<String>,
    #[command(flatten)]
    narrowed: Narrowed,
    /// All with this in their address, tag or application
    #[arg(short, long, value_name = "TEXT")]
    q: Option<String>,
    /// All blobs of this image
    #[arg(long, value_name = "URL")]
    image: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
    /// Only say what would be removed
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Rm {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        if self.what.is_empty() {
            let call = Call::delete("/oapi/v1/tasks").maybe("q", self.q.as_ref()).maybe("image", self.image.as_ref());
            let call = call.maybe("all", self.all.then_some(true));
            return self.many(at, self.narrowed.of(call), None).await;
        }
        let mut worst = Exit::Done;
        for what in &self.what {
            let exit = match is_url(what) {
                true => {
                    let call = Call::delete("/oapi/v1/tasks").query("url", what);
                    self.many(at, self.narrowed.of(call), Some(what)).await?
                }
                false => self.one(at, what).await?,
            };
            worst = worst.worse(exit);
        }
        Ok(worst)
    }

    /// By its id.
    async fn one(&self, at: &mut Session, id: &str) -> Result<Exit, Problem> {
        let call = if self.dry_run { of_task(id, "") } else { Call::delete(&path_of(id, "")).patient() };
        let answer = match at.client.ask(call).await {
            Ok(answer) => answer,
            Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }) => return unknown(at, id),
            Err(error) => return Err(error.into()),
        };
        match (at.out.json(), self.dry_run) {
            (true, true) => at.out.record(&json!({ "dry_run": true, "removed": [answer] }))?,
            (true, false) => at.out.record(&json!({ "removed": [{ "id": id }] }))?,
            (false, true) => table(at, &[answer])?,
            (false, false) => at.out.line(&format!("removed {id}"))?,
        }
        Ok(Exit::Done)
    }

    /// Whatever is selected.
    async fn many(&self, at: &mut Session, call: Call, url: Option<&str>) -> Result<Exit, Problem> {
        let call = call.maybe("dry_run", self.dry_run.then_some(true)).patient();
        let answer = at.client.ask(call).await?;
        let listed = |key: &str| answer.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        // What would be removed may be told under the name of what is.
        let (mut removed, failed) = (listed("removed"), listed("failed"));
        if removed.is_empty() {
            removed = listed("tasks");
        }
        if let Some(url) = url.filter(|_| removed.is_empty() && failed.is_empty()) {
            return unknown(at, url);
        }
        let exit = if failed.is_empty() { Exit::Done } else { Exit::Unhealthy };
        if at.out.json() {
            at.out.record(&answer)?;
            return Ok(exit);
        }
        match self.dry_run {
            true => table(at, &removed)?,
            false => {
                for task in &removed {
                    at.out.line(&format!("removed {}", named(task)))?;
                }
            }
        }
        for task in &failed {
            let why = ["error", "description"].iter().map(|key| text(task, key)).find(|why| !why.is_empty());
            at.out.failure(&format!("{}: {}", named(task), why.unwrap_or("it could not be removed")), exit);
        }
        if removed.is_empty() && failed.is_empty() {
            at.out.aside("there is nothing of that kind");
        }
        Ok(exit)
    }
}

/// A content by its address, where the answer tells it.
fn named(task: &Value) -> String {
    let told = [task.as_str().unwrap_or_default(), text(task, "url"), text(task, "id")];
    told.into_iter().find(|text| !text.is_empty()).unwrap_or("one").to_owned()
}

/// What one is not does not keep the others from being removed.
fn unknown(at: &Session, what: &str) -> Result<Exit, Problem> {
    match at.out.json() {
        true => at.out.record(&json!({ "id": what, "error": "it is not in the cache" }))?,
        false => at.out.failure(&format!("{what} is not in the cache"), Exit::Misuse),
    }
    Ok(Exit::Misuse)
}
