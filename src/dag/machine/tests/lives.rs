//! Runs that go their way: order, failure, retries, triggers, generators, tasks that start nothing.

use super::play::*;
use crate::dag::machine::*;
use crate::dag::model::*;
use serde_json::json;

fn play() -> Play {
    Play::new(capacity(4, 4096))
}

#[test]
fn tasks_run_in_their_order_and_the_run_completes() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {}, "b": {"parents": ["a"]}})));
    assert_eq!(play.names(), ["0:a_0"]);
    assert_eq!(play.states(id), "a_0 RUNNING, b_0 QUEUED");
    play.ends("a_0", 0);
    assert_eq!(play.names(), ["0:b_0"]);
    play.ends("b_0", 0);
    assert_eq!(play.history(id), "QUEUED RUNNING COMPLETED");
    assert!(!play.room.holds(id));
    assert_eq!(play.room.running(), 0);
    assert!(play.disk.live.is_empty());
}

#[test]
fn a_group_waits_for_every_instance_of_another() {
    let mut play = play();
    play.submit(&run(json!({"m": many(3), "n": with(many(2), "parents", json!(["m"]))})));
    play.ends("m_1", 0);
    play.ends("m_0", 0);
    assert_eq!(play.names(), ["0:m_2"]);
    play.ends("m_2", 0);
    assert_eq!(play.names(), ["0:n_0", "0:n_1"]);
}

#[test]
fn a_failure_strands_what_depends_on_it_and_nothing_else() {
    let mut play = play();
    let id = play.submit(&run(json!({"f": {}, "d": {"parents": ["f"]}, "x": {}, "y": {"parents": ["x"]}})));
    play.ends("f_0", 7);
    assert_eq!(play.state(id), State::Running);
    play.ends("x_0", 0);
    play.ends("y_0", 0);
    assert_eq!(play.states(id), "d_0 QUEUED, f_0 ERRORED, x_0 COMPLETED, y_0 COMPLETED");
    assert_eq!(play.state(id), State::Errored);
    assert_eq!(play.codes(id, "f_0"), [7]);
}

#[test]
fn an_attempt_is_repeated_as_often_as_its_task_allows_after_its_wait() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {"maxRetries": 2, "retryIntervalSeconds": 5}})));
    play.ends("a_0", 1);
    assert_eq!(play.states(id), "a_0 RETRY");
    assert_eq!(play.room.running(), 0, "who waits for a retry holds nothing");
    play.wait(secs(4));
    assert!(play.names().is_empty());
    assert_eq!(play.room.why_waiting(id, play.task(id, "a")), ["its next attempt is due at 2026-03-01 12:00:05 UTC"]);
    play.wait(secs(1));
    play.dies("a_0", libc::SIGTERM);
    play.wait(secs(5));
    play.ends("a_0", 3);
    let outcomes: Vec<_> = play.attempts(id, "a_0");
    assert_eq!(
        outcomes,
        [
            (1, 1, Outcome::Retry, String::new()),
            (2, 15, Outcome::Retry, "ended by signal 15 (SIGTERM)".into()),
            (3, 3, Outcome::Errored, String::new()),
        ]
    );
    assert_eq!(play.state(id), State::Errored);
}

#[test]
fn what_cannot_be_started_has_failed() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {"maxRetries": 1}})));
    for _ in 0..2 {
        let slot = play.slot("a_0");
        let end = play.end_of(slot, How::NotStarted { rc: 127, why: "no such program".into() });
        play.step(Event::Ended(Box::new(end)));
    }
    assert_eq!(play.codes(id, "a_0"), [127, 127]);
    assert_eq!(play.attempts(id, "a_0")[1].3, "no such program");
    assert_eq!(play.state(id), State::Errored);
}

#[test]
fn an_attempt_that_takes_too_long_is_ended_and_has_failed() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {"job": {"timeout": "30"}, "maxRetries": 1}})));
    let slot = play.slot("a_0");
    play.spawned("a_0");
    play.wait(secs(29));
    assert!(play.effects.is_empty());
    play.wait(secs(1));
    assert_eq!(play.effects, [Effect::Stop { slot, force: false }]);
    play.wait(secs(10));
    assert_eq!(play.effects[1], Effect::Stop { slot, force: true });
    play.ends("a_0", 0);
    let (_, rc, outcome, remark) = play.attempts(id, "a_0").remove(0);
    assert_eq!((rc, outcome), (15, Outcome::Retry));
    assert_eq!(remark, "timeout: ended after 30 s");
    assert_eq!(play.names(), ["0:a_0"]);
}

#[test]
fn triggers_choose_between_cleaning_up_and_passing_over() {
    let tasks = json!({
        "work": {},
        "next": {"parents": ["work"]},
        "mend": {"parents": ["work"], "trigger": "failure"},
        "tidy": {"parents": ["next", "mend"], "trigger": "always"},
    });
    let mut play = play();
    let good = play.submit(&run(tasks.clone()));
    play.ends("work_0", 0);
    assert_eq!(play.states(good), "mend_0 COMPLETED, next_0 RUNNING, tidy_0 QUEUED, work_0 COMPLETED");
    assert!(play.attempts(good, "mend_0").is_empty());
    play.ends("next_0", 0);
    play.ends("tidy_0", 0);
    assert_eq!(play.state(good), State::Completed);

    let bad = play.submit(&run(tasks));
    play.ends("work_0", 1);
    assert_eq!(play.names(), ["1:mend_0"]);
    play.ends("mend_0", 0);
    assert_eq!(play.names(), ["1:tidy_0"]);
    play.ends("tidy_0", 0);
    assert_eq!(play.states(bad), "mend_0 COMPLETED, next_0 QUEUED, tidy_0 COMPLETED, work_0 ERRORED");
    assert_eq!(play.state(bad), State::Errored);
}

#[test]
fn a_run_that_needs_nothing_done_completes_at_once() {
    let mut play = play();
    let id = play.submit(&run(json!({"mend": {"trigger": "failure"}})));
    assert_eq!(play.history(id), "QUEUED RUNNING COMPLETED");
}

#[test]
fn the_first_failure_can_stop_everything_but_the_cleaning_up() {
    let mut play = play();
    let spec = run_with(
        json!({"onFailure": "stop"}),
        json!({"bad": {}, "slow": {"maxRetries": 3}, "again": {"maxRetries": 3, "retryIntervalSeconds": 60},
            "late": {"parents": ["slow"]}, "tidy": {"parents": ["bad", "slow"], "trigger": "always"}}),
    );
    let id = play.submit(&spec);
    play.ends("again_0", 1);
    assert_eq!(play.states(id), "again_0 RETRY, bad_0 RUNNING, late_0 QUEUED, slow_0 RUNNING, tidy_0 QUEUED");
    play.ends("bad_0", 1);
    assert_eq!(play.states(id), "again_0 ERRORED, bad_0 ERRORED, late_0 QUEUED, slow_0 RUNNING, tidy_0 QUEUED");
    play.ends("slow_0", 1);
    assert_eq!(play.names(), ["0:tidy_0"], "no more tries");
    play.ends("tidy_0", 0);
    assert_eq!(play.state(id), State::Errored);
    assert_eq!(play.attempts(id, "slow_0").len(), 1);
    assert!(play.room.why_waiting(id, play.task(id, "late")).is_empty(), "the room holds it no more");
}

#[test]
fn generated_tasks_run_between_their_generator_and_its_children() {
    let mut play = play();
    let spec = run(json!({"g": {"isGenerator": true, "children": ["z"]}, "z": {}}));
    let id = play.submit(&spec);
    play.prints("g_0", &json!({"n1": {"children": ["n2"]}, "n2": {}}));
    assert_eq!(play.states(id), "g_0 COMPLETED, z_0 QUEUED, n1_0 RUNNING, n2_0 QUEUED");
    assert_eq!(play.view(id).groups[0].added, ["n1", "n2"]);
    assert_eq!(play.view(id).groups[2].by, Some(play.task(id, "g")));
    assert_eq!(play.view(id).row.counts.total(), 4);
    play.ends("n1_0", 0);
    play.ends("n2_0", 0);
    assert_eq!(play.names(), ["0:z_0"]);
    play.ends("z_0", 0);
    assert_eq!(play.state(id), State::Completed);
    assert_eq!(play.begun, ["0:g_0", "0:n1_0", "0:n2_0", "0:z_0"]);
}

#[test]
fn bad_output_of_a_generator_is_a_failure_and_adds_nothing() {
    let mut play = play();
    let spec = run(json!({"g": {"isGenerator": true, "maxRetries": 1, "children": ["z"]}, "z": {}}));
    let id = play.submit(&spec);
    play.prints("g_0", &json!({"z": {}}));
    play.prints("g_0", &json!({"n": {"parents": ["nobody"]}, "m": {}}));
    let attempts = play.attempts(id, "g_0");
    assert_eq!(attempts.iter().map(|(_, rc, ..)| *rc).collect::<Vec<_>>(), [0, 0]);
    assert!(attempts[0].3.contains("'z'"), "{attempts:?}");
    assert!(attempts[1].3.contains("nobody"), "{attempts:?}");
    assert_eq!(play.states(id), "g_0 ERRORED, z_0 QUEUED");
    assert_eq!(play.state(id), State::Errored);
}

#[test]
fn no_run_grows_beyond_what_it_may_have() {
    let mut play = Play::with(Settings { capacity: capacity(4, 4096), grace: secs(10), max_tasks: 3 });
    let id = play.submit(&run(json!({"g": {"isGenerator": true, "maxRetries": 1}, "z": {}})));
    play.prints("g_0", &json!({"m": {}, "n": {}}));
    assert_eq!(play.states(id), "g_0 RUNNING, z_0 RUNNING");
    let (_, rc, outcome, remark) = play.attempts(id, "g_0").remove(0);
    assert_eq!((rc, outcome), (0, Outcome::Retry));
    assert!(remark.contains("at most 3 tasks in the run with all that is added, not 4"), "{remark}");
    play.prints("g_0", &json!({"n": {}}));
    assert_eq!(play.states(id), "g_0 COMPLETED, z_0 RUNNING, n_0 RUNNING");
    play.core_dies();
    assert_eq!(play.states(id), "g_0 COMPLETED, z_0 RUNNING, n_0 RUNNING");
}

#[test]
fn a_generator_that_adds_nothing_is_a_success() {
    let mut play = play();
    let id = play.submit(&run(json!({"g": {"isGenerator": true, "children": ["z"]}, "z": {}})));
    play.prints("g_0", &json!({}));
    play.ends("z_0", 0);
    assert_eq!(play.state(id), State::Completed);
}

#[test]
fn an_edge_between_a_thousand_and_a_thousand_costs_two_numbers() {
    let mut play = Play::new(Capacity { cores: 2_000, memory_mb: 0, running: 2_000 });
    let spec = run_with(
        json!({"executor": "noop"}),
        json!({"m": many(1_000), "n": with(many(1_000), "parents", json!(["m"]))}),
    );
    let id = play.submit(&spec);
    assert_eq!(play.view(id).edges, [(0, 1)]);
    assert_eq!(play.pass_all(), 2);
    assert_eq!(play.state(id), State::Completed);
}

#[test]
fn a_million_tasks_that_start_nothing_take_a_thousand_steps() {
    let mut play = play();
    let long: Vec<String> = (0..1_000).map(|at| at.to_string()).collect();
    let spec = json!({"tag": "t", "executor": "noop", "parameters": {"P": long, "Q": long},
        "tasks": {"a": {"job": {"command": ["work", "{{P}}", "{{Q}}"]}}}});
    let submission =
        Submission { blueprint: blueprint(&spec), text: "".into(), runs_as: 0, origin: Origin::Client, key: None };
    let now = play.now;
    let mut plan =
        play.room.step(Event::Asked { ask: Ask::Submit(Box::new(submission)), by: root(), found: None }, now);
    let mut steps = 0;
    while let Some(Effect::Pass { run, first, count }) = plan.effects.pop() {
        plan = play.room.step(Event::Passed { run, first, count }, now);
        assert!(plan.writes.len() <= 2 && plan.changes.len() <= 2);
        steps += 1;
    }
    assert_eq!(steps, 1_000);
    assert!(!play.room.holds(DagRunId(0)));
}

#[test]
fn runs_that_start_nothing_take_turns() {
    let mut play = play();
    let spec = run_with(json!({"executor": "noop"}), json!({"a": many(2_500)}));
    let (one, two) = (play.submit(&spec), play.submit(&spec));
    assert_eq!(play.passes.len(), 2);
    for run in [one, two] {
        assert!(play.room.view(run).is_some());
    }
    assert_eq!(play.pass_all(), 6);
    assert_eq!((play.state(one), play.state(two)), (State::Completed, State::Completed));
}
