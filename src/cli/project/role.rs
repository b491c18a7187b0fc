//! `project role`: what managers may do in a project.

use super::named::find;
use crate::cli::Session;
use crate::cli::client::{Call, Client};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::{plain, word};
use clap::Args;
use serde_json::{Value, json};

/// The bits of a role, in the API's numbers.
const BITS: [(&str, u8); 5] = [("read", 1), ("edit", 2), ("access", 4), ("secret", 8), ("maintenance", 16)];
/// All of them.
const ALL: u8 = 31;

/// Show or set what managers may do in a project
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler project role thumbnails
  hostler project role thumbnails alice read,edit
  hostler project role thumbnails alice all
  hostler project role thumbnails alice none

  read         see it while it is hidden
  edit         change it, chain other projects to it, submit tasks
  access       decide which workers may use it, hand out roles
  secret       read and write its secrets
  maintenance  reset, reclaim, requeue and remove its tasks

None of them implies another. What is given replaces what the manager had.")]
pub(super) struct Role {
    /// Name or number
    #[arg(value_name = "PROJECT")]
    project: String,
    /// A manager's name or number
    #[arg(value_name = "MANAGER", requires = "roles")]
    manager: Option<String>,
    /// What he may do: some of read, edit, access, secret, maintenance, with commas between; or all, or none
    #[arg(value_name = "ROLES", value_parser = role)]
    roles: Option<u8>,
}

/// A role in words, or as the number that the API has for it.
pub(in crate::cli) fn role(text: &str) -> Result<u8, String> {
    let expected = || {
        let words: Vec<&str> = BITS.iter().map(|(word, _)| *word).collect();
        format!("expected all, none, or some of {} with commas between", words.join(", "))
    };
    match text {
        "all" => return Ok(ALL),
        "none" => return Ok(0),
        _ => {}
    }
    if let Ok(number) = text.parse::<u8>() {
        return if number <= ALL { Ok(number) } else { Err(expected()) };
    }
    let bit = |word: &str| BITS.iter().find(|(known, _)| *known == word.trim()).map(|(_, bit)| *bit);
    text.split(',').try_fold(0, |role, word| Some(role | bit(word)?)).ok_or_else(expected)
}

fn words(role: u64) -> String {
    let held: Vec<&str> = BITS.iter().filter(|(_, bit)| role & u64::from(*bit) != 0).map(|(word, _)| *word).collect();
    held.join(" ")
}

impl Role {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let project = find(&mut at.client, &self.project).await?;
        let (Some(manager), Some(role)) = (self.manager, self.roles) else {
            let content = at.client.content(Call::get(&format!("/manager/list_for_project/{}", project.id))).await?;
            show(at, &content)?;
            return Ok(Exit::Done);
        };
        let id = number(&mut at.client, &manager).await?;
        let call = Call::post(&format!("/manager/set_role_for_project/{}", project.id));
        at.client.content(call.body(&json!({ "manager": id, "role": role }))).await?;
        match at.out.json() {
            true => at.out.value(&json!({ "project": project.id, "manager": id, "role": role }))?,
            false => {
                let may = if role == 0 { "nothing".to_owned() } else { words(role.into()) };
                at.out.line(&plain(&format!("{manager} may in {}: {may}", project.name)))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn show(at: &Session, content: &Value) -> Result<(), Problem> {
    if at.out.json() {
        return at.out.value(content);
    }
    let listed = content.get("managers").and_then(Value::as_array).into_iter().flatten();
    let row = |entry: &Value| {
        let manager = |key: &str| entry.get("manager").and_then(|one| one.get(key)).map(word).unwrap_or_default();
        vec![manager("id"), manager("username"), words(entry.get("role").and_then(Value::as_u64).unwrap_or(0))]
    };
    let rows: Vec<Vec<String>> = listed.map(row).collect();
    at.out.table(&["ID", "MANAGER", "MAY"], &rows)
}

/// The number of the manager of this name or, where nobody has that name, of this number.
async fn number(client: &mut Client, text: &str) -> Result<u64, Problem> {
    let content = client.content(Call::get("/manager/list")).await?;
    let listed = content.get("managers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let named = listed.iter().find(|one| one.get("username").and_then(Value::as_str) == Some(text));
    let named = named.and_then(|one| one.get("id")?.as_u64());
    named
        .or_else(|| text.parse().ok())
        .ok_or_else(|| Problem::Misuse(format!("there is no manager \"{text}\": `hostler account list` shows all")))
}
