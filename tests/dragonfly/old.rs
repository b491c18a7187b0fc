//! Data that was written in the first format of each record, by a daemon that was killed: read, and gone on with. The
//! origin that it was fetched from is long gone.

use super::*;

const TASKS: &str = "/oapi/v1/tasks";

/// The only task with this tag, as operators see it.
#[track_caller]
fn tagged(cache: &Cache, tag: &str) -> Value {
    let found = cache.operator().get(&format!("{TASKS}?tag={tag}")).expect(200).json();
    assert_eq!(list(&found).len(), 1, "{tag}: {found}");
    found[0].clone()
}

#[test]
fn data_of_the_first_format_goes_on() {
    // The sample only gets older.
    let mut cache = Cache::prepared("ttl = \"1000 years\"\nkeep_jobs_for = \"1000 years\"\n", "");
    cache.daemon.inherit("cache-1");
    drop(fresh("token")); // the sample has the first of them
    cache.launch();
    let finding = cache.operator().post("/hostler/v1/check", &json!({})).expect(200).json();
    assert_eq!(finding["ok"], true, "{finding}");

    // Tasks: kept, private, of a known digest, none.
    let kept = tagged(&cache, "kept");
    assert_eq!((&kept["state"], &kept["pins"]), (&json!("complete"), &json!(["name:dag:x", "keeper"])), "{kept}");
    assert_eq!((&kept["etag"], &kept["content_length"]), (&json!("\"first\""), &json!(HELLO.len())));
    let content = format!("{TASKS}/{}/content", text(&kept["id"]));
    assert_eq!(cache.client().get(&content).expect(200).body, HELLO);
    let private = tagged(&cache, "private");
    assert_eq!((&private["private"], &private["state"]), (&json!(true), &json!("complete")), "{private}");
    let hidden = format!("{TASKS}/{}/content", text(&private["id"]));
    assert!(matches!(cache.client().get(&hidden).status, 401 | 403 | 404));
    assert_eq!(cache.operator().get(&hidden).expect(200).body, HELLO);
    let digest = tagged(&cache, "digest");
    assert_eq!(digest["digest"], format!("sha256:{}", digest_of(HELLO)), "{digest}");
    let missing = tagged(&cache, "missing");
    assert_eq!((&missing["state"], &missing["pins"]), (&json!("partial"), &json!(["keeper"])), "{missing}");
    assert!(text(&missing["error"]).contains("404"), "{missing}");

    // Jobs: over, changed after their end, long, cut off.
    let jobs = cache.client().get("/oapi/v1/jobs?per_page=50").expect(200).json();
    let kinds: Vec<_> = list(&jobs).iter().rev().map(|job| (text(&job["type"]), text(&job["state"]))).collect();
    let expected = [
        ("preheat", "SUCCESS"),
        ("preheat", "FAILURE"),
        ("get_task", "SUCCESS"),
        ("delete_task", "SUCCESS"),
        ("gc", "SUCCESS"),
        ("preheat", "FAILURE"),
        ("preheat", "FAILURE"),
    ];
    assert_eq!(kinds, expected);
    let job = |id: usize| cache.client().get(&format!("/oapi/v1/jobs/{id}")).expect(200).json();
    assert_eq!(warmed(&job(1)), [text(&kept["url"])]);
    assert_eq!((&job(1)["bio"], &job(1)["user_id"]), (&json!("said later"), &json!(1)));
    assert_eq!(list(&outcome(&job(6))["failure_tasks"]).len(), 100, "a record that is a file of its own");
    let cut = job(7);
    assert!(failed(&cut).contains("restart"), "{cut}");
    assert_eq!(cut["args"]["headers"], json!({"Authorization": "***", "X-Kind": "mine"}));

    // And it goes on: numbers, clusters, what is kept.
    let clusters = cache.operator().get("/oapi/v1/clusters").expect(200).json();
    assert_eq!(column(&clusters, "name").len(), 2, "{clusters}");
    let origin = Origin::start();
    let next = cache.run("preheat", json!({"type": "file", "url": origin.hello()}));
    assert_eq!((&next["id"], warmed(&next)), (&json!(8), vec![&origin.hello()[..]]));
    cache.delete(json!({"task_id": kept["id"]}));
    cache.operator().get(&content).expect(404);
}
