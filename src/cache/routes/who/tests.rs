//! Programs by their tokens, people by their sign-ins, operators by the socket: who may what, and how the others are
//! refused.

use super::*;
use crate::auth::accounts::{NewAccount, Rights};
use crate::auth::tokens::{AccountAsk, Ask, Change};
use crate::auth::{Local, Place};
use crate::base::Secret;
use crate::store::Store;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

pub(in super::super) struct World {
    pub(in super::super) tokens: Tokens,
    pub(in super::super) accounts: Accounts,
}

pub(in super::super) fn start() -> Now {
    Now { mono: Default::default(), wall: Wall::UNIX_EPOCH }
}

fn operator(transport: Transport) -> Caller {
    Caller::local(Local { uid: 0, gid: None, name: Some("root".to_owned()), operator: true }, transport)
}

fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

impl World {
    /// Accounts `admin`, `guest` and `none`, with these rights in the cache; numbers from 1.
    pub(in super::super) async fn new() -> World {
        let store = Store::in_memory();
        let tokens = Tokens::load(store.clone()).unwrap();
        let accounts = Accounts::load(store).unwrap();
        for (name, cache) in [("admin", Cache::Admin), ("guest", Cache::Guest), ("none", Cache::None)] {
            let rights = Rights { cache, ..Rights::default() };
            let password = Secret::new("correct horse");
            let new = NewAccount { name: name.to_owned(), password, rights, admin_if_first: false };
            accounts.create(new, start()).await.unwrap();
        }
        World { tokens, accounts }
    }

    pub(in super::super) fn ledger(&self) -> Ledger<'_> {
        Ledger { tokens: &self.tokens, accounts: &self.accounts }
    }

    /// A token of account 1, good for an hour.
    async fn token(&self, name: &str, scopes: &[Scope]) -> (String, u64) {
        let ask = AccountAsk {
            name: name.to_owned(),
            bio: String::new(),
            scopes: scopes.to_vec(),
            account: 1,
            expires: start().later(HOUR).wall,
            by: "a test".to_owned(),
        };
        let (text, token) = self.tokens.mint_for_account(ask, start()).await.unwrap();
        (text.expose().to_owned(), token.id)
    }

    /// What stands for a sign-in of this account, good for an hour.
    pub(in super::super) async fn signed(&self, id: u32) -> String {
        self.accounts.sign(id, start().wall, HOUR, start()).await.unwrap().0.expose().to_owned()
    }

    /// A program over TCP, on a connection that root has made.
    fn program(&self, shown: &HeaderMap, query: &str, need: Need, later: Duration) -> Result<Who, (u16, String)> {
        self.program_by(&operator(Transport::Tcp), shown, query, need, later)
    }

    fn program_by(
        &self,
        caller: &Caller,
        shown: &HeaderMap,
        query: &str,
        need: Need,
        later: Duration,
    ) -> Result<Who, (u16, String)> {
        let asked = Asked { caller, headers: shown, query: &Query::parse(query) };
        let who = self.ledger().program(&asked, need, start().later(later).wall);
        who.map_err(|no| (no.failure.status().as_u16(), no.failure.message().to_owned()))
    }

    fn person_by(&self, caller: &Caller, shown: &HeaderMap, query: &str, changes: bool) -> Result<Who, (u16, String)> {
        let asked = Asked { caller, headers: shown, query: &Query::parse(query) };
        let who = self.ledger().person(&asked, changes, start().wall);
        who.map_err(|no| (no.failure.status().as_u16(), no.failure.message().to_owned()))
    }

    fn person(&self, shown: &HeaderMap, query: &str, changes: bool) -> Result<Who, (u16, String)> {
        self.person_by(&operator(Transport::Tcp), shown, query, changes)
    }
}

fn unknown() -> (u16, String) {
    (401, "Unauthorized".to_owned())
}

fn bearer(text: &str) -> HeaderMap {
    headers(&[("authorization", &format!("Bearer {text}"))])
}

#[tokio::test]
async fn a_token_is_shown_in_the_query_or_in_the_header() {
    let world = World::new().await;
    let (text, _) = world.token("ci", &[Scope::Job]).await;
    let ask = |shown: &HeaderMap, query: &str| world.program(shown, query, Need::Jobs, Duration::ZERO);
    let ci = Who { name: "token ci".to_owned(), operator: false, account: Some(1) };
    let nothing = HeaderMap::new();
    assert_eq!(ask(&nothing, ""), Err(unknown()), "root's connection lends no right");
    for wrong in ["Basic x", "Bearer", "Bearer ", "Bearer a b", "", &format!("Token {text}"), &text] {
        assert_eq!(ask(&headers(&[("authorization", wrong)]), ""), Err(unknown()), "{wrong:?}");
    }
    let twice = headers(&[("authorization", &format!("Bearer {text}")), ("authorization", "Bearer x")]);
    assert_eq!(ask(&twice, ""), Err(unknown()));
    for scheme in ["Bearer", "bEaReR", "BEARER  "] {
        assert_eq!(ask(&headers(&[("authorization", &format!("{scheme} {text}"))]), ""), Ok(ci.clone()));
    }
    assert_eq!(ask(&nothing, &format!("access_token={text}")), Ok(ci.clone()));
    assert_eq!(ask(&bearer(&text), "access_token=wrong"), Err(unknown()), "the query comes first");
    assert_eq!(ask(&bearer("wrong"), &format!("access_token={text}")), Ok(ci.clone()));
    assert_eq!(ask(&bearer(&text), "access_token=%20"), Ok(ci), "a blank one is none");
}

#[tokio::test]
async fn the_first_of_the_reasons_counts() {
    let world = World::new().await;
    let (text, id) = world.token("ci", &[Scope::Cluster]).await;
    let ask = |later| world.program(&bearer(&text), "", Need::Jobs, later).unwrap_err();
    let (early, late) = (Duration::ZERO, 2 * HOUR);
    let (status, message) = ask(early);
    assert!(status == 403 && message.ends_with("Required permission: job"), "{message}");
    assert_eq!(ask(late), (403, "Token has expired".to_owned()));
    world.tokens.change(id, Change { active: Some(false), ..Change::default() }, start()).await.unwrap();
    assert_eq!(ask(early), (403, "Token is inactive".to_owned()));
    assert_eq!(ask(late), (403, "Token is inactive".to_owned()));
    world.tokens.revoke_of_account(id).await.unwrap();
    assert_eq!(ask(early), unknown());
}

#[tokio::test]
async fn scopes_allow_what_they_say() {
    let world = World::new().await;
    let all = [Need::SeeJobs, Need::Jobs, Need::Clusters];
    let rows: [(&str, &[Scope], [bool; 3]); 5] = [
        ("nothing", &[], [true, true, true]),
        ("job", &[Scope::Job], [true, true, false]),
        ("looking", &[Scope::JobRead], [true, false, false]),
        ("cluster", &[Scope::Cluster], [false, false, true]),
        ("both", &[Scope::Job, Scope::Cluster], [true, true, true]),
    ];
    for (name, scopes, may) in rows {
        let (text, _) = world.token(name, scopes).await;
        for (need, may) in all.into_iter().zip(may) {
            let answer = world.program(&bearer(&text), "", need, Duration::ZERO);
            assert_eq!(answer.is_ok(), may, "{name} {need:?} {answer:?}");
            if let Err((status, message)) = answer {
                let word = if need == Need::Clusters { "cluster" } else { "job" };
                assert!(status == 403 && message.ends_with(&format!("Required permission: {word}")), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn tokens_of_users_count_too_and_admin_is_an_operators() {
    let world = World::new().await;
    let root = operator(Transport::Unix);
    for (name, scope, need, expected) in [
        ("watch", Scope::JobRead, Need::SeeJobs, Some(false)),
        ("watch2", Scope::JobRead, Need::Jobs, None),
        ("proc", Scope::ProcWrite, Need::SeeJobs, None),
        ("all", Scope::Admin, Need::Clusters, Some(true)),
    ] {
        let ask = Ask { name: name.to_owned(), scopes: vec![scope], owner: None, expires: None };
        let (text, _) = world.tokens.mint(&root, ask, start()).await.unwrap();
        let who = world.program(&bearer(text.expose()), "", need, Duration::ZERO);
        let expected = expected.map(|operator| Who { name: format!("token {name}"), operator, account: None });
        assert_eq!(who.ok(), expected, "{name}");
        let person = world.person(&bearer(text.expose()), "", true);
        assert_eq!(person.is_ok(), scope == Scope::Admin, "{name}");
    }
}

#[tokio::test]
async fn tokens_end_with_their_account() {
    let world = World::new().await;
    let (text, _) = world.token("ci", &[]).await;
    world.accounts.remove("admin").await.unwrap();
    assert_eq!(world.program(&bearer(&text), "", Need::Jobs, Duration::ZERO), Err(unknown()));
}

#[tokio::test]
async fn an_operator_on_the_socket_needs_nothing_and_may_act_for_an_account() {
    let world = World::new().await;
    let root = operator(Transport::Unix);
    let user = Local { uid: 1000, gid: None, name: None, operator: false };
    let user = Caller::local(user, Transport::Unix);
    let nothing = HeaderMap::new();
    let itself = Who { name: "operator".to_owned(), operator: true, account: None };
    let program = |caller: &Caller, shown: &HeaderMap, need| world.program_by(caller, shown, "", need, Duration::ZERO);
    assert_eq!(program(&root, &nothing, Need::Clusters), Ok(itself.clone()));
    assert_eq!(world.person_by(&root, &nothing, "", true), Ok(itself));
    assert_eq!(program(&user, &nothing, Need::SeeJobs), Err(unknown()));
    assert_eq!(world.person_by(&user, &nothing, "", false), Err(unknown()));
    let forwarded = Caller::anonymous("it was forwarded", Transport::Unix);
    assert_eq!(program(&forwarded, &nothing, Need::SeeJobs), Err(unknown()));
    // What is shown counts, also where it is wrong.
    assert_eq!(program(&root, &bearer("wrong"), Need::SeeJobs), Err(unknown()));
    assert_eq!(program(&root, &headers(&[("authorization", "Basic x")]), Need::SeeJobs), Err(unknown()));
    assert_eq!(world.person_by(&root, &headers(&[("cookie", "jwt=wrong")]), "", false), Err(unknown()));

    let as_guest = headers(&[("x-hostler-as", "guest")]);
    let guest = Who { name: "account guest".to_owned(), operator: false, account: Some(2) };
    assert_eq!(program(&root, &as_guest, Need::SeeJobs), Ok(guest.clone()));
    assert_eq!(program(&root, &as_guest, Need::SeeClusters), Ok(guest.clone()));
    for need in [Need::Jobs, Need::Clusters] {
        assert_eq!(program(&root, &as_guest, need).unwrap_err().1, "permission deny");
    }
    assert_eq!(world.person_by(&root, &as_guest, "", false), Ok(guest));
    let (status, message) = world.person_by(&root, &headers(&[("x-hostler-as", "nobody")]), "", false).unwrap_err();
    assert!(status == 422 && message.contains("no account named \"nobody\""), "{message}");
    assert_eq!(world.person(&as_guest, "", false), Err(unknown()), "not over TCP");
}

#[tokio::test]
async fn people_show_a_cookie_a_header_or_a_parameter() {
    let world = World::new().await;
    let (admin, guest) = (world.signed(1).await, world.signed(2).await);
    let nothing = HeaderMap::new();
    let name = |answer: Result<Who, (u16, String)>| answer.map(|who| who.name).map_err(|(status, _)| status);
    let cookie = |text: &str| headers(&[("cookie", &format!("tt=x; jwt={text}"))]);
    assert_eq!(name(world.person(&cookie(&admin), "", true)), Ok("account admin".to_owned()));
    assert_eq!(name(world.person(&bearer(&admin), "", true)), Ok("account admin".to_owned()));
    assert_eq!(name(world.person(&nothing, &format!("token={admin}"), true)), Ok("account admin".to_owned()));
    let both = headers(&[("cookie", &format!("jwt={admin}")), ("authorization", &format!("Bearer {guest}"))]);
    assert_eq!(name(world.person(&both, "", true)), Ok("account admin".to_owned()), "the cookie comes first");
    let both = headers(&[("authorization", &format!("Bearer {admin}"))]);
    assert_eq!(name(world.person(&both, &format!("token={guest}"), true)), Ok("account admin".to_owned()));
    for shown in [nothing, cookie("x"), bearer("x"), bearer(&admin[1..]), headers(&[("authorization", "Basic x")])] {
        assert_eq!(world.person(&shown, "", false), Err(unknown()), "{shown:?}");
    }
    let (text, _) = world.token("ci", &[]).await;
    assert_eq!(world.person(&bearer(&text), "", false), Err(unknown()), "a program's token is no sign-in");
    assert_eq!(world.program(&bearer(&admin), "", Need::SeeJobs, Duration::ZERO), Err(unknown()), "nor the reverse");
}

#[tokio::test]
async fn guests_look_and_others_do_nothing() {
    let world = World::new().await;
    let denied = Err((401, "permission deny".to_owned()));
    for (id, looks, changes) in [(1, true, true), (2, true, false), (3, false, false)] {
        let shown = bearer(&world.signed(id).await);
        for (change, may) in [(false, looks), (true, changes)] {
            let answer = world.person(&shown, "", change);
            match may {
                true => assert_eq!(answer.unwrap().account, Some(id)),
                false => assert_eq!(answer, denied),
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_says_whom_it_refused() {
    let world = World::new().await;
    let (text, _) = world.token("ci", &[Scope::Cluster]).await;
    let (shown, query, caller) = (bearer(&text), Query::default(), operator(Transport::Tcp));
    let asked = Asked { caller: &caller, headers: &shown, query: &query };
    let no = world.ledger().program(&asked, Need::Jobs, start().wall).unwrap_err();
    assert_eq!(no.who.as_deref(), Some("token ci"));
    let shown = bearer(&world.signed(2).await);
    let asked = Asked { caller: &caller, headers: &shown, query: &query };
    let no = world.ledger().person(&asked, true, start().wall).unwrap_err();
    assert_eq!(no.who.as_deref(), Some("account guest"));
}

/// Somewhere far away.
pub(in super::super) fn there() -> Place {
    Place::V4([192, 0, 2, 1].into())
}
