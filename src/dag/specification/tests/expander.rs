//! An expander as slow and obvious as can be, against which the real one is held.

use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A parameter: one value, or a list of at least one.
type Given = BTreeMap<String, Result<String, Vec<String>>>;

#[derive(Debug, Clone)]
struct Task {
    words: Vec<String>,
    env: Vec<String>,
    note: String,
    own: Given,
    parents: BTreeSet<usize>,
    children: BTreeSet<usize>,
}

/// Everything that holds for one instance: each parameter that matters has one value.
fn assignments(task: &Task, parameters: &Given) -> Vec<BTreeMap<String, String>> {
    let all: Given = parameters.iter().chain(&task.own).map(|(name, value)| (name.clone(), value.clone())).collect();
    let text = [task.words.join("\n"), task.env.join("\n"), task.note.clone()].join("\n");
    let mut found = vec![BTreeMap::new()];
    for (name, value) in &all {
        found = match value {
            Ok(one) => found.into_iter().map(|with| put(with, name, one)).collect(),
            Err(list) if text.contains(&format!("{{{{{name}}}}}")) => {
                found.iter().flat_map(|with| list.iter().map(|value| put(with.clone(), name, value))).collect()
            }
            Err(_) => found,
        };
    }
    found
}

fn put(mut with: BTreeMap<String, String>, name: &str, value: &str) -> BTreeMap<String, String> {
    with.insert(name.to_owned(), value.to_owned());
    with
}

/// Looks for a token at every place, from the left.
fn replaced(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut left = text;
    let mut done = String::new();
    'next: while let Some(letter) = left.chars().next() {
        for (name, value) in values {
            if let Some(rest) = left.strip_prefix(&format!("{{{{{name}}}}}")) {
                done += value;
                left = rest;
                continue 'next;
            }
        }
        done.push(letter);
        left = &left[letter.len_utf8()..];
    }
    done
}

/// Names and jobs of all instances, in order.
fn expanded(tasks: &BTreeMap<String, Task>, parameters: &Given) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, task) in tasks {
        for (index, values) in assignments(task, parameters).iter().enumerate() {
            let fill = |texts: &[String]| texts.iter().map(|text| replaced(text, values)).collect::<Vec<_>>();
            let job = json!({"command": fill(&task.words), "environment": fill(&task.env),
                "note": {"{{A}}": [replaced(&task.note, values)]}});
            found.push((format!("{name}_{index}"), job));
        }
    }
    found
}

/// Which instance waits for which, one pair at a time.
fn waits(tasks: &BTreeMap<String, Task>, parameters: &Given) -> BTreeSet<(String, String)> {
    let names: Vec<&String> = tasks.keys().collect();
    let instances = |name: &String| {
        let count = assignments(&tasks[name], parameters).len();
        (0..count).map(|index| format!("{name}_{index}")).collect::<Vec<_>>()
    };
    let mut found = BTreeSet::new();
    for (place, (name, task)) in tasks.iter().enumerate() {
        for (parent, child) in (0..names.len()).flat_map(|other| [(other, place), (place, other)]) {
            let said = if child == place { task.parents.contains(&parent) } else { task.children.contains(&child) };
            if said && parent != child {
                let (parents, children) = (instances(names[parent]), instances(names[child]));
                found.extend(
                    parents.iter().flat_map(|one| children.iter().map(move |other| (one.clone(), other.clone()))),
                );
            }
        }
        assert!(tasks.contains_key(name));
    }
    found
}

fn as_json(tasks: &BTreeMap<String, Task>, parameters: &Given) -> Value {
    let given = |values: &Given| -> Value {
        let value = |value: &Result<String, Vec<String>>| match value {
            Ok(one) => json!(one),
            Err(list) => json!(list),
        };
        values.iter().map(|(name, given)| (name.clone(), value(given))).collect::<Map<_, _>>().into()
    };
    let names: Vec<&String> = tasks.keys().collect();
    let named = |places: &BTreeSet<usize>| places.iter().map(|place| names[*place].clone()).collect::<Vec<_>>();
    let task = |task: &Task| {
        json!({"job": {"command": task.words, "environment": task.env, "note": {"{{A}}": [task.note]}},
            "parameters": given(&task.own), "parents": named(&task.parents), "children": named(&task.children)})
    };
    let all: Map<String, Value> = tasks.iter().map(|(name, one)| (name.clone(), task(one))).collect();
    with_values(given(parameters), Value::Object(all))
}

/// Text with tokens of known and unknown parameters, and stray braces.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[A-D]".prop_map(|name| format!("{{{{{name}}}}}")),
        2 => "[a-z é]{0,3}",
        1 => "[{}AB]{1,4}",
    ];
    vec(part, 0..4).prop_map(|parts| parts.concat())
}

fn parameters(most: usize) -> impl Strategy<Value = Given> {
    let value = prop_oneof![text().prop_map(Ok), vec(text(), 1..4).prop_map(Err)];
    btree_map("[A-C]", value, 0..=most)
}

fn task() -> impl Strategy<Value = Task> {
    let words = (Just("p".to_owned()), vec(text(), 0..3)).prop_map(|(program, rest)| [vec![program], rest].concat());
    let env = vec(text().prop_map(|value| format!("V={value}")), 0..2);
    (words, env, text(), parameters(2)).prop_map(|(words, env, note, own)| Task {
        words,
        env,
        note,
        own,
        parents: BTreeSet::new(),
        children: BTreeSet::new(),
    })
}

/// Tasks whose edges lead from earlier to later ones, said on either end or both.
fn tasks() -> impl Strategy<Value = BTreeMap<String, Task>> {
    let edges = vec((0..4_usize, 0..4_usize, 0..3_u8), 0..6);
    (btree_map("[a-z_{}]{1,3}", task(), 1..5), edges).prop_map(|(mut tasks, edges)| {
        let count = tasks.len();
        for (one, other, end) in edges {
            let (parent, child) = (one.min(other) % count, one.max(other) % count);
            let (parent, child) = (parent.min(child), parent.max(child));
            for (place, task) in tasks.values_mut().enumerate().filter(|_| parent != child) {
                if place == parent && end != 0 {
                    task.children.insert(child);
                }
                if place == child && end != 1 {
                    task.parents.insert(parent);
                }
            }
        }
        tasks
    })
}

proptest! {
    #[test]
    fn both_expand_alike(tasks in tasks(), parameters in parameters(3)) {
        let limits = Limits { max_tasks: 100_000, ..LIMITS };
        let run = parse(as_json(&tasks, &parameters).to_string().as_bytes(), &limits).map_err(|why| TestCaseError::fail(why.0))?;
        let mut found = Vec::new();
        for group in &run.templates {
            for index in 0..group.count {
                let job = group.job(index).map_err(|why| TestCaseError::fail(why.0))?;
                prop_assert_eq!(group.needs(index), job.needs);
                found.push((group.instance(index), Value::Object(job.shown)));
            }
            prop_assert!(group.job(group.count).is_err());
        }
        prop_assert_eq!(found, expanded(&tasks, &parameters));
        let instances = |place: u32| {
            let group = &run.templates[place as usize];
            (0..group.count).map(|index| group.instance(index)).collect::<Vec<_>>()
        };
        let pairs = run.edges.iter().flat_map(|(parent, child)| {
            let children = instances(*child);
            instances(*parent).into_iter().flat_map(move |one| children.clone().into_iter().map(move |other| (one.clone(), other)))
        });
        prop_assert_eq!(pairs.collect::<BTreeSet<_>>(), waits(&tasks, &parameters));
    }

    #[test]
    fn arbitrary_bytes_are_answered(text in vec(any::<u8>(), 0..200)) {
        let _ = parse(&text, &LIMITS);
        let _ = with_parameters(&text, &Map::from_iter([("P".to_owned(), json!("x"))]));
    }

    #[test]
    fn what_is_accepted_can_be_expanded(specification in specification()) {
        if let Ok(run) = read(&specification) {
            for group in &run.templates {
                for index in [0, group.count - 1] {
                    let job = group.job(index).map_err(|why| TestCaseError::fail(why.0))?;
                    prop_assert_eq!(group.needs(index), job.needs);
                    prop_assert_eq!(Job::read(job.shown.clone()), Ok(job));
                }
            }
        }
    }
}

/// JSON that has the right keys and, often, the right types.
fn specification() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..9).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        "[0-9A=]{0,2}".prop_map(Value::from),
    ];
    let any_value = scalar.clone().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![vec(inner.clone(), 0..3).prop_map(Value::from), btree_map(text(), inner, 0..3).prop_map(object)]
    });
    let texts = vec(text(), 0..3).prop_map(|texts| json!(texts)).boxed();
    let job = keyed(
        &["command", "environment", "cores", "memoryMB", "timeout", "workDir", "note"],
        prop_oneof![3 => texts.clone(), 3 => scalar, 1 => any_value.clone()].boxed(),
    );
    let job = (job, any::<bool>()).prop_map(|(mut job, good)| {
        if good {
            job["command"] = json!(["p"]);
        }
        job
    });
    let attribute = keyed(
        &[
            "maxRetries",
            "retryIntervalSeconds",
            "retryBackoff",
            "isGenerator",
            "trigger",
            "priority",
            "parameters",
            "parents",
        ],
        prop_oneof![texts, any_value.clone(), Just(json!(2)), Just(json!({"A": ["1", "2"]}))].boxed(),
    );
    let task = (job.clone(), attribute, any::<bool>()).prop_map(|(job, mut task, plain)| {
        if plain {
            task = json!({});
        }
        task["job"] = job;
        task
    });
    let given = parameters(3).prop_map(|given| {
        object(
            given
                .into_iter()
                .map(|(name, value)| (name, value.map_or_else(|list| json!(list), |one| json!(one))))
                .collect(),
        )
    });
    (given, btree_map("[a-c]", task, 0..3).prop_map(object), job, any_value, 0..12_u8).prop_map(
        |(parameters, tasks, defaults, stray, place)| {
            let mut all = json!({"tag": "t", "parameters": parameters, "tasks": tasks});
            match place {
                0 => all["parameters"] = stray,
                1 => all["tasks"] = stray,
                2 => all["jobDefaults"] = defaults,
                3 => all["taskDefaults"] = json!({"job": defaults}),
                4 => all["executor"] = stray,
                _ => {}
            }
            all
        },
    )
}

fn object(members: BTreeMap<String, Value>) -> Value {
    members.into_iter().collect::<Map<_, _>>().into()
}

/// An object with some of these keys.
fn keyed(keys: &'static [&'static str], value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    btree_map(proptest::sample::select(keys).prop_map(str::to_owned), value, 0..4).prop_map(object).boxed()
}
