//! One long story with a bit of everything, told once per plan with somebody dying there: it must end as it does
//! without that, but for attempts that are called interrupted and their repeats.

use super::disk::RunOnDisk;
use super::keeper::Script;
use super::sketch::{Print, Sketch, group, sketch};
use super::world::{Acted, Manner, Victim, World, root, secs};
use crate::dag::machine::{Ask, Fired, FiringRow, Verdict};
use crate::dag::model::{Attempt, DagName, DagRunId, Edit, Outcome, State, TaskId, Trigger};
use crate::dag::stored;
use serde_json::{Value, json};
use std::rc::Rc;
use std::sync::Arc;

const NO_DEATH: Option<(u64, Victim, Manner)> = None;

fn life(seconds: u64, ends: i32) -> Script {
    Script { lives: secs(seconds), ends, ..Script::default() }
}

/// A generator whose child generates again, what fails at first, what is killed, what cleans up.
fn big() -> Sketch {
    let leaf = Print::Groups(vec![group("leaf").times(2)]);
    let inner = Print::Groups(vec![group("inner").prints(leaf), group("plain").after("inner").retries(1, 2)]);
    sketch([
        group("gen").prints(inner).retries(1, 1),
        group("collect").after("gen"),
        group("flaky").times(3).retries(2, 3),
        group("victim").retries(3, 0),
        group("below").after("victim"),
        group("cleanup").after("below").when(Trigger::Always),
        group("watch").after("victim").when(Trigger::Always),
        group("alarm").after("flaky").when(Trigger::Failure),
        group("report").after("alarm").after("collect"),
        group("slow").timeout(2),
        group("web").step(),
        group("last").after("web").after("flaky"),
    ])
}

fn scripts(world: &mut World) {
    let broken = Script { well: false, ..life(1, 0) };
    world.script("gen", [broken, life(1, 0)]);
    world.script("inner-0", [life(2, 0)]);
    world.script("plain-0", [life(1, 3), life(1, 0)]);
    world.script("leaf-0", [life(3, 0)]);
    world.script("flaky", [life(1, 1), life(2, -11), life(1, 0)]);
    world.script("victim", [Script { lives: secs(1_000), lingers: Some(secs(2)), ..Script::default() }, life(1, 0)]);
    world.script("slow", [Script { lives: secs(1_000), heeds: None, ..Script::default() }, life(1, 0)]);
    world.script("web", [life(2, 0)]);
    world.script("forks", [Script { lingers: Some(secs(400)), ..life(1, 1) }]);
    world.script("long", [life(30, 0)]);
}

/// Does what a client does whose connection broke: asks again, unless it was done.
fn insist(world: &mut World, ask: Ask, done: impl Fn(&World) -> bool) {
    for _ in 0..3 {
        if done(world) {
            return;
        }
        match world.ask(ask.clone()) {
            Some(Verdict::Accepted) | None => {}
            other => panic!("{ask:?}: {other:?}"),
        }
    }
    assert!(done(world), "{ask:?} has no effect");
}

fn submit(world: &mut World, sketch: &Sketch) -> DagRunId {
    let next = DagRunId(world.disk.runs.len() as u64);
    while !world.ahead.runs.contains_key(&next) {
        world.ask_as(Ask::Submit(sketch.submission()), root(), Some(Rc::new(sketch.clone())), true);
    }
    next
}

fn changes(world: &World, run: DagRunId, state: State) -> usize {
    world.view(run).row.history.iter().filter(|change| change.state == state).count()
}

fn set(world: &mut World, run: DagRunId, state: State) {
    let before = changes(world, run, state);
    insist(world, Ask::SetState(run, state), |world| changes(world, run, state) > before);
}

fn is(run: DagRunId, task: &'static str, state: State) -> impl Fn(&World) -> bool {
    move |world| world.state_of(run, task) == Some(state)
}

fn play(dying: Option<(u64, Victim, Manner)>) -> World {
    let mut world = World::new();
    scripts(&mut world);
    world.dying = dying;
    let run = submit(&mut world, &big());
    let victim = world.task(run, "victim_0");
    world.until("the victim runs", |world| world.room.attempt(run, victim).is_some_and(|it| it.leader.is_some()));
    insist(&mut world, Ask::KillTask(run, victim), is(run, "victim_0", State::Killed));
    world.until("a leaf runs", is(run, "leaf-0_0", State::Running));
    set(&mut world, run, State::Paused);
    world.until("nothing runs", |world| world.oracle.runs[&run].lives.is_empty());
    let below = world.task(run, "below_0");
    insist(&mut world, Ask::Edit(run, below, Edit::Skip), is(run, "below_0", State::Completed));
    set(&mut world, run, State::Queued);
    world.until("the first is over", |world| world.state(run) == State::Errored);
    let other =
        submit(&mut world, &sketch([group("forks").times(2).retries(1, 0), group("long").before("z"), group("z")]));
    world.until("its long task runs", is(other, "long_0", State::Running));
    world.until("what forks has ended", is(other, "forks_0", State::Errored));
    world.until("both of it", is(other, "forks_1", State::Errored));
    insist(&mut world, Ask::Kill(other), |world| world.state(other) == State::Killed);
    set(&mut world, run, State::Queued);
    world.until("the first has completed", |world| world.state(run) == State::Completed);
    let noop = submit(&mut world, &sketch([group("a").times(30), group("b").times(30).after("a")]).noop());
    world.until("nothing was left to do", |world| world.state(noop) == State::Completed);
    fire(&mut world);
    world.dying = None;
    world.run_for(secs(600));
    world.check_end();
    world
}

/// A schedule makes a run, once.
fn fire(world: &mut World) {
    let fired = sketch([group("a"), group("b").after("a")]);
    let specification: Value = serde_json::from_str(&fired.text()).unwrap();
    let body = json!({"specification": specification, "schedule": {"cron": "55 * * * *", "catch_up": "last"}});
    let name = DagName::new("hourly").unwrap();
    let owner = Arc::new(root().owner);
    let dag = stored::read(name.clone(), body.to_string().as_bytes(), &super::LIMITS, owner, 0).unwrap();
    world.dags.insert(name.clone(), Rc::new(fired));
    insist(world, Ask::PutDag(Box::new(dag)), |world| world.room.calendar().get("hourly").is_some());
    world.until("it has fired", |world| {
        let completed = |run: &RunOnDisk| run.row.origin.dag().is_some() && run.row.state() == State::Completed;
        world.ahead.runs.values().any(completed)
    });
    assert!(matches!(world.ahead.firings[..], [(_, FiringRow { what: Fired::Run(_), .. })]), "{:?}", world.ahead.firings);
    insist(world, Ask::DeleteDag(name), |world| world.room.calendar().get("hourly").is_none());
}

/// What a client would see in the end: it must not depend on who died when.
fn outcome(world: &World) -> Vec<String> {
    let mut seen = Vec::new();
    for (id, run) in &world.disk.runs {
        let view = world.view(*id);
        let history: Vec<_> = run.row.history.iter().map(|change| change.state.word()).collect();
        seen.push(format!("{id}: {history:?} {:?} {:?}", run.row.counts, view.edges));
        for (group, it) in view.groups.iter().enumerate() {
            for index in 0..it.template.count {
                let task = TaskId { group: u32::try_from(group).unwrap(), index };
                let attempts = run.attempts.get(&task).into_iter().flatten().map(|(_, attempt)| attempt);
                // Whether a kill came upon an attempt or between two depends on the interruptions.
            let told = |it: &&Attempt| !matches!(it.outcome, Outcome::Interrupted | Outcome::Killed);
            let counted = attempts.filter(told);
                let ends: Vec<_> = counted.map(|attempt| (attempt.pass, attempt.rc, attempt.outcome)).collect();
                let name = it.template.instance(index);
                let mark = run.marks.get(&task).map(|mark| &mark.mark);
                seen.push(format!("{id} {name} {:?} {ends:?} {mark:?} of {:?}", it.state(index), it.by));
            }
        }
    }
    seen
}

/// Where two lists of lines differ.
fn differ(one: &[String], other: &[String]) -> Vec<String> {
    let only = |in_one: &[String], not: &[String], sign: &str| -> Vec<String> {
        in_one.iter().filter(|line| !not.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    [only(one, other, "-"), only(other, one, "+")].concat()
}

fn at_every_plan(victim: Victim, manner: Manner) {
    let expected = play(NO_DEATH);
    assert_eq!(expected.deaths, 0);
    let lines = outcome(&expected);
    for after in 0.. {
        let world = play(Some((after, victim, manner)));
        if world.deaths == 0 {
            assert!(after >= expected.plans / 2, "the story has more plans than were tried");
            return;
        }
        let differences = differ(&lines, &outcome(&world));
        assert!(differences.is_empty(), "{victim:?} died at plan {after}, {manner:?}:\n{}", differences.join("\n"));
    }
}

#[test]
fn the_story_has_what_it_should() {
    let world = play(NO_DEATH);
    let run = DagRunId(0);
    let history: Vec<_> = world.disk.runs[&run].row.history.iter().map(|change| change.state.word()).collect();
    let words = "QUEUED RUNNING PAUSED QUEUED RUNNING ERRORED QUEUED RUNNING COMPLETED";
    assert_eq!(history.join(" "), words);
    assert_eq!(world.codes(run, "flaky_0"), [1, 11, 0]);
    assert_eq!(world.codes(run, "gen_0"), [0, 0]);
    assert_eq!(world.codes(run, "plain-0_0"), [3, 0]);
    assert_eq!(world.codes(run, "victim_0"), [15, 0]);
    assert_eq!(world.codes(run, "slow_0"), [9, 0]);
    assert_eq!(world.codes(run, "watch_0"), [0, 0], "it looks at what was killed, so it runs again");
    assert_eq!(world.codes(run, "cleanup_0"), [0], "what it looks at was passed over");
}

#[test]
fn after_the_batch_and_before_the_effects() {
    at_every_plan(Victim::Core, Manner { applied: true, acted: Acted::Not });
}

#[test]
fn after_the_batch_amid_the_effects() {
    at_every_plan(Victim::Core, Manner { applied: true, acted: Acted::Half });
}

#[test]
fn after_all_and_before_the_acknowledgement() {
    at_every_plan(Victim::Core, Manner { applied: true, acted: Acted::All });
}

/// The batch is lost: the keeper alone knows what was done.
#[test]
fn after_the_effects_and_before_the_batch() {
    at_every_plan(Victim::Core, Manner { applied: false, acted: Acted::All });
}

#[test]
fn amid_the_effects_and_before_the_batch() {
    at_every_plan(Victim::Core, Manner { applied: false, acted: Acted::Half });
}

#[test]
fn before_anything_was_done_about_an_event() {
    at_every_plan(Victim::Core, Manner { applied: false, acted: Acted::Not });
}

#[test]
fn everything_is_lost_after_a_batch() {
    at_every_plan(Victim::Keeper, Manner { applied: true, acted: Acted::All });
    at_every_plan(Victim::Host(secs(30)), Manner { applied: true, acted: Acted::Not });
}

#[test]
fn everything_is_lost_before_a_batch() {
    at_every_plan(Victim::Keeper, Manner { applied: false, acted: Acted::All });
    at_every_plan(Victim::Host(secs(30)), Manner { applied: false, acted: Acted::Not });
}
