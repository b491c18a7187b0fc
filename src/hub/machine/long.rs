//! Wishes that go through very many tags: some of them in each step, so that whoever looks at the room in between does not
//! wait long. All of it is one decision: nothing else is decided before its end, and it is written down as a whole.

use super::{Answer, Change, News, Room, Verdict};
use crate::hub::model::{AccountId, Item, Tag};
use std::sync::Arc;
use std::vec::IntoIter;

/// How many tags a step goes through.
pub const SLICE: usize = 500;

/// What is left of such a wish.
#[derive(Debug)]
pub(super) struct Long {
    work: Work,
    tags: IntoIter<Arc<Tag>>,
    /// To whom the answer is owed.
    owed: u64,
}

/// What is done with each tag, and in the end.
#[derive(Debug)]
pub(super) enum Work {
    /// It is forgotten.
    Forget(Forgetting),
    /// It is read: the answer comes when all were.
    Verify,
}

/// Tags of an item that are forgotten.
#[derive(Debug)]
pub(super) struct Forgetting {
    pub(super) item: Arc<Item>,
    /// All of its tags: written down as one.
    pub(super) all: bool,
    /// The item goes with them.
    pub(super) with_item: bool,
    /// What the owner's log says in the end.
    pub(super) text: String,
    pub(super) owner: AccountId,
    pub(super) verdict: Verdict,
}

impl Room {
    /// Begins such a wish; what is short is over before the step is.
    pub(super) fn begin_long(&mut self, work: Work, tags: Vec<Arc<Tag>>) -> Answer {
        let owed = self.owe();
        if let Work::Verify = work {
            self.expect_readings(owed, tags.len());
        }
        self.long = Some(Long { work, tags: tags.into_iter(), owed });
        Answer::Later(owed)
    }

    /// Whether another step is wanted at once, and nothing else is to be decided before it.
    pub fn is_busy(&self) -> bool {
        self.long.is_some()
    }

    /// The next slice, and the end.
    pub(super) fn go_on(&mut self) {
        let Some(mut long) = self.long.take() else { return };
        for tag in long.tags.by_ref().take(SLICE) {
            match &long.work {
                Work::Forget(forgetting) => self.forget_one(forgetting, &tag),
                Work::Verify => self.verify_one(&tag, long.owed),
            }
        }
        if long.tags.len() > 0 {
            self.long = Some(long);
            return;
        }
        if let Work::Forget(forgetting) = long.work {
            self.end_forgetting(forgetting, long.owed);
        }
    }

    fn forget_one(&mut self, forgetting: &Forgetting, tag: &Arc<Tag>) {
        self.plan.news.push(News::TagGone(self.catalogue.path(tag)));
        self.drop_tag(tag, "it was forgotten");
        if !forgetting.all {
            self.plan.changes.push(Change::TagGone(tag.item, tag.no));
        }
    }

    fn end_forgetting(&mut self, forgetting: Forgetting, owed: u64) {
        let Forgetting { item, all, with_item, text, owner, verdict } = forgetting;
        if all {
            self.plan.changes.push(Change::TagsGone(item.no));
        }
        if with_item {
            self.catalogue.remove_item(item.no);
            self.plan.changes.push(Change::ItemGone(item.no));
        }
        self.line(owner, text);
        self.plan.late.push((owed, verdict));
    }
}
