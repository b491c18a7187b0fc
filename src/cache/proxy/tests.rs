//! What becomes of requests, what is passed on, and what clients have already.

use super::cached::{is_same_place, is_the_same};
use super::conditions::has_it;
use super::headers::{
    calls_this_machine, credentials, fetched_with, forwarded, is_of_a_browser, passed_on, went_through_us,
};
use super::rate::Rate;
use super::refusal::{Fault, No};
use super::trust::Trust;
use super::way::{Way, way};
use super::wishes::Wishes;
use super::{Rule, Settings};
use crate::base::Wall;
use crate::cache::content::{FetchFailure, Said};
use crate::cache::model::{Extent, Ids, Source, TaskId, Validators};
use crate::http::Content;
use expect_test::{Expect, expect};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use std::time::{Duration, Instant};

const DIGEST: &str = "sha256:7865227e0db06199ce8f392876e6ad4e2a2f4b00b14c1b926a414e47fc741e3f";

fn headers(given: &[(&str, &str)]) -> HeaderMap {
    let read = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in given.iter().map(read) {
        headers.append(name, value);
    }
    headers
}

fn shown(headers: &HeaderMap) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect()
}

fn settings(registry: Option<&str>) -> Settings {
    let rule = |regex: &str, use_tls, redirect: Option<&str>, filter: Option<&str>| Rule {
        regex: regex::Regex::new(regex).unwrap(),
        use_tls,
        redirect: redirect.map(str::to_owned),
        filter: filter.map(str::to_owned),
    };
    let rules = vec![
        rule(r"\.deb$", false, None, Some("session")),
        rule(r"^http://old\.example/", true, Some("new.example:8443"), None),
    ];
    Settings { rules, registry: registry.map(str::to_owned), rate: 0 }
}

/// The way of a request, on a line.
fn went(registry: Option<&str>, method: &str, uri: &str, given: &[(&str, &str)]) -> String {
    let settings = settings(registry);
    let plain = |host: &str| host.starts_with("plain.");
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let uri = uri.replace("DIGEST", DIGEST).parse::<Uri>().unwrap();
    let told = match way(&settings, plain, &method, &uri, &headers(given)) {
        Ok(Way::Cached { url, filter, digest }) => {
            let filter = filter.map(|filter| format!(" without {filter}")).unwrap_or_default();
            format!("cached {url}{filter}{}", if digest.is_some() { ", verified" } else { "" })
        }
        Ok(Way::Forwarded { url }) => format!("forwarded {url}"),
        Err(No { status, why, .. }) => format!("{} {why}", status.as_u16()),
    };
    told.replace(DIGEST, "DIGEST")
}

/// Method, URI and headers.
type Asked<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

#[track_caller]
fn check(registry: Option<&str>, requests: &[Asked<'_>], expected: Expect) {
    let told = requests.iter().map(|(method, uri, given)| went(registry, method, uri, given) + "\n");
    expected.assert_eq(&told.collect::<String>());
}

const P2P: &[(&str, &str)] = &[("X-Dragonfly-Use-P2P", "True")];

#[test]
fn a_proxy_serves_from_the_cache_what_it_is_told_to_and_forwards_the_rest() {
    check(
        None,
        &[
            ("GET", "http://o.example/a?x=1", &[]),
            ("GET", "http://o.example/a?x=1", P2P),
            ("GET", "https://o.example/a", P2P),
            ("GET", "http://o.example/a", &[("X-Dragonfly-Use-P2P", "false")]),
            ("HEAD", "http://o.example/a", P2P),
            ("POST", "http://o.example/a", P2P),
            ("GET", "http://o.example/a", &[("X-Dragonfly-Use-P2P", "true"), ("Content-Length", "3")]),
            ("GET", "http://o.example/pool/x.deb?session=7", &[]),
            ("HEAD", "http://o.example/pool/x.deb", &[]),
            ("GET", "http://o.example/a?file=x.deb", &[]),
            ("GET", "http://old.example/a?b=c", &[]),
            ("DELETE", "http://old.example:81/a", &[]),
            ("PUT", "http://old.example/a", &[]),
            // Over a proxy nothing is known of repositories.
            ("GET", "http://o.example/v2/team/app/blobs/DIGEST", &[]),
            ("GET", "http://o.example/v2/team/app/blobs/DIGEST", P2P),
        ],
        expect![[r#"
            forwarded http://o.example/a?x=1
            cached http://o.example/a?x=1
            cached https://o.example/a
            forwarded http://o.example/a
            forwarded http://o.example/a
            forwarded http://o.example/a
            forwarded http://o.example/a
            cached http://o.example/pool/x.deb?session=7 without session
            forwarded http://o.example/pool/x.deb
            forwarded http://o.example/a?file=x.deb
            cached https://new.example:8443/a?b=c
            forwarded http://old.example:81/a
            forwarded https://new.example:8443/a
            forwarded http://o.example/v2/team/app/blobs/DIGEST
            cached http://o.example/v2/team/app/blobs/DIGEST, verified
        "#]],
    );
}

#[test]
fn a_mirror_serves_from_the_cache_what_a_digest_names() {
    let named = [("X-Dragonfly-Registry", "http://r.example:5000/")];
    check(
        Some("https://default.example"),
        &[
            ("GET", "/v2/", &[]),
            ("GET", "/v2/team/app/manifests/v1", &[]),
            ("GET", "/v2/team/app/manifests/DIGEST", &[]),
            ("HEAD", "/v2/team/app/manifests/DIGEST", &[]),
            ("GET", "/v2/team/app/blobs/DIGEST?ns=docker.io", &[]),
            ("GET", "/v2/team/app/blobs/DIGEST?a=b&ns=r.example%3A5000&c=d", &[]),
            ("GET", "/v2/team/app/blobs/DIGEST?ns=plain.example", &[]),
            ("GET", "/v2/team/app/blobs/DIGEST?ns=r.example", &named),
            ("GET", "/v2/team/app/blobs/sha256:00", &[]),
            ("GET", "/v2/team/app/blobs/md5:7865227e0db06199ce8f392876e6ad4e", &[]),
            ("GET", "/team/app/blobs/DIGEST", &[]),
            ("POST", "/v2/team/app/blobs/uploads/", &[]),
            ("GET", "/x.deb", &[]),
        ],
        expect![[r#"
            forwarded https://default.example/v2/
            forwarded https://default.example/v2/team/app/manifests/v1
            cached https://default.example/v2/team/app/manifests/DIGEST, verified
            forwarded https://default.example/v2/team/app/manifests/DIGEST
            cached https://registry-1.docker.io/v2/team/app/blobs/DIGEST, verified
            cached https://r.example:5000/v2/team/app/blobs/DIGEST?a=b&c=d, verified
            cached http://plain.example/v2/team/app/blobs/DIGEST, verified
            cached http://r.example:5000/v2/team/app/blobs/DIGEST, verified
            forwarded https://default.example/v2/team/app/blobs/sha256:00
            forwarded https://default.example/v2/team/app/blobs/md5:7865227e0db06199ce8f392876e6ad4e
            forwarded https://default.example/team/app/blobs/DIGEST
            forwarded https://default.example/v2/team/app/blobs/uploads/
            cached https://default.example/x.deb without session
        "#]],
    );
}

#[test]
fn what_leads_nowhere_is_refused_with_a_sentence() {
    check(
        None,
        &[
            ("CONNECT", "o.example:443", &[]),
            ("GET", "http://o.example/", &[("Via", "1.0 fred, 1.1 Hostler")]),
            ("GET", "/v2/", &[]),
            ("GET", "ftp://o.example/", &[]),
            ("GET", "http://user:pw@o.example/", &[]),
            ("GET", "/v2/", &[("X-Dragonfly-Registry", "ftp://r.example")]),
            ("GET", "/v2/?ns=a%20b", &[]),
            ("GET", "/v2/?ns=user:pw@r.example", &[]),
            ("OPTIONS", "*", &[("X-Dragonfly-Registry", "r.example")]),
        ],
        expect![[r#"
            501 this proxy opens no tunnels (CONNECT): ask it for http://… addresses, or use it as a mirror
            508 the request has been through this proxy already (its Via header says so)
            404 no registry is named: send X-Dragonfly-Registry or the query ns=HOST, or set cache.proxy.registry (a proxy's client asks for whole http://… addresses)
            400 ftp: expected an http:// or https:// address
            400 the address holds a user: credentials belong into the Authorization header
            400 "ftp://r.example" is no registry: expected HOST or http(s)://HOST
            400 "a b" is no registry: expected HOST or http(s)://HOST
            400 "user:pw@r.example" is no registry: expected HOST or http(s)://HOST
            400 *: expected a path
        "#]],
    );
}

#[test]
fn wishes_are_read_from_dragonflys_headers() {
    let wishes = Wishes::read(&headers(&[
        ("X-Dragonfly-Tag", "nightly"),
        ("X-Dragonfly-Application", "ci"),
        ("X-Dragonfly-Filtered-Query-Params", "a, b,,c"),
        ("X-Dragonfly-Piece-Length", "8MiB"),
        ("X-Dragonfly-Content-For-Calculating-Task-ID", ""),
        ("X-Dragonfly-Enable-Task-ID-Based-Blob-Digest", "TRUE"),
        ("X-Dragonfly-Prefetch", "true"),
        ("X-Dragonfly-Output-Path", "/tmp/x"),
        ("X-Dragonfly-Force-Hard-Link", "yes"),
    ]));
    let expected = Wishes {
        tag: "nightly".into(),
        application: "ci".into(),
        filter: Some("a&b&c".into()),
        piece_length: Some(8 << 20),
        content: Some(String::new()),
        by_digest: true,
        prefetch: true,
        output: Some("/tmp/x".into()),
        hard_link: false,
        revalidate: false,
    };
    assert_eq!(wishes, Ok(expected));
    assert_eq!(Wishes::read(&headers(&[("Accept", "*/*")])), Ok(Wishes::default()));
    for given in ["no-cache", "private, max-age=0", "max-age = 0"] {
        assert!(Wishes::read(&headers(&[("Cache-Control", given)])).unwrap().revalidate, "{given}");
    }
    assert!(!Wishes::read(&headers(&[("Cache-Control", "max-age=60")])).unwrap().revalidate);
}

#[test]
fn a_wish_that_makes_no_sense_names_its_header() {
    let refused = |name, value| Wishes::read(&headers(&[(name, value)])).unwrap_err();
    for length in ["4MB", "4194303", "65MiB", "-1", "much", ""] {
        let no = refused("X-Dragonfly-Piece-Length", length);
        assert!(no.why.contains("x-dragonfly-piece-length") && no.status == StatusCode::BAD_REQUEST, "{no:?}");
    }
    assert!(refused("X-Dragonfly-Output-Path", "x").why.contains("absolute"));
}

#[test]
fn headers_of_a_connection_and_of_ours_are_not_passed_on() {
    let request = headers(&[
        ("Host", "127.0.0.1:4001"),
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic x"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Expect", "100-continue"),
        ("X-Dragonfly-Tag", "t"),
        ("Accept", "a/b"),
        ("Accept", "c/d"),
        ("Accept-Encoding", "gzip"),
        ("Authorization", "Bearer z"),
        ("Range", "bytes=0-1"),
        ("If-None-Match", "\"e\""),
        ("Cache-Control", "no-cache"),
        ("Content-Type", "text/plain"),
    ]);
    expect![[r#"
        accept: a/b
        accept: c/d
        accept-encoding: gzip
        authorization: Bearer z
        range: bytes=0-1
        if-none-match: "e"
        cache-control: no-cache
        content-type: text/plain
    "#]]
    .assert_eq(&shown(&forwarded(&request)));
    expect![[r#"
        accept: a/b
        accept: c/d
        authorization: Bearer z
    "#]]
    .assert_eq(&shown(&fetched_with(&request)));
    let answer = headers(&[("Content-Length", "3"), ("Connection", "close"), ("Location", "/x"), ("Via", "1.1 far")]);
    expect![[r#"
        content-length: 3
        location: /x
        via: 1.1 far
        via: 1.1 hostler
    "#]]
    .assert_eq(&shown(&passed_on(&answer)));
    // One message for us must not be another for whoever comes next.
    let both = headers(&[("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("Accept", "a/b")]);
    assert_eq!(shown(&passed_on(&both)), "accept: a/b\nvia: 1.1 hostler\n");
    assert_eq!(shown(&forwarded(&both)), "accept: a/b\n");
    assert!(went_through_us(&headers(&[("Via", "1.1 a"), ("Via", "1.0 b, 1.1 hostler")])));
    assert!(!went_through_us(&headers(&[("Via", "1.1 hostler2, 1.1 a (1.1 hostler)")])));
}

#[test]
fn credentials_are_known_again_by_what_they_are() {
    let of = |given: &[(&str, &str)]| credentials(&headers(given));
    assert_eq!(of(&[("Accept", "*/*"), ("User-Agent", "x")]), None);
    let token = of(&[("Authorization", "Bearer a")]);
    assert!(token.is_some() && token == of(&[("Accept", "x"), ("Authorization", "Bearer a")]));
    assert_ne!(token, of(&[("Authorization", "Bearer b")]));
    assert_ne!(token, of(&[("Cookie", "Bearer a")]));
    assert_ne!(of(&[("Cookie", "ab"), ("Private-Token", "c")]), of(&[("Cookie", "a"), ("Private-Token", "bc")]));
    assert_eq!(
        of(&[("Cookie", "a"), ("X-Api-Key", "c")]),
        of(&[("X-Api-Key", "c"), ("Cookie", "a")]),
        "their order says nothing"
    );
}

#[test]
fn pages_and_foreign_names_do_not_borrow_a_connection() {
    for mark in ["Origin", "Referer", "Accept-Language", "Sec-Fetch-Site"] {
        assert!(is_of_a_browser(&headers(&[(mark, "x")])), "{mark}");
    }
    assert!(!is_of_a_browser(&headers(&[("User-Agent", "curl/8"), ("Accept", "*/*")])));
    for host in ["localhost:4001", "127.0.0.1:4001", "127.9.9.9", "[::1]:4001", "[::ffff:127.0.0.1]"] {
        assert!(calls_this_machine(&headers(&[("Host", host)])), "{host}");
    }
    for host in ["evil.example:4001", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "a b"] {
        assert!(!calls_this_machine(&headers(&[("Host", host)])), "{host}");
    }
    assert!(calls_this_machine(&HeaderMap::new()));
}

fn version() -> Validators {
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT".to_owned();
    Validators { etag: Some("\"a,b\"".to_owned()), last_modified: Some(modified) }
}

#[test]
fn a_client_that_has_this_version_is_told_so() {
    let has = |given: &[(&str, &str)]| has_it(&headers(given), &version());
    for tags in ["\"a,b\"", "W/\"a,b\"", "\"x\", \"a,b\"", "*"] {
        assert!(has(&[("If-None-Match", tags)]), "{tags}");
    }
    assert!(!has(&[("If-None-Match", "\"a\", b\"")]));
    for (since, expected) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", true),
        ("Mon, 07 Nov 1994 08:49:37 GMT", true),
        ("Sat, 05 Nov 1994 08:49:37 GMT", false),
        ("yesterday", false),
    ] {
        assert_eq!(has(&[("If-Modified-Since", since)]), expected, "{since}");
    }
    let since = ("If-Modified-Since", "Mon, 07 Nov 1994 08:49:37 GMT");
    assert!(!has(&[("If-None-Match", "\"x\""), since]), "the tag goes before the date");
    assert!(!has(&[]) && !has_it(&headers(&[("If-None-Match", "*")]), &Validators::default()));
}

#[test]
fn only_an_answer_with_the_same_content_speaks_for_credentials() {
    let source = |validators, length| Source {
        extent: Extent { length, piece_length: 4 << 20 },
        validators,
        headers: Vec::new(),
        checked: Wall::default(),
    };
    let tagged = source(version(), Some(10));
    let plain = source(Validators::default(), Some(10));
    let unknown = source(Validators::default(), None);
    let same = |status: u16, given: &[(&str, &str)], source: &Source| {
        is_the_same(StatusCode::from_u16(status).unwrap(), &headers(given), source)
    };
    assert!(same(304, &[], &tagged));
    assert!(same(206, &[("ETag", "\"a,b\""), ("Content-Range", "bytes 0-0/10")], &tagged));
    assert!(same(206, &[("Content-Range", "bytes 0-0/10")], &plain) && same(200, &[("Content-Length", "10")], &plain));
    assert!(same(200, &[("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")], &tagged));
    // A page to sign in at, and what says nothing.
    assert!(!same(200, &[("ETag", "\"x\""), ("Content-Length", "10")], &tagged));
    assert!(!same(200, &[("Content-Length", "4711")], &plain) && !same(200, &[], &plain) && !same(200, &[], &unknown));
    for status in [204, 302, 401, 403, 404, 416, 500] {
        assert!(!same(status, &[("ETag", "\"a,b\""), ("Content-Length", "10")], &tagged), "{status}");
    }
    assert!(same(416, &[], &source(Validators::default(), Some(0))));
}

#[test]
fn only_the_server_it_came_from_speaks_for_a_content() {
    let ids = |primary: &[u8], manager: Option<&[u8]>| Ids {
        primary: TaskId::new(primary),
        manager: manager.map(TaskId::new),
        daemon: None,
        digest: None,
    };
    let fetched = ids(b"digest", Some(b"manager"));
    let same = |url, asked: &Ids| is_same_place((url, asked), ("https://private.example/a?Signature=1", &fetched));
    assert!(same("https://private.example/a?Signature=1", &ids(b"digest", None)));
    assert!(same("https://private.example/a?Signature=2", &ids(b"manager", Some(b"manager"))));
    // Found by its digest, or by a name of its own, from a server of the client's choice.
    assert!(!same("https://evil.example/a", &ids(b"digest", Some(b"other"))));
    assert!(!same("https://evil.example/a", &ids(b"digest", None)));
    let named = ids(b"name", None);
    assert!(!is_same_place(("https://evil.example/a", &named), ("https://private.example/a", &named)));
}

#[test]
fn an_acceptance_is_believed_for_a_minute_and_for_its_content() {
    let (trust, now) = (Trust::default(), Instant::now());
    let [one, other] = [TaskId::new(b"one"), TaskId::new(b"other")];
    assert!(!trust.accepted(&one, [1; 32], now));
    trust.accept(&one, [1; 32], now);
    assert!(trust.accepted(&one, [1; 32], now + Duration::from_secs(59)));
    assert!(!trust.accepted(&one, [1; 32], now + Duration::from_secs(60)));
    assert!(!trust.accepted(&one, [2; 32], now) && !trust.accepted(&other, [1; 32], now));
}

#[test]
fn trust_stays_bounded() {
    let (trust, now) = (Trust::default(), Instant::now());
    for number in 0..10_000_u32 {
        trust.accept(&TaskId::new(&number.to_be_bytes()), [0; 32], now);
    }
    let believed = (0..10_000_u32).filter(|number| trust.accepted(&TaskId::new(&number.to_be_bytes()), [0; 32], now));
    assert!((1..=4096).contains(&believed.count()));
}

#[test]
fn more_than_the_rate_is_not_admitted() {
    let now = Instant::now();
    let rate = Rate::new(10, now);
    assert_eq!((0..30).filter(|_| rate.admits(now)).count(), 10);
    assert_eq!((0..30).filter(|_| rate.admits(now + Duration::from_millis(300))).count(), 3);
    assert_eq!((0..30).filter(|_| rate.admits(now + Duration::from_secs(60))).count(), 10);
    let free = Rate::new(0, now);
    assert!((0..10_000).all(|_| free.admits(now)));
}

#[test]
fn an_error_says_whose_it_is() {
    let of = |answer, forbidden| No::from(FetchFailure { why: "no".to_owned(), answer, forbidden });
    let challenge =
        headers(&[("WWW-Authenticate", "Bearer realm=x"), ("Content-Length", "9"), ("Connection", "close")]);
    let said = |status, headers, body: Option<&'static [u8]>| {
        Some(Box::new(Said { status, headers, body: body.map(bytes::Bytes::from_static) }))
    };
    let no = of(said(StatusCode::UNAUTHORIZED, challenge.clone(), None), false);
    assert_eq!((no.status, no.fault), (StatusCode::UNAUTHORIZED, Fault::Backend));
    expect![[r#"
        www-authenticate: Bearer realm=x
        via: 1.1 hostler
        content-type: text/plain; charset=utf-8
        x-dragonfly-error-type: backend
    "#]]
    .assert_eq(&shown(no.response().headers()));
    let mut own = challenge;
    own.extend(headers(&[("Content-Type", "text/html"), ("Set-Cookie", "who=somebody-else")]));
    let no = of(said(StatusCode::NOT_FOUND, own, Some(b"<p>gone")), false).response();
    expect![[r#"
        www-authenticate: Bearer realm=x
        via: 1.1 hostler
        content-type: text/html
        x-dragonfly-error-type: backend
    "#]]
    .assert_eq(&shown(no.headers()));
    assert!(matches!(no.body(), Content::Whole(body) if body == "<p>gone"));
    let kinds = [of(None, true), of(None, false), of(said(StatusCode::OK, HeaderMap::new(), None), false)];
    let kinds = kinds.map(|no| (no.status.as_u16(), no.response().headers()["x-dragonfly-error-type"].clone()));
    let said = |text| HeaderValue::from_static(text);
    assert_eq!(kinds, [(403, said("proxy")), (502, said("dfdaemon")), (502, said("dfdaemon"))]);
    let busy = No::new(StatusCode::TOO_MANY_REQUESTS, Fault::Proxy, "later").response();
    assert_eq!(busy.headers()["retry-after"], "1");
}
