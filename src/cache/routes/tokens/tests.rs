//! Tokens of accounts, as bodies ask for them and answers show them.

use super::super::who::tests::{World, start};
use super::*;
use crate::auth::tokens::OF_ACCOUNTS;
use serde_json::json;

fn body() -> Value {
    json!({ "name": "ci", "bio": "builds", "expired_at": "2030-01-01T00:00:00Z", "user_id": 2 })
}

async fn make(world: &World, body: &Value) -> Result<Value, Failure> {
    let by = "account admin".to_owned();
    let made = made(&world.tokens, &world.accounts, body.to_string().as_bytes(), by, start()).await;
    made.map(|(text, token)| out(&token, &world.accounts, Some(&text)))
}

async fn patch(world: &World, id: u64, body: &Value) -> Result<Value, Failure> {
    let changed = changed(&world.tokens, &world.accounts, id, body.to_string().as_bytes(), start()).await;
    changed.map(|token| out(&token, &world.accounts, None))
}

fn shown(world: &World, id: u64) -> Value {
    out(&world.tokens.of_account(id).unwrap(), &world.accounts, None)
}

#[tokio::test]
async fn a_tokens_text_is_shown_once() {
    let world = World::new().await;
    let made = make(&world, &body()).await.unwrap();
    let text = made["token"].as_str().unwrap();
    assert!(text.len() == 48 && world.tokens.shown(text, start().wall).is_ok());
    assert_eq!(made["scopes"], json!(["job", "cluster"]));
    assert_eq!((made["state"].as_str(), made["user_id"].as_u64()), (Some("active"), Some(2)));
    assert_eq!((made["user"]["name"].as_str(), made["expired_at"].as_str()), {
        (Some("guest"), Some("2030-01-01T00:00:00Z"))
    });
    let mut later = shown(&world, made["id"].as_u64().unwrap());
    assert_eq!(later["token"], "");
    later["token"] = made["token"].clone();
    assert_eq!(later, made);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::new().await;
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(257))),
        ("name", json!("a\nb")),
        ("bio", json!("x".repeat(1025))),
        ("expired_at", json!(null)),
        ("user_id", json!(0)),
        ("user_id", json!(9)),
        ("scopes", json!(["preheat"])),
        ("scopes", json!(["admin"])),
        ("scopes", json!(["job", "proc:write"])),
    ] {
        let mut body = body();
        body[field] = value.clone();
        let failure = make(&world, &body).await.unwrap_err();
        assert_eq!(failure.status(), ErrorStatus::UNPROCESSABLE, "{field} {value}");
        assert!(failure.message().contains(field), "{field} {value}: {failure:?}");
    }
    assert!(world.tokens.of_accounts(|_| true).is_empty());
}

#[tokio::test]
async fn names_are_unique_among_all_accounts_and_for_good() {
    let world = World::new().await;
    let mut over = body();
    over["expired_at"] = json!("1960-01-01T00:00:00Z");
    let made = make(&world, &over).await.unwrap();
    assert_eq!(made["expired_at"], "1960-01-01T00:00:00Z", "an end in the past is one");
    let mut other = body();
    other["user_id"] = json!(1);
    let failure = make(&world, &other).await.unwrap_err();
    assert_eq!((failure.status(), failure.message()), (ErrorStatus::CONFLICT, "Conflict"));
    world.tokens.revoke_of_account(made["id"].as_u64().unwrap()).await.unwrap();
    assert!(make(&world, &other).await.is_ok());
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name() {
    let world = World::new().await;
    let mut asked = body();
    asked["scopes"] = json!(["cluster"]);
    let made = make(&world, &asked).await.unwrap();
    let id = made["id"].as_u64().unwrap();
    let mut same = made.clone();
    same["token"] = json!("");
    let changed = patch(&world, id, &json!({ "name": "other", "bio": "" })).await.unwrap();
    assert_eq!(changed, same, "scopes included");
    let all = json!({ "state": "inactive", "scopes": ["job"], "user_id": 1, "bio": "x" });
    let changed = patch(&world, id, &all).await.unwrap();
    assert_eq!(changed["scopes"], json!(["job"]));
    let words = [&changed["state"], &changed["user"]["name"], &changed["bio"]].map(|word| word.as_str().unwrap());
    assert_eq!(words, ["inactive", "admin", "x"]);
    assert_eq!(shown(&world, id), changed);
    assert_eq!(patch(&world, id, &json!({ "scopes": [] })).await.unwrap()["scopes"], json!([]));

    let unprocessable = |failure: Failure| (failure.status().as_u16(), failure.message().to_owned());
    for wrong in [json!({ "user_id": 9 }), json!({ "scopes": ["hub"] }), json!({ "state": "off" })] {
        assert_eq!(unprocessable(patch(&world, id, &wrong).await.unwrap_err()).0, 422, "{wrong}");
    }
    let missing = unprocessable(patch(&world, 99, &json!({})).await.unwrap_err());
    assert_eq!(missing, (404, "record not found".to_owned()));
}

#[tokio::test]
async fn tokens_of_users_are_not_to_be_seen_or_changed_here() {
    use crate::auth::tokens::Ask;
    use crate::auth::{Caller, Local, Transport};
    let world = World::new().await;
    let root = Caller::local(Local { uid: 0, gid: None, name: None, operator: true }, Transport::Unix);
    let ask = Ask { name: "ci".to_owned(), scopes: vec![Scope::Admin], owner: None, expires: None };
    let (_, token) = world.tokens.mint(&root, ask, start()).await.unwrap();
    assert!(world.tokens.of_account(token.id).is_none() && world.tokens.of_accounts(|_| true).is_empty());
    assert!(patch(&world, token.id, &json!({ "user_id": 1 })).await.is_err());
    assert!(world.tokens.revoke_of_account(token.id).await.is_err());
    assert!(make(&world, &body()).await.is_ok(), "a user's token takes no account's name");
}

#[tokio::test]
async fn lists_show_what_is_wanted() {
    let world = World::new().await;
    for (name, user) in [("a", 1), ("b", 2), ("c", 2)] {
        let mut body = body();
        (body["name"], body["user_id"]) = (json!(name), json!(user));
        make(&world, &body).await.unwrap();
    }
    patch(&world, 2, &json!({ "state": "inactive" })).await.unwrap();
    let names = |query: &str| {
        let wanted = Wanted::read(&Query::parse(query))?;
        let tokens = world.tokens.of_accounts(|token| wanted.wants(token));
        Ok::<_, Failure>(tokens.into_iter().map(|token| token.name).collect::<Vec<_>>().join(" "))
    };
    for (query, expected) in [
        ("", "a b c"),
        ("user_id=2", "b c"),
        ("user_id=2&state=active", "c"),
        ("state=inactive", "b"),
        ("user_id=0&state=", "a b c"),
        ("user_id=9", ""),
    ] {
        assert_eq!(names(query).unwrap(), expected, "{query}");
    }
    for wrong in ["state=off", "user_id=x", "user_id=-1"] {
        assert_eq!(names(wrong).unwrap_err().status(), ErrorStatus::UNPROCESSABLE, "{wrong}");
    }
}

#[tokio::test]
async fn there_is_an_end_to_tokens() {
    let world = World::new().await;
    for number in 0..OF_ACCOUNTS {
        let mut body = body();
        body["name"] = json!(number.to_string());
        make(&world, &body).await.unwrap();
    }
    let failure = make(&world, &body()).await.unwrap_err();
    assert_eq!(failure.status(), ErrorStatus::CONFLICT);
    assert!(failure.message().contains("5000 tokens"), "{failure:?}");
}
