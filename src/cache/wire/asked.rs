//! What jobs are asked for: `POST …/jobs` and `PATCH …/jobs/{id}`.
//!
//! What cannot be read, or breaks a rule of its own, is a [`Fault::Binding`]; what can be read and names nothing that
//! there is (no address at all, an image's address that is none) is a [`Fault::Meaning`]. All of the former are found first.

mod find;
mod preheat;
mod tasks;

pub use tasks::{Fetch, fetch, identity};

use super::fields::{Fault, Fields};
use super::secrets::Secrets;
use crate::cache::model::piece::{LONGEST, SHORTEST};
use crate::cache::model::{Args, ClusterId, Filter, Naming};
use std::time::Duration;

/// The longest address, in bytes: room for the longest signatures.
pub const URL_MAX: usize = 16 << 10;
/// The longest tag, application, platform or id, in bytes.
pub const WORD_MAX: usize = 1 << 10;
/// The longest list of query parameters, text that names a content, or text for people, in bytes.
pub const TEXT_MAX: usize = 8 << 10;
/// The most addresses in one job.
pub const URLS_MAX: usize = 10_000;
/// The most clusters that a job names.
const CLUSTERS_MAX: usize = 1_000;
/// How long a job may take that does not say: the original's default.
const TIMEOUT: Duration = Duration::from_secs(3600);
/// Hosts at once, where a job does not say: the original's default, and its limit.
const PEERS: (u32, u32) = (1_000, 500);
/// Addresses or layers at once: the original's limit and its default.
const TASKS: (u32, u32) = (100, 8);

/// What a reader has to know besides the body.
pub struct Asker<'a> {
    /// Whether the registry of this host (with its port) speaks plain HTTP.
    pub plain: &'a (dyn Fn(&str) -> bool + Sync),
    /// Who asks, for `"pin": true`.
    pub name: &'a str,
    /// How old a job has to be for a gc job to forget it, where that does not say.
    pub keep_jobs_for: Duration,
    /// The same for lines of the audit log.
    pub keep_audit_for: Duration,
}

/// A job to be.
#[derive(Debug)]
pub struct Asked {
    /// What is to be done.
    pub what: What,
    /// Free text.
    pub bio: String,
    /// For whom; 0 is nobody.
    pub user: u32,
    /// To which clusters it goes, each once; empty: all.
    pub clusters: Vec<ClusterId>,
}

/// What is to be done.
#[derive(Debug)]
pub enum What {
    /// A job of this host.
    Job(Box<Args>, Secrets),
    /// Nothing, on one host: answered at once.
    SyncPeers,
}

/// Reads a job.
///
/// # Errors
/// See [`Fault`].
pub fn job(body: &[u8], asker: &Asker<'_>) -> Result<Asked, Fault> {
    let fields = Fields::read(body)?;
    let kind = fields.text("type", WORD_MAX)?.filter(|kind| !kind.is_empty());
    let kind = kind.ok_or_else(|| fields.breach("type", "required"))?;
    let bio = fields.text("bio", TEXT_MAX)?.unwrap_or_default();
    let user = user(&fields)?.unwrap_or(0);
    let clusters = clusters(&fields)?;
    fields.numbers("seed_peer_cluster_ids", CLUSTERS_MAX)?;
    let args = fields.fields("args")?;
    let args = || args.as_ref().ok_or_else(|| fields.breach("args", "required"));
    let what = match kind.as_str() {
        "preheat" => preheat::read(args()?, asker)?,
        "get_task" => find::get(args()?)?,
        "delete_task" => find::delete(args()?, asker)?,
        "get_image_distribution" => find::distribution(args()?, asker)?,
        "gc" => find::gc(args()?, asker)?,
        "sync_peers" => What::SyncPeers,
        // Spelled so by the original.
        _ => return Err(Fault::Binding("Unknow type".to_owned())),
    };
    Ok(Asked { what, bio, user, clusters })
}

/// What is to be changed of a job; what is none stays.
#[derive(Debug, PartialEq, Eq)]
pub struct JobChange {
    /// Free text.
    pub bio: Option<String>,
    /// For whom.
    pub user: Option<u32>,
}

/// Reads `PATCH …/jobs/{id}`: an empty text and 0 leave what there is.
///
/// # Errors
/// See [`Fault`].
pub fn change(body: &[u8]) -> Result<JobChange, Fault> {
    let fields = Fields::read(body)?;
    let bio = fields.text("bio", TEXT_MAX)?.filter(|bio| !bio.is_empty());
    Ok(JobChange { bio, user: user(&fields)?.filter(|user| *user > 0) })
}

/// `user_id`. One beyond all accounts is nobody's.
fn user(fields: &Fields) -> Result<Option<u32>, Fault> {
    Ok(fields.number("user_id")?.map(|user| u32::try_from(user).unwrap_or(0)))
}

/// `scheduler_cluster_ids`, each once. One beyond all that can be is as unknown as the last that can.
fn clusters(fields: &Fields) -> Result<Vec<ClusterId>, Fault> {
    let mut clusters = Vec::new();
    for number in fields.numbers("scheduler_cluster_ids", CLUSTERS_MAX)? {
        let cluster = ClusterId(u32::try_from(number).unwrap_or(u32::MAX));
        if !clusters.contains(&cluster) {
            clusters.push(cluster);
        }
    }
    Ok(clusters)
}

/// What names a content by its address. Older guides write two of the names in another way.
fn naming(fields: &Fields) -> Result<Naming, Fault> {
    let piece_length = fields.either("piece_length", "piecelength");
    let filter = fields.either("filtered_query_params", "filteredqueryparams");
    Ok(Naming {
        piece_length: fields.bounded(piece_length, SHORTEST, LONGEST)?,
        tag: fields.text("tag", WORD_MAX)?.unwrap_or_default(),
        application: fields.text("application", WORD_MAX)?.unwrap_or_default(),
        filter: Filter::new(&fields.text(filter, TEXT_MAX)?.unwrap_or_default()),
    })
}

fn url(fields: &Fields) -> Result<String, Fault> {
    Ok(fields.text("url", URL_MAX)?.unwrap_or_default())
}

fn timeout(fields: &Fields) -> Result<Duration, Fault> {
    Ok(fields.duration("timeout")?.unwrap_or(TIMEOUT))
}

fn peers(fields: &Fields) -> Result<u32, Fault> {
    fields.bounded_or("concurrent_peer_count", PEERS.0, PEERS.1)
}

fn meaning(why: impl std::fmt::Display) -> Fault {
    Fault::Meaning(why.to_string())
}
