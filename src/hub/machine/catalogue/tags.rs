//! What may be done to tags.

use super::{counted, deed, pattern, taken, unknown};
use crate::hub::machine::facts::Dependant;
use crate::hub::machine::long::{Forgetting, Work};
use crate::hub::machine::{Answer, By, Change, Effect, NewTag, News, Refusal, Room, Verdict, Which};
use crate::hub::model::{
    AccountId, Health, Item, ItemName, LookedAt, Pool, RepName, Requirements, State, Tag, TagName,
};
use std::sync::Arc;

impl Room {
    /// Whether somebody may publish this, and into what: for whoever is about to read a file for it.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn admits_publication(
        &self,
        by: By,
        rep: &RepName,
        item: &ItemName,
        tag: &TagName,
        replace: bool,
    ) -> Result<(Arc<Pool>, Arc<Item>), Refusal> {
        let (item, _) = self.own_item(by, rep, item)?;
        if !replace && self.catalogue.tag(item.no, tag).is_some() {
            return Err(taken("tag", format!("{rep}/{}:{tag}", item.name)));
        }
        let pool = self.catalogue.pool(&item.pool).ok_or_else(|| unknown("datapool", &item.pool))?;
        Ok((pool.clone(), item))
    }

    pub(in crate::hub::machine) fn publish(&mut self, by: By, new: NewTag) -> Verdict {
        let admitted = self.admits_publication(by, &new.rep, &new.item, &new.tag, new.replace);
        let owned = admitted.and_then(|_| self.own_item(by, &new.rep, &new.item));
        match owned {
            Ok((item, owner)) => self.add_tag(by, &item, owner, new),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    fn add_tag(&mut self, by: By, item: &Item, owner: AccountId, new: NewTag) -> Verdict {
        let replaced = self.catalogue.tag(item.no, &new.tag).cloned();
        if let Some(old) = &replaced {
            self.drop_tag(old, "it was published anew");
            self.plan.changes.push(Change::TagGone(item.no, old.no));
        }
        if self.catalogue.published_in(&item.pool) == 0 {
            // Until now there was nothing to look at.
            self.health.pass(item.pool.clone(), self.now.mono);
        }
        let how = if replaced.is_some() { " anew" } else { "" };
        let size = new.size;
        let tag = self.new_tag(item, new);
        let text = match tag.digests {
            Some(digests) => format!("published {}{how}: {} bytes", self.catalogue.path(&tag), digests.size),
            None => format!("published {}{how}; its {size} bytes are to be read", self.catalogue.path(&tag)),
        };
        let (no, is_read) = (tag.no, tag.digests.is_some());
        self.facts.exchange(Dependant::Tag(item.no, no), &Requirements::default(), &tag.requires);
        self.plan.effects.push(Effect::LookAt(item.no, tag.detail.clone()));
        self.plan.changes.push(Change::Tag(tag));
        self.plan.news.push(News::Tag(no));
        self.log_deed(by, owner, text);
        let job = (!is_read).then(|| self.job_of_publication(by, no, size));
        Verdict::Published(no, job)
    }

    /// Takes a tag in; where it was not read, that is wanted now.
    fn new_tag(&mut self, item: &Item, new: NewTag) -> Arc<Tag> {
        let now = self.now.wall;
        let (right, digests) = new.read.unzip();
        let state = if new.read.is_some() { State::Normal } else { State::Pending };
        let looked = LookedAt::default();
        if new.read.is_some() {
            looked.touch(now);
        }
        let tag = Tag {
            no: self.catalogue.next_tag(),
            item: item.no,
            name: new.tag,
            detail: new.detail,
            comment: new.comment,
            made: now,
            digests,
            requires: new.requires,
            health: Health { state, since: now, hashed: new.read.map(|_| now), right },
            looked,
        };
        let no = tag.no;
        let tag = self.catalogue.insert_tag(tag);
        match right {
            Some(_) => self.health.list(&tag),
            None => self.want_now(no),
        }
        tag
    }

    pub(in crate::hub::machine) fn forget_tags(
        &mut self,
        by: By,
        rep: &RepName,
        item: &ItemName,
        which: &Which,
    ) -> Answer {
        let found = self.own_item(by, rep, item);
        let found = found.and_then(|(item, owner)| Ok((self.which_tags(&item, which)?, item, owner)));
        let (tags, item, owner) = match found {
            Ok(found) => found,
            Err(refusal) => return Answer::Now(Verdict::Refused(refusal)),
        };
        let text = match &tags[..] {
            [tag] => format!("forgot {}; its file stays", self.catalogue.path(tag)),
            _ => format!("forgot {} of {rep}/{}; the files stay", counted(tags.len(), "tag"), item.name),
        };
        let (text, all) = (deed(by, owner, text), tags.len() == self.catalogue.tag_count(item.no));
        let verdict = Verdict::Gone(tags.len());
        self.begin_long(Work::Forget(Forgetting { item, all, with_item: false, text, owner, verdict }), tags)
    }

    /// Some tags of an item, by name; there is at least one, or it was not asked for a certain one.
    pub(in crate::hub::machine) fn which_tags(&self, item: &Item, which: &Which) -> Result<Vec<Arc<Tag>>, Refusal> {
        let (tags, asked): (Vec<Arc<Tag>>, &str) = match which {
            Which::One(name) => (self.catalogue.tag(item.no, name).cloned().into_iter().collect(), name.as_str()),
            Which::All => (self.catalogue.tags(item.no).cloned().collect(), "*"),
            Which::Like(like) => {
                let alike = self.catalogue.tags_like(item.no, pattern::prefix(like));
                (alike.filter(|tag| pattern::matches(like, tag.name.as_str())).cloned().collect(), like)
            }
        };
        match tags.is_empty() {
            true => Err(unknown("tag", format!("{}/{}:{asked}", item.rep, item.name))),
            false => Ok(tags),
        }
    }

    /// Forgets one tag that somebody may change.
    pub(in crate::hub::machine) fn forget_tag(&mut self, by: By, tag: &Arc<Tag>) {
        let Some(owner) = self.catalogue.item_by_no(tag.item).and_then(|item| self.catalogue.owner(item)) else {
            return;
        };
        let path = self.catalogue.path(tag);
        self.log_deed(by, owner, format!("forgot {path}; its file stays"));
        self.plan.news.push(News::TagGone(path));
        self.drop_tag(tag, "it was forgotten");
        self.plan.changes.push(Change::TagGone(tag.item, tag.no));
    }

    /// Forgets a tag: nobody reads it, waits for it, or depends on something for it any more.
    pub(in crate::hub::machine) fn drop_tag(&mut self, tag: &Arc<Tag>, why: &str) {
        self.give_up_reading(tag.no);
        self.health.unlist(tag);
        self.facts.exchange(Dependant::Tag(tag.item, tag.no), &tag.requires, &Requirements::default());
        if tag.digests.is_none() {
            self.publication_over(tag.no, Err(why.to_owned()));
        }
        self.catalogue.remove_tag(tag.no);
    }

    pub(in crate::hub::machine) fn require_of_tag(
        &mut self,
        by: By,
        rep: &RepName,
        item: &ItemName,
        name: &TagName,
        requires: Requirements,
    ) -> Verdict {
        let found = self.own_item(by, rep, item);
        let found = found.and_then(|(item, owner)| Ok((self.which_tags(&item, &Which::One(name.clone()))?, owner)));
        let (tags, owner) = match found {
            Ok(found) => found,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        let changed = tags.into_iter().filter(|tag| tag.requires != requires);
        for tag in changed.collect::<Vec<_>>() {
            self.facts.exchange(Dependant::Tag(tag.item, tag.no), &tag.requires, &requires);
            let names: Vec<String> = requires.all.iter().map(ToString::to_string).collect();
            let needs = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            let text = format!("{} requires {needs}", self.catalogue.path(&tag));
            let changed = self.catalogue.change_tag(tag.no, |tag| tag.requires = requires.clone());
            self.plan.changes.extend(changed.map(Change::Tag));
            self.plan.news.push(News::Tag(tag.no));
            self.log_deed(by, owner, text);
        }
        Verdict::Done
    }
}
