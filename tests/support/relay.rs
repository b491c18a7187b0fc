//! Connections made by another user: a short-lived process of that user connects and passes bytes on.
//!
//! The kernel reports the user who *made* a socket, so the connection has to be made by a process of that user. That
//! process is this very test binary, started again with the one test named [`ENTRY`] and [`TARGET`] in its environment;
//! its standard input is a socket pair whose other end the test holds and uses as if it were the connection.

use std::fs::File;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio, exit};
use std::sync::mpsc;
use std::thread;

use super::http::{Client, Request, Target, Wire};

/// The test that acts as the relay; a test binary that uses [`connect_as`] has one of this name calling [`entry`].
pub const ENTRY: &str = "the_relay_carries_bytes_both_ways";
const TARGET: &str = "RELAY_TARGET";

/// A connection to `target` made by a process of user `uid`; closing it ends that process.
pub fn connect_as(uid: u32, target: &Target) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    // Executed through a descriptor: the other user need not be able to walk to where the binary lies.
    let binary = File::open("/proc/self/exe")?;
    let mut relay = Command::new(format!("/proc/self/fd/{}", binary.as_raw_fd()))
        .args(["--exact", ENTRY, "--nocapture", "--test-threads=1"])
        .env_clear()
        .env(TARGET, spelled(target))
        .current_dir("/")
        .uid(uid)
        .gid(uid)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    thread::spawn(move || relay.wait()); // reaped whenever it ends
    Ok(ours)
}

fn spelled(target: &Target) -> String {
    match target {
        Target::Tcp(address) => format!("tcp {address}"),
        Target::Unix(path) => format!("unix {}", path.display()),
    }
}

/// The body of the test named [`ENTRY`]: the relay itself when started as one, else a check of it.
pub fn entry() {
    match std::env::var(TARGET) {
        Ok(target) => exit(i32::from(relay(&target).is_err())),
        Err(_) => check(),
    }
}

fn relay(target: &str) -> io::Result<()> {
    let near = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let unknown = || io::Error::other(format!("no such target: {target}"));
    match target.split_once(' ').ok_or_else(unknown)? {
        ("tcp", address) => {
            let far = TcpStream::connect(address)?;
            pump((near.try_clone()?, near), (far.try_clone()?, far), TcpStream::shutdown)
        }
        ("unix", path) => {
            let far = UnixStream::connect(path)?;
            pump((near.try_clone()?, near), (far.try_clone()?, far), UnixStream::shutdown)
        }
        _ => Err(unknown()),
    }
}

/// Copies both ways; the end of one direction is passed on, the end of the answer ends the relay.
fn pump<Far>(
    near: (UnixStream, UnixStream),
    far: (Far, Far),
    shutdown: fn(&Far, Shutdown) -> io::Result<()>,
) -> io::Result<()>
where
    Far: io::Read + io::Write + Send + 'static,
{
    let (mut near_in, mut near_out) = near;
    let (mut far_in, mut far_out) = far;
    thread::spawn(move || {
        let _ = io::copy(&mut near_in, &mut far_out);
        let _ = shutdown(&far_out, Shutdown::Write);
    });
    io::copy(&mut far_in, &mut near_out)?;
    near_out.shutdown(Shutdown::Both)
}

fn check() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = Target::Tcp(listener.local_addr().expect("its address"));
    let (heard, hears) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the relay connects");
        let mut lines = io::BufReader::new(Wire::Tcp(stream));
        let mut first = String::new();
        io::BufRead::read_line(&mut lines, &mut first).expect("a request line");
        heard.send(first).expect("the test waits");
        io::Write::write_all(lines.get_mut(), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback")
            .expect("the answer is taken");
    });
    let me = nix::unistd::geteuid().as_raw();
    let answer = Client::new(target).as_user(me).send(Request::new("GET", "/there"));
    assert_eq!(hears.recv().expect("a line"), "GET /there HTTP/1.1\r\n");
    assert_eq!(answer.text(), "back");
}
