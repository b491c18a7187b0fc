//! The keeper with real children.
//!
//! Each test runs a real keeper: this very program, executed again with the test `role_keeper`, alone in its process
//! (beside a thread of the test harness, which only waits). The keeper's core is this program as `role_core`, which hands its socket to the test and waits;
//! so the test speaks through a [`Link`] as the core would, and kills the process to play the core's death.

#[path = "keeper/harness.rs"]
mod harness;

use harness::*;
use hostler::keeper::frames::{Frame, Outbox};
use hostler::keeper::*;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio as Io};
use std::time::Duration;

#[test]
fn role_keeper() {
    if std::env::var_os(CONTROL).is_none() {
        return;
    }
    let code = run(Settings { core_argv: own_argv("role_core"), check_argv: own_argv("role_check") });
    let code = (0..=u8::MAX).find(|number| ExitCode::from(*number) == code).unwrap();
    std::process::exit(code.into());
}

#[test]
fn role_core() {
    let Some(control) = std::env::var_os(CONTROL) else { return };
    let socket = socket_from_env().unwrap();
    let control = UnixStream::connect(control).unwrap();
    let mut outbox = Outbox::default();
    let payload = std::process::id().to_le_bytes().to_vec();
    outbox.push(Frame { kind: 1, payload, fds: vec![socket.try_clone().unwrap()] }).unwrap();
    outbox.flush(control.as_fd()).unwrap();
    // Only the end concerns this process; what comes before is read by the test.
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    while poll(&mut fds, PollTimeout::NONE).is_err() {}
    std::process::exit(0);
}

#[test]
fn role_check() {
    if std::env::var_os(CONTROL).is_some() {
        let refused = std::env::var_os("HOSTLER_TEST_REFUSE").is_some();
        std::process::exit(if refused || check_carried_state().is_err() { 1 } else { 0 });
    }
}

#[tokio::test]
async fn exit_codes_and_signals_are_told() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    assert!(core.welcome.held_by(TEST).is_empty());
    for fork in [false, true] {
        let slot = if fork { 10 } else { 20 };
        let spawn = |plus, script: &str| Spawn { plain_fork: fork, ..keeper.shell(slot + plus, script) };
        assert_eq!(core.run(spawn(0, "exit 0")).await, (Status::Code(0), true));
        assert_eq!(core.run(spawn(1, "echo said; exit 42")).await, (Status::Code(42), true));
        assert_eq!(keeper.said(slot + 1), "said\n");
        let (status, _) = core.run(spawn(2, "kill -TERM $$")).await;
        assert_eq!(status, Status::Signal { signal: libc::SIGTERM, core_dumped: false });
    }
    assert_eq!(keeper.finish(core).await, 7);
}

#[tokio::test]
async fn what_fails_before_the_program_is_named_with_its_stage() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    let shell = |slot| keeper.shell(slot, "true");
    for fork in [false, true] {
        let shell = |slot| Spawn { plain_fork: fork, ..shell(slot) };
        let none = Spawn { program: "/no/such/program".into(), ..shell(1) };
        assert_eq!(core.failed(none).await, "exec /no/such/program: No such file or directory");
        let nowhere = Spawn { cwd: "/no/such/dir".into(), ..shell(1) };
        assert_eq!(core.failed(nowhere).await, "chdir /no/such/dir: No such file or directory");
        let file = Spawn { program: "/etc/passwd".into(), ..shell(1) };
        assert_eq!(core.failed(file).await, "exec /etc/passwd: Permission denied");
        let limit = Rlimit { resource: "nofile".into(), soft: 20, hard: 10 };
        let upside_down = Spawn { rlimits: vec![limit], ..shell(1) };
        assert_eq!(core.failed(upside_down).await, "rlimit nofile: Invalid argument");
        let score = Spawn { oom_score_adj: Some(5000), ..shell(1) };
        assert_eq!(core.failed(score).await, "oom_score_adj: Invalid argument");
    }
    let unknown = Rlimit { resource: "patience".into(), soft: 0, hard: 0 };
    assert_eq!(core.failed(Spawn { rlimits: vec![unknown], ..shell(1) }).await, "rlimit patience: Invalid argument");
    let output = keeper.file("no/out");
    let failed = core.failed(Spawn { stdout: Stdio::Append(output.clone()), ..shell(1) }).await;
    assert_eq!(failed, format!("open {}: No such file or directory", output.display()));
    std::os::unix::fs::symlink("/etc/passwd", keeper.file("link")).unwrap();
    let link = Spawn { stdout: Stdio::Append(keeper.file("link")), ..shell(1) };
    assert!(core.failed(link).await.ends_with("Too many levels of symbolic links"));
    let missing = core.failed(Spawn { stdin: Stdio::Fd(0), ..shell(1) }).await;
    assert_eq!(missing, "spawn request: descriptor 0: Bad file descriptor");
    let nul = core.failed(Spawn { argv: vec!["a\0b".into()], ..shell(1) }).await;
    assert_eq!(nul, "spawn request: NUL byte in the argument: Invalid argument");
    let long = core.failed(Spawn { intent: vec![0; INTENT_MAX + 1], ..shell(1) }).await;
    assert_eq!(long, "spawn request: intent: Argument list too long");

    core.link.spawn(TEST, keeper.shell(2, "sleep 1000"));
    core.spawned().await;
    assert_eq!(core.failed(shell(2)).await, "slot: File exists");
    assert_eq!(core.run(shell(3)).await.0, Status::Code(0), "a slot whose start failed is free");
}

#[tokio::test]
async fn there_is_an_end_to_slots() {
    let keeper = Keeper::start();
    let mut core = keeper.core_with(Hello { max_slots: Some(1), cgroup_root: None }).await;
    core.link.spawn(TEST, keeper.shell(1, "exec sleep 1000"));
    core.spawned().await;
    assert_eq!(core.failed(keeper.shell(2, "true")).await, "slot: Resource temporarily unavailable");
    core.link.signal(1, libc::SIGKILL, Scope::Leader);
    core.exited(1).await;
    assert_eq!(core.run(keeper.shell(3, "true")).await.0, Status::Code(0));
}

#[tokio::test]
async fn a_child_starts_clean() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    for (slot, fork) in [(1, false), (2, true)] {
        // Last by exec: a shell that waits blocks signals itself.
        let script = "ls /proc/$$/fd; cut -d' ' -f5,6 /proc/$$/stat; echo $$; env; exec grep Sig /proc/self/status";
        core.run(Spawn { plain_fork: fork, ..keeper.shell(slot, script) }).await;
        let said = keeper.said(slot);
        let pid = said.lines().nth(4).unwrap();
        assert!(said.starts_with(&format!("0\n1\n2\n{pid} {pid}\n{pid}\n")), "{said}");
        for line in ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "SigPnd:\t0000000000000000"] {
            assert!(said.contains(line), "{line} is not in {said}");
        }
        assert!(!said.contains(CONTROL) && !said.contains("HOSTLER_KEEPER"), "{said}");
    }
}

#[tokio::test]
async fn descriptors_can_be_sent_along() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    fs::write(keeper.file("in"), "from afar").unwrap();
    let file = fs::File::open(keeper.file("in")).unwrap();
    let spawn = Spawn { stdin: Stdio::Fd(0), ..keeper.shell(1, "cat") };
    core.link.spawn_with(TEST, spawn, vec![file.into()]);
    core.spawned().await;
    core.exited(1).await;
    assert_eq!(keeper.said(1), "from afar");
}

#[tokio::test]
async fn a_child_is_who_and_where_it_was_asked_to_be() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    let root = nix::unistd::getuid().is_root();
    let script =
        "id -u; id -g; id -G; umask; nice; ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj; pwd; touch made";
    let home = keeper.file("home");
    fs::create_dir(&home).unwrap();
    let mut spawn = Spawn {
        umask: 0o027,
        nice: 5,
        oom_score_adj: Some(321),
        rlimits: vec![Rlimit { resource: "nofile".into(), soft: 100, hard: 200 }],
        cwd: home.clone(),
        ..keeper.shell(1, script)
    };
    if root {
        std::os::unix::fs::chown(&home, Some(65534), Some(65534)).unwrap();
        spawn = Spawn { uid: 65534, gid: 65534, groups: vec![65534, 12], ..spawn };
    }
    let (uid, gid, groups) = match root {
        true => (65534, 65534, "65534 12".to_owned()),
        false => (spawn.uid, spawn.gid, keeper_groups()),
    };
    core.run(spawn).await;
    let expected = format!("{uid}\n{gid}\n{groups}\n0027\n5\n100\n200\n321\n{}\n", home.display());
    assert_eq!(keeper.said(1), expected);
    use std::os::unix::fs::MetadataExt;
    let output = fs::metadata(keeper.output(1)).unwrap();
    assert_eq!((output.uid(), output.gid(), output.mode() & 0o7777), (uid, gid, 0o600));
    assert_eq!(fs::metadata(home.join("made")).unwrap().mode() & 0o777, 0o640);
}

fn keeper_groups() -> String {
    let output = Command::new("id").arg("-G").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn no_head_survives(keeper: &Keeper, core: &mut Core, spawn: Spawn) {
    let slot = spawn.slot;
    core.link.spawn(TEST, spawn);
    core.spawned().await;
    let heads = heads(keeper, slot).await;
    core.link.signal(slot, libc::SIGTERM, Scope::Tree);
    core.link.signal(slot, libc::SIGKILL, Scope::Tree);
    let (status, tree_empty) = core.exited(slot).await;
    assert_eq!(status, Status::Signal { signal: libc::SIGKILL, core_dumped: false });
    if !tree_empty {
        assert_eq!(core.next().await, News::TreeEmpty { slot });
    }
    assert!(heads.iter().all(|pid| !lives(*pid)));
    assert_eq!(family(keeper), Vec::<i32>::new());
}

#[tokio::test]
async fn a_hydra_dies_without_control_groups() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    for (slot, fork) in [(1, false), (2, true)] {
        no_head_survives(&keeper, &mut core, Spawn { plain_fork: fork, ..keeper.shell(slot, HYDRA) }).await;
    }
}

#[tokio::test]
async fn what_outlives_its_leader_is_told_and_can_be_ended() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    let script = "setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000 & wait $!; exit 3";
    core.link.spawn(TEST, keeper.shell(1, script));
    let leader = core.spawned().await;
    until(|| (!keeper.said(1).is_empty()).then_some(())).await;
    kill(Pid::from_raw(leader), Signal::SIGKILL).unwrap();
    let (_, tree_empty) = core.exited(1).await;
    assert!(!tree_empty);
    assert_eq!(family(&keeper).len(), 2);

    // Another core is told of it too, although the exit was acknowledged.
    core.failed(keeper.shell(1, "taken")).await;
    core.die();
    let mut core = keeper.core().await;
    let held = core.welcome.held_by(TEST);
    assert!(matches!(
        held[..],
        [Held { slot: 1, state: HeldState::Exited { acknowledged: true, .. }, tree_empty: false, .. }]
    ));

    // Its group is what was in the leader's group, which the one with a session of its own has left.
    core.link.signal(1, libc::SIGTERM, Scope::Group);
    until(|| (family(&keeper).len() == 1).then_some(())).await;
    core.link.signal(1, libc::SIGTERM, Scope::Tree);
    assert_eq!(core.next().await, News::TreeEmpty { slot: 1 });
    assert_eq!(family(&keeper), Vec::<i32>::new());
}

#[tokio::test]
async fn a_stray_is_told_and_left_alone() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    let output = keeper.file("stray");
    let script = format!("(env -i setsid sh -c 'echo $$ > {}; exec sleep 1000' &)", output.display());
    core.link.spawn(TEST, keeper.shell(1, &script));
    core.spawned().await;
    let pid = until(|| fs::read_to_string(&output).ok()?.trim().parse().ok()).await;
    core.exited(1).await;
    // It is looked for when there is something to decide.
    core.run(keeper.shell(2, "true")).await;
    match within(core.daemon.recv()).await {
        Some(News::Stray { pid: stray, .. }) => assert_eq!(stray, pid),
        other => panic!("{other:?}"),
    }
    assert!(lives(pid));
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    until(|| (!Path::new(&format!("/proc/{pid}")).exists()).then_some(())).await;
}

#[tokio::test]
async fn exits_wait_for_their_acknowledgement_over_the_death_of_cores() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    core.link.ready();
    core.link.spawn(TEST, keeper.shell(1, "exit 11"));
    core.link.spawn(TEST, keeper.shell(2, "read line < fifo; exit 22"));
    core.link.spawn(TEST, Spawn { intent: b"long".to_vec(), ..keeper.shell(3, "exec sleep 1000") });
    let mut pids = Vec::new();
    let mut heard = 0;
    while pids.len() < 3 || heard < 2 {
        match core.next().await {
            News::Spawned { pid, slot, .. } => pids.push((slot, pid)),
            News::Exited { .. } => heard += 1,
            other => panic!("{other:?}"),
        }
    }
    for _ in 0..3 {
        core.die();
        core = keeper.core().await;
        let held = core.welcome.held_by(TEST);
        assert_eq!(held.iter().map(|held| held.slot).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(matches!(held[0].state, HeldState::Exited { status: Status::Code(11), acknowledged: false, .. }));
        assert!(matches!(held[1].state, HeldState::Exited { acknowledged: false, .. }));
        assert_eq!((held[2].state, &held[2].intent[..]), (HeldState::Live, &b"long"[..]));
        assert_eq!(Some(&(3, held[2].pid)), pids.iter().find(|(slot, _)| *slot == 3));
        core.link.ready();
    }
    let seqs: Vec<u64> = core.welcome.held_by(TEST).iter().filter_map(seq).collect();
    core.link.acknowledge(seqs);
    core.link.signal(3, libc::SIGTERM, Scope::Group);
    assert_eq!(core.exited(3).await.0, Status::Signal { signal: libc::SIGTERM, core_dumped: false });
    // Asked after the acknowledgements, so answered after them.
    core.run(keeper.shell(4, "true")).await;
    core.run(keeper.shell(5, "true")).await;
    core.die();
    let core = keeper.core().await;
    assert!(core.welcome.held_by(TEST).iter().all(|held| held.slot == 5));
}

fn seq(held: &Held) -> Option<u64> {
    match held.state {
        HeldState::Exited { seq, .. } => Some(seq),
        HeldState::Starting | HeldState::Live => None,
    }
}

#[tokio::test]
async fn a_bad_frame_replaces_the_core() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    core.link.spawn(TEST, keeper.shell(1, "exec sleep 1000"));
    let child = core.spawned().await;
    core.die();
    let (socket, pid) = keeper.core_socket();
    let mut stream = UnixStream::from(socket);
    std::io::Write::write_all(&mut stream, &[255; 100]).unwrap();
    let core = keeper.core().await;
    assert!(core.pid != pid && !lives(pid));
    assert_eq!(core.welcome.held_by(TEST)[0].pid, child);
    assert!(lives(child));
}

#[tokio::test]
async fn a_core_that_does_not_read_is_replaced_and_nothing_is_lost() {
    let keeper = Keeper::start();
    let (socket, pid) = keeper.core_socket();
    // Asks for very many failures and reads none of them.
    let stream = UnixStream::from(socket);
    let mut outbox = Outbox::default();
    let mut ask = |ask: Ask| {
        let (kind, payload) = ask.encode();
        outbox.push(Frame { kind, payload, fds: Vec::new() }).unwrap();
        while !outbox.is_empty() && outbox.flush(stream.as_fd()).is_ok() {
            let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
            poll(&mut fds, PollTimeout::try_from(BOUND).unwrap()).unwrap();
        }
        lives(pid)
    };
    ask(Ask::Hello { oldest: 1, newest: 1, hello: Hello::default() });
    ask(Ask::Spawn(Box::new(keeper.shell(1, "exec sleep 1000"))));
    let path: String = "x".repeat(3000);
    let mut asked = 0;
    while ask(Ask::Spawn(Box::new(Spawn { program: path.clone().into(), ..keeper.shell(2, "") }))) {
        asked += 1;
        assert!(asked < 100_000, "a core that never reads is never replaced");
    }
    let core = keeper.core().await;
    assert_ne!(core.pid, pid);
    assert_eq!(core.welcome.highest_slot(), Some(1));
}

#[tokio::test]
async fn five_hundred_starts_in_flight() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    for slot in 0..500 {
        let fork = slot % 3 == 0;
        core.link.spawn(TEST, Spawn { plain_fork: fork, ..keeper.shell(slot, &format!("exit {}", slot % 200)) });
    }
    let mut over = 0;
    let mut started = std::collections::HashSet::new();
    while over < 500 {
        match core.next().await {
            News::Spawned { slot, .. } => assert!(started.insert(slot)),
            News::Exited { slot, status, seq, tree_empty, .. } => {
                assert!(started.contains(&slot) && tree_empty);
                assert_eq!(
                    u64::try_from(match status {
                        Status::Code(code) => code,
                        other => panic!("{other:?}"),
                    }),
                    Ok(slot % 200)
                );
                core.link.acknowledge([seq]);
                over += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    core.run(keeper.shell(1000, "true")).await;
    core.die();
    assert_eq!(keeper.core().await.welcome.highest_slot(), Some(1000));
}

#[tokio::test]
async fn an_environment_may_be_larger_than_a_socket_takes() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    let mut spawn = keeper.shell(1, "env | wc -c");
    for number in 0..20 {
        // One text may have 128 KiB (MAX_ARG_STRLEN), all together a quarter of the stack limit.
        spawn.env.push((format!("BIG{number}").into(), "v".repeat(64 * 1024).into()));
    }
    assert_eq!(core.run(spawn).await.0, Status::Code(0));
    let size: usize = keeper.said(1).trim().parse().unwrap();
    assert!(size > 1024 * 1024, "{size}");
}

fn grouped(spawn: Spawn) -> Spawn {
    let limits = vec![("no.such.limit".to_owned(), "1".to_owned()), ("cgroup.max.depth".to_owned(), "5".to_owned())];
    Spawn { cgroup: Some(Cgroup { name: "task".to_owned(), limits }), ..spawn }
}

#[tokio::test]
async fn a_hydra_dies_with_its_control_group() {
    let Some(root) = GroupRoot::new("hydra") else { return };
    let keeper = Keeper::start();
    let mut core = keeper.core_with(root.hello()).await;
    assert_eq!(core.welcome.cgroup.root.as_ref(), Some(&root.0));
    for (slot, fork) in [(1, false), (2, true)] {
        let spawn = grouped(Spawn { plain_fork: fork, ..keeper.shell(slot, HYDRA) });
        no_head_survives(&keeper, &mut core, spawn).await;
    }
    core.run(keeper.shell(3, "true")).await; // after the removal of the groups
    assert_eq!(root.children(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_control_group_finds_what_wiped_every_trace() {
    let Some(root) = GroupRoot::new("wiped") else { return };
    let keeper = Keeper::start();
    let mut core = keeper.core_with(root.hello()).await;
    let output = keeper.file("stray");
    let script = format!("(env -i setsid sh -c 'echo $$ > {}; exec sleep 1000' &)", output.display());
    core.link.spawn(TEST, grouped(keeper.shell(1, &script)));
    core.spawned().await;
    let pid: i32 = until(|| fs::read_to_string(&output).ok()?.trim().parse().ok()).await;
    assert_eq!(core.exited(1).await, (Status::Code(0), false));
    assert_eq!(fs::read_to_string(root.0.join("task.1/cgroup.max.depth")).unwrap(), "5\n");
    assert!(lives(pid));
    core.link.signal(1, libc::SIGTERM, Scope::Tree);
    assert_eq!(core.next().await, News::TreeEmpty { slot: 1 });
    assert!(!lives(pid));
    core.run(keeper.shell(2, "true")).await;
    assert_eq!(root.children(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_limit_that_the_kernel_refuses_is_named() {
    let Some(root) = GroupRoot::new("limit") else { return };
    let keeper = Keeper::start();
    let mut core = keeper.core_with(root.hello()).await;
    let limits = vec![("cgroup.max.depth".to_owned(), "deep".to_owned())];
    let spawn = Spawn { cgroup: Some(Cgroup { name: "task".to_owned(), limits }), ..keeper.shell(1, "true") };
    let file = root.0.join("task.1/cgroup.max.depth");
    assert_eq!(core.failed(spawn).await, format!("cgroup {}: Invalid argument", file.display()));
    for name in ["", "..", "a/b"] {
        let cgroup = Some(Cgroup { name: name.to_owned(), limits: Vec::new() });
        assert!(core.failed(Spawn { cgroup, ..keeper.shell(1, "true") }).await.starts_with("cgroup "));
    }
    assert_eq!(root.children(), Vec::<PathBuf>::new());
}

/// Children of an earlier keeper that was killed, and what is known of them.
async fn leave_behind(script: &str, root: Option<&GroupRoot>) -> (Keeper, Vec<Leftover>) {
    let keeper = Keeper::start();
    let hello = root.map(GroupRoot::hello).unwrap_or_default();
    let mut core = keeper.core_with(hello).await;
    let mut left = Vec::new();
    for slot in [910_001, 910_002] {
        let spawn = keeper.shell(slot, script);
        core.link.spawn(TEST, if root.is_some() { grouped(spawn) } else { spawn });
        let News::Spawned { slot, pid, start_ticks } = core.next().await else { panic!("not spawned") };
        let cgroup = root.map(|_| "task".to_owned());
        left.push(Leftover { slot, pid, start_ticks, signal: libc::SIGTERM, grace: Duration::from_millis(50), cgroup });
    }
    for slot in [910_001, 910_002] {
        heads(&keeper, slot).await;
    }
    keeper.signal(Signal::SIGKILL);
    within(core.link.closed()).await;
    (keeper, left)
}

async fn leftovers_end(root: Option<GroupRoot>) {
    let (first, left) = leave_behind(HYDRA, root.as_ref()).await;
    assert!(family(&first).len() > 6);
    let keeper = Keeper::start();
    let hello = root.as_ref().map(GroupRoot::hello).unwrap_or_default();
    let mut core = keeper.core_with(hello).await;
    let mut slots: Vec<u64> = left.iter().map(|left| left.slot).collect();
    for leftover in left {
        core.link.end_leftover(leftover);
    }
    while !slots.is_empty() {
        match core.next().await {
            News::LeftoverGone { slot } => slots.retain(|waiting| *waiting != slot),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(family(&first), Vec::<i32>::new());
}

#[tokio::test]
async fn leftovers_of_a_killed_keeper_are_ended() {
    leftovers_end(None).await;
}

#[tokio::test]
async fn leftovers_in_control_groups_are_ended() {
    let Some(root) = GroupRoot::new("leftover") else { return };
    leftovers_end(Some(root)).await;
}

#[tokio::test]
async fn a_pid_that_was_given_away_is_no_leftover() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    let mut other = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let pid = other.id().try_into().unwrap();
    let (signal, grace) = (libc::SIGKILL, Duration::ZERO);
    core.link.end_leftover(Leftover { slot: 910_009, pid, start_ticks: 1, signal, grace, cgroup: None });
    assert_eq!(core.next().await, News::LeftoverGone { slot: 910_009 });
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn listening_sockets_outlive_cores() {
    let keeper = Keeper::start();
    let core = keeper.core().await;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    core.link.hold_listener("web", socket.as_fd()).unwrap();
    core.link.hold_listener("gone", socket.as_fd()).unwrap();
    core.link.drop_listener("gone");
    let mut core = core;
    core.run(keeper.shell(1, "true")).await;
    drop(socket);
    core.die();
    let mut core = keeper.core().await;
    let (name, fd) = core.welcome.listeners.pop().unwrap();
    assert_eq!((name.as_str(), core.welcome.listeners.len()), ("web", 0));
    let client = std::net::TcpStream::connect(address).unwrap();
    let (_, peer) = std::net::TcpListener::from(fd).accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
}

#[tokio::test]
async fn sockets_of_the_service_manager_are_handed_to_the_core_alone() {
    let dir = tempfile::tempdir().unwrap();
    let socket = UnixListener::bind(dir.path().join("web")).unwrap();
    // systemd puts it at 3 and says the pid, which only a shell knows before the exec.
    let stdin: OwnedFd = socket.try_clone().unwrap().into();
    let keeper = Keeper::start_with(|command| {
        let argv: Vec<OsString> =
            std::iter::once(command.get_program()).chain(command.get_args()).map(Into::into).collect();
        let control = command.get_envs().find(|(name, _)| *name == CONTROL).unwrap().1.unwrap().to_owned();
        *command = Command::new("sh");
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec \"$@\"";
        command.args(["-c", script, "sh"]).args(argv).env(CONTROL, control).stdin(stdin).stdout(Io::null());
    });
    let mut core = keeper.core().await;
    let names: Vec<_> = core.welcome.listeners.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["systemd:web:0"]);
    let environ = fs::read(format!("/proc/{}/environ", core.pid)).unwrap();
    assert!(!String::from_utf8_lossy(&environ).contains("LISTEN_"));
    core.run(keeper.shell(1, "ls /proc/$$/fd")).await;
    assert_eq!(keeper.said(1), "0\n1\n2\n");
}

#[tokio::test]
async fn the_service_manager_hears_what_the_core_says_and_that_it_lives() {
    let dir = tempfile::tempdir().unwrap();
    let manager = std::os::unix::net::UnixDatagram::bind(dir.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(BOUND)).unwrap();
    let hear = || {
        let mut text = [0; 100];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    let keeper = Keeper::start_with(|command| {
        command.env("NOTIFY_SOCKET", dir.path().join("notify")).env("WATCHDOG_USEC", "300000");
    });
    let mut core = keeper.core().await;
    core.link.notify("READY=1\nSTATUS=here");
    core.run(keeper.shell(1, "env")).await;
    assert_eq!(hear(), "READY=1\nSTATUS=here");
    assert!(!keeper.said(1).contains("NOTIFY_SOCKET"));
    // A ping comes every third of the bound; the carrier answers while this test awaits.
    let heard = within(tokio::task::spawn_blocking(move || hear_all(&manager, 3))).await.unwrap();
    assert_eq!(heard, ["WATCHDOG=1"; 3]);
}

fn hear_all(manager: &std::os::unix::net::UnixDatagram, count: usize) -> Vec<String> {
    let mut text = [0; 100];
    let mut hear = || manager.recv(&mut text).map(|length| String::from_utf8_lossy(&text[..length]).into_owned());
    (0..count).map(|_| hear().unwrap()).collect()
}

#[tokio::test]
async fn stop_signals_reach_the_core_and_the_next_one() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    core.link.spawn(TEST, keeper.shell(1, "exec sleep 1000"));
    let child = core.spawned().await;
    keeper.signal(Signal::SIGTERM);
    assert_eq!(within(core.daemon.recv()).await, Some(News::Stop));
    core.die();
    let mut core = keeper.core().await;
    assert_eq!(core.welcome.stopping, Stopping::Yes);
    keeper.signal(Signal::SIGINT);
    assert_eq!(within(core.daemon.recv()).await, Some(News::StopNow));
    assert!(lives(child), "the keeper kills nothing by itself");
    core.link.signal(1, libc::SIGKILL, Scope::Tree);
    core.exited(1).await;
    assert_eq!(keeper.finish(core).await, 7);
}

#[tokio::test]
async fn the_last_words_of_a_core_count() {
    let mut keeper = Keeper::start();
    let mut core = keeper.core().await;
    keeper.signal(Signal::SIGSTOP);
    core.link.spawn(TEST, keeper.shell(1, "exec sleep 1000"));
    // The carrier has written it when it has nothing to do but to wait.
    tokio::task::yield_now().await;
    core.die();
    keeper.signal(Signal::SIGCONT);
    within(core.link.closed()).await;
    core = keeper.core().await;
    assert_eq!(core.welcome.held_by(TEST)[0].state, HeldState::Live);

    keeper.signal(Signal::SIGSTOP);
    core.link.done(9);
    tokio::task::yield_now().await;
    core.die();
    keeper.signal(Signal::SIGCONT);
    assert_eq!(until(|| keeper.process.try_wait().unwrap()).await.code(), Some(9));
}

#[tokio::test]
async fn a_keeper_without_core_and_children_ends_when_asked() {
    let mut keeper = Keeper::start();
    for _ in 0..2 {
        let (_, pid) = keeper.core_socket();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        until(|| (!Path::new(&format!("/proc/{pid}")).exists()).then_some(())).await;
    }
    // Now it pauses, or has just started one more that has not said hello: that one is not waited for the second time.
    keeper.signal(Signal::SIGTERM);
    let code = until(|| {
        if let Some(status) = keeper.process.try_wait().unwrap() {
            return Some(status.code());
        }
        keeper.signal(Signal::SIGTERM);
        None
    })
    .await;
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn an_upgrade_in_place_is_not_noticed_by_children() {
    let root = GroupRoot::new("upgrade");
    let hello = root.as_ref().map(GroupRoot::hello).unwrap_or_default();
    let keeper = Keeper::start();
    let mut core = keeper.core_with(hello.clone()).await;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    core.link.hold_listener("web", socket.as_fd()).unwrap();
    let waits = "read line; exit 33";
    let (ours, theirs) = UnixStream::pair().unwrap();
    let asks = Spawn { stdin: Stdio::Fd(0), ..keeper.shell(1, waits) };
    core.link.spawn_with(TEST, asks, vec![theirs.into()]);
    let pid = core.spawned().await;
    core.link.spawn(TEST, grouped(keeper.shell(2, "setsid sleep 1000 & exit 44")));
    core.spawned().await;
    let News::Exited { seq, slot: 2, tree_empty: false, .. } = core.next().await else { panic!("no exit") };
    for round in 0..3 {
        if round == 1 {
            core.link.upgrade(None);
        } else {
            keeper.signal(Signal::SIGHUP);
        }
        within(core.link.closed()).await;
        // It ends while nobody may be there to see.
        if round == 2 {
            drop(ours.try_clone().unwrap());
            std::io::Write::write_all(&mut &ours, b"now\n").unwrap();
        }
        core = keeper.core_with(hello.clone()).await;
        assert_eq!(within(core.daemon.recv()).await, Some(News::Reloaded));
        let held = core.welcome.held_by(TEST);
        assert_eq!((held[0].pid, held[0].intent.as_slice()), (pid, &b"intent"[..]));
        assert!(matches!(
            held[1],
            Held { slot: 2, tree_empty: false, state: HeldState::Exited { status: Status::Code(44), .. }, .. }
        ));
        assert_eq!(core.welcome.listeners.len(), 1);
        if round < 2 {
            assert_eq!(held[0].state, HeldState::Live);
        }
    }
    match core.welcome.held_by(TEST)[0].state {
        HeldState::Exited { status, .. } => assert_eq!(status, Status::Code(33)),
        HeldState::Live => assert_eq!(core.exited(1).await.0, Status::Code(33)),
        HeldState::Starting => panic!("it was told as spawned"),
    }
    core.link.acknowledge([seq]);
    core.link.signal(2, libc::SIGKILL, Scope::Tree);
    assert_eq!(core.next().await, News::TreeEmpty { slot: 2 });
    assert_eq!(keeper.finish(core).await, 7);
}

#[tokio::test]
async fn a_new_binary_that_fails_its_check_changes_nothing() {
    let keeper = Keeper::start_with(|command| {
        command.env("HOSTLER_TEST_REFUSE", "1");
    });
    let mut core = keeper.core().await;
    core.link.spawn(TEST, keeper.shell(1, "exec sleep 1000"));
    let child = core.spawned().await;
    for (binary, expected) in [
        (None, "its self-check ended with code 1; the log says why"),
        (Some("/no/such/file"), "exec /no/such/file: No such file or directory"),
        (Some("/bin/false"), "its self-check ended with code 1; the log says why"),
    ] {
        core.link.upgrade(binary.map(Into::into));
        let reason = expected.to_owned();
        assert_eq!(within(core.daemon.recv()).await, Some(News::UpgradeRefused { reason }));
    }
    assert!(lives(child));
    assert_eq!(core.run(keeper.shell(2, "true")).await.0, Status::Code(0));
}

#[tokio::test]
async fn an_idle_keeper_is_small() {
    let keeper = Keeper::start();
    let mut core = keeper.core().await;
    for slot in 0..200 {
        core.link.spawn(TEST, keeper.shell(slot, "exec sleep 1000"));
    }
    for _ in 0..200 {
        core.spawned().await;
    }
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", keeper.pid())).unwrap();
    let private = |line: &str| line.strip_prefix("Private_Dirty:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok();
    let kib = rollup.lines().find_map(private).unwrap();
    // The program's text is this test's, in this build; what the keeper writes to is its own.
    assert!(kib < 2048, "{kib} KiB");
}

/// What is done to hostler while children come and go.
#[derive(Clone, Copy)]
enum Disturbance {
    CoreDies,
    Upgrade,
}

/// Starts 200 children through many cores, and finds every exit once, with the right code, and every child started once.
async fn nothing_is_lost(disturbance: Disturbance) {
    let keeper = Keeper::start();
    let mut random = 12345u32;
    let mut done = std::collections::BTreeSet::new();
    let code = |slot: u64| Status::Code(i32::try_from(slot % 100).unwrap());
    while done.len() < 200 {
        let mut core = keeper.core().await;
        core.link.ready();
        let mut known = std::collections::BTreeSet::new();
        for held in core.welcome.held_by(TEST) {
            known.insert(held.slot);
            if let HeldState::Exited { seq, status, .. } = held.state {
                assert_eq!(status, code(held.slot));
                done.insert(held.slot);
                core.link.acknowledge([seq]);
            }
        }
        for slot in (1..=200).filter(|slot| !known.contains(slot) && !done.contains(slot)) {
            let script = format!("echo once; read line < /dev/null; exit {}", slot % 100);
            core.link.spawn(TEST, Spawn { plain_fork: slot % 2 == 0, ..keeper.shell(slot, &script) });
        }
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // At a different point each time: after so many pieces of news.
        for _ in 0..(random >> 16) % 60 + 5 {
            if done.len() == 200 {
                break;
            }
            match core.next().await {
                News::Spawned { .. } | News::TreeEmpty { .. } => {}
                News::Exited { slot, status, seq, .. } => {
                    assert_eq!(status, code(slot));
                    assert!(done.insert(slot), "an exit was told twice to one core");
                    core.link.acknowledge([seq]);
                }
                other => panic!("{other:?}"),
            }
        }
        match disturbance {
            Disturbance::CoreDies => core.die(),
            Disturbance::Upgrade => keeper.signal(Signal::SIGHUP),
        }
        within(core.link.closed()).await;
    }
    for slot in 1..=200 {
        assert_eq!(keeper.said(slot), "once\n", "child {slot}");
    }
}

#[tokio::test]
async fn nothing_is_lost_when_cores_die_under_load() {
    nothing_is_lost(Disturbance::CoreDies).await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_keeper_is_upgraded_under_load() {
    nothing_is_lost(Disturbance::Upgrade).await;
}

/// Delegation as a user's own service manager does it: the directory belongs to the user, and the keeper is in it.
#[tokio::test]
async fn an_unprivileged_keeper_uses_the_control_group_of_its_user() {
    use std::os::unix::fs::{PermissionsExt, chown};
    if !nix::unistd::getuid().is_root() {
        return eprintln!("NOT RUN: becoming another user takes root");
    }
    let Some(root) = GroupRoot::new("delegated") else { return };
    let (nobody, place) = (65534, root.0.join("user"));
    fs::create_dir(&place).unwrap();
    for owned in ["", "cgroup.procs", "cgroup.subtree_control"] {
        chown(place.join(owned), Some(nobody), Some(nobody)).unwrap();
    }
    let keeper = Keeper::start_with(|command| {
        let control = PathBuf::from(command.get_envs().find(|(name, _)| *name == CONTROL).unwrap().1.unwrap());
        let dir = control.parent().unwrap();
        // The program and the socket, where this user reaches them.
        let program = dir.join("keeper");
        fs::copy(command.get_program(), &program).unwrap();
        for path in [dir, &control] {
            fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
        }
        let argv: Vec<OsString> = command.get_args().map(Into::into).collect();
        *command = Command::new("sh");
        let script = "echo $$ > \"$0\"/cgroup.procs; exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";
        command.args(["-c", script]).arg(&place).arg(program).args(argv).env(CONTROL, &control).stdout(Io::null());
    });
    let mut core = keeper.core().await;
    assert_eq!(core.welcome.cgroup.root.as_ref(), Some(&place));
    let inside = fs::read_to_string(place.join(OWN_GROUP).join("cgroup.procs")).unwrap();
    let mut inside: Vec<i32> = inside.lines().map(|pid| pid.parse().unwrap()).collect();
    inside.sort_unstable();
    assert_eq!(inside, [keeper.pid().as_raw(), core.pid]);
    let own = |slot, script| Spawn { uid: nobody, gid: nobody, ..keeper.shell(slot, script) };
    no_head_survives(&keeper, &mut core, grouped(own(1, HYDRA))).await;
    assert_eq!(
        core.failed(Spawn { uid: 0, stdout: Stdio::Null, ..own(2, "true") }).await,
        "setgroups: Operation not permitted"
    );

    // A new core finds it all set up.
    core.die();
    assert_eq!(keeper.core().await.welcome.cgroup.root.as_ref(), Some(&place));
}
