//! What may be done to repositories and items.

use super::{counted, deed, may, taken, unknown};
use crate::hub::machine::long::{Forgetting, Work};
use crate::hub::machine::{Answer, By, Change, NewItem, Refusal, Room, Verdict};
use crate::hub::model::{AccountId, BadName, Item, ItemName, RepName, Repository, Tag};
use std::sync::Arc;

impl Room {
    pub(in crate::hub::machine) fn make_repository(&mut self, by: By, name: RepName, comment: Arc<str>) -> Verdict {
        if let Err(refusal) = self.admits_repository(&name) {
            return Verdict::Refused(refusal);
        }
        Verdict::Repository(self.add_repository(by.account, name, comment))
    }

    fn admits_repository(&self, name: &RepName) -> Result<(), Refusal> {
        if name.is_reserved() {
            let expected = format!("a name other than \"{name}\", which paths need for themselves");
            return Err(Refusal::Name(BadName { field: "repname", expected }));
        }
        match self.catalogue.repository(name) {
            Some(_) => Err(taken("repository", name)),
            None => Ok(()),
        }
    }

    fn add_repository(&mut self, owner: AccountId, name: RepName, comment: Arc<str>) -> Arc<Repository> {
        let repository = Repository { name, owner, comment, made: self.now.wall };
        let repository = self.catalogue.insert_repository(repository);
        self.plan.changes.push(Change::Repository(repository.clone()));
        self.line(owner, format!("made repository {}", repository.name));
        repository
    }

    pub(in crate::hub::machine) fn forget_repository(&mut self, by: By, name: &RepName) -> Verdict {
        let repository = match self.own_repository(by, name) {
            Ok(repository) => repository,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        let items = self.catalogue.item_count(name);
        if items > 0 {
            let holds = counted(items, "item");
            return Verdict::Refused(Refusal::NotEmpty { what: "repository", name: name.to_string(), holds });
        }
        self.catalogue.remove_repository(name);
        self.plan.changes.push(Change::RepositoryGone(name.clone()));
        self.log_deed(by, repository.owner, format!("forgot repository {name}"));
        Verdict::Done
    }

    /// A repository that somebody may change.
    pub(super) fn own_repository(&self, by: By, name: &RepName) -> Result<Arc<Repository>, Refusal> {
        let repository = self.catalogue.repository(name).ok_or_else(|| unknown("repository", name))?;
        match may(by, repository.owner) {
            true => Ok(repository.clone()),
            false => Err(Refusal::Foreign(format!("the repository {name} is another user's"))),
        }
    }

    /// An item that somebody may change, and whose it is.
    pub(in crate::hub::machine) fn own_item(
        &self,
        by: By,
        rep: &RepName,
        name: &ItemName,
    ) -> Result<(Arc<Item>, AccountId), Refusal> {
        let repository = self.own_repository(by, rep)?;
        let item = self.catalogue.item(rep, name).ok_or_else(|| unknown("item", format!("{rep}/{name}")))?;
        Ok((item.clone(), repository.owner))
    }

    pub(in crate::hub::machine) fn make_item(&mut self, by: By, new: NewItem) -> Verdict {
        match self.admits_item(by, &new) {
            Ok(()) => Verdict::Item(self.add_item(by, new)),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    fn admits_item(&self, by: By, new: &NewItem) -> Result<(), Refusal> {
        match self.catalogue.repository(&new.rep) {
            Some(_) => drop(self.own_repository(by, &new.rep)?),
            None => self.admits_repository(&new.rep)?,
        }
        self.admits_into(by, &new.pool)?;
        match self.catalogue.item(&new.rep, &new.name) {
            Some(_) => Err(taken("item", format!("{}/{}", new.rep, new.name))),
            None => Ok(()),
        }
    }

    fn add_item(&mut self, by: By, new: NewItem) -> Arc<Item> {
        let owner = match self.catalogue.repository(&new.rep) {
            Some(repository) => repository.owner,
            None => self.add_repository(by.account, new.rep.clone(), "".into()).owner,
        };
        let item = self.catalogue.next_item();
        let NewItem { rep, name, pool, dir, access, comment } = new;
        let item = Item { no: item, rep, name, pool, dir, access, comment, made: self.now.wall };
        let item = self.catalogue.insert_item(item);
        self.plan.changes.push(Change::Item(item.clone()));
        let text = format!("published {}/{} from {} of data pool {}", item.rep, item.name, item.dir, item.pool);
        self.log_deed(by, owner, text);
        item
    }

    pub(in crate::hub::machine) fn forget_item(&mut self, by: By, rep: &RepName, name: &ItemName) -> Answer {
        let (item, owner) = match self.own_item(by, rep, name) {
            Ok(found) => found,
            Err(refusal) => return Answer::Now(Verdict::Refused(refusal)),
        };
        let tags: Vec<Arc<Tag>> = self.catalogue.tags(item.no).cloned().collect();
        let text = deed(by, owner, format!("forgot {rep}/{name} with {}; the files stay", counted(tags.len(), "tag")));
        let (all, verdict) = (!tags.is_empty(), Verdict::Done);
        let forgetting = Forgetting { item, all, with_item: true, text, owner, verdict };
        self.begin_long(Work::Forget(forgetting), tags)
    }
}
