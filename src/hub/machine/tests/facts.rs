//! Facts that tags depend on: counted, found out, told to whom they concern.

use super::play::*;
use crate::hub::machine::*;
use crate::hub::model::*;

fn db() -> Requirement {
    Requirement::Proc("db".into())
}

fn nightly() -> Requirement {
    Requirement::Dag("nightly".into(), Some(hours(26)))
}

fn with(name: &str, requires: Requirements) -> NewTag {
    NewTag { requires, ..new_tag(name, 10) }
}

/// The tags of `weather/rain` that a fact keeps from being well.
fn broken(play: &Play) -> Vec<TagNo> {
    let item = play.room.item(&rep("weather"), &item("rain")).unwrap().no;
    play.room.facts.broken_tags(item).collect()
}

fn started() -> Play {
    let mut play = Play::new(rules());
    play.join(ALICE);
    play.make_item(ALICE, "main");
    play
}

#[test]
fn a_fact_is_asked_for_as_long_as_something_depends_on_it() {
    let mut play = started();
    play.publish(ALICE, with("t1", requires(&[db(), nightly()], ALICE)));
    play.publish(ALICE, with("t2", requires(&[db()], ALICE)));
    play.publish(ALICE, with("t3", requires(&[db()], 0)));
    let all = [(db(), 0), (db(), ALICE), (nightly(), ALICE)];
    assert_eq!(play.room.requirements(), all, "with whose rights makes a difference");
    let mut play = play.restart();
    assert_eq!(play.room.requirements(), all, "counted anew after a start");
    let forget = |name| Ask::ForgetTags(by(ALICE), rep("weather"), item("rain"), Which::One(tag(name)));
    assert_eq!(play.ask(forget("t1")), Verdict::Gone(1));
    assert_eq!(play.room.requirements(), [(db(), 0), (db(), ALICE)]);
    assert_eq!(play.ask(forget("t2")), Verdict::Gone(1));
    assert_eq!(play.room.requirements(), [(db(), 0)]);
    let none = Requirements::default();
    let ask = Ask::RequireOfTag(by(ALICE), rep("weather"), item("rain"), tag("t3"), none);
    assert_eq!(play.ask(ask), Verdict::Done);
    assert_eq!(play.room.requirements(), []);
}

#[test]
fn a_changed_fact_concerns_those_who_depend_on_it() {
    let mut play = started();
    let (one, _) = play.publish(ALICE, with("t1", requires(&[db(), nightly(), db()], ALICE)));
    let (two, _) = play.publish(ALICE, with("t2", requires(&[nightly()], ALICE)));
    play.publish(ALICE, new_tag("t3", 10));
    assert_eq!(broken(&play), [one, two], "nothing is found out yet");
    play.take_news();
    play.tell(Event::Fact((nightly(), ALICE), Ok(())));
    assert_eq!(play.take_news(), [News::Tag(one), News::Tag(two)]);
    assert_eq!(broken(&play), [one]);
    play.tell(Event::Fact((nightly(), ALICE), Ok(())));
    play.tell(Event::Fact((nightly(), 0), Err("nobody asked".into())));
    assert_eq!(play.take_news(), [], "as before");
    play.tell(Event::Fact((db(), ALICE), Ok(())));
    assert_eq!(broken(&play), []);
    play.tell(Event::Fact((nightly(), ALICE), Err("its last run failed".into())));
    assert_eq!(broken(&play), [one, two]);
    let of = requires(&[db(), nightly()], ALICE);
    assert_eq!(play.room.facts.broken(&of), Some("dag nightly: its last run failed".into()));
    assert_eq!(play.room.facts.broken(&Requirements::default()), None);
}

#[test]
fn the_owner_reads_of_it_in_his_log() {
    let mut play = started();
    play.publish(ALICE, with("t1", requires(&[db()], ALICE)));
    let before = play.log(ALICE).len();
    for holds in [Ok(()), Err("it is down".to_owned()), Ok(())] {
        play.tell(Event::Fact((db(), ALICE), holds));
    }
    let lines = [
        "tag weather/rain:t1 is abnormal: it requires proc db, which does not hold: it is down",
        "tag weather/rain:t1: proc db, which it requires, holds again",
    ];
    assert_eq!(play.log(ALICE)[before..], lines, "that it held from the beginning is no event");
}

#[test]
fn a_fact_on_which_many_tags_depend_is_one_line() {
    let mut play = started();
    for number in 0..6 {
        play.publish(ALICE, with(&format!("t{number}"), requires(&[db()], ALICE)));
    }
    let before = play.log(ALICE).len();
    play.take_news();
    play.tell(Event::Fact((db(), ALICE), Err("it is down".to_owned())));
    play.tell(Event::Fact((db(), ALICE), Ok(())));
    let lines = [
        "6 tags are abnormal: they require proc db, which does not hold: it is down",
        "6 tags: proc db, which they require, holds again",
    ];
    assert_eq!(play.log(ALICE)[before..], lines);
    assert_eq!(play.take_news().len(), 12, "listeners hear of each");
}

#[test]
fn a_tag_that_takes_the_place_of_another_depends_on_its_own_facts() {
    let mut play = started();
    play.publish(ALICE, with("t1", requires(&[db()], ALICE)));
    let new = NewTag { replace: true, ..with("t1", requires(&[nightly()], ALICE)) };
    let (no, _) = play.publish(ALICE, new);
    assert_eq!(play.room.requirements(), [(nightly(), ALICE)]);
    assert_eq!(broken(&play), [no]);
}
