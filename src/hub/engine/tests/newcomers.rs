//! Who becomes a member, and how he begins.

use super::*;
use crate::auth::accounts::{NewAccount, Rights};
use crate::base::Secret;

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
