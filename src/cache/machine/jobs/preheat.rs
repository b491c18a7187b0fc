//! Fetching for a job: so many URLs at once, each told of by itself.

use super::super::fetching::{Opening, Parked};
use super::super::{Effect, Errand, Room, Wanted};
use super::Flow;
use crate::cache::model::{Args, Job, JobId, JobResult, PreheatArgs, PreheatKind, TaskNo, UrlOutcome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::{Builder, Uuid};

/// Where a preheat stands.
#[derive(Debug, Default)]
pub(super) struct Preheat {
    /// The first URL that was not looked at yet.
    next: usize,
    /// The URLs of each task that is being fetched for it: two may mean the same.
    fetching: BTreeMap<TaskNo, Vec<usize>>,
    /// URLs that have to wait for the end of something.
    parked: BTreeSet<usize>,
    /// URLs that are not over.
    left: usize,
}

impl Preheat {
    fn active(&self) -> usize {
        self.fetching.values().map(Vec::len).sum::<usize>() + self.parked.len()
    }
}

fn outcomes(job: &mut Job) -> Option<&mut Vec<UrlOutcome>> {
    match &mut job.part.result {
        JobResult::Preheat(urls) => Some(urls),
        _ => None,
    }
}

/// What becomes of a preheat whose URLs are all over.
fn verdict(urls: &[UrlOutcome]) -> Result<(), String> {
    let mut failed = urls.iter().filter_map(|url| url.end.as_ref()?.as_ref().err());
    let Some(first) = failed.next() else { return Ok(()) };
    match (urls.len(), 1 + failed.count()) {
        (1, 1) => Err(first.clone()),
        (all, failed) if all == failed => Err(format!("all {all} URLs failed; the first: {first}")),
        _ => Ok(()),
    }
}

/// A number for the task of one URL, drawn with the job.
fn peer(unit: Uuid, url: usize) -> Uuid {
    // An odd number with no pattern spreads the URLs of a job over all bits.
    let spread = (url as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Builder::from_random_bytes((unit.as_u128() ^ spread).to_be_bytes()).into_uuid()
}

impl Room {
    pub(super) fn begin_preheat(&mut self, id: JobId, args: &PreheatArgs) {
        if let Some(ips) = args.ips.as_ref().filter(|ips| !ips.is_empty() && !ips.contains(&self.rules.ip)) {
            return self.finish(id, Err(format!("no seed peer found for ips [{}]", ips.join(" "))));
        }
        let known = self.jobs.unfinished_urls(id);
        if known > 0 {
            self.jobs.set_flow(id, Flow::Preheating(Preheat { left: known, ..Preheat::default() }));
            return self.go_on_preheating(id);
        }
        match args.kind {
            PreheatKind::File => {
                let one = Some(&args.url).filter(|url| !url.is_empty());
                let urls = args.urls.iter().flatten().chain(one).cloned().collect();
                self.preheat_urls(id, urls);
            }
            PreheatKind::Image => {
                self.jobs.set_flow(id, Flow::Resolving);
                self.plan.effects.push(Effect::Resolve(id, args.images.clone(), args.platform.clone()));
            }
        }
    }

    /// It is known what is to be fetched.
    pub(super) fn preheat_urls(&mut self, id: JobId, urls: Vec<String>) {
        let mut seen = BTreeSet::new();
        let urls: Vec<_> = urls.into_iter().filter(|url| seen.insert(url.clone())).collect();
        if urls.is_empty() {
            return self.finish(id, Err("there is nothing to fetch".to_owned()));
        }
        let left = urls.len();
        self.jobs.change(id, |job| {
            let fresh = |url| UrlOutcome { url, end: None, bytes: None };
            job.part.result = JobResult::Preheat(urls.into_iter().map(fresh).collect());
        });
        self.jobs.set_flow(id, Flow::Preheating(Preheat { left, ..Preheat::default() }));
        self.go_on_preheating(id);
    }

    /// Begins with as many URLs as may be fetched at once; ends the job where nothing is left.
    pub(super) fn go_on_preheating(&mut self, id: JobId) {
        loop {
            let Some((job, preheat)) = self.jobs.preheat(id) else { return };
            if preheat.left == 0 {
                let end = outcomes(Arc::make_mut(job)).map_or(Ok(()), |urls| verdict(urls));
                return self.finish(id, end);
            }
            let Args::Preheat(args) = job.args.as_ref() else { return };
            if preheat.active() >= args.concurrent_tasks.max(1) as usize {
                return;
            }
            let JobResult::Preheat(urls) = &job.part.result else { return };
            let next = urls.iter().skip(preheat.next).position(|url| url.end.is_none());
            let Some(next) = next.map(|ahead| preheat.next + ahead) else { return };
            if !self.has_room() {
                self.jobs.ready.push_back(id);
                return;
            }
            let Some((_, preheat)) = self.jobs.preheat(id) else { return };
            preheat.next = next + 1;
            self.start_url(id, next);
        }
    }

    /// What a URL of a job means.
    fn wanted_by(&self, job: &Job, url: usize) -> Option<Wanted> {
        let (Args::Preheat(args), JobResult::Preheat(urls)) = (job.args.as_ref(), &job.part.result) else {
            return None;
        };
        let text = &urls.get(url)?.url;
        let identity = args.naming.of(text);
        let given = args.digest.clone().filter(|_| urls.len() == 1);
        Some(Wanted {
            ids: identity.ids(),
            digest: given.or_else(|| identity.blob_digest()),
            identity,
            private: job.has_secrets, // accounts of the configuration are looked for where a fetch begins
            ttl: args.ttl,
            pin: args.pin.clone(),
            revalidate: args.revalidate,
            peer: peer(job.part.unit, url),
        })
    }

    fn start_url(&mut self, id: JobId, url: usize) {
        let Some(job) = self.jobs.running.get(&id).map(|running| running.job.clone()) else { return };
        let Some(wanted) = self.wanted_by(&job, url) else { return };
        drop(job);
        let errand = Errand::Job(id);
        match self.open(&wanted, errand) {
            Opening::Ready(task) => {
                let (no, length) = (task.no, task.length());
                drop(task);
                self.end_url(id, url, Ok(()), length);
                self.leave(id, no);
            }
            Opening::Running(no) => {
                if let Some((_, preheat)) = self.jobs.preheat(id) {
                    preheat.fetching.entry(no).or_default().push(url);
                }
            }
            Opening::Later(no) => {
                if let Some((_, preheat)) = self.jobs.preheat(id) {
                    preheat.parked.insert(url);
                }
                self.fetching.park(no, Parked::Job(id, url));
            }
            Opening::Refused(why) => self.end_url(id, url, Err(why.to_string()), None),
        }
    }

    /// A job has what it wanted of a task, unless another of its URLs means the same.
    fn leave(&mut self, id: JobId, no: TaskNo) {
        if self.jobs.preheat(id).is_none_or(|(_, preheat)| !preheat.fetching.contains_key(&no)) {
            self.left(no, Errand::Job(id));
        }
    }

    fn end_url(&mut self, id: JobId, url: usize, end: Result<(), String>, bytes: Option<u64>) {
        let mut was_open = false;
        self.jobs.change(id, |job| {
            if let Some(outcome) = outcomes(job).and_then(|urls| urls.get_mut(url)) {
                was_open = outcome.end.is_none();
                (outcome.end, outcome.bytes) = (Some(end), bytes);
            }
        });
        if let Some((_, preheat)) = self.jobs.preheat(id).filter(|_| was_open) {
            preheat.left -= 1;
        }
    }

    /// What a URL had to wait for has ended.
    pub(in super::super) fn start_url_again(&mut self, id: JobId, url: usize) {
        if self.jobs.preheat(id).is_some_and(|(_, preheat)| preheat.parked.remove(&url)) {
            self.start_url(id, url);
            self.go_on_preheating(id);
        }
    }

    pub(super) fn preheat_refused(&mut self, id: JobId, url: usize, why: String) {
        if self.jobs.preheat(id).is_some_and(|(_, preheat)| preheat.parked.remove(&url)) {
            self.end_url(id, url, Err(why), None);
            self.go_on_preheating(id);
        }
    }

    /// A fetch is over that a job waited for.
    pub(super) fn preheat_fetched(&mut self, id: JobId, no: TaskNo, by: Errand, end: Result<(), String>) {
        let Some((job, preheat)) = self.jobs.preheat(id) else { return };
        let Some(urls) = preheat.fetching.remove(&no) else { return };
        if end.is_err() && job.has_secrets && by != Errand::Job(id) {
            // It failed with somebody else's credentials; this job has its own.
            urls.into_iter().for_each(|url| self.start_url(id, url));
            return self.go_on_preheating(id);
        }
        let length = self.task(no).and_then(|task| task.length());
        for url in urls {
            self.end_url(id, url, end.clone(), length);
        }
        self.left(no, Errand::Job(id));
        self.go_on_preheating(id);
    }

    /// Ends all that is open; what else there is to say of it.
    pub(super) fn give_up_preheat(&mut self, id: JobId, why: &str) -> String {
        let tasks: Vec<_> = match self.jobs.preheat(id) {
            Some((_, preheat)) => preheat.fetching.keys().copied().collect(),
            None => Vec::new(),
        };
        for no in tasks {
            self.left(no, Errand::Job(id));
        }
        let (mut open, mut all) = (0, 0);
        self.jobs.change(id, |job| {
            let urls = outcomes(job).into_iter().flatten();
            for url in urls {
                all += 1;
                if url.end.is_none() {
                    open += 1;
                    url.end = Some(Err(why.to_owned()));
                }
            }
        });
        if all > 1 { format!("{why}; {open} of {all} URLs were not done") } else { why.to_owned() }
    }
}

impl super::Jobs {
    /// A preheat that is at work.
    fn preheat(&mut self, id: JobId) -> Option<(&mut Arc<Job>, &mut Preheat)> {
        let running = self.running.get_mut(&id)?;
        match &mut running.flow {
            Flow::Preheating(preheat) => Some((&mut running.job, preheat)),
            Flow::Fresh | Flow::Resolving | Flow::Deleting | Flow::Purging => None,
        }
    }

    /// How many URLs of a job are known and not over. Where all are, the job goes on as if one were: it ends at once.
    fn unfinished_urls(&self, id: JobId) -> usize {
        let result = self.running.get(&id).map(|running| &running.job.part.result);
        let Some(JobResult::Preheat(urls)) = result else { return 0 };
        urls.iter().filter(|url| url.end.is_none()).count()
    }
}
