//! Clusters, in and out. A cluster is what the original calls two: schedulers and seed peers, of one name and number.

use super::asked::{TEXT_MAX, WORD_MAX};
use super::fields::{Fault, Fields};
use super::moment;
use crate::cache::model::{BlockList, Cluster, ClusterChange, Limits, NewCluster, Scopes};
use serde_json::{Map, Value, json};

/// The most networks, or patterns of host names.
const ENTRIES_MAX: usize = 1_000;
/// The longest list of what is to be refused, as JSON, in bytes.
const BLOCKS_MAX: usize = 64 << 10;
/// The kinds of tasks that a list of what is to be refused may name.
const KINDS: [&str; 3] = ["task", "persistent_task", "persistent_cache_task"];

/// The objects that hold limits.
const SCHEDULERS: &str = "scheduler_cluster_config";
const SEEDS: &str = "seed_peer_cluster_config";
const PEERS: &str = "peer_cluster_config";

/// Reads `POST …/clusters`.
///
/// # Errors
/// See [`Fault`].
pub fn new(body: &[u8]) -> Result<NewCluster, Fault> {
    let fields = Fields::read(body)?;
    let change = changed(&fields)?;
    for name in [SCHEDULERS, SEEDS, PEERS] {
        if !fields.has(name) {
            return Err(fields.breach(name, "required"));
        }
    }
    Ok(NewCluster {
        name: change.name.ok_or_else(|| fields.breach("name", "required"))?,
        bio: change.bio.unwrap_or_default(),
        limits: change.limits,
        scopes: change.scopes.unwrap_or_default(),
        is_default: change.is_default.unwrap_or(false),
    })
}

/// Reads `PATCH …/clusters/{id}`: what is not given stays. An empty name or bio is none.
///
/// # Errors
/// See [`Fault`].
pub fn change(body: &[u8]) -> Result<ClusterChange, Fault> {
    changed(&Fields::read(body)?)
}

fn changed(fields: &Fields) -> Result<ClusterChange, Fault> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(ClusterChange {
        name: given(fields.text("name", WORD_MAX)?),
        bio: given(fields.text("bio", TEXT_MAX)?),
        limits: limits(fields)?,
        scopes: fields.fields("scopes")?.map(|scopes| read_scopes(&scopes)).transpose()?,
        is_default: fields.flag("is_default")?,
    })
}

fn limits(fields: &Fields) -> Result<Limits, Fault> {
    let of = |name| fields.fields(name).map(Option::unwrap_or_default);
    let (schedulers, seeds, peers) = (of(SCHEDULERS)?, of(SEEDS)?, of(PEERS)?);
    Ok(Limits {
        candidate_parents: limit(&schedulers, "candidate_parent_limit", 1, 20)?,
        filter_parents: limit(&schedulers, "filter_parent_limit", 10, 1_000)?,
        job_rate: limit(&schedulers, "job_rate_limit", 1, 1_000_000)?,
        seed_load: limit(&seeds, "load_limit", 1, 50_000)?,
        peer_load: limit(&peers, "load_limit", 1, 2_000)?,
        seed_blocks: blocks(&seeds)?,
        peer_blocks: blocks(&peers)?,
    })
}

/// 0 is not set.
fn limit(fields: &Fields, name: &str, least: u64, most: u64) -> Result<Option<u32>, Fault> {
    if fields.number(name)? == Some(0) {
        return Ok(None);
    }
    Ok(fields.bounded(name, least, most)?.and_then(|limit| u32::try_from(limit).ok()))
}

fn blocks(fields: &Fields) -> Result<Option<BlockList>, Fault> {
    let name = "block_list";
    let Some(value) = fields.json(name)? else { return Ok(None) };
    let Value::Object(object) = value else { return Err(fields.breach(name, "expected an object")) };
    let fits = |(kind, leaf): (&String, &Value)| KINDS.contains(&kind.as_str()) && (leaf.is_object() || leaf.is_null());
    if !object.iter().all(fits) {
        return Err(fields.breach(name, format_args!("expected objects under {}", KINDS.join(", "))));
    }
    if Value::Object(object.clone()).to_string().len() > BLOCKS_MAX {
        return Err(fields.breach(name, format_args!("expected at most {BLOCKS_MAX} bytes")));
    }
    Ok(Some(object.into_iter().collect()))
}

fn read_scopes(fields: &Fields) -> Result<Scopes, Fault> {
    Ok(Scopes {
        idc: fields.text("idc", WORD_MAX)?.filter(|idc| !idc.is_empty()),
        location: fields.text("location", WORD_MAX)?.filter(|location| !location.is_empty()),
        cidrs: fields.texts("cidrs", ENTRIES_MAX, WORD_MAX)?,
        hostnames: fields.texts("hostnames", ENTRIES_MAX, WORD_MAX)?,
    })
}

/// A cluster as its own routes show it.
pub fn cluster(cluster: &Cluster) -> Value {
    json!({
        "id": cluster.id.0,
        "name": cluster.name,
        "bio": cluster.bio,
        "scopes": scopes(&cluster.scopes),
        "scheduler_cluster_id": cluster.id.0,
        "seed_peer_cluster_id": cluster.id.0,
        SCHEDULERS: schedulers(&cluster.limits),
        SEEDS: load(cluster.limits.seed_load, cluster.limits.seed_blocks.as_ref()),
        PEERS: load(cluster.limits.peer_load, cluster.limits.peer_blocks.as_ref()),
        "created_at": moment(cluster.created),
        "updated_at": moment(cluster.updated),
        "is_default": cluster.is_default,
    })
}

/// A cluster as jobs show it.
pub fn row(cluster: &Cluster) -> Value {
    json!({
        "id": cluster.id.0,
        "created_at": moment(cluster.created),
        "updated_at": moment(cluster.updated),
        "is_del": 0,
        "name": cluster.name,
        "bio": cluster.bio,
        "config": schedulers(&cluster.limits),
        "client_config": load(cluster.limits.peer_load, cluster.limits.peer_blocks.as_ref()),
        "seed_client_config": load(cluster.limits.seed_load, cluster.limits.seed_blocks.as_ref()),
        "scopes": scopes(&cluster.scopes),
        "is_default": cluster.is_default,
        "seed_peer_clusters": null,
        "schedulers": null,
        "peers": null,
        "jobs": null,
    })
}

fn schedulers(limits: &Limits) -> Value {
    json!({
        "candidate_parent_limit": limits.candidate_parents.unwrap_or(0),
        "filter_parent_limit": limits.filter_parents.unwrap_or(0),
        "job_rate_limit": limits.job_rate.unwrap_or(0),
    })
}

fn load(limit: Option<u32>, blocks: Option<&BlockList>) -> Value {
    json!({ "load_limit": limit.unwrap_or(0), "block_list": blocks })
}

/// Only what is set.
fn scopes(scopes: &Scopes) -> Value {
    let entries = [
        ("idc", scopes.idc.as_ref().map(|idc| json!(idc))),
        ("location", scopes.location.as_ref().map(|location| json!(location))),
        ("cidrs", scopes.cidrs.as_ref().map(|cidrs| json!(cidrs))),
        ("hostnames", scopes.hostnames.as_ref().map(|hostnames| json!(hostnames))),
    ];
    let set = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(set.collect::<Map<_, _>>())
}
