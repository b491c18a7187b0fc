//! Comparing what is there with what it was: on demand, and slowly in the background.

use super::Inner;
use super::sums::{Following, crc_of};
use crate::cache::model::piece::bytes_of;
use crate::cache::model::{Extent, Task};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The pause after which the background check asks again whether there is anything to do.
const IDLE: Duration = Duration::from_secs(600);

/// See [`super::Contents::verify`].
pub(super) async fn verify(inner: &Arc<Inner>, task: &Arc<Task>) -> Result<Vec<u32>, String> {
    let Some(extent) = task.source.as_ref().map(|source| source.extent) else { return Ok(Vec::new()) };
    let known = inner.knowledge.of(task.no);
    let (shared, look) = (Arc::clone(inner), Arc::clone(task));
    // One piece after the other, so that a large content does not hold a thread of the pool for minutes.
    let opened = inner.thread.blocking(move || shared.files.read(&look.ids.primary)).await;
    let file = match opened {
        Ok(file) => Arc::new(file),
        Err(failed) => {
            let all: Vec<u32> = task.pieces.iter().map(|(number, _)| number).collect();
            inner.damaged(task.no, &known, &all);
            return Err(failed.to_string());
        }
    };
    let path: Arc<Path> = inner.files.path(&task.ids.primary).into();
    let mut digest = task.digest.as_ref().filter(|_| task.is_complete()).map(Following::new);
    let mut wrong = Vec::new();
    for (number, crc) in task.pieces.iter() {
        let bytes = bytes_of(number, extent.length.unwrap_or(u64::MAX), extent.piece_length);
        let (file, path, sum) = (Arc::clone(&file), Arc::clone(&path), digest.take());
        let compare = move || {
            let found = crc_of(&file, &path, bytes.clone()).unwrap_or(None);
            let sum = sum.and_then(|mut sum| sum.follow(&file, &path, bytes.end).ok().map(|()| sum));
            Ok((found, sum))
        };
        let (found, sum) = inner.thread.blocking(compare).await.map_err(|failed| failed.to_string())?;
        digest = sum;
        if found == Some(crc) {
            known.good(number);
        } else {
            wrong.push(number);
        }
    }
    // Every piece is what it was when it came, and the whole is not what it must be: none of them can be trusted.
    if wrong.is_empty() && digest.is_some_and(|sum| sum.upto() == extent.length.unwrap_or_default() && !sum.holds()) {
        wrong = task.pieces.iter().map(|(number, _)| number).collect();
    }
    if !wrong.is_empty() {
        inner.damaged(task.no, &known, &wrong);
    }
    Ok(wrong)
}

/// See [`super::Contents::scrub`].
pub(super) async fn scrub(inner: &Arc<Inner>, next: impl Fn() -> Option<Arc<Task>> + Send + Sync + 'static) {
    let next = Arc::new(next);
    let rate = inner.settings.scrub_rate;
    if rate == 0 {
        return;
    }
    loop {
        let asked = Arc::clone(&next);
        // It may go through everything that there is.
        let Ok(Some(task)) = inner.thread.blocking(move || Ok(asked())).await else {
            tokio::time::sleep(IDLE).await;
            continue;
        };
        let slowly = slowly(Arc::clone(inner), Arc::clone(&task), rate);
        let done = match inner.thread.handle() {
            Ok(handle) => handle.spawn(slowly).await.map_err(io::Error::other).and_then(|done| done),
            Err(failed) => Err(failed),
        };
        if let Err(why) = done {
            tracing::warn!(task = task.no.0, %why, "the background check could not read a content");
            // A disk that fails at once must not be asked without a pause.
            tokio::time::sleep(IDLE).await;
        }
    }
}

async fn slowly(inner: Arc<Inner>, task: Arc<Task>, rate: u64) -> io::Result<()> {
    let Some(Extent { length, piece_length }) = task.source.as_ref().map(|source| source.extent) else { return Ok(()) };
    let known = inner.knowledge.of(task.no);
    let (shared, look) = (Arc::clone(&inner), Arc::clone(&task));
    let file = match inner.thread.blocking(move || shared.files.read(&look.ids.primary)).await {
        Ok(file) => Arc::new(file),
        Err(failed) if failed.kind() == io::ErrorKind::NotFound => {
            let all: Vec<u32> = task.pieces.iter().map(|(number, _)| number).collect();
            inner.damaged(task.no, &known, &all);
            return Ok(());
        }
        Err(failed) => return Err(failed),
    };
    let path: Arc<Path> = inner.files.path(&task.ids.primary).into();
    for (number, crc) in task.pieces.iter() {
        if known.is_gone() {
            return Ok(());
        }
        let bytes = bytes_of(number, length.unwrap_or(u64::MAX), piece_length);
        let pause = Duration::from_secs_f64((bytes.end - bytes.start) as f64 / rate as f64);
        let (file, path) = (Arc::clone(&file), Arc::clone(&path));
        let found = inner.thread.blocking(move || Ok(crc_of(&file, &path, bytes).unwrap_or(None))).await?;
        if found == Some(crc) {
            known.good(number);
        } else if !known.is_gone() {
            inner.damaged(task.no, &known, &[number]);
        }
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// The pieces of a task that were not compared since the start, compared now: those that are not what they were, which are
/// reported.
pub(super) async fn compare_the_rest(inner: &Arc<Inner>, task: &Arc<Task>, file: &Arc<File>) -> io::Result<Vec<u32>> {
    let Some(extent) = task.source.as_ref().map(|source| source.extent) else { return Ok(Vec::new()) };
    let known = inner.knowledge.of(task.no);
    let path: Arc<Path> = inner.files.path(&task.ids.primary).into();
    let mut wrong = BTreeSet::new();
    for (number, crc) in task.pieces.iter() {
        if known.is_good(number) {
            continue;
        }
        let bytes = bytes_of(number, extent.length.unwrap_or(u64::MAX), extent.piece_length);
        let (file, path) = (Arc::clone(file), Arc::clone(&path));
        let found = inner.thread.blocking(move || Ok(crc_of(&file, &path, bytes).unwrap_or(None))).await?;
        if found == Some(crc) {
            known.good(number);
        } else {
            wrong.insert(number);
        }
    }
    let wrong: Vec<u32> = wrong.into_iter().collect();
    if !wrong.is_empty() {
        inner.found_damaged(task.no, &known, &wrong);
    }
    Ok(wrong)
}
