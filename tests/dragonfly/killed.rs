//! Case 75: the core, or the keeper, is killed while ten files are fetched. The job ends by itself, finished pieces are
//! not fetched again, and whoever reads meanwhile gets a whole file or an error.

use super::*;
use crate::cast::cached;
use crate::origin::pieces;
use crate::support::http::Target;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const FILES: u64 = 10;

/// Ten files of three pieces, of which 0, 1 or 2 may come; their URLs and gates.
struct Ten {
    origin: Origin,
    urls: Vec<String>,
    gates: Vec<Gate>,
}

fn path(n: u64) -> String {
    format!("/ten/{n}")
}

/// How many pieces of a file come before the kill.
fn finished(n: u64) -> u64 {
    n % 3
}

impl Ten {
    fn lay_out() -> Ten {
        let origin = Origin::start();
        // A bit of the next piece comes, too: it is to be forgotten, not to be taken for the whole.
        let gates: Vec<Gate> = (0..FILES).map(|n| Gate::at(finished(n) * FULL_PIECE + 70_000)).collect();
        let lay = |(n, gate): (u64, &Gate)| origin.put(&path(n), pieces(3, n).behind(gate));
        let urls = (0..FILES).zip(&gates).map(lay).collect();
        Ten { origin, urls, gates }
    }

    /// Preheats all of them and waits until all that may come has come, and is written down.
    #[track_caller]
    fn begin(&self, cache: &Cache) -> Value {
        let job = cache.job("preheat", json!({"type": "file", "urls": self.urls, "concurrent_task_count": 10}));
        for (n, url) in (0..).zip(&self.urls) {
            cache.has_pieces(url, finished(n));
        }
        until("the origin has sent what it may", SOON, || {
            let sent = |n: u64| self.origin.server().bytes(&path(n)) == finished(n) * FULL_PIECE + 70_000;
            (0..FILES).all(sent).then_some(())
        });
        // Writes are in order: what was seen before an answer that is durable is durable with it.
        let patch = Request::new("PATCH", &format!("/oapi/v1/jobs/{}", job["id"])).json(&json!({"bio": "ten"}));
        cache.client().send(patch).expect(200);
        job
    }

    /// Lets everything pass, waits for the job, and looks at what was fetched.
    #[track_caller]
    fn end(&self, cache: &Cache, job: &Value) {
        self.gates.iter().for_each(Gate::open);
        let job = cache.poll_within(Duration::from_secs(30), job);
        assert_eq!(warmed(&job), self.urls, "{job}");
        assert_eq!(job["bio"], "ten", "{job}");
        for (n, url) in (0..).zip(&self.urls) {
            assert!(cache.bytes(&id_of(url, "", "", None)) == whole(n), "{url}");
            let asked = self.origin.seen(&path(n));
            assert!(asked.len() >= 2, "{asked:?}");
            for seen in asked.iter().skip(1).filter(|_| finished(n) > 0) {
                let from = seen.ask.range_start();
                assert!(from >= Some(finished(n) * FULL_PIECE), "finished pieces were fetched again: {seen:?}");
            }
        }
    }
}

fn whole(n: u64) -> Vec<u8> {
    pieces(3, n).bytes.to_vec()
}

/// Reads the same file again and again; what is told to be whole is compared.
struct Reader {
    over: Arc<AtomicBool>,
    good: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Reader {
    fn of(url: &str, n: u64, proxy: SocketAddr) -> Reader {
        let (over, good): (Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
        let (stop, count, url) = (Arc::clone(&over), Arc::clone(&good), url.to_owned());
        let thread = thread::spawn(move || {
            let (client, expected) = (Client::new(Target::Tcp(proxy)), whole(n));
            while !stop.load(Ordering::SeqCst) {
                match client.try_send(cached(&url)) {
                    // Refused, or broken off: nothing was promised.
                    Err(_) => thread::park_timeout(millis(5)),
                    Ok(answer) if answer.status == 200 => {
                        assert!(answer.body == expected, "{} bytes that are not the file", answer.body.len());
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(answer) => assert!(answer.status >= 500, "{}", answer.status),
                }
            }
        });
        Reader { over, good, thread: Some(thread) }
    }

    /// Waits until it has got the file once, and ends it.
    #[track_caller]
    fn end(mut self) {
        until("a reader has the whole file", SOON, || (self.good.load(Ordering::SeqCst) > 0).then_some(()));
        self.over.store(true, Ordering::SeqCst);
        self.thread.take().expect("a thread").join().expect("it has seen nothing but the file");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

#[test]
fn case_75_a_preheat_goes_on_after_its_core_was_killed() {
    let (mut cache, ten) = (Cache::start(), Ten::lay_out());
    let job = ten.begin(&cache);
    let readers: Vec<_> =
        [1, 5].map(|n: u64| Reader::of(&ten.urls[n as usize], n, cache.proxy_address())).into_iter().collect();
    cache.daemon.kill_core();
    cache.daemon.await_ready();
    // Not complete, and not said to be.
    for url in &ten.urls {
        let peers = cache.peers(json!({"url": url}));
        assert!(peers.iter().all(|peer| peer["IsFinished"] == false), "{peers:?}");
    }
    ten.end(&cache, &job);
    readers.into_iter().for_each(Reader::end);
}

#[test]
fn case_75_a_preheat_goes_on_after_its_keeper_was_killed() {
    let (mut cache, ten) = (Cache::start(), Ten::lay_out());
    let job = ten.begin(&cache);
    cache.daemon.kill_keeper();
    cache.daemon.launch();
    ten.end(&cache, &job);
}

#[test]
fn case_75_a_preheat_goes_on_after_a_stop() {
    let (mut cache, ten) = (Cache::start(), Ten::lay_out());
    let job = ten.begin(&cache);
    cache.daemon.restart();
    ten.end(&cache, &job);
}

#[test]
fn case_75_a_job_with_secrets_ends_with_a_reason() {
    let (mut cache, origin, gate) = (Cache::start(), Origin::start(), Gate::at(1));
    let url = origin.put("/secret", File::of_size(5000, 1).only("Bearer secret").behind(&gate));
    let args = json!({"type": "file", "url": url, "headers": {"Authorization": "Bearer secret"}});
    let job = cache.job("preheat", args);
    until("it is at work", SOON, || (origin.server().bodies("/secret") == 1).then_some(()));
    cache.daemon.kill_core();
    cache.daemon.await_ready();
    let job = cache.poll(&job);
    assert_eq!(job["state"], "FAILURE", "{job}");
    assert!(!text(&part(&job)["error"]).is_empty(), "{job}");
}

#[test]
fn what_was_answered_as_removed_stays_removed() {
    let (mut cache, origin) = (Cache::start(), Origin::start());
    let urls: Vec<String> = (0..8).map(|n| origin.put(&format!("/gone/{n}"), File::of_size(1000, n))).collect();
    for url in &urls {
        cache.preheat(url, json!({}));
    }
    for url in &urls[..4] {
        cache.operator().delete(&format!("/oapi/v1/tasks/{}", id_of(url, "", "", None))).expect(200);
    }
    cache.daemon.kill_core();
    cache.daemon.await_ready();
    for (n, url) in urls.iter().enumerate() {
        let exists = cache.file(&id_of(url, "", "", None)).exists();
        assert_eq!((exists, cache.peers(json!({"url": url})).len()), (n >= 4, usize::from(n >= 4)), "{url}");
    }
}
