//! A story told once for each commit at which the process dies: what is read back is the state before or after each
//! decision, and nothing that was answered is missing.

use super::*;
use crate::tracker::machine::Stored;

/// What happens, one after the other. Numbers are known, since all is decided in this order.
fn story() -> Vec<Ask> {
    let (one, other, project, next) = (WorkerId(1), WorkerId(2), ProjectId(1), ProjectId(2));
    let release = |worker, task, outcome| Ask::Release {
        worker,
        task: TaskId(task),
        outcome: Some(outcome),
        reason: "why".into(),
    };
    let by = OPERATOR;
    let chained = Definition { chain: Some(next), ..definition("pages") };
    let twice = NewTask { verification_count: 2, ..new_task("twice", 5) };
    let all = |worker| Ask::Fetch { worker, from: From::Any, count: 100, wait: AT_ONCE, process: None };
    vec![
        create_worker("one"),
        create_worker("other"),
        create("pages"),
        create("copies"),
        Ask::UpdateProject { by, project, definition: Box::new(chained) },
        Ask::RequestAccess { worker: one, project, assign: true, submit: true },
        Ask::AcceptAccess { by, project, worker: one },
        Ask::SetRole { by, project, manager: ManagerId(0), role: Role::READ },
        Ask::SetSecret { by, project, secret: Secret::new("hush") },
        submit(project, vec![new_task("a", 1), new_task("b", 0), twice, new_task("a", 1)]),
        fetch(one, AT_ONCE),
        release(one, 1, Outcome::Done(0)),
        fetch(one, AT_ONCE),
        release(one, 2, Outcome::Failed),
        all(other),
        release(other, 2, Outcome::Failed),
        release(other, 3, Outcome::Done(8)),
        all(one),
        release(one, 3, Outcome::Done(8)),
        Ask::ResetFailed { by, project },
        all(other),
        Ask::PauseWorker { by, worker: other, paused: true },
        Ask::Reclaim { by, project },
        submit(next, (0..300).map(|nth| new_task(&"x".repeat(nth * 20 + 1), 0)).collect()),
        Ask::HardReset { by, project: next },
        submit(next, vec![new_task("after", 1)]),
        Ask::DeleteTask { by, task: TaskId(2) },
        Ask::RejectAccess { by, project, worker: one },
    ]
}

/// What was stored, without what differs from one telling to the next.
fn print(stored: &Stored) -> Vec<String> {
    let mut lines = Vec::new();
    for (worker, closed) in &stored.workers {
        lines.push(format!("{} {} {} {closed}", worker.id, worker.alias, worker.paused));
    }
    for (project, marks) in &stored.projects {
        lines.push(format!("{project:?} {} {} {marks:?}", project.secret.expose(), project.webhook_secret.expose()));
    }
    for (task, standing) in &stored.tasks {
        let holder = standing.lease.map(|lease| lease.worker);
        let failing = standing.failing.as_ref().map(|failing| (failing.worker, &failing.reason));
        let Standing { status, retries, votes, .. } = standing;
        lines.push(format!("{task:?} {status:?} {retries} {holder:?} {votes:?} {failing:?}"));
    }
    lines.push(format!("{:?}", stored.numbers));
    lines
}

fn read_back(store: &Store) -> Vec<String> {
    print(&stored::load(&store.survivors().reader()).unwrap().stored)
}

#[tokio::test]
async fn at_every_commit() {
    let living = Store::in_memory();
    let handle = running(living.clone()).await;
    let mut states = vec![read_back(&living)];
    for wish in story() {
        let verdict = ask(&handle, wish.clone()).await;
        assert!(!matches!(verdict, Verdict::Refused(_)), "{wish:?}: {verdict:?}");
        states.push(read_back(&living));
    }
    let commits = living.stats().commits;
    assert!(commits >= story().len() as u64 * 3 / 4, "most of it is written: {commits}");
    for after in 0..=commits {
        let dying = Store::dying_after(after);
        let handle = running(dying.clone()).await;
        let mut answered = 0;
        for wish in story() {
            match tokio::time::timeout(SOON, handle.ask(wish, pending())).await.unwrap() {
                Ok(_) => answered += 1,
                Err(_) => break,
            }
        }
        let found = read_back(&dying);
        let may_be = &states[answered..states.len().min(answered + 2)];
        assert!(may_be.contains(&found), "after {after} commits and {answered} answers: {found:#?}");
        let reborn = dying.survivors();
        assert_eq!(reborn.check(&stored::rules()).findings, [""; 0], "after {after} commits");
        let next = running(reborn.clone()).await;
        let Verdict::Worker(worker) = ask(&next, create_worker("late")).await else { panic!("no worker") };
        assert!(
            stored::load(&reborn.survivors().reader()).unwrap().stored.workers.iter().any(|(it, _)| *it == *worker)
        );
    }
    assert_eq!(states.len(), story().len() + 1);
}

/// As many as are decided aside: all or none, and whoever was answered finds them so.
#[tokio::test]
async fn at_every_commit_of_long_decisions() {
    let many = deciding::LONG + 1;
    let by = OPERATOR;
    for after in 0..=5 {
        let dying = Store::dying_after(after);
        let handle = running(dying.clone()).await;
        let (worker, project) = (WorkerId(1), ProjectId(1));
        let story = [
            create_worker("one"),
            create("pages"),
            submit(project, (1..=many).map(|nth| new_task("a", nth as i64)).collect()),
            fetch(worker, AT_ONCE),
            Ask::HardReset { by, project },
        ];
        let mut answered = 0;
        for wish in story {
            match tokio::time::timeout(SOON, handle.ask(wish, pending())).await.unwrap() {
                Ok(verdict) => assert!(!matches!(verdict, Verdict::Refused(_)), "{verdict:?}"),
                Err(_) => break,
            }
            answered += 1;
        }
        assert_eq!(answered, after.min(5));
        let found = stored::load(&dying.survivors().reader()).unwrap().stored;
        assert_eq!(found.tasks.len(), if (3..5).contains(&after) { many } else { 0 }, "after {after} commits");
        let held = found.tasks.iter().filter(|(_, standing)| standing.lease.is_some()).count();
        assert_eq!(held, usize::from(after == 4));
        assert_eq!(dying.survivors().check(&stored::rules()).findings, [""; 0]);
    }
}
