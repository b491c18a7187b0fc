//! What owners read in their logs of how their tags stand.
//!
//! A mount that dies takes all of its tags along, and brings them back: for the owner that is one event, and a line for
//! each tag would drive everything else out of his log. So where many tags of a pool change in one step, they are counted
//! by what has become of them, and so is whatever else happens in that pool until all of its files were looked at once
//! and no more than a few have changed. The few have a line each.
//!
//! ```text
//!   many in one step ──> told at once ──> gathered ──Passed, Hangs, stop──> told ── many: on to the next ──> gathered
//!                                             ^                               └─── few: a line each, as they come
//!                                             └───────────────────────────────────────┘ (many)
//! ```

use crate::hub::machine::lines::FEW;
use crate::hub::machine::{News, Room};
use crate::hub::model::{AccountId, Item, ItemNo, PoolName, Reason, State, Tag, TagNo};
use std::collections::{BTreeMap, BTreeSet};

/// What is gathered of one pool: for whom, and what has become of the tags.
#[derive(Debug, Default)]
pub(super) struct Crowd(BTreeMap<(AccountId, &'static str), Group>);

/// Tags that stand alike.
#[derive(Debug)]
struct Group {
    tags: usize,
    /// The lines of the first few.
    lines: Vec<String>,
    /// The item they are all of.
    item: Option<(ItemNo, String)>,
    /// What is to be said of all of them.
    state: State,
    /// Whether it is for the same reason.
    alike: bool,
}

impl Crowd {
    fn add(&mut self, owner: AccountId, item: &Item, tag: &Tag, line: String) {
        let state = &tag.health.state;
        let group = self.0.entry((owner, word(state))).or_insert_with(|| Group {
            tags: 0,
            lines: Vec::new(),
            item: Some((item.no, format!("{}/{}", item.rep, item.name))),
            state: state.clone(),
            alike: true,
        });
        group.tags += 1;
        group.alike &= group.state == *state;
        group.item.take_if(|(no, _)| *no != item.no);
        if group.tags <= FEW {
            group.lines.push(line);
        }
    }

    fn is_many(&self) -> bool {
        self.0.values().any(|group| group.tags > FEW)
    }
}

impl Group {
    fn tell(self, pool: &PoolName) -> Vec<String> {
        if self.tags <= FEW {
            return self.lines;
        }
        let of = self.item.map_or_else(|| format!("the data pool {pool}"), |(_, item)| item);
        let become_of = match &self.state {
            State::Normal => "are well".to_owned(),
            State::Pending => "have changed: their bytes are to be compared".to_owned(),
            State::Abnormal(reason) if self.alike => format!("are not well: {}", for_people(reason)),
            State::Abnormal(reason) => format!("are not well: {}", reason.word()),
        };
        vec![format!("{} tags of {of} {become_of}", self.tags)]
    }
}

/// What a tag has become, in one word.
fn word(state: &State) -> &'static str {
    match state {
        State::Normal => "normal",
        State::Pending => "pending",
        State::Abnormal(reason) => reason.word(),
    }
}

/// The wire's word, and more where there is more.
pub(super) fn for_people(reason: &Reason) -> String {
    match reason {
        Reason::Unreadable(why) | Reason::PoolGone(why) if !why.is_empty() => format!("{} ({why})", reason.word()),
        _ => reason.word().to_owned(),
    }
}

impl Room {
    /// A tag stands otherwise.
    pub(super) fn tell_state(&mut self, tag: &Tag) {
        self.plan.news.push(News::Tag(tag.no));
        let Some(item) = self.catalogue.item_by_no(tag.item) else { return };
        let Some(owner) = self.catalogue.owner(item) else { return };
        let path = self.catalogue.path(tag);
        let text = match &tag.health.state {
            State::Normal => format!("{path} is well"),
            State::Pending => format!("{path} has changed: its bytes are to be compared"),
            State::Abnormal(reason) => format!("{path} is not well: {}", for_people(reason)),
        };
        match self.health.crowds.get_mut(&item.pool) {
            Some(crowd) => crowd.add(owner, item, tag, text),
            None => self.line(owner, text),
        }
    }

    /// Does something with these tags, each of which may come to stand otherwise, and tells of it.
    pub(in crate::hub::machine) fn with_each<T>(
        &mut self,
        tags: Vec<(TagNo, T)>,
        mut each: impl FnMut(&mut Room, TagNo, T),
    ) {
        let pool = |(no, _): &(TagNo, T)| {
            let item = self.catalogue.tag_by_no(*no).and_then(|tag| self.catalogue.item_by_no(tag.item))?;
            (!self.health.crowds.contains_key(&item.pool)).then(|| item.pool.clone())
        };
        let pools: BTreeSet<PoolName> = match tags.len() > FEW {
            true => tags.iter().filter_map(pool).collect(),
            false => BTreeSet::new(),
        };
        self.health.crowds.extend(pools.iter().map(|pool| (pool.clone(), Crowd::default())));
        tags.into_iter().for_each(|(no, what)| each(self, no, what));
        pools.iter().for_each(|pool| self.tell_crowd(pool));
    }

    /// Tells what was gathered of a pool, and goes on gathering where that was much.
    pub(super) fn tell_crowd(&mut self, pool: &PoolName) {
        let Some(crowd) = self.health.crowds.remove(pool) else { return };
        if crowd.is_many() {
            self.health.crowds.insert(pool.clone(), Crowd::default());
        }
        for ((owner, _), group) in crowd.0 {
            group.tell(pool).into_iter().for_each(|line| self.line(owner, line));
        }
    }

    /// Nothing is gathered any more: the host stops.
    pub(in crate::hub::machine) fn tell_crowds(&mut self) {
        let pools: Vec<PoolName> = self.health.crowds.keys().cloned().collect();
        pools.iter().for_each(|pool| self.tell_crowd(pool));
    }
}
