//! The same work without hostler: what the machine itself can do, here and now.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::figures::Sample;
use super::kernel::{between, cpu, cpu_of_awaited, now};

/// About what a task's record takes.
const RECORD: [u8; 300] = [b'r'; 300];

/// Programs run to their end per second, and the processor time of each in milliseconds; so many at once. `Command`
/// starts them in the way of `vfork`.
pub fn programs(in_flight: usize, span: Duration) -> (f64, f64) {
    let ended = AtomicU64::new(0);
    let me = std::process::id() as i32;
    let used = || cpu(me) + cpu_of_awaited();
    let (began, before) = (Instant::now(), used());
    thread::scope(|scope| {
        for _ in 0..in_flight {
            scope.spawn(|| {
                while began.elapsed() < span {
                    let status = quiet("/bin/true").status().expect("/bin/true");
                    assert!(status.success(), "/bin/true is true");
                    ended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let ended = ended.into_inner() as f64;
    (ended / began.elapsed().as_secs_f64(), (used() - before).as_secs_f64() * 1000.0 / ended)
}

/// A command that is given nothing and says nothing.
pub fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A file that records are appended to, each followed by an fdatasync.
pub struct Journal {
    file: File,
}

impl Journal {
    pub fn open(dir: &Path) -> Journal {
        let path = dir.join("journal");
        Journal { file: File::options().create(true).append(true).open(path).expect("a file to write to") }
    }

    /// Milliseconds for one record.
    pub fn write(&mut self) -> f64 {
        let began = now();
        self.file.write_all(&RECORD).and_then(|()| self.file.sync_data()).expect("the disk takes it");
        between(began, now())
    }

    /// As many as fit into this time.
    pub fn write_for(&mut self, span: Duration) -> Sample {
        let began = Instant::now();
        std::iter::from_fn(|| (began.elapsed() < span).then(|| self.write())).collect()
    }
}
