//! Who may read what is private.

use crate::auth::accounts::{Hub, NewAccount, Rights};
use crate::auth::tokens::Tokens;
use crate::auth::{Accounts, Place};
use crate::base::{Hex, Now, Secret};
use crate::http::Query;
use crate::hub::proof::Ledger;
use crate::store::Store;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};
use md5::{Digest as _, Md5};

struct World {
    tokens: Tokens,
    accounts: Accounts,
}

impl World {
    fn new() -> World {
        let store = Store::in_memory();
        World { tokens: Tokens::load(store.clone()).unwrap(), accounts: Accounts::load(store).unwrap() }
    }

    async fn account(&self, name: &str, hub: Hub) -> u32 {
        let rights = Rights { hub, ..Rights::default() };
        let password = Secret::new(format!("{name}'s password"));
        let new = NewAccount { name: name.to_owned(), password, rights, admin_if_first: false };
        self.accounts.create(new, Now::read()).await.unwrap().id
    }

    async fn session(&self, id: u32) -> String {
        let (text, _) = self.accounts.open_hub_session(id, Now::read()).await.unwrap();
        text.expose().to_owned()
    }

    /// The hub's code, or 0.
    async fn asks(&self, owner: u32, query: &str, authorization: Option<&str>) -> u16 {
        let mut headers = HeaderMap::new();
        if let Some(text) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::try_from(text).unwrap());
        }
        let ledger = Ledger { tokens: &self.tokens, accounts: &self.accounts };
        let place = Place::User(12345);
        match ledger.may_read(owner, (&Query::parse(query), &headers), place, Now::read()).await {
            Ok(()) => 0,
            Err(why) => {
                assert_eq!(why.status().as_u16(), 400);
                if format!("{why:?}").contains("forbidden") { 1006 } else { 1005 }
            }
        }
    }
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

#[tokio::test]
async fn what_is_private_is_for_its_owner_and_administrators() {
    let world = World::new();
    let alice = world.account("alice", Hub::Ordinary).await;
    let bob = world.account("bob", Hub::Ordinary).await;
    let root = world.account("root", Hub::Admin).await;
    let guest = world.account("guest", Hub::None).await;
    let [of_alice, of_bob, of_root, of_guest] =
        [world.session(alice).await, world.session(bob).await, world.session(root).await, world.session(guest).await];
    assert_eq!(world.asks(alice, "", None).await, 1005);
    assert_eq!(world.asks(alice, "", Some(&format!("Token {of_alice}"))).await, 0);
    assert_eq!(world.asks(alice, "", Some(&format!("bearer {of_root}"))).await, 0);
    assert_eq!(world.asks(alice, "", Some(&format!("Token {of_bob}"))).await, 1006);
    assert_eq!(world.asks(guest, "", Some(&format!("Token {of_guest}"))).await, 1006);
    assert_eq!(world.asks(alice, "", Some("Token deadbeef")).await, 1005);
    assert_eq!(world.asks(alice, &format!("token={of_alice}&username=alice"), None).await, 0);
    assert_eq!(world.asks(alice, &format!("token={of_alice}"), None).await, 0);
    assert_eq!(world.asks(alice, &format!("token={of_alice}&username=bob"), None).await, 1005);
    assert_eq!(world.asks(alice, "token=deadbeef&username=alice", Some(&format!("Token {of_alice}"))).await, 1005);
}

#[tokio::test]
async fn a_password_is_as_good_as_a_token() {
    let world = World::new();
    let alice = world.account("alice", Hub::Ordinary).await;
    assert_eq!(world.asks(alice, "", Some(&basic("alice", "alice's password"))).await, 0);
    let md5 = Hex(&Md5::digest("alice's password")).to_string();
    assert_eq!(world.asks(alice, "", Some(&basic("alice", &md5))).await, 0);
    assert_eq!(world.asks(alice, "", Some(&basic("alice", "wrong"))).await, 1005);
    assert_eq!(world.asks(alice, "", Some("Basic nonsense")).await, 1005);
}
