//! Answers that go on: event streams, and clients that leave them.

use super::{BOUND, World, head, patient, to_end, until};
use crate::auth::Scope;
use crate::base::Wall;
use crate::base::events::KEPT;
use crate::http::Settings;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn follow(world: &World, path: &str, headers: &[&str]) -> TcpStream {
    let mut stream = world.connect().await;
    stream.write_all(head("GET", path, headers).as_bytes()).await.unwrap();
    let head = until(&mut stream, ":\n\n").await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    stream
}

fn publish(world: &World, kind: &'static str, name: &str, owner: Option<u32>) -> u64 {
    world.parts.services.bus.publish(Wall::UNIX_EPOCH, kind, name, owner, json!({ "of": name }))
}

#[tokio::test]
async fn events_have_numbers_kinds_and_data() {
    let world = World::new().await;
    let mut stream = follow(&world, "/events", &[]).await;
    let id = publish(&world, "proc.run.exited", "web", Some(7));
    let text = until(&mut stream, "}\n\n").await;
    assert!(text.contains(&format!("id: {id}\nevent: proc.run.exited\ndata: ")), "{text}");
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["data"], json!({ "of": "web" }));
    assert_eq!((data["id"].as_u64(), data["owner"].as_u64(), data["name"].as_str()), (Some(id), Some(7), Some("web")));
    assert_eq!(data["at"], "1970-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_client_comes_back_where_it_was() {
    let world = World::new().await;
    let first = publish(&world, "proc.run.started", "one", None);
    publish(&world, "proc.run.started", "two", None);
    for (path, header) in
        [("/events", format!("Last-Event-ID: {first}")), (&*format!("/events?after={first}"), String::new())]
    {
        let headers: Vec<&str> = Some(header.as_str()).into_iter().filter(|text| !text.is_empty()).collect();
        let mut stream = follow(&world, path, &headers).await;
        let text = until(&mut stream, "}\n\n").await;
        assert!(text.contains("\"two\"") && !text.contains("\"one\""), "{text}");
    }
    for bad in ["Last-Event-ID: x", "Last-Event-ID: -1"] {
        assert_eq!(world.call("GET", "/events", &[bad]).await.status, 400, "{bad}");
    }
    assert_eq!(world.call("GET", "/events?after=x", &[]).await.status, 400);
}

#[tokio::test]
async fn who_is_too_late_is_told_so() {
    let world = World::new().await;
    let first = publish(&world, "proc.run.started", "first", None);
    for _ in 0..=KEPT {
        publish(&world, "proc.run.started", "x", None);
    }
    let mut stream = follow(&world, &format!("/events?after={first}&name=last"), &[]).await;
    let text = until(&mut stream, "}\n\n").await;
    assert!(text.contains("event: missed\ndata: {\"oldest\":"), "{text}");
    // Events passed over move the number a client comes back with.
    until(&mut stream, "id: ").await;
    publish(&world, "proc.run.started", "last", None);
    assert!(until(&mut stream, "}\n\n").await.contains("\"last\""));
}

/// The names in the data of all events.
fn names_of(text: &str) -> Vec<String> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].as_str().unwrap().to_owned()).collect()
}

async fn up_to_z(stream: &mut TcpStream) -> String {
    until(stream, "\"name\":\"z\"").await + &until(stream, "}\n\n").await
}

#[tokio::test]
async fn filters_and_rights_decide_what_is_seen() {
    let world = World::new().await;
    let uid = nix::unistd::geteuid().as_raw();
    let token = format!("Authorization: Bearer {}", world.parts.token(&[Scope::ProcRead]).await);
    let mut kinds = follow(&world, "/events?kind=proc.run,dag", &[]).await;
    let mut names = follow(&world, "/events?name=b%20c&name=z", &[]).await;
    let mut scoped = follow(&world, "/events", &[&token]).await;
    publish(&world, "proc.runner.x", "a", None);
    publish(&world, "dag.run.ended", "b c", Some(uid));
    publish(&world, "proc.run.exited", "operators", None);
    publish(&world, "proc.run.exited", "z", Some(uid));
    let seen = names_of(&up_to_z(&mut kinds).await);
    assert_eq!(seen, ["b c", "operators", "z"]);
    let seen = names_of(&up_to_z(&mut names).await);
    assert_eq!(seen, ["b c", "z"]);
    let seen = names_of(&up_to_z(&mut scoped).await);
    assert_eq!(seen, ["z"], "its scope, its owner");
    assert_eq!(world.call("GET", "/events", &["Via: 1.1 x"]).await.status, 401);
}

#[tokio::test]
async fn silence_is_broken_by_comments() {
    let settings = Settings { keep_alive: Duration::from_millis(5), ..patient() };
    let world = World::with(settings, |_| {}).await;
    let mut stream = follow(&world, "/events", &[]).await;
    until(&mut stream, ":\n\n\r\n3\r\n:\n\n").await;
}

#[tokio::test]
async fn what_has_an_end_is_sent_to_its_end_to_who_closes_his_side() {
    let world = World::new().await;
    let mut stream = world.connect().await;
    stream.write_all(head("GET", "/hostler/v1/finite", &[]).as_bytes()).await.unwrap();
    until(&mut stream, "first").await;
    stream.shutdown().await.unwrap();
    let rest = to_end(&mut stream).await;
    assert!(String::from_utf8_lossy(&rest).contains("last\r\n0\r\n"), "{rest:?}");
}

#[tokio::test]
async fn a_stream_ends_when_its_reader_leaves() {
    let world = World::new().await;
    for (path, politely) in [("/hostler/v1/endless", true), ("/hostler/v1/endless", false), ("/events", true)] {
        let mut stream = world.connect().await;
        stream.write_all(head("GET", path, &[]).as_bytes()).await.unwrap();
        until(&mut stream, "chunked").await;
        assert_eq!(world.server.connections(), 1);
        if politely {
            stream.shutdown().await.unwrap();
            to_end(&mut stream).await;
        }
        drop(stream);
        let noticed = async {
            while world.server.connections() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(BOUND, noticed).await.unwrap_or_else(|_| panic!("{path} goes on"));
    }
}
