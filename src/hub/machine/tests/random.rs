//! Random days: files come, go and change, are published and forgotten, looked at and read in any order; and a dumb model
//! says what must hold after each step.

use super::play::*;
use crate::base::chance::Chance;
use crate::hub::machine::*;
use crate::hub::model::*;
use std::collections::{BTreeMap, BTreeSet};

const MIB: u64 = 1 << 20;

struct Day {
    play: Play,
    chance: Chance,
    /// Tags that are published, and what is being read, each with whether it is large.
    tags: BTreeSet<TagNo>,
    reading: BTreeMap<TagNo, bool>,
    owed: BTreeSet<u64>,
}

impl Day {
    fn new(seed: u64) -> Day {
        let mut play = Play::new(rules());
        play.join(ALICE);
        play.make_item(ALICE, "p1");
        play.tell(Event::Passed(pool("p1")));
        let (tags, reading, owed) = Default::default();
        Day { play, chance: Chance::new(seed), tags, reading, owed }
    }

    fn hear(&mut self, event: Event) {
        let plan = self.play.hear(event);
        self.owed.extend(plan.owed);
        for (owed, _) in &plan.late {
            assert!(self.owed.remove(owed), "a verdict that nobody waits for");
        }
        for change in &plan.changes {
            match change {
                Change::Tag(tag) => drop(self.tags.insert(tag.no)),
                Change::TagGone(_, no) => drop(self.tags.remove(no)),
                Change::TagsGone(_) => self.tags.clear(),
                _ => {}
            }
        }
        for effect in self.play.take_effects() {
            match effect {
                Effect::StopReading(no) => assert!(self.reading.remove(&no).is_some(), "it is not read"),
                Effect::Read(order) => {
                    let digests = self.play.room.tag_by_no(order.tag).unwrap().digests;
                    let is_large = digests.is_none_or(|digests| digests.size > 64 * MIB);
                    assert!(!self.reading.values().any(|other| *other == is_large), "two in one lane");
                    self.reading.insert(order.tag, is_large);
                }
                _ => {}
            }
        }
        self.check();
    }

    fn check(&self) {
        let room = &self.play.room;
        let item = room.item(&rep("weather"), &item("rain")).unwrap().no;
        let tags: Vec<_> = room.tags(item).cloned().collect();
        assert!(tags.is_sorted_by(|one, other| one.name.as_str() < other.name.as_str()));
        assert_eq!(tags.iter().map(|tag| tag.no).collect::<BTreeSet<_>>(), self.tags);
        let is_unwell = |tag: &&std::sync::Arc<Tag>| tag.health.state != State::Normal;
        assert_eq!(room.counts(), (tags.len(), tags.iter().filter(is_unwell).count()));
        let unwell: Vec<TagNo> = room.catalogue.unwell(item).map(|tag| tag.no).collect();
        assert_eq!(unwell, tags.iter().filter(is_unwell).map(|tag| tag.no).collect::<Vec<_>>());
        assert_eq!(room.to_look_at(&pool("p1"), None, 99).len(), tags.len());
        let doubtful: BTreeSet<TagNo> = room.doubtful(item).map(|tag| tag.no).collect();
        for tag in &tags {
            assert!(
                tag.looked.get().is_some() || doubtful.contains(&tag.no),
                "nobody waits until {tag:?} is looked at"
            );
            let of_file = room.tags_of_file(item, &tag.detail).filter(|other| other.no == tag.no);
            assert_eq!(of_file.count(), 1);
            let is_wanted = room.health.is_wanted(tag.no);
            let is_listed = room.health.is_listed(tag.no);
            assert!(!(is_wanted && is_listed), "once is enough");
            assert!(is_wanted || !self.reading.contains_key(&tag.no));
            let waits = room.catalogue.expected_look(tag).is_none();
            let is_lost = tag.health.state == State::Pending && !is_wanted && !is_listed && !waits;
            assert!(!is_lost, "nobody will ever read {tag:?}");
            assert!(tag.health.state != State::Normal || tag.health.right.is_some());
            let stored = &self.play.shelf.tags[&tag.no];
            assert_eq!((&stored.health, stored.digests), (&tag.health, tag.digests));
        }
        assert_eq!(room.health.waiting(), self.owed.len());
    }

    fn stamp(&mut self, size: u64) -> Stamp {
        let size = if self.chance.percent(15) { size + 1 } else { size };
        let (mtime, ctime) = (self.chance.below(2).cast_signed(), self.chance.below(3).cast_signed());
        Stamp { dev: 1, ino: 7, size, mtime, ctime }
    }

    fn size(&self, no: TagNo) -> u64 {
        self.play.room.tag_by_no(no).and_then(|tag| tag.digests).map_or(100 * MIB, |digests| digests.size)
    }

    fn look(&mut self, no: TagNo) {
        let stamp = self.stamp(self.size(no));
        let look = match self.chance.below(8) {
            0 => Look::Missing,
            1 => Look::PoolGone("it does not answer".into()),
            2 => Look::Unreadable("no".into()),
            _ => Look::There(stamp),
        };
        let expected = self.play.room.tag_by_no(no).and_then(|tag| self.play.room.catalogue.expected_look(tag));
        if expected.as_ref() != Some(&look) {
            self.hear(Event::Looked(vec![(no, look)]));
        }
    }

    fn read(&mut self) {
        let Some((no, _)) = self.reading.pop_first() else { return };
        let stamp = self.stamp(self.size(no));
        let mut read = digests(stamp.size);
        read.sha256 = if self.chance.percent(20) { [9; 32] } else { read.sha256 };
        let reading = match self.chance.below(8) {
            0 => Reading::Nothing(Look::Missing),
            1 => Reading::Unsteady,
            2 => Reading::Failed("EIO".into()),
            _ => Reading::Whole(stamp, read),
        };
        self.hear(self.play.was_read(no, reading));
    }

    fn step(&mut self) {
        let tags: Vec<TagNo> = self.tags.iter().copied().collect();
        let which = format!("t{}", self.chance.below(6));
        let of = (rep("weather"), item("rain"));
        match self.chance.below(20) {
            0..=2 => {
                let is_large = self.chance.percent(30);
                let new = new_tag(&which, if is_large { 100 * MIB } else { 10 });
                let read = new.read.filter(|_| !is_large);
                self.hear(Event::Asked(Ask::Publish(by(ALICE), Box::new(NewTag { replace: true, read, ..new }))));
            }
            3 => self.hear(Event::Asked(Ask::ForgetTags(by(ALICE), of.0, of.1, Which::One(tag(&which))))),
            4 => self.hear(Event::Asked(Ask::Verify(by(ALICE), of.0, of.1, Which::Like("t*".into())))),
            5 => {
                self.play.now = self.play.now.later(hours(1));
                self.hear(Event::Tick);
            }
            6..=12 if !tags.is_empty() => {
                let no = self.chance.pick(&tags);
                self.look(no);
            }
            _ => self.read(),
        }
    }

    /// All that was begun comes to an end.
    fn end(mut self) {
        for _ in 0..10_000 {
            if self.reading.is_empty() {
                break;
            }
            self.read();
        }
        assert!(self.reading.is_empty() && self.owed.is_empty(), "every verification is answered");
    }
}

#[test]
fn random_days_keep_the_rules() {
    for seed in 0..100 {
        let mut day = Day::new(seed);
        for _ in 0..300 {
            day.step();
        }
        day.end();
    }
}
