//! One fetch, from its order to its end.
//!
//! ```text
//! twin's file? --yes--> answered, proceed, linked ------------------------------------------.
//!    | no                                                                                   v
//! what is there? compared --> ask --> answered, proceed --> pieces, two requests at most --> digest, sync --> whole
//!                              ^                                   |
//!                              `---- pause, or at once anew -------'  broken, refused for now, another version
//! ```

mod asking;
mod head;
mod intake;
mod pump;
mod transfer;

pub(crate) use asking::{Ask, failure};

use super::claims::{Claims, WINDOW};
use super::live::Live;
use super::sums::Following;
use super::thread::lock;
use super::{FetchFailure, Inner};
use crate::base::Now;
use crate::cache::machine::{Event, Order};
use crate::cache::model::address::masked;
use crate::cache::model::piece::pieces_of;
use crate::cache::model::{Source, Validators};
use crate::cache::origin::{Answer, Authority};
use asking::{Asker, Trouble, bytes_of};
use head::Goal;
use hyper::StatusCode;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use transfer::Body;

/// The longest pause between two tries, where the origin does not ask for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How a fetch ended that did not fail.
pub(super) enum Fetched {
    /// Everything is there: so many bytes.
    Whole(u64),
    /// What is there has not changed.
    Unchanged,
}

/// Why one failed.
pub(super) struct Failed {
    pub(super) failure: FetchFailure,
    pub(super) discard: bool,
}

impl From<FetchFailure> for Failed {
    fn from(failure: FetchFailure) -> Failed {
        Failed { failure, discard: false }
    }
}

/// A disk's failure.
fn disk(failed: &std::io::Error) -> Failed {
    failure(failed.to_string()).into()
}

/// See the head of the file.
pub(super) struct Fetch {
    inner: Arc<Inner>,
    live: Arc<Live>,
    order: Order,
    authority: Arc<dyn Authority>,
    path: Arc<Path>,
    /// What is being fetched; none before the origin has answered.
    source: Option<Source>,
    claims: Arc<Mutex<Claims>>,
    /// Open for writing; none before leave to write.
    file: Option<Arc<File>>,
    /// The room was told of the answer, and has given leave.
    let_in: bool,
    /// The origin gives parts.
    gives_ranges: bool,
    /// The origin does not bear a second connection.
    narrow: bool,
    digest: Option<Following>,
    /// The digest was found right.
    proven: bool,
}

impl Fetch {
    pub(super) fn new(inner: Arc<Inner>, live: Arc<Live>, order: Order, authority: Arc<dyn Authority>) -> Fetch {
        let digest = order.digest.as_ref().map(Following::new);
        let path = inner.files.path(&order.ids.primary).into();
        let claims = Arc::new(Mutex::new(Claims::new(None)));
        Fetch {
            inner,
            live,
            order,
            authority,
            path,
            source: None,
            claims,
            file: None,
            let_in: false,
            gives_ranges: false,
            narrow: false,
            digest,
            proven: false,
        }
    }

    /// Fetches.
    pub(super) async fn run(mut self) -> Result<Fetched, Failed> {
        if self.take_twin().await? {
            return self.settle().await.map(Fetched::Whole);
        }
        let url =
            self.order.url.parse().map_err(|why| failure(format!("url: {why}: {:?}", masked(&self.order.url))))?;
        let asker = Asker { ask: Arc::clone(&self.inner.ask), authority: Arc::clone(&self.authority), url };
        if self.order.revalidate && self.order.have.is_some() && self.revalidate(&asker).await? {
            return Ok(Fetched::Unchanged);
        }
        if self.source.is_none() {
            self.take_up().await;
        }
        let length = self.complete(&asker).await?;
        Ok(Fetched::Whole(length))
    }

    /// Asks whether what is there has changed; not so: true. Else the new content is fetched as far as this answer goes.
    async fn revalidate(&mut self, asker: &Asker) -> Result<bool, Failed> {
        let Some((old, _)) = self.order.have.clone() else { return Ok(false) };
        let mut tries = 0;
        let answer = loop {
            match asker.ask(&Goal::IfChanged, Some(&old)).await {
                Ok(answer) => break answer,
                Err(trouble) => self.bear(trouble, &mut tries).await?,
            }
        };
        let new = head::source(&answer.headers, self.order.piece_length, Now::read().wall);
        if answer.status == StatusCode::NOT_MODIFIED || head::same_version(&old, &new) {
            // What was found damaged in the meantime is fetched now.
            return Ok(!self.live.has_lost());
        }
        // A break is borne by what follows: it asks again.
        if let Err(trouble) = self.take_answer(answer, &Goal::All, asker).await? {
            self.bear(trouble, &mut 0).await?;
        }
        Ok(false)
    }

    /// Fetches what is missing, checks the whole, and brings it to the disk: its length.
    async fn complete(&mut self, asker: &Asker) -> Result<u64, Failed> {
        let (mut tries, mut anew, mut before) = (0, false, self.count());
        loop {
            let trouble = match self.round(asker, anew).await? {
                Ok(()) => match self.settle().await {
                    Ok(length) => return Ok(length),
                    Err(Failed { failure, discard: false }) if self.live.has_lost() => Trouble::Passing(failure, None),
                    Err(failed) => return Err(failed),
                },
                Err(trouble) => trouble,
            };
            // An origin that gives something each time is not given up.
            let count = self.count();
            if count > before {
                tries = 0;
            }
            before = count;
            anew = matches!(trouble, Trouble::Changed);
            self.bear(trouble, &mut tries).await?;
        }
    }

    /// As [`Fetch::finish`]; not stopped meanwhile.
    async fn settle(&mut self) -> Result<u64, Failed> {
        self.live.settles(true);
        let finished = self.finish().await;
        if finished.is_err() {
            self.live.settles(false);
        }
        finished
    }

    fn count(&self) -> u32 {
        lock(&self.claims).done().count()
    }

    /// One request and what follows from it, until everything is there or something goes wrong.
    async fn round(&mut self, asker: &Asker, anew: bool) -> Result<Result<(), Trouble>, Failed> {
        self.note_lost();
        let goal = match &self.source {
            Some(source) if !anew && self.can_go_on(source) => {
                let mut claims = lock(&self.claims);
                if !claims.is_missing_any() {
                    return Ok(Ok(()));
                }
                claims.next(WINDOW).map_or(Goal::All, Goal::Some)
            }
            Some(_) | None => Goal::All,
        };
        match asker.ask(&goal, self.source.as_ref()).await {
            Ok(answer) => self.take_answer(answer, &goal, asker).await,
            Err(trouble) => {
                self.release(&goal);
                Ok(Err(trouble))
            }
        }
    }

    fn release(&self, goal: &Goal) {
        if let Goal::Some(claim) = goal {
            lock(&self.claims).release(claim);
        }
    }

    /// Whether what is missing can be asked for: a part of another version would be found out, by its name or at the end.
    fn can_go_on(&self, source: &Source) -> bool {
        source.extent.length.is_some() && (head::strong(&source.validators).is_some() || self.order.digest.is_some())
    }

    async fn take_answer(&mut self, answer: Answer, goal: &Goal, asker: &Asker) -> Result<Result<(), Trouble>, Failed> {
        let now = Now::read().wall;
        let body = match (goal, &self.source) {
            (Goal::Some(claim), Some(source)) if answer.status == StatusCode::PARTIAL_CONTENT => {
                let asked = bytes_of(claim, source.extent);
                let Some(bytes) = head::part(&answer.headers, source, &asked) else {
                    self.release(goal);
                    return Ok(Err(Trouble::Changed));
                };
                self.gives_ranges = true;
                Body { stream: answer.body, bytes, claim: claim.clone(), alone: false }
            }
            (_, old) => {
                self.release(goal);
                let new = head::source(&answer.headers, self.order.piece_length, now);
                let same = old.as_ref().is_some_and(|old| head::same_version(old, &new));
                // An origin that was asked for a part and gives everything gives no parts.
                self.gives_ranges = matches!(goal, Goal::All) && head::gives_ranges(&answer.headers);
                if !same {
                    self.set_content(new);
                }
                let extent = self.source.as_ref().map(|source| source.extent);
                let bytes = 0..extent.and_then(|extent| extent.length).unwrap_or(u64::MAX);
                let alone = !self.may_split() || lock(&self.claims).done().count() > 0;
                Body { stream: answer.body, bytes, claim: 0..0, alone }
            }
        };
        self.be_let_in().await?;
        let claim = match goal {
            Goal::Some(claim) if !body.claim.is_empty() => claim.clone(),
            Goal::Some(_) | Goal::All | Goal::IfChanged => lock(&self.claims).first((!body.alone).then_some(WINDOW)),
        };
        self.pump(Body { claim, ..body }, asker).await
    }

    /// Whether a second connection may help.
    fn may_split(&self) -> bool {
        let Some(source) = &self.source else { return false };
        let long = source.extent.length.is_some_and(|length| pieces_of(length, source.extent.piece_length) > WINDOW);
        long && self.gives_ranges && !self.narrow && head::strong(&source.validators).is_some()
    }

    /// What is fetched from now on; what was there is of no use.
    fn set_content(&mut self, new: Source) {
        let (task, extent) = (self.order.task, new.extent);
        let (had, have) = self.order.have.take().map_or((None, Arc::default()), |(had, have)| (Some(*had), have));
        // Until it is told what the new content is, nobody takes the old one's word for it.
        self.live.clear_source();
        let total = extent.length.map(|length| pieces_of(length, extent.piece_length));
        let old = std::mem::replace(&mut *lock(&self.claims), Claims::new(total));
        let recorded: BTreeSet<u32> = have.iter().chain(old.done().iter()).map(|(number, _)| number).collect();
        let had = self.source.take().or(had);
        if had.is_some() || !self.inner.knowledge.of(task).is_blank() {
            self.inner.knowledge.forget(task);
        }
        // Where two versions have one (weak) name, the room cannot tell that what it has written down is gone.
        let alike = |had: Source| had.extent == extent && had.validators == new.validators;
        if !recorded.is_empty() && new.validators != Validators::default() && had.is_some_and(alike) {
            self.inner.tell(Event::Damaged(task, recorded.into_iter().collect()));
        }
        self.digest = self.order.digest.as_ref().map(Following::new);
        (self.file, self.let_in, self.proven) = (None, false, false);
        self.live.settles(false);
        self.live.forget_damage();
        self.live.set_content(&self.inner.knowledge.of(task));
        self.live.publish(extent);
        self.source = Some(new);
    }

    /// Tells the room of the answer, and waits for leave to write.
    async fn be_let_in(&mut self) -> Result<(), Failed> {
        if self.let_in {
            return Ok(());
        }
        let Some(source) = self.source.as_mut() else { return Ok(()) };
        source.checked = Now::read().wall;
        let source = source.clone();
        self.live.set_source(Arc::new(source.clone()));
        self.live.close_gate();
        self.inner.tell(Event::Answered(self.order.task, Box::new(source.clone())));
        self.live.let_in().await;
        self.let_in = true;
        self.open_file(&source).await?;
        if source.validators == Validators::default() {
            // Without a name for the version, the room has to believe that it is another one.
            let kept: Vec<_> = lock(&self.claims).done().iter().collect();
            for (number, crc) in kept {
                self.inner.tell(Event::Piece(self.order.task, number, crc));
            }
        }
        Ok(())
    }

    /// The pause after a failure that may pass; the error, where it was the last one, or will not pass.
    async fn bear(&self, trouble: Trouble, tries: &mut u32) -> Result<(), Failed> {
        let retries = self.inner.settings.retries;
        let (mut failure, asked, most) = match trouble {
            Trouble::Lasting(failure) => return Err(failure.into()),
            // Not the origin's failure: it is asked again for everything, however rarely others are.
            Trouble::Changed => {
                (failure("the content keeps changing at its origin"), Some(Duration::ZERO), retries.max(2))
            }
            Trouble::Passing(failure, asked) => (failure, asked, retries),
        };
        if *tries >= most {
            if *tries > 0 {
                failure.why = format!("{}; given up after {} tries", failure.why, *tries + 1);
            }
            return Err(failure.into());
        }
        let doubled = self.inner.settings.retry_after.saturating_mul(1 << (*tries).min(16)).min(LONGEST_PAUSE);
        *tries += 1;
        tokio::time::sleep(asked.unwrap_or(doubled)).await;
        Ok(())
    }

    /// Forgets pieces that readers have found damaged.
    fn note_lost(&mut self) {
        let lost = self.live.take_lost();
        if lost.is_empty() {
            return;
        }
        self.live.settles(false);
        let mut claims = lock(&self.claims);
        for number in lost {
            claims.lose(number);
        }
        self.digest = self.order.digest.as_ref().map(Following::new);
        self.proven = false;
        if let Some(source) = &self.source {
            self.live.publish(source.extent);
        }
    }

    /// Bytes that are there without a gap.
    fn in_order(&self) -> u64 {
        let Some(source) = &self.source else { return 0 };
        let Source { extent, .. } = source;
        let upto = u64::from(lock(&self.claims).in_order()).saturating_mul(extent.piece_length);
        extent.length.map_or(upto, |length| upto.min(length))
    }
}
