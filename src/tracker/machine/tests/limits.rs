//! Rate limits: who is admitted when, and what it costs.

use super::play::*;
use crate::tracker::machine::*;
use crate::tracker::model::*;
use std::time::Duration;

fn limited(play: &mut Play, assign: Limit, submit: Limit) -> ProjectId {
    play.project(Definition { public: true, assign, submit, ..definition("p") })
}

#[track_caller]
fn delayed(verdict: &Verdict, seconds: f64) {
    match verdict {
        Verdict::Refused(Refusal::TooMany { delay }) => assert!((delay - seconds).abs() < 1e-6, "{delay}"),
        other => panic!("{other:?}"),
    }
}

fn fetch(play: &mut Play, worker: WorkerId, project: ProjectId) -> Verdict {
    play.fetch_from(worker, From::Project(project), 1, Duration::ZERO)
}

#[test]
fn a_bucket_serves_all_workers_together() {
    let mut play = Play::new();
    let project = limited(&mut play, rate(2.0), Limit::default());
    let (one, two) = (play.worker(), play.worker());
    play.put(project, vec![task("a"), task("b"), task("c")]);
    assert!(play.fetch(one, project).is_some());
    delayed(&fetch(&mut play, one, project), 0.5);
    delayed(&fetch(&mut play, two, project), 0.5);
    play.pass(millis(200));
    delayed(&fetch(&mut play, two, project), 0.3);
    play.pass(millis(300));
    assert!(play.fetch(two, project).is_some(), "exactly when it was said");
    play.pass(secs(100));
    assert!(play.fetch(two, project).is_some());
    delayed(&fetch(&mut play, two, project), 0.5);
}

#[test]
fn asking_for_nothing_costs_a_token_and_a_change_of_the_project_gives_one() {
    let mut play = Play::new();
    let project = limited(&mut play, rate(2.0), Limit::default());
    let worker = play.worker();
    assert_eq!(play.fetch(worker, project), None);
    delayed(&fetch(&mut play, worker, project), 0.5);
    play.ask(Ask::SetVersion { projects: vec![project], version: "v2".into() });
    delayed(&fetch(&mut play, worker, project), 0.5);
    play.update(ADMIN, project, |_| ());
    assert_eq!(play.fetch(worker, project), None);
}

#[test]
fn a_refused_wait_is_refused_at_once() {
    let mut play = Play::new();
    let project = limited(&mut play, rate(2.0), Limit::default());
    let worker = play.worker();
    assert_eq!(play.fetch(worker, project), None);
    delayed(&play.fetch_from(worker, From::Project(project), 1, secs(30)), 0.5);
}

#[test]
fn bulk_borrows() {
    let mut play = Play::new();
    let project = limited(&mut play, Limit::default(), rate(2.0));
    let worker = play.worker();
    play.grant(project, worker, false, true);
    let three = || vec![task("a"), task("b"), task("c")];
    assert!(matches!(play.submit(worker, project, three()), Verdict::Submitted(_)));
    delayed(&play.submit(worker, project, vec![task("d")]), 1.5);
    play.pass(millis(1_500));
    assert!(matches!(play.submit(worker, project, three()), Verdict::Submitted(_)));
}

#[test]
fn several_at_once_borrow() {
    let mut play = Play::new();
    let project = limited(&mut play, rate(2.0), Limit::default());
    let worker = play.worker();
    play.put(project, vec![task("a"), task("b"), task("c")]);
    let Verdict::Handed(handed) = play.fetch_from(worker, From::Project(project), 50, Duration::ZERO) else { panic!() };
    assert_eq!(handed.len(), 3);
    delayed(&fetch(&mut play, worker, project), 1.5);
}

#[test]
fn a_burst_is_what_may_come_at_once() {
    let mut play = Play::new();
    let project = limited(&mut play, Limit { burst: 7.0, ..rate(7.0) }, Limit::default());
    let worker = play.worker();
    for _ in 0..3 {
        for _ in 0..7 {
            assert_eq!(play.fetch(worker, project), None);
        }
        assert!(matches!(fetch(&mut play, worker, project), Verdict::Refused(Refusal::TooMany { .. })));
        play.pass(secs(1));
    }
}

#[test]
fn each_worker_has_a_bucket_of_its_own_and_nothing_is_spent_unless_both_admit() {
    let mut play = Play::new();
    let limit = Limit { rate: Rate::new(10.0), burst: 2.0, per_worker: Rate::new(1.0) };
    let project = limited(&mut play, limit, Limit::default());
    let (one, two, three) = (play.worker(), play.worker(), play.worker());
    assert_eq!(play.fetch(one, project), None);
    for _ in 0..10 {
        delayed(&fetch(&mut play, one, project), 1.0);
    }
    assert_eq!(play.fetch(two, project), None, "his refusals took nothing from the others");
    delayed(&fetch(&mut play, three, project), 0.1);
    play.pass(millis(100));
    assert_eq!(play.fetch(three, project), None, "nor did the project's refusal take from his own");
}

#[test]
fn what_fails_earlier_costs_nothing_and_what_fails_later_does() {
    let mut play = Play::new();
    let project = limited(&mut play, rate(1.0), rate(1.0));
    let worker = play.worker();
    play.ask(Ask::PauseWorker { by: ADMIN, worker, paused: true });
    assert_eq!(fetch(&mut play, worker, project), Verdict::Refused(Refusal::Paused));
    play.ask(Ask::PauseWorker { by: ADMIN, worker, paused: false });
    assert_eq!(play.fetch(worker, project), None);
    let one = || vec![NewTask { hash: 1, ..task("x") }];
    assert_eq!(play.submit(WorkerId(99), project, one()), Verdict::Refused(Refusal::NoWorker));
    assert_eq!(play.submit(worker, ProjectId(99), one()), Verdict::Refused(Refusal::NoProject));
    assert_eq!(play.submit(worker, project, one()), Verdict::Refused(Refusal::NoSubmit));
    delayed(&play.submit(worker, project, one()), 1.0);
    play.grant(project, worker, false, true);
    for expected in [true, false] {
        play.pass(secs(1));
        let Verdict::Submitted(answers) = play.submit(worker, project, one()) else { panic!() };
        assert_eq!(answers[0].is_ok(), expected);
        delayed(&play.submit(worker, project, one()), 1.0);
    }
}

#[test]
fn any_skips_what_is_limited_and_pays_only_for_what_it_gets() {
    let mut play = Play::new();
    let worker = play.worker();
    let slow = play.project(Definition { public: true, priority: 9, assign: rate(1.0), ..definition("slow") });
    let quick = play.project(Definition { public: true, assign: rate(2.0), ..definition("quick") });
    let any = |play: &mut Play| play.fetch_from(worker, From::Any, 1, Duration::ZERO);
    for _ in 0..5 {
        assert_eq!(any(&mut play), Verdict::Handed(vec![]));
    }
    let a = play.put(slow, vec![task("a"), task("b")]);
    let b = play.put(quick, vec![task("a"), task("b")]);
    let got = |verdict| match verdict {
        Verdict::Handed(handed) if handed.len() == 1 => handed[0].task.id,
        other => panic!("{other:?}"),
    };
    assert_eq!(got(any(&mut play)), a[0]);
    assert_eq!(got(any(&mut play)), b[0]);
    delayed(&any(&mut play), 0.5);
    play.pass(millis(500));
    assert_eq!(got(any(&mut play)), b[1]);
    delayed(&any(&mut play), 0.5);
}

#[test]
fn odd_rates_do_no_harm() {
    for odd in [1e-300, 1e300, f64::MIN_POSITIVE, 5e-324, 3.0] {
        let mut play = Play::new();
        let project = limited(&mut play, Limit { burst: f64::MAX, ..rate(odd) }, Limit { burst: 0.0, ..rate(odd) });
        let worker = play.worker();
        play.grant(project, worker, true, true);
        for _ in 0..3 {
            fetch(&mut play, worker, project);
            let verdict = play.submit(worker, project, vec![task("a"), task("b")]);
            if let Verdict::Refused(Refusal::TooMany { delay }) = verdict {
                assert!(delay.is_finite() && delay > 0.0);
            }
        }
        play.pass(secs(1));
    }
}

#[test]
fn the_rest_of_a_bulk_costs_as_much_and_is_not_kept_waiting() {
    let mut play = Play::new();
    let project = limited(&mut play, Limit::default(), rate(2.0));
    let worker = play.worker();
    play.grant(project, worker, true, true);
    let by = Submitter::Worker(worker);
    let two = || vec![task("a"), task("b")];
    let first = play.ask(Ask::Submit { by, project, tasks: two() });
    assert!(matches!(&first, Verdict::Submitted(stored) if stored.len() == 2), "{first:?}");
    let rest = play.ask(Ask::SubmitMore { by, project, tasks: two() });
    assert!(matches!(&rest, Verdict::Submitted(stored) if stored.len() == 2), "{rest:?}");
    // One token was there; three were borrowed.
    delayed(&play.ask(Ask::Submit { by, project, tasks: two() }), 2.0);
    play.ask(Ask::RejectAccess { by: ADMIN, project, worker });
    let refused = play.ask(Ask::SubmitMore { by, project, tasks: two() });
    assert_eq!(refused, Verdict::Refused(Refusal::NoSubmit), "the right is looked at each time");
}
