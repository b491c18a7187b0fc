//! HTTP as clients really speak it: old versions, pipelines, chunks, half-closed sockets, broken lines.

use super::{Answer, BOUND, PROC_END, World, head, say, to_end, until};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

#[tokio::test]
async fn json_needs_no_content_type() {
    let world = World::new().await;
    for content_type in ["Content-Type: application/x-www-form-urlencoded", "X-None: 1"] {
        let answer = world.send("POST", "/proc", &[content_type], "{\"name\": \"a\"}").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["body"], "{\"name\": \"a\"}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn parameters_are_cut_before_they_are_decoded() {
    let world = World::new().await;
    let answer = world.call("GET", "/v1/dagrun/7/task/a%2Fb%20c%25?name=x%20y+z", &[]).await.json();
    assert_eq!(answer["params"], serde_json::json!([["run", "7"], ["task", "a/b c%"]]));
    assert_eq!(answer["name"], "x y+z");
    let answer = world.call("GET", "/hostler/v1/files/a/b%2Fc/d", &[]).await.json();
    assert_eq!(answer["params"], serde_json::json!([["path", "a/b/c/d"]]));
}

#[tokio::test]
async fn http_1_0_is_answered_in_kind_and_closed() {
    let world = World::new().await;
    let bytes = say(world.connect().await, b"GET /proc HTTP/1.0\r\n\r\n").await;
    let answer = Answer::parse(&bytes);
    assert_eq!(answer.status, 200);
    assert!(answer.head.starts_with("HTTP/1.0 "), "{answer:?}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let world = World::new().await;
    let first = "GET /proc?name=first HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let second = "POST /proc?name=second HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody";
    let last = head("GET", "/nope", &[]);
    let bytes = say(world.connect().await, format!("{first}{second}{last}").as_bytes()).await;
    let text = String::from_utf8(bytes).unwrap();
    let places = ["\"name\":\"first\"", "\"name\":\"second\"", "Not found"].map(|mark| text.find(mark).unwrap());
    assert!(places.is_sorted(), "{text}");
    assert_eq!(text.matches("HTTP/1.1 ").count(), 3);
}

#[tokio::test]
async fn a_body_may_come_in_chunks() {
    let world = World::new().await;
    let request = head("POST", "/proc", &["Transfer-Encoding: chunked"]) + "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    assert_eq!(world.ask(&request).await.json()["body"], "abcde");
    let broken = head("POST", "/proc", &["Transfer-Encoding: chunked"]) + "3\r\nabc\r\nzz\r\n";
    let answer = world.ask(&broken).await;
    assert_eq!((answer.status, answer.json()["code"].as_u64()), (400, Some(400)));
}

#[tokio::test]
async fn a_client_that_asks_is_told_to_continue() {
    let world = World::new().await;
    let mut stream = world.connect().await;
    let ask = head("POST", "/proc", &["Content-Length: 4", "Expect: 100-continue"]);
    stream.write_all(ask.as_bytes()).await.unwrap();
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 100 "));
    stream.write_all(b"body").await.unwrap();
    assert_eq!(Answer::parse(&to_end(&mut stream).await).json()["body"], "body");
}

#[tokio::test]
async fn a_client_is_not_told_to_continue_in_vain() {
    let world = World::new().await;
    let mut stream = world.connect().await;
    let ask = head("POST", "/proc", &["Content-Length: 5000", "Expect: 100-continue"]);
    stream.write_all(ask.as_bytes()).await.unwrap();
    let answer = Answer::parse(&to_end(&mut stream).await);
    assert_eq!((answer.status, answer.json()["code"].as_u64()), (413, Some(413)));
}

#[tokio::test]
async fn a_client_may_close_its_sending_side() {
    let world = World::new().await;
    // Over TCP the kernel must be asked first: it does not tell who a client that has closed was.
    let mut tcp = world.connect().await;
    let request = b"GET /proc HTTP/1.1\r\nHost: localhost\r\n\r\n";
    tcp.write_all(request).await.unwrap();
    until(&mut tcp, PROC_END).await;
    tcp.write_all(request).await.unwrap();
    tcp.shutdown().await.unwrap();
    assert_eq!(Answer::parse(&to_end(&mut tcp).await).status, 200);
    let mut unix = UnixStream::connect(&world.socket).await.unwrap();
    unix.write_all(b"GET /proc HTTP/1.1\r\n\r\n").await.unwrap();
    unix.shutdown().await.unwrap();
    assert_eq!(Answer::parse(&to_end(&mut unix).await).status, 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let world = World::new().await;
    let mut stream = UnixStream::connect(&world.socket).await.unwrap();
    stream.write_all((head("POST", "/proc", &["Content-Length: 10"]) + "half").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = Answer::parse(&to_end(&mut stream).await);
    assert_eq!((answer.status, answer.json()["msg"].as_str()), (400, Some("the body broke off")));
}

#[tokio::test]
async fn what_is_not_http_is_a_400_and_the_next_client_is_served() {
    let world = World::new().await;
    for request in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET /a\0b HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nNul: a\0b\r\n\r\n",
        b"G@T / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/7.5\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: nine\r\n\r\n",
        b"POST /proc HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS \r\n\r\n",
    ] {
        let answer = Answer::parse(&say(world.connect().await, request).await);
        assert_eq!(answer.status, 400, "{:?}", String::from_utf8_lossy(request));
    }
    // A blank line before a request is allowed (RFC 9112, 2.2).
    let blank = say(world.connect().await, format!("\r\n\r\n{}", head("GET", "/proc", &[])).as_bytes()).await;
    assert_eq!(Answer::parse(&blank).status, 200);
}

#[tokio::test]
async fn a_name_with_nul_is_a_name_like_another() {
    let world = World::new().await;
    assert_eq!(world.call("GET", "/proc/%00", &[]).await.status, 404);
    assert_eq!(world.call("GET", "/v1/dagrun/%00/task/x", &[]).await.json()["params"][0][1], "\0");
}

#[tokio::test]
async fn a_handler_that_panics_is_a_500_without_the_cause() {
    let world = World::new().await;
    let answer = world.call("GET", "/hostler/v1/panic?now", &[]).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json(), serde_json::json!({ "error": "internal error", "code": "internal" }));
    assert_eq!(world.call("GET", "/hostler/v1/panic", &[]).await.status, 204);
}

#[tokio::test]
async fn draining_answers_what_is_in_hand_and_closes_the_rest() {
    let world = World::new().await;
    let mut idle = world.connect().await;
    idle.write_all(b"GET /proc HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    until(&mut idle, PROC_END).await;
    let mut busy = world.connect().await;
    let ask =
        head("POST", "/proc", &["Content-Length: 4", "Expect: 100-continue"]).replace("Connection: close\r\n", "");
    busy.write_all(ask.as_bytes()).await.unwrap();
    until(&mut busy, "100 Continue\r\n\r\n").await;
    let mut stream = world.connect().await;
    stream.write_all(head("GET", "/hostler/v1/endless", &[]).as_bytes()).await.unwrap();
    until(&mut stream, "first").await;
    assert_eq!(world.server.connections(), 3);

    let clients = async {
        assert_eq!(to_end(&mut idle).await, b"", "an idle connection closes");
        assert_eq!(to_end(&mut stream).await, b"\r\n0\r\n\r\n", "a stream ends properly");
        busy.write_all(b"body").await.unwrap();
        let answer = Answer::parse(&to_end(&mut busy).await);
        assert_eq!(answer.json()["body"], "body", "a request in hand is answered");
    };
    let (left, ()) = tokio::join!(world.server.drain(BOUND), clients);
    assert_eq!(left, 0);
    assert!(tokio::net::TcpStream::connect(world.at).await.is_err(), "nothing listens any more");
}
