//! `cache pin`, `cache unpin`: what stays, however full the cache is.

use super::naming::{Narrowed, path_of};
use super::text;
use crate::cli::Session;
use crate::cli::client::{Call, segment};
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use hyper::Method;
use serde_json::json;

/// As whom somebody pins who names no one.
const SELF: &str = "operator";

/// Keep contents in the cache until they are unpinned, or whatever needs them is over
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler cache pin https://example.com/model.bin
  hostler cache pin https://example.com/model.bin --for proc:web
  hostler cache pin a98dbdb348fc49073bcf3776df104154ab4855959bc6be80503f35991ec07316 --for dag:12

A pin for dag:RUN ends with that run, one for proc:TASK when the task is removed.")]
pub(super) struct Pin {
    #[command(flatten)]
    pins: Pins,
}

/// Keep contents no longer than others
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler cache unpin https://example.com/model.bin
  hostler cache unpin https://example.com/model.bin --for proc:web")]
pub(super) struct Unpin {
    #[command(flatten)]
    pins: Pins,
}

#[derive(Debug, Args)]
struct Pins {
    /// Their ids, or addresses
    #[arg(value_name = "ID|URL", required = true)]
    what: Vec<String>,
    #[command(flatten)]
    narrowed: Narrowed,
    /// Whose pin: dag:RUN, proc:TASK, or any name
    #[arg(long = "for", value_name = "OWNER", default_value = SELF)]
    owner: String,
}

impl Pin {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        self.pins.each(at, &Method::PUT, "pinned").await
    }
}

impl Unpin {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        self.pins.each(at, &Method::DELETE, "unpinned").await
    }
}

impl Pins {
    async fn each(self, at: &mut Session, method: &Method, done: &str) -> Result<Exit, Problem> {
        for what in &self.what {
            let task = self.narrowed.one(&mut at.client, what).await?;
            let id = text(&task, "id");
            let path = path_of(id, &format!("/pins/{}", segment(&self.owner)));
            at.client.ask(Call::new(method.clone(), &path)).await?;
            match at.out.json() {
                true => at.out.record(&json!({ "id": id, "owner": self.owner, "done": done }))?,
                false => at.out.line(&format!("{done} {what}"))?,
            }
        }
        Ok(Exit::Done)
    }
}
