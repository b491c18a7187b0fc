//! The process is killed at any moment: nothing acknowledged is lost, no decision is there in part.

use crate::story::{batch, child, contents, decision, open, role, state_after};
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdout, Stdio};

const ROUNDS: u64 = 25;

/// The child's part: goes on with the story, four decisions in flight, and says each number once it is durable.
#[test]
fn killed_child() {
    let Some(dir) = role("kill::killed_child") else { return };
    let store = open(&dir);
    let began = contents(&store).get(&0).map_or(0, |last| last.parse::<u64>().unwrap() + 1);
    let mut tickets = std::collections::VecDeque::new();
    for n in began.. {
        tickets.push_back((n, store.submit(batch(&decision(n)))));
        if tickets.len() == 4 {
            let (n, ticket) = tickets.pop_front().unwrap();
            ticket.wait().unwrap();
            println!("durable {n}");
            std::io::stdout().flush().unwrap();
        }
    }
}

#[test]
fn a_killed_process_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = 0x2545_F491_4F6C_DD1D_u64; // fixed: the rounds differ, the runs need not
    let mut acknowledged = None;
    for round in 0..ROUNDS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut child = child("kill::killed_child", dir.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // Some are killed while they open the store.
        for _ in 0..if round % 5 == 4 { 0 } else { random % 60 } {
            acknowledged = next_number(&mut lines).or(acknowledged);
        }
        child.kill().unwrap();
        while let Some(number) = next_number(&mut lines) {
            acknowledged = Some(number);
        }
        child.wait().unwrap();

        let store = open(dir.path());
        let found = contents(&store);
        let last = found.get(&0).map(|last| last.parse::<u64>().unwrap());
        assert!(last >= acknowledged, "round {round}: {acknowledged:?} was acknowledged, {last:?} is there");
        assert!(found == state_after(last.map_or(0, |last| last + 1)), "round {round}: not the state after {last:?}");
        assert_eq!(store.check(&[]).findings, Vec::<String>::new(), "round {round}");
    }
    assert!(acknowledged > Some(ROUNDS), "the children did nothing: {acknowledged:?}");
}

/// The next number the child said; none when it says nothing more. The test harness prints lines of its own.
fn next_number(lines: &mut BufReader<ChildStdout>) -> Option<u64> {
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        // A line cut by the kill has no end, and was not said.
        if let Some(number) = line.strip_suffix('\n').and_then(|line| line.split("durable ").nth(1)) {
            return number.parse().ok();
        }
    }
}
