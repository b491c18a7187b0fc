//! Submitting: cases 66 to 78, and the rest of sections 6.6 and 8.4 that is about it.

use super::*;

const DUPLICATE: &str = r#"pq: duplicate key value violates unique constraint "project_hash_unique""#;

// 66
#[test]
fn a_task_is_submitted_without_a_word_too_many() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    let worker = tracker.worker_in(project, "s");
    bare(worker.post("/task/submit", &json!({"project": project, "recipe": "{}", "max_retries": 3})));
}

// 67
#[test]
fn there_is_nothing_to_submit_to_where_no_project_is() {
    let tracker = shared();
    let worker = tracker.worker();
    for project in [123_456_789, 9_999_999_999, -1] {
        let answer = worker.submit(project, json!({}));
        assert!(matches!(answer.status, 400 | 404), "{project}: {}", answer.text());
        declined(answer.clone(), answer.status);
    }
    refused(worker.submit(123_456_789, json!({})), 404, "Project not found");
    refused(worker.bulk(&[task(123_456_789, json!({}))]), 404, "Project not found");
}

// 68, as the published page has it: only `hash_u64` excludes `unique_string`.
#[test]
fn an_invalid_task_is_refused() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    for wrong in [
        json!({"recipe": ""}),
        json!({"recipe": null}),
        json!({"max_retries": -1}),
        json!({"project": 0}),
        json!({"project": null}),
        json!({"hash_u64": 5, "unique_string": "x"}),
    ] {
        refused(worker.submit(project, wrong.clone()), 400, "Invalid task");
        refused(worker.bulk(&[task(project, json!({})), task(project, wrong)]), 400, "Invalid request");
    }
    none(worker.fetch(project));
    ok(worker.submit(project, json!({"hash_u64": 0, "unique_string": "x"})));
    ok(worker.submit(project, json!({"hash_u64": 5, "unique_string": ""})));
    refused(worker.submit(project, json!({"unique_string": "x"})), 400, DUPLICATE);
    refused(worker.submit(project, json!({"hash_u64": 5})), 400, DUPLICATE);
}

// 69
#[test]
fn a_request_that_waits_allows_no_submitting() {
    let tracker = shared();
    let (project, worker) = (tracker.project(json!({"public": true})), tracker.worker());
    ok(worker.request(project, "s"));
    refused(worker.submit(project, json!({})), 400, "unauthorized task submit");
}

// 70
#[test]
fn a_hash_is_there_once_in_each_project() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    ok(worker.submit(project, json!({"hash_u64": 123})));
    refused(worker.submit(project, json!({"hash_u64": 123})), 400, DUPLICATE);
    for hash in [124, -123, i64::MAX, i64::MIN] {
        ok(worker.submit(project, json!({"hash_u64": hash})));
        refused(worker.submit(project, json!({"hash_u64": hash})), 400, DUPLICATE);
    }
    // None is no hash, and never there already.
    for none in [json!({"hash_u64": 0}), json!({"hash_u64": null}), json!({})] {
        ok(worker.submit(project, none.clone()));
        ok(worker.submit(project, none));
    }
    let other = tracker.project(json!({}));
    tracker.grant(other, &worker, "s");
    ok(worker.submit(other, json!({"hash_u64": 123})));
}

// 71
#[test]
fn a_unique_string_stands_for_its_hash() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    ok(worker.submit(project, json!({"unique_string": "job-42"})));
    refused(worker.submit(project, json!({"unique_string": "job-42"})), 400, DUPLICATE);
    ok(worker.submit(project, json!({"unique_string": "job-43"})));
    refused(worker.submit(project, json!({"hash_u64": -3_735_849_614_223_894_796_i64})), 400, DUPLICATE);
    for (text, hash) in [
        ("hello", 2_957_200_328_589_801_622),
        ("a", 5_158_252_350_249_958_646_i64),
        ("https://example.org/page?id=1", 2_211_306_745_215_423_824),
        ("éclair", 9_177_957_934_771_781_157),
        ("0123456789abcdef", -6_526_970_866_249_423_772),
    ] {
        ok(worker.submit(project, json!({"hash_u64": hash})));
        refused(worker.submit(project, json!({"unique_string": text})), 400, DUPLICATE);
    }
}

// The names that the published page, the console and the Python client use.
#[test]
fn other_spellings_of_a_hash_count_where_the_known_ones_are_absent() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    ok(worker.submit(project, json!({"hash64": 77})));
    refused(worker.submit(project, json!({"hash64": 77})), 400, DUPLICATE);
    refused(worker.submit(project, json!({"hash_u64": 77})), 400, DUPLICATE);
    refused(worker.submit(project, json!({"hash64": 77, "hash_u64": 0})), 400, DUPLICATE);
    refused(worker.submit(project, json!({"hash64": 77, "hash_u64": null})), 400, DUPLICATE);
    ok(worker.submit(project, json!({"hash64": 77, "hash_u64": 78})));
    refused(worker.submit(project, json!({"hash_u64": 78})), 400, DUPLICATE);
    // The page: the string is put in place of the hash.
    ok(worker.submit(project, json!({"hash64": 77, "unique_string": "page"})));
    refused(worker.submit(project, json!({"unique_string": "page"})), 400, DUPLICATE);
    ok(worker.submit(project, json!({"hash64": 0, "unique_string": ""})));

    ok(worker.submit(project, json!({"unique_str": "python"})));
    refused(worker.submit(project, json!({"unique_str": "python"})), 400, DUPLICATE);
    refused(worker.submit(project, json!({"unique_string": "python"})), 400, DUPLICATE);
    // That client often sends both, and means the hash.
    ok(worker.submit(project, json!({"unique_str": "python", "hash_u64": 80})));
    ok(worker.submit(project, json!({"unique_str": "python", "hash64": 81})));
    ok(worker.submit(project, json!({"unique_str": "python", "unique_string": "another"})));
    refused(worker.submit(project, json!({"hash_u64": 81})), 400, DUPLICATE);
}

// 72
#[test]
fn a_hash_is_free_again_when_its_task_is_gone() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let submit = || worker.submit(project, json!({"hash_u64": 9}));
    ok(submit());
    worker.finish(project, 0);
    ok(submit());
    worker.finish(project, 1);
    refused(submit(), 400, DUPLICATE);
    affected(tracker.admin.post(&format!("/project/hard_reset/{project}"), &json!(null)), 1);
    ok(submit());
}

// 73
#[test]
fn nulls_are_accepted_and_shown_as_defaults() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let python = json!({
        "project": project, "recipe": "python", "priority": null, "max_assign_time": null, "hash_u64": null,
        "verification_count": null, "max_retries": null, "unique_str": null,
    });
    bare(worker.post("/task/submit", &python));
    let expected = json!({"priority": 0, "max_assign_time": 0, "verification_count": 1, "max_retries": 0});
    let names = ["priority", "max_assign_time", "verification_count", "max_retries"];
    assert_eq!(some(&worker.take(project), &names), expected);
    bare(worker.post("/task/submit", &json!({"project": project, "recipe": "short"})));
    assert_eq!(some(&worker.take(project), &names), expected);
}

// 74
#[test]
fn a_paused_project_takes_tasks_and_hands_out_none() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    bare(tracker.update(project, json!({"paused": true})));
    ok(worker.submit(project, json!({"recipe": "later"})));
    none(worker.fetch(project));
    bare(tracker.update(project, json!({"paused": false})));
    assert_eq!(worker.take(project)["recipe"], "later");
}

// 75
#[test]
fn many_tasks_are_submitted_at_once() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let more = |more: Value| task(project, more);
    let three = [
        more(json!({"recipe": "1"})),
        more(json!({"recipe": "2", "hash_u64": 1})),
        more(json!({"recipe": "3", "unique_string": "u"})),
    ];
    ok(worker.bulk(&three));
    let recipes: Vec<Value> = (0..3).map(|_| worker.take(project)["recipe"].take()).collect();
    assert_eq!(recipes, ["1", "2", "3"]);
    none(worker.fetch(project));
}

// 76
#[test]
fn a_bulk_is_of_one_project_and_not_empty() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let other = tracker.project(json!({}));
    tracker.grant(other, &worker, "as");
    let message = "All the tasks in a bulk submit must be of the same project";
    refused(worker.bulk(&[task(project, json!({})), task(other, json!({}))]), 400, message);
    for project in [project, other] {
        none(worker.fetch(project));
    }
    for body in [
        json!({"requests": []}),
        json!({}),
        json!({"requests": null}),
        json!({"requests": 7}),
        json!({"requests": [7]}),
    ] {
        refused(worker.post("/task/bulk_submit", &body), 400, "Could not parse request");
    }
}

// 77
#[test]
fn a_bulk_takes_the_right_to_submit() {
    let tracker = shared();
    let project = tracker.project(json!({"public": true}));
    let worker = tracker.worker_in(project, "a");
    refused(worker.bulk(&[task(project, json!({}))]), 400, "unauthorized task submit");
    none(worker.fetch(project));
}

// 78, D8
#[test]
fn a_bulk_stores_what_is_new_and_tells_the_rest() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    ok(worker.submit(project, json!({"recipe": "old", "hash_u64": 1})));
    worker.take(project);
    let hashed = |recipe: &str, hash: i64| task(project, json!({"recipe": recipe, "hash_u64": hash}));
    let content = ok(worker.bulk(&[hashed("x", 1), hashed("new", 2), hashed("y", 2), hashed("newer", 3)]));
    assert_eq!(content["submitted"], 2);
    let rejected = json!([{"index": 0, "message": DUPLICATE}, {"index": 2, "message": DUPLICATE}]);
    assert_eq!(content["rejected"], rejected);
    assert_eq!(
        (worker.take(project)["recipe"].take(), worker.take(project)["recipe"].take()),
        (json!("new"), json!("newer"))
    );
    none(worker.fetch(project));

    let content = ok(worker.bulk(&[task(project, json!({}))]));
    assert_eq!(content, json!({"submitted": 1, "rejected": []}));
    let content = ok(worker.bulk(&[hashed("x", 1)]));
    assert_eq!(content, json!({"submitted": 0, "rejected": [{"index": 0, "message": DUPLICATE}]}));
}

// The Python client's own bulk call sends no list.
#[test]
fn a_bulk_may_be_a_single_object() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let content = ok(worker.post("/task/bulk_submit", &json!({"requests": task(project, json!({"recipe": "only"}))})));
    assert_eq!(content["submitted"], 1);
    assert_eq!(worker.take(project)["recipe"], "only");
}

#[test]
fn a_bulk_is_as_large_as_a_body_may_be() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let many: Vec<Value> = (1..=5000).map(|n| task(project, json!({"recipe": n.to_string(), "hash_u64": n}))).collect();
    assert_eq!(ok(worker.bulk(&many)), json!({"submitted": 5000, "rejected": []}));
    assert_eq!(worker.take(project)["recipe"], "1");
    affected(tracker.admin.post(&format!("/project/hard_reset/{project}"), &json!(null)), 5000);
}

// The order of checks of 8.4.
#[test]
fn a_submit_is_checked_in_this_order() {
    let tracker = shared();
    // Nobody has the right, and the only token of this project is gone after one try.
    let project = tracker.project(json!({"submit_rate": 0.01}));
    let worker = tracker.worker();
    let nobody = identified(&tracker.guest(), &worker.id.to_string(), "wrong");
    let nonsense = || Request::new("POST", "/task/submit").body("{bad");
    refused(nobody.send(nonsense()), 401, "invalid secret");
    refused(worker.send(nonsense()), 400, "Could not parse request");
    refused(worker.submit(99_999_999, json!({"recipe": ""})), 400, "Invalid task");
    refused(worker.submit(99_999_999, json!({})), 404, "Project not found");
    refused(worker.submit(project, json!({"recipe": ""})), 400, "Invalid task");
    refused(worker.submit(project, json!({})), 400, "unauthorized task submit");
    limited(worker.submit(project, json!({})));
}
