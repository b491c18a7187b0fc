//! From words to answers: the envelope, the statuses of refusals, and reading bodies.

use super::engine::Failed;
use super::machine::{Refusal, Verdict};
use super::wire::asked::TooLong;
use super::wire::{Envelope, Later};
use crate::http::{Cx, ErrorStatus, Failure, Reply};
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// What a handler comes to.
pub(super) type Answer = Result<Reply, Failure>;

/// Answers of more bytes than this are written on the blocking pool.
const LONG: usize = 1 << 20;
/// About how many bytes an entry of a list takes.
pub(super) const ENTRY: usize = 100;

/// 200: it was done.
pub(super) fn done() -> Answer {
    said(true, "")
}

/// 200 with no more than a sentence.
pub(super) fn said(ok: bool, message: &'static str) -> Answer {
    Ok(Reply::json(&Envelope::<Value> { ok, message, content: None }))
}

/// 200 with what came of it.
pub(super) fn content(content: impl Serialize) -> Answer {
    Ok(Reply::json(&Envelope { ok: true, message: "", content: Some(content) }))
}

/// 200 with what came of it, of which the most part is a list of `length` entries.
pub(super) async fn long(length: usize, list: impl Serialize + Send + 'static) -> Answer {
    aside(length * ENTRY, || content(list)).await
}

/// What `write` writes: on the blocking pool, if it is about so many bytes.
pub(super) async fn aside(bytes: usize, write: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    if bytes <= LONG {
        return write();
    }
    tokio::task::spawn_blocking(write).await.map_err(Failure::internal)?
}

/// 400
pub(super) fn bad(message: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::BAD_REQUEST, "bad_request", message)
}

/// 401 in the words of the original.
pub(super) fn unauthorized() -> Failure {
    Failure::public(ErrorStatus::UNAUTHORIZED, "unauthorized", "Unauthorized")
}

/// 403 in the words of the original.
pub(super) fn forbidden() -> Failure {
    Failure::public(ErrorStatus::FORBIDDEN, "forbidden", "Unauthorized")
}

/// 404
pub(super) fn missing(what: impl Into<String>) -> Failure {
    Failure::public(ErrorStatus::NOT_FOUND, "not_found", what)
}

/// What every route says to a body it cannot read.
pub(super) fn unparsable() -> Failure {
    bad("Could not parse request")
}

/// The body, whatever its `Content-Type`.
pub(super) async fn body<T: DeserializeOwned + Send + 'static>(cx: &Cx) -> Result<T, Failure> {
    cx.json().await.map_err(|why| unparsable().because(why))
}

/// 429
pub(super) fn later(message: &str, seconds: f64) -> Reply {
    let whole = format!("{:.0}", seconds.ceil().clamp(1.0, 86_400.0));
    let reply = Reply::json(&Later { ok: false, message, rate_limit_delay: seconds });
    let reply = reply.status(StatusCode::TOO_MANY_REQUESTS);
    match HeaderValue::from_str(&whole) {
        Ok(seconds) => reply.header(RETRY_AFTER, seconds),
        Err(_) => reply, // digits always are a header
    }
}

/// How long whoever asks too often waits for being told so.
const PACE: Duration = Duration::from_millis(50);

/// The refusal, after a moment where it is that of an empty bucket: workers of the original ask again at once, without a
/// pause, and this is the only one that they make. What they are told still to wait is so much less, and never nothing.
pub(super) async fn paced(why: Refusal) -> Refusal {
    let Refusal::TooMany { delay } = why else { return why };
    let held = PACE.min(Duration::try_from_secs_f64(delay / 2.0).unwrap_or(PACE));
    tokio::time::sleep(held).await;
    Refusal::TooMany { delay: delay - held.as_secs_f64() }
}

/// 500 with the text of the original's database: clients look for it. It is no defect, so the log hears nothing.
pub(super) fn database(message: &str) -> Answer {
    let reply = Reply::json(&json!({ "ok": false, "message": message }));
    Ok(reply.status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// What the machine refuses, with the usual status of each.
pub(super) fn refused(why: &Refusal) -> Answer {
    let status = match why {
        Refusal::TooMany { delay } => return Ok(later(&why.to_string(), *delay)),
        Refusal::ChainUnknown | Refusal::NameTaken | Refusal::Full => return database(&why.to_string()),
        Refusal::NoAccess => return said(false, "Worker did not have access to this project"),
        Refusal::Unauthorized | Refusal::NoChain | Refusal::NoWorker => (ErrorStatus::FORBIDDEN, "forbidden"),
        Refusal::NoProject | Refusal::NoTask => (ErrorStatus::NOT_FOUND, "not_found"),
        Refusal::NotPermitted
        | Refusal::NoRequest
        | Refusal::Paused
        | Refusal::NoSubmit
        | Refusal::Duplicate
        | Refusal::NotHeld
        | Refusal::NotFailed
        | Refusal::NumberTaken(_)
        | Refusal::Unknown(_) => (ErrorStatus::BAD_REQUEST, "refused"),
    };
    Err(Failure::public(status.0, status.1, why.to_string()))
}

/// The answer to an ask that comes to nothing but yes or no.
pub(super) fn settled(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Accepted => done(),
        Verdict::Refused(why) => refused(&why),
        other => Err(unexpected(&other)),
    }
}

/// A verdict that does not fit the ask: a defect.
pub(super) fn unexpected(verdict: &Verdict) -> Failure {
    Failure::internal(format!("the machine answered something else: {verdict:?}"))
}

impl From<TooLong> for Failure {
    fn from(why: TooLong) -> Failure {
        bad(why.to_string())
    }
}

impl From<Failed> for Failure {
    fn from(why: Failed) -> Failure {
        match why {
            Failed::Gone | Failed::Write(_) => Failure::unavailable(why.to_string()),
            Failed::Read(why) => Failure::internal(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_empty_bucket_is_told_of_after_a_moment_that_counts() {
        let rest = async |delay: f64| {
            let began = std::time::Instant::now();
            let Refusal::TooMany { delay: rest } = paced(Refusal::TooMany { delay }).await else { panic!("it is one") };
            assert!(began.elapsed().as_secs_f64() >= delay - rest, "told before its time");
            rest
        };
        assert!((rest(10.0).await - 9.95).abs() < 1e-9);
        assert!((rest(0.01).await - 0.005).abs() < 1e-9);
        assert!(rest(1e300).await > 1e299 && rest(1e-12).await > 0.0);
        assert_eq!(paced(Refusal::Paused).await, Refusal::Paused);
    }

    #[test]
    fn refusals_have_their_status() {
        let status = |why: Refusal| refused(&why).map_or_else(|no| no.status().as_u16(), |reply| reply.code());
        assert_eq!(status(Refusal::Unauthorized), 403);
        assert_eq!(status(Refusal::NoChain), 403);
        assert_eq!(status(Refusal::NotPermitted), 400);
        assert_eq!(status(Refusal::NoProject), 404);
        assert_eq!(status(Refusal::NoTask), 404);
        assert_eq!(status(Refusal::ChainUnknown), 500);
        assert_eq!(status(Refusal::NameTaken), 500);
        assert_eq!(status(Refusal::NoRequest), 400);
        assert_eq!(status(Refusal::NoAccess), 200);
        assert_eq!(status(Refusal::Paused), 400);
        assert_eq!(status(Refusal::TooMany { delay: 0.25 }), 429);
        assert_eq!(status(Refusal::NoSubmit), 400);
        assert_eq!(status(Refusal::Duplicate), 400);
        assert_eq!(status(Refusal::NotHeld), 400);
        assert_eq!(status(Refusal::NotFailed), 400);
        assert_eq!(Failure::from(Failed::Gone).status().as_u16(), 503);
    }
}
