//! The routes of accounts over real HTTP.

use crate::admin::tests::{As, World};
use crate::base::Now;
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn operators_alone_may_do_anything_with_accounts() {
    let world = World::new().await;
    let rows = [
        (Method::GET, "accounts", Value::Null, 200),
        (Method::POST, "accounts", json!({ "name": "alice", "password": "pw" }), 201),
        (Method::GET, "accounts/alice", Value::Null, 200),
        (Method::PATCH, "accounts/alice", json!({ "tracker": "none" }), 200),
        (Method::PUT, "accounts/alice/password", json!({ "password": "other" }), 204),
        (Method::DELETE, "accounts/alice/sessions", Value::Null, 204),
        (Method::DELETE, "accounts/alice", Value::Null, 204),
    ];
    for (method, path, body, for_operator) in rows {
        for (who, expected) in [(As::Nobody, 401), (As::User, 403), (As::Operator, for_operator)] {
            let (status, answer) = world.json(who, method.clone(), path, body.clone()).await;
            assert_eq!(status, expected, "{method} {path} as {who:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn an_account_from_birth_to_removal() {
    let world = World::new().await;
    let mut events = world.handle.bus().listen(None);
    let asked = json!({ "name": "ä b", "password": "s3cret-pw" });
    let (status, mut made) = world.post(As::Operator, "accounts", asked.clone()).await;
    let created = made["created"].take();
    assert!(chrono::DateTime::parse_from_rfc3339(created.as_str().unwrap()).is_ok());
    let expected = json!({ "id": 1, "name": "ä b", "created": null, "operator": false, "tracker": "manager",
        "hub": "ordinary", "cache": "guest", "sessions": 0 });
    assert_eq!((status, &made), (201, &expected));
    let (status, refusal) = world.post(As::Operator, "accounts", asked).await;
    assert_eq!((status, &refusal["code"]), (409, &json!("account_exists")));

    let one = "accounts/%C3%A4%20b";
    let (text, _) = world.handle.accounts().open_session(1, Duration::from_secs(60), Now::read()).await.unwrap();
    assert_eq!(world.get(As::Operator, one).await.1["sessions"], 1);
    let change = json!({ "operator": true, "cache": "admin", "hub": null });
    let (status, changed) = world.json(As::Operator, Method::PATCH, one, change.clone()).await;
    assert_eq!((status, &changed["operator"], &changed["cache"]), (200, &json!(true), &json!("admin")));
    assert_eq!((&changed["tracker"], &changed["hub"]), (&json!("manager"), &json!("ordinary")));
    assert_eq!(world.json(As::Operator, Method::PATCH, one, change).await.0, 200, "it is so already");
    assert_eq!(world.json(As::Operator, Method::DELETE, &format!("{one}/sessions"), Value::Null).await.0, 204);
    assert!(world.handle.accounts().session(text.expose(), Now::read().wall).is_none());
    let another = json!({ "password": "s3cret-too" });
    assert_eq!(world.json(As::Operator, Method::PUT, &format!("{one}/password"), another).await.0, 204);
    let (_, list) = world.get(As::Operator, "accounts").await;
    assert_eq!(list["accounts"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["accounts"][0]["cache"], "admin");
    assert_eq!(world.json(As::Operator, Method::DELETE, one, Value::Null).await.0, 204);
    for method in [Method::GET, Method::DELETE] {
        let (status, refusal) = world.json(As::Operator, method, one, Value::Null).await;
        assert_eq!((status, &refusal["code"]), (404, &json!("no_such_account")));
    }

    let told = events.next().await.unwrap();
    let kinds: Vec<_> = told.iter().map(|event| event.kind.trim_start_matches("auth.account.")).collect();
    assert_eq!(kinds, ["made", "changed", "signed_out", "password", "removed"]);
    assert!(told.iter().all(|event| event.owner.is_none() && event.name == "ä b" && event.data["by"] == "token ops"));
    let (_, audit) = world.get(As::Operator, "audit").await;
    assert!(audit.to_string().contains("PUT /hostler/v1/accounts"), "{audit}");
    assert!(!format!("{audit}{list}{told:?}").contains("s3cret"));
}

#[tokio::test]
async fn admin_means_all_rights_and_each_can_be_given_by_itself() {
    let world = World::new().await;
    let create = async |fields: Value| {
        let mut body = json!({ "password": "pw" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (_, made) = world.post(As::Operator, "accounts", body).await;
        ["operator", "tracker", "hub", "cache"].map(|right| made[right].clone())
    };
    let all = [json!(true), json!("admin"), json!("admin"), json!("admin")];
    assert_eq!(create(json!({ "name": "a", "admin": true })).await, all);
    let fields = json!({ "name": "b", "admin": true, "operator": false, "hub": "none" });
    assert_eq!(create(fields).await, [json!(false), json!("admin"), json!("none"), json!("admin")]);
    let fields = json!({ "name": "c", "tracker": "none", "cache": "admin" });
    assert_eq!(create(fields).await, [json!(false), json!("none"), json!("ordinary"), json!("admin")]);
}

#[tokio::test]
async fn refusals_name_the_field_and_show_no_password() {
    let world = World::new().await;
    world.post(As::Operator, "accounts", json!({ "name": "alice", "password": "pw" })).await;
    let rows = [
        (Method::POST, "accounts", json!({ "password": "hunter2" }), "name: expected a text"),
        (Method::POST, "accounts", json!({ "name": "bob", "password": ["hunter2"] }), "password: expected a text"),
        (Method::POST, "accounts", json!({ "name": "bob", "password": "" }), "password: expected at least one"),
        (Method::POST, "accounts", json!({ "name": "a:b", "password": "hunter2" }), "name: expected 1 to 64 bytes"),
        (
            Method::POST,
            "accounts",
            json!({ "name": "b", "password": "x", "admin": 1 }),
            "admin: expected true or false",
        ),
        (Method::POST, "accounts", json!({ "name": "b", "password": "x", "role": 1 }), "unknown field `role`"),
        (Method::POST, "accounts", json!(["bob", "hunter2"]), "expected an object"),
        (Method::PATCH, "accounts/alice", json!({ "tracker": "boss" }), "tracker: expected none, manager or admin"),
        (Method::PATCH, "accounts/alice", json!({ "hub": 3 }), "hub: expected a word, not 3"),
        (Method::PUT, "accounts/alice/password", json!("hunter2"), "expected an object"),
        (Method::PUT, "accounts/alice/password", json!({ "password": 5 }), "password: expected a text"),
    ];
    for (method, path, body, why) in rows {
        let (status, refusal) = world.json(As::Operator, method, path, body.clone()).await;
        let told = refusal["error"].as_str().unwrap();
        assert!(status == 400 && told.starts_with(why), "{body}: {status} {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let (_, audit) = world.get(As::Operator, "audit").await;
    assert!(!audit.to_string().contains("hunter2"), "{audit}");
}
