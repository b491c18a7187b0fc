//! People: cases 24 to 39, and the rest of sections 3.2, 3.3 and 8.6.

use super::*;

fn register(tracker: &Tracker, name: &str, password: &str) -> Answer {
    tracker.guest().post("/register", &json!({"username": name, "password": password}))
}

/// The managers of a project, and their roles.
#[track_caller]
fn roles(client: &Client, project: i64) -> Vec<(i64, i64)> {
    let content = ok(client.get(&format!("/manager/list_for_project/{project}")));
    let pair =
        |entry: &Value| (entry["manager"]["id"].as_i64().expect("an id"), entry["role"].as_i64().expect("a role"));
    list(&content["managers"]).iter().map(pair).collect()
}

fn promote(client: &Client, person: i64) -> Answer {
    client.get(&format!("/manager/promote/{person}"))
}

fn demote(client: &Client, person: i64) -> Answer {
    client.get(&format!("/manager/demote/{person}"))
}

#[track_caller]
fn done(answer: Answer) {
    assert_eq!((answer.status, answer.text()), (204, String::new()));
}

// 24
#[test]
fn names_and_passwords_have_their_lengths_in_bytes() {
    let tracker = shared();
    let sixteen = format!("{:x>16}", fresh("m"));
    let short = fresh("é"); // at least four bytes
    for (name, password) in [
        ("ab", "twelve bytes"),
        ("seventeen bytes -", "twelve bytes"),
        ("ééééééééé", "twelve bytes"),
        ("", "twelve bytes"),
        (&fresh("m"), "seven b"),
        (&fresh("m"), ""),
    ] {
        refused(register(&tracker, name, password), 400, "Invalid register request");
    }
    bare(register(&tracker, &sixteen, "8 bytes."));
    bare(register(&tracker, &short, "éééé"));
    bare(register(&tracker, &fresh("a b"), &"long".repeat(100)));
    refused(tracker.guest().post("/register", &json!({})), 400, "Invalid register request");
    // Names of accounts serve other families too, where these would not be told apart.
    for name in ["a/b/c", "a:b:c", "line\nfeed"] {
        declined(register(&tracker, name, PASSWORD), 400);
    }
}

// 25
#[test]
fn a_name_is_given_once_and_case_matters() {
    let tracker = shared();
    let name = fresh("alice");
    bare(register(&tracker, &name, PASSWORD));
    let again = register(&tracker, &name, PASSWORD);
    assert_eq!(cookie(&again), None);
    refused(again, 400, r#"pq: duplicate key value violates unique constraint "manager_username_key""#);
    bare(register(&tracker, &name.replace('a', "A"), PASSWORD));
}

// 26
#[test]
fn only_the_first_one_is_tracker_admin() {
    let tracker = shared();
    assert_eq!(tracker.admin.account()["tracker_admin"], true);
    assert_eq!(tracker.manager().account()["tracker_admin"], false);
}

// 27
#[test]
fn a_wrong_password_and_an_unknown_name_are_told_alike() {
    let tracker = shared();
    let name = &tracker.user().name;
    for (name, password) in [(name.as_str(), "wronghorse"), (&fresh("nobody"), PASSWORD)] {
        let answer = tracker.guest().post("/login", &json!({"username": name, "password": password}));
        assert_eq!(answer.header("set-cookie"), None);
        refused(answer, 403, "Invalid username/password");
    }
}

// 28
#[test]
fn a_login_gives_a_cookie_for_plain_http() {
    let tracker = shared();
    let user = tracker.user();
    let before = unix_now();
    let answer = tracker.guest().post("/login", &credentials(&user.name));
    let line = answer.header("set-cookie").expect("a cookie").to_owned();
    let manager = ok(answer.clone())["manager"].take();
    assert_eq!(keys(&manager), ["id", "register_time", "tracker_admin", "username"]);
    assert_eq!(some(&manager, &["id", "username"]), json!({"id": user.id, "username": user.name}));
    assert!(manager["register_time"].as_i64().is_some_and(|at| at > before - 600 && at <= unix_now()), "{manager}");

    let mut parts = line.split("; ");
    let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("name and value");
    assert_eq!((name, value.len()), ("tt", 32), "{line}");
    assert!(value.bytes().all(|byte| byte.is_ascii_alphabetic()), "{line}");
    let attributes: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
    for needed in ["path=/", "httponly"] {
        assert!(attributes.iter().any(|given| given == needed), "{line}");
    }
    assert!(attributes.iter().any(|given| given.starts_with("expires=")), "{line}");
    assert!(!attributes.iter().any(|given| given == "secure" || given.starts_with("domain")), "{line}");
    assert_eq!(Person::of(&tracker.guest(), &user.name, &answer).id, user.id);
}

#[test]
fn the_cookie_is_set_when_somebody_comes_in_and_never_else() {
    let tracker = shared();
    let user = tracker.user();
    for path in ["/account", "/project/list", "/manager/list"] {
        assert_eq!(user.get(path).header("set-cookie"), None, "{path}");
        assert_eq!(tracker.guest().get(path).header("set-cookie"), None, "{path}");
    }
}

// 29
#[test]
fn a_guest_is_told_that_he_is_one() {
    let tracker = shared();
    for client in [tracker.guest(), tracker.guest().with("Cookie", "tt=abcdefghijklmnopqrstuvwxyzabcdef")] {
        let body = envelope(&client.get("/account"), 200);
        assert_eq!((&body["ok"], &body["content"]), (&json!(false), &json!({"logged_in": false})));
    }
}

// 30
#[test]
fn a_logout_ends_the_session_and_no_other_one() {
    let tracker = shared();
    let one = tracker.manager();
    let two = one.login(&tracker.guest());
    done(one.get("/logout"));
    let body = envelope(&one.get("/account"), 200);
    assert_eq!(body["content"], json!({"logged_in": false}));
    refused(one.get("/manager/list"), 401, "Unauthorized");
    two.account();
    done(one.get("/logout"));
    done(tracker.guest().get("/logout"));
}

// 31
#[test]
fn managers_see_all_managers() {
    let tracker = shared();
    let new = tracker.manager();
    refused(tracker.guest().get("/manager/list"), 401, "Unauthorized");
    let content = ok(tracker.user().get("/manager/list"));
    let all = list(&content["managers"]);
    for person in [&tracker.admin, tracker.user(), &new] {
        assert!(all.contains(&person.account()), "{} is not in {content}", person.name);
    }
}

// 32
#[test]
fn a_bad_number_is_told_before_who_one_is() {
    refused(shared().guest().get("/manager/list_for_project/x"), 400, "Invalid project id");
}

// 33
#[test]
fn who_makes_a_project_may_do_everything_there() {
    let tracker = shared();
    let user = tracker.user();
    let project = user.create(json!({"name": fresh("mine")}));
    let content = ok(user.get(&format!("/manager/list_for_project/{project}")));
    assert_eq!(content, json!({"managers": [{"manager": user.account(), "role": 31}]}));
    refused(tracker.guest().get(&format!("/manager/list_for_project/{project}")), 401, "Unauthorized");
    assert_eq!(roles(tracker.other(), project), [(user.id, 31)]);
    assert_eq!(roles(tracker.other(), 99_999_999), []);
}

#[test]
fn the_managers_of_a_project_are_listed_by_number() {
    let tracker = shared();
    let (user, other) = (tracker.user(), tracker.other());
    let project = tracker.project(json!({}));
    let mut expected = vec![(tracker.admin.id, 31)];
    for person in [user, other] {
        bare(tracker.set_role(project, person, 3));
        expected.push((person.id, 3));
    }
    expected.sort_unstable();
    assert_eq!(roles(&tracker.admin, project), expected);
}

// 34
#[test]
fn a_promotion_counts_at_once() {
    let tracker = shared();
    let (user, other) = (tracker.user(), tracker.manager());
    let public = || json!({"name": fresh("public"), "public": true});
    refused(promote(user, other.id), 401, "Unauthorized");
    refused(promote(&tracker.admin, tracker.admin.id), 401, "Unauthorized");
    let config = "You are not permitted to create a project with this configuration";
    refused(other.post("/project/create", &public()), 400, config);
    done(promote(&tracker.admin, other.id));
    other.create(public());
    assert_eq!(other.account()["tracker_admin"], true);
    done(demote(&tracker.admin, other.id));
    refused(other.post("/project/create", &public()), 400, config);
    assert_eq!(other.account()["tracker_admin"], false);
}

// 35, D1
#[test]
fn a_guest_promotes_nobody() {
    let tracker = shared();
    refused(promote(&tracker.guest(), 1), 401, "Unauthorized");
    tracker.alive();
}

// 36
#[test]
fn who_may_demote_whom() {
    let tracker = shared();
    let admin = &tracker.admin;
    refused(demote(&tracker.guest(), admin.id), 401, "Unauthorized");
    refused(demote(tracker.user(), admin.id), 403, "Unauthorized");
    refused(demote(admin, admin.id), 403, "Unauthorized");
    done(demote(admin, 9999));
    done(promote(admin, 9999));
    for id in ["x", "0", "-1"] {
        refused(admin.get(&format!("/manager/promote/{id}")), 400, "Invalid manager id");
        refused(tracker.guest().get(&format!("/manager/demote/{id}")), 400, "Invalid manager id");
    }
}

// 37
#[test]
fn a_role_replaces_the_one_before_and_zero_removes_it() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    let user = tracker.user();
    for role in [6, 1, 30] {
        bare(tracker.set_role(project, user, role));
        assert!(roles(user, project).contains(&(user.id, role)));
    }
    bare(tracker.set_role(project, user, 0));
    assert_eq!(roles(user, project), [(tracker.admin.id, 31)]);
}

// 38, D4
#[test]
fn roles_are_for_managers_and_projects_that_exist() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    let user = tracker.user();
    let set =
        |project: &str, body: &Value| tracker.admin.post(&format!("/manager/set_role_for_project/{project}"), body);
    for (path, manager, role) in [
        (project.to_string(), 99_999, 1),
        (project.to_string(), 9_999_999_999, 1),
        (project.to_string(), 0, 1),
        (project.to_string(), user.id, 32),
        (project.to_string(), user.id, -1),
        (project.to_string(), user.id, 1024),
        (project.to_string(), user.id, 65_537),
        ("99999999".to_owned(), user.id, 1),
        ("9999999999".to_owned(), user.id, 1),
    ] {
        let answer = set(&path, &json!({"manager": manager, "role": role}));
        assert!(matches!(answer.status, 400 | 404), "{path} {manager} {role}: {} {}", answer.status, answer.text());
        declined(answer.clone(), answer.status);
    }
    refused(set("x", &json!({"manager": user.id, "role": 1})), 400, "Invalid project id");
    let nonsense = Request::new("POST", &format!("/manager/set_role_for_project/{project}")).body("{");
    refused(user.send(nonsense), 400, "Could not parse request");
    assert_eq!(roles(user, project), [(tracker.admin.id, 31)]);
    tracker.alive();
}

#[test]
fn who_manages_access_hands_out_every_right_to_himself_too() {
    let tracker = shared();
    let project = tracker.project(json!({}));
    let path = format!("/manager/set_role_for_project/{project}");
    let (user, other) = (tracker.role(project, 31 - 4), tracker.other());
    refused(user.post(&path, &json!({"manager": other.id, "role": 1})), 403, "Unauthorized");
    tracker.role(project, 4);
    bare(user.post(&path, &json!({"manager": other.id, "role": 31})));
    bare(user.post(&path, &json!({"manager": user.id, "role": 31})));
    assert!(roles(user, project).contains(&(user.id, 31)));
    bare(other.post(&path, &json!({"manager": user.id, "role": 0})));
    refused(user.post(&path, &json!({"manager": user.id, "role": 1})), 403, "Unauthorized");
}

// 39, D12
#[test]
fn nobody_chooses_the_number_of_his_session() {
    let tracker = shared();
    let user = tracker.manager();
    let chosen = tracker.guest().with("Cookie", "tt=chosen");
    let answer = chosen.post("/login", &credentials(&user.name));
    let first = Person::of(&tracker.guest(), &user.name, &answer);
    assert!(first.cookie != "tt=chosen" && first.cookie != user.cookie, "{}", first.cookie);
    let again = Person::of(&tracker.guest(), &user.name, &user.post("/login", &credentials(&user.name)));
    assert_ne!(again.cookie, user.cookie, "a session is not kept across a login");
    assert_eq!(envelope(&chosen.get("/account"), 200)["ok"], false);
}

// D12
#[test]
fn a_session_ends_by_itself() {
    let tracker = Tracker::start("[tracker]\nsession = \"2s\"\ncookie = \"hostler\"\n");
    let user = tracker.manager();
    assert!(user.cookie.starts_with("hostler="), "{}", user.cookie);
    until("the session is over", SOON, || (user.get("/account").json()["ok"] == false).then_some(()));
    refused(user.get("/manager/list"), 401, "Unauthorized");
    assert_eq!(user.login(&tracker.guest()).id, user.id);
}

#[test]
fn guessing_passwords_is_slowed_down() {
    let tracker = Tracker::start("");
    let user = tracker.manager();
    let guess = |n: usize| {
        let body = json!({"username": user.name, "password": format!("wronghorse {n}")});
        tracker.guest().post("/login", &body)
    };
    let throttled = (0..100).map(guess).find(|answer| answer.status != 403).expect("a hundred guesses are too many");
    let body = envelope(&throttled, 429);
    assert_eq!(body["ok"], false, "{body}");
    user.account();
}
