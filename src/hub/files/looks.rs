//! Looks at files: what the kernel says of them, and whether they could be read.

use super::directory::{Directory, Fault, PoolDirectory};
use super::patience::Sign;
use super::watch::PoolWatches;
use crate::base::{Now, Wall};
use crate::hub::machine::Expected;
use crate::hub::model::{ItemNo, Look, LookedAt, TagNo};
use std::path::Path;
use std::sync::Arc;

/// See [`super::look`].
pub(super) fn look(pool: &Path, dir: &str, file: &str) -> Look {
    match Directory::open(pool, dir).and_then(|directory| directory.look(file, None)) {
        Ok(look) => look,
        Err(fault) => fault.into(),
    }
}

/// Looks at files of one item: those that are not as expected. The directory is opened once, and a file only where its
/// stamp is another one. What is as expected is marked as looked at. Blocks.
pub fn look_many(pool: &Path, dir: &str, expected: &[Expected]) -> Vec<(TagNo, Look)> {
    let (mut found, item) = (Found::default(), ItemNo(0));
    match Directory::open(pool, dir) {
        Ok(directory) => found.look_in(&directory, item, expected.iter(), &|| ()),
        Err(fault) => found.nowhere(fault, expected.iter().map(|file| (item, file))),
    }
    found.others.into_iter().map(|other| (other.tag, other.look)).collect()
}

/// A file that is not as expected.
#[derive(Debug)]
pub(super) struct Other {
    pub tag: TagNo,
    pub item: ItemNo,
    pub file: Arc<str>,
    pub look: Look,
    /// To be touched once somebody was told, so that nobody takes what was known before for news.
    pub looked: LookedAt,
    /// What was known of it, where it was looked at before.
    pub known: Option<Look>,
}

/// What looks at many files found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Those that are not as expected.
    pub others: Vec<Other>,
    /// This process lacked something, so that some were not looked at.
    pub overlooked: bool,
}

impl Found {
    fn look_in<'a>(
        &mut self,
        directory: &Directory,
        item: ItemNo,
        files: impl Iterator<Item = &'a Expected>,
        alive: &dyn Fn(),
    ) {
        let (now, mut fault) = (Now::read().wall, None);
        for file in files {
            match directory.look(&file.detail, file.look.as_ref()) {
                Ok(look) => self.add((item, file), look, now),
                Err(ours) => fault = Some(ours),
            }
            alive();
        }
        // Once: what is lacking for one file is lacking for all.
        fault.iter().for_each(|fault| self.overlook(fault));
    }

    /// There is nothing in which they could be.
    pub(super) fn nowhere<'a>(&mut self, fault: Fault, files: impl Iterator<Item = (ItemNo, &'a Expected)>) {
        let Fault::Seen(look) = fault else { return self.overlook(&fault) };
        let now = Now::read().wall;
        files.for_each(|file| self.add(file, look.clone(), now));
    }

    fn add(&mut self, (item, file): (ItemNo, &Expected), look: Look, now: Wall) {
        if file.look.as_ref() == Some(&look) {
            return file.looked.touch(now);
        }
        let known = file.look.clone().filter(|_| file.looked.get().is_some());
        let (name, looked) = (Arc::clone(&file.detail), file.looked.clone());
        self.others.push(Other { tag: file.no, item, file: name, look, looked, known });
    }

    /// This process lacks something: nothing is known of files, so nothing is said of them. The next pass looks again.
    fn overlook(&mut self, fault: &Fault) {
        if let Fault::Ours(errno) = fault {
            self.overlooked = true;
            tracing::warn!(why = errno.desc(), "published files could not be looked at");
        }
    }
}

/// Looks at files of a pool, those of one item one after the other, and has their directories watched.
pub(super) fn look_at_all(pool: &Path, files: &[(ItemNo, Expected)], watches: &PoolWatches, sign: &Sign) -> Found {
    let mut found = Found::default();
    let directory = match PoolDirectory::open(pool) {
        Ok(directory) => directory,
        Err(fault) => {
            found.nowhere(fault, files.iter().map(|(item, file)| (*item, file)));
            return found;
        }
    };
    for group in files.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((item, first)) = group.first() else { continue };
        match directory.item(&first.dir) {
            Ok(directory) => {
                // Before the look: what changes after it is heard of.
                watches.keep(*item, &directory);
                found.look_in(&directory, *item, group.iter().map(|(_, file)| file), &|| sign.give());
            }
            Err(fault) => {
                watches.forget(*item);
                found.nowhere(fault, group.iter().map(|(item, file)| (*item, file)));
            }
        }
        sign.give();
    }
    found
}

#[cfg(test)]
#[path = "tests/looks.rs"]
mod tests;
