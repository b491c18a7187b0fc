//! `data publish`: a file for others.

use super::Access;
use super::following::until_over;
use super::naming::Name;
use super::placing::{self, Place};
use crate::base::duration;
use crate::cli::Session;
use crate::cli::cache::{number, size, text};
use crate::cli::client::{Call, CallError, segment};
use crate::cli::exit::{Exit, Problem};
use clap::Args;
use hyper::StatusCode;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Publish a file as a tag of an item
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostler data publish weather/rain:2024-01 rain.csv --copy --pool weather --public
  hostler data publish weather/rain:2024-02 ~/rain-02.csv --copy
  hostler data publish weather/rain:latest rain.csv --replace --requires dag=rain,26h
  hostler data publish weather/map:v3 map.tif --wait

The file lies in the item's directory; --copy puts it there. --pool makes the item where there is
none. A published file that is changed later is not well until it is published anew: --replace.

Exit codes:
  0    it is published; without --wait a large file may still be read
  1    with --wait: it could not be read, or the waiting was interrupted
  100  the same call will fail again: no such file, somebody else's repository, a tag of that name
  111  try again: the daemon is absent, starting or busy")]
pub(super) struct Publish {
    /// As what
    #[arg(value_name = "REPO/ITEM:TAG", value_parser = Name::one_tag)]
    what: Name,
    /// The file: its name in the item's directory, or a path
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Make the item, where there is none, in this data pool
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// Of an item that is made: its directory in the pool [default: its name]
    #[arg(long, value_name = "DIR", requires = "pool")]
    dir: Option<String>,
    /// Of an item that is made: anybody may have its data
    #[arg(long, requires = "pool")]
    public: bool,
    /// In your own words
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Take the place of a tag of this name; with --copy, of a file of this name too
    #[arg(long)]
    replace: bool,
    /// Put the file into the item's directory first
    #[arg(long)]
    copy: bool,
    /// What must hold for it to be well: proc=NAME, dag=NAME[,MAX-AGE] or url=URL; repeatable
    #[arg(long, value_name = "FACT", value_parser = requirement)]
    requires: Vec<Value>,
    /// Wait until a large file is read
    #[arg(short, long)]
    wait: bool,
}

impl Publish {
    pub(super) async fn run(self, at: &mut Session) -> Result<Exit, Problem> {
        let item = self.item(at).await?;
        let dir = Some(text(&item, "path")).filter(|path| !path.is_empty()).map(PathBuf::from);
        let detail = self.detail(dir).await?;
        let mut body = Map::new();
        body.insert("detail".to_owned(), json!(detail));
        body.insert("replace".to_owned(), json!(self.replace));
        body.extend(self.comment.iter().map(|comment| ("comment".to_owned(), json!(comment))));
        if !self.requires.is_empty() {
            body.insert("requires".to_owned(), json!(self.requires));
        }
        let call = Call::post(&self.what.path()).body(&Value::Object(body)).patient();
        let mut tag = at.client.data(call).await?;
        let job = text(&tag["job"], "id").to_owned();
        let reads = !job.is_empty();
        if reads && self.wait {
            until_over(at, &job).await?;
            tag = at.client.data(Call::get(&self.what.path())).await?;
        }
        if at.out.json() {
            at.out.value(&tag)?;
            return Ok(Exit::Done);
        }
        match reads && !self.wait {
            true => at.out.line(&format!("{} is being read: job {job}", self.what))?,
            false => {
                let bytes = number(&tag, "size").map(size).unwrap_or_default();
                at.out.line(&format!("{} ({bytes}, sha256:{})", self.what, text(&tag, "sha256")))?;
            }
        }
        Ok(Exit::Done)
    }

    /// The item, made where there is none and a pool is given.
    async fn item(&self, at: &mut Session) -> Result<Value, Problem> {
        let name = self.what.item();
        // None of its tags are needed.
        let known = at.client.data(Call::get(&name.path()).query("page", 1).query("size", 1)).await;
        match (known, &self.pool) {
            (Ok(item), _) => {
                self.is_as_said(&name, &item)?;
                Ok(item)
            }
            (Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }), Some(pool)) => {
                self.is_at_hand(at, pool).await?;
                let access = if self.public { Access::Public } else { Access::Private };
                let mut body = json!({ "datapool": pool, "itemaccesstype": access.word() });
                if let Some(dir) = &self.dir {
                    body["itemdesc"] = json!(dir);
                }
                Ok(at.client.data(Call::post(&name.path()).body(&body)).await?)
            }
            (Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }), None) => {
                Err(Problem::Misuse(format!("there is no item {name}: --pool POOL makes it")))
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// No item is made for a file that is not there, as far as can be seen from here.
    async fn is_at_hand(&self, at: &mut Session, pool: &str) -> Result<(), Problem> {
        let pool = at.client.data(Call::get(&format!("/api/datapools/{}", segment(pool)))).await?;
        let within = self.dir.as_ref().or(self.what.item.as_ref()).map(String::as_str).unwrap_or_default();
        let root = Some(text(&pool, "conn")).filter(|conn| !conn.is_empty()).map(PathBuf::from);
        let dir = root.filter(|root| root.is_dir()).map(|root| root.join(within));
        let (copy, file, item) = (self.copy, self.file.clone(), self.what.item().to_string());
        let seen = move || {
            let place = Place { item: &item, dir, replace: false };
            if copy { placing::readable(&file).map(drop) } else { place.has(&file) }
        };
        placed(tokio::task::spawn_blocking(seen).await)
    }

    /// What is said of an item that is to be made must be so of one that there is.
    fn is_as_said(&self, name: &Name, item: &Value) -> Result<(), Problem> {
        let said = [
            ("datapool", self.pool.as_deref(), "lies in the data pool"),
            ("itemdesc", self.dir.as_deref(), "lies in the directory"),
            ("itemaccesstype", self.public.then_some(Access::Public.word()), "is"),
        ];
        for (key, wanted, how) in said {
            let is = text(item, key);
            if let Some(wanted) = wanted.filter(|wanted| !is.is_empty() && *wanted != is) {
                return Err(Problem::Misuse(format!("{name} {how} {is}, not {wanted}")));
            }
        }
        Ok(())
    }

    /// The file's name in the item's directory, where it is when this returns, as far as can be seen from here.
    async fn detail(&self, dir: Option<PathBuf>) -> Result<String, Problem> {
        let (copy, file, replace, item) = (self.copy, self.file.clone(), self.replace, self.what.item().to_string());
        let place = move || {
            let place = Place { item: &item, dir, replace };
            if copy { place.copy(&file) } else { place.name_of(&file) }
        };
        placed(tokio::task::spawn_blocking(place).await)
    }
}

/// What has come of work on files.
fn placed<T>(work: Result<Result<T, Problem>, tokio::task::JoinError>) -> Result<T, Problem> {
    work.unwrap_or_else(|error| Err(Problem::Local(format!("the file was not placed: {error}"))))
}

/// `proc=NAME`, `dag=NAME[,MAX-AGE]` or `url=URL`, as the API takes it.
fn requirement(text: &str) -> Result<Value, String> {
    let expected = || "expected proc=NAME, dag=NAME, dag=NAME,MAX-AGE or url=URL".to_owned();
    match text.split_once('=').filter(|(_, what)| !what.is_empty()).ok_or_else(expected)? {
        ("proc", name) => Ok(json!({ "proc": name })),
        ("url", url) => Ok(json!({ "url": url })),
        ("dag", what) => match what.rsplit_once(',') {
            None => Ok(json!({ "dag": what })),
            Some((name, age)) => {
                duration::parse(age).map_err(|why| format!("{age}: {why}"))?;
                Ok(json!({ "dag": name, "max_age": age }))
            }
        },
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_said_in_few_characters() {
        assert_eq!(requirement("proc=web"), Ok(json!({ "proc": "web" })));
        assert_eq!(requirement("dag=rain"), Ok(json!({ "dag": "rain" })));
        assert_eq!(requirement("dag=rain,26h"), Ok(json!({ "dag": "rain", "max_age": "26h" })));
        assert_eq!(requirement("url=http://h:1/a=b,c"), Ok(json!({ "url": "http://h:1/a=b,c" })));
        for wrong in ["", "web", "proc=", "file=x", "dag=rain,26hh"] {
            assert!(requirement(wrong).is_err(), "{wrong}");
        }
    }
}
