//! The driver with the real machine and a store in memory. Most of these take its messages by hand, one by one, so that
//! each race has the order that is told.

mod crash;

use super::*;
use crate::base::Secret;
use crate::tracker::machine::{From, Refusal, Submitter};
use crate::tracker::model::*;
use crate::tracker::records as stored;
use crate::tracker::start;
use futures_util::future::{FutureExt as _, poll_immediate};
use std::future::{pending, ready};
use std::pin::pin;
use std::process::{Child, Command, Stdio};

/// A bound for what must happen; far longer than it takes.
const SOON: Duration = Duration::from_secs(30);
const OPERATOR: Manager = Manager::Admin(ManagerId(0));

pub(in crate::tracker) fn settings() -> Settings {
    Settings {
        registration: Registration::Open,
        anybody_makes_workers: true,
        cookie: "tt".into(),
        session: Duration::from_secs(60),
        max_assign_time: Duration::from_secs(300),
        webhook_header: "X-Signature".into(),
        webhook_hash: HookHash::Sha256,
        webhook_branches: Vec::new(),
        public_logs: false,
        log_levels: vec![Level::Error, Level::Warn, Level::Info],
        keep_logs: 100,
        keep_logs_for: Duration::from_secs(3600),
        sample_every: Duration::ZERO,
        keep_samples: Duration::from_secs(3600),
    }
}

pub(in crate::tracker) async fn opened(store: Store) -> (Handle, Engine) {
    let accounts = Accounts::load(store.clone()).unwrap();
    let tools = Tools { store, accounts, bus: Bus::new(Wall::UNIX_EPOCH), metrics: Metrics::new("0") };
    start(tools, settings()).await.unwrap()
}

/// A room that runs by itself.
pub(in crate::tracker) async fn running(store: Store) -> Handle {
    let (handle, engine) = opened(store).await;
    tokio::spawn(engine.run());
    handle
}

pub(in crate::tracker) fn definition(name: &str) -> Definition {
    Definition { public: true, ..Definition::named(name) }
}

pub(in crate::tracker) fn create(name: &str) -> Ask {
    let definition = Box::new(definition(name));
    Ask::CreateProject { by: OPERATOR, definition, webhook_secret: Secret::new("key") }
}

fn create_worker(alias: &str) -> Ask {
    Ask::CreateWorker { alias: alias.into(), secret: WorkerSecret([1; 32]) }
}

pub(in crate::tracker) fn new_task(recipe: &str, hash: i64) -> NewTask {
    NewTask {
        recipe: recipe.into(),
        priority: 0,
        max_retries: 2,
        max_assign: 0,
        verification_count: 1,
        hash,
        not_before: None,
    }
}

pub(in crate::tracker) fn submit(project: ProjectId, tasks: Vec<NewTask>) -> Ask {
    Ask::Submit { by: Submitter::Manager(OPERATOR), project, tasks }
}

fn fetch(worker: WorkerId, wait: Duration) -> Ask {
    Ask::Fetch { worker, from: From::Any, count: 1, wait, process: None }
}

const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(300);

async fn ask(handle: &Handle, ask: Ask) -> Verdict {
    tokio::time::timeout(SOON, handle.ask(ask, pending())).await.unwrap().unwrap()
}

/// Two workers and a project.
pub(in crate::tracker) async fn people(handle: &Handle) -> (WorkerId, WorkerId, ProjectId) {
    let Verdict::Worker(one) = ask(handle, create_worker("one")).await else { panic!("no worker") };
    let Verdict::Worker(other) = ask(handle, create_worker("other")).await else { panic!("no worker") };
    let Verdict::Project(project) = ask(handle, create("pages")).await else { panic!("no project") };
    (one.id, other.id, project)
}

fn recipes(verdict: &Verdict) -> Vec<&str> {
    let Verdict::Handed(handed) = verdict else { panic!("{verdict:?}") };
    handed.iter().map(|handed| &*handed.task.what.recipe).collect()
}

/// A driver whose messages are taken by hand.
struct ByHand {
    handle: Handle,
    engine: Engine,
    one: WorkerId,
    other: WorkerId,
    project: ProjectId,
}

impl ByHand {
    async fn new() -> ByHand {
        let store = Store::in_memory();
        let first = running(store.clone()).await;
        let (one, other, project) = people(&first).await;
        let (handle, engine) = opened(store).await;
        let mut it = ByHand { handle, engine, one, other, project };
        it.settle().await;
        it
    }

    /// Hears what is there; what follows goes to the store, but nobody is answered yet.
    fn hear(&mut self) -> usize {
        let mut heard = 0;
        while let Ok(message) = self.engine.mailbox.try_recv() {
            self.engine.take(message);
            heard += 1;
        }
        self.engine.flush();
        heard
    }

    /// Everybody is answered whose decision is durable.
    async fn answer(&self) {
        while !self.engine.debts.are_paid() {
            tokio::task::yield_now().await;
        }
    }

    async fn settle(&mut self) {
        while self.hear() > 0 || !self.engine.debts.are_paid() {
            self.answer().await;
        }
    }

    async fn ask(&mut self, ask: Ask) -> Verdict {
        let handle = self.handle.clone();
        let mut answered = Box::pin(handle.ask(ask, pending()));
        assert!(answered.as_mut().now_or_never().is_none());
        self.settle().await;
        answered.now_or_never().expect("an answer").unwrap()
    }

    async fn submit(&mut self, recipe: &str) {
        let verdict = self.ask(submit(self.project, vec![new_task(recipe, 0)])).await;
        assert!(matches!(&verdict, Verdict::Submitted(all) if all[0].is_ok()), "{verdict:?}");
    }

    /// Nobody is known to wait, and the next who asks gets this task, which has never failed nor been held by anybody.
    async fn is_free(&mut self, recipe: &str) {
        assert!(self.engine.waiting.is_empty() && self.engine.waits.is_empty());
        let verdict = self.ask(fetch(self.other, AT_ONCE)).await;
        assert_eq!(recipes(&verdict), [recipe]);
        let Verdict::Handed(handed) = verdict else { unreachable!("it is") };
        assert_eq!(handed[0].standing.retries, 0);
    }
}

#[tokio::test]
async fn what_is_answered_is_in_the_store() {
    let store = Store::in_memory();
    let handle = running(store.clone()).await;
    let (one, _, project) = people(&handle).await;
    let verdict = ask(&handle, submit(project, vec![new_task("a", 1), new_task("b", 1), new_task("c", 2)])).await;
    let Verdict::Submitted(all) = verdict else { panic!("{verdict:?}") };
    assert!(all[0].is_ok() && all[2].is_ok());
    assert_eq!(all[1], Err(Refusal::Duplicate));
    let verdict = ask(&handle, fetch(one, AT_ONCE)).await;
    assert_eq!(recipes(&verdict), ["a"]);
    let Verdict::Handed(handed) = verdict else { unreachable!("it is") };
    let found = stored::load(&store.survivors().reader()).unwrap().stored;
    assert_eq!(found.workers.len(), 2);
    assert_eq!(found.projects[0].0.roles, handle.look(move |room| room.roles(project)).await.unwrap());
    assert_eq!(found.tasks[0], (handed[0].task.clone(), handed[0].standing.clone()));
    let release = |task| Ask::Release { worker: one, task, outcome: Some(Outcome::Done(0)), reason: String::new() };
    let first = handed[0].task.id;
    assert_eq!(ask(&handle, release(first)).await, Verdict::Released(true));
    assert_eq!(recipes(&ask(&handle, fetch(one, AT_ONCE)).await), ["c"]);
    assert_eq!(recipes(&ask(&handle, fetch(one, AT_ONCE)).await), [""; 0]);
    let found = stored::load(&store.survivors().reader()).unwrap().stored;
    assert_eq!(found.tasks.iter().map(|(task, _)| task.id).collect::<Vec<_>>(), [all[2].clone().unwrap()]);
    assert_eq!((found.workers[0].1, found.projects[0].0.closed), (1, 1));
    assert_eq!(store.check(&stored::rules()).findings, [""; 0]);
}

#[tokio::test]
async fn who_waits_is_handed_what_comes() {
    let handle = running(Store::in_memory()).await;
    let (one, _, project) = people(&handle).await;
    let waiting = ask(&handle, fetch(one, LONG));
    let submitting = async {
        tokio::task::yield_now().await;
        ask(&handle, submit(project, vec![new_task("a", 0)])).await
    };
    let (handed, _) = tokio::join!(waiting, submitting);
    assert_eq!(recipes(&handed), ["a"]);
}

#[tokio::test]
async fn who_has_waited_long_enough_is_told() {
    let handle = running(Store::in_memory()).await;
    let (one, ..) = people(&handle).await;
    assert_eq!(ask(&handle, fetch(one, Duration::from_millis(5))).await, Verdict::Handed(Vec::new()));
}

#[tokio::test]
async fn who_closes_his_end_while_he_waits_gets_nothing() {
    let mut it = ByHand::new().await;
    let (handle, leave) = (it.handle.clone(), tokio::sync::Notify::new());
    let mut waiting = pin!(handle.ask(fetch(it.one, LONG), leave.notified()));
    assert!(poll_immediate(&mut waiting).await.is_none());
    assert_eq!(it.hear(), 1);
    assert_eq!((it.engine.waiting.len(), it.engine.waits.len()), (1, 1));
    leave.notify_one();
    assert_eq!(waiting.await.unwrap(), Verdict::Handed(Vec::new()));
    it.submit("a").await;
    it.is_free("a").await;
}

#[tokio::test]
async fn a_client_that_went_before_it_was_heard_is_handed_nothing() {
    let mut it = ByHand::new().await;
    it.submit("a").await;
    for wait in [AT_ONCE, LONG] {
        let handle = it.handle.clone();
        assert!(handle.ask(fetch(it.one, wait), pending()).now_or_never().is_none());
        it.settle().await;
    }
    it.is_free("a").await;
}

#[tokio::test]
async fn a_task_that_lies_unread_when_its_client_goes_is_free() {
    let mut it = ByHand::new().await;
    it.submit("a").await;
    let handle = it.handle.clone();
    let mut fetching = Box::pin(handle.ask(fetch(it.one, LONG), pending()));
    assert!(poll_immediate(&mut fetching).await.is_none());
    it.hear();
    it.answer().await;
    assert_eq!(it.hear(), 0, "it was delivered");
    drop(fetching);
    assert_eq!(it.hear(), 1, "it was given back");
    it.is_free("a").await;
}

#[tokio::test]
async fn a_task_whose_client_goes_while_it_is_written_down_is_free() {
    let mut it = ByHand::new().await;
    it.submit("a").await;
    for wait in [AT_ONCE, LONG] {
        let handle = it.handle.clone();
        let mut fetching = Box::pin(handle.ask(fetch(it.one, wait), pending()));
        assert!(poll_immediate(&mut fetching).await.is_none());
        it.hear();
        drop(fetching);
        it.settle().await;
    }
    it.is_free("a").await;
}

#[tokio::test]
async fn a_task_on_its_way_to_who_waits_no_longer_is_free() {
    let mut it = ByHand::new().await;
    let (handle, submitting) = (it.handle.clone(), it.handle.clone());
    let mut waiting = Box::pin(handle.ask(fetch(it.one, LONG), pending()));
    assert!(poll_immediate(&mut waiting).await.is_none());
    it.hear();
    let mut submitted = pin!(submitting.ask(submit(it.project, vec![new_task("a", 0)]), pending()));
    assert!(poll_immediate(&mut submitted).await.is_none());
    it.hear();
    assert!(it.engine.waiting.is_empty(), "it was handed to him");
    drop(waiting);
    it.settle().await;
    assert!(matches!(submitted.await, Ok(Verdict::Submitted(_))));
    it.is_free("a").await;
}

#[tokio::test]
async fn what_has_arrived_is_told_even_to_one_who_is_leaving() {
    let mut it = ByHand::new().await;
    it.submit("a").await;
    let (handle, leave) = (it.handle.clone(), tokio::sync::Notify::new());
    let mut fetching = pin!(handle.ask(fetch(it.one, LONG), leave.notified()));
    assert!(poll_immediate(&mut fetching).await.is_none());
    it.settle().await;
    leave.notify_one();
    assert_eq!(recipes(&fetching.await.unwrap()), ["a"]);
}

/// `printf … | nc`: it sends a request, says that nothing more comes, and reads.
#[tokio::test]
async fn who_does_not_want_to_wait_may_close_his_end() {
    let mut it = ByHand::new().await;
    it.submit("a").await;
    let handle = it.handle.clone();
    let mut fetching = pin!(handle.ask(fetch(it.one, AT_ONCE), ready(())));
    assert!(poll_immediate(&mut fetching).await.is_none());
    it.settle().await;
    assert_eq!(recipes(&fetching.await.unwrap()), ["a"]);
}

#[tokio::test]
async fn nobody_waits_while_the_daemon_drains() {
    let mut it = ByHand::new().await;
    let handle = it.handle.clone();
    let mut before = pin!(handle.ask(fetch(it.one, LONG), pending()));
    assert!(poll_immediate(&mut before).await.is_none());
    handle.drain();
    let mut after = pin!(handle.ask(fetch(it.other, LONG), pending()));
    assert!(poll_immediate(&mut after).await.is_none());
    assert_eq!(it.hear(), 3);
    for waiting in [before, after] {
        assert_eq!(waiting.await.unwrap(), Verdict::Handed(Vec::new()));
    }
    assert!(it.engine.waiting.is_empty() && it.engine.waits.is_empty());
    it.submit("a").await;
    it.is_free("a").await;
}

#[tokio::test]
async fn a_refusal_waits_for_what_it_depends_on_and_an_empty_queue_does_not() {
    let mut it = ByHand::new().await;
    let handle = it.handle.clone();
    let project = it.project;
    let task = || submit(project, vec![new_task("a", 7)]);
    let mut first = pin!(handle.ask(task(), pending()));
    assert!(poll_immediate(&mut first).await.is_none());
    it.hear();
    let mut again = pin!(handle.ask(task(), pending()));
    assert!(poll_immediate(&mut again).await.is_none());
    it.hear();
    assert!(poll_immediate(&mut first).await.is_none(), "it is not on disk yet");
    assert!(poll_immediate(&mut again).await.is_none(), "it tells of one that is not on disk yet");
    it.answer().await;
    assert!(matches!(first.await, Ok(Verdict::Submitted(all)) if all[0].is_ok()));
    assert_eq!(again.await.unwrap(), Verdict::Submitted(vec![Err(Refusal::Duplicate)]));
    // With nothing on its way it is answered at once.
    let mut again = pin!(handle.ask(task(), pending()));
    assert!(poll_immediate(&mut again).await.is_none());
    it.hear();
    assert_eq!(again.now_or_never().unwrap().unwrap(), Verdict::Submitted(vec![Err(Refusal::Duplicate)]));
}

#[tokio::test]
async fn no_task_is_said_at_once() {
    let mut it = ByHand::new().await;
    let handle = it.handle.clone();
    let mut first = pin!(handle.ask(create("others"), pending()));
    assert!(poll_immediate(&mut first).await.is_none());
    let mut none = pin!(handle.ask(fetch(it.one, AT_ONCE), pending()));
    assert!(poll_immediate(&mut none).await.is_none());
    it.hear();
    assert_eq!(none.now_or_never().unwrap().unwrap(), Verdict::Handed(Vec::new()));
    assert!(poll_immediate(&mut first).await.is_none());
    it.answer().await;
    assert!(matches!(first.await, Ok(Verdict::Project(_))));
}

#[tokio::test]
async fn what_comes_in_at_once_goes_to_the_disk_at_once() {
    let mut it = ByHand::new().await;
    let commits = it.engine.tools.store.stats().commits;
    let handle = it.handle.clone();
    let all = (0..20).map(|nth| handle.ask(submit(it.project, vec![new_task(&nth.to_string(), 0)]), pending()));
    let mut all: Vec<_> = all.map(Box::pin).collect();
    for one in &mut all {
        assert!(poll_immediate(one).await.is_none());
    }
    it.settle().await;
    for one in all {
        assert!(matches!(one.await, Ok(Verdict::Submitted(_))));
    }
    assert_eq!(it.engine.tools.store.stats().commits, commits + 1);
}

fn sleeper() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

#[tokio::test]
async fn tasks_of_a_process_that_dies_go_to_who_waits() {
    let handle = running(Store::in_memory()).await;
    let (one, other, project) = people(&handle).await;
    ask(&handle, submit(project, vec![new_task("a", 0)])).await;
    let mut child = sleeper();
    let pid = i32::try_from(child.id()).unwrap();
    let process = handle.process(pid, nix::unistd::geteuid().as_raw()).unwrap();
    let by_child = Ask::Fetch { worker: one, from: From::Any, count: 1, wait: AT_ONCE, process: Some(process) };
    assert_eq!(recipes(&ask(&handle, by_child).await), ["a"]);
    let waiting = ask(&handle, fetch(other, LONG));
    let killing = async {
        tokio::task::yield_now().await;
        child.kill().unwrap();
    };
    let (handed, ()) = tokio::join!(waiting, killing);
    assert_eq!(recipes(&handed), ["a"]);
    child.wait().unwrap();
}

/// The process died while no daemon watched it.
#[tokio::test]
async fn tasks_of_a_process_that_died_before_the_start_are_free() {
    let store = Store::in_memory();
    let handle = running(store.clone()).await;
    let (one, other, project) = people(&handle).await;
    ask(&handle, submit(project, vec![new_task("a", 0)])).await;
    let mut child = sleeper();
    let process = handle.process(i32::try_from(child.id()).unwrap(), nix::unistd::geteuid().as_raw()).unwrap();
    let by_child = Ask::Fetch { worker: one, from: From::Any, count: 1, wait: AT_ONCE, process: Some(process) };
    assert_eq!(recipes(&ask(&handle, by_child).await), ["a"]);
    let crashed = store.survivors();
    child.kill().unwrap();
    child.wait().unwrap();
    let next = running(crashed).await;
    assert_eq!(recipes(&ask(&next, fetch(other, LONG)).await), ["a"]);
}

#[tokio::test]
async fn roles_go_with_their_account() {
    let handle = running(Store::in_memory()).await;
    let (_, _, project) = people(&handle).await;
    let accounts = &handle.tools.accounts;
    let new = crate::auth::accounts::NewAccount {
        name: "ada".into(),
        password: Secret::new("secret"),
        rights: crate::auth::accounts::Rights::ORDINARY,
        admin_if_first: false,
    };
    let ada = accounts.create(new, Now::read()).await.unwrap();
    let manager = ManagerId(ada.id);
    let verdict = ask(&handle, Ask::SetRole { by: OPERATOR, project, manager, role: Role::READ }).await;
    assert_eq!(verdict, Verdict::Accepted);
    assert!(handle.look(move |room| room.roles(project).contains_key(&manager)).await.unwrap());
    accounts.remove("ada").await.unwrap();
    let forgotten = async {
        while handle.look(move |room| room.roles(project).contains_key(&manager)).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, forgotten).await.unwrap();
}

#[tokio::test]
async fn changes_are_published() {
    let handle = running(Store::in_memory()).await;
    let mut events = handle.tools.bus.listen(None);
    let (_, _, project) = people(&handle).await;
    let told = tokio::time::timeout(SOON, events.next()).await.unwrap().unwrap();
    let event = &told[0];
    assert_eq!(
        (event.kind, event.name.as_str(), event.owner),
        ("tracker.project.changed", &*project.to_string(), None)
    );
}

#[tokio::test]
async fn a_room_without_driver_says_so() {
    let (handle, engine) = opened(Store::in_memory()).await;
    drop(engine);
    assert!(matches!(handle.ask(create("a"), pending()).await, Err(Failed::Gone)));
    assert!(matches!(handle.ask(fetch(WorkerId(1), LONG), pending()).await, Err(Failed::Gone)));
    assert!(matches!(handle.look(Room::len).await, Err(Failed::Gone)));
}

/// Whoever looks waits for a decision that is made aside; what was asked afterwards is decided afterwards.
#[tokio::test]
async fn a_long_decision_is_made_aside() {
    let handle = running(Store::in_memory()).await;
    let (one, _, project) = people(&handle).await;
    let many = deciding::LONG + 1;
    let submitted = ask(&handle, submit(project, (0..many).map(|_| new_task("a", 0)).collect()));
    let fetched = ask(&handle, fetch(one, AT_ONCE));
    let (submitted, fetched) = tokio::join!(submitted, fetched);
    assert!(matches!(submitted, Verdict::Submitted(all) if all.len() == many && all.iter().all(Result::is_ok)));
    assert_eq!(recipes(&fetched), ["a"]);
    let room = handle.room.clone();
    let mut reset = pin!(room.decide_aside(Event::Asked(Ask::HardReset { by: OPERATOR, project })));
    let mut looking = pin!(handle.look(Room::len));
    let held = room.get(); // it cannot be over already
    assert!(reset.as_mut().now_or_never().is_none());
    assert!(looking.as_mut().now_or_never().is_none());
    drop(held);
    assert!(reset.await.unwrap().verdict == Some(Verdict::Affected(many as u64)));
    assert_eq!(looking.await.unwrap(), 0);
}
