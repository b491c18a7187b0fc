//! The core's end of the socket to the keeper.
//!
//! [`Link::connect`] says hello, hears what is held, and starts one task that carries frames both ways. The task
//! lives on the core's own runtime and answers the keeper's pings from there: a runtime that is stuck answers none,
//! and the keeper replaces the core. Asking never waits; what comes of it is [`News`], sorted by owner.
//!
//! Exits are delivered again, in [`Welcome`], until acknowledged; whoever hears one must be ready to have heard it
//! before. Other news is sent once: a new core learns the present state from its welcome instead.
//!
//! **Absent:** decisions, records, retries. When the socket closes the keeper is gone; [`Link::closed`] says so, and
//! the core ends.

use crate::keeper::frames::{Frame, FrameError, Inbox, Outbox};
use crate::keeper::model::*;
use crate::keeper::notify::SOCKET;
use crate::keeper::sys;
use crate::keeper::wire::{Ask, Malformed, OLDEST, Tell, VERSION};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::Interest;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;

/// The room that asked for a child. It is stored in front of the intent, so that news finds the room also after a
/// restart of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(pub u8);

impl Owner {
    /// The daemon itself: stop, reload, strays.
    pub const DAEMON: Owner = Owner(0);
    /// Supervised processes.
    pub const PROC: Owner = Owner(1);
    /// DAG runs.
    pub const DAG: Owner = Owner(2);
    /// Probes.
    pub const PROBE: Owner = Owner(3);
}

/// The core's end of the socket, as the keeper has passed it. At most one call in the life of a program; none: this
/// process was not started by a keeper.
pub fn socket_from_env() -> Option<OwnedFd> {
    let number = std::env::var(SOCKET).ok()?.parse().ok()?;
    sys::inherited(number)
}

/// Why the core has no keeper to talk to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The socket failed or closed.
    #[error("the keeper's socket")]
    Socket(#[from] FrameError),
    /// The socket could not be registered with the runtime.
    #[error("the keeper's socket")]
    Register(#[from] io::Error),
    /// The keeper's answer is not a message.
    #[error("the keeper's answer")]
    Malformed(#[from] Malformed),
    /// The keeper speaks a version this core does not know.
    #[error("the keeper speaks version {0}, this core {OLDEST} to {VERSION}")]
    Version(u16),
    /// Something other than a welcome came first.
    #[error("the keeper did not begin with a welcome")]
    NotWelcome,
}

/// What the keeper held when the core connected.
#[derive(Debug)]
pub struct Welcome {
    held: Vec<Held>,
    /// Listening sockets by name: those an earlier core gave, and those of socket activation, which are called
    /// `systemd:<name>:<number>`.
    pub listeners: Vec<(String, OwnedFd)>,
    /// A stop is under way: [`News::Stop`] is not sent again.
    pub stopping: Stopping,
    /// What control groups can do here.
    pub cgroup: CgroupFacts,
}

impl Welcome {
    /// The slots of one room, with the intents as the room gave them.
    pub fn held_by(&self, owner: Owner) -> Vec<Held> {
        let own = self.held.iter().filter(|held| held.intent.first() == Some(&owner.0));
        own.map(|held| Held { intent: held.intent.get(1..).unwrap_or_default().to_vec(), ..held.clone() }).collect()
    }

    /// The highest slot number in use; new ones must be above.
    pub fn highest_slot(&self) -> Option<u64> {
        self.held.iter().map(|held| held.slot).max()
    }
}

/// The keeper, to ask things of. Clones are the same link. Once it is closed, asking does nothing.
#[derive(Debug, Clone)]
pub struct Link {
    asks: UnboundedSender<Outgoing>,
    desk: Arc<Mutex<Desk>>,
    closed: watch::Receiver<bool>,
}

type Outgoing = (Ask, Vec<OwnedFd>);

/// Sorts news by owner.
#[derive(Debug, Default)]
struct Desk {
    owners: HashMap<u64, Owner>,
    /// Exits told but not acknowledged: their slot, and whether its tree was empty.
    exits: HashMap<u64, (u64, bool)>,
    inboxes: HashMap<Owner, Inlet>,
    closed: bool,
}

/// The two ends of one owner's news; the receiving end waits here until the owner subscribes.
type Inlet = (UnboundedSender<News>, Option<UnboundedReceiver<News>>);

impl Link {
    /// Says hello over `socket` (descriptor `HOSTLER_KEEPER_FD`), waits for the welcome and starts the carrier on the
    /// current runtime.
    ///
    /// # Errors
    /// The keeper is gone or is no keeper.
    pub async fn connect(socket: OwnedFd, hello: Hello) -> Result<(Link, Welcome), ConnectError> {
        let socket = UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        let socket = tokio::net::UnixStream::from_std(socket)?;
        let mut carrier = Carrier { socket, inbox: Inbox::default(), outbox: Outbox::default() };
        carrier.queue(Ask::Hello { oldest: OLDEST, newest: VERSION, hello }, Vec::new())?;
        let first = carrier.exchange_until_frame().await?;
        let Tell::Welcome { version, held, listeners, stopping, cgroup } = Tell::decode(first.kind, &first.payload)?
        else {
            return Err(ConnectError::NotWelcome);
        };
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(ConnectError::Version(version));
        }
        let (link, asks, closed) = Link::new();
        {
            let mut desk = link.desk();
            for held in &held {
                desk.remember_held(held);
            }
        }
        tokio::spawn(carrier.carry(link.desk.clone(), asks, closed));
        let listeners = listeners.into_iter().zip(first.fds).collect();
        Ok((link, Welcome { held, listeners, stopping, cgroup }))
    }

    /// A link to no keeper but the test that holds the twin.
    pub fn scripted() -> (Link, Twin) {
        let (link, asks, closed) = Link::new();
        (link.clone(), Twin { link, asks, _closed: closed })
    }

    fn new() -> (Link, UnboundedReceiver<Outgoing>, watch::Sender<bool>) {
        let (asks, outgoing) = mpsc::unbounded_channel();
        let (closing, closed) = watch::channel(false);
        (Link { asks, desk: Arc::default(), closed }, outgoing, closing)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, ask: Ask, fds: Vec<OwnedFd>) {
        // A closed link has nobody to ask; whoever waits for the answer learns it from `closed`.
        let _ = self.asks.send((ask, fds));
    }

    /// The news of one owner's slots, from now on and what came before the first call. Stop, upgrades and strays go
    /// to [`Owner::DAEMON`]. A second call for the same owner takes over. The stream ends when the link closes.
    pub fn subscribe(&self, owner: Owner) -> UnboundedReceiver<News> {
        let mut desk = self.desk();
        if let Some(receiver) = desk.inbox(owner).1.take() {
            return receiver;
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        if !desk.closed {
            desk.inboxes.insert(owner, (sender, None));
        }
        receiver
    }

    /// Starts a child. [`News::Spawned`] or [`News::Failed`] follows.
    pub fn spawn(&self, owner: Owner, spawn: Spawn) {
        self.spawn_with(owner, spawn, Vec::new());
    }

    /// The same, with the descriptors that its [`Stdio::Fd`]s name.
    pub fn spawn_with(&self, owner: Owner, mut spawn: Spawn, fds: Vec<OwnedFd>) {
        spawn.intent.insert(0, owner.0);
        self.desk().owners.insert(spawn.slot, owner);
        self.ask(Ask::Spawn(Box::new(spawn)), fds);
    }

    /// Sends a signal. Nothing comes back; a child that ends because of it says so.
    pub fn signal(&self, slot: u64, signal: i32, scope: Scope) {
        self.ask(Ask::Signal { slot, signal, scope }, Vec::new());
    }

    /// These exits are durable: the keeper forgets each, in any order.
    pub fn acknowledge(&self, seqs: impl IntoIterator<Item = u64>) {
        let seqs: Vec<u64> = seqs.into_iter().collect();
        if seqs.is_empty() {
            return;
        }
        let mut desk = self.desk();
        for seq in &seqs {
            if let Some((slot, true)) = desk.exits.remove(seq) {
                desk.owners.remove(&slot);
            }
        }
        drop(desk);
        self.ask(Ask::Acknowledge(seqs), Vec::new());
    }

    /// Ends what an earlier keeper of this boot left. [`News::LeftoverGone`] follows, to *every* owner, since the
    /// keeper does not know whose it was.
    pub fn end_leftover(&self, leftover: Leftover) {
        self.ask(Ask::EndLeftover(leftover), Vec::new());
    }

    /// Gives the keeper a copy of a listening socket, for the next core. The same name replaces.
    ///
    /// # Errors
    /// No descriptor is left to copy to.
    pub fn hold_listener(&self, name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
        let copy = fd.try_clone_to_owned()?;
        self.ask(Ask::HoldListener(name.to_owned()), vec![copy]);
        Ok(())
    }

    /// The keeper forgets a listening socket.
    pub fn drop_listener(&self, name: &str) {
        self.ask(Ask::DropListener(name.to_owned()), Vec::new());
    }

    /// The core serves: should it die from now on, the keeper replaces it without a pause.
    pub fn ready(&self) {
        self.ask(Ask::Ready, Vec::new());
    }

    /// Tells the service manager something (`READY=1`, `STATUS=…`), as of `sd_notify(3)`.
    pub fn notify(&self, state: &str) {
        self.ask(Ask::Notify(state.to_owned()), Vec::new());
    }

    /// Replaces the keeper, then the core, by a new binary; none: the one at the path the daemon was started by.
    /// Success shows as the end of this core; [`News::UpgradeRefused`] follows otherwise.
    pub fn upgrade(&self, binary: Option<PathBuf>) {
        self.ask(Ask::Upgrade(binary), Vec::new());
    }

    /// Everything is stopped: the keeper closes the link and, once this core has ended, ends with `exit_code`.
    pub fn done(&self, exit_code: i32) {
        self.ask(Ask::Done(exit_code), Vec::new());
    }

    /// Returns when the keeper is gone or has hung up: the core's time is over.
    pub async fn closed(&self) {
        let mut closed = self.closed.clone();
        // An error means that the carrier itself is gone, which is the same.
        let _ = closed.wait_for(|closed| *closed).await;
    }
}

impl Desk {
    fn inbox(&mut self, owner: Owner) -> &mut Inlet {
        let closed = self.closed;
        self.inboxes.entry(owner).or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            // A stream that begins after the end ends at once.
            (if closed { mpsc::unbounded_channel().0 } else { sender }, Some(receiver))
        })
    }

    fn remember_held(&mut self, held: &Held) {
        if let Some(owner) = held.intent.first() {
            self.owners.insert(held.slot, Owner(*owner));
        }
        if let HeldState::Exited { seq, .. } = held.state {
            self.exits.insert(seq, (held.slot, held.tree_empty));
        }
    }

    fn deliver(&mut self, news: News) {
        let Some(slot) = news.slot() else { return self.post(Owner::DAEMON, news) };
        let owner = self.owners.get(&slot).copied();
        match &news {
            News::LeftoverGone { .. } => {
                for (sender, _) in self.inboxes.values() {
                    // An owner that stopped listening misses nothing it wants.
                    let _ = sender.send(news.clone());
                }
                return;
            }
            News::Failed { .. } => {
                self.owners.remove(&slot);
            }
            News::Exited { seq, tree_empty, .. } => {
                self.exits.insert(*seq, (slot, *tree_empty));
            }
            News::TreeEmpty { .. } => {
                let unheard = self.exits.values_mut().find(|(exited, _)| *exited == slot);
                match unheard {
                    Some((_, tree_empty)) => *tree_empty = true,
                    None => drop(self.owners.remove(&slot)),
                }
            }
            News::Spawned { .. }
            | News::Stray { .. }
            | News::Stop
            | News::StopNow
            | News::Reloaded
            | News::UpgradeRefused { .. } => {}
        }
        match owner {
            Some(owner) => self.post(owner, news),
            None => tracing::warn!(slot, ?news, "news of a slot that no room asked for"),
        }
    }

    fn post(&mut self, owner: Owner, news: News) {
        let (sender, _) = self.inbox(owner);
        let _ = sender.send(news); // as above
    }

    /// Ends every stream of news.
    fn close(&mut self) {
        self.closed = true;
        // Dropping the senders ends the streams; owners that have not subscribed yet find theirs ended.
        for (sender, _) in self.inboxes.values_mut() {
            *sender = mpsc::unbounded_channel().0;
        }
    }
}

/// The task that owns the socket.
struct Carrier {
    socket: tokio::net::UnixStream,
    inbox: Inbox,
    outbox: Outbox,
}

impl Carrier {
    fn queue(&mut self, ask: Ask, fds: Vec<OwnedFd>) -> Result<(), FrameError> {
        let (kind, payload) = ask.encode();
        Ok(self.outbox.push(Frame { kind, payload, fds })?)
    }

    /// Waits until the socket has something to read or takes what is queued, and does that.
    async fn exchange(&mut self) -> Result<(), FrameError> {
        let mut interest = Interest::READABLE;
        if !self.outbox.is_empty() {
            interest |= Interest::WRITABLE;
        }
        let ready = self.socket.ready(interest).await?;
        if ready.is_writable() {
            let (socket, outbox) = (&self.socket, &mut self.outbox);
            attempt(socket, Interest::WRITABLE, || outbox.flush(socket.as_fd()).map(|()| outbox.is_empty()))?;
        }
        if ready.is_readable() {
            let (socket, inbox) = (&self.socket, &mut self.inbox);
            attempt(socket, Interest::READABLE, || inbox.fill(socket.as_fd()))?;
        }
        Ok(())
    }

    async fn exchange_until_frame(&mut self) -> Result<Frame, FrameError> {
        loop {
            if let Some(frame) = self.inbox.take()? {
                return Ok(frame);
            }
            self.exchange().await?;
        }
    }

    async fn carry(
        mut self,
        desk: Arc<Mutex<Desk>>,
        mut asks: UnboundedReceiver<Outgoing>,
        closing: watch::Sender<bool>,
    ) {
        let end = loop {
            tokio::select! {
                biased; // what the rooms wish goes out first: it is cheap, and news can only make more of it
                Some((ask, fds)) = asks.recv() => {
                    let mut queued = self.queue(ask, fds);
                    while let (Ok(()), Ok((ask, fds))) = (&queued, asks.try_recv()) {
                        queued = self.queue(ask, fds);
                    }
                    if let Err(error) = queued.and_then(|()| self.outbox.flush(self.socket.as_fd())) {
                        break error;
                    }
                }
                exchanged = self.exchange() => {
                    if let Err(error) = exchanged.and_then(|()| self.deliver(&desk)) {
                        break error;
                    }
                }
            }
        };
        match end {
            FrameError::Closed => tracing::debug!("the keeper has hung up"),
            error => tracing::error!(%error, "the keeper's socket cannot be used any more"),
        }
        desk.lock().unwrap_or_else(PoisonError::into_inner).close();
        closing.send_replace(true);
    }

    /// Hands on every frame that has come in whole.
    fn deliver(&mut self, desk: &Mutex<Desk>) -> Result<(), FrameError> {
        while let Some(frame) = self.inbox.take()? {
            match Tell::decode(frame.kind, &frame.payload) {
                Ok(Tell::Ping) => self.queue(Ask::Pong, Vec::new())?,
                Ok(Tell::News(news)) => desk.lock().unwrap_or_else(PoisonError::into_inner).deliver(news),
                Ok(Tell::Welcome { .. }) => return Err(FrameError::Bad("a second welcome")),
                Err(error) => {
                    tracing::error!(%error, kind = frame.kind, "unreadable message from the keeper");
                    return Err(FrameError::Bad("message"));
                }
            }
        }
        self.outbox.flush(self.socket.as_fd())
    }
}

/// Lets the runtime know when `step` answers that the socket would have to be waited for (false).
fn attempt(
    socket: &tokio::net::UnixStream,
    interest: Interest,
    step: impl FnOnce() -> Result<bool, FrameError>,
) -> Result<(), FrameError> {
    let tried = socket.try_io(interest, || match step() {
        Ok(false) => Err(io::ErrorKind::WouldBlock.into()),
        Ok(true) => Ok(Ok(())),
        Err(error) => Ok(Err(error)),
    });
    tried.unwrap_or(Ok(()))
}

/// The keeper's part, played by a test: hears what is asked and tells what it likes.
#[derive(Debug)]
pub struct Twin {
    link: Link,
    asks: UnboundedReceiver<Outgoing>,
    /// Dropping it closes the link.
    _closed: watch::Sender<bool>,
}

impl Twin {
    /// The next thing asked. Pends for ever when nothing more is asked.
    pub async fn asked(&mut self) -> Ask {
        match self.asks.recv().await {
            Some((ask, _)) => ask,
            None => std::future::pending().await, // never: the twin holds a link itself
        }
    }

    /// The next thing asked, if it was asked already.
    pub fn asked_already(&mut self) -> Option<Ask> {
        self.asks.try_recv().ok().map(|(ask, _)| ask)
    }

    /// Tells the news.
    pub fn tell(&self, news: News) {
        self.link.desk().deliver(news);
    }

    /// What a new core would be welcomed with; its rooms' news will find them.
    pub fn welcome(&self, held: Vec<(Owner, Held)>) -> Welcome {
        let held: Vec<Held> = held
            .into_iter()
            .map(|(owner, mut held)| {
                held.intent.insert(0, owner.0);
                self.link.desk().remember_held(&held);
                held
            })
            .collect();
        Welcome { held, listeners: Vec::new(), stopping: Stopping::No, cgroup: CgroupFacts::default() }
    }
}
