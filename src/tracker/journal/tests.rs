//! What is kept, what is not, and what the daemon's own log shows.

use super::*;
use crate::store::Store;
use crate::tracker::engine::tests::running;

fn entry(level: Level, timestamp: i64, message: &str) -> LogEntry {
    LogEntry { level, timestamp, worker: 7, scope: "fetch".into(), message: message.into() }
}

#[tokio::test]
async fn entries_are_there_when_they_are_answered() {
    let store = Store::in_memory();
    let handle = running(store.clone()).await;
    let all = [entry(Level::Info, 30, "one"), entry(Level::Info, 10, "two"), entry(Level::Error, 20, "three")];
    for one in &all {
        handle.log(one.clone()).await.unwrap();
    }
    // Numbers go on where they were.
    let next = running(store.survivors()).await;
    next.log(entry(Level::Info, 20, "four")).await.unwrap();
    let expected = [all[0].clone(), all[1].clone(), entry(Level::Info, 20, "four")];
    assert_eq!(next.logged(Level::Info, 1, 10).await.unwrap(), expected);
    assert_eq!(next.logged(Level::Error, 1, 10).await.unwrap(), all[2..]);
    assert_eq!(next.logged(Level::Warn, 1, 10).await.unwrap(), []);
}

#[tokio::test]
async fn levels_that_are_not_kept_are_accepted() {
    let handle = running(Store::in_memory()).await;
    handle.log(entry(Level::Trace, 10, "hardly of interest")).await.unwrap();
    assert_eq!(handle.logged(Level::Trace, 1, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_long_message_is_kept_whole() {
    let handle = running(Store::in_memory()).await;
    let long = entry(Level::Warn, 10, &"é".repeat(100_000));
    handle.log(long.clone()).await.unwrap();
    assert_eq!(handle.logged(Level::Warn, 1, 10).await.unwrap(), [long]);
}

#[tokio::test]
async fn what_cannot_be_written_is_no_success() {
    let handle = running(Store::dying_after(0)).await;
    assert!(matches!(handle.log(entry(Level::Info, 10, "lost")).await, Err(Failed::Write(_))));
}

#[test]
fn the_daemons_log_shows_the_beginning_in_one_line() {
    assert_eq!(Shown("all of it, \"é\"").to_string(), "all of it, \"é\"");
    assert_eq!(Shown("one\ntwo\x1b[2J\u{85}").to_string(), "one\\ntwo\\u{1b}[2J\\u{85}");
    let long = format!("{}é{}", "x".repeat(SHOWN - 1), "y".repeat(9));
    assert_eq!(Shown(&long).to_string(), format!("{}… (11 bytes more)", "x".repeat(SHOWN - 1)));
    assert_eq!(Shown(&"x".repeat(SHOWN)).to_string(), "x".repeat(SHOWN));
}

#[test]
fn levels_are_stored_by_their_number() {
    for level in Level::ALL {
        assert_eq!(i64::from(number(level)), level.wire());
    }
}
