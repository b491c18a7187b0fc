//! `account`: people and programs with a name and a password.

use crate::base::Secret;
use crate::cli::client::{Call, segment};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{plain, word};
use crate::cli::{Session, password};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};

const ALL: &str = "/hostler/v1/accounts";

/// Make, list, change and remove accounts
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler account create alice
  hostler account create root --admin --password-stdin < password
  hostler account list
  hostler account set alice --tracker admin --operator false
  hostler account passwd alice
  hostler account rm alice")]
pub(super) struct Account {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make an account; its password is asked for, twice
    #[command(after_help = "\
Examples:
  hostler account create alice
  hostler account create ci --tracker manager --hub none --cache none --password-stdin < password
  hostler account create root --admin")]
    Create {
        /// What to call it
        name: String,
        /// Give it all rights of all families [default: the ordinary ones]
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        rights: Rights,
        #[command(flatten)]
        password: Password,
    },
    /// List accounts with what they may do
    #[command(alias = "ls", after_help = "Example:\n  hostler account list --json")]
    List,
    /// Give an account another password and end its sessions; the password is asked for, twice
    #[command(after_help = "\
Examples:
  hostler account passwd alice
  hostler account passwd alice --password-stdin < password")]
    Passwd {
        /// Its name
        name: String,
        #[command(flatten)]
        password: Password,
    },
    /// Change what an account may do; its next request sees that
    #[command(after_help = "\
Examples:
  hostler account set alice --tracker admin
  hostler account set alice --operator true --hub none")]
    Set {
        /// Its name
        name: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// End all sessions of an account
    #[command(after_help = "Example:\n  hostler account sign-out alice")]
    SignOut {
        /// Its name
        name: String,
    },
    /// Remove an account and end its sessions
    #[command(after_help = "Example:\n  hostler account rm alice")]
    Rm {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
struct Password {
    /// Read the password from standard input; one newline at its end is left out
    #[arg(long)]
    password_stdin: bool,
}

impl Password {
    fn read(&self) -> Result<Secret, Problem> {
        if self.password_stdin { password::from_stdin() } else { password::asked() }
    }
}

/// What it may do: those that are given.
#[derive(Debug, Args)]
struct Rights {
    /// Whether it may do everything in the process and DAG families and hostler's own routes
    #[arg(long, value_name = "BOOL")]
    operator: Option<bool>,
    /// In the tracker
    #[arg(long, value_name = "RIGHT", value_parser = ["none", "manager", "admin"])]
    tracker: Option<String>,
    /// In the data hub
    #[arg(long, value_name = "RIGHT", value_parser = ["none", "ordinary", "admin"])]
    hub: Option<String>,
    /// In the download cache
    #[arg(long, value_name = "RIGHT", value_parser = ["none", "guest", "admin"])]
    cache: Option<String>,
}

impl Rights {
    fn json(self) -> Map<String, Value> {
        let words = [("tracker", self.tracker), ("hub", self.hub), ("cache", self.cache)];
        let words = words.into_iter().filter_map(|(key, word)| Some((key.to_owned(), Value::from(word?))));
        let operator = self.operator.map(|operator| ("operator".to_owned(), Value::from(operator)));
        words.chain(operator).collect()
    }
}

/// The path of an account, or of something it has.
fn path(name: &str, of: &str) -> String {
    format!("{ALL}/{}{of}", segment(name))
}

impl Account {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Create { name, admin, rights, password } => {
                let mut ask = rights.json();
                ask.insert("password".to_owned(), Value::from(password.read()?.expose()));
                ask.insert("name".to_owned(), Value::from(name.as_str()));
                if admin {
                    ask.insert("admin".to_owned(), Value::from(true));
                }
                let account = at.client.ask(Call::post(ALL).body(&Value::Object(ask))).await?;
                told(at, &account, &name, "created")?;
            }
            Verb::List => list(at).await?,
            Verb::Passwd { name, password } => {
                let ask = json!({ "password": password.read()?.expose() });
                at.client.ask(Call::put(&path(&name, "/password")).body(&ask)).await?;
                done(at, &name, "changed the password of", "password changed")?;
            }
            Verb::Set { name, rights } => {
                let ask = rights.json();
                if ask.is_empty() {
                    let why = "nothing to set: give --operator, --tracker, --hub or --cache".to_owned();
                    return Err(Problem::Misuse(why));
                }
                let call = Call::new(Method::PATCH, &path(&name, "")).body(&Value::Object(ask));
                let account = at.client.ask(call).await?;
                told(at, &account, &name, "changed")?;
            }
            Verb::SignOut { name } => {
                at.client.ask(Call::delete(&path(&name, "/sessions"))).await?;
                done(at, &name, "signed out", "signed out")?;
            }
            Verb::Rm { name } => {
                at.client.ask(Call::delete(&path(&name, ""))).await?;
                done(at, &name, "removed", "removed")?;
            }
        }
        Ok(Exit::Done)
    }
}

/// An account as the daemon has it now.
fn told(at: &mut Session, account: &Value, name: &str, what: &str) -> Result<(), Problem> {
    if at.out.json() { at.out.value(account) } else { at.out.line(&format!("{what} {}", plain(name))) }
}

/// Something that has no answer of its own.
fn done(at: &mut Session, name: &str, what: &str, word: &str) -> Result<(), Problem> {
    match at.out.json() {
        true => at.out.value(&json!({ "name": name, "done": word })),
        false => at.out.line(&format!("{what} {}", plain(name))),
    }
}

async fn list(at: &mut Session) -> Result<(), Problem> {
    let answer = at.client.ask(Call::get(ALL)).await?;
    if at.out.json() {
        return at.out.value(&answer);
    }
    let accounts = answer.get("accounts").and_then(Value::as_array);
    const KEYS: [&str; 8] = ["id", "name", "operator", "tracker", "hub", "cache", "sessions", "created"];
    let row = |account: &Value| KEYS.map(|key| account.get(key).map(word).unwrap_or_default()).to_vec();
    let rows: Vec<Vec<String>> = accounts.into_iter().flatten().map(row).collect();
    at.out.table(&["ID", "NAME", "OPERATOR", "TRACKER", "HUB", "CACHE", "SESSIONS", "CREATED"], &rows)
}
