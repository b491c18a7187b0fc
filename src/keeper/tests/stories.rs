//! Stories of the machine, on a clock that jumps.

use super::*;

const KILLED: Status = Status::Signal { signal: libc::SIGKILL, core_dumped: false };

#[test]
fn a_core_that_was_ready_is_replaced_at_once() {
    let mut world = World::new();
    for _ in 0..5 {
        world.ask(Ask::Ready);
        world.core_dies(KILLED);
        world.pass(Duration::ZERO);
        assert_eq!(world.done(), [Effect::CloseCore, Effect::StartCore]);
        world.hello();
        world.done();
    }
}

#[test]
fn a_core_that_never_was_ready_is_replaced_after_growing_pauses() {
    let mut world = World::starting();
    let mut pauses = Vec::new();
    for _ in 0..10 {
        world.core_dies(KILLED);
        let died = world.now;
        let due = world.machine.deadline().unwrap();
        world.pass(due - died);
        pauses.push((due - died).as_millis());
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
    world.hello();
    world.ask(Ask::Ready);
    world.core_dies(KILLED);
    assert_eq!(world.machine.deadline(), Some(world.now), "readiness forgives");
}

#[test]
fn a_silent_core_is_replaced_and_a_living_one_is_not() {
    let mut world = World::new();
    for _ in 0..100 {
        world.ask(Ask::Ready);
        world.pass(PING_EVERY);
        assert_eq!(world.done(), [Effect::Ping]);
        world.ask(Ask::Pong);
    }
    world.ask(Ask::Ready);
    world.pass(SILENCE - Duration::from_millis(1));
    assert!(world.done().iter().all(|effect| *effect == Effect::Ping));
    world.pass(Duration::from_millis(1));
    let pid = world.core();
    assert_eq!(world.done(), [Effect::CloseCore, Effect::Kill { pid, signal: libc::SIGKILL }]);
    world.core_dies(KILLED);
    world.pass(PAUSE);
    assert_eq!(world.cores, 2);
}

#[test]
fn an_idle_core_is_left_in_peace() {
    let mut world = World::new();
    world.pass(PING_EVERY);
    assert_eq!(world.done(), [Effect::Ping]);
    world.ask(Ask::Pong);
    world.pass(PING_IDLE - Duration::from_millis(1));
    assert!(world.done().is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.done(), [Effect::Ping]);
}

#[test]
fn a_core_that_does_not_say_hello_is_replaced() {
    let mut world = World::starting();
    world.pass(SILENCE);
    assert_eq!(world.done().pop(), Some(Effect::Kill { pid: world.core(), signal: libc::SIGKILL }));
}

#[test]
fn a_keeper_that_slept_does_not_blame_the_core() {
    let mut world = World::new();
    world.now += secs(3600);
    world.event(Event::Tick);
    assert_eq!(world.done(), [Effect::Ping]);
    world.pass(secs(1));
    world.ask(Ask::Pong);
    world.pass(PING_IDLE - secs(1));
    assert_eq!(world.done(), [Effect::Ping]);
}

#[test]
fn only_the_very_first_core_ends_the_keeper_by_misuse() {
    let mut first = World::starting();
    first.core_dies(Status::Code(MISUSE));
    assert_eq!(first.done().pop(), Some(Effect::Exit(MISUSE)));

    let mut later = World::new();
    later.ask(Ask::Ready);
    later.core_dies(KILLED);
    later.pass(Duration::ZERO);
    later.core_dies(Status::Code(MISUSE));
    assert!(!later.done().contains(&Effect::Exit(MISUSE)));
}

#[test]
fn the_keeper_ends_after_the_core_that_was_done() {
    let mut world = World::new();
    world.child(1, None);
    world.ask(Ask::Done(3));
    assert_eq!(world.done(), [Effect::CloseCore]);
    world.pass(FAREWELL);
    assert_eq!(world.done(), [Effect::Kill { pid: world.core(), signal: libc::SIGKILL }]);
    world.core_dies(KILLED);
    assert_eq!(world.done(), [Effect::CloseCore, Effect::Exit(3)]);
    world.pass(secs(60));
    assert!(world.done().is_empty(), "no further core is started");
}

#[test]
fn a_stop_is_told_and_then_urged() {
    let mut world = World::new();
    world.child(1, None);
    for _ in 0..3 {
        world.event(Event::StopSignal);
    }
    assert_eq!(world.told(), [News::Stop, News::StopNow, News::StopNow]);
    world.core_dies(KILLED);
    assert_eq!(world.done(), [Effect::CloseCore], "a child is left: somebody has to end it");
    world.pass(PAUSE);
    assert_eq!(world.cores, 2);
}

#[test]
fn a_child_in_its_own_group_is_signalled_by_scope() {
    let mut world = World::new();
    world.child(1, None);
    let signal = libc::SIGTERM;
    for (scope, effect) in
        [(Scope::Leader, Effect::Kill { pid: 1, signal }), (Scope::Group, Effect::KillGroup { pid: 1, signal })]
    {
        world.ask(Ask::Signal { slot: 1, signal, scope });
        assert_eq!(world.done(), [effect]);
    }
    world.ask(Ask::Signal { slot: 1, signal, scope: Scope::Tree });
    assert!(world.machine.wants_kin(false) && world.done().is_empty());
    world.event(Event::Kin(vec![kin(50, 1, None), kin(51, 51, Some(1)), kin(52, 52, Some(9))]));
    assert_eq!(world.done(), [Effect::KillTrees { roots: vec![1, 50, 51], signal, only: None }]);
    assert_eq!(world.told(), [News::Stray { pid: 52, session: 52, command: "sh".to_owned() }]);
    assert!(!world.machine.wants_kin(true), "nothing is left to decide");
    for signal in [0, -9, 65] {
        world.ask(Ask::Signal { slot: 1, signal, scope: Scope::Leader });
    }
    assert!(world.done().is_empty());
}

#[test]
fn a_doomed_tree_is_followed_until_nothing_is_left() {
    let mut world = World::new();
    world.child(1, None);
    let signal = libc::SIGKILL;
    world.ask(Ask::Signal { slot: 1, signal, scope: Scope::Tree });
    world.event(Event::Kin(Vec::new()));
    assert_eq!(world.done(), [Effect::KillTrees { roots: vec![1], signal, only: None }]);
    world.reap(1, Status::Code(0), None);
    assert!(world.told().is_empty(), "the exit waits for a look at the orphans");
    world.event(Event::Kin(vec![kin(50, 1, None)]));
    assert_eq!(world.told(), [told_exit(1, 1, false)]);
    assert_eq!(world.done(), [Effect::KillTrees { roots: vec![50], signal, only: None }]);
    world.reap(50, KILLED, None);
    assert!(world.machine.wants_kin(true));
    world.event(Event::Kin(vec![kin(60, 60, Some(1))]));
    assert_eq!(world.done(), [Effect::KillTrees { roots: vec![60], signal, only: None }]);
    world.reap(60, KILLED, None);
    world.event(Event::Kin(Vec::new()));
    assert_eq!(world.told(), [News::TreeEmpty { slot: 1 }]);
    assert!(!world.machine.wants_kin(true));
}

#[test]
fn a_control_group_decides_by_itself() {
    let mut world = World::new();
    world.child(1, Some("a.1"));
    world.child(2, Some("b.2"));
    let (group, signal) = ("a.1".to_owned(), libc::SIGTERM);
    world.reap(2, Status::Code(0), Some(false));
    assert_eq!(world.done(), [Effect::RemoveGroup { group: "b.2".to_owned() }]);
    world.reap(1, Status::Code(0), Some(true));
    assert_eq!(world.done(), [Effect::WatchGroup { slot: 1, group: group.clone() }]);
    assert_eq!(world.told(), [told_exit(1, 2, true), told_exit(2, 1, false)]);
    assert!(!world.machine.wants_kin(true));
    // The leader's pid is nobody's now: it only picks members of the old process group.
    world.ask(Ask::Signal { slot: 1, signal, scope: Scope::Leader });
    world.ask(Ask::Signal { slot: 1, signal, scope: Scope::Group });
    assert_eq!(world.done(), [Effect::KillCgroup { group: group.clone(), signal, only: Some(1) }]);
    world.ask(Ask::Acknowledge(vec![2, 1]));
    assert_eq!(world.machine.held().len(), 1);
    world.event(Event::GroupEmpty { slot: 1 });
    assert_eq!((world.done(), world.told()), (vec![Effect::RemoveGroup { group }], vec![News::TreeEmpty { slot: 1 }]));
    assert!(world.machine.held().is_empty());
}

#[test]
fn a_failed_start_frees_its_slot_and_its_child_is_no_stray() {
    let mut world = World::new();
    world.ask(Ask::Spawn(Box::new(spawn(1))));
    world.done();
    world.event(Event::Started { slot: 1, pid: 70, start_ticks: 7, group: Some("x.1".to_owned()), running: false });
    assert_eq!(world.machine.held()[0].state, HeldState::Starting);
    world.event(Event::NotStarted { slot: 1, stage: Stage::Uid, errno: 1 });
    assert_eq!(world.told(), [News::Failed { slot: 1, stage: Stage::Uid, errno: 1 }]);
    assert_eq!(world.done(), [Effect::RemoveGroup { group: "x.1".to_owned() }]);
    assert!(world.machine.held().is_empty() && world.machine.knows(70));
    world.reap(70, Status::Code(127), None);
    assert!(world.told().is_empty() && !world.machine.knows(70));
}

#[test]
fn an_upgrade_checks_first_and_is_refused_in_words() {
    let mut world = World::new();
    let refused = |reason: &str| News::UpgradeRefused { reason: reason.to_owned() };
    world.event(Event::Hangup);
    assert_eq!(world.done(), [Effect::StartCheck(None)]);
    world.event(Event::CheckStarted { pid: 80 });
    world.ask(Ask::Upgrade(None));
    world.reap(80, Status::Code(9), None);
    let reasons =
        [refused("another upgrade is under way"), refused("its self-check ended with code 9; the log says why")];
    assert_eq!(world.told(), reasons);

    world.ask(Ask::Upgrade(Some("/new".into())));
    world.event(Event::CheckStarted { pid: 81 });
    world.done();
    for _ in 0..4 {
        world.pass(PING_EVERY);
        world.ask(Ask::Pong);
    }
    assert!(world.done().contains(&Effect::Kill { pid: 81, signal: libc::SIGKILL }));
    world.reap(81, Status::Code(0), None);
    assert_eq!(world.told(), [refused("its self-check took over 20s")]);

    world.ask(Ask::Upgrade(Some("/new".into())));
    world.event(Event::CheckStarted { pid: 82 });
    world.done();
    world.reap(82, Status::Code(0), None);
    assert_eq!(world.done(), [Effect::Reexec(Some("/new".into()))]);
    world.event(Event::UpgradeFailed { reason: "text file busy".to_owned() });
    assert_eq!(world.told(), [refused("text file busy")]);

    world.event(Event::StopSignal);
    world.told();
    world.ask(Ask::Upgrade(None));
    assert_eq!(world.told(), [refused("the daemon is stopping")]);
}

#[test]
fn leftovers_are_told_then_killed_and_others_are_left_alone() {
    let mut world = World::new();
    let process = |pid, session, start_ticks, run| Process { pid, session, start_ticks, run, group: None };
    let (signal, grace) = (libc::SIGTERM, secs(10));
    world.ask(Ask::EndLeftover(Leftover { slot: 7, pid: 30, start_ticks: 500, signal, grace, cgroup: None }));
    assert!(world.machine.wants_scan());
    let all = [
        process(30, 30, 500, Some(7)),
        process(31, 30, 501, None),    // in the leader's session
        process(32, 32, 502, Some(7)), // has left it
        process(33, 33, 499, Some(7)), // is older: of another boot's or daemon's run 7
        process(34, 34, 503, Some(8)),
    ];
    let exact = |pid, start_ticks, signal| Effect::KillExact { pid, start_ticks, signal };
    let watch = |pid, start_ticks| Effect::WatchProcess { slot: 7, pid, start_ticks };
    world.event(Event::Scanned(all.to_vec()));
    let expected = [exact(30, 500, signal), exact(31, 501, signal), exact(32, 502, signal), watch(30, 500)];
    assert_eq!(world.done(), expected);
    assert!(!world.machine.wants_scan());
    world.event(Event::LeftoverMoved { slot: 7 });
    world.event(Event::Scanned(all[1..].to_vec()));
    assert_eq!(world.done(), [watch(32, 502)], "without its leader a session proves nothing");
    world.ask(Ask::Pong);
    world.pass(secs(5));
    world.ask(Ask::Pong);
    world.pass(secs(5));
    world.done();
    assert!(world.machine.wants_scan());
    world.event(Event::Scanned(all[1..].to_vec()));
    assert_eq!(world.done(), [exact(32, 502, libc::SIGKILL), watch(32, 502)]);
    world.event(Event::LeftoverMoved { slot: 7 });
    world.event(Event::Scanned(all[3..].to_vec()));
    assert_eq!(world.told(), [News::LeftoverGone { slot: 7 }]);
}

#[derive(Debug, Clone)]
enum Happening {
    Spawn,
    Exit(usize),
    Acknowledge(usize),
    CoreDies,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        3 => Just(Happening::Spawn),
        3 => (0..50usize).prop_map(Happening::Exit),
        2 => (0..50usize).prop_map(Happening::Acknowledge),
        1 => Just(Happening::CoreDies),
    ];
    proptest::collection::vec(one, 0..200)
}

proptest! {
    /// The oracle is three lists: who lives, who has ended unheard, and nothing else is held.
    #[test]
    fn every_exit_is_held_until_it_is_acknowledged(happenings in happenings()) {
        let mut world = World::new();
        let (mut live, mut unheard) = (Vec::new(), Vec::new());
        let mut next = 1u64;
        for happening in happenings {
            match happening {
                Happening::Spawn => {
                    world.child(next, None);
                    live.push(next);
                    next += 1;
                }
                Happening::Exit(which) if !live.is_empty() => {
                    let slot = live.remove(which % live.len());
                    world.reap(i32::try_from(slot).unwrap(), Status::Code(0), None);
                    world.event(Event::Kin(Vec::new()));
                    match world.told()[..] {
                        [News::Exited { seq, slot: told, tree_empty: true, .. }] if told == slot => unheard.push((seq, slot)),
                        ref other => panic!("{other:?}"),
                    }
                }
                Happening::Acknowledge(which) if !unheard.is_empty() => {
                    let (seq, _) = unheard.remove(which % unheard.len());
                    world.ask(Ask::Acknowledge(vec![seq, seq, 1_000_000]));
                }
                Happening::CoreDies => {
                    world.core_dies(KILLED);
                    world.pass(PAUSE_MAX);
                    world.hello();
                }
                Happening::Exit(_) | Happening::Acknowledge(_) => {}
            }
            let held = world.machine.held();
            let of = |wanted: bool| {
                held.iter().filter(|held| (held.state == HeldState::Live) == wanted).map(|held| held.slot).collect::<Vec<_>>()
            };
            let mut waiting: Vec<u64> = unheard.iter().map(|(_, slot)| *slot).collect();
            waiting.sort_unstable();
            let mut living = live.clone();
            living.sort_unstable();
            prop_assert_eq!(of(true), living);
            prop_assert_eq!(of(false), waiting);
        }
    }
}

#[test]
fn a_leftover_that_cannot_be_watched_is_looked_for_again() {
    let mut world = World::starting();
    world.hello();
    let (signal, grace) = (libc::SIGTERM, secs(3600));
    world.ask(Ask::EndLeftover(Leftover { slot: 7, pid: 30, start_ticks: 500, signal, grace, cgroup: None }));
    let process = Process { pid: 30, session: 30, start_ticks: 500, run: None, group: None };
    world.event(Event::Scanned(vec![process]));
    world.event(Event::LeftoverUnwatched { slot: 7 });
    assert!(!world.machine.wants_scan(), "that would be a loop without rest");
    world.pass(secs(1));
    assert!(world.machine.wants_scan());
    world.event(Event::Scanned(Vec::new()));
    assert_eq!(world.told(), [News::LeftoverGone { slot: 7 }]);
}
