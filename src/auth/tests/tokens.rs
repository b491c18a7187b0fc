//! Tokens: who may make which, how long they hold, and that they survive.

use crate::auth::accounts::{NewAccount, Rights};
use crate::auth::tokens::{
    AccountAsk, Ask, Change, ChangeError, MintError, Owner, PER_OWNER, Refused, RevokeError, SCOPES_OF_ACCOUNTS,
    TABLES, Tokens,
};
use crate::auth::{
    Accounts, Arrival, Caller, Gate, Local, Peer, Scope, Settings, Source, TokenHolder, Transport, peer,
};
use crate::base::{Now, Secret, Wall};
use crate::store::{self, Batch, Kind, Record, Store, Table};
use hyper::HeaderMap;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn start() -> Now {
    Now { mono: Default::default(), wall: Wall::UNIX_EPOCH }
}

fn load(store: &Store) -> Tokens {
    Tokens::load(store.clone()).unwrap()
}

fn user(uid: u32) -> Caller {
    let operator = uid == 0;
    Caller::local(Local { uid, gid: None, name: Some(format!("user{uid}")), operator }, Transport::Unix)
}

fn holder(owner: u32, scopes: &[Scope]) -> Caller {
    let holder = TokenHolder {
        id: 99,
        name: "old".into(),
        owner: Owner::User(owner),
        reaches_all: false,
        scopes: scopes.to_vec(),
    };
    Caller::token(holder, Transport::Tcp)
}

fn ask(name: &str, scopes: &[Scope]) -> Ask {
    Ask { name: name.to_owned(), scopes: scopes.to_vec(), owner: None, expires: None }
}

/// Whom the gate sees behind this token, `later` than the start.
async fn shown(tokens: &Tokens, text: &Secret, later: Duration) -> Caller {
    let settings = Settings { daemon_uid: 0, operator_group: String::new(), loopback_uid: false, own_pids: Vec::new() };
    let gate = Gate::new(settings, tokens.clone());
    let arrival = Arrival {
        from: Source::Tcp("192.0.2.1:5".parse().unwrap()),
        who: Err::<peer::Credentials, _>("far away".to_owned()),
    };
    let peer: Peer = gate.recognise(arrival).await;
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", text.expose()).parse().unwrap());
    headers.insert("x-forwarded-for", "192.0.2.9".parse().unwrap());
    gate.identify_at(&peer, &headers, start().later(later).wall)
}

#[tokio::test]
async fn a_token_names_its_holder_from_anywhere_until_it_is_revoked() {
    let store = Store::in_memory();
    let tokens = load(&store);
    let alice = user(1000);
    let (text, token) = tokens.mint(&alice, ask("ci", &[Scope::ProcRead]), start()).await.unwrap();
    assert_eq!(text.expose().len(), 48);
    assert!(text.expose().chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{}", text.expose());

    let caller = shown(&tokens, &text, DAY).await;
    assert_eq!((caller.name().as_str(), caller.uid()), ("token ci", Some(1000)));
    assert!(caller.holds(Scope::ProcRead) && !caller.holds(Scope::ProcWrite) && !caller.is_ambient());
    assert!(caller.may_touch(1000) && !caller.may_touch(0));
    assert_eq!(tokens.list(&alice).unwrap()[0].last_used, Some(start().later(DAY).wall));

    let mut wrong = text.expose().to_owned();
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    assert!(shown(&tokens, &Secret::new(wrong), DAY).await.require_known().is_err());

    tokens.revoke(&alice, token.id).await.unwrap();
    let denied = shown(&tokens, &text, DAY).await.require_known().unwrap_err();
    assert!(denied.status == 401 && denied.message.contains("revoked"), "{denied}");
    assert!(shown(&load(&store), &text, DAY).await.require_known().is_err(), "it stays revoked after a restart");
}

#[tokio::test]
async fn tokens_survive_a_restart_without_their_text() {
    let store = Store::in_memory();
    let asked = Ask { expires: Some(start().later(DAY).wall), ..ask("ci", &[Scope::DagRead, Scope::ProcRead]) };
    let (text, token) = load(&store).mint(&user(1000), asked, start()).await.unwrap();
    let tokens = load(&store.survivors());
    assert_eq!(tokens.list(&user(1000)).unwrap(), std::slice::from_ref(&token));
    assert_eq!(shown(&tokens, &text, Duration::ZERO).await.name(), "token ci");
    assert!(!format!("{token:?}").contains(text.expose()));

    tokens.revoke(&user(1000), token.id).await.unwrap();
    let (_, next) = load(&store).mint(&user(1000), ask("ci2", &[Scope::ProcRead]), start()).await.unwrap();
    assert!(next.id > token.id, "numbers are not used again");
}

#[tokio::test]
async fn a_token_that_was_not_written_down_is_not_given_out() {
    let store = Store::dying_after(1);
    let tokens = load(&store);
    let (kept, _) = tokens.mint(&user(0), ask("a", &[Scope::Admin]), start()).await.unwrap();
    let lost = tokens.mint(&user(0), ask("b", &[Scope::Admin]), start()).await;
    assert!(matches!(lost, Err(MintError::Commit(_))));
    let tokens = load(&store.survivors());
    assert!(shown(&tokens, &kept, DAY).await.is_operator());
    assert_eq!(tokens.list(&user(0)).unwrap().len(), 1);
}

#[tokio::test]
async fn an_expired_token_says_so_and_makes_room_for_its_successor() {
    let tokens = load(&Store::in_memory());
    let alice = user(1000);
    let asked = Ask { expires: Some(start().later(DAY).wall), ..ask("ci", &[Scope::ProcRead]) };
    let (text, _) = tokens.mint(&alice, asked.clone(), start()).await.unwrap();
    assert!(shown(&tokens, &text, DAY - Duration::from_millis(1)).await.require_known().is_ok());
    let denied = shown(&tokens, &text, DAY).await.require_known().unwrap_err();
    assert!(denied.message.contains("token ci expired at 1970-01-02T00:00:00Z"), "{denied}");

    let again = tokens.mint(&alice, ask("ci", &[Scope::ProcRead]), start().later(DAY / 2)).await;
    assert!(matches!(again, Err(MintError::Taken { .. })));
    let late = tokens.mint(&alice, asked, start().later(DAY)).await;
    assert!(matches!(late, Err(MintError::Past)));
    tokens.mint(&alice, ask("ci", &[Scope::ProcRead]), start().later(DAY)).await.unwrap();
    assert_eq!(tokens.list(&alice).unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_grants_what_he_does_not_hold() {
    use Scope::*;
    let everyones = [ProcRead, ProcWrite, DagRead, DagWrite];
    // who; what he may grant; for whom he may make tokens: [himself (1000), another]
    let rows: [(Caller, &[Scope], [bool; 2]); 6] = [
        (user(0), &Scope::ALL, [true, true]),
        (user(1000), &everyones, [true, false]),
        (holder(1000, &[Admin]), &Scope::ALL, [true, true]),
        (holder(1000, &[ProcRead, ProcWrite]), &[], [false, false]),
        (holder(0, &everyones), &[], [false, false]),
        (Caller::anonymous("a test", Transport::Tcp), &[], [false, false]),
    ];
    for (by, grants, owners) in rows {
        let tokens = load(&Store::in_memory());
        for scope in Scope::ALL {
            let made = tokens.mint(&by, ask(scope.text().replace(':', "-").as_str(), &[scope]), start()).await;
            assert_eq!(made.is_ok(), grants.contains(&scope), "{by:?} grants {scope}: {made:?}");
            let beside = tokens.mint(&by, ask("both", &[ProcRead, scope]), start()).await;
            assert_eq!(beside.is_ok(), grants.contains(&scope) && grants.contains(&ProcRead), "{by:?}, {scope}");
            if let Ok((_, token)) = beside {
                tokens.revoke(&by, token.id).await.unwrap();
            }
        }
        for (owner, may) in [1000, 1001].into_iter().zip(owners) {
            let asked = Ask { owner: Some(owner), ..ask("owned", &[ProcRead]) };
            assert_eq!(tokens.mint(&by, asked, start()).await.is_ok(), may, "{by:?} for uid {owner}");
        }
    }
}

#[tokio::test]
async fn users_see_and_revoke_their_own_and_operators_all() {
    let tokens = load(&Store::in_memory());
    let mut ids = Vec::new();
    for uid in [0, 1000, 1001] {
        ids.push(tokens.mint(&user(uid), ask("t", &[Scope::ProcRead]), start()).await.unwrap().1.id);
    }
    let sees = |by: &Caller| {
        tokens.list(by).map(|all| all.into_iter().filter_map(|token| token.owner.uid()).collect::<Vec<_>>())
    };
    assert_eq!(sees(&user(0)).unwrap(), [0, 1000, 1001]);
    assert_eq!(sees(&user(1000)).unwrap(), [1000]);
    assert_eq!(sees(&holder(1000, &[Scope::ProcRead])).unwrap_err().status, 403);
    assert_eq!(sees(&holder(1000, &[Scope::Admin])).unwrap().len(), 3);

    assert!(matches!(tokens.revoke(&user(1000), ids[2]).await, Err(RevokeError::Unknown(_))));
    assert!(matches!(tokens.revoke(&holder(1001, &Scope::ALL[..4]), ids[2]).await, Err(RevokeError::Denied(_))));
    assert!(matches!(tokens.revoke(&user(0), 77).await, Err(RevokeError::Unknown(77))));
    tokens.revoke(&user(1000), ids[1]).await.unwrap();
    tokens.revoke(&user(0), ids[2]).await.unwrap();
    assert_eq!(sees(&user(0)).unwrap(), [0]);
}

#[tokio::test]
async fn names_and_numbers_of_tokens_are_bounded() {
    let tokens = load(&Store::in_memory());
    for bad in ["", "a/b", "a:b", "a\n", &"x".repeat(65)] {
        let made = tokens.mint(&user(0), ask(bad, &[Scope::Admin]), start()).await;
        assert!(matches!(made, Err(MintError::Name)), "{bad:?}");
    }
    assert!(matches!(tokens.mint(&user(0), ask("x", &[]), start()).await, Err(MintError::NoScopes)));
    for number in 0..PER_OWNER {
        tokens.mint(&user(1000), ask(&number.to_string(), &[Scope::ProcRead]), start()).await.unwrap();
    }
    let one_more = tokens.mint(&user(1000), ask("x", &[Scope::ProcRead]), start()).await;
    assert!(matches!(one_more, Err(MintError::TooMany { owner: Owner::User(1000), .. })));
    assert!(tokens.mint(&user(1001), ask("x", &[Scope::ProcRead]), start()).await.is_ok());
}

#[tokio::test]
async fn root_tokens_reach_everybodys_things_within_their_scopes() {
    let tokens = load(&Store::in_memory());
    let (text, _) = tokens.mint(&user(0), ask("watch", &[Scope::ProcRead]), start()).await.unwrap();
    let caller = shown(&tokens, &text, DAY).await;
    assert!(caller.may_touch(1000) && !caller.is_operator());
    assert_eq!(caller.require(Scope::ProcWrite).unwrap_err().status, 403);
}

fn for_account(name: &str, account: u32, scopes: &[Scope]) -> AccountAsk {
    AccountAsk {
        name: name.to_owned(),
        bio: String::new(),
        scopes: scopes.to_vec(),
        account,
        expires: start().later(DAY).wall,
        by: "account alice".to_owned(),
    }
}

#[tokio::test]
async fn an_accounts_token_is_nobodys_on_this_host() {
    let store = Store::in_memory();
    let tokens = load(&store);
    let (text, token) = tokens.mint_for_account(for_account("ci", 7, &[]), start()).await.unwrap();
    let caller = shown(&tokens, &text, Duration::ZERO).await;
    assert_eq!((caller.name().as_str(), caller.uid(), caller.is_operator()), ("token ci", None, false));
    for scope in Scope::ALL {
        assert_eq!(caller.holds(scope), [Scope::Job, Scope::JobRead, Scope::Cluster].contains(&scope), "{scope}");
    }
    assert!(!caller.may_touch(0) && !caller.may_touch(7) && !caller.may_touch_all());
    assert!(tokens.list(&caller).is_err() && tokens.mint(&caller, ask("x", &[Scope::Job]), start()).await.is_err());
    assert_eq!(tokens.list(&user(7)).unwrap(), [], "account 7 is not uid 7");
    assert_eq!(tokens.list(&user(0)).unwrap().len(), 1);
    assert!(matches!(tokens.revoke(&user(7), token.id).await, Err(RevokeError::Unknown(_))));
    for scope in Scope::ALL.into_iter().filter(|scope| !SCOPES_OF_ACCOUNTS.contains(scope)) {
        let made = tokens.mint_for_account(for_account("more", 7, &[Scope::Job, scope]), start()).await;
        assert!(matches!(made, Err(MintError::Scope(refused)) if refused == scope), "{scope}");
        let change = Change { scopes: Some(vec![scope]), ..Change::default() };
        assert!(matches!(tokens.change(token.id, change, start()).await, Err(ChangeError::Scope(_))));
    }
    tokens.revoke(&user(0), token.id).await.unwrap();
    assert!(shown(&load(&store), &text, Duration::ZERO).await.require_known().is_err());
}

#[tokio::test]
async fn a_token_that_is_switched_off_opens_nothing() {
    let store = Store::in_memory();
    let tokens = load(&store);
    let (text, token) = tokens.mint_for_account(for_account("ci", 7, &[Scope::Job]), start()).await.unwrap();
    let off = Change { active: Some(false), ..Change::default() };
    let changed = tokens.change(token.id, off, start().later(DAY / 2)).await.unwrap();
    assert_eq!((changed.created, changed.updated), (start().wall, start().later(DAY / 2).wall));
    for tokens in [&tokens, &load(&store.survivors())] {
        let denied = shown(tokens, &text, Duration::ZERO).await.require_known().unwrap_err();
        assert!(denied.message.contains("the token ci is inactive"), "{denied}");
    }
    let on = Change { active: Some(true), ..Change::default() };
    tokens.change(token.id, on, start()).await.unwrap();
    assert!(shown(&tokens, &text, Duration::ZERO).await.holds(Scope::JobRead));
}

#[tokio::test]
async fn a_seeded_token_is_made_once_and_follows_its_text() {
    let store = Store::in_memory();
    let tokens = load(&store);
    let (first, second) = (Secret::new("first-text"), Secret::new("second-text"));
    assert!(tokens.seed(&first, start()).await.unwrap());
    let made = tokens.shown(first.expose(), start().later(9 * 365 * DAY).wall).unwrap();
    assert_eq!((made.name.as_str(), made.owner, made.scopes.as_slice()), {
        ("default", Owner::Account(0), [Scope::Job, Scope::Cluster].as_slice())
    });
    for tokens in [&tokens, &load(&store)] {
        assert!(!tokens.seed(&first, start()).await.unwrap());
    }
    let off = Change { active: Some(false), ..Change::default() };
    tokens.change(made.id, off, start()).await.unwrap();
    assert!(!tokens.seed(&first, start()).await.unwrap());
    assert!(matches!(tokens.shown(first.expose(), start().wall), Err(Refused::Inactive { .. })), "it stays so");
    assert!(tokens.seed(&second, start()).await.unwrap());
    assert_eq!(tokens.shown(first.expose(), start().wall), Err(Refused::Unknown));
    assert_eq!(tokens.of_accounts(|_| true).len(), 1);
    for nothing in ["", " ", "a b", "ä"] {
        assert!(!tokens.seed(&Secret::new(nothing), start()).await.unwrap(), "{nothing:?}");
    }
    assert!(tokens.shown(second.expose(), start().wall).is_ok());
}

#[tokio::test]
async fn tokens_go_with_their_account() {
    let store = Store::in_memory();
    let (tokens, accounts) = (load(&store), Accounts::load(store.clone()).unwrap());
    for name in ["alice", "bob"] {
        let password = Secret::new("pw");
        let new = NewAccount { name: name.to_owned(), password, rights: Rights::default(), admin_if_first: false };
        accounts.create(new, start()).await.unwrap();
    }
    for (name, account) in [("a", 1), ("b", 2), ("b2", 2), ("gone", 9)] {
        tokens.mint_for_account(for_account(name, account, &[]), start()).await.unwrap();
    }
    tokens.seed(&Secret::new("operators"), start()).await.unwrap();
    tokens.mint(&user(9), ask("users", &[Scope::ProcRead]), start()).await.unwrap();
    let following = tokio::spawn(tokens.clone().follow(accounts.clone()));
    let names = || tokens.list(&user(0)).unwrap().into_iter().map(|token| token.name).collect::<Vec<_>>().join(" ");
    let until = async |expected: &str| {
        while names() != expected {
            tokio::task::yield_now().await;
        }
    };
    let bound = Duration::from_secs(20);
    tokio::time::timeout(bound, until("a b b2 default users")).await.expect("whose account was removed before");
    accounts.remove("bob").await.unwrap();
    tokio::time::timeout(bound, until("a default users")).await.expect("whose account was removed meanwhile");
    following.abort();
}

/// A token as the first format wrote it.
#[derive(serde::Serialize, serde::Deserialize)]
struct First {
    sha256: String,
    name: String,
    scopes: Vec<Scope>,
    owner: u32,
    created: Wall,
    expires: Option<Wall>,
    created_by: String,
}

impl Record for First {
    const KIND: Kind = Kind::new(0x20, "auth.token");
    const FORMAT: u8 = 1;
    type Key = u64;
}

#[tokio::test]
async fn a_store_of_the_first_format_opens() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let dir = tempfile::tempdir().unwrap();
    let settings =
        |tables: Vec<Table>| store::Settings { tables, reserve_bytes: 0, ..store::Settings::new(dir.path()) };
    let text = Secret::new("a-text-of-the-first-format");
    {
        let store = Store::open(settings(vec![Table::of::<First>()])).unwrap();
        let sha256 = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(text.expose()));
        let (name, created_by) = ("ci".to_owned(), "uid 1000 (alice)".to_owned());
        let scopes = vec![Scope::ProcRead];
        let first = First { sha256, name, scopes, owner: 1000, created: start().wall, expires: None, created_by };
        let mut batch = Batch::new();
        batch.put(&5, &first);
        store.submit(batch).durable().await.unwrap();
        store.close();
    }
    let tokens = load(&Store::open(settings(TABLES.to_vec())).unwrap());
    let caller = shown(&tokens, &text, Duration::ZERO).await;
    assert_eq!((caller.uid(), caller.holds(Scope::ProcRead), caller.holds(Scope::Job)), (Some(1000), true, false));
    let (_, next) = tokens.mint(&user(1000), ask("next", &[Scope::ProcRead]), start()).await.unwrap();
    assert_eq!(next.id, 6);
}
