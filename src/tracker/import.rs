//! Taking over another tracker, as `hostler import tracker` sends it: managers, workers, projects, how projects are
//! chained, access, roles, and tasks, each with the number it had.
//!
//! ```text
//! piece ── rows as they came ── valid? ── there already, just so? ── accounts, machine ──> an answer for each row
//!                                 no: refused      yes: same              taken: refused, else imported
//! ```
//!
//! Nothing that is there is replaced, and a row that is there already, just so, is no failure: an import that was
//! interrupted is simply made again.
//!
//! **Absent:** order. Who sends sees to it that what a row is about is there before.

use super::engine::{Failed, Handle};
use super::machine::{Ask, Imported, Room, Verdict};
use super::model::{
    Access, Definition, Lease, Limit, Manager, ManagerId, NewTask, ProjectId, Rate, Role, Standing, Status, Task,
    TaskId, Vote, Worker, WorkerId, WorkerSecret,
};
use crate::auth::accounts::{AccountError, ImportedAccount, Rights, Tracker};
use crate::base::{Now, Secret, Wall};
use crate::http::{Access as May, Cx, Doc, Draft, ErrorStatus, Failure, Family, Reply, Route};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;

/// The largest piece: `hostler import` sends about 1 MiB, and more only where a single recipe is larger.
const PIECE: usize = 16 << 20;
/// Rows in one piece: what is looked up for them must not hold up the engine.
const MOST: usize = 5000;
/// The highest number of a worker, a project or a manager: the original's are 32 bits wide, with a sign.
const LAST: i64 = i32::MAX as i64;

const DOC: Doc = Doc {
    summary: "Takes over rows of another tracker, with their numbers; nothing is replaced",
    query: &[],
    body: Some(
        "{managers, workers, projects, chains, access, roles, tasks}: lists of rows; at most 5,000 rows in one call",
    ),
    answers: &[
        (200, "for each list one of the same length: \"imported\", \"same\" or {refused: why}"),
        (400, "no such rows, or too many"),
        (403, "not an operator"),
    ],
};

/// `POST /hostler/v1/import/tracker`
pub fn route(handle: &Handle) -> Route {
    let what = (Method::POST, "/hostler/v1/import/tracker");
    Draft::new(handle, Family::Own, what, May::Operator, DOC).limit(PIECE).with(import)
}

/// A piece of a dump.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PieceIn {
    managers: Vec<ManagerIn>,
    workers: Vec<WorkerIn>,
    projects: Vec<ProjectIn>,
    chains: Vec<ChainIn>,
    access: Vec<AccessIn>,
    roles: Vec<RoleIn>,
    tasks: Vec<TaskIn>,
}

#[derive(Debug, Deserialize)]
struct ManagerIn {
    id: i64,
    username: String,
    register_time: i64,
    tracker_admin: bool,
    sha512: String,
}

#[derive(Debug, Deserialize)]
struct WorkerIn {
    id: i64,
    alias: String,
    created: i64,
    secret: String,
    closed: u64,
    paused: bool,
}

#[derive(Debug, Deserialize)]
struct ProjectIn {
    id: i64,
    name: String,
    priority: i64,
    clone_url: String,
    git_repo: String,
    version: String,
    motd: String,
    public: bool,
    hidden: bool,
    paused: bool,
    assign_rate: f64,
    submit_rate: f64,
    secret: String,
    webhook_secret: String,
    closed: u64,
}

/// Names beside numbers say that the same is meant which was imported before.
#[derive(Debug, Deserialize)]
struct ChainIn {
    project: i64,
    name: String,
    chain: i64,
}

#[derive(Debug, Deserialize)]
struct AccessIn {
    worker: i64,
    project: i64,
    assign: bool,
    submit: bool,
    request: bool,
}

#[derive(Debug, Deserialize)]
struct RoleIn {
    manager: i64,
    username: String,
    project: i64,
    role: i64,
}

#[derive(Debug, Deserialize)]
struct TaskIn {
    id: i64,
    project: i64,
    recipe: String,
    priority: i64,
    max_retries: i64,
    max_assign_time: i64,
    verification_count: i64,
    hash: i64,
    status: i64,
    retries: i64,
    assignee: Option<i64>,
    assign_time: Option<i64>,
    votes: Vec<VoteIn>,
}

#[derive(Debug, Deserialize)]
struct VoteIn {
    worker: i64,
    value: i64,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Became {
    /// It is there now.
    Imported,
    /// It was there already, just so.
    Same,
    /// It is not: why.
    Refused(String),
}

/// The same lists as in the piece.
#[derive(Debug, Default, Serialize)]
struct PieceOut {
    managers: Vec<Became>,
    workers: Vec<Became>,
    projects: Vec<Became>,
    chains: Vec<Became>,
    access: Vec<Became>,
    roles: Vec<Became>,
    tasks: Vec<Became>,
}

async fn import(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let refuse = |why: String| Failure::public(ErrorStatus::BAD_REQUEST, "bad_import", why);
    let piece: PieceIn = cx.json().await.map_err(|error| refuse(error.to_string()))?;
    let rows =
        [piece.managers.len(), piece.workers.len(), piece.projects.len(), piece.chains.len(), piece.access.len()];
    let rows = rows.into_iter().sum::<usize>() + piece.roles.len() + piece.tasks.len();
    if rows > MOST {
        return Err(refuse(format!("expected at most {MOST} rows in one call, not {rows}")));
    }
    let ending = |_: Failed| Failure::internal("the daemon is ending".to_owned());
    let now = Now::read();
    let held = handle.settings.max_assign_time;
    // One kind after the other: what a row is about may be in the same piece.
    let out = PieceOut {
        managers: managers(&handle, piece.managers).await,
        workers: take(&handle, piece.workers.into_iter().map(worker).collect()).await.map_err(ending)?,
        projects: take(&handle, piece.projects.into_iter().map(project).collect()).await.map_err(ending)?,
        chains: chains(&handle, piece.chains).await.map_err(ending)?,
        access: take(&handle, piece.access.iter().map(access).collect()).await.map_err(ending)?,
        roles: {
            let roles = piece.roles.iter().map(|row| role(&handle, row)).collect();
            take(&handle, roles).await.map_err(ending)?
        },
        tasks: {
            let row = |row| task(row, held, now.wall);
            take(&handle, piece.tasks.into_iter().map(row).collect()).await.map_err(ending)?
        },
    };
    Ok(Reply::json(&out))
}

/// The operator, whom the route has let in.
const BY: Manager = Manager::Admin(ManagerId(0));

/// Gives the machine what is not there yet.
async fn take(handle: &Handle, rows: Vec<Result<Imported, String>>) -> Result<Vec<Became>, Failed> {
    let look = move |room: &Room| -> Vec<Result<(Imported, bool), String>> {
        let seen = |row: Imported| {
            let same = is_there(room, &row);
            (row, same)
        };
        rows.into_iter().map(|row| row.map(seen)).collect()
    };
    let (mut became, mut fresh) = (Vec::new(), Vec::new());
    for row in handle.look(look).await? {
        match row {
            Err(why) => became.push(Some(Became::Refused(why))),
            Ok((_, true)) => became.push(Some(Became::Same)),
            Ok((row, false)) => {
                became.push(None);
                fresh.push(row);
            }
        }
    }
    let verdict = match fresh.is_empty() {
        true => Verdict::Imported(Vec::new()),
        false => handle.ask(Ask::Import { by: BY, rows: fresh }, pending()).await?,
    };
    let (mut results, otherwise) = match verdict {
        Verdict::Imported(results) => (results.into_iter(), String::new()),
        Verdict::Refused(why) => (Vec::new().into_iter(), why.to_string()),
        _ => (Vec::new().into_iter(), "nothing was imported".to_owned()),
    };
    let mut answer = || match results.next() {
        Some(Ok(())) => Became::Imported,
        Some(Err(why)) => Became::Refused(why.to_string()),
        None => Became::Refused(otherwise.clone()),
    };
    Ok(became.into_iter().map(|known| known.unwrap_or_else(&mut answer)).collect())
}

/// Whether this very row is there already. What changes while workers work is not compared.
fn is_there(room: &Room, row: &Imported) -> bool {
    match row {
        Imported::Worker(worker, _) => room.worker(worker.id).is_some_and(|known| known.secret == worker.secret),
        Imported::Project { id, definition, .. } => {
            room.project(*id).is_some_and(|known| known.definition.name == definition.name)
        }
        Imported::Access(project, worker, access) => {
            room.project(*project).and_then(|project| project.access_of(*worker)) == Some(*access)
        }
        Imported::Role(project, manager, role) => {
            room.project(*project).and_then(|project| project.roles.get(manager).copied()) == Some(*role)
        }
        Imported::Task(task, _) => {
            room.task(task.id).is_some_and(|(known, _)| known.project == task.project && known.what == task.what)
        }
    }
}

async fn managers(handle: &Handle, rows: Vec<ManagerIn>) -> Vec<Became> {
    let accounts = &handle.tools.accounts;
    let (mut became, mut fresh) = (Vec::new(), Vec::new());
    for row in rows {
        let there =
            |account: &ImportedAccount| accounts.get(account.id).is_some_and(|known| known.name == account.name);
        match account(row) {
            Err(why) => became.push(Some(Became::Refused(why))),
            Ok(account) if there(&account) => became.push(Some(Became::Same)),
            Ok(account) => {
                became.push(None);
                fresh.push(account);
            }
        }
    }
    let mut results: std::vec::IntoIter<Result<(), AccountError>> = accounts.import(fresh).await.into_iter();
    let mut answer = || match results.next() {
        Some(Ok(())) => Became::Imported,
        Some(Err(why)) => Became::Refused(why.to_string()),
        None => Became::Refused("it was not imported".to_owned()),
    };
    became.into_iter().map(|known| known.unwrap_or_else(&mut answer)).collect()
}

/// Chains one project after the other to its next, where it is not chained yet.
async fn chains(handle: &Handle, rows: Vec<ChainIn>) -> Result<Vec<Became>, Failed> {
    let mut became = Vec::new();
    for ChainIn { project, name, chain } in rows {
        became.push(match (number("project", project), number("chain", chain)) {
            (Err(why), _) | (_, Err(why)) => Became::Refused(why),
            (Ok(project), Ok(chain)) => chained(handle, ProjectId(project), name, ProjectId(chain)).await?,
        });
    }
    Ok(became)
}

async fn chained(handle: &Handle, project: ProjectId, name: String, chain: ProjectId) -> Result<Became, Failed> {
    let known = handle.look(move |room| room.project(project).map(|project| project.definition.clone())).await?;
    let Some(mut definition) = known.filter(|definition| definition.name == name) else {
        return Ok(Became::Refused(format!("project {project} is not \"{name}\"")));
    };
    match definition.chain {
        Some(there) if there == chain => return Ok(Became::Same),
        Some(there) => return Ok(Became::Refused(format!("project {project} is chained to {there} already"))),
        None if chain == project => {
            return Ok(Became::Refused("chain: a project cannot be chained to itself".to_owned()));
        }
        None => definition.chain = Some(chain),
    }
    let ask = Ask::UpdateProject { by: BY, project, definition: Box::new(definition) };
    Ok(match handle.ask(ask, pending()).await? {
        Verdict::Accepted => Became::Imported,
        Verdict::Refused(why) => Became::Refused(why.to_string()),
        _ => Became::Refused("it was not chained".to_owned()),
    })
}

fn account(row: ManagerIn) -> Result<ImportedAccount, String> {
    let tracker = if row.tracker_admin { Tracker::Admin } else { Tracker::Manager };
    Ok(ImportedAccount {
        id: number("id", row.id)?,
        name: row.username,
        created: moment(row.register_time),
        rights: Rights { tracker, ..Rights::default() },
        sha512: bytes("sha512", &row.sha512)?,
    })
}

fn worker(row: WorkerIn) -> Result<Imported, String> {
    let worker = Worker {
        id: WorkerId(number("id", row.id)?),
        alias: text("alias", row.alias)?,
        created: row.created,
        secret: WorkerSecret(bytes("secret", &row.secret)?),
        paused: row.paused,
    };
    Ok(Imported::Worker(worker, row.closed))
}

fn project(row: ProjectIn) -> Result<Imported, String> {
    if row.public && row.hidden {
        return Err("public, hidden: a project cannot be both".to_owned());
    }
    let limit = |rate: f64| Limit { rate: Rate::new(rate), ..Limit::default() };
    let definition = Definition {
        name: Some(text("name", row.name)?).filter(|name| !name.is_empty()).ok_or("name: expected one")?,
        clone_url: text("clone_url", row.clone_url)?,
        git_repo: text("git_repo", row.git_repo)?,
        version: text("version", row.version)?,
        motd: text("motd", row.motd)?,
        priority: i32::try_from(row.priority)
            .ok()
            .filter(|priority| *priority >= 0)
            .ok_or_else(|| format!("priority: expected 0 to {}, not {}", i32::MAX, row.priority))?,
        public: row.public,
        hidden: row.hidden,
        paused: row.paused,
        chain: None,
        assign: limit(row.assign_rate),
        submit: limit(row.submit_rate),
    };
    Ok(Imported::Project {
        id: ProjectId(number("id", row.id)?),
        definition: Box::new(definition),
        secret: Secret::new(text("secret", row.secret)?),
        webhook_secret: Secret::new(text("webhook_secret", row.webhook_secret)?),
        closed: row.closed,
    })
}

fn access(row: &AccessIn) -> Result<Imported, String> {
    let access = Access { assign: row.assign, submit: row.submit, pending: row.request };
    Ok(Imported::Access(ProjectId(number("project", row.project)?), WorkerId(number("worker", row.worker)?), access))
}

/// A role is a person's, not a number's.
fn role(handle: &Handle, row: &RoleIn) -> Result<Imported, String> {
    let manager = number("manager", row.manager)?;
    let known = handle.tools.accounts.get(manager).is_some_and(|account| account.name == row.username);
    if !known {
        return Err(format!("account {manager} is not \"{}\"", row.username));
    }
    // The original stores any number; only these bits mean something.
    let role = Role::new(row.role & i64::from(Role::ALL.bits())).map_err(|why| why.to_string())?;
    if role == Role::NONE {
        return Err(format!("role: {} allows nothing", row.role));
    }
    Ok(Imported::Role(ProjectId(number("project", row.project)?), ManagerId(manager), role))
}

fn task(row: TaskIn, held: std::time::Duration, now: Wall) -> Result<Imported, String> {
    let recipe = Some(text("recipe", row.recipe)?).filter(|recipe| !recipe.is_empty()).ok_or("recipe: expected one")?;
    let task = Task {
        id: TaskId(u64::from(number("id", row.id)?)),
        project: ProjectId(number("project", row.project)?),
        what: NewTask {
            recipe: Arc::from(recipe),
            priority: small("priority", row.priority)?,
            max_retries: small("max_retries", row.max_retries)?.max(0),
            max_assign: i32::try_from(row.max_assign_time)
                .map_err(|_| format!("max_assign_time: expected 32 bits, not {}", row.max_assign_time))?,
            verification_count: match small("verification_count", row.verification_count)? {
                0 => 1,
                count => count,
            },
            hash: row.hash,
            not_before: None,
        },
    };
    let status = match row.status {
        1 => Status::New,
        2 => Status::Failed,
        other => return Err(format!("status: expected 1 or 2, not {other}")),
    };
    let mut votes = BTreeMap::new();
    for VoteIn { worker, value } in row.votes {
        votes.insert(number("worker of a vote", worker)?, value);
    }
    let lease = match (status, row.assignee, row.assign_time) {
        (Status::New, Some(worker), Some(since)) => lease(worker, since, row.max_assign_time, held, now)?,
        _ => None,
    };
    let votes = votes.into_iter().map(|(worker, value)| Vote { worker: WorkerId(worker), value }).collect();
    let standing = Standing { status, retries: small("retries", row.retries)?.max(0), lease, votes, failing: None };
    Ok(Imported::Task(task, standing))
}

/// Whoever held it holds it still, for as long as he had left; nobody does where that is over.
fn lease(worker: i64, since: i64, seconds: i64, held: std::time::Duration, now: Wall) -> Result<Option<Lease>, String> {
    let seconds = match seconds {
        0 => i64::try_from(held.as_secs()).unwrap_or(i64::MAX),
        seconds => seconds,
    };
    let since = moment(since).min(now);
    let until = chrono::TimeDelta::try_seconds(seconds).and_then(|time| since.checked_add_signed(time));
    let until = until.unwrap_or(Wall::MAX_UTC);
    let worker = WorkerId(number("assignee", worker)?);
    Ok((until > now).then_some(Lease { worker, since, until, process: None }))
}

fn number(field: &str, number: i64) -> Result<u32, String> {
    let valid = u32::try_from(number).ok().filter(|_| (1..=LAST).contains(&number));
    valid.ok_or_else(|| format!("{field}: expected 1 to {LAST}, not {number}"))
}

fn small(field: &str, number: i64) -> Result<i16, String> {
    i16::try_from(number).map_err(|_| format!("{field}: expected {} to {}, not {number}", i16::MIN, i16::MAX))
}

fn text(field: &str, text: String) -> Result<String, String> {
    if text.contains('\0') { Err(format!("{field}: expected text without NUL")) } else { Ok(text) }
}

fn bytes<const N: usize>(field: &str, text: &str) -> Result<[u8; N], String> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("{field}: expected {N} bytes in base64"))
}

/// Unix seconds; what is beyond the calendar is its beginning.
fn moment(seconds: i64) -> Wall {
    Wall::from_timestamp(seconds, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn row() -> TaskIn {
        TaskIn {
            id: 9,
            project: 3,
            recipe: "{}".to_owned(),
            priority: -5,
            max_retries: 2,
            max_assign_time: 0,
            verification_count: 0,
            hash: -7,
            status: 1,
            retries: 1,
            assignee: Some(4),
            assign_time: Some(1_700_000_000),
            votes: vec![VoteIn { worker: 5, value: 1 }, VoteIn { worker: 5, value: 2 }],
        }
    }

    fn at(seconds: i64) -> Wall {
        moment(seconds)
    }

    fn read(row: TaskIn, now: i64) -> Result<(Task, Standing), String> {
        match task(row, Duration::from_secs(300), at(now))? {
            Imported::Task(task, standing) => Ok((task, standing)),
            other => panic!("no task: {other:?}"),
        }
    }

    #[test]
    fn a_held_task_stays_held_for_as_long_as_it_was() {
        let (task, standing) = read(row(), 1_700_000_299).unwrap();
        assert_eq!((task.id, task.what.verification_count, task.what.priority), (TaskId(9), 1, -5));
        let until = standing.lease.map(|lease| (lease.worker, lease.until));
        assert_eq!(until, Some((WorkerId(4), at(1_700_000_300))));
        assert_eq!(standing.votes, [Vote { worker: WorkerId(5), value: 2 }], "one vote for each worker");
        assert_eq!(read(row(), 1_700_000_300).unwrap().1.lease, None);
        let forever = TaskIn { max_assign_time: i64::from(i32::MAX), ..row() };
        assert!(read(forever, 1_800_000_000).unwrap().1.lease.is_some());
        let failed = TaskIn { status: 2, ..row() };
        assert_eq!(
            read(failed, 1_700_000_000).unwrap().1,
            Standing {
                status: Status::Failed,
                retries: 1,
                lease: None,
                votes: vec![Vote { worker: WorkerId(5), value: 2 }],
                failing: None,
            }
        );
    }

    #[test]
    fn a_field_that_does_not_fit_is_named() {
        let why = |row: TaskIn| read(row, 0).unwrap_err();
        assert_eq!(why(TaskIn { id: 0, ..row() }), "id: expected 1 to 2147483647, not 0");
        assert_eq!(why(TaskIn { project: 1 << 40, ..row() }), "project: expected 1 to 2147483647, not 1099511627776");
        assert_eq!(why(TaskIn { recipe: String::new(), ..row() }), "recipe: expected one");
        assert_eq!(why(TaskIn { priority: 40_000, ..row() }), "priority: expected -32768 to 32767, not 40000");
        assert_eq!(why(TaskIn { status: 3, ..row() }), "status: expected 1 or 2, not 3");
        assert_eq!(bytes::<4>("secret", "AAEC").unwrap_err(), "secret: expected 4 bytes in base64");
        assert_eq!(bytes::<3>("secret", "AAEC"), Ok([0, 1, 2]));
    }
}
