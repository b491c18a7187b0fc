//! Readings of real files, some of which change meanwhile.

use super::super::tests::{pool_dir, there};
use super::super::{look, measure};
use super::*;
use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

const MD5_ABC: [u8; 16] = *b"\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72";
const SHA256_ABC: [u8; 32] = *b"\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\
\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad";

fn scene(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let (temp, dir) = pool_dir();
    fs::create_dir(dir.join("i")).unwrap();
    fs::write(dir.join("i/a"), content).unwrap();
    (temp, dir)
}

fn sha256(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

#[test]
fn a_file_is_read_whole_with_both_digests() {
    let (_temp, dir) = scene(b"abc");
    let Some(Reading::Whole(stamp, digests)) = measure(&dir, "i", "a", &|_| true) else { panic!() };
    assert_eq!(digests, Digests { size: 3, md5: MD5_ABC, sha256: SHA256_ABC });
    assert_eq!(Look::There(stamp), there(&dir, "i", "a"));

    fs::write(dir.join("i/a"), b"").unwrap();
    let Some(Reading::Whole(_, digests)) = measure(&dir, "i", "a", &|_| true) else { panic!() };
    assert_eq!((digests.size, digests.sha256), (0, sha256(b"")));

    let large: Vec<u8> = (0..BUFFER as u32 * 2 + 17).map(|number| number as u8).collect();
    fs::write(dir.join("i/a"), &large).unwrap();
    let told = Cell::new(0);
    let count = |bytes| {
        told.set(told.get() + bytes);
        true
    };
    let Some(Reading::Whole(_, digests)) = measure(&dir, "i", "a", &count) else { panic!() };
    assert_eq!((digests.size, told.get(), digests.sha256), (large.len() as u64, large.len() as u64, sha256(&large)));
}

#[test]
fn what_cannot_be_read_is_what_a_look_finds() {
    let (_temp, dir) = scene(b"abc");
    assert_eq!(measure(&dir, "i", "b", &|_| true), Some(Reading::Nothing(Look::Missing)));
    let gone = measure(&dir, "j", "a", &|_| true);
    assert!(matches!(gone, Some(Reading::Nothing(Look::PoolGone(_)))), "{gone:?}");
    assert_eq!(measure(&dir, "i", "a", &|_| false), None);
}

#[test]
fn one_that_changes_all_the_time_is_unsteady() {
    let (_temp, dir) = scene(b"abc");
    let grow = |_| {
        fs::File::options().append(true).open(dir.join("i/a")).unwrap().write_all(b"more").unwrap();
        true
    };
    assert_eq!(measure(&dir, "i", "a", &grow), Some(Reading::Unsteady));
    let replace = |_| {
        fs::write(dir.join("i/new"), b"xyz").unwrap();
        fs::rename(dir.join("i/new"), dir.join("i/a")).unwrap();
        true
    };
    assert_eq!(measure(&dir, "i", "a", &replace), Some(Reading::Unsteady));
}

#[test]
fn one_that_changes_once_is_read_as_it_is_then() {
    for change in ["replaced", "cut", "grown", "rewritten"] {
        let (_temp, dir) = scene(b"first");
        let path = dir.join("i/a");
        let done = Cell::new(false);
        let once = |_| {
            if !done.replace(true) {
                match change {
                    "replaced" => {
                        fs::write(dir.join("i/new"), b"after").unwrap();
                        fs::rename(dir.join("i/new"), &path).unwrap();
                    }
                    "cut" => fs::write(&path, b"a").unwrap(),
                    "grown" => fs::write(&path, b"first and after").unwrap(),
                    _ => fs::File::options().write(true).open(&path).unwrap().write_all_at(b"other", 0).unwrap(),
                }
            }
            true
        };
        let Some(Reading::Whole(stamp, digests)) = measure(&dir, "i", "a", &once) else { panic!("{change}") };
        assert_eq!(digests.sha256, sha256(&fs::read(&path).unwrap()), "{change}");
        assert_eq!(Look::There(stamp), look(&dir, "i", "a"), "{change}");
    }
}

/// Whatever a writer does at the same time: a reading that counts is of a state that the file once had.
#[test]
fn a_racing_writer_never_makes_a_mixture() {
    let blank = vec![0_u8; 3 * BUFFER];
    let (_temp, dir) = scene(&blank);
    let stop = AtomicBool::new(false);
    // Letter after letter, at the beginning of each of three parts.
    let state = |letter: u8, parts: usize| {
        let mut state = blank.clone();
        for part in 0..3 {
            state[part * BUFFER] = if part < parts { letter } else { letter.wrapping_sub(1) % 8 };
        }
        sha256(&state)
    };
    let states: Vec<_> = (0..8).flat_map(|letter| [1, 2, 3].map(|parts| state(letter, parts))).collect();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let file = fs::File::options().write(true).open(dir.join("i/a")).unwrap();
            for letter in (0..8).cycle().skip(1).take_while(|_| !stop.load(Ordering::Relaxed)) {
                for part in 0..3 {
                    file.write_all_at(&[letter], part * BUFFER as u64).unwrap();
                }
                // Now and then there is peace for long enough.
                std::thread::park_timeout(Duration::from_millis(if letter == 0 { 60 } else { 1 }));
            }
        });
        for _ in 0..8 {
            match measure(&dir, "i", "a", &|_| true) {
                Some(Reading::Whole(_, digests)) => assert!(states.contains(&digests.sha256)),
                Some(Reading::Unsteady) => {}
                other => panic!("{other:?}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
        writer.thread().unpark();
    });
    let Some(Reading::Whole(stamp, digests)) = measure(&dir, "i", "a", &|_| true) else { panic!() };
    assert_eq!(digests.sha256, sha256(&fs::read(dir.join("i/a")).unwrap()));
    assert_eq!(Look::There(stamp), look(&dir, "i", "a"));
}

#[test]
fn what_was_changed_just_now_is_waited_for_once() {
    let stamp = |ctime| Stamp { dev: 0, ino: 0, size: 0, mtime: 0, ctime };
    let now = Wall::from_timestamp_nanos(1_000_000_000);
    assert_eq!(to_settle(stamp(1_000_000_000), now), SETTLED);
    assert_eq!(to_settle(stamp(985_000_000), now), Duration::from_millis(5));
    assert_eq!(to_settle(stamp(980_000_000), now), Duration::ZERO);
    assert_eq!(to_settle(stamp(i64::MIN), now), Duration::ZERO);
    assert_eq!(to_settle(stamp(i64::MAX), now), SETTLED);
}
