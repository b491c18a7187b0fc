//! `dag validate`: whether a specification would be accepted.

use super::file;
use super::parameters::Parameters;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::plain;
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;

/// Check a specification without running it; exits 1 when it is not valid
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag validate pack.yaml
  hostler dag validate pack.yaml --param DIR=/srv && echo fine")]
pub(super) struct Validate {
    /// The specification, in JSON or YAML; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    parameters: Parameters,
}

impl Validate {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let mut specification = file::object(&self.file)?;
        self.parameters.put_into(&mut specification)?;
        let call = Call::post("/v1/dagrun/validate").body(&Value::Object(specification));
        let answer = at.client.ask(call).await?;
        let is_valid = answer.get("valid") == Some(&Value::Bool(true));
        let file = file::shown(&self.file);
        match (at.out.json(), is_valid) {
            (true, _) => at.out.value(&answer)?,
            (false, true) => at.out.line(&plain(&format!("{file} is valid")))?,
            (false, false) => {
                let why = answer.get("error").and_then(Value::as_str).unwrap_or("it is not valid");
                return Err(Problem::InVain(format!("{file}: {why}")));
            }
        }
        Ok(if is_valid { Exit::Done } else { Exit::Unhealthy })
    }
}
