//! Entry points that answer well, badly, too much and not at all.

use super::*;
use crate::cache::origin;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A host that answers everybody with the same bytes, and counts them.
struct Double {
    at: SocketAddr,
    came: Arc<AtomicUsize>,
}

impl Double {
    /// `hold`: the connection stays open after the answer.
    async fn start(answer: Vec<u8>, hold: bool) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let double = Double { at: listener.local_addr().unwrap(), came: Arc::default() };
        let came = double.came.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                came.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut request = [0; 2048];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(&answer).await;
                    if hold {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        double
    }

    async fn text(status: &str, headers: &str, body: &str) -> Double {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        Double::start(text.into_bytes(), false).await
    }

    async fn healthy(daemon: &DaemonId) -> Double {
        let body = format!("{{\"daemonid\":\"{}\",\"entrypoint\":null,\"role\":0}}", daemon.expose());
        Double::text("200 OK", "", &body).await
    }

    fn entry(&self) -> EntryPoint {
        EntryPoint::new(&format!("http://{}", self.at)).unwrap()
    }

    fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }
}

fn reach(own: Vec<SocketAddr>) -> Reach {
    let origins = Origins::new(origin::Settings {
        allow_loopback: true,
        own: own.clone(),
        connect_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(10),
        registries: Vec::new(),
    });
    let own = own.into_iter().map(|address| (address, false)).collect();
    Reach::new(origins.unwrap(), DataThread::default(), own, Duration::from_secs(30))
}

fn id() -> DaemonId {
    DaemonId::of([0xab; 20])
}

#[tokio::test]
async fn who_answers_for_the_daemon_is_asked_once_in_a_while() {
    let (reach, double) = (reach(Vec::new()), Double::healthy(&id()).await);
    assert_eq!(reach.latest(&double.entry(), &id()), None);
    assert!(reach.probe(&double.entry(), &id()).await);
    assert!(reach.probe(&double.entry(), &id()).await);
    assert_eq!((double.came(), reach.latest(&double.entry(), &id())), (1, Some(true)));
    let other = DaemonId::of([1; 20]);
    assert!(!reach.probe(&double.entry(), &other).await, "it answers for somebody else");
    assert!(!reach.probe(&double.entry(), &other).await);
    assert_eq!((double.came(), reach.latest(&double.entry(), &other)), (3, Some(false)), "what is bad is asked again");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Double::healthy(&id()).await;
    let location = format!("Location: http://{}/health\r\n", target.at);
    let double = Double::text("302 Found", &location, "").await;
    assert!(!reach(Vec::new()).probe(&double.entry(), &id()).await);
    assert_eq!((double.came(), target.came()), (1, 0));
}

#[tokio::test]
async fn other_answers_are_none() {
    let reach = reach(Vec::new());
    let good = format!("{{\"daemonid\":\"{}\"}}", id().expose());
    for (status, body) in [
        ("404 Not Found", good.clone()),
        ("200 OK", "hello".to_owned()),
        ("200 OK", format!("{good}{}", " ".repeat(5000))),
    ] {
        let double = Double::text(status, "", &body).await;
        assert!(!reach.probe(&double.entry(), &id()).await, "{status} {} bytes", body.len());
    }
}

#[tokio::test]
async fn who_says_nothing_or_too_much_is_left_in_time() {
    let reach = reach(Vec::new());
    let silent = Double::start(Vec::new(), true).await;
    let endless = [b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_vec(), vec![b' '; 100_000]].concat();
    let endless = Double::start(endless, true).await;
    let (first, second) = (silent.entry(), endless.entry());
    let id = id();
    let answers = tokio::join!(reach.probe(&first, &id), reach.probe(&second, &id));
    assert_eq!(answers, (false, false));
}

#[tokio::test]
async fn an_own_address_is_asked_over_its_socket() {
    let double = Double::healthy(&id()).await;
    let reach = reach(vec![double.at]);
    assert!(reach.beat(&id()).await);
    assert!(!reach.beat(&DaemonId::of([1; 20])).await);
    assert!(reach.probe(&double.entry(), &id()).await, "origins would refuse to connect");
    let by_name = EntryPoint::new(&format!("http://localhost:{}", double.at.port())).unwrap();
    assert!(reach.probe(&by_name, &id()).await);
    let https = EntryPoint::new(&format!("https://{}", double.at)).unwrap();
    assert!(!reach.probe(&https, &id()).await, "it does not speak so");
    assert_eq!(reach.own(), [double.entry()]);
}

#[tokio::test]
async fn without_a_listener_a_beat_needs_no_answer() {
    let reach = reach(Vec::new());
    assert!(reach.beat(&id()).await && reach.own().is_empty());
}

#[tokio::test]
async fn a_fact_is_what_is_answered_well() {
    let reach = reach(Vec::new());
    let (good, bad) = (Double::text("204 No Content", "", "").await, Double::text("503 Busy", "", "").await);
    let moved = Double::text("302 Found", &format!("Location: http://{}/x\r\n", good.at), "").await;
    assert_eq!(reach.get(&format!("http://{}/x", good.at)).await, Ok(()));
    assert_eq!(reach.get(&format!("http://{}/x", moved.at)).await, Ok(()));
    let why = reach.get(&format!("http://{}/x", bad.at)).await.unwrap_err();
    assert!(why.contains("503"), "{why}");
    assert!(reach.get("nonsense").await.is_err());
    let own = super::tests::reach(vec![good.at]).get(&format!("http://{}/x", good.at)).await;
    assert!(own.is_err(), "nothing here is fetched from this daemon itself");
}
