//! `serve` and the hidden `core`: what one changes by hand about a daemon. main.rs runs them.

use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Run the daemon
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  hostler serve
  hostler serve --data-dir ./data --socket ./hostler.sock --listen 127.0.0.1:0

Without root it is the user's own daemon: data in $XDG_STATE_HOME/hostler, the socket in
$XDG_RUNTIME_DIR.
What the flags do not say comes from /etc/hostler/hostler.toml and /etc/hostler/conf.d/*.toml.")]
pub struct Serve {
    /// Read only this configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Keep everything there
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Listen on this TCP address instead of the configured ones; may be repeated
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<String>,
    /// The Unix socket to listen on: the `--socket` that every verb accepts.
    #[arg(skip)]
    pub socket: Option<PathBuf>,
    /// How the daemon's own log is written to standard error
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How the daemon's own log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Serve {
    pub(super) fn listening_on(self, socket: Option<PathBuf>) -> Serve {
        Serve { socket, ..self }
    }

    /// The same as arguments, for the core that the keeper starts.
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args = Vec::new();
        let mut push = |flag: &str, value: OsString| args.extend([OsString::from(flag), value]);
        for (flag, value) in [("--config", &self.config), ("--data-dir", &self.data_dir), ("--socket", &self.socket)] {
            if let Some(path) = value {
                push(flag, path.clone().into());
            }
        }
        for address in &self.listen {
            push("--listen", address.into());
        }
        match self.log_format {
            Some(LogFormat::Text) => push("--log-format", "text".into()),
            Some(LogFormat::Json) => push("--log-format", "json".into()),
            None => {}
        }
        args
    }
}

/// Run the core of a daemon; only its keeper does this
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Core {
    /// What the daemon was started with.
    #[command(flatten)]
    pub serve: Serve,
    /// Check this binary against configuration, store and carried state, and end
    #[arg(long)]
    pub self_check: bool,
}
