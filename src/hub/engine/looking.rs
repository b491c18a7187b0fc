//! What the room shows without deciding anything: its state, lines of logs, where somebody can be reached.

use super::{Failed, Handle};
use crate::base::{Now, Wall};
use crate::hub::machine::{Room, Standing};
use crate::hub::model::{AccountId, EntryPoint, ItemNo, Job, JobKind, TagNo};
use crate::hub::records::{self, Line};
use crate::schedule::Zone;
use crate::store::{Batch, Rule};
use std::collections::HashSet;
use std::time::Duration;

/// How long it is waited for looks.
const WAIT: Duration = Duration::from_secs(5);

impl Handle {
    /// Looks at the room's present state, which may be ahead of the disk by one flush. From any thread; a few microseconds
    /// at most.
    pub fn look<T>(&self, look: impl FnOnce(&Room) -> T) -> T {
        look(&self.0.room.get())
    }

    /// Lines of an account's log, as they are shown: `count` of them, from the one that is `index` younger ones away from
    /// the newest; newest first.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn lines(&self, account: AccountId, index: u64, count: u64) -> Result<Vec<String>, Failed> {
        let Some((oldest, newest)) = self.look(|room| room.log_bounds(account)) else { return Ok(Vec::new()) };
        let Some(last) = newest.checked_sub(index).filter(|last| *last >= oldest && count > 0) else {
            return Ok(Vec::new());
        };
        let first = oldest.max(last.saturating_sub(count - 1));
        let mut found = self.read_lines(account, first, last).await?;
        if (found.len() as u64) <= last - first {
            // The newest may be on their way to the disk; the oldest may have fallen out meanwhile.
            let settled = self.0.tools.store.submit(Batch::new());
            settled.durable().await.map_err(|why| Failed::Write(why.to_string()))?;
            found = self.read_lines(account, first, last).await?;
        }
        Ok(found.into_iter().map(|line| show(line, self.0.zone)).collect())
    }

    async fn read_lines(&self, account: AccountId, first: u64, last: u64) -> Result<Vec<Line>, Failed> {
        let reader = self.0.tools.store.reader();
        let read = tokio::task::spawn_blocking(move || records::lines(&reader, account, first, last));
        Ok(read.await.map_err(|_| Failed::Gone)??)
    }

    /// Where an account can be reached: what it set, the addresses this host listens on for it, what a fresh beat has
    /// reported; each once.
    pub fn entrypoints(&self, account: AccountId) -> Vec<EntryPoint> {
        let now = Now::read().mono;
        let (is_served, (set, reported)) = self.look(|room| {
            let is_served = room.member(account).is_some_and(|member| member.serving);
            (is_served, room.entries(account, now))
        });
        let listens = is_served && !self.0.settings.entry.is_empty();
        let own = if listens { self.0.reach.own() } else { Vec::new() };
        let mut seen = HashSet::new();
        set.into_iter().chain(own).chain(reported).filter(|entry| seen.insert(entry.clone())).collect()
    }

    /// How many bytes of a job that goes on are there, or were read; none: nothing is going on.
    pub fn bytes_of(&self, job: &Job) -> Option<u64> {
        match &job.kind {
            JobKind::Pull(_) => self.0.pulls.bytes(job.id),
            JobKind::Publish(tag) => self.0.verifier.bytes(*tag),
        }
    }

    /// Why a job that goes on pauses, where it does; for people.
    pub fn trouble_of(&self, job: &Job) -> Option<String> {
        self.0.pulls.trouble(job.id)
    }

    /// Whether an account is online, and why not.
    pub fn standing(&self, account: AccountId) -> Standing {
        let now = Now::read().mono;
        self.look(|room| room.standing(account, now))
    }

    /// Returns when every tag of an item was looked at since the daemon started, at the latest after some seconds, or when
    /// `gone` returns.
    pub async fn looked_at(&self, item: ItemNo, gone: impl Future<Output = ()> + Send) {
        let (mut news, mut draining) = (self.0.news.subscribe(), self.0.draining.subscribe());
        let looked = async {
            let mut suspect = None;
            loop {
                news.borrow_and_update();
                suspect = self.look(|room| unseen(room, item, suspect));
                if suspect.is_none() || news.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased; // what is so already needs no waiting
            () = looked => {}
            () = gone => {}
            _ = draining.wait_for(|draining| *draining) => {}
            () = tokio::time::sleep(WAIT) => {}
        }
    }

    /// What must hold between the records, for a check of the whole store.
    pub fn rules(&self) -> Vec<Rule> {
        records::rules()
    }
}

/// A tag of this item that was not looked at: the suspect, as long as it is one, so that not all are gone through each
/// time.
fn unseen(room: &Room, item: ItemNo, suspect: Option<TagNo>) -> Option<TagNo> {
    let is_unseen = |no: &TagNo| room.tag_by_no(*no).is_some_and(|tag| tag.looked.get().is_none());
    suspect.filter(is_unseen).or_else(|| room.doubtful(item).find(|tag| tag.looked.get().is_none()).map(|tag| tag.no))
}

/// A line with its stamp: in local time, to the second, as the original writes it.
fn show((at, text): Line, zone: Zone) -> String {
    match at {
        Some(at) => format!("{} {text}", stamp(at, zone)),
        None => text,
    }
}

fn stamp(at: Wall, zone: Zone) -> impl std::fmt::Display {
    zone.local(at).format("%Y/%m/%d %H:%M:%S")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_in_local_time() {
        let at = Wall::from_timestamp(1_700_000_000, 999).unwrap();
        let zone = Zone::parse("Asia/Tokyo").unwrap();
        assert_eq!(show((Some(at), "the host starts".into()), zone), "2023/11/15 07:13:20 the host starts");
        assert_eq!(
            show((None, "2020/01/01 00:00:00 said elsewhere".into()), zone),
            "2020/01/01 00:00:00 said elsewhere"
        );
    }
}
