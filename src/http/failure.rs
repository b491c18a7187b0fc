//! What goes wrong, said twice: a stable code and a safe sentence for the caller, the cause for the log.
//!
//! A handler builds a [`Failure`] without knowing what it will look like; the family of the route decides that.

use crate::http::reply::Reply;
use crate::http::table::Family;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// No route has this path.
pub const UNKNOWN_PATH: &str = "unknown_path";
/// The path exists, but not with this method.
pub const METHOD_NOT_ALLOWED: &str = "method_not_allowed";
/// The body is larger than the route takes.
pub const BODY_TOO_LARGE: &str = "body_too_large";
/// The store takes no writes now, or the daemon is degraded.
pub const UNAVAILABLE: &str = "unavailable";
/// With 422: what was sent is well formed, and cannot be done. Clients of the cache read why under `message`, while what
/// cannot be read, or breaks a rule, is told them under `errors`.
pub const UNUSABLE: &str = "unusable";

/// The content type of plain text.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// Reads something where it may block. What goes wrong is ours.
///
/// # Errors
/// 500, the cause for the log.
pub async fn blocking<T, E>(read: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Failure>
where
    T: Send + 'static,
    E: Error + Send + Sync + 'static,
{
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(why)) => Err(Failure::internal(why)),
        Err(why) => Err(Failure::internal(why)),
    }
}

/// A status that says no: 4xx or 5xx. One that says yes cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorStatus(StatusCode);

impl ErrorStatus {
    /// 400
    pub const BAD_REQUEST: ErrorStatus = ErrorStatus(StatusCode::BAD_REQUEST);
    /// 401
    pub const UNAUTHORIZED: ErrorStatus = ErrorStatus(StatusCode::UNAUTHORIZED);
    /// 403
    pub const FORBIDDEN: ErrorStatus = ErrorStatus(StatusCode::FORBIDDEN);
    /// 404
    pub const NOT_FOUND: ErrorStatus = ErrorStatus(StatusCode::NOT_FOUND);
    /// 405
    pub const METHOD_NOT_ALLOWED: ErrorStatus = ErrorStatus(StatusCode::METHOD_NOT_ALLOWED);
    /// 408
    pub const REQUEST_TIMEOUT: ErrorStatus = ErrorStatus(StatusCode::REQUEST_TIMEOUT);
    /// 409
    pub const CONFLICT: ErrorStatus = ErrorStatus(StatusCode::CONFLICT);
    /// 413
    pub const PAYLOAD_TOO_LARGE: ErrorStatus = ErrorStatus(StatusCode::PAYLOAD_TOO_LARGE);
    /// 422
    pub const UNPROCESSABLE: ErrorStatus = ErrorStatus(StatusCode::UNPROCESSABLE_ENTITY);
    /// 429
    pub const TOO_MANY_REQUESTS: ErrorStatus = ErrorStatus(StatusCode::TOO_MANY_REQUESTS);
    /// 500
    pub const INTERNAL: ErrorStatus = ErrorStatus(StatusCode::INTERNAL_SERVER_ERROR);
    /// 502
    pub const BAD_GATEWAY: ErrorStatus = ErrorStatus(StatusCode::BAD_GATEWAY);
    /// 503
    pub const UNAVAILABLE: ErrorStatus = ErrorStatus(StatusCode::SERVICE_UNAVAILABLE);

    /// Any other status; none below 400.
    pub fn new(status: u16) -> Option<ErrorStatus> {
        let status = StatusCode::from_u16(status).ok()?;
        (status.is_client_error() || status.is_server_error()).then_some(ErrorStatus(status))
    }

    /// The number on the wire.
    pub fn as_u16(self) -> u16 {
        self.0.as_u16()
    }
}

/// A request that was not served, and why.
pub struct Failure {
    status: ErrorStatus,
    code: &'static str,
    message: String,
    number: Option<u16>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure whose message the caller may read. `code` stays the same for ever; the wording may change.
    pub fn public(status: ErrorStatus, code: &'static str, message: impl Into<String>) -> Failure {
        Failure { status, code, message: message.into(), number: None, headers: Vec::new(), cause: None }
    }

    /// 500: something of ours went wrong. The caller learns nothing more, the log gets the cause.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure::public(ErrorStatus::INTERNAL, "internal", "internal error").because(cause)
    }

    /// 404: no route has this path.
    pub fn unknown_path() -> Failure {
        Failure::public(ErrorStatus::NOT_FOUND, UNKNOWN_PATH, "Not found")
    }

    /// 503 with the cause as its message.
    pub fn unavailable(cause: impl Into<String>) -> Failure {
        Failure::public(ErrorStatus::UNAVAILABLE, UNAVAILABLE, cause)
    }

    /// Adds what the log should say beside the message.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        self.cause = Some(cause.into());
        self
    }

    /// Sets the hub's numeric code, where it is not the usual one of the status.
    #[must_use]
    pub fn numbered(mut self, number: u16) -> Failure {
        self.number = Some(number);
        self
    }

    /// Says when to ask again: after so long, in whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(self, rest: Duration) -> Failure {
        let seconds = rest.as_secs().saturating_add(u64::from(rest.subsec_nanos() > 0));
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Failure {
        self.headers.push((name, value));
        self
    }

    /// The status it is answered with.
    pub fn status(&self) -> ErrorStatus {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The causes, outermost first, separated by colons, for the log.
    pub fn cause(&self) -> Option<String> {
        let first: &(dyn Error + 'static) = self.cause.as_deref()?;
        let mut text = first.to_string();
        let mut next = first.source();
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        Some(text)
    }

    /// The answer, as clients of `family` expect a refusal.
    pub fn render(&self, family: Family) -> Reply {
        let mut reply = match family {
            Family::Proc => Reply::json(&json!({ "code": self.status.as_u16(), "msg": self.message })),
            Family::Dag => Reply::json(&json!({ "error": self.message, "message": self.message })),
            Family::Hub => Reply::json(&json!({ "code": self.hub_number(), "msg": self.message })),
            Family::Cache => self.for_cache(),
            Family::Own => Reply::json(&json!({ "error": self.message, "code": self.code })),
            Family::Tracker => self.for_tracker(),
        };
        if self.status == ErrorStatus::UNAUTHORIZED
            && let Some(challenge) = challenge(family)
        {
            reply = reply.header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        for (name, value) in &self.headers {
            reply = reply.header(name.clone(), value.clone());
        }
        reply.status(self.status.0)
    }

    /// The hub's code table, by status where nobody chose one.
    fn hub_number(&self) -> u16 {
        self.number.unwrap_or(match self.status.as_u16() {
            401 => 1005,
            403 => 1006,
            404 if self.code == UNKNOWN_PATH => 1404,
            404 => 1009,
            405 => 1003,
            409 => 1010,
            400..=499 => 1007,
            _ => 1001,
        })
    }

    /// Binding errors are `errors`, the rate limit is text, everything else is `message`.
    fn for_cache(&self) -> Reply {
        match self.status {
            ErrorStatus::UNPROCESSABLE if self.code != UNUSABLE => Reply::json(&json!({ "errors": self.message })),
            ErrorStatus::TOO_MANY_REQUESTS => return Reply::text(self.message.clone()),
            _ => Reply::json(&json!({ "message": self.message })),
        }
        .content_type("application/json; charset=utf-8")
    }

    /// The web framework of the original answers in text, its handlers in the envelope.
    fn for_tracker(&self) -> Reply {
        match self.code {
            UNKNOWN_PATH | METHOD_NOT_ALLOWED => Reply::text("Not found"),
            BODY_TOO_LARGE => Reply::text("Error when parsing request"),
            _ if self.message.is_empty() => Reply::json(&json!({ "ok": false })),
            _ => Reply::json(&json!({ "ok": false, "message": self.message })),
        }
    }
}

/// What a client may send to be let in; the originals of cache and tracker say nothing.
fn challenge(family: Family) -> Option<&'static str> {
    match family {
        Family::Proc | Family::Dag | Family::Own => Some("Bearer"),
        Family::Hub => Some("Token"),
        Family::Cache | Family::Tracker => None,
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.message)
    }
}
