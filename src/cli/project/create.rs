//! `project create`: a new queue.

use super::definition::Definition;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use clap::Args;
use serde_json::{Map, Value};

/// Create a project; prints its number
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler project create thumbnails --public
  hostler project create crawl --assign-rate 5 --assign-burst 10 --motd 'be polite'
  hostler project create fetch --chain parse
  hostler project create mail --hidden --as alice

Without --public or --hidden it is private: everybody sees it, and workers need access.")]
pub(super) struct Create {
    /// Its name; no other project has it
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    definition: Definition,
}

impl Create {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut fields = Map::from_iter([("name".to_owned(), Value::from(self.name))]);
        self.definition.put_into(&mut at.client, &mut fields).await?;
        let made = at.client.content(Call::post("/project/create").body(&Value::Object(fields))).await?;
        match at.out.json() {
            true => at.out.value(&made)?,
            false => at.out.line(&made.get("id").map(word).unwrap_or_default())?,
        }
        Ok(Exit::Done)
    }
}
