//! Cases 25–34: a task is found by whatever names it, and not otherwise.

use super::*;
use crate::cast::cached;

#[test]
fn case_25_what_was_never_fetched_is_looked_for_and_not_found() {
    let cache = shared();
    let job = cache.job("get_task", json!({"url": "https://example.com/never-fetched"}));
    assert_eq!((&job["state"], &job["result"]), (&json!("PENDING"), &Value::Null), "{job}");
    let group = text(&job["task_id"]).strip_prefix("group_").expect("a group").to_owned();
    assert!(group.len() == 36 && group.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'), "{group}");
    let cluster = &job["scheduler_clusters"][0];
    assert_eq!((&cluster["id"], &cluster["name"]), (&json!(1), &json!("cluster-1")), "{job}");
    assert_eq!(job["seed_peer_clusters"], Value::Null, "{job}");
    let job = cache.poll(&job);
    assert_eq!(succeeded(&job)["peers"], json!([]), "{job}");
    assert_eq!(job["result"]["group_uuid"], job["task_id"], "{job}");
    assert!(text(&part(&job)["task_uuid"]).starts_with("task_"), "{job}");
    assert_eq!((&part(&job)["task_name"], &part(&job)["ttl"]), (&json!("get_task"), &json!(0)), "{job}");
    assert_eq!((&job["is_del"], &job["bio"], &job["user_id"]), (&json!(0), &json!(""), &json!(0)), "{job}");
    let user = [
        "avatar",
        "bio",
        "configs",
        "created_at",
        "email",
        "id",
        "is_del",
        "location",
        "name",
        "phone",
        "state",
        "updated_at",
    ];
    assert_eq!(keys(&job["user"]), user, "{job}");
    assert_eq!(job["user"]["created_at"], "0001-01-01T00:00:00Z", "{job}");
}

#[test]
fn case_26_arguments_are_echoed_with_every_key() {
    let args = shared().job("get_task", json!({"url": "https://example.com"}))["args"].take();
    let expected = [
        "application",
        "concurrent_peer_count",
        "content_for_calculating_task_id",
        "filtered_query_params",
        "piece_length",
        "tag",
        "task_id",
        "timeout",
        "url",
    ];
    assert_eq!(keys(&args), expected, "{args}");
    let filter = text(&args["filtered_query_params"]).to_owned();
    assert_eq!((filter.len(), filter.split('&').count()), (452, 32), "{filter}");
    let rest = plus(args, json!({"filtered_query_params": ""}));
    let plain = json!({
        "application": "", "concurrent_peer_count": 500, "content_for_calculating_task_id": null,
        "filtered_query_params": "", "piece_length": null, "tag": "", "task_id": "", "timeout": 3_600_000_000_000_u64,
        "url": "https://example.com",
    });
    assert_eq!(rest, plain);
}

#[test]
fn case_27_a_file_is_found_by_url_by_id_and_by_a_signed_url() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.hello();
    cache.preheat(&url, json!({}));
    let id = id_of(&url, "", "", None);
    let signed = format!("{url}?Expires=1&Signature=x");
    for args in [json!({"url": url}), json!({"task_id": id}), json!({"url": signed})] {
        let peer = cache.present(args);
        let form = text(&peer["id"]).strip_prefix(&format!("{}-{}-", cast::IP, cast::HOSTNAME)).map(str::to_owned);
        let form = form.unwrap_or_else(|| panic!("no id of a peer: {peer}"));
        assert!(form == "seed" || form.strip_suffix("-seed").is_some_and(|uuid| uuid.len() == 36), "{peer}");
        assert_eq!((&peer["task_id"], &peer["content_length"]), (&json!(id), &json!(14)), "{peer}");
        assert_eq!((&peer["cached_bytes"], &peer["finished_pieces"]), (&json!(14), &json!(1)), "{peer}");
        assert_eq!((&peer["total_pieces"], &peer["piece_length"]), (&json!(1), &json!(FULL_PIECE)), "{peer}");
        for time in ["created_at", "updated_at"] {
            chrono::DateTime::parse_from_rfc3339(text(&peer[time])).expect("a time");
        }
    }
}

#[test]
fn case_28_a_tag_tells_contents_apart() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.hello();
    cache.preheat(&url, json!({}));
    cache.absent(json!({"url": url, "tag": "t1"}));
    cache.preheat(&url, json!({"tag": "t1"}));
    let peer = cache.present(json!({"url": url, "tag": "t1"}));
    let id = id_of(&url, "t1", "", None);
    assert_eq!(peer["task_id"], id);
    assert_eq!(cache.bytes(&id), HELLO);
}

#[test]
fn case_29_a_given_length_of_pieces_is_part_of_the_id() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.hello();
    cache.preheat(&url, json!({"piece_length": FULL_PIECE}));
    assert_eq!(cache.bytes(&id_of(&url, "", "", Some(FULL_PIECE))), HELLO);
    cache.absent(json!({"url": url}));
    cache.present(json!({"url": url, "piece_length": FULL_PIECE}));
}

#[test]
fn case_30_the_url_goes_before_the_content_before_the_id() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.hello();
    cache.preheat(&url, json!({}));
    let id = id_of(&url, "", "", None);
    cache.present(json!({"task_id": id}));
    cache.absent(json!({"url": "https://example.com/uncached", "task_id": id}));
    cache.absent(json!({"content_for_calculating_task_id": "x", "task_id": id}));
    cache.present(json!({"url": url, "content_for_calculating_task_id": "x", "task_id": "nonsense"}));
}

#[test]
fn case_31_a_content_may_be_named_by_itself() {
    let (cache, origin) = (Cache::start(), Origin::start());
    let named = cached(&origin.hello()).header("X-Dragonfly-Content-For-Calculating-Task-ID", "release-2026-08");
    assert_eq!(cache.proxy().send(named).expect(200).body, HELLO);
    let peer = cache.arrives(json!({"content_for_calculating_task_id": "release-2026-08"}));
    assert_eq!(peer["task_id"], "06f5e2c46e5d3870d64019b6469e0c3520e1c1c996ba8fd60a517de1b7d27aeb");
    cache.absent(json!({"url": origin.hello()}));
}

#[test]
fn case_32_an_empty_content_is_one() {
    let cache = shared();
    let job = cache.job("get_task", json!({"content_for_calculating_task_id": ""}));
    assert_eq!(job["args"]["content_for_calculating_task_id"], "", "{job}");
    succeeded(&cache.poll(&job));
}

#[test]
fn case_33_a_url_is_found_by_the_ids_that_managers_and_daemons_give_it() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.url("/hello.txt?b=2&a=1");
    cache.preheat(&url, json!({}));
    let manager = id_of(&origin.url("/hello.txt?a=1&b=2"), "", "", None);
    let daemon = id_of(&url, "", "", None);
    for args in [json!({"url": url}), json!({"task_id": manager}), json!({"task_id": daemon})] {
        assert_eq!(cache.present(args)["task_id"], manager);
    }
    let aliases = cache.task(&daemon)["aliases"].to_string();
    assert!(aliases.contains(&daemon), "{aliases}");
}

#[test]
fn case_34_what_is_being_fetched_is_found_unfinished() {
    let (cache, origin) = (shared(), Origin::start());
    let (url, gate) = origin.slow();
    let job = cache.job("preheat", json!({"type": "file", "url": url}));
    cache.soon(&url);
    let found = cache.peers(json!({"url": url}));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["IsFinished"], &found[0]["is_finished"]), (&json!(false), &json!(false)), "{found:?}");
    assert_eq!(cache.look(&job)["state"], "PENDING");
    gate.open();
    warmed(&cache.poll(&job));
    cache.present(json!({"url": url}));
}
