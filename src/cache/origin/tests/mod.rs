//! The client against a server of the test: what it sends, where it goes, and what it says when it cannot.

pub(in crate::cache) mod double;

use super::*;
use double::{Double, Reply};
use futures_util::StreamExt;
use hyper::header::{HeaderValue, LOCATION, WWW_AUTHENTICATE};

fn settings() -> Settings {
    Settings {
        allow_loopback: true,
        own: Vec::new(),
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        registries: Vec::new(),
    }
}

pub(in crate::cache) fn origins(registries: Vec<RegistrySettings>) -> Origins {
    Origins::new(Settings { registries, ..settings() }).unwrap()
}

pub(in crate::cache) fn registry(host: &str) -> RegistrySettings {
    RegistrySettings { host: host.into(), plain: true, insecure: false, ca: None, account: None }
}

fn get(url: &str) -> Request {
    let url = Url::parse(url).unwrap();
    Request { method: Method::GET, url, headers: HeaderMap::new(), body: None, follow: true }
}

fn with(mut request: Request, pairs: &[(&'static str, &'static str)]) -> Request {
    for (name, value) in pairs {
        request.headers.insert(*name, HeaderValue::from_static(value));
    }
    request
}

async fn text(answer: Answer) -> io::Result<String> {
    let mut body = answer.body;
    let mut text = Vec::new();
    while let Some(bytes) = body.next().await {
        text.extend_from_slice(&bytes?);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn refusal(settings: Settings, url: &str) -> OriginError {
    let sent = Origins::new(settings).unwrap().send(get(url)).await;
    sent.err().unwrap_or_else(|| panic!("{url} was asked"))
}

#[tokio::test]
async fn a_request_says_who_sends_it_and_wants_bytes_as_they_are() {
    let double = Double::start(|_| Reply::text("hello")).await;
    let request =
        with(get(&double.url("/a?b=c")), &[("accept-encoding", "gzip"), ("x-mine", "1"), ("via", "1.1 other")]);
    let answer = origins(Vec::new()).send(request).await.unwrap();
    assert_eq!((answer.status, answer.url.path()), (StatusCode::OK, "/a"));
    assert_eq!(text(answer).await.unwrap(), "hello");
    let seen = double.seen();
    assert_eq!((seen.len(), &seen[0].target[..]), (1, "/a?b=c"));
    for (name, value) in [("via", "1.1 hostler"), ("accept-encoding", "identity"), ("x-mine", "1")] {
        assert_eq!(seen[0].header(name), value);
    }
    assert!(seen[0].header("user-agent").starts_with("hostler/"));
}

#[tokio::test]
async fn every_kind_of_redirect_is_followed() {
    for status in [301, 302, 303, 307, 308] {
        let double = Double::start(move |seen| match &seen.target[..] {
            "/old" => Reply::status(status).with(LOCATION, "new"),
            _ => Reply::text("there"),
        })
        .await;
        let answer = origins(Vec::new()).send(get(&double.url("/old"))).await.unwrap();
        assert_eq!(answer.url.as_str(), double.url("/new"));
        assert_eq!(text(answer).await.unwrap(), "there");
        let mut stay = get(&double.url("/old"));
        stay.follow = false;
        assert_eq!(origins(Vec::new()).send(stay).await.unwrap().status.as_u16(), status);
    }
}

#[tokio::test]
async fn redirects_end() {
    let double = Double::start(|_| Reply::status(302).with(LOCATION, "/again")).await;
    let error = origins(Vec::new()).send(get(&double.url("/"))).await.err().unwrap();
    assert!(matches!(&error, OriginError::Url(why) if why.contains("10 redirects")), "{error}");
    assert_eq!(double.seen().len(), 11);
    let double = Double::start(|_| Reply::status(302).with(LOCATION, "http://[")).await;
    assert!(matches!(origins(Vec::new()).send(get(&double.url("/"))).await, Err(OriginError::Url(_))));
    let double = Double::start(|_| Reply::status(302)).await;
    assert_eq!(origins(Vec::new()).send(get(&double.url("/"))).await.unwrap().status, StatusCode::FOUND);
}

#[tokio::test]
async fn a_redirect_to_another_origin_leaks_nothing() {
    let other = Double::start(|_| Reply::text("other")).await;
    let to = other.url("/x").replace("http://", "http://u:p@");
    let double = Double::start(move |seen| match &seen.target[..] {
        "/near" => Reply::status(307).with(LOCATION, "/far"),
        _ => Reply::status(307).with(LOCATION, &to),
    })
    .await;
    let secrets = [
        ("authorization", "Bearer s"),
        ("cookie", "a=s"),
        ("x-api-key", "s"),
        ("private-token", "s"),
        ("x-plain", "p"),
    ];
    origins(Vec::new()).send(with(get(&double.url("/near")), &secrets)).await.unwrap();
    let (near, far) = (double.seen(), other.seen());
    assert_eq!((near.len(), far.len()), (2, 1));
    for (name, value) in secrets {
        assert!(near.iter().all(|seen| seen.header(name) == value), "{name}");
        assert_eq!(far[0].header(name), if name == "x-plain" { value } else { "" });
    }
}

#[tokio::test]
async fn a_name_and_password_in_a_url_are_sent_to_its_origin_alone() {
    let double = Double::start(|_| Reply::text("")).await;
    let answer = origins(Vec::new()).send(get(&double.url("/").replace("http://", "http://me:p%40ss@"))).await.unwrap();
    assert_eq!(double.seen()[0].header("authorization"), "Basic bWU6cEBzcw==");
    assert_eq!(answer.url.as_str(), double.url("/"));
}

#[tokio::test]
async fn a_redirect_goes_no_further_than_a_request_may() {
    for to in
        ["http://169.254.169.254/latest/", "http://[::ffff:a9fe:a9fe]/", "http://0x7f.1:OWN/", "http://localhost:OWN/"]
    {
        let own = Double::start(|_| Reply::text("secret")).await;
        let to = to.replace("OWN", &own.address().port().to_string());
        let double = Double::start(move |_| Reply::status(302).with(LOCATION, &to)).await;
        let settings = Settings { own: vec![own.address()], ..settings() };
        let error = refusal(settings, &double.url("/")).await;
        assert!(matches!(error, OriginError::Forbidden(_)), "{error}");
        assert!(own.seen().is_empty());
    }
}

#[tokio::test]
async fn a_name_that_leads_to_loopback_is_as_loopback_itself() {
    let double = Double::start(|_| Reply::text("hello")).await;
    let port = double.address().port();
    for url in
        [format!("http://localhost:{port}/"), format!("http://127.0.0.1:{port}/"), format!("http://[::1]:{port}/")]
    {
        let error = refusal(Settings { allow_loopback: false, ..settings() }, &url).await;
        assert!(matches!(&error, OriginError::Forbidden(why) if why.contains("loopback")), "{error}");
    }
    assert!(double.seen().is_empty());
    let answer = origins(Vec::new()).send(get(&format!("http://localhost:{port}/"))).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), "hello");
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_plain_words() {
    let closed = Double::unused().await;
    let cases = [
        (format!("http://{closed}/?token=s3cret"), "nobody listens there"),
        ("http://no-such-host.invalid/?token=s3cret".to_owned(), "no-such-host.invalid cannot be resolved"),
        ("ftp://host/s3cret".to_owned(), "expected a URL with http or https"),
    ];
    for (url, expected) in cases {
        let error = refusal(settings(), &url).await.to_string();
        assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn whoever_stays_silent_is_given_up() {
    let brief = || Settings {
        connect_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(100),
        ..settings()
    };
    let double = Double::start(|seen| match &seen.target[..] {
        "/head" => Reply::never(),
        "/cut" => Reply::text("half").cut(),
        _ => Reply::text("half").stuck(),
    })
    .await;
    let error = refusal(brief(), &double.url("/head")).await;
    assert!(matches!(&error, OriginError::Unreachable(why) if why.contains("nothing has come for 200ms")), "{error}");
    let client = Origins::new(brief()).unwrap();
    let error = text(client.send(get(&double.url("/body"))).await.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    let error = text(client.send(get(&double.url("/cut"))).await.unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("ended too early"), "{error}");
}

#[tokio::test]
async fn a_body_is_sent_once_and_not_again() {
    let double = Double::start(|seen| match &seen.target[..] {
        "/see" => Reply::status(303).with(LOCATION, "/done"),
        "/again" => Reply::status(307).with(LOCATION, "/done"),
        _ => Reply::text("done"),
    })
    .await;
    let post = |path: &str| {
        let parts = ["one ", "two"].map(|part| Ok(Bytes::from(part)));
        let body = futures_util::stream::iter(parts).boxed();
        Request { method: Method::POST, body: Some(body), ..get(&double.url(path)) }
    };
    let client = origins(Vec::new());
    assert_eq!(text(client.send(post("/see")).await.unwrap()).await.unwrap(), "done");
    let seen = double.seen();
    assert_eq!((&seen[0].body[..], &seen[1].method[..], &seen[1].body[..]), ("one two", "GET", ""));
    let error = client.send(post("/again")).await.err().unwrap();
    assert!(matches!(&error, OriginError::Url(why) if why.contains("cannot be sent again")), "{error}");
}

#[tokio::test]
async fn trust_is_given_by_host() {
    let (certificate, key) =
        (include_str!("../../../http/tests/tls/first.pem"), include_str!("../../../http/tests/tls/first.key.pem"));
    let double = Double::tls(certificate, key, |seen| match &seen.target[..] {
        "/down" => Reply::status(302).with(LOCATION, "http://127.0.0.1:1/"),
        _ => Reply::text("secure").with(WWW_AUTHENTICATE, "Basic"),
    })
    .await;
    let url = double.url("/");
    let error = refusal(settings(), &url).await.to_string();
    assert!(error.contains("signed by nobody this host trusts"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, certificate).unwrap();
    let host = double.address().to_string();
    let trusting = RegistrySettings { plain: false, ca: Some(ca.clone()), ..registry(&host) };
    assert_eq!(text(origins(vec![trusting]).send(get(&url)).await.unwrap()).await.unwrap(), "secure");
    let careless = RegistrySettings { plain: false, insecure: true, ..registry(&host) };
    let client = origins(vec![careless]);
    assert_eq!(text(client.send(get(&url)).await.unwrap()).await.unwrap(), "secure");
    // Nobody with credentials is led from TLS to where there is none.
    let error = client.send(with(get(&double.url("/down")), &[("authorization", "Bearer s")])).await.err().unwrap();
    assert!(matches!(&error, OriginError::Url(why) if why.contains("no TLS")), "{error}");
    std::fs::write(&ca, "nothing").unwrap();
    let broken = RegistrySettings { ca: Some(ca), ..registry(&host) };
    let error = Origins::new(Settings { registries: vec![broken], ..settings() }).err().unwrap();
    assert!(error.contains("ca.pem: no certificate"), "{error}");
}

#[test]
fn hosts_are_found_in_every_spelling() {
    let account = Some(("me".to_owned(), Secret::new("pw")));
    let plain = RegistrySettings { account: account.clone(), ..registry("r.test:5000") };
    let named = |host: &str| RegistrySettings { plain: false, account: account.clone(), ..registry(host) };
    let client = origins(vec![plain, named("R.example:443"), named("docker.io")]);
    for host in ["r.test:5000", "R.TEST:5000", "r.example", "r.example:443", "registry-1.docker.io", "docker.io"] {
        assert!(client.registry(host).is_some(), "{host}");
    }
    for host in ["r.test", "r.test:5001", "r.example:80", "example", ""] {
        assert!(client.registry(host).is_none(), "{host}");
    }
    let has = |url: &str| client.account(&Url::parse(url).unwrap()).is_some();
    assert!(has("http://r.test:5000/v2/") && has("https://r.example/") && has("https://registry-1.docker.io/v2/"));
    // Not in the clear where there should be TLS, and not over TLS to something else on the port.
    assert!(!has("http://r.example/") && !has("https://r.test:5000/") && !has("http://r.test/"));
    assert!(!format!("{:?}", client.registry("r.test:5000")).contains("pw"));
}
