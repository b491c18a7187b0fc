//! Two requests at most, lowest pieces first, until everything is there or something goes wrong.

use super::asking::{Asker, Trouble, bytes_of, failure};
use super::head::{self, Goal};
use super::transfer::{Body, Ended, Site};
use super::{Failed, Fetch};
use crate::cache::content::claims::WINDOW;
use crate::cache::content::sums::Following;
use crate::cache::content::thread::lock;
use crate::cache::model::Source;
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _, OptionFuture};
use futures_util::stream::FuturesUnordered;
use hyper::StatusCode;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Connections of one fetch.
const CONNECTIONS: usize = 2;

impl Fetch {
    /// Takes this answer, and asks for more where that helps.
    pub(super) async fn pump(&mut self, first: Body, asker: &Asker) -> Result<Result<(), Trouble>, Failed> {
        let (Some(file), Some(source)) = (self.file.clone(), self.source.clone()) else {
            return Err(failure("there is nothing to write to").into());
        };
        let site = Arc::new(Site {
            task: self.order.task,
            live: Arc::clone(&self.live),
            known: self.inner.knowledge.of(self.order.task),
            file,
            path: Arc::clone(&self.path),
            claims: Arc::clone(&self.claims),
            extent: Mutex::new(source.extent),
            thread: self.inner.thread.clone(),
            events: self.inner.events.clone(),
        });
        let mut running: FuturesUnordered<BoxFuture<'static, Ended>> = FuturesUnordered::new();
        running.push(Arc::clone(&site).take(first).boxed());
        let mut hashing: Option<BoxFuture<'static, Result<Following, Failed>>> = None;
        let mut trouble = None;
        let live = Arc::clone(&self.live);
        loop {
            let most = if self.narrow || !self.gives_ranges || !self.can_go_on(&source) { 1 } else { CONNECTIONS };
            while trouble.is_none() && self.gives_ranges && running.len() < most {
                let Some(claim) = lock(&self.claims).next(WINDOW) else { break };
                running.push(ranged(Arc::clone(&site), asker.clone(), source.clone(), claim).boxed());
            }
            if hashing.is_none() {
                hashing = self.hash_on();
            }
            tokio::select! {
                Some(ended) = running.next() => {
                    lock(&self.claims).release(&ended.claim);
                    let came_to_nothing = ended.brought == 0;
                    match ended.trouble {
                        // The other connection goes on; this origin does not bear two.
                        Some(_) if came_to_nothing && !running.is_empty() => self.narrow = true,
                        Some(Trouble::Lasting(failure)) => return Ok(Err(Trouble::Lasting(failure))),
                        found @ Some(_) => trouble = found,
                        None => {}
                    }
                }
                Some(sum) = OptionFuture::from(hashing.as_mut()) => {
                    hashing = None;
                    self.digest = Some(sum?);
                }
                () = live.lost.notified() => {
                    // The digest may have what was lost in it.
                    hashing = None;
                    self.note_lost();
                }
                else => break,
            }
            // Where everything is there, nobody waits for a connection that has nothing more to give.
            let has_all = !lock(&self.claims).is_missing_any();
            if has_all || running.is_empty() && (trouble.is_some() || !self.gives_ranges) {
                if let Some(sum) = hashing.take() {
                    self.digest = Some(sum.await?);
                }
                break;
            }
        }
        let extent = *lock(&site.extent);
        if source.extent.length.is_none() && extent.length.is_some() {
            let told = Source { extent, ..source };
            self.live.set_source(Arc::new(told.clone()));
            self.source = Some(told);
        }
        Ok(self.judge(trouble))
    }

    fn judge(&self, trouble: Option<Trouble>) -> Result<(), Trouble> {
        if !lock(&self.claims).is_missing_any()
            && self.source.as_ref().is_some_and(|source| source.extent.length.is_some())
        {
            return Ok(());
        }
        Err(trouble.unwrap_or_else(|| Trouble::Passing(failure("the origin did not give everything"), None)))
    }

    /// Takes pieces that have come in order into the digest, while others come.
    fn hash_on(&mut self) -> Option<BoxFuture<'static, Result<Following, Failed>>> {
        let upto = self.in_order();
        let mut sum = self.digest.take_if(|sum| sum.upto() < upto)?;
        let (file, path) = (self.file.clone()?, Arc::clone(&self.path));
        let thread = self.inner.thread.clone();
        let follow = move || sum.follow(&file, &path, upto).map(|()| sum);
        Some(async move { thread.blocking(follow).await.map_err(|failed| super::disk(&failed)) }.boxed())
    }
}

/// Asks for some pieces, and takes them.
async fn ranged(site: Arc<Site>, asker: Asker, source: Source, claim: Range<u32>) -> Ended {
    let answer = match asker.ask(&Goal::Some(claim.clone()), Some(&source)).await {
        Ok(answer) => answer,
        Err(trouble) => return Ended { claim, brought: 0, trouble: Some(trouble) },
    };
    let asked = bytes_of(&claim, source.extent);
    let bytes = Some(&answer).filter(|answer| answer.status == StatusCode::PARTIAL_CONTENT);
    match bytes.and_then(|answer| head::part(&answer.headers, &source, &asked)) {
        Some(bytes) => site.take(Body { stream: answer.body, bytes, claim, alone: false }).await,
        None => Ended { claim, brought: 0, trouble: Some(Trouble::Changed) },
    }
}
