//! What goes beyond jobs: listing, clearing, reading and keeping tasks by themselves.

use super::*;

const TASKS: &str = "/oapi/v1/tasks";

/// The ids that a list gives.
#[track_caller]
fn listed(cache: &Cache, query: &str) -> Vec<String> {
    let answer = cache.client().get(&format!("{TASKS}?{query}")).expect(200).json();
    let mut urls: Vec<String> = column(&answer, "url").into_iter().map(str::to_owned).collect();
    urls.sort();
    urls
}

#[test]
fn tasks_are_listed_and_filtered() {
    let (cache, origin, gate) = (Cache::start(), Origin::start(), Gate::at(1));
    let urls: Vec<String> = (0..5).map(|n| origin.put(&format!("/list/{n}"), File::of_size(100, n))).collect();
    for (n, url) in urls.iter().enumerate() {
        let more = json!({"tag": if n < 2 { "low" } else { "high" }, "application": if n == 4 { "app" } else { "" }});
        cache.preheat(url, more);
    }
    let slow = origin.put("/list/slow", File::of_size(100, 9).behind(&gate));
    cache.job("preheat", json!({"type": "file", "url": slow, "tag": "slow"}));
    until("it is being fetched", SOON, || (listed(&cache, "state=fetching") == [slow.clone()]).then_some(()));
    assert_eq!(listed(&cache, "tag=low"), urls[..2]);
    assert_eq!(listed(&cache, "application=app"), urls[4..]);
    assert_eq!(listed(&cache, "state=complete"), urls);
    assert_eq!(listed(&cache, "q=list/3"), urls[3..4]);
    assert_eq!(listed(&cache, &format!("url={}", urls[1])), urls[1..2]);
    invalid(cache.client().get(&format!("{TASKS}?state=odd")));
    let page = cache.client().get(&format!("{TASKS}?state=complete&per_page=2&page=3")).expect(200);
    assert_eq!((list(&page.json()).len(), page.header("x-total-count")), (1, Some("5")));
    assert!(page.header("link").is_some_and(|link| link.contains(">;rel=first")));
    gate.open();
    let id = id_of(&slow, "slow", "", None);
    let done = cache.client().get(&format!("{TASKS}/{id}?wait=10s")).expect(200).json();
    assert_eq!(done["state"], "complete", "{done}");
}

#[test]
fn a_task_tells_all_about_itself() {
    let (cache, origin) = (shared(), Origin::start());
    let file = File::new(HELLO).header("Content-Type", "text/odd");
    let etag = file.etag.clone();
    let url = origin.put("/told", file);
    cache.preheat(&url, json!({"tag": "told", "application": "app"}));
    let id = id_of(&url, "told", "app", None);
    let task = cache.client().get(&format!("{TASKS}/{id}")).expect(200).json();
    for (key, value) in [
        ("id", json!(id)),
        ("url", json!(url)),
        ("tag", json!("told")),
        ("application", json!("app")),
        ("piece_length", json!(FULL_PIECE)),
        ("content_length", json!(14)),
        ("cached_bytes", json!(14)),
        ("finished_pieces", json!(1)),
        ("total_pieces", json!(1)),
        ("state", json!("complete")),
        ("private", json!(false)),
        ("pins", json!([])),
        ("content_type", json!("text/odd")),
        ("etag", json!(etag)),
    ] {
        assert_eq!(task[key], value, "{key} in {task}");
    }
    for key in ["created_at", "used_at", "finished_at", "expires_at"] {
        chrono::DateTime::parse_from_rfc3339(text(&task[key])).unwrap_or_else(|_| panic!("{key} in {task}"));
    }
    refused_so(cache.client().get(&format!("{TASKS}/{}", "0".repeat(64))), 404, "record not found");
}

#[test]
fn a_file_is_fetched_without_a_job() {
    let (cache, origin) = (shared(), Origin::start());
    let body = json!({"url": origin.hello(), "tag": "direct"});
    let task = cache.client().post(TASKS, &body).expect(200).json();
    let id = id_of(&origin.hello(), "direct", "", None);
    assert_eq!(task["id"], id, "{task}");
    let done = cache.client().get(&format!("{TASKS}/{id}?wait=5s")).expect(200).json();
    assert_eq!(done["state"], "complete", "{done}");
    let content = format!("{TASKS}/{id}/content");
    assert_eq!(cache.client().get(&content).expect(200).body, HELLO);
    let part = cache.client().send(Request::new("GET", &content).header("Range", "bytes=6-12")).expect(206);
    assert_eq!((part.text().as_str(), part.header("content-range")), ("hostler", Some("bytes 6-12/14")));
    invalid(cache.client().post(TASKS, &json!({"tag": "no url"})));
}

#[test]
fn tasks_are_cleared_by_what_they_have_in_common() {
    let (cache, origin) = (Cache::start(), Origin::start());
    let urls: Vec<String> = (0..4).map(|n| origin.put(&format!("/clear/{n}"), File::of_size(100, n))).collect();
    for (n, url) in urls.iter().enumerate() {
        cache.preheat(url, json!({"tag": if n < 3 { "old" } else { "new" }}));
    }
    assert_eq!(cache.client().delete(TASKS).status, 422);
    cache.client().delete(&format!("{TASKS}?tag=old&dry_run=true")).expect(200);
    assert_eq!(listed(&cache, "tag=old").len(), 3);
    let one = id_of(&urls[0], "old", "", None);
    cache.client().delete(&format!("{TASKS}/{one}")).expect(200);
    assert!(!cache.file(&one).exists());
    assert_eq!(cache.client().delete(&format!("{TASKS}/{one}")).status, 404);
    cache.client().delete(&format!("{TASKS}?tag=old")).expect(200);
    assert_eq!(listed(&cache, ""), urls[3..]);
    cache.client().delete(&format!("{TASKS}?all=true")).expect(200);
    assert_eq!(listed(&cache, ""), Vec::<String>::new());
    assert_eq!(
        cast::files_below(&cache.daemon.data_dir().join("cache/content/tasks")),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn the_quota_takes_what_was_not_used_for_longest_and_no_pins() {
    let (cache, origin) = (Cache::with("quota = \"1 MiB\"\nlow_percent = 80\n", ""), Origin::start());
    let urls: Vec<String> = (0..6).map(|n| origin.put(&format!("/q/{n}"), File::of_size(250_000, n))).collect();
    cache.preheat(&urls[0], json!({}));
    let pin = format!("{TASKS}/{}/pins/keeper", id_of(&urls[0], "", "", None));
    cache.client().put(&pin).expect(200);
    assert_eq!(cache.soon(&urls[0])["pins"], json!(["keeper"]));
    for url in &urls[1..4] {
        cache.preheat(url, json!({}));
    }
    assert!(cache.through(&urls[1]).expect(200).body == origin::pattern(250_000, 1));
    cache.preheat(&urls[4], json!({}));
    until("there is room again", SOON, || {
        let usage = cache.client().get("/oapi/v1/usage").expect(200).json();
        assert_eq!(usage["quota"], 1 << 20, "{usage}");
        (usage["bytes"].as_u64() <= Some(1 << 20)).then_some(())
    });
    cache.absent(json!({"url": urls[2]}));
    for kept in [0, 1, 4] {
        cache.present(json!({"url": urls[kept]}));
    }
    cache.client().delete(&pin).expect(200);
    assert_eq!(cache.soon(&urls[0])["pins"], json!([]));
}

#[test]
fn what_nobody_uses_goes_after_its_time() {
    let (cache, origin) = (Cache::with("ttl = \"1s\"\ncollect_every = \"100ms\"\n", ""), Origin::start());
    let kept = origin.put("/kept", File::of_size(100, 1));
    cache.preheat(&kept, json!({"pin": "keeper"}));
    cache.preheat(&origin.hello(), json!({}));
    let id = id_of(&origin.hello(), "", "", None);
    until("it is gone", SOON, || (!cache.file(&id).exists()).then_some(()));
    cache.absent(json!({"url": origin.hello()}));
    cache.present(json!({"url": kept}));
}

#[test]
fn files_of_nobody_are_removed() {
    let (cache, origin) = (Cache::start(), Origin::start());
    cache.preheat(&origin.hello(), json!({}));
    let orphan = cache.file(&"ab".repeat(32));
    std::fs::create_dir_all(orphan.parent().expect("a directory")).expect("a directory");
    std::fs::write(&orphan, "nobody's").expect("a file");
    let said = cache.operator().post(&format!("{TASKS}/gc"), &json!({})).expect(200).json();
    assert_eq!(said["orphans"], 1, "{said}");
    assert!(!orphan.exists());
    cache.present(json!({"url": origin.hello()}));
}

#[test]
fn the_cache_outlives_its_daemon() {
    let (mut cache, origin) = (Cache::start(), Origin::start());
    cache.preheat(&origin.hello(), json!({}));
    cache.daemon.restart();
    cache.present(json!({"url": origin.hello()}));
    assert_eq!(cache.through(&origin.hello()).expect(200).body, HELLO);
    assert_eq!(origin.server().bodies("/hello.txt"), 1);
    let check = cache.operator().post("/hostler/v1/check", &json!({})).expect(200).json();
    assert_eq!(check["ok"], true, "{check}");
}
