//! Lives of single runs, as the reference tells them. What is not asserted here, the oracle does.

use super::keeper::Script;
use super::sketch::{Print, group, sketch};
use super::world::{World, root, secs};
use crate::dag::machine::{Ask, Asker, Event, Refusal, Verdict};
use crate::dag::model::{DagRunId, Edit, Owner, State, TaskId, Trigger};
use std::time::Duration;

fn failing() -> Script {
    Script { ends: 1, ..Script::default() }
}

fn lasting(lives: u64) -> Script {
    Script { lives: secs(lives), ..Script::default() }
}

#[test]
fn a_child_starts_when_all_instances_of_its_parents_have_completed() {
    let mut world = World::new();
    let run = world.submit(&sketch([group("m").times(2), group("after").after("m")]));
    world.run_for(secs(10));
    assert_eq!(world.started(run), ["m_0", "m_1", "after_0"]);
    assert_eq!(world.state(run), State::Completed);
    world.check_end();
}

#[test]
fn a_failure_stops_only_what_depends_on_it() {
    let mut world = World::new();
    world.script("f", [failing()]);
    let run = world.submit(&sketch([group("f"), group("d").after("f"), group("x"), group("y").after("x")]));
    world.run_for(secs(10));
    assert_eq!(world.started(run), ["f_0", "x_0", "y_0"]);
    assert_eq!((world.state(run), world.state_of(run, "d_0")), (State::Errored, Some(State::Queued)));
    world.check_end();
}

#[test]
fn a_task_is_tried_as_often_as_it_may_and_again_after_a_restart() {
    let mut world = World::new();
    world.script("f", [failing()]);
    let run = world.submit(&sketch([group("f").retries(2, 2)]));
    world.run_for(secs(20));
    assert_eq!(world.codes(run, "f"), [1, 1, 1]);
    let starts: Vec<_> = world.starts.iter().map(|(.., at)| *at).collect();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == secs(3)), "a life of one second, a pause of two");
    world.set(run, State::Queued);
    world.run_for(secs(20));
    assert_eq!(world.codes(run, "f").len(), 6);
    world.check_end();
}

#[test]
fn a_killed_run_answers_at_once_and_its_processes_follow() {
    let mut world = World::new();
    world.script("s", [Script { heeds: None, ..lasting(60) }]);
    let run = world.submit(&sketch([group("s"), group("d").after("s")]));
    world.run_for(secs(1));
    assert_eq!(world.ask(Ask::Kill(run)), Some(Verdict::Accepted));
    assert_eq!((world.state(run), world.state_of(run, "s_0")), (State::Killed, Some(State::Killed)));
    assert!(!world.keeper.children.is_empty(), "it does not listen");
    world.run_for(secs(10));
    assert_eq!(world.codes(run, "s"), [9], "after its grace");
    assert_eq!(world.state_of(run, "d_0"), Some(State::Queued));
    world.check_end();
}

#[test]
fn a_run_restarted_while_its_old_processes_end_waits_for_them() {
    let mut world = World::new();
    world.script("s", [Script { heeds: Some(secs(3)), ..lasting(60) }, lasting(1)]);
    let run = world.submit(&sketch([group("s")]));
    world.run_for(secs(1));
    world.set(run, State::Killed);
    world.set(run, State::Queued);
    world.run_for(secs(2));
    assert_eq!(world.started(run).len(), 1);
    world.run_for(secs(10));
    assert_eq!((world.codes(run, "s"), world.state(run)), (vec![15, 0], State::Completed));
    world.check_end();
}

#[test]
fn a_killed_task_is_never_tried_again() {
    let mut world = World::new();
    world.script("s", [lasting(60)]);
    world.script("r", [failing()]);
    let run =
        world.submit(&sketch([group("s").retries(3, 0), group("r").retries(3, 60), group("q").after("s"), group("x")]));
    world.run_for(secs(2));
    for name in ["q", "s", "r"] {
        let task = world.task(run, name);
        assert_eq!(world.ask(Ask::KillTask(run, task)), Some(Verdict::Accepted));
        assert_eq!(world.ask(Ask::KillTask(run, task)), Some(Verdict::AlreadySo));
    }
    world.run_for(secs(100));
    assert_eq!((world.codes(run, "s"), world.codes(run, "r"), world.codes(run, "q")), (vec![15], vec![1], vec![]));
    assert_eq!((world.state(run), world.state_of(run, "x_0")), (State::Errored, Some(State::Completed)));
    world.check_end();
}

#[test]
fn a_paused_run_lets_its_processes_end_and_starts_nothing() {
    let mut world = World::new();
    let run = world.submit(&sketch([group("a"), group("b").after("a")]));
    world.set(run, State::Paused);
    world.run_for(secs(10));
    assert_eq!((world.state_of(run, "a_0"), world.state_of(run, "b_0")), (Some(State::Completed), Some(State::Queued)));
    world.set(run, State::Running);
    world.run_for(secs(10));
    assert_eq!(world.state(run), State::Completed);
    world.check_end();
}

#[test]
fn a_paused_run_stays_paused_when_it_has_failed_and_completes_when_all_has() {
    let mut world = World::new();
    world.script("f", [failing()]);
    let (failed, fine) = (world.submit(&sketch([group("f")])), world.submit(&sketch([group("a")])));
    world.set(failed, State::Paused);
    world.set(fine, State::Paused);
    world.run_for(secs(10));
    assert_eq!((world.state(failed), world.state(fine)), (State::Paused, State::Completed));
    world.set(failed, State::Queued);
    world.run_for(secs(1));
    assert_eq!(world.state(failed), State::Errored);
    world.check_end();
}

#[test]
fn triggers() {
    let mut world = World::new();
    world.script("bad", [failing()]);
    let run = world.submit(&sketch([
        group("bad"),
        group("good"),
        group("alarm").after("bad").when(Trigger::Failure),
        group("idle").after("good").when(Trigger::Failure),
        group("behind").after("idle"),
        group("dead").after("bad"),
        group("cleanup").after("dead").when(Trigger::Always),
    ]));
    world.run_for(secs(10));
    let mut started = world.started(run);
    started.sort_unstable();
    assert_eq!(started, ["alarm_0", "bad_0", "behind_0", "cleanup_0", "good_0"]);
    assert_eq!(world.state_of(run, "idle_0"), Some(State::Completed));
    world.check_end();
}

#[test]
fn the_first_failure_stops_a_run_that_wants_it() {
    let mut world = World::new();
    world.script("f", [failing()]);
    world.script("r", [Script { lives: Duration::ZERO, ..failing() }]);
    world.script("long", [Script { ends: 1, ..lasting(5) }]);
    let plan = sketch([
        group("f"),
        group("r").retries(1, 30),
        group("long").retries(5, 0).needs(2, 0),
        group("more").after("long"),
        group("tidy").after("more").when(Trigger::Always),
    ]);
    let run = world.submit(&plan.stopping());
    world.run_for(secs(60));
    assert_eq!((world.codes(run, "r"), world.codes(run, "long")), (vec![1], vec![1]), "nothing is tried again");
    assert_eq!(
        (world.state_of(run, "more_0"), world.state_of(run, "tidy_0")),
        (Some(State::Queued), Some(State::Completed))
    );
    world.check_end();
}

#[test]
fn a_generator_adds_all_or_nothing() {
    let mut world = World::new();
    let good = Print::Groups(vec![group("n").before("m"), group("m"), group("late").after("z")]);
    let run = world.submit(&sketch([group("g").prints(good).before("z"), group("z")]));
    world.run_for(secs(20));
    assert_eq!(world.started(run), ["g_0", "n-0_0", "m-0_0", "z_0", "late-0_0"]);
    assert_eq!(world.state(run), State::Completed);
    let bad = Print::Groups(vec![group("n"), group("m").after("nobody")]);
    let run = world.submit(&sketch([group("g").prints(bad).retries(1, 0), group("z").after("g")]));
    world.run_for(secs(20));
    assert_eq!((world.codes(run, "g"), world.started(run)), (vec![0, 0], vec!["g_0", "g_0"]));
    assert_eq!(world.state(run), State::Errored);
    world.check_end();
}

#[test]
fn what_takes_too_long_has_failed() {
    let mut world = World::new();
    world.script("t", [Script { heeds: None, ..lasting(100) }]);
    let run = world.submit(&sketch([group("t").timeout(2).retries(1, 0)]));
    world.run_for(secs(60));
    assert_eq!((world.codes(run, "t"), world.state(run)), (vec![9, 9], State::Errored));
    let attempts = world.disk.runs[&run].attempts.values().flat_map(|all| all.values());
    assert!(attempts.into_iter().all(|attempt| attempt.remark.contains("time")), "the remark says so");
    world.check_end();
}

#[test]
fn an_attempt_ends_with_its_leader_and_the_next_waits_for_its_tree() {
    let mut world = World::new();
    world.script("t", [Script { lingers: Some(secs(100)), heeds: None, ..failing() }, lasting(1)]);
    let run = world.submit(&sketch([group("t").retries(1, 0), group("u").needs(4, 0)]));
    world.run_for(secs(2));
    assert_eq!(world.started(run), ["t_0", "u_0"], "the room is free, the task is not");
    world.run_for(secs(20));
    assert_eq!((world.codes(run, "t"), world.state(run)), (vec![1, 0], State::Completed));
    world.check_end();
}

#[test]
fn edits_are_for_what_does_not_run() {
    let mut world = World::new();
    world.script("f", [failing()]);
    let run = world.submit(&sketch([group("f"), group("d").after("f"), group("e").after("d")]));
    let (f, d) = (world.task(run, "f"), world.task(run, "d"));
    assert_eq!(world.ask(Ask::Edit(run, d, Edit::Done)), Some(Verdict::Refused(Refusal::Active(run))));
    world.run_for(secs(5));
    assert_eq!(world.ask(Ask::Edit(run, f, Edit::Done)), Some(Verdict::Accepted));
    assert_eq!(world.ask(Ask::Edit(run, d, Edit::Skip)), Some(Verdict::Accepted));
    assert_eq!(world.ask(Ask::Edit(run, d, Edit::Skip)), Some(Verdict::Refused(Refusal::TaskCompleted)));
    world.set(run, State::Queued);
    world.run_for(secs(5));
    assert_eq!((world.started(run), world.state(run)), (vec!["f_0", "e_0"], State::Completed));
    world.check_end();
}

#[test]
fn nobody_touches_the_runs_of_others() {
    let mut world = World::new();
    let run = world.submit(&sketch([group("a")]));
    let mut ask = |ask: Ask| {
        let by = Asker { owner: Owner { uid: 7, name: "somebody".into(), operator: false }, all: false };
        world.ask_as(ask, by, None, true).unwrap()
    };
    let task = TaskId { group: 0, index: 0 };
    // To whoever may not see it, it is not there: what the oracle, to whom all is known, cannot judge.
    for it in [Ask::Kill(run), Ask::KillTask(run, task), Ask::SetState(run, State::Paused), Ask::Purge(run)] {
        assert_eq!(ask(it), Verdict::Refused(Refusal::NoRun(run)));
    }
    assert_eq!(ask(Ask::Kill(DagRunId(5))), Verdict::Refused(Refusal::NoRun(DagRunId(5))));
    world.run_for(secs(5));
    world.check_end();
}

#[test]
fn an_end_in_order_interrupts_and_the_next_life_goes_on() {
    let mut world = World::new();
    world.script("a", [lasting(3)]);
    let run = world.submit(&sketch([group("a"), group("b").after("a")]));
    world.run_for(secs(1));
    world.step(Event::Shutdown, None);
    let refused = world.ask(Ask::Submit(sketch([group("a")]).submission()));
    assert_eq!(refused, Some(Verdict::Refused(Refusal::ShuttingDown)));
    world.until("it has ended", |world| world.done);
    assert_eq!((world.codes(run, "a"), world.state(run)), (vec![15], State::Running));
    world.boots();
    world.run_for(secs(10));
    assert_eq!((world.codes(run, "a"), world.state(run)), (vec![15, 0], State::Completed));
    assert!(world.ask_as(Ask::Kill(run), root(), None, true).is_some());
    world.check_end();
}

#[test]
fn a_forgotten_run_is_gone_and_its_number_is_not_given_again() {
    let mut world = World::new();
    let run = world.submit(&sketch([group("a")]));
    assert_eq!(world.ask(Ask::Purge(run)), Some(Verdict::Refused(Refusal::Active(run))));
    world.run_for(secs(5));
    assert_eq!(world.ask(Ask::Purge(run)), Some(Verdict::Accepted));
    assert_eq!(world.removed, [run]);
    assert_ne!(world.submit(&sketch([group("a")])), run);
    world.run_for(secs(5));
    world.check_end();
}
