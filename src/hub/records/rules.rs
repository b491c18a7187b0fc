//! What must hold between the records.
//!
//! The store is checked while the daemon writes, and a scan sees some of what is written meanwhile. So what a record is about
//! is read after it; and where that is gone, the record must still be there, or both went together.

use super::shapes::{Health, Item, Job, Line, Member, Numbers as StoredNumbers, Pool, Repository, Tag};
use crate::hub::machine::Numbers;
use crate::store::{ReadError, Reader, Record, Rule, beside};
use std::collections::{BTreeMap, HashMap};

/// What must hold, for a check of the whole store.
pub fn rules() -> Vec<Rule> {
    vec![Box::new(members), Box::new(lines), Box::new(items), Box::new(tags), Box::new(health), Box::new(jobs)]
}

type Reports<'a> = &'a mut dyn FnMut(String);

/// Whether two keys of a kind are both there still.
fn both_there<R: Record>(reader: &Reader, one: &R::Key, other: &R::Key) -> Result<bool, ReadError> {
    Ok(reader.get::<R>(one)?.is_some() && reader.get::<R>(other)?.is_some())
}

/// Every member can be read, and has a daemon id of its own.
fn members(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    let mut ids = HashMap::new();
    for entry in reader.scan::<Member>(..) {
        let (account, member) = entry?;
        match member.into_model(account) {
            None => report(format!("hub.member {account} has an id or an entry point that cannot be one")),
            Some(member) => {
                if let Some(other) = ids.insert(member.daemon, account) {
                    report(format!("hub.member {account} has the daemon id of {other}"));
                }
            }
        }
    }
    Ok(())
}

/// Every line is of a member, and none is missing between the oldest and the newest.
fn lines(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    let mut before: Option<(u32, u64)> = None;
    for entry in reader.scan::<Line>(..) {
        let (key, _) = entry?;
        let (account, number) = key;
        match before {
            Some(last) if last.0 == account => {
                let next = (account, last.1.saturating_add(1));
                // Those that fell out of the ring since the one before was read, fell out together with it.
                let is_gap = key != next && reader.get::<Line>(&last)?.is_some();
                if is_gap && reader.get::<Line>(&next)?.is_none() {
                    report(format!("hub.line {account}/{}: lines are missing before {number}", next.1));
                }
            }
            _ => {
                if reader.get::<Member>(&account)?.is_none() && reader.get::<Line>(&key)?.is_some() {
                    report(format!("hub.line {account}/{number} belongs to no hub.member"));
                }
            }
        }
        before = Some(key);
    }
    Ok(())
}

/// Every item is in a repository and in a pool, and no two of a repository are called the same.
fn items(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    let mut names = HashMap::new();
    let mut highest = 0;
    for entry in reader.scan::<Item>(..) {
        let (no, item) = entry?;
        highest = no;
        let has_all = [reader.get::<Repository>(&item.rep)?.is_some(), reader.get::<Pool>(&item.pool)?.is_some()];
        if has_all.contains(&false) && reader.get::<Item>(&no)?.is_some() {
            let what = if has_all[0] { "hub.pool" } else { "hub.repository" };
            report(format!("hub.item {no} belongs to no {what}"));
        }
        if let Some(other) = names.insert((item.rep, item.name), no)
            && both_there::<Item>(reader, &no, &other)?
        {
            report(format!("hub.item {no} is called as {other} is"));
        }
    }
    numbers(reader, "item", highest, |numbers| numbers.item, report)
}

/// Every tag is of an item, no two of an item are called the same, and none is well without anything to compare it with.
fn tags(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    let mut changed = reader.scan::<Health>(..).peekable();
    let mut names: HashMap<String, (u64, u64)> = HashMap::new();
    let (mut item, mut highest) = (None, 0);
    for entry in reader.scan::<Tag>(..) {
        let (key, tag) = entry?;
        let (of, no) = key;
        highest = highest.max(no);
        let health = beside(&mut changed, &key)?;
        if tag.is_baseless(health.as_ref()) && is_baseless(reader, key)? {
            report(format!("hub.tag {of}/{no} is normal, but has no digests"));
        }
        if item != Some(of) {
            item = Some(of);
            names.clear();
            if reader.get::<Item>(&of)?.is_none() && reader.get::<Tag>(&key)?.is_some() {
                report(format!("hub.tag {of}/{no} belongs to no hub.item"));
            }
        }
        if let Some(other) = names.insert(tag.n, key)
            && both_there::<Tag>(reader, &key, &other)?
        {
            report(format!("hub.tag {of}/{no} is called as {of}/{} is", other.1));
        }
    }
    numbers(reader, "tag", highest, |numbers| numbers.tag, report)
}

/// The same, looked up by its key: what was read side by side may have been of two minds.
fn is_baseless(reader: &Reader, key: (u64, u64)) -> Result<bool, ReadError> {
    let health = reader.get::<Health>(&key)?;
    Ok(reader.get::<Tag>(&key)?.is_some_and(|tag| tag.is_baseless(health.as_ref())))
}

/// Every health is of a tag.
fn health(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    for entry in reader.scan::<Health>(..) {
        let (key, _) = entry?;
        if reader.get::<Tag>(&key)?.is_none() && reader.get::<Health>(&key)?.is_some() {
            report(format!("hub.health {}/{} belongs to no hub.tag", key.0, key.1));
        }
    }
    Ok(())
}

/// Every job can be read, and what it reads is there.
fn jobs(reader: &Reader, report: Reports<'_>) -> Result<(), ReadError> {
    let mut read = BTreeMap::new();
    let mut highest = 0;
    for entry in reader.scan::<Job>(..) {
        let (id, job) = entry?;
        highest = id;
        read.extend(job.reads().map(|tag| (tag, id)));
        if job.into_model(id).is_none() {
            report(format!("hub.job {id} has a name that cannot be one"));
        }
    }
    if !read.is_empty() {
        for entry in reader.scan::<Tag>(..) {
            let ((_, tag), _) = entry?;
            read.remove(&tag);
        }
    }
    for (tag, id) in read {
        // It may be over since, or the tag gone with it.
        if reader.get::<Job>(&id)?.and_then(|job| job.reads()) == Some(tag) {
            report(format!("hub.job {id} reads hub.tag {tag}, which is not there"));
        }
    }
    numbers(reader, "job", highest, |numbers| numbers.job, report)
}

/// No number is in use that may be given out again. The numbers are read last: they are written with the first record
/// that has one.
fn numbers(
    reader: &Reader,
    what: &str,
    highest: u64,
    last: fn(Numbers) -> u64,
    report: Reports<'_>,
) -> Result<(), ReadError> {
    let last = last(reader.get::<StoredNumbers>(&())?.map(Numbers::from).unwrap_or_default());
    if highest > last {
        report(format!("hub.numbers would give out {what} {highest} again: {last} is the last that they know"));
    }
    Ok(())
}
