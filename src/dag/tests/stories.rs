//! Ten thousand stories: any runs, any fates, anybody's death at any moment. The oracle judges every step; at the end
//! everything is over, or stuck by rule, and recorded once.

use super::sketch::{Group, Sketch};
use super::world::{Acted, Manner, Victim, World, millis, root, secs};
use crate::base::chance::Chance;
use crate::dag::machine::{Ask, Event};
use crate::dag::model::{DagRunId, Edit, State, TaskId};
use crate::dag::specification::job;
use crate::store::Store;
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::rc::Rc;
use std::sync::Arc;

/// What a client does to a run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Kill,
    Set(State),
    KillTask(usize),
    Job(usize, u32),
    Done(usize),
    Skip(usize),
    Purge,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    /// The sketch at this place.
    Submit(usize),
    /// To the run at this place; whether somebody waits for the answer.
    Ask(usize, Deed, bool),
    /// So many things happen.
    Happen(u32),
    /// So many milliseconds pass.
    Pass(u64),
    Flush,
    Dies(Victim),
    /// After so many plans.
    WillDie(u64, Victim, Manner),
    /// In order, or at once.
    Shutdown(bool),
}

#[derive(Clone, Debug)]
pub(super) struct Story {
    /// For the children's lives.
    pub(super) seed: u64,
    pub(super) lazy: bool,
    pub(super) sketches: Vec<Sketch>,
    pub(super) moves: Vec<Move>,
}

fn any_deed(chance: &mut Chance) -> Deed {
    let task = chance.place(40);
    match chance.below(20) {
        0..3 => Deed::Kill,
        3..6 => Deed::Set(State::Paused),
        6..11 => Deed::Set(State::Queued),
        11 => Deed::Set(chance.pick(&State::ALL)),
        12..15 => Deed::KillTask(task),
        15 => Deed::Job(task, u32::try_from(chance.below(3)).unwrap()),
        16 => Deed::Done(task),
        17 => Deed::Skip(task),
        18 => Deed::Set(State::Running),
        _ => Deed::Purge,
    }
}

fn any_victim(chance: &mut Chance) -> Victim {
    match chance.below(10) {
        0..6 => Victim::Core,
        6..9 => Victim::Keeper,
        _ => Victim::Host(secs(chance.below(100))),
    }
}

fn any_move(chance: &mut Chance, sketches: usize) -> Move {
    match chance.below(100) {
        0..10 => Move::Submit(chance.place(sketches)),
        10..40 => Move::Ask(chance.place(4), any_deed(chance), chance.percent(80)),
        40..70 => Move::Happen(1 + u32::try_from(chance.below(6)).unwrap()),
        70..84 => Move::Pass(chance.below(9_000)),
        84..86 => Move::Flush,
        86..91 => Move::Dies(any_victim(chance)),
        91..98 => {
            let manner =
                Manner { applied: chance.percent(50), acted: chance.pick(&[Acted::Not, Acted::Half, Acted::All]) };
            Move::WillDie(chance.below(6), any_victim(chance), manner)
        }
        _ => Move::Shutdown(chance.percent(40)),
    }
}

impl Story {
    pub(super) fn any(seed: u64) -> Story {
        let mut chance = Chance::new(seed);
        let count = 1 + chance.place(3);
        let sketches: Vec<_> = (0..count).map(|_| Sketch::any(&mut chance)).collect();
        let length = 4 + chance.place(24);
        let mut moves = vec![Move::Submit(0)];
        moves.extend((0..length).map(|_| any_move(&mut chance, count)));
        if chance.percent(30) {
            moves.retain(|it| !matches!(it, Move::Dies(_) | Move::WillDie(..) | Move::Shutdown(_)));
        }
        Story { seed, lazy: chance.percent(50), sketches, moves }
    }

    /// Plays it to the end.
    pub(super) fn play(&self) -> World {
        self.play_in(World::new())
    }

    fn play_in(&self, mut world: World) -> World {
        (world.seed, world.lazy) = (Some(self.seed), self.lazy);
        for it in &self.moves {
            if world.done {
                world.boots();
            }
            self.play_move(&mut world, *it);
        }
        end(&mut world);
        world
    }

    fn play_move(&self, world: &mut World, it: Move) {
        match it {
            Move::Submit(at) => {
                let sketch = &self.sketches[at % self.sketches.len()];
                let ask = Ask::Submit(sketch.submission());
                world.ask_as(ask, root(), Some(Rc::new(sketch.clone())), true);
            }
            Move::Ask(run, deed, waits) => {
                let runs: Vec<_> = world.oracle.runs.keys().copied().collect();
                let run = runs.get(run).copied().unwrap_or(DagRunId(1_000));
                if let Some(ask) = ask(world, run, deed) {
                    world.ask_as(ask, root(), None, waits);
                }
            }
            Move::Happen(times) => {
                let end = world.now.later(secs(100)).mono;
                (0..times).take_while(|_| world.one(end)).for_each(drop);
            }
            Move::Pass(time) => world.run_for(millis(time)),
            Move::Flush => world.flush(),
            Move::Dies(victim) => world.dies(victim),
            Move::WillDie(after, victim, manner) => world.dying = Some((after, victim, manner)),
            Move::Shutdown(now) => drop(world.step(if now { Event::ShutdownNow } else { Event::Shutdown }, None)),
        }
    }
}

/// The ask for a deed; none: there is nothing of the kind to be asked.
fn ask(world: &World, run: DagRunId, deed: Deed) -> Option<Ask> {
    // One more than there are.
    let task = |nth: usize| {
        let tasks = world.oracle.runs.get(&run).map_or(&[][..], |run| &run.tasks);
        tasks.get(nth % (tasks.len() + 1)).map_or(TaskId { group: 99, index: 0 }, |task| task.id)
    };
    Some(match deed {
        Deed::Kill => Ask::Kill(run),
        Deed::Set(state) => Ask::SetState(run, state),
        Deed::KillTask(nth) => Ask::KillTask(run, task(nth)),
        Deed::Done(nth) => Ask::Edit(run, task(nth), Edit::Done),
        Deed::Skip(nth) => Ask::Edit(run, task(nth), Edit::Skip),
        Deed::Purge => Ask::Purge(run),
        Deed::Job(nth, cores) => {
            let (task, _) = (task(nth), world.oracle.runs.get(&run)?);
            let view = world.view(run);
            let template = &view.groups.get(task.group as usize)?.template;
            let value = json!({"command": ["another"], "cores": cores, "timeout": 3});
            Ask::Edit(run, task, Edit::Job(Arc::new(job(&value, template, task.index, &super::LIMITS).unwrap())))
        }
    })
}

/// Everything is let come to its end; then a new life finds nothing to do.
fn end(world: &mut World) {
    (world.dying, world.lazy) = (None, false);
    world.flush();
    for _ in 0..5 {
        world.run_for(secs(3_600));
        if world.done {
            world.boots();
        }
        let paused = |(id, run): (&DagRunId, &super::oracle::Run)| (run.state() == State::Paused).then_some(*id);
        let paused: Vec<_> = world.oracle.runs.iter().filter_map(paused).collect();
        paused.into_iter().for_each(|run| world.set(run, State::Queued));
    }
    world.check_end();
    world.dies(Victim::Host(secs(60)));
    world.run_for(secs(60));
    world.check_end();
}

// --- shrinking

/// What is wrong with a story, if anything.
fn fault(story: &Story) -> Option<String> {
    let told = catch_unwind(AssertUnwindSafe(|| drop(story.play()))).err()?;
    let text = told.downcast_ref::<String>().cloned();
    Some(text.or_else(|| told.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
}

/// Stories that are a little smaller.
fn smaller(story: &Story) -> Vec<Story> {
    let mut found = Vec::new();
    for at in (0..story.moves.len()).rev() {
        let mut less = story.clone();
        less.moves.remove(at);
        found.push(less);
    }
    for at in 0..story.sketches.len() {
        for less in smaller_sketches(&story.sketches[at]) {
            let mut one = story.clone();
            one.sketches[at] = less;
            found.push(one);
        }
    }
    if story.lazy {
        found.push(Story { lazy: false, ..story.clone() });
    }
    found
}

fn smaller_sketches(sketch: &Sketch) -> Vec<Sketch> {
    let mut found = Vec::new();
    for at in 0..sketch.groups.len() {
        let mut change = |change: &dyn Fn(&mut Group)| {
            let mut one = sketch.clone();
            change(&mut one.groups[at]);
            if one != *sketch {
                found.push(one);
            }
        };
        change(&|group| group.count = 1);
        change(&|group| group.retries = 0);
        change(&|group| group.prints = None);
        change(&|group| group.interval = 0);
        change(&|group| (group.cores, group.memory) = (1, 0));
        change(&|group| group.timeout = None);
        change(&|group| group.priority = 0);
        change(&|group| group.parents.clear());
        change(&|group| group.children.clear());
        if sketch.groups.len() > 1 {
            let mut one = sketch.clone();
            let gone = one.groups.remove(at).name;
            for group in &mut one.groups {
                group.parents.retain(|name| *name != gone);
                group.children.retain(|name| *name != gone);
            }
            found.push(one);
        }
    }
    found.push(Sketch { max_parallel: None, ..sketch.clone() });
    found.retain(|one| one != sketch);
    found
}

/// The smallest story that still goes wrong, as far as is found with so many attempts.
fn shrunk(mut story: Story, mut budget: u32) -> Story {
    loop {
        let less = smaller(&story).into_iter().find(|less| {
            budget = budget.saturating_sub(1);
            budget > 0 && fault(less).is_some()
        });
        match less {
            Some(less) => story = less,
            None => return story,
        }
    }
}

/// While a story is shrunk, its panics are nobody's business.
fn in_silence<T>(work: impl FnOnce() -> T) -> T {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let done = work();
    set_hook(hook);
    done
}

fn play_all(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let story = Story::any(seed);
        if fault(&story).is_some() {
            let least = in_silence(|| shrunk(story, 300));
            let why = fault(&least).unwrap_or_default();
            panic!("story {seed}: {why}\n{least:?}");
        }
    }
}

/// Of some, what the disk says is compared with the real records whenever it is read.
#[test]
fn stories_come_back_from_the_store() {
    for seed in (0..10_000).step_by(40) {
        Story::any(seed).play_in(World::beside(Store::in_memory()));
    }
}

#[test]
fn stories_to_2500() {
    play_all(0..2_500);
}

#[test]
fn stories_to_5000() {
    play_all(2_500..5_000);
}

#[test]
fn stories_to_7500() {
    play_all(5_000..7_500);
}

#[test]
fn stories_to_10000() {
    play_all(7_500..10_000);
}
