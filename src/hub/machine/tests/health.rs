//! What looks and readings mean, in a table and in stories.

use super::play::*;
use crate::hub::machine::health::{Judgement, conclude, judge};
use crate::hub::machine::*;
use crate::hub::model::*;

const RIGHT: Stamp = Stamp { dev: 1, ino: 7, size: 10, mtime: 1, ctime: 1 };
const MIB: u64 = 1 << 20;

fn health(state: State, right: Option<Stamp>) -> Health {
    Health { state, since: beginning().wall, hashed: None, right }
}

fn other_bytes(size: u64) -> Digests {
    Digests { sha256: [9; 32], ..digests(size) }
}

#[test]
fn a_look_is_judged_by_what_is_known() {
    use Reason::*;
    let pending = || (State::Pending, true);
    let gone = |reason: Reason| (State::Abnormal(reason), false);
    let states = [State::Normal, State::Pending, State::Abnormal(Missing), State::Abnormal(ContentChanged)];
    for state in states {
        let is_normal = state == State::Normal;
        // Nobody has found out yet that its bytes are any better.
        let pending_or_worse =
            || if state == State::Abnormal(ContentChanged) { (state.clone(), true) } else { pending() };
        let ctime = if is_normal { (State::Normal, true) } else { pending_or_worse() };
        let table = [
            (Look::There(RIGHT), (State::Normal, false)),
            (Look::There(Stamp { ctime: 2, ..RIGHT }), ctime),
            (Look::There(Stamp { mtime: 2, ..RIGHT }), pending_or_worse()),
            (Look::There(Stamp { ino: 8, ..RIGHT }), pending_or_worse()),
            (Look::There(Stamp { dev: 2, ..RIGHT }), pending_or_worse()),
            (Look::There(Stamp { size: 11, ..RIGHT }), gone(SizeChanged)),
            (Look::Missing, gone(Missing)),
            (Look::NotAFile, gone(NotAFile)),
            (Look::Unreadable("no".into()), gone(Unreadable("no".into()))),
            (Look::Escaped, gone(Escaped)),
            (Look::PoolGone("no".into()), gone(PoolGone("no".into()))),
        ];
        for (look, (expected, read)) in table {
            let known = judge(Some(&digests(10)), &health(state.clone(), Some(RIGHT)), &look);
            assert_eq!(known, Judgement { state: expected.clone(), read }, "{state:?} {look:?}");
            let unread = judge(None, &health(state.clone(), None), &look);
            let is_there = matches!(look, Look::There(_));
            let expected = if is_there { pending() } else { (expected, read) };
            assert_eq!(unread, Judgement { state: expected.0, read: expected.1 }, "{state:?} {look:?}");
        }
    }
    let nothing_right = judge(Some(&digests(10)), &health(State::Normal, None), &Look::There(RIGHT));
    assert_eq!(nothing_right, Judgement { state: State::Pending, read: true });
}

#[test]
fn wrong_bytes_under_the_right_stamp_make_it_worthless() {
    let known = health(State::Normal, Some(RIGHT));
    let found = conclude(Some(&digests(10)), &known, None, &Reading::Whole(RIGHT, other_bytes(10)));
    assert_eq!((found.state, found.right), (State::Abnormal(Reason::ContentChanged), None));
    let found = conclude(Some(&digests(10)), &known, None, &Reading::Failed("EIO".into()));
    assert_eq!((found.right, found.seen), (None, Some(RIGHT)), "looks that find it are no news");
    let found = conclude(Some(&digests(10)), &known, None, &Reading::Unsteady);
    assert_eq!((found.state, found.right), (State::Pending, Some(RIGHT)));
}

fn begin() -> Play {
    let mut play = Play::new(rules());
    play.join(ALICE);
    play.make_item(ALICE, "p1");
    play.tell(Event::Passed(pool("p1")));
    play
}

fn state(play: &Play, no: TagNo) -> State {
    play.room.tag_by_no(no).unwrap().health.state.clone()
}

fn look(play: &mut Play, no: TagNo, look: Look) {
    play.tell(Event::Looked(vec![(no, look)]));
}

/// What is to be read, and whether gently.
fn orders(play: &mut Play) -> Vec<(TagNo, bool)> {
    let read = |effect| match effect {
        Effect::Read(order) => Some((order.tag, order.gently)),
        _ => None,
    };
    play.take_effects().into_iter().filter_map(read).collect()
}

fn unwell(play: &Play) -> Vec<(String, &'static str)> {
    let item = play.room.item(&rep("weather"), &item("rain")).unwrap().no;
    let word = |shown| match shown {
        Shown::Abnormal { reason, .. } => reason,
        Shown::Normal => "normal",
    };
    play.room.unwell(item, play.now.mono).into_iter().map(|(tag, shown)| (tag.name.to_string(), word(shown))).collect()
}

#[test]
fn a_file_that_goes_and_comes_back_is_unwell_and_well() {
    let mut play = begin();
    let (no, job) = play.publish(ALICE, new_tag("t1", 10));
    assert!(job.is_none());
    assert_eq!((state(&play, no), unwell(&play)), (State::Normal, vec![]));
    look(&mut play, no, Look::Missing);
    assert_eq!(unwell(&play), [("t1".to_owned(), "missing")]);
    assert_eq!(play.room.counts(), (1, 1));
    let lines = play.log(ALICE).len();
    look(&mut play, no, Look::Missing);
    assert_eq!(play.log(ALICE).len(), lines, "nothing new, nothing written");
    look(&mut play, no, Look::There(RIGHT));
    assert_eq!((state(&play, no), orders(&mut play)), (State::Normal, vec![]));
    assert_eq!(play.room.counts(), (1, 0));
}

#[test]
fn a_changed_file_is_read_and_judged_by_its_bytes() {
    let mut play = begin();
    let (no, _) = play.publish(ALICE, new_tag("t1", 10));
    let changed = Stamp { mtime: 5, ctime: 5, ..RIGHT };
    look(&mut play, no, Look::There(changed));
    assert_eq!(unwell(&play), [], "it will be known in a moment");
    assert_eq!(orders(&mut play), [(no, false)]);
    play.read(no, Reading::Whole(changed, other_bytes(10)));
    assert_eq!(unwell(&play), [("t1".to_owned(), "content_changed")]);
    let put_back = Stamp { mtime: 6, ctime: 6, ..RIGHT };
    look(&mut play, no, Look::There(put_back));
    play.read(no, Reading::Whole(put_back, digests(10)));
    assert_eq!((state(&play, no), unwell(&play)), (State::Normal, vec![]));
    let tag = play.room.tag_by_no(no).unwrap();
    assert_eq!(tag.health.right, Some(put_back));
    assert_eq!(play.room.to_look_at(&pool("p1"), None, 9)[0].1.look, Some(Look::There(put_back)));
}

#[test]
fn what_changes_while_it_is_read_is_read_again() {
    let mut play = begin();
    let (no, _) = play.publish(ALICE, new_tag("t1", 10));
    let (first, second) = (Stamp { mtime: 5, ..RIGHT }, Stamp { mtime: 6, ..RIGHT });
    look(&mut play, no, Look::There(first));
    look(&mut play, no, Look::There(second));
    assert_eq!(orders(&mut play).len(), 1);
    play.read(no, Reading::Whole(first, digests(10)));
    assert_eq!((state(&play, no), orders(&mut play).len()), (State::Normal, 1));
    play.read(no, Reading::Whole(second, digests(10)));
    assert_eq!((state(&play, no), orders(&mut play).len()), (State::Normal, 0));
}

#[test]
fn a_state_waits_for_few_bytes_but_not_for_long() {
    let mut play = begin();
    let (no, _) = play.publish(ALICE, new_tag("t1", 10));
    let lines = play.log(ALICE).len();
    for number in 5..9 {
        let other = Stamp { ino: number, ..RIGHT };
        look(&mut play, no, Look::There(other));
        play.read(no, Reading::Whole(other, digests(10)));
    }
    assert_eq!((state(&play, no), play.log(ALICE).len()), (State::Normal, lines), "always the same bytes");
    // Changed again and again while it is read.
    for mtime in 5..9 {
        look(&mut play, no, Look::There(Stamp { mtime, ..RIGHT }));
        play.read(no, Reading::Unsteady);
        look(&mut play, no, Look::There(Stamp { mtime: mtime + 10, ..RIGHT }));
        assert_ne!(state(&play, no), State::Abnormal(Reason::ContentChanged));
    }
    assert_eq!(state(&play, no), State::Pending, "unsteady is not well");
    // Away and back: it waits for its bytes, and they do not come.
    look(&mut play, no, Look::Missing);
    look(&mut play, no, Look::There(Stamp { mtime: 50, ..RIGHT }));
    assert_eq!(state(&play, no), State::Abnormal(Reason::Missing));
    play.pass(secs(1));
    assert_eq!((state(&play, no), unwell(&play)), (State::Pending, vec![("t1".to_owned(), "unverified")]));
    assert_eq!(play.room.health.next_doubt(), None);
}

#[test]
fn what_had_other_bytes_has_them_after_a_restart() {
    let mut play = begin();
    let (no, _) = play.publish(ALICE, new_tag("t1", 10));
    let changed = Stamp { mtime: 5, ..RIGHT };
    look(&mut play, no, Look::There(changed));
    play.read(no, Reading::Whole(changed, other_bytes(10)));
    play = play.restart();
    let lines = play.log(ALICE).len();
    look(&mut play, no, Look::There(changed));
    play.read(no, Reading::Whole(changed, other_bytes(10)));
    assert_eq!(state(&play, no), State::Abnormal(Reason::ContentChanged));
    assert_eq!(play.log(ALICE).len(), lines, "nothing new, nothing written");
}

#[test]
fn nothing_waits_for_bytes_before_the_first_pass_after_a_start() {
    let mut play = begin();
    let (no, _) = play.publish(ALICE, new_tag("t1", 10));
    play = play.restart();
    look(&mut play, no, Look::There(Stamp { mtime: 5, ..RIGHT }));
    assert_eq!(state(&play, no), State::Pending);
}

#[test]
fn a_large_publication_is_pending_until_it_was_read() {
    let mut play = begin();
    let (no, job) = play.publish(ALICE, NewTag { read: None, ..new_tag("t1", 100 * MIB) });
    let job = job.expect("a job").id;
    assert_eq!(unwell(&play), [("t1".to_owned(), "unverified")]);
    assert_eq!(orders(&mut play), [(no, false)], "somebody waits");
    play = play.restart();
    assert_eq!(orders(&mut play), [(no, false)], "taken up again");
    play.read(no, Reading::Whole(stamp(7, 100 * MIB), digests(100 * MIB)));
    play.tell(Event::Passed(pool("p1")));
    assert_eq!((state(&play, no), unwell(&play)), (State::Normal, vec![]));
    assert_eq!(play.room.job(job).unwrap().state, JobState::Published);
}

fn verify(play: &mut Play) -> u64 {
    play.hear(Event::Asked(Ask::Verify(by(ALICE), rep("weather"), item("rain"), Which::All))).owed.expect("later")
}

#[test]
fn a_verification_answers_when_all_was_read_or_is_gone() {
    let mut play = begin();
    let tags: Vec<TagNo> = ["t1", "t2", "t3"].map(|name| play.publish(ALICE, new_tag(name, 10)).0).into();
    let owed = verify(&mut play);
    assert_eq!(orders(&mut play), [(tags[0], false)], "one at a time");
    play.read(tags[0], Reading::Whole(RIGHT, digests(10)));
    assert_eq!(orders(&mut play), [(tags[1], false)]);
    let _ = play.ask(Ask::ForgetTags(by(ALICE), rep("weather"), item("rain"), Which::One(tag("t2"))));
    let effects = play.take_effects();
    assert!(effects.contains(&Effect::StopReading(tags[1])), "{effects:?}");
    play.read(tags[1], Reading::Unsteady);
    assert_eq!(play.late.get(&owed), None);
    play.read(tags[2], Reading::Whole(RIGHT, digests(10)));
    assert_eq!(play.late.get(&owed), Some(&Verdict::Verified(2)));
}

#[test]
fn a_gentle_reading_is_begun_anew_for_who_waits() {
    let mut play = begin();
    let (no, _) = play.publish(ALICE, new_tag("t1", 10));
    play.take_effects();
    play.pass(hours(7));
    assert_eq!(orders(&mut play), [(no, true)], "it was not read for long");
    let owed = verify(&mut play);
    let effects = play.take_effects();
    assert_eq!(effects[0], Effect::StopReading(no));
    assert!(matches!(&effects[1], Effect::Read(order) if !order.gently));
    play.read(no, Reading::Whole(RIGHT, digests(10)));
    assert_eq!(play.late.get(&owed), Some(&Verdict::Verified(1)));
    assert!(play.room.next_hash().unwrap() > play.now.mono + hours(5));
}

#[test]
fn a_pool_that_does_not_answer_holds_up_nobody() {
    let mut play = begin();
    let (one, other) = (play.publish(ALICE, new_tag("t1", 10)).0, play.publish(ALICE, new_tag("t2", 10)).0);
    let owed = verify(&mut play);
    play.take_effects();
    look(&mut play, one, Look::PoolGone("it does not answer".into()));
    assert_eq!(orders(&mut play), [(other, false)]);
    play.read(other, Reading::Whole(RIGHT, digests(10)));
    assert_eq!(play.late.get(&owed), Some(&Verdict::Verified(1)));
}

#[test]
fn what_was_read_before_a_reading_was_stopped_answers_nobody() {
    let mut play = begin();
    let (no, _) = play.publish(ALICE, new_tag("t1", 10));
    play.pass(hours(8));
    assert_eq!(orders(&mut play), [(no, true)], "it is time");
    let old = play.was_read(no, Reading::Whole(RIGHT, digests(10)));
    let owed = verify(&mut play);
    assert_eq!(play.take_effects().len(), 2, "stopped, and begun anew");
    play.tell(old);
    assert_eq!(play.late.get(&owed), None, "it may have been read before it was asked for");
    play.read(no, Reading::Whole(RIGHT, other_bytes(10)));
    assert_eq!(play.late.get(&owed), Some(&Verdict::Verified(1)));
    assert_eq!(state(&play, no), State::Abnormal(Reason::ContentChanged));
}

#[test]
fn nothing_is_well_that_was_not_looked_at_since_the_start() {
    let mut play = begin();
    let (no, _) = play.publish(ALICE, new_tag("t1", 10));
    play = play.restart();
    assert_eq!(state(&play, no), State::Normal);
    assert_eq!(unwell(&play), [("t1".to_owned(), "unverified")]);
    assert!(play.room.is_verifying(ALICE, play.now.mono).is_err());
    play.room.tag_by_no(no).unwrap().looked.touch(play.now.wall);
    play.tell(Event::Passed(pool("p1")));
    assert_eq!(unwell(&play), []);
    assert!(play.room.is_verifying(ALICE, play.now.mono).is_ok());
    assert!(play.room.is_verifying(ALICE, play.now.mono + secs(60)).is_err());
}
