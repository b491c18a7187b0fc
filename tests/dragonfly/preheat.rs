//! Cases 36–45, 53 and 54: fetching files.

use super::*;
use std::time::Instant;

#[test]
fn case_36_a_file_is_fetched() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.hello();
    let job = cache.run("preheat", json!({"type": "file", "urls": [url]}));
    assert_eq!(warmed(&job), [url.as_str()], "{job}");
    let row = json!({"url": url, "hostname": cast::HOSTNAME, "ip": cast::IP});
    assert_eq!(outcome(&job)["success_tasks"], json!([row]), "{job}");
    let id = id_of(&url, "", "", None);
    assert_eq!(digest_of(&cache.bytes(&id)), "feeb8b8d167d31782acc518145f05ad69d55004846ffc38a4401fb1f526d1e73");
    assert_eq!(cache.task(&id)["path"], cache.file(&id).to_str().expect("text"));
    let progress = &part(&job)["progress"];
    let expected = json!({"urls_total": 1, "urls_done": 1, "bytes_total": 14, "bytes_done": 14});
    assert_eq!(*progress, expected, "{job}");
}

#[test]
fn case_37_urls_come_before_url() {
    let (cache, origin) = (shared(), Origin::start());
    let urls = ["/1", "/2", "/3"].map(|path| origin.put(path, File::new(path)));
    let args = json!({"type": "file", "urls": [urls[2], urls[0]], "url": urls[1]});
    let job = cache.run("preheat", args);
    assert_eq!(warmed(&job), [urls[2].as_str(), &urls[0], &urls[1]], "{job}");
}

#[test]
fn case_38_a_preheat_of_which_nothing_came_has_failed() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.url("/missing");
    let job = cache.run("preheat", json!({"type": "file", "url": url}));
    failed(&job);
    assert_eq!(job["result"]["state"], "FAILURE", "{job}");
    let failures = &outcome(&job)["failure_tasks"];
    assert_eq!(column(failures, "url"), [url.as_str()], "{job}");
    assert!(text(&failures[0]["description"]).contains("404"), "{job}");
    assert_eq!((&failures[0]["hostname"], &failures[0]["ip"]), (&json!(cast::HOSTNAME), &json!(cast::IP)), "{job}");
    assert_eq!(outcome(&job)["success_tasks"], json!([]), "{job}");
    assert_eq!(origin.seen("/missing").len(), 1, "a definite answer is not asked for again");
}

#[test]
fn case_39_what_went_well_is_kept_beside_what_did_not() {
    let (cache, origin) = (shared(), Origin::start());
    let (good, bad) = (origin.hello(), origin.url("/missing"));
    let job = cache.run("preheat", json!({"type": "file", "urls": [good, bad]}));
    let outcome = succeeded(&job);
    assert_eq!(column(&outcome["success_tasks"], "url"), [good.as_str()], "{job}");
    assert_eq!(column(&outcome["failure_tasks"], "url"), [bad.as_str()], "{job}");
    cache.present(json!({"url": good}));
}

#[test]
fn case_40_headers_go_along_except_for_the_range() {
    let (cache, origin) = (shared(), Origin::start());
    cache.preheat(&origin.hello(), json!({"headers": {"X-Probe": "one", "Range": "bytes=0-3"}}));
    let asked = origin.seen("/hello.txt");
    assert!(!asked.is_empty());
    for seen in &asked {
        assert_eq!(seen.ask.header("x-probe"), Some("one"), "{seen:?}");
        assert_ne!(seen.ask.header("range"), Some("bytes=0-3"), "{seen:?}");
        assert_eq!(seen.ask.header("via"), Some("1.1 hostler"), "{seen:?}");
    }
    assert_eq!(cache.bytes(&id_of(&origin.hello(), "", "", None)), HELLO);
}

#[test]
fn case_41_what_is_cached_is_not_fetched_again() {
    let (cache, origin) = (shared(), Origin::start());
    cache.preheat(&origin.hello(), json!({}));
    let once = origin.server().seen().len();
    cache.preheat(&origin.hello(), json!({}));
    assert_eq!((origin.server().seen().len(), origin.server().bytes("/hello.txt")), (once, 14));
}

#[test]
fn case_42_two_at_once_transfer_it_once() {
    let (cache, origin, gate) = (shared(), Origin::start(), Gate::at(1));
    let url = origin.put("/both", File::of_size(50_000, 42).behind(&gate));
    let args = json!({"type": "file", "url": url});
    let jobs = [cache.job("preheat", args.clone()), cache.job("preheat", args)];
    for job in &jobs {
        until("both are at work", SOON, || (part(&cache.look(job))["state"] == "STARTED").then_some(()));
    }
    cache.soon(&url);
    gate.open();
    for job in &jobs {
        assert_eq!(warmed(&cache.poll(job)), [url.as_str()]);
    }
    assert_eq!((origin.server().bodies("/both"), origin.server().bytes("/both")), (1, 50_000));
}

#[test]
fn case_43_what_was_left_out_is_echoed_as_its_default() {
    let (cache, origin) = (shared(), Origin::start());
    let job = cache.job("preheat", json!({"type": "file", "url": origin.hello()}));
    let args = &job["args"];
    for (key, value) in [
        ("scope", json!("single_seed_peer")),
        ("concurrent_task_count", json!(8)),
        ("concurrent_peer_count", json!(500)),
        ("timeout", json!(3_600_000_000_000_u64)),
        ("type", json!("file")),
        ("tag", json!("")),
        ("application", json!("")),
        ("username", json!("")),
        ("password", json!("")),
        ("platform", json!("")),
    ] {
        assert_eq!(args[key], value, "{key} in {job}");
    }
    for key in ["headers", "ips", "count", "percentage", "urls", "piece_length", "object_storage", "hdfs"] {
        assert!(keys(args).contains(&key) && args[key].is_null(), "{key} in {job}");
    }
    assert_eq!(text(&args["filtered_query_params"]).len(), 452, "{job}");
    warmed(&cache.poll(&job));
}

#[test]
fn case_44_every_scope_means_this_host() {
    let (cache, origin) = (shared(), Origin::start());
    for scope in ["all_seed_peers", "all_peers", "banana", "single_peer", ""] {
        cache.preheat(&origin.hello(), json!({"scope": scope, "tag": format!("for {scope}")}));
    }
}

#[test]
fn case_45_other_hosts_are_not_here() {
    let (cache, origin) = (shared(), Origin::start());
    let of = |more: Value| plus(json!({"type": "file", "url": origin.hello(), "scope": "all_seed_peers"}), more);
    for ips in [json!({"ips": ["203.0.113.9"]}), json!({"ips": ["203.0.113.9"], "count": 1})] {
        let job = cache.run("preheat", of(ips));
        let why = failed(&job);
        assert!(why.contains("203.0.113.9"), "{why}");
    }
    assert_eq!(origin.server().seen().len(), 0, "nothing is fetched for others");
    warmed(&cache.run("preheat", of(json!({"ips": [cast::IP, "203.0.113.9"], "count": 200}))));
}

#[test]
fn case_53_secrets_are_shown_to_nobody() {
    let (cache, registry) = (Cache::start(), Registry::start(Access::Exactly("Bearer very-secret-bearer")));
    let headers =
        json!({"Authorization": "Bearer very-secret-bearer", "Cookie": "very-secret-crumb", "X-Plain": "plain"});
    let args = json!({
        "type": "image", "url": registry.manifest(), "platform": "linux/amd64", "username": "puller",
        "password": "very-secret-word", "headers": headers,
    });
    let job = cache.job("preheat", args);
    let masked = |job: &Value| {
        let args = &job["args"];
        assert_eq!((&args["password"], &args["username"]), (&json!("***"), &json!("puller")), "{job}");
        assert_eq!(args["headers"]["Authorization"], "***", "{job}");
        assert_eq!(args["headers"]["X-Plain"], "plain", "{job}");
        assert!(!job.to_string().contains("very-secret"), "{job}");
    };
    masked(&job);
    let job = cache.poll(&job);
    masked(&job);
    warmed(&job);
    let listed = cache.client().get("/oapi/v1/jobs").expect(200).text();
    assert!(listed.contains("***") && !listed.contains("very-secret"), "{listed}");
    for file in cast::files_below(&cache.daemon.data_dir()) {
        let held = std::fs::read(&file).unwrap_or_default(); // what was there a moment ago may be gone
        assert!(!held.windows(11).any(|part| part == b"very-secret"), "{} holds one", file.display());
    }
    assert!(!cache.daemon.stderr().contains("very-secret"));
}

#[test]
fn case_54_a_preheat_ends_with_its_time() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.put("/slow", File { drip: true, ..File::of_size(600, 1) });
    let begin = Instant::now();
    let job = cache.run("preheat", json!({"type": "file", "url": url, "timeout": 2_000_000_000}));
    let took = begin.elapsed();
    let why = failed(&job).to_lowercase();
    assert!(["timeout", "time-out", "timed out", "time out"].iter().any(|word| why.contains(word)), "{why}");
    assert!(took >= millis(1900) && took < 2 * SOON, "{took:?}");
    let peers = cache.peers(json!({"url": url}));
    assert!(peers.iter().all(|peer| peer["IsFinished"] == false), "{peers:?}");
}
