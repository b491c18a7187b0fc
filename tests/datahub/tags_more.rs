//! Cases 48–55: who may ask for the tags of an item, other names, and what survives.

use super::*;
use crate::cast::RAIN;
use std::fs;

const STATUS: &str = "/daemon/tags/status?repname=weather&itemname=rain";

// Case 48.
#[test]
fn without_a_page_all_are_listed() {
    let cast = Cast::empty(&Settings::default());
    let alice = cast.alice();
    cast.make_pool(&alice, "p1");
    cast.make_item(&alice, "weather/rain", "p1", "rain", "public");
    for n in 0..25 {
        fs::write(cast.file(&format!("{n}")), format!("number {n}")).expect("a file");
        cast.publish(&alice, &format!("weather/rain/n{n:02}"), &format!("{n}"));
    }
    for n in 0..25 {
        fs::remove_file(cast.file(&format!("{n}"))).expect("the file");
    }
    settles("all are missed", NOTICED, json!(25), || bare(cast.tags(""))["total"].take());
    let count = |more: &str| {
        let body = bare(cast.tags(more));
        assert_eq!(body["total"], 25, "{body}");
        list(&body["results"]).len()
    };
    assert_eq!(
        [count(""), count("&page=1"), count("&page=3"), count("&size=500"), count("&size=-1")],
        [25, 10, 5, 25, 25]
    );
    let all = texts(&bare(cast.tags(""))["results"]);
    assert!(all.is_sorted() && all[0] == "weather/rain:n00", "{all:?}");
}

// Case 49.
#[test]
fn what_is_not_said_and_what_is_not_there() {
    let cast = Cast::start();
    let get = |query: &str| cast.alice().get(&format!("/daemon/tags/status?{query}"));
    for query in ["itemname=rain", "repname=weather", ""] {
        refused(get(query), 400, 1400);
    }
    for query in [
        "repname=nosuch&itemname=rain",
        "repname=weather&itemname=nosuch",
        "repname=weather&itemname=rain&tagname=nosuch",
    ] {
        refused(get(query), 404, 1009);
    }
}

// Case 50.
#[test]
fn a_public_item_is_open_to_anybody() {
    let cast = Cast::start();
    assert_eq!(bare(cast.bob().get(STATUS)), normal());
    assert_eq!(bare(cast.nobody().get(STATUS)), normal());
    cast.make_item(&cast.alice(), "weather/snow", "p1", "snow", "private");
    let private = "/daemon/tags/status?repname=weather&itemname=snow";
    let nothing = "/daemon/tags/status?repname=weather&itemname=nosuch";
    assert_eq!(bare(cast.bob().get(private)), normal());
    let closed = cast.nobody().get(private);
    assert_eq!(closed.body, cast.nobody().get(nothing).body, "nobody learns what there is");
    refused(closed, 401, 6101);
    refused(cast.nobody().get(nothing), 401, 6101);
    refused(cast.bearing("deadbeef").get(STATUS), 401, 1005);
}

// An item is private unless it is said to be public.
#[test]
fn an_item_is_private_by_default() {
    let cast = Cast::start();
    ok(cast.alice().post("/api/repositories/weather/hail", &json!({"datapool": "p1"})));
    let shown = data(cast.alice().get("/api/repositories/weather/hail"));
    assert_eq!((&shown["itemname"], &shown["tags"]), (&json!("hail"), &json!(0)), "{shown}");
    assert!(cast.pool("p1/hail").is_dir(), "its directory is named like it, and made");
    refused(cast.nobody().get("/daemon/tags/status?repname=weather&itemname=hail"), 401, 6101);
}

// Case 52.
#[test]
fn names_may_be_of_any_script() {
    let cast = Cast::empty(&Settings::default());
    let alice = cast.alice();
    let (rep, item, one, two) = (encoded("天气"), encoded("雨 量"), encoded("一月"), encoded("二月"));
    cast.make_pool(&alice, "p1");
    cast.make_item(&alice, &format!("{rep}/{item}"), "p1", "雨量", "public");
    for (tag, name) in [(&one, "一.bin"), (&two, "二.bin")] {
        fs::write(cast.pool("p1/雨量").join(name), name).expect("a file");
        cast.publish(&alice, &format!("{rep}/{item}/{tag}"), name);
    }
    let get = |more: &str| bare(alice.get(&format!("/daemon/tags/status?repname={rep}&itemname={item}{more}")));
    assert_eq!(get(""), normal());
    fs::remove_file(cast.pool("p1/雨量/二.bin")).expect("the file");
    let missed = abnormal(&["天气/雨 量:二月"]);
    settles("it is missed", NOTICED, missed.clone(), || get(""));
    assert_eq!(get(&format!("&tagname={two}")), missed);
    assert_eq!(get(&format!("&tagname={one}")), normal());
    assert_eq!(data(alice.get(&format!("/api/daemon/{rep}/{item}/{two}"))), missed);
    let pulled = cast.entry().get(&format!("/pull/{rep}/{item}/{one}")).expect(200);
    assert_eq!(pulled.text(), "一.bin");
}

// Case 53.
#[test]
fn a_removed_tag_takes_its_state_along_and_leaves_the_files() {
    let cast = Cast::start();
    fs::remove_file(cast.file("b.bin")).expect("the file");
    cast.tags_become(NOTICED, "", abnormal(&["weather/rain:t2"]));
    ok(cast.alice().delete(&format!("{RAIN}/t2")));
    assert_eq!(bare(cast.tags("")), normal());
    refused(cast.tags("&tagname=t2"), 404, 1009);
    ok(cast.alice().delete(&format!("{RAIN}/t1")));
    for name in ["a.bin", "c.bin"] {
        assert!(cast.file(name).is_file(), "{name}");
    }
    refused(cast.alice().delete(&format!("{RAIN}/t1")), 404, 4002);
}

#[test]
fn a_star_removes_what_it_matches() {
    let cast = Cast::start();
    fs::write(cast.file("x"), b"x").expect("a file");
    cast.publish(&cast.alice(), "weather/rain/other", "x");
    ok(cast.alice().delete(&format!("{RAIN}/t*")));
    let left = data(cast.alice().get(RAIN));
    let names: Vec<&str> = list(&left["taglist"]).iter().map(|tag| text(&tag["tag"])).collect();
    assert_eq!((&left["tags"], &names[..]), (&json!(1), &["other"][..]), "{left}");
    refused(cast.alice().delete(&format!("{RAIN}/t*")), 404, 4002);
    ok(cast.alice().delete(&format!("{RAIN}/*")));
    assert_eq!(data(cast.alice().get(RAIN))["tags"], 0);
}

// Case 54.
#[test]
fn what_was_deleted_while_stopped_is_never_said_to_be_healthy() {
    let mut cast = Cast::start();
    cast.daemon.stop();
    fs::remove_file(cast.file("b.bin")).expect("the file");
    cast.daemon.launch();
    for query in ["", "&tagname=t2"] {
        assert_eq!(bare(cast.tags(query)), abnormal(&["weather/rain:t2"]), "{query}");
    }
    assert_eq!(bare(cast.tags("&tagname=t1")), normal());
    holds("it is missed", millis(600), || bare(cast.tags("")) == abnormal(&["weather/rain:t2"]));
    cast.reason_becomes(millis(0), "t2", "missing");
}

// The same when it was rewritten under its old name, and only its core was killed meanwhile.
#[test]
fn what_was_changed_while_stopped_is_found() {
    let mut cast = Cast::start();
    cast.daemon.kill_keeper();
    fs::write(cast.file("a.bin"), b"9876543210 the first").expect("the file");
    cast.daemon.launch();
    holds("it is never healthy", millis(600), || bare(cast.tags("&tagname=t1")) == abnormal(&["weather/rain:t1"]));
    cast.reason_becomes(Duration::from_secs(2), "t1", "content_changed");
    cast.put_back("a.bin");
    cast.tags_become(Duration::from_secs(2), "", normal());
}

// Case 55.
#[test]
fn a_beat_may_say_what_its_own_items_suffer_from() {
    let cast = Cast::start();
    let id = cast.silence_bob();
    cast.make_pool(&cast.bob(), "p2");
    cast.make_item(&cast.bob(), "bobrepo/x", "p2", "x", "public");
    for tag in ["v1", "v2"] {
        fs::write(cast.pool("p2/x").join(tag), tag).expect("a file");
        cast.publish(&cast.bob(), &format!("bobrepo/x/{tag}"), tag);
    }
    let of_bob = || bare(cast.bob().get("/daemon/tags/status?repname=bobrepo&itemname=x"));
    assert_eq!(of_bob(), normal());
    let beat =
        json!({"daemonid": id, "entrypoint": null, "abnormaltags": ["bobrepo/x:v1", "weather/rain:t1", "no such"]});
    ok(cast.beat(&beat));
    assert_eq!((of_bob(), bare(cast.tags(""))), (abnormal(&["bobrepo/x:v1"]), normal()));
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null})));
    assert_eq!(of_bob(), normal());
    // And no longer than the beat is fresh.
    ok(cast.beat(&beat));
    assert_eq!(of_bob(), abnormal(&["bobrepo/x:v1"]));
    settles("a beat is forgotten", millis(1500), normal(), of_bob);
    // What is missed here is missed whatever a beat says.
    fs::remove_file(cast.pool("p2/x/v2")).expect("the file");
    settles("it is missed", NOTICED, abnormal(&["bobrepo/x:v2"]), of_bob);
    ok(cast.beat(&json!({"daemonid": id, "entrypoint": null})));
    assert_eq!(of_bob(), abnormal(&["bobrepo/x:v2"]));
}
