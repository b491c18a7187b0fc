//! Real files in temporary directories: stories of writers and readers, and a simple model that argues with them.

use super::file::{Bound, LogFile};
use super::marks::{Kind, Ledger, MOST, Record, SIZE, since, thin};
use super::{Logs, Piece, Selection, Settings, Stem, highest_number, midnight};
use crate::base::Wall;
use chrono::TimeDelta;
use futures_util::future::FutureExt as _;
use futures_util::stream::{Stream, StreamExt as _};
use proptest::prelude::*;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

/// A bound for what must happen; far longer than it takes.
const SOON: Duration = Duration::from_secs(20);

fn at(seconds: i64) -> Wall {
    Wall::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("in time")
}

async fn all(stream: impl Stream<Item = io::Result<Piece>>) -> Vec<Piece> {
    soon(stream.map(|piece| piece.expect("readable")).collect()).await
}

async fn text(logs: &Logs, stem: &Stem, selection: Selection) -> String {
    let pieces = all(logs.pieces(stem, selection)).await;
    String::from_utf8(pieces.iter().flat_map(|piece| piece.bytes.clone()).collect()).unwrap()
}

/// Logs in a directory of their own, that look often.
fn logs() -> (TempDir, Logs, Stem) {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(&dir);
    (dir, logs, Stem::new("proc/1/0.out").unwrap())
}

fn open(dir: &TempDir) -> Logs {
    let settings = Settings { mark_every: Duration::from_millis(2), follow_every: Duration::from_millis(1) };
    Logs::open(dir.path().join("logs"), settings).unwrap()
}

#[tokio::test]
async fn a_run_begins_where_the_last_one_ended() {
    let (dir, logs, stem) = logs();
    assert_eq!(logs.mark_run(&stem, at(10)).await.unwrap(), 0);
    append(&logs.path(&stem), b"one\ntwo\n");
    assert_eq!(logs.mark_run(&stem, at(20)).await.unwrap(), 8);
    append(&logs.path(&stem), b"three\n");
    let run = |first, end| Selection { run: Some((first, end)), ..Selection::default() };
    assert_eq!(text(&logs, &stem, run(0, Some(8))).await, "one\ntwo\n");
    assert_eq!(text(&logs, &stem, run(8, None)).await, "three\n");
    assert_eq!(text(&logs, &stem, Selection { from: Some(2), to: Some(5), ..run(0, Some(4)) }).await, "e\n");
    drop(logs);
    let reborn = open(&dir);
    assert_eq!(reborn.length(&stem).await.unwrap(), 14, "after a restart too");
    assert_eq!(text(&reborn, &stem, run(8, Some(14))).await, "three\n");
}

#[tokio::test]
async fn since_a_time_leaves_out_nothing_written_later() {
    let (_dir, logs, stem) = logs();
    let midnight = midnight(Wall::UNIX_EPOCH + TimeDelta::hours(50));
    assert_eq!(midnight, at(48 * 3600));
    for (hours, line) in [(-3, "yesterday\n"), (-1, "late\n"), (0, "today\n"), (2, "now\n")] {
        logs.mark_run(&stem, midnight + TimeDelta::hours(hours)).await.unwrap();
        append(&logs.path(&stem), line.as_bytes());
    }
    let since = |at| Selection { since: Some(at), ..Selection::default() };
    assert_eq!(text(&logs, &stem, Selection::today(midnight + TimeDelta::hours(3))).await, "today\nnow\n");
    assert_eq!(text(&logs, &stem, since(midnight + TimeDelta::hours(1))).await, "today\nnow\n");
    assert_eq!(text(&logs, &stem, since(midnight - TimeDelta::seconds(1))).await, "late\ntoday\nnow\n");
    assert_eq!(text(&logs, &stem, since(at(0))).await, "yesterday\nlate\ntoday\nnow\n");
    assert_eq!(text(&logs, &stem, since(midnight + TimeDelta::hours(9))).await, "now\n");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_empty_and_is_not_created() {
    let (_dir, logs, stem) = logs();
    assert_eq!(text(&logs, &stem, Selection::default()).await, "");
    assert_eq!(text(&logs, &stem, Selection { last_lines: Some(3), ..Selection::default() }).await, "");
    assert_eq!(logs.length(&stem).await.unwrap(), 0);
    logs.mark_run(&stem, at(1)).await.unwrap();
    assert!(!logs.path(&stem).exists());
}

#[tokio::test]
async fn links_and_fifos_are_not_read() {
    let (dir, logs, stem) = logs();
    logs.mark_run(&stem, at(1)).await.unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), logs.path(&stem)).unwrap();
    let mut link = Box::pin(logs.read(&stem, Selection::default()));
    assert!(soon(link.next()).await.unwrap().is_err());
    assert!(soon(link.next()).await.is_none(), "an error is the last item");
    let fifo = Stem::new("proc/1/1.out").unwrap();
    nix::unistd::mkfifo(&logs.path(&fifo), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(soon(Box::pin(logs.read(&fifo, Selection::default())).next()).await.unwrap().is_err());
    // A link in place of the sidecar: what it points to stays as it is.
    let other = Stem::new("proc/1/2.out").unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), format!("{}.marks", logs.path(&other).display())).unwrap();
    append(&logs.path(&other), b"x");
    assert_eq!(logs.mark_run(&other, at(2)).await.unwrap(), 1);
    assert_eq!(fs::read(dir.path().join("secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn several_followers_get_every_byte_until_the_run_is_over() {
    let (_dir, logs, stem) = logs();
    let first = logs.mark_run(&stem, at(1)).await.unwrap();
    logs.watch(&stem, 1 << 30);
    let (over, done) = watch::channel(None);
    let selection = Selection { run: Some((first, None)), follow: true, done: Some(done), ..Selection::default() };
    let followers: Vec<_> = (0..3)
        .map(|_| {
            let (logs, stem, selection) = (logs.clone(), stem.clone(), selection.clone());
            tokio::spawn(async move { text(&logs, &stem, selection).await })
        })
        .collect();
    let path = logs.path(&stem);
    let expected: String = (0..5000).map(|line| format!("line {line}\n")).collect();
    let written = expected.clone();
    let writer = std::thread::spawn(move || {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        written.lines().for_each(|line| writeln!(file, "{line}").unwrap());
    });
    tokio::task::spawn_blocking(move || writer.join().unwrap()).await.unwrap();
    over.send(Some(expected.len() as u64)).unwrap();
    append(&logs.path(&stem), b"the next run\n");
    for follower in followers {
        assert_eq!(soon(follower).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_follower_may_come_before_the_file_and_ends_with_it() {
    let (_dir, logs, stem) = logs();
    logs.mark_run(&stem, at(1)).await.unwrap();
    let mut follower = Box::pin(logs.read(&stem, Selection { follow: true, ..Selection::default() }));
    assert!(follower.next().now_or_never().is_none());
    append(&logs.path(&stem), b"hello");
    assert_eq!(soon(follower.next()).await.unwrap().unwrap(), "hello");
    logs.remove(&stem).await.unwrap();
    assert!(soon(follower.next()).await.is_none());
}

#[tokio::test]
async fn a_done_that_is_dropped_ends_a_follow_with_what_there_is() {
    let (_dir, logs, stem) = logs();
    logs.mark_run(&stem, at(1)).await.unwrap();
    append(&logs.path(&stem), b"all of it");
    let (over, done) = watch::channel(None);
    drop(over);
    let selection = Selection { follow: true, done: Some(done), ..Selection::default() };
    assert_eq!(text(&logs, &stem, selection).await, "all of it");
}

#[tokio::test]
async fn a_followed_run_that_is_wholly_gone_ends() {
    let (_dir, logs, stem) = logs();
    logs.mark_run(&stem, at(1)).await.unwrap();
    append(&logs.path(&stem), b"gone soon");
    logs.mark_run(&stem, at(2)).await.unwrap();
    File::create(logs.path(&stem)).unwrap();
    let selection = Selection { run: Some((0, Some(9))), follow: true, ..Selection::default() };
    assert_eq!(text(&logs, &stem, selection).await, "");
}

#[tokio::test]
async fn a_line_is_awaited_across_pieces() {
    let (_dir, logs, stem) = logs();
    logs.mark_run(&stem, at(1)).await.unwrap();
    append(&logs.path(&stem), b"listening on 1.2.3.4:80 (old)\n");
    let from = logs.mark_run(&stem, at(2)).await.unwrap();
    let waiting = logs.wait_for_line(&stem, from, "listening on *:80");
    let mut waiting = Box::pin(waiting);
    append(&logs.path(&stem), b"noise\nlisten");
    assert!(waiting.as_mut().now_or_never().is_none());
    append(&logs.path(&stem), b"ing on [::]:8");
    append(&logs.path(&stem), b"0\n");
    let found = soon(waiting).await.unwrap();
    assert!(found <= logs.length(&stem).await.unwrap() && found > from + 6);
    // Not across lines.
    append(&logs.path(&stem), b"listening on\n:80");
    let mut never = Box::pin(logs.wait_for_line(&stem, from + 32, "listening on *:80"));
    logs.settled().await;
    assert!(never.as_mut().now_or_never().is_none());
    logs.remove(&stem).await.unwrap();
    assert_eq!(soon(never).await.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_growing_file_stays_within_its_cap_and_keeps_its_offsets() {
    let cap = 256 * 1024;
    // What the host builds on, and memory; where the latter is missing the former counts.
    for base in [std::env::temp_dir(), "/dev/shm".into()].iter().filter(|base| base.is_dir()) {
        let dir = tempfile::tempdir_in(base).unwrap();
        let base = base.display();
        let logs = open(&dir);
        let stem = Stem::new("capped.out").unwrap();
        logs.mark_run(&stem, at(1)).await.unwrap();
        logs.watch(&stem, cap);
        let block: Vec<u8> = (0..8192u32).flat_map(|line| format!("{line:07}\n").into_bytes()).collect();
        for _ in 0..16 {
            append(&logs.path(&stem), &block);
            logs.settled().await;
        }
        // The last growth may be looked at a moment later; a follower from the end sees that it was.
        logs.watch(&stem, cap);
        logs.settled().await;
        let end = 16 * block.len() as u64;
        assert_eq!(logs.length(&stem).await.unwrap(), end);
        let pieces = all(logs.pieces(&stem, Selection::default())).await;
        assert!(!logs.facts().unbounded);
        let first = &pieces[0];
        assert!(first.skipped > 0 && first.skipped == first.offset, "{base}: nothing was released");
        let kept: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
        let expected: Vec<u8> =
            block.iter().copied().cycle().skip(first.offset as usize % block.len()).take(kept.len()).collect();
        assert!(kept == expected, "{base}: other bytes at these offsets");
        assert_eq!(first.offset + kept.len() as u64, end);
        let disk = fs::metadata(logs.path(&stem)).unwrap().blocks() * 512;
        assert!(disk <= cap + block.len() as u64, "{base}: {disk} bytes on disk");
        drop(logs);
        let reborn = open(&dir);
        assert_eq!(all(reborn.pieces(&stem, Selection::default())).await[0], *first, "after a restart too");
    }
}

#[tokio::test]
async fn a_truncated_file_goes_on_behind_what_was_lost() {
    let (dir, logs, stem) = logs();
    logs.mark_run(&stem, at(1)).await.unwrap();
    logs.watch(&stem, 1 << 20);
    append(&logs.path(&stem), b"0123456789");
    assert_eq!(logs.length(&stem).await.unwrap(), 10);
    fs::write(logs.path(&stem), b"new").unwrap();
    let expected = [Piece { offset: 10, skipped: 7, bytes: "new".into() }];
    let from = Selection { from: Some(3), ..Selection::default() };
    assert_eq!(all(logs.pieces(&stem, from.clone())).await, expected);
    drop(logs);
    let reborn = open(&dir);
    assert_eq!(all(reborn.pieces(&stem, from)).await, expected);
    assert_eq!(reborn.length(&stem).await.unwrap(), 13);
}

#[tokio::test]
async fn a_truncation_while_nobody_looked_is_found_by_the_marks() {
    let (dir, logs, stem) = logs();
    append(
        &{
            logs.mark_run(&stem, at(1)).await.unwrap();
            logs.path(&stem)
        },
        b"0123456789",
    );
    logs.mark(&stem, at(2));
    logs.settled().await;
    drop(logs);
    let logs = open(&dir);
    fs::write(logs.path(&stem), b"ab").unwrap();
    assert_eq!(
        all(logs.pieces(&stem, Selection::default())).await,
        [Piece { offset: 10, skipped: 10, bytes: "ab".into() }]
    );
}

#[tokio::test]
async fn removal_takes_the_sidecar_and_empty_directories() {
    let (dir, logs, stem) = logs();
    let other = Stem::new("proc/2/0.out").unwrap();
    for stem in [&stem, &other] {
        logs.mark_run(stem, at(1)).await.unwrap();
        append(&logs.path(stem), &[b'x'; 5000]);
    }
    let usage = logs.usage(None).await.unwrap();
    assert_eq!(usage.iter().map(|found| found.stem.as_str()).collect::<Vec<_>>(), ["proc/1/0.out", "proc/2/0.out"]);
    assert!(usage.iter().all(|found| found.bytes >= 5000 && found.modified > at(0)));
    assert_eq!(logs.usage(Stem::new("proc/1").ok().as_ref()).await.unwrap().len(), 1);
    assert_eq!(logs.usage(Stem::new("nowhere").ok().as_ref()).await.unwrap(), []);
    logs.remove(&stem).await.unwrap();
    assert!(!dir.path().join("logs/proc/1").exists());
    assert!(logs.path(&other).exists());
    logs.remove(&stem).await.unwrap();
    logs.remove(&other).await.unwrap();
    assert!(fs::read_dir(dir.path().join("logs")).unwrap().next().is_none());
    assert_eq!(logs.mark_run(&stem, at(5)).await.unwrap(), 0, "a new file begins anew");
}

#[test]
fn a_long_sidecar_is_thinned_out_and_still_answers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.out");
    let mut file = LogFile::new(path.clone());
    let mut length = 0;
    for second in 0..(MOST as i64 * 2) {
        append(&path, b"x");
        length = file.mark(Some(at(second))).unwrap();
    }
    assert_eq!(length, MOST as u64 * 2);
    let sidecar = fs::read(dir.path().join("x.out.marks")).unwrap();
    assert!(sidecar.len() <= MOST * SIZE, "{} bytes", sidecar.len());
    assert_eq!(file.since(at(MOST as i64 * 2 - 5)), length - 4, "recent times are exact");
    let old = file.since(at(1000));
    assert!(old <= 1001 && old > 900, "old ones nearly: {old}");
    assert_eq!(LogFile::new(path).mark(None).unwrap(), length);
}

#[test]
fn torn_and_damaged_records_are_passed_over() {
    let record = |offset| Record { kind: Kind::Mark, at: at(offset as i64), offset };
    let mut sidecar: Vec<u8> = [1, 2, 3].iter().flat_map(|offset| record(*offset).encode()).collect();
    sidecar[SIZE + 17] ^= 1;
    sidecar.extend([0; SIZE]);
    sidecar.extend([7; SIZE / 2]);
    assert_eq!(Record::all(&sidecar), [record(1), record(3)]);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.out");
    fs::write(dir.path().join("x.out.marks"), &sidecar).unwrap();
    append(&path, b"12345");
    LogFile::new(path).mark(Some(at(9))).unwrap();
    let sidecar = fs::read(dir.path().join("x.out.marks")).unwrap();
    assert_eq!(Record::all(&sidecar), [record(1), record(3), Record { kind: Kind::Mark, at: at(9), offset: 5 }]);
}

#[derive(Clone, Debug)]
enum Op {
    Append(usize),
    /// Truncated and written anew, at most this much, before anybody looks.
    Replace(usize),
    Bound(u64),
    Mark,
    /// The core dies and comes back.
    Reborn,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0usize..40_000).prop_map(Op::Append),
        1 => (0usize..6_000).prop_map(Op::Replace),
        2 => (1u64..60_000).prop_map(Op::Bound),
        1 => Just(Op::Mark),
        1 => Just(Op::Reborn),
    ]
}

/// Never zero, so a byte out of a hole would be seen.
fn noise(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|index| b"abcdefg\nhij"[index % 11]).collect()
}

fn record() -> impl Strategy<Value = Record> {
    let kind = prop_oneof![6 => Just(Kind::Mark), 1 => Just(Kind::Kept), 1 => Just(Kind::Cut)];
    (kind, -1000i64..1000, 0u64..50).prop_map(|(kind, seconds, offset)| Record { kind, at: at(seconds), offset })
}

/// Records as a sidecar has them: offsets never fall.
fn records() -> impl Strategy<Value = Vec<Record>> {
    prop::collection::vec(record(), 0..60).prop_map(|mut records| {
        let mut end = 0;
        for record in &mut records {
            end += record.offset;
            record.offset = end;
        }
        records
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn offsets_never_change_and_no_kept_byte_is_lost(ops in prop::collection::vec(op(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _in = runtime.enter();
        let dir = tempfile::tempdir().unwrap();
        let logs = open(&dir);
        let stem = Stem::new("model.out").unwrap();
        let path = logs.path(&stem);
        append(&path, b"");
        // Held, so that only `Reborn` forgets what was seen.
        let mut file = logs.file(&stem);
        let mut logs = logs;
        let (mut written, mut base, mut kept) = (Vec::new(), 0usize, 0usize);
        for op in ops {
            match op {
                Op::Append(count) => {
                    let bytes = noise(written.len(), count);
                    append(&path, &bytes);
                    written.extend(bytes);
                }
                Op::Replace(count) if written.len() > base => {
                    let count = count.min(written.len() - base - 1);
                    (base, kept) = (written.len(), written.len());
                    let bytes = noise(written.len(), count);
                    fs::write(&path, &bytes).unwrap();
                    written.extend(bytes);
                }
                Op::Replace(_) => {}
                Op::Bound(cap) => {
                    let mut file = super::watch::lock(&file);
                    prop_assert_eq!(file.bound(cap).unwrap(), Bound::Kept);
                    let now = usize::try_from(file.ledger().kept).unwrap();
                    prop_assert!(now >= kept && now <= written.len());
                    prop_assert!(written.len() - now < usize::try_from(cap).unwrap() + 4096);
                    kept = now;
                }
                Op::Mark => {
                    super::watch::lock(&file).mark(None).unwrap();
                }
                Op::Reborn => {
                    drop(logs);
                    logs = open(&dir);
                    file = logs.file(&stem);
                }
            }
            prop_assert_eq!(runtime.block_on(logs.length(&stem)).unwrap(), written.len() as u64);
            let pieces = runtime.block_on(all(logs.pieces(&stem, Selection::default())));
            let read: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
            prop_assert!(read == written[kept..], "{} bytes of {}", read.len(), written.len() - kept);
            if let Some(first) = pieces.first() {
                prop_assert_eq!((first.offset, first.skipped), (kept as u64, kept as u64));
            }
        }
    }

    #[test]
    fn last_lines_are_those_of_the_text(
        lines in prop::collection::vec("[a-z]{0,3}|[a-z]{70000}", 0..8),
        open_end in any::<bool>(), count in 0usize..10, from in 0u64..6, dots in 0usize..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _in = runtime.enter();
        let (_dir, logs, stem) = logs();
        let mut whole = lines.join("\n");
        if !open_end && !lines.is_empty() {
            whole.push('\n');
        }
        whole.push_str(&".".repeat(dots));
        runtime.block_on(logs.mark_run(&stem, at(1))).unwrap();
        append(&logs.path(&stem), whole.as_bytes());
        let selection = Selection { from: Some(from), last_lines: Some(count), ..Selection::default() };
        let part = whole.get(from as usize..).unwrap_or_default();
        let all: Vec<&str> = part.split_inclusive('\n').collect();
        let expected = all[all.len().saturating_sub(count)..].concat();
        prop_assert_eq!(runtime.block_on(text(&logs, &stem, selection)), expected);
    }

    #[test]
    fn records_survive_their_encoding(records in records()) {
        let sidecar: Vec<u8> = records.iter().flat_map(Record::encode).collect();
        prop_assert_eq!(Record::all(&sidecar), records);
    }

    #[test]
    fn thinning_forgets_no_fact_and_hides_no_byte(records in records(), when in -1000i64..1000) {
        let (full, thinned) = (Ledger::new(&records), thin(&records));
        let small = Ledger::new(&thinned);
        prop_assert!(thinned.len() <= records.len());
        prop_assert_eq!((small.base, small.kept, small.end), (full.base, full.kept, full.end));
        prop_assert!(since(&thinned, at(when)).max(full.kept) <= since(&records, at(when)).max(full.kept));
    }
}

#[test]
fn the_highest_number_with_output_is_found() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(highest_number(&dir.path().join("none")), None);
    for name in ["7", "12", "x", "-99"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    assert_eq!(highest_number(dir.path()), Some(12));
}
