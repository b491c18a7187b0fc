//! Users and groups of the host, looked up off the runtime's thread.
//!
//! NSS may ask a directory server that does not answer. So each look-up runs on the blocking pool, is given up after
//! [`LIMIT`], and no more than [`AT_ONCE`] occupy the pool, however many connections wait for one. Entries that were
//! found are believed for [`FRESH`], so that what starts again and again does not read the database each time; that
//! somebody does not exist is never remembered.
//!
//! **Absent:** numbers as names. `"1000"` is a user's name or nobody's.

use crate::base::Known;
use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a look-up may take, waiting for its turn included.
pub const LIMIT: Duration = Duration::from_secs(5);
/// How many look-ups run at once, given-up ones included.
pub const AT_ONCE: usize = 8;
/// For how long an entry is believed.
pub const FRESH: Duration = Duration::from_secs(5);

/// A user of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// All groups, the primary one included, as `initgroups` would set them.
    pub groups: Vec<u32>,
    /// The login name.
    pub name: String,
    /// The home directory.
    pub home: PathBuf,
    /// The login shell.
    pub shell: PathBuf,
}

/// Nothing is known about the user or group, not even that it does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The name service took longer than [`LIMIT`].
    #[error("the host's user database did not answer within {} s", LIMIT.as_secs())]
    Slow,
    /// The name service failed.
    #[error("the host's user database could not be read: {0}")]
    Failed(Errno),
}

/// The user of this name, if there is one.
///
/// # Errors
/// The database failed or was too slow.
pub async fn by_name(name: &str) -> Result<Option<Account>, LookupError> {
    static KNOWN: Known<String, Account> = Known::for_a(FRESH);
    let Some(name) = possible(name) else { return Ok(None) };
    let asked = name.clone();
    KNOWN.or_ask(name, bounded(LIMIT, move || account(absent(User::from_name(&asked))?))).await
}

/// The user of this number, if it has an entry.
///
/// # Errors
/// The database failed or was too slow.
pub async fn by_uid(uid: u32) -> Result<Option<Account>, LookupError> {
    static KNOWN: Known<u32, Account> = Known::for_a(FRESH);
    KNOWN.or_ask(uid, bounded(LIMIT, move || account(absent(User::from_uid(Uid::from_raw(uid)))?))).await
}

/// The number of the group of this name, if there is one.
///
/// # Errors
/// The database failed or was too slow.
pub async fn group_by_name(name: &str) -> Result<Option<u32>, LookupError> {
    static KNOWN: Known<String, u32> = Known::for_a(FRESH);
    let Some(name) = possible(name) else { return Ok(None) };
    let asked = name.clone();
    let ask = bounded(LIMIT, move || Ok(absent(Group::from_name(&asked))?.map(|group| group.gid.as_raw())));
    KNOWN.or_ask(name, ask).await
}

/// A name the database can be asked for; a NUL inside would make the C library see another one.
fn possible(name: &str) -> Option<String> {
    (!name.is_empty() && !name.contains('\0')).then(|| name.to_owned())
}

/// getpwnam(3) lists the errors with which some name services say "no such entry".
fn absent<T>(found: Result<Option<T>, Errno>) -> Result<Option<T>, Errno> {
    match found {
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
        found => found,
    }
}

fn account(user: Option<User>) -> Result<Option<Account>, Errno> {
    let Some(user) = user else { return Ok(None) };
    let name = CString::new(user.name.as_str()).map_err(|_| Errno::EINVAL)?;
    let groups = getgrouplist(&name, user.gid)?;
    Ok(Some(Account {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
        name: user.name,
        home: user.dir,
        shell: user.shell,
    }))
}

/// Runs one look-up on the blocking pool.
async fn bounded<T: Send + 'static>(
    limit: Duration,
    lookup: impl FnOnce() -> Result<T, Errno> + Send + 'static,
) -> Result<T, LookupError> {
    static TURNS: std::sync::LazyLock<Arc<Semaphore>> = std::sync::LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));
    let answer = tokio::time::timeout(limit, async {
        let turn = TURNS.clone().acquire_owned().await.map_err(|_| LookupError::Slow)?;
        let lookup = move || {
            let answer = lookup();
            drop(turn); // only now, also when nobody waits any longer
            answer
        };
        match tokio::task::spawn_blocking(lookup).await {
            Ok(answer) => answer.map_err(LookupError::Failed),
            Err(_) => Err(LookupError::Failed(Errno::ECANCELED)),
        }
    });
    answer.await.unwrap_or(Err(LookupError::Slow))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn root_is_found_by_name_and_by_number() {
        let root = by_name("root").await.unwrap().unwrap();
        assert_eq!((root.uid, root.gid, root.name.as_str()), (0, 0, "root"));
        assert!(root.groups.contains(&0));
        assert_eq!(by_uid(0).await, Ok(Some(root)));
        assert_eq!(group_by_name("root").await, Ok(Some(0)));
    }

    #[tokio::test]
    async fn numbers_and_nonsense_are_nobody() {
        for name in ["", "0", "root\0", "no such user", "../root"] {
            assert_eq!(by_name(name).await, Ok(None), "{name:?}");
            assert_eq!(group_by_name(name).await, Ok(None), "{name:?}");
        }
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_is_given_up() {
        let (release, held) = mpsc::channel::<()>();
        let stuck = bounded(Duration::from_millis(10), move || {
            held.recv().ok(); // until the test is over
            Ok(())
        });
        assert_eq!(stuck.await, Err(LookupError::Slow));
        drop(release);
    }
}
