//! `signal`: a signal to what runs of a task.

use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::{Session, tasks};
use clap::Args;
use nix::sys::signal::Signal as Known;

/// Send a signal to the processes of tasks
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler signal HUP web
  hostler signal USR1 web --replica 0
  hostler signal 15 'worker-*'")]
pub(super) struct Signal {
    /// A name, with or without SIG, or a number
    #[arg(value_parser = signal)]
    signal: String,
    /// Names or globs
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Only this replica
    #[arg(long, value_name = "INDEX")]
    replica: Option<u32>,
}

impl Signal {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let done = format!("sent {} to", self.signal);
        tasks::each(at, &self.names, &done, |name| {
            let call = Call::post("/proc/signal").query("name", name).query("signal", &self.signal);
            call.maybe("replica", self.replica)
        })
        .await
    }
}

/// The signal's name without `SIG`, which every spelling of it becomes.
pub(super) fn signal(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = match name.parse::<i32>() {
        Ok(number) => Known::try_from(number).ok(),
        Err(_) => format!("SIG{name}").parse().ok(),
    };
    let known = known.ok_or_else(|| format!("\"{text}\" is not a signal: expected HUP, SIGHUP or 1, say"))?;
    Ok(known.as_str().trim_start_matches("SIG").to_owned())
}
