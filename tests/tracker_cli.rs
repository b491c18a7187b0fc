//! # `hostler project`, `task`, `worker`, `import` against a real daemon
//!
//! What an operator sees of queues and their workers: text, exit codes, and what has become of the tasks. How the client
//! puts its questions is tested inside the room, against a scripted daemon.

mod support;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::cli::{self, ended, hostler, told};
use support::{Daemon, SOON, process, until};

#[track_caller]
fn json_of(daemon: &Daemon, args: &[&str]) -> Value {
    cli::json_of(daemon, args, 0)
}

/// The states of a project's tasks, by number.
#[track_caller]
fn states(daemon: &Daemon, project: &str) -> Vec<(u64, String)> {
    let text = told(daemon, &["task", "list", project], 0);
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

/// A worker in the background, killed with the test; its command line ends with `sh -c SCRIPT`.
struct Worker {
    child: Child,
    output: PathBuf,
}

impl Worker {
    fn start(daemon: &Daemon, name: &str, options: &[&str], script: &str) -> Worker {
        let identity = daemon.path(&format!("{name}.json"));
        let output = daemon.path(&format!("{name}.out"));
        let file = fs::File::create(&output).expect("a file");
        let mut command = hostler(daemon, &["worker", "run", "--project", "p", "--identity"]);
        command.arg(identity).args(options).args(["--", "sh", "-c", script]);
        command.stdout(file.try_clone().expect("a file")).stderr(file);
        Worker { child: command.spawn().expect("the binary"), output }
    }

    fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    #[track_caller]
    fn code(&mut self) -> Option<i32> {
        until("the worker ends", SOON * 2, || self.child.try_wait().expect("our child")).code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // What it runs is in a group of its own.
        for pid in process::tree(self.pid()) {
            process::signal(pid, Signal::SIGKILL);
        }
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the worker said:\n{}---", self.said());
        }
    }
}

/// A private project `p` with these tasks.
#[track_caller]
fn project(daemon: &Daemon, recipes: &[&str]) {
    assert_eq!(told(daemon, &["project", "create", "p"], 0), "1\n");
    for recipe in recipes {
        told(daemon, &["task", "submit", "p", recipe, "--max-retries", "2"], 0);
    }
}

#[test]
fn a_project_lives_from_its_creation_to_its_statistics() {
    let daemon = Daemon::start();
    project(&daemon, &["one"]);
    let line = ["project", "edit", "p", "--motd", "mind the gap", "--assign-burst", "5", "--assign-rate", "100"];
    told(&daemon, &line, 0);
    told(&daemon, &["project", "pause", "1"], 0);
    let shown = json_of(&daemon, &["project", "show", "p"]);
    assert_eq!(
        (&shown["motd"], &shown["paused"], &shown["assign_burst"]),
        (&json!("mind the gap"), &json!(true), &json!(5))
    );
    told(&daemon, &["project", "edit", "p", "--priority", "3"], 0);
    assert_eq!(json_of(&daemon, &["project", "show", "p"])["assign_burst"], 5, "an edit changes nothing else");
    let mut set = hostler(&daemon, &["project", "secret", "set", "p"]);
    let mut set = set.stdin(Stdio::piped()).spawn().expect("the binary");
    set.stdin.take().expect("a pipe").write_all(b"{\"key\":1}\n").expect("a reader");
    assert!(set.wait().expect("our child").success());
    assert_eq!(told(&daemon, &["project", "secret", "get", "p"], 0), "{\"key\":1}\n");
    assert_eq!(told(&daemon, &["project", "webhook-secret", "get", "p"], 0).len(), 37);
    let listed = told(&daemon, &["project", "assignees", "p"], 0);
    assert_eq!(listed, "ASSIGNEE    TASKS\nunassigned  1\n");
    told(&daemon, &["project", "stats", "p"], 0);
    assert!(told(&daemon, &["task", "show", "1"], 0).contains("recipe    one\n"));
    assert_eq!(told(&daemon, &["project", "hard-reset", "p", "--yes"], 0), "1 tasks of p are thrown away\n");
    assert_eq!(states(&daemon, "p"), []);
    ended(&daemon, &["project", "show", "nobody"], 100);
}

#[test]
fn a_worker_does_what_it_is_given_and_tells_how_it_went() {
    let daemon = Daemon::start();
    project(&daemon, &["good", "bad"]);
    let script = "cat; echo \" $TASK_RECIPE $PROJECT_NAME $PROJECT_SECRET $TASK_ID $TASK_RETRIES\"; \
                  [ \"$TASK_RECIPE\" = good ] || { echo so it goes >&2; exit 3; }";
    let mut first = Worker::start(&daemon, "w", &["--once"], script);
    assert_eq!(first.code(), Some(0), "{}", first.said());
    assert!(first.said().contains("good good p {} 1 0\n"), "{}", first.said());
    let identity = daemon.path("w.json");
    assert_eq!(fs::metadata(&identity).expect("an identity").permissions().mode() & 0o777, 0o600);
    assert_eq!(states(&daemon, "p"), [(2, "free".to_owned())]);
    let mut second = Worker::start(&daemon, "w", &["--once"], script);
    assert_eq!(second.code(), Some(1), "{}", second.said());
    let mut third = Worker::start(&daemon, "w", &["--once"], script);
    assert_eq!(third.code(), Some(1), "{}", third.said());
    assert!(third.said().contains("bad bad p {} 2 1\n"), "{}", third.said());
    assert_eq!(states(&daemon, "p"), [(2, "failed".to_owned())]);
    assert!(told(&daemon, &["task", "show", "2"], 0).contains("exited with 3: so it goes"));
    let workers = json_of(&daemon, &["worker", "list"]);
    assert_eq!(workers["stats"].as_array().map(Vec::len), Some(1), "one identity for all: {workers}");
    assert!(told(&daemon, &["worker", "logs"], 0).contains("good good p {} 1 0"));
    assert!(told(&daemon, &["worker", "logs", "--level", "error"], 0).contains("so it goes"));
    assert_eq!(told(&daemon, &["task", "requeue", "2"], 0), "requeued 2\n");
    assert_eq!(states(&daemon, "p"), [(2, "free".to_owned())]);
}

#[test]
fn a_pool_shares_one_identity_and_does_every_task_once() {
    let daemon = Daemon::start();
    project(&daemon, &[]);
    let recipes: String = (0..40).map(|n| format!("{n}\n")).collect();
    let file = daemon.path("recipes");
    fs::write(&file, &recipes).expect("a file");
    let ids = told(&daemon, &["task", "submit", "p", "--bulk", file.to_str().expect("text")], 0);
    assert_eq!(ids.lines().count(), 40);
    let done = daemon.path("done");
    let script = format!("read -r n; echo \"$n\" >> {}", done.display());
    let mut pool: Vec<Worker> = ["3", "1"].map(|jobs| Worker::start(&daemon, "w", &["--jobs", jobs], &script)).into();
    until("every task is done", SOON * 2, || states(&daemon, "p").is_empty().then_some(()));
    let mut numbers: Vec<u32> =
        fs::read_to_string(&done).expect("results").lines().map(|line| line.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    for worker in &mut pool {
        process::signal(worker.pid(), Signal::SIGTERM);
        assert_eq!(worker.code(), Some(0), "{}", worker.said());
    }
    assert_eq!(json_of(&daemon, &["worker", "list"])["stats"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_is_skipped_comes_back_as_it_was() {
    let daemon = Daemon::start();
    project(&daemon, &["x"]);
    let mut worker = Worker::start(&daemon, "w", &["--once"], "exit 75");
    assert_eq!(worker.code(), Some(0));
    let task = json_of(&daemon, &["task", "show", "1"]);
    assert_eq!((&task["status"], &task["retries"], &task["assignee"]), (&json!(1), &json!(0), &json!(0)));
}

#[test]
fn several_workers_have_to_come_to_the_same_result() {
    let daemon = Daemon::start();
    told(&daemon, &["project", "create", "p", "--public"], 0);
    told(&daemon, &["task", "submit", "p", "x", "--verify", "2"], 0);
    for (name, number) in [("a", 7), ("b", 8)] {
        let script = format!("echo looking; echo {number}");
        assert_eq!(Worker::start(&daemon, name, &["--once", "--verification", "stdout"], &script).code(), Some(0));
        assert_eq!(states(&daemon, "p").len(), 1);
    }
    assert_eq!(Worker::start(&daemon, "c", &["--once", "--verification", "stdout"], "echo 7").code(), Some(0));
    assert_eq!(states(&daemon, "p"), []);
}

#[test]
fn a_worker_that_dies_frees_its_task_at_once() {
    let daemon = Daemon::start();
    project(&daemon, &[]);
    told(&daemon, &["task", "submit", "p", "x", "--max-assign-time", "1h"], 0);
    let worker = Worker::start(&daemon, "w", &[], "echo begun; exec sleep 1000");
    until("the command runs", SOON, || worker.said().contains("begun").then_some(()));
    assert_eq!(states(&daemon, "p"), [(1, "held".to_owned())]);
    let left = process::tree(worker.pid());
    process::signal(worker.pid(), Signal::SIGKILL);
    until("the task is free", SOON, || (states(&daemon, "p") == [(1, "free".to_owned())]).then_some(()));
    for pid in left {
        process::signal(pid, Signal::SIGKILL);
    }
}

#[test]
fn a_worker_told_to_end_gives_back_what_it_was_doing() {
    let daemon = Daemon::start();
    project(&daemon, &["x"]);
    let mut worker = Worker::start(&daemon, "w", &[], "echo begun; exec sleep 1000");
    until("the command runs", SOON, || worker.said().contains("begun").then_some(()));
    process::signal(worker.pid(), Signal::SIGTERM);
    assert_eq!(worker.code(), Some(0), "{}", worker.said());
    let task = json_of(&daemon, &["task", "show", "1"]);
    assert_eq!((&task["assignee"], &task["retries"]), (&json!(0), &json!(0)), "{}", worker.said());

    let finishes = "trap 'exit 0' TERM; echo begun; while :; do sleep 0.01; done";
    let mut worker = Worker::start(&daemon, "w", &[], finishes);
    until("the command runs", SOON, || worker.said().contains("begun").then_some(()));
    process::signal(worker.pid(), Signal::SIGTERM);
    assert_eq!(worker.code(), Some(0), "{}", worker.said());
    assert_eq!(states(&daemon, "p"), [], "it was finished: {}", worker.said());
}

#[test]
fn a_result_survives_a_daemon_that_is_away() {
    let mut daemon = Daemon::start();
    project(&daemon, &["x"]);
    let go = daemon.path("go");
    let script = format!("echo begun; while [ ! -e {} ]; do sleep 0.01; done", go.display());
    let mut worker = Worker::start(&daemon, "w", &["--once"], &script);
    until("the command runs", SOON, || worker.said().contains("begun").then_some(()));
    // The worker is no child of the daemon, and its lease goes on over the restart.
    daemon.stop();
    fs::write(&go, "").expect("a file");
    until("the worker has noticed", SOON, || worker.said().contains("trying again").then_some(()));
    daemon.launch();
    assert_eq!(worker.code(), Some(0), "{}", worker.said());
    assert_eq!(states(&daemon, "p"), []);
}

#[test]
fn a_worker_that_may_not_grant_itself_access_waits_for_it() {
    let daemon = Daemon::start();
    project(&daemon, &["x"]);
    let url = format!("http://{}", daemon.address());
    let said = daemon.path("said");
    let file = fs::File::create(&said).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
    command.args(["worker", "run", "--url", &url, "--project", "p", "--once", "--identity"]);
    command.arg(daemon.path("far.json")).args(["--", "true"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().expect("the binary");
    let mut worker = Worker { child, output: said };
    until("it says what is to be done", SOON, || {
        worker.said().contains("`hostler project access grant p 1`").then_some(())
    });
    let listed = told(&daemon, &["project", "access", "list", "p"], 0);
    assert!(listed.contains("assign  asks"), "{listed}");
    told(&daemon, &["project", "access", "grant", "p", "1"], 0);
    assert_eq!(worker.code(), Some(0), "{}", worker.said());
    assert_eq!(states(&daemon, "p"), []);
}

#[test]
fn a_worker_keeps_to_the_rate_of_its_project() {
    let daemon = Daemon::start();
    project(&daemon, &["a", "b", "c"]);
    told(&daemon, &["project", "edit", "p", "--assign-rate", "5"], 0);
    let mut worker = Worker::start(&daemon, "w", &[], "exec true");
    until("all are done", SOON, || states(&daemon, "p").is_empty().then_some(()));
    process::signal(worker.pid(), Signal::SIGTERM);
    assert_eq!(worker.code(), Some(0), "{}", worker.said());
    assert!(!worker.said().contains("Too many"), "{}", worker.said());
}

#[test]
fn a_command_that_is_not_there_costs_no_task() {
    let daemon = Daemon::start();
    project(&daemon, &["x"]);
    let identity = daemon.path("w.json");
    let line = ["worker", "run", "--project", "p", "--jobs", "2", "--identity", identity.to_str().expect("text")];
    let output = ended(&daemon, &[&line[..], &["--", "/no/such/program"]].concat(), 100);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot start /no/such/program: "), "{said}");
    let task = json_of(&daemon, &["task", "show", "1"]);
    assert_eq!((&task["assignee"], &task["retries"]), (&json!(0), &json!(0)));
}

#[test]
fn a_worker_that_was_forgotten_registers_anew() {
    let daemon = Daemon::start();
    project(&daemon, &["x"]);
    let stale = json!({ "id": 99, "alias": "old", "secret": "A".repeat(43) + "=" });
    fs::write(daemon.path("w.json"), stale.to_string()).expect("a file");
    let mut worker = Worker::start(&daemon, "w", &["--once", "--alias", "new"], "exec true");
    assert_eq!(worker.code(), Some(0), "{}", worker.said());
    let identity: Value = serde_json::from_slice(&fs::read(daemon.path("w.json")).expect("a file")).expect("JSON");
    assert_eq!((&identity["id"], &identity["alias"]), (&json!(1), &json!("new")));
}

#[test]
fn a_task_is_held_for_as_long_as_its_command_runs() {
    let daemon = Daemon::start();
    project(&daemon, &[]);
    told(&daemon, &["task", "submit", "p", "x", "--max-assign-time", "1s"], 0);
    let runs = daemon.path("runs");
    let script = format!("echo run >> {}; sleep 3", runs.display());
    let mut worker = Worker::start(&daemon, "w", &["--once"], &script);
    let mut other = Worker::start(&daemon, "w", &["--once"], &script);
    until("the task is done", SOON, || states(&daemon, "p").is_empty().then_some(()));
    assert_eq!(fs::read_to_string(&runs).expect("a file"), "run\n");
    for one in [&mut worker, &mut other] {
        process::signal(one.pid(), Signal::SIGTERM);
        assert_eq!(one.code(), Some(0), "{}", one.said());
    }
}

/// The tables of a small tracker, as `psql` writes them.
fn dump(into: &Path) {
    fs::create_dir(into).expect("a directory");
    let secret = "ab".repeat(32);
    // SHA-512 of "correcthorse" and "alice".
    let hash = Command::new("sh")
        .args(["-c", "printf correcthorsealice | sha512sum | cut -c1-128"])
        .output()
        .expect("a shell");
    let hash = String::from_utf8(hash.stdout).expect("text");
    let tables = [
        ("manager", format!("id,register_time,tracker_admin,username,password\n1,1600000000,t,alice,\\x{}\n2,1600000000,f,bob,\\x00\n", hash.trim())),
        ("worker", format!("id,alias,created,secret,closed_task_count,paused\n7,crawler,1600000000,\\x{secret},12,f\n")),
        ("project", "id,priority,closed_task_count,chain,public,hidden,paused,name,clone_url,git_repo,version,motd,secret,webhook_secret,assign_rate,submit_rate\n\
            3,5,20,4,f,f,f,crawl,,a/b,v1,\"two\nlines\",{},hook,1.7976931348623157e+308,2\n\
            4,0,0,,t,f,f,parse,,,,,\"{\"\"k\"\":1}\",hook,1.7976931348623157e+308,1.7976931348623157e+308\n".to_owned()),
        ("worker_access", "worker,project,role_assign,role_submit,request\n7,3,t,t,f\n8,3,t,f,f\n".to_owned()),
        ("manager_has_role_on_project", "manager,role,project\n1,31,3\n2,1,3\n".to_owned()),
        ("task", "hash64,id,project,assignee,max_assign_time,assign_time,verification_count,priority,retries,max_retries,status,recipe\n\
            -9,100,3,,0,,1,9,1,3,1,\"say \"\"hi\"\"\"\n,101,3,,0,,2,0,3,3,2,failed\n,102,9,,0,,1,0,0,3,1,lost\n".to_owned()),
        ("worker_verifies_task", "verification_hash,task,worker\n5,101,7\n".to_owned()),
    ];
    for (name, text) in tables {
        fs::write(into.join(format!("{name}.csv")), text).expect("a file");
    }
}

#[test]
fn another_tracker_is_taken_over_with_its_numbers_and_secrets() {
    let daemon = Daemon::start();
    let directory = daemon.path("dump");
    dump(&directory);
    let from = directory.to_str().expect("text");
    let dry = told(&daemon, &["import", "tracker", from, "--dry-run"], 1);
    assert!(dry.contains("manager.csv:3: password: expected 64 bytes"), "{dry}");
    assert_eq!(json_of(&daemon, &["project", "list"])["projects"], json!([]), "nothing was sent");

    let said = told(&daemon, &["import", "tracker", from], 1);
    for refused in [
        "worker_access.csv:3: worker 8 was not imported",
        "manager_has_role_on_project.csv:3: manager 2 was not imported",
        "task.csv:4: project 9 was not imported",
    ] {
        assert!(said.contains(refused), "{said}");
    }
    let crawl = json_of(&daemon, &["project", "show", "crawl"]);
    assert_eq!(
        (&crawl["id"], &crawl["chain"], &crawl["motd"], &crawl["submit_rate"]),
        (&json!(3), &json!(4), &json!("two\nlines"), &json!(2))
    );
    assert_eq!(told(&daemon, &["project", "secret", "get", "parse"], 0), "{\"k\":1}\n");
    let roles = told(&daemon, &["project", "role", "crawl"], 0);
    assert!(roles.contains("1   alice    read edit access secret maintenance"), "{roles}");
    assert_eq!(states(&daemon, "crawl"), [(100, "free".to_owned()), (101, "failed".to_owned())]);
    let task = json_of(&daemon, &["task", "show", "100"]);
    assert_eq!((&task["hash"], &task["retries"], &task["recipe"]), (&json!(-9), &json!(1), &json!("say \"hi\"")));
    assert_eq!(json_of(&daemon, &["worker", "list"])["stats"][0]["closed_task_count"], 12);

    // The worker goes on as it was, the manager with the password of old, and numbers go on after those taken over.
    let secret = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
    fs::write(daemon.path("w.json"), json!({ "id": 7, "alias": "crawler", "secret": secret }).to_string())
        .expect("a file");
    let mut command = hostler(&daemon, &["worker", "run", "--project", "crawl", "--once", "--identity"]);
    let output = command.arg(daemon.path("w.json")).args(["--", "cat"]).output().expect("the binary");
    assert!(output.status.success() && output.stdout == b"say \"hi\"", "{output:?}");
    assert_eq!(states(&daemon, "parse").len(), 1, "done in one project, the task goes on in the next");
    let login = daemon.post("/login", &json!({ "username": "alice", "password": "correcthorse" }));
    assert_eq!(login.expect(200).json()["content"]["manager"]["tracker_admin"], true);
    assert_eq!(told(&daemon, &["project", "create", "next"], 0), "5\n");

    let again = told(&daemon, &["import", "tracker", from], 1);
    let projects = again.lines().find(|line| line.starts_with("project.csv ")).expect("its row");
    assert_eq!(projects.split_whitespace().collect::<Vec<_>>(), ["project.csv", "2", "0", "2", "0"], "{again}");
    ended(&daemon, &["import", "tracker", "/nonexistent"], 100);
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tracker").join(name)
}

#[test]
fn the_example_of_a_worker_in_shell_works_as_it_is() {
    let daemon = Daemon::start();
    assert_eq!(told(&daemon, &["project", "create", "p", "--public"], 0), "1\n");
    for recipe in ["say \"hi\" \\ there", "fail"] {
        told(&daemon, &["task", "submit", "p", recipe], 0);
    }
    let text = fs::read_to_string(example("worker.sh")).expect("the example");
    assert!(text.lines().count() <= 10, "at most ten lines");
    let work = daemon.path("work");
    fs::create_dir(&work).expect("a directory");
    let mut worker = Command::new("sh");
    worker.arg(example("worker.sh")).arg(format!("http://{}", daemon.address())).arg("1");
    worker.args(["sh", "-c", "read -r line; echo \"$line\" >> done; [ \"$line\" != fail ]"]);
    worker.current_dir(&work).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    let mut worker = worker.spawn().expect("a shell");
    let over = || states(&daemon, "p") == [(2, "failed".to_owned())];
    until("both tasks are seen to", SOON, || over().then_some(()));
    // All of its group at once: it may be about to start the next one.
    process::signal(-(worker.id() as i32), Signal::SIGKILL);
    worker.wait().expect("our child");
    assert_eq!(fs::read_to_string(work.join("done")).expect("results"), "say \"hi\" \\ there\nfail\n");
}

#[test]
fn the_example_of_a_pool_is_looked_after() {
    let daemon = Daemon::start();
    assert_eq!(told(&daemon, &["project", "create", "checksums", "--public"], 0), "1\n");
    let mut pool: Value = serde_json::from_slice(&fs::read(example("pool.json")).expect("the example")).expect("JSON");
    // As written, but for the binary under test, its socket, and where it keeps its identity.
    let argv = pool["argv"].as_array_mut().expect("a command");
    argv[0] = env!("CARGO_BIN_EXE_hostler").into();
    let socket = daemon.socket().to_str().expect("text").to_owned();
    let identity = daemon.path("pool-identity.json").to_str().expect("text").to_owned();
    let options = ["--identity", &identity, "--socket", &socket];
    argv.splice(3..3, options.map(Value::from));
    let file = daemon.path("pool.json");
    fs::write(&file, pool.to_string()).expect("a file");
    told(&daemon, &["apply", file.to_str().expect("text")], 0);
    let recipe = file.to_str().expect("text");
    for _ in 0..3 {
        told(&daemon, &["task", "submit", "checksums", recipe], 0);
    }
    until("the pool has done it", SOON, || states(&daemon, "checksums").is_empty().then_some(()));
    until("the log has it", SOON, || {
        let said = told(&daemon, &["worker", "logs", "--json"], 0);
        (said.matches(&format!("  {recipe}")).count() == 3).then_some(())
    });
}
