//! The life of a request.
//!
//! ```text
//! degraded? -> Host, Origin -> route -> right -> store admits -> body -> admits one so big -> handler -> audit, metrics
//! ```
//!
//! Each step can end it; whatever ends it is answered in the shape of the path's family. Nothing of the body is read
//! before the right to send it is established.

use crate::auth::audit::{Entry, Outcome};
use crate::auth::{Caller, Peer, Place};
use crate::base::Now;
use crate::http::body;
use crate::http::conn::{Outgoing, Wire};
use crate::http::failure::{ErrorStatus, Failure, METHOD_NOT_ALLOWED};
use crate::http::origin::{Target, shows_token};
use crate::http::path::{Query, Segments};
use crate::http::reply::Reply;
use crate::http::route::{Access, BIG, Cx, Head, Params, Route};
use crate::http::router::Found;
use crate::http::server::Shared;
use crate::http::table::{Family, Hints, Options, WrongMethod, family_of};
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::body::Body;
use hyper::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The connection beneath a request.
pub struct Link {
    /// Who is at the other end.
    pub peer: Peer,
    /// Our address on TCP; none on the Unix socket, which no browser can reach.
    pub address: Option<IpAddr>,
    /// Whether it is encrypted.
    pub tls: bool,
    /// Its socket.
    pub wire: Wire,
}

/// A request's head as the table reads it.
struct Asked {
    head: Parts,
    family: Family,
    method: Method,
    /// None when the path is not UTF-8.
    path: Option<String>,
    caller: Caller,
    /// As whom the handler knows the caller.
    alias: Arc<OnceLock<String>>,
}

/// Answers one request. Never fails: everything has an answer.
pub async fn answer<B>(shared: &Shared, link: &Link, request: Request<B>) -> Response<Outgoing>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let began = Instant::now();
    link.wire.busy();
    let (head, body) = request.into_parts();
    let asked = Asked::of(head, shared, link);
    let found = match &asked.path {
        Some(path) => shared.router.find(asked.family, &asked.method, path),
        None => Found::Nothing,
    };
    let outcome = match admit(shared, link, &asked, &found) {
        Ok(Admitted::Answered(reply)) => Ok(reply),
        Ok(Admitted::Route(route, params)) => handle(shared, link, &asked, route, params, body).await,
        Err(failure) => Err(failure),
    };
    let mut why = None;
    let reply = outcome.unwrap_or_else(|failure| {
        report(&asked, &failure);
        why = Some(failure.message().to_owned());
        failure.render(asked.family)
    });
    let status = reply.code();
    shared.metrics.request(asked.family.name(), status, began.elapsed());
    let audited = matches!(&found, Found::Route(route, _) if route.audited);
    if audited || matches!(status, 401 | 403) {
        shared.audit.note(asked.entry(link, status, why));
    }
    let mut response = reply.into_response().map(|content| Outgoing::new(content, &link.wire));
    dress(shared, &asked, response.headers_mut());
    response
}

/// What came of the steps before the body.
enum Admitted<'r> {
    /// There is nothing more to do.
    Answered(Reply),
    /// This route may answer, its path's parameters being these.
    Route(&'r Route, Params),
}

fn admit<'r>(shared: &Shared, link: &Link, asked: &Asked, found: &Found<'r>) -> Result<Admitted<'r>, Failure> {
    if let Some(cause) = shared.health.degraded() {
        return Err(Failure::unavailable(cause));
    }
    if let Some(reply) = options(shared, asked, found) {
        return Ok(Admitted::Answered(reply));
    }
    let (route, params) = match found {
        Found::Route(route, params) => (*route, params.clone()),
        Found::Nothing => return Err(Failure::unknown_path()),
        Found::WrongMethod { allowed } => return Err(wrong_method(asked.family, allowed)),
    };
    let target = Target {
        authority: asked.head.uri.authority().map(|authority| authority.as_str()),
        address: link.address,
        tls: link.tls,
    };
    check_origin(shared, asked, route, target)?;
    route.access.check(&asked.caller)?;
    if let Some(doorman) = &route.doorman {
        let query = Query::parse(asked.head.uri.query().unwrap_or_default());
        let (caller, headers, alias) = (&asked.caller, &asked.head.headers, &*asked.alias);
        doorman(&Head { caller, query: &query, headers, alias })?;
    }
    if route.changes
        && let Err(why) = (shared.admits)(0)
    {
        return Err(Failure::unavailable(why));
    }
    Ok(Admitted::Route(route, params))
}

/// The rules on `Host` and `Origin`; see [`crate::http::origin`].
fn check_origin(shared: &Shared, asked: &Asked, route: &Route, target: Target<'_>) -> Result<(), Failure> {
    if route.access == Access::Signed {
        return Ok(());
    }
    let headers = &asked.head.headers;
    let cookie = headers.contains_key(COOKIE);
    // No browser reaches the Unix socket.
    let over_tcp = target.address.is_some();
    let by_credentials = over_tcp && route.access == Access::Credentials && !cookie;
    let connection_lends = asked.caller.is_ambient() && !by_credentials;
    // A header proves intent only where nothing else lends a right: a rebound page may invent one, and some public
    // routes (the first registration) look at who is connected.
    let worker = asked.family == Family::Tracker && headers.contains_key("x-secret");
    if !connection_lends && (shows_token(headers) || worker) {
        return Ok(());
    }
    let lent = connection_lends || cookie;
    // What is shown to everybody may be shown to any page; what credentials open may not, where one of them is lent.
    let harmless = route.access == Access::Public && !route.changes;
    if over_tcp && lent && !harmless && !shared.names.called(headers, target) {
        let message = "the Host header does not name this daemon; see http.hosts in the configuration";
        return Err(Failure::public(ErrorStatus::FORBIDDEN, "foreign_host", message));
    }
    if route.changes && shared.names.is_foreign(headers, target) {
        let message = "the request comes from a page of another origin; see http.cors_origins in the configuration";
        return Err(Failure::public(ErrorStatus::FORBIDDEN, "foreign_origin", message));
    }
    Ok(())
}

/// The answer to an OPTIONS that is not a route of its own: a preflight of an origin that may call, or what the
/// family's row says.
fn options(shared: &Shared, asked: &Asked, found: &Found<'_>) -> Option<Reply> {
    if asked.method != Method::OPTIONS || matches!(found, Found::Route(..)) {
        return None;
    }
    let headers = &asked.head.headers;
    let preflight = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    match asked.family.rules().options {
        Options::Always => Some(
            Reply::empty()
                .header(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"))
                .header(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTION"))
                .header(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        ),
        _ if preflight && shared.names.allowed_origin(headers).is_some() => {
            let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
            let methods = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
            Some(
                Reply::no_content()
                    .header(ACCESS_CONTROL_ALLOW_METHODS, methods)
                    .header(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(HeaderValue::from_static("Authorization")))
                    .header(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
            )
        }
        Options::WithOrigin if headers.contains_key(ORIGIN) => Some(Reply::no_content()),
        Options::WithOrigin | Options::Refused => None,
    }
}

fn wrong_method(family: Family, allowed: &str) -> Failure {
    match family.rules().wrong_method {
        WrongMethod::NotFound => Failure::unknown_path(),
        WrongMethod::NotAllowed => {
            let failure = Failure::public(ErrorStatus::METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED, "Method not allowed");
            // Methods of routes are tokens, so this is always a header.
            match HeaderValue::from_str(allowed) {
                Ok(allowed) => failure.header(ALLOW, allowed),
                Err(_) => failure,
            }
        }
    }
}

async fn handle<B>(
    shared: &Shared,
    link: &Link,
    asked: &Asked,
    route: &Route,
    params: Params,
    body: B,
) -> Result<Reply, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let body = body::read(body, route.body_limit, &shared.settings).await?;
    if route.changes && body.len() >= BIG {
        admit_big(shared, body.len() as u64).await?;
    }
    let cx = Cx {
        caller: asked.caller.clone(),
        from: Place::of(&link.peer),
        source: link.peer.from(),
        method: route.method.clone(),
        params,
        query: Query::parse(asked.head.uri.query().unwrap_or_default()),
        headers: asked.head.headers.clone(),
        body,
        wire: link.wire.clone(),
        alias: asked.alias.clone(),
    };
    // A defect in one handler is one 500, not the end of a connection that others' requests are queued on.
    match AssertUnwindSafe((route.handler)(cx)).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Failure::internal(text.unwrap_or_else(|| "a handler panicked".to_owned())))
        }
    }
}

/// Whether the store has room for a body of this size, which may be larger than what it holds in reserve. Asks the file
/// system, hence aside.
async fn admit_big(shared: &Shared, bytes: u64) -> Result<(), Failure> {
    let admits = shared.admits.clone();
    let admitted = tokio::task::spawn_blocking(move || admits(bytes)).await.map_err(Failure::internal)?;
    admitted.map_err(Failure::unavailable)
}

impl Asked {
    fn of(head: Parts, shared: &Shared, link: &Link) -> Asked {
        let segments = Segments::of(head.uri.path());
        let hints = Hints { authorization: head.headers.contains_key(AUTHORIZATION), html: wants_html(&head.headers) };
        let family = shared.settings.only.unwrap_or_else(|| family_of(&head.method, &segments, hints));
        let rules = family.rules();
        let method = if rules.any_case { upper_case(&head.method) } else { head.method.clone() };
        let caller = shared.gate.identify(&link.peer, &head.headers);
        // A target that is a mere name ("GET proc") has no path, and is not the root's.
        let path = segments.canonical(rules).filter(|_| head.uri.path().starts_with('/'));
        Asked { path, head, family, method, caller, alias: Arc::default() }
    }

    fn entry(&self, link: &Link, status: u16, why: Option<String>) -> Entry {
        let query = Query::parse(self.head.uri.query().unwrap_or_default());
        Entry {
            at: Now::read().wall,
            who: self.alias.get().cloned().unwrap_or_else(|| self.caller.name()),
            uid: self.caller.uid(),
            from: link.peer.from().to_string(),
            what: format!("{} {}", self.method, self.path.as_deref().unwrap_or(self.head.uri.path())),
            target: query.get("name").map(str::to_owned),
            status,
            outcome: Outcome::of(status),
            why,
        }
    }
}

fn upper_case(method: &Method) -> Method {
    Method::from_bytes(method.as_str().to_ascii_uppercase().as_bytes()).unwrap_or_else(|_| method.clone())
}

fn wants_html(headers: &HeaderMap) -> bool {
    let mut accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.any(|text| text.split(',').any(|range| range.trim().to_ascii_lowercase().starts_with("text/html")))
}

/// What the caller does not get to read.
fn report(asked: &Asked, failure: &Failure) {
    let (method, path, caller) = (&asked.method, asked.head.uri.path(), asked.caller.name());
    let cause = failure.cause().unwrap_or_default();
    if failure.status() == ErrorStatus::INTERNAL {
        tracing::error!(%method, path, caller, cause, "{failure:?}");
    } else {
        tracing::debug!(%method, path, caller, cause, "{failure:?}");
    }
}

/// Where this host can be reached, as clients of the cache are told.
const SERVER_IP: HeaderName = HeaderName::from_static("x-server-ip");

/// Headers that every answer carries, those that its family's do, and those that let a page of an allowed origin read it.
fn dress(shared: &Shared, asked: &Asked, answer: &mut HeaderMap) {
    answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if asked.family == Family::Cache
        && let Some(addresses) = &shared.server_ip
    {
        answer.insert(SERVER_IP, addresses.clone());
    }
    if !shared.names.cors_origins.is_empty() {
        answer.append(VARY, HeaderValue::from_static("Origin"));
    }
    let origin = shared.names.allowed_origin(&asked.head.headers).and_then(|origin| HeaderValue::from_str(origin).ok());
    if let Some(origin) = origin {
        let exposed = HeaderValue::from_static("Link, Location, Authorization, X-Total-Count");
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}
