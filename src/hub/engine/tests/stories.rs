//! What is told to whom, what outlives a restart, and what is found out about files and other facts.

use super::*;
use crate::auth::accounts::{NewAccount, Rights};
use crate::auth::{Caller, Local, Transport};
use crate::base::{Secret, events::Listener};
use crate::hub::engine::Failed;
use crate::hub::machine::Shown;
use crate::hub::model::Requirement;
use futures_util::future::pending;

/// A life with a pool and an item in it.
async fn begun(world: &World, store: &Store) -> Life {
    let life = world.life(store).await.unwrap();
    life.handle.member(0).await.unwrap();
    let _ = life.ask(make_pool(world.pool())).await;
    let _ = life.ask(make_item()).await;
    life
}

/// Publishes a file of this content.
async fn published(world: &World, life: &Life, name: &'static str, content: &str) {
    world.write(name, content);
    let read = measured(world.pool(), name).await;
    let _ = life.ask(publish(new_tag(name, Some(read)))).await;
}

/// The next event of this kind: what it happened to.
async fn heard(listener: &mut Listener, kind: &str) -> String {
    let hear = async {
        loop {
            let events = listener.next().await.unwrap();
            if let Some(event) = events.iter().find(|event| event.kind == kind) {
                return event.name.clone();
            }
        }
    };
    tokio::time::timeout(SOON, hear).await.expect(kind)
}

fn operator() -> Caller {
    Caller::local(Local { uid: 0, gid: None, name: None, operator: true }, Transport::Unix)
}

#[tokio::test]
async fn what_is_published_outlives_a_restart_and_is_told_to_listeners_and_logs() {
    let (world, store) = (World::new().await, Store::in_memory());
    let mut listener = world.double.bus.listen(None);
    let life = begun(&world, &store).await;
    published(&world, &life, "v1", "the first tiles").await;
    assert_eq!(heard(&mut listener, "hub.tag.published").await, "maps/tiles:v1");
    let tag = life.tag("v1").unwrap();
    tokio::time::timeout(SOON, life.handle.looked_at(tag.item, pending())).await.unwrap();
    let _ = life.ask(Ask::Note(vec![(0, "somebody has read it".into())])).await;
    let lines = life.handle.lines(0, 0, 100).await.unwrap();
    assert!(lines[0].ends_with(" somebody has read it"), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("maps/tiles:v1")), "{lines:?}");
    assert_eq!(life.handle.lines(0, 1, 1).await.unwrap(), lines[1..2]);
    assert_eq!(life.handle.lines(0, 10_000, 1).await.unwrap(), [""; 0]);
    let (host, daemon) = (life.handle.host_id().to_owned(), life.handle.member(0).await.unwrap().daemon.clone());
    life.handle.drain().await;
    drop(life);

    let life = world.life(&store).await.unwrap();
    assert_eq!(life.tag("v1").unwrap().digests, tag.digests);
    assert_eq!((life.handle.host_id(), &life.handle.member(0).await.unwrap().daemon), (&*host, &daemon));
    let _ = life.ask(Ask::Note(vec![(0, "again".into())])).await;
    let all = life.handle.lines(0, 0, 100).await.unwrap();
    assert!(all.len() >= lines.len() + 3, "the host has stopped and started: {all:?}");
    life.handle.drain().await;
    assert_eq!(store.check(&life.handle.rules()).findings, [""; 0]);
}

#[tokio::test]
async fn a_file_that_changes_is_noticed_and_recovers() {
    let (world, store) = (World::new().await, Store::in_memory());
    let mut listener = world.double.bus.listen(None);
    let life = begun(&world, &store).await;
    published(&world, &life, "v1", "the first tiles").await;
    world.write("v1", "others");
    assert_eq!(heard(&mut listener, "hub.tag.abnormal").await, "maps/tiles:v1");
    let why = life.handle.why(&operator(), "data/maps/tiles:v1").unwrap();
    assert_eq!(why.facts["reason"], "size_changed", "{why:?}");
    world.write("v1", "the first tiles");
    life.until(|room| find(room, "v1").is_some_and(|tag| room.shown(&tag, Now::read().mono) == Shown::Normal)).await;
    let why = life.handle.why(&operator(), "data/maps/tiles:v1").unwrap();
    assert_eq!(why.facts["status"], "NORMAL", "{why:?}");
    let nobody = Caller::local(Local { uid: 7, gid: None, name: None, operator: false }, Transport::Unix);
    assert_eq!(life.handle.why(&nobody, "data/maps/tiles:v1"), None);
    assert_eq!(life.handle.why(&operator(), "data/maps/tiles:v2"), None);
    let why = life.handle.why(&operator(), "hub/operator").unwrap();
    assert!(why.sentences[0].starts_with("operator is"), "{why:?}");
}

#[tokio::test]
async fn a_tag_follows_what_it_depends_on() {
    let (world, store) = (World::new().await, Store::in_memory());
    let life = begun(&world, &store).await;
    world.write("v1", "the first tiles");
    let read = measured(world.pool(), "v1").await;
    let all = vec![Requirement::Proc("web".into()), Requirement::Dag("nightly".into(), None)];
    let requires = Requirements { all, by: 0 };
    let _ = life.ask(publish(NewTag { requires, ..new_tag("v1", Some(read)) })).await;
    let missing = |room: &Room| {
        let shown = find(room, "v1").map(|tag| room.shown(&tag, Now::read().mono));
        matches!(shown, Some(Shown::Abnormal { reason: "requires", detail }) if detail.contains("no such task"))
    };
    life.until(missing).await;
    let none = Requirements::default();
    let _ = life.ask(Ask::RequireOfTag(OPERATOR, rep(), item(), TagName::new("v1").unwrap(), none)).await;
    life.until(|room| find(room, "v1").is_some_and(|tag| room.shown(&tag, Now::read().mono) == Shown::Normal)).await;
    assert_eq!(life.handle.look(|room| room.requirements()), []);
}

#[tokio::test]
async fn who_is_no_account_any_more_is_no_member() {
    let (world, store) = (World::new().await, Store::in_memory());
    let mut ids = Vec::new();
    for name in ["ada", "bob"] {
        let new = NewAccount {
            name: name.into(),
            password: Secret::new("pw"),
            rights: Rights::ORDINARY,
            admin_if_first: false,
        };
        ids.push(world.accounts.create(new, Now::read()).await.unwrap().id);
    }
    let life = begun(&world, &store).await;
    let mut daemons = Vec::new();
    for id in &ids {
        daemons.push(life.handle.member(*id).await.unwrap().daemon.clone());
    }
    assert_ne!(daemons[0], daemons[1]);
    world.accounts.remove("ada").await.unwrap();
    // Whether he is known to be gone yet or not.
    let late = life.handle.member(ids[0]).await.map(|member| member.daemon.clone());
    assert!(late.is_err() || late.is_ok_and(|daemon| daemon == daemons[0]), "he does not come back as another");
    let gone = |id| move |handle: &Handle| handle.look(|room| room.member(id).is_none());
    let went = async {
        while !gone(ids[0])(&life.handle) {
            let _ = life.ask(Ask::Note(Vec::new())).await;
        }
    };
    tokio::time::timeout(SOON, went).await.unwrap();
    assert!(matches!(life.handle.member(ids[0]).await, Err(Failed::NoAccount)), "and not later either");
    assert!(gone(ids[0])(&life.handle));
    life.handle.drain().await;
    drop(life);

    world.accounts.remove("bob").await.unwrap();
    let life = world.life(&store).await.unwrap();
    let _ = life.ask(Ask::Note(Vec::new())).await;
    assert!(gone(ids[1])(&life.handle), "he went when nobody listened");
    assert!(!gone(0)(&life.handle), "the operator never was an account");
    assert_eq!(life.handle.lines(ids[1], 0, 10).await.unwrap(), [""; 0]);
}
