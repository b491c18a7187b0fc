//! Access of workers to projects: cases 57 to 65, and the table of section 4.2.

use super::*;

const NO_REQUEST: &str =
    "Project is public, you already have an active request or you already have access to this project";

/// The rows of access of a project, as ADMIN sees them.
#[track_caller]
fn rows(tracker: &Tracker, project: i64) -> Vec<Value> {
    let content = ok(tracker.admin.get(&format!("/project/access_list/{project}")));
    assert_eq!(keys(&content), ["accesses"]);
    list(&content["accesses"]).to_vec()
}

fn secret(worker: &Worker, project: i64) -> Answer {
    worker.get(&format!("/project/secret/{project}"))
}

// 57
#[test]
fn a_request_is_read_before_its_worker_is_known() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    let ask = |body: &Value| tracker.guest().post("/project/request_access", body);
    refused(ask(&json!({"project": project})), 400, "Invalid request");
    refused(ask(&json!({"project": project, "assign": true})), 401, "worker id not specified");
    let nonsense = Request::new("POST", "/project/request_access").body("{bad");
    refused(tracker.guest().send(nonsense), 400, "Could not parse request");
    refused(tracker.worker().request(project, ""), 400, "Invalid request");
}

// 58
#[test]
fn a_request_is_made_once() {
    let tracker = shared();
    let (project, worker) = (tracker.project(json!({})), tracker.worker());
    bare(worker.request(project, "a"));
    refused(worker.request(project, "a"), 400, NO_REQUEST);
    refused(worker.request(project, "as"), 400, NO_REQUEST);
    ok(tracker.accept(project, &worker));
    refused(worker.request(project, "s"), 400, NO_REQUEST);
    refused(worker.request(99_999_999, "a"), 400, NO_REQUEST);
    assert_eq!(some(&rows(&tracker, project)[0], &["assign", "submit"]), json!({"assign": true, "submit": false}));
    // Rights are widened by giving them back first.
    bare(tracker.reject(project, &worker));
    bare(worker.request(project, "as"));
}

#[test]
fn public_projects_take_requests_too() {
    let tracker = shared();
    let (project, worker) = (tracker.project(json!({"public": true})), tracker.worker());
    bare(worker.request(project, "s"));
    ok(tracker.accept(project, &worker));
    ok(worker.submit(project, json!({})));
}

// 59
#[test]
fn a_request_waits_until_it_is_accepted() {
    let tracker = shared();
    let (project, worker) = (tracker.project(json!({})), tracker.worker_called("crawler-a"));
    bare(worker.request(project, "s"));
    let row = rows(&tracker, project).remove(0);
    assert_eq!(keys(&row), ["assign", "project", "request", "submit", "worker"]);
    assert_eq!(keys(&row["worker"]), ["alias", "created", "id", "paused", "secret"]);
    assert_eq!(
        some(&row["worker"], &["id", "alias", "secret"]),
        json!({"id": worker.id, "alias": "crawler-a", "secret": null})
    );
    let flags = ["assign", "submit", "request", "project"];
    let expected = json!({"assign": false, "submit": true, "request": true, "project": project});
    assert_eq!(some(&row, &flags), expected);
    bare(tracker.accept(project, &worker));
    assert_eq!(some(&rows(&tracker, project)[0], &flags), plus(expected, json!({"request": false})));
    bare(tracker.accept(project, &worker));
}

#[test]
fn the_list_of_access_begins_with_what_was_accepted() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    assert_eq!(rows(&tracker, project), Vec::<Value>::new());
    for (alias, accepted) in [("d", true), ("a", false), ("b", true), ("c", false)] {
        let worker = tracker.worker_called(alias);
        ok(worker.request(project, "a"));
        if accepted {
            ok(tracker.accept(project, &worker));
        }
    }
    let rows = rows(&tracker, project);
    let order: Vec<&str> = rows.iter().map(|row| row["worker"]["alias"].as_str().expect("a name")).collect();
    assert_eq!(order, ["b", "d", "a", "c"]);
}

// 60
#[test]
fn what_was_not_asked_for_is_neither_accepted_nor_rejected() {
    let tracker = shared();
    let (project, worker) = (tracker.project(json!({})), tracker.worker());
    let message = "Worker did not have access to this project";
    refused(tracker.accept(project, &worker), 200, message);
    refused(tracker.reject(project, &worker), 200, message);
    for kind in ["accept", "reject"] {
        let post = |path: String| tracker.admin.send(Request::new("POST", &format!("/project/{kind}_request/{path}")));
        let bad_project = if kind == "accept" { "Invalid worker id" } else { "Invalid project id" };
        refused(post(format!("x/{}", worker.id)), 400, bad_project);
        refused(post(format!("{project}/x")), 400, "Invalid worker id");
        refused(post(format!("{project}/0")), 400, "Invalid worker id");
        refused(post(format!("{project}/99999999")), 200, message);
    }
    refused(tracker.admin.get("/project/access_list/x"), 400, "Invalid worker id");
}

// 61, D6
#[test]
fn only_who_manages_access_takes_it_away() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let path = format!("/project/reject_request/{project}/{}", worker.id);
    let user = tracker.role(project, 31 - 4);
    for client in [&tracker.guest(), user as &Client, &worker] {
        refused(client.post(&path, &json!(null)), 403, "Unauthorized");
        refused(client.post(&path.replace("reject", "accept"), &json!(null)), 403, "Unauthorized");
        refused(client.get(&format!("/project/access_list/{project}")), 403, "Unauthorized");
    }
    ok(worker.submit(project, json!({})));
    let user = tracker.role(project, 4);
    ok(user.get(&format!("/project/access_list/{project}")));
    bare(user.send(Request::new("POST", &path)));
    // At once, for everything; but what is held can be given back.
    refused(worker.submit(project, json!({})), 400, "unauthorized task submit");
    none(worker.fetch(project));
    refused(secret(&worker, project), 403, "Unauthorized");
}

#[test]
fn a_task_that_is_held_can_be_given_back_without_access() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["r"]);
    let held = number(&worker.take(project));
    ok(tracker.reject(project, &worker));
    released(worker.release(held, 0), true);
}

// 62, D7
#[test]
fn a_request_is_not_yet_access() {
    let tracker = shared();
    let (project, worker) = (tracker.project(json!({})), tracker.worker());
    ok(worker.request(project, "as"));
    refused(secret(&worker, project), 403, "Unauthorized");
    none(worker.fetch(project));
    refused(worker.submit(project, json!({})), 400, "unauthorized task submit");
    ok(tracker.accept(project, &worker));
    assert_eq!(ok(secret(&worker, project)), json!({"secret": "{}"}));
}

// 63, as the published page has it: submitting includes fetching.
#[test]
fn who_may_submit_may_fetch() {
    let tracker = shared();
    for visibility in [json!({}), json!({"hidden": true}), json!({"public": true})] {
        let project = tracker.project(visibility);
        let worker = tracker.worker_in(project, "s");
        ok(worker.submit(project, json!({"recipe": "own"})));
        assert_eq!(worker.take(project)["recipe"], "own");
        assert_eq!(ok(secret(&worker, project)), json!({"secret": "{}"}));
    }
}

// 64
#[test]
fn a_public_project_hands_its_tasks_to_anybody_and_nothing_else() {
    let tracker = shared();
    let (project, owner) = tracker.queue(json!({"public": true}));
    let worker = tracker.worker();
    owner.fill(project, &["for anybody"]);
    assert_eq!(worker.take(project)["recipe"], "for anybody");
    refused(worker.submit(project, json!({})), 400, "unauthorized task submit");
    refused(secret(&worker, project), 403, "Unauthorized");
    // A request that waits takes nothing away.
    ok(worker.request(project, "s"));
    owner.fill(project, &["still"]);
    assert_eq!(worker.take(project)["recipe"], "still");
}

// 65
#[test]
fn a_valid_worker_counts_before_the_manager_whose_cookie_it_sends() {
    let tracker = shared();
    let (project, worker) = (tracker.project(json!({})), tracker.worker());
    let path = format!("/project/secret/{project}");
    let id = worker.id.to_string();
    refused(identified(&tracker.admin, &id, &worker.secret).get(&path), 403, "Unauthorized");
    ok(identified(&tracker.admin, &id, "wrong").get(&path));
    refused(worker.get("/project/secret/x"), 400, "Invalid project id");
}

// The table of 4.2, row by row.
#[test]
fn who_sees_and_who_fetches_what() {
    let tracker = shared();
    for (kind, fields, guest_sees, anybody_fetches) in [
        ("public", json!({"public": true}), true, true),
        ("private", json!({}), true, false),
        ("hidden", json!({"hidden": true}), false, false),
    ] {
        let (project, owner) = tracker.queue(fields);
        owner.fill(project, &["one", "two", "three"]);
        let get = format!("/project/get/{project}");
        let (without, with, nobody) = (tracker.other(), tracker.role(project, 1), tracker.guest());
        for client in [&nobody, without as &Client, &owner] {
            let answer = client.get(&get);
            assert_eq!(answer.status, if guest_sees { 200 } else { 403 }, "{kind}: {}", answer.text());
        }
        for client in [with as &Client, &tracker.admin] {
            ok(client.get(&get));
        }
        let stranger = tracker.worker();
        assert_eq!(envelope(&stranger.fetch(project), 200)["ok"], anybody_fetches, "{kind}");
        let entitled = tracker.worker_in(project, "a");
        entitled.take(project);
        refused(entitled.submit(project, json!({})), 400, "unauthorized task submit");
        ok(secret(&entitled, project));
        refused(secret(&stranger, project), 403, "Unauthorized");
    }
}

// D17
#[test]
fn a_hidden_project_tells_nothing_to_those_who_may_not_read_it() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({"hidden": true}));
    worker.fill(project, &["r"]);
    let paths = [
        format!("/project/get/{project}"),
        format!("/project/assignees/{project}"),
        format!("/project/monitoring/{project}?count=10"),
        format!("/project/monitoring-between/{project}?from=1&to=2000000000"),
    ];
    let user = tracker.role(project, 31 - 1);
    for path in &paths {
        for client in [&tracker.guest(), &worker as &Client, user] {
            refused(client.get(path), 403, "Unauthorized");
        }
        ok(tracker.admin.get(path));
    }
    refused(tracker.other().get(&format!("/manager/list_for_project/{project}")), 403, "Unauthorized");
    let user = tracker.role(project, 1);
    for path in &paths {
        ok(user.get(path));
    }
    ok(user.get(&format!("/manager/list_for_project/{project}")));
}
