//! What the kernel knows about the daemon's processes, and about time.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// Nanoseconds of the clock that all processes share and nobody sets.
pub fn now() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock");
    now.tv_sec() * 1_000_000_000 + now.tv_nsec()
}

/// Milliseconds between two moments of [`now`].
pub fn between(from: i64, to: i64) -> f64 {
    (to - from) as f64 / 1e6
}

/// A field of `/proc/<pid>/status` or `smaps_rollup`, in KiB.
pub fn kib(pid: i32, file: &str, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the process lives");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no {field} in {file} of {pid}"))
}

/// Resident memory in MiB.
pub fn rss(pid: i32) -> f64 {
    kib(pid, "status", "VmRSS") / 1024.0
}

/// The processor time a process has used, all its threads together. The kernel tells it in ticks of 10 ms.
pub fn cpu(pid: i32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let fields: Vec<&str> = text[text.rfind(')').map_or(0, |end| end + 1)..].split_ascii_whitespace().collect();
    // Numbered as in proc(5), where the state, the first behind the name, is 3.
    let ticks: u64 = [14, 15].map(|n| fields[n - 3].parse::<u64>().expect("a number")).iter().sum();
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().expect("the kernel's ticks");
    Duration::from_secs_f64(ticks as f64 / per_second as f64)
}

/// The processor time that the children which this process has awaited took, and their own.
pub fn cpu_of_awaited() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("every Linux knows");
    let micros = |time: TimeVal| u64::try_from(time.num_microseconds()).expect("time is not negative");
    Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
}

/// How many processes wanted to run in the last minute, on average: a figure taken on a busy machine says less.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// How often each thread went to sleep of its own accord, by name and id: every wake-up ends in that.
pub fn sleeps(pids: &[i32]) -> BTreeMap<(String, i32), u64> {
    let mut found = BTreeMap::new();
    for pid in pids {
        for entry in fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives") {
            let thread = entry.expect("a thread").path();
            let read = |file| fs::read_to_string(thread.join(file)).unwrap_or_default();
            let status = read("status");
            let count =
                status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok());
            let id = thread.file_name().and_then(|name| name.to_str()?.parse().ok());
            if let (Some(count), Some(id)) = (count, id) {
                found.insert((read("comm").trim().to_owned(), id), count);
            }
        }
    }
    found
}

/// The threads that have slept since, with how often.
pub fn woken(pids: &[i32], before: &BTreeMap<(String, i32), u64>) -> Vec<(String, u64)> {
    let after = sleeps(pids).into_iter();
    after
        .map(|(thread, count)| (count - before.get(&thread).copied().unwrap_or(0), thread))
        .filter(|(times, _)| *times > 0)
        .map(|(times, (name, _))| (name, times))
        .collect()
}

/// Waits until these processes have done nothing for so long, or until half a minute has passed.
pub fn settle(pids: &[i32], quiet: Duration) {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        let before = sleeps(pids);
        thread::sleep(quiet); // that nothing happens is what is waited for
        let still = woken(pids, &before).is_empty() && pids.iter().all(|pid| !works(*pid));
        if still {
            return;
        }
    }
}

/// Whether one of its threads is running or waits for the disk.
fn works(pid: i32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| matches!(rest.trim().chars().next(), Some('R' | 'D')))
    })
}

/// The children of a single-threaded process, ended ones that it has not reaped included.
pub fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("the process lives");
    list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
