//! One question to another host, and what came of the last ones.

use crate::cache::origin::{Answer, Origins, Request};
use crate::hub::model::{DaemonId, EntryPoint};
use futures_util::StreamExt;
use hyper::header::{ACCEPT, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use url::Url;

/// So much of an answer is read, in bytes; a longer one is none.
const LONGEST: usize = 4 << 10;
/// How many findings are remembered. Beyond that those go that count no more, and then all: they are found again.
const REMEMBERED: usize = 4096;

/// What an entry point says of itself.
#[derive(Deserialize)]
struct Health {
    daemonid: String,
}

/// Whether this is the text of a good answer.
pub(super) fn is_good(status: StatusCode, body: &[u8], daemon: &DaemonId) -> bool {
    let says = |health: Health| health.daemonid == daemon.expose();
    status == StatusCode::OK && serde_json::from_slice(body).is_ok_and(says)
}

/// Asks an entry point whether it works for this daemon.
pub(super) async fn probe(origins: &Origins, entry: &EntryPoint, daemon: &DaemonId) -> bool {
    let Ok(url) = Url::parse(&format!("{entry}/health?daemonid={}", daemon.expose())) else { return false };
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let request = Request { method: Method::GET, url, headers, body: None, follow: false };
    match origins.send(request).await {
        Ok(Answer { status, body, .. }) => short(body).await.is_some_and(|body| is_good(status, &body, daemon)),
        Err(why) => {
            tracing::debug!(%why, %entry, "an entry point does not answer");
            false
        }
    }
}

/// All of a body that is short.
pub(super) async fn short(
    mut body: futures_util::stream::BoxStream<'static, std::io::Result<bytes::Bytes>>,
) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await {
        whole.extend_from_slice(&piece.ok()?);
        if whole.len() > LONGEST {
            return None;
        }
    }
    Some(whole)
}

/// See [`super::Reach::get`].
pub(super) async fn get(origins: &Origins, url: Url) -> Result<(), String> {
    let request = Request { method: Method::GET, url, headers: HeaderMap::new(), body: None, follow: true };
    // Nothing is read but the head.
    let answer = origins.send(request).await.map_err(|why| why.to_string())?;
    match answer.status.is_success() {
        true => Ok(()),
        false => Err(format!("it answers {}", answer.status)),
    }
}

/// What the last probes found.
pub(super) struct Findings {
    keep: Duration,
    known: HashMap<(EntryPoint, DaemonId), Finding>,
}

struct Finding {
    good: bool,
    at: Instant,
}

impl Findings {
    pub(super) fn new(keep: Duration) -> Findings {
        Findings { keep, known: HashMap::new() }
    }

    /// Whether it was good a moment ago.
    pub(super) fn is_good(&self, entry: &EntryPoint, daemon: &DaemonId, now: Instant) -> bool {
        let known = self.known.get(&(entry.clone(), daemon.clone()));
        known.is_some_and(|found| found.counts(self.keep, now))
    }

    pub(super) fn latest(&self, entry: &EntryPoint, daemon: &DaemonId) -> Option<bool> {
        self.known.get(&(entry.clone(), daemon.clone())).map(|found| found.good)
    }

    pub(super) fn found(&mut self, entry: &EntryPoint, daemon: &DaemonId, good: bool, now: Instant) {
        let key = (entry.clone(), daemon.clone());
        if self.known.len() >= REMEMBERED && !self.known.contains_key(&key) {
            let keep = self.keep;
            self.known.retain(|_, found| found.counts(keep, now));
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
        }
        self.known.insert(key, Finding { good, at: now });
    }
}

impl Finding {
    fn counts(&self, keep: Duration, now: Instant) -> bool {
        self.good && now.saturating_duration_since(self.at) < keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_answers_count_for_a_while_and_bad_ones_are_only_remembered() {
        let (entry, daemon) = (EntryPoint::new("http://192.0.2.1:1").unwrap(), DaemonId::of([7; 20]));
        let mut findings = Findings::new(Duration::from_secs(30));
        let start = Instant::now();
        assert_eq!(findings.latest(&entry, &daemon), None);
        findings.found(&entry, &daemon, false, start);
        assert!(!findings.is_good(&entry, &daemon, start));
        assert_eq!(findings.latest(&entry, &daemon), Some(false));
        findings.found(&entry, &daemon, true, start);
        assert!(findings.is_good(&entry, &daemon, start + Duration::from_secs(29)));
        assert!(!findings.is_good(&entry, &daemon, start + Duration::from_secs(30)));
        assert!(!findings.is_good(&entry, &DaemonId::of([8; 20]), start), "it was not asked for that one");
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut findings = Findings::new(Duration::from_secs(30));
        let (entry, now) = (EntryPoint::new("http://192.0.2.1:1").unwrap(), Instant::now());
        let daemon = |number: u32| {
            let mut bits = [0; 20];
            bits[..4].copy_from_slice(&number.to_le_bytes());
            DaemonId::of(bits)
        };
        findings.found(&entry, &daemon(0), true, now);
        for number in 1..10_000 {
            findings.found(&entry, &daemon(number), false, now);
            assert!(findings.known.len() <= REMEMBERED);
        }
        assert!(findings.is_good(&entry, &daemon(0), now), "what counts stays");
    }
}
