//! What a look and a reading say of a file.

use crate::hub::model::{Digests, Health, Look, Reading, Reason, Stamp, State};

/// What a look says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub::machine) struct Judgement {
    /// How the file stands.
    pub state: State,
    /// Whether its bytes have to be compared to know more.
    pub read: bool,
}

/// What a look says of a file that was this when it was published, and of which that is known.
pub(in crate::hub::machine) fn judge(digests: Option<&Digests>, health: &Health, look: &Look) -> Judgement {
    let stamp = match look {
        Look::There(stamp) => stamp,
        Look::Missing => return absent(Reason::Missing),
        Look::NotAFile => return absent(Reason::NotAFile),
        Look::Unreadable(why) => return absent(Reason::Unreadable(why.clone())),
        Look::Escaped => return absent(Reason::Escaped),
        Look::PoolGone(why) => return absent(Reason::PoolGone(why.clone())),
    };
    let Some(digests) = digests else { return Judgement { state: State::Pending, read: true } };
    if health.right.as_ref() == Some(stamp) {
        return Judgement { state: State::Normal, read: false };
    }
    if stamp.size != digests.size {
        return Judgement { state: State::Abnormal(Reason::SizeChanged), read: false };
    }
    // A new name, owner or mode moves nothing but ctime; so does whoever writes and then sets the time back.
    let only_ctime = health.right.is_some_and(|right| Stamp { ctime: stamp.ctime, ..right } == *stamp);
    let state = match &health.state {
        State::Normal if only_ctime => State::Normal,
        // As far as is known; after a start, of what nobody has seen change.
        State::Abnormal(Reason::ContentChanged) => State::Abnormal(Reason::ContentChanged),
        _ => State::Pending,
    };
    Judgement { state, read: true }
}

/// There is nothing to read.
fn absent(reason: Reason) -> Judgement {
    Judgement { state: State::Abnormal(reason), read: false }
}

/// What a reading says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub::machine) struct Conclusion {
    /// How the file stands.
    pub state: State,
    /// See [`Health::right`].
    pub right: Option<Stamp>,
    /// The file as it is, where that is not what is right: a look that finds this is no news.
    pub seen: Option<Stamp>,
}

/// What a reading says of such a file, of which a look has `seen` this last.
pub(in crate::hub::machine) fn conclude(
    digests: Option<&Digests>,
    health: &Health,
    seen: Option<Stamp>,
    reading: &Reading,
) -> Conclusion {
    let right = health.right;
    match reading {
        Reading::Whole(stamp, read) => match compare(digests, read) {
            State::Normal => Conclusion { state: State::Normal, right: Some(*stamp), seen: None },
            // Bytes can go wrong without a change of the stamp: then it says nothing any more.
            state => Conclusion { state, right: right.filter(|right| right != stamp), seen: Some(*stamp) },
        },
        // The disk may fail again and again: what a look finds is no news, or it would be read without end.
        Reading::Failed(why) => {
            let state = State::Abnormal(Reason::Unreadable(why.clone()));
            Conclusion { state, right: None, seen: seen.or(right) }
        }
        Reading::Unsteady | Reading::Nothing(Look::There(_)) => {
            Conclusion { state: unsteady(&health.state), right, seen }
        }
        Reading::Nothing(look) => Conclusion { state: judge(digests, health, look).state, right, seen: None },
    }
}

/// What is not read when it should have been.
pub(in crate::hub::machine) fn unread(state: &State) -> State {
    match state {
        State::Abnormal(Reason::ContentChanged) => state.clone(),
        _ => State::Pending,
    }
}

fn compare(digests: Option<&Digests>, read: &Digests) -> State {
    match digests {
        Some(right) if right.size != read.size => State::Abnormal(Reason::SizeChanged),
        Some(right) if right.sha256 != read.sha256 => State::Abnormal(Reason::ContentChanged),
        _ => State::Normal,
    }
}

/// Somebody writes to it: no longer known to be well, but not known to be anything else.
fn unsteady(state: &State) -> State {
    match state {
        State::Normal => State::Pending,
        other => other.clone(),
    }
}
