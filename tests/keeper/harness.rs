//! A real keeper in its own process, the test as its core, and what tests ask of the host.

use hostler::keeper::frames::Inbox;
use hostler::keeper::*;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio as Io};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;

/// Where a role finds its test; unset: the roles are tests that do nothing.
pub const CONTROL: &str = "HOSTLER_TEST_CONTROL";
/// No single wait may take longer.
pub const BOUND: Duration = Duration::from_secs(60);

pub fn own_argv(role: &str) -> Vec<OsString> {
    let exe = std::env::current_exe().unwrap().into_os_string();
    let options = [role, "--exact", "--nocapture", "--test-threads=1"].map(OsString::from);
    std::iter::once(exe).chain(options).collect()
}

/// A keeper in its own process.
pub struct Keeper {
    pub process: Child,
    pub control: UnixListener,
    pub dir: tempfile::TempDir,
}

/// The test as its core.
pub struct Core {
    pub link: Link,
    pub welcome: Welcome,
    pub news: UnboundedReceiver<News>,
    pub daemon: UnboundedReceiver<News>,
    pub pid: i32,
}

pub const TEST: Owner = Owner(77);

impl Keeper {
    pub fn start() -> Keeper {
        Keeper::start_with(|_| {})
    }

    pub fn start_with(configure: impl FnOnce(&mut Command)) -> Keeper {
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
    pub fn core_socket(&self) -> (OwnedFd, i32) {
        wait_readable(&self.control);
        let (stream, _) = self.control.accept().unwrap();
        let mut inbox = Inbox::default();
        loop {
            if let Some(mut frame) = inbox.take().unwrap() {
                let pid = i32::from_le_bytes(frame.payload.try_into().unwrap());
                return (frame.fds.pop().unwrap(), pid);
            }
            wait_readable(&stream);
            inbox.fill(stream.as_fd()).unwrap();
        }
    }

    pub async fn core(&self) -> Core {
        self.core_with(Hello::default()).await
    }

    pub async fn core_with(&self, hello: Hello) -> Core {
        let (socket, pid) = self.core_socket();
        let (link, welcome) = within(Link::connect(socket, hello)).await.unwrap();
        let (news, daemon) = (link.subscribe(TEST), link.subscribe(Owner::DAEMON));
        Core { link, welcome, news, daemon, pid }
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().unwrap())
    }

    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `sh -c script`, which writes into the file of its slot.
    pub fn shell(&self, slot: u64, script: &str) -> Spawn {
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

    pub fn output(&self, slot: u64) -> PathBuf {
        self.file(format!("out.{slot}"))
    }

    pub fn said(&self, slot: u64) -> String {
        fs::read_to_string(self.output(slot)).unwrap()
    }

    /// Ends the keeper as the core would, and answers its code.
    pub async fn finish(mut self, core: Core) -> i32 {
        core.link.done(7);
        until(|| self.process.try_wait().unwrap()).await.code().unwrap()
    }
}

impl Drop for Keeper {
    /// Leaves nothing of this test behind, also when it has failed.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let mark = self.dir.path().as_os_str().as_encoded_bytes();
        let ours = |pid: &i32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.windows(mark.len()).any(|window| window == mark) && lives(*pid)
        };
        // A process in the middle of an exec shows no environment: only several looks in a row prove that none is left.
        let mut nobody = 0;
        while nobody < 5 {
            let left: Vec<i32> = pids().into_iter().filter(ours).collect();
            nobody = if left.is_empty() { nobody + 1 } else { 0 };
            for pid in left {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

impl Core {
    pub async fn next(&mut self) -> News {
        within(self.news.recv()).await.expect("the link is open")
    }

    pub async fn spawned(&mut self) -> i32 {
        match self.next().await {
            News::Spawned { pid, start_ticks, .. } => {
                assert!(start_ticks > 0);
                pid
            }
            other => panic!("{other:?} instead of spawned"),
        }
    }

    /// Starts it and waits for its end.
    pub async fn run(&mut self, spawn: Spawn) -> (Status, bool) {
        let slot = spawn.slot;
        self.link.spawn(TEST, spawn);
        self.spawned().await;
        self.exited(slot).await
    }

    pub async fn exited(&mut self, wanted: u64) -> (Status, bool) {
        match self.next().await {
            News::Exited { slot, status, tree_empty, seq, .. } if slot == wanted => {
                self.link.acknowledge([seq]);
                (status, tree_empty)
            }
            other => panic!("{other:?} instead of the exit of {wanted}"),
        }
    }

    pub async fn failed(&mut self, spawn: Spawn) -> String {
        self.link.spawn(TEST, spawn);
        match self.next().await {
            News::Failed { stage, errno, .. } => stage.explain(errno),
            other => panic!("{other:?} instead of a failure"),
        }
    }

    pub fn die(&self) {
        kill(Pid::from_raw(self.pid), Signal::SIGKILL).unwrap();
    }
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.expect("it took too long")
}

/// Asks again and again for something that the kernel gives no event for, until it is there.
pub async fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let mut pulse = tokio::time::interval(Duration::from_millis(2));
    let asking = async {
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            pulse.tick().await;
        }
    };
    within(asking).await
}

pub fn wait_readable(fd: &impl AsFd) {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(BOUND).unwrap();
    assert_eq!(poll(&mut fds, timeout).unwrap(), 1, "it took too long");
}

pub fn pids() -> Vec<i32> {
    let names = fs::read_dir("/proc").unwrap().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

pub fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

/// A control group directory of the test's own, gone with it.
pub struct GroupRoot(pub PathBuf);

impl GroupRoot {
    /// None where control groups of version 2 cannot be made: said aloud, since the test then shows nothing.
    pub fn new(name: &str) -> Option<GroupRoot> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
        let mount = mount.and_then(|line| line.split(' ').nth(4)).unwrap_or("/nowhere");
        let path = Path::new(mount).join(format!("hostler-test-{}-{name}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Some(GroupRoot(path)),
            Err(error) => {
                eprintln!("NOT RUN: {}: {error}", path.display());
                None
            }
        }
    }

    pub fn hello(&self) -> Hello {
        Hello { max_slots: None, cgroup_root: Some(self.0.clone()) }
    }

    pub fn children(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }
}

impl Drop for GroupRoot {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        let end = Instant::now() + Duration::from_secs(5);
        while remove_groups(&self.0).is_err() && Instant::now() < end {
            std::thread::yield_now();
        }
    }
}

fn remove_groups(path: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(path)?.flatten().filter(|entry| entry.path().is_dir()) {
        remove_groups(&entry.path())?;
    }
    fs::remove_dir(path)
}

/// A script whose processes leave every group and session, ignore SIGTERM, and say their pids.
pub const HYDRA: &str = "trap '' TERM
    for head in 1 2 3; do
        (setsid sh -c 'trap \"\" TERM; (setsid sh -c \"echo \\$\\$; while :; do sleep 1000; done\" &) ; while :; do sleep 1000; done' &)
    done
    while :; do sleep 1000; done";

/// The pids that the three heads wrote.
pub async fn heads(keeper: &Keeper, slot: u64) -> Vec<i32> {
    until(|| {
        let text = fs::read_to_string(keeper.output(slot)).unwrap_or_default();
        let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (pids.len() == 3).then_some(pids)
    })
    .await
}

/// The living processes with `HOSTLER_TEST_DIR` of this keeper, but for the keeper and its core.
pub fn family(keeper: &Keeper) -> Vec<i32> {
    let mark = format!("HOSTLER_TEST_DIR={}", keeper.dir.path().display());
    let ours = |pid: &i32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()) && lives(*pid)
    };
    pids().into_iter().filter(ours).collect()
}
