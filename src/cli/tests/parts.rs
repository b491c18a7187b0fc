//! The parts that need no daemon.

use crate::base::{Now, Wall};
use crate::cli::apply::definitions;
use crate::cli::exit::{Exit, Problem};
use crate::cli::file::Fresh;
use crate::cli::out::{Out, fields, plain};
use crate::cli::place::Place;
use crate::cli::signal::signal;
use crate::cli::sse::{Event, Reader};
use crate::cli::tasks::{Task, age, expand, moment};
use crate::cli::wait::{Arrival, Until};
use proptest::prelude::*;
use serde_json::json;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn the_socket_is_found_by_variable_then_by_user() {
    let with =
        |name: &'static str, value: &'static str| move |asked: &str| (asked == name).then(|| PathBuf::from(value));
    let unix = |path: &str| Ok(Place::Unix(path.into()));
    assert_eq!(Place::default_socket(with("HOSTLER_SOCKET", "/s"), true), unix("/s"));
    assert_eq!(Place::default_socket(|_| None, true), unix("/run/hostler/hostler.sock"));
    assert_eq!(Place::default_socket(with("XDG_RUNTIME_DIR", "/run/user/7"), false), unix("/run/user/7/hostler.sock"));
    assert!(Place::default_socket(|_| None, false).unwrap_err().contains("--socket"));
}

#[test]
fn urls_name_a_host_a_port_and_tls() {
    let tcp = |host: &str, port, tls| Place::Tcp { host: host.into(), port, tls };
    assert_eq!(Place::parse("http://127.0.0.1:8606"), Ok((tcp("127.0.0.1", 8606, false), "/".into())));
    assert_eq!(Place::parse("https://host.example"), Ok((tcp("host.example", 443, true), "/".into())));
    assert_eq!(Place::parse("http://[::1]:80/ready?x=1"), Ok((tcp("::1", 80, false), "/ready?x=1".into())));
    assert_eq!(Place::parse("http://[::1]").unwrap().0, tcp("::1", 80, false));
    assert_eq!(tcp("::1", 80, false).host(), "[::1]:80");
    for bad in [
        "",
        "host:80",
        "ftp://h",
        "http://",
        "http://h:70000",
        "http://h:port",
        "http://h:",
        "http://me:pw@h:80",
        "/run/s",
    ] {
        assert!(Place::parse(bad).is_err_and(|why| why.contains("expected http://")), "{bad}");
    }
}

#[test]
fn signals_are_known_by_name_and_number() {
    for text in ["HUP", "hup", "SIGHUP", "1"] {
        assert_eq!(signal(text).as_deref(), Ok("HUP"), "{text}");
    }
    for bad in ["", "SIG", "0", "99", "-1", "NOPE"] {
        assert!(signal(bad).is_err(), "{bad}");
    }
}

#[test]
fn globs_fit_names_and_a_name_fits_itself() {
    let known = ["a*b", "axb", "db", "web1", "web2"].map(str::to_owned);
    let expanded = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        expand(&patterns, &known).ok()
    };
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(expanded(&["web?", "db", "web1"]), names(&["web1", "web2", "db"]));
    assert_eq!(expanded(&["a*b"]), names(&["a*b"]));
    assert_eq!(expanded(&["a?b"]), names(&["a*b", "axb"]));
    assert_eq!(expanded(&["not-known"]), names(&["not-known"]));
    assert_eq!(expanded(&["none*"]), None);
}

#[test]
fn events_are_cut_from_bytes_wherever_they_are_split() {
    let text =
        ":\n\nid: 7\nevent: proc.run.exited\ndata: {\"a\":\ndata: 1}\n\n: keep\n\ndata:x\r\n\r\nretry: 3\n\nid: 9\n";
    let event = |id: Option<&str>, kind: &str, data: &str| Event {
        id: id.map(str::to_owned),
        kind: kind.into(),
        data: data.into(),
    };
    let expected = [event(Some("7"), "proc.run.exited", "{\"a\":\n1}"), event(None, "", "x")];
    for size in 1..text.len() {
        let mut reader = Reader::default();
        let found: Vec<Event> = text.as_bytes().chunks(size).flat_map(|chunk| reader.feed(chunk)).collect();
        assert_eq!(found, expected, "in pieces of {size}");
    }
}

proptest! {
    #[test]
    fn a_reader_of_events_does_not_care_where_bytes_are_split(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        at in 0usize..200,
    ) {
        let mut whole = Reader::default();
        let mut split = Reader::default();
        let (head, tail) = bytes.split_at(at.min(bytes.len()));
        let mut found = split.feed(head);
        found.extend(split.feed(tail));
        prop_assert_eq!(whole.feed(&bytes), found);
    }

    #[test]
    fn nothing_a_terminal_would_act_on_is_shown(text in any::<String>()) {
        prop_assert!(!plain(&text).chars().any(char::is_control));
    }
}

#[test]
fn a_task_arrives_or_never_will() {
    let task = |state: &str, replicas: serde_json::Value| {
        Task(json!({ "type": "daemon", "state": state, "replicas": replicas }))
    };
    let up = task("running", json!([{ "state": "running", "pid": 5, "ready": true }]));
    let half = task(
        "unready",
        json!([{ "state": "running", "pid": 5, "ready": true },
                                      { "state": "starting", "pid": null, "ready": false }]),
    );
    let over = task("succeeded", json!([{ "state": "succeeded", "pid": null, "ready": false }]));
    let never = |why: &str| Arrival::Never(why.to_owned());
    for (until, look) in [
        (Until::Started, [Arrival::There, Arrival::NotYet, Arrival::There]),
        (Until::Ready, [Arrival::There, Arrival::NotYet, never("it is succeeded")]),
        (Until::Stopped, [Arrival::NotYet, Arrival::NotYet, Arrival::There]),
        (Until::Succeeded, [Arrival::NotYet, Arrival::NotYet, Arrival::There]),
        (Until::Gone, [Arrival::NotYet, Arrival::NotYet, Arrival::NotYet]),
    ] {
        assert_eq!([&up, &half, &over].map(|task| until.look(Some(task))), look, "{until:?}");
    }
    assert_eq!(Until::Gone.look(None), Arrival::There);
    assert_eq!(Until::Ready.look(None), never("it does not exist"));
    assert_eq!(Until::Succeeded.look(Some(&task("failed", json!([])))), never("it is failed"));
    let cron = Task(json!({ "type": "cron", "state": "failed", "replicas": [] }));
    assert_eq!(Until::Succeeded.look(Some(&cron)), Arrival::NotYet);
}

#[test]
fn files_of_tasks_have_three_shapes_in_two_languages() {
    let names = |file: &str, text: &str| -> Result<Vec<String>, String> {
        let tasks = definitions(Path::new(file), text).map_err(|problem| problem.to_string())?;
        Ok(tasks.iter().map(|task| task["name"].as_str().unwrap().to_owned()).collect())
    };
    let two = Ok(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(names("f.json", r#"[{"name":"a"},{"name":"b"}]"#), two);
    assert_eq!(names("f.json", r#"{"tasks":[{"name":"a"},{"name":"b"}]}"#), two);
    assert_eq!(names("f.toml", "[[tasks]]\nname = \"a\"\n[[tasks]]\nname = \"b\"\n"), two);
    assert_eq!(names("-", "[[tasks]]\nname = \"a\"\n[[tasks]]\nname = \"b\"\n"), two);
    assert_eq!(names("-", r#"[{"name":"a"},{"name":"b"}]"#), two);
    assert_eq!(names("f", "name = \"a\"\ncmd = \"true\"\n"), Ok(vec!["a".to_owned()]));
    for (file, text) in [
        ("f.json", "[{\"name\":1}]"),
        ("f.json", "{\"tasks\":{}}"),
        ("f.json", "{\"tasks\":[],\"task\":[]}"),
        ("f.json", "7"),
        ("f.toml", "name = "),
        ("-", "{\"name\": }"),
    ] {
        let why = names(file, text).unwrap_err();
        let file = if file == "-" { "standard input" } else { file };
        assert!(why.starts_with(&format!("{file}: ")), "{why}");
    }
}

#[test]
fn a_fresh_file_is_there_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("f");
    let names = || std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let mut abandoned = Fresh::create(&place).unwrap();
    abandoned.write(b"half").unwrap();
    drop(abandoned);
    assert!(names().is_empty());
    std::fs::write(&place, "old").unwrap();
    let mut file = Fresh::create(&place).unwrap();
    file.write(b"new").unwrap();
    assert_eq!(std::fs::read(&place).unwrap(), b"old");
    file.commit().unwrap();
    assert_eq!(std::fs::read(&place).unwrap(), b"new");
    assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(names(), ["f"]);
    assert!(Fresh::create(&dir.path().join("nowhere/f")).is_err());
}

#[test]
fn moments_and_ages_read_well() {
    let then = Wall::from_timestamp(1_700_000_000, 0).unwrap();
    assert_eq!(moment(Some(&json!(1_700_000_000))), Some(then));
    assert_eq!(moment(Some(&json!(1_700_000_000.75))), Some(then));
    assert_eq!(moment(Some(&json!("2023-11-14T22:13:20Z"))), Some(then));
    assert_eq!(moment(Some(&json!(null))), None);
    let after = |seconds| {
        let now = Now { wall: then, mono: Default::default() };
        age(then, now.later(Duration::from_secs(seconds)).wall)
    };
    assert_eq!([0, 59, 61, 3600, 90_000].map(after), ["0s", "59s", "1m 1s", "1h", "1d 1h"]);
}

#[test]
fn objects_are_told_field_by_field() {
    let value = json!({ "pid": 7, "store": { "bytes": 10, "gone": null }, "listeners": ["a", "b"], "x": [{ "y": 1 }] });
    let rows: Vec<String> = fields(&value).iter().map(|row| row.join("=")).collect();
    assert_eq!(rows, ["listeners=a b", "pid=7", "store.bytes=10", "x.0.y=1"]);
}

#[test]
fn a_reader_who_has_gone_is_no_failure() {
    struct Gone;
    impl io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let problem = Out::writing(Arc::new(Mutex::new(Gone))).line("x").unwrap_err();
    assert!(problem.is_quiet());
    assert_eq!(problem.exit(), Exit::Done);
    let full = Problem::Output(io::ErrorKind::StorageFull.into());
    assert!(!full.is_quiet());
    assert_eq!(full.exit(), Exit::TryAgain);
}

#[test]
fn the_worst_exit_is_told() {
    assert_eq!(Exit::Done.worse(Exit::Misuse), Exit::Misuse);
    assert_eq!(Exit::Misuse.worse(Exit::Unhealthy), Exit::Misuse);
    assert_eq!(Exit::Unhealthy.worse(Exit::TryAgain), Exit::TryAgain);
}
