//! Looks and readings for which somebody waits who wants to publish a file.

use super::patience::{Sign, no_answer, patience, patiently};
use crate::hub::model::{Look, Reading};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Says that nobody waits any more, when it is dropped.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Looks at one file, on a thread of its own; a directory that does not answer is given up.
pub(in crate::hub) async fn look_patiently(
    pool: &Arc<PathBuf>,
    dir: &Arc<str>,
    file: &Arc<str>,
    stat_every: Duration,
) -> Look {
    let (sign, at) = (Sign::new(), (Arc::clone(pool), Arc::clone(dir), Arc::clone(file)));
    let work = tokio::task::spawn_blocking(move || super::look(&at.0, &at.1, &at.2));
    match patiently(work, &sign, patience(stat_every)).await {
        Ok(Some(look)) => look,
        Ok(None) => Look::Unreadable("looking at it broke down".to_owned()),
        Err(_) => Look::PoolGone(no_answer(pool)),
    }
}

/// Reads one file, in the same way. Whoever stops to wait stops the reading.
pub(in crate::hub) async fn measure_patiently(
    pool: &Arc<PathBuf>,
    dir: &Arc<str>,
    file: &Arc<str>,
    stat_every: Duration,
) -> Reading {
    let (sign, at) = (Sign::new(), (Arc::clone(pool), Arc::clone(dir), Arc::clone(file)));
    let gone = Arc::new(AtomicBool::new(false));
    let _waiting = Waiting(Arc::clone(&gone));
    let lives = Arc::clone(&sign);
    let go_on = move |_| {
        lives.give();
        !gone.load(Ordering::Relaxed)
    };
    let work = tokio::task::spawn_blocking(move || super::measure(&at.0, &at.1, &at.2, &go_on));
    match patiently(work, &sign, patience(stat_every)).await {
        Ok(Some(Some(reading))) => reading,
        // It is stopped only when nobody is here.
        Ok(_) => Reading::Failed("reading it broke down".to_owned()),
        Err(_) => Reading::Nothing(Look::PoolGone(no_answer(pool))),
    }
}
