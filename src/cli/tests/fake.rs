//! A daemon that answers what a test tells it to, over a Unix socket, and remembers what it was asked.

use crate::cli::args::{Command, read};
use crate::cli::exit::{Exit, Problem};
use crate::cli::out::Out;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::UnixListener;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET /proc?name=web`
    pub what: String,
    pub headers: hyper::HeaderMap,
    pub body: Value,
}

/// An answer to give.
pub struct Answer {
    status: u16,
    pieces: BoxStream<'static, io::Result<Bytes>>,
}

impl Answer {
    /// 200 with this JSON.
    pub fn json(value: Value) -> Answer {
        Answer::pieces([Ok(value.to_string())])
    }

    /// 200 with this in Meproc's envelope.
    pub fn data(value: Value) -> Answer {
        Answer::json(json!({ "code": 200, "msg": "OK", "data": value }))
    }

    /// Meproc's bare success.
    pub fn ok() -> Answer {
        Answer::json(json!({ "code": 200, "msg": "OK" }))
    }

    /// A refusal of `/proc`.
    pub fn refused(status: u16, msg: &str) -> Answer {
        Answer { status, ..Answer::json(json!({ "code": status, "msg": msg })) }
    }

    /// A body that comes in these pieces; an error cuts the connection.
    pub fn pieces(pieces: impl IntoIterator<Item = io::Result<String>>) -> Answer {
        let pieces: Vec<_> = pieces.into_iter().map(|piece| piece.map(Bytes::from)).collect();
        // Each is on its way before the next is there: an error does not take back what came before it.
        let one_by_one = stream::iter(pieces).then(async |piece| {
            tokio::task::yield_now().await;
            piece
        });
        Answer { status: 200, pieces: Box::pin(one_by_one) }
    }

    /// The same, and then it stays open.
    pub fn open(pieces: &[&str]) -> Answer {
        let answer = Answer::pieces(pieces.iter().map(|piece| Ok((*piece).to_owned())));
        Answer { pieces: answer.pieces.chain(stream::pending()).boxed(), ..answer }
    }
}

/// The end of a connection in the middle of an answer.
pub fn cut() -> io::Result<String> {
    Err(io::ErrorKind::ConnectionReset.into())
}

type Script = dyn Fn(&Asked) -> Answer + Send + Sync;

/// The scripted daemon.
pub struct Fake {
    dir: TempDir,
    heard: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Starts it; `script` answers everything it is asked.
    pub fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Fake {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let fake = Fake { dir, heard: heard.clone() };
        let script: Arc<Script> = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, heard) = (script.clone(), heard.clone());
                let service = service_fn(move |request| answer(request, script.clone(), heard.clone()));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { connection.await.ok() });
            }
        });
        fake
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// A file beside the socket.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Everything it was asked so far, requests for events left out.
    pub fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|asked| asked.what.clone()).filter(|what| !what.starts_with("GET /events")).collect()
    }

    /// The newest request that begins like this.
    #[track_caller]
    pub fn last(&self, what: &str) -> Asked {
        let heard = self.heard.lock().unwrap();
        heard.iter().rev().find(|asked| asked.what.starts_with(what)).cloned().expect("such a request")
    }

    /// Runs a command against it, its output not a terminal.
    pub async fn told(&self, line: &[&str]) -> Told {
        self.told_on(false, line).await
    }

    /// Runs a command against it.
    pub async fn told_on(&self, terminal: bool, line: &[&str]) -> Told {
        let socket = self.socket();
        let whole = ["hostler", "--socket", socket.to_str().unwrap()].into_iter().chain(line.iter().copied());
        let command = read(whole.map(OsString::from)).unwrap();
        let Command::Errand(errand) = command else { panic!("no client's command: {command:?}") };
        let text = Arc::new(Mutex::new(Vec::new()));
        let mut out = Out::buffer(text.clone(), errand.json(), terminal);
        let outcome = errand.perform(&mut out).await;
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        Told { text, outcome }
    }
}

/// What a command said and how it ended.
pub struct Told {
    pub text: String,
    pub outcome: Result<Exit, Problem>,
}

impl Told {
    /// What it said, the command having ended like this.
    #[track_caller]
    pub fn expect(self, exit: Exit) -> String {
        assert_eq!(self.outcome.as_ref().ok(), Some(&exit), "{:?}\n{}", self.outcome, self.text);
        self.text
    }

    /// Why it failed, with the code it failed with.
    #[track_caller]
    pub fn failed(self) -> (String, Exit) {
        let problem = self.outcome.expect_err("a failure");
        (problem.to_string(), problem.exit())
    }
}

type Body = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

async fn answer(
    request: Request<Incoming>,
    script: Arc<Script>,
    heard: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Body>, Infallible> {
    let what = format!("{} {}", request.method(), request.uri());
    let headers = request.headers().clone();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let asked = Asked { what, headers, body };
    heard.lock().unwrap().push(asked.clone());
    let Answer { status, pieces } = script(&asked);
    let body = StreamBody::new(pieces.map(|piece| piece.map(Frame::data)).boxed());
    Ok(Response::builder().status(status).body(body).unwrap())
}
