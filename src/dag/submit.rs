//! From a client's specification to a run: read, checked, and with an `Idempotency-Key` made only once.

use super::engine::Handle;
use super::machine::{Ask, Asker, Submission, Verdict};
use super::model::*;
use super::specification::{self, Limits};
use super::{records, rights, runs, wire};
use crate::base::Hex;
use crate::http::{Cx, ErrorStatus, Failure, Reply, blocking};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

/// Bodies from this size on are read on the blocking pool: about a millisecond's work.
const BIG: usize = 128 << 10;
/// The longest `Idempotency-Key`.
const KEY_MAX: usize = 255;

/// A specification that was read.
pub struct Read {
    /// Compiled.
    pub blueprint: Arc<Blueprint>,
    /// As it came.
    pub text: Arc<str>,
}

/// Reads a specification, a big one where that keeps nobody waiting.
async fn read(text: Bytes, limits: Limits) -> Result<Read, Failure> {
    off_thread(text.len(), move || compile(text, &limits)).await
}

/// Reads a specification.
pub fn compile(text: Bytes, limits: &Limits) -> Result<Read, Invalid> {
    let blueprint = Arc::new(specification::parse(&text, limits)?);
    let text = std::str::from_utf8(&text).map_err(|_| Invalid("expected a text in UTF-8".into()))?;
    Ok(Read { blueprint, text: text.into() })
}

/// Reads something a client wrote, of this length, at once or where that keeps nobody waiting.
pub async fn off_thread<T: Send + 'static>(
    length: usize,
    read: impl FnOnce() -> Result<T, Invalid> + Send + 'static,
) -> Result<T, Failure> {
    let read =
        if length < BIG { read() } else { tokio::task::spawn_blocking(read).await.map_err(Failure::internal)? };
    read.map_err(|why| runs::bad(why.0))
}

/// `POST /v1/dagrun/validate`
pub async fn validate(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let checked = async {
        let read = read(cx.body.clone(), handle.settings.limits()).await?;
        rights::runs_as(&cx.caller, read.blueprint.user.as_deref(), handle.settings.own_uid).await
    };
    match checked.await {
        Ok(_) => Ok(Reply::json(&json!({ "valid": true }))),
        Err(why) if why.status().as_u16() < 500 => Ok(Reply::json(&json!({ "valid": false, "error": why.message() }))),
        Err(why) => Err(why),
    }
}

/// `POST /v1/dagrun`
pub async fn run(handle: Handle, cx: Cx, keys: Arc<Keys>) -> Result<Reply, Failure> {
    let read = read(cx.body.clone(), handle.settings.limits()).await?;
    let runs_as = rights::runs_as(&cx.caller, read.blueprint.user.as_deref(), handle.settings.own_uid).await?;
    let Read { blueprint, text } = read;
    let submission = Submission { blueprint, text, runs_as, origin: Origin::Client, key: None };
    let by = rights::asker(&handle, &cx.caller);
    submit(handle, &cx, submission, by, &keys).await
}

/// Submits, once for each `Idempotency-Key` of a user.
pub async fn submit(
    handle: Handle,
    cx: &Cx,
    mut submission: Submission,
    by: Asker,
    keys: &Keys,
) -> Result<Reply, Failure> {
    let Some(key) = key(cx)? else { return Ok(Reply::json(&wire::run_id(ask(&handle, submission, by).await?))) };
    let digest = digest(&submission.origin, cx.body.clone()).await?;
    let turn = keys.turn(by.owner.uid, &key).await;
    let (reader, uid, wanted) = (handle.tools.store.reader(), by.owner.uid, key.clone());
    if let Some((known, run)) = blocking(move || records::key(&reader, uid, &wanted)).await? {
        if known == digest {
            return Ok(Reply::json(&wire::run_id(run)));
        }
        let message = "Idempotency-Key: it was used before, with another body";
        return Err(Failure::public(ErrorStatus::CONFLICT, "key_used", message));
    }
    submission.key = Some((key, digest));
    // A client that goes away does not take back what he has asked for, and the next one with his key waits for it.
    let asked = tokio::spawn(async move {
        let _turn = turn;
        ask(&handle, submission, by).await
    });
    let run = asked.await.map_err(Failure::internal)??;
    Ok(Reply::json(&wire::run_id(run)))
}

async fn ask(handle: &Handle, submission: Submission, by: Asker) -> Result<DagRunId, Failure> {
    match handle.ask(Ask::Submit(Box::new(submission)), by).await? {
        Verdict::Submitted(run) => Ok(run),
        Verdict::Refused(why) => Err(why.into()),
        other => Err(Failure::internal(format!("a submission was answered with {other:?}"))),
    }
}

/// The request's key.
fn key(cx: &Cx) -> Result<Option<String>, Failure> {
    let Some(value) = cx.headers.get("idempotency-key") else { return Ok(None) };
    let visible = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let key = value.to_str().ok().filter(|text| (1..=KEY_MAX).contains(&text.len())).filter(visible);
    let key =
        key.ok_or_else(|| runs::bad(format!("Idempotency-Key: expected 1 to {KEY_MAX} visible ASCII characters")));
    key.map(|key| Some(key.to_owned()))
}

/// What makes two requests the same.
async fn digest(origin: &Origin, body: Bytes) -> Result<String, Failure> {
    let dag = origin.dag().map(|name| format!("{name}\n")).unwrap_or_default();
    let hash = move || Hex(&Sha256::new().chain_update(dag).chain_update(&body).finalize()).to_string();
    tokio::task::spawn_blocking(hash).await.map_err(Failure::internal)
}

/// Keys whose first request is under way: of two with the same key, the second waits for the first.
#[derive(Debug, Default)]
pub struct Keys(Mutex<HashMap<Key, Weak<Turns<()>>>>);

/// A user's key.
type Key = (u32, String);

impl Keys {
    /// Waits until nobody else asks with this key of this user.
    async fn turn(&self, uid: u32, key: &str) -> OwnedMutexGuard<()> {
        let turns = {
            let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if keys.len() == keys.capacity() {
                keys.retain(|_, turns| turns.strong_count() > 0); // before it grows, it is tidied
            }
            let place = keys.entry((uid, key.to_owned())).or_default();
            let turns = place.upgrade().unwrap_or_default();
            *place = Arc::downgrade(&turns);
            turns
        };
        turns.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn the_second_with_a_key_waits_for_the_first() {
        let keys = Keys::default();
        let first = keys.turn(1, "k").await;
        assert!(keys.turn(2, "k").now_or_never().is_some(), "another user's key is another key");
        assert!(keys.turn(1, "k").now_or_never().is_none());
        drop(first);
        assert!(keys.turn(1, "k").now_or_never().is_some());
        for other in 0..100 {
            drop(keys.turn(1, &other.to_string()).await);
        }
        assert!(keys.0.lock().unwrap().len() < 60, "those nobody waits for are forgotten");
    }
}
