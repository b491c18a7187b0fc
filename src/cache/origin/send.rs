//! One request and its redirects, each step checked as if it were the first.

use super::body::{Taken, watched};
use super::{Answer, Inner, OriginError, Origins, Request, heads, host_of, words};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{HeaderMap, Method, StatusCode};
use percent_encoding::percent_decode_str;
use std::net::SocketAddr;
use tokio::time::timeout;
use url::{Host, Url};

/// How many redirects are followed.
const REDIRECTS: usize = 10;

/// A request on its way.
struct Way {
    method: Method,
    url: Url,
    headers: HeaderMap,
    /// It was given something that proves who is asking.
    secret: bool,
}

pub(super) async fn send(inner: &Inner, origins: &Origins, request: Request) -> Result<Answer, OriginError> {
    let Request { method, url, headers, mut body, follow } = request;
    let mut headers = heads::sent(&headers, body.is_some());
    let url = without_account(url, &mut headers);
    let secret = heads::has_secrets(&headers);
    let mut way = Way { method, url, headers, secret };
    let with_body = body.is_some();
    for _ in 0..=REDIRECTS {
        let response = step(inner, origins, &way, body.take()).await?;
        let next = if follow { way.next(&response)? } else { None };
        let Some(next) = next else {
            let (status, headers) = (response.status(), response.headers().clone());
            let body = watched(response, &way.url, inner.settings.idle_timeout);
            return Ok(Answer { status, headers, url: way.url, body });
        };
        let repeats = way.turn(response.status(), next)?;
        if repeats && with_body {
            let why = "it redirects a request whose body cannot be sent again";
            return Err(OriginError::Url(format!("{}: {why}", words::place(&way.url))));
        }
    }
    Err(OriginError::Url(format!("{}: more than {REDIRECTS} redirects", words::place(&way.url))))
}

/// One request to one origin.
async fn step(
    inner: &Inner,
    origins: &Origins,
    way: &Way,
    body: Option<futures_util::stream::BoxStream<'static, std::io::Result<bytes::Bytes>>>,
) -> Result<reqwest::Response, OriginError> {
    let port = check(inner, &way.url)?;
    let registry = origins.place_of(&host_of(&way.url)).map(|(at, _)| at);
    let client = inner.clients.get(registry, port)?;
    let mut request = client.request(way.method.clone(), way.url.clone()).headers(way.headers.clone());
    let taken = Taken::default();
    if let Some(body) = body {
        request = request.body(reqwest::Body::wrap_stream(taken.count(body)));
    }
    let patience = inner.settings.connect_timeout + inner.settings.idle_timeout;
    let mut answer = std::pin::pin!(request.send());
    let mut before = taken.so_far();
    loop {
        match timeout(patience, answer.as_mut()).await {
            Ok(answer) => return answer.map_err(|error| words::unanswered(&way.url, &error.without_url())),
            // It is still taking what we send.
            Err(_) if taken.so_far() != before => before = taken.so_far(),
            Err(_) => return Err(OriginError::Unreachable(words::silent(&way.url, patience))),
        }
    }
}

/// The port of a URL that may be asked for. Names are checked when they become addresses.
fn check(inner: &Inner, url: &Url) -> Result<u16, OriginError> {
    let wrong = |what: &str| Err(OriginError::Url(format!("expected a URL with http or https and a host, {what}")));
    if !matches!(url.scheme(), "http" | "https") {
        return wrong(&format!("not one with {}", url.scheme()));
    }
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return wrong("not one without") };
    let ip = match host {
        Host::Domain(_) => return Ok(port),
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.into(),
    };
    inner.reach.check(&host.to_string(), SocketAddr::new(ip, port)).map(|()| port)
}

/// Makes what a URL says before its host a header.
fn without_account(mut url: Url, headers: &mut HeaderMap) -> Url {
    if url.username().is_empty() && url.password().is_none() {
        return url;
    }
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [decoded(url.username()), vec![b':'], decoded(url.password().unwrap_or_default())].concat();
    if let Ok(mut value) = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))) {
        value.set_sensitive(true);
        headers.entry(AUTHORIZATION).or_insert(value);
    }
    bare(&mut url);
    url
}

/// Takes name and password off; a URL that has no host cannot have them.
fn bare(url: &mut Url) {
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

impl Way {
    /// Where an answer redirects to.
    fn next(&self, response: &reqwest::Response) -> Result<Option<Url>, OriginError> {
        let redirects = matches!(
            response.status(),
            StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
        );
        let Some(location) = response.headers().get(LOCATION).filter(|_| redirects) else { return Ok(None) };
        let text = std::str::from_utf8(location.as_bytes()).ok();
        let url = text.and_then(|text| self.url.join(text).ok());
        let broken = || OriginError::Url(format!("{}: it redirects to what is no URL", words::place(&self.url)));
        url.map(Some).ok_or_else(broken)
    }

    /// Goes on to another URL. Whether the request is to be sent as it was, body and all.
    fn turn(&mut self, status: StatusCode, mut next: Url) -> Result<bool, OriginError> {
        if self.secret && self.url.scheme() == "https" && next.scheme() == "http" {
            let (from, to) = (words::place(&self.url), words::place(&next));
            let why =
                format!("{from} redirects a request with credentials to {to}, which has no TLS: it is not followed");
            return Err(OriginError::Url(why));
        }
        // What a redirect says before its host is not what we were given to say.
        bare(&mut next);
        if next.origin() != self.url.origin() {
            heads::drop_secrets(&mut self.headers);
        }
        self.url = next;
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.headers.remove(CONTENT_LENGTH);
            self.headers.remove(CONTENT_TYPE);
        }
        Ok(!becomes_get)
    }
}
