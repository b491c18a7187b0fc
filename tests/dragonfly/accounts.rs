//! Cases 85–88: signing in, and the tokens of whoever has.

use super::*;
use crate::cast::PERSON;
use chrono::{TimeDelta, Utc};

const SIGNIN: &str = "/api/v1/users/signin";
const TOKENS: &str = "/api/v1/personal-access-tokens";

fn tomorrow() -> String {
    (Utc::now() + TimeDelta::days(1)).to_rfc3339()
}

#[test]
fn case_85_nobody_signs_in_with_the_wrong_words() {
    let cache = Cache::start();
    cache.account();
    for body in [
        json!({"name": PERSON.0, "password": "dragonfly2"}),
        json!({"name": "nobody", "password": PERSON.1}),
        json!({"name": "ab", "password": PERSON.1}),
        json!({"name": PERSON.0}),
    ] {
        let answer = cache.stranger().post(SIGNIN, &body);
        assert_eq!(answer.header("www-authenticate"), Some("JWT realm=Dragonfly"), "{body}: {}", answer.status);
        refused_so(answer, 401, "Unauthorized");
    }
    let malformed = cache.stranger().send(Request::new("POST", SIGNIN).body("{"));
    refused_so(malformed, 401, "Unauthorized");
    refused_so(cache.stranger().get(TOKENS), 401, "Unauthorized");
}

#[test]
fn case_86_the_cookie_of_a_sign_in_is_enough() {
    let cache = Cache::start();
    cache.account();
    let answer = cache.stranger().post(SIGNIN, &json!({"name": PERSON.0, "password": PERSON.1})).expect(200);
    let body = answer.json();
    chrono::DateTime::parse_from_rfc3339(text(&body["expire"])).expect("a time");
    let cookie = answer.header("set-cookie").expect("a cookie").to_owned();
    let parts: Vec<&str> = cookie.split(';').map(str::trim).collect();
    assert_eq!(parts[0].strip_prefix("jwt="), body["token"].as_str(), "{cookie}");
    assert!(parts.contains(&"Path=/") && parts.contains(&"Max-Age=1209600"), "{cookie}");
    let signed = cache.stranger().with("Cookie", parts[0]);
    assert!(signed.get(TOKENS).expect(200).json().is_array());
    // The other ways to show it.
    let token = text(&body["token"]);
    cache.bearing(token).get(TOKENS).expect(200);
    cache.stranger().get(&format!("{TOKENS}?token={token}")).expect(200);
    // It is no token of a program.
    refused_so(cache.bearing(token).get("/oapi/v1/jobs"), 401, "Unauthorized");
    signed.get("/api/v1/jobs").expect(200);
    signed.get("/api/v1/clusters").expect(200);

    let renewed = signed.send(Request::new("POST", "/api/v1/users/refresh_token")).expect(200).json();
    cache.bearing(text(&renewed["token"])).get(TOKENS).expect(200);
    signed.send(Request::new("POST", "/api/v1/users/signout")).expect(200);
    cache.stranger().post("/api/v1/users/signup", &json!({"name": "other", "password": "dragonfly1"})).expect(404);
}

#[test]
fn case_87_a_token_needs_a_name_an_end_and_an_owner() {
    let cache = Cache::start();
    let owner = cache.account();
    let person = cache.signed_in();
    let whole = json!({"name": "ci", "expired_at": tomorrow(), "user_id": owner, "bio": "for tests"});
    for missing in ["name", "expired_at", "user_id"] {
        let mut body = whole.clone();
        body.as_object_mut().expect("an object").remove(missing);
        invalid(person.post(TOKENS, &body));
    }
    let made = person.post(TOKENS, &whole).expect(200).json();
    assert_eq!((&made["scopes"], &made["state"]), (&json!(["job", "cluster"]), &json!("active")), "{made}");
    assert_eq!((&made["bio"], &made["user_id"]), (&json!("for tests"), &json!(owner)), "{made}");
    refused_so(person.post(TOKENS, &whole), 409, "Conflict");
    let listed = person.get(&format!("{TOKENS}?state=active")).expect(200);
    assert!(column(&listed.json(), "name").contains(&"ci"));
    assert!(listed.header("link").is_some());
    // Nobody gives away more than these tokens are for.
    let more = plus(whole, json!({"name": "more", "scopes": ["admin"]}));
    let answer = person.post(TOKENS, &more);
    if answer.status == 200 {
        let token = text(&answer.json()["token"]).to_owned();
        assert!(matches!(cache.bearing(&token).get("/hostler/v1/accounts").status, 401 | 403));
    }
}

#[test]
fn case_88_a_deleted_token_opens_nothing() {
    let cache = Cache::start();
    let owner = cache.account();
    let person = cache.signed_in();
    let body = json!({"name": "short", "expired_at": tomorrow(), "user_id": owner});
    let made = person.post(TOKENS, &body).expect(200).json();
    let client = cache.bearing(text(&made["token"]));
    client.get("/oapi/v1/jobs").expect(200);
    assert_eq!(person.delete(&format!("{TOKENS}/{}", made["id"])).expect(200).text(), "");
    refused_so(client.get("/oapi/v1/jobs"), 401, "Unauthorized");
    refused(person.get(&format!("{TOKENS}/{}", made["id"])), 404);
}

#[test]
fn what_was_asked_is_in_the_audit_log() {
    let cache = Cache::start();
    cache.account();
    let person = cache.signed_in();
    cache.job("get_task", json!({"url": "https://example.com/audited"}));
    cache.stranger().get("/oapi/v1/jobs").expect(401);
    until("both are written down", SOON, || {
        let lines = person.get("/api/v1/audits?per_page=100").expect(200).json();
        let line =
            |path: &str, state: &str| list(&lines).iter().any(|line| line["path"] == path && line["state"] == state);
        (line("/oapi/v1/jobs", "SUCCESS") && line("/oapi/v1/jobs", "FAILURE")).then_some(())
    });
}

#[test]
fn reading_is_all_that_some_tokens_allow() {
    let cache = shared();
    let reader = cache.bearing(&cache.token_for(&["job:read"]));
    reader.get("/oapi/v1/jobs").expect(200);
    reader.get("/oapi/v1/tasks").expect(200);
    let body = json!({"type": "get_task", "args": {"url": "https://example.com/reader"}});
    refused(reader.post("/oapi/v1/jobs", &body), 403);
}
