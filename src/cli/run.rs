//! `run`: a command as a once task; with `--wait` as if it ran here.
//!
//! ```text
//! listen to events ── create the task ──┬── its output ──► standard output
//!                                       ├── an event ────► has the run ended? then the rest of its output, its code
//!                                       └── INT, TERM ───► stop the task; the second time KILL
//! ```

use crate::cli::client::{Call, CallError, Client, Pieces};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{Out, plain};
use crate::cli::watch::{Watch, patiently};
use crate::cli::{Session, tasks};
use clap::Args;
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;

/// Start a command as a task that runs once
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler run -- rsync -a /srv/ backup:/srv/
  hostler run --name nightly --user backup --cwd /srv -- ./dump.sh
  hostler run --wait --rm -- make test && echo passed

With --wait the exit code is the command's own, or 128 and the number of the signal that ended it;
100 when it could not be started, 111 when its end is not known. Ctrl-C stops the task, a second
one kills it. Both outputs of the command appear, in their order, on standard output.")]
pub(super) struct Run {
    /// What the task is called [default: the program's name and four random letters]
    #[arg(short, long)]
    name: Option<String>,
    /// Show its output as it comes, and end with its exit code
    #[arg(short, long)]
    wait: bool,
    /// Forget the task when it has ended
    #[arg(long, requires = "wait")]
    rm: bool,
    /// A variable of its environment; may be repeated
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Where it starts [default: the home of its user]
    #[arg(short = 'C', long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// The user it runs as
    #[arg(short, long)]
    user: Option<String>,
    /// The program and its arguments; no shell comes between
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("\"{text}\" is not a variable: expected NAME=VALUE")),
    }
}

impl Run {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => default_name(&self.command)?,
        };
        let create = Call::post("/proc").body(&self.definition(&name)?);
        if !self.wait {
            at.client.ask(create).await.map_err(|error| refused(&name, error))?;
            match at.out.json() {
                true => at.out.value(&json!({ "name": name }))?,
                false => at.out.line(&plain(&name))?,
            }
            return Ok(Exit::Done);
        }
        // Both before the task exists: neither its events nor an early interrupt can be missed.
        let watch = Watch::open(&at.client, None, Some(&name)).await?;
        let interrupts = interrupts()?;
        at.client.ask(create).await.map_err(|error| refused(&name, error))?;
        let output = Output::new(at.client.another(), &name);
        let ended = follow(at, &name, watch, output, interrupts).await?;
        if self.rm {
            at.client.ask(Call::delete("/proc").query("name", &name)).await?;
        }
        if at.out.json() {
            at.out.record(&ended)?;
        }
        outcome(&name, &ended)
    }

    fn definition(&self, name: &str) -> Result<Value, Problem> {
        let mut task = json!({ "name": name, "type": "once", "argv": self.command });
        if !self.env.is_empty() {
            let env = self.env.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            task["env"] = Value::Object(env.collect::<Map<_, _>>());
        }
        if let Some(cwd) = &self.cwd {
            // The daemon's own directory is none of the caller's.
            let whole =
                std::path::absolute(cwd).map_err(|error| Problem::Local(format!("no current directory: {error}")))?;
            let text = whole.to_str().ok_or_else(|| Problem::Misuse(format!("{} is not UTF-8", whole.display())))?;
            task["cwd"] = text.into();
        }
        if let Some(user) = &self.user {
            task["user"] = user.as_str().into();
        }
        Ok(task)
    }
}

fn refused(name: &str, error: CallError) -> Problem {
    match tasks::is_taken(&error) {
        true => Problem::Misuse(format!("there is a task \"{name}\" already: take another --name, or `hostler rm` it")),
        false => error.into(),
    }
}

/// The program's name and four letters, of which there are half a million.
fn default_name(command: &[String]) -> Result<String, Problem> {
    let program =
        command.first().map(Path::new).and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("run");
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| Problem::Local(format!("no random numbers: {error}")))?;
    let letters: String = random.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    Ok(format!("{program}-{letters}"))
}

/// One byte for every INT or TERM from now on.
pub(super) fn interrupts() -> Result<tokio::net::UnixStream, Problem> {
    let failed = |error: std::io::Error| Problem::Local(format!("cannot listen for signals: {error}"));
    let (reader, writer) = UnixStream::pair().map_err(failed)?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, writer.try_clone().map_err(failed)?).map_err(failed)?;
    }
    reader.set_nonblocking(true).map_err(failed)?;
    tokio::net::UnixStream::from_std(reader).map_err(failed)
}

/// Passes the output on until the run has ended; the run as the history shows it.
async fn follow(
    at: &mut Session,
    name: &str,
    mut watch: Watch,
    mut output: Output,
    mut interrupts: tokio::net::UnixStream,
) -> Result<Value, Problem> {
    let mut asked = 0;
    loop {
        if let Some(ended) = ended(&mut at.client, name).await? {
            output.rest(&ended, &at.out).await?;
            return Ok(ended);
        }
        // Output is passed on until something happens that may be the end.
        loop {
            let mut interrupt = [0];
            tokio::select! {
                biased;
                _ = interrupts.read(&mut interrupt) => {
                    asked += 1;
                    stop(&mut at.client, name, asked).await?;
                }
                event = watch.next() => {
                    event?;
                    break;
                }
                piece = output.next() => {
                    if let Some(bytes) = piece? {
                        output.show(&bytes, &at.out)?;
                    }
                }
            }
        }
    }
}

/// The first interrupt asks the task to end, each later one makes it.
async fn stop(client: &mut Client, name: &str, asked: u32) -> Result<(), Problem> {
    let call = match asked {
        1 => Call::post("/proc/stop").query("name", name),
        _ => Call::post("/proc/signal").query("name", name).query("signal", "KILL"),
    };
    match client.ask(call).await {
        // It has just ended by itself: that will be seen.
        Ok(_) | Err(CallError::Refused { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The task's run from the history, once it has ended.
async fn ended(client: &mut Client, name: &str) -> Result<Option<Value>, Problem> {
    let call = Call::get("/proc/history").query("name", name).query("limit", 1);
    let history = patiently(async || client.data(call.clone()).await).await;
    let history = match history {
        Err(error) if tasks::is_unknown(&error) => {
            return Err(Problem::InVain(format!("the task \"{name}\" was removed while it ran")));
        }
        history => history?,
    };
    let newest = history.as_array().and_then(|runs| runs.first());
    Ok(newest.filter(|run| run.get("end").is_some_and(|end| !end.is_null())).cloned())
}

/// What a run's end means for whoever waited for it.
fn outcome(name: &str, run: &Value) -> Result<Exit, Problem> {
    let number = |key: &str| run.get(key).and_then(Value::as_i64).and_then(|number| u8::try_from(number).ok());
    let state = run.get("state").and_then(Value::as_str).unwrap_or("gone");
    match (number("exit_code"), signal_number(run.get("signal"))) {
        (Some(code), _) => Ok(Exit::Child(code)),
        (None, Some(signal)) => Ok(Exit::Child(signal.saturating_add(128))),
        (None, None) => Err(match run.get("error").and_then(Value::as_str) {
            Some(why) => Problem::Misuse(format!("\"{name}\" could not be started: {why}")),
            None => Problem::Late(format!("how \"{name}\" ended is not known: it is {state}")),
        }),
    }
}

/// The signal's number, whether it came as one or by name.
fn signal_number(value: Option<&Value>) -> Option<u8> {
    match value? {
        Value::String(name) => {
            let name = if name.starts_with("SIG") { name.clone() } else { format!("SIG{name}") };
            u8::try_from(name.parse::<nix::sys::signal::Signal>().ok()? as i32).ok()
        }
        number => u8::try_from(number.as_u64()?).ok(),
    }
}

/// The task's output, across lost connections: its log begins with it, so what was shown is known by its length.
struct Output {
    client: Client,
    name: String,
    pieces: Option<Pieces>,
    /// The log has said that nothing more comes.
    over: bool,
    /// How many bytes have been shown.
    shown: u64,
    /// How many of those the present connection will bring again.
    skip: u64,
}

impl Output {
    fn new(client: Client, name: &str) -> Output {
        Output { client, name: name.to_owned(), pieces: None, over: false, shown: 0, skip: 0 }
    }

    fn call(&self) -> Call {
        Call::get("/proc/log").query("name", &self.name)
    }

    /// The next piece; nothing when a connection was made or lost. Never ends when nothing more comes.
    async fn next(&mut self) -> Result<Option<bytes::Bytes>, CallError> {
        if self.over {
            return std::future::pending().await;
        }
        let Some(pieces) = &mut self.pieces else {
            let call = self.call().query("follow", 1);
            self.pieces = Some(patiently(async || self.client.open(call.clone()).await).await?);
            self.skip = self.shown;
            return Ok(None);
        };
        match pieces.next().await {
            Ok(Some(mut bytes)) => {
                let seen = usize::try_from(self.skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
                self.skip -= seen as u64;
                let fresh = bytes.split_off(seen);
                return Ok(Some(fresh).filter(|bytes| !bytes.is_empty()));
            }
            Ok(None) => self.over = true,
            Err(_) => self.pieces = None,
        }
        Ok(None)
    }

    fn show(&mut self, bytes: &[u8], out: &Out) -> Result<(), Problem> {
        self.shown += bytes.len() as u64;
        if out.json() { out.record(&json!({ "output": String::from_utf8_lossy(bytes) })) } else { out.bytes(bytes) }
    }

    /// Shows what the ended run has written beyond what was shown.
    async fn rest(&mut self, run: &Value, out: &Out) -> Result<(), Problem> {
        let offset = |end: &str| run.get("log")?.get(end)?.as_u64();
        let (Some(from), Some(to)) = (offset("from"), offset("to")) else { return Ok(()) };
        let Some(missing) = to.checked_sub(from).and_then(|all| all.checked_sub(self.shown)).filter(|n| *n > 0) else {
            return Ok(());
        };
        let call = self.call().maybe("run", run.get("run").and_then(Value::as_u64));
        let mut pieces = patiently(async || self.client.open(call.clone()).await).await?;
        // Counted from the end: the beginning of a very long log may have been given up.
        let keep = usize::try_from(missing).unwrap_or(usize::MAX);
        let mut tail = Vec::new();
        while let Some(bytes) = pieces.next().await? {
            tail.extend_from_slice(&bytes);
            if tail.len() > keep.saturating_mul(2).max(1 << 20) {
                tail.drain(..tail.len() - keep.min(tail.len()));
            }
        }
        let from = tail.len().saturating_sub(keep);
        self.show(tail.get(from..).unwrap_or_default(), out)
    }
}
