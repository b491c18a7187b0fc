//! The other side: what the source says of the file.

use super::Trouble;
use crate::base::{Hex, hex};
use crate::cache::origin::{Answer, OriginError, Origins, Request};
use crate::hub::model::{Digests, EntryPoint, Job};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use std::io;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// So much of a refusal is read, in bytes.
const LONGEST: usize = 4 << 10;
/// How long the body of a refusal may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the source says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) size: u64,
    pub(super) md5: Option<[u8; 16]>,
    /// Only our like says it.
    pub(super) sha256: Option<[u8; 32]>,
}

impl Said {
    /// Reads the headers of an answer.
    fn read(headers: &HeaderMap) -> Result<Said, Trouble> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let size = text("x-source-filesize").or_else(|| text(CONTENT_LENGTH.as_str()));
        let size = size.and_then(|text| text.parse().ok());
        let said = |size| Said {
            size,
            md5: text("x-source-md5").and_then(hex::read),
            sha256: text("x-source-sha256").and_then(hex::read),
        };
        match size.map(said) {
            Some(said) if said.md5.is_some() || said.sha256.is_some() => Ok(said),
            _ => Err(Trouble::Lasting(
                "the source does not say what the file is (X-Source-MD5, X-Source-FileSize)".into(),
            )),
        }
    }

    /// Whether a file is that one.
    pub(super) fn is(&self, found: &Digests) -> bool {
        found.size == self.size
            && self.md5.is_none_or(|md5| md5 == found.md5)
            && self.sha256.is_none_or(|sha256| sha256 == found.sha256)
    }

    /// Names this version of the file.
    pub(super) fn version(&self) -> String {
        let sha256 = self.sha256.as_ref().map(|digest| &digest[..]);
        let digest = sha256.or(self.md5.as_ref().map(|digest| &digest[..]));
        format!("{}-{}", Hex(digest.unwrap_or_default()), self.size)
    }
}

/// Where the source hands out what a job is about.
pub(super) fn url(from: &EntryPoint, job: &Job) -> Option<Url> {
    let mut url = Url::parse(from.as_str()).ok()?;
    url.path_segments_mut().ok()?.clear().extend(["pull", job.rep.as_str(), job.item.as_str(), job.tag.as_str()]);
    Some(url)
}

/// What proves who asks: the token. It goes no further than the source's own origin.
pub(super) fn proof(secret: Option<&str>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(secret) = secret {
        let mut value = HeaderValue::try_from(format!("Token {secret}")).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(headers)
}

/// Asks the source. To be called on the data thread.
pub(super) async fn ask(origins: &Origins, url: &Url, headers: &HeaderMap) -> Result<Said, Trouble> {
    let answer = send(origins, Method::HEAD, url, headers).await?;
    if answer.status.is_success() {
        return Said::read(&answer.headers);
    }
    // An answer to HEAD has no words; and there are daemons that do not know it.
    let answer = send(origins, Method::GET, url, headers).await?;
    match answer.status.is_success() {
        // The body is dropped unread.
        true => Said::read(&answer.headers),
        false => Err(refused(answer.status, &short(answer.body).await)),
    }
}

async fn send(origins: &Origins, method: Method, url: &Url, headers: &HeaderMap) -> Result<Answer, Trouble> {
    let request = Request { method, url: url.clone(), headers: headers.clone(), body: None, follow: true };
    origins.send(request).await.map_err(|why| match why {
        OriginError::Unreachable(why) => Trouble::Passing(why),
        OriginError::Forbidden(why) | OriginError::Url(why) => Trouble::Lasting(why),
    })
}

/// The source says no.
pub(super) fn refused(status: StatusCode, body: &[u8]) -> Trouble {
    #[derive(Deserialize)]
    struct Envelope {
        msg: String,
    }
    let msg = serde_json::from_slice(body).map_or_else(|_| String::new(), |envelope: Envelope| envelope.msg);
    // Somebody else's words are told, but not without end.
    let msg: String = msg.chars().filter(|letter| !letter.is_control()).take(300).collect();
    let why = match msg.is_empty() {
        true => format!("the source answers {status}"),
        false => format!("the source answers {status}: {msg}"),
    };
    let may_pass = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY);
    if may_pass { Trouble::Passing(why) } else { Trouble::Lasting(why) }
}

/// The beginning of a body.
async fn short(mut body: BoxStream<'static, io::Result<bytes::Bytes>>) -> Vec<u8> {
    let mut whole = Vec::new();
    let reading = async {
        while let Some(Ok(piece)) = body.next().await {
            whole.extend_from_slice(&piece);
            if whole.len() > LONGEST {
                return;
            }
        }
    };
    // What came until then is what there is.
    let _ = timeout(PATIENCE, reading).await;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (hyper::header::HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    const MD5: &str = "00112233445566778899AABBCCDDEEFF";

    #[test]
    fn what_a_source_says_is_read() {
        let said = Said::read(&headers(&[("x-source-md5", MD5), ("x-source-filesize", "12")])).unwrap();
        assert_eq!((said.size, said.md5.unwrap()[1], said.sha256), (12, 0x11, None));
        assert_eq!(said.version(), format!("{}-12", MD5.to_lowercase()));
        let sha256 = "ab".repeat(32);
        let ours = headers(&[("x-source-sha256", &sha256), ("x-source-md5", MD5), ("content-length", "7")]);
        let said = Said::read(&ours).unwrap();
        assert_eq!((said.size, said.sha256), (7, Some([0xab; 32])));
        assert!(said.version().starts_with(&sha256));
        let vague = [headers(&[("content-length", "7")]), headers(&[("x-source-md5", MD5)]), HeaderMap::new()];
        for vague in vague {
            assert!(matches!(Said::read(&vague), Err(Trouble::Lasting(_))), "{vague:?}");
        }
    }

    #[test]
    fn a_file_is_the_one_when_all_that_was_said_is_so() {
        let found = Digests { size: 3, md5: [1; 16], sha256: [2; 32] };
        let said = Said { size: 3, md5: Some([1; 16]), sha256: Some([2; 32]) };
        assert!(said.is(&found) && Said { sha256: None, ..said.clone() }.is(&found));
        assert!(!Said { size: 4, ..said.clone() }.is(&found));
        assert!(!Said { md5: Some([0; 16]), ..said.clone() }.is(&found));
        assert!(!Said { sha256: Some([0; 32]), ..said }.is(&found));
    }

    #[test]
    fn what_a_source_refuses_is_told_in_its_words() {
        let no = refused(StatusCode::CONFLICT, br#"{"code":1010,"msg":"the file\nhas changed"}"#);
        assert_eq!(no, Trouble::Lasting("the source answers 409 Conflict: the filehas changed".to_owned()));
        let no = refused(StatusCode::NOT_FOUND, b"<html>");
        assert_eq!(no, Trouble::Lasting("the source answers 404 Not Found".to_owned()));
        assert!(matches!(refused(StatusCode::BAD_REQUEST, b""), Trouble::Lasting(_)));
        assert!(matches!(refused(StatusCode::SERVICE_UNAVAILABLE, b""), Trouble::Passing(_)));
        assert!(matches!(refused(StatusCode::TOO_MANY_REQUESTS, b""), Trouble::Passing(_)));
    }

    #[test]
    fn a_secret_is_a_header_and_nothing_else() {
        let shown = proof(Some("abc")).unwrap();
        assert!(shown[AUTHORIZATION] == "Token abc" && shown[AUTHORIZATION].is_sensitive());
        assert_eq!(proof(None), Some(HeaderMap::new()));
        assert_eq!(proof(Some("a\nb")), None);
    }
}
