//! What the hub keeps in the store, from kind 0x90 to 0x9F. The shapes are the stored format; a change of one raises its
//! `FORMAT` and teaches `migrate` the old one.
//!
//! | kind | key | what |
//! | --- | --- | --- |
//! | `hub.member` | account | its daemon id, whether it is served, where it can be reached |
//! | `hub.line` | account, number | a line of its log |
//! | `hub.pool` | name | a data pool |
//! | `hub.repository` | name | a repository |
//! | `hub.item` | item | an item |
//! | `hub.tag` | item, tag | a tag, with its health as it was when this was written |
//! | `hub.health` | item, tag | its health, where that has changed since |
//! | `hub.job` | job | a job |
//! | `hub.numbers` | – | the highest numbers handed out |
//! | `hub.host` | – | by which id this host is known |
//!
//! `shapes` says how each looks, `load` what a start reads, `rules` what must hold between them.

mod load;
mod rules;
mod shapes;

#[cfg(test)]
mod tests;

use super::machine::{Change, Numbers};
use super::model::{AccountId, ItemNo};
use crate::base::Wall;
use crate::store::{Batch, ReadError, Reader, Table, record};

pub use load::load;
pub use rules::rules;

record!(shapes::Member, 0x90, "hub.member", u32, shapes::mask_member);
record!(shapes::Line, 0x91, "hub.line", (u32, u64));
record!(shapes::Pool, 0x92, "hub.pool", String);
record!(shapes::Repository, 0x93, "hub.repository", String);
record!(shapes::Item, 0x94, "hub.item", u64);
record!(shapes::Tag, 0x95, "hub.tag", (u64, u64));
record!(shapes::Health, 0x96, "hub.health", (u64, u64));
record!(shapes::Job, 0x97, "hub.job", u64);
record!(shapes::Numbers, 0x98, "hub.numbers", ());
record!(shapes::Host, 0x99, "hub.host", ());

/// The kinds of records that the hub keeps.
pub const TABLES: [Table; 10] = [
    Table::of::<shapes::Member>(),
    Table::of::<shapes::Line>(),
    Table::of::<shapes::Pool>(),
    Table::of::<shapes::Repository>(),
    Table::of::<shapes::Item>(),
    Table::of::<shapes::Tag>(),
    Table::of::<shapes::Health>(),
    Table::of::<shapes::Job>(),
    Table::of::<shapes::Numbers>(),
    Table::of::<shapes::Host>(),
];

/// Appends what a plan changes, one to three operations for each; `numbers` follows.
pub fn write(changes: &[Change], numbers: &mut Numbers, batch: &mut Batch) {
    let before = *numbers;
    for change in changes {
        match change {
            Change::Member(member) => batch.put(&member.account, &shapes::Member::from(&**member)),
            Change::MemberGone(account) => {
                batch.delete::<shapes::Member>(account);
                batch.delete_range::<shapes::Line>((*account, 0)..=(*account, u64::MAX));
            }
            Change::Line { account, number, at, text, drops } => {
                batch.put(&(*account, *number), &shapes::Line::new(*at, text));
                if let Some(oldest) = drops {
                    batch.delete::<shapes::Line>(&(*account, *oldest));
                }
            }
            Change::LinesGone(account, last) => batch.delete_range::<shapes::Line>((*account, 0)..=(*account, *last)),
            Change::Pool(pool) => batch.put(&pool.name.to_string(), &shapes::Pool::from(&**pool)),
            Change::PoolGone(name) => batch.delete::<shapes::Pool>(&name.to_string()),
            Change::Repository(it) => batch.put(&it.name.to_string(), &shapes::Repository::from(&**it)),
            Change::RepositoryGone(name) => batch.delete::<shapes::Repository>(&name.to_string()),
            Change::Item(item) => {
                numbers.item = numbers.item.max(item.no.0);
                batch.put(&item.no.0, &shapes::Item::from(&**item));
            }
            Change::ItemGone(no) => batch.delete::<shapes::Item>(&no.0),
            Change::Tag(tag) => {
                let key = (tag.item.0, tag.no.0);
                batch.put(&key, &shapes::Tag::from(&**tag));
                // What was found out before is in the tag now. Of a new one nothing was.
                match tag.no.0 > numbers.tag {
                    true => numbers.tag = tag.no.0,
                    false => batch.delete::<shapes::Health>(&key),
                }
            }
            Change::Health(tag) => batch.put(&(tag.item.0, tag.no.0), &shapes::Health::from(&tag.health)),
            Change::TagGone(item, tag) => {
                batch.delete::<shapes::Tag>(&(item.0, tag.0));
                batch.delete::<shapes::Health>(&(item.0, tag.0));
            }
            Change::TagsGone(item) => {
                batch.delete_range::<shapes::Tag>(all_of(*item));
                batch.delete_range::<shapes::Health>(all_of(*item));
            }
            Change::Job(job) => {
                numbers.job = numbers.job.max(job.id.0);
                batch.put(&job.id.0, &shapes::Job::from(&**job));
            }
            Change::JobGone(id) => batch.delete::<shapes::Job>(&id.0),
        }
    }
    if *numbers != before {
        batch.put(&(), &shapes::Numbers::from(*numbers));
    }
}

/// The keys of an item's tags.
fn all_of(item: ItemNo) -> std::ops::RangeInclusive<(u64, u64)> {
    (item.0, 0)..=(item.0, u64::MAX)
}

/// A line of a log: when it was written, where it has no stamp of its own, and its text.
pub type Line = (Option<Wall>, String);

/// The lines of a log from one number to another, the newest first; of those that are there. Blocks.
///
/// # Errors
/// The store's.
pub fn lines(reader: &Reader, account: AccountId, oldest: u64, newest: u64) -> Result<Vec<Line>, ReadError> {
    let lines = reader.scan_back::<shapes::Line>((account, oldest)..=(account, newest));
    lines.map(|entry| entry.map(|(_, line)| line.into_model())).collect()
}

/// By which id this host is known; none: it has none yet. Blocks.
///
/// # Errors
/// The store's.
pub fn host(reader: &Reader) -> Result<Option<String>, ReadError> {
    Ok(reader.get::<shapes::Host>(&())?.map(|host| host.0))
}

/// Writes down by which id this host is known from now on.
pub fn write_host(id: &str, batch: &mut Batch) {
    batch.put(&(), &shapes::Host(id.to_owned()));
}
