//! Cases 31–38: beats that are posted from outside, and the entrypoints in them, which are looked at.

use super::*;
use crate::support::server::{Ask, Gate, Reply, Server};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};

/// A server that says of its health what it is told to.
fn healthy(daemonid: &str) -> Server {
    let body = json!({"daemonid": daemonid, "entrypoint": null, "role": 0}).to_string();
    Server::start(move |_: &Ask| Reply::new(200, body.clone()).header("Content-Type", "application/json"))
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address())
}

/// An address of this host that is none of loopback's.
#[track_caller]
fn far_address() -> IpAddr {
    let all = nix::ifaddrs::getifaddrs().expect("the addresses of this host");
    let four = |one: nix::ifaddrs::InterfaceAddress| Some(IpAddr::V4(one.address?.as_sockaddr_in()?.ip()));
    let found = all.filter_map(four).find(|address| !address.is_loopback() && !address.is_unspecified());
    found.expect("this test needs a machine with an IPv4 address besides loopback's")
}

/// The answer to a POST whose peer is that address, although it goes to a listener on loopback.
#[track_caller]
fn post_from(from: IpAddr, to: SocketAddr, headers: &str, body: &Value) -> Answer {
    let end = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    bind(end.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, 0))).expect("an address of this host");
    connect(end.as_raw_fd(), &SockaddrStorage::from(to)).expect("the daemon");
    let mut stream = TcpStream::from(end);
    assert_eq!(stream.local_addr().expect("its address").ip(), from);
    stream.set_read_timeout(Some(SOON)).expect("a bound");
    let body = body.to_string();
    let head = format!("POST /heartbeat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("it is taken");
    let mut back = Vec::new();
    stream.read_to_end(&mut back).expect("an answer");
    let text = String::from_utf8(back).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Answer { status, headers: lines.filter_map(field).collect(), body: body.into() }
}

/// Case 31, and the same below `/api`.
#[track_caller]
fn a_beat_counts_for_a_while(path: &str) {
    let cast = Cast::empty(&Settings::default());
    let id = cast.silence_bob();
    let beat = Request::new("POST", path).json(&json!({"daemonid": id, "entrypoint": null, "role": 0}));
    assert_eq!(ok(cast.nobody().send(beat)), json!({"code": 0, "msg": "OK"}));
    assert_eq!(cast.status(&cast.bob()), "online");
    cast.status_becomes(millis(1500), &cast.bob(), "offline");
}

// Case 31.
#[test]
fn a_beat_makes_its_account_online_for_a_while() {
    a_beat_counts_for_a_while("/heartbeat");
}

// Case 38.
#[test]
fn a_beat_below_api_is_the_same() {
    a_beat_counts_for_a_while("/api/heartbeat");
}

// Case 32.
#[test]
fn an_empty_entrypoint_is_none() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.silence_bob();
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": [""]})));
    assert_eq!(bare(cast.bob().get("/daemon/status")), json!({"status": "online", "entrypoint": []}));
    ok(cast.beat(&json!({"daemonid": id})));
    assert_eq!(cast.entrypoints(&cast.bob()), [""; 0]);
}

// Case 33.
#[test]
fn what_is_no_beat_is_refused() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.silence_bob();
    refused(cast.beat(&json!({"entrypoint": null})), 400, 6201);
    refused(cast.beat(&json!({"daemonid": "", "entrypoint": null})), 400, 6201);
    refused(cast.beat(&json!({"daemonid": "0123456789".repeat(4), "entrypoint": null})), 400, 6002);
    refused(cast.beat(&json!({"daemonid": &id[..39], "entrypoint": null})), 400, 6002);
    refused(cast.beat(&json!([])), 400, 1007);
    for body in ["", "{", "null", "daemonid=x", "\u{0}"] {
        refused(cast.nobody().send(Request::new("POST", "/heartbeat").body(body)), 400, 1007);
    }
    for more in [
        json!({"entrypoint": ["ftp://h:1"]}),
        json!({"entrypoint": ["http://h"]}),
        json!({"entrypoint": "http://h:1"}),
        json!({"entrypoint": [1]}),
        json!({"log": "line"}),
        json!({"abnormaltags": {}}),
    ] {
        refused(cast.beat(&plus(json!({"daemonid": id}), more)), 400, 1007);
    }
    assert_eq!(cast.status(&cast.bob()), "offline");
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null, "something": {"else": [1]}})));
}

// Case 34.
#[test]
fn an_entrypoint_that_nobody_listens_at_is_refused_but_the_beat_counts() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.silence_bob();
    let gone = url(&healthy(&id)); // ended at once; its port is kept from others
    refused(cast.beat(&json!({"daemonid": id, "entrypoint": [gone]})), 400, 6202);
    assert_eq!(cast.status(&cast.bob()), "online");
}

// Case 35.
#[test]
fn an_entrypoint_counts_when_it_knows_the_daemonid() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.silence_bob();
    let right = healthy(&id);
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": [url(&right)]})));
    assert_eq!(texts(&bare(cast.bob().get("/daemon/ep/bob"))["entrypoint"]), [url(&right)]);
    let asked = right.seen_at("/health").remove(0).ask;
    assert_eq!((asked.method.as_str(), asked.parameter("daemonid")), ("GET", Some(id.clone())));
    assert!(asked.header("authorization").is_none(), "{asked:?}");
    assert!(asked.header("via").is_some_and(|via| via.contains("hostler")), "{asked:?}");
    settles("it is listed no longer than the beat is fresh", millis(1500), 400, || {
        cast.bob().get("/daemon/ep/bob").status
    });

    let other = healthy(&"0".repeat(40));
    refused(cast.beat(&json!({"daemonid": id, "entrypoint": [url(&other)]})), 400, 6202);
    assert_eq!(other.seen().len(), 1);

    let target = healthy(&id);
    let location = format!("{}/health?daemonid={id}", url(&target));
    let redirect = Server::start(move |_: &Ask| Reply::new(302, "").header("Location", &location));
    refused(cast.beat(&json!({"daemonid": id, "entrypoint": [url(&redirect)]})), 400, 6202);
    assert_eq!((redirect.seen().len(), target.seen().len()), (1, 0), "a redirect is not followed");
}

#[test]
fn one_good_entrypoint_of_several_is_enough_and_stays_good_for_a_while() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.silence_bob();
    let (right, other) = (healthy(&id), healthy("another"));
    let body = json!({"daemonid": id, "entrypoint": [url(&other), url(&right), "", url(&right)]});
    for _ in 0..3 {
        ok(cast.beat(&body));
    }
    assert_eq!(right.seen().len(), 1, "a good answer is kept");
    assert_eq!(other.seen().len(), 3, "a bad one is not");
    assert_eq!(cast.entrypoints(&cast.bob()), [url(&other), url(&right)]);
}

#[test]
fn an_entrypoint_that_answers_badly_is_refused() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.silence_bob();
    let good = json!({"daemonid": id}).to_string();
    let never = Gate::at(0);
    let late = Reply { gate: Some(never.clone()), ..Reply::new(200, good.clone()) };
    let long = format!("{}{good}", " ".repeat(8192));
    let replies = [
        Reply::new(500, good.clone()),
        Reply::new(404, good.clone()),
        Reply::new(200, "pong"),
        Reply::new(200, "[]"),
        Reply::new(200, ""),
        Reply::new(200, long),
        late,
    ];
    for reply in replies {
        let shown = format!("{} {:?}", reply.status, reply.content.len());
        let server = Server::start(move |_: &Ask| reply.clone());
        let answer = cast.beat(&json!({"daemonid": id, "entrypoint": [url(&server)]}));
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(6202)), "{shown}");
    }
    // Never, not even where loopback is allowed.
    refused(cast.beat(&json!({"daemonid": id, "entrypoint": ["http://169.254.169.254:80"]})), 400, 6202);
}

// Case 36.
#[test]
fn lines_of_a_beat_are_kept_newest_first() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.silence_bob();
    let lines = ["2024/03/05 09:10:41 [one]\n", "2024/03/05 09:10:42 [two]\n"];
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null, "log": lines})));
    let expected = ["2024/03/05 09:10:42 [two]", "2024/03/05 09:10:41 [one]"];
    assert_eq!(cast.log(&cast.bob(), "0?range=1"), expected);
}

// Case 37.
#[test]
fn from_elsewhere_a_beat_needs_the_accounts_credentials() {
    let cast = Cast::empty(&Settings::default());
    let body = json!({"daemonid": cast.silence_bob(), "entrypoint": null});
    let (here, there) = (far_address(), cast.daemon.address());
    let post = |shown: Option<&str>| {
        let header = shown.map(|token| format!("Authorization: Token {token}\r\n"));
        post_from(here, there, &header.unwrap_or_default(), &body)
    };
    refused(post(None), 401, 6101);
    refused(post(Some("deadbeef")), 401, 1005);
    refused(post(Some(&cast.tokens[1])), 403, 1006);
    assert_eq!(cast.status(&cast.bob()), "offline");
    ok(post(Some(&cast.tokens[2])));
    assert_eq!(cast.status(&cast.bob()), "online");
    ok(post(Some(&cast.tokens[0])));
}

#[test]
fn from_elsewhere_the_daemonid_is_enough_where_that_is_configured() {
    let cast = Cast::empty(&Settings { hub: "trust_daemonid = true\n".to_owned(), ..Settings::default() });
    let body = json!({"daemonid": cast.silence_bob(), "entrypoint": null});
    ok(post_from(far_address(), cast.daemon.address(), "", &body));
    assert_eq!(cast.status(&cast.bob()), "online");
}

#[test]
fn on_loopback_credentials_that_are_shown_must_be_right() {
    let cast = Cast::empty(&Settings::default());
    let body = json!({"daemonid": cast.silence_bob(), "entrypoint": null});
    refused(cast.bearing("deadbeef").post("/heartbeat", &body), 401, 1005);
    refused(cast.alice().post("/heartbeat", &body), 403, 1006);
    assert_eq!(cast.status(&cast.bob()), "offline");
    ok(cast.bob().post("/heartbeat", &body));
    ok(cast.root().post("/heartbeat", &body));
}

#[test]
fn a_beat_that_was_passed_on_by_a_proxy_is_not_from_loopback() {
    let cast = Cast::empty(&Settings::default());
    let body = json!({"daemonid": cast.silence_bob(), "entrypoint": null});
    for (name, value) in [("X-Forwarded-For", "192.0.2.9"), ("Forwarded", "for=192.0.2.9"), ("Via", "1.1 proxy")] {
        refused(cast.nobody().with(name, value).post("/heartbeat", &body), 401, 6101);
    }
    assert_eq!(cast.status(&cast.bob()), "offline");
}

#[test]
fn the_newer_of_two_kinds_of_beats_counts() {
    let cast = Cast::empty(&Settings::default());
    let id = cast.silence_bob();
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null})));
    cast.serving(&cast.bob(), "bob", true);
    holds("bob stays online", millis(2500), || cast.status(&cast.bob()) == "online");
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null})));
    cast.serving(&cast.bob(), "bob", false);
    cast.status_becomes(millis(1500), &cast.bob(), "offline");
}
