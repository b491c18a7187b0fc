//! Accounts, as the hub knows them: ids, where they can be reached, beats from outside, and who is online.

mod beats;

use super::facts::Dependant;
use super::{Beat, By, Change, Newcomer, News, Refusal, Room, Rules, Standing, Verdict};
use crate::base::{Mono, Timers};
use crate::hub::model::{AccountId, DaemonId, EntryPoint, ItemName, Member, RepName, Requirements, TagName, TagNo};
use beats::Beats;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How many entry points an account may have.
const MOST_ENTRIES: usize = 8;

/// All members.
#[derive(Debug)]
pub(super) struct Members {
    all: BTreeMap<AccountId, Arc<Member>>,
    by_daemon: HashMap<DaemonId, AccountId>,
    /// The last beat from outside.
    outside: HashMap<AccountId, Outside>,
    beats: Beats,
    /// When a beat becomes too old that is one account's alone.
    ageing: Timers<Mono, AccountId>,
    /// Who may have come or gone in this step.
    touched: BTreeSet<AccountId>,
    /// Who is online, as it was told.
    online: BTreeSet<AccountId>,
    offline_after: Duration,
}

/// Tags, by item.
type Reported = BTreeMap<(RepName, ItemName), BTreeSet<TagName>>;

/// A beat from outside. What it said is dropped when it becomes too old.
#[derive(Debug)]
struct Outside {
    at: Mono,
    entries: Vec<EntryPoint>,
    abnormal: Reported,
}

/// The first moment at which a beat is too old.
fn expires(beat: Mono, offline_after: Duration) -> Mono {
    beat + offline_after + Duration::from_nanos(1)
}

impl Members {
    /// What was stored. Everybody is offline; those who are served beat when their pools were looked at.
    pub(super) fn load(all: Vec<Member>, rules: &Rules) -> Members {
        let mut beats = Beats::new(rules);
        all.iter().for_each(|member| beats.sort(member.account));
        Members {
            by_daemon: all.iter().map(|member| (member.daemon.clone(), member.account)).collect(),
            all: all.into_iter().map(|member| (member.account, Arc::new(member))).collect(),
            outside: HashMap::new(),
            beats,
            ageing: Timers::default(),
            touched: BTreeSet::new(),
            online: BTreeSet::new(),
            offline_after: rules.offline_after,
        }
    }

    pub(super) fn get(&self, account: AccountId) -> Option<&Arc<Member>> {
        self.all.get(&account)
    }

    pub(super) fn by_daemon(&self, daemon: &DaemonId) -> Option<&Arc<Member>> {
        self.all.get(self.by_daemon.get(daemon)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.all.values()
    }

    /// Whether an account's beat from outside, still fresh, says that a tag is not well. Of items that are its own.
    pub(super) fn reports(&self, account: AccountId, rep: &RepName, item: &ItemName, tag: &TagName, now: Mono) -> bool {
        self.reported_set(account, rep, item, now).is_some_and(|tags| tags.contains(tag))
    }

    /// All that it says so of an item.
    pub(super) fn reported(
        &self,
        account: AccountId,
        rep: &RepName,
        item: &ItemName,
        now: Mono,
    ) -> impl Iterator<Item = &TagName> {
        self.reported_set(account, rep, item, now).into_iter().flatten()
    }

    fn reported_set(
        &self,
        account: AccountId,
        rep: &RepName,
        item: &ItemName,
        now: Mono,
    ) -> Option<&BTreeSet<TagName>> {
        let beat = self.outside.get(&account).filter(|beat| !beat.abnormal.is_empty())?;
        let tags = beat.abnormal.get(&(rep.clone(), item.clone()))?;
        self.is_fresh(beat.at, now).then_some(tags)
    }

    /// Where an account can be reached: what it set, and what a beat that is still fresh has reported.
    pub(super) fn entries(
        &self,
        account: AccountId,
        now: Mono,
        offline_after: Duration,
    ) -> (Vec<EntryPoint>, Vec<EntryPoint>) {
        let set = self.get(account).map(|member| member.entries.clone()).unwrap_or_default();
        let beat = self.outside.get(&account).filter(|beat| now - beat.at <= offline_after);
        (set, beat.map(|beat| beat.entries.clone()).unwrap_or_default())
    }

    fn is_fresh(&self, beat: Mono, now: Mono) -> bool {
        now - beat <= self.offline_after
    }

    /// The newest beat, of either kind.
    fn last_beat(&self, account: AccountId, now: Mono) -> Option<Mono> {
        self.beats.last(account, now).max(self.outside.get(&account).map(|beat| beat.at))
    }

    /// A pool of this account was looked at, or is not: its beats may begin, or end.
    pub(super) fn sort(&mut self, account: AccountId) {
        self.beats.sort(account);
    }

    /// How many are online, as far as was told, and how many are not.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.online.len(), self.all.len().saturating_sub(self.online.len()))
    }

    /// Whether it is online may have changed: told at the end of the step.
    pub(super) fn touch(&mut self, account: AccountId) {
        self.touched.insert(account);
    }

    /// Sets when a beat of this account is too old next.
    fn age(&mut self, account: AccountId, now: Mono) {
        let outside = self.outside.get(&account).map(|beat| beat.at);
        let next = [outside, self.beats.former(account)]
            .into_iter()
            .flatten()
            .map(|beat| expires(beat, self.offline_after))
            .filter(|at| *at > now)
            .min();
        match next {
            Some(at) => self.ageing.set(account, at),
            None => self.ageing.clear(account),
        }
    }

    /// Changes what is stored of a member.
    fn change(&mut self, account: AccountId, change: impl FnOnce(&mut Member)) -> Option<Arc<Member>> {
        let member = self.all.get_mut(&account)?;
        change(Arc::make_mut(member));
        Some(member.clone())
    }
}

impl Room {
    pub(super) fn join(&mut self, account: AccountId, Newcomer { daemon, serving }: Newcomer) -> Verdict {
        if let Some(member) = self.members.get(account) {
            return Verdict::Member(member.clone());
        }
        let requires = Requirements::default();
        let member = Arc::new(Member { account, daemon, serving, entries: Vec::new(), requires });
        self.members.by_daemon.insert(member.daemon.clone(), account);
        self.members.all.insert(account, member.clone());
        self.members.beats.sort(account);
        self.plan.changes.push(Change::Member(member.clone()));
        Verdict::Member(member)
    }

    /// The member, where somebody may change him.
    fn member_of(&self, by: By, account: AccountId) -> Result<Arc<Member>, Refusal> {
        if by.account != account && !by.admin {
            return Err(Refusal::Foreign("this is another user's to change".to_owned()));
        }
        self.known_member(account)
    }

    fn known_member(&self, account: AccountId) -> Result<Arc<Member>, Refusal> {
        let unknown = || Refusal::Unknown { what: "user", name: account.to_string() };
        self.members.get(account).cloned().ok_or_else(unknown)
    }

    fn change_member(&mut self, account: AccountId, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.change(account, change) {
            self.plan.changes.push(Change::Member(member));
        }
    }

    pub(super) fn serve(&mut self, by: By, account: AccountId, serving: bool) -> Verdict {
        let member = match self.member_of(by, account) {
            Ok(member) => member,
            Err(why) => return Verdict::Refused(why),
        };
        if member.serving == serving {
            return Verdict::Done;
        }
        self.change_member(account, |member| member.serving = serving);
        self.members.beats.sort(account);
        self.line(account, format!("serving is switched {}", if serving { "on" } else { "off" }));
        Verdict::Done
    }

    pub(super) fn set_entries(&mut self, account: AccountId, mut entries: Vec<EntryPoint>) -> Verdict {
        let member = match self.known_member(account) {
            Ok(member) => member,
            Err(why) => return Verdict::Refused(why),
        };
        keep_distinct(&mut entries);
        if member.entries == entries {
            return Verdict::Done;
        }
        let text = match entries.is_empty() {
            true => "entry points are removed".to_owned(),
            false => {
                let texts: Vec<&str> = entries.iter().map(EntryPoint::as_str).collect();
                format!("entry points are set: {}", texts.join(", "))
            }
        };
        self.change_member(account, |member| member.entries = entries);
        self.line(account, text);
        Verdict::Done
    }

    pub(super) fn require_of_member(&mut self, by: By, account: AccountId, requires: Requirements) -> Verdict {
        let member = match self.member_of(by, account) {
            Ok(member) => member,
            Err(why) => return Verdict::Refused(why),
        };
        if member.requires == requires {
            return Verdict::Done;
        }
        self.facts.exchange(Dependant::Member(account), &member.requires, &requires);
        let text = match requires.all.is_empty() {
            true => "being online requires nothing else any more".to_owned(),
            false => {
                let texts: Vec<String> = requires.all.iter().map(ToString::to_string).collect();
                format!("being online requires: {}", texts.join(", "))
            }
        };
        self.change_member(account, |member| member.requires = requires);
        self.members.touch(account);
        self.line(account, text);
        Verdict::Done
    }

    pub(super) fn beat(&mut self, account: AccountId, beat: Beat) -> Verdict {
        if let Err(why) = self.known_member(account) {
            return Verdict::Refused(why);
        }
        let Beat { mut entries, lines, abnormal } = beat;
        keep_distinct(&mut entries);
        let mut reported = Reported::new();
        for (rep, item, tag) in abnormal {
            reported.entry((rep, item)).or_default().insert(tag);
        }
        self.tell_reported(account, &reported);
        let at = self.now.mono;
        self.members.outside.insert(account, Outside { at, entries, abnormal: reported });
        self.members.age(account, at);
        self.members.touch(account);
        lines.into_iter().for_each(|line| self.stamped_line(account, line));
        Verdict::Done
    }

    /// Tells listeners of tags that are reported now and were not before, and the other way round. Of an account's own
    /// items; before what it reports is replaced.
    fn tell_reported(&mut self, account: AccountId, new: &Reported) {
        let none = Reported::new();
        let old = self.members.outside.get(&account).map_or(&none, |beat| &beat.abnormal);
        let mut changed: BTreeSet<TagNo> = BTreeSet::new();
        for (one, other) in [(old, new), (new, old)] {
            for ((rep, item), tags) in one {
                let is_own = self.catalogue.repository(rep).is_some_and(|repository| repository.owner == account);
                let Some(item) = self.catalogue.item(rep, item).filter(|_| is_own) else { continue };
                let same = other.get(&(rep.clone(), item.name.clone()));
                let only = tags.iter().filter(|tag| !same.is_some_and(|same| same.contains(*tag)));
                changed.extend(only.filter_map(|tag| self.catalogue.tag(item.no, tag)).map(|tag| tag.no));
            }
        }
        self.plan.news.extend(changed.into_iter().map(News::Tag));
    }

    pub(super) fn removed(&mut self, account: AccountId) {
        self.end_pulls_of(account);
        let Some(member) = self.members.all.remove(&account) else { return };
        self.tell_reported(account, &Reported::new());
        self.facts.exchange(Dependant::Member(account), &member.requires, &Requirements::default());
        self.members.by_daemon.remove(&member.daemon);
        self.members.outside.remove(&account);
        self.members.beats.forget(account, self.now.mono);
        self.members.ageing.clear(account);
        self.members.touch(account);
        self.lines.forget(account);
        self.plan.changes.push(Change::MemberGone(account));
    }

    /// Drops what beats from outside said that have become too old.
    fn age_beats(&mut self) {
        let now = self.now.mono;
        while let Some(account) = self.members.ageing.pop(now) {
            let is_old = self.members.outside.get(&account).is_some_and(|beat| !self.members.is_fresh(beat.at, now));
            if is_old {
                self.tell_reported(account, &Reported::new());
                if let Some(beat) = self.members.outside.get_mut(&account) {
                    (beat.entries, beat.abnormal) = (Vec::new(), Reported::new());
                }
            }
            self.members.age(account, now);
            self.members.touch(account);
        }
    }

    fn is_online(&self, member: &Member, now: Mono) -> bool {
        let beat = self.members.last_beat(member.account, now);
        beat.is_some_and(|beat| self.members.is_fresh(beat, now)) && self.facts.broken(&member.requires).is_none()
    }

    pub(super) fn stand(&self, account: AccountId, now: Mono) -> Standing {
        let offline = |last_beat, why| Standing { online: false, last_beat, why };
        let Some(member) = self.members.get(account) else {
            return offline(None, "the hub has not heard of it".to_owned());
        };
        let last_beat = self.members.last_beat(account, now);
        match last_beat.filter(|beat| self.members.is_fresh(*beat, now)) {
            None => offline(last_beat, self.why_no_beat(member, last_beat, now)),
            Some(_) => match self.facts.broken(&member.requires) {
                Some(why) => offline(last_beat, format!("it requires {why}")),
                None => Standing { online: true, last_beat, why: String::new() },
            },
        }
    }

    fn why_no_beat(&self, member: &Member, last: Option<Mono>, now: Mono) -> String {
        let last = match last {
            Some(last) => format!("its last heartbeat was {} s ago", (now - last).as_secs()),
            None => "there was no heartbeat since hostler started".to_owned(),
        };
        let own = match member.serving {
            true => self.why_withheld(member.account, now),
            false => "this host does not serve for it".to_owned(),
        };
        format!("{last}; {own}")
    }

    /// Tells listeners who came and who went.
    pub(super) fn tell_online(&mut self) {
        for account in std::mem::take(&mut self.members.touched) {
            let is_online = self.members.get(account).is_some_and(|member| self.is_online(member, self.now.mono));
            let has_changed = match is_online {
                true => self.members.online.insert(account),
                false => self.members.online.remove(&account),
            };
            if has_changed {
                self.plan.news.push(News::Online(account, is_online));
            }
        }
    }
}

/// Leaves each entry point once, and not too many.
fn keep_distinct(entries: &mut Vec<EntryPoint>) {
    let mut seen = BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.clone()));
    entries.truncate(MOST_ENTRIES);
}
