//! Whatever is sent, reading it ends in a job or in a refusal, and what is taken keeps to the rules and can be shown.

use super::{ask, told};
use crate::cache::model::Args;
use crate::cache::model::secret::is_secret_header;
use crate::cache::wire::asked::{self, What};
use crate::cache::wire::{clusters, jobs, secrets};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Values of all kinds, and some that mean something to one field or another.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_u64..300).prop_map(Value::from),
        (4_194_300_u64..67_108_870).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "http://a/b",
            "oci://r/a:v1",
            "https://r/v2/a/manifests/v1",
            "file",
            "image",
            "job",
            "1h",
            "linux/amd64",
            "all",
            "all_peers",
            "dag:1",
            "sha256:00",
            "abcdef0123456789",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[A-Za-z_-]{1,8}", inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

const ENVELOPE: [&str; 6] = ["bio", "user_id", "scheduler_cluster_ids", "seed_peer_cluster_ids", "args", "other"];
const TYPES: [&str; 7] = ["preheat", "get_task", "delete_task", "get_image_distribution", "sync_peers", "gc", "nope"];
const ARGS: [&str; 30] = [
    "type",
    "url",
    "URL",
    "urls",
    "tag",
    "application",
    "filtered_query_params",
    "filteredQueryParams",
    "piece_length",
    "pieceLength",
    "headers",
    "username",
    "password",
    "platform",
    "scope",
    "ips",
    "count",
    "percentage",
    "concurrent_task_count",
    "concurrent_peer_count",
    "concurrent_layer_count",
    "timeout",
    "object_storage",
    "hdfs",
    "task_id",
    "taskID",
    "content_for_calculating_task_id",
    "revalidate",
    "pin",
    "digest",
];

fn fields(names: &'static [&'static str]) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let field = (prop::sample::select(names.to_vec()).prop_map(str::to_owned), value());
    prop::collection::vec(field, 0..7).prop_map(|fields| fields.into_iter().collect())
}

fn body() -> impl Strategy<Value = Value> {
    let envelope = (prop::sample::select(TYPES.to_vec()), fields(&ENVELOPE), fields(&ARGS), any::<bool>());
    envelope.prop_map(|(kind, mut envelope, mut args, fits)| {
        if fits {
            args.insert("url".to_owned(), json!("https://r/v2/a/manifests/v1"));
        }
        envelope.insert("type".to_owned(), json!(kind));
        envelope.insert("args".to_owned(), Value::Object(args));
        Value::Object(envelope)
    })
}

fn look_at(body: &[u8]) {
    match ask(body) {
        Err(fault) => assert!(told(&fault).len() > "message: ".len()),
        Ok(asked) => {
            if let What::Job(args, secrets) = asked.what {
                let echo = jobs::echo(&args);
                assert!(echo.is_object());
                if let Args::Preheat(args) = &*args {
                    assert!(!args.url.is_empty() || args.urls.as_ref().is_some_and(|urls| !urls.is_empty()));
                    assert!((1..=100).contains(&args.concurrent_tasks) && !args.timeout.is_zero());
                    assert!(args.password.is_empty() || args.password == secrets::MASK);
                    let shown = args.headers.iter().flatten().filter(|(name, _)| is_secret_header(name));
                    assert!(shown.into_iter().all(|(_, value)| value.is_empty() || value == secrets::MASK));
                    assert!(secrets.any || args.password.is_empty());
                }
            }
        }
    }
    drop(asked::change(body));
    drop(asked::fetch(body, "alice").map(|fetch| assert!(!fetch.identity.url.is_empty())));
    drop(asked::identity(body).map(|identity| identity.ids()));
    drop(clusters::change(body));
    drop(clusters::new(body).map(|new| assert!(!new.name.is_empty())));
}

proptest! {
    #[test]
    fn any_job_is_read_or_refused(body in body()) {
        look_at(body.to_string().as_bytes());
    }

    #[test]
    fn any_json_is_read_or_refused(body in value()) {
        look_at(body.to_string().as_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..64)) {
        look_at(&body);
    }

    #[test]
    fn what_follows_the_first_value_does_not_count(body in body(), rest in ".{0,20}") {
        let body = body.to_string();
        let both = [ask(&body), ask(format!("{body}{rest}"))].map(|asked| asked.map(|asked| format!("{asked:?}")));
        prop_assert_eq!(&both[0], &both[1]);
    }
}
