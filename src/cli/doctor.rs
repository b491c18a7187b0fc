//! `doctor`: looks for what is not as it should be, and says what to do.

use crate::cli::Session;
use crate::cli::cache::{number, text};
use crate::cli::client::{Call, CallError, segment};
use crate::cli::exit::{Exit, Problem};
use crate::cli::offline::{Offline, Work};
use crate::cli::out::{fields, plain};
use crate::cli::tasks::{self, Task};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Look for what is not as it should be
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler doctor
  hostler doctor --config /etc/hostler/hostler.toml

With --config only that file is checked, and the certificates, keys and passwords that it names; no
daemon is asked.")]
pub(super) struct Doctor {
    /// Check this configuration file
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// The configuration is main.rs's to read.
pub(super) fn offline(file: PathBuf, json: bool) -> Offline {
    Offline { work: Work::Config(file), json }
}

/// So many of the tasks that are down are named.
const NAMED: usize = 5;

/// One thing that was looked at.
struct Look {
    what: &'static str,
    well: bool,
    told: String,
}

impl Doctor {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let place = at.client.place().to_string();
        let mut looks = Vec::new();
        let ready = at.client.ask(Call::get("/healthz")).await;
        // Plain text means that it answers; anything but a good status is a refusal before that.
        let answers = match ready {
            Ok(_) | Err(CallError::Strange { .. }) => Ok(format!("answers on {place}")),
            Err(error) => Err(error),
        };
        let answers = match answers {
            Ok(told) => told,
            Err(error) if error.is_passing() => {
                looks.push(Look { what: "daemon", well: false, told: error.to_string() });
                return tell(at, &looks, &Value::Null, error.exit());
            }
            Err(error) => return Err(error.into()),
        };
        looks.push(Look { what: "daemon", well: true, told: answers });
        let status = at.client.ask(Call::get("/hostler/v1/status")).await?;
        looks.push(version(&status));
        looks.push(supervised(at).await?);
        looks.extend(published(at).await?);
        let exit = if looks.iter().all(|look| look.well) { Exit::Done } else { Exit::Unhealthy };
        tell(at, &looks, &status, exit)
    }
}

fn version(status: &Value) -> Look {
    let ours = env!("CARGO_PKG_VERSION");
    let theirs = status.get("version").and_then(Value::as_str).unwrap_or("unknown");
    let well = theirs == ours;
    let told = match well {
        true => format!("{ours}, as this program"),
        false => format!("the daemon is {theirs}, this program {ours}: `hostler upgrade` puts the new one in place"),
    };
    Look { what: "version", well, told }
}

async fn supervised(at: &mut Session) -> Result<Look, Problem> {
    let mut down = Vec::new();
    let names: Vec<String> = tasks::all(&mut at.client).await?.into_iter().map(|(name, _)| name).collect();
    for name in &names {
        if Task::get(&mut at.client, name).await?.is_some_and(|task| task.is_down()) {
            down.push(name.as_str());
        }
    }
    let named = down.get(..NAMED).filter(|_| down.len() > NAMED + 1).unwrap_or(&down);
    let more = match down.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let told = match named {
        [] => format!("{} known, none down", names.len()),
        [first, ..] => {
            let (down, all, named) = (down.len(), names.len(), named.join(" "));
            format!("{down} of {all} down: {named}{more}; see `hostler why {first}`")
        }
    };
    Ok(Look { what: "tasks", well: down.is_empty(), told })
}

/// The published data, where there is any for the caller to see.
async fn published(at: &mut Session) -> Result<Option<Look>, Problem> {
    let reps = match at.client.data(Call::get("/api/repositories")).await {
        Ok(reps) => reps,
        Err(CallError::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let listed = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (mut all, mut unwell) = (0, 0);
    for rep in listed(&reps) {
        let path = format!("/api/repositories/{}", segment(text(&rep, "repname")));
        match at.client.data(Call::get(&path).query("details", true)).await {
            Ok(rep) => {
                for item in listed(&rep["items"]) {
                    all += number(&item, "tags").unwrap_or_default();
                    unwell += number(&item, "abnormal").unwrap_or_default();
                }
            }
            // It is not there any more.
            Err(CallError::Refused { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let told = match unwell {
        0 => format!("{all} published, all well"),
        _ => format!("{unwell} of {all} published are not well: see `hostler data list --unwell`"),
    };
    Ok((all > 0).then_some(Look { what: "data", well: unwell == 0, told }))
}

fn tell(at: &Session, looks: &[Look], status: &Value, exit: Exit) -> Result<Exit, Problem> {
    if at.out.json() {
        let looks: Vec<Value> =
            looks.iter().map(|look| json!({ "what": look.what, "well": look.well, "told": look.told })).collect();
        at.out.value(&json!({ "looks": looks, "status": status }))?;
        return Ok(exit);
    }
    for look in looks {
        at.out.line(&format!("{}  {:8} {}", if look.well { "ok  " } else { "LOOK" }, look.what, plain(&look.told)))?;
    }
    let facts = fields(status);
    if !facts.is_empty() {
        at.out.line("")?;
        at.out.table(&["DAEMON", ""], &facts)?;
    }
    Ok(exit)
}
