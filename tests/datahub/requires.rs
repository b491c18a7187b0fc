//! What the health of a tag, or the presence of an account, may depend on besides files: a process, a run of a DAG, an
//! address that answers.

use super::*;
use crate::cast::{RAIN, password};
use crate::support::server::{Ask, Reply, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// URLs are asked less often than files are looked at.
const ASKED: Duration = Duration::from_secs(8);

#[track_caller]
fn put(who: &Client, path: &str, requires: Value) -> Answer {
    who.send(Request::new("PUT", path).json(&json!({"requires": requires})))
}

/// What tag t1 depends on from now on.
#[track_caller]
fn depends(cast: &Cast, requires: Value) {
    ok(put(&cast.root(), &format!("{RAIN}/t1/requires"), requires));
}

#[track_caller]
fn start(cast: &Cast, name: &str) {
    let body = json!({"name": name, "type": "daemon", "cmd": "exec sleep 1000"});
    cast.operator().post("/proc", &body).expect(200);
}

/// A server that answers with the status that the test wants.
fn answering(status: u16) -> (Server, Arc<AtomicU16>) {
    let wanted = Arc::new(AtomicU16::new(status));
    let given = Arc::clone(&wanted);
    (Server::start(move |_: &Ask| Reply::new(given.load(Ordering::SeqCst), "so")), wanted)
}

/// Broken, for a reason that names this.
#[track_caller]
fn is_broken(cast: &Cast, within: Duration, names: &str) {
    cast.reason_becomes(within, "t1", "requires");
    assert_eq!(bare(cast.tags("")), abnormal(&["weather/rain:t1"]));
    let shown = cast.tag("t1").to_string();
    assert!(shown.contains(names), "{names} is not in {shown}");
}

#[test]
fn a_tag_follows_a_process() {
    let mut cast = Cast::start();
    depends(&cast, json!([{"proc": "db"}]));
    is_broken(&cast, NOTICED, "db");
    start(&cast, "db");
    cast.tags_become(NOTICED, "", normal());
    cast.operator().delete("/proc?name=db").expect(200);
    is_broken(&cast, NOTICED, "db");
    let lines = cast.ring(&cast.alice()).join("\n");
    assert!(lines.contains("weather/rain:t1") && lines.contains("requires"), "{lines}");
    // It survives, and can be taken back.
    cast.daemon.restart();
    is_broken(&cast, SOON, "db");
    depends(&cast, json!([]));
    cast.tags_become(NOTICED, "", normal());
}

#[test]
fn a_tag_follows_the_last_run_of_a_dag() {
    let cast = Cast::start();
    let store = |command: &str| {
        let specification = json!({"tag": "t", "tasks": {"a": {"job": {"command": [command]}}}});
        cast.operator().send(Request::new("PUT", "/v1/dag/nightly").json(&specification)).expect(200);
    };
    let run = || drop(cast.operator().post("/v1/dag/nightly/run", &json!({})).expect(200));
    store("/bin/true");
    depends(&cast, json!([{"dag": "nightly", "max_age": "1h"}]));
    is_broken(&cast, NOTICED, "nightly");
    run();
    cast.tags_become(SOON, "", normal());
    store("/bin/false");
    run();
    is_broken(&cast, SOON, "nightly");
    store("/bin/true");
    run();
    cast.tags_become(SOON, "", normal());
    depends(&cast, json!([{"dag": "nightly", "max_age": "1ms"}]));
    is_broken(&cast, SOON, "nightly");
    depends(&cast, json!([{"dag": "nosuch", "max_age": "1h"}]));
    is_broken(&cast, SOON, "nosuch");
}

#[test]
fn a_success_grows_old() {
    let cast = Cast::start();
    let specification = json!({"tag": "t", "tasks": {"a": {"job": {"command": ["/bin/true"]}}}});
    cast.operator().send(Request::new("PUT", "/v1/dag/nightly").json(&specification)).expect(200);
    depends(&cast, json!([{"dag": "nightly", "max_age": "3s"}]));
    cast.operator().post("/v1/dag/nightly/run", &json!({})).expect(200);
    cast.tags_become(SOON, "", normal());
    is_broken(&cast, Duration::from_secs(3) + NOTICED, "nightly");
}

#[test]
fn a_tag_follows_an_address() {
    let cast = Cast::start();
    let (server, status) = answering(200);
    let url = format!("http://{}/ok", server.address());
    // Whoever owns the tag may say this himself.
    ok(put(&cast.alice(), &format!("{RAIN}/t1/requires"), json!([{"url": url}])));
    settles("it is asked", ASKED, true, || !server.seen_at("/ok").is_empty());
    cast.tags_become(ASKED, "", normal());
    status.store(500, Ordering::SeqCst);
    is_broken(&cast, ASKED, &url);
    status.store(204, Ordering::SeqCst);
    cast.tags_become(ASKED, "", normal());
    status.store(302, Ordering::SeqCst);
    is_broken(&cast, ASKED, &url);
    let asked = server.seen().remove(0).ask;
    assert_eq!(asked.method, "GET");
    assert!(asked.header("via").is_some_and(|via| via.contains("hostler")), "{asked:?}");
}

#[test]
fn a_file_that_is_lost_is_lost_whatever_holds_besides() {
    let cast = Cast::start();
    start(&cast, "db");
    depends(&cast, json!([{"proc": "db"}]));
    cast.tags_become(NOTICED, "", normal());
    std::fs::remove_file(cast.file("a.bin")).expect("the file");
    cast.reason_becomes(NOTICED, "t1", "missing");
    cast.operator().delete("/proc?name=db").expect(200);
    cast.put_back("a.bin");
    is_broken(&cast, Duration::from_secs(2), "db");
}

#[test]
fn an_account_follows_a_process() {
    let mut cast = Cast::start();
    start(&cast, "db");
    ok(put(&cast.root(), "/api/users/alice/requires", json!([{"proc": "db"}])));
    cast.status_becomes(SOON, &cast.alice(), "online");
    cast.operator().delete("/proc?name=db").expect(200);
    cast.status_becomes(NOTICED, &cast.alice(), "offline");
    let shown = data(cast.alice().get("/api/users/alice")).to_string();
    assert!(shown.contains("db"), "it says why: {shown}");
    assert_eq!(bare(cast.tags("")), normal(), "tags and presence are separate");
    cast.daemon.restart();
    holds("alice stays offline", millis(1000), || cast.status(&cast.alice()) == "offline");
    start(&cast, "db");
    cast.status_becomes(SOON, &cast.alice(), "online");
    ok(put(&cast.root(), "/api/users/alice/requires", json!([])));
}

#[test]
fn a_tag_is_published_with_what_it_depends_on() {
    let cast = Cast::start();
    std::fs::write(cast.file("d"), b"d").expect("a file");
    let body = json!({"detail": "d", "requires": [{"proc": "db"}]});
    refused(cast.alice().post(&format!("{RAIN}/t4"), &body), 403, 1006);
    refused(cast.alice().get(&format!("{RAIN}/t4")), 404, 1009);
    ok(cast.root().post(&format!("{RAIN}/t4"), &body));
    cast.reason_becomes(NOTICED, "t4", "requires");
    start(&cast, "db");
    cast.tags_become(NOTICED, "", normal());
}

#[test]
fn only_operators_make_others_processes_and_runs_matter() {
    let cast = Cast::start();
    cast.account("hubadmin", json!({"hub": "admin", "operator": false}));
    let admin = cast.bearing(&cast.token("hubadmin"));
    let (tag, account) = (format!("{RAIN}/t1/requires"), "/api/users/alice/requires");
    for requires in [json!([{"proc": "db"}]), json!([{"dag": "d", "max_age": "1h"}])] {
        for path in [&tag, account] {
            refused(put(&cast.alice(), path, requires.clone()), 403, 1006);
            refused(put(&admin, path, requires.clone()), 403, 1006);
            refused(put(&cast.bob(), path, requires.clone()), 403, 1006);
        }
    }
    assert_eq!(bare(cast.tags("")), normal());
    ok(put(&admin, &tag, json!([])));
    refused(put(&cast.bob(), &tag, json!([])), 403, 1006);
    refused(put(&cast.nobody(), &tag, json!([])), 401, 6101);
    // Whoever loses the right loses its effect.
    cast.account("chief", json!({"admin": true}));
    let chief = cast.bearing(&cast.token("chief"));
    start(&cast, "db");
    ok(put(&chief, &tag, json!([{"proc": "db"}])));
    cast.tags_become(NOTICED, "", normal());
    let change = Request::new("PATCH", "/hostler/v1/accounts/chief").json(&json!({"operator": false}));
    cast.operator().send(change).expect(200);
    cast.reason_becomes(NOTICED, "t1", "requires");
    cast.nobody().with("Authorization", &cast::basic("chief", &password("chief"))).get("/daemon/id").expect(200);
}

#[test]
fn requirements_that_make_no_sense_are_refused() {
    let cast = Cast::start();
    let tag = format!("{RAIN}/t1/requires");
    let nine: Vec<Value> = (0..9).map(|n| json!({"proc": format!("p{n}")})).collect();
    for wrong in [
        json!(nine),
        json!([{}]),
        json!([{"proc": ""}]),
        json!([{"proc": "a", "url": "http://h:1"}]),
        json!([{"unit": "x"}]),
        json!(["db"]),
        json!({"proc": "db"}),
        json!([{"url": "ftp://h"}]),
        json!([{"url": "nonsense"}]),
        json!([{"dag": "d", "max_age": "soon"}]),
        json!([{"proc": 7}]),
    ] {
        let answer = put(&cast.root(), &tag, wrong.clone());
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(1007)), "{wrong}: {}", answer.text());
    }
    refused(cast.root().send(Request::new("PUT", &tag).body("{")), 400, 1007);
    refused(put(&cast.root(), &format!("{RAIN}/nosuch/requires"), json!([])), 404, 1009);
    refused(put(&cast.root(), "/api/users/nosuch/requires", json!([])), 400, 6002);
    ok(put(&cast.root(), &tag, json!(nine[..8])));
}

#[test]
fn an_address_of_this_hosts_own_is_not_asked() {
    let cast = Cast::start();
    for url in [format!("http://{}/readyz", cast.daemon.address()), "http://169.254.169.254/".to_owned()] {
        let answer = put(&cast.alice(), &format!("{RAIN}/t1/requires"), json!([{"url": url}]));
        match answer.status {
            200 => cast.reason_becomes(ASKED, "t1", "requires"),
            status => assert!(matches!(status, 400 | 403), "{url}: {}", answer.text()),
        }
    }
}
