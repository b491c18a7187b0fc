//! What is there before anything is asked, and what is done when everything is there.

use super::{Failed, Fetch, disk, failure};
use crate::base::Now;
use crate::cache::content::claims::Claims;
use crate::cache::content::sums::{Following, crc_of};
use crate::cache::content::thread::lock;
use crate::cache::machine::Event;
use crate::cache::model::piece::{bytes_of, pieces_of};
use crate::cache::model::{Crc, Source, Validators};
use std::io;
use std::sync::Arc;

impl Fetch {
    /// Takes the file of a task with the same content; whether it could.
    pub(super) async fn take_twin(&mut self) -> Result<bool, Failed> {
        let (Some((twin, ids, extent, pieces)), Some(digest)) = (self.order.twin.clone(), self.order.digest.clone())
        else {
            return Ok(false);
        };
        let Some(length) = extent.length else { return Ok(false) };
        let (inner, from) = (Arc::clone(&self.inner), ids.primary.clone());
        let compare = move || {
            let (file, path) = (inner.files.read(&from)?, inner.files.path(&from));
            let mut sum = Following::new(&digest);
            sum.follow(&file, &path, length)?;
            Ok(file.metadata()?.len() == length && sum.holds())
        };
        if !self.inner.thread.blocking(compare).await.unwrap_or(false) {
            tracing::info!(task = self.order.task.0, twin = twin.0, "the twin's file is not what it was; fetching");
            return Ok(false);
        }
        let source =
            Source { extent, validators: Validators::default(), headers: Vec::new(), checked: Now::read().wall };
        self.set_content(source);
        self.be_let_in_for_link().await;
        let (inner, from, to) = (Arc::clone(&self.inner), ids.primary, self.order.ids.primary.clone());
        let link = move || {
            inner.files.share(&from, &to)?;
            inner.files.read(&to)
        };
        let file = match self.inner.thread.blocking(link).await {
            Ok(file) => Arc::new(file),
            Err(why) => {
                tracing::info!(task = self.order.task.0, twin = twin.0, %why, "the twin's file cannot be taken; fetching");
                self.let_in = false;
                self.source = None;
                return Ok(false);
            }
        };
        self.live.set_file(Some(&file));
        self.file = Some(file);
        self.proven = true;
        let known = self.inner.knowledge.of(self.order.task);
        for (number, crc) in pieces.iter() {
            known.good(number);
            lock(&self.claims).put(number, crc);
            self.live.put(number, crc);
            self.inner.tell(Event::Piece(self.order.task, number, crc));
        }
        self.live.publish(extent);
        Ok(true)
    }

    async fn be_let_in_for_link(&mut self) {
        let Some(source) = self.source.clone() else { return };
        self.live.set_source(Arc::new(source.clone()));
        self.live.close_gate();
        self.inner.tell(Event::Answered(self.order.task, Box::new(source)));
        self.live.let_in().await;
        self.let_in = true;
    }

    /// Compares what is written down with what is there; what is not there is reported.
    pub(super) async fn take_up(&mut self) {
        let Some((source, pieces)) = self.order.have.clone() else { return };
        let task = self.order.task;
        let known = self.inner.knowledge.of(task);
        let extent = source.extent;
        let length = extent.length.unwrap_or(u64::MAX);
        let mut claims = Claims::new(extent.length.map(|length| pieces_of(length, extent.piece_length)));
        let (inner, id) = (Arc::clone(&self.inner), self.order.ids.primary.clone());
        self.live.set_content(&known);
        let opened = self.inner.thread.blocking(move || inner.files.read(&id)).await.map(Arc::new);
        self.live.set_file(opened.as_ref().ok());
        self.live.set_source(Arc::new(Source::clone(&source)));
        let mut damaged = Vec::new();
        for (number, crc) in pieces.iter() {
            let right = match &opened {
                Ok(_) if known.is_good(number) => true,
                Ok(file) => self.is_right(file, bytes_of(number, length, extent.piece_length), crc).await,
                Err(_) => false,
            };
            if right {
                known.good(number);
                claims.put(number, crc);
                self.live.put(number, crc);
            } else {
                damaged.push(number);
            }
        }
        self.live.publish(extent);
        *lock(&self.claims) = claims;
        self.source = Some(*source);
        known.bad(&damaged);
        if let Some(fresh) = self.live.damaged(&known, &damaged).filter(|fresh| !fresh.is_empty()) {
            self.inner.tell(Event::Damaged(task, fresh));
        }
    }

    async fn is_right(&self, file: &Arc<std::fs::File>, bytes: std::ops::Range<u64>, crc: Crc) -> bool {
        let (file, path) = (Arc::clone(file), Arc::clone(&self.path));
        let found = self.inner.thread.blocking(move || crc_of(&file, &path, bytes)).await;
        found.is_ok_and(|found| found == Some(crc))
    }

    /// The file, to be written: a new one, unless pieces of this content are in one already.
    pub(super) async fn open_file(&mut self, source: &Source) -> Result<(), Failed> {
        let (inner, id, length) = (Arc::clone(&self.inner), self.order.ids.primary.clone(), source.extent.length);
        let has_any = lock(&self.claims).done().count() > 0;
        let open = move || -> io::Result<_> {
            if has_any {
                inner.files.write(&id, length)
            } else {
                inner.files.create(&id, length).map(|file| (file, true))
            }
        };
        let (file, is_new) = self.inner.thread.blocking(open).await.map_err(|failed| disk(&failed))?;
        let file = Arc::new(file);
        if is_new {
            self.inner.knowledge.of(self.order.task).replace();
            self.inner.knowledge.close(self.order.task);
        }
        self.live.set_file(Some(&file));
        self.file = Some(file);
        Ok(())
    }

    /// Everything is there: checks it and brings it to the disk. Its length.
    pub(super) async fn finish(&mut self) -> Result<u64, Failed> {
        let Some(source) = self.source.clone() else { return Err(failure("nothing was fetched").into()) };
        let Some(length) = source.extent.length else { return Err(failure("its length is not known").into()) };
        let file = match self.file.clone() {
            Some(file) => file,
            // Everything was there when it was ordered: nothing is asked for, and nothing written.
            None => {
                let (inner, id) = (Arc::clone(&self.inner), self.order.ids.primary.clone());
                let file = self.inner.thread.blocking(move || inner.files.read(&id)).await;
                Arc::new(file.map_err(|failed| disk(&failed))?)
            }
        };
        let sum = self.digest.take().or_else(|| self.order.digest.as_ref().map(Following::new));
        if let Some(sum) = sum.filter(|_| !self.proven) {
            let sum = self.follow(&file, sum, length).await?;
            if !sum.holds() {
                if self.live.has_lost() {
                    return Err(failure("a piece was damaged while the whole was checked").into());
                }
                return Err(self.discard().await);
            }
        }
        let (inner, id) = (Arc::clone(&self.inner), self.order.ids.primary.clone());
        self.inner.thread.blocking(move || inner.files.sync(&file, &id)).await.map_err(|failed| disk(&failed))?;
        self.proven = true;
        if self.live.has_lost() {
            return Err(failure("a piece was damaged while the whole was checked").into());
        }
        Ok(length)
    }

    /// Takes the next bytes into the digest.
    async fn follow(&self, file: &Arc<std::fs::File>, mut sum: Following, upto: u64) -> Result<Following, Failed> {
        let (file, path) = (Arc::clone(file), Arc::clone(&self.path));
        let follow = move || sum.follow(&file, &path, upto).map(|()| sum);
        self.inner.thread.blocking(follow).await.map_err(|failed| disk(&failed))
    }

    /// What came is not what it must be: nobody gets to see the end of it.
    async fn discard(&mut self) -> Failed {
        let wanted = self.order.digest.as_ref().map(|digest| match digest {
            crate::cache::model::Digest::Sha256(_) => "sha256",
            crate::cache::model::Digest::Sha512(_) => "sha512",
            crate::cache::model::Digest::Crc32(_) => "crc32",
        });
        let mut why = format!("the content has another {} digest than it must have", wanted.unwrap_or_default());
        self.live.set_file(None);
        self.inner.knowledge.forget(self.order.task);
        let (inner, id) = (Arc::clone(&self.inner), self.order.ids.primary.clone());
        if let Err(failed) = self.inner.thread.blocking(move || inner.files.remove(&id)).await {
            why = format!("{why}, and {failed}");
        }
        Failed { failure: failure(why), discard: true }
    }
}
