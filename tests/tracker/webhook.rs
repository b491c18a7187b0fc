//! Git hooks: cases 103 to 107, and the rest of section 8.7.

use super::*;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

const MISMATCH: &str = "Signature does not match";

fn sha1(key: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("a key of any length");
    mac.update(body.as_bytes());
    hex(&mac.finalize().into_bytes())
}

fn sha256(key: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key of any length");
    mac.update(body.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// A push of `after` to a branch of a repository.
fn push(repository: &str, reference: &str, after: &str) -> String {
    json!({"ref": reference, "after": after, "repository": {"full_name": repository, "id": 7}, "commits": []})
        .to_string()
}

/// Posts a hook with this signature.
fn hook(tracker: &Tracker, header: &str, signature: &str, body: &str) -> Answer {
    tracker.guest().send(Request::new("POST", "/git/receivehook").header(header, signature).body(body))
}

/// Posts a hook with the signature that belongs to it.
fn signed(tracker: &Tracker, body: &str) -> Answer {
    hook(tracker, "X-Gogs-Signature", &sha256("whsec", body), body)
}

#[track_caller]
fn says(answer: Answer, status: u16, text: &str) {
    assert_eq!((answer.status, answer.text()), (status, text.to_owned()));
}

/// A project with a repository of its own, at version `old`, whose hooks are signed with `whsec`.
#[track_caller]
fn repository(tracker: &Tracker) -> (i64, String) {
    let name = fresh("Acme/Widgets");
    (with_repository(tracker, &name, "whsec"), name)
}

#[track_caller]
fn with_repository(tracker: &Tracker, name: &str, secret: &str) -> i64 {
    let project = tracker.project(json!({"git_repo": name, "version": "old", "public": true}));
    bare(tracker.admin.post(&format!("/project/webhook_secret/{project}"), &json!({"webhook_secret": secret})));
    project
}

#[track_caller]
fn version(tracker: &Tracker, project: i64) -> String {
    tracker.shown(project)["version"].as_str().expect("a text").to_owned()
}

#[test]
fn the_tests_sign_as_the_reference_does() {
    let body = r#"{"ref":"refs/heads/master","after":"abc123","repository":{"full_name":"acme/widgets"}}"#;
    assert_eq!(sha256("whsec", body), "8b6d795972d1e1a4907463c9fd72dd52ca49d38d48cafdc7dcdeeb35a67aa6be");
    assert_eq!(sha1("whsec", body), "2adb77a1c90fd8a36118811f92655c53db128dea");
}

// 103
#[test]
fn what_is_no_push_is_refused() {
    let tracker = shared();
    let (_, name) = repository(&tracker);
    for body in
        ["{}", "not JSON", "", "[]", "null", r#"{"ref":"refs/heads/master"}"#, r#"{"ref":7}"#, r#"{"zen":"ping"}"#]
    {
        says(hook(&tracker, "X-Nothing", "", body), 400, "");
        says(signed(&tracker, body), 400, "");
    }
    for (key, wrong) in [("after", json!(7)), ("repository", json!("x")), ("repository", json!({"full_name": 7}))] {
        let mut body: Value = serde_json::from_str(&push(&name, "refs/heads/master", "x")).expect("JSON");
        body[key] = wrong;
        says(signed(&tracker, &body.to_string()), 400, "");
    }
    let elsewhere = push(&format!("{name}-fork"), "refs/heads/master", "x");
    says(signed(&tracker, &elsewhere), 400, "");
}

// 104
#[test]
fn a_push_with_the_configured_signature_moves_the_version() {
    let tracker = Tracker::start("[tracker]\nwebhook_hash = \"sha1\"\nwebhook_header = \"X-Hub-Signature\"\n");
    let project = with_repository(&tracker, "Acme/Widgets", "whsec");
    let worker = tracker.worker_in(project, "as");
    let before = tracker.shown(project);
    let body = push("acme/widgets", "refs/heads/master", "abc123");
    says(hook(&tracker, "X-Hub-Signature", &format!("sha1={}", sha1("whsec", &body)), &body), 200, "");
    assert_eq!(tracker.shown(project), plus(before, json!({"version": "abc123"})));
    worker.fill(project, &["r"]);
    assert_eq!(worker.take(project)["project"]["version"], "abc123");
}

#[test]
fn a_header_of_ones_own_counts_with_its_own_hash() {
    let tracker = Tracker::start(
        "[tracker]\nwebhook_hash = \"sha1\"\nwebhook_header = \"X-Forge\"\nwebhook_branches = [\"trunk\"]\n",
    );
    let project = with_repository(&tracker, "a/b", "k");
    let body = push("a/b", "refs/heads/trunk", "1");
    says(hook(&tracker, "X-Forge", &sha256("k", &body), &body), 403, MISMATCH);
    says(hook(&tracker, "X-Forge", &sha1("k", &body), &body), 200, "");
    assert_eq!(version(&tracker, project), "1");
    let body = push("a/b", "refs/heads/master", "2");
    says(hook(&tracker, "X-Forge", &sha1("k", &body), &body), 400, "");
    // The others are understood beside it.
    let body = push("a/b", "refs/heads/trunk", "3");
    says(hook(&tracker, "X-Gitea-Signature", &sha256("k", &body), &body), 200, "");
    assert_eq!(version(&tracker, project), "3");
}

// 105
#[test]
fn the_signatures_of_all_forges_are_understood() {
    let tracker = shared();
    let (project, name) = repository(&tracker);
    for (header, prefix, sign) in [
        ("X-Gogs-Signature", "", sha256 as fn(&str, &str) -> String),
        ("X-Gitea-Signature", "", sha256),
        ("X-Hub-Signature-256", "sha256=", sha256),
        ("X-Hub-Signature", "sha1=", sha1),
    ] {
        let body = push(&name.to_lowercase(), "refs/heads/master", header);
        says(hook(&tracker, header, &format!("{prefix}{}", sign("whsec", &body)), &body), 200, "");
        assert_eq!(version(&tracker, project), header);
    }
}

// 106
#[test]
fn only_whole_branches_count() {
    let tracker = shared();
    let (project, name) = repository(&tracker);
    for reference in ["refs/heads/feature-x", "refs/heads/webmaster", "refs/tags/master", "master", "refs/heads/", ""] {
        says(signed(&tracker, &push(&name, reference, "x")), 400, "");
    }
    assert_eq!(version(&tracker, project), "old");
    for (reference, after) in [("refs/heads/main", "1"), ("refs/heads/master", "2")] {
        says(signed(&tracker, &push(&name, reference, after)), 200, "");
        assert_eq!(version(&tracker, project), after);
    }
}

// 107
#[test]
fn a_signature_has_to_match_and_to_be_where_it_belongs() {
    let tracker = shared();
    let (project, name) = repository(&tracker);
    let body = push(&name, "refs/heads/master", "x");
    let right = sha256("whsec", &body);
    says(hook(&tracker, "X-Other-Signature", &right, &body), 403, MISMATCH);
    for wrong in ["", "sha256=", &sha256("other", &body), &right.to_uppercase(), &right[..63], &sha1("whsec", &body)] {
        says(hook(&tracker, "X-Gogs-Signature", wrong, &body), 403, MISMATCH);
    }
    let longer = format!("{body} ");
    says(hook(&tracker, "X-Gogs-Signature", &right, &longer), 403, MISMATCH);
    says(tracker.guest().send(Request::new("POST", "/git/receivehook").body(body)), 403, MISMATCH);
    assert_eq!(version(&tracker, project), "old");
}

#[test]
fn every_project_with_a_matching_secret_moves() {
    let tracker = shared();
    let (one, name) = repository(&tracker);
    let two = with_repository(&tracker, &name.to_uppercase(), "whsec");
    let other = with_repository(&tracker, &name, "another");
    says(signed(&tracker, &push(&name, "refs/heads/master", "new")), 200, "");
    assert_eq!([one, two, other].map(|project| version(&tracker, project)), ["new", "new", "old"]);
}

#[test]
fn a_project_without_a_repository_is_no_ones() {
    let tracker = shared();
    let project = tracker.project(json!({"version": "old"}));
    bare(tracker.admin.post(&format!("/project/webhook_secret/{project}"), &json!({"webhook_secret": "whsec"})));
    says(signed(&tracker, &push("", "refs/heads/master", "x")), 400, "");
    assert_eq!(version(&tracker, project), "old");
}

#[test]
fn a_new_version_gives_no_new_tokens() {
    let tracker = shared();
    let (project, name) = repository(&tracker);
    let worker = tracker.worker_in(project, "as");
    bare(tracker.update(project, json!({"submit_rate": 0.01})));
    ok(worker.submit(project, json!({})));
    says(signed(&tracker, &push(&name, "refs/heads/master", "new")), 200, "");
    limited(worker.submit(project, json!({})));
}
