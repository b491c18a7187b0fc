//! `cache get`: a file, from the cache, where it is fetched to first if it is not there.

use super::landing::{How, Landing};
use super::naming::{Naming, header, headers, of_task};
use super::progress::{bar, until_there};
use super::{number, size, text};
use crate::base::duration;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::run::interrupts;
use clap::Args;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Get a file: from the cache, where it is fetched to first if it is not there
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler cache get https://example.com/big.iso
  hostler cache get https://example.com/tool.tar.gz -o - | tar xz
  hostler cache get https://example.com/big.iso -o /srv/iso/big.iso --force
  hostler cache get https://example.com/data.csv --revalidate --digest sha256:7865227e0db06199ce8f…
  hostler cache get https://example.com/private.bin --header 'Authorization: Bearer TOKEN'

The file shares its blocks with the cache's where the file system can, and is copied else; users who may
not read the cache are sent it. It appears whole or not at all, and replaces nothing without --force.

Exit codes:
  0    the file is there
  1    it cannot be fetched: the message says what the origin said; or the waiting was interrupted
  100  the same call will fail again: a wrong argument, a file in the way
  111  try again: the daemon is absent, starting, busy, or its disk is full")]
pub(super) struct Get {
    /// http:// or https://
    #[arg(value_name = "URL")]
    address: String,
    /// Where to; - is standard output [default: the last part of the address, here]
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

impl Get {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let landing = match &self.output {
            Some(output) if output.as_os_str() == "-" => None,
            Some(output) => Some((output.clone(), Landing::at(output, self.force)?)),
            None => {
                let name = file_name(&self.address)?;
                let landing = Landing::at(&name, self.force)?;
                Some((name, landing))
            }
        };
        let mut interrupts = interrupts()?;
        let task = at.client.ask(Call::post("/oapi/v1/tasks").body(&self.body())).await?;
        let task = until_there(at, task, &mut interrupts).await?;
        let mut interrupt = [0];
        let brought = async {
            match &landing {
                Some((_, landing)) => bring(at, &task, landing, self.hard_link).await.map(Some),
                None => stdout(at, &task).await.map(|()| None),
            }
        };
        let how = tokio::select! {
            how = brought => how?,
            _ = interrupts.read(&mut interrupt) => {
                return Err(Problem::InVain("interrupted; the file stays in the cache".to_owned()));
            }
        };
        let (Some((file, landing)), Some(how)) = (landing, how) else { return Ok(Exit::Done) };
        landing.land()?;
        let length = number(&task, "content_length").unwrap_or_default();
        match at.out.json() {
            true => at.out.value(&json!({
                "id": text(&task, "id"), "url": self.address, "file": file.to_string_lossy(), "bytes": length, "how": how.word(),
            }))?,
            false => at.out.line(&format!("{} ({}, {})", file.display(), size(length), how.word()))?,
        }
        Ok(Exit::Done)
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

/// Brings the bytes beside their place, by the cheapest way there is.
async fn bring(at: &Session, task: &Value, landing: &Landing, hard_link: bool) -> Result<How, Problem> {
    if let Some((path, cached)) = cached(task) {
        if hard_link && let Some(how) = landing.link(path) {
            return Ok(how);
        }
        if hard_link {
            at.out.aside("no hard link from here to the cache: the file is copied");
        }
        let file = landing.create()?;
        let filled = tokio::task::spawn_blocking(move || Landing::fill(&cached, &file)).await;
        let filled = filled.map_err(|why| Problem::Local(why.to_string()))?;
        return filled.map_err(|error| landing.failed(&error));
    }
    let bar = bar(at, "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let mut pieces = at.client.open(of_task(text(task, "id"), "/content")).await?;
    bar.set_length(pieces.length.or_else(|| number(task, "content_length")).unwrap_or_default());
    let file = landing.create()?;
    while let Some(bytes) = pieces.next().await? {
        landing.write(&file, &bytes)?;
        bar.inc(bytes.len() as u64);
    }
    bar.finish_and_clear();
    Ok(How::Stream)
}

/// The cache's own file, where this user is told of it and may read it.
fn cached(task: &Value) -> Option<(&Path, File)> {
    let path = Path::new(task.get("path")?.as_str()?);
    let file = File::open(path).ok()?;
    let length = file.metadata().ok().filter(|found| found.is_file())?.len();
    (Some(length) == number(task, "content_length")).then_some((path, file))
}

async fn stdout(at: &Session, task: &Value) -> Result<(), Problem> {
    let mut pieces = at.client.open(of_task(text(task, "id"), "/content")).await?;
    while let Some(bytes) = pieces.next().await? {
        at.out.bytes(&bytes)?;
    }
    Ok(())
}
