//! What is served through the cache: at hand, or fetched while it is served.
//!
//! What was fetched with credentials is for operators, and for those whose own the origin accepts: for whoever began the
//! fetch with his own, that shows by itself; anybody else's are shown to the origin with a request for the same. Where it
//! does not answer with the very content that is here, the request is forwarded, and the origin says no for itself.

use super::conditions::has_it;
use super::forward::forward;
use super::headers::{FINISHED, OURSELVES, SERVER_IP, TASK_ID, credentials, fetched_with};
use super::held::Held;
use super::refusal::{Fault, No};
use super::serve::{Client, Shared, note};
use super::wishes::Wishes;
use crate::cache::content::{Contents, FetchFailure, Placing};
use crate::cache::machine::Wanted;
use crate::cache::model::{Identity, Ids, Source, Task};
use crate::cache::origin;
use crate::cache::registry::Credentials;
use crate::http::Content;
use bytes::BytesMut;
use futures_util::{StreamExt, TryStreamExt};
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, RANGE, VIA,
};
use hyper::{Method, Response, StatusCode};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;
use uuid::Uuid;

/// Bodies up to here are read before they are answered: one write with the head.
const SMALL: u64 = 64 << 10;

/// How long the room may take to note that a content is complete.
const SETTLES: Duration = Duration::from_secs(30);

/// What is asked for.
pub(super) struct Asked<'a> {
    /// At the origin.
    pub(super) url: String,
    /// Of a rule.
    pub(super) filter: Option<&'a str>,
    /// What the content must be, as the URL says it.
    pub(super) digest: Option<String>,
    /// The request's.
    pub(super) headers: &'a HeaderMap,
}

/// A content, ready to be served.
struct Ready {
    task: Arc<Task>,
    /// What the origin said, where the task does not know it yet.
    told: Option<Arc<Source>>,
    /// It is being fetched, and goes on being so as long as this lives.
    held: Option<Held>,
}

impl Ready {
    /// What its origin said.
    fn source(&self) -> Result<&Source, No> {
        let source = self.told.as_deref().or(self.task.source.as_ref());
        // Whoever has it at hand knows its source, and so does whoever waited for the origin.
        source.ok_or_else(|| No::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Daemon, "the origin has not answered yet"))
    }
}

/// Answers from the cache.
///
/// # Errors
/// The request makes no sense or may not be, or the origin does not give it.
pub(super) async fn get(shared: &Shared, client: &Client<'_>, asked: Asked<'_>) -> Result<Response<Content>, No> {
    let Asked { url, filter, digest, headers } = asked;
    let wishes = Wishes::read(headers)?;
    if wishes.output.is_some() && !client.operator {
        let why = "X-Dragonfly-Output-Path is for operators of this host, over connections of their own";
        return Err(No::forbidden(why));
    }
    let identity = wishes.identity(url, filter);
    let ids = shared.known.of(&identity);
    let hit = if wishes.revalidate { None } else { shared.handle.hit(&ids) };
    let (ready, own) = match hit {
        Some(task) => (Ready { task, told: None, held: None }, false),
        None => match open(shared, &identity, &ids, digest.as_deref(), &wishes, headers).await? {
            Some(opened) => opened,
            None => return pass_on(shared, &identity, headers).await,
        },
    };
    if ready.task.private && !client.operator && !own && !is_accepted(shared, &identity, &ids, headers, &ready).await? {
        return pass_on(shared, &identity, headers).await;
    }
    if wishes.output.is_some() {
        place(shared, client, &wishes, &ready).await?;
    }
    serve(shared, &identity, &ids, &wishes, headers, ready).await
}

/// Has the origin answer for itself.
async fn pass_on(shared: &Shared, identity: &Identity, headers: &HeaderMap) -> Result<Response<Content>, No> {
    let mut answer = forward(shared, Method::GET, &identity.url, headers, None).await?;
    if answer.status().as_u16() >= 400 {
        Fault::Backend.mark(answer.headers_mut());
    }
    Ok(answer)
}

/// Has it fetched, and waits until the origin has answered. Also whether the requester's own credentials have got it. None:
/// the origin has said no, perhaps to somebody else's credentials; it has to be asked with this requester's.
async fn open(
    shared: &Shared,
    identity: &Identity,
    ids: &Arc<Ids>,
    digest: Option<&str>,
    wishes: &Wishes,
    headers: &HeaderMap,
) -> Result<Option<(Ready, bool)>, No> {
    let digest = match digest {
        Some(text) => Some(text.parse().map_err(|why| No::nonsense(format!("{}: {why}", identity.url)))?),
        None => identity.blob_digest(),
    };
    Url::parse(&identity.url).map_err(|why| No::nonsense(format!("{}: {why}", identity.url)))?;
    let headers = fetched_with(headers);
    let shown = credentials(&headers);
    let peer = Uuid::new_v4();
    let wanted = Wanted {
        identity: identity.clone(),
        ids: Ids::clone(ids),
        digest,
        private: shown.is_some(), // accounts of the configuration are looked for where a fetch begins
        ttl: None,
        pin: None,
        revalidate: wishes.revalidate,
        peer,
    };
    let opened = shared.handle.open(wanted, Credentials { headers, account: None }).await??;
    let held = Held::new(shared, opened, wishes.prefetch);
    let Some(task) = held.task().cloned() else { return Ok(None) };
    // It bears the name that was drawn here: it was new, so that it is fetched with these credentials and no others.
    let is_own = task.peer == peer;
    let source = match shared.handle.contents().source(&task).await {
        Ok(source) => source,
        Err(FetchFailure { answer: Some(_), .. }) if !is_own && (shown.is_some() || task.private) => return Ok(None),
        Err(failure) => return Err(failure.into()),
    };
    let shown = shown.filter(|_| is_own);
    if let Some(shown) = shown {
        shared.trust.accept(&ids.primary, shown, Instant::now());
    }
    Ok(Some((Ready { task, told: Some(source), held: Some(held) }, shown.is_some())))
}

/// Whether the origin gives this client the same content for what he shows, which may be nothing.
async fn is_accepted(
    shared: &Shared,
    identity: &Identity,
    ids: &Ids,
    headers: &HeaderMap,
    ready: &Ready,
) -> Result<bool, No> {
    let task = &ready.task;
    if !is_same_place((&identity.url, ids), (&task.identity.url, &task.ids)) {
        return Ok(false);
    }
    let mut headers = fetched_with(headers);
    let shown = credentials(&headers).unwrap_or_default();
    if shared.trust.accepted(&ids.primary, shown, Instant::now()) {
        return Ok(true);
    }
    let source = ready.source()?;
    let validators = &source.validators;
    let conditions = [(IF_NONE_MATCH, &validators.etag), (IF_MODIFIED_SINCE, &validators.last_modified)];
    for (name, value) in conditions {
        if let Some(value) = value.as_ref().and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
    let url = Url::parse(&identity.url).map_err(|why| No::nonsense(format!("{}: {why}", identity.url)))?;
    let request = origin::Request { method: Method::GET, url, headers, body: None, follow: true };
    // The body is dropped unread: its head says enough.
    let answer = shared.handle.origins().send(request).await?;
    let accepted = is_the_same(answer.status, &answer.headers, source);
    if accepted {
        shared.trust.accept(&ids.primary, shown, Instant::now());
    }
    Ok(accepted)
}

/// Whether it was fetched from where it is asked for now. A content that was found by a digest or a name of its own may be of
/// anybody's: whose server a client names is for him to say, and so that server has no say about it.
pub(super) fn is_same_place(asked: (&str, &Ids), fetched: (&str, &Ids)) -> bool {
    // The manager's id is of the address, less what does not count of it.
    asked.0 == fetched.0 || (asked.1.manager.is_some() && asked.1.manager == fetched.1.manager)
}

/// Whether an answer to a request for the first byte speaks of this content: a sign-in page, for one, does not.
pub(super) fn is_the_same(status: StatusCode, headers: &HeaderMap, source: &Source) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (status, source.extent.length) {
        (StatusCode::NOT_MODIFIED, _) => true,
        // There is no first byte.
        (StatusCode::RANGE_NOT_SATISFIABLE, Some(0)) => true,
        (StatusCode::OK | StatusCode::PARTIAL_CONTENT, length) => {
            if let (Some(there), Some(here)) = (text(ETAG), &source.validators.etag) {
                return there == here;
            }
            if let (Some(there), Some(here)) = (text(LAST_MODIFIED), &source.validators.last_modified) {
                return there == here;
            }
            let total = match status {
                StatusCode::PARTIAL_CONTENT => {
                    text(CONTENT_RANGE).and_then(|range| range.rsplit_once('/')?.1.parse().ok())
                }
                _ => text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            };
            total.is_some() && total == length
        }
        _ => false,
    }
}

/// Puts the file where an operator wants it.
async fn place(shared: &Shared, client: &Client<'_>, wishes: &Wishes, ready: &Ready) -> Result<(), No> {
    let Some(path) = &wishes.output else { return Ok(()) };
    let contents = shared.handle.contents();
    contents.whole(&ready.task).await?;
    // As it is now that everything is there: written down by the room, which hears of it at the same time.
    let settled = shared.handle.task_settled(ready.task.no, SETTLES, std::future::pending()).await;
    let gone = || No::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Daemon, "the content was removed meanwhile");
    let task = settled.ok_or_else(gone)?;
    let how = if wishes.hard_link { Placing::HardLink } else { Placing::Copy };
    let placed = contents.place(&task, path, how).await.map_err(|why| {
        let status = match why.kind() {
            io::ErrorKind::AlreadyExists => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        No::new(status, Fault::Daemon, format!("X-Dragonfly-Output-Path: {}: {why}", path.display()))
    });
    let (status, why) =
        placed.as_ref().map_or_else(|no| (no.status, Some(no.why.clone())), |()| (StatusCode::OK, None));
    note(shared, client.peer, format!("proxy placed {}", path.display()), status, why);
    placed
}

/// The answer.
async fn serve(
    shared: &Shared,
    identity: &Identity,
    ids: &Ids,
    wishes: &Wishes,
    headers: &HeaderMap,
    ready: Ready,
) -> Result<Response<Content>, No> {
    let source = ready.source()?;
    let mut response = Response::new(Content::Whole(bytes::Bytes::new()));
    let told = response.headers_mut();
    told.insert(VIA, HeaderValue::from_static(OURSELVES));
    told.insert(SERVER_IP, shared.address.clone());
    let id = if wishes.by_digest { None } else { ids.daemon.as_ref() };
    tell(told, TASK_ID, &id.unwrap_or(&ids.primary).to_string());
    if ready.task.is_complete() {
        told.insert(FINISHED, HeaderValue::from_static("true"));
    }
    describe(told, source);
    if has_it(headers, &source.validators) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let length = source.extent.length;
    let range = Contents::range(headers, source);
    let total = || length.map_or("*".to_owned(), |length| length.to_string());
    let range = match range {
        Err(()) => {
            let mut no = No::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                Fault::Proxy,
                format!("the range lies outside of the {} bytes of {}", total(), identity.url),
            )
            .response();
            tell(no.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", total()));
            return Ok(no);
        }
        Ok(None) => 0..length.unwrap_or(u64::MAX),
        Ok(Some(range)) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let told = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), total());
            tell(response.headers_mut(), CONTENT_RANGE, &told);
            range
        }
    };
    // Of a content whose length nobody knows the end is told by the end.
    if length.is_some() || response.status() == StatusCode::PARTIAL_CONTENT {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(range.end.saturating_sub(range.start)));
    }
    let Ready { task, held, .. } = ready;
    let content = content(shared, &task, range, held).await?;
    Ok(response.map(|_| content))
}

/// The bytes: small ones of a complete content at once, all others as they come.
async fn content(shared: &Shared, task: &Arc<Task>, range: Range<u64>, held: Option<Held>) -> Result<Content, No> {
    let count = range.end.saturating_sub(range.start);
    let metrics = shared.handle.metrics().clone();
    let counted = move |bytes: &bytes::Bytes| metrics.cache_sent(bytes.len() as u64);
    let mut pieces = shared.handle.contents().read(task, range).inspect_ok(counted);
    if held.is_some() || count > SMALL {
        // As long as somebody reads, the fetch goes on.
        let pieces = pieces.inspect(move |_| {
            let _held = &held;
        });
        return Ok(Content::Pieces(Box::pin(pieces)));
    }
    let no = |why: io::Error| No::new(StatusCode::INTERNAL_SERVER_ERROR, Fault::Daemon, why.to_string());
    let Some(first) = pieces.next().await.transpose().map_err(no)? else {
        return Ok(Content::Whole(bytes::Bytes::new()));
    };
    if first.len() as u64 >= count {
        return Ok(Content::Whole(first));
    }
    let mut whole = BytesMut::from(&first[..]);
    while let Some(piece) = pieces.next().await {
        whole.extend_from_slice(&piece.map_err(no)?);
    }
    Ok(Content::Whole(whole.freeze()))
}

/// What the origin said of it.
fn describe(told: &mut HeaderMap, source: &Source) {
    told.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    for (name, value) in &source.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            told.append(name, value);
        }
    }
    for (name, value) in [(ETAG, &source.validators.etag), (LAST_MODIFIED, &source.validators.last_modified)] {
        if let Some(value) = value {
            tell(told, name, value);
        }
    }
}

fn tell(told: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        told.insert(name, value);
    }
}
