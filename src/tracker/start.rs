//! From what was stored to a room that can be asked.

use super::engine::{Answer, Decided, Engine, Group, Handle, Registration, Settings, SharedRoom, Tools, Wiped};
use super::machine::{self, Ask, Event, Numbers, Plan, Room};
use super::model::ManagerId;
use super::records::{self, Loaded};
use super::watch::Watches;
use crate::base::{Now, Secret};
use crate::schedule::Clock;
use crate::store::{Debts, Reader};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::unbounded_channel;

/// How long the one-time code is.
const CODE: usize = 24;
/// What it consists of: 32 letters and digits that cannot be taken for one another, so five bits each.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// 1 January 2020 in Unix seconds: from there on numbers of 31 bits last until 2088.
const SINCE: u64 = 1_577_836_800;

/// Reads the room back and makes its driver.
///
/// # Errors
/// The store cannot be read, or what it holds makes no sense; the kernel gives no random bytes or timer.
pub async fn start(tools: Tools, settings: Settings) -> io::Result<(Handle, Engine)> {
    let machine = machine::Settings { default_assign: settings.max_assign_time, sample_every: settings.sample_every };
    let (reader, restored) = (tools.store.reader(), tools.store.restored());
    let read = tokio::task::spawn_blocking(move || read_back(&reader, restored, machine));
    let Read { room, plan, wiped, newest_log } = read.await.map_err(io::Error::other)??;

    // From here on; who went before is looked for below.
    let removed = tools.accounts.watch_removed();
    let (own, mailbox) = unbounded_channel();
    let (debts, payer) = Debts::new();
    let driver = own.clone();
    tokio::spawn(payer.pay(move |answers: Vec<Answer>| answers.into_iter().for_each(|answer| answer.give(&driver))));
    let handle = Handle {
        code: draw_code()?,
        room: SharedRoom::new(room),
        mailbox: own.clone(),
        clients: Arc::new(AtomicU64::new(0)),
        newest_log: Arc::new(Mutex::new(newest_log)),
        wiped: Arc::new(Wiped::default()),
        settings: Arc::new(settings),
        tools,
    };
    handle.wiped.add(wiped);
    let mut engine = Engine {
        room: handle.room.clone(),
        tools: handle.tools.clone(),
        mailbox,
        removed,
        clock: Clock::new()?,
        watches: Watches::new(own.clone()),
        wiped: handle.wiped.clone(),
        own,
        debts,
        group: Group::default(),
        waiting: HashMap::new(),
        waits: HashMap::new(),
        draining: false,
    };
    engine.carry_out(Decided::of(plan, Now::read().wall), None);
    for manager in strangers(&handle) {
        engine.step(Event::Asked(Ask::ForgetManager(manager)), None);
    }
    engine.flush();
    tell_code(&handle);
    Ok((handle, engine))
}

/// The blocking part of the start.
struct Read {
    room: Room,
    plan: Plan,
    wiped: BTreeSet<super::model::ProjectId>,
    newest_log: u64,
}

fn read_back(reader: &Reader, restored: Option<u64>, settings: machine::Settings) -> io::Result<Read> {
    let Loaded { mut stored, wiped } = records::load(reader).map_err(io::Error::other)?;
    let newest_log = records::last_log(reader).map_err(io::Error::other)?;
    if let Some(restored) = restored {
        stored.numbers = unused(stored.numbers, restored);
    }
    let (room, plan) = Room::recover(settings, stored, Now::read());
    Ok(Read { room, plan, wiped, newest_log })
}

/// Numbers above all that may have been given out between a backup and its restoration, at this microsecond: as long as
/// fewer tasks were made than microseconds went by, and fewer workers and projects than seconds.
fn unused(numbers: Numbers, restored: u64) -> Numbers {
    // Beyond that clients with numbers of 31 bits would be lost anyway.
    let small = u32::try_from((restored / 1_000_000).saturating_sub(SINCE)).unwrap_or(0);
    Numbers { worker: numbers.worker.max(small), project: numbers.project.max(small), task: numbers.task.max(restored) }
}

/// Who has a role, but no account any more. The operator never had one.
fn strangers(handle: &Handle) -> BTreeSet<ManagerId> {
    let room = handle.room.get();
    let managers = room.projects().flat_map(|project| project.roles.keys().copied());
    let known = |manager: &ManagerId| manager.0 == 0 || handle.tools.accounts.get(manager.0).is_some();
    managers.filter(|manager| !known(manager)).collect()
}

fn draw_code() -> io::Result<Secret> {
    let mut random = [0; CODE];
    getrandom::fill(&mut random).map_err(|why| io::Error::other(format!("no random bytes can be had: {why}")))?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
    Ok(Secret::new(random.iter().map(letter).collect::<String>()))
}

/// Whoever can read the daemon's log may make himself the first admin, from wherever he is.
fn tell_code(handle: &Handle) {
    if handle.tools.accounts.has_tracker_admin() || handle.settings.registration == Registration::Closed {
        return;
    }
    tracing::info!(
        "the tracker has no admin yet: who registers as operator, or with the header X-Hostler-Code: {}, becomes it",
        handle.code.expose()
    );
}

#[cfg(test)]
mod tests;
