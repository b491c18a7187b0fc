//! What the arguments mean.

use crate::cli::args::{Command, code, grammar, read};
use crate::cli::exit::Exit;
use crate::cli::offline::{Files, Work};
use crate::cli::serve::{LogFormat, Serve};
use clap::error::ErrorKind;
use expect_test::expect;
use std::ffi::OsString;

fn parse(line: &[&str]) -> Result<Command, clap::Error> {
    read(std::iter::once(&"hostler").chain(line).map(OsString::from))
}

#[track_caller]
fn refused(line: &[&str]) -> clap::Error {
    let error = parse(line).expect_err("a refusal");
    assert_eq!(code(&error), Exit::Misuse, "{error}");
    error
}

#[test]
fn the_grammar_holds_together() {
    grammar().debug_assert();
}

#[test]
fn every_verb_explains_itself_with_examples() {
    let mut whole = grammar();
    whole.build();
    let families = ["dag", "account", "project", "task", "worker", "cache", "data", "import"]
        .map(|verb| whole.find_subcommand(verb).expect("the verb").get_subcommands());
    let verbs = whole.get_subcommands().chain(families.into_iter().flatten());
    for verb in verbs.filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let help = verb.clone().render_help().to_string();
        assert!(help.contains("Example"), "`{} --help` has no examples", verb.get_name());
        assert!(verb.get_about().is_some(), "`{}` does not say what it does", verb.get_name());
    }
}

#[test]
fn the_verbs_at_a_glance() {
    let help = grammar().term_width(100).render_help().to_string();
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs = verbs.map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line)));
    expect![[r#"
        serve        Run the daemon
        run          Start a command as a task that runs once
        start        Start tasks that are stopped or finished
        stop         Stop tasks; they stay listed and stay stopped, also over a reboot
        restart      Stop tasks and start them again; a cron task runs now
        status       Show how tasks are; exits 1 when one of them is down
        list         List tasks: what they are and how many of them run [alias: ls]
        logs         Show what tasks have written to their outputs
        rm           Stop tasks and forget them
        scale        Change how many replicas a task has
        signal       Send a signal to the processes of tasks
        wait         Wait until tasks have started, are ready, have stopped, have succeeded or are gone
        why          Tell why tasks are as they are: what they wait for or how they ended, who asked,
                     since when, what they said last
        apply        Make the tasks what files say they are; restarts only what changed
        dag          Run graphs of commands: submit, watch, mend, draw, schedule them
        project      Queues of tasks for workers: create and change them, decide who may use them, see how
                     they stand
        task         Work for workers: submit tasks to a project, see where they stand, mend them
        worker       Do the tasks of projects: run a command for each, and look after the workers there
                     are
        cache        Downloads, kept: get files, warm and clear the cache, see what it holds
        data         Data for others: publish files, see whether they are what they were, pull those of
                     other hosts
        id           Print the daemon id of an account: with it, another host says for whom it works
        ep           Show or set where an account's data can be reached
        online       Tell whether an account is online, and why not; exits 1 when it is not
        import       Take over what another program has kept so far
        events       Show what happens, as it happens
        token        Create, list and revoke tokens
        account      Make, list, change and remove accounts
        doctor       Look for what is not as it should be
        backup       Save everything the daemon keeps into one file, while it runs
        restore      Put a backup in place of the data of a stopped daemon
        export       Write everything the daemon keeps as JSON lines, secrets masked
        check        Verify checksums, references between records, and that every file the store names
                     exists
        compact      Rewrite the store without its dead bytes
        upgrade      Put a new binary in place of the running daemon
        completions  Print a completion script for a shell
        man          Print a manual page
        help         Print this message or the help of the given subcommand(s)
    "#]]
    .assert_eq(&verbs.collect::<String>());
    assert!(help.contains("100  the same call will fail again"), "{help}");
}

#[test]
fn what_every_verb_accepts_stands_before_or_after_it() {
    for line in
        [&["--json", "list"][..], &["list", "--json"], &["token", "list", "--json"], &["token", "--json", "list"]]
    {
        let Ok(Command::Errand(errand)) = parse(line) else { panic!("{line:?}") };
        assert!(errand.json(), "{line:?}");
    }
}

#[test]
fn the_daemons_arguments_come_through_to_its_core() {
    let line = [
        "--config",
        "c.toml",
        "--data-dir",
        "d",
        "--socket",
        "s",
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "[::1]:0",
        "--log-format",
        "json",
    ];
    let Ok(Command::Serve(serve)) = parse(&[&["serve"], &line[..]].concat()) else { panic!("no serve") };
    let expected = Serve {
        config: Some("c.toml".into()),
        data_dir: Some("d".into()),
        listen: vec!["127.0.0.1:0".into(), "[::1]:0".into()],
        socket: Some("s".into()),
        log_format: Some(LogFormat::Json),
    };
    assert_eq!(serve, expected);
    let again = ["hostler", "core"].map(OsString::from).into_iter().chain(serve.to_args());
    let Ok(Command::Core(core)) = read(again) else { panic!("no core") };
    assert_eq!((core.serve, core.self_check), (expected, false));
    let Ok(Command::Core(core)) = parse(&["core", "--self-check"]) else { panic!("no core") };
    assert_eq!((core.serve, core.self_check), (Serve::default(), true));
    assert_eq!(refused(&["serve", "--url", "http://h:1"]).kind(), ErrorKind::ArgumentConflict);
}

#[test]
fn what_touches_a_stopped_daemons_files_is_not_for_a_client() {
    let work = |line: &[&str]| match parse(line) {
        Ok(Command::Offline(offline)) => offline.work,
        other => panic!("{line:?} is {other:?}"),
    };
    let files = Files { data_dir: Some("d".into()), config: None };
    assert_eq!(work(&["check", "--offline", "--data-dir", "d"]), Work::Check(files.clone()));
    assert_eq!(work(&["compact", "--offline", "--data-dir", "d"]), Work::Compact(files.clone()));
    assert_eq!(work(&["restore", "b", "--data-dir", "d"]), Work::Restore { backup: "b".into(), files, replace: false });
    assert_eq!(work(&["doctor", "--config", "c"]), Work::Config("c".into()));
    assert!(matches!(parse(&["check"]), Ok(Command::Errand(_))));
    assert!(matches!(parse(&["doctor"]), Ok(Command::Errand(_))));
}

#[test]
fn the_flags_of_a_command_that_is_run_are_its_own() {
    for line in [&["run", "--wait", "--", "ls", "--json", "-n"][..], &["run", "--wait", "ls", "--json", "-n"]] {
        let Ok(Command::Errand(errand)) = parse(line) else { panic!("{line:?}") };
        assert!(!errand.json(), "{line:?}");
    }
}

#[test]
fn wrong_arguments_are_misuse_and_help_is_not() {
    for line in [
        &["frobnicate"][..],
        &["stop"],
        &["scale", "web", "0"],
        &["scale", "web", "many"],
        &["signal", "NONSENSE", "web"],
        &["wait", "web", "--until", "christmas"],
        &["wait", "web", "--timeout", "soon"],
        &["run", "--env", "=x", "true"],
        &["run", "--rm", "true"],
        &["logs", "--since", "yesterday-ish", "web"],
        &["--url", "http://h:1", "--socket", "s", "list"],
        &["dag"],
        &["dag", "submit"],
        &["dag", "submit", "f", "--param", "=x"],
        &["dag", "submit", "f", "--key", "two words"],
        &["dag", "show", "seven"],
        &["dag", "show", "7", "a_0", "--all"],
        &["dag", "logs", "7"],
        &["dag", "logs", "7", "a_0", "--stdout", "--stderr"],
        &["dag", "edit", "7", "a_0"],
        &["dag", "edit", "7", "a_0", "--skip", "--done"],
        &["dag", "graph", "7", "--format", "png"],
        &["dag", "schedule", "--remove"],
        &["dag", "schedule", "--cron", "@daily"],
        &["dag", "schedule", "n", "--remove", "--cron", "@daily"],
        &["dag", "schedule", "n", "f", "--overlap", "perhaps"],
        &["cache"],
        &["cache", "rm"],
        &["cache", "rm", "x", "--all"],
        &["cache", "get", "http://o/x", "--header", "nonsense"],
        &["cache", "get", "http://o/x", "--piece-length", "much"],
        &["cache", "list", "--state", "lost"],
        &[],
    ] {
        assert!(parse(line).is_err_and(|error| code(&error) == Exit::Misuse), "{line:?}");
    }
    for line in [&["--help"][..], &["--version"], &["run", "--help"], &["token", "create", "--help"]] {
        assert!(parse(line).is_err_and(|error| code(&error) == Exit::Done), "{line:?}");
    }
}
