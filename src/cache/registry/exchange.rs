//! One question to a registry or a token endpoint, with its whole answer, within bounds.

use crate::cache::origin::{Origins, Request};
use futures_util::StreamExt;
use hyper::{HeaderMap, Method, StatusCode};
use std::time::Duration;
use url::Url;

/// How long one question may take. Source: Dragonfly's own limit.
const LIMIT: Duration = Duration::from_secs(60);

/// An answer, whatever its status.
pub(super) struct Asked {
    pub(super) status: StatusCode,
    /// Who answered, after redirects.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Asks.
///
/// # Errors
/// For people: no answer, not in time, or more than `most` bytes of it.
pub(super) async fn get(origins: &Origins, url: Url, headers: HeaderMap, most: usize) -> Result<Asked, String> {
    let place = url.origin().ascii_serialization();
    let asking = async {
        let request = Request { method: Method::GET, url, headers, body: None, follow: true };
        let mut answer = origins.send(request).await.map_err(|error| error.to_string())?;
        let mut body = Vec::new();
        while let Some(bytes) = answer.body.next().await {
            body.extend_from_slice(&bytes.map_err(|error| error.to_string())?);
            if body.len() > most {
                return Err(format!("{place}: an answer of more than {most} bytes"));
            }
        }
        Ok(Asked { status: answer.status, url: answer.url, headers: answer.headers, body })
    };
    let late = |_| format!("{place}: no whole answer within {} s", LIMIT.as_secs());
    tokio::time::timeout(LIMIT, asking).await.map_err(late)?
}
