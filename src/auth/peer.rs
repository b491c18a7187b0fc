//! The other end of a connection: what the kernel says about it, once, when it arrives.
//!
//! ```text
//! accepted --kernel--> Arrival --user database--> Peer
//! ```
//!
//! An [`Arrival`] is taken at once at `accept`, before anything is read: later the client may have closed, and the
//! kernel no longer knows its uid. Names and groups may take their time, off the runtime's thread
//! ([`super::Gate::recognise`]).

use super::caller::Local;
use super::sockdiag::{SockDiag, Unnamed};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The Unix socket, from this process.
    Unix {
        /// 0 when the process is in another pid namespace.
        pid: i32,
    },
    /// TCP, from this address; an IPv4 address in IPv6's clothes is undressed.
    Tcp(SocketAddr),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Unix { pid } => write!(f, "unix pid {pid}"),
            Source::Tcp(address) => address.fmt(f),
        }
    }
}

/// What the kernel said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) uid: u32,
    /// The Unix socket tells it, TCP does not.
    pub(super) gid: Option<u32>,
}

/// A connection just accepted.
#[derive(Debug)]
pub struct Arrival {
    pub(super) from: Source,
    pub(super) who: Result<Credentials, String>,
}

impl Arrival {
    /// Over the Unix socket: `SO_PEERCRED`, the credentials with which the client connected.
    ///
    /// `own_pids` are processes of the daemon itself: what they connect to, they do on somebody else's behalf.
    pub(super) fn unix(stream: impl AsFd, own_pids: &[i32]) -> Arrival {
        match getsockopt(&stream, PeerCredentials) {
            Ok(peer) => {
                let who = if own_pids.contains(&peer.pid()) {
                    Err("the connection is one of the daemon's own".to_owned())
                } else if peer.uid() == u32::MAX {
                    Err("the kernel knows no credentials of the other end".to_owned())
                } else {
                    Ok(Credentials { uid: peer.uid(), gid: Some(peer.gid()) })
                };
                Arrival { from: Source::Unix { pid: peer.pid() }, who }
            }
            Err(why) => Arrival {
                from: Source::Unix { pid: 0 },
                who: Err(format!("the kernel did not tell the credentials of the other end: {why}")),
            },
        }
    }

    /// Over TCP: on loopback, the uid that owns the client's end, unless the kernel is not to be asked.
    pub(super) fn tcp(client: SocketAddr, server: SocketAddr, kernel: Result<&mut SockDiag, &str>) -> Arrival {
        let plain = SocketAddr::new(client.ip().to_canonical(), client.port());
        let who = match kernel {
            _ if !plain.ip().is_loopback() || !server.ip().to_canonical().is_loopback() => {
                Err("the connection does not come over this host's loopback address".to_owned())
            }
            Err(why) => Err(why.to_owned()),
            Ok(kernel) => kernel.owner(client, server).map(|uid| Credentials { uid, gid: None }).map_err(|why| {
                if let Unnamed::Unanswered(cause) = &why {
                    tracing::warn!(%cause, client = %plain, "{why}");
                }
                why.to_string()
            }),
        };
        Arrival { from: Source::Tcp(plain), who }
    }
}

/// The other end of a connection, with name and rights as they were when it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub(super) from: Source,
    pub(super) who: Result<Local, String>,
}

impl Peer {
    /// Where the connection comes from, for logs.
    pub fn from(&self) -> Source {
        self.from
    }

    /// The user, for limits per user. Nobody in particular where the kernel named no one.
    pub fn uid(&self) -> Option<u32> {
        self.who.as_ref().ok().map(|local| local.uid)
    }

    /// The user as the kernel and the user database know him, or why he is not known.
    ///
    /// # Errors
    /// The reason, a fragment for people.
    pub fn user(&self) -> Result<&Local, &str> {
        self.who.as_ref().map_err(String::as_str)
    }
}
