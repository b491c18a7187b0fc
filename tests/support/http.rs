//! A small blocking HTTP/1.1 client, so that a test sends exactly the bytes it means and sees what came back.
//!
//! One connection for each request. Three levels: [`Client::send`] for a whole answer, [`Client::stream`] for one that
//! goes on (server-sent events, a followed log), [`Client::raw`] for bytes that are not HTTP at all.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::relay;

/// How long a client waits for the next byte; longer than anything the daemon is allowed to take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the daemon listens.
#[derive(Clone, Debug)]
pub enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// One open connection.
pub enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    pub fn open(target: &Target) -> io::Result<Wire> {
        let wire = match target {
            Target::Tcp(address) => Wire::Tcp(TcpStream::connect_timeout(address, PATIENCE)?),
            Target::Unix(path) => Wire::Unix(UnixStream::connect(path)?),
        };
        wire.patience(PATIENCE)?;
        Ok(wire)
    }

    /// From now on a read fails after `limit` without a byte.
    pub fn patience(&self, limit: Duration) -> io::Result<()> {
        match self {
            Wire::Tcp(stream) => {
                stream.set_read_timeout(Some(limit)).and_then(|()| stream.set_write_timeout(Some(limit)))
            }
            Wire::Unix(stream) => {
                stream.set_read_timeout(Some(limit)).and_then(|()| stream.set_write_timeout(Some(limit)))
            }
        }
    }

    /// Tells the other side that nothing more will be sent.
    pub fn finish_writing(&self) -> io::Result<()> {
        match self {
            Wire::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Wire::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.read(into),
            Wire::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.write(bytes),
            Wire::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request, with `Host` and `Connection: close` unless told otherwise.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Request {
        Request { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    pub fn json(self, body: &Value) -> Request {
        self.body(body.to_string())
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let mut line = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        if !self.has("host") {
            line("Host", "localhost");
        }
        if !self.has("connection") {
            line("Connection", "close");
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        if let Some(body) = &self.body {
            line("Content-Length", &body.len().to_string());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}): status {}, body {:?}", self.status, self.text()),
        }
    }

    /// The answer itself when its status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "unexpected status, body: {}", self.text());
        self
    }
}

/// An answer that goes on: its head was read, its body comes as it comes.
pub struct Streaming {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    body: BufReader<Body>,
}

/// One server-sent event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sse {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: String,
}

impl Sse {
    /// Takes in one line; whether it is complete with that. What ends without data is no event: it only moves the id
    /// on, past events that were filtered out.
    fn ends_with(&mut self, line: &str) -> bool {
        if line.is_empty() {
            let complete = !self.data.is_empty();
            if !complete {
                *self = Sse::default();
            }
            return complete;
        }
        match line.split_once(':') {
            Some(("id", value)) => self.id = Some(value.trim_start().to_owned()),
            Some(("event", value)) => self.event = Some(value.trim_start().to_owned()),
            Some(("data", value)) => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
            }
            _ => {} // a comment, which keeps the stream alive
        }
        false
    }
}

impl Streaming {
    /// The next line of the body without its end, `None` at the end of the body.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.body.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// The next event, comments and keep-alives passed over; `None` at the end.
    pub fn event(&mut self) -> io::Result<Option<Sse>> {
        let mut event = Sse::default();
        while let Some(line) = self.line()? {
            if event.ends_with(&line) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The next event, which must come within this time. Comments that keep the stream alive are no event.
    #[track_caller]
    pub fn event_within(&mut self, bound: Duration) -> Sse {
        let end = Instant::now() + bound;
        let mut event = Sse::default();
        self.patience(bound).expect("a time-out");
        loop {
            match self.line() {
                Ok(Some(line)) if event.ends_with(&line) => return event,
                Ok(Some(_)) => {}
                Ok(None) => panic!("the events have ended"),
                Err(error) => panic!("no event within {bound:?}: {error}"),
            }
            assert!(Instant::now() < end, "no event within {bound:?}");
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The next so many bytes of the body, as soon as they are there.
    pub fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.body.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// What is left of the body; an error where it breaks off.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.body.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// From now on a read fails after `limit` without a byte.
    pub fn patience(&self, limit: Duration) -> io::Result<()> {
        self.body.get_ref().wire.get_ref().patience(limit)
    }
}

/// Reads an answer's body whichever way it is framed.
struct Body {
    wire: BufReader<Wire>,
    framing: Framing,
}

enum Framing {
    /// This many bytes are left.
    Counted(u64),
    /// This many bytes are left of the chunk; `None` before the next chunk's size.
    Chunked(Option<u64>),
    ToTheEnd,
    Over,
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.framing {
                Framing::Over => return Ok(0),
                Framing::ToTheEnd => return self.wire.read(into),
                Framing::Counted(0) => self.framing = Framing::Over,
                Framing::Counted(left) => {
                    let got = self.take(left, into)?;
                    self.framing = Framing::Counted(left - got as u64);
                    return Ok(got);
                }
                Framing::Chunked(None) => {
                    let mut size = String::new();
                    self.wire.read_line(&mut size)?;
                    let digits = size.trim().split(';').next().unwrap_or_default();
                    let size =
                        u64::from_str_radix(digits, 16).map_err(|_| malformed(&format!("chunk size {size:?}")))?;
                    self.framing = if size == 0 { Framing::Over } else { Framing::Chunked(Some(size)) };
                }
                Framing::Chunked(Some(0)) => {
                    self.wire.read_exact(&mut [0; 2])?; // the line end behind a chunk
                    self.framing = Framing::Chunked(None);
                }
                Framing::Chunked(Some(left)) => {
                    let got = self.take(left, into)?;
                    self.framing = Framing::Chunked(Some(left - got as u64));
                    return Ok(got);
                }
            }
        }
    }
}

impl Body {
    fn take(&mut self, left: u64, into: &mut [u8]) -> io::Result<usize> {
        let room = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match self.wire.read(&mut into[..room])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            got => Ok(got),
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Somebody who speaks to the daemon: where, as whom, and with which headers each time.
#[derive(Clone, Debug)]
pub struct Client {
    target: Target,
    user: Option<u32>,
    headers: Vec<(String, String)>,
}

impl Client {
    pub fn new(target: Target) -> Client {
        Client { target, user: None, headers: Vec::new() }
    }

    /// The same client, its connections made by a process of user (and group) `uid`.
    pub fn as_user(&self, uid: u32) -> Client {
        Client { user: Some(uid), ..self.clone() }
    }

    /// The same client, with this header on every request.
    pub fn with(&self, name: &str, value: &str) -> Client {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    pub fn open(&self) -> io::Result<Wire> {
        match self.user {
            None => Wire::open(&self.target),
            Some(uid) => {
                let wire = Wire::Unix(relay::connect_as(uid, &self.target)?);
                wire.patience(PATIENCE)?;
                Ok(wire)
            }
        }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path))
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Request::new("POST", path).json(body))
    }

    #[track_caller]
    pub fn put(&self, path: &str) -> Answer {
        self.send(Request::new("PUT", path))
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.send(Request::new("DELETE", path))
    }

    #[track_caller]
    pub fn send(&self, request: Request) -> Answer {
        match self.try_send(request.clone()) {
            Ok(answer) => answer,
            Err(error) => panic!("no answer to {} {}: {error}", request.method, request.path),
        }
    }

    pub fn try_send(&self, request: Request) -> io::Result<Answer> {
        let mut streaming = self.try_stream(request)?;
        let mut body = Vec::new();
        streaming.body.read_to_end(&mut body)?;
        Ok(Answer { status: streaming.status, headers: streaming.headers, body })
    }

    #[track_caller]
    pub fn stream(&self, request: Request) -> Streaming {
        match self.try_stream(request.clone()) {
            Ok(streaming) => streaming,
            Err(error) => panic!("no answer to {} {}: {error}", request.method, request.path),
        }
    }

    /// Sends `bytes` as they are, ends the sending side, and gives everything that came back.
    pub fn raw(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut wire = self.open()?;
        // A server may refuse and close before it has read all: what it said still counts.
        let _ = wire.write_all(bytes).and_then(|()| wire.finish_writing());
        let mut back = Vec::new();
        match wire.read_to_end(&mut back) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(back),
        }
    }

    fn try_stream(&self, mut request: Request) -> io::Result<Streaming> {
        request.headers.extend(self.headers.iter().cloned());
        let mut wire = self.open()?;
        match wire.write_all(&request.bytes()) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                return Err(error);
            }
            _ => {} // refused before the body was read: the answer is waiting
        }
        read_head(BufReader::new(wire), request.method == "HEAD")
    }
}

fn read_head(mut wire: BufReader<Wire>, head_only: bool) -> io::Result<Streaming> {
    let mut line = String::new();
    if wire.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let status = line.split(' ').nth(1).and_then(|word| word.trim().parse().ok());
    let status: u16 = status.ok_or_else(|| malformed(&format!("status line {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        if wire.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let header = |name: &str| {
        headers
            .iter()
            .find(|(given, _): &&(String, String)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let framing = if head_only || matches!(status, 204 | 304) {
        Framing::Over
    } else if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        Framing::Chunked(None)
    } else if let Some(length) = header("content-length") {
        Framing::Counted(length.parse().map_err(|_| malformed("content-length"))?)
    } else {
        Framing::ToTheEnd
    };
    Ok(Streaming { status, headers, body: BufReader::new(Body { wire, framing }) })
}
