//! What a process did to its files, read from an strace log, and what a power cut at some moment would have left of it.
//!
//! Each change (a write, a truncation, a name made, removed or moved) becomes durable with the first sync of its file or
//! directory that began after it. At a cut, durable changes are there; the others are there or not, as a [`Cut`] says.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// System calls that change files, and those that make changes durable.
pub const CALLS: &str = "openat,write,pwrite64,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,unlink,\
                         unlinkat,mkdir,mkdirat,rmdir,close,lseek";

/// The longest string that strace prints: a whole segment of sled, not a whole big object.
pub const LONGEST: &str = "600000";

/// One completed system call.
struct Call {
    name: String,
    args: String,
    result: i64,
    began: usize,
    ended: usize,
}

/// A change of one file, or of one or two directories.
struct Change {
    at: usize,
    durable: Option<usize>,
    what: What,
}

enum What {
    /// Bytes at an offset; the data of a write that was too long for the log is in the real file.
    Write {
        node: usize,
        offset: u64,
        data: Data,
    },
    SetLen {
        node: usize,
        len: u64,
    },
    Link {
        dir: usize,
        name: String,
        node: usize,
    },
    Unlink {
        dir: usize,
        name: String,
    },
    Move {
        from: (usize, String),
        to: (usize, String),
        node: usize,
    },
}

enum Data {
    Here(Vec<u8>),
    InRealFile(PathBuf, u64),
}

/// Which changes that are not durable are there after the cut.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    Nothing,
    /// The first ones in order, the last of them torn.
    Prefix,
    /// Any of them, some torn.
    Subset,
}

/// The history of one directory tree.
pub struct History {
    /// Whether each node is a directory; node 0 is the root.
    dirs: Vec<bool>,
    changes: Vec<Change>,
    /// When something was said on standard output: line and text.
    pub said: Vec<(usize, String)>,
    /// The lines after which something was different: moments worth cutting at.
    pub moments: Vec<usize>,
    /// Among them, those at which names changed.
    pub name_moments: Vec<usize>,
    /// How often fdatasync or fsync ended well.
    pub syncs: usize,
}

impl History {
    /// Reads a log of what happened below `root`, a directory that was empty at the beginning. The files as they are at
    /// the end must still be there.
    pub fn read(log: &Path, root: &Path) -> History {
        let text = fs::read_to_string(log).unwrap();
        Reader::new(root).read(calls(&text))
    }

    /// Builds what a power cut right after a line would have left, in `target`.
    pub fn cut(&self, after: usize, cut: Cut, target: &Path, random: &mut impl FnMut(usize) -> usize) {
        let pending: Vec<_> = self.changes.iter().filter(|change| change.is_pending(after)).map(|c| c.at).collect();
        let keep = if pending.is_empty() { 0 } else { random(pending.len() + 1) };
        let torn_at = pending.get(keep).copied();
        let mut names: HashMap<usize, BTreeMap<String, usize>> = HashMap::new();
        let mut writes: HashMap<usize, Vec<(&What, usize)>> = HashMap::new(); // with the percentage that arrived
        for change in self.changes.iter().filter(|change| change.at <= after) {
            let arrived = match cut {
                _ if !change.is_pending(after) => 100,
                Cut::Nothing => 0,
                Cut::Prefix if torn_at.is_none_or(|torn| change.at < torn) => 100,
                Cut::Prefix if torn_at == Some(change.at) => random(100),
                Cut::Prefix => 0,
                Cut::Subset => [0, 0, 0, 100, 100, 100, 100, random(100)][random(8)],
            };
            match &change.what {
                what @ (What::Write { node, .. } | What::SetLen { node, .. }) => {
                    writes.entry(*node).or_default().push((what, arrived));
                }
                _ if arrived < 50 => {} // a name is there or not
                What::Link { dir, name, node } => drop(names.entry(*dir).or_default().insert(name.clone(), *node)),
                What::Unlink { dir, name } => drop(names.entry(*dir).or_default().remove(name)),
                What::Move { from, to, node } => {
                    names.entry(from.0).or_default().remove(&from.1);
                    names.entry(to.0).or_default().insert(to.1.clone(), *node);
                }
            }
        }
        self.build(0, target, &names, &writes);
    }

    fn build(
        &self,
        dir: usize,
        target: &Path,
        names: &HashMap<usize, BTreeMap<String, usize>>,
        writes: &HashMap<usize, Vec<(&What, usize)>>,
    ) {
        for (name, node) in names.get(&dir).into_iter().flatten() {
            let path = target.join(name);
            if self.dirs[*node] {
                fs::create_dir(&path).unwrap();
                self.build(*node, &path, names, writes);
            } else {
                build_file(&path, writes.get(node).map_or(&[], Vec::as_slice));
            }
        }
    }
}

/// Writes what arrived of each change, in order.
fn build_file(path: &Path, writes: &[(&What, usize)]) {
    if let [.., (What::Write { data: Data::InRealFile(real, _), .. }, 100)] = writes {
        fs::hard_link(real, path).unwrap(); // such files are never written again
        return;
    }
    let mut bytes = Vec::new();
    let mut holes = 0;
    for (what, arrived) in writes {
        match what {
            What::Write { offset, data: Data::Here(data), .. } if *arrived > 0 => {
                let data = &data[..data.len() * arrived / 100];
                let offset = usize::try_from(*offset).unwrap();
                bytes.resize(bytes.len().max(offset + data.len()), 0);
                bytes[offset..offset + data.len()].copy_from_slice(data);
            }
            What::Write { data: Data::InRealFile(_, len), .. } => holes = len * *arrived as u64 / 100,
            What::SetLen { len, .. } if *arrived >= 50 => bytes.resize(usize::try_from(*len).unwrap(), 0),
            _ => {}
        }
    }
    let file = File::create(path).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    file.set_len(holes.max(bytes.len() as u64)).unwrap();
}

impl Change {
    fn is_pending(&self, after: usize) -> bool {
        self.at <= after && self.durable.is_none_or(|durable| durable > after)
    }

    fn touches(&self, synced: usize) -> bool {
        match &self.what {
            What::Write { node, .. } | What::SetLen { node, .. } => *node == synced,
            What::Link { dir, .. } | What::Unlink { dir, .. } => *dir == synced,
            What::Move { to, .. } => to.0 == synced,
        }
    }
}

/// Follows the calls of a process.
struct Reader {
    root: PathBuf,
    dirs: Vec<bool>,
    /// The node of each path, as names are at this point of the log.
    paths: HashMap<PathBuf, usize>,
    /// The node and position of each descriptor.
    open: HashMap<String, (usize, u64)>,
    changes: Vec<Change>,
    said: Vec<(usize, String)>,
    syncs: usize,
}

impl Reader {
    fn new(root: &Path) -> Reader {
        let paths = HashMap::from([(root.to_owned(), 0)]);
        let (open, changes, said) = (HashMap::new(), Vec::new(), Vec::new());
        Reader { root: root.to_owned(), dirs: vec![true], paths, open, changes, said, syncs: 0 }
    }

    fn read(mut self, calls: Vec<Call>) -> History {
        for call in calls.iter().filter(|call| call.result >= 0) {
            self.call(call);
        }
        let moments = self.changes.iter().map(|change| change.at).collect();
        let is_name = |change: &&Change| !matches!(change.what, What::Write { .. } | What::SetLen { .. });
        let name_moments = self.changes.iter().filter(is_name).map(|change| change.at).collect();
        let Reader { dirs, changes, said, syncs, .. } = self;
        History { dirs, changes, said, moments, name_moments, syncs }
    }

    fn call(&mut self, call: &Call) {
        let strings = strings(&call.args);
        let path = |nth: usize| PathBuf::from(String::from_utf8(strings[nth].clone()).unwrap());
        let fd = call.args.split(['<', ',']).next().unwrap_or_default().to_owned();
        match call.name.as_str() {
            "openat" => {
                let path = at(&call.args, &path(0));
                if !path.starts_with(&self.root) {
                    return;
                }
                let node = match self.paths.get(&path) {
                    Some(node) => *node,
                    None => self.make(&path, false, call.ended),
                };
                if call.args.contains("O_TRUNC") {
                    self.change(call.ended, What::SetLen { node, len: 0 });
                }
                self.open.insert(call.result.to_string(), (node, 0));
            }
            "close" => drop(self.open.remove(&fd)),
            "lseek" => {
                if let Some((_, position)) = self.open.get_mut(&fd) {
                    *position = call.result as u64;
                }
            }
            "write" if fd == "1" => self.said.push((call.ended, String::from_utf8_lossy(&strings[0]).into())),
            "write" | "pwrite64" => {
                let Some((node, position)) = self.open.get(&fd).copied() else { return };
                let offset = match call.name.as_str() {
                    "write" => position,
                    _ => last_number(&call.args),
                };
                let len = call.result as u64;
                self.open.insert(fd, (node, offset + len));
                let data = match strings[0].len() as u64 == len {
                    true => Data::Here(strings[0].clone()),
                    false => Data::InRealFile(self.path_of(node), len),
                };
                self.change(call.ended, What::Write { node, offset, data });
            }
            "ftruncate" => {
                let Some((node, _)) = self.open.get(&fd).copied() else { return };
                self.change(call.ended, What::SetLen { node, len: last_number(&call.args) });
            }
            "fallocate" => {} // the reserve: nobody reads it
            "fsync" | "fdatasync" => {
                let Some((node, _)) = self.open.get(&fd).copied() else { return };
                self.syncs += 1;
                let began = call.began;
                let covered =
                    |change: &&mut Change| change.durable.is_none() && change.at < began && change.touches(node);
                self.changes.iter_mut().filter(covered).for_each(|change| change.durable = Some(call.ended));
            }
            "mkdir" | "mkdirat" => {
                let path = at(&call.args, &path(0));
                if path.starts_with(&self.root) {
                    self.make(&path, true, call.ended);
                }
            }
            "unlink" | "unlinkat" | "rmdir" => {
                let path = at(&call.args, &path(0));
                if self.paths.remove(&path).is_some() {
                    let (dir, name) = self.entry(&path);
                    self.change(call.ended, What::Unlink { dir, name });
                }
            }
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = (path(0), path(1));
                let Some(node) = self.paths.remove(&from) else { return };
                let below: Vec<_> = self.paths.keys().filter(|path| path.starts_with(&from)).cloned().collect();
                for path in below {
                    let node = self.paths.remove(&path).unwrap();
                    self.paths.insert(to.join(path.strip_prefix(&from).unwrap()), node);
                }
                self.paths.insert(to.clone(), node);
                let (from, to) = (self.entry(&from), self.entry(&to));
                self.change(call.ended, What::Move { from, to, node });
            }
            other => panic!("{other} is not followed"),
        }
    }

    fn make(&mut self, path: &Path, dir: bool, at: usize) -> usize {
        let node = self.dirs.len();
        self.dirs.push(dir);
        self.paths.insert(path.to_owned(), node);
        let (dir, name) = self.entry(path);
        self.change(at, What::Link { dir, name, node });
        node
    }

    /// The directory and the name in it.
    fn entry(&self, path: &Path) -> (usize, String) {
        (self.paths[path.parent().unwrap()], path.file_name().unwrap().to_str().unwrap().to_owned())
    }

    fn path_of(&self, node: usize) -> PathBuf {
        self.paths.iter().find(|(_, other)| **other == node).unwrap().0.clone()
    }

    fn change(&mut self, at: usize, what: What) {
        self.changes.push(Change { at, durable: None, what });
    }
}

/// A path relative to the directory in the first argument: `AT_FDCWD</a/b>, "c"` or `5</a/b>, "c"`.
fn at(args: &str, path: &Path) -> PathBuf {
    let dir = args.split_once(", ").map_or(args, |(first, _)| first);
    let dir = dir.split_once('<').map(|(_, dir)| unescape(dir.trim_end_matches('>'))).unwrap_or_default();
    PathBuf::from(String::from_utf8(dir).unwrap()).join(path)
}

/// All calls that were completed, in the order of their ends.
fn calls(log: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<&str, (usize, &str)> = HashMap::new();
    for (nth, line) in log.lines().enumerate() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(pid, (nth, begin));
        } else if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            let (began, begin) = unfinished.remove(pid).expect("resumed without a beginning");
            calls.extend(call(&format!("{begin}{end}"), began, nth));
        } else {
            calls.extend(call(rest, nth, nth));
        }
    }
    calls
}

/// `name(args) = result`; none for a signal or an exit.
fn call(text: &str, began: usize, ended: usize) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (args, result) = rest.rsplit_once(" = ")?;
    let result = result.split([' ', '<']).next()?.parse().ok()?;
    let args = args.trim_end().strip_suffix(')')?.to_owned();
    Some(Call { name: name.to_owned(), args, result, began, ended })
}

/// The last argument, a number.
fn last_number(args: &str) -> u64 {
    args.rsplit(", ").next().unwrap().parse().unwrap()
}

/// The bytes of the strings in quotes.
fn strings(args: &str) -> Vec<Vec<u8>> {
    args.split('"').skip(1).step_by(2).map(unescape).collect()
}

/// `\x41\x42` as bytes.
fn unescape(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect()
}
