//! Who takes part: a daemon with three accounts and their tokens, a pool of alice's, and an item with three tags in it.
//! Named as in the reference where it has a name for them.

use super::*;
use crate::support::cli;
use crate::support::http::Target;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

/// How the daemon of a test is configured.
#[derive(Clone)]
pub struct Settings {
    /// Whether there is an entry listener.
    pub entry: bool,
    /// Times as the cases have them, or the daemon's own.
    pub quick: bool,
    /// More lines of `[hub]`.
    pub hub: String,
    /// More tables.
    pub more: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { entry: true, quick: true, hub: String::new(), more: String::new() }
    }
}

impl Settings {
    fn text(&self, daemon: &Daemon) -> String {
        let mut text = format!("[hub]\nallow_loopback = true\npool_roots = [{:?}]\n", pools(daemon));
        if self.entry {
            text.push_str("entry_listen = [\"127.0.0.1:0\"]\n");
        }
        if self.quick {
            text.push_str("beat_every = \"200ms\"\noffline_after = \"1s\"\nstat_every = \"200ms\"\n");
        }
        format!("{text}{}\n{}\n", self.hub, self.more)
    }
}

/// The root of pools of this daemon.
fn pools(daemon: &Daemon) -> PathBuf {
    daemon.path("pools")
}

/// What the three files hold.
pub const FILES: [(&str, &str, &[u8]); 3] =
    [("t1", "a.bin", b"0123456789 the first"), ("t2", "b.bin", b"the second of them"), ("t3", "c.bin", b"a third")];

/// Where the item of the cases is.
pub const RAIN: &str = "/api/repositories/weather/rain";

/// The password of an account.
pub fn password(name: &str) -> String {
    format!("correct-horse-{name}")
}

/// The value of a Basic header.
pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

/// A daemon and who speaks to it.
pub struct Cast {
    pub daemon: Daemon,
    /// `TR`, `TA`, `TB` of the reference.
    pub tokens: [String; 3],
}

impl Cast {
    /// With the setup of the cases: alice has a pool, an item and three healthy tags.
    #[track_caller]
    pub fn start() -> Cast {
        Cast::with(&Settings::default())
    }

    #[track_caller]
    pub fn with(settings: &Settings) -> Cast {
        let cast = Cast::empty(settings);
        cast.lay_out();
        cast
    }

    /// Nothing but the accounts.
    #[track_caller]
    pub fn empty(settings: &Settings) -> Cast {
        Cast::launched(Daemon::prepared(""), settings)
    }

    /// The same in a daemon that is not started yet.
    #[track_caller]
    pub fn launched(mut daemon: Daemon, settings: &Settings) -> Cast {
        fs::create_dir_all(pools(&daemon)).expect("a directory");
        fs::write(daemon.path("hostler.toml"), settings.text(&daemon)).expect("the configuration");
        daemon.launch();
        let mut cast = Cast { daemon, tokens: Default::default() };
        for (name, admin) in [("root", true), ("alice", false), ("bob", false)] {
            cast.account(name, json!({"admin": admin}));
        }
        cast.tokens = ["root", "alice", "bob"].map(|name| cast.token(name));
        cast
    }

    /// Makes an account, as operators do.
    #[track_caller]
    pub fn account(&self, name: &str, more: Value) {
        let body = plus(json!({"name": name, "password": password(name)}), more);
        self.operator().post("/hostler/v1/accounts", &body).expect(201);
    }

    /// A token of this account, as clients get theirs.
    #[track_caller]
    pub fn token(&self, name: &str) -> String {
        let client = self.nobody().with("Authorization", &basic(name, &password(name)));
        let data = data(client.get("/api/"));
        assert_eq!(keys(&data), ["token"], "{name}");
        let token = text(&data["token"]).to_owned();
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(token.len() == 40 && token.bytes().all(digit), "{token}");
        token
    }

    /// A token of hostler's own with this scope.
    #[track_caller]
    pub fn scoped(&self, scope: &str) -> Client {
        let name = scope.replace(':', "-");
        let made = cli::json_of(&self.daemon, &["token", "create", "--name", &name, "--scope", scope], 0);
        self.bearing(text(&made["token"]))
    }

    // Who asks

    pub fn nobody(&self) -> Client {
        self.daemon.tcp()
    }

    pub fn bearing(&self, token: &str) -> Client {
        self.nobody().with("Authorization", &format!("Token {token}"))
    }

    pub fn root(&self) -> Client {
        self.bearing(&self.tokens[0])
    }

    pub fn alice(&self) -> Client {
        self.bearing(&self.tokens[1])
    }

    pub fn bob(&self) -> Client {
        self.bearing(&self.tokens[2])
    }

    /// Over the Unix socket, as an operator.
    pub fn operator(&self) -> Client {
        self.daemon.unix()
    }

    // What there is

    /// A path below the root of pools.
    pub fn pool(&self, path: &str) -> PathBuf {
        pools(&self.daemon).join(path)
    }

    /// A file of the item of the cases.
    pub fn file(&self, name: &str) -> PathBuf {
        self.pool("p1/rain").join(name)
    }

    #[track_caller]
    pub fn make_pool(&self, who: &Client, name: &str) {
        ok(who.post("/api/datapools", &json!({"name": name, "type": "file", "conn": self.pool(name)})));
    }

    #[track_caller]
    pub fn make_item(&self, who: &Client, path: &str, pool: &str, directory: &str, access: &str) {
        let body = json!({"datapool": pool, "itemdesc": directory, "itemaccesstype": access, "comment": "an item"});
        ok(who.post(&format!("/api/repositories/{path}"), &body));
    }

    /// Publishes a file as a tag, which may take a job.
    #[track_caller]
    pub fn publish(&self, who: &Client, path: &str, file: &str) {
        let body = json!({"detail": file, "comment": "a tag"});
        let answer = who.post(&format!("/api/repositories/{path}"), &body);
        let status = answer.status;
        assert!(matches!(status, 200 | 202), "{path}: {}", answer.text());
        enveloped(answer, status);
        if status == 202 {
            settles("a large file is published", Duration::from_secs(120), json!("NORMAL"), || {
                data(who.get(&format!("/api/repositories/{path}")))["status"].take()
            });
        }
    }

    #[track_caller]
    fn lay_out(&self) {
        self.make_pool(&self.alice(), "p1");
        self.make_item(&self.alice(), "weather/rain", "p1", "rain", "public");
        for (tag, name, content) in FILES {
            fs::write(self.file(name), content).expect("a file of the item");
            self.publish(&self.alice(), &format!("weather/rain/{tag}"), name);
        }
    }

    /// Puts a file back as it was published.
    pub fn put_back(&self, name: &str) {
        let (_, _, content) = FILES.into_iter().find(|file| file.1 == name).expect("one of the three");
        fs::write(self.file(name), content).expect("a file of the item");
    }

    // What is answered

    /// `/daemon/tags/status` of the item of the cases, with more behind its query.
    #[track_caller]
    pub fn tags(&self, more: &str) -> Answer {
        self.alice().get(&format!("/daemon/tags/status?repname=weather&itemname=rain{more}"))
    }

    /// That becomes so within this time.
    #[track_caller]
    pub fn tags_become(&self, within: Duration, more: &str, expected: Value) {
        settles("the state of the tags", within, expected, || bare(self.tags(more)));
    }

    /// A tag of the item of the cases.
    #[track_caller]
    pub fn tag(&self, name: &str) -> Value {
        data(self.alice().get(&format!("{RAIN}/{name}")))
    }

    /// State and reason of a tag become these within that time.
    #[track_caller]
    pub fn reason_becomes(&self, within: Duration, tag: &str, reason: &str) {
        let expected = ("ABNORMAL".to_owned(), reason.to_owned());
        settles(&format!("{tag} is {reason}"), within, expected, || {
            let tag = self.tag(tag);
            (text(&tag["status"]).to_owned(), tag["reason"].as_str().unwrap_or_default().to_owned())
        });
    }

    /// `status` of somebody.
    #[track_caller]
    pub fn status(&self, who: &Client) -> String {
        text(&bare(who.get("/daemon/status"))["status"]).to_owned()
    }

    #[track_caller]
    pub fn status_becomes(&self, within: Duration, who: &Client, expected: &str) {
        settles("online or not", within, expected.to_owned(), || self.status(who));
    }

    #[track_caller]
    pub fn daemonid(&self, who: &Client) -> String {
        text(&bare(who.get("/daemon/id"))["daemonid"]).to_owned()
    }

    /// The entrypoints that somebody sees of himself, which may be none.
    #[track_caller]
    pub fn entrypoints(&self, who: &Client) -> Vec<String> {
        texts(&bare(who.get("/daemon/status"))["entrypoint"])
    }

    /// Newest first.
    #[track_caller]
    pub fn log(&self, who: &Client, window: &str) -> Vec<String> {
        let body = bare(who.get(&format!("/daemon/log/{window}")));
        assert_eq!(keys(&body), ["log"], "{body}");
        texts(&body["log"])
    }

    /// All of the ring.
    #[track_caller]
    pub fn ring(&self, who: &Client) -> Vec<String> {
        self.log(who, "0?range=999")
    }

    /// bob does not serve, and nobody takes him to be online any more; his daemonid.
    #[track_caller]
    pub fn silence_bob(&self) -> String {
        let id = self.daemonid(&self.bob());
        self.serving(&self.bob(), "bob", false);
        self.status_becomes(SOON, &self.bob(), "offline");
        id
    }

    #[track_caller]
    pub fn serving(&self, who: &Client, name: &str, on: bool) {
        let body = json!({"serving": on});
        ok(who.send(Request::new("PUT", &format!("/api/users/{name}/serving")).json(&body)));
    }

    /// A beat from loopback, without any credentials.
    #[track_caller]
    pub fn beat(&self, body: &Value) -> Answer {
        self.nobody().send(Request::new("POST", "/heartbeat").json(body))
    }

    // The entry listener

    /// Where it listens now.
    #[track_caller]
    pub fn entry_address(&self) -> SocketAddr {
        until("the entry listener listens", SOON, || {
            let said = self.daemon.stderr();
            let line = said.lines().rev().find_map(|line| line.split_once("the entry listener listens on "));
            let address = line?.1.split_whitespace().next()?.trim_start_matches("http://");
            let address = address.trim_end_matches(|char: char| !char.is_ascii_digit()).parse().ok()?;
            // The line may be the one of a daemon before this.
            TcpStream::connect(address).is_ok().then_some(address)
        })
    }

    /// `http://127.0.0.1:P`
    #[track_caller]
    pub fn entry_url(&self) -> String {
        format!("http://{}", self.entry_address())
    }

    /// Whoever comes to the entry listener.
    #[track_caller]
    pub fn entry(&self) -> Client {
        Client::new(Target::Tcp(self.entry_address()))
    }
}
