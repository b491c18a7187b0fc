//! Clusters.

use crate::base::Nanos;
use crate::cache::model::{self, BlockList, ClusterId, Limits};
use serde::{Deserialize, Serialize};

/// See [`model::Cluster`].
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Cluster {
    name: String,
    bio: String,
    default: bool,
    created: Nanos,
    updated: Nanos,
    candidate_parents: Option<u32>,
    filter_parents: Option<u32>,
    job_rate: Option<u32>,
    seed_load: Option<u32>,
    peer_load: Option<u32>,
    seed_blocks: Option<BlockList>,
    peer_blocks: Option<BlockList>,
    idc: Option<String>,
    location: Option<String>,
    cidrs: Option<Vec<String>>,
    hostnames: Option<Vec<String>>,
}

impl From<&model::Cluster> for Cluster {
    fn from(cluster: &model::Cluster) -> Cluster {
        let model::Cluster { id: _, name, bio, limits, scopes, is_default, created, updated } = cluster.clone();
        Cluster {
            name,
            bio,
            default: is_default,
            created: Nanos(created),
            updated: Nanos(updated),
            candidate_parents: limits.candidate_parents,
            filter_parents: limits.filter_parents,
            job_rate: limits.job_rate,
            seed_load: limits.seed_load,
            peer_load: limits.peer_load,
            seed_blocks: limits.seed_blocks,
            peer_blocks: limits.peer_blocks,
            idc: scopes.idc,
            location: scopes.location,
            cidrs: scopes.cidrs,
            hostnames: scopes.hostnames,
        }
    }
}

impl Cluster {
    pub(in super::super) fn into_model(self, id: u32) -> model::Cluster {
        model::Cluster {
            id: ClusterId(id),
            name: self.name,
            bio: self.bio,
            limits: Limits {
                candidate_parents: self.candidate_parents,
                filter_parents: self.filter_parents,
                job_rate: self.job_rate,
                seed_load: self.seed_load,
                peer_load: self.peer_load,
                seed_blocks: self.seed_blocks,
                peer_blocks: self.peer_blocks,
            },
            scopes: model::Scopes {
                idc: self.idc,
                location: self.location,
                cidrs: self.cidrs,
                hostnames: self.hostnames,
            },
            is_default: self.default,
            created: self.created.0,
            updated: self.updated.0,
        }
    }
}
