//! Turns decisions into durable changes, one group after the other. No thread, no queue: the writer drives it, and
//! tests do.
//!
//! ```text
//! decisions of a group
//!   1. values over 4 KiB become objects, synced
//!   2. whole decisions are packed into atomic batches of at most 256 changes and 128 KiB
//!   3. one flush and one fsync for all of them, or for each 128 KiB, then everyone is answered
//!   4. objects that nothing names any more are unlinked
//! ```
//!
//! A decision that does not fit one batch goes through `redo.rs`, between the packs before and after it: order is kept.
//!
//! After an error the committer must not be used again: what is on disk is known only once the store is opened anew.

use super::backend::{Backend, Changes, MOST_CHANGES};
use super::batch::Op;
use super::objects::{LONGEST_INLINE, Objects, Reference, index_key};
use super::record::FIRST_KIND;
use super::redo::Redo;
use super::ticket::{Answer, CommitError};
use std::io;
use std::sync::Arc;

/// One operation sets at most this many keys: the record's, and the owners of an old and a new object.
const WIDEST_OP: usize = 3;

/// So many bytes of keys and values are applied at most before they are synced. sled writes several times as much, in any
/// order, and cannot do without an earlier part of its log where a power cut has left a later one: what is not synced must
/// lie within about one of its segments, 512 KiB.
const MOST_UNSYNCED: usize = 128 << 10;

/// A decision and who waits for it.
pub(super) struct Decision {
    pub(super) ops: Vec<Op>,
    pub(super) answer: Option<Answer>,
}

/// The state of committing.
pub(super) struct Committer {
    backend: Arc<dyn Backend>,
    objects: Arc<Objects>,
    redo: Redo,
    /// Changes of whole decisions, not yet applied.
    pack: Changes,
    /// Who waits for the next sync.
    waiting: Vec<Answer>,
    /// Objects that lose their name with the next sync.
    unnamed: Vec<u64>,
    /// Bytes of live records, those of objects included.
    live: i64,
    /// The bytes in the pack, and those that were applied since the last sync.
    packed: usize,
    unsynced: usize,
    /// Whether anything was applied since the last sync.
    dirty: bool,
}

/// A decision being worked out, before it is known to fit a batch.
#[derive(Default)]
struct Draft {
    changes: Changes,
    unnamed: Vec<u64>,
    live: i64,
}

impl Committer {
    /// Starts on a backend without pending redo files, with an estimate of the live bytes.
    pub(super) fn new(backend: Arc<dyn Backend>, objects: Arc<Objects>, redo: Redo, live: i64) -> Committer {
        let (pack, waiting, unnamed) = (Changes::new(), Vec::new(), Vec::new());
        Committer { backend, objects, redo, pack, waiting, unnamed, live, packed: 0, unsynced: 0, dirty: false }
    }

    /// Bytes of live keys and values.
    pub(super) fn live(&self) -> u64 {
        u64::try_from(self.live).unwrap_or(0)
    }

    /// Commits a group. When it returns, all of it is durable, and everyone is answered. Answers the operations that were
    /// committed, long values replaced by references, when `listening`; else none.
    pub(super) fn commit(&mut self, group: Vec<Decision>, listening: bool) -> io::Result<Vec<Op>> {
        let committed = self.commit_all(group, listening);
        if let Err(why) = &committed {
            for answer in self.waiting.drain(..) {
                let _ = answer.send(Err(CommitError::Storage(why.to_string()))); // a dropped ticket does not care
            }
        }
        committed
    }

    fn commit_all(&mut self, mut group: Vec<Decision>, listening: bool) -> io::Result<Vec<Op>> {
        self.write_objects(&mut group)?;
        let mut heard = Vec::new();
        for Decision { ops, answer } in group {
            match self.draft(&ops)? {
                Some(draft) => {
                    self.stage(draft)?;
                    self.waiting.extend(answer);
                }
                None => self.commit_by_redo(&ops, answer)?,
            }
            if listening {
                heard.extend(ops);
            }
        }
        self.sync()?;
        Ok(heard)
    }

    /// Unlinks the objects that lost their names. Whoever may still follow an old reference delays this.
    pub(super) fn unlink(&mut self) -> io::Result<()> {
        for id in std::mem::take(&mut self.unnamed) {
            // A redo file that was applied twice may have dropped and restored a name.
            if self.backend.get(&index_key(id))?.is_none() {
                self.objects.unlink(id);
            }
        }
        Ok(())
    }

    /// Does what a marker found at the start names, and forgets the marker.
    pub(super) fn recover(&mut self, marker: Vec<u8>, value: &[u8]) -> io::Result<()> {
        let ops = self.redo.read(&marker, value)?;
        self.apply_redo(&ops)?;
        self.end_redo(marker)
    }

    /// Removes the files of decisions that were never committed.
    pub(super) fn forget_uncommitted(&self) -> io::Result<()> {
        self.redo.clear()
    }

    /// Replaces long values by references to files that are durable before anything names them.
    fn write_objects(&mut self, group: &mut [Decision]) -> io::Result<()> {
        let mut written = false;
        for op in group.iter_mut().flat_map(|decision| &mut decision.ops) {
            if let Op::Put { value, .. } = op
                && value.len() > LONGEST_INLINE
            {
                *value = self.objects.write(value)?.to_value();
                written = true;
            }
        }
        if written { self.objects.sync() } else { Ok(()) }
    }

    /// The changes of a decision, or none when they do not fit one batch.
    fn draft(&mut self, ops: &[Op]) -> io::Result<Option<Draft>> {
        if ops.len() > MOST_CHANGES {
            return Ok(None);
        }
        let mut draft = Draft::default();
        for op in ops {
            match op {
                Op::Put { key, value } => self.set(&mut draft, key, Some(value))?,
                Op::Delete { key } => self.set(&mut draft, key, None)?,
                Op::DeleteRange { from, to } => {
                    self.apply_pack()?; // what is packed must be seen by the scan
                    let drafted = draft.changes.range(from.clone()..to.clone());
                    let mut keys: Vec<_> = drafted.map(|(key, _)| key.clone()).collect();
                    for pair in self.backend.scan(from, to, false).take(MOST_CHANGES + 1) {
                        keys.push(pair?.0);
                    }
                    if keys.len() > MOST_CHANGES {
                        return Ok(None);
                    }
                    for key in keys {
                        self.set(&mut draft, &key, None)?;
                    }
                }
            }
            if draft.changes.len() > MOST_CHANGES {
                return Ok(None);
            }
        }
        Ok(Some(draft).filter(|draft| weight(&draft.changes) <= MOST_UNSYNCED))
    }

    /// Sets or removes one key in a draft, with what that means for objects and live bytes.
    fn set(&self, draft: &mut Draft, key: &[u8], value: Option<&Vec<u8>>) -> io::Result<()> {
        let before = match draft.changes.get(key).or_else(|| self.pack.get(key)) {
            Some(change) => change.clone(),
            None => self.backend.get(key)?,
        };
        let reference = |value: Option<&Vec<u8>>| value.and_then(|value| Reference::in_value(value));
        let (old, new) = (reference(before.as_ref()), reference(value));
        if old.map(|old| old.id) != new.map(|new| new.id) {
            if let Some(old) = old {
                draft.changes.insert(index_key(old.id), None);
                draft.unnamed.push(old.id);
            }
            if let Some(new) = new {
                draft.changes.insert(index_key(new.id), Some(key.to_vec()));
            }
        }
        draft.live += weigh(key, value) - weigh(key, before.as_ref());
        draft.changes.insert(key.to_vec(), value.cloned());
        Ok(())
    }

    /// Adds a decision to the pack; what does not fit any more goes before it.
    fn stage(&mut self, draft: Draft) -> io::Result<()> {
        let bytes = weight(&draft.changes);
        if self.pack.len() + draft.changes.len() > MOST_CHANGES || self.packed + bytes > MOST_UNSYNCED {
            self.apply_pack()?;
        }
        self.pack.extend(draft.changes);
        self.packed += bytes;
        self.unnamed.extend(draft.unnamed);
        self.live += draft.live;
        Ok(())
    }

    fn apply_pack(&mut self) -> io::Result<()> {
        if self.pack.is_empty() {
            return Ok(());
        }
        if self.unsynced + self.packed > MOST_UNSYNCED && std::mem::take(&mut self.dirty) {
            self.backend.sync()?;
            self.unsynced = 0;
        }
        self.unsynced += std::mem::take(&mut self.packed);
        self.dirty = true;
        self.backend.apply(std::mem::take(&mut self.pack))
    }

    /// Makes everything so far durable and answers everyone.
    fn sync(&mut self) -> io::Result<()> {
        self.apply_pack()?;
        if std::mem::take(&mut self.dirty) {
            self.backend.sync()?;
            self.unsynced = 0;
        }
        for answer in self.waiting.drain(..) {
            let _ = answer.send(Ok(())); // who dropped the ticket does not want to know
        }
        Ok(())
    }

    /// The long way, for a decision of any size. It is durable with its marker, but answered once it is applied as well:
    /// who was told that it is done must find it when reading.
    fn commit_by_redo(&mut self, ops: &[Op], answer: Option<Answer>) -> io::Result<()> {
        self.apply_pack()?;
        let written = self.redo.write(ops)?;
        self.pack.insert(written.key.clone(), Some(written.value));
        self.sync()?; // the commit, and the answer to all before
        self.apply_redo(ops)?;
        self.waiting.extend(answer);
        self.end_redo(written.key)
    }

    /// Applies operations piece by piece. All of it may have been done before, in part or whole.
    fn apply_redo(&mut self, ops: &[Op]) -> io::Result<()> {
        for op in ops {
            match op {
                Op::Put { key, value } => self.apply_one(key, Some(value))?,
                Op::Delete { key } => self.apply_one(key, None)?,
                Op::DeleteRange { from, to } => self.apply_range(from, to)?,
            }
        }
        self.apply_pack()
    }

    /// Forgets a decision that is applied: first the marker, then the file that it names.
    fn end_redo(&mut self, marker: Vec<u8>) -> io::Result<()> {
        self.pack.insert(marker, None);
        self.sync()?;
        self.redo.clear()
    }

    fn apply_one(&mut self, key: &[u8], value: Option<&Vec<u8>>) -> io::Result<()> {
        if self.pack.len() + WIDEST_OP > MOST_CHANGES {
            self.apply_pack()?;
        }
        let mut draft = Draft::default();
        self.set(&mut draft, key, value)?;
        self.stage(draft)
    }

    fn apply_range(&mut self, from: &[u8], to: &[u8]) -> io::Result<()> {
        loop {
            self.apply_pack()?;
            let mut keys = Vec::new();
            for pair in self.backend.scan(from, to, false).take(MOST_CHANGES / WIDEST_OP) {
                keys.push(pair?.0);
            }
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                self.apply_one(&key, None)?;
            }
        }
    }
}

/// The bytes of changes.
fn weight(changes: &Changes) -> usize {
    changes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
}

/// What a pair counts as live: records with their objects; the store's own keys are nothing.
pub(super) fn weigh(key: &[u8], value: Option<&Vec<u8>>) -> i64 {
    match value {
        Some(value) if key.first().is_some_and(|kind| *kind >= FIRST_KIND) => {
            let object = Reference::in_value(value).map_or(0, |object| object.len);
            (key.len() + value.len()) as i64 + object as i64
        }
        _ => 0,
    }
}
