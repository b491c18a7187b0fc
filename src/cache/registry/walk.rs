//! From an image to its blobs: its manifest, or those of a list that are wanted.

use super::exchange;
use super::manifest::{self, Entry, Manifest};
use super::speaker::Speaker;
use super::{ResolveError, Resolved};
use crate::cache::model::{Digest, Image, Platform};
use crate::cache::origin::{Authority, Origins};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderValue};
use std::collections::HashSet;
use std::sync::Arc;
use url::Url;

/// No manifest is larger. Source: the OCI distribution specification.
const MANIFEST_MAX: usize = 4 << 20;
/// Lists in lists, so deep.
const DEPTH: usize = 4;
/// Manifests of one image: a list with hundreds of machines is an attack.
const MANIFESTS: usize = 256;
/// How many platforms an error names.
const NAMED: usize = 20;

/// A walk through one image.
pub(super) struct Walk<'a> {
    pub(super) origins: &'a Origins,
    pub(super) image: &'a Image,
    pub(super) platform: &'a Platform,
    pub(super) speaker: Arc<Speaker>,
    asked: usize,
    seen: HashSet<Digest>,
    blobs: Vec<String>,
    /// The platforms that there are, for people.
    found: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(origins: &'a Origins, image: &'a Image, platform: &'a Platform, speaker: Speaker) -> Walk<'a> {
        let (seen, blobs, found) = (HashSet::new(), Vec::new(), Vec::new());
        Walk { origins, image, platform, speaker: Arc::new(speaker), asked: 0, seen, blobs, found }
    }

    pub(super) async fn run(mut self) -> Result<Resolved, ResolveError> {
        if !self.speaker.is_settled() {
            self.greet().await.map_err(ResolveError::Registry)?;
        }
        let reference = self.image.reference.clone();
        if self.visit(&reference, 0).await.map_err(ResolveError::Registry)? {
            return Ok(Resolved { blobs: self.blobs, authority: self.speaker });
        }
        let mut found: Vec<String> = self.found.iter().take(NAMED).cloned().collect();
        if self.found.len() > NAMED {
            found.push("others".to_owned());
        }
        Err(ResolveError::NoMatch {
            image: self.image.manifest(&self.image.reference),
            platform: self.platform.to_string(),
            found: if found.is_empty() { "none".to_owned() } else { found.join(", ") },
        })
    }

    /// Asks the registry what it wants to see.
    async fn greet(&self) -> Result<(), String> {
        let url = self.url(&format!("{}://{}/v2/", self.image.scheme, self.image.host))?;
        let answer = exchange::get(self.origins, url.clone(), self.speaker.headers(&url), MANIFEST_MAX).await?;
        if is_challenge(&answer, &url) {
            // The proof is the repository's: the manifest is asked for with it.
            let answered = self.speaker.answer(&url, &answer.headers, Some(&self.image.repository)).await;
            answered.map_err(|why| format!("{}: {why}", self.image.host))?;
        }
        Ok(())
    }

    /// A manifest and all that it leads to; false: nothing for this platform.
    fn visit<'b>(&'b mut self, reference: &'b str, depth: usize) -> BoxFuture<'b, Result<bool, String>> {
        async move {
            let manifest = self.fetch(reference).await?;
            match manifest {
                Manifest::Image(blobs) => {
                    let image = self.image;
                    for blob in blobs {
                        let url = image.blob(&blob.to_string());
                        if self.seen.insert(blob) {
                            self.blobs.push(url);
                        }
                    }
                    Ok(true)
                }
                Manifest::Index(_) if depth >= DEPTH => {
                    Err(format!("{}: lists in lists without end", self.name(reference)))
                }
                Manifest::Index(entries) => self.choose(entries, depth).await,
            }
        }
        .boxed()
    }

    /// Those of a list's entries that are wanted.
    async fn choose(&mut self, entries: Vec<Entry>, depth: usize) -> Result<bool, String> {
        for (os, architecture, variant) in entries.iter().filter_map(|entry| entry.platform.as_ref()) {
            let offer = Platform::One { os: os.clone(), architecture: architecture.clone(), variant: variant.clone() };
            let offer = offer.to_string();
            if !self.found.contains(&offer) && self.found.len() <= NAMED {
                self.found.push(offer);
            }
        }
        if *self.platform == Platform::All {
            let mut any = false;
            for entry in &entries {
                any |= self.visit(&entry.digest.to_string(), depth + 1).await?;
            }
            return Ok(any);
        }
        let placed: Vec<&Entry> = entries.iter().filter(|entry| entry.platform.is_some()).collect();
        let offers = placed.iter().filter_map(|entry| entry.platform.as_ref());
        let best = self.platform.best(offers.map(|(os, machine, variant)| (&os[..], &machine[..], variant.as_deref())));
        if let Some(entry) = best.and_then(|at| placed.get(at)) {
            return self.visit(&entry.digest.to_string(), depth + 1).await;
        }
        // Lists in this list may say more; a manifest that is alone and says nothing is for everybody.
        let is_alone = entries.len() == 1;
        let silent = |entry: &&Entry| entry.platform.is_none() && (entry.is_index || is_alone);
        for entry in entries.iter().filter(silent) {
            if self.visit(&entry.digest.to_string(), depth + 1).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fetches a manifest, with another proof where the registry wants one.
    async fn fetch(&mut self, reference: &str) -> Result<Manifest, String> {
        let name = self.name(reference);
        self.asked += 1;
        if self.asked > MANIFESTS {
            return Err(format!("{name}: more than {MANIFESTS} manifests"));
        }
        let url = self.url(&self.image.manifest(reference))?;
        let mut answer = self.ask(&url).await?;
        if is_challenge(&answer, &url) {
            let answered = self.speaker.answer(&url, &answer.headers, Some(&self.image.repository)).await;
            if answered.map_err(|why| format!("{}: {why}", self.image.host))? {
                answer = self.ask(&url).await?;
            }
        }
        if !answer.status.is_success() {
            let hint = if is_challenge(&answer, &url) { self.speaker.hint(&url) } else { "" };
            return Err(format!("{name}: the registry answers {}{}{hint}", answer.status, reason(&answer.body)));
        }
        self.speaker.taken(&url);
        if let Ok(digest) = reference.parse::<Digest>()
            && !manifest::is_named(&answer.body, &digest)
        {
            return Err(format!("{name}: the registry sends another manifest than the digest names"));
        }
        manifest::read(&answer.body).map_err(|why| format!("{name}: {why}"))
    }

    async fn ask(&self, url: &Url) -> Result<exchange::Asked, String> {
        let mut headers = self.speaker.headers(url);
        headers.insert(ACCEPT, HeaderValue::from_static(manifest::ACCEPTED));
        exchange::get(self.origins, url.clone(), headers, MANIFEST_MAX).await
    }

    fn url(&self, text: &str) -> Result<Url, String> {
        Url::parse(text).map_err(|error| format!("\"{}\" is no URL: {error}", text.escape_debug()))
    }

    /// For people.
    fn name(&self, reference: &str) -> String {
        let joint = if reference.contains(':') { '@' } else { ':' };
        format!("{}/{}{joint}{reference}", self.image.host, self.image.repository)
    }
}

/// Whether whoever was asked wants a proof: another, to whom the request was redirected, gets none.
fn is_challenge(answer: &exchange::Asked, asked: &Url) -> bool {
    answer.status == StatusCode::UNAUTHORIZED && answer.url.origin() == asked.origin()
}

/// What a registry says about its refusal, shortened.
fn reason(body: &[u8]) -> String {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let said = answer.pointer("/errors/0/message").and_then(serde_json::Value::as_str);
    said.map(|text| format!(": {}", text.chars().filter(|letter| !letter.is_control()).take(200).collect::<String>()))
        .unwrap_or_default()
}
