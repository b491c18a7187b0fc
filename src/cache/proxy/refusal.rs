//! How the proxy says no: a status, a sentence, and whose fault it is, in the words that Dragonfly's clients know.

use super::headers::{ERROR_TYPE, passed_on};
use crate::cache::content::{FetchFailure, Said};
use crate::cache::engine::Failed;
use crate::cache::machine::Refusal;
use crate::cache::origin::OriginError;
use crate::http::Content;
use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, SET_COOKIE};
use hyper::{Response, StatusCode};

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The origin's, whose status and headers are passed on.
    Backend,
    /// The request's: it makes no sense, or may not be.
    Proxy,
    /// Ours, or the network's.
    Daemon,
}

impl Fault {
    fn word(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Fault::Backend => "backend",
            Fault::Proxy => "proxy",
            Fault::Daemon => "dfdaemon",
        })
    }

    /// Says so in an answer.
    pub(super) fn mark(self, headers: &mut HeaderMap) {
        headers.insert(ERROR_TYPE, self.word());
    }
}

/// A no.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct No {
    pub(super) status: StatusCode,
    pub(super) fault: Fault,
    /// For people.
    pub(super) why: String,
    /// Of the origin, where it was its no.
    headers: Box<HeaderMap>,
    /// The same.
    body: Option<Bytes>,
}

impl No {
    pub(super) fn new(status: StatusCode, fault: Fault, why: impl Into<String>) -> No {
        No { status, fault, why: why.into(), headers: Box::default(), body: None }
    }

    /// 400: the request makes no sense.
    pub(super) fn nonsense(why: impl Into<String>) -> No {
        No::new(StatusCode::BAD_REQUEST, Fault::Proxy, why)
    }

    /// 403: it may not be.
    pub(super) fn forbidden(why: impl Into<String>) -> No {
        No::new(StatusCode::FORBIDDEN, Fault::Proxy, why)
    }

    /// The answer.
    pub(super) fn response(self) -> Response<Content> {
        let is_ours = self.body.is_none();
        let body = self.body.unwrap_or_else(|| format!("{}\n", self.why).into());
        let mut response = Response::new(Content::Whole(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = *self.headers;
        let headers = response.headers_mut();
        if is_ours {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            headers.remove(CONTENT_ENCODING);
        }
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.entry(RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
        }
        self.fault.mark(headers);
        response
    }
}

impl From<OriginError> for No {
    fn from(why: OriginError) -> No {
        match why {
            OriginError::Forbidden(why) => No::forbidden(why),
            OriginError::Url(why) => No::nonsense(why),
            OriginError::Unreachable(why) => No::new(StatusCode::BAD_GATEWAY, Fault::Daemon, why),
        }
    }
}

impl From<FetchFailure> for No {
    fn from(failure: FetchFailure) -> No {
        let FetchFailure { why, answer, forbidden } = failure;
        if forbidden {
            return No::forbidden(why);
        }
        match answer {
            // What it sent with a success was not what it must be: that is for us to say.
            Some(said) if said.status.as_u16() >= 300 => {
                let Said { status, headers, body } = *said;
                let mut headers = passed_on(&headers);
                // The length is that of what is sent. A cookie is for whoever asked the origin, and more may hear this.
                for ours in [CONTENT_LENGTH, SET_COOKIE] {
                    headers.remove(ours);
                }
                No { headers: Box::new(headers), body, ..No::new(status, Fault::Backend, why) }
            }
            _ => No::new(StatusCode::BAD_GATEWAY, Fault::Daemon, why),
        }
    }
}

impl From<Refusal> for No {
    fn from(why: Refusal) -> No {
        No::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Daemon, why.to_string())
    }
}

impl From<Failed> for No {
    fn from(why: Failed) -> No {
        No::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Daemon, why.to_string())
    }
}
