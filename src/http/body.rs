//! Request bodies: read whole, up to a limit, by a client that keeps sending.

use crate::http::failure::{BODY_TOO_LARGE, ErrorStatus, Failure};
use crate::http::settings::Settings;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

/// Reads the whole body. Nothing is reserved on a client's word: memory grows with what has arrived. A declared
/// length over the limit is refused before a byte is read, and before `100 Continue` is sent.
///
/// # Errors
/// 413 over `limit`, 408 when the client pauses or takes too long, 400 when the body ends or breaks early.
pub async fn read<B>(mut body: B, limit: usize, settings: &Settings) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let end = Instant::now() + settings.body_timeout;
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    loop {
        let frame = timeout_at(end.min(Instant::now() + settings.body_pause), body.frame()).await;
        let piece = match frame.map_err(|_| too_slow())? {
            None => break,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(), // trailers say nothing to us
            Some(Err(why)) => {
                let message = "the body broke off";
                return Err(Failure::public(ErrorStatus::BAD_REQUEST, "bad_body", message).because(why));
            }
        };
        if first.len() + rest.len() + piece.len() > limit {
            return Err(too_large(limit));
        }
        match (first.is_empty(), rest.is_empty()) {
            (true, true) => first = piece, // most bodies are one piece, and are not copied
            (false, true) => {
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&piece);
            }
            (_, false) => rest.extend_from_slice(&piece),
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn too_large(limit: usize) -> Failure {
    let message = format!("the body is larger than the {limit} bytes this route takes");
    Failure::public(ErrorStatus::PAYLOAD_TOO_LARGE, BODY_TOO_LARGE, message)
}

fn too_slow() -> Failure {
    Failure::public(ErrorStatus::REQUEST_TIMEOUT, "body_timeout", "the body did not come in time")
}
