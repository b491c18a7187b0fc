//! Waiting for something to happen, over `/events`: nothing is polled, and a core that is replaced is not the end.

use crate::cli::client::{Call, CallError, Client, Pieces};
use crate::cli::sse;
use hyper::header::HeaderName;
use hyper::http::HeaderValue;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a daemon that is gone is waited for: a new core answers within a second or two.
const COMES_BACK_WITHIN: Duration = Duration::from_secs(30);
/// The pauses between tries grow from this …
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// … to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Runs `call` until it succeeds, while what it meets is a daemon that may come back.
///
/// # Errors
/// What it met last.
pub async fn patiently<T>(mut call: impl AsyncFnMut() -> Result<T, CallError>) -> Result<T, CallError> {
    let end = Instant::now() + COMES_BACK_WITHIN;
    let mut pause = FIRST_PAUSE;
    loop {
        match call().await {
            Err(error) if error.is_passing() && Instant::now() < end => tokio::time::sleep(pause).await,
            result => return result,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The events of some kind, of some name, or of everything.
pub struct Watch {
    client: Client,
    call: Call,
    stream: Option<Pieces>,
    reader: sse::Reader,
    ready: VecDeque<sse::Event>,
    last: Option<HeaderValue>,
}

impl Watch {
    /// Listens from now on: what happens after this returns is heard.
    ///
    /// # Errors
    /// No daemon, or it does not let us listen.
    pub async fn open(client: &Client, kind: Option<&str>, name: Option<&str>) -> Result<Watch, CallError> {
        let call = Call::get("/events").maybe("kind", kind).maybe("name", name);
        let client = client.another();
        let stream = Some(client.open(call.clone()).await?);
        Ok(Watch { client, call, stream, reader: sse::Reader::default(), ready: VecDeque::new(), last: None })
    }

    /// The next event. After a lost connection it goes on after the last event seen.
    /// Safe to drop at any await: nothing that has arrived is lost.
    ///
    /// # Errors
    /// The daemon is gone and has not come back.
    pub async fn next(&mut self) -> Result<sse::Event, CallError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let piece = match &mut self.stream {
                Some(stream) => stream.next().await,
                None => {
                    self.reopen().await?;
                    // Something may have happened that this stream will never tell: an empty event says "look".
                    return Ok(sse::Event::default());
                }
            };
            match piece {
                Ok(Some(bytes)) => {
                    self.ready.extend(self.reader.feed(&bytes));
                    let newest = self.ready.iter().rev().find_map(|event| event.id.as_deref());
                    self.last = newest.and_then(|id| HeaderValue::from_str(id).ok()).or(self.last.take());
                }
                Ok(None) | Err(_) => self.stream = None,
            }
        }
    }

    async fn reopen(&mut self) -> Result<(), CallError> {
        let call = match &self.last {
            Some(id) => self.call.clone().header(HeaderName::from_static("last-event-id"), id.clone()),
            None => self.call.clone(),
        };
        self.reader = sse::Reader::default();
        let client = &self.client;
        self.stream = Some(patiently(async || client.open(call.clone()).await).await?);
        Ok(())
    }
}
