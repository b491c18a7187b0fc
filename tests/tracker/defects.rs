//! What the original got wrong, one after the other, and the daemon lives: section 13.

use super::*;
use std::thread;

#[test]
fn none_of_the_originals_defects_is_here() {
    let tracker = Tracker::start(SETTINGS);
    let defects: [fn(&Tracker); 18] = [d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15, d16, d17, d18];
    for (number, defect) in (1..).zip(defects) {
        eprintln!("D{number}"); // seen only when it fails
        let core = tracker.daemon.core_pid();
        defect(&tracker);
        tracker.alive();
        assert!(core.is_some() && tracker.daemon.core_pid() == core, "the core has been replaced");
    }
}

/// `GET /manager/promote/5` of nobody.
fn d1(tracker: &Tracker) {
    refused(tracker.guest().get("/manager/promote/5"), 401, "Unauthorized");
}

/// A long secret.
fn d2(tracker: &Tracker) {
    let worker = tracker.worker();
    let long = identified(&tracker.guest(), &worker.id.to_string(), &"QUJD".repeat(67));
    refused(long.post("/worker/update", &json!({"alias": "x"})), 401, "invalid secret");
    refused(long.get("/task/get/1"), 403, "invalid secret");
}

/// Numbers that need more than 32 bits.
fn d3(tracker: &Tracker) {
    let (project, worker) = tracker.queue(json!({}));
    let admin = &tracker.admin;
    for large in ["2147483648", "9999999999", "9223372036854775807"] {
        let post = |path: String| admin.send(Request::new("POST", &path));
        for kind in ["accept", "reject"] {
            for path in [format!("{large}/{}", worker.id), format!("{project}/{large}")] {
                let answer = post(format!("/project/{kind}_request/{path}"));
                assert!(matches!(answer.status, 200 | 404) && answer.json()["ok"] == false, "{}", answer.text());
            }
        }
        assert_eq!(ok(tracker.guest().get(&format!("/project/assignees/{large}"))), json!({"assignees": []}));
        assert_eq!(ok(admin.get(&format!("/manager/list_for_project/{large}"))), json!({"managers": []}));
        let accesses = admin.get(&format!("/project/access_list/{large}"));
        assert!(accesses.status == 404 || ok(accesses.clone()) == json!({"accesses": []}), "{}", accesses.text());
        for verb in ["promote", "demote"] {
            assert_eq!(admin.get(&format!("/manager/{verb}/{large}")).status, 204, "{verb} {large}");
        }
        for kind in ["reset_failed_tasks", "hard_reset", "reclaim_assigned_tasks"] {
            let answer = post(format!("/project/{kind}/{large}"));
            assert!(answer.status == 404 || ok(answer.clone()) == json!({"affected_tasks": 0}), "{}", answer.text());
        }
        for result in 0..3 {
            released(worker.release(large.parse().expect("a number"), result), false);
        }
    }
}

/// Roles for nobody, nowhere, and beyond their bits.
fn d4(tracker: &Tracker) {
    let project = tracker.project(json!({}));
    for (project, manager, role) in [(project, 99_999, 1), (99_999, 1, 1), (project, 1, 1 << 20), (project, 1, -1)] {
        let body = json!({"manager": manager, "role": role});
        let answer = tracker.admin.post(&format!("/manager/set_role_for_project/{project}"), &body);
        assert!(matches!(answer.status, 400 | 404), "{} {}", answer.status, answer.text());
    }
}

/// A NUL in a secret and in a name.
fn d5(tracker: &Tracker) {
    let project = tracker.project(json!({}));
    for kind in ["secret", "webhook_secret"] {
        declined(tracker.admin.post(&format!("/project/{kind}/{project}"), &json!({kind: "a\0b"})), 400);
    }
    declined(tracker.guest().post("/worker/create", &json!({"alias": "a\0b"})), 400);
    declined(tracker.worker().post("/worker/update", &json!({"alias": "a\0b"})), 400);
}

/// Rejecting without a right to.
fn d6(tracker: &Tracker) {
    let (project, worker) = tracker.queue(json!({}));
    let path = format!("/project/reject_request/{project}/{}", worker.id);
    refused(tracker.guest().post(&path, &json!(null)), 403, "Unauthorized");
    ok(worker.submit(project, json!({})));
}

/// A request that waits, and the project's secret.
fn d7(tracker: &Tracker) {
    let (project, worker) = (tracker.project(json!({})), tracker.worker());
    ok(worker.request(project, "as"));
    refused(worker.get(&format!("/project/secret/{project}")), 403, "Unauthorized");
}

/// A bulk of which nothing is stored.
fn d8(tracker: &Tracker) {
    let (project, worker) = tracker.queue(json!({}));
    let hashed = || task(project, json!({"hash_u64": 1}));
    assert_eq!(ok(worker.bulk(&[hashed(), hashed()]))["submitted"], 1);
    refused(tracker.worker().bulk(&[hashed()]), 400, "unauthorized task submit");
}

/// A worker made of nonsense.
fn d9(tracker: &Tracker) {
    let answer = tracker.guest().send(Request::new("POST", "/worker/create").body("{bad"));
    refused(answer, 400, "Could not parse request");
}

/// A pause that its worker takes off; that it outlives the daemon is shown in `durable`.
fn d10(tracker: &Tracker) {
    let (project, worker) = tracker.queue(json!({}));
    bare(tracker.admin.post("/worker/set_paused", &json!({"worker": worker.id, "paused": true})));
    bare(worker.post("/worker/update", &json!({"alias": "x"})));
    refused(worker.fetch(project), 400, "A manager has paused you");
}

/// One endless task beside a short one.
fn d11(tracker: &Tracker) {
    let (project, worker) = tracker.queue(json!({}));
    ok(worker.submit(project, json!({"max_assign_time": 2_147_483_647})));
    ok(worker.submit(project, json!({"max_assign_time": 1})));
    worker.take(project);
    let short = number(&worker.take(project));
    let again = until("the short one is free", SOON, || {
        let body = worker.fetch(project).json();
        (body["ok"] == true).then(|| number(&body["content"]["task"]))
    });
    assert_eq!(again, short);
}

/// Rights that are frozen, and sessions that are chosen or kept.
fn d12(tracker: &Tracker) {
    let user = tracker.manager();
    let public = || json!({"name": fresh("public"), "public": true});
    assert_eq!(tracker.admin.get(&format!("/manager/promote/{}", user.id)).status, 204);
    user.create(public());
    assert_eq!(tracker.admin.get(&format!("/manager/demote/{}", user.id)).status, 204);
    declined(user.post("/project/create", &public()), 400);
    let answer = tracker.guest().with("Cookie", "tt=chosen").post("/login", &credentials(&user.name));
    let chosen = Person::of(&tracker.guest(), &user.name, &answer);
    assert!(chosen.cookie != "tt=chosen" && chosen.cookie != user.cookie, "{}", chosen.cookie);
    assert_eq!(chosen.get("/logout").status, 204);
    refused(chosen.get("/manager/list"), 401, "Unauthorized");
}

/// An update of nothing.
fn d13(tracker: &Tracker) {
    let update = tracker.admin.post("/project/update/99999999", &json!({"name": fresh("phantom")}));
    refused(update, 404, "Project not found");
    refused(tracker.guest().get("/project/get/99999999"), 404, "Project not found");
}

/// A bulk under a rate.
fn d14(tracker: &Tracker) {
    let (project, worker) = tracker.queue(json!({"submit_rate": 0.01}));
    let two = [(); 2].map(|()| task(project, json!({})));
    assert_eq!(ok(worker.bulk(&two))["submitted"], 2);
    let delay = limited(worker.bulk(&two));
    assert!(delay <= 200.0, "{delay}");
}

/// The greatest holder among many.
fn d15(tracker: &Tracker) {
    let (project, owner) = tracker.queue(json!({"public": true}));
    let tasks: Vec<Value> = (0..60).map(|_| task(project, json!({}))).collect();
    ok(owner.bulk(&tasks));
    for _ in 0..17 {
        tracker.worker().take(project);
    }
    let content = ok(tracker.guest().get(&format!("/project/assignees/{project}")));
    assert_eq!(content["assignees"][0], json!({"assignee": "unassigned", "task_count": 43}));
}

/// Secrets that can be foretold, and passwords that can be read.
fn d16(tracker: &Tracker) {
    let mut secrets: Vec<String> = (0..8).map(|_| tracker.worker().secret).collect();
    secrets.sort_unstable();
    secrets.dedup();
    assert_eq!(secrets.len(), 8);
    let sessions = [(); 2].map(|()| tracker.user().login(&tracker.guest()).cookie);
    assert_ne!(sessions[0], sessions[1]);
    // SHA-512 of PASSWORD and ADMIN, as the original keeps it, is nowhere on the disk.
    let stored = sha512(format!("{PASSWORD}ADMIN").as_bytes());
    let files = files_below(&tracker.daemon.data_dir());
    assert!(!files.is_empty());
    for (path, bytes) in files {
        for trace in [PASSWORD.as_bytes(), &stored] {
            assert!(!bytes.windows(trace.len()).any(|part| part == trace), "{}", path.display());
        }
    }
}

fn sha512(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha512::digest(bytes).to_vec()
}

/// All files below a directory that can be read, and what they hold.
fn files_below(dir: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path, bytes));
        }
    }
    found
}

/// What is hidden.
fn d17(tracker: &Tracker) {
    let project = tracker.project(json!({"hidden": true}));
    for path in [
        format!("/project/assignees/{project}"),
        format!("/project/monitoring/{project}?count=1"),
        format!("/project/monitoring-between/{project}?from=1&to=2"),
    ] {
        refused(tracker.guest().get(&path), 403, "Unauthorized");
    }
    refused(tracker.user().get(&format!("/manager/list_for_project/{project}")), 403, "Unauthorized");
}

/// Many at once; what is granted or taken counts for the very next request.
fn d18(tracker: &Tracker) {
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let (project, worker) = (tracker.project(json!({})), tracker.worker());
                    refused(worker.submit(project, json!({})), 400, "unauthorized task submit");
                    tracker.grant(project, &worker, "as");
                    ok(worker.submit(project, json!({})));
                    worker.take(project);
                    bare(tracker.reject(project, &worker));
                    refused(worker.submit(project, json!({})), 400, "unauthorized task submit");
                    none(worker.fetch(project));
                }
            });
        }
    });
}
