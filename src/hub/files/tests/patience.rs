//! Work that comes back, and work that does not.

use super::super::tests::BOUND;
use super::*;
use std::sync::mpsc;

#[tokio::test]
async fn work_that_gives_signs_of_life_may_take_long() {
    let sign = Sign::new();
    let lives = Arc::clone(&sign);
    let work = tokio::task::spawn_blocking(move || {
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(20)); // this is the work
            lives.give();
        }
        7
    });
    assert!(matches!(patiently(work, &sign, Duration::from_millis(150)).await, Ok(Some(7))));
}

#[tokio::test]
async fn work_that_rests_says_for_how_long() {
    let sign = Sign::new();
    sign.give_for(Duration::from_secs(60));
    let work = tokio::spawn(tokio::time::sleep(Duration::from_millis(50)));
    assert!(matches!(patiently(work, &sign, Duration::ZERO).await, Ok(Some(()))));
}

#[tokio::test]
async fn work_without_signs_is_left_alone_until_it_comes_back() {
    let (go_on, held) = mpsc::channel::<()>();
    let work = tokio::task::spawn_blocking(move || held.recv().is_err());
    let Err(work) = patiently(work, &Sign::new(), Duration::from_millis(20)).await else { panic!("it hangs") };

    let (hanging, place) = (Hanging::default(), PathBuf::from("/somewhere"));
    let (told, back) = tokio::sync::oneshot::channel();
    hanging.add(place.clone(), work, move || told.send(()).unwrap());
    assert!(hanging.is_at(&place) && !hanging.is_at(&PathBuf::from("/elsewhere")));
    drop(go_on);
    tokio::time::timeout(BOUND, back).await.unwrap().unwrap();
    assert!(!hanging.is_at(&place));
}

#[tokio::test]
async fn work_that_breaks_down_is_over() {
    let work = tokio::spawn(async { panic!("on purpose") });
    let ended: Result<Option<()>, _> = patiently(work, &Sign::new(), BOUND).await;
    assert!(matches!(ended, Ok(None)));
}

#[test]
fn nothing_is_late_within_five_seconds() {
    assert_eq!(patience(Duration::from_millis(100)), Duration::from_secs(5));
    assert_eq!(patience(Duration::from_secs(60)), Duration::from_secs(60));
}
