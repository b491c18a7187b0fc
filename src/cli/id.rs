//! `id`: what a daemon shows to say for whom it works.

use crate::cli::Session;
use crate::cli::cache::text;
use crate::cli::client::{Call, Client};
use crate::cli::exit::{Exit, Problem};
use crate::cli::place::Place;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use hyper::header::HeaderValue;

/// Print the daemon id of an account: with it, another host says for whom it works
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler id
  hostler id alice

It stays the same for ever, and is a secret: whoever has it can say that the account is online.
Another account's is for operators, over the Unix socket.")]
pub(super) struct Id {
    /// Whose [default: your own]
    #[arg(value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
}

impl Id {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let answer = acting(at, self.user.as_deref())?.data(Call::get("/api/daemon/id")).await?;
        match at.out.json() {
            true => at.out.value(&answer)?,
            false => at.out.line(text(&answer, "daemonid"))?,
        }
        Ok(Exit::Done)
    }
}

/// A client that acts for `user`; for the caller where none is named.
///
/// # Errors
/// Only operators can, over the Unix socket; or nobody is called so.
pub(super) fn acting(at: &Session, user: Option<&str>) -> Result<Client, Problem> {
    let client = at.client.another();
    let Some(user) = user else { return Ok(client) };
    match client.place() {
        Place::Unix(_) => {
            let name = HeaderValue::from_bytes(user.as_bytes());
            let name = name.map_err(|_| Problem::Misuse("no account has a name with control characters".to_owned()))?;
            Ok(client.acting(Some(name)))
        }
        Place::Tcp { .. } => Err(Problem::Misuse(format!(
            "acting for {user} works over the Unix socket only: leave out --url and be an operator, or leave out the \
             name and act with that account's own token"
        ))),
    }
}
