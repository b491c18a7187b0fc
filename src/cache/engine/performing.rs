//! What plans want done: each effect leads to an event, sooner or later.

use super::errands::{Errands, Speaker, unmasked};
use super::{Engine, JobSecrets};
use crate::base::Wall;
use crate::cache::machine::{Effect, Event, Order, Pressure};
use crate::cache::model::{Image, JobId, PinOwner, Platform};
use crate::cache::origin::{Authority, Origins};
use crate::cache::registry::{self, Credentials};
use std::collections::HashSet;
use std::io;
use std::sync::Arc;

impl Engine {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Fetch(order) => {
                let authority = self.authority(&order);
                self.handle.contents().fetch(*order, authority);
            }
            Effect::Proceed(no) => self.handle.contents().proceed(no),
            Effect::Stop(no) => self.handle.contents().stop(no),
            // Waits for the disk.
            Effect::Remove(no, ids) => {
                self.doomed.insert(no, ids.primary.clone());
                self.group.removals.push((no, ids));
            }
            Effect::Resolve(job, images, platform) => self.resolve(job, images, platform),
            Effect::PurgeAudit(job, before) => self.purge_audit(job, before),
            Effect::Measure => self.measure(),
            Effect::Inquire(owners) => self.inquire(owners),
            Effect::Release(errand) => self.handle.0.errands.release(errand),
        }
    }

    /// Who speaks for a fetch.
    fn authority(&self, order: &Order) -> Arc<dyn Authority> {
        let origins = &self.handle.0.origins;
        match self.handle.0.errands.speaker(order.errand, &order.url) {
            Speaker::Resolver(authority) => authority,
            Speaker::With(credentials) => registry::authority(origins, credentials),
            Speaker::Unknown(job) => registry::authority(origins, self.taken_up(job)),
        }
    }

    /// The credentials of a job of an earlier life, as far as they were written down.
    fn taken_up(&self, job: JobId) -> Credentials {
        let args = self.handle.look(|room| room.unfinished(job).map(|job| job.args.clone()));
        let credentials = args.map(|args| unmasked(&args)).unwrap_or_default();
        self.handle.0.errands.add_job(job, JobSecrets { credentials: credentials.clone() });
        credentials
    }

    fn resolve(&self, job: JobId, images: Vec<Image>, platform: Platform) {
        let credentials = self.handle.0.errands.of_job(job).unwrap_or_else(|| self.taken_up(job));
        let (origins, errands) = (self.handle.0.origins.clone(), self.handle.0.errands.clone());
        let events = self.handle.0.events.clone();
        match self.handle.0.thread.handle() {
            Ok(thread) => drop(thread.spawn(async move {
                let resolved = resolve_all(&origins, &errands, job, &images, &platform, &credentials).await;
                let _ = events.send(Event::Resolved(job, resolved)); // the driver has ended
            })),
            Err(why) => {
                let why = format!("there is no thread to ask the registry on: {why}");
                let _ = events.send(Event::Resolved(job, Err(why))); // as above
            }
        }
    }

    fn purge_audit(&self, job: JobId, before: Wall) {
        let (audit, events) = (self.handle.0.tools.audit.clone(), self.handle.0.events.clone());
        tokio::task::spawn_blocking(move || {
            let purged = audit.forget(before).map_err(|why| format!("the audit log cannot be shortened: {why}"));
            let _ = events.send(Event::Purged(job, purged)); // the driver has ended
        });
    }

    fn measure(&self) {
        let (contents, events) = (self.handle.contents().clone(), self.handle.0.events.clone());
        tokio::task::spawn_blocking(move || {
            let _ = events.send(Event::Disk(pressure(contents.free()))); // the driver has ended
        });
    }

    fn inquire(&self, owners: Vec<PinOwner>) {
        let (known, events) = (self.handle.0.tools.owners.clone(), self.handle.0.events.clone());
        tokio::spawn(async move {
            let mut gone = Vec::new();
            for owner in owners {
                if !known.lives(&owner).await {
                    gone.push(owner);
                }
            }
            let _ = events.send(Event::Widowed(gone)); // the driver has ended
        });
    }
}

/// How full the disk is. Where the kernel does not say, it is not for that reason that nothing is fetched: a write will
/// tell.
fn pressure(free: io::Result<u64>) -> Pressure {
    let free = free.unwrap_or_else(|why| {
        tracing::warn!("how much is free where the cache is cannot be found out: {why}");
        u64::MAX
    });
    Pressure { free }
}

/// The blobs of all images, in order, each once.
async fn resolve_all(
    origins: &Origins,
    errands: &Errands,
    job: JobId,
    images: &[Image],
    platform: &Platform,
    credentials: &Credentials,
) -> Result<Vec<String>, String> {
    let (mut blobs, mut seen) = (Vec::new(), HashSet::new());
    for image in images {
        let resolved = registry::resolve(origins, image, platform, credentials).await.map_err(|why| why.to_string())?;
        errands.resolved(job, &resolved.blobs, &resolved.authority);
        blobs.extend(resolved.blobs.into_iter().filter(|blob| seen.insert(blob.clone())));
    }
    Ok(blobs)
}
