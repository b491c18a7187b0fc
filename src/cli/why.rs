//! `why`: the chain of causes behind what a task does now.

use crate::base::Wall;
use crate::cli::client::{Call, segment};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{plain, word};
use crate::cli::{Session, tasks};
use clap::Args;
use serde_json::Value;

/// Tell why tasks are as they are: what they wait for or how they ended, who asked, since when, what they said last
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler why web
  hostler why 'worker-*'")]
pub(super) struct Why {
    /// Names or globs
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Why {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let names = tasks::resolve(&mut at.client, &self.names).await?;
        let many = names.len() > 1;
        let mut answers = Vec::new();
        for name in names {
            let call = Call::get(&format!("/hostler/v1/why/{}", segment(&name)));
            let answer = at.client.ask(call).await.map_err(|error| match tasks::is_unknown(&error) {
                true => tasks::unknown(&name),
                false => error.into(),
            })?;
            if at.out.json() {
                answers.push(answer);
                continue;
            }
            if many {
                at.out.line(&format!("{}:", plain(&name)))?;
            }
            for line in answer.get("lines").and_then(Value::as_array).into_iter().flatten() {
                at.out.line(&told(line))?;
            }
        }
        if at.out.json() {
            at.out.value(&Value::Array(answers))?;
        }
        Ok(Exit::Done)
    }
}

/// One link of the chain: when, where that is known, and what.
fn told(line: &Value) -> String {
    let text = line.get("text").map(word).unwrap_or_default();
    match tasks::moment(line.get("at")) {
        Some(at) => format!("{}  {}", clock(at), plain(&text)),
        None => format!("{:19}  {}", "", plain(&text)),
    }
}

/// A moment in the host's own zone, to the second.
pub(super) fn clock(at: Wall) -> String {
    at.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S").to_string()
}
