//! The socket on which children say that they are ready, as `sd_notify`(3) does.
//!
//! The kernel tells which process sent a datagram; it counts for the run whose session that process is in, so neither
//! another user nor another task can speak for it.

use super::engine::Message;
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt};
use nix::unistd::{Pid, getsid};
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc::UnboundedSender;

/// The longest datagram that is read; longer ones are cut, and what matters comes first.
const MESSAGE_MAX: usize = 4096;

/// The pause after the socket could not be read.
const AGAIN: Duration = Duration::from_secs(1);

/// See the module's head.
pub(super) struct Notify;

impl Notify {
    /// Binds the socket in place of an earlier core's, and tells the driver the leader of each session that becomes
    /// ready.
    ///
    /// # Errors
    /// The socket cannot be made or bound.
    pub fn listen(path: &Path, driver: UnboundedSender<Message>) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let socket = UnixDatagram::bind(path)?;
        setsockopt(&socket, sockopt::PassCred, &true)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o666))?;
        tokio::spawn(async move {
            loop {
                match socket.async_io(Interest::READABLE, || receive(&socket)).await {
                    Ok(Some(leader)) if driver.send(Message::Ready { leader }).is_err() => return,
                    Ok(_) => {}
                    Err(why) => {
                        tracing::warn!("listening for children that are ready: {why}");
                        tokio::time::sleep(AGAIN).await; // should the kernel be out of memory, say
                    }
                }
            }
        });
        Ok(())
    }
}

/// The leader of the sender's session, when it says that it is ready.
fn receive(socket: &UnixDatagram) -> io::Result<Option<i32>> {
    let mut text = [0; MESSAGE_MAX];
    let mut control = cmsg_space!(UnixCredentials);
    let (length, sender) = {
        let mut pieces = [IoSliceMut::new(&mut text)];
        let message = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut pieces,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT,
        )?;
        // Descriptors that somebody sent along do not fit, which nix reports as an error; the kernel drops them.
        let sender = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.pid()),
                _ => None,
            })
        });
        (message.bytes, sender)
    };
    let says_ready = text[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1");
    // A helper such as systemd-notify may have gone already; then only its own pid is left to go by.
    let leader = sender.map(|pid| getsid(Some(Pid::from_raw(pid))).map_or(pid, Pid::as_raw));
    Ok(leader.filter(|_| says_ready))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{ControlMessage, sendmsg};
    use std::io::IoSlice;
    use std::os::fd::AsFd;
    use tokio::sync::mpsc::unbounded_channel;

    #[tokio::test]
    async fn a_datagram_with_descriptors_deafens_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let (driver, mut heard) = unbounded_channel();
        Notify::listen(&path, driver).unwrap();
        let child = UnixDatagram::unbound().unwrap();
        child.connect(&path).unwrap();
        let rights = [child.as_raw_fd()];
        let text = [IoSlice::new(b"FDSTORE=1")];
        let with = [ControlMessage::ScmRights(&rights)];
        sendmsg::<()>(child.as_fd().as_raw_fd(), &text, &with, MsgFlags::empty(), None).unwrap();
        child.send(b"STATUS=up\nREADY=1").await.unwrap();
        let message = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap();
        let own = getsid(None).unwrap().as_raw();
        assert!(matches!(message, Some(Message::Ready { leader }) if leader == own));
    }
}
