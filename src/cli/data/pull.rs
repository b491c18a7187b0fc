//! `data pull`: a tag of another host.

use super::Access;
use super::following::until_over;
use super::naming::Name;
use crate::cli::Session;
use crate::cli::cache::{number, size, text};
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Pull a tag of another host into a data pool; prints the job's number
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler data pull http://198.51.100.7:35800 weather/rain:2024-01 --pool weather --wait
  hostler data pull http://198.51.100.7:35800 weather/rain:2024-01 --pool weather --publish public
  hostler data pull https://data.example:35800 weather/secret:v1 --pool weather \\
    --username alice --source-token-file token

The file is compared with what the other host says it is, and appears whole or not at all. A pull
goes on where it was after the end of either side; while the other host cannot be reached, it is
tried again for a day. One with a token fails when the daemon is restarted: the token is kept
nowhere.

Exit codes:
  0    the job is made; with --wait: the file is there
  1    with --wait: it failed, or the waiting was interrupted
  100  the same call will fail again: a wrong argument, no such pool
  111  try again: the daemon is absent, starting or busy")]
pub(super) struct Pull {
    /// The other host's entry point
    #[arg(value_name = "http://HOST:PORT")]
    from: String,
    /// What
    #[arg(value_name = "REPO/ITEM:TAG", value_parser = Name::one_tag)]
    what: Name,
    /// Into which data pool
    #[arg(long, value_name = "POOL")]
    pool: String,
    /// Into which directory of it [default: the item's name]
    #[arg(long, value_name = "DIR")]
    dir: Option<String>,
    /// What to call the file [default: the tag's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Publish it here too, under the same name, when it is there
    #[arg(long, value_name = "ACCESS", value_enum)]
    publish: Option<Access>,
    /// As whom to ask the other host, where the item is not public
    #[arg(long, value_name = "USER", requires = "source_token_file")]
    username: Option<String>,
    /// A file whose content is a token of the other host
    #[arg(long, value_name = "FILE")]
    source_token_file: Option<PathBuf>,
    /// Wait until it is over
    #[arg(short, long)]
    wait: bool,
}

impl Pull {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let body = self.body()?;
        let mut job = at.client.data(Call::post("/api/job").body(&body)).await?;
        if self.wait {
            job = until_over(at, text(&job, "id")).await?;
        }
        if at.out.json() {
            at.out.value(&job)?;
            return Ok(Exit::Done);
        }
        match self.wait {
            true => {
                let bytes = number(&job, "srcsize").or(number(&job, "size")).unwrap_or_default();
                at.out.line(&format!("{} ({})", text(&job, "path"), size(bytes)))?;
            }
            false => at.out.line(text(&job, "id"))?,
        }
        Ok(Exit::Done)
    }

    fn body(&self) -> Result<Value, Problem> {
        let token = self.source_token_file.as_ref().map(|file| {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Problem::Misuse(format!("cannot read the token file {}: {error}", file.display())))?;
            match text.trim() {
                "" => Err(Problem::Misuse(format!("the token file {} is empty", file.display()))),
                token => Ok(json!(token)),
            }
        });
        let given = [
            ("from", Some(json!(self.from))),
            ("repname", Some(json!(self.what.rep))),
            ("itemname", self.what.item.as_ref().map(|item| json!(item))),
            ("tag", self.what.tag.as_ref().map(|tag| json!(tag))),
            ("datapool", Some(json!(self.pool))),
            ("itemdesc", self.dir.as_ref().map(|dir| json!(dir))),
            ("destname", self.name.as_ref().map(|name| json!(name))),
            ("publish", self.publish.map(|access| json!(access.word()))),
            ("username", self.username.as_ref().map(|name| json!(name))),
            ("token", token.transpose()?),
        ];
        let given = given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Ok(Value::Object(given.collect::<Map<_, _>>()))
    }
}
