//! The routes of the entry listener: path → whose, and who asks → file → answer.

use super::board::{Sent, Transfer, board};
use super::notes::Notes;
use super::sending::{self, Listens};
use crate::auth::Source as Peer;
use crate::auth::accounts::Hub;
use crate::auth::tokens::Tokens;
use crate::base::{Hex, Now, Wall};
use crate::cache::content::Contents;
use crate::cache::model::{Extent, Source, Validators};
use crate::http::{Access as Right, Cx, Doc, Draft, ErrorStatus, Failure, Family, Reply, Route};
use crate::hub::engine::Handle;
use crate::hub::files;
use crate::hub::machine::Event;
use crate::hub::model::{
    Access, AccountId, DaemonId, Digests, Health, ItemName, Look, Reason, RepName, Stamp, State, TagName, TagNo,
};
use crate::hub::proof::Ledger;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
};
use hyper::{Method, StatusCode};
use serde_json::json;
use std::fs::File;
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// For those who ask for nothing in particular.
const GREETING: &str = "This is a data entry point of hostler: GET /pull/REPOSITORY/ITEM/TAG\n";
/// How long a disk may take to open a file.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many files are being opened at once: a disk that hangs keeps so many threads and no more.
const OPENING: usize = 16;

const MD5: HeaderName = HeaderName::from_static("x-source-md5");
const SHA256: HeaderName = HeaderName::from_static("x-source-sha256");
const FILE_SIZE: HeaderName = HeaderName::from_static("x-source-filesize");

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    handle: Handle,
    tokens: Tokens,
    notes: Notes,
    opening: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(handle: Handle, tokens: Tokens) -> Shared {
        Shared { notes: Notes::new(handle.clone()), handle, tokens, opening: Arc::new(Semaphore::new(OPENING)) }
    }
}

/// All routes of the listener. HEAD has one of its own where nothing must count as sent.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    let draft = |method: Method, path: &'static str| {
        Draft::new(shared, Family::Hub, (method, path), Right::Public, Doc::default()).changes(false).limit(0)
    };
    const PULL: &str = "/pull/{rep}/{item}/{tag}";
    vec![
        draft(Method::GET, "/").with(|_, _| async { Ok(Reply::text(GREETING)) }),
        draft(Method::GET, "/health").with(health),
        draft(Method::GET, PULL).with(pull),
        draft(Method::HEAD, PULL).with(pull),
    ]
}

/// `GET /health[?daemonid=ID]`
async fn health(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let handle = &shared.handle;
    let (id, admin) = match cx.query.get("daemonid") {
        None => (handle.host_id().to_owned(), false),
        Some(asked) => {
            let serving =
                |daemon: DaemonId| handle.look(|room| room.by_daemon(&daemon).filter(|one| one.serving).cloned());
            let member = DaemonId::parse(asked).and_then(serving);
            let member = member.ok_or_else(|| unknown("no daemon of that id is served here"))?;
            (member.daemon.expose().to_owned(), is_admin(handle, member.account))
        }
    };
    Ok(Reply::json(&json!({ "daemonid": id, "entrypoint": null, "role": u8::from(admin) })))
}

fn is_admin(handle: &Handle, account: AccountId) -> bool {
    handle.rights_of(account).is_some_and(|rights| rights.hub == Hub::Admin)
}

/// What is asked for, as the room knows it.
struct Found {
    owner: AccountId,
    access: Access,
    no: TagNo,
    /// `rep/item:tag`
    name: String,
    pool: Arc<PathBuf>,
    dir: Arc<str>,
    detail: Arc<str>,
    digests: Option<Digests>,
    health: Health,
}

/// A file that is what was published.
struct Ready {
    file: File,
    stamp: Stamp,
    digests: Digests,
}

/// `GET /pull/:repo/:item/:tag`
async fn pull(shared: Shared, cx: Cx) -> Result<Reply, Failure> {
    let found = find(&shared.handle, &cx).ok_or_else(|| unknown("there is no such tag here"))?;
    let peer = address(cx.source);
    match prepare(&shared, &cx, &found).await {
        Ok(ready) => answer(&shared, &cx, found, ready, peer),
        Err(failure) => {
            let line = format!("refused {} to {}: {}", found.name, shown(peer), failure.message());
            shared.notes.refused(found.owner, peer, line);
            Err(failure)
        }
    }
}

/// The tag that the path names; none where there is none, or its owner does not hand out anything.
fn find(handle: &Handle, cx: &Cx) -> Option<Found> {
    let rep = RepName::new(cx.param("rep")).ok()?;
    let item = ItemName::new(cx.param("item")).ok()?;
    let tag = TagName::new(cx.param("tag")).ok()?;
    let found = handle.look(|room| {
        let owner = room.repository(&rep)?.owner;
        room.member(owner).filter(|member| member.serving)?;
        let item = room.item(&rep, &item)?;
        let tag = room.tag(item.no, &tag)?;
        Some(Found {
            owner,
            access: item.access,
            no: tag.no,
            name: format!("{rep}/{}:{}", item.name, tag.name),
            pool: room.pool(&item.pool)?.dir.clone(),
            dir: item.dir.clone(),
            detail: tag.detail.clone(),
            digests: tag.digests,
            health: tag.health.clone(),
        })
    })?;
    // Of an account that is no more nothing is handed out, also before the room hears of it.
    handle.is_account(found.owner).then_some(found)
}

/// Proves that he may, opens, looks.
async fn prepare(shared: &Shared, cx: &Cx, found: &Found) -> Result<Ready, Failure> {
    if found.access == Access::Private {
        let ledger = Ledger { tokens: &shared.tokens, accounts: shared.handle.accounts() };
        ledger.may_read(found.owner, (&cx.query, &cx.headers), cx.from, Now::read()).await?;
    }
    if let State::Abnormal(Reason::PoolGone(why)) = &found.health.state {
        return Err(unusable(format!("the data pool cannot be used: {why}")));
    }
    let opened = open(shared, found).await?;
    if found.health.state == State::Normal {
        let look = opened.as_ref().map_or_else(Clone::clone, |(_, stamp)| Look::There(*stamp));
        if !matches!(look, Look::There(stamp) if Some(stamp) == found.health.right) {
            shared.handle.tell(Event::Looked(vec![(found.no, look)]));
        }
    }
    let (file, stamp) = judge(&found.health, opened)?;
    let digests = found.digests.ok_or_else(not_verified)?;
    Ok(Ready { file, stamp, digests })
}

async fn open(shared: &Shared, found: &Found) -> Result<Result<(File, Stamp), Look>, Failure> {
    let (pool, dir, detail) = (found.pool.clone(), found.dir.clone(), found.detail.clone());
    let opening = shared.opening.clone();
    let opened = timeout(PATIENCE, async move {
        let permit = opening.acquire_owned().await.map_err(Failure::internal)?;
        let open = move || {
            let opened = files::open(&pool, &dir, &detail);
            drop(permit);
            opened
        };
        tokio::task::spawn_blocking(open).await.map_err(Failure::internal)
    });
    opened.await.unwrap_or_else(|_| Err(unusable("the data pool does not answer")))
}

/// Whether what was opened is what was published.
///
/// # Errors
/// 404: it is gone. 409: it is something else, or not known to be the same.
fn judge<F>(health: &Health, opened: Result<(F, Stamp), Look>) -> Result<(F, Stamp), Failure> {
    let (file, stamp) = opened.map_err(|look| match look {
        Look::Missing => unknown("the file is gone"),
        Look::There(_) | Look::NotAFile => unusable("it is no file any more"),
        Look::Unreadable(why) => unusable(format!("the file cannot be read: {why}")),
        Look::Escaped => unusable("a link leads out of the item's directory"),
        Look::PoolGone(why) => unusable(format!("the data pool cannot be used: {why}")),
    })?;
    match &health.state {
        State::Pending => Err(not_verified()),
        State::Abnormal(reason @ (Reason::SizeChanged | Reason::ContentChanged)) => {
            Err(unusable(format!("the file is not what was published: {}", reason.word())))
        }
        // What it was when it was last read: also where it was away since.
        State::Normal | State::Abnormal(_) if health.right == Some(stamp) => Ok((file, stamp)),
        State::Normal | State::Abnormal(_) => Err(unusable("the file was changed, and is not verified yet")),
    }
}

/// The answer.
fn answer(shared: &Shared, cx: &Cx, found: Found, ready: Ready, peer: Option<IpAddr>) -> Result<Reply, Failure> {
    let Ready { file, stamp, digests } = ready;
    let etag = format!("\"{}\"", Hex(&digests.sha256));
    if has_it(&cx.headers, &etag) {
        return Ok(described(Reply::empty().status(StatusCode::NOT_MODIFIED), &digests, &etag));
    }
    let part = part(&cx.headers, digests.size, &etag)?;
    let range = part.clone().unwrap_or(0..digests.size);
    let length = range.end - range.start;
    let dressed = |reply: Reply| {
        let reply = described(reply, &digests, &etag).header(CONTENT_LENGTH, HeaderValue::from(length));
        match &part {
            Some(part) => {
                told(reply.status(StatusCode::PARTIAL_CONTENT), CONTENT_RANGE, &content_range(part, digests.size))
            }
            None => reply,
        }
    };
    if cx.method == Method::HEAD {
        return Ok(dressed(Reply::empty().content_type(BYTES)));
    }
    let handing =
        Handing { notes: shared.notes.clone(), found, range: range.clone(), size: digests.size, peer, transfer: None };
    if length == 0 {
        handing.note(0);
        return Ok(dressed(Reply::bytes(BYTES, Vec::new())));
    }
    Ok(dressed(Reply::finite(BYTES, sending::bytes(file, stamp, range, handing))))
}

const BYTES: &str = "application/octet-stream";

/// What every answer says of the file.
fn described(reply: Reply, digests: &Digests, etag: &str) -> Reply {
    let reply = reply.header(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let reply = reply.header(FILE_SIZE, HeaderValue::from(digests.size));
    let reply = told(reply, MD5, &Hex(&digests.md5).to_string());
    let reply = told(reply, SHA256, &Hex(&digests.sha256).to_string());
    told(reply, ETAG, etag)
}

fn told(reply: Reply, name: HeaderName, value: &str) -> Reply {
    match HeaderValue::from_str(value) {
        Ok(value) => reply.header(name, value),
        Err(_) => reply,
    }
}

/// Whether the client has this version already.
fn has_it(headers: &HeaderMap, etag: &str) -> bool {
    let mut named = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    named.any(|list| list.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == etag))
}

/// The part of the file that is asked for; none: all of it.
///
/// # Errors
/// 416
fn part(headers: &HeaderMap, size: u64, etag: &str) -> Result<Option<Range<u64>>, Failure> {
    let validators = Validators { etag: Some(etag.to_owned()), last_modified: None };
    let extent = Extent { length: Some(size), piece_length: 1 };
    let source = Source { extent, validators, headers: Vec::new(), checked: Wall::UNIX_EPOCH };
    Contents::range(headers, &source).map_err(|()| {
        let status = ErrorStatus::new(416).unwrap_or(ErrorStatus::BAD_REQUEST);
        let failure = Failure::public(status, "range", format!("the file has {size} bytes"));
        match HeaderValue::try_from(format!("bytes */{size}")) {
            Ok(value) => failure.header(CONTENT_RANGE, value),
            Err(_) => failure,
        }
    })
}

fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))
}

/// A file that is being handed out.
struct Handing {
    notes: Notes,
    found: Found,
    range: Range<u64>,
    size: u64,
    peer: Option<IpAddr>,
    /// Once the first bytes went.
    transfer: Option<Transfer>,
}

impl Listens for Handing {
    fn sent(&mut self, bytes: u64) {
        let begin = || {
            let (tag, file) = (self.found.name.clone(), self.found.detail.to_string());
            board().begin(Sent { owner: self.found.owner, tag, file, size: self.size })
        };
        self.transfer.get_or_insert_with(begin).count(bytes);
        self.notes.sent(bytes);
    }
}

impl Handing {
    /// What the owner reads when so many bytes went.
    fn note(&self, sent: u64) {
        let Found { owner, no, name, detail, .. } = &self.found;
        let (to, size) = (shown(self.peer), self.size);
        if sent == size {
            return self.notes.served(
                *owner,
                self.peer,
                *no,
                format!("served {name} ({detail}, {size} bytes) to {to}"),
            );
        }
        let part = content_range(&self.range, size);
        let line = match sent == self.range.end - self.range.start {
            true => format!("served {part} of {name} ({detail}) to {to}"),
            false => format!("served {sent} bytes of {part} of {name} ({detail}) to {to}: then the connection ended"),
        };
        self.notes.served_a_part(*owner, self.peer, *no, line);
    }
}

impl Drop for Handing {
    fn drop(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            self.note(transfer.sent());
        }
    }
}

fn address(peer: Peer) -> Option<IpAddr> {
    match peer {
        Peer::Tcp(address) => Some(address.ip().to_canonical()),
        Peer::Unix { .. } => None,
    }
}

fn shown(peer: Option<IpAddr>) -> String {
    peer.map_or_else(|| "this host".to_owned(), |ip| ip.to_string())
}

fn unknown(message: &str) -> Failure {
    Failure::public(ErrorStatus::NOT_FOUND, "not_found", message).numbered(1009)
}

fn unusable(message: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::CONFLICT, "unusable_file", message).numbered(1010)
}

fn not_verified() -> Failure {
    unusable("the file is not verified yet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{IF_RANGE, RANGE};

    const ETAG: &str = "\"aa\"";

    fn asked(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::try_from(*value).unwrap())).collect()
    }

    #[test]
    fn one_range_is_heeded_and_only_of_this_version() {
        let part = |pairs: &[(HeaderName, &str)]| part(&asked(pairs), 10, ETAG).map_err(|why| why.status().as_u16());
        assert_eq!(part(&[]), Ok(None));
        assert_eq!(part(&[(RANGE, "bytes=0-3")]), Ok(Some(0..4)));
        assert_eq!(part(&[(RANGE, "bytes=4-")]), Ok(Some(4..10)));
        assert_eq!(part(&[(RANGE, "bytes=-3")]), Ok(Some(7..10)));
        assert_eq!(part(&[(RANGE, "bytes=8-99")]), Ok(Some(8..10)));
        assert_eq!(part(&[(RANGE, "bytes=0-1,3-4")]), Ok(None));
        assert_eq!(part(&[(RANGE, "bytes=10-")]), Err(416));
        assert_eq!(part(&[(RANGE, "bytes=0-3"), (IF_RANGE, ETAG)]), Ok(Some(0..4)));
        assert_eq!(part(&[(RANGE, "bytes=0-3"), (IF_RANGE, "\"bb\"")]), Ok(None));
        assert_eq!(content_range(&(0..4), 10), "bytes 0-3/10");
    }

    #[test]
    fn who_has_it_need_not_be_sent_it() {
        let has = |text: &str| has_it(&asked(&[(IF_NONE_MATCH, text)]), ETAG);
        assert!(has(ETAG) && has("\"bb\", \"aa\"") && has("W/\"aa\"") && has("*"));
        assert!(!has("\"bb\"") && !has_it(&HeaderMap::new(), ETAG));
    }

    #[test]
    fn only_what_was_published_is_handed_out() {
        let stamp = |size: u64| Stamp { dev: 1, ino: 2, size, mtime: 3, ctime: 4 };
        let health = |state: State| Health { state, since: Wall::UNIX_EPOCH, hashed: None, right: Some(stamp(5)) };
        let status = |state: State, opened: Result<Stamp, Look>| match judge(&health(state), opened.map(|at| ((), at)))
        {
            Ok(((), found)) => {
                assert_eq!(found, stamp(5));
                200
            }
            Err(why) => why.status().as_u16(),
        };
        assert_eq!(status(State::Normal, Ok(stamp(5))), 200);
        assert_eq!(status(State::Normal, Ok(stamp(6))), 409);
        assert_eq!(status(State::Normal, Err(Look::Missing)), 404);
        assert_eq!(status(State::Normal, Err(Look::Escaped)), 409);
        assert_eq!(status(State::Abnormal(Reason::Missing), Ok(stamp(5))), 200, "it is back as it was");
        assert_eq!(status(State::Abnormal(Reason::Missing), Ok(stamp(6))), 409);
        assert_eq!(status(State::Abnormal(Reason::ContentChanged), Ok(stamp(5))), 409);
        assert_eq!(status(State::Abnormal(Reason::SizeChanged), Ok(stamp(6))), 409);
        assert_eq!(status(State::Pending, Ok(stamp(5))), 409);
    }
}
