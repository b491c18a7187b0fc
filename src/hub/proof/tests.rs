//! What is read of a header, and for whom the texts stand that are given out.

use super::*;
use crate::auth::accounts::{Hub, NewAccount, Rights};
use crate::auth::tokens::{AccountAsk, Ask};
use crate::auth::{Caller, Local, Transport};
use crate::base::Now;
use crate::store::Store;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn start() -> Now {
    Now { mono: Default::default(), wall: Wall::UNIX_EPOCH }
}

fn headers(all: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in all {
        headers.append(AUTHORIZATION, value.parse().unwrap());
    }
    headers
}

#[test]
fn one_header_of_two_words_is_read() {
    assert_eq!(Shown::of(&headers(&[])), Ok(None));
    for text in ["Token abc", "token abc", "TOKEN  abc ", "Bearer abc", "bEaReR abc"] {
        assert_eq!(Shown::of(&headers(&[text])), Ok(Some(Shown::Text("abc"))), "{text}");
    }
    let basic = |text: &str| headers(&[&format!("Basic {}", BASE64_STANDARD.encode(text))]);
    for (text, password) in [("alice:pw", "pw"), ("alice:p:w", "p:w"), ("alice:", "")] {
        let shown = Shown::Password("alice".to_owned(), Secret::new(password));
        assert_eq!(Shown::of(&basic(text)), Ok(Some(shown)), "{text}");
    }
    assert_eq!(Shown::of(&basic("alice")), Err(Unread));
    let wrong: [&[&str]; 7] =
        [&[""], &["Token"], &["abc"], &["Token abc x"], &["Digest abc"], &["Basic ?"], &["Token abc", "Token abc"]];
    for all in wrong {
        assert_eq!(Shown::of(&headers(all)), Err(Unread), "{all:?}");
    }
}

#[tokio::test]
async fn a_text_stands_for_whom_it_was_given_to() {
    let store = Store::in_memory();
    let tokens = Tokens::load(store.clone()).unwrap();
    let accounts = Accounts::load(store).unwrap();
    let rights = Rights { hub: Hub::Ordinary, ..Rights::default() };
    let new = NewAccount { name: "alice".to_owned(), password: Secret::new("pw"), rights, admin_if_first: false };
    let alice = accounts.create(new, start()).await.unwrap();
    let root = Local { uid: 0, gid: None, name: Some("root".to_owned()), operator: true };
    let root = Caller::local(root, Transport::Unix);
    let mint = async |name: &str, scope: Scope| {
        let expires = Some(start().later(HOUR).wall);
        let ask = Ask { name: name.to_owned(), scopes: vec![scope], owner: None, expires };
        tokens.mint(&root, ask, start()).await.unwrap().0
    };
    let (session, _) = accounts.open_hub_session(alice.id, start()).await.unwrap();
    let (cookie, _) = accounts.open_session(alice.id, HOUR, start()).await.unwrap();
    let (hub, all, other) =
        (mint("hub", Scope::Hub).await, mint("all", Scope::Admin).await, mint("proc", Scope::ProcWrite).await);
    let of_account = AccountAsk {
        name: "ci".to_owned(),
        bio: String::new(),
        scopes: Vec::new(),
        account: alice.id,
        expires: start().later(HOUR).wall,
        by: "a test".to_owned(),
    };
    let (of_account, _) = tokens.mint_for_account(of_account, start()).await.unwrap();
    let ledger = Ledger { tokens: &tokens, accounts: &accounts };
    let bearer = |text: &Secret, at: Now| ledger.bearer(text.expose(), at.wall);
    assert_eq!(bearer(&session, start()), Some(Bearer::Account(alice)));
    assert_eq!(bearer(&cookie, start()), None, "that is a browser's");
    assert_eq!(bearer(&hub, start()), Some(Bearer::Operator("hub".to_owned(), false)));
    assert_eq!(bearer(&all, start()), Some(Bearer::Operator("all".to_owned(), true)));
    assert_eq!(bearer(&other, start()), Some(Bearer::Stranger("proc".to_owned())));
    assert_eq!(bearer(&of_account, start()), Some(Bearer::Stranger("ci".to_owned())), "that is for the cache");
    assert_eq!(bearer(&hub, start().later(2 * HOUR)), None);
    assert_eq!(bearer(&Secret::new("deadbeef"), start()), None);
}
