//! What the kernel tells of real directories.

use super::super::tests::{pool_dir, pool_name};
use super::*;
use std::fs;
use std::path::{Path, PathBuf};

fn scene() -> (tempfile::TempDir, PathBuf, Arc<Watches>, PoolWatches) {
    let (temp, dir) = pool_dir();
    fs::create_dir(dir.join("i")).unwrap();
    fs::write(dir.join("i/a"), "a").unwrap();
    let all = Arc::new(Watches::new());
    let watches = PoolWatches::new(Arc::clone(&all), pool_name("p"));
    watches.begin();
    (temp, dir, all, watches)
}

fn keep(watches: &PoolWatches, pool: &Path, item: u64, dir: &str) {
    watches.keep(ItemNo(item), &Directory::open(pool, dir).unwrap());
}

fn about(item: u64) -> (PoolName, ItemNo) {
    (pool_name("p"), ItemNo(item))
}

fn these(names: &[&str]) -> Names {
    Names::These(names.iter().map(|name| Arc::from(*name)).collect())
}

#[test]
fn changes_are_told_by_item_and_name() {
    let (_temp, dir, all, watches) = scene();
    keep(&watches, &dir, 1, "i");
    keep(&watches, &dir, 1, "i");
    assert_eq!((all.count(), all.hear()), (1, Heard::default()));
    fs::write(dir.join("i/a"), "b").unwrap();
    fs::write(dir.join("i/new"), "c").unwrap();
    assert_eq!(all.hear().items, HashMap::from([(about(1), these(&["a", "new"]))]));
    fs::rename(dir.join("i/new"), dir.join("i/a")).unwrap();
    assert_eq!(all.hear().items, HashMap::from([(about(1), these(&["a", "new"]))]));
    fs::remove_file(dir.join("i/a")).unwrap();
    assert_eq!(all.hear().items, HashMap::from([(about(1), these(&["a"]))]));
    // Reading says nothing.
    fs::write(dir.join("i/a"), "b").unwrap();
    let _ = all.hear();
    fs::read(dir.join("i/a")).unwrap();
    assert_eq!(all.hear(), Heard::default());
}

#[test]
fn two_items_may_share_a_directory() {
    let (_temp, dir, all, watches) = scene();
    keep(&watches, &dir, 1, "i");
    keep(&watches, &dir, 2, "i");
    assert_eq!(all.count(), 1);
    fs::write(dir.join("i/a"), "b").unwrap();
    assert_eq!(all.hear().items, HashMap::from([(about(1), these(&["a"])), (about(2), these(&["a"]))]));
    watches.forget(ItemNo(1));
    fs::write(dir.join("i/a"), "c").unwrap();
    assert_eq!(all.hear().items, HashMap::from([(about(2), these(&["a"]))]));
    watches.forget(ItemNo(2));
    fs::write(dir.join("i/a"), "d").unwrap();
    assert_eq!((all.count(), all.hear()), (0, Heard::default()));
}

#[test]
fn a_directory_that_is_removed_is_told_and_no_longer_watched() {
    let (_temp, dir, all, watches) = scene();
    keep(&watches, &dir, 1, "i");
    fs::remove_dir_all(dir.join("i")).unwrap();
    assert_eq!(all.hear().items, HashMap::from([(about(1), Names::All)]));
    assert_eq!(all.count(), 0);
}

#[test]
fn another_directory_in_its_place_is_watched_instead() {
    let (_temp, dir, all, watches) = scene();
    keep(&watches, &dir, 1, "i");
    fs::rename(dir.join("i"), dir.join("old")).unwrap();
    assert_eq!(all.hear().items, HashMap::from([(about(1), Names::All)]));
    fs::create_dir(dir.join("i")).unwrap();
    keep(&watches, &dir, 1, "i");
    fs::write(dir.join("old/a"), "b").unwrap();
    fs::write(dir.join("i/b"), "c").unwrap();
    assert_eq!(all.hear().items, HashMap::from([(about(1), these(&["b"]))]));
    assert_eq!(all.count(), 1);
}

#[test]
fn what_no_pass_came_by_is_swept() {
    let (_temp, dir, all, watches) = scene();
    fs::create_dir(dir.join("j")).unwrap();
    keep(&watches, &dir, 1, "i");
    keep(&watches, &dir, 2, "j");
    watches.sweep();
    assert_eq!(all.count(), 2);
    watches.begin();
    keep(&watches, &dir, 2, "j");
    watches.sweep();
    assert_eq!(all.count(), 1);
    watches.clear();
    assert_eq!(all.count(), 0);
}

#[test]
fn very_many_news_are_heard_in_turns_and_what_is_lost_is_said() {
    let (_temp, dir, all, watches) = scene();
    keep(&watches, &dir, 1, "i");
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let most: usize = most.trim().parse().unwrap();
    // Two names in turn: equal news one after the other would be joined by the kernel.
    for _ in 0..=most / 4 {
        fs::rename(dir.join("i/a"), dir.join("i/b")).unwrap();
        fs::rename(dir.join("i/b"), dir.join("i/a")).unwrap();
    }
    let (mut lost, mut turns) = (false, 1);
    loop {
        let heard = all.hear();
        lost |= heard.lost;
        if !heard.more {
            break;
        }
        turns += 1;
    }
    assert!(lost && turns > 1, "{lost} {turns}");
}
