//! What `/proc` says about processes.
//!
//! Every answer may be outdated when it arrives; only pids of the keeper's own unreaped children are certain.

use crate::keeper::leftovers::Process;
use crate::keeper::machine::Kin;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The fields of `/proc/<pid>/stat` (proc_pid_stat(5)) that are used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Field 2 without its parentheses.
    pub command: String,
    /// Field 3: `Z` and `X` are dead.
    pub state: char,
    /// Field 4.
    pub parent: i32,
    /// Field 5.
    pub group: i32,
    /// Field 6.
    pub session: i32,
    /// Whether it is a thread of the kernel, which has no program: `PF_KTHREAD` in field 9.
    pub kernel: bool,
    /// Field 22.
    pub start_ticks: u64,
    /// Fields 26 and 28: where its code and its stack begin in its memory. The kernel notes the code's place last: it is 0
    /// in the middle of an exec (load_elf_binary), and 1 where it may not be told.
    pub places: (u64, u64),
}

/// The kernel's include/linux/sched.h.
const PF_KTHREAD: u32 = 0x0020_0000;

impl Stat {
    /// Reads the text of a stat file. The command may contain anything, also spaces and parentheses.
    pub fn parse(text: &str) -> Option<Stat> {
        let (head, tail) = text.rsplit_once(')')?;
        let command = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse().ok();
        Some(Stat {
            command,
            state: fields.first()?.chars().next()?,
            parent: number(4)?,
            group: number(5)?,
            session: number(6)?,
            kernel: fields.get(9 - 3)?.parse::<u32>().ok()? & PF_KTHREAD != 0,
            start_ticks: fields.get(22 - 3)?.parse().ok()?,
            places: (fields.get(26 - 3)?.parse().ok()?, fields.get(28 - 3)?.parse().ok()?),
        })
    }

    /// The process as it is now; none: there is no such process.
    pub fn of(pid: i32) -> Option<Stat> {
        let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(&String::from_utf8_lossy(&bytes))
    }

    /// Whether it still runs, or could.
    pub fn lives(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// When a process was born, in clock ticks since boot: with its pid, its identity on this boot. None: there is no such
/// process.
pub fn start_ticks(pid: i32) -> Option<u64> {
    Stat::of(pid).map(|stat| stat.start_ticks)
}

fn run_in(environ: &[u8]) -> Option<u64> {
    // Without its end it may be a part of the number.
    let mut entries = environ.split_inclusive(|byte| *byte == 0);
    let number = entries.find_map(|entry| entry.strip_prefix(b"HOSTLER_RUN=")?.strip_suffix(b"\0"))?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

fn numbers(text: &str) -> impl Iterator<Item = i32> {
    text.split_ascii_whitespace().filter_map(|word| word.parse().ok())
}

/// All processes of the host.
fn all() -> impl Iterator<Item = (i32, Stat)> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| Some((pid, Stat::of(pid)?)))
}

/// The children of a single-threaded process; by a walk over all processes where the kernel keeps no list
/// (`CONFIG_PROC_CHILDREN`).
fn children_of_leader(pid: i32) -> Vec<i32> {
    match fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")) {
        Ok(text) => numbers(&text).collect(),
        Err(_) => all().filter(|(_, stat)| stat.parent == pid).map(|(pid, _)| pid).collect(),
    }
}

/// For how long, and how often, it is waited for the end of an exec. One takes microseconds, or as long as others have
/// the processor; the program of one that takes longer lies on a disk that does not answer.
const LONGEST_EXEC: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_micros(300);

/// `HOSTLER_RUN` in the environment that the process was started with, as it was `found` just now; none also when it cannot
/// be read. A process in the middle of an exec has no environment yet, and must not pass for one that wiped it.
pub fn run_of(pid: i32, found: &Stat) -> Option<u64> {
    let begin = Instant::now();
    let places = |stat: &Stat| (stat.lives() && !stat.kernel).then_some(stat.places);
    let mut before = places(found);
    loop {
        let run = run_in(&fs::read(format!("/proc/{pid}/environ")).ok()?);
        if run.is_some() || begin.elapsed() >= LONGEST_EXEC {
            return run;
        }
        // An exec also cuts short what is being read. Another program has its stack at another place.
        let now = places(&Stat::of(pid)?);
        if before.is_none_or(|(code, _)| code != 0) && before == now {
            return None;
        }
        before = now;
        thread::sleep(LOOK_AGAIN);
    }
}

/// The living children of the keeper (pid `own`) that are not `known`: what it has adopted. One whose session is
/// `claimed` needs no further look.
///
/// Nobody is missed who was there all the time: one that is found dead has left its children to the keeper, perhaps after
/// they were listed. So they are listed until there is nobody new.
pub fn kin(own: i32, known: &dyn Fn(i32) -> bool, claimed: &dyn Fn(i32) -> bool) -> Vec<Kin> {
    let (mut kin, mut seen) = (Vec::new(), HashSet::new());
    loop {
        let listed = children_of_leader(own).into_iter();
        let new: Vec<i32> = listed.filter(|pid| !known(*pid) && seen.insert(*pid)).collect();
        if new.is_empty() {
            return kin;
        }
        kin.extend(new.into_iter().filter_map(|pid| {
            let stat = Stat::of(pid).filter(Stat::lives)?;
            let run = if claimed(stat.session) { None } else { run_of(pid, &stat) };
            Some(Kin { pid, session: stat.session, run, command: stat.command })
        }));
    }
}

/// A process found below another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descendant {
    /// Its pid.
    pub pid: i32,
    /// Its process group.
    pub group: i32,
    /// Its start time, to name it by.
    pub start_ticks: u64,
}

/// The given processes and all that descend from them, parents first.
pub fn trees(roots: &[i32]) -> Vec<Descendant> {
    let mut found = Vec::new();
    let mut seen: HashSet<i32> = roots.iter().copied().collect();
    let mut next: Vec<i32> = roots.to_vec();
    while let Some(pid) = next.pop() {
        if let Some(stat) = Stat::of(pid).filter(Stat::lives) {
            found.push(Descendant { pid, group: stat.group, start_ticks: stat.start_ticks });
        }
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            next.extend(numbers(&children).filter(|child| seen.insert(*child)));
        }
    }
    found
}

/// All living processes, as far as leftovers need them. `groups` names the control group of the processes in one.
pub fn processes(groups: &HashMap<i32, String>) -> Vec<Process> {
    let all: HashMap<i32, (Stat, Option<u64>)> = all()
        .map(|(pid, stat)| {
            let run = run_of(pid, &stat);
            (pid, (stat, run))
        })
        .collect();
    let own = program_of("self");
    let living = all.iter().filter(|(_, (stat, _))| stat.lives());
    let processes = living.map(|(pid, (stat, run))| Process {
        pid: *pid,
        session: stat.session,
        start_ticks: stat.start_ticks,
        run: run.filter(|run| !in_care(*pid, *run, &all, own.as_ref())),
        group: groups.get(pid).cloned(),
    });
    processes.collect()
}

/// Whether the topmost process that carries this run's number is the child of a daemon like this one.
fn in_care(pid: i32, run: u64, all: &HashMap<i32, (Stat, Option<u64>)>, own: Option<&OsString>) -> bool {
    let mut parent = pid;
    // A parent that changes under our eyes cannot make a ring long enough to matter.
    for _ in 0..all.len() {
        let Some((stat, _)) = all.get(&parent) else { return false };
        parent = stat.parent;
        if all.get(&parent).is_none_or(|(_, above)| *above != Some(run)) {
            break;
        }
    }
    own.is_some() && program_of(&parent.to_string()).as_ref() == own
}

/// The file name of the program a process executes, also when the file was replaced since.
fn program_of(process: &str) -> Option<OsString> {
    let exe = fs::read_link(Path::new("/proc").join(process).join("exe")).ok()?;
    let name = exe.file_name()?.to_string_lossy().into_owned();
    Some(name.trim_end_matches(" (deleted)").into())
}

/// The file this process executes, as a path that still works after the file was replaced.
pub fn own_program(as_started: &Path) -> PathBuf {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
    let link = Path::new("/proc/self/exe");
    // The plain path gives the process its proper name in `ps`.
    if identity(as_started).is_some() && identity(as_started) == identity(link) { as_started } else { link }.to_owned()
}
