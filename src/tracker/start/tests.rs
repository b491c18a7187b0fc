//! What a start adds to what was stored.

use super::*;
use crate::store::{Batch, Store};
use crate::tracker::engine::tests::{create, opened, people, running};
use crate::tracker::machine::Write;
use crate::tracker::model::{ProjectId, Role};
use std::future::pending;

#[test]
fn after_a_restoration_no_number_is_given_again() {
    let day = 86_400_u64;
    let restored = (SINCE + 3 * day) * 1_000_000;
    let few = Numbers { worker: 10, project: 20, task: 30 };
    let seconds = 3 * 86_400;
    assert_eq!(unused(few, restored), Numbers { worker: seconds, project: seconds, task: restored });
    let many = Numbers { worker: u32::MAX, project: 1 << 30, task: u64::MAX };
    assert_eq!(unused(many, restored), many);
    assert_eq!(unused(few, 5), few);
    assert_eq!(unused(few, u64::MAX), Numbers { task: u64::MAX, ..few });
}

#[tokio::test]
async fn roles_of_accounts_that_are_gone_are_dropped() {
    let store = Store::in_memory();
    let (_, _, project) = people(&running(store.clone()).await).await;
    let mut batch = Batch::new();
    let role = |manager| Write::PutRole(project, ManagerId(manager), Role::READ);
    records::write(vec![role(0), role(5)], &mut batch);
    drop(store.submit(batch));
    let (handle, _engine) = opened(store.clone()).await;
    let operator = [(ManagerId(0), Role::READ)].into();
    assert_eq!(handle.look(move |room| room.roles(project)).await.unwrap(), operator);
    assert_eq!(records::load(&store.reader()).unwrap().stored.projects[0].0.roles, operator);
}

#[tokio::test]
async fn numbers_go_on_after_a_restart() {
    let store = Store::in_memory();
    people(&running(store.clone()).await).await;
    let next = running(store.survivors()).await;
    let verdict = next.ask(create("another"), pending()).await.unwrap();
    assert!(matches!(verdict, machine::Verdict::Project(ProjectId(2..))), "{verdict:?}");
}

#[test]
fn codes_are_letters_and_digits_and_differ() {
    let (one, other) = (draw_code().unwrap(), draw_code().unwrap());
    assert!(one.expose().len() == 24 && one.expose().bytes().all(|byte| LETTERS.contains(&byte)));
    assert_ne!(one.expose(), other.expose());
}
