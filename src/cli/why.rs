//! `why`: the chain of causes behind what a task does now.

use crate::base::Wall;
use crate::cli::client::{Call, segment};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{plain, word};
use crate::cli::{Session, tasks};
use clap::Args;
use serde_json::Value;

/// Tell why tasks are as they are: what they wait for or how they ended, who asked, since when, what they said last
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler why web
  hostler why 'worker-*'
  hostler why cache/https://example.com/big.iso
  hostler why data/weather/rain:2024-01 hub/alice")]
pub(super) struct Why {
    /// Names or globs; cache/ID, cache/URL and cache/job/NUMBER are of the cache; data/REPO/ITEM:TAG is
    /// a published file, hub/USER an account that publishes
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Why {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let names = tasks::resolve(&mut at.client, &self.names).await?;
        let many = names.len() > 1;
        let mut answers = Vec::new();
        for name in names {
            let call = Call::get(&format!("/hostler/v1/why/{}", segment(&name)));
            let answer = at.client.ask(call).await.map_err(|error| match tasks::is_unknown(&error) {
                true => unknown(&name),
                false => error.into(),
            })?;
            if at.out.json() {
                answers.push(answer);
                continue;
            }
            if many {
                at.out.line(&format!("{}:", plain(&name)))?;
            }
            for line in lines(&answer) {
                at.out.line(&line)?;
            }
        }
        if at.out.json() {
            at.out.value(&Value::Array(answers))?;
        }
        Ok(Exit::Done)
    }
}

/// The problem of a name nobody has, in the words of the room it would be in; those who are no operators are told no
/// more than that.
fn unknown(name: &str) -> Problem {
    match name.split_once('/') {
        Some(("data", of)) => Problem::Misuse(format!(
            "there is no tag \"{of}\" that you may ask about: expected data/REPO/ITEM:TAG; `hostler data list REPO/ITEM` shows \
             those of an item"
        )),
        Some(("hub", of)) => Problem::Misuse(format!(
            "there is no account \"{of}\" in the hub that you may ask about: `hostler account list` shows all"
        )),
        _ => tasks::unknown(name),
    }
}

/// The chain, link by link: each room's sentences, and lines with a moment where one is known.
fn lines(answer: &Value) -> Vec<String> {
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let answers = list(answer, "answers");
    let sentences =
        answers.iter().flat_map(|one| list(one, "sentences")).flat_map(|sentence| quoting(&word(&sentence)));
    let moments = list(answer, "lines").into_iter().map(|line| {
        let text = plain(&line.get("text").map(word).unwrap_or_default());
        match tasks::moment(line.get("at")) {
            Some(at) => format!("{}  {text}", clock(at)),
            None => text,
        }
    });
    sentences.chain(moments).collect()
}

/// A sentence in one line; what it quotes follows in lines of its own, set in.
fn quoting(sentence: &str) -> Vec<String> {
    let mut lines = sentence.lines().map(plain);
    let first = lines.next().unwrap_or_default();
    std::iter::once(first).chain(lines.map(|line| format!("    {line}"))).collect()
}

/// A moment in the host's own zone, to the second.
pub(super) fn clock(at: Wall) -> String {
    at.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S").to_string()
}
