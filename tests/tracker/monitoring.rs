//! Samples and who holds what: cases 114 to 118, and the rest of section 9.

use super::*;

/// The newest samples of a project, as the console asks for them.
#[track_caller]
fn samples(client: &Client, project: i64, query: &str) -> Vec<Value> {
    let content =
        ok(client.get(&format!("/project/monitoring{query}", query = query.replace(":id", &project.to_string()))));
    assert_eq!(keys(&content), ["snapshots"]);
    list(&content["snapshots"]).to_vec()
}

#[track_caller]
fn newest(tracker: &Tracker, project: i64) -> Option<Value> {
    samples(&tracker.guest(), project, "/:id?count=1").pop()
}

fn at(sample: &Value) -> i64 {
    sample["time_stamp"].as_i64().unwrap_or_else(|| panic!("no time: {sample}"))
}

/// The next sample that was certainly taken after now.
#[track_caller]
fn next_sample(tracker: &Tracker, project: i64) -> Value {
    let now = unix_now();
    until("another sample", SOON, || newest(tracker, project).filter(|sample| at(sample) > now))
}

#[track_caller]
fn assignees(client: &Client, project: i64) -> Vec<(String, i64)> {
    let content = ok(client.get(&format!("/project/assignees/{project}")));
    assert_eq!(keys(&content), ["assignees"]);
    let pair = |entry: &Value| {
        assert_eq!(keys(entry), ["assignee", "task_count"]);
        (entry["assignee"].as_str().expect("a name").to_owned(), entry["task_count"].as_i64().expect("a number"))
    };
    list(&content["assignees"]).iter().map(pair).collect()
}

// 114
#[test]
fn so_many_samples_can_be_asked_for() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    for query in ["", "?count=0", "?count=1000", "?count=abc", "?count=-1", "?count=", "?count=1.0"] {
        refused(tracker.guest().get(&format!("/project/monitoring/{project}{query}")), 400, "Invalid request");
    }
    for id in ["0", "x", "-1"] {
        refused(tracker.guest().get(&format!("/project/monitoring/{id}?count=1")), 400, "Invalid request");
    }
    samples(&tracker.guest(), project, "/:id?count=999");
    for id in [99_999_999, 9_999_999_999] {
        assert_eq!(samples(&tracker.guest(), id, "/:id?count=1"), Vec::<Value>::new());
        assert_eq!(samples(&tracker.guest(), id, "-between/:id?from=1&to=2"), Vec::<Value>::new());
    }
}

// 115
#[test]
fn samples_are_asked_for_by_time() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    for query in ["?from=0&to=5", "?from=5", "?to=5", "", "?from=1&to=2147483647", "?from=a&to=5", "?from=-1&to=5"] {
        refused(tracker.guest().get(&format!("/project/monitoring-between/{project}{query}")), 400, "Invalid request");
    }
    refused(tracker.guest().get("/project/monitoring-between/x?from=1&to=5"), 400, "Invalid request");
    assert_eq!(samples(&tracker.guest(), project, "-between/:id?from=10&to=5"), Vec::<Value>::new());
    samples(&tracker.guest(), project, "-between/:id?from=1&to=2147483646");
}

// 116
#[test]
fn a_sample_counts_the_queue() {
    let tracker = shared();
    let (project, one) = tracker.queue(json!({}));
    // The second row of access waits; public, so that another worker can vote.
    bare(tracker.update(project, json!({"public": true})));
    let two = tracker.worker();
    ok(two.request(project, "a"));
    one.fill(project, &["failed", "closed"]);
    one.finish(project, 1);
    one.finish(project, 0);
    ok(one.submit(project, json!({"recipe": "voted for", "verification_count": 3})));
    for worker in [&one, &two] {
        released(worker.vote(number(&worker.take(project)), 0, 5), false);
    }
    one.fill(project, &["free", "free"]);
    let sample = next_sample(&tracker, project);
    let expected = json!({
        "new_task_count": 2, "failed_task_count": 1, "closed_task_count": 1, "worker_access_count": 2,
        "awaiting_verification_count": 2, "time_stamp": sample["time_stamp"],
    });
    assert_eq!(sample, expected);

    // What is held is still new; what was closed stays counted when all is reset.
    one.take(project);
    assert_eq!(next_sample(&tracker, project)["new_task_count"], 2);
    affected(tracker.admin.post(&format!("/project/hard_reset/{project}"), &json!(null)), 4);
    let names = ["new_task_count", "failed_task_count", "closed_task_count", "awaiting_verification_count"];
    let expected = json!({
        "new_task_count": 0, "failed_task_count": 0, "closed_task_count": 1, "awaiting_verification_count": 0,
    });
    assert_eq!(some(&next_sample(&tracker, project), &names), expected);
}

// 117
#[test]
fn samples_come_newest_first_and_both_ends_count() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    let three = until("three samples", SOON, || {
        let all = samples(&tracker.guest(), project, "/:id?count=60");
        (all.len() >= 3).then_some(all)
    });
    assert!(three.is_sorted_by(|a, b| at(a) >= at(b)), "{three:?}");
    let middle = at(&three[1]);
    let exactly = samples(&tracker.guest(), project, &format!("-between/:id?from={middle}&to={middle}"));
    assert!(exactly.contains(&three[1]) && exactly.iter().all(|sample| at(sample) == middle), "{exactly:?}");
    let (first, last) = (at(&three[2]), at(&three[0]));
    let between = samples(&tracker.guest(), project, &format!("-between/:id?from={first}&to={last}"));
    assert!(between.windows(three.len()).any(|part| part == three.as_slice()), "{between:?}");
    assert_eq!(samples(&tracker.guest(), project, "/:id?count=2").len(), 2);
}

// 118
#[test]
fn it_can_be_seen_who_holds_how_many_tasks() {
    let tracker = shared();
    let (project, owner) = tracker.queue(json!({}));
    let crawler = tracker.worker_called("crawler-a");
    tracker.grant(project, &crawler, "a");
    owner.fill(project, &["failed", "held", "free", "free", "free"]);
    owner.finish(project, 1);
    crawler.take(project);
    let expected = [("unassigned".to_owned(), 4), ("crawler-a".to_owned(), 1)];
    assert_eq!(assignees(&tracker.guest(), project), expected);
    assert_eq!(assignees(&tracker.guest(), 99_999_999), []);
    refused(tracker.guest().get("/project/assignees/0"), 400, "Invalid worker id");
    // Another worker of that name is another entry.
    let namesake = tracker.worker_called("crawler-a");
    tracker.grant(project, &namesake, "a");
    namesake.take(project);
    let expected =
        [("unassigned", 3), ("crawler-a", 1), ("crawler-a", 1)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(assignees(&tracker.guest(), project), expected);
}

// D15
#[test]
fn of_many_holders_the_greatest_are_shown() {
    let tracker = shared();
    let (project, owner) = tracker.queue(json!({"public": true}));
    let tasks: Vec<Value> = (0..40).map(|_| task(project, json!({}))).collect();
    ok(owner.bulk(&tasks));
    // Nineteen workers with one task each, and one with two.
    for n in 0..20 {
        let worker = tracker.worker_called(&format!("holder-{n}"));
        for _ in 0..=usize::from(n == 7) {
            worker.take(project);
        }
    }
    let shown = assignees(&tracker.guest(), project);
    assert_eq!(shown.len(), 16);
    assert_eq!(shown[..2], [("unassigned".to_owned(), 19), ("holder-7".to_owned(), 2)]);
}

#[test]
fn samples_are_kept_for_as_long_as_is_configured() {
    let mut tracker = Tracker::start("[tracker]\nsnapshot_interval = \"1s\"\nhistory_length = \"2s\"\n");
    let project = tracker.project(json!({}));
    let first = at(&until("a sample", SOON, || newest(&tracker, project)));
    until("it is too old", SOON, || (unix_now() > first + 2).then_some(()));
    // They are removed now and then, and at the start.
    tracker.daemon.restart();
    until("it is gone", SOON, || {
        samples(&tracker.guest(), project, "/:id?count=999").iter().all(|sample| at(sample) > first).then_some(())
    });
}
