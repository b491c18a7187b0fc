//! The keeper with real children.
//!
//! Each test runs a real keeper: this very program, executed again with the test `role_keeper`, alone in its process
//! (beside a thread of the test harness, which only waits). The keeper's core is this program as `role_core`, which hands its socket to the test and waits;
//! so the test speaks through a [`Link`] as the core would, and kills the process to play the core's death.

use hostler::keeper::frames::{Frame, Inbox, Outbox};
use hostler::keeper::*;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio as Io};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;

/// Where a role finds its test; unset: the roles are tests that do nothing.
const CONTROL: &str = "HOSTLER_TEST_CONTROL";
/// No single wait may take longer.
const BOUND: Duration = Duration::from_secs(60);

fn own_argv(role: &str) -> Vec<OsString> {
    let exe = std::env::current_exe().unwrap().into_os_string();
    let options = [role, "--exact", "--nocapture", "--test-threads=1"].map(OsString::from);
    std::iter::once(exe).chain(options).collect()
}

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

/// A keeper in its own process.
struct Keeper {
    process: Child,
    control: UnixListener,
    dir: tempfile::TempDir,
}

/// The test as its core.
struct Core {
    link: Link,
    welcome: Welcome,
    news: UnboundedReceiver<News>,
    daemon: UnboundedReceiver<News>,
    pid: i32,
}

const TEST: Owner = Owner(77);

impl Keeper {
    fn start() -> Keeper {
        Keeper::start_with(|_| {})
    }

    fn start_with(configure: impl FnOnce(&mut Command)) -> Keeper {
        let dir = tempfile::tempdir().unwrap();
        // Children of other users write below it.
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = dir.path().join("control");
        let control = UnixListener::bind(&path).unwrap();
        let argv = own_argv("role_keeper");
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env(CONTROL, &path).stdout(Io::null()).process_group(0);
        configure(&mut command);
        Keeper { process: command.spawn().unwrap(), control, dir }
    }

    /// The socket and pid of the next core that the keeper starts.
    fn core_socket(&self) -> (OwnedFd, i32) {
        wait_readable(&self.control);
        let (stream, _) = self.control.accept().unwrap();
        let mut inbox = Inbox::default();
        loop {
            if let Some(mut frame) = inbox.next().unwrap() {
                let pid = i32::from_le_bytes(frame.payload.try_into().unwrap());
                return (frame.fds.pop().unwrap(), pid);
            }
            wait_readable(&stream);
            inbox.fill(stream.as_fd()).unwrap();
        }
    }

    async fn core(&self) -> Core {
        self.core_with(Hello::default()).await
    }

    async fn core_with(&self, hello: Hello) -> Core {
        let (socket, pid) = self.core_socket();
        let (link, welcome) = within(Link::connect(socket, hello)).await.unwrap();
        let (news, daemon) = (link.subscribe(TEST), link.subscribe(Owner::DAEMON));
        Core { link, welcome, news, daemon, pid }
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().unwrap())
    }

    fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `sh -c script`, which writes into the file of its slot.
    fn shell(&self, slot: u64, script: &str) -> Spawn {
        Spawn {
            slot,
            program: "/bin/sh".into(),
            argv: vec!["sh".into(), "-c".into(), script.into()],
            env: vec![
                ("PATH".into(), "/usr/bin:/bin".into()),
                ("HOSTLER_RUN".into(), slot.to_string().into()),
                ("HOSTLER_TEST_DIR".into(), self.dir.path().into()),
            ],
            cwd: "/".into(),
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            groups: Vec::new(),
            umask: 0o022,
            nice: 0,
            oom_score_adj: None,
            rlimits: Vec::new(),
            cgroup: None,
            stdin: Stdio::Null,
            stdout: Stdio::Append(self.output(slot)),
            stderr: Stdio::SameAsStdout,
            plain_fork: false,
            intent: b"intent".to_vec(),
        }
    }

    fn output(&self, slot: u64) -> PathBuf {
        self.file(format!("out.{slot}"))
    }

    fn said(&self, slot: u64) -> String {
        fs::read_to_string(self.output(slot)).unwrap()
    }

    /// Ends the keeper as the core would, and answers its code.
    async fn finish(mut self, core: Core) -> i32 {
        core.link.done(7);
        tokio::task::spawn_blocking(move || bounded(|| self.process.try_wait().unwrap()).code().unwrap()).await.unwrap()
    }
}

impl Drop for Keeper {
    /// Leaves nothing of this test behind, also when it has failed.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let mark = self.dir.path().as_os_str().as_encoded_bytes();
        for pid in pids() {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            if environ.windows(mark.len()).any(|window| window == mark) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

impl Core {
    async fn next(&mut self) -> News {
        within(self.news.recv()).await.expect("the link is open")
    }

    async fn spawned(&mut self) -> i32 {
        match self.next().await {
            News::Spawned { pid, start_ticks, .. } => {
                assert!(start_ticks > 0);
                pid
            }
            other => panic!("{other:?} instead of spawned"),
        }
    }

    /// Starts it and waits for its end.
    async fn run(&mut self, spawn: Spawn) -> (Status, bool) {
        let slot = spawn.slot;
        self.link.spawn(TEST, spawn);
        self.spawned().await;
        self.exited(slot).await
    }

    async fn exited(&mut self, wanted: u64) -> (Status, bool) {
        match self.next().await {
            News::Exited { slot, status, tree_empty, seq, .. } if slot == wanted => {
                self.link.acknowledge([seq]);
                (status, tree_empty)
            }
            other => panic!("{other:?} instead of the exit of {wanted}"),
        }
    }

    async fn failed(&mut self, spawn: Spawn) -> String {
        self.link.spawn(TEST, spawn);
        match self.next().await {
            News::Failed { stage, errno, .. } => stage.explain(errno),
            other => panic!("{other:?} instead of a failure"),
        }
    }

    fn die(&self) {
        kill(Pid::from_raw(self.pid), Signal::SIGKILL).unwrap();
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.expect("it took too long")
}

/// Asks for something that the kernel gives no event for, until it is there.
fn bounded<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + BOUND;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "it took too long");
        std::thread::yield_now();
    }
}

fn wait_readable(fd: &impl AsFd) {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(BOUND).unwrap();
    assert_eq!(poll(&mut fds, timeout).unwrap(), 1, "it took too long");
}

fn pids() -> Vec<i32> {
    let names = fs::read_dir("/proc").unwrap().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
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
