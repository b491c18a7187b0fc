//! # `hostler data`, `id`, `ep` and `online` against real daemons
//!
//! What a user sees of published data: what is said, exit codes, the files themselves. How the client puts its questions is
//! tested inside the room, against a scripted daemon; the API itself in `datahub`.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::cli::{ended, hostler, json_of, told};
use support::{Daemon, Request, SOON, digest_of, keys, until};

const RAIN: &[u8] = b"day,mm\n1,4\n";
/// What is longer than that is read by a job, in these tests.
const INLINE: usize = 64 << 10;

/// A daemon that hands out data, with a pool, and a directory of files of ours.
struct Stage {
    daemon: Daemon,
}

impl Stage {
    #[track_caller]
    fn set() -> Stage {
        Stage::with("entry_listen = [\"127.0.0.1:0\"]\n")
    }

    #[track_caller]
    fn with(hub: &str) -> Stage {
        let daemon = Daemon::configured(&format!(
            "[hub]\nallow_loopback = true\nstat_every = \"100ms\"\nbeat_every = \"100ms\"\noffline_after = \"1s\"\n\
             inline_hash_max = \"64 KiB\"\n{hub}[cache]\nallow_loopback = true\nkeep_free = \"1 MiB\"\nretry_after = \"20ms\"\n"
        ));
        fs::create_dir(daemon.path("here")).expect("a directory");
        let stage = Stage { daemon };
        stage.told(&["data", "pool", "create", "weather", &stage.pool("").to_string_lossy()]);
        stage
    }

    /// A path in the pool, which lies where pools lie by default.
    fn pool(&self, path: &str) -> PathBuf {
        self.root("weather").join(path)
    }

    /// Where another pool may lie.
    fn root(&self, pool: &str) -> PathBuf {
        self.daemon.data_dir().join("pools").join(pool)
    }

    /// A file of ours; its path.
    #[track_caller]
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.daemon.path("here").join(name);
        fs::write(&path, content).expect("a file");
        path.to_string_lossy().into_owned()
    }

    /// weather/rain:t1 is published from a file of ours.
    #[track_caller]
    fn rain(&self) {
        let file = self.file("rain.csv", RAIN);
        let told = self.told(&["data", "publish", "weather/rain:t1", &file, "--copy", "--pool", "weather", "--public"]);
        assert_eq!(told, format!("weather/rain:t1 ({} B, sha256:{})\n", RAIN.len(), digest_of(RAIN)));
    }

    #[track_caller]
    fn told(&self, args: &[&str]) -> String {
        told(&self.daemon, args, 0)
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        json_of(&self.daemon, args, 0)
    }

    /// What it says on standard error, having ended with this code.
    #[track_caller]
    fn fails(&self, args: &[&str], code: i32) -> String {
        let output = ended(&self.daemon, args, code);
        String::from_utf8(output.stderr).expect("text")
    }

    #[track_caller]
    fn account(&self, name: &str) {
        let body = json!({ "name": name, "password": "correct-horse" });
        self.daemon.unix().post("/hostler/v1/accounts", &body).expect(201);
    }

    /// `http://127.0.0.1:PORT` of the entry listener.
    #[track_caller]
    fn entry(&self) -> String {
        until("the entry listener listens", SOON, || {
            let entries = self.json(&["ep"]);
            Some(entries["entrypoint"][0].as_str()?.to_owned())
        })
    }

    /// What is said of somebody, with the exit code that belongs to it.
    #[track_caller]
    fn online(&self, name: &str) -> String {
        let output = hostler(&self.daemon, &["online", name]).output().expect("the binary");
        let said = String::from_utf8(output.stdout).expect("text");
        let code = if said.ends_with(" is online\n") { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }

    /// The reason of a tag that is not well.
    #[track_caller]
    fn unwell(&self, tag: &str, reason: &str) {
        until(&format!("{tag} is {reason}"), SOON, || {
            let found = self.json(&["data", "list", "--unwell"]);
            let tags = found.as_array().expect("a list");
            tags.iter().any(|one| one["name"] == tag && one["reason"] == reason).then_some(())
        });
    }

    #[track_caller]
    fn all_well(&self) {
        until("all is well", SOON, || (self.json(&["data", "list", "--unwell"]) == json!([])).then_some(()));
    }
}

/// Bytes that a job reads.
fn large() -> Vec<u8> {
    (0..INLINE as u32).flat_map(u32::to_le_bytes).collect()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hub").join(name)
}

#[test]
fn pools_are_made_listed_and_forgotten() {
    let stage = Stage::set();
    let dir = stage.pool("");
    let pools = stage.json(&["data", "pool", "list"]);
    let dir = dir.to_string_lossy();
    assert_eq!(pools["results"][0]["conn"], json!(dir.trim_end_matches('/')), "{pools}");
    assert!(stage.pool("").is_dir(), "it is made");
    for (args, why) in [
        (["weather", "/srv"], "below"),
        (["other", "/srv"], "below"),
        (["a/b", &dir], "name: "),
        (["weather", &dir], "already"),
    ] {
        let said = stage.fails(&[&["data", "pool", "create"], &args[..]].concat(), 100);
        assert!(said.contains(why), "{args:?}: {said}");
    }
    stage.rain();
    assert!(stage.fails(&["data", "pool", "rm", "weather"], 100).contains("not empty"));
    stage.told(&["data", "rm", "weather/rain"]);
    assert_eq!(stage.told(&["data", "pool", "rm", "weather"]), "removed weather\n");
    assert!(stage.pool("rain/rain.csv").is_file(), "no file is removed");
    stage.fails(&["data", "pool", "rm", "weather"], 100);
}

#[test]
fn a_file_is_published_from_where_it_is_or_from_elsewhere() {
    let stage = Stage::set();
    stage.rain();
    assert_eq!(fs::read(stage.pool("rain/rain.csv")).expect("the copy"), RAIN);
    let beside = stage.pool("rain/more.csv");
    fs::write(&beside, "more").expect("a file");
    stage.told(&["data", "publish", "weather/rain:by-name", "more.csv"]);
    stage.told(&["data", "publish", "weather/rain:by-path", &beside.to_string_lossy(), "--comment", "ours"]);
    let tag = stage.json(&["data", "list", "weather/rain:by-path"]);
    assert_eq!((&tag["detail"], &tag["comment"], &tag["size"]), (&json!("more.csv"), &json!("ours"), &json!(4)));
    let listed = stage.json(&["data", "list", "weather/rain"]);
    let tags: Vec<_> = listed["taglist"].as_array().expect("tags").iter().map(|tag| tag["tag"].clone()).collect();
    assert_eq!(tags, ["by-name", "by-path", "t1"]);
    assert_eq!((&listed["datapool"], &listed["itemaccesstype"]), (&json!("weather"), &json!("public")));
    let new = stage.file("rain.csv", "day,mm\n1,5\n");
    let publish = ["data", "publish", "weather/rain:t1", &new, "--copy"];
    assert!(stage.fails(&publish, 100).contains("--replace"));
    stage.told(&[&publish[..], &["--replace"]].concat());
    assert_eq!(fs::read_to_string(stage.pool("rain/rain.csv")).expect("the copy"), "day,mm\n1,5\n");
    stage.all_well();
}

#[test]
fn what_cannot_be_published_says_why_and_makes_nothing() {
    let stage = Stage::set();
    let file = stage.file("a.csv", "a");
    let missing = stage.daemon.path("here/missing").to_string_lossy().into_owned();
    let publish = ["data", "publish", "weather/rain:t1"];
    for (more, why) in [
        (&[&file[..]][..], "--pool POOL makes it"),
        (&[&file, "--pool", "weather"], "put it there, or say --copy"),
        (&["a.csv", "--pool", "weather"], "put it there, or say --copy"),
        (&[&missing, "--pool", "weather", "--copy"], "No such file or directory"),
        (&["/dev/null", "--pool", "weather", "--copy"], "is no file"),
        (&[&file, "--pool", "nowhere", "--copy"], "no datapool nowhere"),
    ] {
        let said = stage.fails(&[&publish, more].concat(), 100);
        assert!(said.contains(why), "{more:?}: {said}");
        assert_eq!(stage.json(&["data", "list"]), json!([]), "{more:?}");
    }
    stage.rain();
    for (args, why) in [
        (&["weather/rain:t1", "rain.csv"][..], "already"),
        (&["weather/rain:t2", "other.csv"], "no such file"),
        (&["weather/rain:t2", &file], "--copy"),
        (&["weather/rain", "rain.csv"], "expected REPO/ITEM:TAG"),
        (&["weather/rain:t2", "rain.csv", "--dir", "x"], "--pool"),
        (&["weather/rain:t2", "rain.csv", "--requires", "moon=full"], "expected proc=NAME"),
        (&["weather/rain:t*", "rain.csv"], "tag"),
        (&["tags/rain:t", &file, "--pool", "weather", "--copy"], "repname"),
    ] {
        let said = stage.fails(&[&["data", "publish"], args].concat(), 100);
        assert!(said.contains(why), "{args:?}: {said}");
    }
}

#[test]
fn a_large_file_is_read_by_a_job() {
    let stage = Stage::set();
    let file = stage.file("map.tif", large());
    let publish = |tag: &str, more: &[&str]| {
        let tag = format!("weather/map:{tag}");
        stage.told(&[&["data", "publish", &tag, &file, "--copy", "--replace", "--pool", "weather"], more].concat())
    };
    let digest = digest_of(&large());
    assert_eq!(publish("v1", &["--wait"]), format!("weather/map:v1 (256.0 KiB, sha256:{digest})\n"));
    let said = publish("v2", &[]);
    let id = said.trim().strip_prefix("weather/map:v2 is being read: job ").unwrap_or_else(|| panic!("{said}"));
    let over = until("the job is over", SOON, || {
        let jobs = stage.json(&["data", "jobs", id]);
        (jobs[0]["stat"] == "published").then(|| jobs[0].clone())
    });
    assert_eq!(over["tag"], "weather/map:v2", "{over}");
    assert!(stage.told(&["data", "jobs"]).contains(id));
    assert_eq!(stage.told(&["data", "jobs", id, "--rm"]), format!("removed {id}\n"));
    assert!(stage.fails(&["data", "jobs", id], 100).contains("no job"));
    stage.fails(&["data", "jobs", id, "--rm"], 100);
    stage.fails(&["data", "jobs", "--rm"], 100);
    stage.fails(&["data", "jobs", "nonsense"], 100);
}

#[test]
fn what_happens_to_a_file_is_noticed_said_and_over_when_it_is_back() {
    let stage = Stage::set();
    stage.rain();
    let file = stage.pool("rain/rain.csv");
    assert_eq!(stage.told(&["data", "verify", "weather/rain:t1"]), "weather/rain:t1 is well\n");
    fs::write(&file, "longer than it was before").expect("a disk");
    stage.unwell("weather/rain:t1", "size_changed");
    assert!(told(&stage.daemon, &["doctor"], 1).contains("LOOK  data     1 of 1 published are not well"));
    let verdict = json_of(&stage.daemon, &["data", "verify", "weather/rain"], 1);
    assert_eq!(verdict, json!({ "status": "ABNORMAL", "total": 1, "results": ["weather/rain:t1"] }));
    let said = told(&stage.daemon, &["data", "verify", "weather/rain"], 1);
    assert!(said.contains("weather/rain:t1") && said.contains("size_changed"), "{said}");
    let why = stage.told(&["why", "data/weather/rain:t1"]);
    assert!(why.contains("size_changed"), "{why}");
    fs::remove_file(&file).expect("our file");
    stage.unwell("weather/rain:t1", "missing");
    fs::write(&file, RAIN).expect("a disk");
    stage.all_well();
    let mut other = RAIN.to_vec();
    other[8] ^= 1;
    fs::write(&file, other).expect("a disk");
    stage.unwell("weather/rain:t1", "content_changed");
    stage.told(&["data", "publish", "weather/rain:t1", "rain.csv", "--replace"]);
    stage.all_well();
    assert!(stage.told(&["doctor"]).contains("data     1 published, all well"));
    stage.fails(&["data", "verify", "weather/rain:t2"], 100);
    stage.fails(&["data", "verify", "weather"], 100);
}

#[test]
fn what_is_not_published_any_more_is_gone_but_for_its_files() {
    let stage = Stage::set();
    stage.rain();
    for tag in ["2023-01", "2023-02"] {
        stage.told(&["data", "publish", &format!("weather/rain:{tag}"), "rain.csv"]);
    }
    assert!(stage.fails(&["data", "rm", "weather"], 100).contains("not empty"));
    assert_eq!(stage.told(&["data", "rm", "weather/rain:2023-*"]), "removed weather/rain:2023-*\n");
    stage.fails(&["data", "rm", "weather/rain:2023-*"], 100);
    stage.fails(&["data", "rm"], 100);
    stage.fails(&["data", "rm", "weather/"], 100);
    assert_eq!(stage.json(&["data", "list", "weather"])["items"][0]["tags"], 1);
    assert_eq!(stage.told(&["data", "rm", "weather/rain", "weather"]), "removed weather/rain\nremoved weather\n");
    assert_eq!(stage.json(&["data", "list"]), json!([]));
    stage.fails(&["data", "list", "weather"], 100);
    stage.fails(&["data", "list", "--unwell", "weather/rain:t1"], 100);
    assert!(stage.fails(&["why", "data/weather/rain:t1"], 100).contains("expected data/REPO/ITEM:TAG"));
    assert_eq!(fs::read(stage.pool("rain/rain.csv")).expect("the file"), RAIN);
}

#[test]
fn what_must_hold_is_looked_at_and_named() {
    let stage = Stage::set();
    let file = stage.file("rain.csv", RAIN);
    let publish = ["data", "publish", "weather/rain:t1", &file, "--copy", "--pool", "weather"];
    stage.told(&[&publish[..], &["--requires", "proc=web", "--requires", "dag=rain,26h"]].concat());
    let tag = stage.json(&["data", "list", "weather/rain:t1"]);
    assert_eq!(tag["requires"].as_array().map(Vec::len), Some(2), "{tag}");
    stage.unwell("weather/rain:t1", "requires");
    assert!(stage.told(&["data", "list", "--unwell"]).contains("web"));
    let web = json!({ "name": "web", "type": "daemon", "cmd": "exec sleep 600" });
    stage.told(&["data", "publish", "weather/rain:t1", "rain.csv", "--replace", "--requires", "proc=web"]);
    stage.daemon.post("/proc", &web).expect(200);
    stage.all_well();
    stage.daemon.delete("/proc?name=web").expect(200);
    stage.unwell("weather/rain:t1", "requires");
    let said = ended(&stage.daemon, &["--as", "operator", "data", "verify", "weather/rain"], 1);
    assert!(String::from_utf8_lossy(&said.stdout).contains("requires"), "{said:?}");
    stage.account("alice");
    let pool = stage.root("alice").to_string_lossy().into_owned();
    stage.told(&["--as", "alice", "data", "pool", "create", "alice", &pool]);
    let theirs = ["--as", "alice", "data", "publish", "alice/x:1", &file, "--copy", "--replace", "--pool", "alice"];
    let refused = stage.fails(&[&theirs[..], &["--requires", "proc=web"]].concat(), 100);
    assert!(refused.contains("operator"), "{refused}");
    stage.told(&theirs);
    assert!(stage.fails(&["--as", "alice", "data", "rm", "weather/rain:t1"], 100).contains("another user's"));
}

#[test]
fn a_tag_is_pulled_from_another_host() {
    let (source, sink) = (Stage::set(), Stage::with(""));
    source.rain();
    let entry = source.entry();
    let file = source.file("map.tif", large());
    source.told(&["data", "publish", "weather/map:v1", &file, "--copy", "--pool", "weather", "--wait"]);
    let pull = |what: &str, more: &[&str], code: i32| {
        ended(&sink.daemon, &[&["data", "pull", &entry, what, "--pool", "weather"], more].concat(), code)
    };
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text(&pull("weather/rain:t1", &["--wait"], 0));
    let there = sink.pool("rain/t1");
    assert_eq!(said, format!("{} ({} B)\n", there.display(), RAIN.len()));
    assert_eq!(fs::read(&there).expect("what was pulled"), RAIN);
    assert_eq!(sink.json(&["data", "list"]), json!([]), "nobody said that it is to be published");

    pull("weather/rain:t1", &["--wait", "--publish", "public", "--dir", "wet", "--name", "r.csv"], 0);
    assert_eq!(fs::read(sink.pool("wet/r.csv")).expect("what was pulled"), RAIN);
    let tag = sink.json(&["data", "list", "weather/rain:t1"]);
    assert_eq!((&tag["sha256"], &tag["detail"]), (&json!(digest_of(RAIN)), &json!("r.csv")));
    assert!(sink.told(&["data", "verify", "weather/rain"]).contains("is well"));

    let refused = pull("weather/map:v1", &["--wait"], 1);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("private"), "{refused:?}");
    let made = source.json(&["token", "create", "--scope", "hub", "--name", "sink"]);
    let token = sink.file("token", made["token"].as_str().expect("a token"));
    let job: Value =
        serde_json::from_str(&text(&pull("weather/map:v1", &["--json", "--source-token-file", &token], 0)))
            .expect("JSON");
    assert_eq!(keys(&job)[..3], ["id", "path", "size"], "{job}");
    let id = job["id"].as_str().expect("an id");
    let over = until("the pull is over", SOON, || {
        let jobs = sink.json(&["data", "jobs", id]);
        assert_ne!(jobs[0]["stat"], "failed", "{jobs}");
        (jobs[0]["stat"] == "downloaded").then(|| jobs[0].clone())
    });
    assert_eq!((&over["size"], &over["srcsize"]), (&json!(large().len()), &json!(large().len())));
    assert_eq!(fs::read(sink.pool("map/v1")).expect("what was pulled"), large());
    assert!(source.told(&["data", "jobs"]).contains("transfered"), "the source tells, too");

    assert!(String::from_utf8_lossy(&pull("weather/rain:t9", &["--wait"], 1).stderr).contains("404"));
    let elsewhere = |args: &[&str]| sink.fails(&[&["data", "pull"], args].concat(), 100);
    assert!(elsewhere(&[&entry, "weather/rain:t1", "--pool", "nowhere"]).contains("no datapool nowhere"));
    assert!(elsewhere(&["ftp://127.0.0.1:1", "weather/rain:t1", "--pool", "weather"]).contains("from: "));
    assert!(elsewhere(&[&entry, "weather/rain", "--pool", "weather"]).contains("REPO/ITEM:TAG"));
    assert!(elsewhere(&[&entry, "weather/rain:t1"]).contains("--pool"));
    let no_file = ["weather/rain:t1", "--pool", "weather", "--source-token-file", "/nonexistent"];
    assert!(elsewhere(&[&[&entry[..]], &no_file[..]].concat()).contains("cannot read the token file"));
}

#[test]
fn ids_entry_points_and_who_is_online() {
    let stage = Stage::set();
    stage.account("alice");
    let id = stage.told(&["id"]);
    assert_eq!(id.trim().len(), 40, "{id}");
    assert_eq!(stage.json(&["id"]), json!({ "daemonid": id.trim() }));
    let theirs = stage.told(&["id", "alice"]);
    assert_eq!(theirs, stage.told(&["--as", "alice", "id"]));
    assert_ne!(theirs, id);
    assert!(stage.fails(&["id", "nobody"], 100).contains("nobody"));

    let listens = stage.entry();
    assert_eq!(stage.told(&["ep", "alice"]), format!("{listens}\n"));
    let set = stage.told(&["ep", "alice", "set", "HTTPS://Data.example:35800"]);
    assert_eq!(set, format!("https://data.example:35800\n{listens}\n"));
    assert_eq!(stage.told(&["--as", "alice", "ep"]), set);
    assert!(stage.fails(&["ep", "alice", "set", "nonsense"], 100).contains("expected http://HOST:PORT"));
    assert_eq!(stage.told(&["ep", "alice", "rm"]), format!("{listens}\n"));
    stage.fails(&["ep", "nobody"], 100);

    until("alice is online", SOON, || (stage.online("alice") == "alice is online\n").then_some(()));
    assert_eq!(stage.told(&["--as", "alice", "online"]), "alice is online\n");
    assert_eq!(stage.json(&["online", "alice"])["status"], "online");
    let off = Request::new("PUT", "/api/users/alice/serving").json(&json!({ "serving": false }));
    stage.daemon.unix().send(off).expect(200);
    until("alice is offline", SOON, || stage.online("alice").starts_with("alice is offline: ").then_some(()));
    assert!(stage.told(&["why", "hub/alice"]).contains("alice is offline"));
    assert!(stage.fails(&["online", "nobody"], 100).contains("nobody"));
    for nobody in [&["id", ""][..], &["ep", ""], &["online", ""], &["data", "jobs", ""], &["data", "pool", "rm", ""]] {
        assert!(stage.fails(nobody, 100).contains("a value is required"), "{nobody:?}");
    }
    assert!(stage.fails(&["why", "hub/nobody"], 100).contains("no account \"nobody\""));
}

#[test]
fn without_a_daemon_everything_says_try_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let nowhere = dir.path().join("socket");
    for line in [
        "data list",
        "data list a/b --unwell",
        "data publish a/b:c file",
        "data verify a/b",
        "data rm a",
        "data pull http://198.51.100.7:35800 a/b:c --pool p",
        "data jobs",
        "data pool list",
        "id",
        "ep",
        "online",
        "why data/a/b:c",
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
        let output = command.arg("--socket").arg(&nowhere).args(line.split(' ')).output().expect("the binary");
        assert_eq!(output.status.code(), Some(111), "{line}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("is it running?"), "{line}: {output:?}");
    }
}

#[test]
fn the_examples_run_as_they_are() {
    let stage = Stage::set();
    stage.account("alice");
    let (pool, url) = (stage.root("alice"), format!("http://{}", stage.daemon.address()));
    stage.told(&["--as", "alice", "data", "pool", "create", "alice", &pool.to_string_lossy()]);
    let here = stage.daemon.path("here");
    let shell = |script: &str, args: &[&str]| {
        let mut command = Command::new("sh");
        let output = command.arg(example(script)).args(args).current_dir(&here).output().expect("a shell");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let sign_in = ["-su", "alice:correct-horse", &format!("{url}/api/")];
    let answer = Command::new("curl").args(sign_in).output().expect("curl").stdout;
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    let token = stage.file("alice.token", answer["data"]["token"].as_str().expect("a token"));
    fs::create_dir(pool.join("rain")).expect("a directory");
    fs::write(pool.join("rain/a b.csv"), RAIN).expect("a file");
    fs::write(pool.join("rain/map.tif"), large()).expect("a file");
    let publish = |file: &str| shell("publish.sh", &[&url, &token, "alice", "sky/rain", file]);
    let digest = digest_of(RAIN);
    let small = (true, format!("sky/rain:a b.csv NORMAL {} {digest}\n", RAIN.len()));
    assert_eq!((publish("a b.csv"), publish("a b.csv")), (small.clone(), small), "again, too");
    let map = digest_of(&large());
    assert_eq!(publish("map.tif"), (true, format!("sky/rain:map.tif NORMAL {} {map}\n", large().len())));
    let (well, said) = publish("missing.csv");
    assert!(!well && said.contains("no such file"), "{said}");

    let entry = stage.entry();
    fs::write(here.join(format!("map.tif.{map}.part")), &large()[..1000]).expect("what was broken off");
    assert_eq!(shell("pull.sh", &[&entry, "sky/rain", "map.tif", "map.tif"]), (true, String::new()));
    assert_eq!(fs::read(here.join("map.tif")).expect("what was pulled"), large());
    fs::write(here.join(format!("again.tif.{map}.part")), "something else").expect("what was broken off");
    assert!(!shell("pull.sh", &[&entry, "sky/rain", "map.tif", "again.tif"]).0, "it is not what it should be");
    assert!(shell("pull.sh", &[&entry, "sky/rain", "map.tif", "again.tif"]).0, "it begins anew");
    fs::write(here.join(format!("whole.tif.{map}.part")), large()).expect("what was not put in place");
    assert!(shell("pull.sh", &[&entry, "sky/rain", "map.tif", "whole.tif"]).0, "nothing is missing");
    assert!(!shell("pull.sh", &[&entry, "sky/rain", "missing", "missing"]).0);

    stage.told(&["apply", &example("nightly.json").to_string_lossy()]);
    let nightly: Value = serde_json::from_slice(&fs::read(example("nightly.json")).expect("the file")).expect("JSON");
    let argv: Vec<_> = nightly["argv"].as_array().expect("a command").iter().filter_map(Value::as_str).collect();
    let host = stage.root("host");
    stage.told(&["data", "pool", "create", "host", &host.to_string_lossy()]);
    let nights = stage.daemon.path("nights");
    fs::create_dir(&nights).expect("a directory");
    let path = Path::new(env!("CARGO_BIN_EXE_hostler")).parent().expect("its directory").to_string_lossy();
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]).env("HOSTLER_SOCKET", stage.daemon.socket()).env("TMPDIR", &nights);
    command.env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap_or_default()));
    for _ in 0..2 {
        let output = command.output().expect("a shell");
        assert!(output.status.success(), "{output:?}");
    }
    assert_ne!(stage.json(&["data", "list", "host"])["items"][0]["tags"], 0);
    assert_eq!(fs::read_dir(&nights).expect("a directory").count(), 0, "nothing is left");
}
