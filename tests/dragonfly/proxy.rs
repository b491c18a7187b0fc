//! The listener for local clients: what it serves from the cache, what it passes on, and where it does not go.

use super::*;
use crate::cast::{cached, via_proxy};
use crate::support::http::Target;
use std::thread;

/// An answer that is not what was asked for, and whose fault that is.
#[track_caller]
fn refused_as(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("x-dragonfly-error-type"), Some(kind), "{:?}", answer.headers);
}

#[test]
fn a_cold_file_is_fetched_and_a_hot_one_is_not() {
    let (cache, origin) = (shared(), Origin::start());
    let file = File::of_size(300_000, 5).header("Content-Type", "application/x-thing").header("X-Odd", "odd");
    let (bytes, etag) = (file.bytes.to_vec(), file.etag.clone().expect("a validator"));
    let url = origin.put("/thing", file);
    let id = id_of(&url, "", "", None);
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = cache.through(&url).expect(200);
        assert_eq!(answer.body, bytes);
        assert_eq!(answer.header("x-dragonfly-task-id"), Some(id.as_str()));
        assert_eq!(answer.header("x-dragonfly-server-ip"), Some(cast::IP));
        assert_eq!(answer.header("content-type"), Some("application/x-thing"));
        assert_eq!(answer.header("content-length"), Some("300000"));
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
        assert_eq!(answer.header("x-dragonfly-error-type"), None);
        answers.push(answer);
        until("it is complete", SOON, || (cache.soon(&url)["state"] == "complete").then_some(()));
    }
    assert_eq!(answers[2].header("x-dragonfly-task-download-finished"), Some("true"));
    assert_eq!((origin.server().bodies("/thing"), origin.server().bytes("/thing")), (1, 300_000));
    for seen in origin.seen("/thing") {
        assert_eq!(seen.ask.header("via"), Some("1.1 hostler"), "{seen:?}");
        assert!(seen.ask.headers.iter().all(|(name, _)| !name.to_lowercase().starts_with("x-dragonfly")), "{seen:?}");
    }
    cache.present(json!({"url": url}));
}

#[test]
fn bytes_go_to_everybody_as_they_come_and_come_once() {
    let (cache, origin, gate) = (shared(), Origin::start(), Gate::at(100_000));
    let file = pieces_of_ours(2);
    let bytes = file.bytes.to_vec();
    let url = origin.put("/many", file.behind(&gate));
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let (mut stream, expected) = (cache.proxy().stream(cached(&url)), bytes.clone());
            thread::spawn(move || {
                assert_eq!(stream.status, 200);
                // What has come is handed on while the rest is held back.
                assert!(stream.bytes(10_000).expect("the first bytes") == expected[..10_000]);
                move || assert!(stream.rest().expect("the rest") == expected[10_000..])
            })
        })
        .collect();
    let rests: Vec<_> = readers.into_iter().map(|reader| reader.join().expect("a reader")).collect();
    gate.open();
    rests.into_iter().for_each(|mut rest| rest());
    assert_eq!((origin.server().bodies("/many"), origin.server().bytes("/many")), (1, bytes.len() as u64));
}

fn pieces_of_ours(count: u64) -> File {
    origin::pieces(count, 77)
}

#[test]
fn a_range_is_a_part_of_the_file() {
    let (cache, origin) = (shared(), Origin::start());
    let file = pieces_of_ours(2);
    let bytes = file.bytes.to_vec();
    let whole = bytes.len();
    let url = origin.put("/ranged", file);
    let ask = |range: &str| cache.proxy().send(cached(&url).header("Range", range));
    let across = FULL_PIECE as usize;
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        (format!("bytes={}-{}", across - 5, across + 4), across - 5, across + 5),
        (format!("bytes={}-", whole - 7), whole - 7, whole),
        ("bytes=-9".to_owned(), whole - 9, whole),
        (format!("bytes=10-{}", whole * 2), 10, whole),
    ] {
        let answer = ask(&range).expect(206);
        assert!(answer.body == bytes[from..to], "{range}");
        assert_eq!(answer.header("content-range"), Some(format!("bytes {from}-{}/{whole}", to - 1).as_str()));
        assert_eq!(answer.header("content-length"), Some((to - from).to_string().as_str()));
    }
    let beyond = ask(&format!("bytes={whole}-")).expect(416);
    assert_eq!(beyond.header("content-range"), Some(format!("bytes */{whole}").as_str()));
    // What makes no sense is not heeded.
    assert!(ask("bytes=9-3").expect(200).body == bytes);
    assert!(ask("lines=1-2").expect(200).body == bytes);
    assert!(cache.through(&url).expect(200).body == bytes);
    assert_eq!(origin.server().bytes("/ranged"), whole as u64, "fetched once, whatever was asked for");
}

#[test]
fn headers_say_which_task_is_meant() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.url("/hello.txt?keep=1&sig=zz&other=3");
    let request = cached(&url)
        .header("X-Dragonfly-Tag", "tagged")
        .header("X-Dragonfly-Application", "app")
        .header("X-Dragonfly-Filtered-Query-Params", "sig,other")
        .header("X-Dragonfly-Piece-Length", "8MiB");
    let answer = cache.proxy().send(request).expect(200);
    let id = id_of(&origin.url("/hello.txt?keep=1"), "tagged", "app", Some(8 << 20));
    assert_eq!((answer.body.as_slice(), answer.header("x-dragonfly-task-id")), (HELLO, Some(id.as_str())));
    let args = json!({
        "url": url, "tag": "tagged", "application": "app", "filtered_query_params": "sig&other", "piece_length": 8 << 20,
    });
    assert_eq!(cache.arrives(args)["piece_length"], 8 << 20);
    let short = cache.proxy().send(cached(&url).header("X-Dragonfly-Piece-Length", "1MiB"));
    assert!((400..500).contains(&short.status), "{}: {}", short.status, short.text());
    denied(&short, short.status);
}

#[test]
fn a_blob_may_go_by_its_digest() {
    let (cache, registry) = (shared(), Registry::start(Access::Open));
    let url = registry.blob(LAYER_A);
    let request = cached(&url).header("X-Dragonfly-Enable-Task-ID-Based-Blob-Digest", "true");
    let answer = cache.proxy().send(request).expect(200);
    assert_eq!((answer.text().as_str(), answer.header("x-dragonfly-task-id")), ("layer-a\n", Some(LAYER_A)));
    // A job that asks for the URL finds it by its digest.
    assert_eq!(cache.arrives(json!({"task_id": LAYER_A}))["content_length"], 8);
}

#[test]
fn what_nobody_wants_cached_is_passed_on() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.hello();
    for _ in 0..2 {
        let answer = cache.proxy().send(via_proxy("GET", &url)).expect(200);
        assert_eq!((answer.body.as_slice(), answer.header("x-dragonfly-task-id")), (HELLO, None));
    }
    assert_eq!(origin.server().bodies("/hello.txt"), 2);
    for method in ["POST", "PUT", "PATCH"] {
        let request = via_proxy(method, &url).header("X-Dragonfly-Use-P2P", "true").body("some words");
        let answer = cache.proxy().send(request).expect(201);
        assert_eq!(answer.text(), format!("{method} some words"));
        assert_eq!(answer.header("x-origin"), Some("yes"));
    }
    cache.proxy().send(via_proxy("DELETE", &url)).expect(201);
    let head = cache.proxy().send(via_proxy("HEAD", &url)).expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), (Some("14"), 0));
    cache.absent(json!({"url": url}));
    let connect = Request::new("CONNECT", "127.0.0.1:1").header("Host", "127.0.0.1:1");
    cache.proxy().send(connect).expect(501);
}

#[test]
fn rules_say_what_is_cached_without_being_asked() {
    let (origin, other) = (Origin::start(), Origin::start());
    origin.put("/ruled/a", File::new("from the first"));
    other.put("/moved/a", File::new("from the other"));
    let elsewhere = other.url("").replace("http://", "");
    let rules = format!(
        "rules = [{{ regex = \"/ruled/\", filter = \"sig\" }}, {{ regex = \"/moved/[a-z]$\", redirect = \"{elsewhere}\" }}]\n"
    );
    let cache = Cache::with("", &rules);
    for _ in 0..2 {
        let answer = cache.proxy().send(via_proxy("GET", &origin.url("/ruled/a?sig=1&x=2"))).expect(200);
        assert_eq!(answer.text(), "from the first");
        let id = id_of(&origin.url("/ruled/a?x=2"), "", "", None);
        assert_eq!(answer.header("x-dragonfly-task-id"), Some(id.as_str()));
    }
    assert_eq!(origin.server().bodies("/ruled/a"), 1);
    for query in ["", "?y"] {
        let url = origin.url(&format!("/moved/a{query}"));
        assert_eq!(cache.proxy().send(via_proxy("GET", &url)).expect(200).text(), "from the other");
    }
    assert_eq!(origin.seen("/moved/a").len(), 0);
    // A query does not make a rule match.
    let plain = cache.proxy().send(via_proxy("GET", &origin.url("/hello.txt?p=/ruled/"))).expect(200);
    assert_eq!(plain.header("x-dragonfly-task-id"), None);
}

#[test]
fn a_backends_refusal_is_passed_on_as_it_is() {
    let (cache, origin) = (shared(), Origin::start());
    let answer = cache.through(&origin.url("/missing"));
    refused_as(&answer, 404, "backend");
    assert_eq!(answer.text(), "no such file");
    let url = origin.put("/teapot", File { status: 418, ..File::new("short and stout").header("X-Odd", "odd") });
    let answer = cache.through(&url);
    refused_as(&answer, 418, "backend");
    assert_eq!((answer.header("x-odd"), answer.text().as_str()), (Some("odd"), "short and stout"));
    cache.absent(json!({"url": url}));
    // Nobody there at all.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let gone = format!("http://{gone}/x");
    let answer = cache.through(&gone);
    assert!((500..600).contains(&answer.status), "{}", answer.status);
    assert!(answer.header("x-dragonfly-error-type").is_some(), "{:?}", answer.headers);
}

/// Refused by the daemon itself.
#[track_caller]
fn denied(answer: &Answer, status: u16) {
    let kind = answer.header("x-dragonfly-error-type").unwrap_or_default().to_owned();
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(["proxy", "dfdaemon"].contains(&kind.as_str()), "{:?}", answer.headers);
}

/// Addresses that a client must not be taken to by this daemon.
fn forbidden(cache: &Cache) -> Vec<String> {
    let (api, proxy) = (cache.daemon.address(), cache.proxy_address());
    vec![
        format!("http://{api}/healthy"),
        format!("http://localhost:{}/healthy", api.port()),
        format!("http://[::ffff:127.0.0.1]:{}/healthy", api.port()),
        format!("http://127.0.0.1:{}/x", proxy.port()),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://[::ffff:169.254.169.254]/latest".to_owned(),
        "http://[fe80::1]/x".to_owned(),
        format!("http://0.0.0.0:{}/healthy", api.port()),
        "http://224.0.0.1/x".to_owned(),
    ]
}

#[test]
fn some_addresses_are_never_connected_to() {
    let (cache, origin) = (shared(), Origin::start());
    for url in forbidden(&cache) {
        denied(&cache.through(&url), 403);
        denied(&cache.proxy().send(via_proxy("GET", &url)), 403);
        denied(&cache.proxy().send(via_proxy("POST", &url).body("x")), 403);
        let job = cache.run("preheat", json!({"type": "file", "url": url}));
        failed(&job);
        // By way of a redirect, too.
        let detour = origin.put("/detour", File::moved(302, &url));
        assert_eq!(cache.through(&detour).status, 403, "{url}");
        failed(&cache.run("preheat", json!({"type": "file", "url": detour})));
        cache.delete(json!({"url": detour}));
    }
}

#[test]
fn this_hosts_own_addresses_are_left_alone_unless_configured() {
    let origin = Origin::start();
    let mut cache = Cache::prepared("", "");
    let config = std::fs::read_to_string(cache.daemon.path("hostler.toml")).expect("the configuration");
    let config = config.replace("allow_loopback = true\n", "");
    std::fs::write(cache.daemon.path("hostler.toml"), config).expect("the configuration");
    cache.launch();
    let port = origin.server().address().port();
    for url in [origin.hello(), format!("http://localhost:{port}/hello.txt"), format!("http://[::1]:{port}/hello.txt")]
    {
        denied(&cache.through(&url), 403);
        denied(&cache.proxy().send(via_proxy("GET", &url)), 403);
        let job = cache.run("preheat", json!({"type": "file", "url": url}));
        failed(&job);
    }
    let registry = Registry::start(Access::Open);
    let args = images::amd64(&registry.manifest(), json!({}));
    assert!(cache.post(&json!({"type": "preheat", "args": args})).status >= 400);
    assert_eq!((origin.server().seen().len(), registry.server().seen().len()), (0, 0));
}

#[test]
fn a_registry_is_mirrored() {
    let registry = Registry::start(Access::Open);
    let other = Registry::start(Access::Open);
    let cache = Cache::with("", &format!("registry = \"{}\"\n", registry.base()));
    let path = format!("/v2/team/app/blobs/sha256:{LAYER_A}");
    for _ in 0..2 {
        let request = Request::new("GET", &path).header("X-Dragonfly-Use-P2P", "true");
        assert_eq!(cache.proxy().send(request).expect(200).text(), "layer-a\n");
    }
    assert_eq!(registry.server().bodies(&path), 1);
    cache.arrives(json!({"url": registry.blob(LAYER_A)}));
    let request = Request::new("GET", &path).header("X-Dragonfly-Registry", &other.base());
    assert_eq!(cache.proxy().send(request.header("X-Dragonfly-Use-P2P", "true")).expect(200).text(), "layer-a\n");
    cache.arrives(json!({"url": other.blob(LAYER_A)}));
    let manifest = cache.proxy().get("/v2/team/app/manifests/v1").expect(200);
    assert_eq!(manifest.body, registry.image.contents[&registry.image.index]);
    assert_eq!(manifest.header("content-type"), Some(registry::INDEX));
    assert!(manifest.header("docker-content-digest").is_some());
}

#[test]
fn without_a_registry_there_is_nothing_to_mirror() {
    let answer = shared().proxy().get("/v2/team/app/manifests/v1");
    assert!((400..600).contains(&answer.status), "{}", answer.status);
    denied(&answer, answer.status);
}

#[test]
fn requests_come_at_a_rate() {
    let cache = Cache::with("", "rate = 5\n");
    let origin = Origin::start();
    let answers: Vec<u16> = (0..40).map(|_| cache.proxy().send(via_proxy("GET", &origin.hello())).status).collect();
    assert!(answers.contains(&200) && answers.contains(&429), "{answers:?}");
}

#[test]
fn a_file_is_placed_for_operators_alone() {
    let (cache, origin) = (Cache::start(), Origin::start());
    let out = cache.daemon.path("placed");
    let request =
        |to: &std::path::Path| cached(&origin.hello()).header("X-Dragonfly-Output-Path", to.to_str().expect("text"));
    cache.proxy().send(request(&out)).expect(200);
    until("it is placed", SOON, || (std::fs::read(&out).ok()? == HELLO).then_some(()));
    // It is a file of its own.
    std::fs::write(&out, "changed").expect("our file");
    assert_eq!(cache.through(&origin.hello()).expect(200).body, HELLO);

    support::require_root();
    let stolen = cache.daemon.path("stolen");
    let nobody = cache.proxy().as_user(65534);
    assert_eq!(nobody.send(request(&stolen)).status, 403);
    // A forwarder in between makes everybody a stranger.
    for name in ["Via", "X-Forwarded-For", "Forwarded"] {
        let value = if name == "Via" { "1.1 somebody" } else { "for=192.0.2.1" };
        assert_eq!(cache.proxy().with(name, value).send(request(&stolen)).status, 403, "{name}");
    }
    assert!(!stolen.exists());
}

#[test]
fn the_proxy_listens_on_after_its_core_has_died() {
    let (mut cache, origin) = (Cache::start(), Origin::start());
    let before = cache.proxy_address();
    cache.through(&origin.hello()).expect(200);
    // What comes is written down a moment later: only then does it outlive the core. What is answered after that is
    // written down after it.
    until("it is complete", SOON, || (cache.soon(&origin.hello())["state"] == "complete").then_some(()));
    succeeded(&cache.run("get_task", json!({"url": origin.hello()})));
    cache.daemon.kill_core();
    // Connections wait for the next core.
    let client = Client::new(Target::Tcp(before));
    assert_eq!(client.send(cached(&origin.hello())).expect(200).body, HELLO);
    assert_eq!(origin.server().bodies("/hello.txt"), 1);
    cache.daemon.await_ready();
}
