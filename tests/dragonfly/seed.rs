//! The published guide's own `curl` lines, word for word, and every field that its answers show.
//!
//! Only what the guide leaves to its reader is put in: the host, the token, what `your_…` stands for, and for
//! `https://example.com` something that is there. Its samples are mended where they are no JSON.

use super::*;
use crate::cast::cached;
use std::process::Command;

/// Search by URL.
const FIND_BY_URL: &str = r#"curl --location --request POST 'http://dragonfly-manager:8080/oapi/v1/jobs' \
--header 'Content-Type: application/json' \
--header 'Authorization: Bearer your_dragonfly_personal_access_token' \
--data-raw '{
"type": "get_task",
"args": {
"url": "https://example.com",
"tag": "your_url_tag",
"application": "your_url_application",
"filtered_query_params": "your_url_filtered_query_params"
}
}'"#;

/// Polling, wherever something was searched.
const POLL_1: &str = r#"curl --request GET 'http://dragonfly-manager:8080/oapi/v1/jobs/1' \
--header 'Content-Type: application/json' \
--header 'Authorization: Bearer your_dragonfly_personal_access_token'"#;

/// Search by image manifest URL.
const DISTRIBUTION: &str = r#"curl --location --request POST 'http://dragonfly-manager:8080/oapi/v1/jobs' \
--header 'Content-Type: application/json' \
--header 'Authorization: Bearer your_dragonfly_personal_access_token' \
--data-raw '{
"type": "get_image_distribution",
"args": {
"url": "https://example.com"
}
}'"#;

/// Search by task id.
const FIND_BY_ID: &str = r#"curl --location --request POST 'http://dragonfly-manager:8080/oapi/v1/jobs' \
--header 'Content-Type: application/json' \
--header 'Authorization: Bearer your_dragonfly_personal_access_token' \
--data-raw '{
"type": "get_task",
"args": {
"task_id": "your_task_id"
}
}'"#;

/// Search by content for calculating task id.
const FIND_BY_CONTENT: &str = r#"curl --location --request POST 'http://dragonfly-manager:8080/oapi/v1/jobs' \
--header 'Content-Type: application/json' \
--header 'Authorization: Bearer your_dragonfly_personal_access_token' \
--data-raw '{
"type": "get_task",
"args": {
"content_for_calculating_task_id": "your_content_for_calculating_task_id"
}
}'"#;

/// Delete by URL; the page lacks the comma behind the application, and its last one is too many.
const DELETE_BY_URL: &str = r#"curl --location --request POST 'http://dragonfly-manager:8080/oapi/v1/jobs' \
--header 'Content-Type: application/json' \
--header 'Authorization: Bearer your_dragonfly_personal_access_token' \
--data-raw '{
"type": "delete_task",
"args": {
"url": "https://example.com",
"tag": "your_url_tag",
"application": "your_url_application",
"piece_length": your_piece_length
},
"scheduler_cluster_ids":[your_scheduler_cluster_id]
}'"#;

/// Polling, wherever something was deleted.
const POLL_2: &str = r#"curl --request GET 'http://dragonfly-manager:8080/oapi/v1/jobs/2' \
--header 'Content-Type: application/json' \
--header 'Authorization: Bearer your_dragonfly_personal_access_token'"#;

/// Delete by task id.
const DELETE_BY_ID: &str = r#"curl --location --request POST 'http://dragonfly-manager:8080/oapi/v1/jobs' \
--header 'Content-Type: application/json' \
--header 'Authorization: Bearer your_dragonfly_personal_access_token' \
--data-raw '{
"type": "delete_task",
"args": {
"task_id": "your_task_id"
},
"scheduler_cluster_ids":[your_scheduler_cluster_id]
}'"#;

/// Delete by content for calculating task id.
const DELETE_BY_CONTENT: &str = r#"curl --location --request POST 'http://dragonfly-manager:8080/oapi/v1/jobs' \
--header 'Content-Type: application/json' \
--header 'Authorization: Bearer your_dragonfly_personal_access_token' \
--data-raw '{
"type": "delete_task",
"args": {
"content_for_calculating_task_id": "your_content_for_calculating_task_id"
},
"scheduler_cluster_ids":[your_scheduler_cluster_id]
}'"#;

/// What stands in the place of the guide's words.
struct Reader<'a> {
    cache: &'a Cache,
    /// In the place of `https://example.com`.
    url: String,
    id: String,
}

impl Reader<'_> {
    /// Runs a line as a shell does; what comes back as JSON.
    #[track_caller]
    fn run(&self, line: &str) -> Value {
        let host = format!("http://{}", self.cache.daemon.address());
        let line = line
            .replace("http://dragonfly-manager:8080", &host)
            .replace("your_dragonfly_personal_access_token", &self.cache.token)
            .replace("your_scheduler_cluster_id", "1")
            .replace("your_piece_length", &FULL_PIECE.to_string())
            .replace("your_task_id", &self.id)
            .replace("https://example.com", &self.url);
        let output = Command::new("sh").args(["-c", &line]).output().expect("a shell");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{line}: {error} in {}", String::from_utf8_lossy(&output.stdout)))
    }

    /// A line that makes a job, and the line that polls it, until it is over; the job as it was and as it is.
    #[track_caller]
    fn poll(&self, make: &str, poll: &str) -> (Value, Value) {
        let made = self.run(make);
        let number = made["id"].as_u64().unwrap_or_else(|| panic!("no id: {made}"));
        let poll = poll.replace("/jobs/1'", "/jobs/N'").replace("/jobs/2'", "/jobs/N'");
        let poll = poll.replace("/jobs/N'", &format!("/jobs/{number}'"));
        let over =
            until("the state is SUCCESS", SOON, || Some(self.run(&poll)).filter(|job| job["state"] == "SUCCESS"));
        (made, over)
    }
}

/// Everything in `sample` is in `answer`, and of the same shape: objects with these fields, lists with something like the
/// sample's in them, texts, numbers. Where the sample has null or an empty list, there is something by this name.
#[track_caller]
fn shows(answer: &Value, sample: &Value) {
    if let Err(at) = compare(answer, sample) {
        panic!("{at}\nthe guide shows {sample:#}\nthe answer is {answer:#}");
    }
}

fn compare(answer: &Value, sample: &Value) -> Result<(), String> {
    match (answer, sample) {
        (_, Value::Null) | (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_)) => Ok(()),
        (Value::Bool(_), Value::Bool(_)) => Ok(()),
        (Value::Object(answer), Value::Object(sample)) => sample.iter().try_for_each(|(key, sample)| {
            let found = answer.get(key).ok_or_else(|| format!("{key}: not there"))?;
            compare(found, sample).map_err(|at| format!("{key}: {at}"))
        }),
        (Value::Array(answer), Value::Array(sample)) => {
            let Some(sample) = sample.first() else { return Ok(()) };
            if answer.is_empty() {
                return Err("an empty list".to_owned());
            }
            answer.iter().try_for_each(|answer| compare(answer, sample).map_err(|at| format!("[]: {at}")))
        }
        _ => Err(format!("another shape: {answer}")),
    }
}

const TIME: &str = "0001-01-01T00:00:00Z";

/// What the guide shows when a job was made, with these arguments.
fn made(kind: &str, args: Value) -> Value {
    let cluster = json!({"id": 1, "created_at": TIME, "updated_at": TIME, "name": "cluster-1"});
    let sample = json!({
        "id": 1, "created_at": TIME, "updated_at": TIME, "task_id": "group_", "type": kind, "state": "PENDING",
        "args": args, "result": null, "scheduler_clusters": [cluster],
    });
    if kind == "delete_task" { plus(sample, json!({"bio": ""})) } else { sample }
}

/// What the guide shows when a search is over.
fn found(args: Value) -> Value {
    let peer = json!({
        "created_at": TIME, "host_type": "super", "hostname": "", "id": "", "ip": "", "updated_at": TIME,
    });
    let part = json!({"results": [{"peers": [peer], "scheduler_cluster_id": 1}], "state": "SUCCESS"});
    let result = json!({"job_states": [part], "state": "SUCCESS", "updated_at": TIME});
    plus(made("get_task", args), json!({"state": "SUCCESS", "result": result}))
}

/// What the guide shows when a deletion is over.
fn deleted(args: Value) -> Value {
    let done = json!({"host_type": "super", "hostname": "", "ip": ""});
    let results = json!([{"failure_tasks": [], "scheduler_cluster_id": 1, "success_tasks": [done]}]);
    let part = json!({
        "created_at": TIME, "error": "", "results": results, "state": "SUCCESS", "task_name": "delete_task",
    });
    let result = json!({"created_at": TIME, "job_states": [part], "state": "SUCCESS", "updated_at": TIME});
    plus(made("delete_task", args), json!({"state": "SUCCESS", "result": result}))
}

/// What is fetched before the guide searches for it: as its URL, tag, application and filter say.
const FILTER: &str = "your_url_filtered_query_params";

fn tagged(url: &str, more: Value) -> Value {
    plus(json!({"url": url, "tag": "your_url_tag", "application": "your_url_application"}), more)
}

#[track_caller]
fn warm(cache: &Cache, args: Value) {
    warmed(&cache.run("preheat", plus(args, json!({"type": "file"}))));
}

/// The guide's test of success: the state, and whether nothing was left.
#[track_caller]
fn nothing_is_left(cache: &Cache, job: &Value, args: Value) {
    assert_eq!(outcome(job)["failure_tasks"], json!([]), "{job}");
    assert_eq!(list(&outcome(job)["success_tasks"]).len(), 1, "{job}");
    cache.absent(args);
}

#[test]
fn the_guide_searches_and_deletes_by_url() {
    let (cache, origin) = (Cache::start(), Origin::start());
    let url = origin.hello();
    let reader = Reader { cache: &cache, url: url.clone(), id: String::new() };
    warm(&cache, tagged(&url, json!({"filtered_query_params": FILTER})));
    let (begun, over) = reader.poll(FIND_BY_URL, POLL_1);
    assert_eq!((&begun["state"], &begun["result"]), (&json!("PENDING"), &Value::Null), "{begun}");
    shows(&begun, &made("get_task", json!({"url": ""})));
    shows(&over, &found(json!({"url": ""})));

    let sized = json!({"piece_length": FULL_PIECE});
    warm(&cache, tagged(&url, sized.clone()));
    let args = json!({"application": "", "filtered_query_params": "", "piece_length": null, "tag": "", "url": ""});
    let (begun, over) = reader.poll(DELETE_BY_URL, POLL_2);
    shows(&begun, &made("delete_task", args.clone()));
    shows(&over, &deleted(plus(args, json!({"task_id": ""}))));
    nothing_is_left(&cache, &over, tagged(&url, sized));
}

#[test]
fn the_guide_searches_and_deletes_by_id() {
    let (cache, origin) = (Cache::start(), Origin::start());
    let id = id_of(&origin.hello(), "", "", None);
    let reader = Reader { cache: &cache, url: String::new(), id: id.clone() };
    warm(&cache, json!({"url": origin.hello()}));
    let args = json!({"task_id": ""});
    let (begun, over) = reader.poll(FIND_BY_ID, POLL_1);
    shows(&begun, &made("get_task", args.clone()));
    shows(&over, &found(args.clone()));
    let (begun, over) = reader.poll(DELETE_BY_ID, POLL_2);
    shows(&begun, &made("delete_task", args.clone()));
    shows(&over, &deleted(args));
    nothing_is_left(&cache, &over, json!({"task_id": id}));
}

#[test]
fn the_guide_searches_and_deletes_by_content() {
    let (cache, origin) = (Cache::start(), Origin::start());
    let reader = Reader { cache: &cache, url: String::new(), id: String::new() };
    let content = "your_content_for_calculating_task_id";
    let named = cached(&origin.hello()).header("X-Dragonfly-Content-For-Calculating-Task-ID", content);
    let named = cache.proxy().send(named).expect(200);
    assert_eq!(named.body, HELLO);
    let args = json!({"content_for_calculating_task_id": ""});
    // Its numbers are the guide's own, too: nothing was asked of this daemon before.
    let (begun, over) = reader.poll(FIND_BY_CONTENT, POLL_1);
    assert_eq!(begun["id"], 1, "{begun}");
    shows(&begun, &made("get_task", args.clone()));
    shows(&over, &found(args.clone()));
    let (begun, over) = reader.poll(DELETE_BY_CONTENT, POLL_2);
    assert_eq!(begun["id"], 2, "{begun}");
    shows(&begun, &made("delete_task", args.clone()));
    shows(&over, &deleted(args));
    nothing_is_left(&cache, &over, json!({"content_for_calculating_task_id": content}));
}

#[test]
fn the_guide_searches_by_image_manifest() {
    let (cache, registry) = (Cache::start(), Registry::start(Access::Open));
    let reader = Reader { cache: &cache, url: registry.manifest(), id: String::new() };
    warmed(&cache.run("preheat", json!({"type": "image", "url": registry.manifest()})));
    let layer = json!({"url": ""});
    let peer = json!({"ip": "", "hostname": "", "layers": [layer], "scheduler_cluster_id": 1});
    shows(&reader.run(DISTRIBUTION), &json!({"image": {"layers": [layer]}, "peers": [peer]}));
}

#[test]
fn a_sample_is_compared_in_earnest() {
    let answer = json!({"a": [{"b": 1, "c": "x"}], "d": null});
    assert!(compare(&answer, &json!({"a": [{"b": 2}], "d": null})).is_ok());
    for sample in [json!({"a": [{"e": 1}]}), json!({"a": [{"b": ""}]}), json!({"f": null}), json!({"d": []})] {
        assert!(compare(&answer, &sample).is_err(), "{sample}");
    }
    assert!(compare(&json!({"a": []}), &json!({"a": [1]})).is_err());
}
