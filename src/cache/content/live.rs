//! One fetch, as those who wait for it see it: what has come, and how it stands.
//!
//! It is there before the fetch, too, where a reader has found damage and waits for somebody to repair it.

use super::known::Known;
use super::thread::lock;
use super::{FetchFailure, Progress};
use crate::cache::model::{Crc, Extent, Pieces, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, watch};

/// See the head of the file.
pub(super) struct Live {
    progress: watch::Sender<Progress>,
    state: Mutex<State>,
    door: watch::Sender<Door>,
    /// Something was lost while the fetch is going on.
    pub(super) lost: Notify,
}

#[derive(Default)]
struct State {
    running: bool,
    revalidates: bool,
    /// The content that is being written; none before its origin has answered.
    known: Option<Arc<Known>>,
    file: Option<Arc<File>>,
    pieces: Pieces,
    /// Of pieces that are not there yet: how many bytes are.
    coming: BTreeMap<u32, u64>,
    /// Pieces to be fetched anew.
    lost: BTreeSet<u32>,
    /// Pieces that were reported as damaged and are not there again.
    reported: BTreeSet<u32>,
}

/// Where a fetch waits for leave, and hears that it is to stop.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Door {
    gate: Gate,
    /// Everything has come: what is left to do is ours alone, and is done. A stop means the origin.
    settles: bool,
}

/// What the room has said.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Gate {
    #[default]
    Closed,
    Open,
    Stop,
}

/// What a reader finds of a piece.
pub(super) enum Look {
    /// It is another content now.
    Changed,
    /// So many of its first bytes are in this file; none: all of them.
    Here(Arc<File>, Option<u64>),
    /// It is not there.
    Missing,
}

impl Live {
    pub(super) fn new() -> Arc<Live> {
        let (progress, door) = (watch::Sender::default(), watch::Sender::default());
        Arc::new(Live { progress, state: Mutex::default(), door, lost: Notify::new() })
    }

    /// Begins; whether it had not begun before.
    pub(super) fn begin(&self, revalidates: bool) -> bool {
        {
            let state = &mut *lock(&self.state);
            if std::mem::replace(&mut state.running, true) {
                return false;
            }
            state.revalidates = revalidates;
        }
        // Whoever waits for a repair hears that it has begun.
        self.progress.send_modify(|_| {});
        true
    }

    /// Whether what the origin said earlier does not count until it has answered again.
    pub(super) fn revalidates(&self) -> bool {
        lock(&self.state).revalidates
    }

    /// Whether a fetch is going on.
    pub(super) fn is_running(&self) -> bool {
        lock(&self.state).running
    }

    /// How far it is.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Whether it is to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.door.borrow().gate == Gate::Stop
    }

    /// Another content, or the same one anew: what was there does not count.
    pub(super) fn set_content(&self, known: &Arc<Known>) {
        let state = &mut *lock(&self.state);
        state.known = Some(Arc::clone(known));
        state.file = None;
        state.pieces = Pieces::new();
        state.coming.clear();
    }

    /// What was found damaged was of another content.
    pub(super) fn forget_damage(&self) {
        let state = &mut *lock(&self.state);
        state.lost.clear();
        state.reported.clear();
    }

    /// The file it is written to; none: it is not there any more.
    pub(super) fn set_file(&self, file: Option<&Arc<File>>) {
        lock(&self.state).file = file.cloned();
    }

    /// What the origin says.
    pub(super) fn set_source(&self, source: Arc<Source>) {
        self.progress.send_modify(|progress| progress.source = Some(source));
    }

    /// It has said something else than before.
    pub(super) fn clear_source(&self) {
        self.progress.send_modify(|progress| progress.source = None);
    }

    /// Whether a piece was found damaged, and is not there again.
    pub(super) fn is_reported(&self, number: u32) -> bool {
        lock(&self.state).reported.contains(&number)
    }

    /// A piece is there.
    pub(super) fn put(&self, number: u32, crc: Crc) {
        let state = &mut *lock(&self.state);
        state.pieces.put(number, crc);
        state.coming.remove(&number);
        state.reported.remove(&number);
    }

    /// So many of its first bytes are there; 0: it broke off.
    pub(super) fn coming(&self, number: u32, bytes: u64) {
        let coming = &mut lock(&self.state).coming;
        if bytes == 0 {
            coming.remove(&number);
        } else {
            coming.insert(number, bytes);
        }
    }

    /// Tells everybody how far it is now.
    pub(super) fn publish(&self, extent: Extent) {
        let bytes = {
            let state = lock(&self.state);
            state.coming.values().sum::<u64>() + extent.bytes_of(&state.pieces)
        };
        self.progress.send_modify(|progress| progress.bytes = bytes);
    }

    /// What there is of a piece of this content.
    pub(super) fn look(&self, known: &Arc<Known>, number: u32) -> Look {
        let state = lock(&self.state);
        let Some(present) = &state.known else { return Look::Missing };
        if !Arc::ptr_eq(present, known) {
            return Look::Changed;
        }
        let Some(file) = &state.file else { return Look::Missing };
        match (state.pieces.get(number), state.coming.get(&number)) {
            (Some(_), _) => Look::Here(Arc::clone(file), None),
            (None, Some(bytes)) => Look::Here(Arc::clone(file), Some(*bytes)),
            (None, None) => Look::Missing,
        }
    }

    /// Notes pieces that are not what they were: those of which nobody knew. None: all of them are there again.
    pub(super) fn damaged(&self, known: &Known, numbers: &[u32]) -> Option<Vec<u32>> {
        let state = &mut *lock(&self.state);
        // A piece is known to be good before it is put here: whoever compared it before that is late, and is seen to be.
        let is_lost = |number: &u32| state.reported.contains(number) || !known.is_good(*number);
        let lost: Vec<u32> = numbers.iter().copied().filter(is_lost).collect();
        if lost.is_empty() {
            return None;
        }
        let fresh: Vec<u32> = lost.into_iter().filter(|number| state.reported.insert(*number)).collect();
        known.bad(&fresh);
        for number in &fresh {
            state.pieces.take(*number);
        }
        if state.running && !fresh.is_empty() {
            state.lost.extend(&fresh);
            self.lost.notify_one();
        }
        Some(fresh)
    }

    /// What was lost since the last time.
    pub(super) fn take_lost(&self) -> BTreeSet<u32> {
        std::mem::take(&mut lock(&self.state).lost)
    }

    /// Whether anything was.
    pub(super) fn has_lost(&self) -> bool {
        !lock(&self.state).lost.is_empty()
    }

    /// Closes the gate behind which the origin's answer waits.
    pub(super) fn close_gate(&self) {
        self.set_gate(Gate::Closed);
    }

    /// Go on.
    pub(super) fn proceed(&self) {
        self.set_gate(Gate::Open);
    }

    /// Do not.
    pub(super) fn stop(&self) {
        self.set_gate(Gate::Stop);
    }

    fn set_gate(&self, to: Gate) {
        // A stop is final.
        self.door.send_if_modified(|door| {
            let moves = door.gate != Gate::Stop && door.gate != to;
            if moves {
                door.gate = to;
            }
            moves
        });
    }

    /// Whether everything has come: from then on a stop is not heeded. Said before readers get to see the last byte, since
    /// whoever has that leaves.
    pub(super) fn settles(&self, settles: bool) {
        self.door.send_if_modified(|door| std::mem::replace(&mut door.settles, settles) != settles);
    }

    /// Waits for leave to write.
    pub(super) async fn let_in(&self) {
        self.wait_for(|door| door.gate == Gate::Open).await;
    }

    /// Waits until it is to stop, and has not got everything.
    pub(super) async fn stopped(&self) {
        self.wait_for(|door| door.gate == Gate::Stop && !door.settles).await;
    }

    async fn wait_for(&self, wanted: impl FnMut(&Door) -> bool) {
        let mut door = self.door.subscribe();
        if door.wait_for(wanted).await.is_err() {
            // Cannot be while `self` holds the other end; then nobody will ever say so.
            std::future::pending::<()>().await;
        }
    }

    /// The end.
    pub(super) fn end(&self, end: Result<(), FetchFailure>) {
        self.progress.send_modify(|progress| progress.end = Some(end));
    }
}

/// What follows from an extent.
pub(super) trait Stretch {
    /// Bytes of these pieces together.
    fn bytes_of(&self, pieces: &Pieces) -> u64;
}

impl Stretch for Extent {
    fn bytes_of(&self, pieces: &Pieces) -> u64 {
        let whole = u64::from(pieces.count()) * self.piece_length;
        let Some(length) = self.length else { return whole };
        let last = length.checked_sub(1).and_then(|last| u32::try_from(last / self.piece_length.max(1)).ok());
        let short = last.filter(|last| pieces.get(*last).is_some());
        whole - short.map_or(0, |last| ((u64::from(last) + 1) * self.piece_length).saturating_sub(length))
    }
}
