//! Cases 39–47: what is said of the tags of one item.

use super::*;
use crate::cast::{FILES, RAIN};
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

// Case 39.
#[test]
fn healthy_tags_are_not_listed() {
    let cast = Cast::start();
    assert_eq!(bare(cast.tags("")), normal());
    for (tag, _, content) in FILES {
        let shown = cast.tag(tag);
        assert_eq!((&shown["tag"], &shown["status"]), (&json!(tag), &json!("NORMAL")), "{shown}");
        assert_eq!((&shown["size"], &shown["sha256"]), (&json!(content.len()), &json!(sha256(content))), "{shown}");
        assert!(
            shown["reason"].as_str().unwrap_or_default().is_empty() && shown.get("checked_at").is_some(),
            "{shown}"
        );
    }
}

// Cases 40 to 42, and 51.
#[test]
fn a_file_that_is_deleted_is_missed_until_it_is_back() {
    let cast = Cast::start();
    fs::remove_file(cast.file("b.bin")).expect("the file");
    let missed = abnormal(&["weather/rain:t2"]);
    cast.tags_become(NOTICED, "", missed.clone());
    assert_eq!(bare(cast.tags("&tagname=t2")), missed);
    assert_eq!(bare(cast.tags("&tagname=t1")), normal());
    assert_eq!(bare(cast.tags("&tagname=")), missed);
    cast.reason_becomes(millis(0), "t2", "missing");

    let same = |path: &str, expected: &Value| {
        assert_eq!(ok(cast.alice().get(path)), json!({"code": 0, "msg": "OK", "data": expected}), "{path}");
    };
    same("/api/daemon/tags/status?repname=weather&itemname=rain", &missed);
    same("/api/daemon/weather/rain", &missed);
    same("/api/daemon/weather/rain/t2", &missed);
    same("/api/daemon/weather/rain/t1", &normal());

    // Nobody asks while it is found to be back: the log tells.
    let before = cast.ring(&cast.alice()).len();
    cast.put_back("b.bin");
    until("a line of the log", NOTICED, || (cast.ring(&cast.alice()).len() > before).then_some(()));
    assert_eq!(bare(cast.tags("")), normal());
}

// Case 43.
#[test]
fn a_file_that_has_grown_is_abnormal() {
    let cast = Cast::start();
    append(&cast, "a.bin", b"x");
    cast.tags_become(NOTICED, "", abnormal(&["weather/rain:t1"]));
    cast.reason_becomes(millis(0), "t1", "size_changed");
}

fn append(cast: &Cast, name: &str, bytes: &[u8]) {
    let mut file = File::options().append(true).open(cast.file(name)).expect("the file");
    std::io::Write::write_all(&mut file, bytes).expect("a byte more");
}

// Case 44.
#[test]
fn other_bytes_of_the_same_length_are_found() {
    let cast = Cast::start();
    let file = cast.file("a.bin");
    let before = fs::metadata(&file).expect("the file").modified().expect("a time");
    fs::write(&file, b"9876543210 the first").expect("the file");
    cast.tags_become(Duration::from_secs(2), "", abnormal(&["weather/rain:t1"]));
    cast.reason_becomes(Duration::from_secs(2), "t1", "content_changed");
    cast.put_back("a.bin");
    cast.tags_become(Duration::from_secs(2), "", normal());

    fs::write(&file, b"a different content.").expect("the file");
    let times = FileTimes::new().set_modified(before);
    File::options().write(true).open(&file).and_then(|file| file.set_times(times)).expect("the old time");
    let verified = data(cast.alice().post("/api/daemon/verify?repname=weather&itemname=rain", &json!({})));
    assert_eq!(verified, abnormal(&["weather/rain:t1"]));
    assert_eq!(cast.tag("t1")["reason"], "content_changed");
    let healthy = cast.alice().post("/api/daemon/verify?repname=weather&itemname=rain&tagname=t2", &json!({}));
    assert_eq!(data(healthy), normal());
}

// Case 45.
#[test]
fn what_is_no_file_of_the_item_is_abnormal() {
    let cast = Cast::start();
    let file = cast.file("c.bin");
    fs::remove_file(&file).and_then(|()| fs::create_dir(&file)).expect("a directory");
    cast.reason_becomes(NOTICED, "t3", "not_a_file");
    fs::remove_dir(&file).expect("the directory");
    let outside = cast.daemon.path("outside");
    fs::write(&outside, FILES[2].2).expect("a file outside the pool");
    symlink(&outside, &file).expect("a link");
    cast.reason_becomes(NOTICED, "t3", "escaped");
    assert_eq!(bare(cast.tags("")), abnormal(&["weather/rain:t3"]));
    fs::remove_file(&file).expect("the link");
    cast.put_back("c.bin");
    cast.tags_become(NOTICED, "", normal());
}

// Case 45, for a daemon that is not root.
#[test]
fn a_file_that_may_not_be_read_is_abnormal() {
    support::require_root();
    let mut daemon = Daemon::prepared("");
    // The directory is to be its own; it may not enter ours, where the binary may be.
    let (binary, copy) = (daemon.path("as-nobody"), daemon.path("hostler"));
    fs::copy(env!("CARGO_BIN_EXE_hostler"), &copy).expect("a copy of the binary");
    let script = "#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups \"${0%/*}/hostler\" \"$@\"\n";
    fs::write(&binary, script).expect("a script");
    for file in [&binary, &copy] {
        fs::set_permissions(file, Permissions::from_mode(0o755)).expect("our file");
    }
    fs::create_dir(daemon.path("pools")).expect("a directory");
    for path in [daemon.dir().to_owned(), daemon.path("pools")] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).expect("root may");
    }
    daemon.use_binary(binary);
    let cast = Cast::launched(daemon, &Settings::default());
    cast.make_pool(&cast.alice(), "p1");
    cast.make_item(&cast.alice(), "weather/rain", "p1", "rain", "public");
    cast.put_back("c.bin");
    cast.publish(&cast.alice(), "weather/rain/t3", "c.bin");
    fs::set_permissions(cast.file("c.bin"), Permissions::from_mode(0o000)).expect("our file");
    cast.reason_becomes(NOTICED, "t3", "unreadable");
    assert_eq!(bare(cast.tags("")), abnormal(&["weather/rain:t3"]));
    let secret = fs::metadata(cast.file("c.bin")).expect("the file");
    assert_eq!(secret.permissions().mode() & 0o777, 0);
    fs::set_permissions(cast.file("c.bin"), Permissions::from_mode(0o644)).expect("our file");
    cast.tags_become(NOTICED, "", normal());
}

/// All three files are gone, and that is known.
#[track_caller]
fn all_gone() -> Cast {
    let cast = Cast::start();
    for (_, name, _) in FILES {
        fs::remove_file(cast.file(name)).expect("the file");
    }
    cast.tags_become(NOTICED, "", abnormal(&["weather/rain:t1", "weather/rain:t2", "weather/rain:t3"]));
    cast
}

/// A page of the three.
fn page(tags: &[&str]) -> Value {
    let results: Vec<String> = tags.iter().map(|tag| format!("weather/rain:{tag}")).collect();
    json!({"status": "ABNORMAL", "total": 3, "results": results})
}

// Case 46.
#[test]
fn many_are_listed_in_order_and_by_pages() {
    let cast = all_gone();
    assert_eq!(bare(cast.tags("&page=1&size=2")), page(&["t1", "t2"]));
    assert_eq!(bare(cast.tags("&page=2&size=2")), page(&["t3"]));
    assert_eq!(bare(cast.tags("&page=3&size=2")), page(&[]));
}

// Case 47.
#[test]
fn pages_have_their_least_and_their_most() {
    let cast = all_gone();
    assert_eq!(bare(cast.tags("&page=0&size=2")), page(&["t1", "t2"]));
    assert_eq!(bare(cast.tags("&page=-4&size=2")), page(&["t1", "t2"]));
    assert_eq!(bare(cast.tags("&size=0")), page(&["t1"]));
    assert_eq!(bare(cast.tags("&size=-5")), page(&["t1"]));
    assert_eq!(bare(cast.tags("&size=-1")), page(&["t1", "t2", "t3"]));
    assert_eq!(bare(cast.tags("&page=999999999&size=2")), page(&[]));
    for wrong in ["&page=a", "&size=b", "&page=1.5", "&page=1&size=1e2", "&page=0x1"] {
        refused(cast.tags(wrong), 400, 1007);
    }
    // Healthy is healthy on any page.
    cast.put_back("a.bin");
    cast.tags_become(NOTICED, "&tagname=t1", normal());
    assert_eq!(bare(cast.tags("&tagname=t1&page=7&size=2")), normal());
    assert_eq!(ok(cast.alice().get(RAIN))["data"]["tags"], 3);
}
