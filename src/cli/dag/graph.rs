//! `dag graph`: the picture of a run, or of a specification before it is run.

use super::answer::of_run;
use super::file;
use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use crate::cli::file::Fresh;
use crate::dag::graph::{Format, sketch};
use crate::dag::specification::{Limits, parse};
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Draw a run, or a specification, as a graph
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler dag graph 7 -o run.svg
  hostler dag graph pack.yaml | dot -Tpng > pack.png
  hostler dag graph 7 --format mermaid

Groups of more than 200 tasks are one node, and all groups are when the picture would have more than
400. Dashed edges lead from a generator to what it has added.")]
pub(super) struct Graph {
    /// The run's number, or a specification in JSON or YAML; - is standard input
    #[arg(value_name = "RUN|FILE")]
    what: PathBuf,
    /// How [default: by the ending of the file that is written, else dot]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Form>,
    /// Where to; standard output when left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The forms of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For Graphviz
    Dot,
    /// For Mermaid, which many places show that take Markdown
    Mermaid,
    /// A picture
    Svg,
    /// For programs
    Json,
}

impl Form {
    fn of_ending(file: &Path) -> Option<Form> {
        Some(match file.extension()?.to_str()? {
            "dot" | "gv" => Form::Dot,
            "mmd" | "mermaid" => Form::Mermaid,
            "svg" => Form::Svg,
            "json" => Form::Json,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Form::Dot => "dot",
            Form::Mermaid => "mermaid",
            Form::Svg => "svg",
            Form::Json => "json",
        }
    }
}

impl From<Form> for Format {
    fn from(form: Form) -> Format {
        match form {
            Form::Dot => Format::Dot,
            Form::Mermaid => Format::Mermaid,
            Form::Svg => Format::Svg,
            Form::Json => Format::Json,
        }
    }
}

impl Graph {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let by_ending = self.output.as_deref().and_then(Form::of_ending);
        let form = self.format.or(at.out.json().then_some(Form::Json)).or(by_ending).unwrap_or(Form::Dot);
        let picture = match self.what.to_str().and_then(|what| what.parse::<u64>().ok()) {
            Some(run) => of_a_run(at, run, form).await?,
            None => of_a_file(&self.what, form)?,
        };
        match &self.output {
            None => at.out.bytes(&picture)?,
            Some(place) => {
                let mut file = Fresh::create(place)?;
                file.write(&picture)?;
                file.commit()?;
            }
        }
        Ok(Exit::Done)
    }
}

async fn of_a_run(at: &Session, run: u64, form: Form) -> Result<Vec<u8>, Problem> {
    let mut pieces = at.client.open(Call::get(&of_run(run, "/graph")).query("format", form.word())).await?;
    let mut picture = Vec::new();
    while let Some(bytes) = pieces.next().await? {
        picture.extend_from_slice(&bytes);
    }
    Ok(picture)
}

/// Drawn here: no daemon is needed.
fn of_a_file(place: &Path, form: Form) -> Result<Vec<u8>, Problem> {
    let specification = Value::Object(file::object(place)?).to_string();
    // What fits the daemon's host is for the daemon to say.
    let limits = Limits { capacity: None, max_tasks: u32::MAX };
    let blueprint = parse(specification.as_bytes(), &limits);
    let blueprint = blueprint.map_err(|why| Problem::Misuse(format!("{}: {why}", file::shown(place))))?;
    Ok(sketch(&blueprint, form.into()).into_bytes())
}
