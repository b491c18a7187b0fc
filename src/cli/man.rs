//! `man`: manual pages, made from the same grammar as `--help`.

use crate::cli::args::grammar;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::Out;
use clap::Args;

/// Print a manual page
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler man | man -l -
  hostler man logs > hostler-logs.1")]
pub(super) struct Man {
    /// The page of this verb [default: of the whole program]
    verb: Option<String>,
}

impl Man {
    pub(super) fn run(&self, out: &Out) -> Result<Exit, Problem> {
        let mut whole = grammar();
        whole.build();
        let page = match &self.verb {
            None => whole,
            Some(verb) => {
                let found = whole.get_subcommands().find(|command| command.get_name() == verb).cloned();
                found.ok_or_else(|| Problem::Misuse(format!("there is no verb \"{verb}\": see --help")))?
            }
        };
        let mut text = Vec::new();
        let made = clap_mangen::Man::new(page).render(&mut text);
        made.map_err(|error| Problem::Local(format!("no manual page: {error}")))?;
        out.bytes(&text).map(|()| Exit::Done)
    }
}
