//! Who may what, by every door; what pages of other origins may not; what nobody may have this host connect to; and what
//! nonsense is answered with.

use super::*;
use crate::cast::PERSON;
use crate::support::cli;

const SIGNIN: &str = "/api/v1/users/signin";

/// What is shown at sign-in for this name.
#[track_caller]
fn signed(cache: &Cache, name: &str, password: &str) -> String {
    let answer = cache.stranger().post(SIGNIN, &json!({"name": name, "password": password})).expect(200).json();
    text(&answer["token"]).to_owned()
}

/// An account without any special right.
#[track_caller]
fn guest(cache: &Cache) -> String {
    let args = ["account", "create", "guesty", "--password-stdin"];
    let mut child = cli::hostler(&cache.daemon, &args).stdin(std::process::Stdio::piped()).spawn().expect("the binary");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut stdin, b"dragonfly2").expect("the password is read");
    drop(stdin);
    assert!(child.wait().expect("our child").success());
    signed(cache, "guesty", "dragonfly2")
}

/// Every route: method, path, which scope opens it, and whether it only looks.
const ROUTES: [(&str, &str, &str, bool); 22] = [
    ("GET", "/oapi/v1/jobs", "job", true),
    ("POST", "/oapi/v1/jobs", "job", false),
    ("GET", "/oapi/v1/jobs/999", "job", true),
    ("PATCH", "/oapi/v1/jobs/999", "job", false),
    ("DELETE", "/oapi/v1/jobs/999", "job", false),
    ("GET", "/oapi/v1/clusters", "cluster", true),
    ("POST", "/oapi/v1/clusters", "cluster", false),
    ("GET", "/oapi/v1/clusters/9", "cluster", true),
    ("PATCH", "/oapi/v1/clusters/9", "cluster", false),
    ("DELETE", "/oapi/v1/clusters/9", "cluster", false),
    ("GET", "/oapi/v1/tasks", "job", true),
    ("POST", "/oapi/v1/tasks", "job", false),
    ("DELETE", "/oapi/v1/tasks", "job", false),
    ("POST", "/oapi/v1/tasks/id", "job", true),
    ("POST", "/oapi/v1/tasks/verify", "job", false),
    ("POST", "/oapi/v1/tasks/gc", "job", false),
    ("GET", "/oapi/v1/tasks/abcdef01", "job", true),
    ("DELETE", "/oapi/v1/tasks/abcdef01", "job", false),
    ("GET", "/oapi/v1/tasks/abcdef01/content", "job", true),
    ("POST", "/oapi/v1/tasks/abcdef01/verify", "job", false),
    ("PUT", "/oapi/v1/tasks/abcdef01/pins/x", "job", false),
    ("GET", "/oapi/v1/usage", "job", true),
];

/// Those behind the other door, and whether they only look.
const CONSOLE: [(&str, &str, bool); 11] = [
    ("GET", "/api/v1/jobs", true),
    ("POST", "/api/v1/jobs", false),
    ("DELETE", "/api/v1/jobs/999", false),
    ("GET", "/api/v1/clusters", true),
    ("PATCH", "/api/v1/clusters/9", false),
    ("GET", "/api/v1/personal-access-tokens", true),
    ("POST", "/api/v1/personal-access-tokens", false),
    ("PATCH", "/api/v1/personal-access-tokens/999", false),
    ("DELETE", "/api/v1/personal-access-tokens/999", false),
    ("GET", "/api/v1/audits", true),
    ("GET", "/api/v1/persistent-cache-tasks", true),
];

/// Whether somebody may; what he asks for need not make sense.
fn may(client: &Client, method: &str, path: &str) -> bool {
    let status = client.send(Request::new(method, path)).status;
    assert!(status < 500, "{method} {path}: {status}");
    !matches!(status, 401 | 403)
}

#[test]
fn every_route_asks_for_its_own_right() {
    let cache = Cache::start();
    cache.account();
    let token = |scopes: &[&str]| cache.bearing(&cache.token_for(scopes));
    let (job, reader, cluster, admin) = (token(&["job"]), token(&["job:read"]), token(&["cluster"]), token(&["admin"]));
    let (person, guest) = (cache.bearing(&signed(&cache, PERSON.0, PERSON.1)), cache.bearing(&guest(&cache)));
    let forwarded = cache.operator().with("X-Forwarded-For", "192.0.2.1");
    let as_guest = cache.operator().with("X-Hostler-As", "guesty");
    for (method, path, scope, looks) in ROUTES {
        let rights =
            [&cache.stranger(), &job, &reader, &cluster, &admin, &person, &forwarded, &cache.operator(), &as_guest]
                .map(|client| may(client, method, path));
        let (jobs, clusters) = (scope == "job", scope == "cluster");
        let expected = [false, jobs, jobs && looks, clusters, true, false, false, true, looks];
        assert_eq!(rights, expected, "{method} {path}");
    }
    for (method, path, looks) in CONSOLE {
        let rights =
            [&cache.stranger(), &job, &reader, &admin, &person, &guest, &forwarded, &cache.operator(), &as_guest]
                .map(|client| may(client, method, path));
        assert_eq!(rights, [false, false, false, true, true, looks, false, true, looks], "{method} {path}");
    }
}

#[test]
fn a_sign_in_ends_with_the_password_and_with_the_account() {
    let cache = Cache::start();
    cache.account();
    let guest = cache.bearing(&guest(&cache));
    guest.get("/api/v1/jobs").expect(200);
    let token = signed(&cache, PERSON.0, PERSON.1);
    let claims = token.split('.').nth(1).expect("three parts");
    for forged in [format!("eyJhbGciOiJub25lIn0.{claims}."), format!("{token}x"), token[1..].to_owned()] {
        refused_so(cache.bearing(&forged).get("/api/v1/jobs"), 401, "Unauthorized");
    }
    cli::told(&cache.daemon, &["account", "rm", "guesty"], 0);
    refused_so(guest.get("/api/v1/jobs"), 401, "Unauthorized");
}

#[test]
fn a_cookie_is_not_lent_to_other_pages() {
    let cache = Cache::start();
    cache.account();
    let cookie = format!("jwt={}", signed(&cache, PERSON.0, PERSON.1));
    let own = cache.daemon.address().to_string();
    let elsewhere = "127.0.0.1:9";
    let body = json!({"type": "get_task", "args": {"url": "http://page.example/x"}});
    let page = |name: &str, value: &str| {
        let host = if name == "Host" { value } else { &own };
        let headers = [("Cookie", cookie.as_str()), ("Host", host), ("X-Page", "yes"), (name, value)];
        let headers = &headers[..if name == "Host" { 3 } else { 4 }];
        let with =
            |request: Request| headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let change = cache.stranger().send(with(Request::new("POST", "/api/v1/jobs").json(&body))).status;
        (change, cache.stranger().send(with(Request::new("GET", "/api/v1/jobs"))).status)
    };
    assert_eq!(page("Accept", "*/*"), (200, 200));
    assert_eq!(page("Origin", &format!("http://{own}")), (200, 200));
    assert_eq!(page("Sec-Fetch-Site", "same-origin"), (200, 200));
    for origin in ["http://evil.example", "null", &format!("http://{elsewhere}"), &format!("https://{own}")] {
        assert_eq!(page("Origin", origin).0, 403, "{origin}");
    }
    assert_eq!((page("Sec-Fetch-Site", "cross-site").0, page("Sec-Fetch-Site", "same-site").0), (403, 403));
    // A name that was made to lead here is none of ours.
    assert_eq!(page("Host", "evil.example"), (403, 403));
    // Nobody signs a browser in from elsewhere.
    let sign_in = Request::new("POST", SIGNIN).json(&json!({"name": PERSON.0, "password": PERSON.1}));
    cache.stranger().send(sign_in.header("Origin", "http://evil.example")).expect(403);
    // Who shows a token has it, wherever he comes from.
    let request = Request::new("POST", "/oapi/v1/jobs").json(&body).header("Origin", "http://pages.example");
    cache.client().send(request).expect(200);
}

#[test]
fn nobody_has_this_host_ask_itself_or_what_only_it_can_reach() {
    let cache = shared();
    let (own, proxy) = (cache.daemon.address().port(), cache.proxy_address().port());
    let mut urls = vec!["http://169.254.169.254/latest".to_owned(), "http://[::ffff:a9fe:a9fe]/".to_owned()];
    for port in [own, proxy] {
        let hosts = ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "017700000001", "0", "0.0.0.0"];
        urls.extend(hosts.map(|host| format!("http://{host}:{port}/healthz")));
        urls.extend(
            ["[::ffff:127.0.0.1]", "[::]", "[::127.0.0.1]"].map(|host| format!("http://{host}:{port}/healthz")),
        );
    }
    let job = cache.run("preheat", json!({"type": "file", "urls": urls}));
    failed(&job);
    let failures = &outcome(&job)["failure_tasks"];
    assert_eq!(list(failures).len(), urls.len(), "{job}");
    for why in column(failures, "description") {
        assert!(why.contains("must not be connected to"), "{why}");
    }
    for url in ["file:///etc/passwd", "gopher://127.0.0.1/", "http://a b/", "http://[::1", "://", "\u{0}"] {
        failed(&cache.run("preheat", json!({"type": "file", "url": url})));
    }
    // Neither by way of a redirect.
    let hostile = support::server::Server::start(move |_| {
        support::server::Reply::new(302, "").header("Location", &format!("http://127.0.0.1:{own}/healthz"))
    });
    let job = cache.run("preheat", json!({"type": "file", "url": format!("http://{}/x", hostile.address())}));
    assert!(failed(&job).contains("must not be connected to"), "{job}");
}

#[test]
fn an_account_in_an_address_is_shown_to_nobody() {
    let (cache, origin) = (Cache::start(), Origin::start());
    origin.put("/file", File::new("content"));
    let base = origin.url("/file");
    let url = base.replace("http://", "http://ada:S3CRET@");
    let job = cache.run("preheat", json!({"type": "file", "url": url, "urls": [url.replace("/file", "/none")]}));
    let masked = base.replace("http://", "http://ada:***@");
    assert_eq!(column(&outcome(&job)["success_tasks"], "url"), [masked.as_str()], "{job}");
    let asked = origin.seen("/file");
    assert_eq!(asked[0].ask.header("authorization"), Some("Basic YWRhOlMzQ1JFVA=="));
    // Who knows the address finds it; its content is not for everybody.
    let found = cache.present(json!({"url": url}));
    let content = format!("/oapi/v1/tasks/{}/content", text(&found["task_id"]));
    cache.client().get(&content).expect(403);
    assert_eq!(cache.operator().get(&content).expect(200).text(), "content");
    assert_eq!(cache.client().get("/oapi/v1/tasks?q=S3C").expect(200).json(), json!([]));
    let told = [
        cache.client().get("/oapi/v1/tasks").expect(200).text(),
        cache.client().get("/oapi/v1/jobs").expect(200).text(),
        cache.client().send(Request::new("DELETE", "/oapi/v1/tasks?all=true&dry_run=true")).expect(200).text(),
        cache.operator().get(&format!("/hostler/v1/why/cache/{}", text(&found["task_id"]))).text(),
        cache.operator().get("/hostler/v1/audit").text(),
        cli::told(&cache.daemon, &["export"], 0),
        cache.daemon.stderr(),
    ];
    for text in told {
        assert!(!text.contains("S3CRET"), "{text}");
    }
}

#[test]
fn nonsense_is_refused_and_breaks_nothing() {
    let cache = shared();
    let deep = |open: &str, close: &str, count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
    for body in [
        String::new(),
        "[".repeat(100_000),
        "{".repeat(100_000),
        deep("[", "]", 50_000),
        format!("{{\"type\":{}}}", deep("[", "]", 50_000)),
        format!("{{\"type\":\"preheat\",\"args\":{}}}", deep("{\"a\":", "}", 20_000)),
        "{\"type\":\"preheat\",\"args\":{\"type\":\"file\",\"url\":\"\\ud800\"}}".to_owned(),
        format!("{{\"type\":\"get_task\",\"args\":{{\"url\":\"{}\"}}}}", "x".repeat(20_000)),
        format!("{{\"type\":\"preheat\",\"args\":{{\"type\":\"file\",\"urls\":{}}}}}", json!(vec!["u"; 10_001])),
        "{\"type\":\"gc\",\"args\":{\"type\":\"job\",\"ttl\":1e400}}".to_owned(),
    ] {
        let answer = cache.client().send(Request::new("POST", "/oapi/v1/jobs").body(body));
        invalid(answer);
    }
    for path in ["/oapi/v1/jobs/+1", "/oapi/v1/jobs/1.0", "/oapi/v1/jobs/-1", "/oapi/v1/jobs/99999999999999999999"] {
        invalid(cache.client().get(path));
    }
    for path in
        ["/oapi/v1/jobs?page=%2B1", "/oapi/v1/jobs?user_id=x", "/oapi/v1/tasks?state=x", "/oapi/v1/jobs/1?wait=x"]
    {
        invalid(cache.client().get(path));
    }
    // A stranger's body is not even read.
    let large = Request::new("POST", "/oapi/v1/jobs").header("Content-Length", "8000000");
    refused_so(cache.stranger().send(large), 401, "Unauthorized");
    cache.client().get("/oapi/v1/jobs").expect(200);
}

#[test]
fn the_description_names_every_route_and_what_opens_it() {
    let cache = shared();
    let description = cache.operator().get("/openapi.json").expect(200).json();
    for (method, path) in ROUTES.iter().map(|row| (row.0, row.1)).chain(CONSOLE.iter().map(|row| (row.0, row.1))) {
        let template = path.replace("/999", "/{id}").replace("/9", "/{id}").replace("/abcdef01", "/{id}");
        let template = template.replace("/pins/x", "/pins/{owner}");
        let operation = &description["paths"][&template][method.to_lowercase()];
        assert!(operation["summary"].is_string(), "{method} {template}");
        assert!(list(&operation["security"]).iter().any(|way| way["token"].is_array()), "{method} {template}");
    }
    for (method, path) in [("get", "/healthy"), ("post", SIGNIN), ("post", "/api/v1/users/signout")] {
        let operation = &description["paths"][path][method];
        assert!(operation["summary"].is_string() && operation["security"].is_null(), "{path}: {operation}");
    }
}

#[test]
fn what_holds_a_secret_is_kept_by_nobody_on_the_way() {
    let cache = Cache::start();
    let owner = cache.account();
    let answer = cache.stranger().post(SIGNIN, &json!({"name": PERSON.0, "password": PERSON.1})).expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let person = cache.bearing(text(&answer.json()["token"]));
    let body = json!({"name": "ci", "expired_at": "2099-01-01T00:00:00Z", "user_id": owner});
    let made = person.post("/api/v1/personal-access-tokens", &body).expect(200);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let made = made.json();
    assert_eq!(made["last_used_at"], Value::Null, "{made}");
    cache.bearing(text(&made["token"])).get("/oapi/v1/jobs").expect(200);
    let shown = person.get(&format!("/api/v1/personal-access-tokens/{}", made["id"])).expect(200).json();
    assert!(shown["last_used_at"].is_string(), "{shown}");
}

#[test]
fn a_long_list_of_jobs_is_a_list() {
    let cache = Cache::start();
    for number in 0..30 {
        cache.job("get_task", json!({"url": format!("http://o.example/{number}")}));
    }
    let listed = cache.client().get("/oapi/v1/jobs?per_page=100").expect(200);
    assert_eq!((list(&listed.json()).len(), listed.header("x-total-count")), (30, Some("30")));
    assert_eq!(listed.json()[29]["id"], 1);
}
