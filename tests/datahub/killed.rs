//! The core, or the keeper, is killed while files are published, replaced and removed: what was answered is so, and
//! nothing is half there.

use super::*;
use crate::support::chance::{Dice, let_pass};
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// How many publish at once, how many tags each of them has, and how often somebody is killed meanwhile.
const WORKERS: u64 = 4;
const TAGS: u64 = 6;
const KILLS: usize = 5;

/// What may be known of a tag: the digest of its file, or that it is not there.
type State = Option<String>;

/// What a worker was told of one of his tags.
struct Known {
    told: State,
    /// What he asked for after that without hearing the end of it.
    perhaps: Vec<State>,
}

/// What came back as a whole; none where the daemon was killed on the way, or is not there yet.
fn heard(client: &Client, request: Request) -> Option<Answer> {
    let answer = client.try_send(request).ok()?;
    (answer.status < 500 && serde_json::from_slice::<Value>(&answer.body).is_ok()).then_some(answer)
}

/// Publishes, replaces and removes his own tags until it is over. Every file has a name of its own, and its content.
fn work(cast: &Cast, client: &Client, me: u64, over: &AtomicBool, done: &AtomicUsize) -> BTreeMap<String, Known> {
    let mut dice = Dice(me + 1);
    let mut known = BTreeMap::new();
    for n in 0_u64.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let tag = format!("w{me}-{}", dice.below(TAGS));
        let known = known.entry(tag.clone()).or_insert_with(|| Known { told: None, perhaps: Vec::new() });
        let path = format!("/api/repositories/weather/rain/{tag}");
        let removes = dice.below(4) == 0;
        let (wanted, request) = if removes {
            (None, Request::new("DELETE", &path))
        } else {
            let file = format!("{me}-{n}.bin");
            let content = format!("{me} {n} {}", "z".repeat(dice.below(2000) as usize));
            fs::write(cast.file(&file), &content).expect("a file");
            let body = json!({"detail": file, "replace": true});
            (Some(sha256(content.as_bytes())), Request::new("POST", &path).json(&body))
        };
        match heard(client, request) {
            None => known.perhaps.push(wanted),
            Some(answer) => {
                let expected: &[u16] = if removes { &[200, 404] } else { &[200] };
                assert!(expected.contains(&answer.status), "{tag}: {}", answer.text());
                *known = Known { told: wanted, perhaps: Vec::new() };
                done.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    known
}

/// All tags that there are, each whole.
#[track_caller]
fn there(cast: &Cast) -> BTreeMap<String, String> {
    let item = data(cast.alice().get("/api/repositories/weather/rain"));
    let names: Vec<&str> = list(&item["taglist"]).iter().map(|tag| text(&tag["tag"])).collect();
    assert_eq!(item["tags"], names.len(), "{item}");
    let whole = |name: &str| {
        let tag = cast.tag(name);
        let content = fs::read(cast.file(text(&tag["detail"]))).expect("its file");
        assert_eq!((&tag["size"], &tag["sha256"]), (&json!(content.len()), &json!(sha256(&content))), "{tag}");
        assert_eq!(tag["status"], "NORMAL", "{tag}");
        (name.to_owned(), sha256(&content))
    };
    names.into_iter().map(whole).collect()
}

#[track_caller]
fn compare(cast: &Cast, told: &BTreeMap<String, Known>) {
    cast.tags_become(SOON, "", normal());
    let there = there(cast);
    for (tag, known) in told {
        let state = there.get(tag).cloned();
        let right = state == known.told || known.perhaps.contains(&state);
        assert!(right, "{tag} is {state:?}, and it was {:?}, perhaps {:?}", known.told, known.perhaps);
    }
    for tag in there.keys() {
        assert!(told.contains_key(tag), "{tag} came from nowhere");
    }
}

/// An item without any tags.
#[track_caller]
fn empty_item() -> Cast {
    let cast = Cast::empty(&Settings::default());
    cast.make_pool(&cast.alice(), "p1");
    cast.make_item(&cast.alice(), "weather/rain", "p1", "rain", "public");
    cast
}

/// Lets all work while `harm` is done again and again; what they were told.
#[track_caller]
fn under_fire(cast: &Cast, harm: impl Fn()) -> BTreeMap<String, Known> {
    let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = cast.alice();
    thread::scope(|scope| {
        let (client, over, done) = (&client, &over, &done);
        let workers: Vec<_> = (0..WORKERS).map(|me| scope.spawn(move || work(cast, client, me, over, done))).collect();
        let _stop = OnDrop(over);
        let mut dice = Dice(19);
        for _ in 0..KILLS {
            let before = done.load(Ordering::SeqCst);
            until("more is published", Duration::from_secs(30), || {
                (done.load(Ordering::SeqCst) > before + 20).then_some(())
            });
            let_pass(millis(dice.below(40)));
            harm();
        }
        drop(_stop);
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    })
}

/// Ends the workers, also when the test fails.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn what_was_published_stays_although_the_core_is_killed() {
    let mut cast = empty_item();
    let told = under_fire(&cast, || _ = cast.daemon.kill_core());
    cast.daemon.await_ready();
    compare(&cast, &told);
    cast.daemon.kill_keeper();
    cast.daemon.launch();
    compare(&cast, &told);
}

#[test]
fn what_was_published_stays_although_the_keeper_is_killed() {
    let mut cast = empty_item();
    let told = {
        // The last kill takes both; the workers meet a closed port from then on.
        let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
        let client = cast.alice();
        let (keeper, core) = (cast.daemon.keeper_pid(), cast.daemon.core_pid().expect("a core"));
        thread::scope(|scope| {
            let (cast, client, over, done) = (&cast, &client, &over, &done);
            let workers: Vec<_> =
                (0..WORKERS).map(|me| scope.spawn(move || work(cast, client, me, over, done))).collect();
            let _stop = OnDrop(over);
            until("something is published", Duration::from_secs(30), || {
                (done.load(Ordering::SeqCst) > 40).then_some(())
            });
            support::process::signal(keeper, nix::sys::signal::Signal::SIGKILL);
            until("the core ends with it", SOON, || (!support::process::alive(core)).then_some(()));
            drop(_stop);
            workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect::<BTreeMap<_, _>>()
        })
    };
    cast.daemon.kill_keeper();
    cast.daemon.launch();
    compare(&cast, &told);
}

#[test]
fn lines_flags_and_entrypoints_that_were_answered_stay() {
    let mut cast = Cast::start();
    let id = cast.silence_bob();
    for round in 0..6 {
        let line = format!("2024/03/05 09:10:41 round {round}");
        ok(cast.beat(&json!({"daemonid": id, "entrypoint": null, "log": [format!("{line}\n")]})));
        let entrypoint = format!("http://round-{round}.test:4040");
        ok(cast.bob().post("/api/ep", &json!({"entrypoint": entrypoint})));
        cast.serving(&cast.alice(), "alice", round % 2 == 1);
        let before = cast.ring(&cast.bob());
        if round % 3 == 2 {
            cast.daemon.kill_keeper();
            cast.daemon.launch();
        } else {
            cast.daemon.kill_core();
            cast.daemon.await_ready();
        }
        assert_eq!(cast.daemonid(&cast.bob()), id);
        assert_eq!(cast.entrypoints(&cast.bob()), [entrypoint]);
        let serving = data(cast.alice().get("/api/users/alice"))["serving"].take();
        assert_eq!(serving, json!(round % 2 == 1), "round {round}");
        assert_eq!(data(cast.bob().get("/api/users/bob"))["serving"], false);
        let after = cast.ring(&cast.bob());
        assert!(after.ends_with(&before), "round {round}: lines are lost of {before:#?}: {after:#?}");
        assert_eq!(after.iter().filter(|one| **one == line).count(), 1, "{after:#?}");
        assert_eq!(bare(cast.tags("")), normal());
    }
    // Whoever serves again is online again.
    cast.status_becomes(SOON, &cast.alice(), "online");
}

#[test]
fn pools_repositories_and_items_that_were_answered_stay() {
    let mut cast = Cast::empty(&Settings::default());
    let alice = |cast: &Cast| cast.alice();
    for round in 0..4 {
        let (pool, rep) = (format!("pool{round}"), format!("rep{round}"));
        cast.make_pool(&alice(&cast), &pool);
        cast.make_item(&alice(&cast), &format!("{rep}/item"), &pool, "", "public");
        cast.daemon.kill_core();
        cast.daemon.await_ready();
        assert_eq!(data(alice(&cast).get("/api/datapools"))["total"], round + 1);
        fs::write(cast.pool(&pool).join("item/f"), "f").expect("a file");
        cast.publish(&alice(&cast), &format!("{rep}/item/f"), "f");
        cast.daemon.kill_core();
        cast.daemon.await_ready();
        assert_eq!(data(alice(&cast).get(&format!("/api/repositories/{rep}/item/f")))["status"], "NORMAL");
    }
    for round in 0..4 {
        let (pool, rep) = (format!("pool{round}"), format!("rep{round}"));
        for path in [
            format!("/api/repositories/{rep}/item"),
            format!("/api/repositories/{rep}"),
            format!("/api/datapools/{pool}"),
        ] {
            ok(alice(&cast).delete(&path));
            cast.daemon.kill_core();
            cast.daemon.await_ready();
            assert_eq!(alice(&cast).get(&path).status, 404, "{path} is there again");
        }
    }
    assert_eq!(data(alice(&cast).get("/api/repositories")), json!([]));
}
