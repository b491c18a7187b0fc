//! What a start reads: everything but the lines of logs, of which it needs the first and the last number of each.
//!
//! Tags and their health are read side by side in the order of their keys: nothing is looked up.

use super::shapes::{Health, Item, Job, Line, Member, Numbers as StoredNumbers, Pool, Repository, Tag};
use crate::hub::machine::{Memory, Numbers};
use crate::store::{DecodeError, ReadError, Reader, Record, beside};

/// 1 January 2020 in Unix seconds: from there on numbers of 32 bits last until 2156.
const SINCE: u64 = 1_577_836_800;

/// Everything a start needs, and the highest numbers ever given. `restored` is when a backup was last restored, in
/// microseconds: numbers go on from there. Blocks.
///
/// # Errors
/// The store's, and records whose names cannot be names.
pub fn load(reader: &Reader, restored: Option<u64>) -> Result<(Memory, Numbers), ReadError> {
    let stored = reader.get::<StoredNumbers>(&())?.map(Numbers::from).unwrap_or_default();
    let mut memory = Memory::default();
    for entry in reader.scan::<Member>(..) {
        let (account, member) = entry?;
        memory.members.push(sound::<Member, _>(member.into_model(account))?);
        memory.logs.extend(bounds(reader, account)?.map(|(oldest, newest)| (account, oldest, newest)));
    }
    for entry in reader.scan::<Pool>(..) {
        let (name, pool) = entry?;
        memory.pools.push(sound::<Pool, _>(pool.into_model(&name))?);
    }
    for entry in reader.scan::<Repository>(..) {
        let (name, repository) = entry?;
        memory.repositories.push(sound::<Repository, _>(repository.into_model(&name))?);
    }
    for entry in reader.scan::<Item>(..) {
        let (no, item) = entry?;
        memory.items.push(sound::<Item, _>(item.into_model(no))?);
    }
    tags(reader, &mut memory)?;
    for entry in reader.scan::<Job>(..) {
        let (id, job) = entry?;
        memory.jobs.push(sound::<Job, _>(job.into_model(id))?);
    }
    let after = restored.map(unused).unwrap_or_default();
    memory.numbers = Numbers {
        item: stored.item.max(memory.items.last().map_or(0, |item| item.no.0)).max(after.item),
        tag: stored.tag.max(memory.tags.last().map_or(0, |tag| tag.no.0)).max(after.tag),
        job: stored.job.max(memory.jobs.last().map_or(0, |job| job.id.0)).max(after.job),
    };
    let numbers = memory.numbers;
    Ok((memory, numbers))
}

/// What was read, or that it was never written so.
fn sound<R: Record, T>(read: Option<T>) -> Result<T, ReadError> {
    let kind = R::KIND.name();
    read.ok_or_else(|| DecodeError::Malformed { kind, why: "a name in it cannot be one".to_owned() }.into())
}

/// Numbers above all that may have been given out between a backup and its restoration, at this microsecond: as long as
/// fewer items and tags were made than microseconds went by, and fewer jobs than seconds. Clients read numbers of jobs,
/// as eight digits.
fn unused(restored: u64) -> Numbers {
    Numbers { item: restored, tag: restored, job: (restored / 1_000_000).saturating_sub(SINCE) }
}

/// The numbers of the oldest and the newest line of a log.
pub(super) fn bounds(reader: &Reader, account: u32) -> Result<Option<(u64, u64)>, ReadError> {
    let all = (account, 0)..=(account, u64::MAX);
    let Some(oldest) = reader.scan::<Line>(all.clone()).next().transpose()? else { return Ok(None) };
    let newest = reader.scan_back::<Line>(all).next().transpose()?;
    Ok(newest.map(|((_, newest), _)| (oldest.0.1, newest)))
}

/// All tags, by number.
fn tags(reader: &Reader, memory: &mut Memory) -> Result<(), ReadError> {
    let mut changed = reader.scan::<Health>(..).peekable();
    for entry in reader.scan::<Tag>(..) {
        let (key, tag) = entry?;
        let health = beside(&mut changed, &key)?;
        memory.tags.push(sound::<Tag, _>(tag.into_model(key, health))?);
    }
    memory.tags.sort_unstable_by_key(|tag| tag.no);
    Ok(())
}
