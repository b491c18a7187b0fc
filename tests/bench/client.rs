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

/// So many clients, each with a connection of its own, send the next request when the last was answered. `script` gives
/// a client's requests by their number.
pub fn crowd(socket: &Path, clients: usize, span: Duration, mut script: impl FnMut(usize, usize) -> Vec<u8>) -> Tally {
    struct Member {
        connection: Connection,
        step: usize,
        sent: i64,
    }
    let open = |_| Member { connection: Connection::open(socket), step: 0, sent: 0 };
    let mut members: Vec<Member> = (0..clients).map(open).collect();
    let began = Instant::now();
    for (number, member) in members.iter_mut().enumerate() {
        member.connection.send(&script(number, 0));
        member.sent = now();
    }
    let (mut latencies, mut in_time, mut outstanding) = (Vec::new(), 0_usize, clients);
    while outstanding > 0 {
        for number in readable(members.iter().map(|member| &member.connection.stream)) {
            let member = &mut members[number];
            let Some(answer) = member.connection.receive() else { continue };
            answer.ok();
            latencies.push(between(member.sent, now()));
            // Everyone ends after an even number, so that what was made is gone again.
            if began.elapsed() < span {
                in_time += 1;
            } else if member.step % 2 == 1 {
                outstanding -= 1;
                continue;
            }
            member.step += 1;
            member.connection.send(&script(number, member.step));
            member.sent = now();
        }
    }
    Tally { per_second: in_time as f64 / span.as_secs_f64(), latency: latencies.into_iter().collect() }
}

/// Waits until something can be read; from which of them.
fn readable<'a>(streams: impl Iterator<Item = &'a UnixStream>) -> Vec<usize> {
    let mut watched: Vec<PollFd<'_>> = streams.map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)).collect();
    let limit = PollTimeout::try_from(PATIENCE).expect("half a minute");
    assert!(poll(&mut watched, limit).expect("poll") > 0, "no answer for {PATIENCE:?}");
    let ready = |entry: &PollFd<'_>| entry.any().unwrap_or(true);
    watched.iter().enumerate().filter(|(_, entry)| ready(entry)).map(|(number, _)| number).collect()
}
