//! Accounts: made, seen, changed and removed.
//!
//! What is given here are rights in the hub alone, and an account that has others is removed by operators alone: an
//! administrator of the hub decides nothing about the rest of this host.

use super::Shared;
use super::answer;
use super::failures::{conflict, forbidden, not_made};
use super::who::{self, User, Who};
use crate::auth::accounts::{Hub, NewAccount, Rights};
use crate::base::Now;
use crate::http::{Cx, Doc, Failure, Reply, Route};
use crate::hub::machine::{Ask, Room};
use crate::hub::model::{AccountId, OPERATOR};
use crate::hub::wire::requires;
use crate::hub::wire::users::{self as wire, Made, Me, Shown};
use hyper::Method;

const UNKNOWN: (u16, &str) = (401, "6101: no Authorization; 1005: it does not count");
const NOT_HIS: (u16, &str) = (403, "it is another user, and the caller no administrator");
const NOBODY: (u16, &str) = (400, "6002: there is no such user; 1007, 1400: a field is wrong or missing");

/// These routes.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    let draft = |method, path, doc| who::draft(shared, (method, path), doc);
    vec![
        draft(Method::POST, "/api/users/{name}", CREATE).with(create),
        draft(Method::GET, "/api/users/{name}", SHOW).with(show),
        draft(Method::DELETE, "/api/users/{name}", REMOVE).with(remove),
        draft(Method::PUT, "/api/users/{name}/serving", SERVE).with(serve),
        draft(Method::PUT, "/api/users/{name}/requires", REQUIRE).with(require),
    ]
}

const CREATE: Doc = Doc {
    summary: "Makes a user: for administrators",
    query: &[],
    body: Some("password; role: ordinary (default) or admin, of the hub alone; serving: true (default) or false"),
    answers: &[
        (200, "data: username, role, daemonid"),
        (400, "1007: a name or a field is not what it should be; 1400: no password"),
        UNKNOWN,
        (403, "the caller is no administrator"),
        (409, "8002: there is one of that name"),
    ],
};

async fn create(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let name = wire::name(cx.param("name"))?.to_owned();
    let wire::NewUser { password, admin, serving } = cx.read(wire::new).await?;
    who.require_admin()?;
    let hub = if admin { Hub::Admin } else { Hub::Ordinary };
    let rights = Rights { hub, ..Rights::default() };
    let account = NewAccount { name, password, rights, admin_if_first: false };
    let account = shared.handle.accounts().create(account, Now::read()).await.map_err(not_made)?;
    let member = shared.handle.welcome(account.id, serving).await?;
    let me = Me { username: &account.name, role: hub.text() };
    Ok(answer::data(&Made::from((me, &*member))))
}

const SHOW: Doc = Doc {
    summary: "A user: himself, or anybody for an administrator",
    query: &[],
    body: None,
    answers: &[
        (200, "data: username, role, serving, status, entrypoint, requires; why, where he is offline"),
        NOBODY,
        UNKNOWN,
        NOT_HIS,
    ],
};

async fn show(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let user = spoken_of(&shared, &who, cx.param("name"))?;
    let member = shared.handle.member(user.account).await?;
    let (standing, entries) = (shared.handle.standing(user.account), shared.handle.entrypoints(user.account));
    let me = Me { username: &user.name, role: user.rights.hub.text() };
    Ok(answer::data(&Shown::from((me, &*member, &standing, &entries[..]))))
}

const SERVE: Doc = Doc {
    summary: "Whether this host serves for a user: beats for him, and hands out his data",
    query: &[],
    body: Some("serving: true or false"),
    answers: &[(200, "it is so"), NOBODY, UNKNOWN, NOT_HIS],
};

async fn serve(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let serving = cx.read(wire::serving).await?;
    let user = spoken_of(&shared, &who, cx.param("name"))?;
    shared.handle.member(user.account).await?;
    let _ = shared.ask(Ask::Serve(who.by(), user.account, serving)).await?;
    Ok(answer::ok())
}

const REQUIRE: Doc = Doc {
    summary: "Replaces what must hold for a user to be online",
    query: &[],
    body: Some(
        "requires: a list of up to 8, each {proc}, {dag, max_age} or {url}; proc and dag need an operator's rights. The \
         user is told their names and whether they hold",
    ),
    answers: &[
        (200, "it is so"),
        NOBODY,
        UNKNOWN,
        (403, "it is another user, and the caller no administrator; or a process or a DAG, and he is no operator"),
    ],
};

async fn require(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    let by = who.account;
    let requires = cx.read(move |body| requires::body(body, by)).await?;
    who.may_require(&requires)?;
    let user = spoken_of(&shared, &who, cx.param("name"))?;
    shared.handle.member(user.account).await?;
    let _ = shared.ask(Ask::RequireOfMember(who.by(), user.account, requires)).await?;
    Ok(answer::ok())
}

const REMOVE: Doc = Doc {
    summary: "Removes a user: for administrators; one with rights outside of the hub, for operators",
    query: &[],
    body: None,
    answers: &[
        (200, "he is no more"),
        NOBODY,
        UNKNOWN,
        (403, "the caller may not"),
        (409, "1010: he owns published items"),
    ],
};

async fn remove(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let who = who::known(&shared, &cx).await?;
    who.require_admin()?;
    let user = who::user(&shared, cx.param("name"))?;
    may_remove(&who, &user)?;
    if shared.handle.look(|room| owns_items(room, user.account)) {
        return Err(conflict("the user owns published items: remove them first"));
    }
    shared.handle.accounts().remove(&user.name).await.map_err(not_made)?;
    Ok(answer::ok())
}

/// The caller himself, or anybody for an administrator.
fn spoken_of(shared: &Shared, who: &Who, name: &str) -> Result<User, Failure> {
    who::spoken_of(shared, who, name, || forbidden("this needs an administrator, or the user himself"))
}

fn may_remove(who: &Who, user: &User) -> Result<(), Failure> {
    if user.account == OPERATOR {
        return Err(forbidden("the built-in operator stays"));
    }
    let in_the_hub_alone = Rights { hub: user.rights.hub, ..Rights::default() };
    if user.rights != in_the_hub_alone && !who.operator {
        return Err(forbidden("the account has rights outside of the data hub: this needs an operator"));
    }
    Ok(())
}

/// Whether items are this account's. Looks at all repositories: accounts are removed seldom.
fn owns_items(room: &Room, account: AccountId) -> bool {
    let mut own = room.repositories().filter(|rep| rep.owner == account);
    own.any(|rep| room.items(&rep.name).next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::accounts::{BUILT_IN, Tracker};
    use crate::hub::routes::who::Proof;

    fn who(operator: bool) -> Who {
        Who { account: 1, name: "root".to_owned(), admin: true, operator, proof: Proof::Password }
    }

    fn user(account: AccountId, rights: Rights) -> User {
        User { account, name: "alice".to_owned(), rights }
    }

    #[test]
    fn who_administers_the_hub_removes_whom_the_hub_alone_knows() {
        let status = |operator, user: &User| may_remove(&who(operator), user).map_err(|why| why.status().as_u16());
        for hub in [Hub::None, Hub::Ordinary, Hub::Admin] {
            assert_eq!(status(false, &user(2, Rights { hub, ..Rights::default() })), Ok(()));
        }
        let more = [
            Rights::ORDINARY,
            Rights::ADMIN,
            Rights { operator: true, ..Rights::default() },
            Rights { tracker: Tracker::Manager, ..Rights::default() },
        ];
        for rights in more {
            assert_eq!(status(false, &user(2, rights)), Err(403));
            assert_eq!(status(true, &user(2, rights)), Ok(()));
        }
        let built_in = User { name: BUILT_IN.to_owned(), ..user(OPERATOR, Rights::ADMIN) };
        assert_eq!(status(true, &built_in), Err(403));
    }
}
