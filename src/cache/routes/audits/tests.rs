//! The audit log, read by the page.

use super::*;
use crate::auth::audit::{Entry, Outcome, Settings};
use crate::base::Wall;

fn entry(second: i64, who: &str, what: &str, status: u16) -> Entry {
    Entry {
        at: Wall::from_timestamp(second, 0).unwrap(),
        who: who.to_owned(),
        uid: None,
        from: "192.0.2.1:5".to_owned(),
        what: what.to_owned(),
        target: None,
        status,
        outcome: Outcome::of(status),
        why: None,
    }
}

#[test]
fn only_requests_to_the_cache_are_told_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path(), Settings::default()).unwrap();
    for (second, who, what, status) in [
        (1, "token ci", "POST /oapi/v1/jobs", 200),
        (2, "uid 1000 (alice)", "POST /proc/web", 200),
        (3, "account alice", "POST /api/v1/users/signin", 200),
        (4, "anonymous", "GET /oapi/v1/jobs", 401),
        (5, "anonymous", "GET /api/v1x", 401),
        (6, "token ci", "DELETE /oapi/v1/jobs/1", 404),
    ] {
        audit.note(entry(second, who, what, status));
    }
    let ids = |wanted: &Wanted, page: u64, per_page: u64| {
        let (found, total) = read(&audit, wanted, Page { page, per_page }).unwrap();
        let seconds = found.iter().map(|record| record["id"].as_i64().unwrap() / 1_000_000);
        (seconds.collect::<Vec<_>>(), total)
    };
    let all = Wanted::default();
    assert_eq!(ids(&all, 1, 10), (vec![6, 4, 3, 1], 4));
    assert_eq!(ids(&all, 2, 3), (vec![1], 4));
    assert_eq!(ids(&all, 9, 3), (vec![], 4));
    let programs = Wanted { actor_type: Some("PAT".to_owned()), ..Wanted::default() };
    assert_eq!(ids(&programs, 1, 1), (vec![6], 2));
    let done = Wanted { state: Some("SUCCESS".to_owned()), ..Wanted::default() };
    assert_eq!(ids(&done, 1, 10), (vec![3, 1], 2));
}
