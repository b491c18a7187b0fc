//! From what was stored to a room that can be asked.

use super::closing::Answer;
use super::deciding::SharedRoom;
use super::driving::Group;
use super::{Engine, Failed, Handle, Inner, Settings, Tools, random};
use crate::base::Now;
use crate::cache::origin::Origins;
use crate::hub::files::Verifier;
use crate::hub::machine::{Numbers, Plan, Room, Rules};
use crate::hub::model::{AccountId, DaemonId};
use crate::hub::reach::Reach;
use crate::hub::records;
use crate::hub::transfer::Pulls;
use crate::schedule::{Clock, Zone};
use crate::store::{Batch, Debts, ReadError, Reader, Store};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// What was read back.
struct Found {
    room: Room,
    plan: Plan,
    numbers: Numbers,
    host: Option<String>,
    zone: Zone,
    now: Now,
}

/// Reads the room back from the store and takes up what was going on.
///
/// # Errors
/// The store cannot be read, or a client cannot be made.
pub async fn start(tools: Tools, settings: Settings) -> Result<(Handle, Engine), Box<dyn std::error::Error>> {
    let (reader, restored, rules) = (tools.store.reader(), tools.store.restored(), settings.rules.clone());
    let found = tokio::task::spawn_blocking(move || read_back(&reader, restored, rules)).await??;
    let host = match found.host {
        Some(host) => host,
        None => name_host(&tools.store).await?,
    };
    let of_client = settings.origin.clone();
    let origins = tokio::task::spawn_blocking(move || Origins::new(of_client)).await??;
    let thread = tools.downloads.thread().clone();
    let keep = settings.rules.beat_every;
    let reach = Reach::new(origins, thread, settings.entry.clone(), keep);
    let verifier = Verifier::new(settings.stat_every, settings.hash_rate, settings.rules.inline_hash_max);
    let (asks, mailbox) = unbounded_channel();
    let (sender, events) = unbounded_channel();
    let (debts, payer) = Debts::new();
    tokio::spawn(payer.pay(|answers: Vec<Answer>| answers.into_iter().for_each(Answer::give)));
    // From here on; who went before is looked for below.
    let removed = tools.accounts.watch_removed();
    let handle = Handle(Arc::new(Inner {
        tools,
        settings,
        host,
        zone: found.zone,
        room: SharedRoom::new(found.room, found.numbers),
        verifier,
        reach,
        pulls: Pulls::default(),
        mailbox: asks,
        events: sender,
        news: watch::Sender::new(0),
        facts: Notify::new(),
        draining: watch::Sender::new(false),
    }));
    let engine = Engine {
        strangers: strangers(&handle),
        handle: handle.clone(),
        mailbox,
        events,
        removed,
        clock: Clock::new()?,
        debts,
        group: Group::default(),
        owed: HashMap::new(),
        counted: Default::default(),
        first: Some((found.plan, found.now)),
        beside: JoinSet::new(),
    };
    Ok((handle, engine))
}

/// The blocking part of the start.
fn read_back(reader: &Reader, restored: Option<u64>, rules: Rules) -> Result<Found, ReadError> {
    let (memory, numbers) = records::load(reader, restored)?;
    let host = records::host(reader)?;
    let now = Now::read();
    let (room, plan) = Room::recover(rules, memory, now);
    Ok(Found { room, plan, numbers, host, zone: Zone::host(), now })
}

/// Gives this host an id, which it keeps.
async fn name_host(store: &Store) -> Result<String, Failed> {
    // In the form of a daemon id, but nobody's: it opens nothing.
    let id = DaemonId::of(random().map_err(Failed::Write)?).expose().to_owned();
    let mut batch = Batch::new();
    records::write_host(&id, &mut batch);
    store.submit(batch).durable().await.map_err(|why| Failed::Write(why.to_string()))?;
    Ok(id)
}

/// Members that are no accounts any more.
fn strangers(handle: &Handle) -> Vec<AccountId> {
    let members: Vec<AccountId> = handle.look(|room| room.members().map(|member| member.account).collect());
    members.into_iter().filter(|account| !handle.is_account(*account)).collect()
}
