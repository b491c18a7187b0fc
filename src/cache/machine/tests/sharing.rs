//! Stories of who shares which fetch.

use super::play::*;
use crate::cache::machine::*;
use crate::cache::model::*;
use std::sync::Arc;

#[test]
fn many_who_want_one_content_share_one_fetch() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    for reader in 2..50 {
        assert_eq!(play.open(wanted("a"), reader).no, no);
    }
    play.order(no);
    assert!(!play.has(|effect| matches!(effect, Effect::Fetch(_))), "a second fetch");
    assert!(play.answer(no, source(PIECE + 1, "v1")));
    play.pieces(no, 0..2);
    play.end(no, FetchEnd::Whole { length: PIECE + 1 });
    assert!(play.open(wanted("a"), 50).is_complete());
    assert_eq!(play.room.bytes(), PIECE + 1);
}

#[test]
fn who_leaves_last_stops_it_and_what_is_there_stays() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    play.open(wanted("a"), 2);
    play.order(no);
    play.answer(no, source(3 * PIECE, "v1"));
    play.pieces(no, 0..1);
    play.leave(no, 1);
    assert!(!play.is_stopped(no));
    play.leave(no, 2);
    assert!(play.is_stopped(no));
    play.end(no, FetchEnd::Stopped);
    assert_eq!(play.state(no), TaskState::Partial(None));
    play.open(wanted("a"), 3);
    let (have, pieces) = play.order(no).have.expect("what is there");
    assert_eq!((have.validators.etag.as_deref(), pieces.count()), (Some("v1"), 1));
    assert!(play.answer(no, source(3 * PIECE, "v1")));
    assert_eq!(play.room.task(no).unwrap().pieces.count(), 1, "nothing has changed");
}

#[test]
fn another_version_of_a_content_replaces_what_is_there() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    play.order(no);
    play.answer(no, source(3 * PIECE, "v1"));
    play.pieces(no, 0..2);
    assert!(play.answer(no, source(PIECE, "v2")), "answered a second time");
    assert_eq!(play.room.task(no).unwrap().pieces.count(), 0);
    play.pieces(no, 0..1);
    play.end(no, FetchEnd::Whole { length: PIECE });
    assert!(matches!(play.state(no), TaskState::Complete(_)));
}

#[test]
fn credentials_make_private_whoevers_turn_it_is() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    play.order(no);
    play.answer(no, source(3 * PIECE, "v1"));
    play.pieces(no, 0..1);
    assert!(!play.open(Box::new(Wanted { private: true, ..*wanted("a") }), 2).private, "it is fetched without");
    play.leave(no, 1);
    play.tell(Event::Damaged(no, vec![0]));
    play.end(no, FetchEnd::Whole { length: 3 * PIECE });
    assert_eq!(play.order(no).errand, Errand::Reader(2));
    assert!(play.room.task(no).unwrap().private, "it is fetched with");
}

#[test]
fn what_is_revalidated_with_credentials_is_private_for_those_who_wait_for_it() {
    let mut play = Play::started(rules());
    play.cached("a", PIECE);
    let anew = |private| Box::new(Wanted { private, revalidate: true, ..*wanted("a") });
    assert!(play.open(anew(true), 1).private);
    assert!(play.open(anew(false), 2).private, "it may be served with what the first one gets");
    assert!(!play.open(wanted("a"), 3).private, "what is here is not");
}

#[test]
fn a_version_without_a_name_is_never_taken_for_the_same() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    play.order(no);
    play.answer(no, source(3 * PIECE, ""));
    play.pieces(no, 0..1);
    play.fail(no, "reset");
    play.leave(no, 1);
    play.open(wanted("a"), 2);
    play.order(no);
    play.answer(no, source(3 * PIECE, ""));
    assert_eq!(play.room.task(no).unwrap().pieces.count(), 0);
}

#[test]
fn who_comes_while_it_is_stopped_waits_and_gets_a_fetch_of_his_own() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    play.order(no);
    play.answer(no, source(3 * PIECE, "v1"));
    play.pieces(no, 0..1);
    play.leave(no, 1);
    let plan = play.hear(Event::Asked(Ask::Open(wanted("a"), Errand::Reader(2))));
    let owed = plan.owed.expect("he waits");
    assert!(!play.has(|effect| matches!(effect, Effect::Fetch(_))));
    play.end(no, FetchEnd::Stopped);
    assert!(matches!(&play.late[&owed], Verdict::Opened(task) if task.no == no));
    assert_eq!(play.order(no).errand, Errand::Reader(2));
}

#[test]
fn a_failure_without_a_piece_leaves_nothing() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("missing"), 1).no;
    play.order(no);
    play.fail(no, "the origin answered 404");
    assert!(matches!(play.state(no), TaskState::Partial(Some(_))), "as long as somebody looks");
    play.leave(no, 1);
    assert!(play.is_gone(no));
    assert_eq!(play.room.task_count(), 0);
}

#[test]
fn a_wrong_digest_leaves_nothing_either() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("wrong"), 1).no;
    play.order(no);
    play.answer(no, source(PIECE, "v1"));
    play.pieces(no, 0..1);
    play.end(no, FetchEnd::Failed { why: "digest".into(), discard: true });
    play.leave(no, 1);
    assert!(play.is_gone(no));
    assert!(play.effects.iter().any(|effect| matches!(effect, Effect::Remove(..))), "its file goes, too");
    assert_eq!(play.room.bytes(), 0);
}

#[test]
fn a_fetch_that_ends_short_is_no_whole() {
    let mut play = Play::started(rules());
    let no = play.open(wanted("a"), 1).no;
    play.order(no);
    play.answer(no, source(3 * PIECE, "v1"));
    play.pieces(no, 0..2);
    play.end(no, FetchEnd::Whole { length: 3 * PIECE });
    assert!(matches!(play.state(no), TaskState::Partial(Some(_))));
}

#[test]
fn what_is_complete_is_served_while_the_origin_is_asked() {
    let mut play = Play::started(rules());
    let no = play.cached("a", PIECE);
    let again = || Box::new(Wanted { revalidate: true, ..*wanted("a") });
    assert_eq!(play.open(again(), 1).state, TaskState::Fetching, "he waits for the answer");
    assert!(play.open(wanted("a"), 2).is_complete());
    assert!(play.order(no).revalidate);
    play.tell(Event::Unchanged(no));
    assert!(play.room.task(no).unwrap().is_complete());
    play.open(again(), 3);
    play.order(no);
    play.fail(no, "unreachable");
    assert!(play.room.task(no).unwrap().is_complete(), "what is there is no worse for that");
    play.open(again(), 4);
    play.order(no);
    assert!(play.answer(no, source(2 * PIECE, "v2")));
    assert_eq!(play.state(no), TaskState::Fetching);
    play.pieces(no, 0..2);
    play.end(no, FetchEnd::Whole { length: 2 * PIECE });
    assert_eq!(play.room.bytes(), 2 * PIECE);
}

#[test]
fn a_damaged_piece_is_fetched_again() {
    let mut play = Play::started(rules());
    let no = play.cached("a", 3 * PIECE);
    play.tell(Event::Damaged(no, vec![1]));
    let order = play.order(no);
    assert_eq!((order.errand, order.have.unwrap().1.count()), (Errand::Repair, 2));
    play.answer(no, source(3 * PIECE, "v1"));
    play.pieces(no, 1..2);
    play.end(no, FetchEnd::Whole { length: 3 * PIECE });
    assert!(play.room.task(no).unwrap().is_complete());
    assert!(play.room.effort(&Ask::Collect) == 1 && !play.is_stopped(no));
}

const BLOB: &str = "blobs/sha256:7865227e0db06199ce8f392876e6ad4e2a2f4b00b14c1b926a414e47fc741e3f";

#[test]
fn a_twin_with_the_same_digest_is_taken_instead_of_a_transfer() {
    let mut play = Play::started(rules());
    let first = play.cached(&format!("https://r.example.net/v2/a/{BLOB}"), 2 * PIECE);
    let second = play.open(wanted(&format!("https://r.example.net/v2/b/{BLOB}")), 1).no;
    assert_ne!(first, second);
    assert_eq!(play.order(second).twin.expect("a twin").0, first);
    play.end(second, FetchEnd::Whole { length: 2 * PIECE });
    let task = play.room.task(second).unwrap();
    assert!(task.is_complete() && task.pieces.count() == 2);
    assert_eq!(task.source.as_ref().unwrap().validators, Validators::default(), "its own origin has said nothing");
    let alias = task.ids.digest.clone().unwrap();
    assert_eq!(play.room.find(&alias).unwrap().no, second, "the newest of the complete ones");
}

#[test]
fn a_private_twin_is_not_taken() {
    let mut play = Play::started(rules());
    let name = format!("https://r.example.net/v2/a/{BLOB}");
    let no = play.open(Box::new(Wanted { private: true, ..*wanted(&name) }), 1).no;
    play.arrive(no, PIECE);
    assert!(play.room.task(no).unwrap().private);
    let second = play.open(wanted(&format!("https://r.example.net/v2/b/{BLOB}")), 2).no;
    assert_eq!(play.order(second).twin, None);
}

#[test]
fn what_was_not_compared_with_its_digest_is_fetched_anew() {
    let mut play = Play::started(rules());
    let no = play.cached("a", PIECE);
    let digest = Some(Digest::Crc32(1));
    play.open(Box::new(Wanted { digest: digest.clone(), ..*wanted("a") }), 1);
    let order = play.order(no);
    assert_eq!((order.digest, order.have), (digest, None));
    assert!(!play.room.task(no).unwrap().is_complete());
}

#[test]
fn own_ids_find_one_task_and_a_removed_one_is_not_found() {
    let mut play = Play::started(rules());
    let no = play.cached("get?b=2&a=1", PIECE);
    let ids = wanted("get?b=2&a=1").ids;
    for id in ids.own() {
        assert_eq!(play.room.find(id).unwrap().no, no);
    }
    assert_eq!(ids.own().count(), 2);
    assert_eq!(play.open(wanted("get?a=1&b=2"), 1).no, no, "the same, in another order");
    play.stuck = Some("read-only".into());
    let verdict = play.ask_and_wait(Ask::Remove(vec![no]));
    assert!(matches!(verdict, Verdict::Removed { .. }));
    assert!(ids.own().all(|id| play.room.find(id).is_none()));
}

#[test]
fn opens_of_a_doomed_task_wait_for_its_end() {
    let mut play = Play::started(rules());
    let no = play.cached("a", PIECE);
    let removal = play.hear(Event::Asked(Ask::Remove(vec![no]))).owed.expect("later");
    let opening = play.hear(Event::Asked(Ask::Open(wanted("a"), Errand::Reader(1)))).owed.expect("later");
    play.calm();
    assert!(matches!(&play.late[&removal], Verdict::Removed { removed, .. } if removed.len() == 1));
    assert!(matches!(&play.late[&opening], Verdict::Opened(task) if task.no != no));
}

#[test]
fn a_file_that_cannot_be_removed_refuses_those_who_wait_and_is_tried_again() {
    let mut play = Play::started(rules());
    let no = play.cached("a", PIECE);
    play.stuck = Some("permission denied".into());
    let verdict = play.ask_and_wait(Ask::Remove(vec![no]));
    assert!(matches!(&verdict, Verdict::Removed { removed, failed } if removed.is_empty() && failed.len() == 1));
    let verdict = play.ask_and_wait(Ask::Open(wanted("a"), Errand::Reader(1)));
    assert_eq!(verdict, Verdict::Refused(Refusal::Stuck("permission denied".into())));
    play.stuck = None;
    play.pass(rules().collect_every);
    assert!(play.is_gone(no));
}

#[test]
fn who_waits_for_a_removal_may_leave() {
    let mut play = Play::started(rules());
    let no = play.cached("a", PIECE);
    play.tell(Event::Asked(Ask::Remove(vec![no])));
    let opening = play.hear(Event::Asked(Ask::Open(wanted("a"), Errand::Reader(1)))).owed.expect("later");
    play.tell(Event::Left(no, Errand::Reader(1)));
    assert_eq!(play.late[&opening], Verdict::Refused(Refusal::NotFound));
    play.calm();
    assert_eq!(play.room.task_count(), 0);
}

#[test]
fn events_of_what_is_not_there_change_nothing() {
    let mut play = Play::started(rules());
    let no = TaskNo(99);
    for event in [
        Event::Left(no, Errand::Repair),
        Event::Unchanged(no),
        Event::Piece(no, 0, Crc(0)),
        Event::Fetched(no, FetchEnd::Stopped),
        Event::Damaged(no, vec![0]),
        Event::Removed(no, Ok(())),
        Event::Resolved(JobId(9), Ok(Vec::new())),
        Event::Purged(JobId(9), Ok(1)),
        Event::Widowed(vec![PinOwner::Dag("x".into())]),
    ] {
        let plan = play.hear(event.clone());
        assert_eq!(plan, Plan::default(), "{event:?}");
    }
    assert_eq!(play.hear(Event::Answered(no, source(1, ""))).effects, [Effect::Stop(no)], "or it would wait for ever");
}

#[test]
fn verdicts_are_shared_and_do_not_move() {
    let mut play = Play::started(rules());
    let before = play.open(wanted("a"), 1);
    play.arrive(before.no, PIECE);
    assert_eq!(before.state, TaskState::Fetching);
    assert!(!Arc::ptr_eq(&before, play.room.task(before.no).unwrap()));
}
