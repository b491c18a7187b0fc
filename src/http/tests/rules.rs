//! Rights, and the rules on Host and Origin, over the wire.

use super::{World, head, patient};
use crate::auth::Scope;
use crate::http::Settings;

#[tokio::test]
async fn a_foreign_host_opens_nothing() {
    let world = World::new().await;
    let port = world.at.port();
    for host in [
        "localhost",
        "LOCALHOST.",
        "localhost:99",
        "localhost:",
        "127.0.0.1",
        "127.1",
        "127.1:8606",
        "0x7f.1",
        "2130706433",
        "0177.0.0.01",
        "127.9.9.9",
        "[::1]",
        "[::1]:8606",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "kettle",
        "hostler.example",
        &format!("127.0.0.1:{port}"),
    ] {
        let answer = world.call("GET", "/proc", &[&format!("Host: {host}")]).await;
        assert_eq!(answer.status, 200, "{host:?}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.localhost",
        "hostler.example.evil.example",
        "10.0.0.1",
        "128.1",
        "0.0.0.0",
        "[::2]",
        "[::1",
        "::1",
        "localhost:port",
        "localhost:99999",
        "local host",
        "user@localhost",
        "localhost/",
        "1.2.3.4.5",
        "127.0.0.256",
        "4294967296",
        "",
        " ",
    ] {
        let answer = world.call("GET", "/proc", &[&format!("Host: {host}")]).await;
        assert_eq!((answer.status, answer.json()["code"].as_u64()), (403, Some(403)), "{host:?}");
    }
    let absent = world.ask("GET /proc HTTP/1.0\r\n\r\n").await;
    assert_eq!(absent.status, 200);
    let twice = world.call("GET", "/proc", &["Host: localhost", "Host: localhost"]).await;
    assert_eq!(twice.status, 403);
    let absolute = world.call("GET", "http://evil.example/proc", &["Host: localhost"]).await;
    assert_eq!(absolute.status, 403, "an absolute target outranks the header");
    assert_eq!(world.ask("GET /proc HTTP/1.0\r\n\r\n").await.status, 200);
    assert_eq!(world.call("GET", "/healthz", &["Host: evil.example"]).await.status, 200, "public and harmless");
    assert_eq!(world.ask_unix(&head("GET", "/proc", &["Host: whatever"])).await.status, 200, "no browser gets there");
}

#[tokio::test]
async fn a_foreign_host_is_told_from_a_name_where_the_connection_lends_nothing() {
    let world = World::new().await;
    let status = async |path: &str, headers: &[&str]| world.send("POST", path, headers, "{}").await.status;
    let worker = ["Host: tracker.example", "X-Worker-Id: 1", "X-Secret: x"];
    assert_eq!(status("/task/release", &worker).await, 200, "a worker on this host, by whichever name");
    assert_eq!(status("/task/release", &worker[..1]).await, 200, "without a right it comes to nothing");
    assert_eq!(status("/task/release", &["Host: tracker.example", "Cookie: tt=x"]).await, 403, "a cookie is lent");
    let both = ["Host: tracker.example", "Cookie: tt=x", "X-Secret: x"];
    assert_eq!(status("/task/release", &both).await, 403, "also beside a secret, which nobody may have looked at");
    assert_eq!(status("/task/release", &["Origin: http://evil.example"]).await, 403, "another origin still");
    assert_eq!(status("/task/submit", &worker).await, 403, "where the connection counts, an invented secret does not");
}

#[tokio::test]
async fn another_origin_changes_nothing() {
    let world = World::new().await;
    let (host, port) = (format!("Host: 127.0.0.1:{0}", world.at.port()), world.at.port());
    let status = async |header: &str| world.send("POST", "/proc", &[&host, header], "{}").await.status;
    assert_eq!(status(&format!("Origin: http://127.0.0.1:{port}")).await, 200);
    assert_eq!(status("Sec-Fetch-Site: same-origin").await, 200);
    assert_eq!(status("Origin: https://pages.example").await, 200, "in http.cors_origins");
    for foreign in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1",
        "Origin: http://127.0.0.1:1",
        "Origin: http://localhost.evil.example",
        "Origin: https://pages.example.evil.example",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_eq!(status(foreign).await, 403, "{foreign}");
    }
    assert_eq!(status(&format!("Origin: https://127.0.0.1:{port}")).await, 403, "another scheme");
    let read = world.call("GET", "/proc", &["Origin: http://evil.example"]).await;
    assert_eq!(read.status, 200, "the browser keeps the answer from the page");
    assert_eq!(read.header("access-control-allow-origin"), None);
    let public = world.send("POST", "/task/submit", &["Origin: http://evil.example"], "{}").await;
    assert_eq!(public.status, 403, "also where anybody may");
    let worker = ["Origin: http://evil.example", "X-Worker-Id: 1", "X-Secret: x", "Via: 1.1 x"];
    assert_eq!(world.send("POST", "/task/submit", &worker, "{}").await.status, 200, "a secret header proves intent");
    let hook = ["Host: git.example", "Origin: http://evil.example", "Cookie: a=b"];
    assert_eq!(
        world.send("POST", "/git/receivehook", &hook, "{}").await.status,
        200,
        "nothing is lent to what is signed"
    );
}

#[tokio::test]
async fn allowed_origins_may_read_and_ask_before() {
    let world = World::new().await;
    let origin = "Origin: https://pages.example";
    let answer = world.call("GET", "/proc", &[origin]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://pages.example"));
    assert_eq!(answer.header("vary"), Some("Origin"));
    let ask = ["Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: x-thing"];
    let preflight = world.call("OPTIONS", "/proc", &[origin, ask[0], ask[1]]).await;
    assert_eq!(preflight.status, 204);
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("DELETE"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("x-thing"));
    let foreign = world.call("OPTIONS", "/proc", &["Origin: http://evil.example", ask[0], ask[1]]).await;
    assert_eq!(foreign.status, 405);
}

#[tokio::test]
async fn who_forwards_lends_no_identity() {
    let world = World::new().await;
    for header in
        ["Forwarded: for=10.0.0.1", "X-Forwarded-For: 10.0.0.1", "x-forwarded-anything: x", "Via: 1.1 hostler"]
    {
        for answer in
            [world.call("GET", "/proc", &[header]).await, world.ask_unix(&head("GET", "/proc", &[header])).await]
        {
            assert_eq!(answer.status, 401, "{header}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(answer.json()["msg"].as_str().unwrap().contains("forwarded"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_token_stands_for_itself() {
    let world = World::new().await;
    let read = format!("Authorization: Bearer {}", world.parts.token(&[Scope::ProcRead]).await);
    let write = format!("Authorization: Token {}", world.parts.token(&[Scope::ProcWrite]).await);
    assert_eq!(world.call("GET", "/proc", &[&read]).await.status, 200);
    assert_eq!(world.send("POST", "/proc", &[&read], "{}").await.status, 403);
    assert_eq!(world.send("POST", "/proc", &[&write], "{}").await.status, 200);
    assert_eq!(world.send("POST", "/hostler/v1/upgrade", &[&write], "{}").await.status, 403);
    let abroad = [&write, "Host: evil.example", "Origin: http://evil.example", "Forwarded: for=x"];
    assert_eq!(world.send("POST", "/proc", &abroad, "{}").await.status, 200, "the rules are for lent rights");
    let wrong = ["Authorization: Bearer wrong", "Host: evil.example"];
    assert_eq!(world.call("GET", "/proc", &wrong).await.status, 401, "a wrong token is not made good by the peer");
}

#[tokio::test]
async fn refusals_and_changes_are_audited_and_nothing_else() {
    let world = World::new().await;
    world.call("GET", "/proc?name=read", &[]).await;
    world.call("GET", "/proc/nothing", &[]).await;
    world.send("POST", "/proc?name=changed", &[], "{\"secret\":1}").await;
    world.call("GET", "/proc?name=refused", &["Host: evil.example"]).await;
    world.send("POST", "/proc?name=too-big", &[], &"x".repeat(2000)).await;
    let log = world.parts.audited();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            (line["what"].as_str().unwrap(), line["target"].as_str().unwrap(), line["status"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(seen, [("POST /proc", "changed", 200), ("GET /proc", "refused", 403), ("POST /proc", "too-big", 413)]);
    assert!(lines[0]["who"].as_str().unwrap().starts_with("uid "), "{log}");
    assert!(lines[0]["from"].as_str().unwrap().starts_with("127.0.0.1:"), "{log}");
    assert!(!log.contains("secret"), "bodies are not for the log");
}

#[tokio::test]
async fn answers_of_the_caches_family_tell_where_this_host_is() {
    let addresses = ["192.0.2.10", "2001:db8::1"].map(|address| address.parse().unwrap());
    let world = World::with(Settings { server_ips: addresses.to_vec(), ..patient() }, |_| {}).await;
    for (path, status) in [("/healthy", 200), ("/oapi/v1/nothing", 404), ("/api/v1/nothing", 404)] {
        let answer = world.call("GET", path, &[]).await;
        assert_eq!((answer.status, answer.header("x-server-ip")), (status, Some("192.0.2.10, 2001:db8::1")), "{path}");
    }
    assert_eq!(world.call("GET", "/ready", &[]).await.header("x-server-ip"), None);
    let unset = World::new().await;
    assert_eq!(unset.call("GET", "/healthy", &[]).await.header("x-server-ip"), None);
    let foreign = world.call("OPTIONS", "/oapi/v1/jobs", &["Origin: https://elsewhere.example"]).await;
    assert_eq!((foreign.status, foreign.header("access-control-allow-origin")), (204, None));
}
