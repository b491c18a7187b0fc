//! What must hold for any bytes: reading them as a specification and as a generator's output ends in an answer, and
//! what is accepted can be expanded, read again, and comes out the same.

use hostler::dag::model::graph::Graph;
use hostler::dag::model::{Blueprint, Capacity, Job, Template};
use hostler::dag::specification::{Limits, generated, parse, with_parameters};
use std::sync::{Arc, LazyLock};

/// What a client's specification is held against.
const LIMITS: Limits =
    Limits { capacity: Some(Capacity { cores: 8, memory_mb: 8192, running: 16 }), max_tasks: 100_000 };

/// What a stored one is.
const STORED: Limits = Limits { capacity: None, max_tasks: u32::MAX };

/// A run whose generator prints the bytes.
static RUN: LazyLock<Blueprint> = LazyLock::new(|| {
    let text = br#"{"tag": "t", "parameters": {"P": ["u", "v"]}, "tasks": {
        "g": {"job": {"command": ["x"]}, "isGenerator": true, "children": ["z"]}, "z": {"job": {"command": ["x"]}}}}"#;
    parse(text, &LIMITS).expect("a good specification")
});

/// Does everything with these bytes that a client or a generator can have done with them. Panics if it is wrong.
pub fn feed(data: &[u8]) {
    if let Ok(run) = parse(data, &LIMITS) {
        check(&run.templates);
        assert_eq!(parse(data, &STORED).as_ref(), Ok(&run), "it is not read again as it was");
        if let Some(name) = run.parameters.keys().next() {
            let given = serde_json::Map::from_iter([(name.clone(), "x".into())]);
            let text = with_parameters(data, &given).expect("a parameter that it has");
            // The value may not fit, but if it does, the parameter multiplies nothing any more.
            if let Ok(other) = parse(text.as_bytes(), &LIMITS) {
                assert!(other.templates.len() == run.templates.len());
            }
        }
    }
    if let Ok(addition) = generated(data, &RUN, &LIMITS) {
        check(&addition.templates);
        let brought = Graph::new(&RUN.templates, &RUN.edges).attach(0, &addition.templates, &|_| false);
        let groups = RUN.templates.len() + addition.templates.len();
        for (parent, child) in brought.unwrap_or_default() {
            assert!((parent as usize) < groups && (child as usize) < groups && parent != child);
        }
    }
}

/// The first and the last instance of every group make sense.
fn check(templates: &[Arc<Template>]) {
    for template in templates {
        for index in [0, template.count - 1] {
            let job = template.job(index).expect("an instance that was checked");
            assert_eq!(template.needs(index), job.needs);
            assert_eq!(Job::read(job.shown.clone()), Ok(job), "it is not read as it is shown");
        }
        assert!(template.job(template.count).is_err());
    }
}
