//! Contents that are being fetched, as their readers hold them: a moment longer than they read.
//!
//! Who reads a file in parts opens it again and again, and who has all its bytes leaves before they are checked and synced.
//! If each of them took his fetch along, it would begin again and again. So a fetch goes on for a moment without a reader,
//! or to its end where that was wished.

use super::serve::Shared;
use crate::cache::content::Contents;
use crate::cache::engine::Opened;
use crate::cache::model::Task;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long a fetch goes on without a reader: longer than the pauses of those who come again.
const LINGERS: Duration = Duration::from_secs(10);
/// Contents that are held so at once.
const LINGERING: usize = 1024;
/// Contents that are fetched to their end at once though nobody reads them any more.
const PREFETCHES: usize = 64;

/// How many may be held without a reader.
pub(super) struct Places {
    lingering: Arc<Semaphore>,
    prefetches: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Places {
        let places = |count| Arc::new(Semaphore::new(count));
        Places { lingering: places(LINGERING), prefetches: places(PREFETCHES) }
    }
}

/// See the head of the file.
pub(super) struct Held {
    /// None once it was let go.
    opened: Option<Opened>,
    contents: Contents,
    handle: std::io::Result<tokio::runtime::Handle>,
    places: Arc<Places>,
    /// It is to be fetched to its end.
    whole: bool,
}

impl Held {
    pub(super) fn new(shared: &Shared, opened: Opened, whole: bool) -> Held {
        let contents = shared.handle.contents().clone();
        Held {
            opened: Some(opened),
            contents,
            handle: shared.handle.thread().handle(),
            places: shared.places.clone(),
            whole,
        }
    }

    /// As it was opened.
    pub(super) fn task(&self) -> Option<&Arc<Task>> {
        self.opened.as_ref().map(|opened| &opened.task)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (Some(opened), Ok(handle)) = (self.opened.take(), &self.handle) else { return };
        if self.contents.progress(&opened.task).borrow().end.is_some() {
            return;
        }
        let place = |places: &Arc<Semaphore>| places.clone().try_acquire_owned().ok();
        let to_the_end = if self.whole { place(&self.places.prefetches) } else { None };
        let (place, limit) = match to_the_end {
            Some(place) => (place, None),
            None => match place(&self.places.lingering) {
                Some(place) => (place, Some(LINGERS)),
                None => return,
            },
        };
        let contents = self.contents.clone();
        handle.spawn(async move {
            let end = contents.whole(&opened.task);
            // How it ends, those hear who want it.
            match limit {
                Some(limit) => drop(timeout(limit, end).await),
                None => drop(end.await),
            }
            drop((place, opened));
        });
    }
}
