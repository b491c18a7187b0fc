//! `dag submit`: runs a specification.

use super::answer::run_id;
use super::parameters::Parameters;
use super::{file, progress};
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::watch::patiently;
use clap::Args;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;
use std::path::PathBuf;

/// Run a specification; prints the number of the run
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag submit examples/dag/hello.yaml --wait
  hostler dag submit pack.json --param DIR=/srv/photos --param OUT=/srv/packed
  hostler dag submit fetch.yaml --param ZONE=north --param ZONE=south --param DAY=@days.txt
  generate | hostler dag submit - --key \"import-$(date +%F)\"

Prints the number when the run is on disk. With --wait it shows how far the run has come, and exits 0
only when it is COMPLETED, else 1 with the failed tasks and what they said last. Ctrl-C leaves the
run alone. With the same --key and the same specification there is only one run, however often this
is called.")]
pub(super) struct Submit {
    /// The specification, in JSON or YAML; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Wait until the run is over
    #[arg(short, long)]
    wait: bool,
    #[command(flatten)]
    parameters: Parameters,
    /// The run's label, instead of the one in the specification
    #[arg(long, value_name = "T")]
    tag: Option<String>,
    /// What makes a repeated call the same call
    #[arg(long, value_name = "KEY", value_parser = header)]
    key: Option<HeaderValue>,
}

fn header(text: &str) -> Result<HeaderValue, String> {
    let visible = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::from_str(text).ok().filter(|_| visible);
    value.ok_or_else(|| "expected visible ASCII characters, without blanks".to_owned())
}

impl Submit {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut specification = file::object(&self.file)?;
        self.parameters.put_into(&mut specification)?;
        if let Some(tag) = self.tag {
            specification.insert("tag".to_owned(), tag.into());
        }
        let call = Call::post("/v1/dagrun").body(&Value::Object(specification));
        let client = &mut at.client;
        let answer = match self.key {
            None => client.ask(call).await?,
            // It can be asked again without harm.
            Some(key) => {
                let call = call.header(HeaderName::from_static("idempotency-key"), key);
                patiently(async || client.ask(call.clone()).await).await?
            }
        };
        started(at, &answer, self.wait).await
    }
}

/// Tells the number of a new run, and waits for its end where that is wanted.
pub(super) async fn started(at: &mut Session, answer: &Value, wait: bool) -> Result<Exit, Problem> {
    let run = run_id(answer, at.client.place())?;
    match at.out.json() {
        true => at.out.value(answer)?,
        false => at.out.line(&run.to_string())?,
    }
    if wait { progress::until_over(at, run).await } else { Ok(Exit::Done) }
}
