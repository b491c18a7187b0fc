//! # The house rules that run
//!
//! Who may import whom, what a decision may not mention, where the kernel and the store may be named, and how a file
//! begins. Read from the sources as text, comments left out. A new edge between rooms is one line here, with its reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// `room` may import these rooms. A room that is not listed here may not exist.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("config", &["base"]),
    ("metrics", &["base"]),
    ("schedule", &["base"]),
    ("store", &["base", "metrics"]),
    ("auth", &["base", "store"]),
    ("http", &["auth", "base", "metrics"]),
    // The files of children's output: written by the children themselves, read and bounded here for proc and dag.
    ("logs", &["base", "metrics"]),
    // The other process knows nothing of ours.
    ("keeper", &[]),
    // From what a task says to what the keeper executes: users, program, environment. For proc and dag alike.
    ("launch", &["auth", "base", "keeper"]),
    ("proc", &["auth", "base", "http", "keeper", "launch", "logs", "metrics", "schedule", "store"]),
    ("dag", &["auth", "base", "cache", "http", "keeper", "launch", "logs", "metrics", "proc", "schedule", "store"]),
    ("tracker", &["auth", "base", "http", "metrics", "schedule", "store"]),
    ("cache", &["auth", "base", "http", "metrics", "schedule", "store"]),
    ("hub", &["auth", "base", "cache", "dag", "http", "metrics", "proc", "schedule", "store"]),
    // Backup, check and compact are the store's; an upgrade is the keeper's; the rooms answer `why` behind a trait.
    ("admin", &["auth", "base", "http", "keeper", "metrics", "store"]),
    ("console", &["auth", "base", "cache", "dag", "http", "hub", "proc", "tracker"]),
    ("cli", &["base", "cache", "config", "dag", "hub", "proc", "tracker"]),
];

/// Rooms of the same inner shape.
const DOMAINS: &[&str] = &["proc", "dag", "tracker", "cache", "hub"];

/// Inside a domain room: what a file of this name may import of other rooms, and of its own siblings.
const FILES: &[(&str, &[&str], &[&str])] = &[
    ("model", &["base", "schedule"], &[]),
    ("machine", &["base", "schedule"], &["model"]),
    // What is stored and shown is said in the machine's words.
    ("records", &["base", "store"], &["machine", "model"]),
    ("wire", &["base", "schedule"], &["machine", "model"]),
    ("routes", &["auth", "base", "http"], &["engine", "machine", "model", "wire"]),
    (
        "engine",
        &["auth", "base", "cache", "dag", "keeper", "launch", "logs", "metrics", "proc", "schedule", "store"],
        // Events are published in the form in which clients see them.
        &["machine", "model", "records", "wire"],
    ),
];

/// The core's end of the keeper: the only parts of that room which others may name.
const KEEPERS_FACE: &[&str] = &["link", "model"];

/// A decision performs nothing: no clock, no kernel, no disk, no network, no waiting, no logging.
const BANNED_IN_MACHINES: &[&str] = &[
    "tokio::",
    "hyper::",
    "sled::",
    "nix::",
    "tracing::",
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
    "SystemTime",
    "::now()",
    "Now::read",
    ".await",
    "async fn",
    "println!",
    "eprintln!",
];

/// The two doors to the kernel.
const MAY_BE_UNSAFE: &[&str] = &["keeper/sys.rs", "auth/sockdiag.rs"];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "types", "misc"];

const LONGEST_FILE: usize = 800;

/// Everything that may lie at the top, besides dotfiles and what is ignored.
const TOP: &[&str] =
    &["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "examples", "packaging", "src", "systemd", "target", "tests"];

struct Source {
    /// Below `src/`, as `proc/machine.rs`.
    path: String,
    text: String,
    /// The text without comments.
    code: String,
}

impl Source {
    /// The folder below `src/`, or the name of a file that lies there itself.
    fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// `machine` for `proc/machine.rs` and for everything in `proc/machine/`; `None` at the top of `src/`.
    fn role(&self) -> Option<&str> {
        let second = self.path.split('/').nth(1)?;
        Some(second.strip_suffix(".rs").unwrap_or(second))
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }

    /// What follows `crate::` anywhere in the code, as far as `a::b`; groups in braces are opened one level.
    fn imports(&self) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = paths_after(&self.code, "crate::").into_iter().collect();
        let rooms = |path: &String| ROOMS.iter().any(|(room, _)| path.split("::").next() == Some(room));
        // The same by another spelling.
        found.extend(paths_after(&self.code, "super::super::").into_iter().filter(rooms));
        found.extend(paths_after(&self.code, "hostler::").into_iter().filter(rooms));
        if self.path.ends_with("/mod.rs") {
            found.extend(paths_after(&self.code, "super::").into_iter().filter(rooms));
        }
        found
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source file");
        let path = path.strip_prefix(&src).expect("below src").to_str().expect("a plain name").to_owned();
        Source { path, code: without_comments(&text), text }
    };
    let found: Vec<Source> = rust_files(&src).into_iter().map(read).collect();
    assert!(found.len() > 5, "the rules found hardly any source to look at");
    found
}

/// Cuts `//` comments; a `//` inside a text (an address) stays, since a quote comes before it on its line.
fn without_comments(text: &str) -> String {
    let code = |line: &str| match line.find("//") {
        Some(at) if !line[..at].contains('"') => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// Whether `text` ends in something that `next` could continue to one identifier.
fn continues(text: &str) -> bool {
    text.chars().next_back().is_some_and(|last| last.is_alphanumeric() || last == '_' || last == ':')
}

/// Every path that follows `prefix`: its first two segments; from `{a::b, c}` each of `a::b` and `c`.
fn paths_after(code: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if continues(&code[..at]) {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(group_members(group));
        } else {
            found.push(two_segments(rest));
        }
    }
    found
}

fn group_members(group: &str) -> Vec<String> {
    let mut members = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                members.push(two_segments(group[start..at].trim()));
                start = at + 1;
            }
            '}' => {
                members.push(two_segments(group[start..at].trim()));
                break;
            }
            _ => {}
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

fn two_segments(path: &str) -> String {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let first = name(path);
    match path[first.len()..].strip_prefix("::").map(name) {
        Some(second) if !second.is_empty() => format!("{first}::{second}"),
        _ => first,
    }
}

/// Collects every breach before failing, so that one run shows them all.
#[track_caller]
fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn rooms_import_only_whom_they_may_know() {
    let mut breaches = Vec::new();
    for source in sources() {
        let room = source.room().to_owned();
        if ["main", "lib", "daemon"].contains(&room.as_str()) {
            continue; // these know everybody; that nobody knows them follows from the table
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            breaches.push(format!("src/{} is in no room of the table", source.path));
            continue;
        };
        for import in source.imports() {
            let to = import.split("::").next().unwrap_or_default();
            // What needs a store to be made at all is tested with the store's twin in memory.
            let is_twin = source.is_test() && to == "store";
            if to != room && !allowed.contains(&to) && !is_twin {
                breaches.push(format!("src/{} imports crate::{import}; {room} may know {allowed:?}", source.path));
            }
        }
    }
    none(breaches);
}

#[test]
fn files_of_a_room_import_only_what_their_role_allows() {
    let mut breaches = Vec::new();
    for source in sources() {
        let Some(role) = source.role().filter(|_| DOMAINS.contains(&source.room()) && !source.is_test()) else {
            continue;
        };
        let Some((_, rooms, siblings)) = FILES.iter().find(|(name, ..)| *name == role) else { continue };
        for import in source.imports() {
            let (to, part) = import.split_once("::").unwrap_or((&import, ""));
            let own = to == source.room();
            let is_role = FILES.iter().any(|(name, ..)| *name == part);
            if own && is_role && part != role && !siblings.contains(&part) {
                breaches.push(format!("src/{} imports its sibling {part}; {role} may know {siblings:?}", source.path));
            }
            if !own && !rooms.contains(&to) {
                breaches.push(format!("src/{} imports crate::{import}; {role} may know {rooms:?}", source.path));
            }
        }
        for sibling in paths_after(&source.code, "super::") {
            let part = sibling.split("::").next().unwrap_or_default();
            if FILES.iter().any(|(name, ..)| *name == part) && part != role && !siblings.contains(&part) {
                breaches.push(format!("src/{} imports its sibling {part}; {role} may know {siblings:?}", source.path));
            }
        }
    }
    none(breaches);
}

#[test]
fn the_keeper_is_met_through_its_link() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !["keeper", "main", "daemon", "lib"].contains(&source.room())) {
        for import in source.imports() {
            if let Some(part) = import.strip_prefix("keeper::")
                && part.chars().next().is_some_and(char::is_lowercase)
                && !KEEPERS_FACE.contains(&part)
            {
                breaches.push(format!("src/{} imports crate::{import}", source.path));
            }
        }
    }
    none(breaches);
}

#[test]
fn the_keeper_itself_stays_small() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.room() == "keeper" && source.role() != Some("link")) {
        for banned in ["tokio::", "serde", "tracing::", "hyper::", "thread::spawn", "async fn", ".await"] {
            if source.code.contains(banned) && !source.is_test() {
                breaches.push(format!("src/{} mentions {banned}", source.path));
            }
        }
    }
    none(breaches);
}

#[test]
fn machines_only_decide() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.role() == Some("machine") && !source.is_test()) {
        for banned in BANNED_IN_MACHINES {
            if source.code.contains(banned) {
                breaches.push(format!("src/{} mentions {banned}", source.path));
            }
        }
        // The numbers of signals and errors (libc::SIGKILL) are words; what is in small letters is a call.
        let calls = |(at, found): (usize, &str)| source.code[at + found.len()..].starts_with(char::is_lowercase);
        if source.code.match_indices("libc::").any(calls) {
            breaches.push(format!("src/{} calls into libc", source.path));
        }
    }
    none(breaches);
}

#[test]
fn sled_is_named_in_the_store_alone() {
    let strangers = sources().into_iter().filter(|source| source.room() != "store");
    none(
        strangers
            .filter(|source| source.code.contains("sled::"))
            .map(|source| format!("src/{}", source.path))
            .collect(),
    );
}

#[test]
fn unsafe_stays_behind_its_two_doors() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !MAY_BE_UNSAFE.contains(&source.path.as_str())) {
        for word in
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait", "allow(unsafe_code)", "no_mangle"]
        {
            if source.code.contains(word) {
                breaches.push(format!("src/{}: {word}", source.path));
            }
        }
    }
    none(breaches);
}

#[test]
fn no_file_is_too_long_and_each_explains_itself() {
    let mut breaches = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE {
            breaches.push(format!("src/{} has {lines} lines; split it at {LONGEST_FILE}", source.path));
        }
    }
    let everywhere = ["src", "tests", "examples"].map(|folder| root().join(folder));
    for path in everywhere.iter().filter(|folder| folder.is_dir()).flat_map(|folder| rust_files(folder)) {
        let text = fs::read_to_string(&path).expect("a source file");
        if !text.starts_with("//!") {
            breaches.push(format!("{} does not begin with //!", path.display()));
        }
    }
    none(breaches);
}

#[test]
fn names_say_what_is_inside() {
    let hollow =
        |source: &Source| source.path.split('/').any(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs")));
    none(sources().iter().filter(|source| hollow(source)).map(|source| format!("src/{}", source.path)).collect());
}

#[test]
fn the_top_level_holds_what_it_should() {
    let entries = fs::read_dir(root()).expect("the project");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    none(names.filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str())).collect());
}

#[test]
fn imports_are_read_in_every_spelling() {
    let code = without_comments(
        "use crate::base::Now; // crate::hidden\nuse crate::{store, auth::{users, tokens}, http};\nlet x = crate::proc::engine::run();\nmycrate::no();",
    );
    let found = paths_after(&code, "crate::");
    assert_eq!(found, ["base::Now", "store", "auth", "http", "proc::engine"]);
}
