//! What a start reads: all tasks, heads of all jobs, those that are not over, clusters.
//!
//! Tasks, their pieces and their uses are read side by side in the order of their keys: nothing is looked up.

use super::shapes::{Cluster, Filters, Head, JobUser, Numbers as StoredNumbers, Pieces, Task, Used};
use super::{Numbers, job};
use crate::cache::machine::Memory;
use crate::cache::model::{JobId, JobState};
use crate::store::{ReadError, Reader, beside};

/// 1 January 2020 in Unix seconds: from there on numbers of 31 bits last until 2088.
const SINCE: u64 = 1_577_836_800;

/// Everything a start needs, and the highest numbers ever given. `restored` is when a backup was last restored, in
/// microseconds: numbers go on from there. Blocks.
///
/// # Errors
/// The store's.
pub fn load(reader: &Reader, restored: Option<u64>) -> Result<(Memory, Numbers), ReadError> {
    let numbers = reader.get::<StoredNumbers>(&())?.map(Numbers::from).unwrap_or_default();
    let mut memory = Memory::default();
    tasks(reader, &mut memory)?;
    jobs(reader, &mut memory)?;
    for entry in reader.scan::<Cluster>(..) {
        let (id, cluster) = entry?;
        memory.clusters.push(cluster.into_model(id));
    }
    let last_task = memory.tasks.last().map_or(0, |task| task.no.0);
    let last_job = memory.heads.last().map_or(0, |head| head.id.0);
    let last_cluster = memory.clusters.last().map_or(0, |cluster| cluster.id.0);
    let after = restored.map(unused).unwrap_or_default();
    let numbers = Numbers {
        task: numbers.task.max(last_task).max(after.task),
        job: numbers.job.max(last_job).max(after.job),
        cluster: numbers.cluster.max(last_cluster).max(after.cluster),
    };
    memory.last_task = numbers.task;
    memory.last_job = numbers.job;
    memory.last_cluster = numbers.cluster;
    Ok((memory, numbers))
}

/// Numbers above all that may have been given out between a backup and its restoration, at this microsecond: as long as
/// fewer tasks were made than microseconds went by, and fewer jobs and clusters than seconds. Clients read numbers of jobs
/// and clusters, some into 32 bits.
fn unused(restored: u64) -> Numbers {
    let small = u32::try_from((restored / 1_000_000).saturating_sub(SINCE)).unwrap_or(0);
    Numbers { task: restored, job: u64::from(small), cluster: small }
}

fn tasks(reader: &Reader, memory: &mut Memory) -> Result<(), ReadError> {
    let mut pieces = reader.scan::<Pieces>(..).peekable();
    let mut uses = reader.scan::<Used>(..).peekable();
    let mut filters = Filters::new();
    for entry in reader.scan::<Task>(..) {
        let (no, task) = entry?;
        let (pieces, used) = (beside(&mut pieces, &no)?, beside(&mut uses, &no)?);
        memory.tasks.push(task.into_model(no, pieces, used, &mut filters));
    }
    Ok(())
}

fn jobs(reader: &Reader, memory: &mut Memory) -> Result<(), ReadError> {
    let mut users = reader.scan::<JobUser>(..).peekable();
    for entry in reader.scan::<Head>(..) {
        let (id, head) = entry?;
        let mut head = head.into_model(id);
        if let Some(user) = beside(&mut users, &id)? {
            head.user = user.user();
        }
        if head.state == JobState::Pending {
            memory.unfinished.extend(job(reader, JobId(id))?);
        }
        memory.heads.push(head);
    }
    Ok(())
}
