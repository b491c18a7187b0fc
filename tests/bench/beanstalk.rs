//! beanstalkd, the small work queue that many know, with its log on disk and an fsync for every change (`-b DIR -f0`):
//! what it gets done with the same number of clients.

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
    /// On a directory below `dir`.
    pub fn start(dir: &Path) -> Beanstalk {
        let log = dir.join("beanstalkd");
        std::fs::create_dir(&log).expect("a directory");
        // It cannot tell which port it chose; the one that was free a moment ago has to do.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let mut command = Command::new("beanstalkd");
        command.args(["-l", "127.0.0.1", "-p", &free.port().to_string(), "-f0", "-b"]).arg(&log);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.spawn().expect("beanstalkd, of the Debian package of that name");
        until("beanstalkd listens", SOON, || TcpStream::connect(free).ok());
        Beanstalk { child, address: free }
    }

    /// `put`s by so many clients.
    pub fn puts(&self, clients: usize, span: Duration, recipe: &str) -> Tally {
        let put = format!("put 0 0 600 {}\r\n{recipe}\r\n", recipe.len()).into_bytes();
        self.converse(clients, span, &mut Puts(put))
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
