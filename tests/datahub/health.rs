//! What happens to files while nobody asks, found in time and forgiven when it is mended.

use super::*;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::sys::stat::Mode;

/// What every file holds.
const CONTENT: &[u8] = b"sixteen bytes...";

const RAIN_STATUS: &str = "/daemon/tags/status?repname=weather&itemname=rain";

/// A damage, and what it is called.
struct Damage {
    name: &'static str,
    reason: &'static str,
    done: fn(&Path),
}

const DAMAGES: [Damage; 10] = [
    Damage { name: "deleted", reason: "missing", done: delete },
    Damage { name: "renamed", reason: "missing", done: |file| fs::rename(file, beside(file)).expect("a rename") },
    Damage { name: "truncated", reason: "size_changed", done: |file| fs::write(file, b"six").expect("a file") },
    Damage { name: "emptied", reason: "size_changed", done: |file| drop(File::create(file).expect("a file")) },
    Damage {
        name: "rewritten",
        reason: "content_changed",
        done: |file| fs::write(file, b"other content...").expect("a file"),
    },
    Damage { name: "replaced", reason: "content_changed", done: |file| replace(file, b"other content...") },
    Damage {
        name: "directory",
        reason: "not_a_file",
        done: |file| {
            delete(file);
            fs::create_dir(file).expect("a directory");
        },
    },
    Damage {
        name: "fifo",
        reason: "not_a_file",
        done: |file| {
            delete(file);
            nix::unistd::mkfifo(file, Mode::from_bits_truncate(0o644)).expect("a FIFO");
        },
    },
    Damage {
        name: "link-outward",
        reason: "escaped",
        done: |file| {
            let outside = file.ancestors().nth(3).expect("the root of pools").join("outside");
            fs::write(&outside, CONTENT).expect("a file");
            relink(file, &outside);
        },
    },
    Damage {
        name: "link-upward",
        reason: "escaped",
        done: |file| {
            fs::write(file.ancestors().nth(2).expect("the pool").join("above"), CONTENT).expect("a file");
            relink(file, Path::new("../above"));
        },
    },
];

fn delete(file: &Path) {
    fs::remove_file(file).expect("the file");
}

fn beside(file: &Path) -> std::path::PathBuf {
    file.with_extension("aside")
}

fn replace(file: &Path, content: &[u8]) {
    fs::write(beside(file), content).and_then(|()| fs::rename(beside(file), file)).expect("another file in its place");
}

fn relink(file: &Path, to: &Path) {
    delete(file);
    symlink(to, file).expect("a link");
}

/// The file as it was published, whatever is there now.
fn mend(file: &Path) {
    let there = fs::symlink_metadata(file).map(|there| there.file_type());
    match there {
        Ok(kind) if kind.is_dir() => fs::remove_dir(file).expect("the directory"),
        Ok(kind) if !kind.is_file() => delete(file),
        _ => {}
    }
    fs::write(file, CONTENT).expect("the file");
}

/// An item with a tag for every one of these names.
#[track_caller]
fn laid_out(names: &[&str]) -> Cast {
    let cast = Cast::empty(&Settings::default());
    cast.make_pool(&cast.alice(), "p1");
    cast.make_item(&cast.alice(), "weather/rain", "p1", "rain", "public");
    for name in names {
        fs::write(cast.file(name), CONTENT).expect("a file");
        cast.publish(&cast.alice(), &format!("weather/rain/{name}"), name);
    }
    assert_eq!(bare(cast.tags("")), normal());
    cast
}

#[test]
fn every_damage_is_found_in_time_and_forgiven_when_it_is_mended() {
    let names = DAMAGES.map(|damage| damage.name);
    let cast = laid_out(&[&names[..], &["sound"]].concat());
    for Damage { name, reason, done } in DAMAGES {
        done(&cast.file(name));
        cast.reason_becomes(NOTICED, name, reason);
        let one = abnormal(&[&format!("weather/rain:{name}")]);
        assert_eq!(bare(cast.tags("")), one, "{name} and no other");
        assert_eq!(bare(cast.tags(&format!("&tagname={name}"))), one);
        mend(&cast.file(name));
        cast.tags_become(NOTICED, "", normal());
        let shown = cast.tag(name);
        assert!(shown["reason"].as_str().unwrap_or_default().is_empty(), "{shown}");
    }
    let lines = cast.ring(&cast.alice());
    for Damage { name, reason, .. } in DAMAGES {
        let told = |line: &String| line.contains(&format!("weather/rain:{name}")) && line.contains(reason);
        assert!(lines.iter().any(told), "no line tells that {name} was {reason}: {lines:#?}");
    }
}

#[test]
fn many_damages_at_once_are_all_found() {
    let names = DAMAGES.map(|damage| damage.name);
    let cast = laid_out(&names);
    for Damage { name, done, .. } in DAMAGES {
        done(&cast.file(name));
    }
    let mut expected = names.map(|name| format!("weather/rain:{name}"));
    expected.sort();
    settles("all are found", NOTICED, expected.to_vec(), || {
        bare(cast.tags(""))["results"]
            .as_array()
            .map(|all| all.iter().map(|one| text(one).to_owned()).collect())
            .unwrap_or_default()
    });
    for name in names {
        mend(&cast.file(name));
    }
    cast.tags_become(NOTICED, "", normal());
}

#[test]
fn what_is_still_the_same_content_becomes_healthy_again() {
    let cast = laid_out(&["a", "b", "c", "d"]);
    // Another file, with the same bytes; other times; other rights; a link that stays inside.
    replace(&cast.file("a"), CONTENT);
    let old = FileTimes::new().set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000));
    File::options().write(true).open(cast.file("b")).and_then(|file| file.set_times(old)).expect("another time");
    fs::set_permissions(cast.file("c"), Permissions::from_mode(0o600)).expect("other rights");
    fs::rename(cast.file("d"), cast.file("real")).and_then(|()| symlink("real", cast.file("d"))).expect("a link");
    let reads = |_: &()| bare(cast.tags("")) == normal();
    settles("all are healthy", NOTICED, true, || reads(&()));
    holds("they stay so", millis(800), || reads(&()));
    for name in ["a", "b", "c", "d"] {
        assert_eq!(cast.entry().get(&format!("/pull/weather/rain/{name}")).expect(200).body, CONTENT, "{name}");
    }
}

#[test]
fn nobody_sees_a_healthy_file_unwell_while_it_is_put_there_again() {
    /// A file that is gone for longer may be called missing, and bytes that are unknown for longer may be called so.
    const GONE: Duration = millis(80);
    const UNKNOWN: Duration = millis(400);
    let names = ["a", "b", "c"];
    let cast = laid_out(&names);
    let (asked, lines) = (cast.nobody(), cast.ring(&cast.alice()));
    let read = || names.map(|name| cast.tag(name)["hashed_at"].take());
    let mut late = 0;
    for round in 0..12 {
        let (before, begin) = (read(), Instant::now());
        mend(&cast.file("a"));
        replace(&cast.file("b"), CONTENT);
        delete(&cast.file("c"));
        mend(&cast.file("c"));
        let put = begin.elapsed();
        // All are read before they change again.
        until("all are read anew", SOON, || {
            let seen = bare(asked.get(RAIN_STATUS));
            let at = begin.elapsed();
            if seen != normal() {
                assert!(put > GONE || at > UNKNOWN, "round {round}: {seen} after {at:?}, put there within {put:?}");
                late += 1;
                return None;
            }
            let is_read = |(one, other): (Value, Value)| one != other;
            before.clone().into_iter().zip(read()).all(is_read).then_some(())
        });
    }
    if late == 0 {
        assert_eq!(cast.ring(&cast.alice()), lines, "and nothing is told");
    }
}

#[test]
fn a_rewritten_file_with_its_old_times_is_found_by_a_full_check() {
    let cast = laid_out(&["a", "b"]);
    let file = cast.file("a");
    let before = fs::metadata(&file).expect("the file").modified().expect("a time");
    // In place, so that not even the inode tells.
    let mut open = File::options().write(true).open(&file).expect("the file");
    std::io::Write::write_all(&mut open, b"other content...").expect("other bytes");
    open.set_times(FileTimes::new().set_modified(before)).expect("the old time");
    drop(open);
    let check = "/api/daemon/verify?repname=weather&itemname=rain";
    let found = abnormal(&["weather/rain:a"]);
    assert_eq!(data(cast.alice().post(check, &json!({}))), found);
    assert_eq!(bare(cast.tags("")), found);
    assert_eq!(cast.tag("a")["reason"], "content_changed");
    mend(&file);
    assert_eq!(data(cast.root().post(&format!("{check}&tagname=a"), &json!({}))), normal());
    refused(cast.alice().post(&format!("{check}&tagname=nosuch"), &json!({})), 404, 1009);
    refused(cast.alice().post("/api/daemon/verify?repname=weather", &json!({})), 400, 1400);
}

#[test]
fn a_directory_that_goes_away_takes_all_its_tags_along_until_it_is_back() {
    let cast = laid_out(&["a", "b"]);
    let both = abnormal(&["weather/rain:a", "weather/rain:b"]);
    let (item, aside) = (cast.pool("p1/rain"), cast.pool("aside"));
    // The item's, with an empty one in its place.
    fs::rename(&item, &aside).and_then(|()| fs::create_dir(&item)).expect("another directory");
    cast.tags_become(NOTICED, "", both.clone());
    cast.reason_becomes(millis(0), "a", "missing");
    fs::remove_dir(&item).and_then(|()| fs::rename(&aside, &item)).expect("it is back");
    cast.tags_become(NOTICED, "", normal());
    // With nothing in its place, and then a link to where it is now.
    fs::rename(&item, &aside).expect("it is away");
    cast.tags_become(NOTICED, "", both.clone());
    symlink(&aside, &item).expect("a link");
    holds("a link out of the pool is not followed", millis(800), || bare(cast.tags("")) == both);
    fs::remove_file(&item).and_then(|()| fs::rename(&aside, &item)).expect("it is back");
    cast.tags_become(NOTICED, "", normal());
    // A change in the directory that is back is still seen.
    delete(&cast.file("b"));
    cast.tags_become(NOTICED, "", abnormal(&["weather/rain:b"]));
}

#[test]
fn a_pool_that_goes_away_is_gone_until_it_is_back() {
    let cast = laid_out(&["a", "b"]);
    let (pool, aside) = (cast.pool("p1"), cast.pool("aside"));
    fs::rename(&pool, &aside).expect("it is away");
    for tag in ["a", "b"] {
        cast.reason_becomes(NOTICED, tag, "pool_gone");
    }
    assert_eq!(bare(cast.tags("")), abnormal(&["weather/rain:a", "weather/rain:b"]));
    assert!(matches!(cast.entry().get("/pull/weather/rain/a").status, 404 | 409));
    cast.status_becomes(SOON, &cast.alice(), "online"); // a lost pool is no lost daemon
    assert!(!pool.exists(), "nobody makes it anew");
    fs::rename(&aside, &pool).expect("it is back");
    cast.tags_become(NOTICED, "", normal());
    delete(&cast.file("a"));
    cast.tags_become(NOTICED, "", abnormal(&["weather/rain:a"]));
}

#[test]
fn states_and_their_reasons_survive_a_restart_and_are_mended_after_it() {
    let mut cast = laid_out(&["a", "b", "c"]);
    delete(&cast.file("a"));
    fs::write(cast.file("b"), b"other content...").expect("the file");
    cast.reason_becomes(NOTICED, "a", "missing");
    cast.reason_becomes(NOTICED, "b", "content_changed");
    let both = abnormal(&["weather/rain:a", "weather/rain:b"]);
    let lines = |cast: &Cast| cast.ring(&cast.alice()).iter().filter(|line| line.contains("weather/rain:")).count();
    let before = lines(&cast);
    cast.daemon.restart();
    assert_eq!(bare(cast.tags("")), both);
    assert_eq!((&cast.tag("a")["reason"], &cast.tag("b")["reason"]), (&json!("missing"), &json!("content_changed")));
    assert_eq!(lines(&cast), before, "nothing has changed, so nothing is told");
    cast.daemon.stop();
    mend(&cast.file("a"));
    mend(&cast.file("b"));
    cast.daemon.launch();
    cast.tags_become(NOTICED, "", normal());
}

#[test]
fn a_file_that_is_written_all_the_time_is_not_said_to_be_healthy() {
    let cast = laid_out(&["a"]);
    let file = cast.file("a");
    fs::write(&file, b"other content...").expect("the file");
    settles("it is found", NOTICED, false, || bare(cast.tags("")) == normal());
    let mut count = 0_u64;
    holds("it is never healthy", millis(1500), || {
        count += 1;
        fs::write(&file, format!("{count:016}")).expect("the file");
        bare(cast.tags("")) != normal()
    });
    mend(&file);
    cast.tags_become(NOTICED, "", normal());
}

#[test]
fn files_that_are_on_their_way_in_disturb_nobody() {
    let cast = laid_out(&["a"]);
    let mut count = 0;
    holds("it is healthy", millis(1500), || {
        count += 1;
        let file = cast.file(&format!("other-{}", count % 50));
        fs::write(&file, b"new").and_then(|()| fs::remove_file(&file)).expect("a file");
        bare(cast.tags("")) == normal()
    });
    assert_eq!(cast.status(&cast.alice()), "online");
}

#[test]
fn why_tells_what_a_tag_suffers_from() {
    let cast = laid_out(&["a"]);
    delete(&cast.file("a"));
    cast.reason_becomes(NOTICED, "a", "missing");
    let said = support::cli::told(&cast.daemon, &["why", "data/weather/rain:a"], 0);
    assert!(said.contains("missing"), "{said}");
}

#[test]
fn every_change_is_an_event() {
    let cast = laid_out(&["a"]);
    let mut events = cast.operator().stream(Request::new("GET", "/events?kind=hub.tag"));
    // Between two of them a reason may change, which is one, too.
    let mut next = |kind: &str| loop {
        let event = events.event_within(SOON);
        assert!(event.data.contains("weather/rain:a"), "{event:?}");
        if event.event.as_deref() == Some(kind) {
            break;
        }
    };
    delete(&cast.file("a"));
    next("hub.tag.abnormal");
    mend(&cast.file("a"));
    next("hub.tag.normal");
    ok(cast.alice().delete("/api/repositories/weather/rain/a"));
    next("hub.tag.removed");
    cast.publish(&cast.alice(), "weather/rain/a", "a");
    next("hub.tag.published");
}
