//! Chooses what this process is from its arguments, before any thread exists: the keeper, its core, work on a stopped
//! daemon's files, or a client.

use hostler::cli::{self, Command, Exit, Files, Findings, Offline, Problem, Serve, Work};
use hostler::daemon::{self, Arguments};
use hostler::{config, keeper, proc, store};
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let command = match cli::parse(argv.clone()) {
        Ok(command) => command,
        Err(code) => return code,
    };
    match command {
        Command::Serve(serve) => {
            // A mistake is answered here, at the terminal, and not by a core that dies again and again.
            if let Err(why) = arguments(&serve).configuration() {
                eprintln!("hostler: {why}");
                return ExitCode::from(Exit::Misuse.code());
            }
            let program = argv.into_iter().next().unwrap_or_else(|| "hostler".into());
            let understood: Vec<_> = [program, "serve".into()].into_iter().chain(serve.to_args()).collect();
            keeper::run(keeper::Settings::for_serve(&understood))
        }
        Command::Core(core) if core.self_check => match daemon::self_check(&arguments(&core.serve)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("hostler self-check: {why}");
                ExitCode::FAILURE
            }
        },
        Command::Core(core) => daemon::run(&arguments(&core.serve)),
        Command::Offline(offline) => {
            let outcome = perform(&offline);
            offline.finish(outcome)
        }
        Command::Errand(errand) => cli::run(errand),
    }
}

fn arguments(serve: &Serve) -> Arguments {
    Arguments {
        config: serve.config.clone(),
        data_dir: serve.data_dir.clone(),
        listen: serve.listen.clone(),
        socket: serve.socket.clone(),
        log_format: serve.log_format.map(|format| match format {
            cli::LogFormat::Text => config::LogFormat::Text,
            cli::LogFormat::Json => config::LogFormat::Json,
        }),
    }
}

/// Works on the files of a daemon that does not run.
fn perform(offline: &Offline) -> Result<Findings, Problem> {
    let local = |why: &dyn std::fmt::Display| Problem::Local(why.to_string());
    match &offline.work {
        Work::Restore { backup, files, replace } => {
            let config = configuration(files)?;
            let operations = store::restore(backup, &config.data_dir, *replace).map_err(|why| local(&why))?;
            let dir = config.data_dir.display();
            Ok(Findings { lines: vec![format!("{operations} operations restored into {dir}")], ..Findings::default() })
        }
        Work::Check(files) => {
            let config = configuration(files)?;
            let store = store::Store::open(daemon::store_settings(&config)).map_err(|why| local(&why))?;
            let report = store.check(&proc::rules());
            let line = format!("{} records and {} objects read", report.records, report.objects);
            let certificates = daemon::certificates(&config);
            let lines = std::iter::once(line).chain(certificates.remarks).collect();
            let problems = report.findings.into_iter().chain(certificates.problems).collect();
            Ok(Findings { lines, problems })
        }
        Work::Compact(files) => {
            let config = configuration(files)?;
            let done = store::compact(&daemon::store_settings(&config)).map_err(|why| local(&why))?;
            let line = format!("{} bytes before, {} bytes after", done.before, done.after);
            Ok(Findings { lines: vec![line], ..Findings::default() })
        }
        Work::Config(file) => {
            let config = config::load(Some(file)).map_err(|why| Problem::Misuse(why.to_string()))?;
            let found = daemon::configured(&config);
            let good = found.problems.is_empty().then(|| format!("{} is a good configuration", file.display()));
            Ok(Findings { lines: good.into_iter().chain(found.remarks).collect(), problems: found.problems })
        }
    }
}

fn configuration(files: &Files) -> Result<config::Config, Problem> {
    let arguments =
        Arguments { config: files.config.clone(), data_dir: files.data_dir.clone(), ..Arguments::default() };
    arguments.configuration().map_err(|why| Problem::Misuse(why.to_string()))
}
