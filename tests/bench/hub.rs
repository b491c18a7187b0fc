//! Published data: what it costs to look at 100,000 files again and again, how soon a change is noticed, how fast files are
//! compared, and how fast they are handed out.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::stat::{Mode, fstatat};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};

use super::cache::{Sink, drain};
use super::client::{Connection, Dialogue, accepted, converse, request};
use super::figures::{Sample, Spread};
use super::kernel::{between, cpu, now, rss};
use super::nginx::Nginx;
use super::report::Line;
use super::support::{Daemon, SOON, until};

const ITEMS: usize = 10;
const EACH: usize = 10_000;
const FILES: usize = ITEMS * EACH;
const CLIENTS: usize = 16;
/// As configured: in this time every file is looked at once.
const STAT_EVERY: Duration = Duration::from_secs(5);
/// So many of these are measured.
const PASSES: u32 = 4;
const CHANGES: usize = 20;
const LARGE: u64 = 1 << 30;
const ROUNDS: usize = 3;
const SPAN: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(300);

/// A daemon with a pool, and its directory.
struct Hub {
    daemon: Daemon,
    pool: PathBuf,
}

impl Hub {
    fn start(more: &str) -> Hub {
        let daemon = Daemon::configured(&format!("[hub]\nentry_listen = [\"127.0.0.1:0\"]\n{more}"));
        let pool = daemon.data_dir().join("pools/p1");
        let asked = json!({ "name": "p1", "type": "file", "conn": pool });
        daemon.unix().post("/api/datapools", &asked).expect(200);
        Hub { daemon, pool }
    }

    /// Makes an item and its directory.
    fn item(&self, name: &str) -> PathBuf {
        let asked = json!({ "datapool": "p1", "itemdesc": name, "itemaccesstype": "public" });
        self.daemon.unix().post(&format!("/api/repositories/bench/{name}"), &asked).expect(200);
        self.pool.join(name)
    }

    /// Where the entry listener listens.
    fn entry(&self) -> SocketAddr {
        let said = "the entry listener listens on ";
        until("the entry listener listens", SOON, || {
            let text = self.daemon.stderr();
            let at = text.rfind(said)? + said.len();
            text[at..].split_whitespace().next()?.trim_matches('"').parse().ok()
        })
    }

    fn core(&self) -> i32 {
        self.daemon.core_pid().expect("a core")
    }
}

pub fn measure_many() -> Vec<Line> {
    let mut hub = Hub::start("");
    let folders: Vec<PathBuf> = (0..ITEMS).map(|item| hub.item(&format!("i{item}"))).collect();
    for folder in &folders {
        (0..EACH).for_each(|n| fs::write(folder.join(n.to_string()), format!("{n:0100}")).expect("room for it"));
    }
    let began = now();
    let socket = hub.daemon.socket();
    converse(|| UnixStream::connect(&socket).expect("it listens"), CLIENTS, Duration::ZERO, &mut Publish { next: 0 });
    let published = FILES as f64 / (between(began, now()) / 1000.0);
    let mut connection = Connection::open(&socket);
    await_well(&mut connection, "once published");
    let memory = rss(hub.core());

    thread::sleep(STAT_EVERY); // what publishing left to do is done
    let before = cpu(hub.core());
    thread::sleep(STAT_EVERY * PASSES); // looking at files is all that is going on
    let pass = (cpu(hub.core()) - before).as_secs_f64() / f64::from(PASSES);
    let bare: Spread = (0..ROUNDS).map(|_| look_bare(&folders)).collect();
    let passes = Line::new(format!("a pass over {FILES} files, s of processor time"), format!("{pass:.2}"))
        .beside(format!("{} for fstatat of each, bare", bare.digits(2)))
        .ratio(format!("{:.1}", pass / bare.median))
        .aim("< 1 s", pass < 1.0);

    let noticed = noticed(&mut connection, &folders[0]);
    let page = listing(&mut connection);
    drop(connection);
    let began = now();
    hub.daemon.restart();
    let started = between(began, now()) / 1000.0;
    await_well(&mut Connection::open(&hub.daemon.socket()), "after a restart");
    let looked = between(began, now()) / 1000.0;
    let mut lines = vec![
        Line::new(format!("files of 100 B published, {CLIENTS} clients, per second"), format!("{published:.0}")),
        passes,
        Line::new(format!("core RSS with {FILES} published files, MiB"), format!("{memory:.0}")),
    ];
    lines.extend(noticed);
    lines.push(page);
    lines.push(
        Line::new("restart to the first answer, s", format!("{started:.2}"))
            .beside(format!("all looked at after {looked:.2} s")),
    );
    lines
}

/// Publishes one file after the other.
struct Publish {
    next: usize,
}

impl Dialogue for Publish {
    fn next(&mut self, _: usize, answer: Option<&[u8]>) -> Vec<u8> {
        if let Some(answer) = answer {
            accepted(answer);
        }
        let (item, file) = (self.next / EACH % ITEMS, self.next % EACH);
        self.next += 1;
        let body = json!({ "detail": file.to_string() }).to_string();
        request("POST", &format!("/api/repositories/bench/i{item}/t{file}"), &body)
    }

    fn may_leave(&self, _: usize) -> bool {
        self.next >= FILES
    }
}

fn status(connection: &mut Connection, query: &str) -> Value {
    let body = connection.call("GET", &format!("/daemon/tags/status?repname=bench&{query}"), "").ok().body;
    serde_json::from_slice(&body).expect("JSON")
}

fn await_well(connection: &mut Connection, when: &str) {
    for item in 0..ITEMS {
        until(&format!("all is well {when}"), PATIENCE, || {
            (status(connection, &format!("itemname=i{item}&page=1"))["status"] == "NORMAL").then_some(())
        });
    }
}

/// Seconds of processor time to look at every file once.
fn look_bare(folders: &[PathBuf]) -> f64 {
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("the kernel counts");
        (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6
    };
    let before = used();
    for folder in folders {
        let folder = open(folder, OFlag::O_DIRECTORY | OFlag::O_RDONLY, Mode::empty()).expect("a directory");
        for n in 0..EACH {
            fstatat(&folder, n.to_string().as_str(), AtFlags::AT_SYMLINK_NOFOLLOW).expect("a file");
        }
    }
    used() - before
}

/// What is done to a file.
type Change = fn(&Path);

/// How long it takes until a change of a file is known, for each kind of change.
fn noticed(connection: &mut Connection, folder: &Path) -> Vec<Line> {
    let kinds: [(&str, Change); 4] = [
        ("deleted", |file| fs::remove_file(file).expect("it is there")),
        ("truncated", |file| {
            File::options().write(true).open(file).and_then(|file| file.set_len(10)).expect("it is there")
        }),
        ("rewritten, of the same length", |file| fs::write(file, "x".repeat(100)).expect("it is there")),
        ("replaced by another one", |file| {
            let other = file.with_extension("new");
            fs::write(&other, "y".repeat(100)).and_then(|()| fs::rename(other, file)).expect("it is there");
        }),
    ];
    let limit = (STAT_EVERY + Duration::from_secs(1)).as_secs_f64() * 1000.0;
    let measure = |(kind, change): (&str, Change)| {
        let one = |n: usize| {
            let (file, tag) = (folder.join(n.to_string()), format!("itemname=i0&tagname=t{n}"));
            let mut is = |state| until(state, SOON, || (status(connection, &tag)["status"] == state).then_some(()));
            let began = now();
            change(&file);
            is("ABNORMAL");
            let took = between(began, now());
            fs::write(&file, format!("{n:0100}")).expect("room for it");
            is("NORMAL");
            took
        };
        let sample: Sample = (0..CHANGES).map(one).collect();
        let (p50, most) = (sample.percentile(50.0), sample.percentile(100.0));
        Line::new(format!("a file {kind}, known after ms"), format!("p50 {p50:.0} at most {most:.0}"))
            .aim("≤ stat_every + 1 s", most <= limit)
    };
    kinds.into_iter().map(measure).collect()
}

/// A page of the files that are not well, among many that are.
fn listing(connection: &mut Connection) -> Line {
    let one = |_| {
        let began = now();
        status(connection, "itemname=i1&page=1&size=10");
        between(began, now())
    };
    let sample: Sample = (0..500).map(one).collect();
    Line::new("how an item of 10,000 tags stands, p99 ms", format!("{:.2}", sample.percentile(99.0)))
}

pub fn measure_large() -> Vec<Line> {
    let hub = Hub::start("");
    let nginx = Nginx::start(hub.daemon.dir());
    let folder = hub.item("large");
    nginx.put("large", LARGE);
    let file = folder.join("large");
    fs::copy(hub.daemon.dir().join("nginx/files/large"), &file).expect("room for it");
    let began = now();
    hub.daemon.unix().post("/api/repositories/bench/large/t", &json!({ "detail": "large" })).expect(202);
    let mut connection = Connection::open(&hub.daemon.socket());
    let well = |connection: &mut Connection| {
        until("it was read", PATIENCE, || (status(connection, "itemname=large")["status"] == "NORMAL").then_some(()));
    };
    well(&mut connection);
    let published = between(began, now()) / 1000.0;
    let (mut verified, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = now();
        connection.call("POST", "/api/daemon/verify?repname=bench&itemname=large", "").ok();
        verified.push(LARGE as f64 / between(began, now()) / 1e6);
        bare.push(LARGE as f64 / sums(&file) / 1e6);
    }
    let (verified, bare): (Spread, Spread) = (verified.into_iter().collect(), bare.into_iter().collect());
    let (entry, peer) = (hub.entry(), nginx.address());
    let get = |path: &str, host: SocketAddr| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    let (ask, ask_peer) = (get("/pull/bench/large/t", entry), get("/large", peer));
    Sink::open(entry).fetch(&ask);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(drain(entry, &ask, 2, SPAN) / 1e9);
        theirs.push(drain(peer, &ask_peer, 2, SPAN) / 1e9);
    }
    let (ours, theirs): (Spread, Spread) = (ours.into_iter().collect(), theirs.into_iter().collect());
    vec![
        Line::new("1 GiB published, s until it is well", format!("{published:.2}")),
        Line::new("verify, GB/s", verified.digits(2))
            .beside(format!("{} of md5sum and sha256sum, one after the other", bare.digits(2)))
            .ratio(format!("{:.2}", verified.median / bare.median)),
        Line::new("1 GiB handed out, 2 clients, GB/s", ours.digits(2))
            .beside(format!("{} of nginx with sendfile", theirs.digits(2)))
            .ratio(format!("{:.2}", ours.median / theirs.median)),
    ]
}

/// How long the usual programs take for the same digests, in ms.
fn sums(file: &Path) -> f64 {
    let began = now();
    for program in ["md5sum", "sha256sum"] {
        let status = Command::new(program).arg(file).stdout(Stdio::null()).status().expect("coreutils");
        assert!(status.success(), "{program} ended with {status}");
    }
    between(began, now())
}
