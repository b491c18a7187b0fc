//! Which content is meant: by its id, or by an address and what tells contents behind one address apart.

use super::text;
use crate::cli::client::{Call, CallError, Client};
use crate::cli::exit::Problem;
use bytesize::ByteSize;
use clap::Args;
use hyper::StatusCode;
use serde_json::{Map, Value};

/// How many contents of one address are looked at.
const OF_ONE_URL: usize = 500;

/// What makes a content another one than its address says.
#[derive(Debug, Args)]
pub(super) struct Naming {
    /// Tells contents behind one address apart
    #[arg(long, value_name = "TEXT")]
    tag: Option<String>,
    /// The same
    #[arg(long, value_name = "TEXT")]
    application: Option<String>,
    /// A query parameter that does not count; repeatable [default: signatures of object stores]
    #[arg(long, value_name = "NAME")]
    filter: Vec<String>,
    /// In pieces of so many bytes, as 8MiB [default: by the length of the whole]
    #[arg(long, value_name = "SIZE")]
    piece_length: Option<ByteSize>,
}

impl Naming {
    /// In the words of the API.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let filter = (!self.filter.is_empty()).then(|| self.filter.join("&"));
        let given = [
            ("tag", self.tag.as_deref().map(Value::from)),
            ("application", self.application.as_deref().map(Value::from)),
            ("filtered_query_params", filter.map(Value::from)),
            ("piece_length", self.piece_length.map(|size| size.as_u64().into())),
        ];
        given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// Which contents of an address are meant.
#[derive(Debug, Args)]
pub(super) struct Narrowed {
    /// Of an address: only what has this tag
    #[arg(long, value_name = "TEXT")]
    tag: Option<String>,
    /// Of an address: only what is of this application
    #[arg(long, value_name = "TEXT")]
    application: Option<String>,
}

impl Narrowed {
    /// Narrows a call, too.
    pub(super) fn of(&self, call: Call) -> Call {
        call.maybe("tag", self.tag.as_ref()).maybe("application", self.application.as_ref())
    }

    /// The contents that `what` names: one by its id, or all of an address.
    ///
    /// # Errors
    /// There is none.
    pub(super) async fn find(&self, client: &mut Client, what: &str) -> Result<Vec<Value>, Problem> {
        if !is_url(what) {
            return match client.ask(of_task(what, "")).await {
                Ok(task) => Ok(vec![task]),
                Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }) => Err(unknown(what)),
                Err(error) => Err(error.into()),
            };
        }
        let call = Call::get("/oapi/v1/tasks").query("url", what).query("per_page", OF_ONE_URL);
        match client.ask(self.of(call)).await? {
            Value::Array(tasks) if !tasks.is_empty() => Ok(tasks),
            _ => Err(unknown(what)),
        }
    }

    /// The only content that `what` names.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub(super) async fn one(&self, client: &mut Client, what: &str) -> Result<Value, Problem> {
        let mut tasks = self.find(client, what).await?;
        match tasks.len() {
            1 => Ok(tasks.swap_remove(0)),
            many => {
                let ids = tasks.iter().map(|task| format!("\n  {} tag \"{}\"", text(task, "id"), text(task, "tag")));
                let why =
                    format!("{what} is {many} contents: name one by its id, or say --tag{}", ids.collect::<String>());
                Err(Problem::Misuse(why))
            }
        }
    }
}

fn unknown(what: &str) -> Problem {
    Problem::Misuse(format!("{what} is not in the cache: `hostler cache list` shows what is"))
}

/// Whether this is an address rather than an id.
pub(super) fn is_url(what: &str) -> bool {
    what.contains("://")
}

/// A question about the content of this id.
pub(super) fn of_task(id: &str, rest: &str) -> Call {
    Call::get(&path_of(id, rest))
}

/// The path of the content of this id.
pub(super) fn path_of(id: &str, rest: &str) -> String {
    format!("/oapi/v1/tasks/{}{rest}", crate::cli::client::segment(id))
}

/// Headers as they are given, `NAME: VALUE`, in the words of the API.
pub(super) fn headers(given: &[(String, String)]) -> Option<Value> {
    let headers: Map<String, Value> =
        given.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    (!headers.is_empty()).then_some(Value::Object(headers))
}

/// Reads a header.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    let read = (hyper::header::HeaderName::try_from(name.trim()), hyper::header::HeaderValue::try_from(value.trim()));
    match read {
        (Ok(_), Ok(_)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected NAME: VALUE, without control characters".to_owned()),
    }
}
