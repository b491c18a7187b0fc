//! Why a task is as it is: the chain of causes in plain sentences, the cause nearest to the present first.

use super::engine::Handle;
use super::launch::Place;
use super::machine::{Blocker, Room, Run, Seat, Task, TaskState};
use super::model::*;
use super::{records, wire};
use crate::auth::Caller;
use crate::base::{Now, RunId, Wall, Why};
use crate::http::blocking;
use crate::logs::Selection;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;

/// Replicas that get a sentence of their own.
const REPLICAS: usize = 5;
/// Tasks that wait for one another and are followed to the one that does not.
const LINKS: usize = 8;
/// Lines of output that are quoted.
const LINES: usize = 5;
/// Bytes of them at most.
const BYTES: usize = 4096;

/// What the room's present state says.
struct Present {
    sentences: Vec<String>,
    detail: Value,
    incarnation: Incarnation,
    split: bool,
    owner: String,
    /// The run whose words count: the first that lives.
    live: Option<Spoken>,
}

/// Where the words of a run are.
struct Spoken {
    place: Place,
    from: Option<Offsets>,
    to: Option<Offsets>,
}

impl Handle {
    /// Why the task of this name is as it is; none when there is none that the caller may see.
    pub async fn why(&self, caller: &Caller, name: &str) -> Option<Why> {
        let (asking, wanted) = (caller.clone(), name.to_owned());
        let now = Now::read();
        let present = self
            .look(move |room| {
                let sees = |task: &&Task| asking.may_touch(task.runs_as());
                let task = room.task(&wanted).filter(sees)?;
                Some(Present {
                    sentences: present(room, task, &sees, now),
                    detail: wire::task_detail(room, task, |uid| asking.may_touch(uid), now.mono),
                    incarnation: task.incarnation(),
                    split: task.definition().split_output,
                    owner: task.owner().name.clone(),
                    live: live(room, task),
                })
            })
            .await
            .ok()?;
        let Some(Present { mut sentences, detail, incarnation, split, owner, live }) = present else {
            return self.why_gone(caller, name, now.wall).await;
        };
        let last = self.last_run(incarnation).await;
        sentences.extend(last.as_ref().map(|run| ended(run, now.wall)));
        let of_last = last.as_ref().map(|run| Spoken {
            place: Place { incarnation, replica: run.replica, split },
            from: run.log_from,
            to: run.log_to,
        });
        // A run that has said nothing yet leaves the word to the one before it.
        for spoken in [live, of_last].into_iter().flatten() {
            if let Some(said) = self.said(&spoken).await {
                sentences.push(said);
                break;
            }
        }
        sentences.push(format!("it was defined by {owner}"));
        let facts = json!({ "task": detail, "last_run": last.as_ref().map(wire::run_record) });
        Some(Why { sentences, facts })
    }

    /// A name that was deleted.
    async fn why_gone(&self, caller: &Caller, name: &str, now: Wall) -> Option<Why> {
        let reader = self.tools.store.reader();
        let past = blocking(move || records::past(&reader)).await.ok()?;
        let mut past = past.into_iter().rev();
        let (incarnation, past) = past.find(|(_, past)| past.name == name && caller.may_touch(past.runs_as))?;
        let mut sentences =
            vec![format!("there is no task {name:?} any more: it was deleted at {}", when(past.deleted, now))];
        let last = self.last_run(incarnation).await;
        sentences.extend(last.as_ref().map(|run| ended(run, now)));
        Some(Why { sentences, facts: json!({ "task": Value::Null, "last_run": last.as_ref().map(wire::run_record) }) })
    }

    async fn last_run(&self, incarnation: Incarnation) -> Option<RunRecord> {
        let reader = self.tools.store.reader();
        let newest = move || records::runs_back(&reader, incarnation, RunId(u64::MAX)).next().transpose();
        blocking(newest).await.ok()?
    }

    /// The last lines that a run said.
    async fn said(&self, spoken: &Spoken) -> Option<String> {
        // What went wrong is said on standard error, where that has a file of its own.
        let (stem, from, to) = match (spoken.place.err(), spoken.from?, spoken.to) {
            (Some(stem), from, to) => (stem, from.err?, to.and_then(|to| to.err)),
            (None, from, to) => (spoken.place.out()?, from.out, to.map(|to| to.out)),
        };
        let selection = Selection { run: Some((from, to)), last_lines: Some(LINES), ..Selection::default() };
        let mut pieces = std::pin::pin!(self.tools.logs.read(&stem, selection));
        let mut bytes = Vec::new();
        while let Some(Ok(piece)) = pieces.next().await {
            bytes.extend_from_slice(&piece);
            bytes.drain(..bytes.len().saturating_sub(BYTES)); // a line may be as long as the file
        }
        let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        (!text.is_empty()).then(|| format!("replica {} said last:\n{text}", spoken.place.replica))
    }
}

/// The first run that lives.
fn live(room: &Room, task: &Task) -> Option<Spoken> {
    let facts = task.seats().iter().find_map(|seat| room.run(*seat.runs().last()?))?.facts();
    let place = Place::of_task(task, facts.replica);
    Some(Spoken { place, from: facts.log_from, to: None })
}

fn present<'a>(room: &'a Room, task: &'a Task, sees: &dyn Fn(&&'a Task) -> bool, now: Now) -> Vec<String> {
    let mut sentences = vec![headline(task)];
    sentences.extend(waiting(room, task, sees, now));
    if let Some(next) = room.next_firing(task.incarnation()) {
        sentences.push(format!("it is due next at {}", wire::moment(next)));
    }
    sentences.extend(replicas(room, task, now).take(REPLICAS));
    sentences
}

fn headline(task: &Task) -> String {
    let (definition, busy) = (task.definition(), task.tally().busy);
    let state = match task.state() {
        TaskState::Failed => "has failed".to_owned(),
        TaskState::Succeeded => "has succeeded".to_owned(),
        state => format!("is {}", wire::task_state(state)),
    };
    let (name, kind, all) = (called(task.name()), definition.kind.name(), definition.replica.get());
    format!("{name} ({kind}) {state}: {busy} of {all} replicas run")
}

/// A name within a sentence: no character of it ends the line.
fn called(name: &TaskName) -> String {
    name.as_str().escape_debug().to_string()
}

/// What a queued task waits for, what that waits for, and so on to the cause that is not itself waiting.
fn waiting<'a>(room: &'a Room, task: &'a Task, sees: &dyn Fn(&&'a Task) -> bool, now: Now) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut waiter = task;
    for _ in 0..LINKS {
        let Some(queued) = &waiter.standing().queued else { break };
        let since = waiter.standing().start_time.map(|at| format!(" at {}", when(at, now.wall))).unwrap_or_default();
        sentences.push(format!("{} was {}{since}", called(waiter.name()), started(&queued.by)));
        let Some(blocker) = room.blocker(waiter.incarnation()) else { break };
        let (other, held) = held(room, &blocker, sees);
        sentences.push(format!("{} waits {held}", called(waiter.name())));
        let Some(next) = room.task(other.as_str()).filter(sees) else { break };
        waiter = next;
    }
    if waiter.incarnation() != task.incarnation() && waiter.standing().queued.is_none() {
        sentences.push(headline(waiter));
        sentences.extend(replicas(room, waiter, now).take(1));
    }
    sentences
}

/// Whom and what a task waits for. What somebody else's task does is its owner's to know, and so is its name, unless
/// the waiting task names it itself.
fn held<'a, 'b>(room: &'a Room, blocker: &'b Blocker, sees: &dyn Fn(&&'a Task) -> bool) -> (&'b TaskName, String) {
    let foreign = |name: &TaskName| room.task(name.as_str()).is_some_and(|other| !sees(&other));
    match blocker {
        Blocker::Runs(other) | Blocker::Queued(other) if foreign(other) => {
            (other, "for a task of somebody else".to_owned())
        }
        Blocker::Runs(other) => (other, format!("until {} does not run", called(other))),
        Blocker::Queued(other) => (other, format!("for {}, which itself waits", called(other))),
        Blocker::Until(dep) => {
            let name = called(&dep.task);
            let now = match room.task(dep.task.as_str()) {
                Some(_) if foreign(&dep.task) => "is somebody else's".to_owned(),
                Some(other) => format!("is {}", wire::task_state(other.state())),
                None => "does not exist".to_owned(),
            };
            (&dep.task, format!("until {name} is {}; {name} {now}", wire::until(dep.until)))
        }
    }
}

/// What each replica does; those that were never started have nothing to tell.
fn replicas<'a>(room: &'a Room, task: &'a Task, now: Now) -> impl Iterator<Item = String> + 'a {
    let last = |seat: &Seat| seat.runs().last().and_then(|run| room.run(*run));
    task.seats().iter().enumerate().filter_map(move |(index, seat)| match last(seat) {
        Some(run) => Some(running(room, task, run, index as u32, now.wall)),
        None => Some(format!("replica {index} is {}", wire::resting(seat, now.mono)?)),
    })
}

fn running(room: &Room, task: &Task, run: &Run, index: u32, now: Wall) -> String {
    let facts = run.facts();
    let mut text = format!("replica {index} is {}", run.state().word());
    if let (Some((pid, _)), Some(since)) = (facts.leader, facts.start) {
        text.push_str(&format!(" as run {}, pid {pid}, since {}", facts.run, when(since, now)));
    }
    text.push_str(&format!(", {}", started(&facts.started_by)));
    if let Some(by) = &facts.stopped_by {
        text.push_str(&format!(", and is being ended: {}", wire::ending(by)));
    }
    let older = room.runs_at(task.name(), index).find(|other| other.facts().run < facts.run);
    if let Some(older) = older {
        text.push_str(&format!("; what is left of run {} is still ending", older.facts().run));
    }
    text
}

/// How a run ended, and who wanted that.
fn ended(run: &RunRecord, now: Wall) -> String {
    let RunRecord { run: number, replica, started_by, .. } = run;
    let end = when(run.end, now);
    format!("run {number} of replica {replica} ended at {end}: {}; it was {}", wire::outcome(run), started(started_by))
}

/// Who or what began it.
fn started(by: &StartedBy) -> String {
    match by {
        StartedBy::Client(name) => format!("started by {name}"),
        StartedBy::Restart => "started again after the run before it had ended".to_owned(),
        StartedBy::Schedule(due) => format!("started by its schedule, due at {}", wire::moment(*due)),
        StartedBy::HostBoot => "started because the host had booted".to_owned(),
        StartedBy::Recovery => "started again with the daemon".to_owned(),
    }
}

/// A moment, and how long ago it was, to the second.
fn when(at: Wall, now: Wall) -> String {
    let ago = (now - at).num_seconds().max(0).unsigned_abs();
    format!("{} ({} ago)", wire::moment(at), humantime::format_duration(Duration::from_secs(ago)))
}
