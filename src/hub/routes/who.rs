//! Who asks, and whether he may.
//!
//! ```text
//! Token | Bearer   40 hex digits: what a sign-in gave    -> its account
//!                  a token of hostler (hub, admin)       -> operator
//! Basic            name and password, or the MD5 of it   -> its account
//! (nothing)        over the Unix socket, by an operator  -> operator, or whom X-Hostler-As names
//! ```
//!
//! Over TCP the connection lends nobody a right here. What is shown counts, also where it is wrong. A password costs a slow
//! hash; everything else is looked up.

use super::Shared;
use super::failures::{empty_user, forbidden, no_credentials, not_signed_in, rejected, unknown_user};
use crate::auth::accounts::{Account, BUILT_IN, Hub, Rights};
use crate::auth::{Caller, Place, Scope, Transport};
use crate::base::{Now, Secret, Wall};
use crate::http::{Access, Cx, Doc, Draft, Failure, Family, Head};
use crate::hub::engine::Failed;
use crate::hub::machine::By;
use crate::hub::model::{AccountId, OPERATOR, Requirement, Requirements};
use crate::hub::proof::{Bearer, Ledger, Shown, Unread};
use hyper::{HeaderMap, Method};

/// Somebody who has proven who he is, and may use the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    /// The account; [`OPERATOR`] for operators without one.
    pub(super) account: AccountId,
    /// What it is called.
    pub(super) name: String,
    /// Whether he may see and change what is not his.
    pub(super) admin: bool,
    /// Whether all of this host is his: he may depend on supervised processes and DAGs.
    pub(super) operator: bool,
    /// By what he has proven it.
    pub(super) proof: Proof,
}

/// By what somebody has proven who he is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// He is an operator on the Unix socket.
    Connection,
    /// By his password.
    Password,
    /// By the text that a sign-in gave him.
    Session(Secret),
    /// By a token of hostler, of this name.
    Token(String),
}

impl Who {
    fn operator(operator: bool, proof: Proof) -> Who {
        Who { account: OPERATOR, name: BUILT_IN.to_owned(), admin: true, operator, proof }
    }

    /// On whose behalf the room is asked.
    pub(super) fn by(&self) -> By {
        By { account: self.account, admin: self.admin }
    }

    /// Whether something of this account is his to see and change.
    pub(super) fn may_touch(&self, account: AccountId) -> bool {
        self.admin || self.account == account
    }

    /// As the wire says it.
    pub(super) fn role(&self) -> &'static str {
        if self.admin { Hub::Admin.text() } else { Hub::Ordinary.text() }
    }

    /// Demands an administrator.
    ///
    /// # Errors
    /// 403
    pub(super) fn require_admin(&self) -> Result<(), Failure> {
        if self.admin { Ok(()) } else { Err(forbidden("this needs an administrator")) }
    }

    /// Whether something may depend on these facts because he says so. Its owner, who need be no operator, is told their
    /// names and whether they hold: an operator who says so gives that away, to him and to no other user.
    ///
    /// # Errors
    /// 403: processes and DAGs are for operators.
    pub(super) fn may_require(&self, requires: &Requirements) -> Result<(), Failure> {
        let inner = requires.all.iter().find(|fact| !matches!(fact, Requirement::Url(_)));
        match inner {
            Some(fact) if !self.operator => Err(forbidden(format!("{fact}: this needs an operator's rights"))),
            _ => Ok(()),
        }
    }

    /// For the audit log.
    fn audited(&self) -> String {
        match &self.proof {
            Proof::Token(name) => format!("token {name}"),
            _ if self.account == OPERATOR => self.name.clone(),
            _ => format!("account {}", self.name),
        }
    }
}

/// A user that a request speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    /// The account.
    pub(super) account: AccountId,
    /// What it is called.
    pub(super) name: String,
    /// What it may do.
    pub(super) rights: Rights,
}

/// A route whose callers have to show who they are: before the body is read, and again in the handler ([`known`]).
pub(super) fn draft(shared: &Shared, what: (Method, &'static str), doc: Doc) -> Draft<Shared> {
    Draft::new(shared, Family::Hub, what, Access::Credentials, doc).guarded(|shared, head, _| door(shared, head, true))
}

/// A route whose callers may show who they are, and need not ([`maybe`]).
pub(super) fn open_draft(shared: &Shared, what: (Method, &'static str), doc: Doc) -> Draft<Shared> {
    Draft::new(shared, Family::Hub, what, Access::Credentials, doc).guarded(|shared, head, _| door(shared, head, false))
}

fn door(shared: &Shared, head: &Head<'_>, needed: bool) -> Result<(), Failure> {
    let asked = Asked { caller: head.caller, headers: head.headers };
    match shared.ledger().at_the_door(&asked, Now::read().wall) {
        Ok(Door::Closed) if needed => Err(no_credentials()),
        // The audit log knows him also where his body is refused.
        Ok(Door::Known(who)) => {
            head.acts_as(|| who.audited());
            Ok(())
        }
        Ok(Door::Closed | Door::Password) => Ok(()),
        Err(no) => Err(no.told(|who| head.acts_as(|| who))),
    }
}

/// Who asks. He is one of the hub's members from then on.
///
/// # Errors
/// 401, 403, 429 with `Retry-After`, or the room does not answer.
pub(super) async fn known(shared: &Shared, cx: &Cx) -> Result<Who, Failure> {
    maybe(shared, cx).await?.ok_or_else(no_credentials)
}

/// The same where one need not say who one is.
///
/// # Errors
/// See [`known`]: what is shown counts, also where it is wrong.
pub(super) async fn maybe(shared: &Shared, cx: &Cx) -> Result<Option<Who>, Failure> {
    let Some(who) = proven(shared, cx).await? else { return Ok(None) };
    match shared.handle.member(who.account).await {
        Ok(_) => Ok(Some(who)),
        // What he has shown opens nothing any more.
        Err(Failed::NoAccount) => Err(rejected()),
        Err(why) => Err(why.into()),
    }
}

/// The same, and nobody becomes a member: for those who open a session at once.
///
/// # Errors
/// See [`maybe`].
pub(super) async fn proven(shared: &Shared, cx: &Cx) -> Result<Option<Who>, Failure> {
    let asked = Asked { caller: &cx.caller, headers: &cx.headers };
    let who = shared.ledger().who(&asked, cx.from, Now::read()).await;
    let who = who.map_err(|no| no.told(|who| cx.acts_as(|| who)))?;
    if let Some(who) = &who {
        cx.acts_as(|| who.audited());
    }
    Ok(who)
}

/// The user of this name.
///
/// # Errors
/// 400/6001: there is no name. 400/6002: nobody has it.
pub(super) fn user(shared: &Shared, name: &str) -> Result<User, Failure> {
    shared.ledger().user(name)
}

/// The user of this name, who is the caller himself unless he is an administrator. Whether there is one is told to
/// administrators alone: everybody else hears that it is foreign.
///
/// # Errors
/// See [`user`]; or `foreign`.
pub(super) fn spoken_of(
    shared: &Shared,
    who: &Who,
    name: &str,
    foreign: impl Fn() -> Failure,
) -> Result<User, Failure> {
    if !name.is_empty() && !who.admin && who.name != name {
        return Err(foreign());
    }
    let user = user(shared, name)?;
    // His name may have become another account's since he was let in.
    if who.may_touch(user.account) { Ok(user) } else { Err(foreign()) }
}

/// What an account is called; its number where it is no more.
pub(super) fn name_of(shared: &Shared, account: AccountId) -> String {
    shared.handle.name_of(account).unwrap_or_else(|| format!("#{account}"))
}

impl Shared {
    fn ledger(&self) -> Ledger<'_> {
        Ledger { tokens: &self.tokens, accounts: self.handle.accounts() }
    }
}

/// A request, as far as it tells who makes it.
pub(super) struct Asked<'a> {
    pub(super) caller: &'a Caller,
    pub(super) headers: &'a HeaderMap,
}

impl<'a> Asked<'a> {
    /// None where there is no header.
    ///
    /// # Errors
    /// It is something else than what the hub reads.
    fn shown(&self) -> Result<Option<Shown<'a>>, No> {
        Shown::of(self.headers).map_err(|Unread| rejected().into())
    }

    /// Whether the connection is an operator's who needs to show nothing.
    fn is_lent(&self) -> bool {
        self.caller.is_ambient() && self.caller.transport() == Transport::Unix && self.caller.is_operator()
    }
}

/// A refusal, and who it was, where that is known.
#[derive(Debug)]
pub(super) struct No {
    who: Option<String>,
    failure: Failure,
}

impl No {
    /// The failure; whoever listens hears who it was.
    fn told(self, listener: impl FnOnce(String)) -> Failure {
        if let Some(who) = self.who {
            listener(who);
        }
        self.failure
    }
}

impl From<Failure> for No {
    fn from(failure: Failure) -> No {
        No { who: None, failure }
    }
}

/// What a request shows, as far as can be told at once.
#[derive(Debug, PartialEq, Eq)]
enum Door {
    /// Nothing that may count.
    Closed,
    /// A password, which is not looked at yet.
    Password,
    /// Who it is.
    Known(Box<Who>),
}

impl Ledger<'_> {
    /// Who asks, as far as that costs nothing.
    fn at_the_door(&self, asked: &Asked<'_>, now: Wall) -> Result<Door, No> {
        let who = match asked.shown()? {
            Some(Shown::Text(text)) => self.by_text(text, now)?,
            Some(Shown::Password(..)) => return Ok(Door::Password),
            None if asked.is_lent() => self.lent(asked)?,
            None => return Ok(Door::Closed),
        };
        Ok(Door::Known(Box::new(who)))
    }

    /// Who asks; none where nothing says so.
    pub(super) async fn who(&self, asked: &Asked<'_>, from: Place, now: Now) -> Result<Option<Who>, No> {
        match asked.shown()? {
            Some(Shown::Text(text)) => self.by_text(text, now.wall).map(Some),
            Some(Shown::Password(name, password)) => {
                let account = self.accounts.sign_in_by_digest(&name, &password, from, now).await;
                allowed(account.map_err(not_signed_in)?, Proof::Password).map(Some)
            }
            None if asked.is_lent() => self.lent(asked).map(Some),
            None => Ok(None),
        }
    }

    fn by_text(&self, text: &str, now: Wall) -> Result<Who, No> {
        match self.bearer(text, now).ok_or_else(rejected)? {
            Bearer::Account(account) => allowed(account, Proof::Session(Secret::new(text))),
            Bearer::Operator(token, operator) => Ok(Who::operator(operator, Proof::Token(token))),
            Bearer::Stranger(token) => {
                let failure = forbidden(format!("this needs a token with the scope {}", Scope::Hub));
                Err(No { who: Some(format!("token {token}")), failure })
            }
        }
    }

    /// The operator on the Unix socket, or for whom he acts.
    fn lent(&self, asked: &Asked<'_>) -> Result<Who, No> {
        let Some(name) = asked.headers.get("x-hostler-as") else {
            return Ok(Who::operator(true, Proof::Connection));
        };
        let name = String::from_utf8_lossy(name.as_bytes());
        if name == BUILT_IN {
            return Ok(Who::operator(true, Proof::Connection));
        }
        let account = self.accounts.by_name(&name).ok_or_else(|| {
            let message = format!("X-Hostler-As: there is no account named \"{}\"", name.escape_debug());
            unknown_user(message)
        })?;
        allowed(account, Proof::Connection)
    }

    /// See [`user`].
    fn user(&self, name: &str) -> Result<User, Failure> {
        if name.is_empty() {
            return Err(empty_user());
        }
        if name == BUILT_IN {
            return Ok(User { account: OPERATOR, name: name.to_owned(), rights: Rights::ADMIN });
        }
        let account = self.accounts.by_name(name);
        let account = account.ok_or_else(|| unknown_user(format!("there is no user \"{}\"", name.escape_debug())))?;
        Ok(User { account: account.id, name: account.name, rights: account.rights })
    }
}

/// What an account may do here.
fn allowed(account: Account, proof: Proof) -> Result<Who, No> {
    let Account { id, name, rights, .. } = account;
    let who = Who { account: id, admin: rights.hub == Hub::Admin, operator: rights.operator, name, proof };
    match rights.hub {
        Hub::None => {
            let failure = forbidden("the account has no rights in the data hub");
            Err(No { who: Some(who.audited()), failure })
        }
        Hub::Ordinary | Hub::Admin => Ok(who),
    }
}

#[cfg(test)]
mod tests;
