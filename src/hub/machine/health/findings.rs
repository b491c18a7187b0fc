//! What looks and readings lead to; verifications that somebody asked for.

use super::crowds::for_people;
use super::judge::{conclude, judge, unread};
use super::lanes::{Going, Urgency, Waiter};
use crate::base::Mono;
use crate::hub::machine::long::Work;
use crate::hub::machine::{Answer, By, Change, Effect, ReadOrder, Refusal, Room, Verdict, Which};
use crate::hub::model::{Digests, Health, Item, ItemName, Look, Reading, RepName, Stamp, State, Tag, TagNo};
use std::sync::Arc;

/// What was found.
impl Room {
    /// A look found something else than was expected.
    pub(in crate::hub::machine) fn looked(&mut self, no: TagNo, look: Look) {
        let Some(tag) = self.catalogue.tag_by_no(no).cloned() else { return };
        tag.looked.touch(self.now.wall);
        let judgement = judge(tag.digests.as_ref(), &tag.health, &look);
        let stamp = match look {
            Look::There(stamp) => Some(stamp),
            _ => None,
        };
        self.catalogue.see(no, stamp.filter(|stamp| tag.health.right != Some(*stamp)));
        if judgement.read {
            self.want_now(no);
        } else if stamp.is_none() {
            // There is nothing to read; what hangs must not hold up the others.
            self.give_up_reading(no);
        }
        if let (None, State::Abnormal(reason)) = (tag.digests, &judgement.state) {
            self.publication_over(no, Err(for_people(reason)));
        }
        let state = match judgement.state {
            State::Pending if self.is_read_soon(&tag) => tag.health.state.clone(),
            state => state,
        };
        let health = Health { state, ..tag.health.clone() };
        self.stand_so(&tag, health, tag.digests);
    }

    /// Whether how a tag stands may wait for its bytes: those of a small file are compared in a moment, and most often it
    /// is what it was. Not at a start, when nobody knows for how long it has been something else.
    fn is_read_soon(&mut self, tag: &Tag) -> bool {
        let item = self.catalogue.item_by_no(tag.item);
        let was_looked_at = item.is_some_and(|item| self.health.passes.contains_key(&item.pool));
        was_looked_at && tag.digests.is_some() && self.health.doubt(tag.no, self.now.mono)
    }

    /// What was not read soon enough is no longer known to be what it was.
    pub(in crate::hub::machine) fn end_doubts(&mut self) {
        let over = self.health.end_doubts(self.now.mono).into_iter().map(|no| (no, ())).collect();
        self.with_each(over, |room, no, ()| {
            if let Some(tag) = room.catalogue.tag_by_no(no).cloned() {
                let health = Health { state: unread(&tag.health.state), ..tag.health.clone() };
                room.stand_so(&tag, health, tag.digests);
            }
        });
    }

    /// A reading is over. What was read before it was stopped is true as well, but nobody has waited for it.
    pub(in crate::hub::machine) fn read(&mut self, no: TagNo, number: u64, reading: Reading) {
        let Some(tag) = self.catalogue.tag_by_no(no).cloned() else { return };
        let wanted = self.health.finish(no, number);
        self.health.list(&tag);
        let (again, doubted, waiters) =
            wanted.map(|wanted| (wanted.again, wanted.doubted, wanted.waiters)).unwrap_or_default();
        let seen = self.catalogue.seen(no);
        match again && is_superseded(&reading, seen) {
            true => {
                self.want_now(no);
                self.health.doubt_still(no, doubted);
            }
            false => self.take_in(&tag, seen, &reading),
        }
        let read = usize::from(matches!(reading, Reading::Whole(..)));
        self.answer_waiters(waiters, read);
    }

    fn take_in(&mut self, tag: &Tag, seen: Option<Stamp>, reading: &Reading) {
        let now = self.now.wall;
        tag.looked.touch(now);
        let found = conclude(tag.digests.as_ref(), &tag.health, seen, reading);
        self.catalogue.see(tag.no, found.seen);
        let read = match (reading, &found.state) {
            (Reading::Whole(_, digests), _) => Ok(*digests),
            (_, State::Abnormal(reason)) => Err(for_people(reason)),
            _ => Err("it was changed while it was read, again and again".to_owned()),
        };
        let digests = tag.digests.or(read.as_ref().ok().copied());
        let health = Health { state: found.state, right: found.right, hashed: Some(now), since: tag.health.since };
        self.stand_so(tag, health, digests);
        if tag.digests.is_none() {
            self.publication_over(tag.no, read.map(drop));
        }
    }

    /// How a tag stands from now on; what is as it was is not written down.
    fn stand_so(&mut self, before: &Tag, health: Health, digests: Option<Digests>) {
        let is_news = health.state != before.health.state;
        let since = if is_news { self.now.wall } else { before.health.since };
        let health = Health { since, ..health };
        let is_first = digests != before.digests;
        if health == before.health && !is_first {
            return;
        }
        self.health.unlist(before);
        let changed = self.catalogue.change_tag(before.no, |tag| (tag.health, tag.digests) = (health, digests));
        let Some(tag) = changed else { return };
        self.health.list(&tag);
        if is_first {
            self.plan.changes.push(Change::Tag(tag.clone()));
        }
        // What a tag was published with and how it stands are written down apart.
        self.plan.changes.push(Change::Health(tag.clone()));
        if is_news {
            self.tell_state(&tag);
        }
    }
}

/// Whether a file was seen to be another one than what was read.
fn is_superseded(reading: &Reading, seen: Option<Stamp>) -> bool {
    match reading {
        Reading::Whole(stamp, _) => seen != Some(*stamp),
        Reading::Unsteady => true,
        Reading::Nothing(_) | Reading::Failed(_) => false,
    }
}

/// What is to be read, and who waits for it.
impl Room {
    /// Takes up readings that a start has interrupted: of tags without digests. Called at the end of the start.
    pub(in crate::hub::machine) fn resume_readings(&mut self) {
        let unread = self.catalogue.all_tags().filter(|tag| tag.digests.is_none()).map(|tag| tag.no);
        for no in unread.collect::<Vec<_>>() {
            self.want_now(no);
        }
    }

    /// The bytes of a tag are to be compared as soon as can be.
    pub(in crate::hub::machine) fn want_now(&mut self, no: TagNo) {
        if let Some(tag) = self.catalogue.tag_by_no(no) {
            self.health.want(tag, Urgency::Urgent, None);
        }
    }

    /// Nobody reads a tag any more; verifications go on without it.
    pub(in crate::hub::machine) fn give_up_reading(&mut self, no: TagNo) {
        let Some((wanted, is_read)) = self.health.give_up(no) else { return };
        if is_read {
            self.plan.effects.push(Effect::StopReading(no));
        }
        if let Some(tag) = self.catalogue.tag_by_no(no) {
            self.health.list(tag);
        }
        self.answer_waiters(wanted.waiters, 0);
    }

    pub(in crate::hub::machine) fn verify(&mut self, by: By, rep: &RepName, item: &ItemName, which: &Which) -> Answer {
        let tags = self.own_item(by, rep, item).and_then(|(item, _)| self.tags_to_verify(&item, which));
        let tags = match tags {
            Ok(tags) => tags,
            Err(refusal) => return Answer::Now(Verdict::Refused(refusal)),
        };
        if tags.is_empty() {
            return Answer::Now(Verdict::Verified(0));
        }
        self.begin_long(Work::Verify, tags)
    }

    /// Somebody waits until so many tags were read.
    pub(in crate::hub::machine) fn expect_readings(&mut self, owed: u64, left: usize) {
        self.health.waiters.insert(owed, Waiter { left, read: 0 });
    }

    /// One of the tags that somebody waits for.
    pub(in crate::hub::machine) fn verify_one(&mut self, tag: &Tag, owed: u64) {
        let Some(tag) = self.catalogue.tag_by_no(tag.no) else { return self.answer_waiters(vec![owed], 0) };
        if self.health.want(tag, Urgency::Awaited, Some(owed)) {
            self.plan.effects.push(Effect::StopReading(tag.no));
        }
    }

    /// That an item has no tags keeps nobody from verifying all of them.
    fn tags_to_verify(&self, item: &Item, which: &Which) -> Result<Vec<Arc<Tag>>, Refusal> {
        match (which, self.catalogue.tag_count(item.no)) {
            (Which::All, 0) => Ok(Vec::new()),
            _ => self.which_tags(item, which),
        }
    }

    fn answer_waiters(&mut self, waiters: Vec<u64>, read: usize) {
        for owed in waiters {
            let Some(waiter) = self.health.waiters.get_mut(&owed) else { continue };
            waiter.left -= 1;
            waiter.read += read;
            if waiter.left == 0 {
                self.plan.late.push((owed, Verdict::Verified(waiter.read)));
                self.health.waiters.remove(&owed);
            }
        }
    }

    /// Puts in line what was not read for long, where nothing else is.
    pub(in crate::hub::machine) fn hash_what_is_due(&mut self) {
        for no in self.health.take_due(self.now.wall) {
            if let Some(tag) = self.catalogue.tag_by_no(no) {
                self.health.want(tag, Urgency::Periodic, None);
            }
        }
    }

    pub(in crate::hub::machine) fn next_hash(&self) -> Option<Mono> {
        self.health.next_due(self.now)
    }

    /// Lets whoever is next be read.
    pub(in crate::hub::machine) fn hand_out_readings(&mut self) {
        for (no, going) in self.health.begin() {
            let order = self.read_order(no, going);
            self.plan.effects.extend(order.map(|order| Effect::Read(Box::new(order))));
        }
    }

    fn read_order(&self, no: TagNo, Going { number, gently }: Going) -> Option<ReadOrder> {
        let tag = self.catalogue.tag_by_no(no)?;
        let item = self.catalogue.item_by_no(tag.item)?;
        let pool = self.catalogue.pool(&item.pool)?;
        let (pool, dir, detail) = (pool.dir.clone(), item.dir.clone(), tag.detail.clone());
        Some(ReadOrder { tag: no, number, pool, dir, detail, gently })
    }
}
