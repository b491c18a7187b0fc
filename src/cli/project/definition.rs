//! What can be set of a project, as options of a command line and as the fields of the API.

use super::named::find;
use crate::cli::client::Client;
use crate::cli::exit::Problem;
use clap::Args;
use serde_json::{Map, Value, json};

/// What can be set of a project.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Definition {
    /// Any worker may be handed its tasks; for tracker admins
    #[arg(long, group = "visibility")]
    public: bool,
    /// Everybody sees it, workers need access
    #[arg(long, group = "visibility")]
    private: bool,
    /// Only who has access or a role sees it
    #[arg(long, group = "visibility")]
    hidden: bool,
    /// Workers that take whatever there is take from the project with the highest one first [default: 0]
    #[arg(long, value_name = "N")]
    priority: Option<u32>,
    /// Where its program comes from
    #[arg(long, value_name = "URL")]
    clone_url: Option<String>,
    /// owner/name, as git hooks say it
    #[arg(long, value_name = "REPO")]
    git_repo: Option<String>,
    /// The version of its program, mostly a commit
    #[arg(long, value_name = "V")]
    version: Option<String>,
    /// A message to its workers
    #[arg(long, value_name = "TEXT")]
    motd: Option<String>,
    /// Every task that is done here goes on to this project, as a copy; `none` ends that
    #[arg(long, value_name = "PROJECT")]
    chain: Option<String>,
    /// How many tasks are handed out per second, to all workers together; `unlimited` is the default
    #[arg(long, value_name = "RATE", value_parser = rate)]
    assign_rate: Option<f64>,
    /// How many are submitted per second, by all workers together
    #[arg(long, value_name = "RATE", value_parser = rate)]
    submit_rate: Option<f64>,
    /// How many are handed out at once after a pause, at least 1
    #[arg(long, value_name = "N", value_parser = burst)]
    assign_burst: Option<f64>,
    /// How many are submitted at once after a pause, at least 1
    #[arg(long, value_name = "N", value_parser = burst)]
    submit_burst: Option<f64>,
    /// How many are handed out per second to each worker
    #[arg(long, value_name = "RATE", value_parser = rate)]
    worker_assign_rate: Option<f64>,
    /// How many each worker submits per second
    #[arg(long, value_name = "RATE", value_parser = rate)]
    worker_submit_rate: Option<f64>,
}

/// Tokens per second; 0 says unlimited, as the API does.
pub(in crate::cli) fn rate(text: &str) -> Result<f64, String> {
    match text {
        "unlimited" | "none" => Ok(0.0),
        text => text
            .parse()
            .ok()
            .filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
            .ok_or_else(|| "expected a number above 0, per second, or \"unlimited\"".to_owned()),
    }
}

fn burst(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 1.0);
    number.ok_or_else(|| "expected a number of at least 1".to_owned())
}

impl Definition {
    /// Whether nothing was given.
    pub(super) fn is_empty(&self) -> bool {
        let mut fields = Map::new();
        self.put(&mut fields);
        fields.is_empty() && self.chain.is_none()
    }

    /// Puts what was given into the fields of a project, in the words of the API.
    ///
    /// # Errors
    /// There is no project to chain to.
    pub(super) async fn put_into(&self, client: &mut Client, fields: &mut Map<String, Value>) -> Result<(), Problem> {
        self.put(fields);
        if let Some(chain) = &self.chain {
            let next = if chain == "none" { 0 } else { find(client, chain).await?.id };
            fields.insert("chain".to_owned(), next.into());
        }
        Ok(())
    }

    /// All but the chain.
    fn put(&self, fields: &mut Map<String, Value>) {
        if self.public || self.private || self.hidden {
            fields.insert("public".to_owned(), self.public.into());
            fields.insert("hidden".to_owned(), self.hidden.into());
        }
        let given = [
            ("priority", self.priority.map(Value::from)),
            ("clone_url", self.clone_url.as_deref().map(Value::from)),
            ("git_repo", self.git_repo.as_deref().map(Value::from)),
            ("version", self.version.as_deref().map(Value::from)),
            ("motd", self.motd.as_deref().map(Value::from)),
            ("assign_rate", self.assign_rate.map(|rate| json!(rate))),
            ("submit_rate", self.submit_rate.map(|rate| json!(rate))),
            ("assign_burst", self.assign_burst.map(|burst| json!(burst))),
            ("submit_burst", self.submit_burst.map(|burst| json!(burst))),
            ("worker_assign_rate", self.worker_assign_rate.map(|rate| json!(rate))),
            ("worker_submit_rate", self.worker_submit_rate.map(|rate| json!(rate))),
        ];
        fields.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
}
