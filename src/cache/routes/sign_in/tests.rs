//! Signing in, being renewed, and what ends it; the hashes are real ones.

use super::super::who::tests::{World, start, there};
use super::*;
use crate::auth::{Caller, Transport};
use crate::http::Query;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

const DAY: Duration = Duration::from_secs(86_400);
const LIFE: Duration = Duration::from_secs(14 * 86_400);
const RIGHT: &str = r#"{"name":"guest","password":"correct horse"}"#;

async fn sign(world: &World, body: &str) -> Result<Signed, Failure> {
    signed_in(&world.accounts, body.as_bytes(), there(), LIFE, start()).await
}

async fn renew(world: &World, text: &Secret, later: Duration) -> Result<Signed, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {}", text.expose()).parse().unwrap());
    let (caller, query) = (Caller::anonymous("a test", Transport::Tcp), Query::default());
    let asked = Asked { caller: &caller, headers: &headers, query: &query };
    refreshed(&world.ledger(), &asked, LIFE, start().later(later)).await
}

#[tokio::test]
async fn a_sign_in_stands_for_the_account_for_two_weeks() {
    let world = World::new().await;
    let signed = sign(&world, RIGHT).await.unwrap();
    assert_eq!((signed.who.as_str(), signed.until), ("account guest", start().later(LIFE).wall));
    let shown = |later| world.accounts.signed(signed.text.expose(), start().later(later).wall);
    assert_eq!(shown(Duration::ZERO).unwrap().account.id, 2);
    assert!(shown(LIFE - Duration::from_secs(1)).is_some() && shown(LIFE).is_none());
    assert_eq!(signed.reply(LIFE).unwrap().code(), 200);
}

#[tokio::test]
async fn every_wrong_sign_in_looks_the_same() {
    let world = World::new().await;
    for wrong in [
        r#"{"name":"guest","password":"wrong"}"#,
        r#"{"name":"stranger","password":"correct horse"}"#,
        r#"{"name":"ab","password":"x"}"#,
        r#"{"name":"guest"}"#,
        "{",
        "",
    ] {
        let failure = sign(&world, wrong).await.err().unwrap();
        assert_eq!((failure.status(), failure.message()), (ErrorStatus::UNAUTHORIZED, "Unauthorized"), "{wrong}");
    }
}

#[tokio::test]
async fn who_guesses_has_to_wait() {
    let world = World::new().await;
    let failed = loop {
        let failure = sign(&world, r#"{"name":"guest","password":"wrong"}"#).await.err().unwrap();
        if failure.status() != ErrorStatus::UNAUTHORIZED {
            break failure;
        }
    };
    assert_eq!(failed.status(), ErrorStatus::TOO_MANY_REQUESTS);
    assert!(failed.message().contains("too many failed sign-ins"));
    assert_eq!(sign(&world, RIGHT).await.err().unwrap().status(), ErrorStatus::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_young_sign_in_is_renewed_and_keeps_its_age() {
    let world = World::new().await;
    let signed = sign(&world, RIGHT).await.unwrap();
    let renewed = renew(&world, &signed.text, 6 * DAY).await.unwrap();
    assert_eq!(renewed.until, start().later(20 * DAY).wall);
    assert!(world.accounts.signed(renewed.text.expose(), start().later(19 * DAY).wall).is_some());
    for text in [&signed.text, &renewed.text] {
        let refused = renew(&world, text, 7 * DAY).await.err().unwrap();
        assert_eq!(refused.message(), "Unauthorized");
    }
    assert!(renew(&world, &Secret::new("x"), Duration::ZERO).await.is_err());
}

#[tokio::test]
async fn a_new_password_the_end_of_sessions_and_a_removal_make_sign_ins_void() {
    let world = World::new().await;
    let holds = |text: &Secret| world.accounts.signed(text.expose(), start().wall).is_some();
    let first = sign(&world, RIGHT).await.unwrap().text;
    assert!(holds(&first));
    world.accounts.set_password("guest", &Secret::new("another")).await.unwrap();
    assert!(!holds(&first));
    world.accounts.set_password("guest", &Secret::new("correct horse")).await.unwrap();
    assert!(!holds(&first), "the same password once more is a new one");
    let second = sign(&world, RIGHT).await.unwrap().text;
    world.accounts.close_sessions("guest").await.unwrap();
    assert!(!holds(&second));
    let third = sign(&world, RIGHT).await.unwrap().text;
    assert!(holds(&third));
    world.accounts.remove("guest").await.unwrap();
    assert!(!holds(&third));
}
