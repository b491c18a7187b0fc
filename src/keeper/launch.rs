//! From a request to something the kernel can start: texts with a NUL at their end, open files, numbers.
//!
//! All that can fail here fails in the keeper, before a child exists, and is reported with the stage it belongs to.

use crate::keeper::cgroup::Groups;
use crate::keeper::model::{Spawn, Stage, Stdio};
use crate::keeper::sys::{self, Failure, Identity, Launch, Step, Strings};
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;

/// What failed, and errno.
pub type Refused = (Stage, i32);

/// What every child shares.
#[derive(Debug)]
pub struct Common {
    /// `/dev/null`, for reading and writing.
    pub null: File,
    /// The limit on open files that the keeper was started with; its own is raised.
    pub nofile: [u64; 2],
}

/// A child about to be started.
#[derive(Debug)]
pub struct Prepared {
    /// For the kernel.
    pub launch: Launch,
    /// The name of the control group made for it.
    pub group: Option<String>,
    /// Holds open what `launch` names by number.
    _files: Vec<OwnedFd>,
}

/// Prepares a child of a slot. `fds` came along with the request.
///
/// # Errors
/// The stage and errno.
pub fn prepare(spawn: &Spawn, fds: Vec<OwnedFd>, common: &Common, groups: &Groups) -> Result<Prepared, Refused> {
    let own = sys::effective_uid();
    let mut files = Vec::new();
    let stdin = target(&spawn.stdin, None, spawn, &fds, common, &mut files)?;
    let stdout = target(&spawn.stdout, None, spawn, &fds, common, &mut files)?;
    let stderr = target(&spawn.stderr, Some(stdout), spawn, &fds, common, &mut files)?;
    let mut rlimits = vec![(i64::from(libc::RLIMIT_NOFILE), common.nofile)];
    for limit in &spawn.rlimits {
        let unknown = || (Stage::Rlimit(limit.resource.clone()), libc::EINVAL);
        rlimits.push((sys::resource(&limit.resource).ok_or_else(unknown)?, [limit.soft, limit.hard]));
    }
    // An unprivileged keeper can start children of its own user only, and may not even say so to the kernel.
    let same = own != 0 && spawn.uid == own && spawn.gid == nix::unistd::getegid().as_raw();
    let identity = (!same).then(|| Identity { uid: spawn.uid, gid: spawn.gid, groups: spawn.groups.clone() });
    let mut launch = Launch {
        program: text(spawn.program.as_os_str(), "program")?,
        argv: Strings::new(texts(spawn.argv.iter(), "argument")?),
        env: Strings::new(environment(&spawn.env)?),
        cwd: Some(text(spawn.cwd.as_os_str(), "working directory")?),
        identity,
        umask: Some(spawn.umask),
        nice: allowed(own, spawn.nice),
        oom_score_adj: spawn.oom_score_adj.and_then(|score| allowed(own, score)).map(|score| score.to_string()),
        rlimits,
        cgroup: None,
        stdio: [stdin, stdout, stderr],
        extra: None,
        fork: spawn.plain_fork || spawn.uid != own,
    };
    let mut group = None;
    if let Some(cgroup) = &spawn.cgroup {
        let made = groups.create(cgroup, spawn.slot).map_err(|(path, error)| (Stage::Cgroup(path), errno(&error)))?;
        if let Some((name, procs)) = made {
            group = Some(name);
            launch.cgroup = Some(procs.into());
        }
    }
    files.extend(fds);
    Ok(Prepared { launch, group, _files: files })
}

/// A process of hostler itself: the core, or the check of a new binary. It keeps the keeper's user, limits apart,
/// and its output.
///
/// `extra` becomes descriptor 3.
///
/// # Errors
/// A text with a NUL byte.
pub fn own_process(
    program: &Path,
    argv: &[OsString],
    env: Vec<(OsString, OsString)>,
    (extra, fork): (RawFd, bool),
    common: &Common,
) -> Result<Launch, Refused> {
    Ok(Launch {
        program: text(program.as_os_str(), "program")?,
        argv: Strings::new(texts(argv.iter(), "argument")?),
        env: Strings::new(environment(&env)?),
        cwd: None,
        identity: None,
        umask: None,
        nice: None,
        oom_score_adj: None,
        rlimits: Vec::new(), // many connections: it may use the raised limit on open files
        cgroup: None,
        stdio: [common.null.as_raw_fd(), 1, 2],
        extra: Some(extra),
        fork,
    })
}

/// The stage for the step at which the kernel refused.
pub fn stage(failure: Failure, spawn: &Spawn, group: Option<&Path>) -> Refused {
    let stage = match failure.step {
        Step::Fork => Stage::Fork,
        Step::Setsid => Stage::Setsid,
        Step::Cgroup => Stage::Cgroup(group.unwrap_or(Path::new("")).to_owned()),
        Step::OomScore => Stage::OomScore,
        Step::Nice => Stage::Nice,
        Step::Rlimit => {
            // The first is the keeper's own.
            let limit = failure.detail.checked_sub(1).and_then(|index| spawn.rlimits.get(index));
            Stage::Rlimit(limit.map_or("nofile", |limit| &limit.resource).to_owned())
        }
        Step::Groups => Stage::Groups,
        Step::Gid => Stage::Gid,
        Step::Uid => Stage::Uid,
        Step::Chdir => Stage::Chdir(spawn.cwd.clone()),
        Step::Descriptors => Stage::Descriptors,
        Step::Signals => Stage::Signals,
        Step::Exec => Stage::Exec(spawn.program.clone()),
    };
    (stage, failure.errno)
}

/// The same for a process of hostler itself.
pub fn own_stage(failure: Failure, program: &Path) -> Refused {
    let stage = match failure.step {
        Step::Exec => Stage::Exec(program.to_owned()),
        step => Stage::Request(format!("at {step:?}")),
    };
    (stage, failure.errno)
}

fn target(
    stdio: &Stdio,
    stdout: Option<RawFd>,
    spawn: &Spawn,
    fds: &[OwnedFd],
    common: &Common,
    files: &mut Vec<OwnedFd>,
) -> Result<RawFd, Refused> {
    match stdio {
        Stdio::Null => Ok(common.null.as_raw_fd()),
        Stdio::SameAsStdout => {
            stdout.ok_or((Stage::Request("only stderr can be the same as stdout".to_owned()), libc::EINVAL))
        }
        Stdio::Fd(place) => {
            let missing = || (Stage::Request(format!("descriptor {place}")), libc::EBADF);
            Ok(fds.get(*place).ok_or_else(missing)?.as_raw_fd())
        }
        Stdio::Append(path) => {
            let file =
                append(path, spawn.uid, spawn.gid).map_err(|error| (Stage::Open(path.clone()), errno(&error)))?;
            let number = file.as_raw_fd();
            files.push(file.into());
            Ok(number)
        }
    }
}

/// Opens a file for appending; a new one becomes the child's user's.
fn append(path: &Path, uid: u32, gid: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_CLOEXEC);
    // Two tries to make it: between them somebody may remove what the open in the middle should have found.
    for _ in 0..2 {
        match options.clone().create_new(true).open(path) {
            Ok(new) => {
                // Half done would be worse than not: the next open takes what it finds.
                return match give(&new, uid, gid) {
                    Ok(()) => Ok(new),
                    Err(error) => fs::remove_file(path).and(Err(error)),
                };
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        match options.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
    }
    Err(ErrorKind::NotFound.into())
}

/// A priority for the child of a keeper that runs as `own`. Zero is the usual one, and a keeper without privileges
/// cannot set it where its own is worse (that of a user's service manager is): its children then have its own.
fn allowed(own: u32, priority: i32) -> Option<i32> {
    (own == 0 || priority != 0).then_some(priority)
}

fn give(file: &File, uid: u32, gid: u32) -> io::Result<()> {
    if uid == sys::effective_uid() { Ok(()) } else { fchown(file, Some(uid), Some(gid)) }
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EINVAL)
}

fn text(text: &OsStr, what: &str) -> Result<CString, Refused> {
    CString::new(text.as_bytes()).map_err(|_| (Stage::Request(format!("NUL byte in the {what}")), libc::EINVAL))
}

fn texts<'a>(all: impl Iterator<Item = &'a OsString>, what: &str) -> Result<Vec<CString>, Refused> {
    all.map(|one| text(one, what)).collect()
}

/// `NAME=value` texts.
///
/// # Errors
/// A NUL byte, or a name with `=` in it.
pub fn environment(env: &[(OsString, OsString)]) -> Result<Vec<CString>, Refused> {
    let entry = |(name, value): &(OsString, OsString)| {
        if name.is_empty() || name.as_bytes().contains(&b'=') {
            let what = format!("environment name {:?}", name.to_string_lossy());
            return Err((Stage::Request(what), libc::EINVAL));
        }
        let mut entry = name.as_bytes().to_vec();
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        text(&OsString::from_vec(entry), "environment")
    };
    env.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_sets_the_usual_priority() {
        assert_eq!([allowed(0, 0), allowed(0, -5), allowed(1000, 5)], [Some(0), Some(-5), Some(5)]);
        assert_eq!(allowed(1000, 0), None);
    }
}
