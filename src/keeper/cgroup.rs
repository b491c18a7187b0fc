//! Control groups, version 2: one per child below a directory that is ours.
//!
//! A directory is ours when it is marked as delegated (systemd's xattrs), belongs to the unprivileged user we run
//! as, is the root of a cgroup namespace, or was configured. Processes may live only in leaves, so the keeper first
//! moves itself and the core into [`OWN_GROUP`], then enables what controllers it can. Strangers in its directory (a
//! shell it was started from) stay where they are; they only keep controllers from being enabled.
//!
//! **Absent:** version 1. Where it owns the controllers the children get groups without limits, which is enough to
//! find and kill them.

use crate::keeper::model::{Cgroup, CgroupFacts, OWN_GROUP};
use crate::keeper::sys;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Controllers that limits are known for.
const CONTROLLERS: [&str; 4] = ["memory", "cpu", "pids", "io"];

/// What is known and wished about control groups.
#[derive(Debug, Default)]
pub struct Groups {
    /// The configured root that the facts are for; the outer none: nothing was set up yet.
    pub(super) wish: Option<Option<PathBuf>>,
    /// What came of it.
    pub(super) facts: CgroupFacts,
}

impl Groups {
    /// Finds and prepares the root, unless that was done for this wish or children still live below another.
    /// `own` are the processes to move into a leaf. Answers what to log.
    pub fn set_up(&mut self, wish: Option<PathBuf>, in_use: bool, own: &[i32]) -> Option<String> {
        if self.wish.as_ref() == Some(&wish) || (self.wish.is_some() && in_use) {
            return None;
        }
        self.facts = match find_root(wish.as_deref()).and_then(|(root, leaf)| prepare(root, leaf, own)) {
            Ok(facts) => facts,
            Err(remark) => CgroupFacts { root: None, controllers: Vec::new(), remark },
        };
        self.wish = Some(wish);
        Some(format!("control groups: {}", self.facts.remark))
    }

    /// What can be done here.
    pub fn facts(&self) -> &CgroupFacts {
        &self.facts
    }

    /// The directory of a group.
    pub fn path(&self, group: &str) -> Option<PathBuf> {
        Some(self.facts.root.as_ref()?.join(group))
    }

    /// Makes the group for a child; answers its name and where the child writes itself into it. None: no groups
    /// here.
    ///
    /// # Errors
    /// The file or directory, and the reason.
    pub fn create(&self, cgroup: &Cgroup, slot: u64) -> Result<Option<(String, File)>, (PathBuf, io::Error)> {
        let Some(root) = &self.facts.root else { return Ok(None) };
        let Some(group) = Cgroup::directory(&cgroup.name, slot) else {
            return Err((root.join(&cgroup.name), ErrorKind::InvalidInput.into()));
        };
        let path = root.join(&group);
        match fs::create_dir(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err((path, error)),
            Ok(()) | Err(_) => {}
        }
        match fill_in(&path, &cgroup.limits) {
            Ok(procs) => Ok(Some((group, procs))),
            Err(failed) => {
                self.remove(&group);
                Err(failed)
            }
        }
    }

    /// The pids in the group and the groups below it.
    pub fn members(&self, group: &str) -> Vec<i32> {
        let mut pids = Vec::new();
        let mut next: Vec<PathBuf> = self.path(group).into_iter().collect();
        while let Some(path) = next.pop() {
            let procs = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
            pids.extend(procs.lines().filter_map(|line| line.parse::<i32>().ok()));
            next.extend(directories(&path));
        }
        pids
    }

    /// Sends SIGKILL to all members at once, also to those being forked. False: this kernel (before 5.14) cannot.
    pub fn kill(&self, group: &str) -> bool {
        self.path(group).is_some_and(|path| fs::write(path.join("cgroup.kill"), "1").is_ok())
    }

    /// Whether any process is left.
    pub fn populated(&self, group: &str) -> bool {
        self.watch(group).is_ok_and(|mut events| populated(&mut events))
    }

    /// Whether the kernel has killed a member for want of memory.
    pub fn oom(&self, group: &str) -> bool {
        let events = self.path(group).map(|path| fs::read_to_string(path.join("memory.events")));
        let events = events.and_then(Result::ok).unwrap_or_default();
        events.lines().filter_map(|line| line.strip_prefix("oom_kill ")).any(|count| count.trim() != "0")
    }

    /// The file to poll for POLLPRI: [`populated`] may then answer otherwise.
    ///
    /// # Errors
    /// The group is gone.
    pub fn watch(&self, group: &str) -> io::Result<File> {
        let path = self.path(group).ok_or(ErrorKind::NotFound)?;
        File::open(path.join("cgroup.events"))
    }

    /// Removes the group and those below it, as far as they are empty.
    pub fn remove(&self, group: &str) {
        let mut found: Vec<PathBuf> = self.path(group).into_iter().collect();
        let mut looked = 0;
        while let Some(path) = found.get(looked) {
            let below = directories(path);
            found.extend(below);
            looked += 1;
        }
        for path in found.into_iter().rev() {
            // What is not empty stays, and is tried again when a keeper starts.
            let _ = fs::remove_dir(path);
        }
    }
}

/// Reads a `cgroup.events` file from its start.
pub fn populated(events: &mut File) -> bool {
    let mut text = String::new();
    let read = events.rewind().and_then(|()| events.read_to_string(&mut text));
    read.is_ok() && text.lines().any(|line| line == "populated 1")
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// Writes the limits and opens the file by which a process joins.
fn fill_in(path: &Path, limits: &[(String, String)]) -> Result<File, (PathBuf, io::Error)> {
    for (name, value) in limits {
        let file = path.join(name);
        if name.contains('/') {
            return Err((file, ErrorKind::InvalidInput.into()));
        }
        let written = OpenOptions::new().write(true).open(&file).and_then(|mut open| {
            use std::io::Write;
            open.write_all(value.as_bytes())
        });
        match written {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err((file, error)),
            Ok(()) | Err(_) => {} // not found: the controller is not enabled, which the facts have said
        }
    }
    let procs = path.join("cgroup.procs");
    OpenOptions::new().write(true).open(&procs).map_err(|error| (procs, error))
}

/// The root for children, and the directory the keeper itself is in.
fn find_root(wish: Option<&Path>) -> Result<(PathBuf, Option<PathBuf>), String> {
    let own = own_directory();
    if let Some(wish) = wish {
        if !wish.join("cgroup.procs").exists() {
            return Err(format!("{} is no control group", wish.display()));
        }
        return Ok((wish.to_owned(), own.map(|(path, _)| path)));
    }
    let (own, is_root) = own.ok_or("no cgroup version 2 here; trees are found by session and orphans")?;
    let delegated = ["user.delegate", "trusted.delegate"].iter().any(|mark| sys::has_xattr(&own, mark));
    let user = sys::effective_uid();
    let ours = user != 0 && fs::metadata(&own).is_ok_and(|data| data.uid() == user);
    // The real root has no type; the root of a namespace does.
    let namespace = is_root && own.join("cgroup.type").exists();
    if delegated || ours || namespace {
        Ok((own.clone(), Some(own)))
    } else {
        Err(format!("{} is not delegated; trees are found by session and orphans", own.display()))
    }
}

/// The directory of the keeper's group of version 2, and whether it is the root as seen from here.
fn own_directory() -> Option<(PathBuf, bool)> {
    let cgroup = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    // proc_pid_mountinfo(5): the root is field 4, the mount point field 5, the type follows " - ".
    let (root, point) = mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        kind.starts_with("cgroup2 ").then(|| fields.next().zip(fields.next()))?
    })?;
    let below = if root == "/" { own } else { own.strip_prefix(root)? };
    // Found again by a keeper that has moved already.
    let below = below.strip_suffix(OWN_GROUP).unwrap_or(below).trim_matches('/');
    let path = if below.is_empty() { PathBuf::from(point) } else { Path::new(point).join(below) };
    Some((path, own.trim_end_matches(OWN_GROUP) == "/"))
}

fn prepare(root: PathBuf, own_directory: Option<PathBuf>, own: &[i32]) -> Result<CgroupFacts, String> {
    let explain = |what: &Path, error: io::Error| format!("{}: {error}", what.display());
    if own_directory.as_ref() == Some(&root) {
        let leaf = root.join(OWN_GROUP);
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(explain(&leaf, error)),
            Ok(()) | Err(_) => {}
        }
        for pid in own {
            match fs::write(leaf.join("cgroup.procs"), pid.to_string()) {
                // It has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(error) => return Err(explain(&leaf, error)),
                Ok(()) => {}
            }
        }
    }
    remove_remains(&root);
    for controller in CONTROLLERS {
        // What cannot be enabled shows in the facts.
        let _ = fs::write(root.join("cgroup.subtree_control"), format!("+{controller}"));
    }
    let enabled = fs::read_to_string(root.join("cgroup.subtree_control")).unwrap_or_default();
    let controllers: Vec<String> = enabled.split_ascii_whitespace().map(str::to_owned).collect();
    let missing: Vec<&str> =
        CONTROLLERS.into_iter().filter(|name| !controllers.iter().any(|enabled| enabled == name)).collect();
    let remark = match missing.as_slice() {
        [] => format!("one per child below {}", root.display()),
        missing => format!("one per child below {}, without {}", root.display(), missing.join(", ")),
    };
    // A directory that lists but does not let us in would fail every child.
    let probe = root.join("hostler.probe");
    fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).map_err(|error| explain(&root, error))?;
    Ok(CgroupFacts { root: Some(root), controllers, remark })
}

/// Removes empty groups of an earlier keeper: those whose name ends in a slot's number.
fn remove_remains(root: &Path) {
    for path in directories(root) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.rsplit_once('.').is_some_and(|(_, slot)| slot.parse::<u64>().is_ok()) {
            let _ = fs::remove_dir(&path); // a populated one is a leftover's
        }
    }
}
