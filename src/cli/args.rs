//! The arguments: one verb, and what every verb accepts before or after it.

use crate::base::Secret;
use crate::cli::client::Client;
use crate::cli::exit::{EXIT_CODES, Exit, Problem};
use crate::cli::offline::Offline;
use crate::cli::out::Out;
use crate::cli::place::Place;
use crate::cli::serve::{Core, Serve};
use crate::cli::{
    Session, account, apply, backup, cache, check, compact, completions, dag, data, doctor, ep, events, export, id,
    import, list, logs, man, online, probe, project, restart, restore, rm, run, scale, signal, start, status, stop,
    task, token, upgrade, wait, why, worker,
};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use hyper::header::HeaderValue;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// One daemon for everything a host runs.
///
/// `hostler serve` runs the daemon; every other verb asks a running one, over its Unix socket or a URL.
#[derive(Debug, Parser)]
#[command(name = "hostler", version, after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Line {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb accepts.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Global {
    /// The daemon's Unix socket [default: $HOSTLER_SOCKET, /run/hostler/hostler.sock for root, else
    /// $XDG_RUNTIME_DIR/hostler.sock]; with `serve`, the socket to listen on
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// A daemon at http://HOST:PORT or https://HOST:PORT
    #[arg(long, global = true, value_name = "URL", conflicts_with = "socket")]
    pub(super) url: Option<String>,
    /// A file whose content is a token: act with its rights
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Act for this account in the tracker, the cache and the hub; for operators, over the Unix socket
    #[arg(long = "as", global = true, value_name = "NAME")]
    pub(super) acting: Option<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Serve(Serve),
    #[command(hide = true)]
    Core(Core),
    #[command(hide = true)]
    Probe(probe::Probe),
    Run(run::Run),
    Start(start::Start),
    Stop(stop::Stop),
    Restart(restart::Restart),
    Status(status::Status),
    List(list::List),
    Logs(logs::Logs),
    Rm(rm::Rm),
    Scale(scale::Scale),
    Signal(signal::Signal),
    Wait(wait::Wait),
    Why(why::Why),
    Apply(apply::Apply),
    Dag(dag::Dag),
    Project(Box<project::Project>),
    Task(task::Task),
    Worker(worker::Worker),
    Cache(cache::Cache),
    Data(data::Data),
    Id(id::Id),
    Ep(ep::Ep),
    Online(online::Online),
    Import(import::Import),
    Events(events::Events),
    Token(token::Token),
    Account(account::Account),
    Doctor(doctor::Doctor),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Export(export::Export),
    Check(check::Check),
    Compact(compact::Compact),
    Upgrade(upgrade::Upgrade),
    Completions(completions::Completions),
    Man(man::Man),
}

/// What this process is to be.
#[derive(Debug)]
pub enum Command {
    /// The keeper of a daemon.
    Serve(Serve),
    /// The core of a daemon.
    Core(Core),
    /// Work on the files of a daemon that does not run, or on a configuration file.
    Offline(Offline),
    /// Everything else: for [`run`](crate::cli::run).
    Errand(Errand),
}

/// A client's command.
#[derive(Debug)]
pub struct Errand {
    verb: Verb,
    global: Global,
}

/// Reads the arguments, the program's name first. Starts nothing.
///
/// # Errors
/// The code to end with: help was asked for and printed, or the arguments make no sense and that was said.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, ExitCode> {
    read(args).map_err(|error| {
        // If that cannot be printed either, the code still tells.
        let _ = error.print();
        ExitCode::from(code(&error).code())
    })
}

/// What a refusal of the arguments means to a script.
pub(super) fn code(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::Misuse,
    }
}

/// [`parse`] without printing.
pub(super) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let Line { global, verb } = Line::try_parse_from(args)?;
    Ok(match verb {
        Verb::Serve(serve) => Command::Serve(serve.listening_on(global.daemon()?)),
        Verb::Core(core) => Command::Core(Core { serve: core.serve.listening_on(global.daemon()?), ..core }),
        Verb::Restore(restore) => Command::Offline(restore.offline(global.json)),
        Verb::Check(check) if check.offline => Command::Offline(check.offline(global.json)),
        Verb::Compact(compact) if compact.offline => Command::Offline(compact.offline(global.json)),
        Verb::Doctor(doctor::Doctor { config: Some(file) }) => Command::Offline(doctor::offline(file, global.json)),
        verb => Command::Errand(Errand { verb, global }),
    })
}

/// The whole grammar.
pub(super) fn grammar() -> clap::Command {
    Line::command()
}

/// The grammar without what is not for people, for completions and manual pages: those do not all know hidden verbs.
pub(super) fn shown() -> clap::Command {
    let whole = grammar();
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    let mut shown =
        clap::Command::new("hostler").version(env!("CARGO_PKG_VERSION")).args(whole.get_arguments().cloned());
    shown = shown.after_help(EXIT_CODES).subcommands(verbs.collect::<Vec<_>>());
    match (whole.get_about().cloned(), whole.get_long_about().cloned()) {
        (Some(about), Some(long)) => shown.about(about).long_about(long),
        _ => shown,
    }
}

impl Global {
    /// The socket of a daemon to be; what only a client needs is refused.
    fn daemon(self) -> Result<Option<PathBuf>, clap::Error> {
        if self.url.is_some() || self.token_file.is_some() || self.acting.is_some() {
            let what = "--url, --token-file and --as are for clients: `serve` takes --listen and --socket";
            return Err(grammar().error(ErrorKind::ArgumentConflict, what));
        }
        Ok(self.socket)
    }

    /// The client these arguments describe.
    pub(super) fn client(&self) -> Result<Client, Problem> {
        let place = match (&self.url, &self.socket) {
            (Some(url), _) => match Place::parse(url).map_err(Problem::Misuse)? {
                (place, path) if path == "/" => place,
                (_, path) => return Err(Problem::Misuse(format!("--url takes no path: leave out \"{path}\""))),
            },
            (None, Some(socket)) => Place::Unix(socket.clone()),
            (None, None) => {
                let variable = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
                Place::default_socket(variable, nix::unistd::geteuid().is_root()).map_err(Problem::Misuse)?
            }
        };
        let acting = self.acting.as_ref().map(|name| match &place {
            Place::Unix(_) => HeaderValue::from_bytes(name.as_bytes())
                .map_err(|_| Problem::Misuse("--as: no account has a name with control characters".to_owned())),
            Place::Tcp { .. } => Err(Problem::Misuse(
                "--as works over the Unix socket only: leave out --url, and be an operator".to_owned(),
            )),
        });
        let acting = acting.transpose()?;
        let token = self.token_file.as_ref().map(|file| {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Problem::Misuse(format!("cannot read the token file {}: {error}", file.display())))?;
            match text.trim() {
                "" => Err(Problem::Misuse(format!("the token file {} is empty", file.display()))),
                token => Ok(Secret::new(token)),
            }
        });
        Ok(Client::new(place, token.transpose()?).acting(acting))
    }
}

impl Errand {
    /// Whether the answer is to be JSON.
    pub(super) fn json(&self) -> bool {
        self.global.json
    }

    /// Does it, saying to `out` what there is to say.
    pub(super) async fn perform(self, out: &mut Out) -> Result<Exit, Problem> {
        match self.verb {
            Verb::Probe(probe) => return probe.run().await,
            Verb::Completions(completions) => return completions.run(out),
            Verb::Man(man) => return man.run(out),
            _ => {}
        }
        let mut session = Session { client: self.global.client()?, out: out.clone() };
        let at = &mut session;
        match self.verb {
            Verb::Run(verb) => verb.run(at).await,
            Verb::Start(verb) => verb.run(at).await,
            Verb::Stop(verb) => verb.run(at).await,
            Verb::Restart(verb) => verb.run(at).await,
            Verb::Status(verb) => verb.run(at).await,
            Verb::List(verb) => verb.run(at).await,
            Verb::Logs(verb) => verb.run(at).await,
            Verb::Rm(verb) => verb.run(at).await,
            Verb::Scale(verb) => verb.run(at).await,
            Verb::Signal(verb) => verb.run(at).await,
            Verb::Wait(verb) => verb.run(at).await,
            Verb::Why(verb) => verb.run(at).await,
            Verb::Apply(verb) => verb.run(at).await,
            Verb::Dag(verb) => verb.run(at).await,
            Verb::Project(verb) => verb.run(at).await,
            Verb::Task(verb) => verb.run(at).await,
            Verb::Worker(verb) => verb.run(at).await,
            Verb::Cache(verb) => verb.run(at).await,
            Verb::Data(verb) => verb.run(at).await,
            Verb::Id(verb) => verb.run(at).await,
            Verb::Ep(verb) => verb.run(at).await,
            Verb::Online(verb) => verb.run(at).await,
            Verb::Import(verb) => verb.run(at).await,
            Verb::Events(verb) => verb.run(at).await,
            Verb::Token(verb) => verb.run(at).await,
            Verb::Account(verb) => verb.run(at).await,
            Verb::Doctor(verb) => verb.run(at).await,
            Verb::Backup(verb) => verb.run(at).await,
            Verb::Export(verb) => verb.run(at).await,
            Verb::Check(verb) => verb.run(at).await,
            Verb::Compact(verb) => verb.run(at).await,
            Verb::Upgrade(verb) => verb.run(at).await,
            // `read` has given these to main.rs, and the match above has done the others.
            Verb::Serve(_)
            | Verb::Core(_)
            | Verb::Restore(_)
            | Verb::Probe(_)
            | Verb::Completions(_)
            | Verb::Man(_) => Ok(Exit::Misuse),
        }
    }
}
