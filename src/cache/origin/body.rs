//! Bodies with a watch on them: whoever sends nothing for too long is given up.

use super::words;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// The body of an answer; ends with an error where nothing comes for `idle`. Time during which nobody reads does not count.
pub(super) fn watched(response: reqwest::Response, url: &Url, idle: Duration) -> BoxStream<'static, io::Result<Bytes>> {
    let start = Some((Box::pin(response.bytes_stream()), url.clone()));
    stream::unfold(start, move |state| async move {
        let (mut body, url) = state?;
        match timeout(idle, body.next()).await {
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some((body, url)))),
            Ok(Some(Err(error))) => Some((Err(words::broken(&url, &error)), None)),
            Ok(None) => None,
            Err(_) => Some((Err(io::Error::new(io::ErrorKind::TimedOut, words::silent(&url, idle))), None)),
        }
    })
    .boxed()
}

/// How much of a request's body has been taken: as long as it is, the origin need not have answered.
#[derive(Clone, Default)]
pub(super) struct Taken(Arc<AtomicU64>);

impl Taken {
    /// Counts what is taken from this body.
    pub(super) fn count(&self, body: BoxStream<'static, io::Result<Bytes>>) -> BoxStream<'static, io::Result<Bytes>> {
        let taken = self.0.clone();
        body.inspect(move |_| {
            taken.fetch_add(1, Ordering::Relaxed);
        })
        .boxed()
    }

    /// How many parts so far.
    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
