//! Paths, queries, routes and the description, without a socket.

use super::{Parts, patient, route, routes};
use crate::http::conn::Wire;
use crate::http::path::{Query, Segments};
use crate::http::router::{Found, RouteError, Router};
use crate::http::socket::Socket;
use crate::http::table::{Family, Hints, TABLE, family_of};
use crate::http::{Access, Cx, Failure, Params, builtin, openapi};
use hyper::Method;
use std::sync::{Arc, OnceLock};

#[test]
fn queries_are_read_part_by_part() {
    let query = Query::parse("name=zz&name=t1&x=&flag&eq=a=b&&p%20q=%2Fr+s&bad=%zz");
    assert_eq!((query.get("name"), query.plain("name")), (Some("t1"), Some("t1")));
    assert_eq!(query.all("name").collect::<Vec<_>>(), ["zz", "t1"]);
    assert_eq!((query.get("x"), query.plain("x")), (Some(""), None));
    assert_eq!((query.get("flag"), query.plain("flag")), (Some(""), None));
    assert_eq!((query.get("eq"), query.plain("eq")), (Some("a=b"), None));
    assert_eq!(query.get("p q"), Some("/r+s"));
    assert_eq!(query.get("bad"), Some("%zz"));
    assert_eq!(query.get("none"), None);
    assert!(query.flag("flag") && query.flag("x") && !query.flag("name") && !query.flag("none"));
    assert_eq!(Query::parse("name=a&name=").plain("name"), Some("a"), "an empty part does not count");
}

#[test]
fn every_family_has_one_row_and_no_prefix_is_claimed_twice() {
    let families = [Family::Proc, Family::Dag, Family::Hub, Family::Cache, Family::Own, Family::Tracker];
    for family in families {
        assert_eq!(TABLE.iter().filter(|row| row.family == family).count(), 1, "{family:?}");
        assert_eq!(family.rules().family, family);
    }
    for row in &TABLE {
        for prefix in row.prefixes {
            let owner = family_of(&Method::GET, &Segments::of(prefix), Hints::default());
            assert_eq!(owner, row.family, "{prefix}");
        }
    }
}

#[test]
fn routes_that_contradict_are_refused() {
    let open = Access::Public;
    let twice =
        vec![route("GET", "/proc", Family::Proc, open, false), route("GET", "/proc", Family::Proc, open, false)];
    assert!(matches!(Router::new(twice, None), Err(RouteError::Twice { .. })));
    let conflict = vec![
        route("GET", "/proc/{a}", Family::Proc, open, false),
        route("GET", "/proc/{b}", Family::Proc, open, false),
    ];
    assert!(matches!(Router::new(conflict, None), Err(RouteError::Conflict { .. })));
    let foreign = vec![route("GET", "/v1/x", Family::Proc, open, false)];
    assert!(matches!(Router::new(foreign, None), Err(RouteError::Foreign { owner: Family::Dag, .. })));
}

#[test]
fn a_listener_of_one_family_has_what_paths_it_likes() {
    let pull = || vec![route("GET", "/pull/{item}", Family::Hub, Access::Public, false)];
    assert!(matches!(Router::new(pull(), None), Err(RouteError::Foreign { owner: Family::Tracker, .. })));
    let router = Router::new(pull(), Some(Family::Hub)).unwrap();
    assert!(matches!(router.find(Family::Hub, &Method::HEAD, "/pull/a"), Found::Route(..)));
}

#[test]
fn every_route_is_described_and_found_where_the_description_says() {
    let parts = Parts::new();
    let mut all = routes();
    all.extend(builtin::routes(&parts.services, &patient(), Arc::new(OnceLock::new())));
    let text = openapi::describe(&all);
    let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for route in &all {
        let path = route.path.replace("{*", "{");
        let operation = &document["paths"][&path][route.method.as_str().to_ascii_lowercase()];
        assert!(operation["summary"].as_str().unwrap_or_default().contains(route.doc.summary), "{path}: {operation}");
        let tags = operation["tags"].as_array().unwrap();
        assert!(tags.iter().any(|tag| tag == route.family.name()), "{path}");
        let open = route.access.is_open();
        assert_eq!(operation.get("security").is_some(), !open, "{path}");
        let named = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = named.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(in_path, path.matches('{').count(), "{path}");
    }
    let ids: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values().filter_map(|operation| operation["operationId"].as_str()))
        .collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "operation ids are unique");
    let places: Vec<_> = all.iter().map(|route| (route.family, route.method.clone(), route.path)).collect();
    let router = Router::new(all, None).unwrap();
    for (family, method, path) in places {
        let canonical = path.replace("{*", "").replace(['{', '}'], "");
        let found = router.find(family, &method, &canonical);
        assert!(matches!(found, Found::Route(route, _) if route.path == path), "{path}");
    }
}

#[tokio::test]
async fn a_big_body_is_read_aside_and_like_a_small_one() {
    let parts = Parts::new();
    let peer = parts.services.gate.recognise(parts.services.gate.arrived_unix(std::io::stdin())).await;
    let (end, _other) = tokio::net::UnixStream::pair().unwrap();
    let (_draining, drain) = tokio::sync::watch::channel(false);
    let mut cx = Cx {
        caller: parts.services.gate.identify(&peer, &hyper::HeaderMap::new()),
        from: crate::auth::Place::of(&peer),
        source: peer.from(),
        method: Method::POST,
        params: Params(vec![("run".to_owned(), "7".to_owned())]),
        query: Query::parse("lines=12&bad=x"),
        headers: hyper::HeaderMap::new(),
        body: bytes::Bytes::from_static(b"[1,2]"),
        wire: Wire::new(Socket::Unix(end.into()), drain),
        alias: Arc::default(),
    };
    let on = std::thread::current().id();
    let aside = move |_: &[u8]| Ok::<_, Failure>(std::thread::current().id() != on);
    let refused = |_: &[u8]| Err::<(), _>(Failure::unavailable("refused"));
    assert_eq!(cx.json::<Vec<u64>>().await.unwrap(), [1, 2]);
    assert!(!cx.read(aside).await.unwrap());
    assert_eq!(cx.read(refused).await.unwrap_err().message(), "refused");
    let many: Vec<u64> = (0..100_000).collect();
    cx.body = serde_json::to_vec(&many).unwrap().into();
    assert_eq!(cx.json::<Vec<u64>>().await.unwrap(), many);
    assert!(cx.read(aside).await.unwrap());
    assert_eq!(cx.read(refused).await.unwrap_err().message(), "refused");
    cx.body = vec![b'['; 200_000].into();
    assert!(cx.json::<serde_json::Value>().await.is_err(), "nesting has a limit");
    assert_eq!((cx.param("run"), cx.param("none")), ("7", ""));
    assert_eq!(cx.number::<u32>("lines").unwrap(), Some(12));
    assert_eq!(cx.number::<u32>("none").unwrap(), None);
    assert_eq!(cx.number::<u32>("bad").unwrap_err().message(), "bad must be a number, not \"x\"");
}
