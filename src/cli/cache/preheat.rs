//! `cache preheat`: what will be wanted is fetched before it is.

use super::naming::{Naming, header, headers};
use super::progress::bar;
use super::{number, size, text};
use crate::base::duration;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::word;
use crate::cli::run::interrupts;
use crate::cli::watch::patiently;
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// How long the daemon may wait with its answer: how often the bar moves.
const WAIT: &str = "1s";
/// Between two questions, whatever the daemon does.
const PAUSE: Duration = Duration::from_millis(100);

/// Fetch files or images into the cache, before they are wanted; prints the job's number
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler cache preheat https://example.com/a.iso https://example.com/b.iso --wait
  hostler cache preheat --image oci://registry.example.com/team/app:v1 --platform linux/arm64 --wait
  hostler cache preheat https://example.com/nightly.tar --revalidate --pin

An image is oci://HOST/REPOSITORY:TAG or the address of its manifest, https://HOST/v2/…/manifests/TAG;
all of its blobs are fetched. With --wait it says of each address what came of it.

Exit codes:
  0    the job is made; with --wait: everything is there
  1    with --wait: something could not be fetched, or the waiting was interrupted
  100  the same call will fail again: a wrong argument, nothing for the platform
  111  try again: the daemon is absent, starting or busy; the registry refuses or does not answer")]
pub(super) struct Preheat {
    /// Addresses
    #[arg(value_name = "URL", required = true)]
    urls: Vec<String>,
    /// They are images; so are addresses that begin with oci://
    #[arg(long)]
    image: bool,
    /// Of an image: OS/ARCHITECTURE[/VARIANT], or all [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[command(flatten)]
    naming: Naming,
    /// Sent to origin and registry, as 'NAME: VALUE'; repeatable
    #[arg(long = "header", value_name = "HEADER", value_parser = header)]
    headers: Vec<(String, String)>,
    /// So many at once
    #[arg(long, value_name = "N")]
    at_once: Option<u32>,
    /// For all of it together [default: 1h]
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// Keep it in the cache until it is unpinned
    #[arg(long)]
    pin: bool,
    /// How long it stays in the cache unused [default: the daemon's cache.ttl]
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    ttl: Option<Duration>,
    /// Ask the origins whether it has changed
    #[arg(long)]
    revalidate: bool,
    /// Wait until it is over
    #[arg(short, long)]
    wait: bool,
}

impl Preheat {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let images = self.urls.iter().filter(|url| url.starts_with("oci://")).count();
        if !self.image && images > 0 && images < self.urls.len() {
            return Err(Problem::Misuse("images and files are two jobs: name them in two calls".to_owned()));
        }
        let image = self.image || images > 0;
        if self.platform.is_some() && !image {
            return Err(Problem::Misuse("--platform is of images: say --image".to_owned()));
        }
        let body = json!({ "type": "preheat", "args": self.args(image) });
        let job = at.client.ask(Call::post("/oapi/v1/jobs").body(&body)).await?;
        let id = number(&job, "id").unwrap_or_default();
        if self.wait {
            return until_over(at, id).await;
        }
        match at.out.json() {
            true => at.out.value(&job)?,
            false => at.out.line(&id.to_string())?,
        }
        Ok(Exit::Done)
    }

    fn args(&self, image: bool) -> Value {
        let time = |time: Duration| Value::from(humantime::format_duration(time).to_string());
        let mut args = self.naming.fields();
        let given = [
            ("type", Some(Value::from(if image { "image" } else { "file" }))),
            ("urls", Some(self.urls.clone().into())),
            ("platform", self.platform.as_deref().map(Value::from)),
            ("headers", headers(&self.headers)),
            ("concurrent_task_count", self.at_once.map(Value::from)),
            ("timeout", self.timeout.map(time)),
            ("ttl", self.ttl.map(time)),
            ("pin", self.pin.then_some(Value::Bool(true))),
            ("revalidate", self.revalidate.then_some(Value::Bool(true))),
        ];
        args.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        Value::Object(args)
    }
}

/// Waits for a job's end, and says of each address what came of it.
async fn until_over(at: &mut Session, id: u64) -> Result<Exit, Problem> {
    let bar = bar(at, "{bar:40} {msg}");
    let mut interrupts = interrupts()?;
    let job = loop {
        let client = &mut at.client;
        let call = Call::get(&format!("/oapi/v1/jobs/{id}")).query("wait", WAIT);
        let mut interrupt = [0];
        let job = tokio::select! {
            job = patiently(async || client.ask(call.clone()).await) => job?,
            _ = interrupts.read(&mut interrupt) => {
                bar.finish_and_clear();
                return Err(Problem::InVain(format!("interrupted; job {id} goes on")));
            }
        };
        if text(&job, "state") != "PENDING" {
            break job;
        }
        let progress = entries(&job).next().map(|entry| &entry["progress"]).unwrap_or(&Value::Null);
        let of = |key| number(progress, key).unwrap_or_default();
        bar.set_length(of("bytes_total"));
        bar.set_position(of("bytes_done"));
        let (done, all) = (of("urls_done"), of("urls_total"));
        bar.set_message(format!("{}/{} of {all}, {done} done", size(of("bytes_done")), size(of("bytes_total"))));
        tokio::time::sleep(PAUSE).await;
    };
    bar.finish_and_clear();
    told(at, id, &job)
}

/// The parts of a job.
fn entries(job: &Value) -> impl Iterator<Item = &Value> {
    job["result"]["job_states"].as_array().into_iter().flatten()
}

fn told(at: &Session, id: u64, job: &Value) -> Result<Exit, Problem> {
    let results = || entries(job).flat_map(|entry| entry["results"].as_array().into_iter().flatten());
    let listed = |key: &'static str| results().flat_map(move |result| result[key].as_array().into_iter().flatten());
    let failed = listed("failure_tasks").count();
    let well = failed == 0 && text(job, "state") == "SUCCESS";
    let exit = if well { Exit::Done } else { Exit::Unhealthy };
    if at.out.json() {
        at.out.value(job)?;
        return Ok(exit);
    }
    let row = |verdict: &str, task: &Value| vec![verdict.to_owned(), word(&task["url"]), word(&task["description"])];
    let cached = listed("success_tasks").map(|task| row("cached", task));
    let rows: Vec<_> = cached.chain(listed("failure_tasks").map(|task| row("failed", task))).collect();
    if !rows.is_empty() {
        at.out.table(&["VERDICT", "URL", "WHY"], &rows)?;
    }
    if well {
        return Ok(exit);
    }
    let why: Vec<_> = entries(job).map(|entry| text(entry, "error")).filter(|why| !why.is_empty()).collect();
    match why.is_empty() {
        true => Err(Problem::InVain(format!("job {id}: {failed} of {} could not be fetched", rows.len()))),
        false => Err(Problem::InVain(format!("job {id}: {}", why.join("; ")))),
    }
}
