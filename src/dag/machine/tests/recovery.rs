//! Starts: after the core, the keeper or the host went down, and with what the store never heard of.

use super::play::*;
use crate::dag::machine::*;
use crate::dag::model::*;
use serde_json::json;

fn play() -> Play {
    Play::new(capacity(4, 4096))
}

/// `a` has completed, `b` runs, `c` waits.
fn under_way(play: &mut Play) -> DagRunId {
    let id = play.submit(&run(json!({"a": {}, "b": {"parents": ["a"]}, "c": {"parents": ["b"]}})));
    play.ends("a_0", 0);
    play.spawned("b_0");
    id
}

#[test]
fn what_the_keeper_holds_goes_on_and_is_recorded_once() {
    let mut play = play();
    let id = under_way(&mut play);
    play.core_dies();
    assert_eq!(play.states(id), "a_0 COMPLETED, b_0 RUNNING, c_0 QUEUED");
    assert_eq!(play.room.running(), 1);
    assert_eq!(play.room.attempt(id, play.task(id, "b")).and_then(|live| live.leader), Some((4_000, 77)));
    play.ends("b_0", 0);
    play.ends("c_0", 0);
    assert_eq!(play.state(id), State::Completed);
    assert_eq!(play.codes(id, "b_0"), [0]);
}

#[test]
fn what_ended_while_nobody_listened_is_heard_at_the_start() {
    let mut play = play();
    let id = under_way(&mut play);
    let slot = play.slot("b_0");
    let live = play.disk.live[&slot].clone();
    let end = play.end_of(slot, How::Code { code: 0, remark: String::new() });
    let held = Held { live, end: Some(Box::new(end)), tree_empty: true };
    play.start_with(Found { held: vec![held.clone()], ..Found::default() });
    assert_eq!(play.names(), ["0:c_0"]);
    assert_eq!(play.heard, [1, 2]);
    // The acknowledgement was lost: it comes again.
    let live = play.running[&play.slot("c_0")].live.clone();
    let other = Held { live, end: None, tree_empty: false };
    play.start_with(Found { held: vec![held, other], ..Found::default() });
    assert_eq!(play.heard, [1, 2, 2]);
    assert_eq!(play.codes(id, "b_0"), [0]);
    assert_eq!(play.names(), ["0:c_0"]);
}

#[test]
fn after_a_loss_of_the_host_what_ran_is_repeated_at_once() {
    let mut play = play();
    let id = under_way(&mut play);
    play.service_dies(false);
    let (_, rc, outcome, remark) = play.attempts(id, "b_0").remove(0);
    assert_eq!((rc, outcome), (15, Outcome::Interrupted));
    assert_eq!(remark, "interrupted: the host went down");
    assert!(play.effects.is_empty());
    play.all_end(0);
    assert_eq!(play.state(id), State::Completed);
    assert_eq!(play.codes(id, "a_0"), [0]);
    assert_eq!(play.codes(id, "b_0"), [15, 0]);
    assert_eq!(play.history(id), "QUEUED RUNNING COMPLETED");
}

#[test]
fn after_a_loss_of_the_keeper_nothing_runs_beside_its_replacement() {
    let mut play = play();
    let id = under_way(&mut play);
    let slot = play.slot("b_0");
    play.service_dies(true);
    assert_eq!(play.effects, [Effect::EndLeftover { slot, leader: Some((4_000, 77)), grace: secs(10) }]);
    assert!(play.names().is_empty());
    // Once more, before it is gone.
    play.service_dies(true);
    assert_eq!(play.effects.len(), 1);
    assert_eq!(play.attempts(id, "b_0").len(), 1);
    play.step(Event::LeftoverGone { slot });
    assert_eq!(play.names(), ["0:b_0"]);
    play.all_end(0);
    assert_eq!(play.state(id), State::Completed);
}

#[test]
fn interruptions_do_not_count_against_the_retries() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {"maxRetries": 1}})));
    play.ends("a_0", 1);
    play.service_dies(false);
    play.service_dies(false);
    play.ends("a_0", 1);
    assert_eq!(play.state(id), State::Errored);
    let outcomes: Vec<_> = play.attempts(id, "a_0").into_iter().map(|(_, _, outcome, _)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Retry, Outcome::Interrupted, Outcome::Interrupted, Outcome::Errored]);
}

#[test]
fn a_retry_is_due_when_it_was() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {"maxRetries": 1, "retryIntervalSeconds": 60}})));
    play.ends("a_0", 1);
    play.wait(secs(50));
    play.core_dies();
    assert_eq!(play.states(id), "a_0 RETRY");
    play.wait(secs(9));
    assert!(play.names().is_empty());
    play.wait(secs(1));
    assert_eq!(play.names(), ["0:a_0"]);
}

#[test]
fn runs_stay_in_their_states() {
    let mut play = play();
    let paused = under_way(&mut play);
    play.must(Ask::SetState(paused, State::Paused));
    let killed = play.submit(&run(json!({"k": {}, "r": {"maxRetries": 1, "retryIntervalSeconds": 60}})));
    play.ends("r_0", 1);
    play.must(Ask::Kill(killed));
    let before = (play.states(paused), play.states(killed));
    play.core_dies();
    assert_eq!((play.states(paused), play.states(killed)), before);
    assert_eq!((play.state(paused), play.state(killed)), (State::Paused, State::Killed));
    let slot = play.slot("k_0");
    assert_eq!(play.effects, [Effect::Stop { slot, force: false }], "it is asked again");
    play.dies("k_0", libc::SIGTERM);
    assert_eq!(play.attempts(killed, "k_0")[0].2, Outcome::Killed);
    assert!(!play.room.holds(killed));
}

#[test]
fn a_killed_task_is_not_repeated_after_a_loss() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {}, "b": {}})));
    let task = play.task(id, "a");
    play.must(Ask::KillTask(id, task));
    play.service_dies(false);
    assert_eq!(play.states(id), "a_0 KILLED, b_0 RUNNING");
    assert_eq!(play.attempts(id, "a_0")[0].2, Outcome::Killed);
    play.ends("b_0", 0);
    assert_eq!(play.state(id), State::Errored);
}

#[test]
fn what_was_started_before_the_flush_is_taken_as_decided() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {}, "b": {"parents": ["a"]}})));
    let before = play.disk.clone();
    play.ends("a_0", 0);
    let b = play.running.values().next().expect("b runs").live.clone();
    // The end of `a` and the start of `b` never reached the disk; the keeper has both.
    let a = before.live.values().next().expect("a ran").clone();
    play.disk_of(before);
    let end = play.end_of(a.slot, How::Code { code: 0, remark: String::new() });
    let held = vec![
        Held { live: a, end: Some(Box::new(end)), tree_empty: true },
        Held { live: b.clone(), end: None, tree_empty: false },
    ];
    play.start_with(Found { held, ..Found::default() });
    assert_eq!(play.states(id), "a_0 COMPLETED, b_0 RUNNING");
    assert_eq!(play.begun, ["0:a_0", "0:b_0"], "nothing is started twice");
    assert!(play.disk.live.contains_key(&b.slot));
    play.ends("b_0", 0);
    assert_eq!(play.state(id), State::Completed);
}

#[test]
fn what_nobody_wants_is_ended_and_not_recorded() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {}})));
    let live = play.running.values().next().expect("it runs").live.clone();
    let stranger = LiveAttempt { slot: crate::base::RunId(live.slot.0 + 10), run: DagRunId(77), ..live.clone() };
    let held = [live, stranger.clone()].map(|live| Held { live, end: None, tree_empty: false });
    play.start_with(Found { held: held.to_vec(), ..Found::default() });
    let slot = stranger.slot;
    assert_eq!(play.effects, [Effect::Stop { slot, force: false }]);
    play.wait(secs(10));
    assert_eq!(play.effects[1..], [Effect::Stop { slot, force: true }]);
    let end = play.end_of(slot, How::Signal { signal: 9, oom: false });
    play.step(Event::Ended(Box::new(end)));
    assert!(play.disk.attempts.is_empty());
    play.ends("a_0", 0);
    assert_eq!(play.state(id), State::Completed);
    let next = play.submit(&run(json!({"n": {}})));
    assert!(play.slot("n_0") > slot, "no slot is given twice");
    assert_eq!(next, DagRunId(1));
}

#[test]
fn a_time_limit_goes_on_counting() {
    let mut play = play();
    play.submit(&run(json!({"a": {"job": {"timeout": "30"}}})));
    play.wait(secs(20));
    play.core_dies();
    play.wait(secs(9));
    assert!(play.effects.is_empty());
    play.wait(secs(1));
    assert_eq!(play.effects.len(), 1);
}

#[test]
fn a_failure_goes_on_stopping_its_run() {
    let mut play = play();
    let spec = run_with(
        json!({"onFailure": "stop"}),
        json!({"bad": {}, "slow": {}, "again": {"maxRetries": 3, "retryIntervalSeconds": 60}, "late": {"parents": ["slow"]}}),
    );
    let id = play.submit(&spec);
    play.ends("again_0", 1);
    play.ends("bad_0", 1);
    let states = play.states(id);
    play.core_dies();
    assert_eq!(play.states(id), states);
    play.ends("slow_0", 0);
    assert_eq!(play.state(id), State::Errored);
}

#[test]
fn what_generators_have_added_is_part_of_the_run() {
    let mut play = play();
    let id = play.submit(&run(json!({"g": {"isGenerator": true, "children": ["z"]}, "z": {}})));
    play.prints("g_0", &json!({"n": {"children": ["m"]}, "m": {}}));
    let (states, edges) = (play.states(id), play.view(id).edges);
    play.core_dies();
    assert_eq!((play.states(id), play.view(id).edges), (states, edges));
    play.all_end(0);
    assert_eq!(play.begun, ["0:g_0", "0:n_0", "0:m_0", "0:z_0"]);
    assert_eq!(play.state(id), State::Completed);
}

#[test]
fn tasks_that_start_nothing_go_on_where_they_were() {
    let mut play = play();
    let spec =
        run_with(json!({"executor": "noop"}), json!({"a": many(2_500), "b": {"parents": ["a"], "trigger": "failure"}}));
    let id = play.submit(&spec);
    let (run, first, count) = play.passes.pop().expect("a pass");
    play.step(Event::Passed { run, first, count });
    play.core_dies();
    assert_eq!(play.passes, [(id, TaskId { group: 0, index: 1_000 }, 1_000)]);
    play.pass_all();
    assert_eq!(play.state(id), State::Completed);
    assert_eq!(play.view(id).row.counts.of(State::Completed), 2_501);
}

#[test]
fn a_keeper_that_is_stopping_is_not_given_anything_to_do() {
    let mut play = play();
    let id = under_way(&mut play);
    let live = play.disk.live.values().next().expect("b runs").clone();
    let held = vec![Held { live, end: None, tree_empty: false }];
    play.start_with(Found { held, stopping: true, ..Found::default() });
    play.dies("b_0", libc::SIGTERM);
    assert_eq!(play.effects.last(), Some(&Effect::Done));
    assert_eq!(play.states(id), "a_0 COMPLETED, b_0 QUEUED, c_0 QUEUED");
}
