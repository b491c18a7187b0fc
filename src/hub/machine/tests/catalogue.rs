//! Who may publish and forget what, and what is found by which way.

use super::play::*;
use crate::hub::machine::*;
use crate::hub::model::*;

fn begin() -> Play {
    let mut play = Play::new(rules());
    play.join(ALICE);
    play.join(BOB);
    play.make_item(ALICE, "p1");
    play
}

fn refusal(play: &mut Play, ask: Ask) -> Refusal {
    match play.ask(ask) {
        Verdict::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn forget(by: By, which: Which) -> Ask {
    Ask::ForgetTags(by, rep("weather"), item("rain"), which)
}

fn new_item(rep_name: &str, in_pool: &str) -> NewItem {
    let (rep, name, pool) = (rep(rep_name), item("snow"), pool(in_pool));
    NewItem { rep, name, pool, dir: "snow".into(), access: Access::Private, comment: "".into() }
}

fn new_pool(name: &str, dir: &str) -> NewPool {
    NewPool { name: pool(name), dir: dir.into() }
}

#[test]
fn what_is_foreign_is_not_changed() {
    let mut play = begin();
    play.publish(ALICE, new_tag("t1", 10));
    let bob = by(BOB);
    let foreign = [
        Ask::Publish(bob, Box::new(new_tag("t2", 10))),
        Ask::MakeItem(bob, new_item("weather", "p1")),
        Ask::ForgetItem(bob, rep("weather"), item("none")),
        Ask::ForgetRepository(bob, rep("weather")),
        forget(bob, Which::All),
        Ask::Verify(bob, rep("weather"), item("rain"), Which::All),
        Ask::RequireOfTag(bob, rep("weather"), item("rain"), tag("t1"), Requirements::default()),
    ];
    for ask in foreign {
        assert!(matches!(refusal(&mut play, ask), Refusal::Foreign(_)));
    }
    for ask in [Ask::ForgetPool(bob, pool("p1")), Ask::MakeItem(bob, new_item("bobs", "p1"))] {
        assert!(matches!(refusal(&mut play, ask), Refusal::Unknown { what: "datapool", .. }));
    }
    assert_eq!(play.ask(forget(ADMIN, Which::All)), Verdict::Gone(1));
}

#[test]
fn names_and_places_are_taken_once() {
    let mut play = begin();
    play.publish(ALICE, new_tag("t1", 10));
    let alice = by(ALICE);
    let taken = |refusal| matches!(refusal, Refusal::Taken { .. });
    assert!(taken(refusal(&mut play, Ask::Publish(alice, Box::new(new_tag("t1", 10))))));
    assert!(taken(refusal(&mut play, Ask::MakePool(by(BOB), new_pool("p1", "/data/b")))));
    assert!(taken(refusal(&mut play, Ask::MakeRepository(by(BOB), rep("weather"), "".into()))));
    for dir in ["/data/p1", "/data/p1/in", "/data", "/"] {
        assert_eq!(refusal(&mut play, Ask::MakePool(ADMIN, new_pool("p2", dir))), Refusal::Overlaps, "{dir}");
    }
    assert!(matches!(play.ask(Ask::MakePool(alice, new_pool("p2", "/data/p1/in"))), Verdict::Pool(_)));
    assert!(matches!(play.ask(Ask::MakePool(ADMIN, new_pool("p3", "/data/p11"))), Verdict::Pool(_)));
    assert!(matches!(refusal(&mut play, Ask::MakeItem(alice, new_item("tags", "p1"))), Refusal::Name(_)));
}

#[test]
fn what_holds_something_is_not_forgotten() {
    let mut play = begin();
    let alice = by(ALICE);
    assert!(matches!(refusal(&mut play, Ask::ForgetPool(alice, pool("p1"))), Refusal::NotEmpty { .. }));
    assert!(matches!(refusal(&mut play, Ask::ForgetRepository(alice, rep("weather"))), Refusal::NotEmpty { .. }));
    play.publish(ALICE, new_tag("t1", 10));
    let plan = play.hear(Event::Asked(Ask::ForgetItem(alice, rep("weather"), item("rain"))));
    let no = ItemNo(1);
    assert_eq!(plan.changes[..2], [Change::TagsGone(no), Change::ItemGone(no)]);
    assert_eq!(plan.news, [News::TagGone("weather/rain:t1".into())]);
    assert_eq!(play.room.published_in(&pool("p1")), 0);
    assert_eq!(play.ask(Ask::ForgetPool(alice, pool("p1"))), Verdict::Done);
    assert_eq!(play.ask(Ask::ForgetRepository(alice, rep("weather"))), Verdict::Done);
    assert_eq!((play.room.counts(), play.room.next_hash()), ((0, 0), None));
}

#[test]
fn a_tag_that_is_replaced_gets_another_number() {
    let mut play = begin();
    let (old, _) = play.publish(ALICE, new_tag("t1", 10));
    let (new, _) = play.publish(ALICE, NewTag { replace: true, ..new_tag("t1", 20) });
    assert_ne!(old, new);
    assert!(play.room.tag_by_no(old).is_none());
    play.tell(Event::Looked(vec![(old, Look::Missing)]));
    play.read(old, Reading::Unsteady);
    assert_eq!(play.room.counts(), (1, 0));
    assert_eq!(play.shelf.tags.len(), 1);
}

#[test]
fn tags_are_forgotten_by_pattern() {
    let mut play = begin();
    for name in ["t1", "t2", "u1", "天1"] {
        play.publish(ALICE, new_tag(name, 10));
    }
    let none = refusal(&mut play, forget(by(ALICE), Which::Like("x*".into())));
    assert!(matches!(none, Refusal::Unknown { what: "tag", .. }));
    assert_eq!(play.ask(forget(by(ALICE), Which::Like("t*".into()))), Verdict::Gone(2));
    assert_eq!(play.ask(forget(by(ALICE), Which::Like("*1".into()))), Verdict::Gone(2));
    assert!(play.shelf.tags.is_empty());
}

#[test]
fn what_is_to_be_looked_at_comes_in_slices() {
    let mut play = begin();
    let _ = play.ask(Ask::MakeItem(by(ALICE), new_item("empty", "p1")));
    let _ = play.ask(Ask::MakeItem(by(ALICE), new_item("weather", "p1")));
    let mut all: Vec<TagNo> = (0..5).map(|number| play.publish(ALICE, new_tag(&format!("t{number}"), 10)).0).collect();
    let snow = NewTag { item: item("snow"), ..new_tag("t1", 10) };
    all.push(play.publish(ALICE, snow).0);
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let slice = play.room.to_look_at(&pool("p1"), after, 2);
        let Some((item, last)) = slice.last() else { break };
        after = Some((*item, last.no));
        seen.extend(slice.iter().map(|(_, expected)| expected.no));
    }
    assert_eq!(seen, all);
    assert_eq!(play.room.published_in(&pool("p1")), 6);

    let rain = play.room.item(&rep("weather"), &item("rain")).unwrap().no;
    let page = |after, most| -> Vec<TagNo> {
        play.room.to_look_at_in(rain, after, most).iter().map(|expected| expected.no).collect()
    };
    assert_eq!((page(None, 3), page(Some(all[2]), 9)), (all[..3].to_vec(), all[3..5].to_vec()));
}

#[test]
fn files_are_found_by_their_names() {
    let mut play = begin();
    let of = |file: &str, tag: &str| NewTag { detail: file.into(), ..new_tag(tag, 10) };
    let [one, other, last] =
        [("a", "x"), ("b", "y"), ("a", "z")].map(|(file, tag)| play.publish(ALICE, of(file, tag)).0);
    let rain = play.room.item(&rep("weather"), &item("rain")).unwrap().no;
    let called = |play: &Play, names: &[&str]| -> Vec<TagNo> {
        let names = names.iter().map(|name| Arc::from(*name)).collect();
        let mut found: Vec<_> = play.room.to_look_at_called(rain, &names).iter().map(|expected| expected.no).collect();
        found.sort();
        found
    };
    assert_eq!(called(&play, &["a", "c"]), [one, last]);
    assert_eq!(called(&play, &["a", "b"]), [one, other, last]);
    let forgotten = Ask::ForgetTags(by(ALICE), rep("weather"), item("rain"), Which::One(tag("x")));
    assert_eq!(play.ask(forgotten), Verdict::Gone(1));
    assert_eq!(called(&play, &["a"]), [last]);
}

#[test]
fn very_many_are_forgotten_and_verified_in_slices_and_as_one() {
    let mut play = begin();
    let count = 2 * SLICE + 10;
    for number in 0..count {
        play.publish(ALICE, new_tag(&format!("t{number}"), 10));
    }
    play.publish(ALICE, new_tag("other", 10));
    play.take_news();
    let verify = Ask::Verify(by(ALICE), rep("weather"), item("rain"), Which::Like("t*".into()));
    assert!(play.hear(Event::Asked(verify)).owed.is_some() && play.room.is_busy());
    let forgotten = |play: &mut Play, ask| {
        play.calm();
        let mut plan = play.hear(Event::Asked(ask));
        let owed = plan.owed.expect("later");
        let mut changes = std::mem::take(&mut plan.changes);
        while play.room.is_busy() {
            plan = play.hear(Event::Tick);
            changes.append(&mut plan.changes);
        }
        (play.late[&owed].clone(), changes.len())
    };
    let (verdict, _) = forgotten(&mut play, forget(by(ALICE), Which::Like("t*".into())));
    assert_eq!(verdict, Verdict::Gone(count));
    assert!(play.late.values().any(|late| *late == Verdict::Verified(0)), "nobody waits for what is gone");
    let gone = play.take_news().iter().filter(|news| matches!(news, News::TagGone(_))).count();
    assert_eq!((gone, play.shelf.tags.len()), (count, 1));
    for number in 0..count {
        play.publish(ALICE, new_tag(&format!("t{number}"), 10));
    }
    let (verdict, changes) = forgotten(&mut play, Ask::ForgetItem(by(ALICE), rep("weather"), item("rain")));
    assert_eq!((verdict, changes), (Verdict::Done, 3), "all tags at once, the item, and a line");
    assert!(play.shelf.tags.is_empty() && play.shelf.items.is_empty());
}
