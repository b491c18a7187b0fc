//! What owners read where very many tags change at once: a mount that dies, and that comes back.

use super::play::*;
use crate::hub::machine::*;
use crate::hub::model::*;

/// So many tags does one step look at.
const SLICE: usize = 256;

/// A room with so many tags of `weather/rain`.
fn filled(tags: usize) -> (Play, Vec<TagNo>) {
    let mut play = Play::new(Rules { log_ring: 100_000, ..rules() });
    play.join(ALICE);
    play.make_item(ALICE, "p1");
    play.tell(Event::Passed(pool("p1")));
    let tags = (0..tags).map(|number| play.publish(ALICE, new_tag(&format!("t{number:05}"), 10)).0).collect();
    play.take_news();
    (play, tags)
}

/// A whole pass, in which each of these looks like that.
fn pass(play: &mut Play, tags: &[TagNo], look: &Look) {
    for slice in tags.chunks(SLICE) {
        play.tell(Event::Looked(slice.iter().map(|no| (*no, look.clone())).collect()));
    }
    play.tell(Event::Passed(pool("p1")));
}

fn gone() -> Look {
    Look::PoolGone("it does not answer".into())
}

fn there() -> Look {
    Look::There(stamp(7, 10))
}

/// What the owner read while this happened.
fn lines(play: &mut Play, happens: impl FnOnce(&mut Play)) -> Vec<String> {
    let before = play.log(ALICE).len();
    happens(play);
    play.log(ALICE).split_off(before)
}

#[test]
fn a_mount_that_dies_and_comes_back_is_a_few_lines() {
    let (mut play, tags) = filled(3 * SLICE);
    let read = lines(&mut play, |play| pass(play, &tags, &gone()));
    let expected = [
        "256 tags of weather/rain are not well: pool_gone (it does not answer)",
        "512 tags of weather/rain are not well: pool_gone (it does not answer)",
    ];
    assert_eq!(read, expected);
    let each: Vec<News> = tags.iter().copied().map(News::Tag).collect();
    assert_eq!(play.take_news(), each, "listeners hear of each");
    let read = lines(&mut play, |play| pass(play, &tags, &gone()));
    assert_eq!(read, [""; 0], "as before");
    let read = lines(&mut play, |play| pass(play, &tags, &there()));
    assert_eq!(read, ["256 tags of weather/rain are well", "512 tags of weather/rain are well"]);
    assert_eq!(play.take_news().len(), tags.len());
}

#[test]
fn a_pool_that_hangs_is_a_few_lines() {
    let (mut play, tags) = filled(2 * SLICE + 1);
    let read = lines(&mut play, |play| {
        for slice in tags.chunks(SLICE) {
            play.tell(Event::Looked(slice.iter().map(|no| (*no, gone())).collect()));
        }
        play.tell(Event::Hangs(pool("p1")));
    });
    assert_eq!(read.len(), 2, "{read:?}");
    assert!(read[1].starts_with("257 tags of weather/rain are not well: pool_gone"), "{read:?}");
}

#[test]
fn a_few_tags_have_a_line_each() {
    let (mut play, tags) = filled(5);
    let read = lines(&mut play, |play| pass(play, &tags, &gone()));
    let each = |number| format!("weather/rain:t0000{number} is not well: pool_gone (it does not answer)");
    assert_eq!(read, (0..5).map(each).collect::<Vec<_>>());
    let (mut play, tags) = filled(9);
    let read = lines(&mut play, |play| {
        let look = |(at, no): (usize, &TagNo)| (*no, if at < 2 { Look::Missing } else { gone() });
        play.tell(Event::Looked(tags.iter().enumerate().map(look).collect()));
    });
    let expected = [
        "weather/rain:t00000 is not well: missing",
        "weather/rain:t00001 is not well: missing",
        "7 tags of weather/rain are not well: pool_gone (it does not answer)",
    ];
    assert_eq!(read, expected, "each reason by itself");
}

#[test]
fn what_is_read_after_a_mount_came_back_is_told_together() {
    let (mut play, tags) = filled(SLICE);
    pass(&mut play, &tags, &gone());
    // The same files, on a device of another number.
    let anew = Stamp { dev: 2, ..stamp(7, 10) };
    let read = lines(&mut play, |play| {
        pass(play, &tags, &Look::There(anew));
        play.pass(secs(1));
        tags.iter().for_each(|no| play.read(*no, Reading::Whole(anew, digests(10))));
    });
    assert_eq!(read, ["256 tags of weather/rain have changed: their bytes are to be compared"]);
    assert_eq!(play.room.counts(), (SLICE, 0));
    let read = lines(&mut play, |play| play.tell(Event::Passed(pool("p1"))));
    assert_eq!(read, ["256 tags of weather/rain are well"]);
    // From now on, each by itself and at once.
    play.tell(Event::Passed(pool("p1")));
    let read = lines(&mut play, |play| play.tell(Event::Looked(vec![(tags[3], Look::Missing)])));
    assert_eq!(read, ["weather/rain:t00003 is not well: missing"]);
}

#[test]
fn what_was_gathered_is_told_before_the_host_stops() {
    let (mut play, tags) = filled(SLICE);
    let all = |look: Look| Event::Looked(tags.iter().map(|no| (*no, look.clone())).collect());
    play.tell(all(gone()));
    let read = lines(&mut play, |play| {
        play.tell(all(Look::Missing));
        play.tell(Event::Looked(vec![(tags[0], there())]));
        assert_eq!(play.ask(Ask::Stopping), Verdict::Done);
    });
    let expected = ["256 tags of weather/rain are not well: missing", "weather/rain:t00000 is well", "hostler stops"];
    assert_eq!(read, expected);
}

#[test]
fn tags_of_several_items_are_told_of_by_their_pool() {
    let (mut play, mut tags) = filled(4);
    let new = NewItem {
        rep: rep("weather"),
        name: item("snow"),
        pool: pool("p1"),
        dir: "snow".into(),
        access: Access::Public,
        comment: "".into(),
    };
    assert!(matches!(play.ask(Ask::MakeItem(by(ALICE), new)), Verdict::Item(_)));
    for name in ["a", "b", "c"] {
        let new = NewTag { item: item("snow"), ..new_tag(name, 10) };
        tags.push(play.publish(ALICE, new).0);
    }
    let read = lines(&mut play, |play| {
        let each = |no: &TagNo| (*no, Look::PoolGone(format!("the directory of {} is not there", no.0)));
        play.tell(Event::Looked(tags.iter().map(each).collect()));
    });
    assert_eq!(read, ["7 tags of the data pool p1 are not well: pool_gone"], "why is not the same for all");
}
