//! Rules across routes: who may do what, and which refusal comes first.

use super::*;

/// A route that takes a right in one project.
struct Guarded {
    bit: i64,
    method: &'static str,
    path: &'static str,
    body: fn(&Subject) -> Value,
}

/// What the routes are about.
struct Subject {
    worker: i64,
    manager: i64,
    name: String,
}

fn nothing(_: &Subject) -> Value {
    json!(null)
}

/// Section 4.3, by right.
const GUARDED: [Guarded; 15] = [
    Guarded { bit: 1, method: "GET", path: "/project/get/:p", body: nothing },
    Guarded { bit: 1, method: "GET", path: "/project/assignees/:p", body: nothing },
    Guarded { bit: 1, method: "GET", path: "/project/monitoring/:p?count=5", body: nothing },
    Guarded {
        bit: 2,
        method: "POST",
        path: "/project/update/:p",
        body: |subject| json!({"name": subject.name, "hidden": true}),
    },
    Guarded { bit: 4, method: "GET", path: "/project/access_list/:p", body: nothing },
    Guarded { bit: 4, method: "POST", path: "/project/accept_request/:p/:w", body: nothing },
    Guarded { bit: 4, method: "POST", path: "/project/reject_request/:p/:w", body: nothing },
    Guarded {
        bit: 4,
        method: "POST",
        path: "/manager/set_role_for_project/:p",
        body: |subject| json!({"manager": subject.manager, "role": 1}),
    },
    Guarded { bit: 8, method: "GET", path: "/project/secret/:p", body: nothing },
    Guarded { bit: 8, method: "POST", path: "/project/secret/:p", body: |_| json!({"secret": "s"}) },
    Guarded { bit: 8, method: "GET", path: "/project/webhook_secret/:p", body: nothing },
    Guarded { bit: 8, method: "POST", path: "/project/webhook_secret/:p", body: |_| json!({"webhook_secret": "s"}) },
    Guarded { bit: 16, method: "POST", path: "/project/reset_failed_tasks/:p", body: nothing },
    Guarded { bit: 16, method: "POST", path: "/project/hard_reset/:p", body: nothing },
    Guarded { bit: 16, method: "POST", path: "/project/reclaim_assigned_tasks/:p", body: nothing },
];

#[test]
fn each_right_allows_its_own_routes_and_no_others() {
    let tracker = shared();
    let user = tracker.user();
    for route in &GUARDED {
        let name = fresh("guarded");
        let (project, worker) = tracker.queue(json!({"name": name, "hidden": true}));
        let subject = Subject { worker: worker.id, manager: tracker.other().id, name };
        let path = route.path.replace(":p", &project.to_string()).replace(":w", &subject.worker.to_string());
        let ask = |client: &Client| match route.method {
            "GET" => client.get(&path),
            _ => client.post(&path, &(route.body)(&subject)),
        };
        refused(ask(&tracker.guest()), 403, "Unauthorized");
        refused(ask(user), 403, "Unauthorized");
        tracker.role(project, 31 & !route.bit);
        refused(ask(user), 403, "Unauthorized");
        tracker.role(project, route.bit);
        ok(ask(user));
        tracker.role(project, 0);
        refused(ask(user), 403, "Unauthorized");
    }
}

#[test]
fn a_number_that_is_none_is_told_before_anything_else() {
    let tracker = shared();
    let guest = tracker.guest();
    let body = json!({"name": "n", "secret": "s", "webhook_secret": "s", "manager": 1, "role": 1});
    for (method, path, message) in [
        ("GET", "/project/get/:id", "Invalid worker id"),
        ("POST", "/project/update/:id", "Invalid project id"),
        ("GET", "/project/assignees/:id", "Invalid worker id"),
        ("GET", "/project/monitoring/:id?count=1", "Invalid request"),
        ("GET", "/project/monitoring-between/:id?from=1&to=2", "Invalid request"),
        ("GET", "/project/access_list/:id", "Invalid worker id"),
        ("POST", "/project/accept_request/:id/1", "Invalid worker id"),
        ("POST", "/project/accept_request/1/:id", "Invalid worker id"),
        ("POST", "/project/reject_request/:id/1", "Invalid project id"),
        ("POST", "/project/reject_request/1/:id", "Invalid worker id"),
        ("GET", "/project/secret/:id", "Invalid project id"),
        ("POST", "/project/secret/:id", "Invalid project id"),
        ("GET", "/project/webhook_secret/:id", "Invalid project id"),
        ("POST", "/project/webhook_secret/:id", "Invalid project id"),
        ("POST", "/project/reset_failed_tasks/:id", "Invalid project id"),
        ("POST", "/project/hard_reset/:id", "Invalid project id"),
        ("POST", "/project/reclaim_assigned_tasks/:id", "Invalid project id"),
        ("GET", "/manager/list_for_project/:id", "Invalid project id"),
        ("GET", "/manager/promote/:id", "Invalid manager id"),
        ("GET", "/manager/demote/:id", "Invalid manager id"),
        ("POST", "/manager/set_role_for_project/:id", "Invalid project id"),
    ] {
        for id in ["x", "0", "-1", "1.5", "9223372036854775808", "99999999999999999999999"] {
            let request = Request::new(method, &path.replace(":id", id));
            let answer = guest.send(if method == "POST" { request.json(&body) } else { request });
            assert_eq!(answer.status, 400, "{method} {path} {id}: {}", answer.text());
            assert_eq!(answer.json(), json!({"ok": false, "message": message}), "{method} {path} {id}");
        }
    }
}

#[test]
fn what_needs_no_body_takes_any() {
    let tracker = shared();
    let (project, worker) = (tracker.project(json!({})), tracker.worker());
    ok(worker.request(project, "a"));
    for path in [
        format!("/project/accept_request/{project}/{}", worker.id),
        format!("/project/hard_reset/{project}"),
        format!("/project/reset_failed_tasks/{project}"),
        format!("/project/reclaim_assigned_tasks/{project}"),
        format!("/project/reject_request/{project}/{}", worker.id),
    ] {
        let answers =
            ["", "null", "{}", "nonsense"].map(|body| tracker.admin.send(Request::new("POST", &path).body(body)));
        ok(answers[0].clone());
        for answer in answers {
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        }
    }
}

// What every worker program does at its start, in the order of the two that exist.
#[test]
fn a_drone_works_from_its_first_call_to_its_last() {
    let tracker = shared();
    let project = tracker.project(json!({"public": true, "motd": "welcome"}));
    let nobody = identified(&tracker.guest(), "None", "None");
    let made = ok(nobody.send(Request::new("POST", "/worker/create").body(r#"{"alias":"drone"}"#)));
    let drone = Worker::of(&tracker.guest(), &made["worker"]);
    let projects = ok(drone.get("/project/list"));
    assert!(list(&projects["projects"]).iter().any(|line| line["id"] == project && line["motd"] == "welcome"));
    // The Go program asks for secrets before it has access and takes 403 for an empty one.
    refused(drone.get(&format!("/project/secret/{project}")), 403, "Unauthorized");
    ok(drone.request(project, "as"));
    ok(tracker.accept(project, &drone));
    declined(drone.request(project, "as"), 400);

    // The Python program's submit, its fetch, its log with a key too many, its release.
    bare(drone.post(
        "/task/submit",
        &json!({
            "project": project, "recipe": "{\"page\":1}", "priority": 1, "max_assign_time": 3600, "hash_u64": null,
            "verification_count": null, "max_retries": 3, "unique_str": "page 1",
        }),
    ));
    let task = drone.take(project);
    bare(drone.post("/log/info", &json!({"level": "info", "scope": "x", "message": "one", "timestamp": unix_now()})));
    bare(drone.post("/log/error", &json!({"Scope": "x", "Message": "two", "timestamp": unix_now()})));
    bare(drone.post("/task/submit", &json!({"project": project, "recipe": "{\"page\":2}", "unique_str": "page 2"})));
    let release = json!({"task_id": task["id"], "result": 0, "verification": null});
    released(drone.post("/task/release", &release), true);
    assert_eq!(drone.take(project)["recipe"], "{\"page\":2}");
    none(drone.fetch(project));
}

// The published page's own requests, to the letter.
#[test]
fn the_published_examples_work_as_written() {
    let tracker = shared();
    let project = tracker.project(json!({"public": true, "assign_rate": 2, "submit_rate": 2}));
    let made = ok(tracker.guest().send(
        Request::new("POST", "/worker/create")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("\n{\n    \"alias\": \"some alias\"\n}"),
    ));
    let (id, secret) = (made["worker"]["id"].to_string(), made["worker"]["secret"].as_str().expect("a text"));
    // The page spells the header so.
    let client = tracker.guest().with("X-Worker-ID", &id).with("X-Secret", secret);
    let worker = Worker { id: id.parse().expect("a number"), secret: secret.to_owned(), client };
    bare(worker.send(Request::new("POST", "/worker/update").body("\n{\n    \"alias\": \"another alias\"\n}")));
    tracker.grant(project, &worker, "as");
    let body = format!(
        "\n{{\n    \"project\": {project},\n    \"max_retries\": 3,\n    \"recipe\": \"test recipe\",\n    \"priority\": 1,\n    \
         \"max_assign_time\": 3600,\n    \"hash64\": 0,\n    \"unique_string\": \"\",\n    \"verification_count\": 0\n}}"
    );
    bare(worker.send(Request::new("POST", "/task/submit").body(body)));
    let task = worker.take(project);
    let expected = json!({"priority": 1, "retries": 0, "max_retries": 3, "status": 1, "recipe": "test recipe"});
    assert_eq!(some(&task, &keys(&expected)), expected);
    let body =
        format!("\n{{\n    \"task_id\": {},\n    \"result\": 0,\n    \"verification\": -32315129\n}}", task["id"]);
    released(worker.send(Request::new("POST", "/task/release").body(body)), true);
    let entry = "\n{\n    \"scope\": \"Arbitrary log category\",\n    \"message\": \"message\",\n    \"timestamp\": 1559393394\n}";
    bare(worker.send(Request::new("POST", "/log/info").body(entry)));
    ok(worker.get(&format!("/project/get/{project}")));
    ok(worker.get("/project/list"));
}
