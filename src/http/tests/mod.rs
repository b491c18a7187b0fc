//! A server on real sockets, with a route of every kind, and clients that speak raw bytes.

mod alone;
mod conversation;
mod limits;
mod random;
mod rules;
mod shapes;
mod streams;
mod table;
mod units;

use crate::auth::audit::{Audit, Settings as AuditSettings};
use crate::auth::tokens::{Ask, Tokens};
use crate::auth::{Gate, Scope, Settings as GateSettings};
use crate::base::{Bus, Now, Wall};
use crate::http::server::{Admits, Shared};
use crate::http::{
    Access, Bound, Cx, Doc, Failure, Family, Health, Listener, Reply, Route, Server, Services, Settings, State, handler,
};
use crate::metrics::Metrics;
use crate::store::Store;
use hyper::Method;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Longer than anything here takes; who waits so long has found a bug.
pub const BOUND: Duration = Duration::from_secs(20);

/// The server under test and what it was given.
pub struct World {
    pub server: Server,
    pub at: SocketAddr,
    pub socket: PathBuf,
    pub parts: Parts,
}

/// What a server is made of.
pub struct Parts {
    pub services: Services,
    dir: TempDir,
}

/// Time-outs long enough not to happen by themselves.
pub fn patient() -> Settings {
    Settings {
        host_name: Some("Kettle".to_owned()),
        hosts: vec!["hostler.example".to_owned()],
        cors_origins: vec!["https://pages.example".to_owned()],
        ..Settings::default()
    }
}

impl Parts {
    pub fn new() -> Parts {
        let dir = tempfile::tempdir().unwrap();
        let daemon_uid = nix::unistd::geteuid().as_raw();
        let operator_group = "no-such-group".to_owned();
        let settings = GateSettings { daemon_uid, operator_group, loopback_uid: true, own_pids: Vec::new() };
        let services = Services {
            gate: Gate::new(settings, Tokens::load(Store::in_memory()).unwrap()),
            audit: Audit::open(&dir.path().join("audit"), AuditSettings::default()).unwrap(),
            bus: Bus::new(Wall::UNIX_EPOCH),
            metrics: Metrics::new("test"),
            health: Health::new(State::Ready),
            admits: Arc::new(|_| Ok(())),
        };
        Parts { services, dir }
    }

    /// A token with these scopes.
    pub async fn token(&self, scopes: &[Scope]) -> String {
        let link = UnixStream::pair().unwrap();
        let peer = self.services.gate.recognise(self.services.gate.arrived_unix(&link.0)).await;
        let caller = self.services.gate.identify(&peer, &hyper::HeaderMap::new());
        let name = format!("{scopes:?}").to_lowercase().replace(|character: char| !character.is_alphanumeric(), "-");
        let ask = Ask { name, scopes: scopes.to_vec(), owner: None, expires: None };
        let (secret, _) = self.services.gate.tokens().mint(&caller, ask, Now::read()).await.unwrap();
        secret.expose().to_owned()
    }

    /// The audit log so far, as text.
    pub fn audited(&self) -> String {
        self.services.audit.settle();
        std::fs::read_to_string(self.dir.path().join("audit/audit.log")).unwrap()
    }
}

impl World {
    pub async fn new() -> World {
        World::with(patient(), |_| {}).await
    }

    pub async fn with(settings: Settings, change: impl FnOnce(&mut Services)) -> World {
        let mut parts = Parts::new();
        change(&mut parts.services);
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = tcp.local_addr().unwrap();
        let socket = parts.dir.path().join("sock");
        let unix = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let listeners = vec![
            Listener { name: at.to_string(), bound: Bound::Tcp(tcp) },
            Listener { name: "unix".to_owned(), bound: Bound::Unix(unix) },
        ];
        let server = Server::start(routes(), settings, parts.services.clone(), listeners).await.unwrap();
        World { server, at, socket, parts }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    /// One request over TCP on a connection of its own.
    pub async fn ask(&self, request: &str) -> Answer {
        Answer::parse(&say(self.connect().await, request.as_bytes()).await)
    }

    /// The same over the Unix socket.
    pub async fn ask_unix(&self, request: &str) -> Answer {
        Answer::parse(&say(UnixStream::connect(&self.socket).await.unwrap(), request.as_bytes()).await)
    }

    /// A request without a body; `headers` are lines without their ends.
    pub async fn call(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        self.ask(&head(method, path, headers)).await
    }

    /// A request with a body.
    pub async fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let length = format!("Content-Length: {}", body.len());
        let headers: Vec<&str> = headers.iter().copied().chain([length.as_str()]).collect();
        self.ask(&(head(method, path, &headers) + body)).await
    }
}

/// A head whose connection closes after the answer.
pub fn head(method: &str, path: &str, headers: &[&str]) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:")) {
        text.push_str("Host: localhost\r\n");
    }
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text + "\r\n"
}

/// Writes, then reads until the server closes.
pub async fn say<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, bytes: &[u8]) -> Vec<u8> {
    let conversation = async {
        // The server may close before it has read everything; then the answer is there already.
        stream.write_all(bytes).await.ok();
        to_end(&mut stream).await
    };
    timeout(BOUND, conversation).await.expect("an answer and its end")
}

/// Everything until the server closes.
pub async fn to_end<S: AsyncRead + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut answer = Vec::new();
    // A reset after the answer is an end as well.
    timeout(BOUND, stream.read_to_end(&mut answer)).await.expect("the end of the connection").ok();
    answer
}

/// Reads until `mark` has come, and not a byte further.
pub async fn until<S: AsyncRead + Unpin>(stream: &mut S, mark: &str) -> String {
    let mut text = Vec::new();
    let reading = async {
        while !text.ends_with(mark.as_bytes()) {
            text.push(stream.read_u8().await.unwrap_or_else(|why| panic!("{why} before {mark:?} came: {text:?}")));
        }
    };
    timeout(BOUND, reading).await.unwrap_or_else(|_| panic!("{mark:?} has not come"));
    String::from_utf8_lossy(&text).into_owned()
}

/// The end of what [`routes`] answer to `/proc`.
pub const PROC_END: &str = "\"route\":\"/proc\"}";

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Answer {
        Answer::read(bytes).unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)))
    }

    pub fn read(bytes: &[u8]) -> Option<Answer> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name));
        self.head.lines().find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why} in {self:?}"))
    }
}

/// A route of every kind. Handlers answer what they were called with.
pub fn routes() -> Vec<Route> {
    use Access::{Operator, Public};
    let read = Access::Scope(Scope::ProcRead);
    let write = Access::Scope(Scope::ProcWrite);
    let mut routes = vec![
        route("GET", "/proc", Family::Proc, read, false),
        route("POST", "/proc", Family::Proc, write, true),
        route("PUT", "/proc", Family::Proc, write, true),
        route("DELETE", "/proc", Family::Proc, write, true),
        route("GET", "/ready", Family::Dag, Public, false),
        route("GET", "/v1/dagruns", Family::Dag, Access::Scope(Scope::DagRead), false),
        route("POST", "/v1/dagrun", Family::Dag, Access::Scope(Scope::DagWrite), true),
        route("GET", "/v1/dagrun/{run}/task/{task}", Family::Dag, Access::Scope(Scope::DagRead), false),
        route("GET", "/daemon/id", Family::Hub, Public, false),
        route("GET", "/api", Family::Hub, Public, false),
        route("GET", "/healthy", Family::Cache, Public, false),
        route("POST", "/oapi/v1/jobs", Family::Cache, Public, true),
        route("GET", "/", Family::Tracker, Public, false),
        route("GET", "/project/list", Family::Tracker, Public, false),
        route("POST", "/task/submit", Family::Tracker, Public, true),
        route("POST", "/task/release", Family::Tracker, Access::Credentials, true),
        route("POST", "/git/receivehook", Family::Tracker, Access::Signed, true),
        route("POST", "/hostler/v1/upgrade", Family::Own, Operator, true),
        route("GET", "/hostler/v1/files/{*path}", Family::Own, Operator, false),
    ];
    let mut panics = route("GET", "/hostler/v1/panic", Family::Own, Public, false);
    panics.handler = handler(|cx: Cx| async move {
        assert!(cx.query.raw().is_empty(), "the secret cause");
        Ok::<_, Failure>(Reply::no_content())
    });
    let mut endless = route("GET", "/hostler/v1/endless", Family::Own, Public, false);
    endless.handler = handler(|_| async {
        let first = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"first"))]);
        let pieces = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        Ok::<_, Failure>(Reply::stream("text/plain", pieces))
    });
    let mut flood = route("GET", "/hostler/v1/flood", Family::Own, Public, false);
    flood.handler = handler(|_| async {
        let piece = bytes::Bytes::from(vec![b'x'; 1 << 16]);
        let pieces = futures_util::stream::repeat_with(move || Ok(piece.clone()));
        Ok::<_, Failure>(Reply::stream("text/plain", pieces))
    });
    let mut finite = route("GET", "/hostler/v1/finite", Family::Own, Public, false);
    finite.handler = handler(|cx: Cx| async move {
        let first = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"first"))]);
        // Comes when the client has closed its side.
        let last = futures_util::stream::once(async move {
            cx.gone().await;
            Ok(bytes::Bytes::from_static(b"last"))
        });
        Ok::<_, Failure>(Reply::finite("text/plain", futures_util::StreamExt::chain(first, last)))
    });
    let big = Route { body_limit: 1 << 20, ..route("POST", "/proc/big", Family::Proc, Access::Public, true) };
    routes.extend([panics, endless, flood, finite, big]);
    routes
}

pub fn route(method: &str, path: &'static str, family: Family, access: Access, changes: bool) -> Route {
    let echo = move |cx: Cx| async move {
        Ok::<_, Failure>(Reply::json(&serde_json::json!({
            "route": path,
            "family": family.name(),
            "method": cx.method.as_str(),
            "params": cx.params.0,
            "name": cx.query.plain("name"),
            "body": String::from_utf8_lossy(&cx.body),
            "caller": cx.caller.name(),
        })))
    };
    Route {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        path,
        family,
        access,
        doorman: None,
        changes,
        audited: changes,
        body_limit: 1000,
        doc: Doc { summary: "answers what it was called with", ..Doc::default() },
        handler: handler(echo),
    }
}

/// A server without listeners, for conversations within the process.
pub fn shared(parts: &Parts, settings: Settings) -> Arc<Shared> {
    Arc::new(Shared::new(routes(), settings, parts.services.clone(), Vec::new()).unwrap())
}

/// A store that is full.
pub fn full() -> Admits {
    Arc::new(|_| Err("the disk is full".to_owned()))
}
