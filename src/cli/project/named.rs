//! From what a person calls a project to its number.

use crate::cli::client::{Call, CallError, Client};
use crate::cli::exit::Problem;
use hyper::StatusCode;
use serde_json::Value;

/// A project: its number, and what it is called in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Named {
    /// Its number.
    pub(in crate::cli) id: u64,
    /// Its name; the number where the name is not to be had.
    pub(in crate::cli) name: String,
    /// Whether any worker may be handed its tasks.
    pub(in crate::cli) public: bool,
}

/// The project of this name or, where none has that name, of this number.
///
/// # Errors
/// There is none that the caller may see.
pub(in crate::cli) async fn find(client: &mut Client, text: &str) -> Result<Named, Problem> {
    let listed = list(client).await?;
    let number = text.parse::<u64>().ok();
    let of = |project: &Value, key: &str| project.get(key).and_then(Value::as_str).map(str::to_owned);
    let found = listed.iter().find(|project| of(project, "name").as_deref() == Some(text)).or_else(|| {
        listed.iter().find(|project| number.is_some() && project.get("id").and_then(Value::as_u64) == number)
    });
    if let Some(project) = found
        && let Some(id) = project.get("id").and_then(Value::as_u64)
    {
        let public = project.get("public") == Some(&Value::Bool(true));
        return Ok(Named { id, name: of(project, "name").unwrap_or_else(|| text.to_owned()), public });
    }
    match number.filter(|number| *number > 0) {
        // Hidden ones are not listed for everybody; what may be done with one is for the daemon to say.
        Some(id) => Ok(Named { id, name: text.to_owned(), public: false }),
        None => Err(Problem::Misuse(format!("there is no project \"{text}\": `hostler project list` shows all"))),
    }
}

/// The projects that the caller may see, by name.
pub(in crate::cli) async fn list(client: &mut Client) -> Result<Vec<Value>, Problem> {
    let mut content = client.content(Call::get("/project/list")).await?;
    match content.get_mut("projects").map(Value::take) {
        Some(Value::Array(projects)) => Ok(projects),
        _ => Err(Problem::Call(CallError::Strange {
            place: client.place().to_string(),
            why: "a list of projects without projects".to_owned(),
        })),
    }
}

/// A project with all its fields.
///
/// # Errors
/// It is not there, or not for the caller to see.
pub(super) async fn whole(client: &mut Client, project: &Named) -> Result<Value, Problem> {
    match client.content(Call::get(&format!("/project/get/{}", project.id))).await {
        // The fields stand in `content` and once more below `project`, as the original has them.
        Ok(mut content) => Ok(content.get_mut("project").map(Value::take).unwrap_or(content)),
        Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }) => {
            Err(Problem::Misuse(format!("there is no project \"{}\": `hostler project list` shows all", project.name)))
        }
        Err(error) => Err(error.into()),
    }
}
