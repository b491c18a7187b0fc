//! Who may what, by every door: every route against everybody who may come.

use super::*;
use crate::cast::{RAIN, password};
use crate::support::require_root;

const NOBODY: u32 = 65534;

/// Who has something of his own: what each is answered, as `STATUS/CODE`, alternatives separated by `|`.
struct Row {
    method: &'static str,
    path: &'static str,
    body: &'static str,
    bob: &'static str,
    alice: &'static str,
    /// root, the operator on the Unix socket, and a token of hostler's own with the scope of the hub.
    admins: &'static str,
}

/// One row, without a name for each cell.
const fn row(
    method: &'static str,
    path: &'static str,
    body: &'static str,
    [bob, alice, admins]: [&'static str; 3],
) -> Row {
    Row { method, path, body, bob, alice, admins }
}

const ALL: [&str; 3] = ["200", "200", "200"];
const OWNERS: [&str; 3] = ["403/1006", "200", "200"];

/// Every route that needs an account. Nothing here changes what another row depends on.
const ROUTES: &[Row] = &[
    row("GET", "/daemon/id", "", ALL),
    row("GET", "/api/daemon/id", "", ALL),
    row("GET", "/daemon/ep/alice", "", OWNERS),
    row("GET", "/api/daemon/ep/alice", "", OWNERS),
    row("GET", "/daemon/log/0", "", ALL),
    row("GET", "/api/daemon/log/0?range=3", "", ALL),
    row("GET", "/daemon/status", "", ALL),
    row("GET", "/api/daemon/status", "", ALL),
    row("GET", "/daemon/tags/status?repname=weather&itemname=snow", "", ALL),
    row("GET", "/api/daemon/tags/status?repname=weather&itemname=snow", "", ALL),
    row("GET", "/api/daemon/weather/snow", "", ALL),
    row("POST", "/api/daemon/verify?repname=weather&itemname=rain", "", OWNERS),
    row("GET", "/heartbeat/status/alice", "", ALL),
    row("GET", "/api/heartbeat/status/alice", "", ALL),
    row("POST", "/api/users/bob", r#"{"password":"x","role":"ordinary"}"#, ["403/1006", "403/1006", "409/8002"]),
    row("GET", "/api/users/alice", "", OWNERS),
    row("PUT", "/api/users/alice/serving", r#"{"serving":true}"#, OWNERS),
    row("PUT", "/api/users/alice/requires", r#"{"requires":[]}"#, OWNERS),
    // alice has rights outside of the hub, which a token of the hub alone does not reach.
    row("DELETE", "/api/users/alice", "", ["403/1006", "403/1006", "409/1010|403/1006"]),
    row("GET", "/api/users/whoami", "", ALL),
    row("GET", "/api/ep", "", ["200", "200", "200|400/6003"]),
    row("POST", "/api/ep", r#"{"entrypoint":"ftp://h:1"}"#, ["400/1007", "400/1007", "400/1007"]),
    row("DELETE", "/api/ep", "", ALL),
    row("POST", "/api/datapools", r#"{"name":"p","type":"tape","conn":"/"}"#, ["400/4001", "400/4001", "400/4001"]),
    row("GET", "/api/datapools", "", ALL),
    row("GET", "/api/datapools/p1", "", ["404/4002", "200", "200"]),
    row("DELETE", "/api/datapools/p1", "", ["404/4002", "409/4001", "409/4001"]),
    row("GET", "/api/repositories", "", ALL),
    row("GET", "/api/repositories/weather", "", ALL),
    row("POST", "/api/repositories/weather", r#"{"comment":"c"}"#, ["409/4009", "409/4009", "409/4009"]),
    row("DELETE", "/api/repositories/weather", "", ["403/1006", "409", "409"]),
    row("GET", RAIN, "", ALL),
    row("POST", "/api/repositories/weather/hail", r#"{"datapool":"nosuch"}"#, ["403/1006", "404/4010", "404/4010"]),
    row("DELETE", "/api/repositories/weather/nosuch", "", ["403/1006", "404", "404"]),
    row("GET", "/api/repositories/weather/rain/t1", "", ALL),
    row("POST", "/api/repositories/weather/rain/t1", r#"{"detail":"a.bin"}"#, ["403/1006", "409/4009", "409/4009"]),
    row("DELETE", "/api/repositories/weather/rain/nosuch", "", ["403/1006", "404/4002", "404/4002"]),
    row("PUT", "/api/repositories/weather/rain/t1/requires", r#"{"requires":[]}"#, OWNERS),
    row("POST", "/api/job", "{}", ["400/1400", "400/1400", "400/1400"]),
    row("GET", "/api/job", "", ALL),
    row("GET", "/api/job/00000000", "", ALL),
    row("DELETE", "/api/job/00000000", "", ["404/4404", "404/4404", "404/4404"]),
];

#[track_caller]
fn ask(client: &Client, row: &Row) -> Answer {
    let request = Request::new(row.method, row.path);
    client.send(if row.body.is_empty() { request } else { request.body(row.body) })
}

#[track_caller]
fn is_answered(who: &str, client: &Client, row: &Row, expected: &str) {
    let answer = ask(client, row);
    let code = serde_json::from_slice::<Value>(&answer.body).map(|mut body| body["code"].take()).unwrap_or_default();
    let fits = |one: &str| match one.split_once('/') {
        Some((status, number)) => answer.status.to_string() == status && code.as_u64() == number.parse().ok(),
        None => answer.status.to_string() == one,
    };
    let text = answer.text();
    assert!(
        expected.split('|').any(fits),
        "{who}: {} {}: {}, not {expected}: {text}",
        row.method,
        row.path,
        answer.status
    );
}

/// The cast, and a private item of alice's besides.
#[track_caller]
fn stage() -> Cast {
    let cast = Cast::start();
    cast.make_item(&cast.alice(), "weather/snow", "p1", "snow", "private");
    cast
}

#[test]
fn every_route_asks_who_comes() {
    let cast = stage();
    let scoped = cast.scoped("hub");
    cast.account("guesty", json!({}));
    let guest = cast.bearing(&cast.token("guesty"));
    let none = Request::new("PATCH", "/hostler/v1/accounts/guesty").json(&json!({"hub": "none"}));
    cast.operator().send(none).expect(200);
    let as_alice = cast.operator().with("X-Hostler-As", "alice");
    let as_bob = cast.operator().with("X-Hostler-As", "bob");
    for row in ROUTES {
        is_answered("nobody", &cast.nobody(), row, "401/6101");
        is_answered("a bad token", &cast.bearing("deadbeef"), row, "401/1005");
        is_answered("no right", &guest, row, "403/1006");
        is_answered("bob", &cast.bob(), row, row.bob);
        is_answered("as bob", &as_bob, row, row.bob);
        is_answered("alice", &cast.alice(), row, row.alice);
        is_answered("as alice", &as_alice, row, row.alice);
        is_answered("root", &cast.root(), row, row.admins);
        is_answered("the operator", &cast.operator(), row, row.admins);
        is_answered("a token with the scope", &scoped, row, row.admins);
    }
    assert_eq!(bare(cast.tags("")), normal());
}

#[test]
fn who_is_more_than_a_user_of_the_hub_is_removed_by_operators_alone() {
    let cast = stage();
    let scoped = cast.scoped("hub");
    let body = json!({"password": password("carol"), "role": "admin"});
    ok(scoped.post("/api/users/carol", &body));
    let carol = cast.bearing(&cast.token("carol"));
    for hub_alone in [&scoped, &carol] {
        refused(hub_alone.delete("/api/users/alice"), 403, 1006);
        refused(hub_alone.delete("/api/users/operator"), 403, 1006);
        refused(hub_alone.delete("/api/users/nosuch"), 400, 6002);
    }
    for operator in [cast.root(), cast.operator(), cast.scoped("admin")] {
        refused(operator.delete("/api/users/alice"), 409, 1010);
    }
    // Whom the hub alone knows, its administrators remove, unless he owns items.
    cast.make_pool(&carol, "hers");
    cast.make_item(&carol, "carolrepo/x", "hers", "x", "public");
    refused(scoped.delete("/api/users/carol"), 409, 1010);
    ok(carol.delete("/api/repositories/carolrepo/x"));
    ok(scoped.delete("/api/users/carol"));
    refused(carol.get("/daemon/id"), 401, 1005);
}

#[test]
fn what_opens_one_family_opens_no_other() {
    let cast = Cast::empty(&Settings::default());
    let login = cast.nobody().post("/login", &json!({"username": "alice", "password": password("alice")}));
    let cookie = login.header("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned();
    let (name, text) = cookie.split_once('=').expect("a pair");
    let manager = |cookie: &str| cast.nobody().with("Cookie", cookie).get("/manager/list").status;
    assert_eq!(manager(&cookie), 200);
    assert_ne!(manager(&format!("{name}={}", cast.tokens[1])), 200, "a token of the hub is no cookie");
    refused(cast.bearing(text).get("/daemon/id"), 401, 1005);
    refused(cast.nobody().with("Cookie", &cookie).get("/daemon/id"), 401, 6101);
    refused(cast.bearing(&cast.tokens[1].to_uppercase()).get("/daemon/id"), 401, 1005);
    bare(cast.alice().get("/daemon/id"));
}

#[test]
fn what_an_operator_requires_is_told_to_the_owner_and_to_nobody_else() {
    let cast = stage();
    let path = "/api/repositories/weather/rain/t1";
    let body = json!({"requires": [{"proc": "nosuch-secret"}]});
    refused(cast.alice().send(Request::new("PUT", &format!("{path}/requires")).json(&body)), 403, 1006);
    ok(cast.operator().send(Request::new("PUT", &format!("{path}/requires")).json(&body)));
    let why = json!("proc nosuch-secret: there is no such task");
    settles("its owner hears why", SOON, why, || data(cast.alice().get(path))["why"].take());
    for url in [path, RAIN, "/api/repositories/weather?details=1", "/daemon/tags/status?repname=weather&itemname=rain"]
    {
        let body = cast.bob().get(url).expect(200).text();
        assert!(!body.contains("nosuch-secret") && !body.contains("no such task"), "{url}: {body}");
    }
    assert!(!cast.ring(&cast.bob()).iter().any(|line| line.contains("nosuch-secret")));
    // It is his: he may do without it.
    ok(cast.alice().send(Request::new("PUT", &format!("{path}/requires")).json(&json!({"requires": []}))));
    assert_eq!(bare(cast.tags("&tagname=t1")), normal());
}

#[test]
fn every_change_and_every_refusal_is_on_record_with_its_name() {
    let cast = stage();
    refused(cast.alice().get("/daemon/ep/bob"), 403, 1006);
    refused(cast.nobody().get("/daemon/id"), 401, 6101);
    refused(cast.alice().post("/api/repositories/tags", &json!({})), 400, 1007);
    ok(cast
        .bob()
        .post("/api/repositories/bob \"quoted\"".replace(' ', "%20").replace('"', "%22").as_str(), &json!({})));
    cast.alice().send(Request::new("POST", "/api/ep").body(vec![b' '; (1 << 20) + 1])).expect(413);
    let id = cast.daemonid(&cast.alice());
    let lines = until("the audit log has it all", SOON, || {
        let answer = cast.operator().get("/hostler/v1/audit?limit=1000").expect(200).json();
        let lines = list(&answer["entries"]).to_vec();
        lines.iter().any(|line| line["status"] == 413).then_some(lines)
    });
    let has = |who: &str, what: &str, status: u16| {
        let fits = |line: &&Value| line["who"] == who && line["what"] == what && line["status"] == status;
        assert!(lines.iter().any(|line| fits(&line)), "{who} {what} {status}: {lines:#?}");
    };
    has("account alice", "GET /daemon/ep/bob", 403);
    has("account alice", "POST /api/repositories/tags", 400);
    has("account bob", "POST /api/repositories/bob \"quoted\"", 200);
    has("account alice", "POST /api/ep", 413);
    has("account alice", "POST /api/repositories/weather/rain/t1", 200);
    assert!(lines.iter().any(|line| line["what"] == "GET /daemon/id" && line["status"] == 401));
    for secret in cast.tokens.iter().chain([&id]) {
        assert!(!lines.iter().any(|line| line.to_string().contains(&**secret)), "a secret in the audit log");
    }
}

#[test]
fn the_operator_is_known_only_by_his_own_door() {
    require_root();
    let cast = stage();
    let forwarded = cast.operator().with("X-Forwarded-For", "192.0.2.1");
    let stranger = cast.operator().as_user(NOBODY);
    let row = |path| row("GET", path, "", ALL);
    for path in ["/daemon/id", "/api/users/whoami", "/api/job", "/api/datapools"] {
        // Over TCP it does not matter whose connection it is.
        is_answered("root by TCP", &cast.nobody(), &row(path), "401/6101");
        is_answered("as somebody by TCP", &cast.nobody().with("X-Hostler-As", "alice"), &row(path), "401/6101");
        is_answered("passed on", &forwarded, &row(path), "401/6101");
        is_answered("no operator", &stranger, &row(path), "401/6101");
        is_answered("no operator, as alice", &stranger.with("X-Hostler-As", "alice"), &row(path), "401/6101|403/1006");
    }
    assert_eq!(data(cast.operator().get("/api/users/whoami"))["username"], "operator");
    assert_eq!(data(cast.operator().with("X-Hostler-As", "bob").get("/api/users/whoami"))["username"], "bob");
    // Credentials that are shown count, by any door.
    let shown = |client: Client| client.with("Authorization", &format!("Token {}", cast.tokens[2]));
    assert_eq!(data(shown(cast.operator()).get("/api/users/whoami"))["username"], "bob");
    assert_eq!(data(shown(stranger).get("/api/users/whoami"))["username"], "bob");
    refused(cast.operator().with("Authorization", "Token deadbeef").get("/daemon/id"), 401, 1005);
}

#[test]
fn tokens_of_other_families_open_nothing() {
    let cast = stage();
    for scope in ["job", "tracker", "proc:write"] {
        let client = cast.scoped(scope);
        for row in ROUTES {
            is_answered(scope, &client, row, "401/1005|403/1006");
        }
    }
    // Nor does the hub's open anything else.
    assert!(matches!(cast.root().get("/hostler/v1/accounts").status, 401 | 403));
    assert!(matches!(cast.bearing(&cast.tokens[0]).get("/oapi/v1/jobs").status, 401 | 403));
}

#[test]
fn whoever_loses_the_right_is_out_at_once() {
    let cast = stage();
    let change = |body: Value| {
        cast.operator().send(Request::new("PATCH", "/hostler/v1/accounts/bob").json(&body)).expect(200);
    };
    bare(cast.bob().get("/daemon/id"));
    refused(cast.bob().get("/daemon/ep/alice"), 403, 1006);
    change(json!({"hub": "admin"}));
    bare(cast.bob().get("/daemon/ep/alice"));
    change(json!({"hub": "none"}));
    refused(cast.bob().get("/daemon/id"), 403, 1006);
    change(json!({"hub": "ordinary"}));
    bare(cast.bob().get("/daemon/id"));
}

#[test]
fn what_somebody_published_is_handed_out_no_longer_than_he_is_there() {
    let cast = stage();
    cast.entry().get("/pull/weather/rain/t1").expect(200);
    cast.operator().delete("/hostler/v1/accounts/alice").expect(204);
    settles("it is not handed out", SOON, 404, || cast.entry().get("/pull/weather/rain/t1").status);
    let status = "/daemon/tags/status?repname=weather&itemname=rain";
    assert_eq!(bare(cast.root().get(status)), normal());
    ok(cast.root().delete(&format!("{RAIN}/*")));
    // Another account of that name owns nothing of it.
    cast.account("alice", json!({}));
    let alice = cast.bearing(&cast.token("alice"));
    refused(alice.post(&format!("{RAIN}/t9"), &json!({"detail": "a.bin"})), 403, 1006);
    assert!(cast.file("a.bin").is_file());
}

#[test]
fn a_pool_cannot_reach_into_anothers() {
    let cast = stage();
    let make = |name: &str, path: &str| {
        let body = json!({"name": name, "type": "file", "conn": cast.pool(path)});
        cast.bob().post("/api/datapools", &body)
    };
    std::os::unix::fs::symlink(cast.pool("p1"), cast.pool("link")).expect("a link");
    std::os::unix::fs::symlink("/etc", cast.pool("out")).expect("a link");
    for path in ["p1", "p1/rain", "p1/new/deeper", "p1/", "x/../p1", ".", "", "link", "link/rain", "out", "out/new"] {
        refused(make("his", path), 400, 4001);
        let body = json!({"name": "his", "type": "file", "conn": cast.pool(path)});
        refused(cast.root().post("/api/datapools", &body), 400, 4001);
    }
    assert!(!cast.pool("p1/new").exists());
    // A refusal does not tell what is there: neither elsewhere on this host, nor in another's pool.
    let told = |conn: &str| {
        let body = json!({"name": "his", "type": "file", "conn": conn});
        refused(cast.bob().post("/api/datapools", &body), 400, 4001)
    };
    assert_eq!(told("/etc/hostname/x"), told("/etc/nosuch/x"));
    let within = |path: &str| told(cast.pool(path).to_str().expect("a path"));
    assert_eq!(within("p1/rain/a.bin/x"), within("p1/rain/nosuch/x"));
    ok(make("his", "p10"));
    refused(make("p1", "p11"), 409, 4001);
    // Nor is somebody else's pool good for an item of one's own.
    let item = json!({"datapool": "p1", "itemdesc": "rain"});
    let answer = cast.bob().post("/api/repositories/bobrepo/x", &item);
    assert!(
        matches!((answer.status, answer.json()["code"].as_u64()), (403, Some(1006)) | (404, Some(4010))),
        "{}",
        answer.text()
    );
    // And what is deleted of his, is his.
    for path in ["/api/repositories/weather/rain/t1", RAIN, "/api/repositories/weather"] {
        refused(cast.bob().delete(path), 403, 1006);
    }
    assert_eq!(bare(cast.tags("")), normal());
}

#[test]
fn the_description_names_every_route() {
    let cast = stage();
    let description = cast.operator().get("/openapi.json").expect(200).json();
    let paths = description["paths"].as_object().expect("paths");
    let fits = |template: &str, path: &str| {
        let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
        template.len() == path.len()
            && template.iter().zip(&path).all(|(one, other)| one.starts_with('{') || one == other)
    };
    for row in ROUTES {
        let path = row.path.split('?').next().expect("a path");
        let method = row.method.to_lowercase();
        let named =
            paths.iter().any(|(template, methods)| fits(template, path) && methods[&method]["summary"].is_string());
        assert!(named, "{} {path} is not described", row.method);
    }
}
