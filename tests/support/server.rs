//! A small HTTP/1.1 server for doubles: one thread for each connection, every byte in the test's hand. It writes down what
//! it was asked and how many bytes of each answer it has sent, which a library that buffers could not tell.
//!
//! A [`Gate`] holds an answer's body back until the test lets more of it pass, so that nothing has to be timed.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::socket::sockopt::ReuseAddr;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket};

/// How much is written at once: what a gate lets pass is exact all the same.
const SLICE: u64 = 64 << 10;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: String,
    /// Without its query.
    pub path: String,
    /// What follows the `?`; empty where there is none.
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The decoded value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (given, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.replace('+', " ");
            (given == name).then(|| percent_encoding::percent_decode_str(&value).decode_utf8_lossy().into_owned())
        })
    }

    /// Where the range that is asked for begins.
    pub fn range_start(&self) -> Option<u64> {
        self.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }
}

/// A request and what has become of it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub ask: Ask,
    pub status: u16,
    sent: Arc<AtomicU64>,
}

impl Seen {
    /// Bytes of the body that were written so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length,
    Chunked,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// The content of which `from..to` is the body.
    pub content: Arc<Vec<u8>>,
    pub from: u64,
    pub to: u64,
    pub framing: Framing,
    /// After so many bytes of the body the connection breaks.
    pub cut: Option<u64>,
    /// How far into the content bytes may pass.
    pub gate: Option<Gate>,
    /// One byte a second, whatever the gate says.
    pub drip: bool,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        let content = Arc::new(body.into());
        let to = content.len() as u64;
        let headers = Vec::new();
        Reply { status, headers, content, from: 0, to, framing: Framing::Length, cut: None, gate: None, drip: false }
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Holds back what lies behind a position of a content. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<u64>, Condvar)>);

impl Gate {
    /// Lets the first `bytes` of the content pass.
    pub fn at(bytes: u64) -> Gate {
        let gate = Gate::default();
        gate.allow(bytes);
        gate
    }

    /// From now on the first `bytes` pass.
    pub fn allow(&self, bytes: u64) {
        let mut allowed = locked(&self.0.0);
        *allowed = (*allowed).max(bytes);
        self.0.1.notify_all();
    }

    pub fn open(&self) {
        self.allow(u64::MAX);
    }

    /// How far bytes may pass, once that is beyond `position`; none when the server ends.
    fn beyond(&self, position: u64, over: &AtomicBool) -> Option<u64> {
        let mut allowed = locked(&self.0.0);
        while *allowed <= position {
            if over.load(Ordering::SeqCst) {
                return None;
            }
            // The bound only matters for a server that ends meanwhile.
            let waited = self.0.1.wait_timeout(allowed, Duration::from_millis(50));
            allowed = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(*allowed)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Answerer = dyn Fn(&Ask) -> Reply + Send + Sync;

struct Inner {
    answer: Box<Answerer>,
    over: AtomicBool,
    seen: Mutex<Vec<Seen>>,
    wires: Mutex<HashMap<u64, TcpStream>>,
}

/// A running server; it ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    inner: Arc<Inner>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Ask) -> Reply + Send + Sync + 'static) -> Server {
        Server::on("127.0.0.1:0", answer)
    }

    #[track_caller]
    pub fn on(address: &str, answer: impl Fn(&Ask) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let inner = Arc::new(Inner {
            answer: Box::new(answer),
            over: AtomicBool::new(false),
            seen: Mutex::default(),
            wires: Mutex::default(),
        });
        let serving = Arc::clone(&inner);
        let accepting = thread::spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming()) {
                let Ok(stream) = stream else { continue };
                if serving.over.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(copy) = stream.try_clone() {
                    locked(&serving.wires).insert(number, copy);
                }
                let serving = Arc::clone(&serving);
                thread::spawn(move || {
                    let _ = serve(&serving, &stream); // a client may go at any time
                    let _ = stream.shutdown(Shutdown::Both);
                    locked(&serving.wires).remove(&number);
                });
            }
        });
        Server { address, inner, accepting: Some(accepting) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that was asked so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        locked(&self.inner.seen).clone()
    }

    /// What was asked for this path.
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.ask.path == path).collect()
    }

    /// Requests for this path that were answered with a body of content.
    pub fn bodies(&self, path: &str) -> usize {
        let body = |seen: &&Seen| seen.ask.method == "GET" && matches!(seen.status, 200 | 206);
        self.seen_at(path).iter().filter(body).count()
    }

    /// Bytes of bodies that were sent for this path, or are about to be.
    pub fn bytes(&self, path: &str) -> u64 {
        self.seen_at(path).iter().map(Seen::sent).sum()
    }

    /// Breaks every connection there is.
    pub fn hang_up(&self) {
        for wire in locked(&self.inner.wires).values() {
            let _ = wire.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the one that accepts
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        keep(self.address);
        self.hang_up();
    }
}

/// Keeps the port of an ended server taken, with nobody listening, for as long as this process lives: a daemon that
/// several tests share must not find the files of one double under the address of the next.
fn keep(address: SocketAddr) {
    let SocketAddr::V4(address) = address else { return };
    let taken = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).and_then(|taken| {
        // Connections of the server may linger.
        setsockopt(&taken, ReuseAddr, &true)?;
        bind(taken.as_raw_fd(), &SockaddrIn::from(address))?;
        setsockopt(&taken, ReuseAddr, &false)?;
        Ok(taken)
    });
    if let Ok(taken) = taken {
        let _ = taken.into_raw_fd(); // open until the end
    }
}

fn serve(inner: &Inner, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(ask) = read(&mut reader)? {
        let close = ask.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let reply = (inner.answer)(&ask);
        let sent = Arc::new(AtomicU64::new(0));
        let head_only = ask.method == "HEAD";
        locked(&inner.seen).push(Seen { ask, status: reply.status, sent: Arc::clone(&sent) });
        if !write(inner, stream, &reply, head_only, &sent)? || close {
            return Ok(());
        }
    }
    Ok(())
}

fn read(from: &mut BufReader<&TcpStream>) -> io::Result<Option<Ask>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut ask = Ask { method, path, query, headers, body: Vec::new() };
    let length = ask.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    ask.body = vec![0; length];
    if ask.header("transfer-encoding").is_some() {
        ask.body = read_chunks(from)?;
    } else {
        from.read_exact(&mut ask.body)?;
    }
    Ok(Some(ask))
}

fn read_chunks(from: &mut BufReader<&TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        from.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
        let begin = body.len();
        body.resize(begin + size + 2, 0);
        from.read_exact(&mut body[begin..])?;
        body.truncate(begin + size);
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Whether the connection can be used again.
fn write(inner: &Inner, mut to: &TcpStream, reply: &Reply, head_only: bool, sent: &AtomicU64) -> io::Result<bool> {
    let mut head = format!("HTTP/1.1 {} Word\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let bodiless = matches!(reply.status, 204 | 304);
    match reply.framing {
        Framing::Length if bodiless => {}
        Framing::Length => head.push_str(&format!("Content-Length: {}\r\n", reply.to - reply.from)),
        Framing::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
    }
    head.push_str("\r\n");
    to.write_all(head.as_bytes())?;
    if head_only || bodiless {
        return Ok(true);
    }
    let end = reply.cut.map_or(reply.to, |cut| reply.to.min(reply.from + cut));
    let mut position = reply.from;
    while position < end {
        let mut slice = SLICE.min(end - position);
        if let Some(gate) = &reply.gate {
            let Some(allowed) = gate.beyond(position, &inner.over) else { return Ok(false) };
            slice = slice.min(allowed - position);
        }
        if reply.drip {
            if position > reply.from {
                thread::park_timeout(Duration::from_secs(1));
            }
            slice = 1;
        }
        let (from, until) = (position as usize, (position + slice) as usize);
        // Before they are sent: who has them finds them counted.
        sent.fetch_add(slice, Ordering::SeqCst);
        if reply.framing == Framing::Chunked {
            to.write_all(format!("{slice:x}\r\n").as_bytes())?;
        }
        to.write_all(&reply.content[from..until])?;
        if reply.framing == Framing::Chunked {
            to.write_all(b"\r\n")?;
        }
        position += slice;
        if inner.over.load(Ordering::SeqCst) {
            return Ok(false);
        }
    }
    if end < reply.to {
        return Ok(false);
    }
    if reply.framing == Framing::Chunked {
        to.write_all(b"0\r\n\r\n")?;
    }
    Ok(true)
}
