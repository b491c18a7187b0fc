//! Who somebody is, beyond cookies and workers' headers: the first admin, operators, tokens, other sites' pages, the audit
//! log; and the process that a worker vouches for.

use super::*;
use std::process::{Child, Command, Stdio};
use std::thread;

/// A process that waits to be killed.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Sleeper {
        let mut command = Command::new("sleep");
        Sleeper(command.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("a process"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn kill(&mut self) {
        self.0.kill().expect("our own child");
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The same worker, speaking for a process.
fn bound(worker: &Worker, pid: &str) -> Worker {
    Worker { client: worker.with("X-Worker-Pid", pid), ..worker.clone() }
}

/// A client whose connection speaks for nobody, as behind a proxy.
fn stranger(daemon: &Daemon) -> Client {
    daemon.tcp().with("X-Forwarded-For", "192.0.2.1")
}

/// The code for the first admin that the daemon's log tells.
#[track_caller]
fn code(daemon: &Daemon) -> String {
    let log = daemon.stderr();
    let line = log.lines().find(|line| line.contains("X-Hostler-Code")).unwrap_or_else(|| panic!("no code in: {log}"));
    let words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.max_by_key(|word| word.len()).expect("a word").to_owned()
}

#[test]
fn the_death_of_its_process_frees_a_workers_tasks_at_once() {
    let tracker = shared();
    for client in [tracker.guest(), tracker.daemon.unix()] {
        let (project, one) = tracker.queue(json!({}));
        let two = tracker.worker_in(project, "a");
        let mut process = Sleeper::new();
        let holder = bound(&one.over(&client), &process.pid());
        one.fill(project, &["its", "its too", "another's"]);
        let held = ok(holder.get(&format!("/task/get/{project}?count=2")));
        one.take(project);
        let shown = ok(tracker.admin.get(&format!("/task/{}", number(&held["tasks"][0]))))["task"].take();
        assert_eq!(shown["worker_pid"].to_string(), process.pid());
        none(two.fetch(project));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| two.get(&format!("/task/get/{project}?wait=30")));
            process.kill();
            let task = ok(waiting.join().expect("an answer"))["task"].take();
            assert_eq!(some(&task, &["recipe", "retries"]), json!({"recipe": "its", "retries": 0}));
        });
        assert_eq!(two.take(project)["recipe"], "its too");
        none(two.fetch(project));
        released(one.release(number(&held["tasks"][0]), 0), false);
    }
}

#[test]
fn a_process_that_lives_keeps_its_tasks_to_the_end_of_their_time() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    let process = Sleeper::new();
    ok(worker.submit(project, json!({"max_assign_time": 1})));
    let held = ok(bound(&worker, &process.pid()).fetch(project))["task"].take();
    let again = ok(worker.get(&format!("/task/get/{project}?wait=30")))["task"].take();
    assert_eq!(again["id"], held["id"]);
    released(worker.release(number(&again), 0), true);
}

#[test]
fn a_process_has_to_be_ones_own_and_alive() {
    support::require_root();
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["r"]);
    let process = Sleeper::new();
    let dead = {
        let mut process = Sleeper::new();
        process.kill();
        let pid = process.pid();
        drop(process);
        pid
    };
    for pid in [dead.as_str(), "0", "-1", "abc", "", "99999999999"] {
        declined(bound(&worker, pid).fetch(project), 400);
    }
    // Who has no identity proves nothing, and another user's process is not one's own.
    declined(bound(&worker.over(&stranger(&tracker.daemon)), &process.pid()).fetch(project), 400);
    for client in [tracker.guest(), tracker.daemon.unix()] {
        declined(bound(&worker.over(&client.as_user(65534)), &process.pid()).fetch(project), 400);
    }
    assert_eq!(ok(bound(&worker, &process.pid()).fetch(project))["task"]["recipe"], "r");
}

#[test]
fn over_the_socket_an_operator_is_admin_of_the_tracker() {
    let tracker = shared();
    let socket = tracker.daemon.unix();
    let content = ok(socket.get("/account"));
    assert_eq!(
        some(&content["manager"], &["id", "username", "tracker_admin"]),
        json!({"id": 0, "username": "operator", "tracker_admin": true})
    );
    let made = ok(socket.post("/project/create", &json!({"name": fresh("public"), "public": true})));
    let project = made["id"].as_i64().expect("a number");
    ok(tracker.guest().get(&format!("/project/get/{project}")));
    bare(socket.post("/task/submit", &task(project, json!({}))));
    let listed = ok(socket.get("/manager/list"));
    assert!(list(&listed["managers"]).iter().all(|manager| manager["username"] != "operator"), "{listed}");
    // Over TCP the same user is nobody, and so is who was forwarded.
    refused(tracker.guest().get("/manager/list"), 401, "Unauthorized");
    refused(socket.with("Via", "1.1 proxy").get("/manager/list"), 401, "Unauthorized");
    // A cookie goes before.
    assert_eq!(tracker.user().at(&socket).account()["id"], tracker.user().id);
}

#[test]
fn over_the_socket_an_operator_may_act_as_somebody() {
    let tracker = shared();
    let user = tracker.user();
    let acting = tracker.daemon.unix().with("X-Hostler-As", &user.name);
    assert_eq!(ok(acting.get("/account"))["manager"], user.account());
    let project = acting.post("/project/create", &json!({"name": fresh("for him"), "hidden": true}));
    user.shown(ok(project)["id"].as_i64().expect("a number"));
    let answer = acting.post("/project/create", &json!({"name": fresh("public"), "public": true}));
    refused(answer, 400, "You are not permitted to create a project with this configuration");
    let unknown = tracker.daemon.unix().with("X-Hostler-As", "nobody-of-that-name");
    let answer = unknown.get("/manager/list");
    assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
    // Over TCP the header means nothing.
    refused(tracker.guest().with("X-Hostler-As", &user.name).get("/manager/list"), 401, "Unauthorized");
}

#[test]
fn a_token_may_carry_the_tracker() {
    let tracker = shared();
    let token = |scope: &str| {
        let body = json!({"name": fresh("token"), "scopes": [scope]});
        let answer = tracker.daemon.unix().post("/hostler/v1/tokens", &body);
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        let text = answer.json()["token"].as_str().expect("shown once").to_owned();
        tracker.guest().with("Authorization", &format!("Bearer {text}"))
    };
    for scope in ["tracker", "admin"] {
        let holder = token(scope);
        let made = ok(holder.post("/project/create", &json!({"name": fresh("public"), "public": true})));
        ok(holder.post("/task/submit", &task(made["id"].as_i64().expect("a number"), json!({}))));
        ok(holder.get("/manager/list"));
    }
    let answer = token("proc:write").get("/manager/list");
    assert!(matches!(answer.status, 401 | 403), "{} {}", answer.status, answer.text());
    let wrong = tracker.guest().with("Authorization", "Bearer wrong").get("/manager/list");
    assert_eq!(wrong.status, 401, "{}", wrong.text());
}

#[test]
fn who_comes_through_a_proxy_is_not_made_admin() {
    let daemon = Daemon::start();
    let first = Person::register(&stranger(&daemon), "first");
    assert_eq!(first.account()["tracker_admin"], false);
    let wrong = Person::register(&stranger(&daemon).with("X-Hostler-Code", "wrong"), "wrong");
    assert_eq!(wrong.account()["tracker_admin"], false);
    // The code of the daemon's log serves in place of being an operator, once.
    let code = code(&daemon);
    let admin = Person::register(&stranger(&daemon).with("X-Hostler-Code", &code), "admin");
    assert_eq!(admin.account()["tracker_admin"], true);
    let late = Person::register(&stranger(&daemon).with("X-Hostler-Code", &code), "late");
    assert_eq!(late.account()["tracker_admin"], false);
    let operator = Person::register(&daemon.tcp(), "operator-too");
    assert_eq!(operator.account()["tracker_admin"], false);
}

#[test]
fn another_user_is_not_made_admin() {
    support::require_root();
    let daemon = Daemon::start();
    for (client, name) in [(daemon.tcp(), "by tcp"), (daemon.unix(), "by socket")] {
        let answer = client.as_user(65534).post("/register", &credentials(name));
        assert_eq!(Person::of(&daemon.tcp(), name, &answer).account()["tracker_admin"], false);
    }
    let answer = daemon.unix().post("/register", &credentials("root"));
    assert_eq!(Person::of(&daemon.tcp(), "root", &answer).account()["tracker_admin"], true);
}

#[test]
fn registration_can_be_left_to_the_first_one() {
    let tracker = Tracker::start("[tracker]\nregistration = \"first\"\n");
    let answer = tracker.guest().post("/register", &credentials("second"));
    assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
    assert_eq!(answer.header("set-cookie"), None);
    declined(answer.clone(), answer.status);
    let managers = ok(tracker.admin.get("/manager/list"));
    assert_eq!(list(&managers["managers"]).len(), 1);
    tracker.admin.login(&tracker.guest());
}

#[test]
fn registration_can_be_closed() {
    let daemon = Daemon::configured("[tracker]\nregistration = \"closed\"\n");
    for client in [daemon.tcp(), daemon.unix()] {
        let answer = client.post("/register", &credentials("anybody"));
        assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
        declined(answer.clone(), answer.status);
    }
    assert_eq!(ok(daemon.unix().get("/manager/list"))["managers"], json!([]));
}

#[test]
fn another_sites_page_changes_nothing() {
    let tracker = shared();
    let user = tracker.manager();
    let foreign = [("Origin", "http://elsewhere.example"), ("Sec-Fetch-Site", "cross-site")];
    for (header, value) in foreign {
        let admin = tracker.admin.with(header, value);
        for answer in [
            admin.get(&format!("/manager/promote/{}", user.id)),
            admin.post(&format!("/manager/promote/{}", user.id), &json!(null)),
            admin.post("/project/create", &json!({"name": fresh("forged")})),
            user.with(header, value).get("/logout"),
        ] {
            assert_eq!(answer.status, 403, "{header}: {}", answer.text());
        }
        assert_eq!(user.account()["tracker_admin"], false);
    }
    let own = tracker.admin.with("Origin", &format!("http://{}", tracker.daemon.address()));
    ok(own.with("Host", &tracker.daemon.address().to_string()).post("/project/create", &json!({"name": fresh("own")})));
}

#[test]
fn a_cookie_counts_only_where_the_daemon_is_meant() {
    let tracker = shared();
    let rebound = tracker.admin.with("Host", "rebound.example");
    let project = tracker.project(json!({}));
    for answer in [
        rebound.post("/project/create", &json!({"name": fresh("forged")})),
        rebound.get(&format!("/manager/promote/{}", tracker.user().id)),
        rebound.get("/logout"),
    ] {
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    // Nor for looking at what is not public.
    for path in [format!("/project/secret/{project}"), "/manager/list".to_owned()] {
        let answer = rebound.get(&path);
        assert!(matches!(answer.status, 401 | 403), "{path}: {} {}", answer.status, answer.text());
    }
    tracker.admin.account();
    ok(tracker.guest().with("Host", "tracker.example").get("/project/list"));
}

#[test]
fn an_operators_browser_does_not_make_another_sites_page_admin() {
    let daemon = Daemon::start();
    for (header, value) in [("Host", "rebound.example"), ("Origin", "http://elsewhere.example")] {
        let answer = daemon.tcp().with(header, value).with("X-Secret", "x").post("/register", &credentials("page"));
        assert!(answer.status == 403, "{header}: {} {}", answer.status, answer.text());
    }
    assert_eq!(ok(daemon.unix().get("/manager/list"))["managers"], json!([]));
}

#[test]
fn a_worker_proves_itself_from_anywhere_and_whatever_the_daemon_is_called() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    for client in [stranger(&tracker.daemon), tracker.guest()] {
        for (header, value) in [("Host", "tracker.example"), ("Origin", "http://elsewhere.example")] {
            let elsewhere = client.with(header, value);
            let elsewhere = worker.over(&elsewhere);
            ok(elsewhere.submit(project, json!({})));
            let task = number(&elsewhere.take(project));
            released(elsewhere.release(task, 0), true);
        }
    }
}

#[test]
fn a_page_by_a_foreign_name_makes_no_worker_of_a_local_user() {
    let tracker = shared();
    let made = |client: Client| client.with("Host", "tracker.example").post("/worker/create", &json!({"alias": "w"}));
    // A browser of this host could be made to ask; whoever comes from elsewhere means what he says.
    let answer = made(tracker.guest());
    assert!(answer.status == 403 && answer.text().contains("http.hosts"), "{}", answer.text());
    ok(made(stranger(&tracker.daemon)));
}

#[test]
fn what_changes_something_can_be_posted() {
    let tracker = shared();
    let user = tracker.manager();
    let post = |client: &Client, path: String| client.send(Request::new("POST", &path)).status;
    assert_eq!(post(&tracker.admin, format!("/manager/promote/{}", user.id)), 204);
    assert_eq!(user.account()["tracker_admin"], true);
    assert_eq!(post(&tracker.admin, format!("/manager/demote/{}", user.id)), 204);
    assert_eq!(user.account()["tracker_admin"], false);
    assert_eq!(post(&user, format!("/manager/demote/{}", tracker.admin.id)), 403);
    assert_eq!(post(&user, "/logout".to_owned()), 204);
    refused(user.get("/manager/list"), 401, "Unauthorized");
}

#[test]
fn the_audit_names_accounts_and_workers() {
    let tracker = shared();
    let (user, worker) = (tracker.user(), tracker.worker());
    let project = user.create(json!({"name": fresh("audited")}));
    ok(worker.request(project, "a"));
    declined(worker.post(&format!("/project/reject_request/{project}/{}", worker.id), &json!(null)), 403);
    ok(tracker.daemon.unix().send(Request::new("POST", &format!("/project/hard_reset/{project}"))));
    let audit = until("all are written", SOON, || {
        let text = tracker.daemon.get("/hostler/v1/audit").expect(200).text();
        text.contains(&format!("/project/hard_reset/{project}")).then_some(text)
    });
    let expected = [
        (format!("account {}", user.name), "/project/create"),
        (format!("worker {}", worker.id), "/project/request_access"),
        ("operator".to_owned(), "/project/hard_reset/"),
    ];
    for (who, what) in expected {
        let found = lines_of(&audit).iter().any(|line| line["who"] == who && line["what"].to_string().contains(what));
        assert!(found, "{who} {what} is not in {audit}");
    }
    assert!(!audit.contains(&worker.secret) && !audit.contains(&user.cookie["tt=".len()..]), "a secret is in it");
}

/// The entries of the audit, whether they come as a list or one a line.
fn lines_of(text: &str) -> Vec<Value> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(entries)) => entries,
        Ok(Value::Object(fields)) => {
            fields.into_iter().filter_map(|(_, value)| value.as_array().cloned()).flatten().collect()
        }
        _ => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
    }
}

#[test]
fn what_workers_do_all_day_is_not_audited() {
    let tracker = shared();
    let (project, worker) = tracker.queue(json!({}));
    worker.fill(project, &["r"]);
    worker.finish(project, 0);
    let other = tracker.worker();
    ok(other.request(project, "a"));
    let who = |worker: &Worker| format!("worker {}", worker.id);
    let audit = until("the later entry is written", SOON, || {
        let text = tracker.daemon.get("/hostler/v1/audit").expect(200).text();
        text.contains(&who(&other)).then_some(text)
    });
    let of: Vec<Value> = lines_of(&audit).into_iter().filter(|line| line["who"] == who(&worker)).collect();
    assert!(!of.iter().any(|line| line["what"].to_string().contains("/task/")), "{of:?}");
}

#[test]
fn the_root_is_a_page_for_browsers() {
    let tracker = shared();
    let answer = tracker.guest().send(Request::new("GET", "/").header("Accept", "text/html,*/*;q=0.8")).expect(200);
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{:?}", answer.headers);
    ok(tracker.guest().send(Request::new("GET", "/").header("Accept", "*/*")));
}
