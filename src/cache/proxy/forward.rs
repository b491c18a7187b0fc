//! Requests that are sent on as they are: streamed in both directions, redirects passed on, nothing kept.

use super::headers::{forwarded, passed_on};
use super::refusal::No;
use super::serve::Shared;
use crate::cache::origin::{self, Answer};
use crate::http::Content;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::HeaderMap;
use hyper::{Method, Response};
use std::io;
use std::time::Duration;
use url::Url;

/// Sends a request on, and its answer back.
///
/// # Errors
/// There is no answer.
pub(super) async fn forward(
    shared: &Shared,
    method: Method,
    url: &str,
    headers: &HeaderMap,
    body: Option<Incoming>,
) -> Result<Response<Content>, No> {
    let url = Url::parse(url).map_err(|why| No::nonsense(format!("{url}: {why}")))?;
    let body = body.filter(|body| !body.is_end_stream()).map(|body| pieces(body, shared.limits.body_pause));
    let request = origin::Request { method, url, headers: forwarded(headers), body, follow: false };
    let Answer { status, headers, body, .. } = shared.handle.origins().send(request).await?;
    let mut response = Response::new(Content::Pieces(body));
    *response.status_mut() = status;
    *response.headers_mut() = passed_on(&headers);
    Ok(response)
}

/// A request's body, as it comes; a client that pauses too long has failed.
fn pieces(body: Incoming, pause: Duration) -> BoxStream<'static, io::Result<Bytes>> {
    let read = stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        loop {
            return match tokio::time::timeout(pause, body.frame()).await {
                Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
                Ok(None) => None,
                Ok(Some(Err(why))) => Some((Err(io::Error::other(why)), None)),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Some((Ok(data), Some(body))),
                    // Trailers belong to this connection.
                    Err(_) => continue,
                },
            };
        }
    });
    read.boxed()
}
