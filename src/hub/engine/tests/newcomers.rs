//! Who becomes a member, how he begins, and what he is called.

use super::*;
use crate::auth::accounts::{NewAccount, Rights};
use crate::base::Secret;
use crate::hub::model;

async fn account(world: &World, name: &str) -> u32 {
    let (name, password) = (name.to_owned(), Secret::new("pw"));
    let new = NewAccount { name, password, rights: Rights::ORDINARY, admin_if_first: false };
    world.accounts.create(new, Now::read()).await.unwrap().id
}

#[tokio::test]
async fn whether_a_newcomer_is_served_is_known_from_the_beginning() {
    let (world, store) = (World::new().await, Store::in_memory());
    let life = world.life(&store).await.unwrap();
    let (served, other) = (account(&world, "alice").await, account(&world, "bob").await);
    assert!(life.handle.welcome(served, true).await.unwrap().serving);
    let member = life.handle.welcome(other, false).await.unwrap();
    assert!(!member.serving && life.handle.standing(other).last_beat.is_none());
    assert_eq!(life.handle.member(other).await.unwrap(), member, "coming again changes nothing");
}

#[tokio::test]
async fn accounts_have_names_and_rights_and_so_has_the_operator_who_is_none() {
    let (world, store) = (World::new().await, Store::in_memory());
    let handle = world.life(&store).await.unwrap().handle.clone();
    let alice = account(&world, "alice").await;
    let known = |account| (handle.name_of(account), handle.rights_of(account), handle.is_account(account));
    assert_eq!(known(alice), (Some("alice".to_owned()), Some(Rights::ORDINARY), true));
    assert_eq!(known(model::OPERATOR), (Some("operator".to_owned()), Some(Rights::ADMIN), true));
    world.accounts.remove("alice").await.unwrap();
    assert_eq!(known(alice), (None, None, false));
}
