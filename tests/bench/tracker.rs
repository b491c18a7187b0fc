//! What the measurements of the tracker have in common: a daemon with an admin, projects and workers, and a crowd of
//! workers over TCP, as the original's clients come.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Dialogue, Tally, accepted, converse};
use super::support::{Daemon, Request};

/// Workers at once.
pub const CROWD: usize = 64;
/// A recipe of ordinary size, in bytes.
pub const RECIPE: usize = 200;
/// Tasks in one bulk.
pub const BULK: usize = 1_000;

/// A daemon with a tracker admin.
pub struct Tracker {
    pub daemon: Daemon,
    cookie: String,
}

/// A worker's headers.
#[derive(Clone)]
pub struct Worker(String);

impl Tracker {
    pub fn start() -> Tracker {
        let daemon =
            Daemon::configured("[http]\nmax_connections_per_uid = 1000\n[tracker]\nmax_assign_time = \"1h\"\n");
        let admin = json!({ "username": "bench", "password": "only for this" });
        let answer = daemon.tcp().post("/register", &admin).expect(200);
        let cookie = answer.header("set-cookie").and_then(|text| text.split(';').next()).expect("a session").to_owned();
        Tracker { daemon, cookie }
    }

    pub fn address(&self) -> SocketAddr {
        self.daemon.address()
    }

    fn manage(&self, path: &str, body: &Value) -> Value {
        self.daemon.tcp().send(Request::new("POST", path).header("cookie", &self.cookie).json(body)).expect(200).json()
    }

    /// A project; `more` beside its name.
    pub fn project(&self, name: &str, mut more: Value) -> u64 {
        more["name"] = name.into();
        self.manage("/project/create", &more)["content"]["id"].as_u64().expect("a number")
    }

    /// A worker that may do everything in `projects`.
    pub fn worker(&self, projects: &[u64]) -> Worker {
        let made = self.daemon.tcp().post("/worker/create", &json!({ "alias": "bench" })).expect(200).json();
        let worker = &made["content"]["worker"];
        let secret = worker["secret"].as_str().expect("a secret");
        let headers = Worker(format!("X-Worker-Id: {}\r\nX-Secret: {secret}\r\n", worker["id"]));
        for project in projects {
            let ask = json!({ "project": project, "assign": true, "submit": true });
            let request = Request::new("POST", "/project/request_access").header("x-secret", secret);
            let request = request.header("x-worker-id", &worker["id"].to_string()).json(&ask);
            self.daemon.tcp().send(request).expect(200);
            self.manage(&format!("/project/accept_request/{project}/{}", worker["id"]), &Value::Null);
        }
        headers
    }

    /// Puts so many tasks into a project, 1,000 a request.
    pub fn fill(&self, worker: &Worker, project: u64, tasks: usize) {
        let mut bulks = Bulks { request: bulk(worker, project), left: tasks / BULK };
        let clients = 2.min(bulks.left.max(1));
        // One after the other until all are in: the span is over at once, and nobody leaves before.
        self.converse(clients, Duration::ZERO, &mut bulks);
    }

    /// A crowd over TCP.
    pub fn converse(&self, clients: usize, span: Duration, dialogue: &mut impl Dialogue) -> Tally {
        let address = self.address();
        converse(|| connect(address), clients, span, dialogue)
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_nodelay(true).expect("a socket");
    stream
}

impl Worker {
    /// A request of this worker's as it goes over the wire.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let (headers, length) = (&self.0, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n");
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

/// A bulk of tasks, as a request.
pub fn bulk(worker: &Worker, project: u64) -> Vec<u8> {
    let task = json!({ "project": project, "recipe": "r".repeat(RECIPE) });
    let body = json!({ "requests": vec![task; BULK] }).to_string();
    worker.request("POST", "/task/bulk_submit", &body)
}

/// A number of bulks, by whoever is free.
struct Bulks {
    request: Vec<u8>,
    left: usize,
}

impl Dialogue for Bulks {
    fn next(&mut self, _: usize, answer: Option<&[u8]>) -> Vec<u8> {
        if let Some(answer) = answer {
            accepted(answer);
        }
        self.left = self.left.saturating_sub(1);
        self.request.clone()
    }

    fn may_leave(&self, _: usize) -> bool {
        self.left == 0
    }
}

/// The same request again and again.
pub struct Same(pub Vec<u8>);

impl Dialogue for Same {
    fn next(&mut self, _: usize, answer: Option<&[u8]>) -> Vec<u8> {
        if let Some(answer) = answer {
            accepted(answer);
        }
        self.0.clone()
    }
}

/// Fetching a task and giving it back done, in turns.
pub struct Cycles {
    worker: Worker,
    fetch: Vec<u8>,
    held: Vec<bool>,
}

impl Cycles {
    pub fn new(worker: &Worker, project: u64, clients: usize) -> Cycles {
        let fetch = worker.request("GET", &format!("/task/get/{project}"), "");
        Cycles { worker: worker.clone(), fetch, held: vec![false; clients] }
    }
}

impl Dialogue for Cycles {
    fn next(&mut self, client: usize, answer: Option<&[u8]>) -> Vec<u8> {
        let body = answer.map(accepted);
        if answer.is_none() || self.held[client] {
            let done = body.is_none_or(|body| String::from_utf8_lossy(&body).contains(r#""updated":true"#));
            assert!(done, "a task was not closed");
            self.held[client] = false;
            return self.fetch.clone();
        }
        let told: Value = serde_json::from_slice(&body.unwrap_or_default()).expect("JSON");
        let task = told["content"]["task"]["id"].as_u64().unwrap_or_else(|| panic!("no task: {told}"));
        self.held[client] = true;
        self.worker.request("POST", "/task/release", &format!(r#"{{"task_id":{task},"result":0}}"#))
    }

    fn may_leave(&self, client: usize) -> bool {
        self.held[client]
    }
}

/// Submitting a task and fetching one, in turns: the queue stays as long as it is.
pub struct Turns {
    submit: Vec<u8>,
    fetch: Vec<u8>,
    submits: Vec<bool>,
}

impl Turns {
    pub fn new(worker: &Worker, project: u64, clients: usize) -> Turns {
        let body = json!({ "project": project, "recipe": "r".repeat(RECIPE) }).to_string();
        Turns {
            submit: worker.request("POST", "/task/submit", &body),
            fetch: worker.request("GET", &format!("/task/get/{project}"), ""),
            submits: vec![false; clients],
        }
    }
}

impl Dialogue for Turns {
    fn next(&mut self, client: usize, answer: Option<&[u8]>) -> Vec<u8> {
        if let Some(answer) = answer {
            let body = accepted(answer);
            assert!(body.starts_with(br#"{"ok":true"#), "{}", String::from_utf8_lossy(&body));
        }
        self.submits[client] = !self.submits[client];
        if self.submits[client] { self.submit.clone() } else { self.fetch.clone() }
    }
}
