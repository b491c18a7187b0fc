//! What the room stores, and how it is written. The shapes here are the stored format; a change of one raises its
//! `FORMAT` and teaches `migrate` the old one.
//!
//! | kind | key | what |
//! | --- | --- | --- |
//! | `proc.task` | incarnation | a task's definition and owner |
//! | `proc.standing` | incarnation | what it is doing |
//! | `proc.seat` | incarnation, replica | why a replica rests |
//! | `proc.live` | run | a run that is not over |
//! | `proc.run` | incarnation, run | history: a run that has ended |
//! | `proc.firing` | incarnation, microsecond | history: firings that did not run |
//! | `proc.past` | incarnation | a deleted task whose history is still kept |
//! | `proc.ceiling` | – | numbers handed out |
//! | `proc.boot`, `proc.keeper` | – | the boot and the keeper that the live runs belong to |

use super::document;
use super::machine::{Cursor, LiveRun, Owed, Queued, Seats, Standing, Stored, StoredRest, StoredTask, Write};
use super::model::*;
use crate::base::{Mono, RunId, Wall};
use crate::store::{Batch, Kind, ReadError, Reader, Record, Rule, Table, record};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

record!(Task, 0x10, "proc.task", u64);
record!(StandingRecord, 0x11, "proc.standing", u64);
record!(Seat, 0x12, "proc.seat", (u64, u32));
record!(Live, 0x13, "proc.live", RunId);
record!(Run, 0x14, "proc.run", (u64, RunId));
record!(NotFired, 0x15, "proc.firing", (u64, u64));
record!(Past, 0x16, "proc.past", u64);
record!(Ceiling, 0x17, "proc.ceiling", ());
record!(Boot, 0x18, "proc.boot", ());
record!(Keeper, 0x19, "proc.keeper", ());

/// All of them, for the store.
pub const TABLES: [Table; 10] = [
    Table::of::<Task>(),
    Table::of::<StandingRecord>(),
    Table::of::<Seat>(),
    Table::of::<Live>(),
    Table::of::<Run>(),
    Table::of::<NotFired>(),
    Table::of::<Past>(),
    Table::of::<Ceiling>(),
    Table::of::<Boot>(),
    Table::of::<Keeper>(),
];

/// What must hold between the records, for a check of the whole store.
pub fn rules() -> Vec<Rule> {
    let orphans: Rule = Box::new(|reader, report| {
        let mut known: HashSet<u64> = HashSet::new();
        for entry in reader.scan::<Task>(..) {
            known.insert(entry?.0);
        }
        for entry in reader.scan::<Seat>(..) {
            let ((incarnation, replica), _) = entry?;
            if !known.contains(&incarnation) {
                report(format!("proc.seat {incarnation}:{replica} belongs to no task"));
            }
        }
        for entry in reader.scan::<Past>(..) {
            known.insert(entry?.0);
        }
        for entry in reader.scan::<Live>(..) {
            let (run, live) = entry?;
            if !known.contains(&live.incarnation) {
                report(format!("proc.live {run} belongs to no task"));
            }
        }
        let mut last = None;
        for entry in reader.scan::<Run>(..) {
            let ((incarnation, _), _) = entry?;
            if last != Some(incarnation) && !known.contains(&incarnation) {
                report(format!("the history of task {incarnation} belongs to no task"));
            }
            last = Some(incarnation);
        }
        Ok(())
    });
    vec![orphans]
}

/// A task as stored: the definition is the document that clients see.
#[derive(Serialize, Deserialize)]
pub struct Task {
    definition: Map<String, Value>,
    owner_uid: u32,
    owner_name: String,
    operator: bool,
    runs_as: u32,
}

/// See [`Standing`].
#[derive(Serialize, Deserialize)]
pub struct StandingRecord {
    stopped: bool,
    last_time: Option<Wall>,
    start_time: Option<Wall>,
    /// What for, and whether only replicas that were cut short are meant.
    queued: Option<(Started, bool)>,
    decided: Option<Wall>,
    /// Stretches: after, through.
    owed: Vec<(Wall, Wall)>,
}

/// See [`StoredRest`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seat {
    /// A pause, until a moment of this boot, after so many unstable lives.
    Pause(Mono, u32),
    /// To be run again.
    Again,
    /// Ended, with success or not.
    Finished(bool),
    /// Given up.
    Failed,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Started {
    Client(String),
    Restart,
    Schedule(Wall),
    HostBoot,
    Recovery,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stopped {
    Client(String),
    Shutdown,
    NotReady,
    Unhealthy(String),
    Replaced,
    Unknown,
}

/// See [`LiveRun`]. Also the intent that travels with a spawn request.
#[derive(Serialize, Deserialize)]
pub struct Live {
    run: RunId,
    name: String,
    incarnation: u64,
    replica: u32,
    runs_as: u32,
    started_by: Started,
    stopped_by: Option<Stopped>,
    attached: bool,
    leader: Option<(i32, u64)>,
    start: Option<Wall>,
    born: Option<Mono>,
    log_from: Option<(u64, Option<u64>)>,
    ready: bool,
    over: bool,
    kill_at: Option<Mono>,
    stop_signal: i32,
    stop_timeout: Duration,
}

/// See [`RunRecord`].
#[derive(Serialize, Deserialize)]
pub struct Run {
    name: String,
    owner: u32,
    replica: u32,
    pid: Option<i32>,
    start: Option<Wall>,
    end: Wall,
    exit_code: Option<i32>,
    signal: Option<i32>,
    core_dumped: bool,
    state: String,
    started_by: Started,
    stopped_by: Option<Stopped>,
    oom: bool,
    /// User and system time in microseconds, peak memory in KiB, faults, blocks.
    usage: Option<[u64; 7]>,
    log_from: Option<(u64, Option<u64>)>,
    log_to: Option<(u64, Option<u64>)>,
    error: Option<String>,
}

/// See [`Firing`].
#[derive(Serialize, Deserialize)]
pub struct NotFired {
    first: Wall,
    last: Wall,
    count: u32,
    more: bool,
    why: String,
}

/// A deleted task whose history and output are still kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Its name.
    pub name: String,
    /// The uid it ran as.
    pub runs_as: u32,
    /// When it was deleted.
    pub deleted: Wall,
}

/// Numbers below this one may have been handed out.
#[derive(Serialize, Deserialize)]
pub struct Ceiling(u64);

/// The boot that the live runs belong to.
#[derive(Serialize, Deserialize)]
pub struct Boot(String);

/// The keeper that the live runs belong to, by a name no other keeper of this boot has.
#[derive(Serialize, Deserialize)]
pub struct Keeper(String);

/// Whether the live runs belong to another keeper than this one. Notes this one from now on.
///
/// # Errors
/// The store's.
pub fn meet_keeper(reader: &Reader, keeper: &str, batch: &mut Batch) -> Result<bool, ReadError> {
    let known = reader.get::<Keeper>(&())?;
    batch.put::<Keeper>(&(), &Keeper(keeper.to_owned()));
    Ok(known.is_none_or(|known| known.0 != keeper))
}

/// A stored record says something that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record is readable and wrong.
    #[error("{kind} {key}: {why}")]
    Wrong {
        /// Its kind.
        kind: &'static str,
        /// Its key.
        key: String,
        /// What is wrong.
        why: String,
    },
}

fn wrong(kind: Kind, key: impl ToString, why: impl ToString) -> LoadError {
    LoadError::Wrong { kind: kind.name(), key: key.to_string(), why: why.to_string() }
}

/// Adds the machine's writes to a batch.
pub fn write(writes: Vec<Write>, now: Wall, batch: &mut Batch) {
    for write in writes {
        match write {
            Write::PutTask(task) => batch.put::<Task>(&task.incarnation.0, &Task::from(&task)),
            Write::PutStanding { incarnation, standing } => {
                batch.put::<StandingRecord>(&incarnation.0, &standing.into());
            }
            Write::DeleteTask { incarnation, name, runs_as } => {
                batch.delete::<Task>(&incarnation.0);
                batch.delete::<StandingRecord>(&incarnation.0);
                batch.delete_range::<Seat>((incarnation.0, 0)..=(incarnation.0, u32::MAX));
                let past = Past { name: name.to_string(), runs_as, deleted: now };
                batch.put::<Past>(&incarnation.0, &past);
            }
            Write::PutSeat { incarnation, replica, rest } => {
                batch.put::<Seat>(&(incarnation.0, replica), &rest.into());
            }
            Write::DeleteSeat { incarnation, replica } => batch.delete::<Seat>(&(incarnation.0, replica)),
            Write::PutLive(live) => batch.put::<Live>(&live.run, &Live::from(&*live)),
            Write::DeleteLive(run) => batch.delete::<Live>(&run),
            Write::PutRun(run) => batch.put::<Run>(&(run.incarnation.0, run.run), &Run::from(&*run)),
            Write::PutFiring { incarnation, firing, .. } => {
                batch.put::<NotFired>(&(incarnation.0, micros(firing.first)), &firing.into());
            }
            Write::PutCeiling(ceiling) => batch.put::<Ceiling>(&(), &Ceiling(ceiling)),
            Write::PutBoot(boot) => batch.put::<Boot>(&(), &Boot(boot)),
        }
    }
}

fn micros(at: Wall) -> u64 {
    u64::try_from(at.timestamp_micros()).unwrap_or(0)
}

/// Reads back all that is not history.
///
/// # Errors
/// The store's, and records that contradict themselves.
pub fn load(reader: &Reader) -> Result<Stored, LoadError> {
    let mut stored = Stored::default();
    for entry in reader.scan::<Task>(..) {
        let (key, task) = entry?;
        let task = task.into_model(key)?;
        let standing = reader.get::<StandingRecord>(&key)?.map(Standing::from).unwrap_or_default();
        stored.tasks.push((task, standing));
    }
    for entry in reader.scan::<Seat>(..) {
        let ((incarnation, replica), seat) = entry?;
        stored.seats.push((Incarnation(incarnation), replica, seat.into()));
    }
    for entry in reader.scan::<Live>(..) {
        let (run, live) = entry?;
        stored.live.push(live.into_model().map_err(|why| wrong(Live::KIND, run, why))?);
    }
    stored.ceiling = reader.get::<Ceiling>(&())?.map_or(0, |ceiling| ceiling.0);
    stored.boot = reader.get::<Boot>(&())?.map(|boot| boot.0);
    Ok(stored)
}

/// The deleted tasks of which something is still kept, oldest first.
///
/// # Errors
/// The store's.
pub fn past(reader: &Reader) -> Result<Vec<(Incarnation, Past)>, ReadError> {
    reader.scan::<Past>(..).map(|entry| entry.map(|(key, past)| (Incarnation(key), past))).collect()
}

/// Whether the history has the end of this run.
///
/// # Errors
/// The store's.
pub fn is_recorded(reader: &Reader, incarnation: Incarnation, run: RunId) -> Result<bool, ReadError> {
    Ok(reader.get::<Run>(&(incarnation.0, run))?.is_some())
}

/// The runs of a task, newest first, below `before`.
pub fn runs_back(
    reader: &Reader,
    incarnation: Incarnation,
    before: RunId,
) -> impl Iterator<Item = Result<RunRecord, LoadError>> + use<> {
    let id = incarnation.0;
    reader.scan_back::<Run>((id, RunId(0))..(id, before)).map(|entry| {
        let ((incarnation, run), record) = entry?;
        record.into_model(incarnation, run).map_err(|why| wrong(Run::KIND, run, why))
    })
}

/// One run of a task.
///
/// # Errors
/// The store's, and a record that contradicts itself.
pub fn run(reader: &Reader, incarnation: Incarnation, run: RunId) -> Result<Option<RunRecord>, LoadError> {
    let record = reader.get::<Run>(&(incarnation.0, run))?;
    record.map(|record| record.into_model(incarnation.0, run).map_err(|why| wrong(Run::KIND, run, why))).transpose()
}

/// Firings of a task that did not run, newest first.
pub fn firings_back(
    reader: &Reader,
    incarnation: Incarnation,
) -> impl Iterator<Item = Result<Firing, LoadError>> + use<> {
    let id = incarnation.0;
    reader.scan_back::<NotFired>((id, 0)..=(id, u64::MAX)).map(|entry| {
        let ((_, at), record) = entry?;
        Firing::try_from(record).map_err(|why| wrong(NotFired::KIND, at, why))
    })
}

/// Forgets one run of a task.
pub fn forget_run(batch: &mut Batch, incarnation: Incarnation, run: RunId) {
    batch.delete::<Run>(&(incarnation.0, run));
}

/// Forgets the history of a task up to, not including, a run; all of it when there is none.
pub fn forget_runs(batch: &mut Batch, incarnation: Incarnation, up_to: Option<RunId>) {
    let id = incarnation.0;
    batch.delete_range::<Run>((id, RunId(0))..(id, up_to.unwrap_or(RunId(u64::MAX))));
}

/// Forgets the firings before a moment; all of them when there is none.
pub fn forget_firings(batch: &mut Batch, incarnation: Incarnation, before: Option<Wall>) {
    let id = incarnation.0;
    batch.delete_range::<NotFired>((id, 0)..(id, before.map_or(u64::MAX, micros)));
}

/// Forgets a deleted task for good.
pub fn forget_past(batch: &mut Batch, incarnation: Incarnation) {
    forget_runs(batch, incarnation, None);
    forget_firings(batch, incarnation, None);
    batch.delete::<Past>(&incarnation.0);
}

/// What travels with a spawn request, so that a new core knows what had been started but not yet written down.
pub fn intent(live: &LiveRun) -> Vec<u8> {
    serde_json::to_vec(&Live::from(live)).unwrap_or_default() // plain numbers and texts: cannot fail
}

/// Reads an intent back.
///
/// # Errors
/// Bytes that [`intent`] has not written.
pub fn read_intent(bytes: &[u8]) -> Result<LiveRun, String> {
    serde_json::from_slice::<Live>(bytes).map_err(|why| why.to_string())?.into_model()
}

impl From<&StoredTask> for Task {
    fn from(task: &StoredTask) -> Task {
        let mut definition = document::write(&task.definition);
        let accounts = [("user", &task.definition.user), ("group", &task.definition.group)];
        for (field, name) in accounts {
            if let Some(name) = name {
                definition.insert(field.to_owned(), Value::from(name.as_str()));
            }
        }
        Task {
            definition,
            owner_uid: task.owner.uid,
            owner_name: task.owner.name.clone(),
            operator: task.owner.operator,
            runs_as: task.runs_as,
        }
    }
}

impl Task {
    fn into_model(self, key: u64) -> Result<StoredTask, LoadError> {
        let definition =
            document::read(self.definition, REPLICAS_MAX).map_err(|why| wrong(Task::KIND, key, why.detail()))?;
        let owner = Owner { uid: self.owner_uid, name: self.owner_name, operator: self.operator };
        Ok(StoredTask {
            incarnation: Incarnation(key),
            definition: Arc::new(definition),
            owner: Arc::new(owner),
            runs_as: self.runs_as,
        })
    }
}

impl From<Standing> for StandingRecord {
    fn from(standing: Standing) -> StandingRecord {
        StandingRecord {
            stopped: standing.stopped,
            last_time: standing.last_time,
            start_time: standing.start_time,
            queued: standing.queued.map(|queued| ((&queued.by).into(), queued.seats == Seats::Again)),
            decided: standing.cursor.as_ref().map(|cursor| cursor.decided),
            owed: standing.cursor.map_or_else(Vec::new, |cursor| {
                cursor.owed.into_iter().map(|owed| (owed.after, owed.through)).collect()
            }),
        }
    }
}

impl From<StandingRecord> for Standing {
    fn from(record: StandingRecord) -> Standing {
        let seats = |again| if again { Seats::Again } else { Seats::Idle };
        let owed = record.owed.into_iter().map(|(after, through)| Owed { after, through }).collect();
        Standing {
            stopped: record.stopped,
            last_time: record.last_time,
            start_time: record.start_time,
            queued: record.queued.map(|(by, again)| Queued { by: by.into(), seats: seats(again) }),
            cursor: record.decided.map(|decided| Cursor { decided, owed }),
        }
    }
}

impl From<StoredRest> for Seat {
    fn from(rest: StoredRest) -> Seat {
        match rest {
            StoredRest::Pause { until, failures } => Seat::Pause(until, failures),
            StoredRest::Again => Seat::Again,
            StoredRest::Finished { success } => Seat::Finished(success),
            StoredRest::Failed => Seat::Failed,
        }
    }
}

impl From<Seat> for StoredRest {
    fn from(seat: Seat) -> StoredRest {
        match seat {
            Seat::Pause(until, failures) => StoredRest::Pause { until, failures },
            Seat::Again => StoredRest::Again,
            Seat::Finished(success) => StoredRest::Finished { success },
            Seat::Failed => StoredRest::Failed,
        }
    }
}

impl From<&StartedBy> for Started {
    fn from(by: &StartedBy) -> Started {
        match by {
            StartedBy::Client(name) => Started::Client(name.clone()),
            StartedBy::Restart => Started::Restart,
            StartedBy::Schedule(due) => Started::Schedule(*due),
            StartedBy::HostBoot => Started::HostBoot,
            StartedBy::Recovery => Started::Recovery,
        }
    }
}

impl From<Started> for StartedBy {
    fn from(by: Started) -> StartedBy {
        match by {
            Started::Client(name) => StartedBy::Client(name),
            Started::Restart => StartedBy::Restart,
            Started::Schedule(due) => StartedBy::Schedule(due),
            Started::HostBoot => StartedBy::HostBoot,
            Started::Recovery => StartedBy::Recovery,
        }
    }
}

impl From<&StoppedBy> for Stopped {
    fn from(by: &StoppedBy) -> Stopped {
        match by {
            StoppedBy::Client(name) => Stopped::Client(name.clone()),
            StoppedBy::Shutdown => Stopped::Shutdown,
            StoppedBy::NotReady => Stopped::NotReady,
            StoppedBy::Unhealthy(why) => Stopped::Unhealthy(why.clone()),
            StoppedBy::Replaced => Stopped::Replaced,
            StoppedBy::Unknown => Stopped::Unknown,
        }
    }
}

impl From<Stopped> for StoppedBy {
    fn from(by: Stopped) -> StoppedBy {
        match by {
            Stopped::Client(name) => StoppedBy::Client(name),
            Stopped::Shutdown => StoppedBy::Shutdown,
            Stopped::NotReady => StoppedBy::NotReady,
            Stopped::Unhealthy(why) => StoppedBy::Unhealthy(why),
            Stopped::Replaced => StoppedBy::Replaced,
            Stopped::Unknown => StoppedBy::Unknown,
        }
    }
}

fn offsets(stored: Option<(u64, Option<u64>)>) -> Option<Offsets> {
    stored.map(|(out, err)| Offsets { out, err })
}

fn stored_offsets(offsets: Option<Offsets>) -> Option<(u64, Option<u64>)> {
    offsets.map(|offsets| (offsets.out, offsets.err))
}

impl From<&LiveRun> for Live {
    fn from(live: &LiveRun) -> Live {
        Live {
            run: live.run,
            name: live.name.to_string(),
            incarnation: live.incarnation.0,
            replica: live.replica,
            runs_as: live.runs_as,
            started_by: (&live.started_by).into(),
            stopped_by: live.stopped_by.as_ref().map(Stopped::from),
            attached: live.attached,
            leader: live.leader,
            start: live.start,
            born: live.born,
            log_from: stored_offsets(live.log_from),
            ready: live.ready,
            over: live.over,
            kill_at: live.kill_at,
            stop_signal: live.stop_signal.get(),
            stop_timeout: live.stop_timeout,
        }
    }
}

impl Live {
    fn into_model(self) -> Result<LiveRun, String> {
        Ok(LiveRun {
            run: self.run,
            name: TaskName::new(&self.name).map_err(|why| format!("name {why}"))?,
            incarnation: Incarnation(self.incarnation),
            replica: self.replica,
            runs_as: self.runs_as,
            started_by: self.started_by.into(),
            stopped_by: self.stopped_by.map(StoppedBy::from),
            attached: self.attached,
            leader: self.leader,
            start: self.start,
            born: self.born,
            log_from: offsets(self.log_from),
            ready: self.ready,
            over: self.over,
            kill_at: self.kill_at,
            stop_signal: Signal::new(i64::from(self.stop_signal)).map_err(|why| format!("stop_signal {why}"))?,
            stop_timeout: self.stop_timeout,
        })
    }
}

impl From<&RunRecord> for Run {
    fn from(run: &RunRecord) -> Run {
        let (exit_code, signal, core_dumped) = match run.status {
            None => (None, None, false),
            Some(Status::Code(code)) => (Some(code), None, false),
            Some(Status::Signal { signal, core_dumped }) => (None, Some(signal), core_dumped),
        };
        Run {
            name: run.name.to_string(),
            owner: run.owner,
            replica: run.replica,
            pid: run.pid,
            start: run.start,
            end: run.end,
            exit_code,
            signal,
            core_dumped,
            state: run.state.word().to_owned(),
            started_by: (&run.started_by).into(),
            stopped_by: run.stopped_by.as_ref().map(Stopped::from),
            oom: run.oom,
            usage: run.usage.map(stored_usage),
            log_from: stored_offsets(run.log_from),
            log_to: stored_offsets(run.log_to),
            error: run.error.clone(),
        }
    }
}

impl Run {
    fn into_model(self, incarnation: u64, run: RunId) -> Result<RunRecord, String> {
        let status = match (self.exit_code, self.signal) {
            (Some(code), _) => Some(Status::Code(code)),
            (None, Some(signal)) => Some(Status::Signal { signal, core_dumped: self.core_dumped }),
            (None, None) => None,
        };
        Ok(RunRecord {
            run,
            name: TaskName::new(&self.name).map_err(|why| format!("name {why}"))?,
            incarnation: Incarnation(incarnation),
            owner: self.owner,
            replica: self.replica,
            pid: self.pid,
            start: self.start,
            end: self.end,
            status,
            state: RunState::named(&self.state).ok_or_else(|| format!("state {} is unknown", self.state))?,
            started_by: self.started_by.into(),
            stopped_by: self.stopped_by.map(StoppedBy::from),
            oom: self.oom,
            usage: self.usage.map(usage),
            log_from: offsets(self.log_from),
            log_to: offsets(self.log_to),
            error: self.error,
        })
    }
}

fn stored_usage(usage: Usage) -> [u64; 7] {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    [
        micros(usage.user),
        micros(usage.system),
        usage.max_rss_kib,
        usage.minor_faults,
        usage.major_faults,
        usage.blocks_in,
        usage.blocks_out,
    ]
}

fn usage([user, system, max_rss_kib, minor_faults, major_faults, blocks_in, blocks_out]: [u64; 7]) -> Usage {
    Usage {
        user: Duration::from_micros(user),
        system: Duration::from_micros(system),
        max_rss_kib,
        minor_faults,
        major_faults,
        blocks_in,
        blocks_out,
    }
}

impl From<Firing> for NotFired {
    fn from(firing: Firing) -> NotFired {
        NotFired {
            first: firing.first,
            last: firing.last,
            count: firing.count,
            more: firing.more,
            why: firing.why.word().to_owned(),
        }
    }
}

impl TryFrom<NotFired> for Firing {
    type Error = String;

    fn try_from(record: NotFired) -> Result<Firing, String> {
        Ok(Firing {
            first: record.first,
            last: record.last,
            count: record.count,
            more: record.more,
            why: NotRun::named(&record.why).ok_or_else(|| format!("reason {} is unknown", record.why))?,
        })
    }
}
