//! Who asks: the worker that two headers name, or the manager that a cookie, the socket or a token names.

use super::answer::Answer;
use super::engine::{Handle, Settings};
use super::machine::Room;
use super::model::{Manager, ManagerId, Process, WorkerId};
use super::wire;
use crate::auth::accounts::{Account, Tracker};
use crate::auth::{Scope, Transport};
use crate::base::{Now, Secret, Wall, same};
use crate::http::{Cx, ErrorStatus, Failure, Reply};
use hyper::HeaderMap;
use hyper::header::{COOKIE, HeaderValue, SET_COOKIE};

/// The name under which the operator acts who is no account.
const OPERATOR: &str = "operator";

/// A worker that has proven who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Which.
    pub(super) id: WorkerId,
    /// Whether a manager keeps it from being handed tasks.
    pub(super) paused: bool,
}

/// Why a worker is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stranger {
    /// No `X-Worker-Id`.
    #[error("worker id not specified")]
    NoId,
    /// No `X-Secret`.
    #[error("secret is not specified")]
    NoSecret,
    /// Not a number.
    #[error("strconv.ParseInt: parsing \"{}\": invalid syntax", .0.escape_debug())]
    BadId(String),
    /// Nobody has it.
    #[error("worker id does not match any valid worker")]
    Unknown,
    /// Another secret.
    #[error("invalid secret")]
    WrongSecret,
}

impl Stranger {
    /// The refusal, with the status that the route has for it.
    pub(super) fn with(&self, status: ErrorStatus) -> Failure {
        Failure::public(status, "unauthorized", self.to_string())
    }
}

/// What a request says of the worker that makes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    id: i64,
    secret: Option<Vec<u8>>,
}

impl Claim {
    /// Reads the two headers.
    ///
    /// # Errors
    /// One is missing, or the number is none.
    pub(super) fn of(headers: &HeaderMap) -> Result<Claim, Stranger> {
        let header = |name| headers.get(name).map_or(&b""[..], |value: &HeaderValue| value.as_bytes().trim_ascii());
        let (id, secret) = (header("x-worker-id"), header("x-secret"));
        if id.is_empty() {
            return Err(Stranger::NoId);
        }
        if secret.is_empty() {
            return Err(Stranger::NoSecret);
        }
        let id = String::from_utf8_lossy(id);
        let id = id.parse().map_err(|_| Stranger::BadId(id.chars().take(64).collect()))?;
        Ok(Claim { id, secret: wire::secret(secret) })
    }

    /// Whether the request says anything at all of a worker.
    pub(super) fn is_made(headers: &HeaderMap) -> bool {
        headers.contains_key("x-worker-id") || headers.contains_key("x-secret")
    }

    /// Compares with what the room knows.
    ///
    /// # Errors
    /// There is no such worker, or it has another secret.
    pub(super) fn check(&self, room: &Room) -> Result<Known, Stranger> {
        let id = u32::try_from(self.id).map_err(|_| Stranger::Unknown)?;
        let worker = room.worker(WorkerId(id)).ok_or(Stranger::Unknown)?;
        match &self.secret {
            Some(secret) if worker.secret.is(secret) => Ok(Known { id: worker.id, paused: worker.paused }),
            _ => Err(Stranger::WrongSecret),
        }
    }
}

/// The worker who asks; the audit log is told.
pub(super) async fn worker(handle: &Handle, cx: &Cx, refusal: ErrorStatus) -> Result<Known, Failure> {
    let claim = Claim::of(&cx.headers).map_err(|why| why.with(refusal))?;
    let known = handle.look(move |room| claim.check(room)).await?.map_err(|why| why.with(refusal))?;
    cx.acts_as(|| format!("worker {}", known.id));
    Ok(known)
}

/// The person who asks.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// As far as the room's rights go.
    pub(super) manager: Manager,
    /// As his session, or an operator in his name, names him.
    pub(super) account: Option<Account>,
}

impl Person {
    fn guest() -> Person {
        Person { manager: Manager::Guest, account: None }
    }

    fn operator() -> Person {
        Person { manager: Manager::Admin(ManagerId(0)), account: None }
    }

    fn of(account: Account) -> Person {
        Person { manager: rights(&account), account: Some(account) }
    }

    /// Whether he is a manager at all.
    pub(super) fn is_manager(&self) -> bool {
        self.manager != Manager::Guest
    }

    /// Himself, on the wire; none for a guest.
    pub(super) fn shown(&self) -> Option<wire::Manager> {
        match &self.account {
            Some(account) => Some(shown(account)),
            None if self.manager.is_admin() => {
                Some(wire::Manager { id: 0, username: OPERATOR.to_owned(), tracker_admin: true, register_time: 0 })
            }
            None => None,
        }
    }
}

/// What an account may do in the tracker.
pub(super) fn rights(account: &Account) -> Manager {
    match account.rights.tracker {
        Tracker::None => Manager::Guest,
        Tracker::Manager => Manager::Known(ManagerId(account.id)),
        Tracker::Admin => Manager::Admin(ManagerId(account.id)),
    }
}

/// An account, on the wire.
pub(super) fn shown(account: &Account) -> wire::Manager {
    wire::Manager {
        id: account.id,
        username: account.name.clone(),
        tracker_admin: account.rights.tracker == Tracker::Admin,
        register_time: account.created.timestamp(),
    }
}

/// Who asks, by session, socket or token, in this order. His rights are read anew each time.
///
/// # Errors
/// An operator acts for an account that does not exist.
pub(super) fn person(handle: &Handle, cx: &Cx) -> Result<Person, Failure> {
    let accounts = &handle.tools.accounts;
    let session = cookie(&cx.headers, &handle.settings.cookie);
    if let Some(account) = session.and_then(|text| accounts.session(text, Now::read().wall)) {
        cx.acts_as(|| format!("account {}", account.name));
        return Ok(Person::of(account));
    }
    let caller = &cx.caller;
    if caller.is_ambient() && caller.transport() == Transport::Unix && caller.is_operator() {
        let Some(name) = cx.headers.get("x-hostler-as") else {
            cx.acts_as(|| OPERATOR.to_owned());
            return Ok(Person::operator());
        };
        let name = String::from_utf8_lossy(name.as_bytes());
        let account = accounts.by_name(&name).ok_or_else(|| {
            let name = name.escape_debug();
            super::answer::bad(format!("X-Hostler-As: there is no account named \"{name}\""))
        })?;
        cx.acts_as(|| format!("account {}", account.name));
        return Ok(Person::of(account));
    }
    if caller.token_holder().is_some() && caller.holds(Scope::Tracker) {
        return Ok(Person::operator());
    }
    Ok(Person::guest())
}

/// The value of this cookie.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut pairs = all.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
}

/// `reply`, with the session's cookie. No page of another site makes a browser send it, not even by a link: some GETs of
/// the original change something, and over plain HTTP browsers do not say where a link was followed.
pub(super) fn with_cookie(reply: Reply, settings: &Settings, session: &Secret, until: Wall) -> Answer {
    let text = cookie_of(&settings.cookie, session, until);
    let mut value = HeaderValue::from_str(&text).map_err(Failure::internal)?;
    value.set_sensitive(true);
    Ok(reply.header(SET_COOKIE, value))
}

fn cookie_of(name: &str, session: &Secret, until: Wall) -> String {
    let until = until.format("%a, %d %b %Y %H:%M:%S GMT");
    format!("{name}={}; path=/; HttpOnly; SameSite=Strict; expires={until}", session.expose())
}

/// Whether the caller may become the first admin: an operator whom the kernel knows, or who was told the code.
pub(super) fn may_be_first(handle: &Handle, cx: &Cx) -> bool {
    let code = handle.code.expose().as_bytes();
    let told = cx.headers.get("x-hostler-code").map_or(&b""[..], HeaderValue::as_bytes);
    (cx.caller.is_ambient() && cx.caller.is_operator()) || (!code.is_empty() && same(code, told))
}

/// The process that `X-Worker-Pid` names, whose death frees what is handed out now; none without that header.
///
/// # Errors
/// It cannot be proven to be the caller's.
pub(super) async fn process(handle: &Handle, cx: &Cx) -> Result<Option<Process>, Failure> {
    let Some(header) = cx.headers.get("x-worker-pid") else { return Ok(None) };
    let refuse = |why: &str| super::answer::bad(format!("X-Worker-Pid: {why}"));
    let pid = header.to_str().ok().and_then(|text| text.trim().parse::<i32>().ok()).filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| refuse("expected the number of a process"))?;
    let uid = cx.caller.uid().filter(|_| cx.caller.is_ambient());
    let uid =
        uid.ok_or_else(|| refuse("the kernel does not tell whose request this is: use the socket or loopback"))?;
    let handle = handle.clone();
    let found = tokio::task::spawn_blocking(move || handle.process(pid, uid)).await.map_err(Failure::internal)?;
    found.map(Some).map_err(|why| refuse(&why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_headers_of_a_worker_are_read_in_order() {
        let claim = |given: &[(&'static str, &str)]| Claim::of(&headers(given)).map_err(|why| why.to_string());
        assert_eq!(claim(&[]).unwrap_err(), "worker id not specified");
        assert_eq!(claim(&[("x-secret", "AAAA")]).unwrap_err(), "worker id not specified");
        assert_eq!(claim(&[("x-worker-id", "7")]).unwrap_err(), "secret is not specified");
        assert_eq!(claim(&[("x-worker-id", "7"), ("x-secret", " ")]).unwrap_err(), "secret is not specified");
        let wrong = claim(&[("x-worker-id", "abc"), ("x-secret", "AAAA")]).unwrap_err();
        assert_eq!(wrong, "strconv.ParseInt: parsing \"abc\": invalid syntax");
        let good = Claim { id: 7, secret: Some(vec![0, 0, 0]) };
        assert_eq!(claim(&[("x-worker-id", " 7 "), ("x-secret", "AAAA")]).unwrap(), good);
        let garbled = claim(&[("x-worker-id", "+7"), ("x-secret", "not base64")]).unwrap();
        assert_eq!(garbled, Claim { id: 7, secret: None });
        assert_eq!(claim(&[("x-worker-id", "7"), ("x-secret", &"A".repeat(268))]).unwrap().secret.unwrap().len(), 201);
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let found = |given: &[(&'static str, &str)]| cookie(&headers(given), "tt").map(str::to_owned);
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("cookie", "tt=abc")]), Some("abc".to_owned()));
        assert_eq!(found(&[("cookie", "att=no; ttt=no;tt=abc ; x=y")]), Some("abc".to_owned()));
        assert_eq!(found(&[("cookie", "TT=no")]), None);
        assert_eq!(found(&[("cookie", "a=b"), ("cookie", "tt=\"abc\"")]), Some("abc".to_owned()));
        assert_eq!(found(&[("cookie", "tt")]), None);
    }

    #[test]
    fn a_sessions_cookie_is_for_our_own_pages_alone() {
        let text = cookie_of("tt", &Secret::new("abc"), Wall::UNIX_EPOCH);
        assert_eq!(text, "tt=abc; path=/; HttpOnly; SameSite=Strict; expires=Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
