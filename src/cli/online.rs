//! `online`: whether an account's data can be had now.

use crate::cli::Session;
use crate::cli::cache::text;
use crate::cli::client::{Call, CallError, segment};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::plain;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use hyper::StatusCode;

/// Tell whether an account is online, and why not; exits 1 when it is not
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler online
  hostler online alice || mail -s 'alice is offline' ops

Why somebody else is offline is told to operators and administrators.

Exit codes:
  0    online
  1    offline
  100  the same call will fail again: there is no such account
  111  try again: the daemon is absent, starting or busy")]
pub(super) struct Online {
    /// Who [default: yourself]
    #[arg(value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    user: Option<String>,
}

impl Online {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let user = match self.user {
            Some(user) => user,
            None => text(&at.client.data(Call::get("/api/users/whoami")).await?, "username").to_owned(),
        };
        let answer = match at.client.data(Call::get(&format!("/api/users/{}", segment(&user)))).await {
            // Whether somebody is online is everybody's to know.
            Err(CallError::Refused { status: StatusCode::FORBIDDEN, .. }) => {
                at.client.data(Call::get(&format!("/api/heartbeat/status/{}", segment(&user)))).await?
            }
            answer => answer?,
        };
        let (status, why) = (text(&answer, "status"), plain(text(&answer, "why")));
        match at.out.json() {
            true => at.out.value(&answer)?,
            false if why.is_empty() => at.out.line(&format!("{user} is {status}"))?,
            false => at.out.line(&format!("{user} is {status}: {why}"))?,
        }
        Ok(if status == "online" { Exit::Done } else { Exit::Unhealthy })
    }
}
