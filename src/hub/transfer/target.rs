//! This side: the file in a pool that a pull is to become.
//!
//! What lies there is never lost to a pull: another file stays, unless it is that of the very tag that is pulled anew.

use super::Trouble;
use super::source::Said;
use crate::hub::engine::Handle;
use crate::hub::files;
use crate::hub::machine::Room;
use crate::hub::model::{Digests, Job, Look, PullSource, Reading, Stamp};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The place.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) pool: Arc<PathBuf>,
    pub(super) dir: Arc<str>,
    pub(super) file: Arc<str>,
}

/// Of whom a published file of that name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Nobody,
    /// Of the tag that is pulled, which is published anew with it.
    Same,
    /// Of another, or of the same that is not to be published anew: `rep/item:tag`.
    Other(String),
}

/// What lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum There {
    /// Nothing that anything would be lost of.
    Free,
    /// The very file.
    Same(Stamp, Digests),
}

impl Target {
    /// The place of a job, and of whom a published file there is.
    pub(super) fn of(handle: &Handle, job: &Job, source: &PullSource) -> Result<(Target, Holder), Trouble> {
        let gone = || Trouble::Lasting(format!("there is no datapool {}", source.pool));
        let place = |room: &Room| room.pool(&source.pool).map(|pool| (pool.dir.clone(), holder(room, job, source)));
        let (pool, holder) = handle.look(place).ok_or_else(gone)?;
        Ok((Target { pool, dir: source.dir.clone(), file: source.file.clone() }, holder))
    }

    /// Where the file is to be: its directory, which is made. Blocks.
    pub(super) fn directory(&self) -> Result<files::Held, Trouble> {
        let failed = |why: io::Error| Trouble::Lasting(format!("the directory cannot be used: {why}"));
        files::directory(&self.pool, &self.dir).map_err(failed)
    }

    /// What lies there; an error, where it is in the way. `go_on` is asked now and then. Blocks.
    pub(super) fn look(&self, said: &Said, holder: &Holder, go_on: &dyn Fn(u64) -> bool) -> Result<There, Trouble> {
        let file = &self.file;
        let stamp = match files::look(&self.pool, &self.dir, file) {
            Look::Missing => return Ok(There::Free),
            Look::There(stamp) => stamp,
            Look::NotAFile | Look::Escaped => return Err(Trouble::Lasting(format!("{file} is there, and is no file"))),
            Look::Unreadable(why) => {
                return Err(Trouble::Lasting(format!("{file} is there, and cannot be read: {why}")));
            }
            Look::PoolGone(why) => return Err(Trouble::Lasting(format!("the data pool cannot be used: {why}"))),
        };
        if stamp.size == said.size
            && let Some(found) = self.found(said, go_on)?
        {
            return Ok(found);
        }
        match holder {
            Holder::Same => Ok(There::Free),
            Holder::Nobody => Err(Trouble::Lasting(format!("there is another file named {file}"))),
            Holder::Other(tag) => Err(Trouble::Lasting(format!("there is another file named {file}: that of {tag}"))),
        }
    }

    /// The file as it was read, where it is the one.
    fn found(&self, said: &Said, go_on: &dyn Fn(u64) -> bool) -> Result<Option<There>, Trouble> {
        match files::measure(&self.pool, &self.dir, &self.file, go_on) {
            None => Err(Trouble::Ending),
            Some(Reading::Whole(stamp, digests)) if said.is(&digests) => Ok(Some(There::Same(stamp, digests))),
            Some(_) => Ok(None),
        }
    }

    /// Reads the file that was put in place; removes it, where it is not what it must be. Blocks.
    pub(super) fn confirm(&self, said: &Said, go_on: &dyn Fn(u64) -> bool) -> Result<(Stamp, Digests), Trouble> {
        let file = &self.file;
        match files::measure(&self.pool, &self.dir, file, go_on) {
            None => Err(Trouble::Ending),
            Some(Reading::Whole(stamp, digests)) if said.is(&digests) => Ok((stamp, digests)),
            Some(Reading::Whole(..)) => {
                if let Err(why) = std::fs::remove_file(self.directory()?.file(file)) {
                    tracing::warn!(file = %file, %why, "a wrong file cannot be removed");
                }
                Err(Trouble::Lasting("what has come is not what the source says it is: it was removed".to_owned()))
            }
            Some(Reading::Nothing(_)) => Err(Trouble::Passing(format!("{file} has gone again"))),
            Some(Reading::Unsteady) => Err(Trouble::Lasting(format!("{file} is changed by somebody while it is read"))),
            Some(Reading::Failed(why)) => Err(Trouble::Lasting(format!("{file} cannot be read: {why}"))),
        }
    }

    /// Removes the file that was put in place, unless it is another one by now. Blocks.
    pub(super) fn remove(&self, stamp: Stamp) {
        if files::look(&self.pool, &self.dir, &self.file) != Look::There(stamp) {
            return;
        }
        let held = files::directory(&self.pool, &self.dir);
        if let Err(why) = held.and_then(|held| std::fs::remove_file(held.file(&self.file))) {
            tracing::warn!(file = %self.file, %why, "the file of a pull that was ended cannot be removed");
        }
    }
}

/// Of whom the file is that a pull is to become.
fn holder(room: &Room, job: &Job, source: &PullSource) -> Holder {
    let mut holder = Holder::Nobody;
    for item in room.items_of_pool(&source.pool).filter(|item| item.dir == source.dir) {
        for tag in room.tags_of_file(item.no, &source.file) {
            let same = (&item.rep, &item.name, &tag.name) == (&job.rep, &job.item, &job.tag);
            match same && source.publish.is_some() {
                true => holder = Holder::Same,
                // Two tags may have one file: then it is not only the one's to replace.
                false => return Holder::Other(format!("{}/{}:{}", item.rep, item.name, tag.name)),
            }
        }
    }
    holder
}
