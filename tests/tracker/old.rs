//! Data that was written in the first format of each record, by a daemon that was killed: read, and gone on with.

use super::*;

/// A worker of the sample.
const ONE: (&str, &str) = ("1", "3X6CTBpV3VZesgExI2JgAK5qGlI6Mvf7yqgdIQxao/c=");
/// Another one.
const TWO: (&str, &str) = ("2", "NrjFZ8n4IMQx8Z/Ks0flfgqVnwK7dGyx++m3WVrT8qs=");

// Its projects.
const NEXT: i64 = 1;
const MAIN: i64 = 2;
const HIDDEN: i64 = 3;
const WIPED: i64 = 4;

/// The tasks of a project as managers see them.
fn tasks(manager: &Client, project: i64) -> Vec<Value> {
    let list = ok(manager.get(&format!("/project/tasks/{project}")));
    list["tasks"].as_array().expect("a list").clone()
}

#[test]
fn data_of_the_first_format_goes_on() {
    // The sample only gets older.
    let forever = "[tracker]\nkeep_logs_for = \"1000 years\"\nhistory_length = \"1000 years\"\n";
    let mut daemon = Daemon::prepared(forever);
    daemon.inherit("tracker-1");
    daemon.launch();
    let finding = daemon.unix().post("/hostler/v1/check", &json!({})).expect(200).json();
    assert_eq!(finding["ok"], true, "{finding}");

    // People: passwords, rights, roles, access.
    let sign_in = daemon.tcp().post("/login", &json!({"username": "alice", "password": "correcthorse"}));
    let alice = daemon.tcp().with("Cookie", &cookie(&sign_in).expect("a session"));
    assert_eq!(ok(sign_in)["manager"]["tracker_admin"], true);
    let projects = ok(alice.get("/project/list"))["projects"].take();
    let names: Vec<_> = projects.as_array().expect("a list").iter().map(|project| project["name"].clone()).collect();
    assert_eq!(names, ["hidden", "main", "next", "wiped"]);
    assert_eq!(
        some(&projects[1], &["priority", "git_repo", "version", "motd", "chain", "assign_rate", "assign_burst"]),
        json!({"priority": 7, "git_repo": "acme/widgets", "version": "v1", "motd": "hi", "chain": NEXT,
               "assign_rate": 50, "assign_burst": 1000})
    );
    assert_eq!(ok(alice.get(&format!("/manager/list_for_project/{MAIN}")))["managers"][1]["role"], 3);
    let waiting = ok(alice.get(&format!("/project/access_list/{HIDDEN}")))["accesses"].take();
    assert_eq!((&waiting[0]["request"], &waiting[0]["worker"]["paused"]), (&json!(true), &json!(true)));
    let (one, two) = (identified(&daemon.tcp(), ONE.0, ONE.1), identified(&daemon.tcp(), TWO.0, TWO.1));
    assert_eq!(ok(one.get(&format!("/project/secret/{MAIN}")))["secret"], "for workers");

    // Tasks: held, failed, voted for, free, long, not due.
    let held = tasks(&alice, MAIN);
    let recipes: Vec<_> = held.iter().map(|task| task["recipe"].as_str().expect("a text").len()).collect();
    assert_eq!(recipes, [4, 6, 5, 4, 10_000, 5]);
    assert_eq!((&held[0]["assignee"], &held[1]["status"]), (&json!(1), &json!(2)));
    assert_eq!(held[1]["failure"]["reason"], "no luck");
    assert_eq!(held[2]["votes"], json!([{"worker": 1, "verification": 42}]));
    assert_eq!((&held[3]["hash"], &held[5]["not_before"]), (&json!(5), &json!(4_102_444_800_i64)));
    assert_eq!(tasks(&alice, WIPED)[0]["recipe"], "after");

    // And it goes on: the second vote, the chain, what was held, what was known.
    let voted = ok(two.get(&format!("/task/get/{MAIN}")))["task"].take();
    assert_eq!(voted["recipe"], "voted");
    let vote = json!({"task_id": voted["id"], "result": 0, "verification": 42});
    released(two.post("/task/release", &vote), true);
    released(one.post("/task/release", &json!({"task_id": held[0]["id"], "result": 0})), true);
    assert_eq!(tasks(&alice, NEXT).len(), 3);
    let again = one.post("/task/submit", &json!({"project": MAIN, "recipe": "x", "hash_u64": 5}));
    assert!(declined(again, 400).contains("duplicate key"));
    let new = ok(one.post("/task/submit?id=1", &json!({"project": MAIN, "recipe": "x"})));
    assert!(new["id"].as_i64() > held.last().and_then(|task| task["id"].as_i64()), "{new}");
    assert_eq!(ok(alice.post("/logs", &json!({"level": 5, "since": 1})))["logs"][0]["message"], "hello");
    let past = ok(alice.get(&format!("/project/monitoring-between/{MAIN}?from=1&to=2147483646")));
    assert!(past["snapshots"].as_array().is_some_and(|samples| !samples.is_empty()), "{past}");
}
