//! Answers in the manner of the original, and how the room's refusals are told.

use crate::cache::engine::Failed;
use crate::cache::machine::{Refusal, Verdict};
use crate::cache::wire::fields::Fault;
use crate::http::failure::UNUSABLE;
use crate::http::{Cx, ErrorStatus, Failure, Reply};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use serde::Serialize;
use serde_json::Value;
use std::future::Future;
use std::io;
use std::time::Duration;

/// The original's content type.
const JSON: &str = "application/json; charset=utf-8";
/// Lists up to this many entries are answered whole; longer ones as they are made.
const WHOLE: usize = 1_000;
/// The longest that an answer is held back.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// 200 with a value.
pub(super) fn json(value: &impl Serialize) -> Reply {
    Reply::json(value).content_type(JSON)
}

/// 422: something in path or query is not what it should be.
pub(super) fn unreadable(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::UNPROCESSABLE, "invalid", why)
}

/// 422: it can be read, and cannot be done.
pub(super) fn unusable(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::UNPROCESSABLE, UNUSABLE, why)
}

/// 502: somebody else's fault.
pub(super) fn elsewhere(why: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::BAD_GATEWAY, "origin", why)
}

/// The daemon ends before there is an answer.
pub(super) fn ending() -> Failure {
    Failure::unavailable("the daemon is ending")
}

/// A verdict that does not answer the question: a defect of ours.
pub(super) fn unexpected(verdict: &Verdict) -> Failure {
    Failure::internal(format!("not the verdict that was asked for: {verdict:?}"))
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        match fault {
            Fault::Binding(why) => unreadable(why),
            Fault::Meaning(why) => unusable(why),
        }
    }
}

impl From<Failed> for Failure {
    fn from(why: Failed) -> Failure {
        match why {
            Failed::Gone => ending(),
            Failed::Read(why) => Failure::internal(why),
            Failed::Closed(_) | Failed::Write(_) => Failure::unavailable(why.to_string()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let (status, code) = match &refusal {
            Refusal::NotFound | Refusal::NoCluster(_) => (ErrorStatus::NOT_FOUND, "not_found"),
            Refusal::NameTaken => (ErrorStatus::CONFLICT, "taken"),
            // The original's status for these.
            Refusal::NoCandidates | Refusal::NoSchedulers | Refusal::ClusterInUse => (ErrorStatus::INTERNAL, "refused"),
            Refusal::TooMany => (ErrorStatus::TOO_MANY_REQUESTS, "too_many"),
            Refusal::Full(_) => (ErrorStatus::UNAVAILABLE, "full"),
            Refusal::Stuck(_) => (ErrorStatus::INTERNAL, "stuck"),
        };
        let failure = Failure::public(status, code, refusal.to_string());
        match refusal {
            Refusal::TooMany => failure.retry_after(Duration::from_secs(1)),
            _ => failure,
        }
    }
}

/// The number in a path.
///
/// # Errors
/// 422: there is none, or it is 0.
pub(super) fn number<N: std::str::FromStr + Default + PartialEq>(cx: &Cx, name: &str) -> Result<N, Failure> {
    // Reading alone would take a sign.
    let digits = Some(cx.param(name)).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let parsed = digits.and_then(|text| text.parse().ok()).filter(|number| *number != N::default());
    parsed.ok_or_else(|| unreadable(format!("{name}: expected a number from 1, in the path")))
}

/// A value of the query; an empty one is none.
pub(super) fn given(cx: &Cx, name: &str) -> Option<String> {
    cx.query.get(name).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// How long `?wait=` holds the answer back.
///
/// # Errors
/// 422: it is no time.
pub(super) fn wait(cx: &Cx) -> Result<Duration, Failure> {
    let Some(text) = given(cx, "wait") else { return Ok(Duration::ZERO) };
    let wait = crate::base::duration::parse(&text).map_err(|why| unreadable(format!("wait: {why}")))?;
    Ok(wait.min(LONGEST_WAIT))
}

/// Returns when nobody waits for the answer any more, or it has to be given now.
pub(super) fn hurried(cx: &Cx) -> impl Future<Output = ()> + Send + use<> {
    let (gone, drained) = (cx.gone(), cx.drained());
    async move {
        tokio::select! {
            () = gone => {}
            () = drained => {}
        }
    }
}

/// A list of about so many entries. A failure in a long one breaks the answer off.
///
/// # Errors
/// Those of the entries.
pub(super) async fn list(
    entries: impl Stream<Item = Result<Value, Failure>> + Send + 'static,
    about: usize,
) -> Result<Reply, Failure> {
    let mut entries = Box::pin(entries);
    if about <= WHOLE {
        let mut whole = Vec::with_capacity(about);
        while let Some(entry) = entries.next().await {
            whole.push(entry?);
        }
        return Ok(json(&whole));
    }
    let mut first = true;
    let pieces = entries.map(move |entry| {
        let entry = entry.map_err(|failure| io::Error::other(failure.message().to_owned()))?;
        let before = if std::mem::take(&mut first) { "" } else { "," };
        Ok(Bytes::from(format!("{before}{entry}")))
    });
    // Also of entries that are all gone by now a list is made.
    let [start, end] = [&b"["[..], b"]"].map(|bracket| stream::iter([Ok(Bytes::from_static(bracket))]));
    Ok(Reply::stream(JSON, start.chain(pieces).chain(end)))
}
