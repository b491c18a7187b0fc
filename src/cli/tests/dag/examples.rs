//! The examples: every one is accepted, and that which packs files does, whatever they are called.

use crate::cli::dag::specification;
use crate::cli::exit::Exit;
use crate::cli::tests::fake::{Answer, Fake};
use crate::dag::model::{Blueprint, Command, Template, Work};
use crate::dag::specification::{Limits, generated, parse, with_parameters};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

const LIMITS: Limits = Limits { capacity: None, max_tasks: u32::MAX };

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/dag")
}

fn read(name: &str) -> Map<String, Value> {
    let file = folder().join(name);
    specification(&file, &fs::read_to_string(&file).unwrap()).unwrap_or_else(|why| panic!("{why}"))
}

fn compiled(specification: &Map<String, Value>) -> Blueprint {
    let text = Value::Object(specification.clone()).to_string();
    parse(text.as_bytes(), &LIMITS).unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn every_example_is_accepted() {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(!compiled(&read(&name)).templates.is_empty(), "{name}");
    }
    assert_eq!(read("hello.yaml"), read("hello.json"), "the same in both forms");
}

#[tokio::test]
async fn a_specification_is_drawn_without_a_daemon() {
    let daemon = Fake::start(|_| Answer::refused(500, "nobody needs me"));
    let file = folder().join("pack.yaml");
    let drawn = daemon.told(&["dag", "graph", file.to_str().unwrap(), "--json"]).await.expect(Exit::Done);
    let drawn: Value = serde_json::from_str(&drawn).unwrap();
    let labels: Vec<&Value> = drawn["nodes"].as_array().unwrap().iter().map(|node| &node["label"]).collect();
    assert_eq!(labels, ["list_0", "missing_0", "report_0"]);
    assert_eq!(drawn["edges"].as_array().map(Vec::len), Some(2));
    assert_eq!(daemon.heard(), Vec::<String>::new());
    let bad = daemon.path("bad.yaml");
    fs::write(&bad, "tag: x\ntasks: {a: {job: {}}}\n").unwrap();
    let (why, exit) = daemon.told(&["dag", "graph", bad.to_str().unwrap()]).await.failed();
    assert!(why.contains("bad.yaml: ") && exit == Exit::Misuse, "{why}");
}

/// The packing example in folders of its own.
struct Packing {
    dir: tempfile::TempDir,
    run: Blueprint,
}

impl Packing {
    fn new() -> Packing {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("from here")).unwrap();
        let parameters = json!({ "DIR": dir.path().join("from here"), "OUT": dir.path().join("to there") });
        let text = Value::Object(read("pack.yaml")).to_string();
        let text = with_parameters(text.as_bytes(), parameters.as_object().unwrap()).unwrap();
        let run = parse(text.as_bytes(), &LIMITS).unwrap();
        Packing { dir, run }
    }

    fn write(&self, name: &str, text: &[u8]) {
        let file = self.dir.path().join("from here").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn packed(&self, name: &str) -> PathBuf {
        self.dir.path().join("to there").join(name)
    }

    /// Executes one instance as an executor would.
    fn execute(&self, template: &Template, index: u32) -> Output {
        let job = template.job(index).unwrap();
        let Work::Command { command, env, .. } = job.work else { panic!("{:?}", job.work) };
        let words = match command {
            Command::Argv(words) => words,
            Command::Script(script) => vec!["bash".to_owned(), "-c".to_owned(), script],
        };
        std::process::Command::new(&words[0]).args(&words[1..]).envs(env).current_dir("/").output().unwrap()
    }

    fn task(&self, name: &str) -> Output {
        self.execute(self.run.templates.iter().find(|template| template.name == name).unwrap(), 0)
    }

    /// Lists the files and packs each; what the packing tasks said, with the code they ended with.
    fn pack(&self) -> Vec<(String, Option<i32>)> {
        let list = self.task("list");
        assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
        let added = generated(&list.stdout, &self.run, &LIMITS).unwrap_or_else(|why| panic!("{why}"));
        let all = added.templates.iter().flat_map(|template| (0..template.count).map(move |index| (template, index)));
        let done = all.map(|(template, index)| self.execute(template, index));
        done.map(|done| (String::from_utf8_lossy(&done.stdout).into_owned(), done.status.code())).collect()
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn files_of_any_name_are_packed_once() {
    let packing = Packing::new();
    let names = ["a b/c d", "größe €", "q\"uo\\te's", "$(id) `id` {{OUT}} {{FILE}}", "-n", "empty"];
    for name in names {
        packing.write(name, if name == "empty" { b"" } else { name.as_bytes() });
    }
    let packed = packing.pack();
    assert_eq!(packed.len(), names.len());
    assert!(packed.iter().all(|(_, code)| *code == Some(0)), "{packed:?}");
    for name in names {
        let unpacked =
            std::process::Command::new("gzip").arg("-dc").arg(packing.packed(&format!("{name}.gz"))).output();
        assert_eq!(text(&unpacked.unwrap()), if name == "empty" { "" } else { name });
    }
    let report = text(&packing.task("report"));
    assert!(report.starts_with("files:  6\n"), "{report}");
    let sums = fs::read_to_string(packing.packed("SHA256SUMS")).unwrap();
    assert!(sums.contains("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty\n"), "{sums}");
    assert!(text(&packing.task("missing")).ends_with("0 files are not packed\n"));

    let before = fs::metadata(packing.packed("empty.gz")).unwrap().modified().unwrap();
    assert!(packing.pack().iter().all(|(said, _)| said.ends_with(" is packed already\n")));
    assert_eq!(fs::metadata(packing.packed("empty.gz")).unwrap().modified().unwrap(), before);
}

#[test]
fn what_a_killed_attempt_has_left_does_no_harm() {
    let packing = Packing::new();
    packing.write("a", b"a");
    packing.write("b", b"b");
    assert_eq!(packing.pack().len(), 2);
    // As if it had died before it was through, once in the middle of writing and once just before the end.
    fs::write(packing.packed("a.gz.aB3xYz.part"), "half").unwrap();
    fs::remove_file(packing.packed("a.gz.sha256")).unwrap();
    let missing = text(&packing.task("missing"));
    assert_eq!(missing, "not packed: a\n1 files are not packed\n");
    assert!(!packing.packed("a.gz.aB3xYz.part").exists());
    let said: Vec<String> = packing.pack().into_iter().map(|(said, _)| said).collect();
    assert!(said[0].starts_with("a: 1 bytes") && said[1] == "b is packed already\n", "{said:?}");
}

#[test]
fn what_cannot_be_packed_is_refused_by_name() {
    let nothing = Packing::new();
    assert_eq!(nothing.pack(), []);
    assert!(text(&nothing.task("report")).starts_with("files:  0\n"));
    let odd = Packing::new();
    odd.write("line\nbreak", b"");
    let refused = odd.task("list");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&refused.stderr), "cannot pack $'line\\nbreak': rename it\n");
}
