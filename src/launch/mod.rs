//! # launch — from what a task says to what the keeper executes
//!
//! ```text
//! Order ── whom? (users, groups) ── which file? (PATH) ── how? (local file system or not) ──> keeper::Spawn
//! ```
//!
//! Everything here may block on a name service or a dead mount, so it runs off the HTTP thread under time limits.
//! Nothing is opened: the child does that, as the task's user. The one exception is `env_file`, which a child of
//! that user reads for us (see `helper.rs`).
//!
//! **Absent:** policy, records, the decision whether to start at all.

mod environment;
mod helper;
mod program;

pub use environment::Base;
pub use helper::{Helpers, Outcome};

use crate::auth::users::{self, Account};
use crate::keeper::{Cgroup, Rlimit, Spawn, Stdio};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A line for `/bin/sh -c`.
    Shell(String),
    /// A program and its arguments; the program is searched in the job's own `PATH`.
    Argv(Vec<String>),
}

/// One execution, as a room asks for it.
#[derive(Debug, Clone)]
pub struct Order {
    /// The run's number, which is the keeper's slot.
    pub run: u64,
    /// What to run.
    pub command: Command,
    /// As whom: a user by name, else by number.
    pub user: User,
    /// The primary group, by name; none: the user's.
    pub group: Option<String>,
    /// Read by a child of the user before the start; `NAME=value` lines.
    pub env_file: Option<PathBuf>,
    /// What the task adds to the environment.
    pub env: BTreeMap<String, String>,
    /// `HOSTLER_…` variables, and others that the task cannot change.
    pub marks: Vec<(&'static str, String)>,
    /// The working directory; none: the daemon's for its own user, else `/`.
    pub cwd: Option<PathBuf>,
    /// The file mode creation mask.
    pub umask: u32,
    /// Added niceness.
    pub nice: i32,
    /// For the kernel's out-of-memory killer.
    pub oom_score_adj: Option<i32>,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// The cgroup's files and what to write into them, where there are cgroups.
    pub cgroup: Option<Cgroup>,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
    /// For the core that finds the run after a crash.
    pub intent: Vec<u8>,
}

/// As whom a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// A login name, and the number it must still stand for: what is run for a user is run for nobody who has got
    /// his name since.
    Named(String, u32),
    /// A number, which need not have an entry in the user database.
    Number(u32),
}

/// Why nothing was started. The text is for the task's owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such user.
    #[error("user \"{0}\" does not exist")]
    NoUser(String),
    /// The name has been given to somebody else.
    #[error("user \"{name}\" was uid {was} and is uid {is} now")]
    OtherUser {
        /// The login name.
        name: String,
        /// Whom it meant.
        was: u32,
        /// Whom it means.
        is: u32,
    },
    /// No such group.
    #[error("group \"{0}\" does not exist")]
    NoGroup(String),
    /// The user database failed or was too slow.
    #[error("looking up the user: {0}")]
    Users(#[from] users::LookupError),
    /// The program cannot be found or looked up.
    #[error(transparent)]
    Program(#[from] program::NotFound),
    /// The environment file.
    #[error("env_file {}: {why}", path.display())]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        why: String,
    },
}

/// Turns orders into spawn requests. Clones share everything.
#[derive(Clone)]
pub struct Launcher {
    base: Base,
    helpers: Helpers,
    own_uid: u32,
}

impl Launcher {
    /// A launcher whose children get `base` for an environment.
    pub fn new(base: Base, helpers: Helpers) -> Launcher {
        Launcher { base, helpers, own_uid: nix::unistd::geteuid().as_raw() }
    }

    /// Looks everything up.
    ///
    /// # Errors
    /// The user, the group, the program or the environment file cannot be had.
    pub async fn prepare(&self, order: Order) -> Result<Spawn, Refused> {
        let account = account(&order.user).await?;
        let (gid, groups) = match &order.group {
            None => (account.gid, account.groups.clone()),
            Some(name) => {
                let gid = users::group_by_name(name).await?.ok_or_else(|| Refused::NoGroup(name.clone()))?;
                let mut groups = account.groups.clone();
                groups.push(gid);
                (gid, groups)
            }
        };
        let own = account.uid == self.own_uid;
        let cwd = order.cwd.clone().unwrap_or_else(|| if own { self.base.cwd.clone() } else { PathBuf::from("/") });
        let mut env = self.base.of(&account);
        if let Some(path) = &order.env_file {
            env.extend(self.read_env_file(path, &account, &cwd).await?);
        }
        env.extend(order.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        env.extend(order.marks.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));

        let argv = match &order.command {
            Command::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
            Command::Argv(argv) => argv.clone(),
        };
        let path = env.get("PATH").map_or("", String::as_str);
        let found = program::find(argv.first().map_or("", String::as_str), path, &cwd).await?;
        Ok(Spawn {
            slot: order.run,
            program: found.program,
            argv: argv.into_iter().map(OsString::from).collect(),
            env: env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            cwd,
            uid: account.uid,
            gid,
            groups,
            umask: order.umask,
            nice: order.nice,
            oom_score_adj: order.oom_score_adj,
            rlimits: order.rlimits,
            cgroup: order.cgroup,
            stdin: Stdio::Null,
            stdout: order.stdout,
            stderr: order.stderr,
            plain_fork: !found.is_local,
            intent: order.intent,
        })
    }

    /// Runs an order as a helper and waits for its end, at most `limit`.
    ///
    /// # Errors
    /// It cannot be started or takes too long; in words for the task's owner.
    pub async fn run(&self, order: Order, limit: Duration) -> Result<Outcome, String> {
        let spawn = self.prepare(order).await.map_err(|why| why.to_string())?;
        self.helpers.run(spawn, limit).await
    }

    async fn read_env_file(
        &self,
        path: &Path,
        account: &Account,
        cwd: &Path,
    ) -> Result<Vec<(String, String)>, Refused> {
        let fail = |why: String| Refused::EnvFile { path: path.to_owned(), why };
        let text = self.helpers.read_as(path, account, cwd).await.map_err(fail)?;
        environment::parse_file(&text).map_err(fail)
    }
}

/// The user's entry; a number without one still has a home nowhere and only its own group.
async fn account(user: &User) -> Result<Account, Refused> {
    match user {
        User::Named(name, uid) => {
            let account = users::by_name(name).await?.ok_or_else(|| Refused::NoUser(name.clone()))?;
            if account.uid != *uid {
                return Err(Refused::OtherUser { name: name.clone(), was: *uid, is: account.uid });
            }
            Ok(account)
        }
        User::Number(uid) => Ok(users::by_uid(*uid).await?.unwrap_or_else(|| Account {
            uid: *uid,
            gid: *uid,
            groups: vec![*uid],
            name: uid.to_string(),
            home: PathBuf::from("/"),
            shell: PathBuf::from("/bin/sh"),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_counts_only_while_it_means_the_same_user() {
        let root = account(&User::Named("root".into(), 0)).await.unwrap();
        assert_eq!(root.uid, 0);
        let other = account(&User::Named("root".into(), 1_000)).await.unwrap_err();
        assert_eq!(other.to_string(), "user \"root\" was uid 1000 and is uid 0 now");
        let nobody = account(&User::Named("no-such-user".into(), 1)).await.unwrap_err();
        assert_eq!(nobody, Refused::NoUser("no-such-user".into()));
    }
}
