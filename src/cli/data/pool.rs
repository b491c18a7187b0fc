//! `data pool`: the directories under which data lies.

use crate::cli::Session;
use crate::cli::cache::text;
use crate::cli::client::{Call, segment};
use crate::cli::exit::{Exit, Problem};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Data pools: the directories under which published data lies
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  hostler data pool create weather /var/lib/hostler/pools/weather
  hostler data pool list
  hostler data pool rm weather"
)]
pub(super) struct Pool {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a data pool, and its directory where there is none
    #[command(after_help = "\
Example:
  hostler data pool create weather /var/lib/hostler/pools/weather

The directory lies below one of the daemon's hub.pool_roots, and neither in nor around that of
somebody else's pool.")]
    Create {
        /// What to call it
        #[arg(value_name = "NAME")]
        name: String,
        /// Where it is
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// List data pools
    #[command(visible_alias = "ls", after_help = "Example:\n  hostler data pool list --json")]
    List,
    /// Forget a data pool that no published item lies in; its files stay
    #[command(after_help = "Example:\n  hostler data pool rm weather")]
    Rm {
        /// Its name
        #[arg(value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
}

impl Pool {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Create { name, dir } => create(at, &name, &dir).await?,
            Verb::List => list(at).await?,
            Verb::Rm { name } => {
                let answer = at.client.ask(Call::delete(&format!("/api/datapools/{}", segment(&name)))).await?;
                match at.out.json() {
                    true => at.out.value(&answer)?,
                    false => at.out.line(&format!("removed {name}"))?,
                }
            }
        }
        Ok(Exit::Done)
    }
}

async fn create(at: &mut Session, name: &str, dir: &std::path::Path) -> Result<(), Problem> {
    let dir = std::path::absolute(dir).map_err(|error| Problem::Misuse(format!("{}: {error}", dir.display())))?;
    let conn = dir.to_str().ok_or_else(|| Problem::Misuse(format!("{}: its name is not UTF-8", dir.display())))?;
    let body = json!({ "name": name, "type": "file", "conn": conn });
    let pool = at.client.data(Call::post("/api/datapools").body(&body)).await?;
    match at.out.json() {
        true => at.out.value(&pool),
        false => at.out.line(&format!("{} is {}", text(&pool, "name"), text(&pool, "conn"))),
    }
}

async fn list(at: &mut Session) -> Result<(), Problem> {
    let answer = at.client.data(Call::get("/api/datapools").query("size", -1)).await?;
    if at.out.json() {
        return at.out.value(&answer);
    }
    let pools = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    let cell = |pool: &Value, key: &str| text(pool, key).to_owned();
    let row = |pool| vec![cell(pool, "name"), cell(pool, "owner"), cell(pool, "optime"), cell(pool, "conn")];
    at.out.table(&["NAME", "OWNER", "SINCE", "DIRECTORY"], &pools.iter().map(row).collect::<Vec<_>>())
}
