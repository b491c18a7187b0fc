//! The arguments of jobs, as they are echoed: every key of their type, whether it was given or not. Those that the
//! original does not know are shown where they were given.

use crate::cache::model::address::masked;
use crate::cache::model::{Args, FindArgs, GcArgs, GcKind, ImageArgs, Naming, PreheatArgs, PreheatKind, Scope};
use crate::cache::wire::pins;
use serde_json::{Value, json};
use std::time::Duration;

/// How many records the original forgets at once: echoed, and without effect here.
const BATCH: u32 = 5_000;

/// The arguments of a job.
pub fn of(args: &Args) -> Value {
    match args {
        Args::Preheat(args) => preheat(args),
        Args::GetTask(args) => find(args, json!({ "concurrent_peer_count": args.concurrent_peers })),
        Args::DeleteTask(args) if args.image => find(
            args,
            json!({
                "image": true,
                "headers": args.headers,
                "username": args.username,
                "password": args.password,
                "platform": args.platform,
            }),
        ),
        Args::DeleteTask(args) => find(args, json!({})),
        Args::Distribution(args) => distribution(args),
        Args::Gc(GcArgs { kind, ttl }) => {
            let kind = match kind {
                GcKind::Job => "job",
                GcKind::Audit => "audit",
            };
            json!({ "type": kind, "ttl": nanoseconds(*ttl), "batch_size": BATCH })
        }
    }
}

fn preheat(args: &PreheatArgs) -> Value {
    let kind = match args.kind {
        PreheatKind::File => "file",
        PreheatKind::Image => "image",
    };
    let scope = match args.scope {
        Scope::SingleSeedPeer => "single_seed_peer",
        Scope::AllSeedPeers => "all_seed_peers",
        Scope::AllPeers => "all_peers",
    };
    let own = [
        ("revalidate", args.revalidate.then_some(Value::Bool(true))),
        ("ttl", args.ttl.map(|ttl| json!(nanoseconds(ttl)))),
        ("pin", args.pin.as_ref().map(|pin| json!(pins::text(pin)))),
        ("digest", args.digest.as_ref().map(|digest| json!(digest.to_string()))),
    ];
    let echo = json!({
        "type": kind,
        "url": masked(&args.url),
        "urls": args.urls.as_ref().map(|urls| urls.iter().map(|url| masked(url)).collect::<Vec<_>>()),
        "headers": args.headers,
        "username": args.username,
        "password": args.password,
        "platform": args.platform_text,
        "scope": scope,
        "ips": args.ips,
        "count": args.count,
        "percentage": args.percentage,
        "concurrent_task_count": args.concurrent_tasks,
        "concurrent_peer_count": args.concurrent_peers,
        "timeout": nanoseconds(args.timeout),
        "object_storage": null,
        "hdfs": null,
    });
    let own = own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    joined(joined(echo, naming(&args.naming)), Value::Object(own.collect()))
}

fn find(args: &FindArgs, more: Value) -> Value {
    let echo = json!({
        "task_id": args.task_id,
        "url": masked(&args.url),
        "content_for_calculating_task_id": args.content,
        "timeout": nanoseconds(args.timeout),
    });
    joined(joined(echo, naming(&args.naming)), more)
}

fn distribution(args: &ImageArgs) -> Value {
    let echo = json!({
        "url": args.url,
        "headers": args.headers,
        "username": args.username,
        "password": args.password,
        "platform": args.platform_text,
        "concurrent_layer_count": args.concurrent_layers,
        "concurrent_peer_count": args.concurrent_peers,
        "timeout": nanoseconds(args.timeout),
    });
    joined(echo, naming(&args.naming))
}

fn naming(naming: &Naming) -> Value {
    json!({
        "piece_length": naming.piece_length,
        "tag": naming.tag,
        "application": naming.application,
        "filtered_query_params": naming.filter.text(),
    })
}

/// What was read was short enough.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Both objects as one.
fn joined(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            one.extend(other);
            Value::Object(one)
        }
        (one, _) => one,
    }
}
