//! What the kernel says about processes, read from `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The fields of `/proc/<pid>/stat` that tests ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: i32,
    pub state: char,
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    /// Field 22: clock ticks between boot and this process's start; with the pid it names a process for good.
    pub start_ticks: u64,
}

/// The kernel's record of `pid`, while there is one (a zombie has one too).
pub fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = &text[text.rfind(')')? + 1..]; // the name in parentheses may hold anything
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |n: usize| fields.get(n - 3)?.parse::<u64>().ok(); // numbered as in proc(5), where state is 3
    Some(Stat {
        pid,
        state: fields.first()?.chars().next()?,
        parent: number(4)? as i32,
        group: number(5)? as i32,
        session: number(6)? as i32,
        start_ticks: number(22)?,
    })
}

/// Runs or sleeps, and is not merely waiting to be reaped.
pub fn alive(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// All processes there are.
pub fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter_map(stat).collect()
}

/// The living processes whose parent is `pid`.
pub fn children(pid: i32) -> Vec<i32> {
    all().into_iter().filter(|stat| stat.parent == pid && stat.state != 'Z').map(|stat| stat.pid).collect()
}

/// `pid` and everything below it.
pub fn tree(pid: i32) -> BTreeSet<i32> {
    let everybody = all();
    let mut found = BTreeSet::from([pid]);
    loop {
        let before = found.len();
        found.extend(
            everybody.iter().filter(|stat| found.contains(&stat.parent)).map(|stat| stat.pid).collect::<Vec<_>>(),
        );
        if found.len() == before {
            return found;
        }
    }
}

/// The arguments `pid` was started with.
pub fn arguments(pid: i32) -> Vec<String> {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    text.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The value of `name` in the environment `pid` was started with.
pub fn environment(pid: i32, name: &str) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/environ")).ok()?;
    text.split(|byte| *byte == 0).find_map(|entry| {
        let entry = String::from_utf8_lossy(entry).into_owned();
        entry.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
    })
}

/// Living processes that belong to a daemon whose files are below `dir`: the daemon itself and whatever it started,
/// known by a standard stream or an environment that names the directory.
pub fn belonging_to(dir: &Path) -> Vec<i32> {
    let me = std::process::id() as i32;
    let needle = dir.as_os_str().as_encoded_bytes();
    let mentions = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    all()
        .into_iter()
        .filter(|stat| stat.pid != me && !matches!(stat.state, 'Z' | 'X'))
        .filter(|stat| {
            let pid = stat.pid;
            let streams =
                (0..3).any(|fd| fs::read_link(format!("/proc/{pid}/fd/{fd}")).is_ok_and(|to| to.starts_with(dir)));
            streams || fs::read(format!("/proc/{pid}/environ")).is_ok_and(|text| mentions(&text))
        })
        .map(|stat| stat.pid)
        .collect()
}

/// Sends `signal`; whether there was somebody to get it.
pub fn signal(pid: i32, signal: Signal) -> bool {
    kill(Pid::from_raw(pid), signal).is_ok()
}
