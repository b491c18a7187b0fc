//! Clusters: this host is the only peer of the first; others are stored, and nobody works for them.

use crate::base::Wall;
use std::collections::BTreeMap;

/// The number of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u32);

impl ClusterId {
    /// This host's own.
    pub const LOCAL: ClusterId = ClusterId(1);
}

/// A cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Its number.
    pub id: ClusterId,
    /// Unique.
    pub name: String,
    /// Free text.
    pub bio: String,
    /// See [`Limits`].
    pub limits: Limits,
    /// For whom it is meant.
    pub scopes: Scopes,
    /// The one that others are taken for.
    pub is_default: bool,
    /// When it was made.
    pub created: Wall,
    /// When it was last changed.
    pub updated: Wall,
}

/// What clients set of a cluster, and read back. Only the job rate has an effect on one host. None: not set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// `scheduler_cluster_config.candidate_parent_limit`, 1 to 20.
    pub candidate_parents: Option<u32>,
    /// `scheduler_cluster_config.filter_parent_limit`, 10 to 1000.
    pub filter_parents: Option<u32>,
    /// `scheduler_cluster_config.job_rate_limit`: jobs a second, 1 to 1,000,000.
    pub job_rate: Option<u32>,
    /// `seed_peer_cluster_config.load_limit`, 1 to 50,000.
    pub seed_load: Option<u32>,
    /// `peer_cluster_config.load_limit`, 1 to 2,000.
    pub peer_load: Option<u32>,
    /// `seed_peer_cluster_config.block_list`.
    pub seed_blocks: Option<BlockList>,
    /// `peer_cluster_config.block_list`.
    pub peer_blocks: Option<BlockList>,
}

/// What a cluster's peers are to refuse, as clients wrote it: kind of task → `download` or `upload` → list.
pub type BlockList = BTreeMap<String, serde_json::Value>;

/// For whom a cluster is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// Data centre.
    pub idc: Option<String>,
    /// `a|b|c`.
    pub location: Option<String>,
    /// Networks.
    pub cidrs: Option<Vec<String>>,
    /// Patterns of host names.
    pub hostnames: Option<Vec<String>>,
}

/// A cluster to be made, valid in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCluster {
    /// See [`Cluster::name`].
    pub name: String,
    /// See [`Cluster::bio`].
    pub bio: String,
    /// See [`Cluster::limits`].
    pub limits: Limits,
    /// See [`Cluster::scopes`].
    pub scopes: Scopes,
    /// See [`Cluster::is_default`].
    pub is_default: bool,
}

/// What is to be changed; what is none stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterChange {
    /// See [`Cluster::name`].
    pub name: Option<String>,
    /// See [`Cluster::bio`].
    pub bio: Option<String>,
    /// Those of its fields that are set are changed.
    pub limits: Limits,
    /// See [`Cluster::scopes`].
    pub scopes: Option<Scopes>,
    /// See [`Cluster::is_default`].
    pub is_default: Option<bool>,
}
