//! A small keep-alive HTTP/1.1 client for the Unix socket, cheap enough not to be what is measured: one thread serves
//! any number of connections.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::figures::Sample;
use super::kernel::{between, now};

/// How long an answer may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request as it goes over the wire.
pub fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer itself when all is well.
    #[track_caller]
    pub fn ok(self) -> Answer {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

/// One connection, used again and again.
pub struct Connection {
    stream: UnixStream,
    got: Vec<u8>,
}

impl Connection {
    #[track_caller]
    pub fn open(socket: &Path) -> Connection {
        let stream = UnixStream::connect(socket).expect("the daemon listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Connection { stream, got: Vec::new() }
    }

    /// Sends and waits for the answer.
    #[track_caller]
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.send(&request(method, path, body));
        loop {
            if let Some(answer) = self.receive() {
                return answer;
            }
        }
    }

    #[track_caller]
    fn send(&mut self, request: &[u8]) {
        self.stream.write_all(request).expect("the daemon takes requests");
    }

    /// Reads once; the answer, when it is complete.
    #[track_caller]
    fn receive(&mut self) -> Option<Answer> {
        let mut chunk = [0; 64 << 10];
        let count = self.stream.read(&mut chunk).expect("an answer");
        assert!(count > 0, "the daemon hung up");
        self.got.extend_from_slice(&chunk[..count]);
        let (answer, length) = parse(&self.got).expect("an answer this client can read")?;
        self.got.drain(..length);
        Some(answer)
    }
}

/// The answer at the beginning of `bytes` and its length; `None` while it is not complete.
fn parse(bytes: &[u8]) -> io::Result<Option<(Answer, usize)>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes[..head]);
    let malformed = || io::Error::other(format!("not understood: {text}"));
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(malformed)?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<usize>().ok() } else { None }
    });
    let end = head + 4 + length.ok_or_else(malformed)?;
    Ok(bytes.get(head + 4..end).map(|body| (Answer { status, body: body.to_vec() }, end)))
}

/// What a crowd got done.
pub struct Tally {
    pub per_second: f64,
    pub latency: Sample,
}

/// What a crowd says, and how it understands what it hears.
pub trait Dialogue {
    /// The length of the answer at the beginning of these bytes; none while it is not complete. HTTP, unless it is
    /// something else.
    fn complete(&self, bytes: &[u8]) -> Option<usize> {
        complete(bytes)
    }

    /// What this client says next, having got that answer to what it said before.
    fn next(&mut self, client: usize, answer: Option<&[u8]>) -> Vec<u8>;

    /// Whether this client may leave now: what it made is gone again.
    fn may_leave(&self, client: usize) -> bool {
        let _ = client;
        true
    }
}

/// HTTP by a script: a client's requests by their number. Every answer has to be a 200, and everyone ends after an even
/// number of them.
struct Scripted<S> {
    script: S,
    steps: Vec<usize>,
}

impl<S: FnMut(usize, usize) -> Vec<u8>> Dialogue for Scripted<S> {
    fn next(&mut self, client: usize, answer: Option<&[u8]>) -> Vec<u8> {
        if let Some(answer) = answer {
            accepted(answer);
            self.steps[client] += 1;
        }
        (self.script)(client, self.steps[client])
    }

    fn may_leave(&self, client: usize) -> bool {
        self.steps[client] % 2 == 1
    }
}

/// The length of the HTTP answer at the beginning of these bytes.
#[track_caller]
pub fn complete(bytes: &[u8]) -> Option<usize> {
    parse(bytes).expect("an answer this client can read").map(|(_, length)| length)
}

/// The body of an answer that has to be a 200.
#[track_caller]
pub fn accepted(answer: &[u8]) -> Vec<u8> {
    let (answer, _) = parse(answer).expect("an answer this client can read").expect("a whole one");
    answer.ok().body
}

/// So many clients over the Unix socket, each with a connection of its own, send the next request when the last was
/// answered. `script` gives a client's requests by their number.
pub fn crowd(socket: &Path, clients: usize, span: Duration, script: impl FnMut(usize, usize) -> Vec<u8>) -> Tally {
    let open = || UnixStream::connect(socket).expect("the daemon listens");
    converse(open, clients, span, &mut Scripted { script, steps: vec![0; clients] })
}

/// As [`crowd`], over whatever `open` opens, about whatever `dialogue` is about.
pub fn converse<S: Read + Write + AsFd>(
    open: impl Fn() -> S,
    clients: usize,
    span: Duration,
    dialogue: &mut impl Dialogue,
) -> Tally {
    struct Member<S> {
        stream: S,
        got: Vec<u8>,
        sent: i64,
        left: bool,
    }
    let began = Instant::now();
    let mut members: Vec<Member<S>> = (0..clients)
        .map(|client| {
            let mut stream = open();
            stream.write_all(&dialogue.next(client, None)).expect("somebody listens");
            Member { stream, got: Vec::new(), sent: now(), left: false }
        })
        .collect();
    let (mut latencies, mut in_time, mut chunk) = (Vec::new(), 0_usize, vec![0; 64 << 10]);
    while members.iter().any(|member| !member.left) {
        let staying: Vec<usize> = (0..clients).filter(|client| !members[*client].left).collect();
        for place in readable(staying.iter().map(|client| &members[*client].stream)) {
            let client = staying[place];
            let member = &mut members[client];
            let count = member.stream.read(&mut chunk).expect("an answer");
            assert!(count > 0, "the other end hung up");
            member.got.extend_from_slice(&chunk[..count]);
            let Some(length) = dialogue.complete(&member.got) else { continue };
            latencies.push(between(member.sent, now()));
            let answer: Vec<u8> = member.got.drain(..length).collect();
            let late = began.elapsed() >= span;
            in_time += usize::from(!late);
            if late && dialogue.may_leave(client) {
                member.left = true;
                continue;
            }
            let next = dialogue.next(client, Some(&answer));
            member.stream.write_all(&next).expect("somebody listens");
            member.sent = now();
        }
    }
    Tally { per_second: in_time as f64 / span.as_secs_f64(), latency: latencies.into_iter().collect() }
}

/// Waits until something can be read; from which of them.
fn readable<'a, S: AsFd + 'a>(streams: impl Iterator<Item = &'a S>) -> Vec<usize> {
    let mut watched: Vec<PollFd<'_>> = streams.map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)).collect();
    let limit = PollTimeout::try_from(PATIENCE).expect("half a minute");
    assert!(poll(&mut watched, limit).expect("poll") > 0, "no answer for {PATIENCE:?}");
    let ready = |entry: &PollFd<'_>| entry.any().unwrap_or(true);
    watched.iter().enumerate().filter(|(_, entry)| ready(entry)).map(|(number, _)| number).collect()
}
