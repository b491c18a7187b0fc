//! What is refused, and what is said about it.

use super::*;

/// Refused, with this message.
#[track_caller]
fn refused(specification: &Value, said: &str) {
    match read(specification) {
        Ok(_) => panic!("{specification} was accepted"),
        Err(why) => assert_eq!(why.0, said),
    }
}

/// A specification with one good task and these top-level keys.
fn top(more: Value) -> Value {
    let mut all = with(json!({"a": {"job": {"command": ["x"]}}}));
    all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    all
}

/// A specification whose task `a` has a good job and these keys.
fn task(more: Value) -> Value {
    let mut task = json!({"job": {"command": ["x"]}});
    task.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    with(json!({"a": task}))
}

#[test]
fn text_that_is_no_json() {
    for (text, said) in [
        (&b""[..], "this is no JSON: the text ends too early (line 1, column 0)"),
        (b"{", "this is no JSON: the text ends too early (line 1, column 1)"),
        (b"{\n  \"a\" 1}", "this is no JSON: expected ':' (line 2, column 7)"),
        (b"{} x", "this is no JSON: trailing characters (line 1, column 4)"),
        (b"{\"a\": \"\xff\"}", "this is no JSON: no UTF-8 (byte 7)"),
        (b"[]", "specification: expected an object, not []"),
        (b" \"x\" ", "specification: expected an object, not \"x\""),
        (b"{\"tag\": \"t\", \"tag\": \"t\"}", "specification: \"tag\" is there twice"),
        (br#"{"tag": "\ud800"}"#, "tag: unexpected end of hex escape"),
        (br#"{"priority": 1e999}"#, "priority: number out of range"),
    ] {
        assert_eq!(parse(text, &LIMITS), Err(Invalid(said.into())), "{}", text.escape_ascii());
    }
}

#[test]
fn nesting_without_end() {
    let deep = format!(
        r#"{{"tag":"t","tasks":{{"a":{{"job":{{"command":["x"],"x":{}1{}}}}}}}}}"#,
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    assert_eq!(parse(deep.as_bytes(), &LIMITS), Err(Invalid("task 'a': job: recursion limit exceeded".into())));
}

#[test]
fn the_top_level() {
    for (specification, said) in [
        (json!({"tasks": {}}), "tag: expected a string, and there is none"),
        (json!({"tag": "t"}), "tasks: expected an object with at least one task, and there is none"),
        (top(json!({"tag": 7})), "tag: expected a string, not 7"),
        (top(json!({"tag": ""})), "tag: expected a string of 1 to 256 bytes without NUL, not \"\""),
        (top(json!({"tasks": []})), "tasks: expected an object, not []"),
        (top(json!({"tasks": {}})), "tasks: expected an object with at least one task, not {}"),
        (top(json!({"executor": "slurm"})), "executor: expected \"local\" or \"noop\", not \"slurm\""),
        (top(json!({"executor": {"name": "local"}})), "executor: expected \"local\" or \"noop\", not an object"),
        (top(json!({"onFailure": true})), "onFailure: expected \"continue\" or \"stop\", not true"),
        (top(json!({"maxParallel": 0})), "maxParallel: expected an integer from 1 to 4294967295, not 0"),
        (top(json!({"maxParallel": 1.5})), "maxParallel: expected an integer from 1 to 4294967295, not 1.5"),
        (
            top(json!({"priority": "high"})),
            "priority: expected an integer from -2147483648 to 2147483647, not \"high\"",
        ),
        (
            top(json!({"priority": 2147483648_u32})),
            "priority: expected an integer from -2147483648 to 2147483647, not 2147483648",
        ),
        (top(json!({"user": null})), "user: expected a string, not null"),
        (top(json!({"user": ""})), "user: expected a string of 1 to 256 bytes without NUL, not \"\""),
    ] {
        refused(&specification, said);
    }
    let long = read(&top(json!({"tag": "x".repeat(257)}))).expect_err("it was accepted").0;
    assert!(long.starts_with("tag: expected a string of 1 to 256 bytes") && long.len() < 200, "{long}");
}

#[test]
fn parameters_are_texts_or_lists_of_texts() {
    for (parameters, said) in [
        (json!({"P": 5}), "parameters: \"P\": expected a string or an array of strings, not 5"),
        (json!({"P": ["a", 1]}), "parameters: \"P\": element 1: invalid type: integer '1', expected a string"),
        (json!({"P": {"a": "b"}}), "parameters: \"P\": expected a string or an array of strings, not an object"),
        (json!(["P"]), "parameters: expected an object, not [\"P\"]"),
        (json!({"P": "a\u{0}b"}), "parameters: \"P\": expected values without NUL bytes"),
        (json!({"P": ["a", "\u{0}"]}), "parameters: \"P\": expected values without NUL bytes"),
        (json!({"P": "a", "{{P}}": "b"}), "parameters: \"P\" is there twice"),
        (
            json!({"": "a"}),
            "parameters: expected names of 1 to 200 bytes without control characters and braces, not \"\"",
        ),
        (
            json!({"{P": "a"}),
            "parameters: expected names of 1 to 200 bytes without control characters and braces, not \"{P\"",
        ),
    ] {
        refused(&top(json!({"parameters": parameters})), said);
        refused(&task(json!({"parameters": parameters})), &format!("task 'a': {said}"));
    }
    let empty = with_values(json!({"P": []}), json!({"a": echo("{{P}}")}));
    refused(&empty, "task 'a': job: expected values for {{P}}: the parameter is an empty array");
}

#[test]
fn tasks() {
    for (specification, said) in [
        (with(json!({"a": 1})), "task 'a': expected an object, not 1"),
        (with(json!({"a": {}})), "task 'a': job: expected an object, and there is none"),
        (with(json!({"a": {"job": []}})), "task 'a': job: expected an object, not []"),
        (with(json!({"": {}})), "tasks: expected names of 1 to 200 bytes without control characters, not \"\""),
        (
            with(json!({"a\nb": {}})),
            "tasks: expected names of 1 to 200 bytes without control characters, not \"a\\nb\"",
        ),
        (task(json!({"maxRetries": -1})), "task 'a': maxRetries: expected an integer from 0 to 4294967295, not -1"),
        (
            task(json!({"maxRetries": "two"})),
            "task 'a': maxRetries: expected an integer from 0 to 4294967295, not \"two\"",
        ),
        (
            task(json!({"retryIntervalSeconds": 0.5})),
            "task 'a': retryIntervalSeconds: expected an integer from 0 to 4294967295, not 0.5",
        ),
        (task(json!({"isGenerator": "yes"})), "task 'a': isGenerator: expected true or false, not \"yes\""),
        (task(json!({"children": "b"})), "task 'a': children: expected an array of strings, not \"b\""),
        (task(json!({"parents": [null]})), "task 'a': parents: element 0: invalid type: null, expected a string"),
        (
            task(json!({"trigger": "never"})),
            "task 'a': trigger: expected \"success\" or \"failure\" or \"always\", not \"never\"",
        ),
        (
            task(json!({"retryBackoff": 0.5})),
            "task 'a': retryBackoff: expected a factor of at least 1, or {\"factor\": F, \"maxSeconds\": S}, not 0.5",
        ),
        (
            task(json!({"retryBackoff": {"maxSeconds": 5}})),
            "task 'a': retryBackoff: expected a factor of at least 1, or {\"factor\": F, \"maxSeconds\": S}, not an object",
        ),
        (
            task(json!({"retryBackoff": {"factor": 2, "maxSeconds": -1}})),
            "task 'a': retryBackoff: expected a factor of at least 1, or {\"factor\": F, \"maxSeconds\": S}, not an object",
        ),
    ] {
        refused(&specification, said);
    }
    let twice = br#"{"tag": "t", "tasks": {"a": {"job": {"command": ["x"]}}, "a": {"job": {"command": ["y"]}}}}"#;
    assert_eq!(parse(twice, &LIMITS), Err(Invalid("tasks: \"a\" is there twice".into())));
}

#[test]
fn jobs() {
    let number = |key: &str, text: &str| format!("{key}: expected an integer of at least 0, not {text}");
    for (job, said) in [
        (json!({}), "expected one of command, commandString and proc".into()),
        (json!({"command": ["x"], "commandString": "x"}), "command and commandString exclude each other".into()),
        (json!({"command": ["x"], "proc": {"start": "x"}}), "command and proc exclude each other".into()),
        (json!({"command": []}), "command: expected an array of at least one string, not []".into()),
        (json!({"command": "ls"}), "command: expected an array of at least one string, not \"ls\"".into()),
        (json!({"command": ["x", 1]}), "command[1]: expected a string, not 1".into()),
        (json!({"command": [""]}), "command: expected a program as the first element, not \"\"".into()),
        (json!({"command": ["x", "a\u{0}"]}), "command: expected text without NUL bytes".into()),
        (json!({"commandString": ["x"]}), "commandString: expected a string, not an array".into()),
        (json!({"commandString": "\u{0}"}), "commandString: expected text without NUL bytes".into()),
        (json!({"command": ["x"], "workDir": "\u{0}"}), "workDir: expected text without NUL bytes".into()),
        (json!({"command": ["x"], "workDir": 1}), "workDir: expected a string, not 1".into()),
        (json!({"command": ["x"], "cores": "many"}), number("cores", "\"many\"")),
        (json!({"command": ["x"], "cores": "-1"}), number("cores", "\"-1\"")),
        (json!({"command": ["x"], "cores": -1}), number("cores", "\"-1\"")),
        (json!({"command": ["x"], "cores": ""}), number("cores", "\"\"")),
        (json!({"command": ["x"], "cores": "+1"}), number("cores", "\"+1\"")),
        (json!({"command": ["x"], "cores": 1.5}), "cores: expected an integer of at least 0, also as a string, not 1.5".into()),
        (json!({"command": ["x"], "cores": "5"}), "cores: expected at most 4, which is all there is, not 5".into()),
        (json!({"command": ["x"], "cores": 4294967296_u64}), "cores: expected at most 4294967295, not 4294967296".into()),
        (json!({"command": ["x"], "memoryMB": "99999"}), "memoryMB: expected at most 4096, which is all there is, not 99999".into()),
        (json!({"command": ["x"], "timeout": "1m"}), number("timeout", "\"1m\"")),
        (json!({"command": ["x"], "timeout": "99999999999999999999"}), number("timeout", "\"99999999999999999999\"")),
        (json!({"command": ["x"], "environment": "A=1"}), "environment: expected an array of strings, or an object of strings, not \"A=1\"".into()),
        (json!({"command": ["x"], "environment": ["A"]}), "environment: expected NAME=value, not \"A\"".into()),
        (json!({"command": ["x"], "environment": ["=1"]}), "environment: expected NAME=value, not \"=1\"".into()),
        (json!({"command": ["x"], "environment": ["A=\u{0}"]}), "environment: expected text without NUL bytes".into()),
        (json!({"command": ["x"], "environment": {"A": true}}), "environment \"A\": expected a string, not true".into()),
        (json!({"command": ["x"], "environment": {"A=B": "1"}}), "environment: expected a name without '=' and NUL, not \"A=B\"".into()),
        (json!({"proc": "start"}), "proc: expected an object with one of start, restart, stop and wait_ready, with the name of a supervised task, not \"start\"".into()),
        (json!({"proc": {}}), "proc: expected exactly one of start, restart, stop and wait_ready, with the name of a supervised task".into()),
        (json!({"proc": {"start": "a", "stop": "b"}}), "proc: expected exactly one of start, restart, stop and wait_ready, with the name of a supervised task".into()),
        (json!({"proc": {"start": 1}}), "proc: expected the name of a supervised task, not 1".into()),
        (json!({"proc": {"start": ""}}), "proc: expected a task's name of 1 to 255 bytes, not \"\"".into()),
    ] {
        refused(&job_of(job), &format!("task 'a': job: {said}"));
    }
}

#[test]
fn every_value_of_a_list_must_make_sense_where_it_stands() {
    for (job, values, said) in [
        (
            json!({"command": ["x"], "cores": "{{P}}"}),
            ["1", "5"],
            "cores: expected at most 4, which is all there is, not 5",
        ),
        (
            json!({"command": ["x"], "cores": "{{P}}"}),
            ["1", "x"],
            "cores: expected an integer of at least 0, not \"x\"",
        ),
        (
            json!({"command": ["x"], "memoryMB": "{{P}}{{P}}"}),
            ["1", "99"],
            "memoryMB: expected at most 4096, which is all there is, not 9999",
        ),
        (
            json!({"command": ["x"], "timeout": "{{P}}"}),
            ["1", "-1"],
            "timeout: expected an integer of at least 0, not \"-1\"",
        ),
        (json!({"command": ["{{P}}", "y"]}), ["x", ""], "command: expected a program as the first element, not \"\""),
        (
            json!({"command": ["x"], "environment": ["{{P}}"]}),
            ["A=1", "A"],
            "environment: expected NAME=value, not \"A\"",
        ),
        (json!({"proc": {"stop": "{{P}}"}}), ["x", ""], "proc: expected a task's name of 1 to 255 bytes, not \"\""),
    ] {
        let specification = with_values(json!({"P": values, "Q": ["1", "2"]}), json!({"a": {"job": job}}));
        refused(&specification, &format!("task 'a': job: {said}"));
    }
}

#[test]
fn defaults_are_checked_even_if_nobody_uses_them() {
    for (more, said) in [
        (json!({"jobDefaults": []}), "jobDefaults: expected an object, not []"),
        (
            json!({"jobDefaults": {"cores": []}}),
            "jobDefaults: cores: expected an integer of at least 0, also as a string, not []",
        ),
        (
            json!({"jobDefaults": {"command": "x"}}),
            "jobDefaults: command: expected an array of at least one string, not \"x\"",
        ),
        (json!({"taskDefaults": "x"}), "taskDefaults: expected an object, not \"x\""),
        (
            json!({"taskDefaults": {"maxRetries": true}}),
            "taskDefaults: maxRetries: expected an integer from 0 to 4294967295, not true",
        ),
        (json!({"taskDefaults": {"job": {"workDir": 1}}}), "taskDefaults: job: workDir: expected a string, not 1"),
        (json!({"taskDefaults": {"parents": []}}), "taskDefaults: parents: not for all tasks at once: say it in each"),
        (
            json!({"taskDefaults": {"children": ["a"]}}),
            "taskDefaults: children: not for all tasks at once: say it in each",
        ),
    ] {
        refused(&top(more), said);
    }
    refused(
        &json!({"tag": "t", "jobDefaults": {"cores": "many"}, "tasks": {"a": echo("x")}}),
        "task 'a': job: cores: expected an integer of at least 0, not \"many\"",
    );
}

#[test]
fn generators_must_print() {
    let step = with(json!({"g": {"job": {"proc": {"start": "web"}}, "isGenerator": true}}));
    refused(&step, "task 'g': isGenerator: expected a command that prints tasks, and a proc step prints nothing");
    let mut noop = with(json!({"g": {"job": {"command": ["x"]}, "isGenerator": true}}));
    noop["executor"] = json!("noop");
    refused(&noop, "task 'g': isGenerator: expected a command that prints tasks, and the executor noop prints nothing");
}

#[test]
fn edges_to_nowhere_and_cycles() {
    let job = json!({"command": ["x"]});
    for (tasks, said) in [
        (json!({"a": {"job": job, "children": ["zz"]}}), "unknown child 'zz' in task 'a'"),
        (json!({"merge": {"job": job, "parents": ["fetchh"]}}), "unknown parent 'fetchh' in task 'merge'"),
        (json!({"m": {"job": job}, "n": {"job": job, "parents": ["m_0"]}}), "unknown parent 'm_0' in task 'n'"),
        (json!({"a": {"job": job, "children": ["a"]}}), "the tasks wait for each other: a -> a"),
        (
            json!({"a": {"job": job, "children": ["b"]}, "b": {"job": job, "children": ["c"]},
            "c": {"job": job, "children": ["a", "d"]}, "d": {"job": job}}),
            "the tasks wait for each other: a -> b -> c -> a",
        ),
        (
            json!({"0": {"job": job, "parents": ["b"]}, "a": {"job": job, "children": ["b"]},
            "b": {"job": job, "children": ["a"]}}),
            "the tasks wait for each other: a -> b -> a",
        ),
    ] {
        refused(&with(tasks), said);
    }
}

#[test]
fn too_many_tasks_are_counted() {
    let list = |length: usize| json!(vec!["x"; length]);
    refused(
        &with_values(json!({"P": list(40), "Q": list(30)}), json!({"a": echo("{{P}}{{Q}}"), "b": echo("")})),
        "tasks: expected at most 1000 with all parameters, not 1201",
    );
    let names: Vec<String> = (0..11).map(|name| format!("P{name}")).collect();
    let lists: Map<String, Value> = names.iter().map(|name| (name.clone(), list(100))).collect();
    let text: String = names.iter().map(|name| format!("{{{{{name}}}}}")).collect();
    refused(
        &with_values(Value::Object(lists), json!({"a": echo(&text)})),
        "tasks: expected at most 1000 with all parameters, not more than 18446744073709551615",
    );
}

#[test]
fn few_bytes_cannot_fill_the_memory_or_the_day() {
    let long = "x".repeat(1 << 20);
    let job = with_values(json!({"P": ["", long], "Q": "x"}), json!({"a": echo(&"{{P}}".repeat(5))}));
    refused(&job, "task 'a': job: expected at most 4194304 bytes with the longest values, not 5242889");

    let tasks: Map<String, Value> = (0..200).map(|task| (format!("a{task}"), echo("x"))).collect();
    let mut copies = with(Value::Object(tasks));
    copies["jobDefaults"] = json!({"note": long});
    let why = read(&copies).expect_err("it was accepted").0;
    assert!(why.starts_with("defaults of jobs: expected at most 134217728 bytes in all tasks together"), "{why}");

    let list = vec!["=x"; 2_500];
    let job = json!({"command": ["x"], "environment": ["a{{P}}{{Q}}"]});
    let tries = with_values(json!({"P": list, "Q": list}), json!({"a": {"job": job}})).to_string();
    let why = parse(tries.as_bytes(), &Limits { max_tasks: u32::MAX, ..LIMITS }).expect_err("it was accepted").0;
    let said =
        "task 'a': job: too many combinations of values to check: 6250000 for \"a{{P}}{{Q}}\", and 5000000 are left";
    assert_eq!(why, said);
}

#[test]
fn long_chains_and_wide_tasks_take_no_stack_and_little_time() {
    let chain: Map<String, Value> = (0..100_000)
        .map(|task: u32| {
            let parents: Vec<_> = task.checked_sub(1).map(|before| before.to_string()).into_iter().collect();
            (task.to_string(), json!({"job": {"command": ["x"]}, "parents": parents}))
        })
        .collect();
    let limits = Limits { max_tasks: 200_000, ..LIMITS };
    let mut specification = with(Value::Object(chain));
    let run = parse(specification.to_string().as_bytes(), &limits).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(run.edges.len(), 99_999);
    specification["tasks"]["0"]["parents"] = json!(["99999"]);
    let why = parse(specification.to_string().as_bytes(), &limits).expect_err("a cycle").0;
    assert_eq!(
        why,
        "the tasks wait for each other: 0 -> 1 -> 2 -> 3 -> 4 -> 5 -> 6 -> 7 -> (99991 more) -> 99999 -> 0"
    );
    let names: Vec<_> = (0..10_000).map(|task| task.to_string()).collect();
    let mut wide: Map<String, Value> = names.iter().map(|name| (name.clone(), echo("x"))).collect();
    wide.insert("all".into(), json!({"job": {"command": ["x"]}, "parents": names}));
    assert_eq!(parse(with(Value::Object(wide)).to_string().as_bytes(), &limits).expect("a run").edges.len(), 10_000);
}
