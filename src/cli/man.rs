//! `man`: manual pages, made from the same grammar as `--help`.

use crate::cli::args::shown;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::Out;
use clap::Args;

/// Print a manual page
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler man | man -l -
  hostler man logs > hostler-logs.1
  hostler man dag submit | man -l -")]
pub(super) struct Man {
    /// The page of this verb, or of a verb of it [default: of the whole program]
    verb: Vec<String>,
}

impl Man {
    pub(super) fn run(&self, out: &Out) -> Result<Exit, Problem> {
        let mut whole = shown();
        whole.build();
        let mut page = &whole;
        for verb in &self.verb {
            let found = page.get_subcommands().find(|command| command.get_name() == verb);
            page = found.ok_or_else(|| Problem::Misuse(format!("there is no verb \"{verb}\": see --help")))?;
        }
        let mut text = Vec::new();
        let source = format!("hostler {}", env!("CARGO_PKG_VERSION"));
        let made = clap_mangen::Man::new(page.clone()).source(source).render(&mut text);
        made.map_err(|error| Problem::Local(format!("no manual page: {error}")))?;
        out.bytes(titled(&String::from_utf8_lossy(&text)).as_bytes()).map(|()| Exit::Done)
    }
}

/// The page with what follows the options under the titles that man-pages(7) has for it.
fn titled(page: &str) -> String {
    let page =
        page.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n").replace(".SH EXTRA\nExample:\n", ".SH EXAMPLES\n");
    page.replace(".SH EXTRA\nExit codes:\n", ".SH EXIT STATUS\n")
}
