//! What a service manager gives its main process: the notify socket, the watchdog's bound, listening sockets.
//!
//! All of it comes by environment variables, which are read once at the start and given to no child.

use crate::keeper::sys;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Carries the number of the descriptor with the state of the keeper before this one.
pub const STATE: &str = "HOSTLER_KEEPER_STATE";
/// Tells the core the number of its end of the socket.
pub const SOCKET: &str = "HOSTLER_KEEPER_FD";

/// Variables that are the keeper's own business.
const OWN: [&str; 9] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    STATE,
    SOCKET,
];

/// The environment for hostler's own processes.
pub fn environment() -> Vec<(OsString, OsString)> {
    env::vars_os().filter(|(name, _)| !OWN.iter().any(|own| name == own)).collect()
}

/// Whether a variable belongs to the service manager's start of this process, and so ends with an exec.
pub fn is_of_one_start(name: &OsStr) -> bool {
    [STATE, "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"].iter().any(|own| name == *own)
}

/// Sends states to the service manager.
#[derive(Debug)]
pub struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// To the socket that `NOTIFY_SOCKET` names: a path, or `@` and an abstract name. To nobody without one.
    pub fn from_env() -> Notify {
        Notify(env::var_os("NOTIFY_SOCKET").and_then(|name| Notify::to(&name).ok()))
    }

    fn to(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?; // a service manager that does not listen must not hold up the keeper
        Ok((socket, address))
    }

    /// Sends a state, as of sd_notify(3).
    ///
    /// # Errors
    /// The service manager does not take it.
    pub fn send(&self, state: &str) -> io::Result<()> {
        match &self.0 {
            Some((socket, address)) => socket.send_to_addr(state.as_bytes(), address).map(drop),
            None => Ok(()),
        }
    }
}

/// The bound within which the service manager wants to hear `WATCHDOG=1`.
pub fn watchdog() -> Option<Duration> {
    let own = env::var("WATCHDOG_PID").ok().is_none_or(|pid| pid == std::process::id().to_string());
    let micros = env::var("WATCHDOG_USEC").ok()?.parse().ok().filter(|micros| *micros > 0)?;
    own.then(|| Duration::from_micros(micros))
}

/// The listening sockets of socket activation (sd_listen_fds(3)), named `systemd:<name>:<number>`. Once only.
pub fn listeners() -> Vec<(String, OwnedFd)> {
    if env::var("LISTEN_PID").ok() != Some(std::process::id().to_string()) {
        return Vec::new();
    }
    let count: i32 = env::var("LISTEN_FDS").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::new()));
    // Descriptors from 3 on, and no more than a process can have.
    let given = (3..3 + count.clamp(0, 1024)).zip(names);
    given.filter_map(|(fd, name)| Some((format!("systemd:{name}:{}", fd - 3), sys::inherited(fd)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_reach_a_path_and_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let abstract_name = format!("hostler-test-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (address, name) in [
            (SocketAddr::from_pathname(&path).unwrap(), path.into_os_string()),
            (by_name, OsString::from(format!("@{abstract_name}"))),
        ] {
            let manager = UnixDatagram::bind_addr(&address).unwrap();
            Notify(Notify::to(&name).ok()).send("READY=1").unwrap();
            let mut text = [0; 16];
            let length = manager.recv(&mut text).unwrap();
            assert_eq!(text.get(..length), Some(&b"READY=1"[..]));
        }
        Notify(None).send("READY=1").unwrap();
    }
}
