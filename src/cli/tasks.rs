//! What the daemon says about tasks: names by glob, states, runs; and the verbs that do one thing to many of them.

use crate::base::Wall;
use crate::cli::Session;
use crate::cli::client::{Call, CallError, Client};
use crate::cli::exit::{Exit, Problem};
use hyper::StatusCode;
use serde_json::{Map, Value, json};
use wildmatch::WildMatch;

/// States, of a task or a replica, in which nothing runs and nothing will by itself, save by a schedule.
const AT_REST: &[&str] =
    &["stopped", "succeeded", "finished", "failed", "interrupted", "not_started", "scheduled", "idle"];
/// States that want the operator's attention. `pausing` is the time between a daemon's end and its next start.
const DOWN: &[&str] = &["failed", "interrupted", "not_started", "pausing"];

/// A task as `GET /proc/task` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task(pub Value);

impl Task {
    /// Asks for one task; none when there is no such task.
    ///
    /// # Errors
    /// No answer, or another refusal.
    pub async fn get(client: &mut Client, name: &str) -> Result<Option<Task>, Problem> {
        match client.data(call(name)).await {
            Ok(task) => Ok(Some(Task(task))),
            Err(error) if is_unknown(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A field as text; empty when it is absent.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Where it is in its life, in the daemon's word.
    pub fn state(&self) -> &str {
        self.text("state")
    }

    /// Its replicas.
    pub fn replicas(&self) -> &[Value] {
        self.0.get("replicas").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The pids of what runs.
    pub fn pids(&self) -> Vec<i64> {
        self.replicas().iter().filter_map(|replica| replica.get("pid")?.as_i64()).collect()
    }

    /// How many replicas are ready.
    pub fn ready(&self) -> usize {
        self.replicas().iter().filter(|replica| replica.get("ready") == Some(&Value::Bool(true))).count()
    }

    /// Whether every replica has become a process in its present life, or is through with it.
    pub fn is_started(&self) -> bool {
        let born = |replica: &Value| replica.get("pid").is_some_and(|pid| !pid.is_null()) || ended(replica);
        !self.replicas().is_empty() && self.replicas().iter().all(born)
    }

    /// Whether every replica runs and is ready.
    pub fn is_ready(&self) -> bool {
        !self.replicas().is_empty() && self.ready() == self.replicas().len()
    }

    /// Whether nothing of it runs or is about to.
    pub fn is_at_rest(&self) -> bool {
        self.pids().is_empty() && AT_REST.contains(&self.state())
    }

    /// Whether something of it should run and does not.
    pub fn is_down(&self) -> bool {
        is_down(&self.0) || self.replicas().iter().any(is_down)
    }
}

/// The question for one task.
pub fn call(name: &str) -> Call {
    Call::get("/proc/task").query("name", name)
}

/// Whether the state of a task or a replica wants attention.
pub fn is_down(what: &Value) -> bool {
    what.get("state").and_then(Value::as_str).is_some_and(|state| DOWN.contains(&state))
}

fn ended(replica: &Value) -> bool {
    replica.get("state").and_then(Value::as_str).is_some_and(|state| AT_REST.contains(&state))
}

/// Whether the daemon says that there is no such task (Meproc's words and status).
pub fn is_unknown(error: &CallError) -> bool {
    match error {
        CallError::Refused { status, message } => {
            *status == StatusCode::NOT_FOUND
                || *status == StatusCode::FORBIDDEN && message.starts_with("Program not exists")
        }
        _ => false,
    }
}

/// Whether the daemon says that the name is in use (Meproc's words and status).
pub fn is_taken(error: &CallError) -> bool {
    matches!(error, CallError::Refused { status: StatusCode::FORBIDDEN, message } if message.starts_with("Program exists"))
}

/// The problem of a name nobody has.
pub fn unknown(name: &str) -> Problem {
    Problem::Misuse(format!("there is no task \"{name}\": `hostler list` shows all"))
}

/// All tasks, by name, as `GET /proc` shows them.
///
/// # Errors
/// No answer, or none with tasks in it.
pub async fn all(client: &mut Client) -> Result<Map<String, Value>, Problem> {
    let mut data = client.data(Call::get("/proc")).await?;
    match data.get_mut("tasks").map(Value::take) {
        Some(Value::Object(tasks)) => Ok(tasks),
        // Meproc's own daemon says `[]` for none.
        Some(Value::Array(none)) if none.is_empty() => Ok(Map::new()),
        _ => Err(Problem::Call(CallError::Strange {
            place: client.place().to_string(),
            why: "a list of tasks without tasks".to_owned(),
        })),
    }
}

/// The names that these names and globs stand for, each once, in the order of the arguments.
///
/// # Errors
/// A glob that fits nothing. A plain name is taken as it is: whether it exists is for the daemon to say.
pub async fn resolve(client: &mut Client, patterns: &[String]) -> Result<Vec<String>, Problem> {
    if !patterns.iter().any(|pattern| is_glob(pattern)) {
        return Ok(distinct(patterns.to_vec()));
    }
    let known: Vec<String> = all(client).await?.into_iter().map(|(name, _)| name).collect();
    expand(patterns, &known)
}

fn is_glob(text: &str) -> bool {
    // The `?` of an address begins its query.
    !text.starts_with("cache/http") && text.contains(['*', '?'])
}

/// As [`resolve`], with the names given. A task whose very name is the pattern is meant alone.
///
/// # Errors
/// A glob that fits nothing.
pub fn expand(patterns: &[String], known: &[String]) -> Result<Vec<String>, Problem> {
    let mut names = Vec::new();
    for pattern in patterns {
        if !is_glob(pattern) || known.contains(pattern) {
            names.push(pattern.clone());
            continue;
        }
        let glob = WildMatch::new(pattern);
        let before = names.len();
        names.extend(known.iter().filter(|name| glob.matches(name)).cloned());
        if names.len() == before {
            return Err(Problem::Misuse(format!("no task fits \"{pattern}\": `hostler list` shows all")));
        }
    }
    Ok(distinct(names))
}

fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// Does the same to each of the tasks: what one refuses does not keep the others from it. Says `done` of each.
///
/// # Errors
/// A glob that fits nothing, or a daemon that does not answer; refusals are told and make the exit.
pub async fn each(
    at: &mut Session,
    patterns: &[String],
    done: &str,
    call: impl Fn(&str) -> Call,
) -> Result<Exit, Problem> {
    let names = resolve(&mut at.client, patterns).await?;
    let mut worst = Exit::Done;
    let mut results = Vec::new();
    for name in names {
        let refused = match at.client.ask(call(&name)).await {
            Ok(_) => None,
            Err(error) if is_unknown(&error) => Some(unknown(&name)),
            Err(error @ CallError::Refused { .. }) => Some(Problem::Call(error)),
            Err(error) => return Err(error.into()),
        };
        match &refused {
            None if at.out.json() => results.push(json!({ "name": name, "done": done })),
            None => at.out.line(&format!("{done} {}", crate::cli::out::plain(&name)))?,
            Some(problem) => {
                worst = worst.worse(problem.exit());
                results.push(json!({ "name": name, "error": problem.to_string() }));
                if !at.out.json() {
                    at.out.failure(&format!("{name}: {problem}"), problem.exit());
                }
            }
        }
    }
    if at.out.json() {
        at.out.value(&Value::Array(results))?;
    }
    Ok(worst)
}

/// A moment in the API's JSON: seconds since the epoch, or RFC 3339.
pub fn moment(value: Option<&Value>) -> Option<Wall> {
    match value? {
        Value::String(text) => chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()),
        // Fractions of a second do not matter in a listing.
        number => Wall::from_timestamp(number.as_i64().or_else(|| Some(number.as_f64()? as i64))?, 0),
    }
}

/// How long before `now` that was, in its two largest units: `3h 12m`.
pub fn age(since: Wall, now: Wall) -> String {
    let whole = (now - since).num_seconds().max(0).unsigned_abs();
    let steps = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut parts = Vec::new();
    let mut rest = whole;
    for (size, unit) in steps {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{}{unit}", rest / size));
        }
        rest %= size;
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// The call, answered only when the processes have ended, where that is wanted.
pub fn waiting(call: Call, wait: bool) -> Call {
    if wait { call.query("wait", 1).patient() } else { call }
}
