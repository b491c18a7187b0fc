//! The gate: puts a [`Caller`] in place of a connection and its headers.

use super::caller::{Caller, Local, Transport};
use super::peer::{Arrival, Credentials, Peer, Source};
use super::sockdiag::SockDiag;
use super::tokens::Tokens;
use super::users;
use crate::base::{Mono, Now, Wall};
use hyper::header::{AUTHORIZATION, FORWARDED, HeaderMap, VIA};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a user's name and groups are remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The same, after the user database failed: long enough not to ask it for every connection.
const REMEMBERED_FAILURE: Duration = Duration::from_secs(5);
/// How many users are remembered before the oldest knowledge is thrown away.
const USERS: usize = 4096;

/// What the gate goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The user the daemon runs as. If it is not root, nobody but that user and root is served.
    pub daemon_uid: u32,
    /// The group whose members are operators. There need not be one.
    pub operator_group: String,
    /// Whether loopback TCP connections are given the uid of the client's socket. Off on hosts where root forwards
    /// connections of others.
    pub loopback_uid: bool,
    /// The daemon's own processes (keeper and core): their connections to the Unix socket have no identity.
    pub own_pids: Vec<i32>,
}

/// Knows who may come in as whom. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    settings: Settings,
    tokens: Tokens,
    /// Or why it is not asked about TCP connections: a fragment for a 401.
    kernel: Result<Mutex<SockDiag>, String>,
    known: Mutex<HashMap<u32, Known>>,
}

/// What the user database said about one user.
#[derive(Clone)]
struct Known {
    until: Mono,
    gid: Option<u32>,
    name: Option<String>,
    operator: bool,
}

impl Gate {
    /// Opens the gate. Without socket diagnostics in the kernel it opens too; loopback TCP is then anonymous.
    pub fn new(settings: Settings, tokens: Tokens) -> Gate {
        let kernel = match settings.loopback_uid.then(SockDiag::open) {
            None => Err("users are not recognised over TCP here (auth.loopback_uid is off)".to_owned()),
            Some(Ok(kernel)) => Ok(Mutex::new(kernel)),
            Some(Err(why)) => {
                tracing::warn!(%why, "the kernel has no socket diagnostics: nobody is recognised over TCP");
                Err(format!("the kernel cannot be asked who is connecting: {why}"))
            }
        };
        Gate(Arc::new(Inner { settings, tokens, kernel, known: Mutex::default() }))
    }

    /// The tokens this gate accepts.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Takes down who has just connected to the Unix socket. Call it right after `accept`.
    pub fn arrived_unix(&self, stream: impl AsFd) -> Arrival {
        Arrival::unix(stream, &self.0.settings.own_pids)
    }

    /// Takes down who has just connected over TCP, from `client` to our `server` address (the accepted socket's own).
    /// Call it right after `accept`, before anything else: microseconds later the client may be gone, and with it its
    /// uid.
    pub fn arrived_tcp(&self, client: SocketAddr, server: SocketAddr) -> Arrival {
        match &self.0.kernel {
            Ok(kernel) => Arrival::tcp(client, server, Ok(&mut kernel.lock().unwrap_or_else(PoisonError::into_inner))),
            Err(why) => Arrival::tcp(client, server, Err(why)),
        }
    }

    /// Finds name and groups of the one who arrived. Asks the user database off this thread, at most once a minute
    /// for each user.
    pub async fn recognise(&self, arrival: Arrival) -> Peer {
        let Arrival { from, who } = arrival;
        let who = match who {
            Ok(credentials) => self.local(credentials).await,
            Err(why) => Err(why),
        };
        Peer { from, who }
    }

    async fn local(&self, credentials: Credentials) -> Result<Local, String> {
        let Credentials { uid, gid } = credentials;
        let Settings { daemon_uid, .. } = self.0.settings;
        if uid == 0 {
            // Root must get in while the user database is out of order.
            return Ok(Local { uid, gid: gid.or(Some(0)), name: Some("root".to_owned()), operator: true });
        }
        if daemon_uid != 0 && uid != daemon_uid {
            return Err(format!("this daemon serves only uid {daemon_uid}, and the connection comes from uid {uid}"));
        }
        let known = self.known(uid).await;
        let operator = known.operator || uid == daemon_uid;
        Ok(Local { uid, gid: gid.or(known.gid), name: known.name, operator })
    }

    async fn known(&self, uid: u32) -> Known {
        let remembered = self.remembered(uid, Now::read().mono);
        if let Some(known) = remembered {
            return known;
        }
        let found = self.look_up(uid).await;
        let now = Now::read().mono;
        let known = match found {
            Ok((gid, name, operator)) => Known { until: now + REMEMBERED, gid, name, operator },
            Err(why) => {
                tracing::warn!(uid, %why, "a caller's groups are unknown: no operator for now");
                Known { until: now + REMEMBERED_FAILURE, gid: None, name: None, operator: false }
            }
        };
        let mut all = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= USERS {
            all.retain(|_, known| known.until > now);
            if all.len() >= USERS {
                all.clear();
            }
        }
        all.insert(uid, known.clone());
        known
    }

    fn remembered(&self, uid: u32, now: Mono) -> Option<Known> {
        let all = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&uid).filter(|known| known.until > now).cloned()
    }

    /// Primary group, name, and whether the user is in the operators' group.
    async fn look_up(&self, uid: u32) -> Result<(Option<u32>, Option<String>, bool), users::LookupError> {
        let Some(account) = users::by_uid(uid).await? else { return Ok((None, None, false)) };
        let operators = users::group_by_name(&self.0.settings.operator_group).await?;
        let operator = operators.is_some_and(|group| account.groups.contains(&group));
        Ok((Some(account.gid), Some(account.name), operator))
    }

    /// Who makes this request: the holder of the token it shows, else the user at the other end of the connection,
    /// unless somebody in between has forwarded it.
    pub fn identify(&self, peer: &Peer, headers: &HeaderMap) -> Caller {
        self.identify_at(peer, headers, Now::read().wall)
    }

    pub(super) fn identify_at(&self, peer: &Peer, headers: &HeaderMap, now: Wall) -> Caller {
        let transport = match peer.from() {
            Source::Unix { .. } => Transport::Unix,
            Source::Tcp(_) => Transport::Tcp,
        };
        match shown_token(headers) {
            Shown::Token(text) => return self.by_token(text, transport, now),
            Shown::Malformed => {
                return Caller::anonymous("the Authorization header is not \"Bearer TOKEN\"", transport);
            }
            Shown::Nothing => {}
        }
        if let Some(header) = forwarded(headers) {
            let why = format!("the request was forwarded (it carries {header}), so the connection names nobody");
            return Caller::anonymous(why, transport);
        }
        match peer.user() {
            Ok(user) => Caller::local(user.clone(), transport),
            Err(why) => Caller::anonymous(why, transport),
        }
    }

    /// Whether a request says itself that it was made by one party and sent by another: then its connection names nobody.
    pub fn is_forwarded(headers: &HeaderMap) -> bool {
        forwarded(headers).is_some()
    }

    /// The holder of the token `text`; anonymous when it is none.
    pub fn by_token(&self, text: &str, transport: Transport, now: Wall) -> Caller {
        match self.0.tokens.holder(text, now, |owner| owner == 0 || owner == self.0.settings.daemon_uid) {
            Ok(holder) => Caller::token(holder, transport),
            Err(why) => Caller::anonymous(why.to_string(), transport),
        }
    }
}

enum Shown<'a> {
    Token(&'a str),
    Malformed,
    /// No header, or one of another scheme, which is for a family to read.
    Nothing,
}

/// The token in `Authorization: Bearer TOKEN` or `Authorization: Token TOKEN`.
fn shown_token(headers: &HeaderMap) -> Shown<'_> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(header) = all.next() else { return Shown::Nothing };
    if all.next().is_some() {
        return Shown::Malformed;
    }
    let Ok(header) = header.to_str() else { return Shown::Malformed };
    let mut words = header.split_ascii_whitespace();
    let ours = |scheme: &str| scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(text), None) if ours(scheme) => Shown::Token(text),
        (Some(scheme), ..) if !ours(scheme) => Shown::Nothing,
        _ => Shown::Malformed,
    }
}

/// The header that says the request was made by one party and sent by another. `X-Real-IP` is what proxies add that
/// add nothing else.
fn forwarded(headers: &HeaderMap) -> Option<&str> {
    headers.keys().map(|name| name.as_str()).find(|name| {
        *name == FORWARDED.as_str() || *name == VIA.as_str() || *name == "x-real-ip" || name.starts_with("x-forwarded-")
    })
}
