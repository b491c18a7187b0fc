//! What the frames between keeper and core mean, byte for byte.
//!
//! Integers are little-endian; a text, path or list is its length as u32 and its items; an option is a byte 0 or 1
//! and the value; an enum is a byte and its fields; a duration is its nanoseconds as u64. A message ends where its
//! last field ends: bytes left over are an error, so that a change of shape without a change of [`VERSION`] shows.
//!
//! A connection begins with the core's [`Ask::Hello`], which names the versions it speaks; the keeper answers with
//! [`Tell::Welcome`] in the newest it speaks itself, or hangs up.
//!
//! **Absent:** sockets, descriptors (only their names: a message says how many it takes, `frames` carries them).

use crate::keeper::model::*;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

/// The version of the messages that this program speaks.
pub const VERSION: u16 = 1;
/// The oldest version that it still understands.
pub const OLDEST: u16 = 1;

/// Bytes that are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end inside a field.
    #[error("message is cut short")]
    Short,
    /// Bytes are left after the last field.
    #[error("bytes after the end of the message")]
    Trailing,
    /// A value that its field cannot have.
    #[error("impossible value for {0}")]
    Value(&'static str),
    /// A kind of message that this version does not know.
    #[error("unknown message kind {0}")]
    Kind(u8),
}

/// From the core to the keeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// First of all.
    Hello {
        /// The oldest version the core understands.
        oldest: u16,
        /// The newest.
        newest: u16,
        /// What it wants.
        hello: Hello,
    },
    /// The core serves: should it die now, it is replaced at once.
    Ready,
    /// The answer to a ping.
    Pong,
    /// Start a child; takes as many descriptors as its [`Stdio::Fd`]s name.
    Spawn(Box<Spawn>),
    /// Send a signal.
    Signal {
        /// To the child in this slot,
        slot: u64,
        /// this number,
        signal: i32,
        /// or to more.
        scope: Scope,
    },
    /// These exits are written down.
    Acknowledge(Vec<u64>),
    /// End what an earlier keeper left.
    EndLeftover(Leftover),
    /// Keep this listening socket; takes one descriptor.
    HoldListener(String),
    /// Forget a listening socket.
    DropListener(String),
    /// A text for the service manager, as of `sd_notify(3)`.
    Notify(String),
    /// Become a new binary; none: the one at the path the daemon was started by.
    Upgrade(Option<PathBuf>),
    /// Everything is stopped: end with this code.
    Done(i32),
}

/// From the keeper to the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tell {
    /// Everything that is held; takes as many descriptors as `listeners` has names.
    Welcome {
        /// The version of all that follows.
        version: u16,
        /// Every slot.
        held: Vec<Held>,
        /// Every listening socket.
        listeners: Vec<String>,
        /// Whether a stop is under way.
        stopping: Stopping,
        /// What control groups can do here.
        cgroup: CgroupFacts,
    },
    /// Are you there?
    Ping,
    /// What happened.
    News(News),
}

/// A value that can cross the socket.
pub(super) trait Wire: Sized {
    fn put(&self, to: &mut Vec<u8>);
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// The rest of a message.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        u8::take(self)
    }
}

/// Encodes one value.
pub(super) fn encode<T: Wire>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.put(&mut bytes);
    bytes
}

/// Decodes one value that is all of `bytes`.
pub(super) fn decode<T: Wire>(bytes: &[u8]) -> Result<T, Malformed> {
    let mut reader = Reader(bytes);
    let value = T::take(&mut reader)?;
    if reader.0.is_empty() { Ok(value) } else { Err(Malformed::Trailing) }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Wire for $integer {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                let bytes = from.bytes(size_of::<$integer>())?;
                Ok(<$integer>::from_le_bytes(bytes.try_into().map_err(|_| Malformed::Short)?))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i32);

/// A struct is its fields in the order given here, which is the order on the wire.
macro_rules! fields {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::keeper::wire::Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $($crate::keeper::wire::Wire::put(&self.$field, to);)*
            }
            fn take(from: &mut $crate::keeper::wire::Reader<'_>) -> Result<Self, $crate::keeper::wire::Malformed> {
                Ok($name { $($field: $crate::keeper::wire::Wire::take(from)?),* })
            }
        }
    };
}
pub(super) use fields;

impl Wire for bool {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::Value("bool")),
        }
    }
}

impl Wire for usize {
    fn put(&self, to: &mut Vec<u8>) {
        (*self as u64).put(to);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        usize::try_from(u64::take(from)?).map_err(|_| Malformed::Value("size"))
    }
}

fn put_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    // A message is far below 4 GiB (frames::PAYLOAD_MAX), so no length is ever cut.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).put(to);
    to.extend_from_slice(bytes);
}

fn take_bytes<'a>(from: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let length = u32::take(from)? as usize;
    from.bytes(length)
}

impl Wire for String {
    fn put(&self, to: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), to);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        String::from_utf8(take_bytes(from)?.to_vec()).map_err(|_| Malformed::Value("text"))
    }
}

impl Wire for OsString {
    fn put(&self, to: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), to);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(OsString::from_vec(take_bytes(from)?.to_vec()))
    }
}

impl Wire for PathBuf {
    fn put(&self, to: &mut Vec<u8>) {
        put_bytes(self.as_os_str().as_bytes(), to);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        OsString::take(from).map(PathBuf::from)
    }
}

impl Wire for Duration {
    fn put(&self, to: &mut Vec<u8>) {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX).put(to);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        u64::take(from).map(Duration::from_nanos)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).put(to);
        self.iter().for_each(|item| item.put(to));
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = u32::take(from)? as usize;
        // A lying count must not reserve memory: every item has at least one byte.
        let mut items = Vec::with_capacity(count.min(from.0.len() / size_of::<T>().max(1)));
        for _ in 0..count {
            items.push(T::take(from)?);
        }
        Ok(items)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        if bool::take(from)? { T::take(from).map(Some) } else { Ok(None) }
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((A::take(from)?, B::take(from)?))
    }
}

fields!(Spawn {
    slot,
    program,
    argv,
    env,
    cwd,
    uid,
    gid,
    groups,
    umask,
    nice,
    oom_score_adj,
    rlimits,
    cgroup,
    stdin,
    stdout,
    stderr,
    plain_fork,
    intent,
});
fields!(Rlimit { resource, soft, hard });
fields!(Cgroup { name, limits });
fields!(Rusage { user, system, max_rss_kib, minor_faults, major_faults, in_blocks, out_blocks });
fields!(Leftover { slot, pid, start_ticks, signal, grace, cgroup });
fields!(Held { slot, pid, start_ticks, intent, state, tree_empty });
fields!(CgroupFacts { root, controllers, remark });
fields!(Hello { max_slots, cgroup_root });

/// An enum is a byte, then the fields of that variant in the order given here.
macro_rules! variants {
    ($name:ident { $($tag:literal => $variant:ident $({ $($field:ident),* })? $(($inner:ident))?),* $(,)? }) => {
        impl $crate::keeper::wire::Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                match self {
                    $($name::$variant $({ $($field),* })? $(($inner))? => {
                        to.push($tag);
                        $($($crate::keeper::wire::Wire::put($field, to);)*)?
                        $($crate::keeper::wire::Wire::put($inner, to);)?
                    })*
                }
            }
            fn take(from: &mut $crate::keeper::wire::Reader<'_>) -> Result<Self, $crate::keeper::wire::Malformed> {
                match <u8 as $crate::keeper::wire::Wire>::take(from)? {
                    $($tag => {
                        $($(let $field = $crate::keeper::wire::Wire::take(from)?;)*)?
                        $(let $inner = $crate::keeper::wire::Wire::take(from)?;)?
                        Ok($name::$variant $({ $($field),* })? $(($inner))?)
                    })*
                    _ => Err($crate::keeper::wire::Malformed::Value(stringify!($name))),
                }
            }
        }
    };
}
pub(super) use variants;

variants!(Stdio { 0 => Null, 1 => Append(path), 2 => SameAsStdout, 3 => Fd(place) });
variants!(Status { 0 => Code(code), 1 => Signal { signal, core_dumped } });
variants!(Scope { 0 => Leader, 1 => Group, 2 => Tree });
variants!(Stopping { 0 => No, 1 => Yes, 2 => Now });
variants!(HeldState { 0 => Starting, 1 => Live, 2 => Exited { seq, status, rusage, ended, oom, acknowledged } });
variants!(Stage {
    0 => Request(what), 1 => Slot, 2 => Open(path), 3 => Cgroup(path), 4 => Fork, 5 => Setsid, 6 => OomScore,
    7 => Nice, 8 => Rlimit(resource), 9 => Groups, 10 => Gid, 11 => Uid, 12 => Chdir(path), 13 => Descriptors,
    14 => Signals, 15 => Exec(path),
});
variants!(News {
    0 => Spawned { slot, pid, start_ticks },
    1 => Failed { slot, stage, errno },
    2 => Exited { seq, slot, status, rusage, ended, oom, tree_empty },
    3 => TreeEmpty { slot },
    4 => Stray { pid, session, command },
    5 => LeftoverGone { slot },
    6 => Stop,
    7 => StopNow,
    8 => Reloaded,
    9 => UpgradeRefused { reason },
});

impl<T: Wire> Wire for Box<T> {
    fn put(&self, to: &mut Vec<u8>) {
        T::put(self, to);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        T::take(from).map(Box::new)
    }
}

variants!(Ask {
    1 => Hello { oldest, newest, hello },
    2 => Ready,
    3 => Pong,
    4 => Spawn(spawn),
    5 => Signal { slot, signal, scope },
    6 => Acknowledge(seqs),
    7 => EndLeftover(leftover),
    8 => HoldListener(name),
    9 => DropListener(name),
    10 => Notify(state),
    11 => Upgrade(binary),
    12 => Done(code),
});
variants!(Tell {
    64 => Welcome { version, held, listeners, stopping, cgroup },
    65 => Ping,
    66 => News(news),
});

/// Splits a message into the kind that its frame shows and the payload.
fn split<T: Wire>(message: &T) -> (u8, Vec<u8>) {
    let mut payload = encode(message);
    let kind = if payload.is_empty() { 0 } else { payload.remove(0) };
    (kind, payload)
}

/// Puts kind and payload together again.
fn join<T: Wire>(kind: u8, payload: &[u8]) -> Result<T, Malformed> {
    let mut bytes = Vec::with_capacity(payload.len() + 1);
    bytes.push(kind);
    bytes.extend_from_slice(payload);
    decode(&bytes)
}

impl Ask {
    /// The frame's kind and payload.
    pub fn encode(&self) -> (u8, Vec<u8>) {
        split(self)
    }

    /// # Errors
    /// The bytes are no such message.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Ask, Malformed> {
        if (1..=12).contains(&kind) { join(kind, payload) } else { Err(Malformed::Kind(kind)) }
    }
}

impl Tell {
    /// The frame's kind and payload.
    pub fn encode(&self) -> (u8, Vec<u8>) {
        split(self)
    }

    /// # Errors
    /// The bytes are no such message.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Tell, Malformed> {
        if (64..=66).contains(&kind) { join(kind, payload) } else { Err(Malformed::Kind(kind)) }
    }
}
