//! Readings that end, are stopped, or never answer.

use super::super::tests::{Yard, next, pool_dir};
use super::*;
use std::fs;
use std::path::PathBuf;
use tokio::sync::mpsc::UnboundedReceiver;

fn scene(rate: u64) -> (tempfile::TempDir, PathBuf, Readings<Yard>, UnboundedReceiver<Event>) {
    let (temp, dir) = pool_dir();
    fs::create_dir(dir.join("i")).unwrap();
    fs::write(dir.join("i/a"), vec![1; 1 << 20]).unwrap();
    let (yard, events) = Yard::new();
    let settings = Settings { stat_every: Duration::from_secs(5), hash_rate: rate, small: 0 };
    (temp, dir, Readings::new(yard, settings, Hanging::default()), events)
}

fn order(dir: &Path, tag: u64, gently: bool) -> ReadOrder {
    let pool = Arc::new(dir.to_owned());
    ReadOrder { tag: TagNo(tag), number: 1, pool, dir: "i".into(), detail: "a".into(), gently }
}

#[tokio::test]
async fn each_is_told_once() {
    let (_temp, dir, readings, mut events) = scene(0);
    readings.begin(order(&dir, 1, true));
    readings.begin(order(&dir, 1, true));
    assert!(
        matches!(next(&mut events).await, Event::Read(TagNo(1), _, Reading::Whole(_, digests)) if digests.size == 1 << 20)
    );
    fs::remove_file(dir.join("i/a")).unwrap();
    readings.begin(order(&dir, 1, false));
    assert_eq!(next(&mut events).await, Event::Read(TagNo(1), 1, Reading::Nothing(Look::Missing)));
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn a_stopped_one_is_not_told_even_while_it_waits_for_its_turn() {
    // A byte a second: the first part takes days to pay for.
    let (_temp, dir, readings, mut events) = scene(1);
    readings.begin(order(&dir, 1, true));
    let going = readings.going_on.lock().get(&TagNo(1)).cloned().unwrap();
    readings.stop(TagNo(1));
    readings.stop(TagNo(1));
    readings.begin(order(&dir, 1, false));
    assert!(matches!(next(&mut events).await, Event::Read(TagNo(1), _, Reading::Whole(..))));
    // The thread of the first one lets go of it: nothing of it is left.
    tokio::time::timeout(super::super::tests::BOUND, async {
        while Arc::strong_count(&going) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(events.try_recv().is_err() && readings.going_on.lock().is_empty());
}

#[tokio::test]
async fn gentle_ones_take_as_long_as_they_should() {
    // A second's worth is free, and the second half of the file takes a second.
    let (_temp, dir, readings, mut events) = scene(1 << 19);
    let began = Instant::now();
    readings.begin(order(&dir, 1, true));
    assert!(matches!(next(&mut events).await, Event::Read(TagNo(1), _, Reading::Whole(..))));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
    // Nobody who waits is held up by what others owe.
    readings.begin(order(&dir, 3, true));
    readings.begin(order(&dir, 2, false));
    for tag in [2, 3] {
        assert!(matches!(next(&mut events).await, Event::Read(TagNo(no), _, Reading::Whole(..)) if no == tag));
    }
}

#[tokio::test]
async fn where_a_thread_hangs_nothing_more_is_read() {
    let (_temp, dir, readings, mut events) = scene(0);
    for (tag, place) in [(1, readings.hanging.clone()), (2, readings.dead.clone())] {
        let (let_go, held) = tokio::sync::oneshot::channel::<()>();
        let (told, back) = tokio::sync::oneshot::channel();
        place.add(dir.clone(), tokio::spawn(held), move || told.send(()).unwrap());
        readings.begin(order(&dir, tag, false));
        let Event::Read(no, _, Reading::Nothing(Look::PoolGone(why))) = next(&mut events).await else { panic!() };
        assert!(no == TagNo(tag) && why.contains("does not answer"), "{why}");
        drop(let_go);
        back.await.unwrap();
        readings.begin(order(&dir, tag, false));
        assert!(matches!(next(&mut events).await, Event::Read(no, _, Reading::Whole(..)) if no == TagNo(tag)));
    }
}
