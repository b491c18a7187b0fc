//! An origin that does what the script says.

use crate::cache::content::fetch::Ask;
use crate::cache::model::TaskNo;
use crate::cache::origin::{Answer, Authority, OriginError, Request};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use hyper::{HeaderMap, StatusCode};
use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use tokio::sync::watch;
use url::Url;

/// What is done with one request, where it is not simply answered.
pub(super) enum Turn {
    /// Nothing special.
    Plain,
    /// This status, with these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// The body breaks after so many bytes.
    Break(usize),
    /// The body ends after so many bytes, as if that were all.
    Short(usize),
    /// It cannot be reached.
    Down,
    /// It must not be.
    Forbidden,
}

pub(super) struct Origin {
    pub(super) content: Vec<u8>,
    pub(super) etag: Option<String>,
    pub(super) ranges: bool,
    /// Whether it says how long the content is.
    pub(super) says_length: bool,
    /// Bytes in one chunk.
    pub(super) chunk: usize,
    /// What is done with the next requests; then nothing special.
    pub(super) turns: VecDeque<Turn>,
    /// The body of what is refused.
    pub(super) says_no: Option<String>,
    /// The first answer stays there, and never ends.
    pub(super) holds_first_at: Option<usize>,
    /// The headers of all requests so far.
    pub(super) requests: Vec<HeaderMap>,
}

pub(super) struct Script {
    pub(super) origin: Mutex<Origin>,
    /// How far bodies may be sent.
    pub(super) upto: watch::Sender<usize>,
}

impl Script {
    pub(super) fn new(content: Vec<u8>) -> Script {
        let origin = Origin {
            content,
            etag: Some("\"one\"".to_owned()),
            ranges: true,
            says_length: true,
            chunk: 1000,
            turns: VecDeque::new(),
            says_no: None,
            holds_first_at: None,
            requests: Vec::new(),
        };
        Script { origin: Mutex::new(origin), upto: watch::Sender::new(usize::MAX) }
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Origin)) {
        change(&mut self.origin.lock().unwrap());
    }

    pub(super) fn asked(&self) -> Vec<HeaderMap> {
        self.origin.lock().unwrap().requests.clone()
    }

    fn answer(&self, request: &Request) -> Result<Answer, OriginError> {
        let origin = &mut *self.origin.lock().unwrap();
        origin.requests.push(request.headers.clone());
        let turn = origin.turns.pop_front().unwrap_or(Turn::Plain);
        let mut headers = HeaderMap::new();
        let mut status = StatusCode::OK;
        let (mut first, mut end) = (0, origin.content.len());
        let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(etag) = &origin.etag {
            headers.insert("etag", etag.parse().unwrap());
        }
        if origin.ranges {
            headers.insert("accept-ranges", "bytes".parse().unwrap());
            let same = text("if-range").is_none_or(|named| Some(named) == origin.etag.as_deref());
            if let Some((from, to)) = text("range").filter(|_| same).and_then(|text| text[6..].split_once('-')) {
                (first, end) = (from.parse().unwrap(), to.parse::<usize>().unwrap() + 1);
                if end > origin.content.len() {
                    return Ok(plain(StatusCode::RANGE_NOT_SATISFIABLE, headers, request));
                }
                status = StatusCode::PARTIAL_CONTENT;
                let range = format!("bytes {first}-{}/{}", end - 1, origin.content.len());
                headers.insert("content-range", range.parse().unwrap());
            }
        }
        if text("if-none-match").is_some_and(|tag| Some(tag) == origin.etag.as_deref()) {
            return Ok(plain(StatusCode::NOT_MODIFIED, headers, request));
        }
        if origin.says_length {
            headers.insert("content-length", (end - first).into());
        }
        headers.insert("content-type", "text/plain".parse().unwrap());
        let (mut breaks, mut short) = (None, end - first);
        match turn {
            Turn::Plain => {}
            Turn::Status(status, more) => {
                for (name, value) in more {
                    headers.insert(name, value.parse().unwrap());
                }
                let says_no = origin.says_no.clone().map(|text| Ok(Bytes::from(text)));
                let refusal = plain(StatusCode::from_u16(status).unwrap(), headers, request);
                return Ok(Answer { body: stream::iter(says_no).boxed(), ..refusal });
            }
            Turn::Break(after) => breaks = Some(after.min(end - first)),
            Turn::Short(after) => short = after.min(end - first),
            Turn::Down => return Err(OriginError::Unreachable("connection refused".to_owned())),
            Turn::Forbidden => return Err(OriginError::Forbidden("not to be connected to".to_owned())),
        }
        let content = Bytes::copy_from_slice(&origin.content[first..first + breaks.unwrap_or(short)]);
        let (chunk, upto) = (origin.chunk, self.upto.subscribe());
        let body = stream::unfold((content, first), move |(mut content, at)| {
            let mut upto = upto.clone();
            async move {
                if content.is_empty() {
                    return None;
                }
                let most = *upto.wait_for(|upto| *upto > at).await.ok()? - at;
                let part = content.split_to(chunk.min(content.len()).min(most));
                let next = at + part.len();
                Some((Ok(part), (content, next)))
            }
        });
        let broken = breaks.map(|_| Err(io::Error::from(io::ErrorKind::ConnectionReset)));
        let body = body.chain(stream::iter(broken)).boxed();
        let body = match origin.holds_first_at.filter(|_| origin.requests.len() == 1) {
            None => body,
            Some(at) => body.take(at.div_ceil(origin.chunk)).chain(stream::pending()).boxed(),
        };
        Ok(Answer { status, headers, url: request.url.clone(), body })
    }
}

fn plain(status: StatusCode, headers: HeaderMap, request: &Request) -> Answer {
    Answer { status, headers, url: request.url.clone(), body: stream::empty().boxed() }
}

impl Ask for Script {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Answer, OriginError>> {
        let answer = self.answer(&request);
        async { answer }.boxed()
    }
}

/// Somebody without credentials, who counts his challenges.
#[derive(Default)]
pub(super) struct Nobody {
    pub(super) challenges: Mutex<u32>,
    /// How often other credentials are worth a try.
    pub(super) gives: u32,
}

impl Authority for Nobody {
    fn headers(&self, _url: &Url) -> HeaderMap {
        HeaderMap::new()
    }

    fn challenged<'a>(&'a self, _url: &'a Url, _answer: &'a HeaderMap) -> BoxFuture<'a, bool> {
        let mut challenges = self.challenges.lock().unwrap();
        *challenges += 1;
        let tries = *challenges <= self.gives;
        async move { tries }.boxed()
    }
}

/// The one task of most of these tests.
pub(super) const TASK: TaskNo = TaskNo(7);
