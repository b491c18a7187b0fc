//! The passes over one pool: every file is looked at once in `stat_every`, evenly over that time, and what is wanted in
//! between at once. One task for each pool, and one look at a time: a dead mount stops its own pool alone.
//!
//! ```text
//!              a file is published                slice, slice, … each in its time        the last one
//!   (nothing) ────────────────────> a pass ──────────────────────────────────────> over ───────────────> the next pass
//!                                     │  no sign of life                             tell: Passed
//!                                     v
//!                                  hanging: all its files are told to be gone, then Hangs ──the thread comes back──> a pass at once
//! ```

use super::directory::Fault;
use super::doubts::Doubts;
use super::house::House;
use super::looks::{Found, Other, look_at_all};
use super::patience::{Hanging, Sign, no_answer, patience, patiently};
use super::wanted::{Names, Wanted, Wants};
use super::watch::{PoolWatches, Watches};
use crate::base::Now;
use crate::hub::machine::{Event, Expected};
use crate::hub::model::{ItemNo, Look, PoolName, TagNo};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Files in a slice, at most.
const SLICE: usize = 256;
/// After a look that was asked for, others wait so many times as long as it took: a directory in which something happens
/// all the time is not looked at all the time.
const REST: u32 = 10;

/// The task of one pool.
pub(super) struct Passes<H> {
    house: H,
    name: PoolName,
    every: Duration,
    patience: Duration,
    wanted: Arc<Wanted>,
    watches: Arc<PoolWatches>,
    hanging: Hanging,
    doubts: Doubts,
    /// Where the pool was last.
    dir: Option<Arc<PathBuf>>,
    /// None: the next one has not begun.
    pass: Option<Pass>,
    /// When the next pass is due.
    next: Instant,
    /// When something may be looked at again because it was asked for.
    heed: Instant,
}

/// One pass.
struct Pass {
    began: Instant,
    /// How it is spread; none: as fast as it goes.
    spread: Option<Spread>,
    done: u32,
    after: Option<(ItemNo, TagNo)>,
    /// Nothing was overlooked so far.
    whole: bool,
    /// Not earlier than this, whatever is due: a slow disk is left to others for as long as it was ours.
    rested: Instant,
}

/// So many slices, evenly over a time.
#[derive(Clone, Copy)]
struct Spread {
    every: Duration,
    slices: u32,
}

impl Spread {
    fn over(every: Duration, files: usize) -> Spread {
        Spread { every, slices: u32::try_from(files.div_ceil(SLICE)).unwrap_or(u32::MAX).max(1) }
    }

    /// When the slice after so many is due, from the beginning of the pass: not later than its end.
    fn due(self, done: u32) -> Duration {
        self.every.mul_f64(f64::from(done.min(self.slices)) / f64::from(self.slices))
    }
}

impl Pass {
    fn begin(began: Instant, spread: Option<Spread>) -> Pass {
        Pass { began, spread, done: 0, after: None, whole: true, rested: began }
    }

    /// There are so many files by now: what has come since it began is looked at in the same time.
    fn grow(&mut self, files: usize) {
        if let Some(spread) = &mut self.spread {
            *spread = Spread::over(spread.every, files);
        }
    }

    fn due(&self) -> Instant {
        self.spread.map_or(self.began, |spread| self.rested.max(self.began + spread.due(self.done)))
    }
}

/// What is to be done next.
enum Step {
    Slice,
    Wanted(Wants),
    /// The pool has changed: nothing but that is known.
    Again,
}

impl<H: House> Passes<H> {
    pub(super) fn new(house: H, name: PoolName, every: Duration, watches: Arc<Watches>, hanging: Hanging) -> Passes<H> {
        let (now, wanted) = (Instant::now(), Arc::new(Wanted::default()));
        let watches = Arc::new(PoolWatches::new(watches, name.clone()));
        let (pass, patience, doubts) = (None, patience(every), Doubts::default());
        Passes { house, name, every, patience, wanted, watches, hanging, doubts, dir: None, pass, next: now, heed: now }
    }

    /// Where it hears what is wanted.
    pub(super) fn wanted(&self) -> Arc<Wanted> {
        Arc::clone(&self.wanted)
    }

    /// Looks for as long as there is the pool.
    pub(super) async fn run(mut self) -> PoolName {
        while let Some((dir, files)) = self.house.pool(&self.name) {
            // The first time; or it was forgotten meanwhile, and made anew somewhere else.
            if self.dir.as_ref() != Some(&dir) {
                self.dir = Some(Arc::clone(&dir));
                self.start_at_once();
            }
            if self.hanging.is_at(&dir) {
                self.wanted.rung().await;
            } else if files == 0 {
                self.idle().await;
            } else {
                match self.step(files).await {
                    Step::Slice => self.look_at_slice(&dir).await,
                    Step::Wanted(wants) => self.look_at_wanted(&dir, wants).await,
                    Step::Again => {}
                }
            }
        }
        self.watches.clear();
        self.name
    }

    /// The next pass begins now, and does not rest.
    fn start_at_once(&mut self) {
        self.doubts.clear();
        self.watches.begin();
        self.pass = Some(Pass::begin(Instant::now(), None));
    }

    /// Nothing is published: a pass over nothing is over at once, and nothing happens until something is.
    async fn idle(&mut self) {
        self.doubts.clear();
        self.watches.clear();
        if self.pass.take().is_some() {
            self.house.tell(Event::Passed(self.name.clone()));
        }
        self.wanted.rung().await;
        self.next = Instant::now();
    }

    async fn step(&mut self, files: usize) -> Step {
        let due = match &mut self.pass {
            Some(pass) => {
                pass.grow(files);
                pass.due()
            }
            None => {
                let began = self.next.max(Instant::now());
                self.watches.begin();
                self.pass.insert(Pass::begin(began, Some(Spread::over(self.every, files)))).due()
            }
        };
        let (heed, doubted) = (self.heed, self.doubts.next());
        let some = async {
            sleep_until(heed).await;
            self.wanted.some().await;
        };
        tokio::select! {
            biased;
            () = some => {
                let wants = self.wanted.take();
                if wants.is_empty() { Step::Again } else { Step::Wanted(wants) }
            }
            () = sleep_until(doubted.unwrap_or(due)), if doubted.is_some() => Step::Wanted(self.doubts.take(Instant::now())),
            () = sleep_until(due) => Step::Slice,
        }
    }

    async fn look_at_slice(&mut self, dir: &Arc<PathBuf>) {
        let Some(after) = self.pass.as_ref().map(|pass| pass.after) else { return };
        let files = self.house.files(&self.name, after, SLICE);
        let last = files.last().map(|(item, file)| (*item, file.no));
        let is_over = files.len() < SLICE;
        let began = Instant::now();
        if !files.is_empty() && !self.look(dir, files).await {
            return;
        }
        let Some(pass) = &mut self.pass else { return };
        if is_over {
            let whole = pass.whole;
            self.next = pass.began + self.every;
            self.pass = None;
            self.watches.sweep();
            if whole {
                self.house.tell(Event::Passed(self.name.clone()));
            }
        } else {
            (pass.after, pass.done) = (last, pass.done.saturating_add(1));
            pass.rested = Instant::now() + began.elapsed();
        }
    }

    async fn look_at_wanted(&mut self, dir: &Arc<PathBuf>, wants: Wants) {
        if wants.whole {
            // It comes by everything else that is wanted.
            return self.start_at_once();
        }
        let began = Instant::now();
        let mut files = Vec::new();
        for (item, names) in wants.items {
            let mut after = None;
            loop {
                let (found, is_over) = match &names {
                    Names::These(names) => (self.house.files_called(item, names), true),
                    Names::All => {
                        let page = self.house.files_of(item, after, SLICE);
                        after = page.last().map(|file| file.no);
                        let is_over = page.len() < SLICE;
                        (page, is_over)
                    }
                };
                files.extend(found.into_iter().map(|file| (item, file)));
                if files.len() >= SLICE && !self.look(dir, std::mem::take(&mut files)).await {
                    return;
                }
                if is_over {
                    break;
                }
            }
        }
        if files.is_empty() || self.look(dir, files).await {
            self.doubts.settle();
            self.heed = Instant::now() + began.elapsed() * REST;
        }
    }

    /// Looks at some files, and tells what is not as expected. False: the directory does not answer.
    async fn look(&mut self, dir: &Arc<PathBuf>, files: Vec<(ItemNo, Expected)>) -> bool {
        let (sign, place, watches) = (Sign::new(), Arc::clone(dir), Arc::clone(&self.watches));
        let lives = Arc::clone(&sign);
        let work = tokio::task::spawn_blocking(move || look_at_all(&place, &files, &watches, &lives));
        match patiently(work, &sign, self.patience).await {
            Ok(found) => {
                let broken = || Found { overlooked: true, ..Found::default() };
                let Found { mut others, overlooked } = found.unwrap_or_else(broken);
                if let Some(pass) = &mut self.pass {
                    pass.whole &= !overlooked;
                }
                self.doubts.keep_back(&mut others, Instant::now(), Now::read().wall);
                self.tell(others);
                true
            }
            Err(work) => {
                self.hang(dir, work).await;
                false
            }
        }
    }

    fn tell(&self, others: Vec<Other>) {
        if others.is_empty() {
            return;
        }
        let (news, looked): (_, Vec<_>) =
            others.into_iter().map(|other| ((other.tag, other.look), other.looked)).unzip();
        self.house.tell(Event::Looked(news));
        let now = Now::read().wall;
        looked.iter().for_each(|looked| looked.touch(now));
    }

    /// Leaves a thread alone that does not come back; when it does, everything is looked at anew.
    async fn hang(&mut self, dir: &Arc<PathBuf>, work: JoinHandle<Found>) {
        tracing::warn!(pool = %self.name, dir = %dir.display(), "a data pool does not answer: nothing is looked at there");
        let wanted = Arc::clone(&self.wanted);
        self.hanging.add(dir.to_path_buf(), work, move || wanted.want_all());
        self.pass = None;
        self.doubts.clear();
        let gone = Look::PoolGone(no_answer(dir));
        let mut after = None;
        loop {
            let files = self.house.files(&self.name, after, SLICE);
            let Some((item, file)) = files.last() else { break };
            after = Some((*item, file.no));
            let mut found = Found::default();
            found.nowhere(Fault::Seen(gone.clone()), files.iter().map(|(item, file)| (*item, file)));
            self.tell(found.others);
            tokio::task::yield_now().await; // it may be many
        }
        self.house.tell(Event::Hangs(self.name.clone()));
    }
}

#[cfg(test)]
#[path = "tests/passes.rs"]
mod tests;
