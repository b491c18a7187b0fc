//! Work on the files of a daemon that does not run. The store and the configuration are not this room's: main.rs does
//! the work and tells its outcome here, so that it is said as every verb says it.

use crate::cli::exit::{Exit, Problem};
use crate::cli::out::Out;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Which daemon's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Files {
    /// The data directory of a daemon that does not run [default: as configured]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The configuration file that names it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Files {
    /// A running daemon knows where its files are.
    pub(super) fn refuse_online(&self) -> Result<(), Problem> {
        match self {
            Files { data_dir: None, config: None } => Ok(()),
            _ => Err(Problem::Misuse("--data-dir and --config go with --offline: a running daemon has its own".into())),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Put the content of a backup in place of the data.
    Restore {
        /// The backup.
        backup: PathBuf,
        /// Whose data.
        files: Files,
        /// Whether there may be data already, which is set aside.
        replace: bool,
    },
    /// Verify everything.
    Check(Files),
    /// Rewrite the store without its dead bytes.
    Compact(Files),
    /// Read a configuration and say what is wrong with it.
    Config(PathBuf),
}

/// Work for main.rs, and how to tell its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offline {
    /// What is to be done.
    pub work: Work,
    pub(super) json: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What was done or seen, a line each.
    pub lines: Vec<String>,
    /// What is wrong, a line each; any makes the exit 1.
    pub problems: Vec<String>,
}

impl Offline {
    /// Says what came of the work, and the code to end with.
    pub fn finish(&self, outcome: Result<Findings, Problem>) -> ExitCode {
        let mut out = Out::standard(self.json);
        let told = outcome.and_then(|findings| tell(&out, &findings));
        out.finish(told)
    }
}

pub(super) fn tell(out: &Out, findings: &Findings) -> Result<Exit, Problem> {
    let exit = if findings.problems.is_empty() { Exit::Done } else { Exit::Unhealthy };
    if out.json() {
        out.value(&json!({ "lines": findings.lines, "problems": findings.problems }))?;
        return Ok(exit);
    }
    for line in &findings.lines {
        out.line(line)?;
    }
    for problem in &findings.problems {
        out.line(&format!("PROBLEM  {problem}"))?;
    }
    Ok(exit)
}
