//! `data list`: what is published, and whether it is well.

use super::naming::Name;
use crate::cli::Session;
use crate::cli::cache::{number, size, text};
use crate::cli::client::Call;
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use serde_json::{Value, json};

/// List repositories, the items of one, the tags of an item, or one tag
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_help = "\
Examples:
  hostler data list
  hostler data list weather
  hostler data list weather/rain
  hostler data list weather/rain:2024-01 --json
  hostler data list --unwell

`hostler data verify` reads the files anew; `hostler why data/REPO/ITEM:TAG` tells more of one."
)]
pub(super) struct List {
    /// Which
    #[arg(value_name = "REPO[/ITEM[:TAG]]", value_parser = Name::any)]
    what: Option<Name>,
    /// Only tags that are not well, with the reason
    #[arg(short, long)]
    unwell: bool,
}

impl List {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        if self.unwell {
            let mut tags = Vec::new();
            for name in meant(at, self.what.as_ref()).await? {
                tags.extend(unwell(at, &name).await?);
            }
            match at.out.json() {
                true => at.out.value(&Value::Array(tags))?,
                false => table(at, &tags)?,
            }
            return Ok(Exit::Done);
        }
        let answer = match &self.what {
            None => at.client.data(Call::get("/api/repositories")).await?,
            Some(name) if name.item.is_none() => at.client.data(Call::get(&name.path()).query("details", true)).await?,
            Some(name) => at.client.data(Call::get(&name.path())).await?,
        };
        if at.out.json() {
            at.out.value(&answer)?;
            return Ok(Exit::Done);
        }
        match &self.what {
            None => repositories(at, &answer)?,
            Some(name) if name.item.is_none() => items_table(at, &answer)?,
            Some(name) if name.tag.is_none() => table(at, &named(name, &answer["taglist"]))?,
            Some(name) => table(at, &named(&name.item(), &Value::Array(vec![answer])))?,
        }
        Ok(Exit::Done)
    }
}

/// The items meant: that which is named, whole or for one tag of it, those of this repository, or all.
async fn meant(at: &mut Session, what: Option<&Name>) -> Result<Vec<Name>, Problem> {
    let reps = match what {
        Some(name) if name.item.is_some() => return Ok(vec![name.clone()]),
        Some(name) => vec![name.rep.clone()],
        None => {
            let answer = at.client.data(Call::get("/api/repositories")).await?;
            listed(&answer).iter().map(|rep| text(rep, "repname").to_owned()).collect()
        }
    };
    let mut items = Vec::new();
    for rep in reps {
        let rep = Name { rep, item: None, tag: None };
        let answer = at.client.data(Call::get(&rep.path())).await?;
        let names = listed(&answer["dataitems"]).iter().filter_map(Value::as_str);
        items.extend(names.map(|item| Name { item: Some(item.to_owned()), ..rep.clone() }));
    }
    Ok(items)
}

/// The tags that are not well: of an item all of these, of a tag itself at most; each with its whole name as `name`.
///
/// # Errors
/// The daemon's.
pub(super) async fn unwell(at: &mut Session, name: &Name) -> Result<Vec<Value>, Problem> {
    if name.tag.is_some() {
        let tag = at.client.data(Call::get(&name.path())).await?;
        let tags = if text(&tag, "status") == "NORMAL" { Vec::new() } else { vec![tag] };
        return Ok(named(&name.item(), &Value::Array(tags)));
    }
    let answer = at.client.data(Call::get(&name.path()).query("unwell", true)).await?;
    Ok(named(name, &answer["taglist"]))
}

/// Tags of an item, each with its whole name as `name`.
fn named(item: &Name, tags: &Value) -> Vec<Value> {
    let whole = |tag: &Value| {
        let mut tag = tag.clone();
        let name = Name { tag: Some(text(&tag, "tag").to_owned()), ..item.clone() };
        if tag.is_object() {
            tag["name"] = json!(name.to_string());
        }
        tag
    };
    listed(tags).iter().map(whole).collect()
}

fn listed(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn repositories(at: &Session, answer: &Value) -> Result<(), Problem> {
    let row = |rep: &Value| ["repname", "owner", "optime", "comment"].map(|key| text(rep, key).to_owned()).to_vec();
    let rows: Vec<_> = listed(answer).iter().map(row).collect();
    at.out.table(&["REPOSITORY", "OWNER", "SINCE", "COMMENT"], &rows)
}

fn items_table(at: &Session, answer: &Value) -> Result<(), Problem> {
    let row = |item: &Value| {
        let count = |key| number(item, key).unwrap_or_default().to_string();
        vec![
            text(item, "itemname").to_owned(),
            text(item, "itemaccesstype").to_owned(),
            count("tags"),
            count("abnormal"),
            text(item, "datapool").to_owned(),
            text(item, "comment").to_owned(),
        ]
    };
    let rows: Vec<_> = listed(&answer["items"]).iter().map(row).collect();
    at.out.table(&["ITEM", "ACCESS", "TAGS", "UNWELL", "POOL", "COMMENT"], &rows)
}

/// Tags as a table.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn table(at: &Session, tags: &[Value]) -> Result<(), Problem> {
    let row = |tag: &Value| {
        let reason = match (text(tag, "reason"), text(tag, "why")) {
            (reason, "") => reason.to_owned(),
            (reason, why) => format!("{reason}: {why}"),
        };
        vec![
            text(tag, "name").to_owned(),
            text(tag, "status").to_owned(),
            number(tag, "size").map(size).unwrap_or_default(),
            text(tag, "checked_at").to_owned(),
            reason,
            text(tag, "comment").to_owned(),
        ]
    };
    let rows: Vec<_> = tags.iter().map(row).collect();
    at.out.table(&["TAG", "STATUS", "SIZE", "LOOKED AT", "REASON", "COMMENT"], &rows)
}
