//! Data that was written in the first format of each record, by a daemon whose keeper was killed: read, and gone on with. Its pool lay
//! on a disk that is long gone.

use super::*;
use cast::basic;

/// What the daemon answers somebody under `data`.
#[track_caller]
fn of(daemon: &Daemon, name: &str, path: &str) -> Value {
    let request = Request::new("GET", path).header("Authorization", &basic(name, &format!("pw-of-{name}")));
    let answer = daemon.tcp().send(request).expect(200).json();
    answer.get("data").cloned().unwrap_or(answer)
}

#[test]
fn data_of_the_first_format_goes_on() {
    // The sample only gets older.
    let mut daemon = Daemon::prepared("[hub]\nkeep_jobs_for = \"1000 years\"\nhash_every = \"1000 years\"\n");
    daemon.inherit("hub-1");
    daemon.launch();
    let finding = daemon.unix().post("/hostler/v1/check", &json!({})).expect(200).json();
    assert_eq!(finding["ok"], true, "{finding}");

    // Members: ids, whether they are served, where they can be reached; their logs.
    let id = |name: &str| text(&of(&daemon, name, "/daemon/id")["daemonid"]).to_owned();
    assert_eq!(id("alice"), "246217d9e7f8202532be8d1b0d68cd4f12d104d5");
    assert_eq!(id("bob"), "e97236700601315acb2b82fd083e7bdd711e253d");
    let alice = of(&daemon, "alice", "/daemon/status");
    assert_eq!(alice["entrypoint"], json!(["http://alice.example.net:4040"]));
    assert_eq!(of(&daemon, "bob", "/daemon/status"), json!({"status": "offline", "entrypoint": []}));
    let log = of(&daemon, "bob", "/daemon/log/0?range=99");
    let lines: Vec<&str> = list(&log["log"]).iter().map(text).collect();
    assert!(lines[0].contains("start"), "{lines:?}");
    assert!(lines[1].ends_with(" hostler stops"), "{lines:?}");
    assert_eq!(lines[2], "2024/03/05 09:10:41 [one]");
    assert!(lines[3].ends_with(" serving is switched off"), "{lines:?}");
    let log = of(&daemon, "alice", "/daemon/log/0?range=99");
    assert!(list(&log["log"]).iter().any(|line| text(line).ends_with("weather/rain:t2 is not well: missing")), "{log}");

    // What was published; the files are nowhere.
    let pools = of(&daemon, "alice", "/api/datapools");
    assert_eq!((&pools["total"], &pools["results"][0]["conn"]), (&json!(1), &json!("/srv/sample/p1")));
    let repository = of(&daemon, "alice", "/api/repositories/weather");
    assert_eq!((&repository["dataitems"], &repository["comment"]), (&json!(["rain", "snow"]), &json!("of all kinds")));
    let item = of(&daemon, "alice", "/api/repositories/weather/snow");
    assert_eq!((&item["itemdesc"], &item["itemaccesstype"]), (&json!("white"), &json!("private")));
    let tag = of(&daemon, "alice", "/api/repositories/weather/rain/t1");
    assert_eq!((&tag["status"], &tag["reason"]), (&json!("ABNORMAL"), &json!("pool_gone")), "{tag}");
    assert_eq!((&tag["comment"], &tag["size"]), (&json!("first"), &json!(5)));
    assert_eq!(tag["sha256"], "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    let tag = of(&daemon, "alice", "/api/repositories/weather/rain/t3");
    assert_eq!(tag["requires"], json!([{"proc": "web"}, {"dag": "nightly", "max_age": "1day 2h"}]), "{tag}");
    let tag = of(&daemon, "alice", "/api/repositories/weather/snow/big");
    assert_eq!((&tag["size"], &tag["md5"]), (&json!(5000), &json!("6bf95a48f366bdf8af3a198c7b723c77")), "{tag}");

    // Jobs that were over.
    let jobs = of(&daemon, "alice", "/api/job");
    let jobs: Vec<_> = list(&jobs).iter().map(|job| (text(&job["tag"]), text(&job["stat"]))).collect();
    assert_eq!(jobs, [("far/away:t", "failed"), ("weather/snow:big", "published")]);
    // Numbers go on behind the highest that was given.
    let pull =
        json!({"from": "http://192.0.2.1:9", "repname": "far", "itemname": "away", "tag": "t", "datapool": "p1"});
    let request = Request::new("POST", "/api/job").header("Authorization", &basic("alice", "pw-of-alice"));
    assert_eq!(daemon.tcp().send(request.json(&pull)).expect(202).json()["data"]["id"], "00000003");
}
