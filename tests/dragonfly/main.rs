//! # The conformance cases of the download cache
//!
//! Numbered as in the reference of the interface that clients of a Dragonfly manager speak, over real HTTP against the
//! real binary, with an origin and a registry in the tests; the cases of images once more against Debian's
//! `docker-registry`, filled and read with `skopeo`. `seed` runs the published guide's own `curl` lines; `proxy`, `private`
//! and `fetch` are about what goes beyond the numbered cases; `killed` and `damage` about what must not be lost, and what
//! must never be served.
//!
//! Tests share a daemon where they do not disturb each other: each has an origin of its own, and so URLs of its own.
//!
//! **Absent:** the cases about upstream managers, which there are none of.

mod accounts;
mod authentication;
mod cast;
mod clusters;
mod damage;
mod delete;
#[path = "../faults/disk.rs"]
mod disk;
mod doubles;
mod envelope;
mod fetch;
mod find;
mod harbor;
mod ids;
mod images;
mod killed;
mod old;
mod origin;
mod preheat;
mod private;
mod proxy;
mod real;
mod records;
mod registry;
mod rights;
mod seed;
#[path = "../support/mod.rs"]
mod support;
mod tasks;

use cast::{Cache, shared};
use origin::{File, HELLO, Origin};
use registry::{ACCOUNT, Access, CONFIG, LAYER_A, LAYER_B, Registry};
use serde_json::{Value, json};
use support::server::Gate;
use support::{Answer, Client, Daemon, Request, SOON, digest_of, fresh, keys, list, millis, plus, text, until};

#[test]
fn the_relay_carries_bytes_both_ways() {
    support::relay::entry();
}

/// The length of a piece where nobody asks for another, of all but huge files.
const FULL_PIECE: u64 = 4 << 20;

/// The id of a task by its URL, for URLs that need no normalising.
fn id_of(url: &str, tag: &str, application: &str, piece_length: Option<u64>) -> String {
    let length = piece_length.map(|length| length.to_string()).unwrap_or_default();
    digest_of(format!("{url}{tag}{application}{length}STANDARD").as_bytes())
}

/// The text of this field of each of a list's objects.
#[track_caller]
fn column<'a>(rows: &'a Value, field: &str) -> Vec<&'a str> {
    list(rows).iter().map(|row| text(&row[field])).collect()
}

// What comes back

/// Refused by what was asked for: 422 and one text under `errors`, and nothing behind it.
#[track_caller]
fn invalid(answer: Answer) -> String {
    let body = answer.expect(422).json();
    assert_eq!(keys(&body), ["errors"], "{body}");
    let said = text(&body["errors"]).to_owned();
    assert!(!said.is_empty(), "{body}");
    said
}

/// Refused with this status and a message.
#[track_caller]
fn refused(answer: Answer, status: u16) -> String {
    let body = answer.expect(status).json();
    text(&body["message"]).to_owned()
}

/// Refused with exactly this.
#[track_caller]
fn refused_so(answer: Answer, status: u16, message: &str) {
    assert_eq!(answer.expect(status).json(), json!({"message": message}));
}

/// The one part of a job that was done here.
#[track_caller]
fn part(job: &Value) -> &Value {
    let parts = list(&job["result"]["job_states"]);
    assert_eq!(parts.len(), 1, "not one part: {job}");
    &parts[0]
}

/// What came of it.
#[track_caller]
fn outcome(job: &Value) -> &Value {
    let results = list(&part(job)["results"]);
    assert_eq!(results.len(), 1, "not one result: {job}");
    assert_eq!(results[0]["scheduler_cluster_id"], 1, "{job}");
    &results[0]
}

/// A job that ended well; what came of it.
#[track_caller]
fn succeeded(job: &Value) -> &Value {
    assert_eq!((&job["state"], &part(job)["state"]), (&json!("SUCCESS"), &json!("SUCCESS")), "{job}");
    assert_eq!((&job["result"]["state"], &part(job)["error"]), (&json!("SUCCESS"), &json!("")), "{job}");
    outcome(job)
}

/// A job that failed; why.
#[track_caller]
fn failed(job: &Value) -> &str {
    assert_eq!((&job["state"], &part(job)["state"]), (&json!("FAILURE"), &json!("FAILURE")), "{job}");
    let why = text(&part(job)["error"]);
    assert!(!why.is_empty(), "{job}");
    why
}

/// A preheat of which everything went well: its URLs.
#[track_caller]
fn warmed(job: &Value) -> Vec<&str> {
    let outcome = succeeded(job);
    assert_eq!(outcome["failure_tasks"], json!([]), "{job}");
    for task in list(&outcome["success_tasks"]) {
        assert_eq!((&task["hostname"], &task["ip"]), (&json!(cast::HOSTNAME), &json!(cast::IP)), "{job}");
    }
    column(&outcome["success_tasks"], "url")
}
