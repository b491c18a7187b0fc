//! # The conformance cases of the data hub
//!
//! Numbered as in the reference of the interface that clients of a DataHub daemon speak, over real HTTP against the real
//! binary, on files that the tests themselves damage. `page` sends the published document's own requests; the files after
//! it are about what goes beyond the numbered cases: `health` and `requires` about what makes a tag abnormal, `pull` about
//! two hosts, `rights` and `stranger` about who may what and about nonsense, `killed` about what must not be lost.
//!
//! Every test has a daemon of its own, because beats, logs and files are what is looked at.

mod cast;
mod entry;
mod health;
mod heartbeat;
mod identity;
mod killed;
mod log;
mod old;
mod page;
mod publishing;
mod pull;
mod relay;
mod requires;
mod rights;
mod status;
mod stranger;
#[path = "../support/mod.rs"]
mod support;
mod tags;
mod tags_more;

use std::fmt::Debug;
use std::time::{Duration, Instant};

use cast::{Cast, Settings};
use serde_json::{Value, json};
use support::{
    Answer, Client, Daemon, Request, SOON, digest_of as sha256, hex, holds, keys, list, millis, plus, text, until,
};

/// How long a change of a file may go unnoticed: `stat_every` of these tests and a second.
const NOTICED: Duration = millis(1200);

#[test]
fn the_relay_carries_bytes_both_ways() {
    support::relay::entry();
}

/// The texts of a list.
#[track_caller]
fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(|one| text(one).to_owned()).collect()
}

fn md5(bytes: &[u8]) -> String {
    use md5::Digest;
    hex(&md5::Md5::digest(bytes))
}

/// A name as a segment of a path or a value in a query.
fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Waits until `look` gives what is expected, which is promised within `bound`; zero: at once. How long that took is for a
/// benchmark to judge: this machine may have other things to do.
#[track_caller]
fn settles<T: PartialEq + Debug>(what: &str, bound: Duration, expected: T, mut look: impl FnMut() -> T) {
    let begin = Instant::now();
    let patience = if bound.is_zero() { bound } else { bound + SOON };
    until(what, patience + SOON, || {
        let asked = begin.elapsed();
        let seen = look();
        if seen == expected {
            return Some(());
        }
        assert!(asked <= patience, "{what}: {seen:?} even after {asked:?}, instead of {expected:?}");
        None
    });
}

// What comes back

/// Success, the whole body as documented.
#[track_caller]
fn bare(answer: Answer) -> Value {
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    assert!(kind.starts_with("application/json"), "{kind}");
    let body = answer.expect(200).json();
    assert!(body.get("code").is_none() && body.get("data").is_none(), "an envelope: {body}");
    body
}

/// Success in an envelope with this status; the whole of it.
#[track_caller]
fn enveloped(answer: Answer, status: u16) -> Value {
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    assert!(kind.starts_with("application/json"), "{kind}");
    let body = answer.expect(status).json();
    assert!(body["code"] == 0 && body["code"].is_u64(), "{body}");
    assert!(body["msg"].is_string(), "{body}");
    assert!(keys(&body).iter().all(|key| ["code", "data", "msg"].contains(key)), "{body}");
    body
}

/// Success in an envelope.
#[track_caller]
fn ok(answer: Answer) -> Value {
    enveloped(answer, 200)
}

/// What is in the envelope of a success.
#[track_caller]
fn data(answer: Answer) -> Value {
    let mut body = ok(answer);
    assert!(body.get("data").is_some(), "no data: {body}");
    body["data"].take()
}

/// Refused with this status and code, and nothing else; the reason.
#[track_caller]
fn refused(answer: Answer, status: u16, code: u64) -> String {
    let body = answer.json();
    assert_eq!((answer.status, &body["code"]), (status, &json!(code)), "{body}");
    assert_eq!(keys(&body), ["code", "msg"], "{body}");
    if status == 401 {
        let how = answer.header("www-authenticate").unwrap_or_default();
        assert!(how.starts_with("Token"), "a 401 says how to sign in, not {how:?}");
    }
    let said = text(&body["msg"]).to_owned();
    assert!(!said.is_empty(), "{body}");
    said
}

// What is said of tags

fn normal() -> Value {
    json!({"status": "NORMAL", "total": 0, "results": null})
}

fn abnormal(results: &[&str]) -> Value {
    json!({"status": "ABNORMAL", "total": results.len(), "results": results})
}
