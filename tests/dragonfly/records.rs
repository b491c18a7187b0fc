//! Cases 67–77: jobs as records, and when they are over.

use super::*;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Instant;

const JOBS: &str = "/oapi/v1/jobs";

/// So many look-ups, one after another.
#[track_caller]
fn lookups(cache: &Cache, count: usize) -> Vec<Value> {
    (0..count).map(|n| cache.run("get_task", json!({"url": format!("https://example.com/{n}")}))).collect()
}

#[track_caller]
fn listed(cache: &Cache, query: &str) -> Vec<u64> {
    let answer = cache.client().get(&format!("{JOBS}?{query}")).expect(200).json();
    list(&answer).iter().map(|job| job["id"].as_u64().expect("an id")).collect()
}

#[track_caller]
fn patched(cache: &Cache, job: &Value, body: &str) -> Answer {
    cache.client().send(Request::new("PATCH", &format!("{JOBS}/{}", job["id"])).body(body))
}

#[test]
fn case_67_a_job_has_a_number() {
    let cache = shared();
    for path in ["abc", "0", "-1", "1.5"] {
        invalid(cache.client().get(&format!("{JOBS}/{path}")));
    }
    refused_so(cache.client().get(&format!("{JOBS}/999999")), 404, "record not found");
}

#[test]
fn case_68_jobs_are_listed_newest_first_and_filtered() {
    let (cache, origin) = (Cache::start(), Origin::start());
    lookups(&cache, 2);
    cache.preheat(&origin.hello(), json!({}));
    cache.run("preheat", json!({"type": "file", "url": origin.url("/missing")}));
    assert_eq!(listed(&cache, ""), [4, 3, 2, 1]);
    assert_eq!(listed(&cache, "type=get_task&state=SUCCESS"), [2, 1]);
    assert_eq!(listed(&cache, "state=FAILURE"), [4]);
    assert_eq!(listed(&cache, "type=nothing"), Vec::<u64>::new());
    assert_eq!(listed(&cache, "user_id=7"), Vec::<u64>::new());
    assert_eq!(listed(&cache, "state=STARTED"), Vec::<u64>::new());
    for query in ["state=DONE", "per_page=-1", "per_page=10000001", "page=-1", "page=x"] {
        invalid(cache.client().get(&format!("{JOBS}?{query}")));
    }
    assert_eq!(listed(&cache, "page=0&per_page=3"), [4, 3, 2]);
    assert_eq!(listed(&cache, "page=2&per_page=3"), [1]);
    assert_eq!(listed(&cache, "page=9"), Vec::<u64>::new());
}

#[test]
fn case_69_pages_are_linked() {
    let cache = Cache::start();
    let empty = cache.client().get(JOBS).expect(200);
    assert_eq!((empty.json(), empty.header("x-total-count")), (json!([]), Some("0")));
    let link = empty.header("link").expect("a link");
    assert_eq!(link.matches("page=1&").count(), 4, "{link}");

    lookups(&cache, 5);
    let answer = cache.client().get(&format!("{JOBS}?per_page=2&type=get_task&page=3")).expect(200);
    assert_eq!(list(&answer.json()).len(), 1);
    let link = |page: u32, rel: &str| format!("<{JOBS}?page={page}&per_page=2&type=get_task>;rel={rel}");
    let links = [link(2, "prev"), link(3, "next"), link(1, "first"), link(3, "last")].join(",");
    assert_eq!(answer.header("link"), Some(links.as_str()));
    assert_eq!(answer.header("x-total-count"), Some("5"));
    let answer = cache.client().get(&format!("{JOBS}?page=1&per_page=2&type=get_task")).expect(200);
    let links = [link(1, "prev"), link(2, "next"), link(1, "first"), link(3, "last")].join(",");
    assert_eq!(answer.header("link"), Some(links.as_str()));
}

#[test]
fn case_70_lists_say_less_than_a_job_by_itself() {
    let cache = Cache::start();
    let job = lookups(&cache, 1).remove(0);
    let answer = cache.client().get(JOBS).expect(200).json();
    assert_eq!((&answer[0]["scheduler_clusters"], &answer[0]["seed_peer_clusters"]), (&Value::Null, &Value::Null));
    assert_eq!(succeeded(&answer[0]), succeeded(&job));
    assert_eq!(job["seed_peer_clusters"], json!([]), "{job}");
    let clusters = list(&job["scheduler_clusters"]);
    assert_eq!(clusters.len(), 1, "{job}");
    for (key, value) in
        [("id", json!(1)), ("name", json!("cluster-1")), ("is_default", json!(true)), ("is_del", json!(0))]
    {
        assert_eq!(clusters[0][key], value, "{job}");
    }
    for key in ["jobs", "peers", "schedulers", "seed_peer_clusters"] {
        assert!(keys(&clusters[0]).contains(&key) && clusters[0][key].is_null(), "{key} in {job}");
    }
}

#[test]
fn case_71_only_the_words_about_a_job_change() {
    let cache = shared();
    let job = lookups(&cache, 1).remove(0);
    assert_eq!(patched(&cache, &job, "{\"bio\":\"x\"}").expect(200).json()["bio"], "x");
    assert_eq!(patched(&cache, &job, "{\"bio\":\"\"}").expect(200).json()["bio"], "x");
    let same = patched(&cache, &job, "{\"state\":\"FAILURE\",\"type\":\"gc\"}").expect(200).json();
    assert_eq!((&same["state"], &same["type"], &same["bio"]), (&json!("SUCCESS"), &json!("get_task"), &json!("x")));
    patched(&cache, &job, "{}").expect(200);
    invalid(patched(&cache, &job, ""));
    let missing = Request::new("PATCH", &format!("{JOBS}/999999")).body("{\"bio\":\"x\"}");
    refused_so(cache.client().send(missing), 404, "record not found");
}

#[test]
fn case_72_a_deleted_job_leaves_what_it_fetched() {
    let (cache, origin) = (shared(), Origin::start());
    let job = cache.run("preheat", json!({"type": "file", "url": origin.hello()}));
    let path = format!("{JOBS}/{}", job["id"]);
    assert_eq!(cache.client().delete(&path).expect(200).text(), "");
    refused_so(cache.client().delete(&path), 404, "record not found");
    refused_so(cache.client().get(&path), 404, "record not found");
    cache.present(json!({"url": origin.hello()}));
}

#[test]
fn case_73_a_job_is_only_ever_pending_or_over() {
    let (cache, origin, gate) = (shared(), Origin::start(), Gate::at(1));
    let url = origin.put("/watched", File::of_size(400_000, 73).behind(&gate));
    let job = cache.job("preheat", json!({"type": "file", "url": url}));
    let mut seen = vec![];
    let mut note = |job: &Value| {
        let states = [&job["state"], &job["result"]["state"], &part(job)["state"]].map(|state| text(state).to_owned());
        if seen.last() != Some(&states) {
            seen.push(states);
        }
    };
    for allowed in (0..400_000).step_by(20_000) {
        gate.allow(allowed);
        note(&cache.look(&job));
    }
    until("it is at work", SOON, || (part(&cache.look(&job))["state"] == "STARTED").then_some(()));
    note(&cache.look(&job));
    gate.open();
    note(&cache.poll(&job));
    for [state, result, part] in &seen {
        let over = ["PENDING", "SUCCESS", "FAILURE"];
        assert!(over.contains(&state.as_str()) && over.contains(&result.as_str()), "{seen:?}");
        assert!(over.contains(&part.as_str()) || part == "STARTED" || part == "RECEIVED", "{seen:?}");
    }
    assert_eq!(seen.last().map(|states| states.join(" ")), Some("SUCCESS SUCCESS SUCCESS".to_owned()), "{seen:?}");
}

#[test]
fn case_74_a_look_up_is_over_at_once() {
    let cache = shared();
    let begin = Instant::now();
    let job = cache.job("get_task", json!({"url": "https://example.com/74"}));
    let answer = cache.client().get(&format!("{JOBS}/{}?wait=60s", job["id"])).expect(200).json();
    succeeded(&answer);
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

#[test]
fn case_74_who_waits_is_answered_when_it_is_over() {
    let (cache, origin) = (shared(), Origin::start());
    let (url, gate) = origin.slow();
    let job = cache.job("preheat", json!({"type": "file", "url": url}));
    let path = format!("{JOBS}/{}", job["id"]);
    let begin = Instant::now();
    assert_eq!(cache.client().get(&format!("{path}?wait=300ms")).expect(200).json()["state"], "PENDING");
    assert!(begin.elapsed() >= millis(300), "{:?}", begin.elapsed());
    let client = cache.client();
    let waiting = std::thread::spawn(move || client.get(&format!("{path}?wait=50s")).expect(200).json());
    gate.open();
    warmed(&waiting.join().expect("an answer"));
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

// Case 75 is in `killed`.

#[test]
fn case_76_peers_are_synchronised_without_a_record() {
    let cache = Cache::start();
    let answer = cache.post(&json!({"type": "sync_peers"})).expect(200);
    assert_eq!(answer.text().trim_end(), "\"OK\"");
    assert_eq!(listed(&cache, ""), Vec::<u64>::new());
}

#[test]
fn case_77_old_records_are_collected_and_nothing_else() {
    let cache = Cache::with("keep_jobs_for = \"1s\"\n", "");
    let origin = Origin::start();
    let old = cache.run("preheat", json!({"type": "file", "url": origin.hello()}));
    let made = DateTime::parse_from_rfc3339(text(&old["updated_at"])).expect("a time").with_timezone(&Utc);
    until("it is old", SOON, || (Utc::now() - made > TimeDelta::milliseconds(1100)).then_some(()));
    let job = cache.job("gc", json!({"type": "job"}));
    assert_eq!((&job["type"], &job["state"]), (&json!("gc"), &json!("SUCCESS")), "{job}");
    assert!(job["result"]["purged"].as_u64() >= Some(1), "{job}");
    let group = text(&job["task_id"]);
    assert!(group.len() == 36 && !group.starts_with("group_"), "{job}");
    assert_eq!((&job["args"]["type"], &job["args"]["batch_size"]), (&json!("job"), &json!(5000)), "{job}");
    assert_eq!(job["args"]["ttl"], 1_000_000_000, "{job}");
    refused_so(cache.client().get(&format!("{JOBS}/{}", old["id"])), 404, "record not found");
    cache.present(json!({"url": origin.hello()}));
    let audit = cache.job("gc", json!({"type": "audit"}));
    assert!(audit["result"]["purged"].is_u64(), "{audit}");
}
