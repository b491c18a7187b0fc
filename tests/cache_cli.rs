//! # `hostler cache` and `hostler token` against a real daemon and a real origin
//!
//! What a user sees of downloads: the files themselves above all, exit codes, what is said. How the client puts its
//! questions is tested inside the room, against a scripted daemon.

#[path = "dragonfly/origin.rs"]
#[allow(dead_code, reason = "shared with the conformance cases, which use all of it")]
mod origin;
mod support;

use nix::sys::signal::Signal;
use origin::{File, HELLO, Origin};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::cli::{ended, hostler, json_of, told};
use support::server::{Framing, Gate};
use support::{Daemon, SOON, digest_of, process, until};

/// The length of a piece where nobody asks for another.
const FULL_PIECE: u64 = 4 << 20;

/// A daemon that fetches from this host and tries again at once, an origin, and a directory for what is fetched.
struct Stage {
    daemon: Daemon,
    origin: Origin,
    here: PathBuf,
}

impl Stage {
    #[track_caller]
    fn set() -> Stage {
        Stage::with("cache.retries = 1\ncache.retry_after = \"10ms\"\n")
    }

    #[track_caller]
    fn with(config: &str) -> Stage {
        let daemon = Daemon::configured(&format!("cache.allow_loopback = true\n{config}"));
        let here = daemon.path("here");
        fs::create_dir(&here).expect("a directory");
        Stage { daemon, origin: Origin::start(), here }
    }

    fn path(&self, name: &str) -> String {
        self.here.join(name).to_string_lossy().into_owned()
    }

    /// `cache get` into a file here; what it says on standard error.
    #[track_caller]
    fn get(&self, url: &str, name: &str, more: &[&str], code: i32) -> String {
        let output = ended(&self.daemon, &[&["cache", "get", url, "-o", &self.path(name)], more].concat(), code);
        String::from_utf8(output.stderr).expect("text")
    }

    /// What is in the directory, hidden files included.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.here).expect("a directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[track_caller]
    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.here.join(name)).expect("the file")
    }

    #[track_caller]
    fn stat(&self, url: &str, code: i32) -> Value {
        json_of(&self.daemon, &["cache", "stat", url], code)
    }

    /// The cache's own file.
    #[track_caller]
    fn cached(&self, url: &str) -> PathBuf {
        PathBuf::from(self.stat(url, 0)["path"].as_str().expect("an operator is told"))
    }
}

/// Changes a bit of a file.
#[track_caller]
fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).expect("the file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], at).expect("a disk");
}

#[test]
fn a_file_is_fetched_once_and_is_where_it_should_be() {
    let stage = Stage::set();
    let url = stage.origin.hello();
    stage.get(&url, "a", &[], 0);
    assert_eq!(stage.bytes("a"), HELLO);
    assert!(stage.get(&url, "a", &[], 100).contains("--force"), "it is there already");
    fs::write(stage.here.join("a"), "mine").expect("a file");
    stage.get(&url, "a", &["--force"], 0);
    stage.get(&url, "", &[], 0);
    assert_eq!((stage.bytes("a"), stage.bytes("hello.txt")), (HELLO.to_vec(), HELLO.to_vec()));
    fs::write(stage.here.join("target"), "mine").expect("a file");
    std::os::unix::fs::symlink("target", stage.here.join("link")).expect("a link");
    stage.get(&url, "link", &["--force"], 0);
    assert_eq!(stage.bytes("target"), HELLO, "what a link points to is replaced");
    assert!(fs::symlink_metadata(stage.here.join("link")).expect("the link").is_symlink());
    assert_eq!(told(&stage.daemon, &["cache", "get", &url, "-o", "-"], 0).as_bytes(), HELLO);
    stage.get(&url, "hard", &["--hard-link"], 0);
    let inode = |path: &Path| fs::metadata(path).expect("a file").ino();
    assert_eq!(inode(&stage.here.join("hard")), inode(&stage.cached(&url)));
    stage.origin.put("/empty", File::new(""));
    stage.get(&stage.origin.url("/empty"), "empty", &[], 0);
    assert_eq!(stage.bytes("empty"), b"");
    assert_eq!(stage.names(), ["a", "empty", "hard", "hello.txt", "link", "target"]);
    assert_eq!(stage.origin.seen("/hello.txt").len(), 1);
    assert!(told(&stage.daemon, &["why", &format!("cache/{url}")], 0).contains("is complete"));
}

#[test]
fn devices_take_bytes_and_stay_devices() {
    let stage = Stage::set();
    let url = stage.origin.hello();
    let device = |path: &str, code| ended(&stage.daemon, &["cache", "get", &url, "-o", path, "--force"], code);
    assert_eq!(device("/dev/null", 0).stdout, b"");
    assert!(!fs::metadata("/dev/null").expect("the device").is_file());
    assert_eq!(device("/dev/stdout", 0).stdout, HELLO, "and nothing else is said there");
    let full = device("/dev/full", 100);
    assert!(String::from_utf8_lossy(&full.stderr).contains("No space left"), "{full:?}");
}

#[test]
fn what_cannot_be_fetched_says_why_and_leaves_nothing() {
    let stage = Stage::set();
    let missing = stage.origin.url("/missing");
    assert!(stage.get(&missing, "a", &[], 1).contains("origin answered 404"));
    let out = ended(&stage.daemon, &["cache", "get", &missing, "-o", "-"], 1);
    assert!(String::from_utf8_lossy(&out.stderr).contains("origin answered 404") && out.stdout.is_empty(), "{out:?}");
    let broken = stage.origin.put("/broken", File { breaks: vec![100; 9], ranges: false, ..File::of_size(1_000, 1) });
    assert!(stage.get(&broken, "a", &[], 1).contains("broke after 100 of 1000 bytes"));
    let other = format!("sha256:{}", digest_of(b"something else"));
    assert!(stage.get(&stage.origin.hello(), "a", &["--digest", &other], 1).contains("digest"));
    let right = format!("sha256:{}", digest_of(HELLO));
    stage.get(&stage.origin.hello(), "right", &["--digest", &right], 0);
    assert!(stage.get("http://169.254.169.254/x", "a", &[], 1).contains("link-local"));
    assert!(stage.get("ftp://o.example/x", "a", &[], 100).contains("http://"));
    let said = stage.get(&stage.origin.hello(), "a", &["--digest", "md5:00"], 100);
    assert!(said.starts_with("hostler: digest: expected sha256:HEX"), "{said}");
    let asked = stage.origin.seen("/hello.txt").len();
    assert!(stage.get(&stage.origin.hello(), "no/a", &["--revalidate"], 100).contains("No such file or directory"));
    assert_eq!(stage.origin.seen("/hello.txt").len(), asked, "what cannot be written is not fetched");
    assert_eq!(stage.names(), ["right"]);
}

#[test]
fn a_full_cache_says_so() {
    let stage = Stage::with("cache.keep_free = \"1000 TB\"\n");
    let url = stage.origin.put("/big", origin::pieces(2, 7));
    let said = stage.get(&url, "a", &[], 1);
    assert!(said.contains("/big: ") && said.contains("bytes") && !said.contains("was stopped"), "{said}");
    assert!(stage.names().is_empty());
}

#[test]
fn interrupted_it_leaves_nothing_and_the_cache_goes_on() {
    let stage = Stage::set();
    let gate = Gate::at(FULL_PIECE + 10);
    let file = origin::pieces(3, 1);
    let url = stage.origin.put("/slow", file.clone().behind(&gate));
    for _ in 0..2 {
        let place = stage.path("a");
        let mut get = hostler(&stage.daemon, &["cache", "get", &url, "-o", &place]).spawn().expect("the binary");
        until("a part of it is copied", SOON, || {
            let names = stage.names();
            let name = names.first()?;
            assert!(name.starts_with(".a."), "{names:?}");
            (fs::metadata(stage.here.join(name)).ok()?.len() == FULL_PIECE).then_some(())
        });
        process::signal(get.id() as i32, Signal::SIGINT);
        assert_eq!(until("it ends", SOON, || get.try_wait().expect("our child")).code(), Some(1));
        let mut said = String::new();
        get.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
        assert!(said.contains("interrupted"), "{said}");
        assert!(stage.names().is_empty());
    }
    assert_eq!(stage.stat(&url, 1)["state"], "fetching");
    gate.open();
    stage.get(&url, "a", &[], 0);
    assert_eq!(stage.bytes("a"), *file.bytes);
    assert_eq!(stage.origin.server().bytes("/slow"), file.bytes.len() as u64, "nothing was fetched twice");
    assert_eq!(stage.names(), ["a"]);
}

#[test]
fn bytes_come_as_they_arrive_and_whoever_has_enough_may_go() {
    let stage = Stage::set();
    let gate = Gate::at(1_000);
    let file = File { framing: Framing::Chunked, ranges: false, ..origin::pieces(5, 2) };
    let url = stage.origin.put("/chunked", file.clone().behind(&gate));
    let mut get = hostler(&stage.daemon, &["cache", "get", &url, "-o", "-"]).spawn().expect("the binary");
    let mut output = get.stdout.take().expect("a pipe");
    let mut first = [0; 1_000];
    output.read_exact(&mut first).expect("what has come");
    assert_eq!(first[..], file.bytes[..1_000], "while the origin holds back the rest");
    gate.open();
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).expect("the rest");
    assert_eq!(rest, file.bytes[1_000..]);
    assert_eq!(get.wait().expect("our child").code(), Some(0));
    let mut get = hostler(&stage.daemon, &["cache", "get", &url, "-o", "-"]).spawn().expect("the binary");
    drop(get.stdout.take());
    assert_eq!(until("it ends", SOON, || get.try_wait().expect("our child")).code(), Some(0));
    let mut said = String::new();
    get.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    assert_eq!(said, "", "who closes a pipe knows");
    let full = fs::File::options().write(true).open("/dev/full").expect("the device");
    let status = hostler(&stage.daemon, &["cache", "get", &url, "-o", "-"]).stdout(full).stderr(Stdio::null()).status();
    assert_eq!(status.expect("the binary").code(), Some(111));
    stage.get(&url, "a", &[], 0);
    assert_eq!(stage.bytes("a"), *file.bytes);
}

#[test]
fn a_flipped_bit_is_not_handed_out() {
    let stage = Stage::set();
    let file = origin::pieces(2, 3);
    let url = stage.origin.put("/f", file.clone());
    stage.get(&url, "a", &[], 0);
    for (name, more) in [("copy", &[][..]), ("hard", &["--hard-link"])] {
        flip(&stage.cached(&url), FULL_PIECE + 7);
        if name == "hard" {
            // Nothing is copied then: what was compared since the start of the daemon is not compared again.
            ended(&stage.daemon, &["cache", "verify", &url], 1);
        }
        stage.get(&url, name, more, 0);
        assert_eq!(stage.bytes(name), *file.bytes, "{name}");
    }
    flip(&stage.cached(&url), 0);
    assert!(told(&stage.daemon, &["cache", "verify"], 1).contains("damaged"));
    until("it is fetched again", SOON, || {
        let status = hostler(&stage.daemon, &["cache", "stat", &url]).stdout(Stdio::null()).status();
        status.expect("the binary").success().then_some(())
    });
    assert_eq!(fs::read(stage.cached(&url)).expect("the file"), *file.bytes);
    assert_eq!(told(&stage.daemon, &["cache", "verify", &url], 0), format!("{url} is what it was\n"));
}

#[test]
fn another_user_is_let_in_by_his_token_alone() {
    support::require_root();
    let stage = Stage::set();
    let url = stage.origin.hello();
    let token = stage.path("token");
    let text = told(&stage.daemon, &["token", "create", "--scope", "job", "--expires", "90d"], 0);
    fs::write(&token, &text).expect("a file");
    for (path, mode) in [(Path::new(&token), 0o644), (&stage.here, 0o777)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("our file");
    }
    fs::set_permissions(stage.daemon.socket(), Permissions::from_mode(0o666)).expect("our socket");
    let as_nobody = |more: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", env!("CARGO_BIN_EXE_hostler")]);
        command.arg("--socket").arg(stage.daemon.socket()).args(more);
        command.args(["cache", "get", &url, "-o", &stage.path("theirs")]).output().expect("setpriv, of util-linux")
    };
    let refused = as_nobody(&[]);
    assert_eq!(refused.status.code(), Some(100), "{refused:?}");
    assert!(stage.names() == ["token"] && stage.origin.seen("/hello.txt").is_empty());
    let sent = as_nobody(&["--token-file", &token]);
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    assert!(
        String::from_utf8_lossy(&sent.stdout).contains("download"),
        "they may not read the cache's files: {sent:?}"
    );
    assert_eq!(stage.bytes("theirs"), HELLO);
    let listed = json_of(&stage.daemon, &["token", "list"], 0);
    let listed = listed.as_array().or_else(|| listed["tokens"].as_array()).expect("tokens");
    let one = listed.iter().find(|one| one["scopes"] == serde_json::json!(["job"])).expect("ours");
    told(&stage.daemon, &["token", "revoke", &one["id"].to_string()], 0);
    fs::remove_file(stage.here.join("theirs")).expect("the file");
    assert_eq!(as_nobody(&["--token-file", &token]).status.code(), Some(100));
}

#[test]
fn what_is_kept_is_listed_pinned_counted_and_removed() {
    let stage = Stage::set();
    let (hello, other) = (stage.origin.hello(), stage.origin.put("/other", File::of_size(2_048, 5)));
    let missing = stage.origin.url("/missing");
    let said = told(&stage.daemon, &["cache", "preheat", "--wait", "--tag", "t", &hello, &other, &missing], 1);
    let rows: Vec<Vec<&str>> = said.lines().skip(1).map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!(rows, [["cached", &hello], ["cached", &other], ["failed", &missing]], "{said}");
    let listed = json_of(&stage.daemon, &["cache", "list", "--tag", "t", "--state", "complete"], 0);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    told(&stage.daemon, &["cache", "pin", &other, "--for", "proc:web"], 0);
    assert_eq!(stage.stat(&other, 0)["pins"], serde_json::json!(["proc:web"]));
    let before = told(&stage.daemon, &["cache", "rm", &other, "--dry-run"], 0);
    assert!(before.contains("complete, pinned") && before.contains("2.0 KiB"), "{before}");
    told(&stage.daemon, &["cache", "unpin", &other, "--for", "proc:web"], 0);
    let usage = json_of(&stage.daemon, &["cache", "usage"], 0);
    assert_eq!((&usage["tasks"], &usage["bytes"]), (&2.into(), &(2_048 + HELLO.len()).into()), "{usage}");
    told(&stage.daemon, &["cache", "gc"], 0);
    assert_eq!(told(&stage.daemon, &["cache", "rm", &hello], 0), format!("removed {hello}\n"));
    ended(&stage.daemon, &["cache", "rm", &hello], 100);
    assert_eq!(told(&stage.daemon, &["cache", "rm", "--tag", "t"], 0), format!("removed {other}\n"));
    ended(&stage.daemon, &["cache", "stat", &other], 100);
    ended(&stage.daemon, &["cache", "rm"], 100);
    ended(&stage.daemon, &["cache", "image", "nonsense"], 100);
}

#[test]
fn without_a_daemon_everything_says_try_again() {
    let stage = Stage::set();
    let place = stage.path("a");
    let nowhere = stage.path("socket");
    for line in [&["cache", "get", "http://o.example/x", "-o", &place][..], &["cache", "usage"], &["token", "list"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_hostler")).args(["--socket", &nowhere]).args(line).output();
        let output = output.expect("the binary");
        assert_eq!(output.status.code(), Some(111), "{line:?}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("is it running?"), "{output:?}");
    }
    assert!(stage.names().is_empty());
}
