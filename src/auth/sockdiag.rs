//! Asks the kernel who owns the other end of a loopback TCP connection.
//!
//! `NETLINK_SOCK_DIAG` with the exact four-tuple of the *client's* socket: a few microseconds whatever the number of
//! sockets, and no privilege needed. (`/proc/net/tcp` walks the whole hash table: milliseconds.) See sock_diag(7).
//!
//! The answer counts only for a socket that is still established and still has an inode. A client that has closed
//! already is reported with uid 0, whoever it was, while its request may still be in our buffer: believing that
//! would make everybody root. And when nothing matches exactly the kernel may answer with a listener of the same
//! port, which the comparison of both ports excludes.
//!
//! The uid is that of the socket's creator: a socket made by root and used after `setuid`, or passed on to another
//! process, still says 0; a forwarder's says the forwarder.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recvfrom, send, socket,
};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

/// `SOCK_DIAG_BY_FAMILY` of `linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST` of `linux/netlink.h`.
const REQUEST: u16 = 1;
/// `NLMSG_ERROR` of `linux/netlink.h`.
const ERROR: u16 = 2;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `TCP_ESTABLISHED` of `net/tcp_states.h`.
const ESTABLISHED: u8 = 1;
/// `sizeof(struct nlmsghdr)`.
const HEADER: usize = 16;
/// `nlmsghdr` and `inet_diag_req_v2`.
const QUESTION: usize = HEADER + 56;

/// Why nobody could be named.
#[derive(Debug, thiserror::Error)]
pub enum Unnamed {
    /// The kernel knows no such socket: it is gone, or in another network namespace.
    #[error("the kernel knows no socket for this connection's other end")]
    NoSuchSocket,
    /// The client has begun to close: its uid is no longer known.
    #[error("the client had already closed its end when it was asked who it is")]
    Closing,
    /// The kernel could not be asked.
    #[error("the kernel could not be asked who is connecting")]
    Unanswered(#[source] io::Error),
}

/// A socket to the kernel's socket diagnostics.
#[derive(Debug)]
pub struct SockDiag {
    kernel: OwnedFd,
    seq: u32,
}

impl SockDiag {
    /// Opens one.
    ///
    /// # Errors
    /// The kernel has no socket diagnostics, or no descriptors are left.
    pub fn open() -> io::Result<SockDiag> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let kernel = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkSockDiag)?;
        Ok(SockDiag { kernel, seq: 0 })
    }

    /// The uid that created the socket at `client`, connected to our socket at `server`.
    ///
    /// # Errors
    /// See [`Unnamed`]; in none of these cases may anything be assumed about the client.
    pub fn owner(&mut self, client: SocketAddr, server: SocketAddr) -> Result<u32, Unnamed> {
        let plain = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        let (client, server) = (plain(client), plain(server));
        match self.ask(client, server) {
            // An IPv6 socket that speaks IPv4 is usually found by its IPv4 addresses, but not on every kernel.
            Err(Unnamed::NoSuchSocket) if client.is_ipv4() && server.is_ipv4() => {
                self.ask(mapped(client), mapped(server))
            }
            answer => answer,
        }
    }

    fn ask(&mut self, client: SocketAddr, server: SocketAddr) -> Result<u32, Unnamed> {
        self.seq = self.seq.wrapping_add(1);
        let question = question(self.seq, client, server);
        let sent = send(self.kernel.as_raw_fd(), &question, MsgFlags::empty()).map_err(unanswered)?;
        if sent != question.len() {
            return Err(unanswered(Errno::EIO));
        }
        let mut buffer = [0; 4096];
        loop {
            // The kernel answers inside `send`, so an empty socket means that there is no answer.
            let (length, from) = recvfrom::<NetlinkAddr>(self.kernel.as_raw_fd(), &mut buffer).map_err(unanswered)?;
            if from.is_none_or(|from| from.pid() != 0) {
                continue; // not from the kernel
            }
            if let Some(answer) = buffer.get(..length).and_then(|answer| verdict(answer, self.seq, client, server)) {
                return answer;
            }
        }
    }
}

fn unanswered(errno: Errno) -> Unnamed {
    Unnamed::Unanswered(errno.into())
}

/// The same address, as an IPv6 socket sees it.
fn mapped(at: SocketAddr) -> SocketAddr {
    match at.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), at.port()),
        IpAddr::V6(_) => at,
    }
}

/// `nlmsghdr` followed by `inet_diag_req_v2`, in the host's byte order save ports and addresses.
fn question(seq: u32, client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let family = if client.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let mut bytes = Vec::with_capacity(QUESTION);
    bytes.extend(u32::try_from(QUESTION).unwrap_or(0).to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    bytes.extend(seq.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes()); // to the kernel
    bytes.extend([u8::try_from(family as i32).unwrap_or(0), TCP, 0, 0]); // family, protocol, no extensions, padding
    bytes.extend(u32::MAX.to_ne_bytes()); // in whatever state
    bytes.extend(client.port().to_be_bytes());
    bytes.extend(server.port().to_be_bytes());
    bytes.extend(address(client.ip()));
    bytes.extend(address(server.ip()));
    bytes.extend(0_u32.to_ne_bytes()); // any interface
    bytes.extend([u8::MAX; 8]); // no cookie
    bytes
}

/// Sixteen bytes in network order; IPv4 fills the first four.
fn address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => Ipv6Addr::octets(&ip),
    }
}

/// What a message from the kernel says about the socket asked for; nothing if it answers another question.
fn verdict(message: &[u8], seq: u32, client: SocketAddr, server: SocketAddr) -> Option<Result<u32, Unnamed>> {
    let bytes = |at: usize| message.get(at..);
    let u16_at = |at: usize| bytes(at)?.first_chunk().copied().map(u16::from_ne_bytes);
    let u32_at = |at: usize| bytes(at)?.first_chunk().copied().map(u32::from_ne_bytes);
    let port_at = |at: usize| bytes(at)?.first_chunk().copied().map(u16::from_be_bytes);
    if u32_at(8)? != seq {
        return None;
    }
    match u16_at(4)? {
        ERROR => {
            // `nlmsgerr` begins with a negative errno.
            let errno = Errno::from_raw(u32_at(HEADER)?.cast_signed().wrapping_neg());
            Some(Err(if errno == Errno::ENOENT { Unnamed::NoSuchSocket } else { unanswered(errno) }))
        }
        BY_FAMILY => {
            // `inet_diag_msg`: family, state, timer, retransmissions; the socket's identity (48 bytes); then expires,
            // two queue lengths, uid, inode (4 bytes each).
            let state = *message.get(HEADER + 1)?;
            let ports = (port_at(HEADER + 4)?, port_at(HEADER + 6)?);
            let (uid, inode) = (u32_at(HEADER + 64)?, u32_at(HEADER + 68)?);
            Some(if ports != (client.port(), server.port()) {
                Err(Unnamed::NoSuchSocket)
            } else if state != ESTABLISHED || inode == 0 {
                Err(Unnamed::Closing)
            } else {
                Ok(uid)
            })
        }
        _ => None,
    }
}
