//! `completions`: what a shell needs to complete our arguments.

use crate::cli::args::shown;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::Out;
use clap::Args;
use clap_complete::Shell;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler completions bash > /etc/bash_completion.d/hostler
  hostler completions fish > ~/.config/fish/completions/hostler.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, out: &Out) -> Result<Exit, Problem> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut shown(), "hostler", &mut script);
        out.bytes(&script).map(|()| Exit::Done)
    }
}
