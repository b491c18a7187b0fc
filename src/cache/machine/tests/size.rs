//! How much a task takes, and how long all of them do.

use super::play::*;
use crate::cache::machine::*;
use crate::cache::model::*;
use std::sync::Arc;
use std::time::Instant;

const MANY: u64 = 100_000;

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

/// A layer of an image as a registry tells of it.
fn stored(no: u64, filter: &Filter) -> Task {
    let digest = format!("{:064x}", u128::from(no) * 0x9e37_79b9_7f4a_7c15);
    let mut identity = Identity {
        tag: "nightly".into(),
        application: "builds".into(),
        filter: filter.clone(),
        ..Identity::of_url("")
    };
    identity.url = format!("https://registry.example.net/v2/team/service/blobs/sha256:{digest}");
    let mut pieces = Pieces::new();
    (0..5).for_each(|number| pieces.put(number, Crc(number)));
    let mut source = *source(5 * PIECE, &format!("\"{digest}\""));
    source.headers = vec![
        ("content-type".into(), "application/octet-stream".into()),
        ("docker-content-digest".into(), format!("sha256:{digest}")),
    ];
    Task {
        no: TaskNo(no),
        ids: identity.ids(),
        digest: identity.blob_digest(),
        identity,
        private: false,
        pins: Default::default(),
        ttl: None,
        peer: uuid::Uuid::from_u128(no.into()),
        created: beginning().wall,
        used: LastUse::at(beginning().wall),
        source: Some(source),
        pieces: Arc::new(pieces),
        state: TaskState::Complete(beginning().wall),
    }
}

/// `cargo test --lib cache::machine::tests::size -- --ignored --nocapture`, alone: others in this process take memory, too.
#[test]
#[ignore = "measures the memory of the process, which other tests use as well"]
fn a_hundred_thousand_tasks_are_small_and_quick() {
    let filter = Filter::new("");
    let before = resident();
    let tasks: Vec<_> = (1..=MANY).map(|no| stored(no, &filter)).collect();
    let read = resident();
    let began = Instant::now();
    let memory = Memory { tasks, last_task: MANY, ..Memory::default() };
    let (mut room, plan) = Room::recover(with_quota(MANY * 5 * PIECE).clone(), memory, beginning());
    drop(plan);
    let taken = began.elapsed();
    let each = (resident() - before) / MANY;
    println!("{each} bytes each ({} of the task itself), taken in within {taken:?}", (read - before) / MANY);
    println!("sizes: task {}, source {}, ids {}", size_of::<Task>(), size_of::<Source>(), size_of::<Ids>());
    // All of them have been used since: the longest that one step may take.
    let later = beginning().later(hours(24 * 31));
    room.tasks().for_each(|task| task.used.touch(later.wall));
    let (mut steps, mut longest) = (0, std::time::Duration::ZERO);
    while room.deadline().is_some_and(|at| at <= later.mono) {
        let began = Instant::now();
        let _ = room.step(Event::Tick, later);
        longest = longest.max(began.elapsed());
        steps += 1;
    }
    println!("{steps} steps, the longest {longest:?}");
    assert!(each <= 2_300, "{each} bytes each");
}
