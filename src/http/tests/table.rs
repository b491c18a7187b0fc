//! The table of families, row by row, over the wire: the same rows as the design's table.

use super::World;
use serde_json::json;

/// How a family's refusal looks.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Proc,
    Dag,
    Hub,
    Cache,
    Own,
    Tracker,
}

/// `method path`, the status, and whose refusal it is; none: a route answered.
async fn check(world: &World, request: &str, headers: &[&str], status: u16, shape: Option<Shape>) {
    let (method, path) = request.split_once(' ').unwrap();
    let answer = world.call(method, path, headers).await;
    assert_eq!(answer.status, status, "{request}: {answer:?}");
    let length = answer.header("content-length");
    assert!(length.is_some() || status == 204, "{request}: no length in {answer:?}");
    if method == "HEAD" {
        assert_eq!(answer.body, "", "{request}");
        return;
    }
    let unknown = status == 404;
    match shape {
        None => {}
        Some(Shape::Tracker) => {
            assert_eq!(answer.body, "Not found", "{request}");
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{request}");
        }
        Some(json) => {
            let message = if unknown { "Not found" } else { "Method not allowed" };
            let expected = match json {
                Shape::Proc => json!({ "code": status, "msg": message }),
                Shape::Dag => json!({ "error": message, "message": message }),
                Shape::Hub => json!({ "code": if unknown { 1404 } else { 1003 }, "msg": message }),
                Shape::Cache => json!({ "message": message }),
                Shape::Own => {
                    json!({ "error": message, "code": if unknown { "unknown_path" } else { "method_not_allowed" } })
                }
                Shape::Tracker => json!(null),
            };
            assert_eq!(answer.json(), expected, "{request}");
            assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{request}");
        }
    }
}

#[tokio::test]
async fn proc_ignores_slashes_and_knows_no_head() {
    let world = World::new().await;
    let proc = Some(Shape::Proc);
    for path in ["/proc", "/proc/", "//proc", "/Proc", "//Proc//", "/%70roc"] {
        check(&world, &format!("GET {path}"), &[], 200, None).await;
    }
    check(&world, "get /proc", &[], 200, None).await;
    check(&world, "GET /proc/list", &[], 404, proc).await;
    check(&world, "GET /proc/..", &[], 404, proc).await;
    check(&world, "GET /proc%2Flist", &[], 404, Some(Shape::Tracker)).await;
    for method in ["HEAD", "OPTIONS", "PATCH", "TRACE", "PROPFIND"] {
        check(&world, &format!("{method} /proc"), &[], 405, proc).await;
    }
    let answer = world.call("PATCH", "/proc", &[]).await;
    assert_eq!(answer.header("allow"), Some("DELETE, GET, POST, PUT"));
}

#[tokio::test]
async fn dag_takes_a_slash_at_the_end() {
    let world = World::new().await;
    let dag = Some(Shape::Dag);
    for path in ["/v1/dagruns", "/v1/dagruns/", "/ready", "/ready/"] {
        check(&world, &format!("GET {path}"), &[], 200, None).await;
        check(&world, &format!("HEAD {path}"), &[], 200, None).await;
    }
    for path in ["/v1", "/v1/nothing", "/v1//dagruns", "//v1/dagruns", "/v1/dagruns//", "/v1/../proc", "/ready/x"] {
        check(&world, &format!("GET {path}"), &[], 404, dag).await;
    }
    check(&world, "PUT /v1/dagruns", &[], 405, dag).await;
    check(&world, "OPTIONS /v1/dagruns", &[], 405, dag).await;
    check(&world, "HEAD /v1/dagrun", &[], 405, dag).await;
}

#[tokio::test]
async fn hub_paths_lie_bare_and_under_api() {
    let world = World::new().await;
    let hub = Some(Shape::Hub);
    check(&world, "GET /daemon/id", &[], 200, None).await;
    check(&world, "GET /daemon/id/", &[], 200, None).await;
    check(&world, "HEAD /daemon/id", &[], 200, None).await;
    check(&world, "GET /daemon/id/alice", &[], 404, hub).await;
    for name in ["daemon", "heartbeat", "ep", "users", "datapools", "repositories", "job"] {
        check(&world, &format!("GET /api/{name}"), &[], 404, hub).await;
        check(&world, &format!("GET /api/{name}/x/"), &[], 404, hub).await;
    }
    check(&world, "GET /heartbeat/status/x", &[], 404, hub).await;
    check(&world, "POST /daemon/id", &[], 405, hub).await;
    check(&world, "OPTIONS /daemon/id", &[], 405, hub).await;
    let answer = world.call("POST", "/daemon/id", &[]).await;
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
}

#[tokio::test]
async fn cache_counts_every_slash() {
    let world = World::new().await;
    let cache = Some(Shape::Cache);
    check(&world, "GET /healthy", &[], 200, None).await;
    check(&world, "GET /healthy/", &[], 404, cache).await;
    for path in ["/oapi", "/oapi/v1", "/oapi/v1/nothing", "/oapi/v1/jobs/", "/api/v1", "/api/v1/jobs", "//oapi/v1/jobs"]
    {
        check(&world, &format!("GET {path}"), &[], 404, cache).await;
    }
    check(&world, "GET /oapi/v1/jobs", &[], 405, cache).await;
    check(&world, "HEAD /healthy", &[], 405, cache).await;
    check(&world, "OPTIONS /healthy", &[], 405, cache).await;
    check(&world, "OPTIONS /healthy", &["Origin: http://anywhere.example"], 204, None).await;
    let answer = world.call("OPTIONS", "/healthy", &["Origin: http://anywhere.example"]).await;
    assert_eq!(answer.header("access-control-allow-origin"), None, "only http.cors_origins may read");
}

#[tokio::test]
async fn own_paths_have_names_and_codes() {
    let world = World::new().await;
    let own = Some(Shape::Own);
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/healthz/"] {
        check(&world, &format!("GET {path}"), &[], 200, None).await;
        check(&world, &format!("HEAD {path}"), &[], 200, None).await;
        check(&world, &format!("DELETE {path}"), &[], 405, own).await;
    }
    for path in ["/hostler/v1", "/hostler/v1/nothing", "/events/x", "/console", "/console/x"] {
        check(&world, &format!("GET {path}"), &[], 404, own).await;
    }
    check(&world, "OPTIONS /healthz", &[], 405, own).await;
}

#[tokio::test]
async fn everything_else_is_the_trackers() {
    let world = World::new().await;
    let tracker = Some(Shape::Tracker);
    for path in [
        "/",
        "//",
        "/project/list",
        "//project//list",
        "/project/./list",
        "/project/x/../list",
        "/../project/list",
        "/api",
        "/api/",
        "/api/project/list",
    ] {
        check(&world, &format!("GET {path}"), &[], 200, None).await;
    }
    for path in [
        "/project/list/",
        "/Project/list",
        "/no/such",
        "/PROC",
        "/nope",
        "/favicon.ico",
        "/x/../proc",
        "/api/proc",
        "/api/api/project/list",
        "/hostler",
        "/v2",
        "/procs",
        "/project/%ff",
        "/project%2flist",
    ] {
        check(&world, &format!("GET {path}"), &[], 404, tracker).await;
    }
    for request in ["GET /task/submit", "HEAD /", "HEAD /project/list", "PUT /project/list", "get /project/list"] {
        check(&world, request, &[], 404, tracker).await;
    }
    for path in ["/task/submit", "/no/such", "*"] {
        let answer = world.call("OPTIONS", path, &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("Content-Type"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, OPTION"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
}

#[tokio::test]
async fn two_paths_are_shared_and_a_header_decides() {
    let world = World::new().await;
    let answer = world.call("GET", "/", &["Accept: text/html,application/xhtml+xml;q=0.9"]).await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.body.contains("/openapi.json"), "the page names the API");
    assert_eq!(world.call("GET", "/", &["Accept: */*"]).await.json()["family"], "tracker");
    assert_eq!(world.call("GET", "/api/", &[]).await.json()["family"], "tracker");
    assert_eq!(world.call("GET", "/api/", &["Authorization: Basic YTpi"]).await.json()["family"], "hub");
    assert_eq!(world.call("POST", "/", &["Accept: text/html"]).await.status, 404);
}
