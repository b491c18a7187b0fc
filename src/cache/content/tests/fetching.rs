//! The life of a fetch.

use super::script::{Nobody, Turn};
use super::{Script, World, bytes, sha256};
use crate::cache::content::FetchFailure;
use crate::cache::machine::{Event, FetchEnd};
use crate::cache::model::{Crc, TaskState};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;

fn whole(length: usize) -> FetchEnd {
    FetchEnd::Whole { length: length as u64 }
}

fn failed(why: &str) -> FetchEnd {
    FetchEnd::Failed { why: why.to_owned(), discard: false }
}

fn answers(log: &[Event]) -> usize {
    log.iter().filter(|event| matches!(event, Event::Answered(..))).count()
}

#[tokio::test]
async fn a_file_lies_in_its_place_with_its_pieces() {
    let world = World::complete(2500, 1000).await;
    let path = world.file();
    assert_eq!(fs::read(&path).unwrap(), bytes(2500));
    assert!(path.ends_with("content/tasks/070/07070707070707070707070707070707abababababababababababababababab"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let expected = [0..1000, 1000..2000, 2000..2500].map(|range| Crc(crc32fast::hash(&bytes(2500)[range])));
    assert_eq!(world.task().pieces.iter().map(|(_, crc)| crc).collect::<Vec<_>>(), expected);
    let source = world.task().source.clone().unwrap();
    assert_eq!(source.headers, [("content-type".to_owned(), "text/plain".to_owned())]);
    assert_eq!(source.validators.etag.as_deref(), Some("\"one\""));
    assert_eq!(world.script.asked().len(), 1);
    assert!(!world.script.asked()[0].contains_key("range"));
}

#[tokio::test]
async fn empty_and_chunked_contents_are_whole() {
    for (count, says_length) in [(0, true), (0, false), (999, false), (1000, false), (3333, false), (1000, true)] {
        let script = Script::new(bytes(count));
        script.set(|origin| (origin.says_length, origin.chunk) = (says_length, 77));
        let world = World::new(script, 1000, Some(sha256(&bytes(count))));
        assert_eq!(world.fetched(world.order()).await, whole(count), "{count}");
        assert_eq!(world.read(0..u64::MAX).await.unwrap(), bytes(count));
        assert_eq!(fs::read(world.file()).unwrap(), bytes(count));
    }
}

#[tokio::test]
async fn two_requests_at_most_fetch_windows_lowest_first() {
    let count = 100 * 70 - 30;
    let script = Script::new(bytes(count));
    script.set(|origin| origin.chunk = 64);
    let world = World::new(script, 100, Some(sha256(&bytes(count))));
    assert_eq!(world.fetched(world.order()).await, whole(count));
    assert_eq!(fs::read(world.file()).unwrap(), bytes(count));
    let asked = world.script.asked();
    let range = |at: usize| asked[at].get("range").map(|range| range.to_str().unwrap().to_owned());
    assert_eq!((range(0), range(1)), (None, Some("bytes=1600-3199".to_owned())));
    assert_eq!(asked[1].get("if-range").unwrap(), "\"one\"");
    let mut starts: Vec<_> = (1..asked.len()).filter_map(range).collect();
    starts.dedup();
    assert!(starts.len() < 6, "{starts:?}");
}

#[tokio::test]
async fn without_a_name_for_the_version_one_request_brings_it_all() {
    let script = Script::new(bytes(5000));
    script.set(|origin| origin.etag = None);
    let world = World::new(script, 100, None);
    assert_eq!(world.fetched(world.order()).await, whole(5000));
    assert_eq!(world.script.asked().len(), 1);
}

#[tokio::test]
async fn what_will_not_pass_fails_at_once_and_what_may_is_tried_again() {
    for status in [400, 403, 404, 410, 451] {
        let script = Script::new(bytes(10));
        script.set(|origin| {
            origin.turns.push_back(Turn::Status(status, vec![("x-why", "so".to_owned())]));
            origin.says_no = Some("for a reason".to_owned());
        });
        let world = World::new(script, 1000, None);
        let task = world.task();
        world.fetch(world.order());
        let failure = world.contents.whole(&task).await.unwrap_err();
        assert_eq!(failure.why, format!("origin answered {status}"));
        let said = failure.answer.unwrap();
        assert_eq!((said.status.as_u16(), said.headers["x-why"].to_str().unwrap()), (status, "so"));
        assert_eq!(said.body.unwrap(), "for a reason");
        assert_eq!(world.end_after(0).await, failed(&format!("origin answered {status}")));
        assert_eq!(world.script.asked().len(), 1);
    }
    for status in [408, 425, 429, 500, 503] {
        let script = Script::new(bytes(10));
        script.set(|origin| {
            origin.turns.extend([Turn::Status(status, vec![("retry-after", "0".to_owned())]), Turn::Down]);
        });
        let world = World::new(script, 1000, None);
        assert_eq!(world.fetched(world.order()).await, whole(10));
        assert_eq!(world.script.asked().len(), 3);
    }
    let script = Script::new(bytes(10));
    script.set(|origin| origin.turns.extend((0..4).map(|_| Turn::Down)));
    let world = World::new(script, 1000, None);
    assert_eq!(world.fetched(world.order()).await, failed("connection refused; given up after 4 tries"));
    world.script.set(|origin| origin.turns.push_back(Turn::Forbidden));
    world.fetch(world.order());
    let FetchFailure { forbidden, .. } = world.contents.whole(&world.task()).await.unwrap_err();
    assert!(forbidden);
}

#[tokio::test]
async fn a_challenge_is_answered_while_there_are_other_credentials() {
    for (gives, expected) in [(0, failed("origin answered 401")), (1, whole(10))] {
        let script = Script::new(bytes(10));
        script.set(|origin| origin.turns.push_back(Turn::Status(401, Vec::new())));
        let world = World::new(script, 1000, None);
        world.contents.fetch(world.order(), Arc::new(Nobody { gives, ..Nobody::default() }));
        assert_eq!(world.end_after(0).await, expected);
    }
}

#[tokio::test]
async fn a_wrong_digest_is_worth_nothing_and_its_last_byte_is_never_seen() {
    let world = World::new(Script::new(bytes(2500)), 1000, Some(sha256(b"something else")));
    let reader = tokio::spawn({
        let (contents, task) = (world.contents.clone(), world.task());
        world.fetch(world.order());
        async move {
            use futures_util::StreamExt as _;
            let parts: Vec<_> = contents.read(&task, 0..u64::MAX).collect().await;
            let bytes: usize = parts.iter().flatten().map(bytes::Bytes::len).sum();
            (bytes, parts.last().is_some_and(Result::is_err))
        }
    });
    let end = world.end_after(0).await;
    assert!(matches!(end, FetchEnd::Failed { discard: true, .. }), "{end:?}");
    let (seen, has_failed) = reader.await.unwrap();
    assert!(seen < 2500 && has_failed, "{seen}");
    assert!(!world.file().exists());
}

#[tokio::test]
async fn what_is_there_is_not_fetched_again_and_what_was_damaged_is() {
    let world = World::complete(2500, 1000).await;
    let mut damaged = bytes(2500);
    damaged[1500] ^= 4;
    fs::write(world.file(), &damaged).unwrap();
    world.room.lock().unwrap().task.state = TaskState::Partial(None);
    let world = world.restart();
    world.script.set(|origin| origin.requests.clear());
    assert_eq!(world.fetched(world.order()).await, whole(2500));
    assert_eq!(fs::read(world.file()).unwrap(), bytes(2500));
    let asked = world.script.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (&asked[0]["range"], &asked[0]["if-range"]),
        (&"bytes=1000-1999".parse().unwrap(), &"\"one\"".parse().unwrap())
    );
    assert!(world.log().contains(&Event::Damaged(super::script::TASK, vec![1])));
}

#[tokio::test]
async fn another_version_takes_the_place_of_what_was_there() {
    let world = World::complete(2500, 1000).await;
    Arc::make_mut(&mut world.room.lock().unwrap().task.pieces).take(2);
    world.script.set(|origin| {
        origin.content.reverse();
        origin.etag = Some("\"two\"".to_owned());
    });
    let mut other = bytes(2500);
    other.reverse();
    let mut order = world.order();
    order.digest = Some(sha256(&other));
    assert_eq!(world.fetched(order).await, whole(2500));
    assert_eq!(fs::read(world.file()).unwrap(), other);
    assert_eq!(world.task().source.clone().unwrap().validators.etag.as_deref(), Some("\"two\""));
}

#[tokio::test]
async fn the_origin_is_asked_whether_anything_has_changed() {
    let world = World::complete(2500, 1000).await;
    let mut order = world.order();
    order.revalidate = true;
    let task = world.task();
    world.fetch(order.clone());
    world.until(|log| log.contains(&Event::Unchanged(super::script::TASK)).then_some(())).await;
    assert_eq!(world.contents.source(&task).await.unwrap().validators.etag.as_deref(), Some("\"one\""));
    world.contents.whole(&task).await.unwrap();
    assert_eq!(world.script.asked()[1]["if-none-match"], "\"one\"");
    world.script.set(|origin| (origin.content, origin.etag) = (b"new".to_vec(), Some("\"two\"".to_owned())));
    order.digest = None;
    let before = world.log().len();
    world.fetch(order);
    assert_eq!(world.end_after(before).await, whole(3));
    assert_eq!(world.script.asked().len(), 3);
    assert_eq!(fs::read(world.file()).unwrap(), b"new");
    assert_eq!(world.read(0..3).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_twin_gives_its_file_and_nothing_is_asked_for() {
    let world = World::complete(2500, 1000).await;
    let first = world.task();
    let twin = super::room::task(crate::cache::model::TaskNo(9), 1000, first.digest.clone());
    let mut order = super::room::order(&twin);
    let extent = first.source.clone().unwrap().extent;
    order.twin = Some((first.no, first.ids.clone(), extent, first.pieces.clone()));
    let before = world.log().len();
    let path = world.contents.path(&twin.ids.primary);
    {
        let mut room = world.room.lock().unwrap();
        room.task = twin;
    }
    world.fetch(order.clone());
    assert_eq!(world.end_after(before).await, whole(2500));
    assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().nlink()), (bytes(2500), 2));
    assert_eq!(world.script.asked().len(), 1);
    assert_eq!(world.read(0..2500).await.unwrap(), bytes(2500));
    // A twin that is not what it was is not taken.
    fs::write(world.contents.path(&first.ids.primary), b"rubbish").unwrap();
    world.contents.remove(order.task, &order.ids).await.unwrap();
    let before = world.log().len();
    world.fetch(order);
    assert_eq!(world.end_after(before).await, whole(2500));
    assert_eq!(fs::read(&path).unwrap(), bytes(2500));
    assert_eq!(world.script.asked().len(), 2);
}

#[tokio::test]
async fn who_has_the_last_byte_may_leave_before_it_is_settled() {
    // Stopped at the very moment at which the room hears of the last piece, which ends with the content.
    for says_length in [true, false] {
        let script = Script::new(bytes(2500));
        script.set(|origin| origin.says_length = says_length);
        let world = World::new(script, 1000, Some(sha256(&bytes(2500))));
        world.room.lock().unwrap().stops_at = Some(2);
        assert_eq!(world.fetched(world.order()).await, whole(2500), "{says_length}");
        assert_eq!(world.script.asked().len(), 1);
    }
}

#[tokio::test]
async fn nobody_waits_for_a_connection_that_has_nothing_more_to_give() {
    let count = 32 * 100;
    let script = Script::new(bytes(count));
    script.set(|origin| origin.chunk = 100);
    let world = World::new(script, 100, None);
    // The first connection is held at the end of its window, and beyond that nothing comes from it.
    world.script.set(|origin| origin.holds_first_at = Some(1600));
    assert_eq!(world.fetched(world.order()).await, whole(count));
    assert_eq!(fs::read(world.file()).unwrap(), bytes(count));
}

#[tokio::test]
async fn nothing_is_written_without_leave_and_a_stop_leaves_what_is_there() {
    let world = World::new(Script::new(bytes(3000)), 1000, None);
    world.room.lock().unwrap().lets_in = false;
    world.fetch(world.order());
    world.until(|log| (answers(log) == 1).then_some(())).await;
    assert!(!world.file().exists());
    world.contents.stop(super::script::TASK);
    assert_eq!(world.end_after(0).await, FetchEnd::Stopped);
    assert!(!world.file().exists());
    world.room.lock().unwrap().lets_in = true;
    world.script.upto.send_replace(1500);
    let before = world.log().len();
    world.fetch(world.order());
    world.until(|log| log.iter().any(|event| matches!(event, Event::Piece(_, 0, _))).then_some(())).await;
    world.contents.stop(super::script::TASK);
    assert_eq!(world.end_after(before).await, FetchEnd::Stopped);
    world.script.upto.send_replace(usize::MAX);
    assert_eq!(world.fetched(world.order()).await, whole(3000));
    assert_eq!(world.script.asked().last().unwrap()["range"], "bytes=1000-2999");
    assert_eq!(fs::read(world.file()).unwrap(), bytes(3000));
}
