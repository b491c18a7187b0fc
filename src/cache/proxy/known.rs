//! The ids of what was asked for lately: three hashes and a parsed URL that a hit need not pay for again.

use crate::cache::model::{Identity, Ids};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many are remembered; one more, and all are computed anew.
const REMEMBERED: usize = 4096;
/// Longer addresses are not remembered: what is remembered stays within 16 MiB.
const LONGEST: usize = 2048;

/// Ids by what they are the ids of.
#[derive(Default)]
pub(super) struct KnownIds(Mutex<HashMap<Identity, Arc<Ids>>>);

impl KnownIds {
    /// The ids of this.
    pub(super) fn of(&self, identity: &Identity) -> Arc<Ids> {
        if let Some(ids) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(identity) {
            return ids.clone();
        }
        let ids = Arc::new(identity.ids());
        let given = [&identity.url, &identity.tag, &identity.application].map(String::len).iter().sum::<usize>();
        if given + identity.content.as_ref().map_or(0, String::len) <= LONGEST {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(identity.clone(), ids.clone());
        }
        ids
    }
}
