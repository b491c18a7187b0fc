//! Paths: what is literal wins over what is a name.

/// Patterns that lie in each other's way, and the paths that lead to them.
const PATHS: [(&str, &str); 14] = [
    ("/api/daemon/id", "/api/daemon/id"),
    ("/api/daemon/ep", "/api/daemon/ep"),
    ("/api/daemon/ep/{user}", "/api/daemon/ep/alice"),
    ("/api/daemon/log/{index}", "/api/daemon/log/0"),
    ("/api/daemon/status", "/api/daemon/status"),
    ("/api/daemon/tags/status", "/api/daemon/tags/status"),
    ("/api/daemon/verify", "/api/daemon/verify"),
    ("/api/daemon/{repo}/{item}", "/api/daemon/weather/rain"),
    ("/api/daemon/{repo}/{item}/{tag}", "/api/daemon/weather/rain/t1"),
    ("/api/users/auth", "/api/users/auth"),
    ("/api/users/whoami", "/api/users/whoami"),
    ("/api/users/{name}", "/api/users/alice"),
    ("/api/users/{name}/serving", "/api/users/alice/serving"),
    ("/heartbeat/status/{user}", "/heartbeat/status/alice"),
];

#[test]
fn literal_paths_win_over_names() {
    let mut router = matchit::Router::new();
    for (pattern, _) in PATHS {
        router.insert(pattern, pattern).unwrap();
    }
    for (pattern, path) in PATHS {
        assert_eq!(*router.at(path).unwrap().value, pattern);
    }
    // What only begins like a literal path is a name.
    let found = |path: &str| *router.at(path).unwrap().value;
    assert_eq!(found("/api/daemon/epic/rain"), "/api/daemon/{repo}/{item}");
    assert_eq!(found("/api/daemon/tags/rain"), "/api/daemon/{repo}/{item}");
    assert_eq!(found("/api/daemon/verify/rain"), "/api/daemon/{repo}/{item}");
    assert_eq!(found("/api/daemon/ep/rain/t1"), "/api/daemon/{repo}/{item}/{tag}");
    assert_eq!(found("/api/users/authority"), "/api/users/{name}");
    assert_eq!(found("/api/users/auth/serving"), "/api/users/{name}/serving");
}
