//! The core's end: who hears what.

use super::*;
use crate::keeper::frames::{Frame, Inbox, Outbox};
use crate::keeper::link::{ConnectError, Link, Owner};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use tokio::sync::mpsc::UnboundedReceiver;

fn heard(news: &mut UnboundedReceiver<News>) -> Vec<News> {
    std::iter::from_fn(|| news.try_recv().ok()).collect()
}

#[tokio::test]
async fn news_finds_the_room_that_asked() {
    let (link, mut twin) = Link::scripted();
    let mut proc = link.subscribe(Owner::PROC);
    link.spawn(Owner::PROC, Spawn { intent: b"web".to_vec(), ..spawn(1) });
    link.spawn(Owner::DAG, spawn(2));
    match twin.asked().await {
        Ask::Spawn(spawn) => assert_eq!(spawn.intent, b"\x01web"),
        other => panic!("{other:?}"),
    }
    let exits = [told_exit(1, 1, false), told_exit(2, 2, true)];
    exits.iter().for_each(|exit| twin.tell(exit.clone()));
    twin.tell(News::Stop);
    twin.tell(News::LeftoverGone { slot: 9 });
    twin.tell(told_exit(3, 1234, true)); // nobody's
    // What came before the subscription waits for it.
    let mut dag = link.subscribe(Owner::DAG);
    let gone = News::LeftoverGone { slot: 9 };
    assert_eq!(heard(&mut proc), [exits[0].clone(), gone.clone()]);
    assert_eq!(heard(&mut dag), [exits[1].clone(), gone.clone()]);
    assert_eq!(heard(&mut link.subscribe(Owner::DAEMON)), [News::Stop, gone]);
    // The tree of an acknowledged exit still finds its room.
    link.acknowledge([1, 2]);
    twin.tell(News::TreeEmpty { slot: 1 });
    assert_eq!(heard(&mut proc), [News::TreeEmpty { slot: 1 }]);
}

#[tokio::test]
async fn a_reborn_room_finds_its_own_among_what_is_held() {
    let (link, twin) = Link::scripted();
    let held = |slot, intent: &[u8]| Held {
        slot,
        pid: 5,
        start_ticks: 6,
        intent: intent.to_vec(),
        state: HeldState::Live,
        tree_empty: false,
    };
    let welcome = twin.welcome(vec![(Owner::DAG, held(3, b"step")), (Owner::PROC, held(8, b"web"))]);
    assert_eq!(welcome.held_by(Owner::PROC), [held(8, b"web")]);
    assert_eq!(welcome.held_by(Owner::PROBE), []);
    assert_eq!(welcome.highest_slot(), Some(8));
    twin.tell(told_exit(1, 3, true));
    assert_eq!(heard(&mut link.subscribe(Owner::DAG)), [told_exit(1, 3, true)]);
}

/// Connects to a keeper that answers with this and hangs up.
async fn connect_to(tell: Tell) -> Result<Link, ConnectError> {
    let (keeper, core) = UnixStream::pair().unwrap();
    let (kind, payload) = tell.encode();
    let mut outbox = Outbox::default();
    outbox.push(Frame { kind, payload, fds: Vec::new() }).unwrap();
    outbox.flush(keeper.as_fd()).unwrap();
    let connected = Link::connect(core.into(), Hello::default()).await.map(|(link, _)| link);
    let mut inbox = Inbox::default();
    inbox.fill(keeper.as_fd()).unwrap();
    let hello = inbox.take().unwrap().unwrap();
    assert!(matches!(Ask::decode(hello.kind, &hello.payload), Ok(Ask::Hello { .. })));
    connected
}

fn welcome(version: u16) -> Tell {
    let (held, listeners) = (Vec::new(), Vec::new());
    Tell::Welcome { version, held, listeners, stopping: Stopping::No, cgroup: CgroupFacts::default() }
}

#[tokio::test]
async fn the_end_of_the_keeper_ends_every_stream() {
    let link = connect_to(welcome(VERSION)).await.unwrap();
    let mut early = link.subscribe(Owner::PROC);
    link.closed().await;
    assert_eq!(early.recv().await, None);
    assert_eq!(link.subscribe(Owner::DAG).recv().await, None);
    assert_eq!(link.subscribe(Owner::PROC).recv().await, None);
    link.spawn(Owner::PROC, spawn(1)); // nobody to ask, and nobody to hear of it
}

#[tokio::test]
async fn a_keeper_of_another_kind_is_refused() {
    assert!(matches!(connect_to(welcome(VERSION + 1)).await, Err(ConnectError::Version(_))));
    assert!(matches!(connect_to(Tell::Ping).await, Err(ConnectError::NotWelcome)));
}
