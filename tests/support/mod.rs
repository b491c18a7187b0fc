//! # support — what every black-box test stands on
//!
//! `daemon` starts the real binary and ends it again, `http` speaks to it byte by byte, `relay` does so as another
//! user, `server` answers it in place of others, `process` reads what the kernel knows, `chance` picks moments. Nothing here knows an answer's meaning; that is the tests' business.
//!
//! **Absent:** sleeping for luck. [`until`] waits for an event with a bound, [`holds`] watches that nothing happens.

// Every test binary compiles this module for itself and uses its own part of it.
#![allow(dead_code, unused_imports)]

pub mod chance;
pub mod cli;
pub mod daemon;
pub mod http;
pub mod process;
pub mod relay;
pub mod server;

pub use daemon::Daemon;
pub use http::{Answer, Client, Request};

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks of [`until`]: short beside everything that is measured here, long beside a look.
const LOOK: Duration = Duration::from_millis(4);

/// Waits until `look` gives something, and gives that; panics naming `what` when `bound` has passed.
#[track_caller]
pub fn until<T>(what: &str, bound: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + bound;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {bound:?} in vain for: {what}");
        thread::park_timeout(LOOK);
    }
}

/// An object with more fields.
#[track_caller]
pub fn plus(mut base: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut base, more) else { panic!("two objects") };
    fields.extend(more);
    base
}

/// The items of a list.
#[track_caller]
pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// The text that a value is.
#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of some bytes as text.
pub fn digest_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `name` with a number, so that it is given only once.
pub fn fresh(name: &str) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}", LAST.fetch_add(1, Ordering::Relaxed))
}

/// The names of an object's fields, sorted.
#[track_caller]
pub fn keys(value: &Value) -> Vec<&str> {
    let fields = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let mut keys: Vec<&str> = fields.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Watches for the whole of `window` that `look` stays true: the only way to see that something does not happen.
#[track_caller]
pub fn holds(what: &str, window: Duration, mut look: impl FnMut() -> bool) {
    let end = Instant::now() + window;
    while Instant::now() < end {
        assert!(look(), "no longer true: {what}");
        thread::park_timeout(LOOK);
    }
}

/// Waits until none of these processes is left.
#[track_caller]
pub fn await_gone(pids: &[i32]) {
    until("the processes are gone", SOON, || pids.iter().all(|pid| !process::alive(*pid)).then_some(()));
}

/// A bound generous enough for a loaded machine; reached only by a failing test.
pub const SOON: Duration = Duration::from_secs(30);

/// Shorthand for the many short spans of these tests.
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Seconds since the epoch.
pub fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_secs()).expect("the clock is before the end of time")
}

/// Most of these tests start processes as other users or read other processes' files.
#[track_caller]
pub fn require_root() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it acts as several users");
}
