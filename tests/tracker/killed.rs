//! Thousands of calls while the core is killed again and again: what was answered is so, and nothing is there twice.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How many calls are made in all, and by how many at once.
const CALLS: usize = 10_000;
const CLIENTS: usize = 8;
/// How often the core is killed meanwhile.
const KILLS: usize = 4;
/// For so many calls on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one client was told, and what it was not told the end of.
#[derive(Default)]
struct Told {
    submitted: BTreeSet<String>,
    perhaps_submitted: BTreeSet<String>,
    /// Recipes that were fetched and not given back, by their numbers.
    held: BTreeMap<i64, String>,
    closed: BTreeSet<String>,
    perhaps_closed: BTreeSet<String>,
    fetched: Vec<String>,
}

/// The body of a whole answer that says yes; none when there was no answer, or another one.
fn heard(client: &Client, request: Request) -> Option<Value> {
    let answer = client.try_send(request).ok()?;
    // A body that was cut off is no answer.
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    (answer.status == 200 && body["ok"] == true).then_some(body)
}

/// Submits, fetches and gives back until there have been enough calls of all clients.
fn work(worker: &Worker, project: i64, name: usize, calls: &AtomicUsize) -> Told {
    let mut told = Told::default();
    for n in 0.. {
        if calls.fetch_add(3, Ordering::Relaxed) >= CALLS {
            break;
        }
        let recipe = format!("{name}/{n}");
        let hash = 1 + name * CALLS + n;
        let body = task(project, json!({"recipe": recipe, "hash_u64": hash}));
        match heard(worker, Request::new("POST", "/task/submit").json(&body)) {
            Some(_) => told.submitted.insert(recipe),
            None => told.perhaps_submitted.insert(recipe),
        };
        let Some(body) = heard(worker, Request::new("GET", &format!("/task/get/{project}"))) else { continue };
        let task = &body["content"]["task"];
        let (id, recipe) = (number(task), task["recipe"].as_str().expect("a text").to_owned());
        told.fetched.push(recipe.clone());
        if n % 4 == 3 {
            told.held.insert(id, recipe);
            continue;
        }
        let done = json!({"task_id": id, "result": 0});
        match heard(worker, Request::new("POST", "/task/release").json(&done)) {
            Some(body) => {
                assert_eq!(body["content"]["updated"], true, "{recipe} was taken away from its holder");
                told.closed.insert(recipe);
            }
            None => drop(told.perhaps_closed.insert(recipe)),
        }
    }
    told
}

/// All tasks that there are: recipe, number and holder.
#[track_caller]
fn remaining(admin: &Client, project: i64) -> Vec<(String, i64, i64)> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let content = ok(admin.get(&format!("/project/tasks/{project}?limit=500&after={after}")));
        for task in list(&content["tasks"]) {
            let recipe = task["recipe"].as_str().expect("a text").to_owned();
            found.push((recipe, number(task), task["assignee"].as_i64().unwrap_or_default()));
        }
        match content["next"].as_i64() {
            Some(next) => after = next,
            None => return found,
        }
    }
}

#[test]
fn every_answer_holds_although_the_core_is_killed() {
    let tracker = Tracker::start("");
    let project = tracker.project(json!({}));
    let workers: Vec<Worker> = (0..CLIENTS).map(|_| tracker.worker_in(project, "as")).collect();
    let calls = AtomicUsize::new(0);
    let told: Vec<Told> = thread::scope(|scope| {
        let calls = &calls;
        let start = |(name, worker)| scope.spawn(move || work(worker, project, name, calls));
        let threads: Vec<_> = workers.iter().enumerate().map(start).collect();
        for kill in 1..=KILLS {
            let so_far = CALLS * kill / (KILLS + 1);
            until("more calls", PATIENCE, || (calls.load(Ordering::Relaxed) >= so_far).then_some(()));
            tracker.daemon.kill_core();
        }
        threads.into_iter().map(|thread| thread.join().expect("a client")).collect()
    });

    let all =
        |part: fn(&Told) -> &BTreeSet<String>| told.iter().flat_map(|one| part(one).clone()).collect::<BTreeSet<_>>();
    let (submitted, perhaps_submitted) = (all(|one| &one.submitted), all(|one| &one.perhaps_submitted));
    let (closed, perhaps_closed) = (all(|one| &one.closed), all(|one| &one.perhaps_closed));
    let fetched: Vec<&String> = told.iter().flat_map(|one| &one.fetched).collect();
    assert!(fetched.len() > CALLS / 10, "hardly anything was done: {}", fetched.len());
    assert_eq!(fetched.iter().collect::<BTreeSet<_>>().len(), fetched.len(), "a task was handed out twice");

    let left = remaining(&tracker.admin, project);
    let there: BTreeMap<&str, (i64, i64)> =
        left.iter().map(|(recipe, id, holder)| (recipe.as_str(), (*id, *holder))).collect();
    assert_eq!(there.len(), left.len(), "a task is there twice");
    for recipe in &submitted {
        let known = there.contains_key(recipe.as_str()) || closed.contains(recipe) || perhaps_closed.contains(recipe);
        assert!(known, "{recipe} was submitted and is lost");
    }
    for recipe in there.keys() {
        assert!(submitted.contains(*recipe) || perhaps_submitted.contains(*recipe), "{recipe} came from nowhere");
        assert!(!closed.contains(*recipe), "{recipe} was closed and is there again");
    }
    for (worker, told) in workers.iter().zip(&told) {
        for (id, recipe) in &told.held {
            assert_eq!(there.get(recipe.as_str()), Some(&(*id, worker.id)), "{recipe} is not held any more");
        }
        let counted = usize::try_from(tracker.closed_by(worker)).expect("a number");
        let most = told.closed.len() + told.perhaps_closed.len();
        assert!(
            (told.closed.len()..=most).contains(&counted),
            "{counted} are counted, {} to {most} closed",
            told.closed.len()
        );
    }
}
