//! What section 2 of the reference promises beyond its cases: bodies, paths, numbers and texts.

use super::*;

/// What cannot be parsed is refused on every route alike.
const UNPARSABLE: &str = "Could not parse request";

fn raw(path: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", path).body(body)
}

#[test]
fn a_body_of_another_shape_cannot_be_parsed() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let fields = [
        (r#""recipe":7"#, "a number for a text"),
        (r#""recipe":["r"]"#, "a list for a text"),
        (r#""recipe":"r","priority":"1""#, "a text for a number"),
        (r#""recipe":"r","priority":1e3"#, "an exponent"),
        (r#""recipe":"r","priority":-32769"#, "below 16 bits"),
        (r#""recipe":"r","max_retries":32768"#, "above 16 bits"),
        (r#""recipe":"r","verification_count":1.0"#, "a fraction"),
        (r#""recipe":"r","hash_u64":9223372036854775808"#, "above 63 bits"),
        (r#""recipe":"r","hash_u64":-9223372036854775809"#, "below 63 bits"),
        (r#""recipe":"r","unique_string":5"#, "a number for a text"),
        (r#""recipe":"r","max_retries":true"#, "a truth for a number"),
    ];
    for (fields, why) in fields {
        let body = format!(r#"{{"project":{project},{fields}}}"#);
        let answer = worker.send(raw("/task/submit", body));
        assert_eq!(answer.status, 400, "{why}: {}", answer.text());
        assert_eq!(answer.json(), json!({"ok": false, "message": UNPARSABLE}), "{why}");
    }
    none(worker.fetch(project));
}

#[test]
fn what_is_no_single_object_cannot_be_parsed_on_any_route() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let admin = &tracker.admin;
    let routes: [(&Client, String); 18] = [
        (&worker, "/worker/create".into()),
        (&worker, "/worker/update".into()),
        (&worker, "/task/submit".into()),
        (&worker, "/task/bulk_submit".into()),
        (&worker, "/task/release".into()),
        (&worker, "/project/request_access".into()),
        (&worker, "/log/info".into()),
        (admin, "/worker/set_paused".into()),
        (admin, "/project/create".into()),
        (admin, format!("/project/update/{project}")),
        (admin, format!("/project/secret/{project}")),
        (admin, "/logs".into()),
        (admin, format!("/project/webhook_secret/{project}")),
        (admin, format!("/manager/set_role_for_project/{project}")),
        (admin, "/task/requeue".into()),
        (&worker, "/task/extend".into()),
        (&worker, "/register".into()),
        (&worker, "/login".into()),
    ];
    for (client, path) in routes {
        for body in ["", "[]", "7", "\"text\"", "{", "{}{}", "{} x", "{'a':1}", "\u{feff}{}"] {
            let answer = client.send(raw(&path, body));
            assert_eq!(answer.status, 400, "{path} {body:?}: {}", answer.text());
            assert_eq!(answer.json(), json!({"ok": false, "message": UNPARSABLE}), "{path} {body:?}");
        }
    }
}

#[test]
fn white_space_around_the_body_does_not_matter() {
    let made = ok(shared().guest().send(raw("/worker/create", " \r\n\t{\"alias\" :\n \"spaced\"} \n\n")));
    assert_eq!(made["worker"]["alias"], "spaced");
}

#[test]
fn of_two_equal_keys_the_last_one_wins() {
    let tracker = shared();
    for body in [r#"{"alias":"first","alias":"last"}"#, r#"{"Alias":"first","aLIAS":"last"}"#] {
        let made = ok(tracker.guest().send(raw("/worker/create", body)));
        assert_eq!(made["worker"]["alias"], "last", "{body}");
    }
}

#[test]
fn a_missing_key_and_null_are_the_zero_value() {
    let tracker = shared();
    let project = tracker.project(json!({"motd": null, "priority": null, "public": null, "chain": null}));
    let shown = tracker.shown(project);
    assert_eq!(
        some(&shown, &["motd", "priority", "public", "chain"]),
        json!({"motd": "", "priority": 0, "public": false, "chain": 0})
    );
    let made = ok(tracker.guest().post("/worker/create", &json!({"alias": null})));
    assert_eq!(made["worker"]["alias"], "default_alias");
}

#[test]
fn a_body_holds_up_to_four_mebibytes() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let large = "x".repeat(3 << 20);
    ok(worker.submit(project, json!({"recipe": large})));
    assert!(worker.take(project)["recipe"] == large, "the recipe has changed");

    let answer = worker.submit(project, json!({"recipe": "x".repeat(4 << 20)}));
    assert!(matches!(answer.status, 400 | 413), "{}", answer.status);
    none(worker.fetch(project));
}

#[test]
fn any_text_goes_through_unchanged() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({"motd": "<b>&\u{2028}\"\\\u{1f41d}é"}));
    let recipe = "<a href=\"x\">&amp;</a>\n\t\u{1}\u{7f}\u{1f41d} éclair \u{10ffff}";
    ok(worker.submit(project, json!({"recipe": recipe})));
    let task = worker.take(project);
    assert_eq!(task["recipe"], recipe);
    assert_eq!(task["project"]["motd"], "<b>&\u{2028}\"\\\u{1f41d}é");
}

#[test]
fn a_nul_is_refused_in_every_text() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let (admin, guest) = (&tracker.admin, tracker.guest());
    let before = ok(worker.get(&format!("/worker/get/{}", worker.id)));
    for answer in [
        guest.post("/worker/create", &json!({"alias": "a\0b"})),
        worker.post("/worker/update", &json!({"alias": "a\0b"})),
        worker.submit(project, json!({"recipe": "a\0b"})),
        worker.submit(project, json!({"unique_string": "a\0b"})),
        worker.post("/log/info", &json!({"scope": "a\0b", "message": "m", "timestamp": 1})),
        guest.post("/register", &json!({"username": "a\0bc", "password": PASSWORD})),
        admin.post("/project/create", &json!({"name": "a\0b"})),
        tracker.update(project, json!({"motd": "a\0b"})),
        admin.post(&format!("/project/secret/{project}"), &json!({"secret": "a\0b"})),
        admin.post(&format!("/project/webhook_secret/{project}"), &json!({"webhook_secret": "a\0b"})),
    ] {
        declined(answer, 400);
    }
    none(worker.fetch(project));
    assert_eq!(ok(worker.get(&format!("/worker/get/{}", worker.id))), before);
}

#[test]
fn numbers_at_the_edge_of_their_field_are_kept() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({"priority": 2_147_483_647}));
    assert_eq!(tracker.shown(project)["priority"], 2_147_483_647);
    let edges = [
        json!({"priority": 32767, "max_retries": 32767, "verification_count": 32767, "max_assign_time": 2_147_483_647}),
        json!({"priority": -32768, "hash_u64": i64::MIN}),
    ];
    for edge in edges {
        ok(worker.submit(project, edge.clone()));
        let task = worker.take(project);
        for (key, value) in edge.as_object().expect("an object").iter().filter(|(key, _)| *key != "hash_u64") {
            assert_eq!(&task[key], value, "{key}");
        }
    }
    assert!(worker.submit(project, json!({"max_assign_time": 2_147_483_648_i64})).status == 400);
    assert!(tracker.update(project, json!({"priority": 2_147_483_648_i64})).status >= 400);
    assert_eq!(tracker.shown(project)["priority"], 2_147_483_647);
    let huge = format!(r#"{{"name":"{}","assign_rate":1e400}}"#, fresh("huge"));
    refused(tracker.admin.send(raw("/project/create", huge)), 400, UNPARSABLE);
}

#[test]
fn numbers_in_paths_are_signed_and_may_be_too_large() {
    let tracker = shared();
    for (id, status) in [("2147483648", 404), ("9223372036854775807", 404), ("9223372036854775808", 400), ("0", 400)] {
        declined(tracker.guest().get(&format!("/worker/get/{id}")), status);
        declined(tracker.guest().get(&format!("/project/get/{id}")), status);
    }
    for id in ["1.0", "1e0", "0x1", "%20", "1_0", "-"] {
        declined(tracker.guest().get(&format!("/worker/get/{id}")), 400);
    }
}

#[test]
fn paths_are_decoded_resolved_and_told_apart_by_case() {
    let tracker = shared();
    let worker = tracker.worker();
    let first = worker.id.to_string().as_bytes()[0];
    let rest = &worker.id.to_string()[1..];
    for path in [
        format!("/worker/get/%{first:02X}{rest}"),
        format!("/%77orker/get/{}", worker.id),
        format!("/worker/get/+{}", worker.id),
        format!("/worker/./get/{}", worker.id),
        format!("/project/../worker/get/{}", worker.id),
        format!("///worker//get///{}", worker.id),
        format!("/worker/get/{}?a=b", worker.id),
    ] {
        assert_eq!(ok(tracker.guest().get(&path))["worker"]["id"], worker.id, "{path}");
    }
    for path in ["/Project/list", "/project/List", "/project", "/worker/stats/", "/project/list/x", "/projects/list"] {
        not_found(tracker.guest().get(path));
    }
}

#[test]
fn options_are_answered_everywhere_and_no_other_answer_names_them() {
    let tracker = shared();
    for path in ["/", "/project/list", "/no/such", "/api/task/submit"] {
        let answer = tracker.guest().send(Request::new("OPTIONS", path));
        assert_eq!((answer.status, answer.text()), (200, String::new()), "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("Content-Type"), "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, OPTION"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    for path in ["/", "/project/list", "/no/such"] {
        let answer = tracker.guest().send(Request::new("GET", path).header("Origin", "http://elsewhere.example"));
        assert!(
            !answer.headers.iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("access-control")),
            "{path}"
        );
    }
}

#[test]
fn there_is_no_405_and_no_head() {
    let tracker = shared();
    for (method, path) in [
        ("POST", "/project/list"),
        ("PUT", "/project/create"),
        ("DELETE", "/worker/create"),
        ("PATCH", "/task/submit"),
        ("GET", "/worker/create"),
        ("GET", "/project/create"),
        ("POST", "/"),
    ] {
        not_found(tracker.guest().send(Request::new(method, path)));
    }
    for path in ["/project/list", "/worker/stats", "/account", "/no/such"] {
        assert_eq!(tracker.guest().send(Request::new("HEAD", path)).status, 404, "{path}");
    }
}

#[test]
fn everything_is_also_below_api() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    for path in ["/api", "/api/"] {
        assert!(ok(tracker.guest().get(path))["name"].is_string(), "{path}");
    }
    ok(tracker.guest().get("/api/project/list"));
    ok(tracker.guest().get("//api//project/list"));
    assert_eq!(tracker.admin.get(&format!("/api/project/get/{project}")).json()["content"]["project"]["id"], project);
    ok(worker.post("/api/task/submit", &task(project, json!({"recipe": "below"}))));
    let fetched = ok(worker.get(&format!("/api/task/get/{project}")));
    assert_eq!(fetched["task"]["recipe"], "below");
    let done = json!({"task_id": number(&fetched["task"]), "result": 0});
    released(worker.post("/api/task/release", &done), true);
    not_found(tracker.guest().get("/api/no/such"));
    not_found(tracker.guest().get("/api/project/list/"));
    not_found(tracker.guest().get("/api/task/submit"));
}
