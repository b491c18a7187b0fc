//! How each family says no, and that nobody can say yes by mistake.

use crate::http::failure::{ErrorStatus, Failure, UNUSABLE};
use crate::http::{Family, Reply, Sse};
use hyper::StatusCode;
use std::time::Duration;

fn shown(failure: &Failure, family: Family) -> (u16, String, Option<String>) {
    let reply = failure.render(family);
    let status = reply.code();
    let response = reply.into_response();
    let kind = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let crate::http::reply::Content::Whole(bytes) = response.into_body() else { panic!("a refusal is whole") };
    (status, String::from_utf8(bytes.to_vec()).unwrap(), kind)
}

#[track_caller]
fn check(failure: &Failure, family: Family, status: u16, body: &str) {
    let (found, text, _) = shown(failure, family);
    assert_eq!((found, text.as_str()), (status, body));
}

#[test]
fn one_failure_has_six_faces() {
    let failure = Failure::public(ErrorStatus::CONFLICT, "taken", "say \"no\"");
    check(&failure, Family::Proc, 409, r#"{"code":409,"msg":"say \"no\""}"#);
    check(&failure, Family::Dag, 409, r#"{"error":"say \"no\"","message":"say \"no\""}"#);
    check(&failure, Family::Hub, 409, r#"{"code":1010,"msg":"say \"no\""}"#);
    check(&failure, Family::Cache, 409, r#"{"message":"say \"no\""}"#);
    check(&failure, Family::Own, 409, r#"{"code":"taken","error":"say \"no\""}"#);
    check(&failure, Family::Tracker, 409, r#"{"message":"say \"no\"","ok":false}"#);
}

#[test]
fn families_keep_their_peculiarities() {
    let numbered = Failure::public(ErrorStatus::BAD_REQUEST, "no_user", "empty user name").numbered(6001);
    check(&numbered, Family::Hub, 400, r#"{"code":6001,"msg":"empty user name"}"#);
    let missing = Failure::public(ErrorStatus::NOT_FOUND, "no_tag", "no such tag");
    check(&missing, Family::Hub, 404, r#"{"code":1009,"msg":"no such tag"}"#);
    check(&missing, Family::Tracker, 404, r#"{"message":"no such tag","ok":false}"#);
    let binding = Failure::public(ErrorStatus::UNPROCESSABLE, "bad_body", "Key: 'Type'");
    check(&binding, Family::Cache, 422, r#"{"errors":"Key: 'Type'"}"#);
    let unusable = Failure::public(ErrorStatus::UNPROCESSABLE, UNUSABLE, "no such thing");
    check(&unusable, Family::Cache, 422, r#"{"message":"no such thing"}"#);
    let fast = Failure::public(ErrorStatus::TOO_MANY_REQUESTS, "rate", "rate limit exceeded");
    check(&fast, Family::Cache, 429, "rate limit exceeded");
    let (_, _, kind) = shown(&binding, Family::Cache);
    assert_eq!(kind.as_deref(), Some("application/json; charset=utf-8"));
    let empty = Failure::public(ErrorStatus::FORBIDDEN, "x", "");
    check(&empty, Family::Tracker, 403, r#"{"ok":false}"#);
    let unknown = Failure::public(ErrorStatus::UNAUTHORIZED, "unauthorized", "who?");
    for (family, challenge) in [(Family::Hub, Some("Token")), (Family::Own, Some("Bearer")), (Family::Cache, None)] {
        let response = unknown.render(family).into_response();
        let found = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
        assert_eq!(found, challenge, "{family:?}");
    }
}

#[test]
fn a_pause_is_told_in_whole_seconds_and_never_too_short() {
    let (second, nanosecond) = (Duration::from_secs(1), Duration::from_nanos(1));
    for (rest, told) in [
        (Duration::ZERO, "0"),
        (nanosecond, "1"),
        (second, "1"),
        (second + nanosecond, "2"),
        (2 * second - nanosecond, "2"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        let failure = Failure::public(ErrorStatus::TOO_MANY_REQUESTS, "rate", "later").retry_after(rest);
        for family in [Family::Cache, Family::Hub] {
            let response = failure.render(family).into_response();
            assert_eq!(response.headers().get("retry-after").map(|value| value.to_str().unwrap()), Some(told));
        }
    }
}

#[test]
fn the_cause_is_for_the_log_only() {
    #[derive(Debug, thiserror::Error)]
    #[error("could not write")]
    struct Outer(#[source] std::io::Error);
    let failure = Failure::internal(Outer(std::io::Error::other("disk on fire")));
    assert_eq!(failure.cause().as_deref(), Some("could not write: disk on fire"));
    for family in [Family::Proc, Family::Dag, Family::Hub, Family::Cache, Family::Own, Family::Tracker] {
        let (status, body, _) = shown(&failure, family);
        assert_eq!(status, 500);
        assert!(!body.contains("fire") && body.contains("internal error"), "{body}");
    }
}

#[test]
fn an_error_status_says_no() {
    for status in 0..1000 {
        assert_eq!(ErrorStatus::new(status).is_some(), (400..600).contains(&status), "{status}");
    }
    assert_eq!(ErrorStatus::new(418).map(ErrorStatus::as_u16), Some(418));
}

#[test]
fn what_cannot_be_json_is_a_500() {
    let keys: std::collections::BTreeMap<(u8, u8), u8> = [((1, 2), 3)].into();
    assert_eq!(Reply::json(&keys).code(), StatusCode::INTERNAL_SERVER_ERROR.as_u16());
}

#[test]
fn an_event_cannot_smuggle_in_fields() {
    let event = Sse { id: Some(7), event: Some("a\nid: 9".to_owned()), data: "x\ny\r\nz\rdata".to_owned() };
    assert_eq!(event.text(), "id: 7\nevent: a\ndata: x\ndata: y\ndata: z\ndata: data\n\n");
    assert_eq!(Sse { id: Some(8), ..Sse::default() }.text(), "id: 8\n\n");
}
