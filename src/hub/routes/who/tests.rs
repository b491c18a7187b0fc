//! Every way in: tokens of the hub, tokens of hostler, passwords, the socket; and how the others are refused.

use super::*;
use crate::auth::accounts::NewAccount;
use crate::auth::tokens::{Ask, Tokens};
use crate::auth::{Accounts, Local, Source};
use crate::store::Store;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
/// The MD5 of `pw`.
const DIGEST: &str = "8fe4c11451281c094a6578e6ddbf5eed";

struct World {
    tokens: Tokens,
    accounts: Accounts,
}

fn start() -> Now {
    Now { mono: Default::default(), wall: Wall::UNIX_EPOCH }
}

fn root(transport: Transport) -> Caller {
    Caller::local(Local { uid: 0, gid: None, name: Some("root".to_owned()), operator: true }, transport)
}

fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn authorization(text: &str) -> HeaderMap {
    headers(&[("authorization", text)])
}

fn basic_of(text: &str) -> HeaderMap {
    authorization(&format!("Basic {}", BASE64_STANDARD.encode(text)))
}

fn there(host: u8) -> Place {
    Place::from(Source::Tcp(([192, 0, 2, host], 1).into()))
}

/// What becomes of a request: who asks, or the status; none where nothing is shown.
type Answer = Result<Option<Who>, u16>;

impl World {
    /// Accounts `root` (1, an administrator), `alice` (2), `none` (3, without rights) and `boss` (4, an operator); all with
    /// the password `pw`.
    async fn new() -> World {
        let store = Store::in_memory();
        let tokens = Tokens::load(store.clone()).unwrap();
        let accounts = Accounts::load(store).unwrap();
        let all = [
            ("root", Hub::Admin, false),
            ("alice", Hub::Ordinary, false),
            ("none", Hub::None, false),
            ("boss", Hub::Ordinary, true),
        ];
        for (name, hub, operator) in all {
            let rights = Rights { hub, operator, ..Rights::default() };
            let password = Secret::new("pw");
            let new = NewAccount { name: name.to_owned(), password, rights, admin_if_first: false };
            accounts.create(new, start()).await.unwrap();
        }
        World { tokens, accounts }
    }

    fn ledger(&self) -> Ledger<'_> {
        Ledger { tokens: &self.tokens, accounts: &self.accounts }
    }

    async fn ask_by(&self, caller: &Caller, headers: &HeaderMap, from: Place, now: Now) -> Answer {
        let asked = Asked { caller, headers };
        let answer = self.ledger().who(&asked, from, now).await;
        let answer = answer.map_err(|no| no.failure.status().as_u16());
        // The door opens to whoever gets in, and to no other but for a password.
        let door = self.ledger().at_the_door(&asked, now.wall).map_err(|no| no.failure.status().as_u16());
        match &answer {
            _ if matches!(asked.shown(), Ok(Some(Shown::Password(..)))) => assert_eq!(door, Ok(Door::Password)),
            Ok(Some(who)) => assert_eq!(door, Ok(Door::Known(Box::new(who.clone())))),
            Ok(None) => assert_eq!(door, Ok(Door::Closed)),
            Err(status) => assert_eq!(door, Err(*status)),
        }
        answer
    }

    /// Over TCP, on a connection that root has made.
    async fn ask(&self, headers: &HeaderMap) -> Answer {
        self.ask_by(&root(Transport::Tcp), headers, there(1), start()).await
    }

    async fn session(&self, id: u32) -> String {
        self.accounts.open_hub_session(id, start()).await.unwrap().0.expose().to_owned()
    }

    /// A token of hostler, made by root.
    async fn token(&self, name: &str, scope: Scope) -> String {
        let ask = Ask { name: name.to_owned(), scopes: vec![scope], owner: None, expires: None };
        self.tokens.mint(&root(Transport::Unix), ask, start()).await.unwrap().0.expose().to_owned()
    }
}

fn alice(proof: Proof) -> Who {
    Who { account: 2, name: "alice".to_owned(), admin: false, operator: false, proof }
}

#[tokio::test]
async fn a_token_of_the_hub_stands_for_its_account() {
    let world = World::new().await;
    let text = world.session(2).await;
    let who = Ok(Some(alice(Proof::Session(Secret::new(&*text)))));
    assert_eq!(world.ask(&authorization(&format!("Token {text}"))).await, who);
    let admin = world.ask(&authorization(&format!("Token {}", world.session(1).await))).await.unwrap().unwrap();
    assert!(admin.admin && !admin.operator && admin.account == 1 && admin.role() == "admin");
    let boss = world.ask(&authorization(&format!("Token {}", world.session(4).await))).await.unwrap().unwrap();
    assert!(!boss.admin && boss.operator && boss.role() == "ordinary");
    assert_eq!(world.ask(&authorization(&format!("Token {}", world.session(3).await))).await, Err(403));
    world.accounts.close_session(&text).await.unwrap();
    assert_eq!(world.ask(&authorization(&format!("Token {text}"))).await, Err(401));
}

#[tokio::test]
async fn what_is_shown_counts_also_where_it_is_wrong() {
    let world = World::new().await;
    let text = world.session(2).await;
    let wrong = ["Token deadbeef", "", &text, &format!("Token {}", text.to_uppercase())];
    for caller in [root(Transport::Tcp), root(Transport::Unix)] {
        for header in wrong {
            let answer = world.ask_by(&caller, &authorization(header), there(1), start()).await;
            assert_eq!(answer, Err(401), "{header:?}");
        }
    }
}

#[tokio::test]
async fn a_password_or_its_digest_will_do() {
    let world = World::new().await;
    for shown in ["pw", DIGEST] {
        let answer = world.ask(&basic_of(&format!("alice:{shown}"))).await;
        assert_eq!(answer, Ok(Some(alice(Proof::Password))), "{shown}");
    }
    for wrong in ["alice:x", "alice:", "nobody:pw", ":pw", "operator:pw", &format!("alice:{}", DIGEST.to_uppercase())] {
        assert_eq!(world.ask(&basic_of(wrong)).await, Err(401), "{wrong}");
    }
    assert_eq!(world.ask(&basic_of("none:pw")).await, Err(403));
}

#[tokio::test]
async fn too_many_wrong_passwords_make_wait() {
    let world = World::new().await;
    let (wrong, right) = (basic_of("alice:x"), basic_of("alice:pw"));
    let mut last = Ok(None);
    for host in 0..20 {
        last = world.ask_by(&root(Transport::Tcp), &wrong, there(host), start()).await;
        if last == Err(429) {
            break;
        }
    }
    assert_eq!(last, Err(429));
    assert_eq!(world.ask_by(&root(Transport::Tcp), &right, there(99), start()).await, Err(429));
    let later = start().later(HOUR);
    assert!(world.ask_by(&root(Transport::Tcp), &right, there(99), later).await.is_ok());
    // A token costs no password.
    let text = format!("Token {}", world.session(2).await);
    assert!(world.ask(&authorization(&text)).await.is_ok());
}

#[tokio::test]
async fn tokens_of_hostler_act_as_the_operator() {
    let world = World::new().await;
    let (hub, admin) = (world.token("hub", Scope::Hub).await, world.token("all", Scope::Admin).await);
    for (text, name, operator) in [(&hub, "hub", false), (&admin, "all", true)] {
        let who = Who::operator(operator, Proof::Token(name.to_owned()));
        assert_eq!(world.ask(&authorization(&format!("Token {text}"))).await, Ok(Some(who.clone())));
        assert!(
            who.admin && who.account == OPERATOR && who.name == BUILT_IN && who.audited() == format!("token {name}")
        );
    }
    let other = world.token("proc", Scope::ProcWrite).await;
    assert_eq!(world.ask(&authorization(&format!("Token {other}"))).await, Err(403));
}

#[tokio::test]
async fn an_operator_on_the_socket_needs_nothing_and_may_act_for_an_account() {
    let world = World::new().await;
    let user = Local { uid: 1000, gid: None, name: None, operator: false };
    let strangers = [
        Caller::local(user, Transport::Unix),
        Caller::anonymous("it was forwarded", Transport::Unix),
        root(Transport::Tcp),
    ];
    let nothing = HeaderMap::new();
    let as_alice = headers(&[("x-hostler-as", "alice")]);
    for caller in &strangers {
        assert_eq!(world.ask_by(caller, &nothing, Place::Unix, start()).await, Ok(None));
        assert_eq!(world.ask_by(caller, &as_alice, Place::Unix, start()).await, Ok(None));
    }
    let root = root(Transport::Unix);
    let ask = async |headers: &HeaderMap| world.ask_by(&root, headers, Place::Unix, start()).await;
    let itself = Ok(Some(Who::operator(true, Proof::Connection)));
    assert_eq!(ask(&nothing).await, itself);
    assert_eq!(ask(&headers(&[("x-hostler-as", "operator")])).await, itself);
    assert_eq!(ask(&as_alice).await, Ok(Some(alice(Proof::Connection))));
    assert_eq!(ask(&headers(&[("x-hostler-as", "nobody")])).await, Err(400));
    assert_eq!(ask(&headers(&[("x-hostler-as", "none")])).await, Err(403));
    // What is shown counts, and not for whom he would act.
    let both = headers(&[("authorization", &format!("Token {}", world.session(1).await)), ("x-hostler-as", "alice")]);
    assert_eq!(ask(&both).await.unwrap().unwrap().name, "root");
}

#[tokio::test]
async fn a_refusal_says_whom_it_refused_and_nothing_shows_a_secret() {
    let world = World::new().await;
    let text = world.session(3).await;
    let asked = authorization(&format!("Token {text}"));
    let caller = root(Transport::Tcp);
    let no = world.ledger().who(&Asked { caller: &caller, headers: &asked }, there(1), start()).await.unwrap_err();
    assert!(!format!("{no:?}").contains(&text));
    let mut told = None;
    assert_eq!(no.told(|who| told = Some(who)).status().as_u16(), 403);
    assert_eq!(told.as_deref(), Some("account none"));
    let text = world.session(2).await;
    let who = world.ask(&authorization(&format!("Token {text}"))).await.unwrap().unwrap();
    assert!(!format!("{who:?}").contains(&text) && who.audited() == "account alice");
}

#[tokio::test]
async fn users_are_accounts_and_the_operator() {
    let world = World::new().await;
    let user = |name: &str| world.ledger().user(name).map(|user| user.account).map_err(|why| why.code());
    assert_eq!((user("alice"), user("operator")), (Ok(2), Ok(OPERATOR)));
    assert_eq!((user(""), user("nobody")), (Err("empty_user"), Err("unknown_user")));
}

#[test]
fn what_is_somebody_elses_is_for_administrators() {
    let alice = alice(Proof::Password);
    assert!(alice.may_touch(2) && !alice.may_touch(1) && alice.require_admin().is_err());
    let admin = Who { admin: true, ..alice.clone() };
    assert!(admin.may_touch(1) && admin.require_admin().is_ok());
    let requires = |all| Requirements { all, by: 2 };
    let url = requires(vec![Requirement::Url("http://a/".into())]);
    let proc = requires(vec![Requirement::Url("http://a/".into()), Requirement::Proc("web".into())]);
    let dag = requires(vec![Requirement::Dag("nightly".into(), None)]);
    assert!(admin.may_require(&url).is_ok() && admin.may_require(&requires(Vec::new())).is_ok());
    assert!(admin.may_require(&proc).is_err() && admin.may_require(&dag).is_err());
    let operator = Who { operator: true, ..alice };
    assert!(operator.may_require(&proc).is_ok() && operator.may_require(&dag).is_ok());
}
