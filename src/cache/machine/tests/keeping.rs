//! Stories of what is kept and what is thrown away.

use super::play::*;
use crate::cache::machine::*;
use crate::cache::model::*;

#[test]
fn what_was_not_used_for_the_longest_time_goes_first() {
    let mut play = Play::started(with_quota(10 * PIECE));
    let old: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|name| {
            play.pass(secs(1));
            play.cached(name, 3 * PIECE)
        })
        .collect();
    play.pass(secs(1));
    play.room.task(old[0]).unwrap().used.touch(play.now.wall); // served, without asking
    let new = play.open(wanted("new"), 1).no;
    play.arrive(new, 2 * PIECE);
    assert!(play.is_gone(old[1]), "the oldest");
    assert!(!play.is_gone(old[0]) && !play.is_gone(old[2]));
    assert_eq!(play.room.bytes(), 8 * PIECE, "down to the lower mark");
}

#[test]
fn what_is_pinned_wanted_or_fetched_stays() {
    let mut play = Play::started(with_quota(4 * PIECE));
    let pinned = play.cached("pinned", PIECE);
    assert_eq!(play.ask(Ask::Pin(pinned, PinOwner::Name("me".into()))), Verdict::Done);
    let read = play.cached("read", PIECE);
    play.open(wanted("read"), 1);
    let fetched = play.open(wanted("fetched"), 2).no;
    play.order(fetched);
    assert!(play.answer(fetched, source(PIECE, "v")));
    let more = play.open(wanted("more"), 3).no;
    play.order(more);
    assert!(!play.answer(more, source(2 * PIECE, "v")), "there is no room");
    assert!(play.is_stopped(more));
    play.end(more, FetchEnd::Stopped);
    let TaskState::Partial(Some(failure)) = play.state(more) else { panic!() };
    assert_eq!(failure.why, format!("the cache is full: {} bytes are needed, {} can be had", 2 * PIECE, PIECE));
    assert!([pinned, read, fetched].iter().all(|no| !play.is_gone(*no)));
    assert_eq!(play.ask(Ask::Unpin(pinned, PinOwner::Name("me".into()))), Verdict::Done);
    play.leave(more, 3);
    play.open(wanted("more"), 3);
    let more = play.task_of("more");
    play.order(more);
    assert!(play.answer(more, source(2 * PIECE, "v")), "now there is");
    assert!(play.is_gone(pinned));
}

#[test]
fn room_is_promised_to_one_only() {
    let mut play = Play::started(with_quota(4 * PIECE));
    let (a, b) = (play.open(wanted("a"), 1).no, play.open(wanted("b"), 2).no);
    assert!(play.answer(a, source(3 * PIECE, "v")));
    assert_eq!(play.room.bytes(), 3 * PIECE, "promised");
    assert!(!play.answer(b, source(3 * PIECE, "v")));
    assert!(play.is_stopped(b));
    play.fail(a, "reset");
    assert_eq!(play.room.bytes(), 0, "and given back");
}

#[test]
fn what_does_not_say_its_length_counts_as_it_grows() {
    let mut play = Play::started(with_quota(4 * PIECE));
    let old = play.cached("old", 2 * PIECE);
    let no = play.open(wanted("stream"), 1).no;
    play.order(no);
    assert!(play.answer(no, source(None, "v")));
    play.pieces(no, 0..2);
    play.calm();
    assert!(!play.is_gone(old));
    play.pieces(no, 2..3);
    play.calm();
    assert!(play.is_gone(old));
    play.pieces(no, 3..4);
    assert!(!play.is_stopped(no));
    play.pieces(no, 4..5);
    assert!(play.is_stopped(no), "all that may be kept is not enough");
}

#[test]
fn the_last_of_the_disk_is_not_touched() {
    let mut play = Play::new(Rules { quota: Quota { keep_free: 10 * PIECE, ..rules().quota }, ..rules() });
    play.free = 15 * PIECE;
    play.calm();
    let old = play.cached("old", 3 * PIECE);
    play.free = 12 * PIECE;
    let no = play.open(wanted("a"), 1).no;
    play.order(no);
    assert!(play.answer(no, source(3 * PIECE, "v")), "when the old one has gone");
    assert!(play.is_gone(old));
    let more = play.open(wanted("b"), 2).no;
    play.order(more);
    assert!(!play.answer(more, source(9 * PIECE, "v")));
    assert!(play.is_stopped(more));
}

#[test]
fn others_who_fill_the_disk_drive_out_what_is_old() {
    let mut play = Play::started(Rules { quota: Quota { keep_free: 10 * PIECE, ..rules().quota }, ..rules() });
    let (a, b) = (play.cached("a", PIECE), play.cached("b", PIECE));
    play.now = play.now.later(secs(1));
    play.free = 10 * PIECE - 1;
    play.pass(rules().collect_every);
    assert!(play.is_gone(a) && !play.is_gone(b));
}

#[test]
fn what_lies_unused_for_its_time_goes() {
    let mut play = Play::started(Rules { ttl: hours(10), ..rules() });
    let (a, b) = (play.cached("a", PIECE), play.cached("b", PIECE));
    let short = play.open(Box::new(Wanted { ttl: Some(hours(1)), ..*wanted("short") }), 1).no;
    play.arrive(short, PIECE);
    play.leave(short, 1);
    play.pass(hours(2));
    assert!(play.is_gone(short) && !play.is_gone(a));
    play.room.task(b).unwrap().used.touch(play.now.wall);
    play.pass(hours(9));
    assert!(play.is_gone(a) && !play.is_gone(b));
    play.pass(hours(3));
    assert!(play.is_gone(b));
}

#[test]
fn so_many_tasks_are_kept() {
    let mut play = Play::started(Rules { quota: Quota { tasks: 2, ..rules().quota }, ..rules() });
    let a = play.cached("a", 1);
    play.pass(secs(1));
    let b = play.cached("b", 1);
    play.open(wanted("a"), 1);
    play.cached("c", 1);
    assert!(play.is_gone(b) && !play.is_gone(a));
    play.open(wanted("c"), 2);
    let verdict = play.ask(Ask::Open(wanted("d"), Errand::Reader(3)));
    assert!(matches!(verdict, Verdict::Refused(Refusal::Full(_))), "{verdict:?}");
}

#[test]
fn collecting_says_what_it_threw_away() {
    let mut play = Play::started(Rules { ttl: hours(1), collect_every: hours(1_000), ..rules() });
    play.cached("a", PIECE);
    play.cached("b", 2 * PIECE);
    play.pass(hours(2));
    assert_eq!(play.ask_and_wait(Ask::Collect), Verdict::Collected { tasks: 2, bytes: 3 * PIECE });
    assert_eq!(play.ask_and_wait(Ask::Collect), Verdict::Collected { tasks: 0, bytes: 0 });
    assert_eq!(play.room.bytes(), 0);
}

#[test]
fn pins_of_the_dead_do_not_count() {
    let mut play = Play::started(rules());
    let no = play.cached("a", PIECE);
    let (dag, name) = (PinOwner::Dag("run".into()), PinOwner::Name("me".into()));
    for owner in [&dag, &name] {
        assert_eq!(play.ask(Ask::Pin(no, owner.clone())), Verdict::Done);
    }
    play.pass(rules().collect_every);
    assert!(play.has(|effect| *effect == Effect::Inquire(vec![dag.clone()])), "names do not die");
    play.tell(Event::Widowed(vec![dag]));
    assert_eq!(play.room.pin_owners(), [name]);
    assert_eq!(play.ask(Ask::Pin(TaskNo(9), PinOwner::Name("x".into()))), Verdict::Refused(Refusal::NotFound));
}

#[test]
fn uses_are_written_down_now_and_then() {
    let mut play = Play::started(rules());
    let no = play.cached("a", PIECE);
    play.pass(secs(10));
    let used = play.now.wall;
    play.room.task(no).unwrap().used.touch(used);
    let before = play.history.len();
    play.pass(rules().note_use_every);
    assert_eq!(play.shelf.used(no), used);
    play.pass(rules().note_use_every * 3);
    let notes = play.history[before..].iter().flatten().filter(|change| matches!(change, Change::Used(..)));
    assert_eq!(notes.count(), 1, "once for each use");
}
