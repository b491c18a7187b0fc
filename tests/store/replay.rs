//! Power cuts: what was synced is there; of the rest nothing, an ordered part, or any part. At every moment of the story
//! the store opens, holds the state after some decision, and none that was acknowledged is missing.

use crate::story::{Change, State, batch, child, contents, decision, open, play, role, settings};
use crate::trace::{CALLS, Cut, History, LONGEST};
use hostler::store::compact;
use std::collections::VecDeque;
use std::io::Write;
use std::process::Command;

const DECISIONS: u64 = 80;

/// Before this decision the store is closed, compacted and opened again.
const COMPACTED_AT: u64 = 50;

/// This one stores a value of 64 MiB.
const HUGE_AT: u64 = 70;
const HUGE: usize = 64 << 20;

/// Cuts at random moments, and at moments when names change.
const CUTS: usize = 30;
const NAME_CUTS: usize = 14;

/// The story of this test.
fn chapter(n: u64) -> Vec<Change> {
    let mut changes = decision(n);
    if n == HUGE_AT {
        changes.push(Change::Put(9000, "x".repeat(HUGE)));
    }
    changes
}

/// The child's part: three decisions in flight, each number said once it is durable.
#[test]
fn traced_child() {
    let Some(dir) = role("replay::traced_child") else { return };
    let mut store = open(&dir);
    let mut tickets = VecDeque::new();
    for n in 0..DECISIONS {
        tickets.push_back((n, store.submit(batch(&chapter(n)))));
        while tickets.len() > 2 || !tickets.is_empty() && (n + 1 == COMPACTED_AT || n + 1 == DECISIONS) {
            let (n, ticket) = tickets.pop_front().unwrap();
            ticket.wait().unwrap();
            println!("durable {n}");
            std::io::stdout().flush().unwrap();
        }
        if n + 1 == COMPACTED_AT {
            drop(store);
            compact(&settings(&dir)).unwrap();
            store = open(&dir);
        }
    }
}

/// Runs the child under strace, in a new directory below `root`.
fn trace(root: &std::path::Path, log: &std::path::Path) -> History {
    let child = child("replay::traced_child", &root.join("data"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-xx", "-s", LONGEST, "-e"]).arg(format!("trace={CALLS}")).arg("-o").arg(log);
    strace.arg(child.get_program()).args(child.get_args());
    strace.envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let done = strace.output().unwrap_or_else(|why| panic!("this test needs strace (tests/run installs it): {why}"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    History::read(log, root)
}

/// Texts by their length when they are long, so that states can be compared quickly.
fn digest(state: State) -> State {
    let short =
        |text: String| if text.len() == HUGE && text.bytes().all(|byte| byte == b'x') { "huge".into() } else { text };
    state.into_iter().map(|(key, text)| (key, short(text))).collect()
}

#[test]
fn a_power_cut_loses_nothing_acknowledged() {
    let real = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let history = trace(real.path(), &scratch.path().join("log"));
    assert!(history.syncs as u64 > DECISIONS / 3, "{} syncs: flush alone is not durable", history.syncs);

    let mut states = vec![State::new()];
    for n in 0..DECISIONS {
        let mut state = states.last().unwrap().clone();
        play(&mut state, &chapter(n));
        states.push(digest(state));
    }
    let mut seed = 88_172_645_463_325_252_u64; // fixed, so that a failure can be looked into
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let mut pick = |moments: &[usize], count: usize| -> Vec<usize> {
        (0..count).map(|nth| moments[moments.len() * nth / count + random(moments.len() / count)]).collect()
    };
    let mut moments = pick(&history.moments, CUTS);
    moments.extend(pick(&history.name_moments, NAME_CUTS));
    moments.push(*history.moments.last().unwrap());

    let said = |line: &usize| {
        let before = history.said.iter().filter(|(at, _)| at <= line);
        before.filter_map(|(_, text)| text.trim_end().split("durable ").nth(1)?.parse::<usize>().ok()).max()
    };
    for moment in moments {
        for cut in [Cut::Nothing, Cut::Prefix, Cut::Subset] {
            let image = tempfile::tempdir_in(scratch.path()).unwrap();
            history.cut(moment, cut, image.path(), &mut random);
            let store = open(&image.path().join("data"));
            let found = digest(contents(&store));
            let decisions = found.get(&0).map_or(0, |last| last.parse::<usize>().unwrap() + 1);
            let owed = said(&moment).map_or(0, |last| last + 1);
            assert!(decisions >= owed, "{cut:?} after line {moment}: {owed} acknowledged, {decisions} there");
            assert!(found == states[decisions], "{cut:?} after line {moment}: not the state after {decisions}");
            assert_eq!(store.check(&[]).findings, Vec::<String>::new(), "{cut:?} after line {moment}");
        }
    }
}
