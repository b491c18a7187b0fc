//! Specifications from files, and values for their parameters.

use crate::cli::dag::specification;
use crate::cli::exit::Exit;
use crate::cli::tests::fake::{Answer, Fake};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[track_caller]
fn read(name: &str, text: &str) -> Value {
    Value::Object(specification(Path::new(name), text).unwrap_or_else(|why| panic!("{why}")))
}

#[track_caller]
fn refused(name: &str, text: &str) -> String {
    specification(Path::new(name), text).expect_err("a refusal").to_string()
}

#[test]
fn yaml_is_json_with_less_punctuation() {
    let yaml = "\
# A comment.
tag: 'it''s'
parameters: &values
  ZONE: [north, south]
  N: \"12\"
tasks:
  fetch:
    maxRetries: 3
    half: 0.5
    big: 18446744073709551615
    below: -7
    isGenerator: false
    nothing: null
    words: [on, no, 007, 1_000, ~]
    job:
      commandString: |
        echo one
        echo \"{{ZONE}}\"
again: *values
";
    let expected = json!({
        "tag": "it's",
        "parameters": { "ZONE": ["north", "south"], "N": "12" },
        "tasks": { "fetch": {
            "maxRetries": 3, "half": 0.5, "big": u64::MAX, "below": -7, "isGenerator": false, "nothing": null,
            "words": ["on", "no", "007", "1_000", null],
            "job": { "commandString": "echo one\necho \"{{ZONE}}\"\n" },
        } },
        "again": { "ZONE": ["north", "south"], "N": "12" },
    });
    assert_eq!(read("a.yaml", yaml), expected);
    assert_eq!(read("-", yaml), expected, "by its looks");
    let json = expected.to_string();
    for name in ["a.json", "a.yml", "-"] {
        assert_eq!(read(name, &json), expected, "{name}");
    }
}

#[test]
fn very_many_values_are_read() {
    let values: String = (0..300_000).map(|place| format!("  - v{place}\n")).collect();
    let read = read("a.yaml", &format!("parameters:\n{values}"));
    assert_eq!(read["parameters"].as_array().map(Vec::len), Some(300_000));
}

#[test]
fn what_is_said_twice_is_an_error() {
    for (name, text) in [
        ("a.json", r#"{"tasks":{"a":{"job":1,"job":2}}}"#),
        ("a.json", r#"{"tasks":{},"tag":"x","tasks":{}}"#),
        ("a.yaml", "tasks:\n  a:\n    job: 1\n    job: 2\n"),
        ("a.yaml", "tasks: {a: 1, \"a\": 2}\n"),
    ] {
        let why = refused(name, text);
        assert!(why.starts_with(name) && (why.contains("twice") || why.contains("duplicate")), "{why}");
        assert!(!why.contains("Options"), "{why}");
    }
}

#[test]
fn what_makes_no_sense_is_said_with_its_place() {
    assert!(refused("a.json", "{\n  \"tag\": }").contains("line 2"));
    assert!(refused("a.yaml", "tag: x\ntasks: [a\n").contains("line"));
    assert_eq!(refused("a.yaml", "- a\n- b\n"), "a.yaml: expected an object: keys and their values");
    assert_eq!(refused("-", ""), "standard input: expected an object: keys and their values");
    assert!(refused("a.yaml", "a: .nan\n").contains("a.yaml: "));
    let bomb: String = (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1)).collect();
    let why = refused("a.yaml", &format!("a0: &a0 [x]\n{bomb}"));
    assert!(why.contains("budget"), "it would be 3^39 texts: {why}");
    let deep = "[".repeat(100_000);
    assert!(refused("a.yaml", &format!("a: {deep}")).starts_with("a.yaml: "));
    assert!(refused("a.json", &format!("{{\"a\": {deep}")).contains("recursion"));
}

/// The specification that is submitted with these options.
async fn submitted(options: &[&str]) -> Result<Value, String> {
    let daemon = Fake::start(|_| Answer::json(json!({ "runID": 3 })));
    let (file, values) = (daemon.path("f.yaml"), daemon.path("values.txt"));
    let text = "tag: t\nparameters: {DIR: /a, ZONE: [n, s], '{{OLD}}': x}\ntasks: {}\n";
    fs::write(&file, text).unwrap();
    fs::write(&values, "one\ntwo words\n\nthree").unwrap();
    let options: Vec<String> =
        options.iter().map(|option| option.replace("VALUES", values.to_str().unwrap())).collect();
    let line = ["dag", "submit", file.to_str().unwrap()].into_iter().chain(options.iter().map(String::as_str));
    let told = daemon.told(&line.collect::<Vec<_>>()).await;
    match told.outcome {
        Ok(Exit::Done) => Ok(daemon.last("POST /v1/dagrun").body),
        Ok(other) => Err(format!("{other:?}")),
        Err(why) => Err(why.to_string()),
    }
}

#[tokio::test]
async fn parameters_are_put_over_those_of_the_file() {
    let parameters = async |options: &[&str]| submitted(options).await.map(|body| body["parameters"].clone());
    let own = json!({ "DIR": "/a", "ZONE": ["n", "s"], "{{OLD}}": "x" });
    assert_eq!(parameters(&[]).await, Ok(own));
    let given = parameters(&["--param", "DIR=/b=c", "--param", "ZONE=1", "--param", "ZONE=2", "--param", "OLD="]).await;
    assert_eq!(given, Ok(json!({ "DIR": "/b=c", "ZONE": ["1", "2"], "{{OLD}}": "" })));
    let lines = parameters(&["--param", "ZONE=@VALUES", "--param", "ZONE=@@four", "--param", "DIR=@@x"]).await;
    let zones = json!(["one", "two words", "three", "@four"]);
    assert_eq!(lines, Ok(json!({ "DIR": "@x", "ZONE": zones, "{{OLD}}": "x" })));
    let unknown = parameters(&["--param", "ZON=1"]).await;
    let expected = "--param ZON: the specification has no such parameter; it has DIR, ZONE, OLD";
    assert_eq!(unknown, Err(expected.to_owned()));
    assert!(parameters(&["--param", "ZONE=@/no/such/file"]).await.is_err_and(|why| why.contains("/no/such/file")));
    assert_eq!(submitted(&["--tag", "other"]).await.unwrap()["tag"], "other");
}
