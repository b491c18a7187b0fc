//! Accounts: made, signed in to, changed and removed, over restarts; the store in memory commits at once.

use super::*;
use crate::auth::Source;
use std::net::SocketAddr;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn start() -> Now {
    Now { mono: Default::default(), wall: Wall::UNIX_EPOCH }
}

fn load(store: &Store) -> Accounts {
    Accounts::load_at(store.clone(), start().wall).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn peer(address: &str) -> Place {
    Source::Tcp(address.parse::<SocketAddr>().unwrap()).into()
}

fn here() -> Place {
    peer("192.0.2.1:1000")
}

fn new(name: &str, password: &str) -> NewAccount {
    NewAccount { name: name.to_owned(), password: secret(password), rights: Rights::default(), admin_if_first: false }
}

/// `alice` with the password `correcthorse`, as another tracker kept her.
fn imported(id: u32, name: &str) -> ImportedAccount {
    use sha2::{Digest, Sha512};
    let sha512 = Sha512::digest(format!("correcthorse{name}")).into();
    ImportedAccount { id, name: name.to_owned(), created: Wall::UNIX_EPOCH, rights: Rights::ORDINARY, sha512 }
}

async fn sign_in(accounts: &Accounts, name: &str, password: &str) -> Result<Account, SignInError> {
    accounts.sign_in(name, &secret(password), here(), start()).await
}

/// What is kept of its password.
fn kept(accounts: &Accounts, name: &str) -> Kept {
    (*accounts.known().by_name(name).unwrap().kept).clone()
}

#[tokio::test]
async fn an_account_is_made_found_and_signed_in_to_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let settings = || crate::store::Settings {
        tables: TABLES.to_vec(),
        reserve_bytes: 0,
        ..crate::store::Settings::new(dir.path())
    };
    let accounts = load(&Store::open(settings()).unwrap());
    let made = accounts.create(NewAccount { rights: Rights::ORDINARY, ..new("alice", "pw") }, start()).await.unwrap();
    let expected = Account { id: 1, name: "alice".to_owned(), created: Wall::UNIX_EPOCH, rights: Rights::ORDINARY };
    assert_eq!(made, expected);
    let (text, expires) = accounts.open_session(1, HOUR, start()).await.unwrap();
    assert_eq!(expires, start().later(HOUR).wall);
    let mut export = Vec::new();
    accounts.0.store.export(&TABLES, &mut export).unwrap();
    drop(accounts);

    let export = String::from_utf8(export).unwrap();
    assert!(export.contains("alice") && export.contains("\"password\":\"…\"") && export.contains("\"sha256\":\"…\""));
    assert!(!export.contains("argon2") && !export.contains(text.expose()), "{export}");

    let accounts = load(&Store::open(settings()).unwrap());
    assert_eq!(accounts.get(1).as_ref(), Some(&expected));
    assert_eq!(accounts.by_name("alice").as_ref(), Some(&expected));
    assert_eq!(accounts.list(), std::slice::from_ref(&expected));
    assert_eq!(accounts.session(text.expose(), start().wall).as_ref(), Some(&expected));
    assert_eq!(sign_in(&accounts, "alice", "pw").await.unwrap(), expected);
    assert!(matches!(sign_in(&accounts, "alice", "Pw").await, Err(SignInError::Wrong)));
    assert!(matches!(sign_in(&accounts, "bob", "pw").await, Err(SignInError::Wrong)));
    assert!(accounts.get(2).is_none() && accounts.by_name("Alice").is_none());
}

#[tokio::test]
async fn names_and_passwords_have_their_limits() {
    let accounts = load(&Store::in_memory());
    for bad in ["", ".", "..", "a/b", "a:b", "a\nb", "a\u{7f}", &"x".repeat(LONGEST_NAME + 1)] {
        let refused = accounts.create(new(bad, "pw"), start()).await;
        assert!(matches!(refused, Err(AccountError::Name)), "{bad:?}: {refused:?}");
    }
    assert!(matches!(accounts.create(new(BUILT_IN, "pw"), start()).await, Err(AccountError::Taken(_))));
    assert!(matches!(accounts.create(new("alice", ""), start()).await, Err(AccountError::Password)));
    accounts.create(new("ä b", "x"), start()).await.unwrap();
    assert!(matches!(accounts.create(new("ä b", "y"), start()).await, Err(AccountError::Taken(name)) if name == "ä b"));
    assert!(matches!(accounts.set_password("ä b", &secret("")).await, Err(AccountError::Password)));
    assert!(matches!(accounts.set_password("bob", &secret("x")).await, Err(AccountError::Unknown(_))));
    assert!(matches!(accounts.remove("bob").await, Err(AccountError::Unknown(_))));
    assert!(matches!(accounts.set_rights(9, |_| {}).await, Err(AccountError::Unknown(_))));
    assert!(matches!(accounts.open_session(9, HOUR, start()).await, Err(AccountError::Unknown(_))));
}

#[tokio::test]
async fn of_several_first_ones_exactly_one_becomes_admin() {
    let store = Store::in_memory();
    let accounts = load(&store);
    let names = ["a", "b", "c", "a"];
    let first = names.map(|name| accounts.create(NewAccount { admin_if_first: true, ..new(name, "pw") }, start()));
    let made = futures_util::future::join_all(first).await;
    assert_eq!(made.iter().filter(|made| matches!(made, Err(AccountError::Taken(_)))).count(), 1);
    let admins = made.iter().flatten().filter(|account| account.rights.tracker == Tracker::Admin);
    assert_eq!(admins.count(), 1, "{made:?}");
    for accounts in [&accounts, &load(&store.survivors())] {
        assert!(accounts.has_tracker_admin());
        assert_eq!(accounts.list().len(), 3);
        assert_eq!(accounts.list().iter().filter(|account| account.rights.tracker == Tracker::Admin).count(), 1);
    }
}

#[tokio::test]
async fn whether_there_is_an_admin_follows_the_rights() {
    let accounts = load(&Store::in_memory());
    let admin = NewAccount { rights: Rights::ADMIN, ..new("root", "pw") };
    let id = accounts.create(admin.clone(), start()).await.unwrap().id;
    assert!(accounts.has_tracker_admin());
    let changed = accounts.set_rights(id, |rights| rights.tracker = Tracker::Manager).await.unwrap();
    assert_eq!(changed.rights, Rights { tracker: Tracker::Manager, ..Rights::ADMIN });
    assert!(!accounts.has_tracker_admin());
    accounts.set_rights(id, |rights| rights.tracker = Tracker::Admin).await.unwrap();
    accounts.set_rights(id, |rights| rights.tracker = Tracker::Admin).await.unwrap();
    assert!(accounts.has_tracker_admin());
    accounts.remove("root").await.unwrap();
    assert!(!accounts.has_tracker_admin());
}

#[tokio::test]
async fn a_number_is_given_once_and_removals_are_told() {
    let store = Store::in_memory();
    let accounts = load(&store);
    let (mut told, gone) = (accounts.watch_removed(), accounts.watch_removed());
    drop(gone);
    for expected in 1..4 {
        assert_eq!(accounts.create(new("alice", "pw"), start()).await.unwrap().id, expected);
        assert_eq!(accounts.remove("alice").await.unwrap().id, expected);
        assert_eq!(told.try_recv(), Ok(expected));
    }
    let accounts = load(&store.survivors());
    assert_eq!(accounts.create(new("alice", "pw"), start()).await.unwrap().id, 4);
    assert!(matches!(sign_in(&accounts, "alice", "pw").await, Ok(Account { id: 4, .. })));
}

#[tokio::test]
async fn what_was_not_written_down_is_not_answered() {
    let store = Store::dying_after(1);
    let accounts = load(&store);
    accounts.create(new("alice", "pw"), start()).await.unwrap();
    assert!(matches!(accounts.create(new("bob", "pw"), start()).await, Err(AccountError::Commit(_))));
    assert!(matches!(accounts.open_session(1, HOUR, start()).await, Err(AccountError::Commit(_))));
    assert!(matches!(accounts.remove("alice").await, Err(AccountError::Commit(_))));
    let names: Vec<_> = load(&store.survivors()).list().into_iter().map(|account| account.name).collect();
    assert_eq!(names, ["alice"]);
}

#[tokio::test]
async fn an_imported_hash_is_replaced_at_the_next_sign_in() {
    let store = Store::in_memory();
    let accounts = load(&store);
    accounts.create(new("taken", "pw"), start()).await.unwrap();
    let ids = [(7, "alice"), (1, "bob"), (8, "taken"), (0, "nobody"), (9, "a:b"), (7, "again"), (9, "last")];
    let became = accounts.import(ids.map(|(id, name)| imported(id, name)).into()).await;
    let became: Vec<_> = became.into_iter().map(|one| one.err().map(|why| why.to_string())).collect();
    let number = |id: u32| Some(format!("there is an account with the number {id} already"));
    assert_eq!((&became[0], &became[1], &became[3], &became[5]), (&None, &number(1), &number(0), &number(7)));
    assert!(became[2].as_ref().is_some_and(|why| why.contains("\"taken\"")));
    assert!(became[4].as_ref().is_some_and(|why| why.starts_with("name: ")) && became[6].is_none());
    assert_eq!(accounts.create(new("next", "pw"), start()).await.unwrap().id, 10);

    let accounts = load(&store.survivors());
    assert!(matches!(kept(&accounts, "alice"), Kept::Sha512(_)));
    assert!(matches!(sign_in(&accounts, "alice", "correcthors").await, Err(SignInError::Wrong)));
    assert!(matches!(kept(&accounts, "alice"), Kept::Sha512(_)));
    let (text, _) = accounts.open_session(7, HOUR, start()).await.unwrap();
    assert_eq!(sign_in(&accounts, "alice", "correcthorse").await.unwrap().id, 7);
    assert!(matches!(kept(&accounts, "alice"), Kept::Argon2id(_)));
    assert!(accounts.session(text.expose(), start().wall).is_some(), "the password is the same");
    let accounts = load(&accounts.0.store.survivors());
    assert!(matches!(kept(&accounts, "alice"), Kept::Argon2id(_)));
    assert_eq!(sign_in(&accounts, "alice", "correcthorse").await.unwrap().id, 7);
}

#[tokio::test]
async fn more_accounts_than_one_decision_holds_are_imported() {
    let store = Store::in_memory();
    let accounts = load(&store);
    let many = (1..=250).map(|id| imported(id, &format!("m{id}"))).collect();
    assert!(accounts.import(many).await.iter().all(Result::is_ok));
    assert_eq!(load(&store.survivors()).list().len(), 250);
    let dead = load(&Store::dying_after(0)).import(vec![imported(1, "a"), imported(0, "b")]).await;
    assert!(matches!(&dead[..], [Err(AccountError::Commit(_)), Err(AccountError::NumberTaken(0))]), "{dead:?}");
}

#[tokio::test]
async fn ten_mistakes_are_free_and_then_even_the_right_password_waits() {
    let accounts = load(&Store::in_memory());
    accounts.create(new("alice", "pw"), start()).await.unwrap();
    let from = |port: u16, host: u8| peer(&format!("192.0.2.{host}:{port}"));
    // Each from another place: what is counted is the name.
    for host in 0..=throttle::FREE {
        let wrong = accounts.sign_in("alice", &secret("x"), from(1, host as u8), start()).await;
        assert!(matches!(wrong, Err(SignInError::Wrong)), "{host}: {wrong:?}");
    }
    let right = accounts.sign_in("alice", &secret("pw"), from(1, 200), start()).await;
    assert!(matches!(right, Err(SignInError::Throttled(rest)) if rest == Duration::from_secs(1)), "{right:?}");
    let later = start().later(Duration::from_secs(1));
    assert!(accounts.sign_in("alice", &secret("pw"), from(1, 200), later).await.is_ok());
    // Forgotten: ten more are free.
    for _ in 0..2 {
        let wrong = accounts.sign_in("alice", &secret("x"), from(1, 201), later).await;
        assert!(matches!(wrong, Err(SignInError::Wrong)));
    }
}

#[tokio::test]
async fn a_place_is_throttled_whatever_names_it_tries() {
    let accounts = load(&Store::in_memory());
    accounts.create(new("alice", "pw"), start()).await.unwrap();
    let long = "x".repeat(100_000);
    for port in 0..=throttle::FREE {
        let name = if port == 3 { long.clone() } else { format!("name {port}") };
        let wrong = accounts.sign_in(&name, &secret("x"), Source::Unix { pid: port as i32 }.into(), start()).await;
        assert!(matches!(wrong, Err(SignInError::Wrong)));
    }
    let unix = Place::from(Source::Unix { pid: 99 });
    let refused = accounts.sign_in("alice", &secret("pw"), unix, start()).await;
    assert!(matches!(refused, Err(SignInError::Throttled(_))), "{refused:?}");
    assert!(accounts.sign_in("alice", &secret("pw"), here(), start()).await.is_ok());
    let still = accounts.sign_in("alice", &secret("pw"), unix, start()).await;
    assert!(matches!(still, Err(SignInError::Throttled(_))), "a success elsewhere is none of here");
}

#[tokio::test]
async fn too_many_newcomers_of_one_place_wait_and_operators_do_not() {
    let accounts = load(&Store::in_memory());
    let (at_once, every) = NEWCOMERS;
    accounts.register(new("first", "pw"), here(), start()).await.unwrap();
    for _ in 1..at_once {
        accounts.throttles().newcomers.take(here(), start().mono).unwrap();
    }
    let refused = accounts.register(new("alice", "pw"), here(), start()).await;
    assert!(matches!(refused, Err(AccountError::TooMany(rest)) if rest == every), "{refused:?}");
    let taken = accounts.register(new("first", "pw"), here(), start()).await;
    assert!(matches!(taken, Err(AccountError::Taken(_))), "that costs nothing, and is said at once");
    accounts.register(new("bob", "pw"), Place::User(1000), start()).await.unwrap();
    accounts.create(new("carol", "pw"), start()).await.unwrap();
    accounts.register(new("alice", "pw"), here(), start().later(every)).await.unwrap();
    assert_eq!(accounts.list().len(), 4);
}

#[tokio::test]
async fn a_digest_opens_what_its_password_opens_for_the_hub_alone() {
    const DIGEST: &str = "8fe4c11451281c094a6578e6ddbf5eed"; // MD5 of "pw"
    let accounts = load(&Store::in_memory());
    let made = accounts.create(new("alice", "pw"), start()).await.unwrap();
    let by_digest = async |shown: &str| accounts.sign_in_by_digest("alice", &secret(shown), here(), start()).await;
    assert_eq!(by_digest(DIGEST).await.unwrap(), made);
    assert_eq!(by_digest("pw").await.unwrap(), made);
    assert!(matches!(sign_in(&accounts, "alice", DIGEST).await, Err(SignInError::Wrong)));
    accounts.import(vec![imported(7, "bob")]).await.remove(0).unwrap();
    let bob = secret("c67a0c16955c2629b51e94101b8639c0"); // MD5 of "correcthorse"
    let refused = accounts.sign_in_by_digest("bob", &bob, here(), start()).await;
    assert!(matches!(refused, Err(SignInError::Wrong)));
    assert_eq!(accounts.sign_in_by_digest("bob", &secret("correcthorse"), here(), start()).await.unwrap().id, 7);
    for host in 0..=throttle::FREE {
        let wrong = secret("0123456789abcdef0123456789abcdef");
        let from = peer(&format!("198.51.100.{host}:1"));
        accounts.sign_in_by_digest("alice", &wrong, from, start()).await.unwrap_err();
    }
    assert!(matches!(by_digest(DIGEST).await, Err(SignInError::Throttled(_))));
}

#[tokio::test]
async fn a_token_of_the_hub_is_a_session_of_forty_digits() {
    let store = Store::in_memory();
    let accounts = load(&store);
    let id = accounts.create(new("alice", "pw"), start()).await.unwrap().id;
    assert!(matches!(accounts.open_hub_session(9, start()).await, Err(AccountError::Unknown(_))));
    let (text, expires) = accounts.open_hub_session(id, start()).await.unwrap();
    assert_eq!(expires, start().later(HUB_TOKEN_LIFETIME).wall);
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    assert!(text.expose().len() == 40 && text.expose().chars().all(is_digit), "{}", text.expose());
    let found = |accounts: &Accounts, now: Wall| accounts.hub_session(text.expose(), now).map(|account| account.id);
    assert_eq!(found(&accounts, start().wall), Some(id));
    let again = load(&store.survivors());
    assert_eq!((found(&again, start().wall), found(&again, expires)), (Some(id), None));
    let (cookie, _) = accounts.open_session(id, HOUR, start()).await.unwrap();
    assert!(accounts.session(text.expose(), start().wall).is_none(), "it is no cookie");
    assert!(accounts.hub_session(cookie.expose(), start().wall).is_none(), "a cookie is no token");
    assert!(accounts.hub_session(&text.expose().to_uppercase(), start().wall).is_none());
    accounts.close_session(text.expose()).await.unwrap();
    assert_eq!(found(&accounts, start().wall), None);
    assert_eq!(found(&load(&store.survivors()), start().wall), None);

    let (text, _) = accounts.open_hub_session(id, start()).await.unwrap();
    for _ in 0..SESSIONS_PER_ACCOUNT {
        accounts.open_session(id, HOUR, start()).await.unwrap();
    }
    assert!(accounts.hub_session(text.expose(), start().wall).is_none(), "the oldest made room");
    let (text, _) = accounts.open_hub_session(id, start()).await.unwrap();
    accounts.set_password("alice", &secret("new")).await.unwrap();
    assert!(accounts.hub_session(text.expose(), start().wall).is_none(), "a new password ends it");
}

#[tokio::test]
async fn who_is_throttled_costs_no_hash_not_even_in_the_queue() {
    let accounts = load(&Store::in_memory());
    let password = secret("x");
    let many = (0..40).map(|_| accounts.sign_in("alice", &password, here(), start()));
    let many: Vec<_> = futures_util::future::join_all(many.map(Box::pin)).await;
    let wrong = many.iter().filter(|one| matches!(one, Err(SignInError::Wrong))).count();
    // One more may be in the other turn when the last free one fails.
    let most = throttle::FREE as usize + 2;
    assert!((throttle::FREE as usize + 1..=most).contains(&wrong), "{wrong} passwords were tried");
    assert_eq!(many.iter().filter(|one| matches!(one, Err(SignInError::Throttled(_)))).count(), 40 - wrong);
}

#[tokio::test]
async fn a_new_password_ends_sessions_and_makes_up_for_mistakes() {
    let store = Store::in_memory();
    let accounts = load(&store);
    accounts.create(new("alice", "old"), start()).await.unwrap();
    accounts.create(new("bob", "old"), start()).await.unwrap();
    let (hers, _) = accounts.open_session(1, HOUR, start()).await.unwrap();
    let (his, _) = accounts.open_session(2, HOUR, start()).await.unwrap();
    for host in 0..=throttle::FREE {
        let from = peer(&format!("192.0.2.{host}:1"));
        accounts.sign_in("alice", &secret("x"), from, start()).await.unwrap_err();
    }
    accounts.set_password("alice", &secret("new")).await.unwrap();
    for accounts in [&accounts, &load(&store.survivors())] {
        assert!(accounts.session(hers.expose(), start().wall).is_none());
        assert_eq!(accounts.session(his.expose(), start().wall).map(|account| account.id), Some(2));
        assert!(matches!(sign_in(accounts, "alice", "old").await, Err(SignInError::Wrong)));
        assert_eq!(sign_in(accounts, "alice", "new").await.unwrap().id, 1);
    }
}

#[tokio::test]
async fn a_password_that_was_changed_during_the_check_is_wrong() {
    let accounts = load(&Store::in_memory());
    accounts.create(new("alice", "old"), start()).await.unwrap();
    let held = accounts.known().by_name("alice").cloned().unwrap();
    accounts.set_password("alice", &secret("new")).await.unwrap();
    for found in [Found::Right, Found::Outdated(Kept::Sha512([0; 64]))] {
        assert!(matches!(accounts.signed_in(&held, found).await, Err(SignInError::Wrong)));
    }
    assert_eq!(sign_in(&accounts, "alice", "new").await.unwrap().id, 1);
}

#[tokio::test]
async fn a_session_stands_for_the_account_as_it_is_now() {
    let store = Store::in_memory();
    let accounts = load(&store);
    let id = accounts.create(new("alice", "pw"), start()).await.unwrap().id;
    let (text, expires) = accounts.open_session(id, HOUR, start()).await.unwrap();
    assert!(text.expose().len() == 32 && text.expose().chars().all(|c| c.is_ascii_alphabetic()), "{}", text.expose());
    accounts.set_rights(id, |rights| *rights = Rights::ADMIN).await.unwrap();
    let found = |accounts: &Accounts, now: Wall| accounts.session(text.expose(), now);
    assert_eq!(found(&accounts, start().wall).unwrap().rights, Rights::ADMIN);
    assert_eq!(found(&load(&store.survivors()), start().wall).unwrap().rights, Rights::ADMIN);
    let last = expires - chrono::TimeDelta::milliseconds(1);
    assert!(found(&accounts, last).is_some() && found(&accounts, expires).is_none());
    assert_eq!((accounts.sessions(id, last), accounts.sessions(id, expires)), (1, 0));
    for other in ["", "x", &"x".repeat(32), &"é".repeat(16)] {
        assert!(accounts.session(other, start().wall).is_none());
        accounts.close_session(other).await.unwrap();
    }
    accounts.close_session(text.expose()).await.unwrap();
    assert!(found(&accounts, start().wall).is_none());
    assert!(found(&load(&store.survivors()), start().wall).is_none());
}

#[tokio::test]
async fn removal_and_signing_out_end_all_sessions() {
    let store = Store::in_memory();
    let accounts = load(&store);
    for name in ["alice", "bob"] {
        accounts.create(new(name, "pw"), start()).await.unwrap();
    }
    let mut texts = Vec::new();
    for id in [1, 1, 2, 2] {
        texts.push(accounts.open_session(id, HOUR, start()).await.unwrap().0);
    }
    let open =
        |accounts: &Accounts| texts.iter().filter_map(|text| accounts.session(text.expose(), start().wall)).count();
    assert_eq!(open(&accounts), 4);
    accounts.remove("alice").await.unwrap();
    assert_eq!((open(&accounts), open(&load(&store.survivors()))), (2, 2));
    assert_eq!(accounts.close_sessions("bob").await.unwrap().id, 2);
    assert_eq!((open(&accounts), open(&load(&store.survivors()))), (0, 0));
    assert!(matches!(accounts.close_sessions("alice").await, Err(AccountError::Unknown(_))));
}

#[tokio::test]
async fn the_oldest_session_makes_room_and_those_that_are_over_are_forgotten() {
    let store = Store::in_memory();
    let accounts = load(&store);
    let id = accounts.create(new("alice", "pw"), start()).await.unwrap().id;
    let mut texts = Vec::new();
    for _ in 0..SESSIONS_PER_ACCOUNT + 2 {
        texts.push(accounts.open_session(id, HOUR, start()).await.unwrap().0);
    }
    let open = |text: &Secret| accounts.session(text.expose(), start().wall).is_some();
    assert!(!open(&texts[0]) && !open(&texts[1]) && texts[2..].iter().all(open));
    assert_eq!(accounts.sessions(id, start().wall), SESSIONS_PER_ACCOUNT);

    let records = || store.reader().scan::<records::StoredSession>(..).count();
    assert_eq!(records(), SESSIONS_PER_ACCOUNT);
    let (text, _) = accounts.open_session(id, Duration::MAX, start().later(HOUR)).await.unwrap();
    assert_eq!((accounts.known().sessions.len(), records()), (1, 1));
    let accounts = Accounts::load_at(store.survivors(), start().later(2 * HOUR).wall).unwrap();
    assert!(accounts.session(text.expose(), start().later(2 * HOUR).wall).is_some());
    let late = start().later(HOUR).later(LONGEST).wall;
    let accounts = Accounts::load_at(store.survivors(), late).unwrap();
    assert_eq!(accounts.known().sessions.len(), 0);
    assert_eq!(accounts.0.store.reader().scan::<records::StoredSession>(..).count(), 0);
}

#[test]
fn rights_have_words() {
    assert_eq!("manager".parse(), Ok(Tracker::Manager));
    let unknown = "Root".parse::<Cache>().unwrap_err();
    assert_eq!(unknown.to_string(), "expected none, guest or admin, not \"Root\"");
    let json = serde_json::to_value(Rights::ORDINARY).unwrap();
    let texts = (Tracker::Manager.text(), Hub::Ordinary.text(), Cache::Guest.text());
    assert_eq!((json["tracker"].as_str(), json["hub"].as_str(), json["cache"].as_str()), {
        (Some(texts.0), Some(texts.1), Some(texts.2))
    });
}
