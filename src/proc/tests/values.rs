//! What constructors refuse and formulas give.

use super::world::{daemon, millis, once, secs};
use crate::proc::model::{
    Backoff, Command, Env, Health, Invalid, NAME_MAX, Nice, Probe, Replicas, Rlimit, Signal, TaskName, Umask,
};
use std::collections::BTreeMap;

#[test]
fn names_are_any_text_of_some_length() {
    for good in ["a", "a b", "é/..", "x:0", "-", &"n".repeat(NAME_MAX)] {
        assert_eq!(TaskName::new(good).unwrap().as_str(), good);
    }
    assert_eq!(TaskName::new(""), Err(Invalid::Empty));
    assert_eq!(TaskName::new("__coroutine__"), Err(Invalid::Reserved));
    assert_eq!(TaskName::new("a\0b"), Err(Invalid::Nul));
    assert_eq!(TaskName::new(&"n".repeat(NAME_MAX + 1)), Err(Invalid::Long { max: NAME_MAX }));
}

#[test]
fn signals_are_read_by_name_and_number() {
    for (text, number) in [("TERM", 15), ("SIGHUP", 1), ("sigkill", 9), ("10", 10), ("SYS", 31), ("64", 64)] {
        assert_eq!(Signal::parse(text).map(Signal::get), Ok(number), "{text}");
    }
    for bad in ["", "0", "65", "-1", "SIG", "TERMS", "NaN"] {
        assert_eq!(Signal::parse(bad), Err(Invalid::NoSignal), "{bad}");
    }
    assert_eq!(
        (Signal::TERM.to_string(), Signal::new(40).unwrap().to_string()),
        ("SIGTERM".into(), "signal 40".into())
    );
}

#[test]
fn numbers_keep_their_bounds() {
    assert!(Replicas::new(0).is_err() && Replicas::new(10_001).is_err() && Replicas::new(10_000).is_ok());
    assert!(Nice::new(-21).is_err() && Nice::new(20).is_err() && Nice::new(-20).is_ok());
    assert!(Umask::new(0o1000).is_err() && Umask::new(0o777).is_ok());
    assert!(Replicas::new(i64::MAX).is_err() && Nice::new(i64::MIN).is_err());
    assert_eq!(Rlimit::new("nofile", 2, 1), Err(Invalid::SoftAboveHard));
    assert_eq!(Rlimit::new("files", 1, 1), Err(Invalid::NoResource));
    assert_eq!(Rlimit::new("NOFILE", 1, u64::MAX).map(|limit| limit.resource()), Ok("nofile"));
}

#[test]
fn commands_and_environments_can_be_executed() {
    assert_eq!(Command::shell(""), Err(Invalid::Empty));
    assert_eq!(Command::argv(vec![]), Err(Invalid::Empty));
    assert_eq!(Command::argv(vec!["echo".into(), "\0".into()]), Err(Invalid::Nul));
    assert!(Command::argv(vec!["echo".into(), String::new()]).is_ok());
    let env = |name: &str, value: &str| Env::new(BTreeMap::from([(name.to_owned(), value.to_owned())]));
    assert_eq!(env("A=B", "").map_err(|(_, why)| why), Err(Invalid::Equals));
    assert_eq!(env("A", "\0").map_err(|(_, why)| why), Err(Invalid::Nul));
    assert_eq!(env("", "x").map_err(|(_, why)| why), Err(Invalid::Empty));
    assert!(env("A", "b=c").is_ok());
}

#[test]
fn backoff_grows_to_its_cap_and_no_further() {
    let backoff = Backoff::new(2.0, secs(60)).unwrap();
    let pauses: Vec<_> = (1..=8).map(|failures| backoff.pause(secs(1), failures).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(backoff.pause(secs(1), u32::MAX), secs(60));
    assert_eq!(backoff.pause(secs(100), 1), secs(100), "a cap below the interval does not shorten it");
    for bad in [0.5, 0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Backoff::new(bad, secs(1)), Err(Invalid::Factor));
    }
}

#[test]
fn a_process_is_the_same_when_only_its_surroundings_differ() {
    let task = daemon("web");
    let mut around = task.clone().times(3);
    around.interval = millis(5);
    around.health = Some(Health { probe: Probe::Tcp("a:1".into()), interval: secs(1), timeout: secs(1), failures: 1 });
    assert!(task.same_process(&around));
    let mut other = task.clone();
    other.command = Command::shell("other").unwrap();
    assert!(!task.same_process(&other));
    assert!(!task.same_process(&once("web")));
    other = task.clone();
    other.umask = Some(Umask::new(0o77).unwrap());
    assert!(!task.same_process(&other));
}
