//! Data that was written in the first format of each record, by a daemon that was killed: read, and gone on with.

use super::*;

#[test]
fn data_of_the_first_format_goes_on() {
    // The sample only gets older.
    let mut daemon = Daemon::prepared(&format!("{CAPACITY}keep_for = \"1000 years\"\n"));
    daemon.inherit("dag-1");
    daemon.launch();
    let finding = daemon.unix().post("/hostler/v1/check", &json!({})).expect(200).json();
    assert_eq!(finding["ok"], true, "{finding}");

    // Over: parameters, a generator and what it has added, output in the record and in a file; many at once.
    let expanded = record(&daemon, 0);
    assert_eq!((output(&expanded, "a_0"), output(&expanded, "a_1")), ("x\n", "y\n"));
    assert_eq!(output(&expanded, "long_0").lines().count(), 400);
    assert_eq!((codes(&expanded, "g_0"), codes(&expanded, "n_0")), (vec![0], vec![0]));
    assert_eq!(summary(&daemon, 1)["taskCounts"], json!({"COMPLETED": 51}));
    // Of a stored DAG, one of them by its schedule.
    assert_eq!(daemon.get("/v1/dagrun/4/summary").expect(200).json()["origin"]["by"], "schedule");
    let past = daemon.get("/v1/dag/nightly/firings").expect(200).json()["past"].take();
    assert_eq!(past[0]["runID"], 4, "{past}");

    // Failed, then changed and skipped; paused; and interrupted.
    becomes(&daemon, 2, "QUEUED");
    let changed = ends(&daemon, 2, "COMPLETED");
    assert_eq!((codes(&changed, "bad_0"), codes(&changed, "skip_0")), (vec![1, 1, 0], vec![1]));
    assert_eq!(attempts(&changed, "bad_0")[2]["outputLog"], "instead\n");
    becomes(&daemon, 3, "QUEUED");
    ends(&daemon, 3, "COMPLETED");
    let repeated = ends(&daemon, 6, "COMPLETED");
    assert_eq!((attempts(&repeated, "w_0").len(), output(&repeated, "then_0")), (2, "gone on\n"));
    assert_eq!(submit(&daemon, &dag(json!({"a": t(&["true"])}))), 7);
}
