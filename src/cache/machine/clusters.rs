//! Clusters: nobody works for any but the first. And how many jobs a second each of them lets in.

use super::{Change, Plan, Refusal, Room, Verdict};
use crate::base::{Mono, Now};
use crate::cache::model::{Cluster, ClusterChange, ClusterId, JobKind, Limits, NewCluster, Scopes};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a cluster does not say how many jobs a second it lets in: Dragonfly's own default.
const JOB_RATE: u32 = 10;

/// The clusters and their buckets.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    all: BTreeMap<ClusterId, Cluster>,
    last: u32,
    /// When each bucket will be full again; a moment that has passed is a full one.
    buckets: BTreeMap<ClusterId, Mono>,
}

impl Clusters {
    /// Those that were stored; the first is made where there is none.
    pub(super) fn recover(stored: Vec<Cluster>, last: u32, name: &str, now: Now, plan: &mut Plan) -> Clusters {
        let all: BTreeMap<_, _> = stored.into_iter().map(|cluster| (cluster.id, cluster)).collect();
        let highest = all.keys().next_back().map_or(0, |id| id.0);
        let mut clusters = Clusters { all, last: last.max(highest).max(ClusterId::LOCAL.0), ..Clusters::default() };
        if !clusters.all.contains_key(&ClusterId::LOCAL) {
            let cluster = first(name, now);
            plan.changes.push(Change::Cluster(Box::new(cluster.clone())));
            clusters.all.insert(cluster.id, cluster);
        }
        clusters
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Cluster> {
        self.all.values()
    }

    fn rate(&self, id: ClusterId) -> u32 {
        let given = self.all.get(&id).and_then(|cluster| cluster.limits.job_rate);
        given.filter(|rate| *rate > 0).unwrap_or(JOB_RATE)
    }

    /// When a bucket will be full again.
    fn full(&self, id: ClusterId) -> Mono {
        self.buckets.get(&id).copied().unwrap_or_default()
    }

    /// Lets a job in, or says why not; the clusters that it is sent to. None listed: all that somebody works for.
    pub(super) fn admit(&mut self, listed: &[ClusterId], kind: JobKind, now: Mono) -> Result<Vec<ClusterId>, Refusal> {
        let mut listed = listed.to_vec();
        listed.sort();
        listed.dedup();
        self.has_room(&listed, now)?;
        for id in &listed {
            let later = self.full(*id).max(now) + Duration::from_secs(1) / self.rate(*id);
            self.buckets.insert(*id, later);
        }
        sent_to(&listed, kind)
    }

    /// Whether these are clusters, and let another job in.
    fn has_room(&self, listed: &[ClusterId], now: Mono) -> Result<(), Refusal> {
        if let Some(unknown) = listed.iter().find(|id| !self.all.contains_key(id)) {
            return Err(Refusal::NoCluster(*unknown));
        }
        let is_refused = |id: &ClusterId| {
            let rate = self.rate(*id);
            self.full(*id) - now > Duration::from_secs(1) / rate * (rate - 1)
        };
        if listed.iter().any(is_refused) { Err(Refusal::TooMany) } else { Ok(()) }
    }
}

/// The clusters that a job is sent to which names these.
fn sent_to(listed: &[ClusterId], kind: JobKind) -> Result<Vec<ClusterId>, Refusal> {
    match kind {
        // Records are forgotten here, whatever clusters there are.
        JobKind::Gc => Ok(Vec::new()),
        _ if listed.is_empty() || listed.contains(&ClusterId::LOCAL) => Ok(vec![ClusterId::LOCAL]),
        JobKind::Preheat => Err(Refusal::NoCandidates),
        JobKind::GetTask | JobKind::DeleteTask | JobKind::Distribution => Err(Refusal::NoSchedulers),
    }
}

/// This host's own cluster, as Dragonfly makes its first one.
fn first(name: &str, now: Now) -> Cluster {
    let limits = Limits {
        candidate_parents: Some(3),
        filter_parents: Some(15),
        job_rate: Some(JOB_RATE),
        seed_load: Some(2_000),
        peer_load: Some(200),
        ..Limits::default()
    };
    Cluster {
        id: ClusterId::LOCAL,
        name: name.to_owned(),
        bio: String::new(),
        limits,
        scopes: Scopes::default(),
        is_default: true,
        created: now.wall,
        updated: now.wall,
    }
}

impl Room {
    /// Whether a job of this kind that names these clusters would be let in now: for those who have something to find out
    /// before they submit it.
    ///
    /// # Errors
    /// Why it would not.
    pub fn admits(&self, clusters: &[ClusterId], kind: JobKind, now: Mono) -> Result<(), Refusal> {
        self.clusters.has_room(clusters, now)?;
        sent_to(clusters, kind).map(drop)
    }

    pub(super) fn create_cluster(&mut self, new: NewCluster) -> Verdict {
        if self.clusters.all.values().any(|cluster| cluster.name == new.name) {
            return Verdict::Refused(Refusal::NameTaken);
        }
        self.clusters.last += 1;
        let NewCluster { name, bio, limits, scopes, is_default } = new;
        let (created, updated) = (self.now.wall, self.now.wall);
        let id = ClusterId(self.clusters.last);
        self.put_cluster(Cluster { id, name, bio, limits, scopes, is_default, created, updated })
    }

    pub(super) fn patch_cluster(&mut self, id: ClusterId, change: ClusterChange) -> Verdict {
        let Some(mut cluster) = self.clusters.all.get(&id).cloned() else {
            return Verdict::Refused(Refusal::NotFound);
        };
        let ClusterChange { name, bio, limits, scopes, is_default } = change;
        if let Some(name) = name {
            if self.clusters.all.values().any(|other| other.id != id && other.name == name) {
                return Verdict::Refused(Refusal::NameTaken);
            }
            cluster.name = name;
        }
        let new = limits;
        let old = cluster.limits;
        cluster.limits = Limits {
            candidate_parents: new.candidate_parents.or(old.candidate_parents),
            filter_parents: new.filter_parents.or(old.filter_parents),
            job_rate: new.job_rate.or(old.job_rate),
            seed_load: new.seed_load.or(old.seed_load),
            peer_load: new.peer_load.or(old.peer_load),
            seed_blocks: new.seed_blocks.or(old.seed_blocks),
            peer_blocks: new.peer_blocks.or(old.peer_blocks),
        };
        cluster.bio = bio.unwrap_or(cluster.bio);
        cluster.scopes = scopes.unwrap_or(cluster.scopes);
        cluster.is_default = is_default.unwrap_or(cluster.is_default);
        cluster.updated = self.now.wall;
        self.put_cluster(cluster)
    }

    fn put_cluster(&mut self, cluster: Cluster) -> Verdict {
        self.plan.changes.push(Change::Cluster(Box::new(cluster.clone())));
        self.clusters.all.insert(cluster.id, cluster.clone());
        Verdict::Cluster(Box::new(cluster))
    }

    pub(super) fn delete_cluster(&mut self, id: ClusterId) -> Verdict {
        if id == ClusterId::LOCAL {
            return Verdict::Refused(Refusal::ClusterInUse);
        }
        if self.clusters.all.remove(&id).is_none() {
            return Verdict::Refused(Refusal::NotFound);
        }
        self.clusters.buckets.remove(&id);
        self.plan.changes.push(Change::ClusterGone(id));
        Verdict::Done
    }
}
