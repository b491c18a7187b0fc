//! What the measurements of the cache have in common: a daemon with its proxy, an origin, and clients that read bodies and
//! throw them away.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::kernel::{between, now};
use super::nginx::Nginx;
use super::support::{Daemon, SOON, until};

/// How long nothing may come before a measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon with its proxy, and its origin, which lies in the daemon's directory and so has to end before that.
pub struct Cache {
    pub origin: Nginx,
    pub daemon: Daemon,
}

impl Cache {
    pub fn start() -> Cache {
        let daemon = Daemon::configured(
            "[cache]\nallow_loopback = true\nkeep_free = \"0 B\"\nscrub_rate = \"0 B\"\n\
             [cache.proxy]\nlisten = [\"127.0.0.1:0\"]\nrate = 10000000\n",
        );
        let origin = Nginx::start(daemon.dir());
        Cache { origin, daemon }
    }

    /// Where the proxy listens.
    pub fn proxy(&self) -> SocketAddr {
        let said = "the cache's proxy listens on ";
        until("the proxy listens", SOON, || {
            let text = self.daemon.stderr();
            let at = text.rfind(said)? + said.len();
            text[at..].split_whitespace().next()?.trim_matches('"').parse().ok()
        })
    }

    /// A request through the proxy, from the cache.
    pub fn request(&self, path: &str) -> Vec<u8> {
        let (url, host) = (self.origin.url(path), self.origin.address());
        format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nX-Dragonfly-Use-P2P: true\r\n\r\n").into_bytes()
    }

    /// The same to the origin itself.
    pub fn direct(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.origin.address()).into_bytes()
    }

    /// Runs `hostler` with these words; how long it took, in ms.
    pub fn hostler(&self, words: &[&str]) -> f64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
        command.arg("--socket").arg(self.daemon.socket()).args(words);
        timed(&mut command)
    }

    /// A path for a file of the measurement's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.daemon.path(name)
    }
}

/// `curl URL -o FILE`, through the proxy where one is given; how long it took, in ms.
pub fn curl(url: &str, to: &Path, proxy: Option<SocketAddr>) -> f64 {
    let mut command = Command::new("curl");
    command.args(["-sS", "--fail", "-o"]).arg(to).arg(url);
    if let Some(proxy) = proxy {
        command.args(["--noproxy", "", "-x", &format!("http://{proxy}"), "-H", "X-Dragonfly-Use-P2P: true"]);
    }
    timed(&mut command)
}

fn timed(command: &mut Command) -> f64 {
    let began = now();
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = quiet.status().expect("the program is there");
    let took = between(began, now());
    assert!(status.success(), "{command:?} ended with {status}");
    took
}

/// One connection whose answers are read and thrown away.
pub struct Sink {
    stream: TcpStream,
    chunk: Vec<u8>,
}

/// An answer that was thrown away.
pub struct Gone {
    /// Of the body.
    pub bytes: u64,
    /// When the first byte of the body was there, on the clock of [`now`].
    pub first: i64,
}

impl Sink {
    pub fn open(address: SocketAddr) -> Sink {
        let stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Sink { stream, chunk: vec![0; 256 << 10] }
    }

    /// Sends a request and reads its answer, which has to be a 200 that tells its length.
    pub fn fetch(&mut self, request: &[u8]) -> Gone {
        self.stream.write_all(request).expect("somebody listens");
        let (mut head, mut first) = (Vec::new(), 0);
        let (mut got, length) = loop {
            let count = self.stream.read(&mut self.chunk).expect("an answer");
            assert!(count > 0, "the other end hung up");
            head.extend_from_slice(&self.chunk[..count]);
            if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                let body = (head.len() - end - 4) as u64;
                if body > 0 {
                    first = now();
                }
                break (body, length(&String::from_utf8_lossy(&head[..end])));
            }
        };
        while got < length {
            let count = self.stream.read(&mut self.chunk).expect("a body");
            assert!(count > 0, "the other end hung up after {got} of {length} bytes");
            if got == 0 {
                first = now();
            }
            got += count as u64;
        }
        Gone { bytes: got, first }
    }
}

fn length(head: &str) -> u64 {
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    });
    value.unwrap_or_else(|| panic!("no length: {head}"))
}

/// So many connections fetch the same again and again; bytes of bodies a second.
pub fn drain(address: SocketAddr, request: &[u8], connections: usize, span: Duration) -> f64 {
    let end = now() + i64::try_from(span.as_nanos()).expect("a short span");
    let began = now();
    let bytes: u64 = std::thread::scope(|scope| {
        let sinks: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    let (mut sink, mut bytes) = (Sink::open(address), 0);
                    while now() < end {
                        bytes += sink.fetch(request).bytes;
                    }
                    bytes
                })
            })
            .collect();
        sinks.into_iter().map(|sink| sink.join().expect("a sink")).sum()
    });
    bytes as f64 / (between(began, now()) / 1000.0)
}
