//! `cache get`: a file, from the cache, where it is fetched to first if it is not there.
//!
//! A file takes the blocks of the cache's where the file system can; else what is finished is copied while the rest is
//! being fetched. Users who may not read the cache are sent it, as it comes.

use super::copying::Copying;
use super::landing::{How, Landing};
use super::naming::{Naming, header, headers, of_task, path_of};
use super::progress::{Look, download_bar, set_length, show, why_not};
use super::{number, size, text};
use crate::base::duration;
use crate::cli::Session;
use crate::cli::client::{Call, CallError};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::plain;
use crate::cli::run::interrupts;
use clap::Args;
use indicatif::ProgressBar;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// How often something damaged is fetched again before it is given up.
const ROUNDS: u32 = 5;
/// By then the daemon has acted on damage that it has found.
const HEARD_WITHIN: Duration = Duration::from_millis(100);

/// Get a file: from the cache, where it is fetched to first if it is not there
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler cache get https://example.com/big.iso
  hostler cache get https://example.com/tool.tar.gz -o - | tar xz
  hostler cache get https://example.com/big.iso -o /srv/iso/big.iso --force
  hostler cache get https://example.com/data.csv --revalidate --digest sha256:7865227e0db06199ce8f…
  hostler cache get https://example.com/private.bin --header 'Authorization: Bearer TOKEN'

The file shares its blocks with the cache's where the file system can, and is copied else, while the
rest is being fetched; users who may not read the cache are sent it. It appears whole or not at all,
and replaces nothing without --force. Interrupted, it leaves nothing; the cache goes on fetching.

Exit codes:
  0    the file is there; or who reads standard output has closed it
  1    it cannot be fetched: the message says what the origin said, or that the cache has no room for
       it; or it was interrupted
  100  the same call will fail again: a wrong argument, a file in the way, a place that cannot be
       written
  111  try again: the daemon is absent, starting or busy; or standard output cannot be written")]
pub(super) struct Get {
    /// http:// or https://
    #[arg(value_name = "URL")]
    address: String,
    /// Where to: a file, a directory, a device or pipe; - is standard output [default: the last part of the address,
    /// here]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    naming: Naming,
    /// The name of the content itself: then nothing else counts
    #[arg(long, value_name = "TEXT")]
    content_id: Option<String>,
    /// Sent to the origin, as 'NAME: VALUE'; repeatable
    #[arg(long = "header", value_name = "HEADER", value_parser = header)]
    headers: Vec<(String, String)>,
    /// What it must be: sha256:HEX, sha512:HEX or crc32:NUMBER
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Keep it in the cache until it is unpinned
    #[arg(long)]
    pin: bool,
    /// How long it stays in the cache unused [default: the daemon's cache.ttl]
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    ttl: Option<Duration>,
    /// Ask the origin whether it has changed
    #[arg(long)]
    revalidate: bool,
    /// Give the cache's own file another name, where that can be: nothing is copied, and neither may be written to
    #[arg(long)]
    hard_link: bool,
    /// Replace the file
    #[arg(short, long)]
    force: bool,
}

/// Where the bytes go.
enum Goal {
    /// Standard output.
    Output,
    /// Something that takes bytes and is no file: a device, a pipe.
    Device(PathBuf, File),
    /// A file.
    File(PathBuf, Landing),
}

impl Get {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let goal = self.goal()?;
        let mut interrupts = interrupts()?;
        let mut interrupt = [0];
        let bar = download_bar(at, matches!(goal, Goal::Output));
        let brought = tokio::select! {
            brought = self.bring(at, &goal, &bar) => brought,
            _ = interrupts.read(&mut interrupt) => {
                let url = plain(&self.address);
                Err(Problem::InVain(format!("interrupted; the cache goes on: `hostler cache stat {url}` shows it")))
            }
        };
        bar.finish_and_clear();
        let (task, how) = brought?;
        let Goal::File(file, landing) = goal else { return Ok(Exit::Done) };
        landing.land()?;
        let length = number(&task, "content_length").unwrap_or_default();
        match at.out.json() {
            true => at.out.value(&json!({
                "id": text(&task, "id"), "url": self.address, "file": file.to_string_lossy(), "bytes": length, "how": how.word(),
            }))?,
            false => at.out.line(&format!("{} ({}, {})", plain(&file.to_string_lossy()), size(length), how.word()))?,
        }
        Ok(Exit::Done)
    }

    fn goal(&self) -> Result<Goal, Problem> {
        if !["http://", "https://"].iter().any(|scheme| self.address.to_ascii_lowercase().starts_with(scheme)) {
            return Err(Problem::Misuse(format!("{}: expected an address, http:// or https://", plain(&self.address))));
        }
        let place = match &self.output {
            Some(output) if output.as_os_str() == "-" => return Ok(Goal::Output),
            Some(output) if output.is_dir() => output.join(file_name(&self.address)?),
            Some(output) => output.clone(),
            None => file_name(&self.address)?,
        };
        let special = fs::metadata(&place).is_ok_and(|found| !found.is_file() && !found.is_dir());
        if special {
            let device = File::options().write(true).open(&place);
            let device =
                device.map_err(|error| Problem::Local(format!("cannot write {}: {error}", place.display())))?;
            return Ok(Goal::Device(place, device));
        }
        let landing = Landing::at(&place, self.force)?;
        Ok(Goal::File(place, landing))
    }

    /// The content and how it came, once all of it is where it should be, under its temporary name.
    async fn bring(&self, at: &mut Session, goal: &Goal, bar: &ProgressBar) -> Result<(Value, How), Problem> {
        // What cannot be written is not fetched.
        let file = match goal {
            Goal::File(_, landing) => Some(landing.create()?),
            Goal::Output | Goal::Device(..) => None,
        };
        let task = self.ask(at).await?;
        match (goal, file) {
            (Goal::File(_, landing), Some(file)) => return self.file(at, task, landing, file, bar).await,
            (Goal::Device(path, device), _) => {
                let failed = |error| Problem::Local(format!("cannot write {}: {error}", path.display()));
                stream(at, &task, bar, |bytes| { device }.write_all(bytes).map_err(failed)).await?;
            }
            (Goal::Output | Goal::File(..), _) => {
                let out = at.out.clone();
                stream(at, &task, bar, |bytes| out.bytes(bytes)).await?;
            }
        }
        Ok((task, How::Stream))
    }

    /// Says what is wanted; the content as it is now, without its pieces.
    async fn ask(&self, at: &mut Session) -> Result<Value, Problem> {
        Ok(at.client.ask(Call::post("/oapi/v1/tasks").body(&self.body())).await?)
    }

    /// By the cheapest way there is: the blocks of the cache's file, a copy that follows the fetch, or what the daemon sends.
    async fn file(
        &self,
        at: &mut Session,
        mut task: Value,
        landing: &Landing,
        file: File,
        bar: &ProgressBar,
    ) -> Result<(Value, How), Problem> {
        let failed = |error| landing.failed(&error);
        let (look, mut hard_link, mut rounds) = (Look::at(&task), self.hard_link, 0);
        let sent = file.try_clone().map_err(failed)?;
        let mut copying = Copying::to(file);
        loop {
            show(bar, &task);
            let complete = match text(&task, "state") {
                "complete" => true,
                "fetching" => false,
                _ => return Err(why_not(&task)),
            };
            let (path, from) = match cached(&task, complete) {
                Cached::Here(path, from) => (path, from),
                Cached::NotYet => {
                    task = look.next(at).await?;
                    continue;
                }
                Cached::Elsewhere => {
                    let bytes = stream(at, &task, bar, |bytes| landing.write(&sent, bytes)).await?;
                    task["content_length"] = bytes.into();
                    return Ok((task, How::Stream));
                }
            };
            if !complete {
                if !hard_link && !copying.share(&from) {
                    copying.follow(from, &task).await.map_err(failed)?;
                }
                task = look.next(at).await?;
                continue;
            }
            // Only a copy compares what it takes.
            let shares = hard_link || copying.share(&from);
            if shares && is_sound(at, &task).await? {
                if hard_link && let Some(how) = landing.link(path) {
                    return Ok((task, how));
                }
                if hard_link {
                    at.out.aside("no hard link from here to the cache: the file is copied");
                    hard_link = false;
                    continue;
                }
                if copying.share(&from) && Some(copying.length().map_err(failed)?) == number(&task, "content_length") {
                    return Ok((task, How::Reflink));
                }
            }
            if !shares {
                if task.get("pieces").is_none() {
                    task = look.now(at).await?;
                    continue;
                }
                copying.follow(from, &task).await.map_err(failed)?;
                if copying.is_whole(&task).map_err(failed)? {
                    return Ok((task, How::Copy));
                }
            }
            rounds += 1;
            if rounds > ROUNDS {
                return Err(Problem::InVain(format!("{}: it is damaged again and again", plain(&self.address))));
            }
            task = self.mended(at, &task).await?;
        }
    }

    /// Lets the daemon find what is damaged, and fetch it again.
    async fn mended(&self, at: &mut Session, task: &Value) -> Result<Value, Problem> {
        at.client.ask(Call::post(&path_of(text(task, "id"), "/verify")).patient()).await?;
        // What was found is told to whoever decides, who may not have heard of it yet.
        tokio::time::sleep(HEARD_WITHIN).await;
        self.ask(at).await
    }

    fn body(&self) -> Value {
        let mut body = self.naming.fields();
        let given = [
            ("url", Some(Value::from(self.address.as_str()))),
            ("content_for_calculating_task_id", self.content_id.as_deref().map(Value::from)),
            ("headers", headers(&self.headers)),
            ("digest", self.digest.as_deref().map(Value::from)),
            ("pin", self.pin.then_some(Value::Bool(true))),
            ("ttl", self.ttl.map(|ttl| humantime::format_duration(ttl).to_string().into())),
            ("revalidate", self.revalidate.then_some(Value::Bool(true))),
        ];
        body.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        Value::Object(body)
    }
}

/// The last part of an address, as the name of a file in this directory.
///
/// # Errors
/// It has none that could be one.
pub(in crate::cli) fn file_name(url: &str) -> Result<PathBuf, Problem> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (_, path) = path.split_once("://").unwrap_or(("", path));
    let last = path.split_once('/').map(|(_, path)| path.rsplit('/').next().unwrap_or_default()).unwrap_or_default();
    let name = percent_decode_str(last).decode_utf8_lossy();
    match name.is_empty() || matches!(&*name, "." | "..") || name.contains(['/', '\0']) {
        true => Err(Problem::Misuse(format!("{url} names no file: say -o FILE"))),
        false => Ok(PathBuf::from(&*name)),
    }
}

/// The cache's own file.
enum Cached<'a> {
    /// It can be read.
    Here(&'a Path, File),
    /// There is none before the origin has answered.
    NotYet,
    /// This user is not told of it, or may not read it.
    Elsewhere,
}

fn cached(task: &Value, complete: bool) -> Cached<'_> {
    let Some(path) = task.get("path").and_then(Value::as_str).map(Path::new) else { return Cached::Elsewhere };
    let begun = complete || number(task, "cached_bytes").is_some_and(|bytes| bytes > 0);
    match File::open(path) {
        Ok(file) if file.metadata().is_ok_and(|found| found.is_file()) => Cached::Here(path, file),
        Err(error) if error.kind() == ErrorKind::NotFound && !begun => Cached::NotYet,
        Ok(_) | Err(_) => Cached::Elsewhere,
    }
}

/// Whether the daemon finds nothing wrong; it compares what it has not compared since its start.
async fn is_sound(at: &mut Session, task: &Value) -> Result<bool, Problem> {
    let call = Call::post(&path_of(text(task, "id"), "/verify")).query("again", false).patient();
    Ok(at.client.ask(call).await?.get("ok") == Some(&Value::Bool(true)))
}

/// All bytes, as they come; how many they were.
async fn stream(
    at: &mut Session,
    task: &Value,
    bar: &ProgressBar,
    mut take: impl FnMut(&[u8]) -> Result<(), Problem>,
) -> Result<u64, Problem> {
    let mut bytes = 0;
    let mut pieces = match at.client.open(of_task(text(task, "id"), "/content").patient()).await {
        Ok(pieces) => pieces,
        Err(error) => return Err(reason(at, task, error).await),
    };
    if let Some(length) = pieces.length {
        set_length(bar, length);
    }
    loop {
        match pieces.next().await {
            Ok(Some(some)) => {
                take(&some)?;
                bytes += some.len() as u64;
                bar.set_position(bytes);
            }
            Ok(None) => return Ok(bytes),
            Err(error) => return Err(reason(at, task, error).await),
        }
    }
}

/// Why a content cannot be sent: what became of its fetch tells more than a connection that ended.
async fn reason(at: &mut Session, task: &Value, error: CallError) -> Problem {
    let call = of_task(text(task, "id"), "").query("wait", "1s");
    match at.client.ask(call).await {
        Ok(task) if matches!(text(&task, "state"), "failed" | "partial") => why_not(&task),
        Ok(_) | Err(_) => error.into(),
    }
}
