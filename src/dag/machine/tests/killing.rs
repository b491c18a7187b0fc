//! What clients do to runs: kill, pause, resume, restart, edit, forget; and the end of the daemon.

use super::play::*;
use crate::dag::machine::*;
use crate::dag::model::*;
use serde_json::json;

fn play() -> Play {
    Play::new(capacity(4, 4096))
}

fn refused(play: &mut Play, ask: Ask) -> Refusal {
    match play.ask(ask) {
        Verdict::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_killed_run_is_over_at_once_and_its_attempts_are_recorded_when_they_end() {
    let mut play = play();
    let id = play.submit(&run(json!({"s": {"maxRetries": 3}, "d": {"parents": ["s"]}})));
    let slot = play.slot("s_0");
    assert_eq!(play.ask(Ask::Kill(id)), Verdict::Accepted);
    assert_eq!(play.states(id), "d_0 QUEUED, s_0 KILLED");
    assert_eq!(play.history(id), "QUEUED RUNNING KILLED");
    assert_eq!(play.effects, [Effect::Stop { slot, force: false }]);
    assert!(play.room.holds(id));
    assert_eq!(refused(&mut play, Ask::Purge(id)), Refusal::StillEnding(id));
    play.wait(secs(10));
    assert_eq!(play.effects[1..], [Effect::Stop { slot, force: true }]);
    play.dies("s_0", libc::SIGKILL);
    assert_eq!(play.attempts(id, "s_0"), [(1, 9, Outcome::Killed, "killed by root".into())]);
    assert!(!play.room.holds(id));
    assert_eq!(play.ask(Ask::Kill(id)), Verdict::AlreadySo);
    assert_eq!(play.state(id), State::Killed);
}

#[test]
fn a_killed_attempt_that_ends_well_was_killed_all_the_same() {
    let mut play = play();
    let id = play.submit(&run(json!({"s": {}})));
    play.must(Ask::Kill(id));
    play.ends("s_0", 0);
    assert_eq!(play.codes(id, "s_0"), [15]);
}

#[test]
fn a_killed_run_gives_its_place_to_the_next() {
    let mut play = play();
    let heavy = with(many(20), "job", json!({"command": ["work", "{{P}}"], "cores": "4"}));
    let id = play.submit(&run(json!({"s": heavy})));
    play.submit(&run(json!({"n": {}})));
    play.must(Ask::Kill(id));
    let counts = play.view(id).row.counts;
    assert_eq!((counts.of(State::Killed), counts.of(State::Queued)), (1, 19));
    play.dies("s_0", libc::SIGTERM);
    assert_eq!(play.names(), ["1:n_0"]);
}

#[test]
fn a_killed_task_is_not_tried_again_and_the_rest_goes_on() {
    let mut play = play();
    let tasks = json!({"a": {"maxRetries": 3}, "b": {}, "c": {"parents": ["b"]},
        "r": {"maxRetries": 3, "retryIntervalSeconds": 60}, "after": {"parents": ["a"]}});
    let id = play.submit(&run(tasks));
    play.ends("r_0", 1);
    for name in ["a", "c", "r"] {
        let task = play.task(id, name);
        assert_eq!(play.ask(Ask::KillTask(id, task)), Verdict::Accepted);
        assert_eq!(play.ask(Ask::KillTask(id, task)), Verdict::AlreadySo);
    }
    assert_eq!(play.states(id), "a_0 KILLED, after_0 QUEUED, b_0 RUNNING, c_0 KILLED, r_0 KILLED");
    play.ends("b_0", 0);
    assert_eq!(play.state(id), State::Errored);
    assert!(play.room.holds(id), "an attempt of it is still ending");
    play.dies("a_0", libc::SIGTERM);
    assert!(!play.room.holds(id));
    play.wait(secs(100));
    assert_eq!(play.codes(id, "r_0"), [1]);
    assert_eq!(play.attempts(id, "a_0")[0].2, Outcome::Killed);
}

#[test]
fn unknown_runs_and_tasks_are_told_apart_from_those_of_others() {
    let mut play = play();
    let id = play.submit_as(&run(json!({"a": {}})), user(1000));
    let nobody = DagRunId(99);
    assert_eq!(refused(&mut play, Ask::Kill(nobody)), Refusal::NoRun(nobody));
    let task = TaskId { group: 1, index: 0 };
    assert_eq!(refused(&mut play, Ask::KillTask(id, task)), Refusal::NoTask(id));
    assert_eq!(play.ask_as(Ask::Kill(id), user(1001)), Verdict::Refused(Refusal::NoRun(id)));
    assert_eq!(play.ask_as(Ask::Kill(id), user(1000)), Verdict::Accepted);
}

#[test]
fn a_paused_run_lets_what_runs_end_and_starts_nothing() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {"maxRetries": 1}, "b": {"parents": ["a"]}})));
    assert_eq!(play.ask(Ask::SetState(id, State::Paused)), Verdict::Accepted);
    assert_eq!(play.ask(Ask::SetState(id, State::Paused)), Verdict::AlreadySo);
    play.ends("a_0", 1);
    assert_eq!(play.states(id), "a_0 RETRY, b_0 QUEUED");
    assert_eq!(play.room.why_waiting(id, play.task(id, "a")), ["the run is paused"]);
    assert_eq!(play.ask(Ask::SetState(id, State::Running)), Verdict::Accepted);
    play.ends("a_0", 0);
    play.must(Ask::SetState(id, State::Paused));
    play.ends("b_0", 0);
    assert_eq!(play.history(id), "QUEUED RUNNING PAUSED QUEUED RUNNING PAUSED COMPLETED");
}

#[test]
fn a_paused_run_that_has_failed_stays_paused_until_it_is_resumed() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {}})));
    play.must(Ask::SetState(id, State::Paused));
    play.ends("a_0", 1);
    assert_eq!(play.state(id), State::Paused);
    play.must(Ask::SetState(id, State::Queued));
    assert_eq!(play.history(id), "QUEUED RUNNING PAUSED QUEUED RUNNING ERRORED");
}

#[test]
fn every_wish_for_a_state_has_its_answer() {
    use State::{Completed, Errored, Killed, Paused, Queued, Retry, Running};
    let reach = |state: State| {
        let mut play = play();
        let id = play.submit(&run(json!({"a": {}})));
        match state {
            Completed => play.ends("a_0", 0),
            Errored => play.ends("a_0", 1),
            Killed | Paused => drop(play.ask(Ask::SetState(id, state))),
            Queued | Running | Retry => {}
        }
        (play, id)
    };
    let yes = |(from, to): (State, State)| match (from, to) {
        (Running, Paused | Killed) | (Paused, Queued | Running | Killed) => Some(Verdict::Accepted),
        (Errored | Killed, Queued | Running) => Some(Verdict::Accepted),
        (Paused, Paused) | (Killed, Killed) => Some(Verdict::AlreadySo),
        _ => None,
    };
    for from in [Running, Paused, Errored, Killed, Completed] {
        for to in State::ALL {
            let (mut play, run) = reach(from);
            let no = Verdict::Refused(Refusal::Transition { run, from, to });
            assert_eq!(play.ask(Ask::SetState(run, to)), yes((from, to)).unwrap_or(no), "{from:?} to {to:?}");
        }
    }
}

#[test]
fn a_restart_keeps_what_has_completed_and_counts_retries_afresh() {
    let mut play = play();
    let id = play.submit(&run(json!({"ok": {}, "bad": {"maxRetries": 1}, "late": {"parents": ["bad"]}})));
    play.ends("ok_0", 0);
    play.ends("bad_0", 1);
    play.ends("bad_0", 1);
    assert_eq!(play.state(id), State::Errored);
    assert_eq!(play.ask(Ask::SetState(id, State::Queued)), Verdict::Accepted);
    assert_eq!(play.states(id), "bad_0 RUNNING, late_0 QUEUED, ok_0 COMPLETED");
    play.ends("bad_0", 1);
    play.ends("bad_0", 0);
    play.ends("late_0", 0);
    assert_eq!(play.history(id), "QUEUED RUNNING ERRORED QUEUED RUNNING COMPLETED");
    assert_eq!(play.codes(id, "bad_0"), [1, 1, 1, 0]);
    assert_eq!(play.codes(id, "ok_0"), [0]);
}

#[test]
fn a_restarted_task_waits_until_its_old_attempt_is_gone() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {}, "b": {}})));
    let old = play.slot("a_0");
    play.must(Ask::Kill(id));
    play.dies("b_0", libc::SIGTERM);
    play.must(Ask::SetState(id, State::Queued));
    assert_eq!(play.states(id), "a_0 QUEUED, b_0 RUNNING");
    assert!(play.room.why_waiting(id, play.task(id, "a"))[0].contains("still ending"));
    let tree = play.leaves_a_tree("a_0", 0);
    assert_eq!(tree, old);
    assert_eq!(play.names(), ["0:b_0"]);
    play.step(Event::TreeEmpty { slot: tree });
    assert_eq!(play.names(), ["0:b_0", "0:a_0"]);
    play.all_end(0);
    assert_eq!(play.codes(id, "a_0"), [15, 0]);
    assert_eq!(play.state(id), State::Completed);
}

#[test]
fn what_ran_because_of_a_failure_runs_again_with_it() {
    let mut play = play();
    let tasks = json!({"work": {}, "mend": {"parents": ["work"], "trigger": "failure"},
        "told": {"parents": ["mend"]}, "apart": {"trigger": "always"}});
    let id = play.submit(&run(tasks));
    play.ends("apart_0", 0);
    play.ends("work_0", 1);
    play.ends("mend_0", 0);
    play.ends("told_0", 0);
    assert_eq!(play.state(id), State::Errored);
    play.must(Ask::SetState(id, State::Queued));
    assert_eq!(play.states(id), "apart_0 COMPLETED, mend_0 QUEUED, told_0 QUEUED, work_0 RUNNING");
    play.ends("work_0", 1);
    play.ends("mend_0", 0);
    assert_eq!(play.codes(id, "mend_0"), [0, 0]);
    assert_eq!(play.names(), ["0:told_0"]);
    play.core_dies();
    assert_eq!(play.states(id), "apart_0 COMPLETED, mend_0 COMPLETED, told_0 RUNNING, work_0 ERRORED");
}

#[test]
fn a_generator_that_has_completed_is_not_run_again() {
    let mut play = play();
    let id = play.submit(&run(json!({"g": {"isGenerator": true, "children": ["z"]}, "z": {}})));
    play.prints("g_0", &json!({"n": {}}));
    play.ends("n_0", 1);
    assert_eq!(play.state(id), State::Errored);
    play.must(Ask::SetState(id, State::Queued));
    assert_eq!(play.states(id), "g_0 COMPLETED, z_0 QUEUED, n_0 RUNNING");
    play.ends("n_0", 0);
    play.ends("z_0", 0);
    assert_eq!(play.state(id), State::Completed);
}

#[test]
fn tasks_that_start_nothing_are_killed_and_run_again() {
    let mut play = play();
    let spec = run_with(json!({"executor": "noop"}), json!({"a": many(3), "b": {"parents": ["a"]}}));
    let id = play.submit(&spec);
    let outstanding = play.passes.clone();
    play.must(Ask::Kill(id));
    assert_eq!(play.states(id), "a_0 KILLED, a_1 KILLED, a_2 KILLED, b_0 QUEUED");
    assert!(!play.room.holds(id));
    play.pass_all();
    assert_eq!(play.state(id), State::Killed, "an answer that comes too late changes nothing");
    assert_eq!(outstanding.len(), 1);
    play.must(Ask::SetState(id, State::Queued));
    play.pass_all();
    assert_eq!(play.state(id), State::Completed);
    assert_eq!(play.codes(id, "a_2"), [0]);
}

#[test]
fn tasks_are_edited_while_the_run_is_paused() {
    let mut play = play();
    let tasks = json!({"a": {}, "b": {"parents": ["a"]}, "c": {"parents": ["b"]}, "d": {}});
    let id = play.submit(&run(tasks));
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| play.task(id, name));
    play.ends("a_0", 1);
    assert_eq!(refused(&mut play, Ask::Edit(id, b, Edit::Done)), Refusal::Active(id));
    assert_eq!(refused(&mut play, Ask::Edit(id, d, Edit::Done)), Refusal::TaskRunning);
    play.must(Ask::SetState(id, State::Paused));
    assert_eq!(refused(&mut play, Ask::Edit(id, d, Edit::Done)), Refusal::TaskRunning);
    assert_eq!(play.ask(Ask::Edit(id, a, Edit::Done)), Verdict::Accepted);
    assert_eq!(refused(&mut play, Ask::Edit(id, a, Edit::Skip)), Refusal::TaskCompleted);
    assert_eq!(play.ask(Ask::Edit(id, c, Edit::Skip)), Verdict::Accepted);
    assert_eq!(play.states(id), "a_0 COMPLETED, b_0 QUEUED, c_0 COMPLETED, d_0 RUNNING");
    assert_eq!(play.names(), ["0:d_0"]);
    play.must(Ask::SetState(id, State::Running));
    assert_eq!(play.names(), ["0:d_0", "0:b_0"]);
    play.all_end(0);
    assert_eq!(play.state(id), State::Completed);
}

#[test]
fn a_run_that_is_over_is_edited_and_restarted() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {}, "b": {"parents": ["a"]}})));
    play.ends("a_0", 1);
    let [a, b] = ["a", "b"].map(|name| play.task(id, name));
    let other = Job {
        shown: Default::default(),
        work: Work::Command { command: Command::Argv(vec!["other".into()]), env: Vec::new(), dir: None },
        needs: Needs { cores: 2, memory_mb: 7 },
        timeout: None,
    };
    let other = std::sync::Arc::new(other);
    assert_eq!(play.ask(Ask::Edit(id, a, Edit::Done)), Verdict::Accepted);
    assert_eq!(play.ask(Ask::Edit(id, b, Edit::Job(other.clone()))), Verdict::Accepted);
    assert_eq!(play.state(id), State::Errored);
    assert!(!play.room.holds(id));
    play.must(Ask::SetState(id, State::Queued));
    assert_eq!(play.names(), ["0:b_0"]);
    assert_eq!(play.running[&play.slot("b_0")].edited, Some(other));
    play.ends("b_0", 1);
    play.must(Ask::Edit(id, b, Edit::Done));
    assert_eq!(play.state(id), State::Errored, "nobody has restarted it");
    play.must(Ask::SetState(id, State::Queued));
    assert_eq!(play.state(id), State::Completed);
    assert_eq!(refused(&mut play, Ask::Edit(id, b, Edit::Done)), Refusal::TaskCompleted);
}

#[test]
fn a_failure_that_was_edited_away_stops_nothing_any_more() {
    let mut play = play();
    let spec = run_with(
        json!({"onFailure": "stop"}),
        json!({"bad": {}, "again": {"maxRetries": 3, "retryIntervalSeconds": 60}, "slow": {}, "next": {"parents": ["slow"]}}),
    );
    let id = play.submit(&spec);
    play.ends("again_0", 1);
    play.must(Ask::SetState(id, State::Paused));
    play.ends("bad_0", 1);
    assert_eq!(play.states(id), "again_0 ERRORED, bad_0 ERRORED, next_0 QUEUED, slow_0 RUNNING");
    let bad = play.task(id, "bad");
    play.must(Ask::Edit(id, bad, Edit::Skip));
    let after = "again_0 RETRY, bad_0 COMPLETED, next_0 QUEUED, slow_0 RUNNING";
    assert_eq!(play.states(id), after);
    play.core_dies();
    assert_eq!(play.states(id), after, "the store tells the same");
    play.must(Ask::SetState(id, State::Running));
    play.wait(secs(60));
    play.all_end(0);
    assert_eq!(play.state(id), State::Completed);
}

#[test]
fn a_run_that_is_over_can_be_forgotten() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {}})));
    assert_eq!(refused(&mut play, Ask::Purge(id)), Refusal::Active(id));
    play.ends("a_0", 0);
    assert_eq!(play.ask(Ask::Purge(id)), Verdict::Accepted);
    assert_eq!(play.effects, [Effect::RemoveOutput(id)]);
    assert_eq!(refused(&mut play, Ask::Purge(id)), Refusal::NoRun(id));
    assert!(play.disk.rows.is_empty());
}

#[test]
fn a_tree_that_outlives_its_leader_is_ended_and_keeps_nobody_else_waiting() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {}, "b": {"parents": ["a"]}})));
    let slot = play.leaves_a_tree("a_0", 0);
    assert_eq!(play.names(), ["0:b_0"]);
    assert!(play.disk.live[&slot].ended);
    play.ends("b_0", 0);
    assert_eq!(play.state(id), State::Completed);
    assert!(play.room.holds(id));
    play.wait(secs(10));
    assert_eq!(play.effects, [Effect::Stop { slot, force: false }, Effect::Stop { slot, force: true }]);
    play.step(Event::TreeEmpty { slot });
    assert!(!play.room.holds(id) && play.disk.live.is_empty());
}

#[test]
fn an_end_that_comes_twice_is_recorded_once_and_acknowledged_twice() {
    let mut play = play();
    play.submit(&run(json!({"a": {}})));
    let slot = play.slot("a_0");
    let end = play.end_of(slot, How::Code { code: 0, remark: String::new() });
    play.step(Event::Ended(Box::new(end.clone())));
    play.step(Event::Ended(Box::new(end)));
    assert_eq!(play.heard, [1, 1]);
    assert_eq!(play.disk.attempts.len(), 1);
}

#[test]
fn the_daemon_ends_when_nothing_runs_and_goes_on_where_it_was() {
    let mut play = play();
    let id = play.submit(&run(json!({"a": {}, "b": {"parents": ["a"]}})));
    let noop = play.submit(&run_with(json!({"executor": "noop"}), json!({"n": many(2)})));
    let slot = play.slot("a_0");
    play.step(Event::Shutdown);
    assert_eq!(play.effects, [Effect::Stop { slot, force: false }]);
    assert_eq!(refused(&mut play, Ask::Kill(id)), Refusal::ShuttingDown);
    assert_eq!(play.pass_all(), 1);
    play.step(Event::ShutdownNow);
    assert_eq!(play.effects[1..], [Effect::Stop { slot, force: true }]);
    play.dies("a_0", libc::SIGKILL);
    assert_eq!(play.effects[2..], [Effect::Done]);
    let (_, rc, outcome, remark) = play.attempts(id, "a_0").remove(0);
    assert_eq!((rc, outcome), (9, Outcome::Interrupted));
    assert_eq!(remark, "interrupted: the daemon was stopped");
    assert_eq!(play.states(id), "a_0 QUEUED, b_0 QUEUED");
    play.service_dies(false);
    assert_eq!(play.names(), ["0:a_0"]);
    play.all_end(0);
    play.pass_all();
    assert_eq!((play.state(id), play.state(noop)), (State::Completed, State::Completed));
}
