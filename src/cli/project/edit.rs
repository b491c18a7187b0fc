//! `project edit`, `pause`, `resume`: what was given changes, the rest stays.
//!
//! An update replaces all that can be set of a project: what is there is read, changed, and written back.

use super::definition::Definition;
use super::named::{find, whole};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::plain;
use clap::Args;
use serde_json::{Map, Value, json};

/// Change a project: what is not mentioned stays as it is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler project edit thumbnails --assign-rate 20
  hostler project edit thumbnails --name previews --private
  hostler project edit fetch --chain none")]
pub(super) struct Edit {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
    /// Another name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    definition: Definition,
}

/// Hand out no more tasks of a project; those held go on
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler project pause thumbnails")]
pub(super) struct Pause {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
}

/// Hand out tasks of a project again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hostler project resume thumbnails")]
pub(super) struct Resume {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
}

impl Edit {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        if self.name.is_none() && self.definition.is_empty() {
            return Err(Problem::Misuse(
                "nothing is to change: `hostler project edit --help` shows what can".to_owned(),
            ));
        }
        let mut change = Map::new();
        self.definition.put_into(&mut at.client, &mut change).await?;
        if let Some(name) = self.name {
            change.insert("name".to_owned(), name.into());
        }
        update(at, &self.project, change, "changed").await
    }
}

impl Pause {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        update(at, &self.project, Map::from_iter([("paused".to_owned(), true.into())]), "paused").await
    }
}

impl Resume {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        update(at, &self.project, Map::from_iter([("paused".to_owned(), false.into())]), "resumed").await
    }
}

async fn update(at: &mut Session, text: &str, change: Map<String, Value>, done: &str) -> Result<Exit, Problem> {
    let project = find(&mut at.client, text).await?;
    let mut all = match whole(&mut at.client, &project).await? {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    all.remove("id");
    all.extend(change);
    let call = Call::post(&format!("/project/update/{}", project.id)).body(&Value::Object(all));
    at.client.content(call).await?;
    match at.out.json() {
        true => at.out.value(&json!({ "id": project.id, "name": project.name, "done": done }))?,
        false => at.out.line(&plain(&format!("{done} {}", project.name)))?,
    }
    Ok(Exit::Done)
}
