//! Cases 1–12: who may ask at all.

use super::*;
use crate::cast::files_below;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};

const JOBS: &str = "/oapi/v1/jobs";
const TOKENS: &str = "/api/v1/personal-access-tokens";

/// A moment so many seconds from now.
fn moment(seconds: i64) -> String {
    (Utc::now() + TimeDelta::seconds(seconds)).to_rfc3339()
}

/// A token made by somebody who has signed in; its record.
#[track_caller]
fn made(person: &Client, owner: i64, more: Value) -> Value {
    let body = json!({"name": fresh("pat"), "expired_at": moment(3600), "user_id": owner});
    person.post(TOKENS, &plus(body, more)).expect(200).json()
}

#[track_caller]
fn patch(person: &Client, record: &Value, changes: Value) {
    let path = format!("{TOKENS}/{}", record["id"]);
    person.send(Request::new("PATCH", &path).json(&changes)).expect(200);
}

/// With the token of this record.
#[track_caller]
fn bearing(cache: &Cache, record: &Value) -> Client {
    cache.bearing(text(&record["token"]))
}

#[test]
fn case_01_without_a_token_nobody_is_served() {
    refused_so(shared().stranger().get(JOBS), 401, "Unauthorized");
}

#[test]
fn case_02_only_a_bearer_with_one_token_counts() {
    let cache = shared();
    for shown in ["Basic x", "Bearer", "Bearer ", "Bearer a b"] {
        refused_so(cache.stranger().with("Authorization", shown).get(JOBS), 401, "Unauthorized");
    }
    let twice = format!("Bearer {} {}", cache.token, cache.token);
    refused_so(cache.stranger().with("Authorization", &twice).get(JOBS), 401, "Unauthorized");
}

#[test]
fn case_03_the_scheme_may_be_written_in_any_way() {
    let cache = shared();
    cache.stranger().with("authorization", &format!("bEaReR {}", cache.token)).get(JOBS).expect(200);
}

#[test]
fn case_04_a_token_may_be_a_parameter_which_goes_before_the_header() {
    let cache = shared();
    cache.stranger().get(&format!("{JOBS}?access_token={}", cache.token)).expect(200);
    refused_so(cache.client().get(&format!("{JOBS}?access_token=bad")), 401, "Unauthorized");
    cache.client().get(&format!("{JOBS}?access_token=")).expect(200);
}

#[test]
fn case_05_an_inactive_token_opens_nothing_until_it_is_active() {
    let cache = Cache::start();
    let owner = cache.account();
    let person = cache.signed_in();
    let token = made(&person, owner, json!({}));
    bearing(&cache, &token).get(JOBS).expect(200);
    patch(&person, &token, json!({"state": "inactive"}));
    refused_so(bearing(&cache, &token).get(JOBS), 403, "Token is inactive");
    patch(&person, &token, json!({"state": "active"}));
    bearing(&cache, &token).get(JOBS).expect(200);
}

#[test]
fn case_06_an_expired_token_opens_nothing() {
    let cache = Cache::start();
    let owner = cache.account();
    let person = cache.signed_in();
    let token = made(&person, owner, json!({"expired_at": moment(-1)}));
    refused_so(bearing(&cache, &token).get(JOBS), 403, "Token has expired");
    patch(&person, &token, json!({"state": "inactive"}));
    refused_so(bearing(&cache, &token).get(JOBS), 403, "Token is inactive");
}

#[test]
fn case_07_each_scope_opens_its_own_routes() {
    let cache = shared();
    let cluster = cache.bearing(&cache.token_for(&["cluster"]));
    cluster.get("/oapi/v1/clusters").expect(200);
    let said = refused(cluster.get(JOBS), 403);
    assert!(said.ends_with("Required permission: job"), "{said}");
    let job = cache.bearing(&cache.token_for(&["job"]));
    job.get(JOBS).expect(200);
    let said = refused(job.get("/oapi/v1/clusters"), 403);
    assert!(said.ends_with("Required permission: cluster"), "{said}");
}

#[test]
fn case_08_a_token_without_scopes_opens_both() {
    let cache = Cache::start();
    let owner = cache.account();
    let token = made(&cache.signed_in(), owner, json!({"scopes": []}));
    let client = bearing(&cache, &token);
    client.get(JOBS).expect(200);
    client.get("/oapi/v1/clusters").expect(200);
    // And no more than what such tokens are for.
    assert!(matches!(client.get("/hostler/v1/tokens").status, 401 | 403));
}

#[test]
fn case_09_who_asks_is_looked_at_before_what_is_asked() {
    let malformed = Request::new("POST", JOBS).header("Authorization", "Bearer bad").body("{\"type\":");
    refused_so(shared().stranger().send(malformed), 401, "Unauthorized");
}

#[test]
fn case_10_a_token_is_a_random_uuid_in_base64() {
    let cache = Cache::start();
    let owner = cache.account();
    let made = made(&cache.signed_in(), owner, json!({}));
    for token in [cache.token.as_str(), text(&made["token"])] {
        assert_eq!(token.len(), 48, "{token}");
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(token).expect("URL-safe base64 without padding");
        let decoded = String::from_utf8(decoded).expect("text");
        let uuid = uuid::Uuid::parse_str(&decoded).expect("a UUID");
        assert_eq!((uuid.get_version_num(), uuid.to_string()), (4, decoded), "version and spelling");
    }
}

#[test]
fn case_11_a_token_is_shown_once_and_kept_nowhere() {
    let cache = Cache::start();
    let owner = cache.account();
    let person = cache.signed_in();
    let record = made(&person, owner, json!({}));
    bearing(&cache, &record).get(JOBS).expect(200);
    let shown = person.get(&format!("{TOKENS}/{}", record["id"])).expect(200).json();
    assert_eq!((&shown["token"], &shown["name"]), (&json!(""), &record["name"]), "{shown}");
    assert_eq!(shown["user"]["name"], cast::PERSON.0, "{shown}");
    let listed = person.get(TOKENS).expect(200).json();
    assert!(list(&listed).iter().all(|token| token["token"] == ""), "{listed}");
    let token = text(&record["token"]).as_bytes().to_vec();
    let files = files_below(&cache.daemon.data_dir());
    assert!(!files.is_empty());
    for file in files {
        let held = std::fs::read(&file).unwrap_or_default(); // what was there a moment ago may be gone
        assert!(!held.windows(token.len()).any(|part| part == token), "{} holds it", file.display());
    }
}

#[test]
fn case_12_anybody_may_ask_whether_it_is_well() {
    let answer = shared().stranger().get("/healthy").expect(200);
    assert_eq!(answer.text().trim_end(), "\"OK\"");
}
