//! Real processes.

use super::*;
use std::process::{Child, Command, Stdio};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A bound for what must happen; far longer than it takes.
const SOON: Duration = Duration::from_secs(30);

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn sleeper() -> (Child, i32) {
    let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    (child, pid)
}

/// Ends it, and leaves it a zombie.
fn kill(child: &mut Child, pid: i32) {
    child.kill().unwrap();
    while born(pid).unwrap().is_some() {
        std::thread::yield_now(); // until the kernel has noted it
    }
}

async fn died(told: &mut UnboundedReceiver<Message>) -> Process {
    match tokio::time::timeout(SOON, told.recv()).await.unwrap() {
        Some(Message::Event(Event::Died(process))) => process,
        _ => panic!("something else was told"),
    }
}

#[test]
fn a_living_process_of_the_uid_is_proven() {
    let (mut child, pid) = sleeper();
    let process = prove(pid, own_uid()).unwrap();
    assert_eq!((process.pid, Some(process.born)), (pid, born(pid).unwrap()));
    let other = own_uid().wrapping_add(1);
    assert_eq!(prove(pid, other).unwrap_err(), format!("process {pid} does not belong to uid {other}"));
    kill(&mut child, pid);
    assert_eq!(prove(pid, own_uid()).unwrap_err(), format!("process {pid} is not there"), "a zombie");
    child.wait().unwrap();
    assert_eq!(prove(pid, own_uid()).unwrap_err(), format!("process {pid} is not there"));
}

#[test]
fn numbers_of_no_process_are_refused() {
    for pid in [0, -1, i32::MIN] {
        assert_eq!(prove(pid, own_uid()).unwrap_err(), format!("{pid} is not the number of a process"));
    }
    assert!(prove(i32::MAX, own_uid()).is_err());
}

#[test]
fn the_birth_is_read_whatever_the_command_is_called() {
    let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 8901 20 21";
    for name in ["cat", "a b", ") Z 1 (", "(", ")", "line\nend"] {
        assert_eq!(born_of(format!("42 ({name}) {rest}").as_bytes()), Some(8901), "{name}");
    }
    assert_eq!(born_of(format!("42 (cat) {rest}").replace("S 1", "Z 1").as_bytes()), None);
    assert_eq!(born_of(b"42 (\xff) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 7 20"), Some(7));
    for damaged in
        ["", "42", "42 (cat", "42 (cat)", "42 (cat) S 1 2", "42 (cat) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x"]
    {
        assert_eq!(born_of(damaged.as_bytes()), None, "{damaged}");
    }
}

#[tokio::test]
async fn a_death_is_told_once_however_often_it_is_watched() {
    let (driver, mut told) = unbounded_channel();
    let mut watches = Watches::new(driver);
    let (mut child, pid) = sleeper();
    let process = prove(pid, own_uid()).unwrap();
    watches.watch(process);
    watches.watch(process);
    assert_eq!(watches.watched.len(), 1);
    kill(&mut child, pid);
    assert_eq!(died(&mut told).await, process);
    watches.forget(process);
    assert!(watches.watched.is_empty() && told.try_recv().is_err());
    child.wait().unwrap();
}

#[tokio::test]
async fn who_is_dead_already_is_told_at_once() {
    let (driver, mut told) = unbounded_channel();
    let mut watches = Watches::new(driver);
    let (mut child, pid) = sleeper();
    let process = prove(pid, own_uid()).unwrap();
    let another = Process { pid, born: process.born + 1 };
    watches.watch(another);
    assert_eq!(died(&mut told).await, another, "the number is another's now");
    kill(&mut child, pid);
    watches.watch(process);
    assert_eq!(died(&mut told).await, process, "a zombie");
    child.wait().unwrap();
    watches.watch(process);
    assert_eq!(died(&mut told).await, process);
    assert!(watches.watched.is_empty());
}

#[tokio::test]
async fn what_is_not_watched_any_more_is_not_told() {
    let (driver, mut told) = unbounded_channel();
    let mut watches = Watches::new(driver);
    let ((mut one, pid), (mut other, other_pid)) = (sleeper(), sleeper());
    let (forgotten, watched) = (prove(pid, own_uid()).unwrap(), prove(other_pid, own_uid()).unwrap());
    watches.watch(forgotten);
    watches.watch(watched);
    watches.forget(forgotten);
    kill(&mut one, pid);
    kill(&mut other, other_pid);
    assert_eq!(died(&mut told).await, watched);
    assert!(told.try_recv().is_err());
    one.wait().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn where_there_are_no_descriptors_processes_are_looked_at() {
    let (driver, mut told) = unbounded_channel();
    let mut watches = Watches::at_most(1, driver);
    let ((one, pid), (mut other, other_pid)) = (sleeper(), sleeper());
    let (watched, looked_at) = (prove(pid, own_uid()).unwrap(), prove(other_pid, own_uid()).unwrap());
    for process in [watched, looked_at, watched, looked_at] {
        watches.watch(process);
    }
    assert_eq!((watches.watched.len(), lock(&watches.looked_at).len()), (1, 1));
    kill(&mut other, other_pid);
    assert_eq!(died(&mut told).await, looked_at);
    watches.forget(looked_at);
    let looking = watches.looking.clone().unwrap();
    while !looking.is_finished() {
        tokio::task::yield_now().await;
    }
    // The next one is looked at all the same.
    let (mut third, third_pid) = sleeper();
    let process = prove(third_pid, own_uid()).unwrap();
    watches.watch(process);
    kill(&mut third, third_pid);
    assert_eq!(died(&mut told).await, process);
    watches.forget(watched);
    for mut child in [one, other, third] {
        let _ = child.kill(); // most of them are dead
        child.wait().unwrap();
    }
}
