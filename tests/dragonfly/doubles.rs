//! The doubles are what they stand for: a test that relies on a broken double proves nothing.

use super::*;
use crate::origin::{pattern, pieces};
use crate::real::skopeo;
use crate::support::http::Target;
use crate::support::server::Framing;

fn client(origin: &Origin) -> Client {
    Client::new(Target::Tcp(origin.server().address()))
}

#[test]
fn an_origin_hands_out_ranges_and_compares_validators() {
    let origin = Origin::start();
    let bytes = pattern(1000, 1);
    let file = File::new(bytes.clone());
    let etag = file.etag.clone().expect("a validator");
    origin.put("/f", file);
    let client = client(&origin);
    let ask = |name: &str, value: &str| client.with(name, value).get("/f?any=query");
    assert_eq!(client.get("/f").expect(200).body, bytes);
    assert_eq!(ask("Range", "bytes=990-").expect(206).body, bytes[990..]);
    assert_eq!(ask("Range", "bytes=-10").expect(206).body, bytes[990..]);
    let part = ask("Range", "bytes=0-0").expect(206);
    assert_eq!((part.body.len(), part.header("content-range")), (1, Some("bytes 0-0/1000")));
    ask("Range", "bytes=1000-").expect(416);
    assert_eq!(ask("If-None-Match", &etag).expect(304).body, b"");
    let stale = client.with("If-Range", "\"other\"").with("Range", "bytes=1-2").get("/f").expect(200);
    assert_eq!(stale.body, bytes);
    client.with("If-Range", &etag).with("Range", "bytes=1-2").get("/f").expect(206);
    client.get("/missing").expect(404);
    assert_eq!((origin.seen("/f").len(), origin.server().bodies("/f")), (8, 6));
    // A body is counted when it has been sent, which may be after it was read.
    let all = 1000 + 10 + 10 + 1 + 1000 + 2;
    until("all bytes are counted", SOON, || (origin.server().bytes("/f") == all).then_some(()));
}

#[test]
fn an_origin_breaks_waits_and_is_busy_as_it_is_told() {
    let origin = Origin::start();
    let client = client(&origin);
    for framing in [Framing::Length, Framing::Chunked] {
        origin.put("/cut", File { framing, breaks: vec![100], ..File::of_size(1000, 2) });
        assert!(client.try_send(Request::new("GET", "/cut")).is_err(), "{framing:?}");
        assert_eq!(client.get("/cut").expect(200).body, pattern(1000, 2));
    }
    origin.put("/busy", File { busy: (1, Some(7)), ..File::new("x") });
    assert_eq!(client.get("/busy").expect(503).header("retry-after"), Some("7"));
    client.get("/busy").expect(200);

    let gate = Gate::at(10);
    origin.put("/gated", File::of_size(500_000, 3).behind(&gate));
    let mut stream = client.stream(Request::new("GET", "/gated"));
    assert_eq!(stream.bytes(10).expect("ten bytes"), pattern(500_000, 3)[..10]);
    assert_eq!(origin.server().bytes("/gated"), 10);
    gate.allow(20);
    stream.bytes(10).expect("ten more");
    gate.open();
    assert_eq!(stream.rest().expect("the rest").len(), 499_980);
    origin.put("/only", File::new("x").only("Bearer good"));
    client.get("/only").expect(401);
    client.with("Authorization", "Bearer good").get("/only").expect(200);
    assert_eq!(client.send(Request::new("PUT", "/gated").body("b")).expect(201).text(), "PUT b");
}

#[test]
fn patterns_differ() {
    let whole = pieces(3, 1).bytes;
    let mut parts: Vec<_> = whole.chunks(FULL_PIECE as usize).map(digest_of).collect();
    parts.push(digest_of(&pieces(3, 2).bytes[..FULL_PIECE as usize]));
    parts.sort();
    parts.dedup();
    assert_eq!(parts.len(), 4);
}

#[test]
fn skopeo_takes_the_registry_for_one() {
    for access in [Access::Open, Access::Bearer { account: false }, Access::Bearer { account: true }, Access::Basic] {
        let registry = Registry::start(access);
        let home = tempfile::tempdir().expect("a temporary directory");
        let from = format!("docker://{}/team/app:v1", registry.server().address());
        let to = format!("dir:{}", home.path().join("out").display());
        let account = format!("{}:{}", ACCOUNT.0, ACCOUNT.1);
        let mut args = vec!["copy", "--src-tls-verify=false"];
        if matches!(access, Access::Bearer { account: true } | Access::Basic) {
            args.extend(["--src-creds", &account]);
        }
        skopeo(home.path(), &[&args[..], &[&from, &to]].concat());
        assert_eq!(std::fs::read(home.path().join("out").join(LAYER_B)).expect("a blob"), b"layer-b\n");
        let tokens = registry.server().seen_at("/token").len();
        assert_eq!(tokens > 0, matches!(access, Access::Bearer { .. }), "{access:?}");
    }
}

#[test]
fn a_real_registry_holds_the_fixture() {
    for account in [false, true] {
        let docker = real::Docker::start(account);
        let client = Client::new(Target::Tcp(docker.address()));
        let path = format!("/v2/team/app/blobs/sha256:{LAYER_A}");
        let client = if account {
            client.get(&path).expect(401);
            client.with("Authorization", &registry::basic())
        } else {
            client
        };
        assert_eq!(client.get(&path).expect(200).text(), "layer-a\n");
        assert_eq!(docker.gets(LAYER_A), 1 + usize::from(account));
        let index = client.with("Accept", registry::INDEX).get("/v2/team/app/manifests/v1").expect(200);
        assert_eq!(digest_of(&index.body), registry::Image::fixture().index);
    }
}

#[test]
fn an_ended_origin_leaves_its_port_to_nobody() {
    let address = Origin::start().server().address();
    let refused = std::net::TcpStream::connect(address).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    std::net::TcpListener::bind(address).expect_err("it is kept");
}
