//! Who takes part: a daemon with its cache, whoever holds a token, and somebody who signs in.

use super::*;
use crate::support::cli;
use crate::support::http::Target;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// What the host of these tests calls itself: documentation's names, so that they can be nobody else's.
pub const HOSTNAME: &str = "box-a";
pub const IP: &str = "192.0.2.10";

/// How it is configured, unless a test says otherwise: the doubles are on loopback, and their troubles are short.
const SETTINGS: &str = r#"
[cache]
allow_loopback = true
hostname = "box-a"
ip = "192.0.2.10"
keep_free = "1 MiB"
retries = 3
retry_after = "20ms"
"#;

const PROXY: &str = "\n[cache.proxy]\nlisten = [\"127.0.0.1:0\"]\n";

/// Whoever signs in.
pub const PERSON: (&str, &str) = ("person", "dragonfly1");

/// A bound for a job to end, as the reference gives it.
const POLL: Duration = Duration::from_secs(10);

/// A daemon with its cache, and a token of both scopes for it.
pub struct Cache {
    pub daemon: Daemon,
    /// `T` of the reference.
    pub token: String,
}

/// The daemon that tests share: it lives as long as one of them holds it.
pub fn shared() -> Arc<Cache> {
    static SHARED: Mutex<Weak<Cache>> = Mutex::new(Weak::new());
    let mut known = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    known.upgrade().unwrap_or_else(|| {
        let cache = Arc::new(Cache::start());
        *known = Arc::downgrade(&cache);
        cache
    })
}

impl Cache {
    /// One of the test's own.
    #[track_caller]
    pub fn start() -> Cache {
        Cache::with("", "")
    }

    /// With more settings in `[cache]` and in `[cache.proxy]`.
    #[track_caller]
    pub fn with(cache: &str, proxy: &str) -> Cache {
        let mut prepared = Cache::prepared(cache, proxy);
        prepared.launch();
        prepared
    }

    /// Everything but started.
    pub fn prepared(cache: &str, proxy: &str) -> Cache {
        Cache::with_config(&format!("{SETTINGS}{cache}\n{PROXY}{proxy}\n"))
    }

    /// With nothing but this configuration; not started.
    pub fn with_config(config: &str) -> Cache {
        Cache { daemon: Daemon::prepared(config), token: String::new() }
    }

    /// Starts it; the first time it gets its token.
    #[track_caller]
    pub fn launch(&mut self) {
        self.daemon.launch();
        if self.token.is_empty() {
            self.token = self.token_for(&["job", "cluster"]);
        }
    }

    /// The text of a token with these scopes, made at the command line.
    #[track_caller]
    pub fn token_for(&self, scopes: &[&str]) -> String {
        let args = ["token", "create", "--name", &fresh("token"), "--scope", &scopes.join(",")];
        text(&cli::json_of(&self.daemon, &args, 0)["token"]).to_owned()
    }

    /// Over TCP, with `T`.
    #[track_caller]
    pub fn client(&self) -> Client {
        self.bearing(&self.token)
    }

    /// Over TCP, with another token.
    #[track_caller]
    pub fn bearing(&self, token: &str) -> Client {
        self.daemon.tcp().with("Authorization", &format!("Bearer {token}"))
    }

    /// Over TCP, without any.
    #[track_caller]
    pub fn stranger(&self) -> Client {
        self.daemon.tcp()
    }

    /// Over the Unix socket, as an operator.
    pub fn operator(&self) -> Client {
        self.daemon.unix()
    }

    /// Makes PERSON's account, with all rights; its number.
    #[track_caller]
    pub fn account(&self) -> i64 {
        let args = ["account", "create", PERSON.0, "--admin", "--password-stdin", "--json"];
        let mut child = cli::hostler(&self.daemon, &args).stdin(Stdio::piped()).spawn().expect("the binary");
        let mut stdin = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, PERSON.1.as_bytes()).expect("the password is read");
        drop(stdin);
        let output = child.wait_with_output().expect("our child");
        assert!(output.status.success(), "{output:?}");
        let made: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        made["id"].as_i64().expect("a number")
    }

    /// PERSON, signed in.
    #[track_caller]
    pub fn signed_in(&self) -> Client {
        let body = json!({"name": PERSON.0, "password": PERSON.1});
        let answer = self.stranger().post("/api/v1/users/signin", &body).expect(200).json();
        self.bearing(text(&answer["token"]))
    }

    // Jobs

    #[track_caller]
    pub fn post(&self, body: &Value) -> Answer {
        self.client().post("/oapi/v1/jobs", body)
    }

    /// A job that was accepted, as it was answered.
    #[track_caller]
    pub fn job(&self, kind: &str, args: Value) -> Value {
        self.post(&json!({"type": kind, "args": args})).expect(200).json()
    }

    /// A job, as it is now.
    #[track_caller]
    pub fn look(&self, job: &Value) -> Value {
        let id = job["id"].as_u64().unwrap_or_else(|| panic!("no id: {job}"));
        let job = self.client().get(&format!("/oapi/v1/jobs/{id}")).expect(200).json();
        let state = text(&job["state"]);
        assert!(["PENDING", "SUCCESS", "FAILURE"].contains(&state), "no state of jobs: {job}");
        job
    }

    /// "poll" of the reference.
    #[track_caller]
    pub fn poll(&self, job: &Value) -> Value {
        self.poll_within(POLL, job)
    }

    /// The same, for jobs with more to do.
    #[track_caller]
    pub fn poll_within(&self, bound: Duration, job: &Value) -> Value {
        until("the job is over", bound, || Some(self.look(job)).filter(|job| job["state"] != "PENDING"))
    }

    /// A job, polled.
    #[track_caller]
    pub fn run(&self, kind: &str, args: Value) -> Value {
        self.poll(&self.job(kind, args))
    }

    /// The peers that have a task, by these arguments.
    #[track_caller]
    pub fn peers(&self, args: Value) -> Vec<Value> {
        let job = self.run("get_task", args);
        let found = list(&succeeded(&job)["peers"]).to_vec();
        for peer in &found {
            assert_eq!((&peer["hostname"], &peer["ip"]), (&json!(HOSTNAME), &json!(IP)), "{job}");
            assert_eq!(peer["host_type"], "super", "{job}");
        }
        assert!(found.len() <= 1, "there is one host: {job}");
        found
    }

    /// Nobody has it.
    #[track_caller]
    pub fn absent(&self, args: Value) {
        assert_eq!(self.peers(args.clone()), Vec::<Value>::new(), "{args}");
    }

    /// This host has all of it.
    #[track_caller]
    pub fn present(&self, args: Value) -> Value {
        let peer = self.peers(args.clone()).pop();
        let peer = peer.unwrap_or_else(|| panic!("nobody has {args}"));
        assert_eq!((&peer["IsFinished"], &peer["is_finished"]), (&json!(true), &json!(true)), "{peer}");
        peer
    }

    /// Fetches a file.
    #[track_caller]
    pub fn preheat(&self, url: &str, more: Value) {
        let job = self.run("preheat", plus(json!({"type": "file", "url": url}), more));
        assert_eq!(warmed(&job), [url], "{job}");
    }

    /// This host will have all of it: who has read a file to its end may be ahead of the disk.
    #[track_caller]
    pub fn arrives(&self, args: Value) -> Value {
        until("it is complete", SOON, || {
            self.peers(args.clone()).pop().filter(|peer| peer["IsFinished"] == true && peer["is_finished"] == true)
        })
    }

    /// Removes a task.
    #[track_caller]
    pub fn delete(&self, args: Value) -> Value {
        let job = self.run("delete_task", args);
        succeeded(&job).clone()
    }

    // Tasks

    /// A task as operators see it.
    #[track_caller]
    pub fn task(&self, id: &str) -> Value {
        self.operator().get(&format!("/oapi/v1/tasks/{id}")).expect(200).json()
    }

    /// The task of a URL with nothing else given, once there is one.
    #[track_caller]
    pub fn soon(&self, url: &str) -> Value {
        let id = id_of(url, "", "", None);
        until("there is a task", SOON, || {
            let answer = self.operator().get(&format!("/oapi/v1/tasks/{id}"));
            (answer.status == 200).then(|| answer.json())
        })
    }

    /// Waits until so many of its pieces are there.
    #[track_caller]
    pub fn has_pieces(&self, url: &str, count: u64) {
        until("its pieces are there", SOON, || {
            (self.soon(url)["finished_pieces"].as_u64() >= Some(count)).then_some(())
        });
    }

    /// The file of a task.
    pub fn file(&self, id: &str) -> PathBuf {
        self.daemon.data_dir().join("cache/content/tasks").join(&id[..3]).join(id)
    }

    /// Its content on disk.
    #[track_caller]
    pub fn bytes(&self, id: &str) -> Vec<u8> {
        let file = self.file(id);
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    // The proxy

    /// Whoever speaks to the proxy, over loopback TCP.
    #[track_caller]
    pub fn proxy(&self) -> Client {
        Client::new(Target::Tcp(self.proxy_address()))
    }

    /// Where it listens now.
    #[track_caller]
    pub fn proxy_address(&self) -> std::net::SocketAddr {
        until("the proxy listens", SOON, || {
            let said = self.daemon.stderr();
            let line = said.lines().rev().find_map(|line| line.split_once("the cache's proxy listens on "));
            let address = line?.1.split_whitespace().next()?.trim_start_matches("http://");
            address.trim_end_matches(|char: char| !char.is_ascii_digit()).parse().ok()
        })
    }

    /// A GET of this URL through the proxy and the cache.
    #[track_caller]
    pub fn through(&self, url: &str) -> Answer {
        self.proxy().send(cached(url))
    }
}

/// A GET of a URL as clients of a proxy send it.
#[track_caller]
pub fn via_proxy(method: &str, url: &str) -> Request {
    let host = url.trim_start_matches("http://").split('/').next().expect("a host");
    Request::new(method, url).header("Host", host)
}

/// The same, to be served from the cache.
#[track_caller]
pub fn cached(url: &str) -> Request {
    via_proxy("GET", url).header("X-Dragonfly-Use-P2P", "true")
}

/// All files below a directory.
pub fn files_below(at: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path),
        }
    }
    found
}
