//! Projects: cases 40 to 56, and the rest of sections 7 and 8.3 that is about them.

use super::*;

/// All that a project shows unless something extraordinary was set.
const KEYS: [&str; 13] = [
    "assign_rate",
    "chain",
    "clone_url",
    "git_repo",
    "hidden",
    "id",
    "motd",
    "name",
    "paused",
    "priority",
    "public",
    "submit_rate",
    "version",
];

const NOT_PERMITTED: &str = "You are not permitted to create a project with this configuration";

fn create(client: &Client, project: &Value) -> Answer {
    client.post("/project/create", project)
}

#[track_caller]
fn listed(client: &Client) -> Vec<Value> {
    let content = ok(client.get("/project/list"));
    assert_eq!(keys(&content), ["projects"]);
    list(&content["projects"]).to_vec()
}

fn lists(client: &Client, project: i64) -> bool {
    listed(client).iter().any(|line| line["id"] == project)
}

// 40
#[test]
fn a_project_is_shown_as_it_was_made() {
    let tracker = shared();
    let made = json!({
        "name": fresh("Alpha"), "clone_url": "http://git.example/a/b", "git_repo": "a/b", "version": "v1", "priority": 12,
        "motd": "hi", "public": true, "assign_rate": 10, "submit_rate": 20,
    });
    let project = tracker.admin.create(made.clone());
    let rest =
        json!({"id": project, "chain": 0, "paused": false, "hidden": false, "assign_rate": 10.0, "submit_rate": 20.0});
    let expected = plus(made, rest);
    let content = ok(tracker.guest().get(&format!("/project/get/{project}")));
    let shown = with_rates(content["project"].clone());
    assert_eq!(shown, expected);
    assert_eq!(keys(&shown), KEYS);
    // The published page shows the fields in `content` itself, the original's clients look one level deeper.
    assert_eq!(content, plus(content["project"].clone(), json!({"project": content["project"]})));
}

// 41
#[test]
fn a_project_is_checked_before_its_maker_is() {
    let tracker = shared();
    for client in [&tracker.admin as &Client, &tracker.guest()] {
        for project in [
            json!({}),
            json!({"name": ""}),
            json!({"name": fresh("p"), "priority": -1}),
            json!({"name": fresh("p"), "public": true, "hidden": true}),
        ] {
            refused(create(client, &project), 400, "Invalid project");
        }
        let nonsense = Request::new("POST", "/project/create").body("{bad");
        refused(client.send(nonsense), 400, "Could not parse request");
    }
}

// 42
#[test]
fn a_guest_makes_no_project() {
    let tracker = shared();
    refused(create(&tracker.guest(), &json!({"name": fresh("g")})), 400, NOT_PERMITTED);
    refused(create(&tracker.worker(), &json!({"name": fresh("g")})), 400, NOT_PERMITTED);
}

// 43
#[test]
fn a_manager_makes_private_and_hidden_projects_and_only_the_admin_public_ones() {
    let tracker = shared();
    let user = tracker.user();
    user.create(json!({"name": fresh("private")}));
    user.create(json!({"name": fresh("hidden"), "hidden": true}));
    refused(create(user, &json!({"name": fresh("public"), "public": true})), 400, NOT_PERMITTED);
    tracker.admin.create(json!({"name": fresh("public"), "public": true}));
}

// 44
#[test]
fn nothing_is_public_and_hidden() {
    let tracker = shared();
    let answer = create(&tracker.admin, &json!({"name": fresh("both"), "public": true, "hidden": true}));
    refused(answer, 400, "Invalid project");
    let project = tracker.project(json!({"public": true}));
    refused(tracker.update(project, json!({"hidden": true})), 400, "Invalid request");
}

// 45
#[test]
fn unlimited_rates_go_round() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    let shown = tracker.shown(project);
    assert_eq!((shown["assign_rate"].as_f64(), shown["submit_rate"].as_f64()), (Some(UNLIMITED), Some(UNLIMITED)));
    bare(tracker.update(project, json!({})));
    assert_eq!(tracker.shown(project), shown);
    // To the letter, for clients that compare texts.
    let text = tracker.guest().get(&format!("/project/get/{project}")).text();
    assert!(text.contains("1.7976931348623157e+308") || text.contains("1.7976931348623157e308"), "{text}");
}

// 46
#[test]
fn projects_that_are_not_there() {
    let tracker = shared();
    let guest = tracker.guest();
    refused(guest.get("/project/get/12345678"), 404, "Project not found");
    refused(guest.get("/project/get/0"), 400, "Invalid worker id");
    refused(guest.get("/project/get/x"), 400, "Invalid worker id");
}

// 47
#[test]
fn an_update_changes_everything() {
    let tracker = shared();
    let project = tracker.project(json!({"public": true, "priority": 12, "submit_rate": 20}));
    let all = json!({
        "priority": 5, "git_repo": "c/d", "clone_url": "http://git.example/c/d", "name": fresh("Beta"), "motd": "ho",
        "version": "v2", "public": false, "hidden": true, "paused": true, "assign_rate": 1.0, "submit_rate": 0,
    });
    bare(tracker.update(project, all.clone()));
    assert_eq!(tracker.shown(project), plus(all, json!({"id": project, "chain": 0, "submit_rate": UNLIMITED})));
    refused(tracker.guest().get(&format!("/project/get/{project}")), 403, "Unauthorized");
}

// 48
#[test]
fn an_invalid_update_changes_nothing() {
    let tracker = shared();
    let project = tracker.project(json!({"version": "v1"}));
    let before = tracker.shown(project);
    for change in [
        json!({"priority": -1, "version": "v2"}),
        json!({"chain": project, "version": "v2"}),
        json!({"name": "", "version": "v2"}),
    ] {
        refused(tracker.update(project, change), 400, "Invalid request");
    }
    let update =
        |id: &str, body: &str| tracker.admin.send(Request::new("POST", &format!("/project/update/{id}")).body(body));
    refused(update("x", "{bad"), 400, "Invalid project id");
    refused(update("0", r#"{"name":"n"}"#), 400, "Invalid project id");
    refused(update(&project.to_string(), "{bad"), 400, "Could not parse request");
    assert_eq!(tracker.shown(project), before);
}

// 49
#[test]
fn a_guest_updates_nothing() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    let body = json!({"name": fresh("taken over")});
    for client in [&tracker.guest(), tracker.user() as &Client] {
        refused(client.post(&format!("/project/update/{project}"), &body), 403, "Unauthorized");
    }
    let invalid = json!({"name": ""});
    refused(tracker.guest().post(&format!("/project/update/{project}"), &invalid), 400, "Invalid request");
}

// 50
#[test]
fn what_an_update_leaves_out_is_reset() {
    let tracker = shared();
    let target = tracker.project(json!({}));
    let project = tracker.project(json!({
        "version": "v1", "motd": "hi", "clone_url": "u", "git_repo": "a/b", "priority": 7, "public": true,
        "assign_rate": 1, "submit_rate": 2, "chain": target,
    }));
    bare(tracker.update(project, json!({"paused": true})));
    let name = fresh("Alpha");
    bare(tracker.admin.post(&format!("/project/update/{project}"), &json!({"name": name})));
    let expected = json!({
        "id": project, "name": name, "version": "", "motd": "", "clone_url": "", "git_repo": "", "priority": 0,
        "public": false, "hidden": false, "paused": false, "chain": 0, "assign_rate": UNLIMITED, "submit_rate": UNLIMITED,
    });
    assert_eq!(tracker.shown(project), expected);
}

// 51, D13
#[test]
fn an_unknown_project_is_not_updated() {
    let tracker = shared();
    let body = json!({"name": fresh("phantom")});
    for id in ["77777777", "9999999999"] {
        refused(tracker.admin.post(&format!("/project/update/{id}"), &body), 404, "Project not found");
        refused(tracker.guest().get(&format!("/project/get/{id}")), 404, "Project not found");
    }
}

// 52
#[test]
fn a_hidden_project_is_listed_for_those_who_may_read_it() {
    let tracker = shared();
    let (user, other) = (tracker.user(), tracker.other());
    let project = user.create(json!({"name": fresh("hidden"), "hidden": true}));
    assert!(!lists(&tracker.guest(), project) && !lists(other, project));
    assert!(lists(user, project) && lists(&tracker.admin, project));
    bare(tracker.set_role(project, other, 30));
    assert!(!lists(other, project));
    bare(tracker.set_role(project, other, 1));
    assert!(lists(other, project));
}

// 53
#[test]
fn an_empty_tracker_lists_empty_lists() {
    let daemon = Daemon::start();
    assert_eq!(ok(daemon.get("/project/list")), json!({"projects": []}));
    assert_eq!(ok(daemon.get("/worker/stats")), json!({"stats": []}));
}

#[test]
fn projects_are_listed_by_name_as_they_are_shown() {
    let tracker = shared();
    let (b, a) = (tracker.project(json!({"name": fresh("bb")})), tracker.project(json!({"name": fresh("aa")})));
    let all = listed(&tracker.admin);
    let place = |id: i64| all.iter().position(|line| line["id"] == id).expect("listed");
    assert!(place(a) < place(b));
    assert!(all.is_sorted_by_key(|line| line["name"].as_str().expect("a name").to_owned()));
    assert_eq!(all[place(a)], tracker.shown(a));
}

// 54
#[test]
fn chaining_to_a_project_takes_the_right_to_change_it() {
    let tracker = shared();
    let (user, target) = (tracker.user(), tracker.project(json!({})));
    let chained = || json!({"name": fresh("chained"), "chain": target});
    refused(create(user, &chained()), 400, NOT_PERMITTED);
    let own = user.create(json!({"name": fresh("own")}));
    let path = format!("/project/update/{own}");
    let message = "Unauthorized (You need RoleEdit on the project you wish to chain tasks to)";
    refused(user.post(&path, &chained()), 403, message);
    tracker.role(target, 2);
    let project = user.create(chained());
    assert_eq!(user.shown(project)["chain"], target);
    bare(user.post(&path, &chained()));
}

// 55
#[test]
fn chaining_to_nothing_is_refused() {
    let tracker = shared();
    refused(create(&tracker.admin, &json!({"name": fresh("x"), "chain": 99_999_999})), 400, NOT_PERMITTED);
    let project = tracker.project(json!({}));
    let message = r#"pq: insert or update on table "project" violates foreign key constraint "project_chain_fkey""#;
    refused(tracker.update(project, json!({"chain": 99_999_999})), 500, message);
    assert_eq!(tracker.shown(project)["chain"], 0);
}

// 56
#[test]
fn a_new_project_has_secrets() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    let (secret, webhook) = (format!("/project/secret/{project}"), format!("/project/webhook_secret/{project}"));
    assert_eq!(ok(tracker.admin.get(&secret)), json!({"secret": "{}"}));
    let uuid = ok(tracker.admin.get(&webhook))["webhook_secret"].as_str().expect("a text").to_owned();
    let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
    assert!(
        uuid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')) && &uuid[14..15] == "4",
        "{uuid}"
    );

    bare(tracker.admin.post(&webhook, &json!({"webhook_secret": "new"})));
    assert_eq!(ok(tracker.admin.get(&webhook)), json!({"webhook_secret": "new"}));
    bare(tracker.admin.post(&secret, &json!({"secret": "{\"key\":\"é\"}"})));
    assert_eq!(ok(tracker.admin.get(&secret)), json!({"secret": "{\"key\":\"é\"}"}));
    bare(tracker.admin.post(&secret, &json!({})));
    assert_eq!(ok(tracker.admin.get(&secret)), json!({"secret": ""}));
    // None of them is part of the project.
    assert_eq!(keys(&tracker.shown(project)), KEYS);
}

#[test]
fn a_name_is_given_once_in_the_tracker() {
    let tracker = shared();
    let name = fresh("Name");
    tracker.project(json!({"name": name}));
    let message = r#"pq: duplicate key value violates unique constraint "project_name_key""#;
    refused(create(&tracker.admin, &json!({"name": name})), 500, message);
    let other = tracker.project(json!({"name": name.to_uppercase()}));
    refused(tracker.update(other, json!({"name": name})), 500, message);
    // Once freed, it can be given again.
    bare(tracker.update(other, json!({"name": fresh("free")})));
    tracker.project(json!({"name": name.to_uppercase()}));
}

#[test]
fn a_project_begins_unpaused() {
    let tracker = shared();
    let project = tracker.project(json!({"paused": true}));
    assert_eq!(tracker.shown(project)["paused"], false);
}

#[test]
fn who_may_change_a_project_may_make_it_public() {
    let tracker = shared();
    let user = tracker.user();
    let project = user.create(json!({"name": fresh("mine")}));
    bare(user.post(&format!("/project/update/{project}"), &plus(user.shown(project), json!({"public": true}))));
    assert_eq!(user.shown(project)["public"], true);
}

#[test]
fn rates_below_zero_are_unlimited_and_fractions_are_fine() {
    let tracker = shared();
    let project = tracker.project(json!({"assign_rate": -2, "submit_rate": 0.5}));
    let shown = tracker.shown(project);
    assert_eq!((shown["assign_rate"].as_f64(), shown["submit_rate"].as_f64()), (Some(UNLIMITED), Some(0.5)));
}

#[test]
fn secrets_are_for_those_with_the_right() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    for kind in ["secret", "webhook_secret"] {
        let path = format!("/project/{kind}/{project}");
        let value = json!({kind: "mine"});
        let user = tracker.role(project, 31 - 8);
        for client in [user as &Client, &tracker.guest()] {
            refused(client.get(&path), 403, "Unauthorized");
            refused(client.post(&path, &value), 403, "Unauthorized");
        }
        let user = tracker.role(project, 8);
        bare(user.post(&path, &value));
        assert_eq!(ok(user.get(&path)), value);
        refused(tracker.admin.get(&format!("/project/{kind}/x")), 400, "Invalid project id");
        refused(tracker.admin.post(&format!("/project/{kind}/0"), &value), 400, "Invalid project id");
        // An unknown project has an empty one, as far as the admin can see.
        let unknown = tracker.admin.get(&format!("/project/{kind}/99999999"));
        assert!(unknown.status == 404 || ok(unknown.clone()) == json!({kind: ""}), "{}", unknown.text());
    }
    // Of the two, one is checked before the right to it.
    let nonsense = |kind: &str| Request::new("POST", &format!("/project/{kind}/{project}")).body("{bad");
    refused(tracker.guest().send(nonsense("webhook_secret")), 400, "Could not parse request");
    refused(tracker.guest().send(nonsense("secret")), 403, "Unauthorized");
}
