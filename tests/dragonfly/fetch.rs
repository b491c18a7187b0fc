//! Fetching from origins as they are: they break off, ask for patience, change their minds and do not say how long.

use super::*;
use crate::cast::cached;
use crate::origin::pieces;
use crate::support::server::Framing;
use std::time::Instant;

/// The content of a URL with nothing else given, as it lies on disk.
#[track_caller]
fn kept(cache: &Cache, url: &str) -> Vec<u8> {
    cache.bytes(&id_of(url, "", "", None))
}

#[test]
fn a_broken_transfer_goes_on_where_it_broke() {
    let (cache, origin) = (shared(), Origin::start());
    let file = File { breaks: vec![FULL_PIECE + 100_000, FULL_PIECE + 5], ..pieces(4, 1) };
    let bytes = file.bytes.to_vec();
    let etag = file.etag.clone();
    let url = origin.put("/breaks", file);
    cache.preheat(&url, json!({}));
    assert!(kept(&cache, &url) == bytes);
    let asked = origin.seen("/breaks");
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(asked[0].ask.header("range"), None);
    for (seen, pieces) in asked[1..].iter().zip([1, 2]) {
        let from = seen.ask.range_start().expect("a range");
        assert!(from >= pieces * FULL_PIECE, "{from}");
        assert_eq!(seen.ask.header("if-range"), etag.as_deref(), "{seen:?}");
    }
}

#[test]
fn without_ranges_a_broken_transfer_begins_anew() {
    let (cache, origin) = (shared(), Origin::start());
    let file = File { breaks: vec![FULL_PIECE + 100_000], ranges: false, ..pieces(2, 2) };
    let bytes = file.bytes.to_vec();
    let url = origin.put("/anew", file);
    cache.preheat(&url, json!({}));
    assert!(kept(&cache, &url) == bytes);
}

#[test]
fn two_versions_are_never_mixed() {
    let (cache, origin, gate) = (shared(), Origin::start(), Gate::at(FULL_PIECE));
    let url = origin.put("/changes", pieces(3, 3).behind(&gate));
    let job = cache.job("preheat", json!({"type": "file", "url": url}));
    cache.has_pieces(&url, 1);
    let newer = pieces(3, 4);
    let bytes = newer.bytes.to_vec();
    origin.put("/changes", newer);
    origin.server().hang_up();
    warmed(&cache.poll(&job));
    assert!(kept(&cache, &url) == bytes, "not the newer version");
}

#[test]
fn an_origin_that_asks_for_patience_gets_it() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.put("/busy", File { busy: (2, Some(1)), ..File::of_size(2000, 5) });
    let begin = Instant::now();
    cache.preheat(&url, json!({}));
    assert!(begin.elapsed() >= millis(2000), "{:?}", begin.elapsed());
    assert_eq!(origin.seen("/busy").len(), 3);
}

#[test]
fn patience_ends() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.put("/always", File { busy: (100, None), ..File::of_size(2000, 5) });
    let job = cache.run("preheat", json!({"type": "file", "url": url}));
    failed(&job);
    assert!(text(&outcome(&job)["failure_tasks"][0]["description"]).contains("503"), "{job}");
    assert_eq!(origin.seen("/always").len(), 4, "the first and three more, as configured");
}

#[test]
fn nobody_need_say_how_long_it_is() {
    let (cache, origin) = (shared(), Origin::start());
    for (path, file) in [("/chunked", pieces(3, 6)), ("/small", File::of_size(17, 7)), ("/none", File::new(""))] {
        let bytes = file.bytes.to_vec();
        let url = origin.put(path, File { framing: Framing::Chunked, ranges: false, ..file });
        cache.preheat(&url, json!({}));
        assert!(kept(&cache, &url) == bytes, "{path}");
        let task = cache.soon(&url);
        assert_eq!((&task["content_length"], &task["state"]), (&json!(bytes.len()), &json!("complete")), "{task}");
        assert!(cache.through(&url).expect(200).body == bytes, "{path}");
        assert_eq!(origin.server().bodies(path), 1);
    }
}

#[test]
fn what_broke_off_is_never_served_as_a_whole() {
    let (cache, origin) = (shared(), Origin::start());
    for (path, framing) in [("/cut", Framing::Length), ("/cut-chunks", Framing::Chunked)] {
        let file = File { framing, ranges: false, breaks: vec![FULL_PIECE + 10; 50], ..pieces(2, 8) };
        let bytes = file.bytes.to_vec();
        let url = origin.put(path, file);
        for _ in 0..2 {
            match cache.proxy().try_send(cached(&url)) {
                Err(_) => {}
                Ok(answer) => assert!(answer.status >= 500, "{path}: {} with {}", answer.status, answer.body.len()),
            }
        }
        failed(&cache.run("preheat", json!({"type": "file", "url": url})));
        let peers = cache.peers(json!({"url": url}));
        assert!(peers.iter().all(|peer| peer["IsFinished"] == false), "{peers:?}");
        origin.put(path, File { framing, ..File::new(bytes.clone()) });
        assert!(cache.through(&url).expect(200).body == bytes, "{path}");
    }
}

#[test]
fn files_are_cut_into_pieces_by_their_length() {
    let (cache, origin) = (shared(), Origin::start());
    for (length, count) in [(1, 1), (4_194_304, 1), (4_194_305, 2), (10_485_760, 3), (0, 0)] {
        let url = origin.put(&format!("/of/{length}"), File::of_size(length, 9));
        cache.preheat(&url, json!({}));
        let task = cache.soon(&url);
        assert_eq!((&task["total_pieces"], &task["finished_pieces"]), (&json!(count), &json!(count)), "{task}");
        assert_eq!((&task["content_length"], &task["cached_bytes"]), (&json!(length), &json!(length)), "{task}");
        let whole = origin::pattern(length, 9);
        let chunks: Vec<_> = whole.chunks(FULL_PIECE as usize).collect();
        for (piece, (number, chunk)) in list(&task["pieces"]).iter().zip((0..).zip(&chunks)) {
            let expected = json!({
                "number": number, "offset": number * FULL_PIECE, "length": chunk.len(),
                "digest": format!("crc32:{}", crc32fast::hash(chunk)),
            });
            assert_eq!(*piece, expected, "{task}");
        }
        assert_eq!(list(&task["pieces"]).len(), chunks.len(), "{task}");
    }
    cache.preheat(&origin.hello(), json!({}));
    assert_eq!(cache.soon(&origin.hello())["pieces"][0]["digest"], "crc32:2504815813");
}

#[test]
fn a_long_file_is_fetched_once_over_no_more_than_two_connections() {
    let (cache, origin) = (shared(), Origin::start());
    let file = pieces(20, 10);
    let bytes = file.bytes.to_vec();
    let url = origin.put("/long", file);
    cache.preheat(&url, json!({}));
    assert!(kept(&cache, &url) == bytes);
    // Beside the file itself, what was under way when a connection had nothing more to bring.
    let sent = origin.server().bytes("/long");
    assert!(sent < bytes.len() as u64 + (16 << 20), "{sent}");
}

#[test]
fn whoever_doubts_has_it_compared() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.put("/fresh", File::new("first"));
    cache.preheat(&url, json!({}));
    let asked = origin.seen("/fresh").len();
    cache.preheat(&url, json!({"revalidate": true}));
    assert_eq!((origin.seen("/fresh").len(), origin.server().bodies("/fresh")), (asked + 1, 1));
    origin.put("/fresh", File::new("second"));
    cache.preheat(&url, json!({}));
    assert_eq!(kept(&cache, &url), b"first");
    cache.preheat(&url, json!({"revalidate": true}));
    assert_eq!(kept(&cache, &url), b"second");
    assert_eq!(cache.through(&url).expect(200).body, b"second");
}

#[test]
fn a_digest_that_is_given_is_held_to() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.hello();
    let wrong = format!("sha256:{}", "0".repeat(64));
    let job = cache.run("preheat", json!({"type": "file", "url": url, "tag": "wrong", "digest": wrong}));
    failed(&job);
    assert!(text(&outcome(&job)["failure_tasks"][0]["description"]).contains("digest"), "{job}");
    cache.absent(json!({"url": url, "tag": "wrong"}));
    cache.preheat(&url, json!({"tag": "right", "digest": format!("sha256:{}", digest_of(HELLO))}));
}

#[test]
fn a_file_may_be_somewhere_else() {
    let (cache, origin, other) = (shared(), Origin::start(), Origin::start());
    let target = other.put("/there", File::of_size(9000, 11));
    let url = origin.put("/here", File::moved(302, &target));
    cache.preheat(&url, json!({}));
    assert!(kept(&cache, &url) == origin::pattern(9000, 11));
    let relative = origin.put("/also", File::moved(307, "/hello.txt"));
    assert_eq!(cache.through(&relative).expect(200).body, HELLO);
}
