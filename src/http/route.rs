//! What a room offers: a route with its right, its limits, its words for the API description, and its handler.

use crate::auth::{Caller, Denied, Place, Scope, Source};
use crate::http::conn::Wire;
use crate::http::failure::{ErrorStatus, Failure};
use crate::http::path::Query;
use crate::http::reply::Reply;
use crate::http::table::Family;
use bytes::Bytes;
use hyper::{HeaderMap, Method};
use serde::de::DeserializeOwned;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tokio::task::JoinError;

/// The largest body a route takes unless it says otherwise: 1 MiB.
pub const BODY_LIMIT: usize = 1 << 20;

/// Bodies from this size on are parsed on the blocking pool, about a millisecond's work, and the store is asked whether
/// it has room for them.
pub(super) const BIG: usize = 128 << 10;

/// One route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, as `matchit` reads it: `/v1/dagrun/{run}`. Parameters arrive decoded.
    pub path: &'static str,
    /// Whose clients call it.
    pub family: Family,
    /// The right it takes.
    pub access: Access,
    /// For families that know people by credentials of their own: refuses those who may not before a byte of the body is
    /// read. The handler looks again, and then knows who it is.
    pub doorman: Option<Doorman>,
    /// Whether it changes anything: then the `Origin` rule applies, and the store must admit writes.
    pub changes: bool,
    /// Whether the audit log tells of every call, and not only of those that were refused for want of a right.
    pub audited: bool,
    /// The largest body in bytes; [`BODY_LIMIT`] for most.
    pub body_limit: usize,
    /// What `/openapi.json` says.
    pub doc: Doc,
    /// What answers.
    pub handler: Handler,
}

/// A route that lacks only its handler, with what the handlers of its room share.
pub struct Draft<Shared> {
    shared: Shared,
    route: Route,
}

impl<Shared: Clone + Send + Sync + 'static> Draft<Shared> {
    /// A route that changes something unless its method is GET, takes bodies up to [`BODY_LIMIT`] and is audited when it
    /// changes something.
    pub fn new(
        shared: &Shared,
        family: Family,
        (method, path): (Method, &'static str),
        access: Access,
        doc: Doc,
    ) -> Draft<Shared> {
        let changes = method != Method::GET;
        let handler = handler(|_| std::future::ready(Err(Failure::unknown_path())));
        let (doorman, audited, body_limit) = (None, changes, BODY_LIMIT);
        let route = Route { method, path, family, access, doorman, changes, audited, body_limit, doc, handler };
        Draft { shared: shared.clone(), route }
    }

    /// Takes bodies up to so many bytes.
    #[must_use]
    pub fn limit(mut self, body_limit: usize) -> Self {
        self.route.body_limit = body_limit;
        self
    }

    /// Asks `may` before the body is read, with whether the route changes something.
    #[must_use]
    pub fn guarded(mut self, may: fn(&Shared, &Head<'_>, bool) -> Result<(), Failure>) -> Self {
        let (shared, changes) = (self.shared.clone(), self.route.changes);
        self.route.doorman = Some(Arc::new(move |head| may(&shared, head, changes)));
        self
    }

    /// Whether it changes something, where the method does not tell; then it is audited, too.
    #[must_use]
    pub fn changes(mut self, changes: bool) -> Self {
        (self.route.changes, self.route.audited) = (changes, changes);
        self
    }

    /// Its calls are too many and too alike to be worth a line of the audit log each.
    #[must_use]
    pub fn unaudited(mut self) -> Self {
        self.route.audited = false;
        self
    }

    /// The route, answered by `answer`.
    pub fn with<F, Answer>(mut self, answer: F) -> Route
    where
        F: Fn(Shared, Cx) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Reply, Failure>> + Send + 'static,
    {
        let shared = self.shared;
        self.route.handler = handler(move |cx| answer(shared.clone(), cx));
        self.route
    }
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, also by what the connection lends: who may reach the daemon at all, and, where a handler asks, who he is.
    Public,
    /// Anybody: its handler knows people by credentials that the request itself carries. Over TCP the connection lends it no
    /// right, so that the rule on `Host` applies only where there is a cookie: a session may count more than what else is
    /// shown.
    Credentials,
    /// Anybody: every request is signed, and its handler checks that. Neither connection nor cookies lend it a right, so
    /// that the rules on `Host` and `Origin` do not apply.
    Signed,
    /// Anybody who is known.
    Caller,
    /// Who holds the scope.
    Scope(Scope),
    /// Operators.
    Operator,
}

impl Access {
    /// Whether a right has to be shown before the handler is asked.
    pub fn is_open(self) -> bool {
        matches!(self, Access::Public | Access::Credentials | Access::Signed)
    }

    /// Checks the right.
    ///
    /// # Errors
    /// 401 or 403, with what is missing.
    pub fn check(self, caller: &Caller) -> Result<(), Denied> {
        match self {
            Access::Public | Access::Credentials | Access::Signed => Ok(()),
            Access::Caller => caller.require_known(),
            Access::Scope(scope) => caller.require(scope),
            Access::Operator => caller.require_operator(),
        }
    }
}

/// A route in words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doc {
    /// One line.
    pub summary: &'static str,
    /// Query parameters: name and meaning.
    pub query: &'static [(&'static str, &'static str)],
    /// What the body is, where there is one.
    pub body: Option<&'static str>,
    /// Answers: status and meaning.
    pub answers: &'static [(u16, &'static str)],
}

/// What is known of a request before its body is read.
pub struct Head<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The query.
    pub query: &'a Query,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// See [`Head::acts_as`].
    pub(super) alias: &'a OnceLock<String>,
}

impl Head<'_> {
    /// The same as [`Cx::acts_as`].
    pub fn acts_as(&self, who: impl FnOnce() -> String) {
        self.alias.get_or_init(who);
    }
}

/// What refuses a request for its head.
pub type Doorman = Arc<dyn Fn(&Head<'_>) -> Result<(), Failure> + Send + Sync>;

/// What answers a request.
pub type Handler = Arc<dyn Fn(Cx) -> Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>> + Send + Sync>;

/// Makes a handler of an async function or closure.
pub fn handler<F, Answer>(function: F) -> Handler
where
    F: Fn(Cx) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Reply, Failure>> + Send + 'static,
{
    Arc::new(move |cx| Box::pin(function(cx)))
}

/// A request that has passed limits, rights and rules.
pub struct Cx {
    /// Who asks.
    pub caller: Caller,
    /// From where, as far as limits go.
    pub from: Place,
    /// From where, for logs.
    pub source: Source,
    /// The method; GET where HEAD is answered as GET.
    pub method: Method,
    /// The path's parameters.
    pub params: Params,
    /// The query.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The connection, for answers that wait.
    pub(super) wire: Wire,
    /// See [`Cx::acts_as`].
    pub(super) alias: Arc<OnceLock<String>>,
}

impl Cx {
    /// Returns when the client has closed its end, also only half of it: nobody waits for the answer any more, or it is
    /// not certain that anybody does. A client that has sent more requests ahead is not watched.
    pub fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let wire = self.wire.clone();
        async move { wire.gone().await }
    }

    /// Returns when the daemon drains: what waits has to be answered now.
    pub fn drained(&self) -> impl Future<Output = ()> + Send + use<> {
        let wire = self.wire.clone();
        async move { wire.drained().await }
    }

    /// The request without its body.
    pub fn head(&self) -> Head<'_> {
        Head { caller: &self.caller, query: &self.query, headers: &self.headers, alias: &self.alias }
    }

    /// For families that know people by credentials of their own: tells the audit log who this is. Only the first
    /// call counts.
    pub fn acts_as(&self, who: impl FnOnce() -> String) {
        self.alias.get_or_init(who);
    }

    /// The parameter `name` of the route's path, decoded; empty when the path has none of that name.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).unwrap_or_default()
    }

    /// What `read` makes of the body; of a big one on the blocking pool.
    ///
    /// # Errors
    /// The reader's: what the family answers is the room's to say.
    pub async fn read<T, E, F>(&self, read: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        E: Into<Failure> + Send + 'static,
        F: FnOnce(&[u8]) -> Result<T, E> + Send + 'static,
    {
        self.taken(read).await.map_err(Failure::internal)?.map_err(Into::into)
    }

    /// The body as JSON, whatever the `Content-Type`. Big ones are parsed on the blocking pool.
    ///
    /// # Errors
    /// The parser's, fit for the caller; what the family answers is the room's to say.
    pub async fn json<T: DeserializeOwned + Send + 'static>(&self) -> Result<T, serde_json::Error> {
        let parsed = self.taken(|body| serde_json::from_slice(body)).await;
        parsed.unwrap_or_else(|_| Err(serde::de::Error::custom("the parser was interrupted")))
    }

    /// What `take` makes of the body, big or not; an error is an interruption of a big one.
    async fn taken<T: Send + 'static>(&self, take: impl FnOnce(&[u8]) -> T + Send + 'static) -> Result<T, JoinError> {
        if self.body.len() < BIG {
            return Ok(take(&self.body));
        }
        let body = self.body.clone();
        tokio::task::spawn_blocking(move || take(&body)).await
    }

    /// A number in the query; none where it is not given.
    ///
    /// # Errors
    /// 400 that names the parameter, when it is no such number.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, Failure> {
        let parse = |text: &str| {
            let refuse = || format!("{name} must be a number, not \"{}\"", text.escape_debug());
            text.parse().map_err(|_| Failure::public(ErrorStatus::BAD_REQUEST, "bad_query", refuse()))
        };
        self.query.get(name).map(parse).transpose()
    }
}

/// What the `{…}` of a route's path stood for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub Vec<(String, String)>);

impl Params {
    /// The value of `{name}`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Failure {
        match denied.status {
            401 => Failure::public(ErrorStatus::UNAUTHORIZED, "unauthorized", denied.message),
            _ => Failure::public(ErrorStatus::FORBIDDEN, "forbidden", denied.message),
        }
    }
}
