//! Looks at files: what the kernel says of them, and whether they could be read.

use super::directory::{Directory, Fault, PoolDirectory};
use super::patience::Sign;
use super::watch::PoolWatches;
use crate::base::{Now, Wall};
use crate::hub::machine::Expected;
use crate::hub::model::{ItemNo, Look, LookedAt, TagNo};
use std::path::Path;

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
    let mut found = Found::default();
    match Directory::open(pool, dir) {
        Ok(directory) => found.look_in(&directory, expected.iter(), &|| ()),
        Err(fault) => found.nowhere(fault, expected.iter()),
    }
    found.others
}

/// What looks at many files found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Not as expected.
    pub others: Vec<(TagNo, Look)>,
    /// Theirs: to be touched once somebody was told, so that nobody takes what was known before for news.
    pub theirs: Vec<LookedAt>,
}

impl Found {
    /// Marks what was told as looked at.
    pub(super) fn told(&self, at: Wall) {
        self.theirs.iter().for_each(|looked| looked.touch(at));
    }

    fn look_in<'a>(&mut self, directory: &Directory, files: impl Iterator<Item = &'a Expected>, alive: &dyn Fn()) {
        let now = Now::read().wall;
        for file in files {
            match directory.look(&file.detail, file.look.as_ref()) {
                Ok(look) => self.add(file, look, now),
                Err(fault) => overlooked(&fault),
            }
            alive();
        }
    }

    /// There is nothing in which they could be.
    fn nowhere<'a>(&mut self, fault: Fault, files: impl Iterator<Item = &'a Expected>) {
        let Fault::Seen(look) = fault else { return overlooked(&fault) };
        let now = Now::read().wall;
        files.for_each(|file| self.add(file, look.clone(), now));
    }

    fn add(&mut self, file: &Expected, look: Look, now: Wall) {
        if file.look.as_ref() == Some(&look) {
            file.looked.touch(now);
        } else {
            self.others.push((file.no, look));
            self.theirs.push(file.looked.clone());
        }
    }
}

/// This process lacks something: nothing is known of the file, so nothing is said of it. The next pass looks again.
fn overlooked(fault: &Fault) {
    if let Fault::Ours(errno) = fault {
        tracing::warn!(why = errno.desc(), "a published file could not be looked at");
    }
}

/// Looks at files of a pool, those of one item one after the other, and has their directories watched.
pub(super) fn look_at_all(pool: &Path, files: &[(ItemNo, Expected)], watches: &PoolWatches, sign: &Sign) -> Found {
    let mut found = Found::default();
    let directory = match PoolDirectory::open(pool) {
        Ok(directory) => directory,
        Err(fault) => {
            found.nowhere(fault, files.iter().map(|(_, file)| file));
            return found;
        }
    };
    for group in files.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((item, first)) = group.first() else { continue };
        let of_item = group.iter().map(|(_, file)| file);
        match directory.item(&first.dir) {
            Ok(directory) => {
                // Before the look: what changes after it is heard of.
                watches.keep(*item, &directory);
                found.look_in(&directory, of_item, &|| sign.give());
            }
            Err(fault) => {
                watches.forget(*item);
                found.nowhere(fault, of_item);
            }
        }
        sign.give();
    }
    found
}

#[cfg(test)]
#[path = "tests/looks.rs"]
mod tests;
