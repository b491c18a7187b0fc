//! Those who read.

use super::script::{Nobody, TASK, Turn};
use super::{Script, World, bytes, sha256};
use crate::cache::content::live::Live;
use crate::cache::content::watching::Report;
use crate::cache::machine::{Event, FetchEnd};
use crate::cache::model::{Crc, TaskNo, TaskState};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use std::fs;
use std::sync::Arc;

#[tokio::test]
async fn a_hundred_readers_of_one_fetch_see_the_same_and_it_is_fetched_once() {
    let count = 100_000;
    let script = Script::new(bytes(count));
    script.set(|origin| origin.chunk = 777);
    let world = World::new(script, 30_000, Some(sha256(&bytes(count))));
    world.fetch(world.order());
    let all = join_all((0..100).map(|_| world.read(0..u64::MAX))).await;
    assert!(all.into_iter().all(|read| read.unwrap() == bytes(count)));
    assert_eq!(world.script.asked().len(), 1);
}

#[tokio::test]
async fn bytes_of_an_unfinished_piece_are_handed_on_and_the_last_one_waits_for_the_digest() {
    let world = World::new(Script::new(bytes(3000)), 2000, Some(sha256(&bytes(3000))));
    world.script.upto.send_replace(500);
    let task = world.task();
    world.fetch(world.order());
    assert_eq!(world.contents.source(&task).await.unwrap().extent.length, Some(3000));
    let mut body = world.contents.read(&task, 0..3000);
    let mut seen = Vec::new();
    while seen.len() < 500 {
        seen.extend_from_slice(&body.next().await.unwrap().unwrap());
    }
    assert_eq!(seen, bytes(3000)[..500]);
    world.script.upto.send_replace(usize::MAX);
    while let Some(part) = body.next().await {
        seen.extend_from_slice(&part.unwrap());
        if seen.len() == 3000 {
            let progress = world.contents.progress(&task);
            assert_eq!(progress.borrow().end, Some(Ok(())), "the digest came first");
        }
    }
    assert_eq!(seen, bytes(3000));
    assert_eq!(world.end_after(0).await, FetchEnd::Whole { length: 3000 });
}

#[tokio::test]
async fn a_slow_reader_remembers_the_end_himself() {
    for says_length in [true, false] {
        let script = Script::new(bytes(3000));
        script.set(|origin| origin.says_length = says_length);
        let world = World::new(script, 2000, Some(sha256(&bytes(3000))));
        world.script.upto.send_replace(500);
        let task = world.task();
        world.fetch(world.order());
        world.contents.source(&task).await.unwrap();
        let mut body = world.contents.read(&task, 0..u64::MAX);
        let mut seen = body.next().await.unwrap().unwrap().to_vec();
        world.script.upto.send_replace(usize::MAX);
        world.contents.whole(&task).await.unwrap();
        // So many others come and go that what became of this one is forgotten.
        world.script.set(|origin| origin.turns.extend((0..1100).map(|_| Turn::Forbidden)));
        for other in 0..1100 {
            let other = super::room::task(TaskNo(1000 + other), 2000, None);
            world.contents.fetch(super::room::order(&other), Arc::new(Nobody::default()));
            let ended = world.contents.whole(&Arc::new(other)).await.unwrap_err();
            assert!(ended.forbidden, "{ended}");
        }
        while let Some(part) = body.next().await {
            seen.extend_from_slice(&part.expect("the rest"));
        }
        assert_eq!(seen, bytes(3000), "{says_length}");
    }
}

#[tokio::test]
async fn damage_is_found_at_the_first_reading_after_a_start_and_healed() {
    let harm: [fn(&std::path::Path); 4] = [
        |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[2047] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1500).unwrap(),
        |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap(),
        |path| fs::remove_file(path).unwrap(),
    ];
    let damaged = [vec![2], vec![1, 2, 3], vec![0, 1, 2, 3], vec![0, 1, 2, 3]];
    for (harm, damaged) in harm.into_iter().zip(damaged) {
        let world = World::complete(3500, 1000).await.restart();
        harm(&world.file());
        assert_eq!(world.read(0..3500).await.unwrap(), bytes(3500));
        assert_eq!(world.log()[0], Event::Damaged(TASK, damaged));
        assert_eq!(world.end_after(0).await, FetchEnd::Whole { length: 3500 });
        assert_eq!(fs::read(world.file()).unwrap(), bytes(3500));
        assert!(world.task().is_complete());
        assert_eq!(world.read(900..2100).await.unwrap(), bytes(3500)[900..2100]);
    }
}

#[tokio::test]
async fn many_readers_report_damage_once() {
    let world = World::complete(3500, 1000).await.restart();
    let mut harmed = bytes(3500);
    harmed[10] ^= 1;
    fs::write(world.file(), harmed).unwrap();
    let all = join_all((0..50).map(|_| world.read(0..3500))).await;
    assert!(all.into_iter().all(|read| read.unwrap() == bytes(3500)));
    let reports = world.log().into_iter().filter(|event| matches!(event, Event::Damaged(..))).count();
    assert_eq!(reports, 1);
}

#[tokio::test]
async fn whoever_finds_damage_that_is_repaired_by_then_reports_nothing() {
    let world = World::complete(3500, 1000).await;
    let inner = &world.contents.inner;
    let known = inner.knowledge.of(TASK);
    let before = world.log().len();
    assert!(matches!(inner.found_damaged(TASK, &known, &[0, 2]), Report::ThereAgain), "after the fetch");
    // While it goes on: what has come is there, what was reported is not reported again.
    let live = Live::new();
    known.bad(&[1, 2]);
    assert_eq!(live.damaged(&known, &[0, 1, 2]), Some(vec![1, 2]));
    assert_eq!(live.damaged(&known, &[1]), Some(vec![]));
    known.good(1);
    assert_eq!(live.damaged(&known, &[1]), Some(vec![]), "compared, and not told of yet");
    live.put(1, Crc(1));
    assert_eq!(live.damaged(&known, &[0, 1]), None);
    assert_eq!(world.log().len(), before);
    // Who knows better is heard.
    inner.damaged(TASK, &known, &[1]);
    world.until(|log| log[before..].iter().find(|event| matches!(event, Event::Damaged(..))).cloned()).await;
    assert_eq!(world.read(0..3500).await.unwrap(), bytes(3500));
}

#[tokio::test]
async fn damage_that_cannot_be_healed_ends_in_an_error() {
    let world = World::complete(3500, 1000).await.restart();
    fs::remove_file(world.file()).unwrap();
    world.script.set(|origin| origin.turns.push_back(super::script::Turn::Status(404, Vec::new())));
    assert_eq!(world.read(0..3500).await.unwrap_err().to_string(), "origin answered 404");
}

#[tokio::test]
async fn who_reads_a_removed_file_reads_on() {
    let world = World::complete(600_000, 200_000).await;
    let task = world.task();
    let mut body = world.contents.read(&task, 0..600_000);
    let mut seen = body.next().await.unwrap().unwrap().to_vec();
    world.contents.remove(TASK, &task.ids).await.unwrap();
    world.contents.remove(TASK, &task.ids).await.unwrap();
    assert!(!world.file().exists());
    while let Some(part) = body.next().await {
        seen.extend_from_slice(&part.unwrap());
    }
    assert_eq!(seen, bytes(600_000));
}

#[tokio::test]
async fn a_removal_ends_the_fetch_and_its_readers() {
    let world = World::new(Script::new(bytes(3000)), 1000, None);
    world.script.upto.send_replace(1200);
    let task = world.task();
    world.fetch(world.order());
    let mut body = world.contents.read(&task, 0..3000);
    assert!(body.next().await.unwrap().is_ok());
    world.contents.remove(TASK, &task.ids).await.unwrap();
    assert_eq!(world.end_after(0).await, FetchEnd::Stopped);
    let rest: Vec<_> = body.collect().await;
    assert!(rest.last().unwrap().is_err());
}

#[tokio::test]
async fn who_holds_a_task_as_it_was_still_reads_it() {
    let world = World::new(Script::new(bytes(3000)), 1000, Some(sha256(&bytes(3000))));
    let before = world.task();
    assert_eq!(before.state, TaskState::Fetching);
    world.fetched(world.order()).await;
    assert_eq!(world.contents.source(&before).await.unwrap().extent.length, Some(3000));
    world.contents.whole(&before).await.unwrap();
    assert_eq!(super::room::collect(&world.contents, &before, 10..3000).await.unwrap(), bytes(3000)[10..]);
}
