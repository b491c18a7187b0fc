//! The room over real HTTP, as an operator (by token), as an ordinary user (by the connection), and as nobody.

use super::stream::{AHEAD, PIECE, stream};
use super::*;
use crate::auth::audit::{self, Audit};
use crate::auth::tokens::{self, Ask, Tokens};
use crate::auth::{Accounts, Caller, Gate, Local, Scope, Transport, accounts};
use crate::base::{Bus, Now, Wall, Why};
use crate::http::{self, Bound, Health, Server, State};
use crate::metrics::Metrics;
use crate::store::{self, Rule, Store};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use nix::unistd::{Uid, setfsuid};
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};

/// What the daemon was asked for.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl House for Asked {
    fn facts(&self) -> Facts {
        Facts {
            keeper_pid: 10,
            core_pid: 11,
            started: Wall::UNIX_EPOCH,
            core_started: Wall::UNIX_EPOCH,
            uid: 0,
            listeners: vec![Listener { address: "127.0.0.1:8606".to_owned(), tls: false }],
            data_dir: PathBuf::from("/var/lib/hostler"),
            cgroup: Err("no delegation".to_owned()),
            children: 3,
            degraded: None,
        }
    }

    fn check(&self) -> Vec<String> {
        vec!["listener tls: cert.pem: no certificate in it".to_owned()]
    }

    fn upgrade(&self, binary: Option<PathBuf>) -> BoxFuture<'_, Result<(), String>> {
        self.0.lock().unwrap().push(format!("upgrade {binary:?}"));
        let broken = binary.is_some_and(|path| path.ends_with("broken"));
        Box::pin(async move { if broken { Err("it has an older store format".to_owned()) } else { Ok(()) } })
    }

    fn stop(&self) {
        self.0.lock().unwrap().push("stop".to_owned());
    }
}

/// A room that has one thing, `web server/1`, of uid 0, and one finding.
struct Things;

impl Room for Things {
    fn name(&self) -> &'static str {
        "things"
    }

    fn why<'a>(&'a self, caller: &'a Caller, name: &'a str) -> BoxFuture<'a, Option<Why>> {
        let found = name == "web server/1" && caller.may_touch(0);
        let why = Why { sentences: vec!["it waits for db".to_owned()], facts: json!({ "state": "waiting" }) };
        Box::pin(async move { found.then_some(why) })
    }

    fn rules(&self) -> Vec<Rule> {
        vec![Box::new(|_, found| {
            found("web server/1 names a file that is not there".to_owned());
            Ok(())
        })]
    }
}

/// A server with this room, and ways to ask it.
pub(super) struct World {
    address: SocketAddr,
    operator: String,
    asked: Arc<Asked>,
    pub(super) handle: Handle,
    _dir: tempfile::TempDir,
    _server: Server,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum As<'a> {
    Operator,
    User,
    Nobody,
    Token(&'a str),
}

const OPERATOR: Local = Local { uid: 0, gid: None, name: None, operator: true };

/// Some uid that is no operator's here.
fn user() -> u32 {
    if Uid::effective().is_root() { 65_534 } else { Uid::effective().as_raw() }
}

impl World {
    pub(super) async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let tables: Vec<_> = tokens::TABLES.into_iter().chain(accounts::TABLES).collect();
        let settings = store::Settings { tables: tables.clone(), reserve_bytes: 0, ..store::Settings::new(dir.path()) };
        let (store, bus) = (Store::open(settings).unwrap(), Bus::new(Wall::UNIX_EPOCH));
        let tokens = Tokens::load(store.clone()).unwrap();
        let ask = Ask { name: "ops".to_owned(), scopes: vec![Scope::Admin], owner: None, expires: None };
        let by = Caller::local(OPERATOR, Transport::Unix);
        let (operator, _) = tokens.mint(&by, ask, Now::read()).await.unwrap();
        let audit = Audit::open(&dir.path().join("audit"), audit::Settings::default()).unwrap();
        let asked = Arc::new(Asked::default());
        let rooms: Vec<Arc<dyn Room>> = vec![Arc::new(Things)];
        let handle = Handle::new(super::Services {
            tokens: tokens.clone(),
            accounts: Accounts::load(store.clone()).unwrap(),
            audit: audit.clone(),
            store,
            tables,
            bus: bus.clone(),
            house: asked.clone(),
            rooms,
        });
        let settings = crate::auth::Settings {
            daemon_uid: 0,
            operator_group: String::new(),
            loopback_uid: true,
            own_pids: Vec::new(),
        };
        let gate = Gate::new(settings, tokens);
        let (health, metrics) = (Health::new(State::Ready), Metrics::new("test"));
        let services = http::Services { gate, audit, bus, metrics, health, admits: Arc::new(|_| Ok(())) };
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let listeners = vec![http::Listener { name: "test".to_owned(), bound: Bound::Tcp(socket) }];
        let server =
            Server::start(routes(handle.clone()), http::Settings::default(), services, listeners).await.unwrap();
        World { address, operator: operator.expose().to_owned(), asked, handle, _dir: dir, _server: server }
    }

    /// Sends a request over a connection of its own; the answer's status and body.
    pub(super) async fn send(&self, who: As<'_>, method: Method, path: &str, body: Value) -> (StatusCode, Bytes) {
        let address = self.address;
        let connect = move || {
            setfsuid(Uid::from_raw(user()));
            std::net::TcpStream::connect(address).unwrap()
        };
        let stream = std::thread::spawn(connect).join().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = TokioIo::new(tokio::net::TcpStream::from_std(stream).unwrap());
        let (mut client, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(format!("/hostler/v1/{path}")).header("host", "localhost");
        let request = match who {
            As::Operator => request.header("authorization", format!("Bearer {}", self.operator)),
            As::Token(text) => request.header("authorization", format!("Token {text}")),
            As::Nobody => request.header("via", "1.1 hostler"),
            As::User => request,
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = client.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
        (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
    }

    pub(super) async fn json(&self, who: As<'_>, method: Method, path: &str, body: Value) -> (u16, Value) {
        let (status, body) = self.send(who, method, path, body).await;
        (status.as_u16(), if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    }

    pub(super) async fn get(&self, who: As<'_>, path: &str) -> (u16, Value) {
        self.json(who, Method::GET, path, Value::Null).await
    }

    pub(super) async fn post(&self, who: As<'_>, path: &str, body: Value) -> (u16, Value) {
        self.json(who, Method::POST, path, body).await
    }
}

#[tokio::test]
async fn who_may_call_what() {
    let world = World::new().await;
    let token = json!({ "name": "t", "scopes": ["proc:read"] });
    // method, path, body; what a user gets and what an operator gets. Nobody gets a 401, always.
    let rows = [
        (Method::GET, "status", Value::Null, 200, 200),
        (Method::GET, "tokens", Value::Null, 200, 200),
        (Method::POST, "tokens", token, 201, 201),
        (Method::DELETE, "tokens/77", Value::Null, 404, 404),
        (Method::GET, "audit", Value::Null, 403, 200),
        (Method::GET, "backup", Value::Null, 403, 200),
        (Method::GET, "export", Value::Null, 403, 200),
        (Method::POST, "check", Value::Null, 403, 200),
        (Method::POST, "compact", Value::Null, 403, 202),
        (Method::POST, "upgrade", Value::Null, 403, 202),
        (Method::POST, "stop", Value::Null, 403, 202),
        (Method::GET, "why/nothing", Value::Null, 404, 404),
    ];
    for (method, path, body, for_user, for_operator) in rows {
        for (who, expected) in [(As::Nobody, 401), (As::User, for_user), (As::Operator, for_operator)] {
            let (status, answer) = world.send(who, method.clone(), path, body.clone()).await;
            assert_eq!(status, expected, "{method} {path} as {who:?}: {}", String::from_utf8_lossy(&answer));
        }
    }
}

#[tokio::test]
async fn a_users_token_from_birth_to_revocation() {
    let world = World::new().await;
    let asked = json!({ "name": "ci", "scopes": ["proc:write", "proc:read"], "expires": "90d" });
    let (status, made) = world.post(As::User, "tokens", asked.clone()).await;
    assert_eq!(status, 201);
    let (text, id) = (made["token"].as_str().unwrap(), made["id"].as_u64().unwrap());
    assert_eq!((text.len(), &made["scopes"]), (48, &json!(["proc:read", "proc:write"])));
    assert_eq!(made["owner"], user());

    let (_, listed) = world.get(As::User, "tokens").await;
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 1, "his own, not the operator's");
    assert_eq!(listed["tokens"][0]["name"], "ci");
    assert!(!listed.to_string().contains(text));
    let (_, all) = world.get(As::Operator, "tokens").await;
    assert_eq!(all["tokens"].as_array().unwrap().len(), 2);

    assert_eq!(world.post(As::User, "tokens", asked).await.0, 409);
    assert_eq!(world.get(As::Token(text), "status").await.0, 200);
    assert_eq!(world.get(As::Token(text), "tokens").await.0, 403, "tokens do not manage tokens");
    assert_eq!(world.send(As::User, Method::DELETE, "tokens/1", Value::Null).await.0, 404, "the operator's is not his");
    assert_eq!(world.send(As::User, Method::DELETE, &format!("tokens/{id}"), Value::Null).await.0, 204);
    let (status, refusal) = world.get(As::Token(text), "status").await;
    assert_eq!(status, 401);
    assert!(refusal["error"].as_str().unwrap().contains("unknown or revoked"), "{refusal}");
}

#[tokio::test]
async fn tokens_that_are_not_made() {
    let world = World::new().await;
    let rows = [
        (As::User, json!({ "name": "t", "scopes": ["admin"] }), 403),
        (As::User, json!({ "name": "t", "scopes": ["proc:read"], "user": "root" }), 403),
        (As::Operator, json!({ "name": "t", "scopes": ["proc:read"], "user": "no such user" }), 400),
        (As::Operator, json!({ "name": "t", "scopes": ["proc:read"], "user": "0" }), 400),
        (As::Operator, json!({ "name": "t", "scopes": ["proc"] }), 400),
        (As::Operator, json!({ "name": "t", "scopes": [] }), 400),
        (As::Operator, json!({ "name": "a/b", "scopes": ["hub"] }), 400),
        (As::Operator, json!({ "name": "t", "scopes": ["hub"], "expires": "soon" }), 400),
        (As::Operator, json!({ "name": "t", "scopes": ["hub"], "expires": "2001-01-01T00:00:00Z" }), 400),
        (As::Operator, json!({ "name": "t", "scopes": ["hub"], "expire": "1d" }), 400),
        (As::Operator, json!("t"), 400),
    ];
    for (who, body, expected) in rows {
        let (status, answer) = world.post(who, "tokens", body.clone()).await;
        assert_eq!(status, expected, "{body}: {answer}");
        assert!(!answer["error"].as_str().unwrap().is_empty());
    }
    let root = json!({ "name": "t", "scopes": ["proc:read"], "user": "root" });
    assert_eq!(world.post(As::Operator, "tokens", root).await.0, 201);
}

#[tokio::test]
async fn operators_see_more_of_the_status() {
    let world = World::new().await;
    let (_, status) = world.get(As::User, "status").await;
    let fields: Vec<_> = status.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["started", "state", "uptime", "version"]);
    let (_, status) = world.get(As::Operator, "status").await;
    assert_eq!(status["listeners"], json!([{ "address": "127.0.0.1:8606", "tls": false }]));
    assert_eq!((&status["keeper_pid"], &status["core_pid"], &status["children"]), (&json!(10), &json!(11), &json!(3)));
    assert_eq!(status["cgroup"], json!({ "used": false, "path": null, "why": "no delegation" }));
    assert!(status["store"]["commits"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn the_audit_log_tells_who_was_refused() {
    let world = World::new().await;
    assert_eq!(world.post(As::User, "stop", Value::Null).await.0, 403);
    assert_eq!(world.post(As::Operator, "stop", Value::Null).await.0, 202);
    let (_, log) = world.get(As::Operator, "audit?outcome=refused&since=1h").await;
    let refused = log["entries"].as_array().unwrap();
    assert_eq!(refused.len(), 1, "{log}");
    assert_eq!((&refused[0]["status"], &refused[0]["uid"]), (&json!(403), &json!(user())));
    assert!(refused[0]["what"].as_str().unwrap().starts_with("POST /hostler/v1/stop"));
    let (_, log) = world.get(As::Operator, "audit?who=token%20ops&limit=1").await;
    assert_eq!(log["entries"][0]["status"], 202);
    for bad in ["audit?outcome=maybe", "audit?since=yesterday", "audit?limit=x"] {
        assert_eq!(world.get(As::Operator, bad).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn why_asks_the_rooms_on_behalf_of_the_caller() {
    let world = World::new().await;
    let (status, why) = world.get(As::Operator, "why/web%20server%2F1").await;
    assert_eq!(status, 200);
    let answer = json!({ "room": "things", "sentences": ["it waits for db"], "facts": { "state": "waiting" } });
    assert_eq!(why, json!({ "name": "web server/1", "answers": [answer] }));
    assert_eq!(world.get(As::User, "why/web%20server%2F1").await.0, 404);
    assert_eq!(world.get(As::Operator, "why/web").await.0, 404);
}

#[tokio::test]
async fn upgrade_and_stop_are_handed_to_the_daemon() {
    let world = World::new().await;
    assert_eq!(world.post(As::Operator, "upgrade", Value::Null).await.0, 202);
    assert_eq!(world.post(As::Operator, "upgrade", json!({ "binary": "/opt/hostler" })).await.0, 202);
    let (status, refusal) = world.post(As::Operator, "upgrade", json!({ "binary": "/opt/broken" })).await;
    assert_eq!((status, &refusal["error"]), (409, &json!("it has an older store format")));
    assert_eq!(world.post(As::Operator, "upgrade", json!({ "binary": "hostler" })).await.0, 400);
    assert_eq!(world.post(As::Operator, "stop", Value::Null).await.0, 202);
    let asked = world.asked.0.lock().unwrap().clone();
    let broken = "upgrade Some(\"/opt/broken\")";
    assert_eq!(asked, ["upgrade None", "upgrade Some(\"/opt/hostler\")", broken, "stop"]);
}

#[tokio::test]
async fn a_check_gathers_what_store_rooms_and_daemon_find() {
    let world = World::new().await;
    let (_, found) = world.post(As::Operator, "check", Value::Null).await;
    assert_eq!(
        found["findings"],
        json!(["web server/1 names a file that is not there", "listener tls: cert.pem: no certificate in it"])
    );
    assert_eq!((&found["ok"], &found["wrong"]), (&json!(false), &json!(2)));
    assert_eq!(found["records"], 2, "the operator's token and the number it got");
}

#[tokio::test]
async fn a_backup_taken_over_http_restores_the_tokens() {
    let world = World::new().await;
    let (status, backup) = world.send(As::Operator, Method::GET, "backup", Value::Null).await;
    assert_eq!(status, 200);
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (dir.path().join("backup"), dir.path().join("data"));
    std::fs::write(&file, &backup).unwrap();
    store::restore(&file, &data, false).unwrap();
    let restored = Store::open(store::Settings { reserve_bytes: 0, ..store::Settings::new(&data) }).unwrap();
    let tokens = Tokens::load(restored).unwrap().list(&Caller::local(OPERATOR, Transport::Unix)).unwrap();
    assert_eq!(tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["ops"]);
}

#[tokio::test]
async fn only_one_at_a_time_reads_through_the_store() {
    let world = World::new().await;
    let turn = world.handle.alone().unwrap();
    let routes = [(Method::POST, "check"), (Method::GET, "backup"), (Method::GET, "export")];
    for (method, path) in &routes {
        let (status, refusal) = world.json(As::Operator, method.clone(), path, Value::Null).await;
        assert_eq!((status, &refusal["code"]), (409, &json!("busy")), "{path}");
    }
    drop(turn);
    for (method, path) in routes {
        assert_eq!(world.send(As::Operator, method, path, Value::Null).await.0, 200, "{path} gives the turn back");
    }
}

#[tokio::test]
async fn an_export_shows_records_and_no_secrets() {
    let world = World::new().await;
    let (_, lines) = world.send(As::Operator, Method::GET, "export", Value::Null).await;
    let lines = String::from_utf8(lines.to_vec()).unwrap();
    let tokens: Vec<_> = lines.lines().filter(|line| line.contains("\"ops\"")).collect();
    assert_eq!(tokens.len(), 1, "{lines}");
    assert!(tokens[0].contains("auth.token") && tokens[0].contains("\"sha256\":\"…\""), "{lines}");
}

#[tokio::test]
async fn a_stream_carries_what_was_written() {
    let bytes: Vec<u8> = (0..PIECE * 3 + 5).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let (written, (done, ended)) = (bytes.clone(), mpsc::channel::<()>());
    let pieces = stream("test", done, move |out| out.write_all(&written)).unwrap();
    let pieces: Vec<_> = pieces.map(Result::unwrap).collect().await;
    assert_eq!(pieces.concat(), bytes);
    assert!(ended.recv().is_err(), "what was kept is dropped at the end");
}

#[tokio::test]
async fn a_failing_writer_breaks_the_stream() {
    let produce = |out: &mut dyn io::Write| {
        out.write_all(&[7; PIECE])?;
        Err(io::Error::other("the disk is gone"))
    };
    let pieces: Vec<_> = stream("test", (), produce).unwrap().collect().await;
    assert_eq!(pieces.len(), 2);
    assert!(pieces[0].is_ok());
    assert_eq!(pieces[1].as_ref().unwrap_err().to_string(), "the disk is gone");
}

#[tokio::test]
async fn a_client_that_goes_ends_the_writer() {
    let (report, outcome) = mpsc::channel();
    let produce = move |out: &mut dyn io::Write| {
        let result = (0..AHEAD * 4).try_for_each(|_| out.write_all(&[7; PIECE]));
        report.send(result.as_ref().err().map(io::Error::kind)).unwrap();
        result
    };
    let mut pieces = Box::pin(stream("test", (), produce).unwrap());
    assert!(pieces.next().await.unwrap().is_ok());
    drop(pieces);
    assert_eq!(outcome.recv().unwrap(), Some(io::ErrorKind::BrokenPipe));
}

#[test]
fn moments_are_given_as_such_or_as_distances() {
    let now = Wall::UNIX_EPOCH + chrono::TimeDelta::days(10);
    let day = |day: i64| Wall::UNIX_EPOCH + chrono::TimeDelta::days(day);
    let expiry = |expires: Value| {
        let body = json!({ "name": "t", "scopes": [], "expires": expires });
        serde_json::from_value::<wire::TokenIn>(body).unwrap().expiry(now)
    };
    assert_eq!(expiry(Value::Null), Ok(None));
    assert_eq!(expiry(json!("2d")), Ok(Some(day(12))));
    assert_eq!(expiry(json!(86_400)), Ok(Some(day(11))));
    assert_eq!(expiry(json!("1970-01-21T02:00:00+02:00")), Ok(Some(day(20))));
    for bad in [json!(1e18), json!(-1), json!("tomorrow"), json!(["1d"])] {
        assert!(expiry(bad.clone()).is_err(), "{bad}");
    }
    assert_eq!(wire::since("3d", now), Ok(day(7)));
    assert_eq!(wire::since("1970-01-02T00:00:00Z", now), Ok(day(1)));
    assert_eq!(wire::since("600000000000000", now), Ok(Wall::MIN_UTC), "before everything");
    assert!(wire::since("then", now).is_err());
}
