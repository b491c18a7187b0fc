//! How long a pull is tried, and secrets that come late.

use super::course::Pauses;
use super::*;
use crate::cache::origin::{self, Origins};
use crate::hub::model::{EntryPoint, ItemName, RepName, TagName, TagNo};
use hyper::HeaderMap;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[test]
fn pauses_double_and_end_after_a_day() {
    let (mut pauses, start) = (Pauses::default(), Instant::now());
    let seconds: Vec<u64> = (0..8).map(|_| pauses.next(start, 0).unwrap().as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(pauses.next(start + day - Duration::from_secs(1), 0), Some(Duration::from_secs(60)));
    assert_eq!(pauses.next(start + day, 0), None);
}

#[test]
fn whatever_comes_is_a_new_beginning() {
    let (mut pauses, start) = (Pauses::default(), Instant::now());
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(pauses.next(start, 0), Some(Duration::from_secs(1)));
    assert_eq!(pauses.next(start, 0), Some(Duration::from_secs(2)));
    assert_eq!(pauses.next(start + day, 5), Some(Duration::from_secs(1)), "bytes have come");
    assert_eq!(pauses.next(start + day, 5), Some(Duration::from_secs(2)));
    assert_eq!(pauses.next(start + day + day, 5), None);
}

#[tokio::test]
async fn a_secret_may_come_after_its_job() {
    let (pulls, id) = (Pulls::default(), JobId(7));
    let waiting = {
        let pulls = pulls.clone();
        tokio::spawn(async move { pulls.secret(id).await })
    };
    tokio::task::yield_now().await;
    pulls.keep_secret(JobId(8), Secret::new("another"));
    pulls.keep_secret(id, Secret::new("this"));
    assert_eq!(timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().expose(), "this");
    pulls.stop(id);
    assert!(lock(&pulls.0.secrets).get(&id).is_none() && pulls.bytes(id).is_none());
}

fn job() -> Job {
    Job {
        id: JobId(7),
        owner: 1,
        kind: JobKind::Publish(TagNo(1)),
        rep: RepName::new("we ather").unwrap(),
        item: ItemName::new("雨%").unwrap(),
        tag: TagName::new("t?1").unwrap(),
        state: JobState::Queued,
        size: None,
        made: crate::base::Wall::UNIX_EPOCH,
        over: None,
    }
}

#[test]
fn names_are_one_segment_each() {
    let from = EntryPoint::new("http://192.0.2.1:35800").unwrap();
    let url = source::url(&from, &job()).unwrap();
    assert_eq!(url.as_str(), "http://192.0.2.1:35800/pull/we%20ather/%E9%9B%A8%25/t%3F1");
}

/// A source that answers every request with the same text and keeps what it was asked.
async fn double(answer: String) -> (EntryPoint, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let from = EntryPoint::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let head = answer.split_once("\r\n\r\n").map_or(answer.as_str(), |(head, _)| head);
            let said = if request.starts_with("HEAD") { format!("{head}\r\n\r\n") } else { answer.clone() };
            lock(&seen).push(request);
            let _ = stream.write_all(said.as_bytes()).await;
        }
    });
    (from, asked)
}

fn origins() -> Origins {
    Origins::new(origin::Settings {
        allow_loopback: true,
        own: Vec::new(),
        connect_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(10),
        registries: Vec::new(),
    })
    .unwrap()
}

#[tokio::test]
async fn a_source_is_asked_before_anything_is_fetched() {
    let md5 = "ab".repeat(16);
    let head = format!("HTTP/1.1 200 OK\r\nX-Source-MD5: {md5}\r\nX-Source-FileSize: 5\r\nContent-Length: 5\r\n");
    let (from, asked) = double(format!("{head}Connection: close\r\n\r\nhello")).await;
    let url = source::url(&from, &job()).unwrap();
    let said = source::ask(&origins(), &url, &source::proof(Some("abc")).unwrap()).await.unwrap();
    assert_eq!((said.size, said.md5, said.sha256), (5, Some([0xab; 16]), None));
    let asked = lock(&asked).clone();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("HEAD /pull/") && asked[0].to_lowercase().contains("authorization: token abc"));
}

#[tokio::test]
async fn the_words_of_a_refusal_are_asked_for() {
    let body = r#"{"code":1010,"msg":"the file has changed"}"#;
    let text = format!("HTTP/1.1 409 Conflict\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let (from, _) = double(text).await;
    let url = source::url(&from, &job()).unwrap();
    let no = source::ask(&origins(), &url, &HeaderMap::new()).await.unwrap_err();
    assert_eq!(no, Trouble::Lasting("the source answers 409 Conflict: the file has changed".to_owned()));
}

#[tokio::test]
async fn a_source_that_is_not_there_may_come_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let from = EntryPoint::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let url = source::url(&from, &job()).unwrap();
    assert!(matches!(source::ask(&origins(), &url, &HeaderMap::new()).await, Err(Trouble::Passing(_))));
}
