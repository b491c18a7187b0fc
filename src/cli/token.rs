//! `token`: rights for programs that do not come over the Unix socket.

use crate::base::{Now, duration};
use crate::cli::Session;
use crate::cli::client::{Call, segment};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{plain, word};
use chrono::{SecondsFormat, TimeDelta};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::time::Duration;

/// Create, list and revoke tokens
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler token create --name ci --scope proc:read --scope proc:write --expires 30d > token
  hostler token list
  hostler token revoke 3
  hostler list --url https://host.example:8606 --token-file token")]
pub(super) struct Token {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a token; its text is printed once and kept nowhere
    #[command(after_help = "\
Examples:
  hostler token create --scope job --expires 90d > token
  hostler token create --name deploy --scope proc:read,proc:write --expires 30d --json")]
    Create {
        /// What to call it [default: what it allows and eight digits]
        #[arg(long)]
        name: Option<String>,
        /// What it allows: proc:read, proc:write, dag:read, dag:write, job, job:read, cluster, tracker, hub, admin;
        /// may be repeated
        #[arg(long, value_name = "SCOPE", required = true, value_delimiter = ',')]
        scope: Vec<String>,
        /// How long it is good for [default: until it is revoked]
        #[arg(long, value_name = "D", value_parser = duration::parse)]
        expires: Option<Duration>,
    },
    /// List tokens, those of accounts included, without their texts
    #[command(after_help = "Example:\n  hostler token list --json")]
    List,
    /// Revoke a token; it opens nothing from now on
    #[command(after_help = "Example:\n  hostler token revoke 3")]
    Revoke {
        /// Its number, from `hostler token list`
        id: String,
    },
}

impl Token {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Create { name, scope, expires } => create(at, name, &scope, expires).await?,
            Verb::List => list(at).await?,
            Verb::Revoke { id } => {
                at.client.ask(Call::delete(&format!("/hostler/v1/tokens/{}", segment(&id)))).await?;
                match at.out.json() {
                    true => at.out.value(&json!({ "id": id, "done": "revoked" }))?,
                    false => at.out.line(&format!("revoked {}", plain(&id)))?,
                }
            }
        }
        Ok(Exit::Done)
    }
}

async fn create(
    at: &mut Session,
    name: Option<String>,
    scopes: &[String],
    expires: Option<Duration>,
) -> Result<(), Problem> {
    let mut ask = json!({ "scopes": scopes });
    if let Some(name) = name {
        ask["name"] = name.into();
    }
    if let Some(expires) = expires {
        let end = TimeDelta::from_std(expires).ok().and_then(|expires| Now::read().wall.checked_add_signed(expires));
        let end = end.ok_or_else(|| Problem::Misuse("--expires is beyond the end of the calendar".to_owned()))?;
        ask["expires"] = end.to_rfc3339_opts(SecondsFormat::Secs, true).into();
    }
    let token = at.client.ask(Call::post("/hostler/v1/tokens").body(&ask)).await?;
    if at.out.json() {
        return at.out.value(&token);
    }
    // The text alone on standard output, so that it can go into a file; a person is told the rest.
    at.out.line(&token.get("token").map(word).unwrap_or_default())?;
    at.out.aside(&format!(
        "token {} ({}) is made; its text is not shown again",
        token.get("id").map(word).unwrap_or_default(),
        plain(&token.get("name").map(word).unwrap_or_default())
    ));
    Ok(())
}

async fn list(at: &mut Session) -> Result<(), Problem> {
    let answer = at.client.ask(Call::get("/hostler/v1/tokens")).await?;
    if at.out.json() {
        return at.out.value(&answer);
    }
    let tokens = answer.as_array().or_else(|| answer.get("tokens")?.as_array());
    let row = |token: &Value| {
        let field = |key: &str| token.get(key).filter(|value| !value.is_null()).map(word).unwrap_or_default();
        let scopes = token.get("scopes").and_then(Value::as_array).into_iter().flatten().map(word);
        let scopes = scopes.collect::<Vec<_>>().join(" ");
        let (name, owner, state) = (field("name"), owner(token), field("state"));
        vec![field("id"), name, scopes, owner, state, field("created"), field("expires"), field("last_used")]
    };
    let rows: Vec<Vec<String>> = tokens.into_iter().flatten().map(row).collect();
    at.out.table(&["ID", "NAME", "SCOPES", "OWNER", "STATE", "CREATED", "EXPIRES", "LAST USED"], &rows)
}

/// Whose it is: a user of the host, or an account.
fn owner(token: &Value) -> String {
    let given = |key: &str| token.get(key).filter(|value| !value.is_null()).map(word);
    match (given("owner"), given("account_name").or_else(|| given("account"))) {
        (Some(uid), _) => format!("uid {uid}"),
        (None, Some(account)) => format!("account {account}"),
        (None, None) => String::new(),
    }
}
