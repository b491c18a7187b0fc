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
use tokio::time::sleep;

/// The longest datagram that is read; longer ones are cut, and what matters comes first.
const MESSAGE_MAX: usize = 4096;
/// How long listening pauses when the kernel has no memory for a message.
const BREATHER: Duration = Duration::from_millis(100);

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
                let message = socket.async_io(Interest::READABLE, || receive(&socket)).await;
                let leader = match message {
                    Ok(Some(leader)) => leader,
                    Ok(None) => continue,
                    Err(why) => {
                        tracing::warn!(%why, "a message to the notification socket could not be read");
                        sleep(BREATHER).await;
                        continue;
                    }
                };
                if driver.send(Message::Ready { leader }).is_err() {
                    return;
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
        // Anybody may send, also descriptors (systemd-notify does, to see that its message was read). There is no
        // room for them, so the kernel closes them, and nix gives nothing of such a message: it does not count.
        let Ok(mut control) = message.cmsgs() else { return Ok(None) };
        let sender = control.find_map(|one| match one {
            ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.pid()),
            _ => None,
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
    use nix::sys::socket::{AddressFamily, ControlMessage, SockFlag, SockType, UnixAddr, sendmsg, socket};
    use std::io::IoSlice;
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_message_with_descriptors_does_not_end_the_listening() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let (driver, mut told) = unbounded_channel();
        Notify::listen(&path, driver).unwrap();

        let client = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::empty(), None).unwrap();
        let (to, rights) = (UnixAddr::new(&path).unwrap(), [client.as_raw_fd()]);
        let send = |text: &[u8], with: &[ControlMessage<'_>]| {
            sendmsg(client.as_raw_fd(), &[IoSlice::new(text)], with, MsgFlags::empty(), Some(&to)).unwrap()
        };
        send(b"BARRIER=1", &[ControlMessage::ScmRights(&rights)]);
        send(b"STATUS=fine\nREADY=1", &[]);
        let message = timeout(Duration::from_secs(10), told.recv()).await.unwrap();
        let own = getsid(None).unwrap().as_raw();
        assert!(matches!(message, Some(Message::Ready { leader }) if leader == own));
    }
}
