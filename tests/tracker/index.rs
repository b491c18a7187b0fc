//! The index, routing, and what every request and answer looks like: cases 1 to 11.

use super::*;

// 1
#[test]
fn the_index_names_and_numbers_itself() {
    let tracker = shared();
    let content = ok(tracker.guest().get("/"));
    for key in ["name", "version"] {
        assert!(content[key].as_str().is_some_and(|text| !text.is_empty()), "{content}");
    }
}

// 2
#[test]
fn an_unknown_path_is_a_text_of_two_words() {
    not_found(shared().guest().get("/no/such"));
}

// 3
#[test]
fn a_wrong_method_is_an_unknown_path() {
    let tracker = shared();
    not_found(tracker.guest().get("/task/submit"));
    assert_eq!(tracker.guest().send(Request::new("HEAD", "/")).status, 404);
}

// 4
#[test]
fn there_is_no_task_of_any_project_under_the_old_path() {
    let tracker = shared();
    not_found(tracker.worker().get("/task/get"));
}

// 5
#[test]
fn options_tell_what_browsers_may_do() {
    let answer = shared().guest().send(Request::new("OPTIONS", "/task/submit"));
    assert_eq!((answer.status, answer.text()), (200, String::new()));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

// 6
#[test]
fn slashes_collapse_but_do_not_vanish_at_the_end() {
    let tracker = shared();
    ok(tracker.guest().get("//project//list"));
    not_found(tracker.guest().get("/project/list/"));
}

// 7
#[test]
fn a_body_is_json_whatever_its_type_is_said_to_be() {
    let tracker = shared();
    let request = Request::new("POST", "/worker/create").body(r#"{"alias":"ct"}"#);
    ok(tracker.guest().send(request.clone()));
    for said in ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8", "nonsense"] {
        let made = ok(tracker.guest().send(request.clone().header("Content-Type", said)));
        assert_eq!(made["worker"]["alias"], "ct", "{said}");
    }
}

// 8
#[test]
fn keys_match_in_any_case_and_unknown_ones_do_not_matter() {
    let made = ok(shared().guest().post("/worker/create", &json!({"ALIAS": "mixed", "extra": [1, 2]})));
    assert_eq!(made["worker"]["alias"], "mixed");
}

// 9
#[test]
fn null_is_an_empty_object() {
    let made = ok(shared().guest().post("/worker/create", &json!(null)));
    assert_eq!(made["worker"]["alias"], "default_alias");
}

// 10
#[test]
fn nothing_may_follow_the_body() {
    let request = Request::new("POST", "/login").body(r#"{"username":"x"} tail"#);
    refused(shared().guest().send(request), 400, "Could not parse request");
}

// 11
#[test]
fn numbers_are_whole_and_fit_their_field() {
    let tracker = shared();
    let worker = tracker.worker();
    for body in [r#"{"project":1.0,"recipe":"r"}"#, r#"{"project":1,"recipe":"r","priority":40000}"#] {
        refused(worker.send(Request::new("POST", "/task/submit").body(body)), 400, "Could not parse request");
    }
}
