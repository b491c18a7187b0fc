//! What of a decision is written when, who is told when, and who speaks for a fetch.

use super::closing::{Answer, Asker, Closing, remove};
use super::deciding::{Cause, Decided};
use super::driving::Lazy;
use super::errands::{Errands, MASKED, Speaker, unmasked};
use super::{Given, JobSecrets, Reader};
mod crash;

use crate::base::{Mono, Wall};
use crate::cache::machine::{Change, Effect, Errand, Event, Plan, Refusal, Verdict};
use crate::cache::model::{
    Args, Crc, FindArgs, FindBy, Identity, Ids, Job, JobId, JobResult, JobState, LastUse, Naming, Part, PartState,
    Pieces, Task, TaskId, TaskNo, TaskState,
};
use crate::cache::origin::Authority;
use crate::cache::records::{self, Numbers};
use crate::cache::registry::Credentials;
use crate::store::{Batch, Debts, Store};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::HeaderMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::oneshot;
use url::Url;
use uuid::Uuid;

fn naming() -> Naming {
    let filter = Identity::of_url("https://files.example.net/a").filter;
    Naming { piece_length: None, tag: String::new(), application: String::new(), filter }
}

fn task(no: u64, state: TaskState) -> Arc<Task> {
    let primary = TaskId::new(&no.to_be_bytes());
    Arc::new(Task {
        no: TaskNo(no),
        identity: Identity::of_url("https://files.example.net/a"),
        ids: Ids { primary, manager: None, daemon: None, digest: None },
        digest: None,
        private: false,
        pins: BTreeSet::new(),
        ttl: None,
        peer: Uuid::from_u128(1),
        created: Wall::UNIX_EPOCH,
        used: LastUse::at(Wall::UNIX_EPOCH),
        source: None,
        pieces: Arc::default(),
        state,
    })
}

fn job(id: u64, state: PartState, headers: &[(&str, &str)]) -> Arc<Job> {
    let headers: BTreeMap<_, _> = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let args = FindArgs {
        by: FindBy::Id(None),
        task_id: String::new(),
        url: String::new(),
        content: None,
        naming: naming(),
        concurrent_peers: 0,
        timeout: Duration::ZERO,
        image: false,
        headers: Some(headers),
        username: "ada".into(),
        password: MASKED.into(),
        platform: String::new(),
    };
    Arc::new(Job {
        id: JobId(id),
        created: Wall::UNIX_EPOCH,
        updated: Wall::UNIX_EPOCH,
        group: Uuid::from_u128(1),
        bio: String::new(),
        user: 0,
        args: Arc::new(Args::DeleteTask(args)),
        clusters: Vec::new(),
        has_secrets: false,
        part: Part { unit: Uuid::from_u128(2), state, error: String::new(), result: JobResult::Purged(0) },
    })
}

fn pieces(count: u32) -> Arc<Pieces> {
    let mut pieces = Pieces::new();
    (0..count).for_each(|number| pieces.put(number, Crc(number)));
    Arc::new(pieces)
}

fn decided(changes: Vec<Change>, effects: Vec<Effect>, cause: Cause) -> Decided {
    let plan = Plan { changes, effects, ..Plan::default() };
    Decided::of(plan, Vec::new(), Wall::UNIX_EPOCH, cause, &mut Numbers::default())
}

/// What a start would find of the pieces of task 1 after these batches.
fn pieces_after(batches: Vec<Batch>) -> u32 {
    let store = Store::in_memory();
    batches.into_iter().for_each(|batch| store.submit(batch).wait().unwrap());
    records::load(&store.reader(), None).unwrap().0.tasks.first().map_or(0, |task| task.pieces.count())
}

#[test]
fn only_pieces_that_come_one_by_one_wait() {
    let piece = || Change::Pieces(TaskNo(1), pieces(2));
    let alone = decided(vec![piece()], vec![], Cause::Piece);
    assert!(alone.batch.is_empty());
    assert_eq!(alone.lazy.len(), 1);
    let with_task = decided(vec![Change::Task(task(1, TaskState::Fetching)), piece()], vec![], Cause::Piece);
    assert_eq!((with_task.batch.is_empty(), with_task.lazy.len()), (false, 0));
    let lost = decided(vec![piece()], vec![], Cause::Course);
    assert_eq!(
        (lost.batch.is_empty(), lost.lazy.len()),
        (false, 0),
        "those that are found damaged are not waited with"
    );
}

#[test]
fn pieces_that_waited_are_written_before_what_is_decided_of_their_task() {
    let mut lazy = Lazy::default();
    lazy.add(TaskNo(1), pieces(1), Mono(Duration::from_secs(1)));
    lazy.add(TaskNo(1), pieces(3), Mono(Duration::from_secs(2)));
    assert_eq!(lazy.due(), Some(Mono(Duration::from_millis(1250))), "the first counts");
    let whole = decided(vec![Change::Task(task(1, TaskState::Complete(Wall::UNIX_EPOCH)))], vec![], Cause::Course);
    let mut batch = Batch::new();
    whole.touched.iter().for_each(|no| lazy.write(*no, &mut batch));
    batch.append(whole.batch);
    assert_eq!(pieces_after(vec![batch]), 3);
    assert!(lazy.take().is_none());
    assert_eq!(lazy.due(), None);

    let anew = decided(
        vec![Change::Task(task(1, TaskState::Fetching)), Change::Pieces(TaskNo(1), pieces(0))],
        vec![],
        Cause::Course,
    );
    lazy.add(TaskNo(1), pieces(3), Mono::default());
    let mut batch = Batch::new();
    anew.touched.iter().for_each(|no| lazy.write(*no, &mut batch));
    batch.append(anew.batch);
    assert_eq!(pieces_after(vec![batch]), 0, "what was there of an older content never comes back");
    assert!(lazy.take().is_none());
}

#[test]
fn many_waiting_pieces_are_written_in_several_batches() {
    let mut lazy = Lazy::default();
    (0..250).for_each(|no| lazy.add(TaskNo(no), pieces(1), Mono::default()));
    let batches: Vec<_> = std::iter::from_fn(|| lazy.take()).map(|batch| batch.len()).collect();
    assert_eq!(batches, [100, 100, 50]);
}

#[test]
fn jobs_are_told_of_when_they_are_made_and_when_they_are_over() {
    let mut numbers = Numbers::default();
    let mut told = |state| {
        let plan = Plan { changes: vec![Change::Job(job(7, state, &[]))], ..Plan::default() };
        let decided = Decided::of(plan, Vec::new(), Wall::UNIX_EPOCH, Cause::Course, &mut numbers);
        let kinds: Vec<_> = decided.news.iter().map(|news| (news.kind, news.name.clone())).collect();
        (kinds, decided.finished, decided.jobs.iter().map(|(_, state)| *state).collect::<Vec<_>>())
    };
    let seven = || "7".to_owned();
    assert_eq!(told(PartState::Pending), (vec![("cache.job.created", seven())], vec![], vec![JobState::Pending]));
    assert_eq!(told(PartState::Started), (vec![], vec![], vec![]));
    let over = (vec![("cache.job.over", seven())], vec![JobId(7)], vec![JobState::Success]);
    assert_eq!(told(PartState::Success), over);
}

/// Somebody who reads under this number, and what the driver hears of him.
fn reader(number: u64) -> (Reader, Errands, tokio::sync::mpsc::UnboundedReceiver<Event>) {
    let (events, heard) = unbounded_channel();
    let errands = Errands::default();
    errands.add_reader(number, credentials("a"));
    (Reader { number, errands: errands.clone(), events }, errands, heard)
}

fn credentials(value: &'static str) -> Credentials {
    let headers =
        HeaderMap::from_iter([(hyper::header::AUTHORIZATION, hyper::header::HeaderValue::from_static(value))]);
    Credentials { headers, account: None }
}

fn sent(speaker: &Speaker) -> Option<&str> {
    match speaker {
        Speaker::With(credentials) => credentials.headers.get("authorization")?.to_str().ok(),
        Speaker::Resolver(_) => Some("resolver"),
        Speaker::Unknown(_) => Some("unknown"),
    }
}

#[tokio::test]
async fn whoever_opened_something_leaves_it_when_he_lets_go() {
    let (one, errands, mut heard) = reader(5);
    let (answer, answered) = oneshot::channel();
    let asker = Asker { reader: Some(one), answer };
    Answer { asker, verdict: Verdict::Opened(task(3, TaskState::Fetching)) }.give();
    let Ok(Given::Opened(opened)) = answered.await else { panic!("not opened") };
    assert_eq!(opened.task.no, TaskNo(3));
    assert!(heard.try_recv().is_err());
    assert_eq!(sent(&errands.speaker(Errand::Reader(5), "u")), Some("a"));
    std::thread::spawn(move || drop(opened)).join().unwrap();
    assert_eq!(heard.try_recv().unwrap(), Event::Left(TaskNo(3), Errand::Reader(5)));
    assert_eq!(sent(&errands.speaker(Errand::Reader(5), "u")), None, "what he fetched with is forgotten");
}

#[test]
fn who_went_before_he_was_answered_leaves_too() {
    for unread in [true, false] {
        let (one, _, mut heard) = reader(5);
        let (answer, answered) = oneshot::channel();
        let kept = unread.then_some(answered);
        let asker = Asker { reader: Some(one), answer };
        Answer { asker, verdict: Verdict::Opened(task(3, TaskState::Fetching)) }.give();
        drop(kept);
        assert_eq!(heard.try_recv().unwrap(), Event::Left(TaskNo(3), Errand::Reader(5)));
    }
    let (one, errands, mut heard) = reader(6);
    let (answer, _answered) = oneshot::channel();
    Answer { asker: Asker { reader: Some(one), answer }, verdict: Verdict::Refused(Refusal::NotFound) }.give();
    assert!(heard.try_recv().is_err(), "nothing was opened");
    assert_eq!(sent(&errands.speaker(Errand::Reader(6), "u")), None);
}

/// Closes one batch, and answers with what was answered, removed and forgotten, and whether nothing stays owed.
async fn closed(store: &Store) -> (bool, usize, Vec<JobId>, bool) {
    let mut batch = Batch::new();
    records::write(&[Change::Task(task(1, TaskState::Doomed))], &mut Numbers::default(), &mut batch);
    let ids = task(1, TaskState::Doomed).ids.clone();
    let (answer, answered) = oneshot::channel();
    let (debts, payer) = Debts::new();
    let (to_remove, mut removals) = unbounded_channel();
    let forgotten = Mutex::new(Vec::new());
    let answers = vec![Answer { asker: Asker { reader: None, answer }, verdict: Verdict::Done }];
    let (removed, finished) = (vec![(TaskNo(1), ids)], vec![JobId(2)]);
    debts.add(Some(store.submit(batch)), Closing { answers, removals: removed, finished });
    let forget = |jobs: &[JobId]| forgotten.lock().unwrap().extend_from_slice(jobs);
    // In memory it is durable at once, or never.
    let _ = payer.pay(|closing: Closing| closing.close(forget, &to_remove)).now_or_never();
    let mut count = 0;
    while removals.try_recv().is_ok() {
        count += 1;
    }
    (answered.await.is_ok(), count, forgotten.into_inner().unwrap(), debts.are_paid())
}

#[tokio::test]
async fn nobody_is_told_and_nothing_removed_before_it_is_on_disk() {
    assert_eq!(closed(&Store::in_memory()).await, (true, 1, vec![JobId(2)], true));
    assert_eq!(closed(&Store::dying_after(0)).await, (false, 0, vec![], false));
}

#[tokio::test]
async fn the_driver_hears_how_removals_went() {
    let (to_remove, removals) = unbounded_channel();
    let (events, mut heard) = unbounded_channel();
    for no in 1..=20 {
        to_remove.send((TaskNo(no), task(no, TaskState::Doomed).ids.clone())).unwrap();
    }
    drop(to_remove);
    remove(removals, events, |no, _| async move { if no.0 == 3 { Err("busy".to_owned()) } else { Ok(()) } }).await;
    let mut failed = Vec::new();
    let mut count = 0;
    while let Some(Event::Removed(no, end)) = heard.recv().await {
        count += 1;
        failed.extend(end.err().map(|why| (no, why)));
    }
    assert_eq!((count, failed), (20, vec![(TaskNo(3), "busy".to_owned())]));
}

struct Silent;

impl Authority for Silent {
    fn headers(&self, _: &Url) -> HeaderMap {
        HeaderMap::new()
    }

    fn challenged<'a>(&'a self, _: &'a Url, _: &'a HeaderMap) -> BoxFuture<'a, bool> {
        async { false }.boxed()
    }
}

#[test]
fn a_job_fetches_with_what_it_was_given_and_blobs_by_who_resolved_them() {
    let errands = Errands::default();
    let of_job = Errand::Job(JobId(7));
    let resolver: Arc<dyn Authority> = Arc::new(Silent);
    assert_eq!(sent(&errands.speaker(of_job, "u")), Some("unknown"));
    errands.resolved(JobId(7), &["u".into()], &resolver);
    assert_eq!(sent(&errands.speaker(of_job, "u")), Some("unknown"), "it was released meanwhile");
    errands.add_job(JobId(7), JobSecrets { credentials: credentials("b") });
    errands.resolved(JobId(7), &["u".into()], &resolver);
    assert_eq!(sent(&errands.speaker(of_job, "u")), Some("resolver"));
    assert_eq!(sent(&errands.speaker(of_job, "v")), Some("b"));
    assert_eq!(sent(&errands.speaker(Errand::Repair, "u")), None);
    errands.release(of_job);
    assert_eq!(sent(&errands.speaker(of_job, "u")), Some("unknown"));
}

#[test]
fn a_job_of_an_earlier_life_has_what_was_no_secret() {
    let job = job(7, PartState::Started, &[("X-Kind", "a"), ("Authorization", MASKED), ("no header", "b")]);
    let Credentials { headers, account } = unmasked(&job.args);
    assert_eq!(headers.len(), 1);
    assert_eq!(headers.get("x-kind").unwrap(), "a");
    assert!(account.is_none(), "an account is of no use without its password");
}

#[test]
fn pieces_that_somebody_may_have_seen_are_written_with_what_he_is_answered() {
    let mut lazy = Lazy::default();
    (0..150).for_each(|no| lazy.add(TaskNo(no), pieces(1), Mono::default()));
    let mut batch = Batch::new();
    lazy.add_to(&mut batch);
    assert_eq!(batch.len(), 100, "as many as a batch has room for");
    assert!(lazy.due().is_some());
    assert_eq!(lazy.take().map(|rest| rest.len()), Some(50));
    assert_eq!(lazy.due(), None);
}
