//! What disks do, and what operators do with files.

use super::{Script, World, bytes};
use crate::cache::content::Placing;
use crate::cache::machine::{Event, FetchEnd};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

#[tokio::test]
async fn a_content_that_does_not_fit_fails_with_the_name_of_its_place() {
    let script = Script::new(bytes(10));
    // No disk of a test has room for this.
    script.set(|origin| {
        origin.says_length = false;
        origin.turns.push_back(super::script::Turn::Status(200, vec![("content-length", (1u64 << 62).to_string())]));
    });
    let world = World::new(script, 1 << 40, None);
    let FetchEnd::Failed { why, discard: false } = world.fetched(world.order()).await else { panic!("it fits") };
    assert!(why.starts_with(&format!("cannot take room for {}: ", world.file().display())), "{why}");
    assert!(!world.file().exists(), "nothing is left behind");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let world = World::new(Script::new(bytes(10)), 1000, None);
    let folder = world.file().parent().unwrap().to_owned();
    fs::write(&folder, b"a file where a folder should be").unwrap();
    let FetchEnd::Failed { why, .. } = world.fetched(world.order()).await else { panic!("it was written") };
    assert!(why.contains(&folder.display().to_string()), "{why}");
}

#[tokio::test]
async fn everything_is_compared_when_asked_for() {
    let world = World::complete(3500, 1000).await;
    assert_eq!(world.contents.verify(&world.task()).await, Ok(Vec::new()));
    let mut harmed = bytes(3500);
    (harmed[999], harmed[3000]) = (harmed[999] ^ 1, harmed[3000] ^ 1);
    fs::write(world.file(), harmed).unwrap();
    let before = world.log().len();
    assert_eq!(world.contents.verify(&world.task()).await, Ok(vec![0, 3]));
    assert_eq!(world.end_after(before).await, FetchEnd::Whole { length: 3500 });
    assert_eq!(world.contents.verify(&world.task()).await, Ok(Vec::new()));
    let before = world.log().len();
    fs::remove_file(world.file()).unwrap();
    assert!(world.contents.verify(&world.task()).await.unwrap_err().contains("No such file"));
    assert_eq!(world.end_after(before).await, FetchEnd::Whole { length: 3500 });
    assert_eq!(world.read(0..3500).await.unwrap(), bytes(3500));
}

#[tokio::test]
async fn the_background_check_finds_damage() {
    let world = World::complete(3500, 1000).await;
    let mut harmed = bytes(3500);
    harmed[1] ^= 1;
    fs::write(world.file(), harmed).unwrap();
    let once = std::sync::Mutex::new(Some(world.task()));
    let contents = world.contents.clone();
    let scrub = tokio::spawn(async move { contents.scrub(move || once.lock().unwrap().take()).await });
    world
        .until(|log| log.iter().any(|event| matches!(event, Event::Damaged(_, pieces) if *pieces == [0])).then_some(()))
        .await;
    scrub.abort();
}

#[tokio::test]
async fn files_are_handed_out_and_repairs_do_not_reach_them() {
    let world = World::complete(3500, 1000).await.restart();
    let outside = world.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let (copy, link) = (outside.join("copy"), outside.join("link"));
    fs::write(&copy, b"what was there").unwrap();
    world.contents.place(&world.task(), &copy, Placing::Copy).await.unwrap();
    assert_eq!(fs::read(&copy).unwrap(), bytes(3500));
    for _ in 0..2 {
        world.contents.place(&world.task(), &link, Placing::HardLink).await.unwrap();
        assert_eq!(fs::metadata(&link).unwrap().ino(), fs::metadata(world.file()).unwrap().ino());
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2, "no temporary name is left");
    assert!(world.contents.place(&world.task(), &outside, Placing::Copy).await.is_err());
    // Somebody writes into the link; the cache heals its own file, and leaves his alone.
    fs::write(&link, b"mine").unwrap();
    let before = world.log().len();
    assert!(!world.contents.verify(&world.task()).await.unwrap().is_empty());
    assert_eq!(world.end_after(before).await, FetchEnd::Whole { length: 3500 });
    assert_eq!(fs::read(&link).unwrap(), b"mine");
    assert_eq!(fs::read(world.file()).unwrap(), bytes(3500));
    assert_eq!(world.read(0..3500).await.unwrap(), bytes(3500));
}

#[tokio::test]
async fn files_of_no_task_are_removed() {
    let world = World::complete(3500, 1000).await;
    let folder = world.file().parent().unwrap().to_owned();
    fs::write(folder.join("0700000000"), b"12345").unwrap();
    fs::write(folder.join("no name of ours"), b"1").unwrap();
    let id = world.task().ids.primary.clone();
    let known = Arc::new(move |found: &crate::cache::model::TaskId| *found == id);
    assert_eq!(world.contents.remove_orphans(known.clone()).await.unwrap(), (2, 6));
    assert_eq!(world.contents.remove_orphans(known).await.unwrap(), (0, 0));
    assert!(world.file().exists());
    assert!(world.contents.free().unwrap() > 0);
}
