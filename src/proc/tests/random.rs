//! Whatever happens in whatever order, the laws hold: the world asserts them at every launch and record.

use super::world::{Death, Program, World, cron, daemon_with, name, once, schedule, secs};
use crate::proc::machine::{Ask, Event, Offer, TaskState};
use crate::proc::model::{Definition, Replicas, Restart, Schedule, Signal, Until};
use crate::schedule::{CatchUp, Overlap};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::time::Duration;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Move {
    Ask(Ask),
    Pass(Duration),
    CoreDies,
    CoreWillDie(Death),
    KeeperDies,
    HostReboots(Duration),
    SetWall(i64),
}

fn any_name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&NAMES[..])
}

fn any_definition() -> impl Strategy<Value = Definition> {
    let until = prop_oneof![
        4 => Just(Until::Idle),
        1 => Just(Until::Started),
        1 => Just(Until::Ready),
        1 => Just(Until::Finished),
        1 => Just(Until::Succeeded),
    ];
    let overlap = prop_oneof![Just(Overlap::Skip), Just(Overlap::Queue), Just(Overlap::Allow), Just(Overlap::Replace)];
    let catch_up = prop_oneof![Just(CatchUp::None), Just(CatchUp::Last), Just(CatchUp::All)];
    let deps = proptest::collection::vec((any_name(), until), 0..2);
    (any_name(), 0..4_u8, 1..4_i64, deps, overlap, catch_up).prop_map(
        |(task, kind, replicas, deps, overlap, catch_up)| {
            let plain = match kind {
                0 | 1 => once(task),
                2 => daemon_with(task, Restart { max_restarts: Some(5), ..Restart::default() }),
                _ => cron(task, Schedule { overlap, catch_up, ..schedule("* * * * *") }),
            };
            deps.into_iter().fold(plain.times(replicas), |task, (on, until)| task.needs(on, until))
        },
    )
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let offer = || any_definition().prop_map(|definition| Offer { definition, runs_as: 0 });
    prop_oneof![
        6 => offer().prop_map(|offer| Ask::Create(Box::new(offer))),
        2 => any_name().prop_map(|task| Ask::Restart(name(task))),
        2 => any_name().prop_map(|task| Ask::Delete(name(task))),
        1 => any_name().prop_map(|task| Ask::Stop(name(task))),
        1 => any_name().prop_map(|task| Ask::Start(name(task))),
        1 => (any_name(), 1..5_i64)
            .prop_map(|(task, replicas)| Ask::Scale { name: name(task), replica: Replicas::new(replicas).unwrap() }),
        1 => any_name().prop_map(|task| Ask::Signal { name: name(task), replica: None, signal: Signal::TERM }),
        2 => proptest::collection::vec(offer(), 0..3).prop_map(|offers| Ask::Apply { offers, dry_run: false }),
    ]
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        8 => any_ask().prop_map(Move::Ask),
        8 => (0..90_000_u64).prop_map(|pass| Move::Pass(Duration::from_millis(pass))),
        2 => Just(Move::CoreDies),
        1 => (0..8_u32).prop_map(|plans| Move::CoreWillDie(Death::AfterWriting(plans))),
        1 => (0..8_u32).prop_map(|plans| Move::CoreWillDie(Death::AfterActing(plans))),
        1 => (0..8_u32).prop_map(|plans| Move::CoreWillDie(Death::BeforeWriting(plans))),
        1 => Just(Move::KeeperDies),
        1 => (0..7_200_u64).prop_map(|down| Move::HostReboots(secs(down))),
        1 => (-7_200..7_200_i64).prop_map(Move::SetWall),
    ]
}

fn any_program() -> impl Strategy<Value = Program> {
    let heeds = prop_oneof![Just(None), (0..20_u64).prop_map(|it| Some(secs(it)))];
    let lives = prop_oneof![(0..20_000_u64).prop_map(Duration::from_millis), Just(super::world::FOREVER)];
    (lives, 0..2_i32, heeds, any::<bool>(), 0..10_u8, 0..3_000_u64).prop_map(
        |(lives, code, heeds, forks, starts, launch)| Program {
            lives,
            code,
            heeds,
            forks,
            starts: starts > 0,
            launch: Duration::from_millis(launch),
            ..Program::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default() // PROPTEST_CASES asks for more of them
    })]

    #[test]
    fn the_laws_hold(
        programs in proptest::collection::vec(any_program(), NAMES.len()),
        moves in proptest::collection::vec(any_move(), 1..60),
    ) {
        let mut world = World::new();
        for (task, program) in NAMES.iter().zip(programs) {
            world.program(task, program);
        }
        for step in moves {
            match step {
                Move::Ask(ask) => drop(world.ask(ask)),
                Move::Pass(time) => world.run_for(time),
                Move::CoreDies => world.core_dies(),
                Move::CoreWillDie(death) => world.death = death,
                Move::KeeperDies => world.keeper_dies(),
                Move::HostReboots(after) => world.host_reboots(after),
                Move::SetWall(by) => {
                    world.now.wall += chrono::TimeDelta::seconds(by);
                    world.step(Event::Tick);
                }
            }
        }
        // A daemon that is wanted runs, or will shortly, or was given up where everybody sees it.
        world.death = Death::Never;
        world.run_for(secs(120));
        for task in world.room.tasks().filter(|task| task.definition().restart().is_some()) {
            let (tally, standing) = (task.tally(), task.standing());
            let up = tally.busy + tally.pausing + tally.failed;
            prop_assert!(standing.stopped || standing.queued.is_some() || up as usize == task.seats().len());
        }
        // Whatever was begun comes to its end, and after that nothing is left.
        world.step(Event::Shutdown);
        world.run_for(secs(300));
        prop_assert!(world.done, "{:?}", world.room.runs().collect::<Vec<_>>());
        prop_assert_eq!(world.trees(), 0);
        world.check();
        // What a new life makes of it: what is up is what should be, and a stopped task stays stopped.
        let stopped: Vec<_> =
            world.room.tasks().filter(|task| task.standing().stopped).map(|task| task.name().clone()).collect();
        world.host_reboots(secs(1));
        world.run_for(secs(1));
        for task in stopped {
            prop_assert_eq!(world.state(task.as_str()), TaskState::Stopped);
        }
        for task in world.room.tasks().filter(|task| task.state() == TaskState::Queued) {
            prop_assert!(world.room.blocker(task.incarnation()).is_some(), "{} waits for nothing", task.name());
        }
    }
}
