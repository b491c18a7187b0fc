//! Connections that break, at every byte.

use super::script::Turn;
use super::{Script, World, bytes, sha256};
use crate::cache::machine::FetchEnd;
use std::fs;

const COUNT: usize = 57;

async fn breaks(turn: impl Fn(usize) -> Turn, set: impl Fn(&mut super::script::Origin)) {
    for after in 0..=COUNT {
        let script = Script::new(bytes(COUNT));
        script.set(|origin| {
            origin.chunk = 3;
            set(origin);
            origin.turns.push_back(turn(after));
        });
        let world = World::new(script, 10, Some(sha256(&bytes(COUNT))));
        let end = world.fetched(world.order()).await;
        assert_eq!(end, FetchEnd::Whole { length: COUNT as u64 }, "after {after} bytes");
        assert_eq!(fs::read(world.file()).unwrap(), bytes(COUNT), "after {after} bytes");
        assert_eq!(world.read(0..COUNT as u64).await.unwrap(), bytes(COUNT), "after {after} bytes");
    }
}

#[tokio::test]
async fn a_break_anywhere_ends_well() {
    breaks(Turn::Break, |_| {}).await;
}

#[tokio::test]
async fn a_body_that_ends_early_is_a_break() {
    breaks(Turn::Short, |_| {}).await;
}

#[tokio::test]
async fn an_origin_without_ranges_gives_everything_again() {
    breaks(Turn::Break, |origin| origin.ranges = false).await;
}

#[tokio::test]
async fn an_origin_without_names_is_believed_for_the_digest() {
    breaks(Turn::Break, |origin| origin.etag = None).await;
}

#[tokio::test]
async fn an_origin_that_says_no_length_gives_everything_again() {
    breaks(Turn::Break, |origin| (origin.says_length, origin.ranges) = (false, false)).await;
}

#[tokio::test]
async fn with_two_connections_either_may_break() {
    for at in 0..4 {
        for after in [0, 1, 99, 100, 101, 799, 1599] {
            let count = 100 * 48;
            let script = Script::new(bytes(count));
            script.set(|origin| {
                origin.chunk = 50;
                origin.turns.extend((0..at).map(|_| Turn::Plain));
                origin.turns.push_back(Turn::Break(after));
            });
            let world = World::new(script, 100, Some(sha256(&bytes(count))));
            assert_eq!(world.fetched(world.order()).await, FetchEnd::Whole { length: count as u64 });
            assert_eq!(fs::read(world.file()).unwrap(), bytes(count));
        }
    }
}

#[tokio::test]
async fn a_content_that_changes_in_between_is_told_of_a_second_time() {
    let script = Script::new(bytes(100));
    script.set(|origin| {
        origin.chunk = 10;
        origin.turns.push_back(Turn::Break(55));
    });
    let world = World::new(script, 10, None);
    world.room.lock().unwrap().lets_in = false;
    world.fetch(world.order());
    world.until(|log| (log.len() == 1).then_some(())).await;
    let mut other = bytes(100);
    other.reverse();
    world.script.set(|origin| (origin.content, origin.etag) = (other.clone(), Some("\"two\"".to_owned())));
    {
        let mut room = world.room.lock().unwrap();
        room.lets_in = true;
        let crate::cache::machine::Event::Answered(_, source) = room.log[0].clone() else { panic!("an answer") };
        room.task.source = Some(*source);
    }
    world.contents.proceed(super::script::TASK);
    assert_eq!(world.end_after(0).await, FetchEnd::Whole { length: 100 });
    assert_eq!(fs::read(world.file()).unwrap(), other);
    assert_eq!(world.task().source.clone().unwrap().validators.etag.as_deref(), Some("\"two\""));
}
