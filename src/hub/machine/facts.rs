//! Facts of this host that tags and accounts depend on.
//!
//! A fact is known by what it says and by whose rights it is asked for with. It is kept for as long as something depends on
//! it; until it is found out, it does not hold.

use super::lines::FEW;
use super::{News, Room};
use crate::hub::model::{AccountId, ItemNo, Member, Requirement, Requirements, Tag, TagNo};
use std::collections::{BTreeMap, BTreeSet};

/// What depends on facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dependant {
    /// A tag, to be well.
    Tag(ItemNo, TagNo),
    /// An account, to be online.
    Member(AccountId),
}

/// A fact, and with whose rights it is asked for.
type Key = (Requirement, AccountId);

/// All facts that something depends on.
#[derive(Debug, Default)]
pub(super) struct Facts {
    known: BTreeMap<Key, Fact>,
    /// How many facts do not hold on which it depends; those of which all hold are not here.
    broken: BTreeMap<Dependant, usize>,
}

#[derive(Debug, Default)]
struct Fact {
    /// None: not found out yet.
    holds: Option<Result<(), String>>,
    dependants: BTreeSet<Dependant>,
}

impl Fact {
    fn is_broken(&self) -> bool {
        !matches!(self.holds, Some(Ok(())))
    }
}

impl Facts {
    /// What these depend on.
    pub(super) fn load(members: &[Member], tags: &[Tag]) -> Facts {
        let mut facts = Facts::default();
        let none = Requirements::default();
        for member in members {
            facts.exchange(Dependant::Member(member.account), &none, &member.requires);
        }
        for tag in tags {
            facts.exchange(Dependant::Tag(tag.item, tag.no), &none, &tag.requires);
        }
        facts
    }

    pub(super) fn all(&self) -> Vec<Key> {
        self.known.keys().cloned().collect()
    }

    /// It depends on these from now on, and on those no longer: called by whoever sets, replaces or drops some.
    pub(super) fn exchange(&mut self, whose: Dependant, old: &Requirements, new: &Requirements) {
        let (old, new) = (keys(old), keys(new));
        for key in old.difference(&new) {
            let Some(fact) = self.known.get_mut(key) else { continue };
            fact.dependants.remove(&whose);
            if fact.dependants.is_empty() {
                self.known.remove(key);
            }
        }
        let mut broken = 0;
        for key in new {
            let fact = self.known.entry(key).or_default();
            fact.dependants.insert(whose);
            broken += usize::from(fact.is_broken());
        }
        self.set_broken(whose, broken);
    }

    fn set_broken(&mut self, whose: Dependant, broken: usize) {
        match broken {
            0 => self.broken.remove(&whose),
            _ => self.broken.insert(whose, broken),
        };
    }

    /// The first that does not hold, and why; one that was not found out yet does not.
    pub(super) fn broken(&self, requires: &Requirements) -> Option<String> {
        requires.all.iter().find_map(|requirement| {
            let fact = self.known.get(&(requirement.clone(), requires.by));
            match fact.and_then(|fact| fact.holds.as_ref()) {
                Some(Ok(())) => None,
                Some(Err(why)) => Some(format!("{requirement}: {why}")),
                None => Some(format!("{requirement}: not found out yet")),
            }
        })
    }

    /// The tags of an item whose requirements do not all hold.
    pub(super) fn broken_tags(&self, item: ItemNo) -> impl Iterator<Item = TagNo> {
        let all = Dependant::Tag(item, TagNo(0))..=Dependant::Tag(item, TagNo(u64::MAX));
        self.broken.range(all).filter_map(|(whose, _)| match whose {
            Dependant::Tag(_, no) => Some(*no),
            Dependant::Member(_) => None,
        })
    }

    /// Sets how a fact stands. None: it stood so, or nothing depends on it; else who does, and whether it was found out before.
    fn set(&mut self, key: &Key, holds: Result<(), String>) -> Option<(Vec<Dependant>, bool)> {
        let fact = self.known.get_mut(key).filter(|fact| fact.holds.as_ref() != Some(&holds))?;
        let (was_broken, was_known) = (fact.is_broken(), fact.holds.is_some());
        fact.holds = Some(holds);
        let is_broken = fact.is_broken();
        let dependants: Vec<Dependant> = fact.dependants.iter().copied().collect();
        if was_broken != is_broken {
            for whose in &dependants {
                let broken = self.broken.get(whose).copied().unwrap_or_default();
                self.set_broken(*whose, if is_broken { broken + 1 } else { broken.saturating_sub(1) });
            }
        }
        Some((dependants, was_known))
    }
}

fn keys(requires: &Requirements) -> BTreeSet<Key> {
    requires.all.iter().map(|requirement| (requirement.clone(), requires.by)).collect()
}

impl Room {
    pub(super) fn fact(&mut self, key: Key, holds: Result<(), String>) {
        let why = holds.as_ref().err().cloned();
        let Some((dependants, was_known)) = self.facts.set(&key, holds) else { return };
        // That all is as it should be after a start is no event.
        let is_event = was_known || why.is_some();
        let mut concerned: BTreeMap<AccountId, Vec<TagNo>> = BTreeMap::new();
        for whose in dependants {
            match whose {
                Dependant::Member(account) => self.members.touch(account),
                Dependant::Tag(item, no) => {
                    self.plan.news.push(News::Tag(no));
                    let owner = self.catalogue.item_by_no(item).and_then(|item| self.catalogue.owner(item));
                    if let Some(owner) = owner.filter(|_| is_event) {
                        concerned.entry(owner).or_default().push(no);
                    }
                }
            }
        }
        for (owner, tags) in concerned {
            self.lines_about_fact(owner, &tags, &key.0, why.as_deref());
        }
    }

    /// Tells the owner of tags that something they depend on has changed.
    fn lines_about_fact(&mut self, owner: AccountId, tags: &[TagNo], requirement: &Requirement, why: Option<&str>) {
        if tags.len() > FEW {
            let tags = tags.len();
            let text = match why {
                Some(why) => {
                    format!("{tags} tags are abnormal: they require {requirement}, which does not hold: {why}")
                }
                None => format!("{tags} tags: {requirement}, which they require, holds again"),
            };
            return self.line(owner, text);
        }
        for no in tags {
            let Some(what) = self.catalogue.tag_by_no(*no).map(|tag| self.catalogue.path(tag)) else { continue };
            let text = match why {
                Some(why) => format!("tag {what} is abnormal: it requires {requirement}, which does not hold: {why}"),
                None => format!("tag {what}: {requirement}, which it requires, holds again"),
            };
            self.line(owner, text);
        }
    }
}
