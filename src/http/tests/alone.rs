//! A listener behind which there is one family alone, over the wire.

use super::{Answer, Parts, head, patient, route, say};
use crate::http::{Access, Bound, Cx, Failure, Family, Listener, Reply, Route, Server, Settings, handler};
use hyper::Method;

/// A listener of the hub's alone: a file that is sent, and one that is only asked after.
async fn listener_of_its_own(parts: &Parts) -> (Server, std::net::SocketAddr) {
    let file = || route("GET", "/pull/{item}", Family::Hub, Access::Public, false);
    let sent = |length: usize, reply: Reply| reply.header(hyper::header::CONTENT_LENGTH, length.into());
    let get = handler(move |_| async move {
        let pieces = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"he")), Ok("llo".into())]);
        Ok::<_, Failure>(sent(5, Reply::finite("application/octet-stream", pieces)))
    });
    let head = handler(move |cx: Cx| async move {
        assert_eq!(cx.method, Method::HEAD);
        Ok::<_, Failure>(sent(5, Reply::empty()))
    });
    let routes = vec![
        Route { handler: get, ..file() },
        Route { method: Method::HEAD, handler: head, ..file() },
        Route { path: "/", ..file() },
    ];
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = tcp.local_addr().unwrap();
    let settings = Settings { only: Some(Family::Hub), ..patient() };
    let listeners = vec![Listener { name: at.to_string(), bound: Bound::Tcp(tcp) }];
    (Server::start(routes, settings, parts.services.clone(), listeners).await.unwrap(), at)
}

#[tokio::test]
async fn a_listener_of_one_family_knows_no_other() {
    let parts = Parts::new();
    let (_server, at) = listener_of_its_own(&parts).await;
    let ask = async |method: &str, path: &str| {
        let stream = tokio::net::TcpStream::connect(at).await.unwrap();
        Answer::parse(&say(stream, head(method, path, &[]).as_bytes()).await)
    };
    let got = ask("GET", "/pull/a").await;
    assert_eq!((got.status, got.header("content-length"), got.body.as_str()), (200, Some("5"), "hello"));
    let asked = ask("HEAD", "/pull/a/").await;
    assert_eq!((asked.status, asked.header("content-length"), asked.body.as_str()), (200, Some("5"), ""));
    assert_eq!(ask("GET", "/").await.status, 200);
    for path in ["/metrics", "/proc", "/v1/dagruns", "/nothing", "/pull"] {
        let no = ask("GET", path).await;
        assert_eq!((no.status, &no.json()["code"]), (404, &serde_json::json!(1404)), "{path}");
    }
    let no = ask("DELETE", "/pull/a").await;
    assert_eq!((no.status, no.header("allow"), &no.json()["code"]), (405, Some("GET, HEAD"), &serde_json::json!(1003)));
}
