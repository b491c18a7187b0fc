//! One request, until its answer is one to go on with: credentials that have to be had first, and failures told apart.

use super::head::{self, Goal};
use crate::base::Now;
use crate::cache::content::{FetchFailure, Said};
use crate::cache::model::{Extent, Source};
use crate::cache::origin::{Answer, Authority, OriginError, Origins, Request};
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, TryStreamExt as _};
use hyper::{Method, StatusCode};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How often other credentials are tried in a row: a token that is fetched and one that is renewed.
const CHALLENGES: u32 = 2;

/// Of a body that says no: so much is passed on, if it comes within that time.
const LONGEST_NO: usize = 64 << 10;
const NO_COMES_WITHIN: Duration = Duration::from_secs(5);

/// Whoever answers requests: the origins, or a script.
pub(crate) trait Ask: Send + Sync {
    /// Sends a request and answers when the head of the answer is there.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Answer, OriginError>>;
}

impl Ask for Origins {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Answer, OriginError>> {
        Origins::send(self, request).boxed()
    }
}

/// Where a fetch asks, and as whom.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) ask: Arc<dyn Ask>,
    pub(super) authority: Arc<dyn Authority>,
    pub(super) url: Url,
}

/// What went wrong.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may pass: after this pause, where the origin says so.
    Passing(FetchFailure, Option<Duration>),
    /// What is there is of another version, or the origin does not give parts: everything has to be asked for.
    Changed,
    /// It will not pass.
    Lasting(FetchFailure),
}

/// A failure of which nothing more is known than this.
pub(crate) fn failure(why: impl Into<String>) -> FetchFailure {
    FetchFailure { why: why.into(), answer: None, forbidden: false }
}

/// The bytes of these pieces.
pub(super) fn bytes_of(claim: &Range<u32>, extent: Extent) -> Range<u64> {
    let at = |number: u32| u64::from(number).saturating_mul(extent.piece_length).min(extent.length.unwrap_or(u64::MAX));
    at(claim.start)..at(claim.end)
}

impl Asker {
    /// Asks; the answer is 200, 206 where a part was asked for, or 304 where it was asked whether anything has changed.
    pub(super) async fn ask(&self, goal: &Goal, source: Option<&Source>) -> Result<Answer, Trouble> {
        for _ in 0..=CHALLENGES {
            let mut headers = self.authority.headers(&self.url);
            match (goal, source) {
                (Goal::All, _) | (_, None) => head::ask_for(&mut headers, None, None, None),
                (Goal::IfChanged, source) => head::ask_for(&mut headers, None, source, None),
                (Goal::Some(claim), Some(source)) => {
                    head::ask_for(&mut headers, Some(bytes_of(claim, source.extent)), None, Some(source));
                }
            }
            let request = Request { method: Method::GET, url: self.url.clone(), headers, body: None, follow: true };
            let answer = self.ask.send(request).await.map_err(of_origin)?;
            if answer.status != StatusCode::UNAUTHORIZED
                || !self.authority.challenged(&answer.url, &answer.headers).await
            {
                return judge(answer, goal).await;
            }
        }
        Err(Trouble::Lasting(failure("origin answered 401 again and again, whatever credentials it was given")))
    }
}

fn of_origin(error: OriginError) -> Trouble {
    match error {
        OriginError::Forbidden(why) => Trouble::Lasting(FetchFailure { forbidden: true, ..failure(why) }),
        OriginError::Url(why) => Trouble::Lasting(failure(why)),
        OriginError::Unreachable(why) => Trouble::Passing(failure(why), None),
    }
}

async fn judge(answer: Answer, goal: &Goal) -> Result<Answer, Trouble> {
    match (answer.status, goal) {
        (StatusCode::OK, _)
        | (StatusCode::PARTIAL_CONTENT, Goal::Some(_))
        | (StatusCode::NOT_MODIFIED, Goal::IfChanged) => Ok(answer),
        (StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PRECONDITION_FAILED, Goal::Some(_)) => Err(Trouble::Changed),
        (status, _) => {
            let why = format!("origin answered {}", status.as_u16());
            let pause = head::retry_after(&answer.headers, Now::read().wall);
            let Answer { headers, body, .. } = answer;
            let said = Said { status, headers, body: brief(body).await };
            let failure = FetchFailure { why, answer: Some(Box::new(said)), forbidden: false };
            Err(if head::may_pass(status) { Trouble::Passing(failure, pause) } else { Trouble::Lasting(failure) })
        }
    }
}

/// What an answer that says no has to say, where that is brief.
async fn brief(mut body: BoxStream<'static, io::Result<Bytes>>) -> Option<Bytes> {
    let read = async {
        let mut all = BytesMut::new();
        while let Some(bytes) = body.try_next().await.ok()? {
            if all.len() + bytes.len() > LONGEST_NO {
                return None;
            }
            all.extend_from_slice(&bytes);
        }
        Some(all.freeze())
    };
    tokio::time::timeout(NO_COMES_WITHIN, read).await.ok().flatten()
}
