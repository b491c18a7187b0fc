//! Logs: rings, and lines that are lines.

use super::play::*;
use crate::hub::machine::*;

#[test]
fn a_ring_drops_its_oldest_line() {
    let mut play = Play::new(Rules { log_ring: 3, ..rules() });
    play.join(ALICE);
    assert_eq!(play.room.log_bounds(ALICE), None);
    for number in 1..=5 {
        let lines = vec![(ALICE, format!("line {number}")), (BOB, "nobody's".to_owned())];
        assert_eq!(play.ask(Ask::Note(lines)), Verdict::Done);
    }
    assert_eq!(play.log(ALICE), ["line 3", "line 4", "line 5"]);
    assert_eq!(play.room.log_bounds(ALICE), Some((3, 5)));
    assert_eq!(play.log(BOB).len(), 0, "only members have a log");
}

#[test]
fn a_ring_goes_on_after_a_restart_and_may_become_shorter() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    let lines = (1..=5).map(|number| (ALICE, format!("line {number}"))).collect();
    assert_eq!(play.ask(Ask::Note(lines)), Verdict::Done);
    let mut play = Play::of(Rules { log_ring: 2, ..rules() }, play.shelf, play.now);
    assert_eq!(play.room.log_bounds(ALICE), Some((4, 5)));
    assert_eq!(play.log(ALICE), ["line 4", "line 5"], "what is not shown is not kept");
    assert_eq!(play.ask(Ask::Started), Verdict::Done);
    assert_eq!(play.room.log_bounds(ALICE), Some((5, 6)));
    assert_eq!(play.log(ALICE).last().unwrap(), "hostler started");
}

#[test]
fn start_and_end_are_lines_of_everybody() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    play.join(BOB);
    assert_eq!(play.ask(Ask::Started), Verdict::Done);
    assert_eq!(play.ask(Ask::Stopping), Verdict::Done);
    for account in [ALICE, BOB] {
        assert_eq!(play.log(account), ["hostler started", "hostler stops"]);
    }
}

#[test]
fn a_line_is_one_line_and_not_too_long() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    let texts = ["one\r\ntwo\tthree\u{1b}[31m\n\n", " \n", "a\u{2028}b", &"ä".repeat(2_000)];
    let lines = texts.iter().map(|text| (ALICE, (*text).to_owned())).collect();
    assert_eq!(play.ask(Ask::Note(lines)), Verdict::Done);
    let log = play.log(ALICE);
    assert_eq!(log[..2], ["one  two three [31m", "a b"]);
    assert_eq!(log[2], "ä".repeat(1_024));
    assert_eq!(log.len(), 3, "what has no text is no line");
}

#[test]
fn lines_of_beats_keep_their_stamps() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    let lines = vec!["2024/03/05 09:10:41 [one]".to_owned(), "2024/03/05 09:10:42 [two]".to_owned()];
    let beat = Beat { lines: lines.clone(), ..Beat::default() };
    let plan = play.hear(Event::Asked(Ask::Beat(ALICE, beat)));
    let stamps = plan.changes.iter().map(|change| match change {
        Change::Line { at, .. } => *at,
        other => panic!("{other:?}"),
    });
    assert!(stamps.eq([None, None]));
    assert_eq!(play.log(ALICE), lines);
}

#[test]
fn a_log_goes_with_its_account() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    assert_eq!(play.ask(Ask::Started), Verdict::Done);
    play.tell(Event::Removed(ALICE));
    assert_eq!(play.room.log_bounds(ALICE), None);
    play.join(ALICE);
    assert_eq!(play.ask(Ask::Started), Verdict::Done);
    assert_eq!(play.room.log_bounds(ALICE), Some((1, 1)));
}
