//! What is done to all tasks of a project at once, samples, and single tasks in a manager's hand.

use super::play::*;
use crate::base::Secret;
use crate::tracker::machine::*;
use crate::tracker::model::*;

/// Two free tasks, a held one, and a failed one.
fn mixed(play: &mut Play) -> (ProjectId, WorkerId, Vec<TaskId>) {
    let (project, worker) = (play.open_project("p"), play.worker());
    let of = |priority, max_retries| NewTask { priority, max_retries, hash: i64::from(priority), ..task("x") };
    let ids = play.put(project, vec![of(1, 9), of(2, 9), of(9, 9), of(8, 0)]);
    assert_eq!(play.fetch_tied(worker, project, 1), Some(ids[2]));
    assert_eq!(play.fetch(worker, project), Some(ids[3]));
    play.release(worker, ids[3], Outcome::Failed);
    (project, worker, ids)
}

#[test]
fn a_hard_reset_leaves_nothing_but_the_counts() {
    let mut play = Play::new();
    let (project, worker, ids) = mixed(&mut play);
    let other = play.open_project("other");
    let kept = play.put_one(other, task("y"));
    let plan = play.step(Event::Asked(Ask::HardReset { by: ADMIN, project }));
    assert_eq!(plan.verdict, Some(Verdict::Affected(4)));
    assert_eq!(plan.writes.len(), 1, "one write, however many tasks");
    assert_eq!(plan.effects, [Effect::Unwatch(process(1))]);
    assert_eq!(plan.changes, [Change { project, what: What::Mass { how: "wiped", affected: 4 } }]);
    play.crash();
    assert_eq!((play.room.len(), play.fetch(worker, project)), (1, None));
    assert!(!play.release(worker, ids[2], Outcome::Done(0)));
    assert_eq!(play.room.assignees(project, 9), []);
    assert_eq!(play.count(project), Sample { at: play.now.wall.timestamp(), ..Sample::default() });
    play.put_one(project, NewTask { hash: 1, ..task("again") });
    play.crash();
    assert_eq!(play.room.len(), 2);
    assert!(play.room.task(kept).is_some());
    assert_eq!(play.ask(Ask::HardReset { by: ADMIN, project }), Verdict::Affected(1));
    assert_eq!(play.ask(Ask::HardReset { by: ADMIN, project }), Verdict::Affected(0));
}

#[test]
fn failed_tasks_begin_anew() {
    let mut play = Play::new();
    let (project, worker, ids) = mixed(&mut play);
    let plan = play.step(Event::Asked(Ask::ResetFailed { by: ADMIN, project }));
    assert_eq!((plan.verdict, plan.writes.len()), (Some(Verdict::Affected(1)), 1));
    play.crash();
    let standing = play.standing(ids[3]);
    assert_eq!((standing.status, standing.retries), (Status::New, 0));
    assert!(standing.failing.is_some(), "why it had failed is still known");
    assert_eq!(play.fetch(worker, project), Some(ids[3]));
    play.crash();
    assert!(play.standing(ids[2]).lease.is_some(), "the others were left alone");
    assert_eq!(play.ask(Ask::ResetFailed { by: ADMIN, project }), Verdict::Affected(0));
}

#[test]
fn held_tasks_are_reclaimed() {
    let mut play = Play::new();
    let (project, worker, ids) = mixed(&mut play);
    let other = play.worker();
    let plan = play.step(Event::Asked(Ask::Reclaim { by: ADMIN, project }));
    assert_eq!((plan.verdict, plan.writes.len()), (Some(Verdict::Affected(3)), 1));
    assert_eq!(plan.effects, [Effect::Unwatch(process(1))]);
    play.crash();
    assert!(!play.release(worker, ids[2], Outcome::Done(0)));
    assert_eq!(play.fetch(other, project), Some(ids[2]));
    play.crash();
    assert_eq!(play.standing(ids[3]).status, Status::Failed);
    play.pass(SETTINGS.default_assign);
    assert_eq!(play.fetch(other, project), Some(ids[2]));
}

#[test]
fn mass_changes_follow_each_other() {
    let mut play = Play::new();
    let (project, worker, ids) = mixed(&mut play);
    play.ask(Ask::Reclaim { by: ADMIN, project });
    play.ask(Ask::ResetFailed { by: ADMIN, project });
    play.crash();
    assert_eq!(play.fetch(worker, project), Some(ids[2]));
    assert_eq!(play.fetch(worker, project), Some(ids[3]));
    play.release(worker, ids[3], Outcome::Failed);
    play.crash();
    assert_eq!(play.standing(ids[3]).status, Status::Failed, "it has failed anew");
    assert!(play.standing(ids[2]).lease.is_some());
}

#[test]
fn mass_changes_need_maintenance() {
    let mut play = Play::new();
    let (project, _, _) = mixed(&mut play);
    let asks: [fn(Manager, ProjectId) -> Ask; 3] = [
        |by, project| Ask::ResetFailed { by, project },
        |by, project| Ask::Reclaim { by, project },
        |by, project| Ask::HardReset { by, project },
    ];
    let (known, manager) = (Manager::Known(ManagerId(5)), ManagerId(5));
    for ask in asks {
        assert_eq!(play.ask(ask(Manager::Guest, project)), Verdict::Refused(Refusal::Unauthorized));
        play.ask(Ask::SetRole { by: ADMIN, project, manager, role: Role::new(15).unwrap() });
        assert_eq!(play.ask(ask(known, project)), Verdict::Refused(Refusal::Unauthorized));
        play.ask(Ask::SetRole { by: ADMIN, project, manager, role: Role::MAINTENANCE });
        assert!(matches!(play.ask(ask(known, project)), Verdict::Affected(1..)));
        assert_eq!(play.ask(ask(known, ProjectId(99))), Verdict::Refused(Refusal::Unauthorized));
        assert_eq!(play.ask(ask(ADMIN, ProjectId(99))), Verdict::Affected(0));
    }
}

#[test]
fn one_task_is_requeued_or_removed() {
    let mut play = Play::new();
    let (project, worker, ids) = mixed(&mut play);
    let known = Manager::Known(ManagerId(5));
    let requeue = |by, task| Ask::Requeue { by, task };
    let delete = |by, task| Ask::DeleteTask { by, task };
    for ask in [requeue, delete] as [fn(Manager, TaskId) -> Ask; 2] {
        assert_eq!(play.ask(ask(known, TaskId(99))), Verdict::Refused(Refusal::NoTask));
        assert_eq!(play.ask(ask(known, ids[3])), Verdict::Refused(Refusal::Unauthorized));
    }
    play.ask(Ask::SetRole { by: ADMIN, project, manager: ManagerId(5), role: Role::MAINTENANCE });
    assert_eq!(play.ask(requeue(known, ids[0])), Verdict::Refused(Refusal::NotFailed));
    assert_eq!(play.ask(requeue(known, ids[3])), Verdict::Accepted);
    assert_eq!(play.standing(ids[3]).retries, 0);
    assert_eq!(play.ask(delete(known, ids[2])), Verdict::Accepted);
    assert_eq!(play.effects, [Effect::Unwatch(process(1))]);
    assert!(!play.release(worker, ids[2], Outcome::Done(0)));
    assert_eq!((play.room.len(), play.count(project).closed), (3, 0));
    play.crash();
}

#[test]
fn samples_are_taken_at_whole_intervals_and_missed_ones_are_not_made_up() {
    let mut play = Play::new();
    let (project, worker, ids) = mixed(&mut play);
    play.ask(Ask::RequestAccess { worker, project, assign: true, submit: false });
    play.ask(Ask::Extend { worker, task: ids[2], by: secs(10_000) });
    let start = play.now.wall.timestamp();
    play.pass(secs(250));
    let expected = |at| (project, Sample { at, new: 3, failed: 1, closed: 0, access: 1, votes: 0 });
    assert_eq!(play.shelf.samples, [expected(start + 120), expected(start + 240)]);
    play.now = play.now.later(secs(1_000));
    play.step(Event::Tick);
    assert_eq!(play.shelf.samples.len(), 3);
    assert_eq!(play.room.deadline(), Some(play.now.mono + secs(1_320 - 1_250)));
}

#[test]
fn assignees_are_counted_without_looking_at_tasks() {
    let mut play = Play::new();
    let (project, worker, _) = mixed(&mut play);
    let other = play.worker();
    play.put_one(project, task("y"));
    play.fetch(other, project);
    play.fetch(other, project);
    assert_eq!(play.room.assignees(project, 9), [(None, 2), (Some(other), 2), (Some(worker), 1)]);
    assert_eq!(play.room.assignees(project, 1), [(None, 2)]);
    assert_eq!(play.room.assignees(ProjectId(99), 9), []);
}

#[test]
fn tasks_are_read_in_pages() {
    let mut play = Play::new();
    let project = play.open_project("p");
    let ids = play.put(project, (0..10).map(|n| NewTask { priority: n, ..task("x") }).collect());
    let page = |after, limits, wanted: fn(&Task, &Standing) -> bool| {
        let (page, next) = play.room.tasks(project, after, limits, wanted);
        (page.into_iter().map(|(task, _)| task.id).collect::<Vec<_>>(), next)
    };
    assert_eq!(page(TaskId(0), (4, 99), |_, _| true), (ids[..4].to_vec(), Some(ids[3])));
    assert_eq!(page(ids[3], (6, 99), |_, _| true), (ids[4..].to_vec(), None));
    assert_eq!(page(TaskId(0), (4, 5), |task, _| task.what.priority > 3), (vec![ids[4]], Some(ids[4])));
    assert_eq!(page(ids[4], (99, 99), |task, _| task.what.priority > 8), (vec![ids[9]], None));
    assert_eq!(page(ids[9], (4, 5), |_, _| true), (vec![], None));
}

/// Deaths, ends of leases and samples come in pieces that fit a batch of the store, until nothing is due any more.
#[test]
fn much_that_is_due_at_once_is_done_in_pieces() {
    let many = 350;
    let ends: [fn(&mut Play); 2] =
        [|play| drop(play.hear(Event::Died(process(1)))), |play| play.now = play.now.later(SETTINGS.default_assign)];
    for end in ends {
        let mut play = Play::new();
        let (project, one, two) = (play.open_project("p"), play.worker(), play.worker());
        play.put(project, vec![task("x"); many]);
        for _ in 0..many {
            play.fetch_tied(one, project, 1).unwrap();
        }
        for _ in 0..many {
            play.wait(two, From::Project(project), secs(1_000));
        }
        play.effects.clear();
        end(&mut play);
        let mut steps = 0;
        while play.room.deadline().is_some_and(|due| due <= play.now.mono) {
            let plan = play.hear(Event::Tick);
            assert!(plan.writes.len() <= 256, "{}", plan.writes.len());
            steps += 1;
        }
        assert!(steps >= 3, "{steps}");
        assert_eq!(play.served().len(), many);
        assert_eq!(play.room.assignees(project, 9), [(Some(two), many as u64)]);
        play.crash();
    }
}

#[test]
fn samples_of_many_projects_are_taken_in_pieces() {
    let mut play = Play::new();
    let projects: Vec<_> = (0..250).map(|nth| play.open_project(&nth.to_string())).collect();
    play.pass(SETTINGS.sample_every);
    let sampled: Vec<_> = play.shelf.samples.iter().map(|(project, _)| *project).collect();
    assert_eq!(sampled, projects);
    play.pass(SETTINGS.sample_every);
    assert_eq!(play.shelf.samples.len(), 2 * projects.len());
}

/// Epochs are never counted anew: that would bring back what is gone.
#[test]
fn the_last_epoch_stays_the_last() {
    let mut play = Play::new();
    let (project, worker, _) = mixed(&mut play);
    let (last, left) = (Marks { epoch: u32::MAX, ..Marks::default() }, play.room.len());
    let (definition, secret) = (definition("p"), || Secret::new(""));
    let (roles, access) = (Default::default(), Default::default());
    let held =
        Project { id: project, definition, secret: secret(), webhook_secret: secret(), roles, access, closed: 0 };
    let tasks = play.room.tasks(project, TaskId(0), (99, 99), |_, _| true).0;
    let workers = vec![(play.room.worker(worker).unwrap().clone(), 0)];
    let numbers = Numbers { worker: 99, project: 99, task: 99 };
    let stored = Stored { workers, projects: vec![(held, last)], tasks, numbers };
    play.room = Room::recover(SETTINGS, stored, play.now).0;
    for ask in [
        Ask::HardReset { by: ADMIN, project },
        Ask::ResetFailed { by: ADMIN, project },
        Ask::Reclaim { by: ADMIN, project },
    ] {
        let plan = play.room.step(Event::Asked(ask), play.now);
        assert_eq!((plan.verdict, plan.writes.len()), (Some(Verdict::Refused(Refusal::Full)), 0));
    }
    assert_eq!(play.room.len(), left);
}
