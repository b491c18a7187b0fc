//! What was fetched with credentials is for those whose own the origin accepts, and credentials go nowhere else.

use super::*;
use crate::cast::cached;

/// Somebody without rights on this host.
const NOBODY: u32 = 65534;

const MINE: &str = "Bearer mine-alone";

/// A cache that holds a file which only `MINE` may read; its URL and id.
fn holding_a_secret() -> (Cache, Origin, String, String) {
    support::require_root();
    let (cache, origin) = (Cache::start(), Origin::start());
    let url = origin.put("/private", File::of_size(20_000, 3).only(MINE));
    let stranger = cache.proxy().as_user(NOBODY);
    let answer = stranger.send(cached(&url).header("Authorization", MINE)).expect(200);
    assert!(answer.body == origin::pattern(20_000, 3));
    let id = id_of(&url, "", "", None);
    until("it is complete", SOON, || (cache.task(&id)["state"] == "complete").then_some(()));
    assert_eq!(cache.task(&id)["private"], true);
    (cache, origin, url, id)
}

#[test]
fn a_private_file_is_not_served_to_somebody_else() {
    let (cache, origin, url, _) = holding_a_secret();
    let stranger = cache.proxy().as_user(NOBODY);
    for shown in [None, Some("Bearer guessed"), Some("Basic eDp5")] {
        let request = shown.map_or_else(|| cached(&url), |shown| cached(&url).header("Authorization", shown));
        let answer = stranger.send(request.clone());
        assert!(matches!(answer.status, 401 | 403), "{shown:?}: {}", answer.status);
        assert!(!answer.body.windows(64).any(|part| part == &origin::pattern(20_000, 3)[..64]));
        let part = stranger.send(request.header("Range", "bytes=0-99"));
        assert!(matches!(part.status, 401 | 403), "{shown:?}: {}", part.status);
    }
    // With his own credentials it is asked whether they are good, and the bytes come from here.
    let bytes = origin.server().bytes("/private");
    let answer = stranger.send(cached(&url).header("Authorization", MINE)).expect(200);
    assert!(answer.body == origin::pattern(20_000, 3));
    assert_eq!(origin.server().bytes("/private"), bytes, "transferred again");
    // Credentials that the origin has withdrawn are asked about again, not remembered for ever by what they opened once:
    // others are not let in by those of the first.
    assert!(matches!(stranger.send(cached(&url)).status, 401 | 403));
}

#[test]
fn operators_see_private_files_and_nobody_else_by_name_alone() {
    let (cache, _origin, url, id) = holding_a_secret();
    let bytes = origin::pattern(20_000, 3);
    assert!(cache.through(&url).expect(200).body == bytes);
    let content = format!("/oapi/v1/tasks/{id}/content");
    assert!(cache.operator().get(&content).expect(200).body == bytes);
    assert_eq!(cache.client().get(&content).status, 403);
    let admin = cache.bearing(&cache.token_for(&["job", "admin"]));
    assert!(admin.get(&content).expect(200).body == bytes);
    // Its description is open, its place is not.
    let shown = cache.client().get(&format!("/oapi/v1/tasks/{id}")).expect(200).json();
    assert!(shown["path"].is_null() && shown["private"] == true, "{shown}");
}

#[test]
fn what_was_forwarded_has_no_identity() {
    let (cache, _origin, url, _) = holding_a_secret();
    for (name, value) in [("Via", "1.1 somebody"), ("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1")] {
        let answer = cache.proxy().with(name, value).send(cached(&url));
        assert!(matches!(answer.status, 401 | 403), "{name}: {}", answer.status);
    }
}

#[test]
fn a_job_with_credentials_makes_private_what_it_fetches() {
    support::require_root();
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.put("/job", File::of_size(500, 4).only(MINE));
    cache.preheat(&url, json!({"headers": {"Authorization": MINE}}));
    assert_eq!(cache.task(&id_of(&url, "", "", None))["private"], true);
    let answer = cache.proxy().as_user(NOBODY).send(cached(&url));
    assert!(matches!(answer.status, 401 | 403), "{}", answer.status);
}

#[test]
fn a_cookie_makes_private_too() {
    support::require_root();
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.put("/crumbs", File::of_size(500, 6));
    cache.proxy().send(cached(&url).header("Cookie", "session=mine")).expect(200);
    until("it is complete", SOON, || (cache.soon(&url)["state"] == "complete").then_some(()));
    assert_eq!(cache.soon(&url)["private"], true);
    assert_eq!(origin.seen("/crumbs")[0].ask.header("cookie"), Some("session=mine"));
}

#[test]
fn credentials_end_where_they_were_given_for() {
    let (cache, near, far) = (shared(), Origin::start(), Origin::start());
    let target = far.put("/far", File::of_size(3000, 8));
    let at_home = near.put("/home", File::of_size(3000, 9).only(MINE));
    for status in [301, 302, 307, 308] {
        let away =
            near.put(&format!("/away/{status}"), File::moved(status, &format!("{target}?from={status}")).only(MINE));
        let request = cached(&away).header("Authorization", MINE).header("Cookie", "crumb=1");
        assert!(cache.proxy().send(request).expect(200).body == origin::pattern(3000, 8));
        let stay = near.put(&format!("/stay/{status}"), File::moved(status, &at_home).only(MINE));
        let request = cached(&stay).header("Authorization", MINE);
        assert!(cache.proxy().send(request).expect(200).body == origin::pattern(3000, 9));
        let job = plus(json!({"tag": "job"}), json!({"headers": {"Authorization": MINE, "Cookie": "crumb=1"}}));
        cache.preheat(&away, job);
    }
    let asked = far.seen("/far");
    assert!(asked.len() >= 4);
    for seen in asked {
        assert_eq!((seen.ask.header("authorization"), seen.ask.header("cookie")), (None, None), "{seen:?}");
    }
    assert!(near.seen("/home").iter().all(|seen| seen.ask.header("authorization") == Some(MINE)));
}

#[test]
fn redirects_end() {
    let (cache, origin) = (shared(), Origin::start());
    let url = origin.url("/round");
    origin.put("/round", File::moved(302, &url));
    failed(&cache.run("preheat", json!({"type": "file", "url": url})));
    assert!((2..=50).contains(&origin.seen("/round").len()), "{}", origin.seen("/round").len());
}
