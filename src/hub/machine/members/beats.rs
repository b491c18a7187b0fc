//! The beats of this host for the accounts that it serves.
//!
//! ```text
//!             no listener, nothing of its own to look at          else
//!   served ───────────────────────────────────────────> steady  ────────> beating <──looks go on / do not──> held
//! ```
//!
//! One beat counts for all who are beating, so that it costs the same however many they are; it is withheld while the entry
//! listener does not answer. Those whose own pools are not looked at are held, and no others. For the steady nothing could
//! keep a beat back: theirs are counted when somebody asks, and nobody wakes up for them.

use super::{Members, expires};
use crate::base::Mono;
use crate::hub::machine::{Effect, Room, Rules};
use crate::hub::model::AccountId;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// What an answer of the entry listener may be older than two rounds.
const GRACE: Duration = Duration::from_secs(2);
/// The shortest pause between two rounds, whatever is configured.
const SHORTEST: Duration = Duration::from_millis(10);

/// Own beats.
#[derive(Debug, Default)]
pub(super) struct Beats {
    /// For whom.
    beating: BTreeSet<AccountId>,
    /// Those among them for whom there was no beat yet: the last one was not for them.
    newcomers: BTreeSet<AccountId>,
    /// Those for whom nothing can keep a beat back, since when.
    steady: HashMap<AccountId, Mono>,
    /// Those whose own pools are not looked at.
    held: BTreeSet<AccountId>,
    /// The last beat that was not withheld.
    last: Option<Mono>,
    /// It is not too old, as far as was told.
    is_fresh: bool,
    /// The last beat for those for whom this host does not beat any more.
    former: HashMap<AccountId, Mono>,
    /// Those whose course may be another one now.
    unsorted: BTreeSet<AccountId>,
    /// The pause between two rounds.
    every: Duration,
    /// The next round.
    round: Option<Mono>,
    /// When the entry listener was last heard of, and whether it answered.
    answer: Option<(Mono, bool)>,
    /// Why the last round brought no beat.
    withheld: Option<String>,
    /// For whom the entry listener was asked last.
    turn: Option<AccountId>,
}

/// How this host beats for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Not at all.
    Off,
    Steady,
    Beating,
    Held,
}

impl Beats {
    pub(super) fn new(rules: &Rules) -> Beats {
        Beats { every: rules.beat_every.max(SHORTEST), ..Beats::default() }
    }

    /// The last own beat for an account.
    pub(super) fn last(&self, account: AccountId, now: Mono) -> Option<Mono> {
        if let Some(since) = self.steady.get(&account) {
            let served = now - *since;
            let part =
                Duration::from_nanos(u64::try_from(served.as_nanos() % self.every.as_nanos()).unwrap_or_default());
            return Some(*since + (served - part));
        }
        let is_for_him = self.beating.contains(&account) && !self.newcomers.contains(&account);
        self.last.filter(|_| is_for_him).or_else(|| self.former.get(&account).copied())
    }

    /// The own beat that grows old for this account alone.
    pub(super) fn former(&self, account: AccountId) -> Option<Mono> {
        self.former.get(&account).copied()
    }

    /// How this host beats for an account may have to be another way: found out before the step is over.
    pub(super) fn sort(&mut self, account: AccountId) {
        self.unsorted.insert(account);
    }

    fn course(&self, account: AccountId) -> Course {
        match account {
            _ if self.steady.contains_key(&account) => Course::Steady,
            _ if self.beating.contains(&account) => Course::Beating,
            _ if self.held.contains(&account) => Course::Held,
            _ => Course::Off,
        }
    }

    /// Sets how this host beats for an account; old beats count until they are too old. Whether that is news.
    fn set(&mut self, account: AccountId, course: Course, now: Mono) -> bool {
        if self.course(account) == course {
            return false;
        }
        if let Some(last) = self.last(account, now) {
            self.former.insert(account, last);
        }
        self.steady.remove(&account);
        self.held.remove(&account);
        self.newcomers.remove(&account);
        self.beating.remove(&account);
        match course {
            Course::Off => {}
            Course::Held => drop(self.held.insert(account)),
            Course::Steady => {
                self.former.remove(&account);
                self.steady.insert(account, now);
            }
            Course::Beating => {
                self.beating.insert(account);
                self.newcomers.insert(account);
                // The first time at once.
                self.round = Some(now);
            }
        }
        if self.beating.is_empty() {
            self.round = None;
        }
        true
    }

    pub(super) fn forget(&mut self, account: AccountId, now: Mono) {
        self.set(account, Course::Off, now);
        self.former.remove(&account);
        self.unsorted.remove(&account);
    }

    /// The next one for whom the entry listener is asked: all in turn.
    fn next_turn(&mut self) -> Option<AccountId> {
        let after = self.turn.and_then(|turn| turn.checked_add(1)).unwrap_or_default();
        self.turn = self.beating.range(after..).next().or_else(|| self.beating.first()).copied();
        self.turn
    }

    /// When the last beat is too old for all.
    fn expires(&self, offline_after: Duration) -> Option<Mono> {
        self.last.filter(|_| self.is_fresh && !self.beating.is_empty()).map(|last| expires(last, offline_after))
    }

    /// Whether the entry listener has answered lately.
    fn is_answered(&self, rules: &Rules, now: Mono) -> Result<(), String> {
        if !rules.listens {
            return Ok(());
        }
        match self.answer {
            None => Err("the entry listener has not answered yet".to_owned()),
            Some((_, false)) => Err("the entry listener does not answer".to_owned()),
            Some((at, true)) if now - at >= rules.beat_every.saturating_mul(2) + GRACE => {
                Err(format!("the entry listener last answered {} s ago", (now - at).as_secs()))
            }
            Some((_, true)) => Ok(()),
        }
    }
}

impl Room {
    /// Why there is no beat for an account that is served.
    pub(super) fn why_withheld(&self, account: AccountId, now: Mono) -> String {
        let withheld = || self.members.beats.withheld.clone();
        let why = self.is_verifying(account, now).err().or_else(withheld);
        why.unwrap_or_else(|| "its next one is due".to_owned())
    }

    /// Sorts whoever may have to be: served or not, with something to look at or not, looked at or not.
    fn sort_members(&mut self) {
        let now = self.now.mono;
        self.members.beats.unsorted.extend(self.catalogue.take_stirred());
        while let Some(account) = self.members.beats.unsorted.pop_first() {
            let is_served = self.members.get(account).is_some_and(|member| member.serving);
            let course = match self.is_verifying(account, now) {
                _ if !is_served => Course::Off,
                Err(_) => Course::Held,
                Ok(false) if !self.rules.listens => Course::Steady,
                Ok(_) => Course::Beating,
            };
            if self.members.beats.set(account, course, now) {
                self.members.age(account, now);
                self.members.touch(account);
            }
        }
    }

    pub(in crate::hub::machine) fn answered(&mut self, answered: bool) {
        let now = self.now.mono;
        let beats = &mut self.members.beats;
        beats.answer = Some((now, answered));
        if answered && beats.withheld.is_some() && !beats.beating.is_empty() {
            self.beat_or_say_why();
        }
    }

    /// The round, if it is due; and whoever's beats have become old.
    pub(in crate::hub::machine) fn beat_for_members(&mut self) {
        let now = self.now.mono;
        self.sort_members();
        if self.members.beats.round.is_some_and(|at| at <= now) {
            self.members.beats.unsorted.extend(self.unwatched_owners(now));
            self.sort_members();
        }
        if self.members.beats.round.is_some_and(|at| at <= now) {
            self.members.beats.round = Some(now + self.members.beats.every);
            self.ask_listener();
            self.beat_or_say_why();
        }
        let Members { beats, touched, offline_after, .. } = &mut self.members;
        if beats.expires(*offline_after).is_some_and(|at| at <= now) {
            beats.is_fresh = false;
            touched.extend(&beats.beating);
        }
        self.age_beats();
    }

    fn ask_listener(&mut self) {
        if !self.rules.listens {
            return;
        }
        let turn = self.members.beats.next_turn();
        if let Some(member) = turn.and_then(|account| self.members.get(account)) {
            self.plan.effects.push(Effect::Beat(member.daemon.clone()));
        }
    }

    fn beat_or_say_why(&mut self) {
        let now = self.now.mono;
        let may = self.members.beats.is_answered(&self.rules, now);
        let Members { beats, touched, .. } = &mut self.members;
        beats.withheld = may.err();
        if beats.withheld.is_some() {
            return;
        }
        let newcomers = std::mem::take(&mut beats.newcomers);
        match std::mem::replace(&mut beats.is_fresh, true) {
            true => touched.extend(newcomers),
            false => touched.extend(&beats.beating),
        }
        beats.last = Some(now);
    }

    /// The next round, or when somebody's beats are too old.
    pub(in crate::hub::machine) fn next_beat(&self) -> Option<Mono> {
        let members = &self.members;
        [members.beats.round, members.beats.expires(members.offline_after), members.ageing.next()]
            .into_iter()
            .flatten()
            .min()
    }
}
