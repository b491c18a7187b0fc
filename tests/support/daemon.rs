//! The real binary, run as a child of the test on a directory of its own, and ended with everything it started.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::http::{Answer, Client, Request, Target};
use super::{SOON, millis, process, until};

/// A daemon may need its longest stop time-out (10 s by default) to end; more than that is a failure.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// A running daemon. Dropping it stops it and fails the test if it leaves a process behind.
pub struct Daemon {
    dir: TempDir,
    binary: PathBuf,
    keeper: Option<Child>,
    client: Option<Client>,
}

impl Daemon {
    /// With an empty configuration.
    #[track_caller]
    pub fn start() -> Daemon {
        Daemon::configured("")
    }

    /// With this text as its configuration.
    #[track_caller]
    pub fn configured(config: &str) -> Daemon {
        let mut daemon = Daemon::prepared(config);
        daemon.launch();
        daemon
    }

    /// Everything but started: for tests that want to lay something out first.
    pub fn prepared(config: &str) -> Daemon {
        let dir = tempfile::Builder::new().prefix("hostler-").tempdir().expect("a temporary directory");
        // Other users connect to the socket in it; the data directory below is the daemon's own business.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("our directory");
        fs::write(dir.path().join("hostler.toml"), config).expect("the configuration");
        Daemon { dir, binary: PathBuf::from(env!("CARGO_BIN_EXE_hostler")), keeper: None, client: None }
    }

    /// Lays a data directory out that another daemon has left: one of `tests/data`.
    pub fn inherit(&self, sample: &str) {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(sample), &self.data_dir());
    }

    /// Runs this copy of the binary from now on; for tests that exchange it while it runs.
    pub fn use_binary(&mut self, binary: PathBuf) {
        self.binary = binary;
    }

    /// Starts it and waits until it answers that it is ready.
    #[track_caller]
    pub fn launch(&mut self) {
        self.launch_unready();
        self.await_ready();
    }

    /// Starts it without waiting for anything.
    #[track_caller]
    pub fn launch_unready(&mut self) {
        let stderr = File::options().create(true).append(true).open(self.stderr_path()).expect("a file for stderr");
        let mut command = Command::new(&self.binary);
        command.arg("serve");
        command.arg("--config").arg(self.path("hostler.toml"));
        command.arg("--data-dir").arg(self.data_dir());
        // A test that says where to listen means it: the flag would replace that.
        let says = fs::read_to_string(self.path("hostler.toml")).is_ok_and(|config| config.starts_with("listen = "));
        if !says {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.arg("--socket").arg(self.socket());
        for name in
            ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "HOSTLER_SOCKET", "HOSTLER_KEEPER_FD", "WATCHDOG_USEC"]
        {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).process_group(0);
        self.keeper = Some(command.spawn().expect("the daemon's binary"));
        self.client = None;
    }

    /// Waits until a (new) core answers that it is ready, and learns its TCP port.
    #[track_caller]
    pub fn await_ready(&mut self) {
        let socket = self.unix();
        let status = until("the daemon is ready", SOON, || {
            if let Some(Ok(Some(status))) = self.keeper.as_mut().map(Child::try_wait) {
                panic!("the daemon ended instead of becoming ready: {status}");
            }
            let ready = socket.try_send(Request::new("GET", "/readyz")).ok()?;
            (ready.status == 200).then(|| socket.get("/hostler/v1/status"))
        });
        let status = status.expect(200).json();
        let address =
            texts(&status["listeners"]).into_iter().find_map(|text| text.trim_start_matches("http://").parse().ok());
        let address = address.unwrap_or_else(|| panic!("no TCP listener in {status}"));
        self.client = Some(Client::new(Target::Tcp(address)));
    }

    /// The directory of this daemon, which other users may read: `hostler.toml`, the socket, `data/`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file of the test's own beside the daemon's.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    pub fn socket(&self) -> PathBuf {
        self.path("s")
    }

    fn stderr_path(&self) -> PathBuf {
        self.path("stderr")
    }

    /// What it has said on its standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.stderr_path()).unwrap_or_default()
    }

    /// Over loopback TCP, as the user of the test.
    #[track_caller]
    pub fn tcp(&self) -> Client {
        self.client.clone().expect("the daemon was ready once")
    }

    /// Over the Unix socket, as the user of the test.
    pub fn unix(&self) -> Client {
        Client::new(Target::Unix(self.socket()))
    }

    /// `127.0.0.1:PORT`
    #[track_caller]
    pub fn address(&self) -> std::net::SocketAddr {
        let status = self.unix().get("/hostler/v1/status").json();
        texts(&status["listeners"])
            .into_iter()
            .find_map(|text| text.trim_start_matches("http://").parse().ok())
            .expect("a TCP listener")
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.tcp().get(path)
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.tcp().post(path, body)
    }

    #[track_caller]
    pub fn put(&self, path: &str) -> Answer {
        self.tcp().put(path)
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.tcp().delete(path)
    }

    /// The keeper, which is the process we started.
    #[track_caller]
    pub fn keeper_pid(&self) -> i32 {
        self.keeper.as_ref().expect("a running daemon").id() as i32
    }

    /// The core that runs now, if one does.
    pub fn core_pid(&self) -> Option<i32> {
        let keeper = self.keeper.as_ref()?.id() as i32;
        process::children(keeper)
            .into_iter()
            .find(|pid| process::arguments(*pid).get(1).is_some_and(|word| word == "core"))
    }

    /// Kills the core with SIGKILL; its pid.
    #[track_caller]
    pub fn kill_core(&self) -> i32 {
        let core = until("a core to kill", SOON, || self.core_pid());
        process::signal(core, Signal::SIGKILL);
        until("the core is gone", SOON, || (!process::alive(core)).then_some(core))
    }

    /// Kills the keeper with SIGKILL and waits until its core has noticed and ended.
    #[track_caller]
    pub fn kill_keeper(&mut self) {
        let core = self.core_pid();
        process::signal(self.keeper_pid(), Signal::SIGKILL);
        self.wait_end();
        until("the core ends with its keeper", SOON, || core.is_none_or(|pid| !process::alive(pid)).then_some(()));
    }

    /// Asks it to stop as systemd does, and waits until it has.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        process::signal(self.keeper_pid(), Signal::SIGTERM);
        self.wait_end()
    }

    /// Stops it and starts it again on the same data.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    #[track_caller]
    fn wait_end(&mut self) -> ExitStatus {
        let mut keeper = self.keeper.take().expect("a running daemon");
        let ended = until_quietly(ENDS_WITHIN, || keeper.try_wait().ok().flatten());
        ended.unwrap_or_else(|| {
            let pid = keeper.id();
            let _ = keeper.kill();
            let _ = keeper.wait();
            panic!("the daemon (pid {pid}) did not end within {ENDS_WITHIN:?}")
        })
    }

    /// Ends by force whatever still belongs to this daemon; what there was.
    fn sweep(&self) -> Vec<(i32, String)> {
        let mut found = Vec::new();
        for _ in 0..50 {
            let left = process::belonging_to(self.dir.path());
            if left.is_empty() {
                break;
            }
            for pid in left {
                found.push((pid, process::arguments(pid).join(" ")));
                process::signal(pid, Signal::SIGKILL);
            }
            thread::park_timeout(millis(2));
        }
        found
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let mut trouble = None;
        if let Some(mut keeper) = self.keeper.take() {
            process::signal(keeper.id() as i32, Signal::SIGTERM);
            match until_quietly(ENDS_WITHIN, || keeper.try_wait().ok().flatten()) {
                Some(status) if status.code() == Some(0) => {}
                Some(status) => trouble = Some(format!("it ended with {status} (signal {:?})", status.signal())),
                None => {
                    let _ = keeper.kill();
                    let _ = keeper.wait();
                    trouble = Some(format!("it did not end within {ENDS_WITHIN:?}"));
                }
            }
            // A core needs a moment to notice that its keeper is gone.
            let _ = until_quietly(millis(500), || process::belonging_to(self.dir.path()).is_empty().then_some(()));
            let left = self.sweep();
            if !left.is_empty() && trouble.is_none() {
                trouble = Some(format!("it left processes behind: {left:?}"));
            }
        } else {
            self.sweep();
        }
        if thread::panicking() || trouble.is_some() {
            eprintln!("--- the daemon said:\n{}---", self.stderr());
        }
        if let Some(trouble) = trouble {
            if thread::panicking() {
                eprintln!("besides: {trouble}");
            } else {
                panic!("when the daemon was stopped, {trouble}");
            }
        }
    }
}

fn until_quietly<T>(bound: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = std::time::Instant::now() + bound;
    loop {
        match look() {
            None if std::time::Instant::now() < end => thread::park_timeout(millis(2)),
            found => return found,
        }
    }
}

/// All texts anywhere in `value`: a listener may be listed by itself or as a field of an object.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("the sample").flatten() {
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).expect("a file")),
        }
    }
}
