//! beanstalkd, the small work queue that many know, with its log on disk and an fsync for every change (`-b DIR -f0`):
//! what it gets done with the same number of clients.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::client::{Dialogue, Tally, converse};
use super::support::{SOON, until};

/// A running beanstalkd, gone when this is dropped.
pub struct Beanstalk {
    child: Child,
    address: SocketAddr,
}

impl Beanstalk {
    /// On a directory below `dir`, with so many jobs in it: put there without fsync, which takes too long otherwise.
    pub fn start(dir: &Path, jobs: usize, recipe: &str) -> Beanstalk {
        let log = dir.join("beanstalkd");
        std::fs::create_dir(&log).expect("a directory");
        Beanstalk::run(&log, "-F").fill(jobs, recipe);
        Beanstalk::run(&log, "-f0")
    }

    fn run(log: &Path, sync: &str) -> Beanstalk {
        // It cannot tell which port it chose; the one that was free a moment ago has to do.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let mut command = Command::new("beanstalkd");
        command.args(["-l", "127.0.0.1", "-p", &free.port().to_string(), sync, "-b"]).arg(log);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.spawn().expect("beanstalkd, of the Debian package of that name");
        until("beanstalkd listens", SOON, || TcpStream::connect(free).ok());
        Beanstalk { child, address: free }
    }

    /// Puts so many jobs, a thousand at a time.
    fn fill(&self, jobs: usize, recipe: &str) {
        const AT_ONCE: usize = 1_000;
        let mut stream = BufReader::new(TcpStream::connect(self.address).expect("beanstalkd listens"));
        let puts = put(recipe).repeat(AT_ONCE);
        for _ in 0..jobs.div_ceil(AT_ONCE) {
            stream.get_mut().write_all(&puts).expect("beanstalkd takes jobs");
            for _ in 0..AT_ONCE {
                let mut answer = String::new();
                stream.read_line(&mut answer).expect("an answer");
                assert!(answer.starts_with("INSERTED"), "{answer}");
            }
        }
    }

    /// `put`s by so many clients.
    pub fn puts(&self, clients: usize, span: Duration, recipe: &str) -> Tally {
        self.converse(clients, span, &mut Puts(put(recipe)))
    }

    /// `reserve` and `delete` by so many clients; two answers a cycle.
    pub fn cycles(&self, clients: usize, span: Duration) -> Tally {
        self.converse(clients, span, &mut Cycles { held: vec![None; clients] })
    }

    fn converse(&self, clients: usize, span: Duration, dialogue: &mut impl Dialogue) -> Tally {
        let open = || {
            let stream = TcpStream::connect(self.address).expect("beanstalkd listens");
            stream.set_nodelay(true).expect("a socket");
            stream
        };
        converse(open, clients, span, dialogue)
    }
}

impl Drop for Beanstalk {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

fn put(recipe: &str) -> Vec<u8> {
    format!("put 0 0 600 {}\r\n{recipe}\r\n", recipe.len()).into_bytes()
}

/// A line up to and including its end.
fn line(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|window| window == b"\r\n").map(|end| end + 2)
}

struct Puts(Vec<u8>);

impl Dialogue for Puts {
    fn complete(&self, bytes: &[u8]) -> Option<usize> {
        line(bytes)
    }

    fn next(&mut self, _: usize, answer: Option<&[u8]>) -> Vec<u8> {
        assert!(answer.is_none_or(|answer| answer.starts_with(b"INSERTED")), "a job was not taken");
        self.0.clone()
    }
}

struct Cycles {
    held: Vec<Option<String>>,
}

impl Dialogue for Cycles {
    fn complete(&self, bytes: &[u8]) -> Option<usize> {
        let head = line(bytes)?;
        let text = std::str::from_utf8(&bytes[..head]).expect("beanstalkd speaks ASCII");
        let length = match text.strip_prefix("RESERVED ") {
            Some(rest) => rest.trim().split(' ').nth(1).and_then(|length| length.parse::<usize>().ok()).map(|l| l + 2),
            None => Some(0),
        };
        let end = head + length.expect("the length of a job");
        (bytes.len() >= end).then_some(end)
    }

    fn next(&mut self, client: usize, answer: Option<&[u8]>) -> Vec<u8> {
        let text = answer.map(|answer| String::from_utf8_lossy(answer).into_owned()).unwrap_or_default();
        self.held[client] = text.strip_prefix("RESERVED ").and_then(|rest| Some(rest.split(' ').next()?.to_owned()));
        match &self.held[client] {
            Some(job) => format!("delete {job}\r\n").into_bytes(),
            None => b"reserve\r\n".to_vec(),
        }
    }

    fn may_leave(&self, client: usize) -> bool {
        self.held[client].is_some()
    }
}
