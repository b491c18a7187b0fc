//! `project secret`, `project webhook-secret`: what workers of a project, or the senders of git hooks, know.

use super::named::find;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::plain;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::Read;
use std::path::PathBuf;

/// Read or set what workers of a project may know: PROJECT_SECRET of their commands
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler project secret get thumbnails
  hostler project secret set thumbnails < secret.json"
)]
pub(super) struct Secret {
    #[command(subcommand)]
    verb: Verb,
}

/// Read or set the key that signs a project's git hooks
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler project webhook-secret get thumbnails
  openssl rand -hex 32 | hostler project webhook-secret set thumbnails"
)]
pub(super) struct WebhookSecret {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print it
    #[command(after_help = "Example:\n  hostler project secret get thumbnails")]
    Get {
        /// Name or number
        #[arg(value_name = "PROJECT")]
        project: String,
    },
    /// Replace it by what a file or standard input says; one line break at the end is left out
    #[command(after_help = "Example:\n  hostler project secret set thumbnails --file secret.json")]
    Set {
        /// Name or number
        #[arg(value_name = "PROJECT")]
        project: String,
        /// Read it from here; - is standard input
        #[arg(long, value_name = "FILE", default_value = "-")]
        file: PathBuf,
    },
}

impl Secret {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        self.verb.run(at, "secret").await
    }
}

impl WebhookSecret {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        self.verb.run(at, "webhook_secret").await
    }
}

impl Verb {
    /// `key` is the route's last word and the field's name.
    async fn run(self, at: &mut Session, key: &str) -> Result<Exit, Problem> {
        match self {
            Verb::Get { project } => {
                let project = find(&mut at.client, &project).await?;
                let content = at.client.content(Call::get(&format!("/project/{key}/{}", project.id))).await?;
                match at.out.json() {
                    true => at.out.value(&content)?,
                    false => at.out.line(content.get(key).and_then(Value::as_str).unwrap_or_default())?,
                }
            }
            Verb::Set { project, file } => {
                let secret = read(&file)?;
                let project = find(&mut at.client, &project).await?;
                let call = Call::post(&format!("/project/{key}/{}", project.id)).body(&json!({ key: secret }));
                at.client.content(call).await?;
                match at.out.json() {
                    true => at.out.value(&json!({ "id": project.id, "done": "set" }))?,
                    false => at.out.line(&plain(&format!("set the secret of {}", project.name)))?,
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn read(file: &PathBuf) -> Result<String, Problem> {
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text).map(|_| text),
        false => std::fs::read_to_string(file),
    };
    let text = read.map_err(|error| Problem::Misuse(format!("cannot read {}: {error}", file.display())))?;
    let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).map(str::to_owned);
    Ok(line.unwrap_or(text))
}
