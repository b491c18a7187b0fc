//! Whose beats need no more than a daemon id, and whose are somebody else's.

use super::super::who::Proof;
use super::*;
use hyper::header::{HeaderName, HeaderValue};

#[test]
fn here_is_this_host_unless_something_was_forwarded() {
    let plain = HeaderMap::new();
    let here = [Place::User(1000), Place::Unix, Place::V4([127, 0, 0, 1].into()), Place::V4([127, 9, 9, 9].into())];
    for from in here.into_iter().chain([Place::V6(0)]) {
        assert!(is_here(from, &plain), "{from:?}");
        for name in ["forwarded", "via", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"] {
            let header = (HeaderName::from_static(name), HeaderValue::from_static("192.0.2.1"));
            assert!(!is_here(from, &HeaderMap::from_iter([header])), "{from:?} {name}");
        }
    }
    for from in [Place::V4([192, 0, 2, 1].into()), Place::V4([0, 0, 0, 0].into()), Place::V6(0xfe80 << 48)] {
        assert!(!is_here(from, &plain), "{from:?}");
    }
}

#[test]
fn who_shows_who_he_is_beats_for_himself_or_is_an_administrator() {
    let member = Member {
        account: 2,
        daemon: DaemonId::of([7; 20]),
        serving: true,
        entries: Vec::new(),
        requires: Default::default(),
    };
    let who = |account, admin| Who { account, name: "x".to_owned(), admin, operator: false, proof: Proof::Password };
    assert!(may_beat(None, &member).is_ok());
    assert!(may_beat(Some(&who(2, false)), &member).is_ok());
    assert!(may_beat(Some(&who(1, true)), &member).is_ok());
    assert_eq!(may_beat(Some(&who(1, false)), &member).unwrap_err().status().as_u16(), 403);
}
