//! Bodies as text in, refusals and answers as text out.

mod clusters;
mod jobs;
mod random;
mod reading;
mod tasks;

use super::asked::{self, Asked, Asker};
use super::fields::Fault;
use crate::base::Wall;
use chrono::DateTime;
use std::time::Duration;

/// Some moment, with seconds to tell it from others by.
fn at(seconds: i64) -> Wall {
    DateTime::from_timestamp(1_772_445_600 + seconds, 104_000_000).unwrap()
}

/// Reads a job of `alice`'s; the registry at `plain.example` speaks plain HTTP.
fn ask(body: impl AsRef<[u8]>) -> Result<Asked, Fault> {
    let plain = |host: &str| host == "plain.example";
    let day = Duration::from_secs(86_400);
    let asker = Asker { plain: &plain, name: "alice", keep_jobs_for: 7 * day, keep_audit_for: 30 * day };
    asked::job(body.as_ref(), &asker)
}

/// A refusal as its clients read it.
fn told(fault: &Fault) -> String {
    match fault {
        Fault::Binding(why) => format!("errors: {why}"),
        Fault::Meaning(why) => format!("message: {why}"),
    }
}
