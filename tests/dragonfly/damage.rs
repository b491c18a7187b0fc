//! What is on disk is not what it was, or cannot be read or written: found, said, and healed or refused; never served.

use super::*;
use crate::cast::cached;
use crate::disk::{Disk, MIB, own_mounts};
use crate::origin::pieces;
use crate::support::server::Seen;
use nix::mount::MsFlags;
use std::fs::{self, File as Handle};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A stopped daemon that had a file of three pieces complete; the file's URL and id.
fn holding() -> (Cache, Origin, String, String) {
    let (mut cache, origin) = (Cache::start(), Origin::start());
    let url = origin.put("/held", pieces(3, 21));
    cache.preheat(&url, json!({}));
    cache.daemon.stop();
    let id = id_of(&url, "", "", None);
    (cache, origin, url, id)
}

fn held() -> Vec<u8> {
    pieces(3, 21).bytes.to_vec()
}

/// Turns one bit of a file around.
#[track_caller]
fn flip(file: &Path, at: u64) {
    let file = Handle::options().read(true).write(true).open(file).expect("the content");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x10], at).expect("a byte");
}

/// The daemon has said something about this task.
#[track_caller]
fn said(cache: &Cache, id: &str) {
    until("it is said in the log", SOON, || {
        cache.daemon.stderr().lines().any(|line| line.contains(id) || line.contains("/held")).then_some(())
    });
}

/// Where the requests after the first began.
fn refetched(origin: &Origin) -> Vec<Option<u64>> {
    again(origin).iter().map(|seen| seen.ask.range_start()).collect()
}

/// The requests after the first that brought bytes.
fn again(origin: &Origin) -> Vec<Seen> {
    origin.seen("/held").into_iter().skip(1).filter(|seen| seen.sent() > 0).collect()
}

#[test]
fn a_flipped_bit_is_found_and_its_piece_fetched_again() {
    let (mut cache, origin, url, id) = holding();
    flip(&cache.file(&id), FULL_PIECE + 1234);
    cache.launch();
    assert!(cache.through(&url).expect(200).body == held());
    assert_eq!(refetched(&origin), [Some(FULL_PIECE)]);
    assert!(again(&origin)[0].sent() <= FULL_PIECE + (1 << 20), "more than the piece");
    said(&cache, &id);
    assert!(cache.through(&url).expect(200).body == held());
    assert_eq!(refetched(&origin).len(), 1);
    assert!(cache.bytes(&id) == held(), "not healed");
}

#[test]
fn a_flipped_bit_in_a_read_range_is_found() {
    let (mut cache, _origin, url, id) = holding();
    flip(&cache.file(&id), FULL_PIECE - 1);
    cache.launch();
    let range = format!("bytes={}-{}", FULL_PIECE - 3, FULL_PIECE + 3);
    let answer = cache.proxy().send(cached(&url).header("Range", &range)).expect(206);
    let at = FULL_PIECE as usize;
    assert_eq!(answer.body, held()[at - 3..at + 4]);
}

#[test]
fn damage_that_nobody_can_heal_is_refused() {
    let (mut cache, origin, url, id) = holding();
    flip(&cache.file(&id), FULL_PIECE + 1234);
    origin.put("/held", File { busy: (1000, None), ..File::new("") });
    cache.launch();
    match cache.proxy().try_send(cached(&url)) {
        Err(_) => {} // broken off before the damaged piece
        Ok(answer) => assert!(answer.status >= 500, "{}: {} bytes", answer.status, answer.body.len()),
    }
    let whole = cache.operator().try_send(Request::new("GET", &format!("/oapi/v1/tasks/{id}/content")));
    // 409: the background check was first, and it is known to be incomplete.
    assert!(whole.is_err() || whole.is_ok_and(|answer| answer.status >= 500 || answer.status == 409));
    let peers = cache.peers(json!({"url": url}));
    assert!(peers.iter().all(|peer| peer["IsFinished"] == false), "{peers:?}");
    said(&cache, &id);
}

#[test]
fn damage_is_found_by_looking_for_it() {
    let (mut cache, origin, url, id) = holding();
    flip(&cache.file(&id), 2 * FULL_PIECE + 1);
    cache.launch();
    let verify = format!("/oapi/v1/tasks/{id}/verify");
    let report = cache.operator().post(&verify, &json!({})).expect(200).json();
    assert_eq!(report["damaged"], json!([2]), "{report}");
    said(&cache, &id);
    cache.preheat(&url, json!({}));
    assert!(cache.bytes(&id) == held(), "not healed");
    assert_eq!(refetched(&origin), [Some(2 * FULL_PIECE)]);
    let report = cache.operator().post(&verify, &json!({})).expect(200).json();
    assert_eq!(report["damaged"], json!([]), "{report}");
    cache.operator().post("/oapi/v1/tasks/verify", &json!({})).expect(200);
}

#[test]
fn damage_is_found_in_the_background() {
    let (origin, mut cache) = (Origin::start(), Cache::with("scrub_rate = \"1 GiB\"\n", ""));
    let url = origin.put("/held", pieces(3, 21));
    cache.preheat(&url, json!({}));
    let id = id_of(&url, "", "", None);
    cache.daemon.stop();
    flip(&cache.file(&id), 7);
    cache.launch();
    until("the scrub has found it", SOON, || {
        let task = cache.task(&id);
        (task["state"] != "complete" || cache.bytes(&id) == held()).then_some(())
    });
    said(&cache, &id);
}

#[test]
fn a_truncated_file_is_found_and_completed() {
    let (mut cache, origin, url, id) = holding();
    let file = Handle::options().write(true).open(cache.file(&id)).expect("the content");
    file.set_len(FULL_PIECE + 100).expect("shorter");
    cache.launch();
    assert!(cache.through(&url).expect(200).body == held());
    assert!(refetched(&origin).iter().all(|from| *from >= Some(FULL_PIECE)), "{:?}", refetched(&origin));
    assert!(cache.bytes(&id) == held(), "not healed");
    said(&cache, &id);
}

#[test]
fn a_deleted_file_is_found_and_fetched_again() {
    let (mut cache, origin, url, id) = holding();
    fs::remove_file(cache.file(&id)).expect("the content");
    cache.launch();
    assert!(cache.through(&url).expect(200).body == held());
    assert!(cache.bytes(&id) == held());
    assert_eq!(refetched(&origin).len(), 1);
    said(&cache, &id);
    // While it runs, too.
    fs::remove_file(cache.file(&id)).expect("the content");
    let answer = cache.proxy().try_send(cached(&url));
    if let Ok(answer) = answer {
        assert!(answer.status >= 500 || answer.body == held());
    }
}

#[test]
fn a_damaged_partial_file_is_completed() {
    let (mut cache, origin, gate) = (Cache::start(), Origin::start(), Gate::at(2 * FULL_PIECE));
    let url = origin.put("/held", pieces(3, 21).behind(&gate));
    let job = cache.job("preheat", json!({"type": "file", "url": url}));
    cache.has_pieces(&url, 2);
    cache.daemon.stop();
    let id = id_of(&url, "", "", None);
    flip(&cache.file(&id), 99);
    cache.launch();
    gate.open();
    warmed(&cache.poll(&job));
    assert!(cache.bytes(&id) == held());
}

#[test]
fn a_full_disk_is_said_and_nothing_of_it_is_served() {
    own_mounts();
    let (mut cache, origin) = (Cache::prepared("", ""), Origin::start());
    let disk = Disk::over(&cache.daemon.data_dir().join("cache"), 16 * MIB, MsFlags::empty());
    cache.launch();
    let small = origin.put("/small", File::of_size(1000, 1));
    cache.preheat(&small, json!({}));
    let large = origin.put("/large", pieces(6, 2));
    let job = cache.run("preheat", json!({"type": "file", "url": large}));
    failed(&job);
    let why = text(&outcome(&job)["failure_tasks"][0]["description"]).to_lowercase();
    assert!(["space", "full", "free", "room"].iter().any(|word| why.contains(word)), "{why}");
    let peers = cache.peers(json!({"url": large}));
    assert!(peers.iter().all(|peer| peer["IsFinished"] == false), "{peers:?}");

    // Full by somebody else's doing.
    disk.fill();
    let other = origin.put("/other", File::of_size(300_000, 3));
    failed(&cache.run("preheat", json!({"type": "file", "url": other})));
    match cache.proxy().try_send(cached(&other)) {
        Err(_) => {}
        Ok(answer) => assert!(answer.status >= 500 || answer.body == origin::pattern(300_000, 3)),
    }
    assert_eq!(cache.daemon.get("/healthz").status, 200, "the rest of the daemon is well");
    disk.clear();
    cache.delete(json!({"url": large}));
    cache.preheat(&other, json!({}));
    assert!(cache.through(&other).expect(200).body == origin::pattern(300_000, 3));
}

#[test]
fn a_directory_that_cannot_be_used_is_named_and_used_when_it_can() {
    let (mut cache, origin) = (Cache::prepared("", ""), Origin::start());
    let place = cache.daemon.path("elsewhere");
    let config = fs::read_to_string(cache.daemon.path("hostler.toml")).expect("the configuration");
    let config = config.replacen("[cache]\n", &format!("[cache]\ndir = \"{}\"\n", place.display()), 1);
    fs::write(cache.daemon.path("hostler.toml"), config).expect("the configuration");
    fs::write(&place, "a file where a directory should be").expect("a file");
    cache.daemon.launch_unready();
    let named = || cache.daemon.stderr().contains(place.to_str().expect("text"));
    until("it is said which directory", SOON, || named().then_some(()));
    fs::remove_file(&place).expect("our file");
    cache.daemon.await_ready();
    cache.token = cache.token_for(&["job"]);
    until("it is used", SOON, || {
        // Until it has looked again, it says why not.
        let answer = cache.post(&json!({"type": "preheat", "args": {"type": "file", "url": origin.hello()}}));
        assert!(matches!(answer.status, 200 | 503), "{}", answer.status);
        (answer.status == 200).then(|| warmed(&cache.poll(&answer.json())).len())
    });
    assert!(place.is_dir());
}

#[test]
fn a_shard_that_is_no_directory_fails_its_tasks_alone() {
    let (cache, origin) = (Cache::start(), Origin::start());
    let url = origin.hello();
    let file = cache.file(&id_of(&url, "", "", None));
    let shard = file.parent().expect("a shard");
    fs::create_dir_all(shard.parent().expect("the tasks")).expect("a directory");
    fs::write(shard, "in the way").expect("a file");
    let job = cache.run("preheat", json!({"type": "file", "url": url}));
    failed(&job);
    assert!(!text(&outcome(&job)["failure_tasks"][0]["description"]).is_empty(), "{job}");
    cache.preheat(&origin.put("/else", File::new("else")), json!({}));
    fs::remove_file(shard).expect("our file");
    cache.preheat(&url, json!({}));
}

#[test]
fn the_check_finds_files_that_are_missing() {
    let (cache, origin) = (Cache::start(), Origin::start());
    cache.preheat(&origin.hello(), json!({}));
    let id = id_of(&origin.hello(), "", "", None);
    fs::remove_file(cache.file(&id)).expect("the content");
    let check = cache.operator().post("/hostler/v1/check", &json!({})).expect(200).json();
    assert_eq!(check["ok"], false, "{check}");
    assert!(check.to_string().contains(&id), "{check}");
}
