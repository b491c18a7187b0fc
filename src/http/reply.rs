//! An answer: status, headers, and a body that is whole or comes in pieces.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::time::Duration;

/// How often an event stream that has nothing to say writes a comment, so that proxies and the client keep the
/// connection, and so that a client that is gone is noticed.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A body in pieces.
pub type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The content of an answer.
pub enum Content {
    /// All of it, with a `Content-Length`.
    Whole(Bytes),
    /// Chunked. The stream ends early when the client has gone or the daemon drains.
    Pieces(Pieces),
    /// The same, to its end: where an early end would be taken for the end.
    Finite(Pieces),
}

/// An answer to a request.
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    content: Content,
}

impl Reply {
    /// 200 with no content and no content type.
    pub fn empty() -> Reply {
        Reply { status: StatusCode::OK, headers: HeaderMap::new(), content: Content::Whole(Bytes::new()) }
    }

    /// 204
    pub fn no_content() -> Reply {
        Reply::empty().status(StatusCode::NO_CONTENT)
    }

    /// 200 with the value as compact JSON.
    pub fn json(value: &impl Serialize) -> Reply {
        match serde_json::to_vec(value) {
            Ok(text) => Reply::bytes("application/json", text),
            // Only a map with keys that are not text, or a Serialize that fails on purpose, gets here.
            Err(why) => {
                tracing::error!(%why, "an answer could not be written as JSON");
                Reply::empty().status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// 200 with UTF-8 text.
    pub fn text(text: impl Into<String>) -> Reply {
        Reply::bytes(super::failure::TEXT, text.into())
    }

    /// 200 with these bytes.
    pub fn bytes(content_type: &'static str, bytes: impl Into<Bytes>) -> Reply {
        Reply { content: Content::Whole(bytes.into()), ..Reply::empty() }.content_type(content_type)
    }

    /// 200 with a body that comes as it is made. An error in the stream cuts the connection, so that the client sees
    /// that something is missing.
    pub fn stream(content_type: &'static str, pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Reply {
        Reply { content: Content::Pieces(Box::pin(pieces)), ..Reply::empty() }.content_type(content_type)
    }

    /// As [`Reply::stream`], where whoever gets less must not take it for the whole: it is sent to its end also while the
    /// daemon drains, and to who has closed his own side.
    pub fn finite(content_type: &'static str, pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Reply {
        Reply { content: Content::Finite(Box::pin(pieces)), ..Reply::empty() }.content_type(content_type)
    }

    /// 200 with server-sent events, and a comment whenever [`KEEP_ALIVE`] passes without one.
    pub fn sse(events: impl Stream<Item = Sse> + Send + 'static) -> Reply {
        Reply::sse_every(KEEP_ALIVE, events)
    }

    /// As [`sse`](Reply::sse), with another pause between comments.
    pub fn sse_every(pause: Duration, events: impl Stream<Item = Sse> + Send + 'static) -> Reply {
        let pieces = stream::unfold(Box::pin(events), move |mut events| async move {
            let piece = match tokio::time::timeout(pause, events.next()).await {
                Ok(event) => event?.text(),
                Err(_) => ":\n\n".to_owned(),
            };
            Some((Ok(Bytes::from(piece)), events))
        });
        // An event stream opens with a comment, so that the client sees it stand before the first event.
        let opening = stream::iter([Ok(Bytes::from_static(b":\n\n"))]);
        Reply::stream("text/event-stream", opening.chain(pieces))
            .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .header(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))
    }

    /// Sets the status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Reply {
        self.status = status;
        self
    }

    /// Sets a header, in place of an earlier one of that name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Reply {
        self.headers.insert(name, value);
        self
    }

    /// Sets the content type.
    #[must_use]
    pub fn content_type(self, content_type: &'static str) -> Reply {
        self.header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// The status, for audit and metrics.
    pub fn code(&self) -> u16 {
        self.status.as_u16()
    }

    /// For the connection: head and content apart.
    pub(super) fn into_response(self) -> Response<Content> {
        let mut response = Response::new(self.content);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sse {
    /// What the client sends back as `Last-Event-ID`.
    pub id: Option<u64>,
    /// The event's type; none is `message`.
    pub event: Option<String>,
    /// What it says; may have several lines. With neither type nor data only the number is told, which no client
    /// takes for an event.
    pub data: String,
}

impl Sse {
    /// As on the wire. Line breaks cannot smuggle in fields: a type is cut at the first, data gets a field per line.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.data.len() + 64);
        // Writing to a String cannot fail.
        if let Some(id) = self.id {
            let _ = writeln!(text, "id: {id}");
        }
        if let Some(event) = &self.event {
            let _ = writeln!(text, "event: {}", event.split(['\r', '\n']).next().unwrap_or_default());
        }
        if self.event.is_some() || !self.data.is_empty() {
            for line in self.data.replace("\r\n", "\n").split(['\r', '\n']) {
                let _ = writeln!(text, "data: {line}");
            }
        }
        text.push('\n');
        text
    }
}
