//! Cases 13–24: what every job must look like, and what is not taken.

use super::*;

#[track_caller]
fn send(body: &str) -> Answer {
    let cache = shared();
    cache.client().send(Request::new("POST", "/oapi/v1/jobs").body(body))
}

/// A preheat of one file with more arguments.
#[track_caller]
fn preheat(cache: &Cache, origin: &Origin, more: Value) -> Answer {
    let args = plus(json!({"type": "file", "url": origin.hello()}), more);
    cache.post(&json!({"type": "preheat", "args": args}))
}

#[test]
fn case_13_an_empty_body_is_refused_once() {
    invalid(send(""));
    invalid(send("{\"type\":"));
    invalid(send("[]"));
}

#[test]
fn case_14_a_job_has_a_type_that_there_is() {
    invalid(send("{}"));
    assert_eq!(invalid(send("{\"type\":\"nope\"}")), "Unknow type");
}

#[test]
fn case_15_a_task_is_named_by_something() {
    for kind in ["get_task", "delete_task"] {
        let said = invalid(send(&json!({"type": kind, "args": {}}).to_string())).to_lowercase();
        let fold = |name: &str| name.replace('_', "");
        for name in ["task_id", "content_for_calculating_task_id", "url"] {
            assert!(fold(&said).contains(&fold(name)), "{said} does not name {name}");
        }
    }
}

#[test]
fn case_16_a_preheat_says_of_what() {
    invalid(send(&json!({"type": "preheat", "args": {"url": "http://127.0.0.1:8099/hello.txt"}}).to_string()));
    invalid(send(&json!({"type": "preheat", "args": {"type": "tape", "url": "http://127.0.0.1/x"}}).to_string()));
}

#[test]
fn case_17_a_piece_is_4_to_64_mib_long() {
    let (cache, origin) = (shared(), Origin::start());
    for length in [4_194_303, 67_108_865, 0] {
        invalid(preheat(&cache, &origin, json!({"piece_length": length})));
    }
    for length in [4_194_304, 67_108_864] {
        let job = preheat(&cache, &origin, json!({"piece_length": length})).expect(200).json();
        assert_eq!(job["args"]["piece_length"], length, "{job}");
        warmed(&cache.poll(&job));
    }
}

#[test]
fn case_18_numbers_have_bounds() {
    let (cache, origin) = (shared(), Origin::start());
    let many: Vec<String> = (0..101).map(|n| format!("203.0.113.{n}")).collect();
    for more in [
        json!({"percentage": 0}),
        json!({"percentage": 101}),
        json!({"count": 0}),
        json!({"count": 201}),
        json!({"concurrent_task_count": 101}),
        json!({"concurrent_peer_count": 1001}),
        json!({"ips": many}),
    ] {
        invalid(preheat(&cache, &origin, more));
    }
    let job = preheat(&cache, &origin, json!({"concurrent_task_count": 0})).expect(200).json();
    assert_eq!(job["args"]["concurrent_task_count"], 8, "{job}");
    warmed(&cache.poll(&job));
}

#[test]
fn case_19_headers_are_texts_and_a_timeout_may_be_written_in_words() {
    let (cache, origin) = (shared(), Origin::start());
    invalid(preheat(&cache, &origin, json!({"headers": {"A": 1}})));
    let job = preheat(&cache, &origin, json!({"timeout": "1h"})).expect(200).json();
    assert_eq!(job["args"]["timeout"], 3_600_000_000_000_u64, "{job}");
    invalid(preheat(&cache, &origin, json!({"timeout": "soon"})));
}

#[test]
fn case_20_unknown_keys_are_ignored() {
    let cache = shared();
    let args = json!({"url": "https://example.com/20", "colour": "red"});
    let job = cache.post(&json!({"type": "get_task", "args": args, "shape": "round"})).expect(200).json();
    assert!(job["args"]["colour"].is_null() && job["shape"].is_null(), "{job}");
    assert!(!keys(&job["args"]).contains(&"colour"), "{job}");
    // Names are read in whatever case; what follows the first value is not read.
    let body = r#"{"TYPE":"get_task","Args":{"URL":"https://example.com/20"}} and more"#;
    assert_eq!(send(body).expect(200).json()["args"]["url"], "https://example.com/20");
}

#[test]
fn case_21_a_preheat_of_nothing_is_refused() {
    let cache = shared();
    let said = refused(cache.post(&json!({"type": "preheat", "args": {"type": "file"}})), 422);
    assert!(!said.is_empty());
}

#[test]
fn case_22_a_distribution_is_of_an_image() {
    invalid(send(&json!({"type": "get_image_distribution", "args": {}}).to_string()));
}

#[test]
fn case_23_only_records_are_collected() {
    invalid(send(&json!({"type": "gc", "args": {"type": "cache"}}).to_string()));
    invalid(send(&json!({"type": "gc"}).to_string()));
}

#[test]
fn case_24_ids_of_clusters_are_numbers() {
    let args = json!({"url": "https://example.com/24"});
    let body = json!({"type": "get_task", "args": args, "scheduler_cluster_ids": ["1"]});
    invalid(send(&body.to_string()));
}
