//! What a client may take: bytes, time, connections.

use super::{Answer, PROC_END, World, full, head, patient, say, to_end, until};
use crate::http::{Settings, State};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

const TINY: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_head_over_the_limit_is_a_431() {
    let world = World::new().await;
    let padding = format!("X-Padding: {}", "x".repeat(15 << 10));
    assert_eq!(world.call("GET", "/proc", &[&padding]).await.status, 200);
    let padding = format!("X-Padding: {}", "x".repeat(17 << 10));
    assert_eq!(world.call("GET", "/proc", &[&padding]).await.status, 431);
    let lines: String = (0..2000).map(|line| format!("X-{line}: {line}\r\n")).collect();
    assert_eq!(world.call("GET", "/proc", &[lines.trim_end()]).await.status, 431);
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_in_the_familys_shape() {
    let world = World::new().await;
    let large = "x".repeat(1001);
    let chunked = format!("3e9\r\n{large}\r\n0\r\n\r\n");
    for (path, mark) in [
        ("/proc", "\"code\":413"),
        ("/v1/dagrun", "\"error\":"),
        ("/oapi/v1/jobs", "{\"message\":"),
        ("/task/submit", "Error when parsing request"),
        ("/hostler/v1/upgrade", "\"code\":\"body_too_large\""),
    ] {
        for answer in [
            world.send("POST", path, &[], &large).await,
            world.ask(&(head("POST", path, &["Transfer-Encoding: chunked"]) + &chunked)).await,
        ] {
            assert_eq!(answer.status, 413, "{path}");
            assert!(answer.body.contains(mark), "{path}: {answer:?}");
        }
    }
    assert_eq!(world.send("POST", "/proc", &[], &large[1..]).await.status, 200);
}

#[tokio::test]
async fn a_refusal_arrives_although_the_body_is_still_on_its_way() {
    let world = World::new().await;
    let body = "x".repeat(200 << 10);
    let answer = world.send("POST", "/proc", &["Via: 1.1 somebody"], &body).await;
    assert_eq!(answer.status, 401);
    assert_eq!(world.send("POST", "/proc", &[], &body).await.status, 413);
    let large = "x".repeat(16 << 20);
    assert_eq!(world.send("POST", "/task/submit", &[], &large).await.status, 413, "sent whole before anything is read");
}

#[tokio::test]
async fn a_slow_head_ends_and_a_patient_client_does_not() {
    // Long enough for an honest head on a busy machine.
    let settings = Settings { head_timeout: Duration::from_millis(300), ..patient() };
    let world = World::with(settings, |_| {}).await;
    let mut patient = world.connect().await;
    patient.write_all(b"GET /proc HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    until(&mut patient, PROC_END).await;
    let mut silent = world.connect().await;
    assert_eq!(to_end(&mut silent).await, b"", "a client that says nothing");
    let mut slow = world.connect().await;
    slow.write_all(b"GET /proc HT").await.unwrap();
    assert_eq!(to_end(&mut slow).await, b"", "a client that does not finish its head");
    // Two head time-outs have passed by now; between requests that clock does not run.
    patient.write_all(head("GET", "/proc?name=again", &[]).as_bytes()).await.unwrap();
    assert_eq!(Answer::parse(&to_end(&mut patient).await).json()["name"], "again");
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let settings = Settings { idle_timeout: TINY, ..patient() };
    let world = World::with(settings, |_| {}).await;
    let mut idle = world.connect().await;
    idle.write_all(b"GET /proc HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let answer = Answer::parse(&to_end(&mut idle).await);
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_408() {
    for settings in [Settings { body_pause: TINY, ..patient() }, Settings { body_timeout: TINY, ..patient() }] {
        let world = World::with(settings, |_| {}).await;
        let answer = world.ask(&(head("POST", "/proc", &["Content-Length: 10"]) + "half")).await;
        assert_eq!((answer.status, answer.json()["code"].as_u64()), (408, Some(408)));
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_left() {
    let settings = Settings { write_timeout: TINY, linger: TINY, ..patient() };
    let world = World::with(settings, |_| {}).await;
    let mut lazy = world.connect().await;
    lazy.write_all(head("GET", "/hostler/v1/flood", &[]).as_bytes()).await.unwrap();
    until(&mut lazy, "200 OK").await;
    let left = async {
        while world.server.connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::BOUND, left).await.expect("the server gives up");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so() {
    let world = World::with(Settings { connections: 2, ..patient() }, |_| {}).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = world.connect().await;
        stream.write_all(b"GET /proc HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        until(&mut stream, PROC_END).await;
        held.push(stream);
    }
    let answer = Answer::parse(&to_end(&mut world.connect().await).await);
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("too_many_connections")));
    assert!(world.parts.services.metrics.text().contains("connections_refused_total{reason=\"limit\"} 1"));
    let mut first = held.swap_remove(0);
    first.write_all(head("GET", "/proc", &[]).as_bytes()).await.unwrap();
    to_end(&mut first).await;
    drop(first);
    let freed = async {
        while world.server.connections() > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::BOUND, freed).await.expect("a seat becomes free");
    assert_eq!(world.call("GET", "/proc", &[]).await.status, 200);
}

#[tokio::test]
async fn one_user_cannot_take_every_seat() {
    let world = World::with(Settings { connections_per_peer: 1, ..patient() }, |_| {}).await;
    let mut held = UnixStream::connect(&world.socket).await.unwrap();
    held.write_all(b"GET /proc HTTP/1.1\r\n\r\n").await.unwrap();
    until(&mut held, PROC_END).await;
    // The same user over TCP is the same user.
    let answer = Answer::parse(&to_end(&mut world.connect().await).await);
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("too_many_connections")));
}

#[tokio::test]
async fn a_full_store_refuses_changes_before_they_begin() {
    let world = World::with(patient(), |services| services.admits = full()).await;
    let answer = world.send("POST", "/proc", &[], "{}").await;
    assert_eq!((answer.status, answer.json()), (503, serde_json::json!({ "code": 503, "msg": "the disk is full" })));
    assert_eq!(world.call("GET", "/proc", &[]).await.status, 200);
    let denied = world.send("POST", "/proc", &["Via: 1.1 x"], "{}").await;
    assert_eq!(denied.status, 401, "who may not write does not learn how the disk is");
}

#[tokio::test]
async fn a_big_body_is_refused_when_there_is_no_room_for_just_that() {
    let room = |bytes| if bytes > 500_000 { Err(format!("no room for {bytes} bytes")) } else { Ok(()) };
    let world = World::with(patient(), |services| services.admits = Arc::new(room)).await;
    let answer = world.send("POST", "/proc/big", &[], &"x".repeat(500_001)).await;
    let refusal = serde_json::json!({ "code": 503, "msg": "no room for 500001 bytes" });
    assert_eq!((answer.status, answer.json()), (503, refusal));
    assert_eq!(world.send("POST", "/proc/big", &[], &"x".repeat(400_000)).await.status, 200);
    assert_eq!(world.send("POST", "/proc/big", &[], "x").await.status, 200);
}

#[tokio::test]
async fn a_degraded_daemon_says_why_on_every_route() {
    let world = World::new().await;
    assert_eq!(world.call("GET", "/healthz", &[]).await.status, 200);
    assert_eq!(world.call("GET", "/readyz", &[]).await.json(), serde_json::json!({ "status": "ready" }));
    world.parts.services.health.set(State::Degraded { cause: "the store cannot be opened: sorry".to_owned() });
    for (path, key) in [
        ("/proc", "msg"),
        ("/v1/dagruns", "message"),
        ("/daemon/id", "msg"),
        ("/healthy", "message"),
        ("/healthz", "error"),
        ("/readyz", "error"),
        ("/metrics", "error"),
        ("/project/list", "message"),
        ("/no/such", "message"),
    ] {
        let answer = world.call("GET", path, &[]).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.json()[key], "the store cannot be opened: sorry", "{path}");
    }
    world.parts.services.health.set(State::Stopping);
    assert_eq!(world.call("GET", "/readyz", &[]).await.json()["code"], "stopping");
    assert_eq!(world.call("GET", "/healthz", &[]).await.status, 200);
    world.parts.services.health.set(State::Starting);
    assert_eq!(world.call("GET", "/readyz", &[]).await.status, 503);
    world.parts.services.health.set(State::Ready);
    assert_eq!(world.call("GET", "/readyz", &[]).await.status, 200);
}

#[tokio::test]
async fn certificates_are_read_again() {
    use crate::http::{Bound, Listener, Server, TlsFiles};
    use std::sync::Arc;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    let parts = super::Parts::new();
    let dir = tempfile::tempdir().unwrap();
    let files = TlsFiles { certificate: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    let install = |certificate: &str, key: &str| {
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key).unwrap();
    };
    let (first, second) = (include_str!("tls/first.pem"), include_str!("tls/second.pem"));
    let (first_key, second_key) = (include_str!("tls/first.key.pem"), include_str!("tls/second.key.pem"));
    install(first, first_key);
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = tcp.local_addr().unwrap();
    let listener = Listener { name: "tls".to_owned(), bound: Bound::Tls(tcp, files.clone()) };
    let server = Server::start(super::routes(), patient(), parts.services.clone(), vec![listener]).await.unwrap();

    let ask = async |trusted: &str| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = tokio::net::TcpStream::connect(at).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.ok()?;
        Some(Answer::parse(&say(stream, head("GET", "/proc", &[]).as_bytes()).await))
    };
    assert_eq!(ask(first).await.unwrap().status, 200);
    assert!(ask(second).await.is_none());
    install(second, second_key);
    server.reload().await.unwrap();
    assert_eq!(ask(second).await.unwrap().status, 200);
    install(first, second_key);
    assert!(server.reload().await.is_err(), "a key that does not fit");
    install("", second_key);
    assert!(server.reload().await.is_err(), "no certificate");
    assert_eq!(ask(second).await.unwrap().status, 200, "the old one stays in use");
}
