//! A second daemon where there is one already: it says so and goes, and the first one does not notice.

use crate::support::Daemon;
use crate::{hostler, leader, task, text};
use serde_json::json;

#[test]
fn a_second_daemon_says_what_is_taken_and_goes() {
    let daemon = Daemon::start();
    daemon.post("/proc", &task("steady", "daemon", "exec sleep 1000", &json!({}))).expect(200);
    let steady = leader(&daemon.tcp(), "steady");
    let core = daemon.core_pid().expect("a core");
    let owned = |name: &str| daemon.path(name).to_str().unwrap().to_owned();
    let (config, data, socket) = (owned("hostler.toml"), owned("data"), owned("s"));
    let (other_data, other_socket) = (owned("data2"), owned("s2"));
    let port = daemon.address().to_string();
    let serve = |data: &str, socket: &str, listen: &str| {
        hostler(&["serve", "--config", &config, "--data-dir", data, "--socket", socket, "--listen", listen])
    };
    let free = "127.0.0.1:0";
    for (what, output, said) in [
        ("data", serve(&data, &other_socket, free), format!("{data} is in use by process {core}")),
        ("socket", serve(&other_data, &socket, free), format!("cannot listen on {socket}: another daemon answers")),
        ("port", serve(&other_data, &other_socket, &port), format!("cannot listen on {port}: Address already in use")),
    ] {
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(100), "the same {what}: {stderr}");
        assert!(stderr.contains(&said), "the same {what}: {stderr}");
    }
    assert_eq!(daemon.core_pid(), Some(core));
    assert_eq!(leader(&daemon.tcp(), "steady"), steady);
    daemon.post("/proc", &task("after", "once", "true", &json!({}))).expect(200);
    daemon.unix().get("/readyz").expect(200);
}
