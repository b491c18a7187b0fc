//! The beats of this host for the accounts that it serves.
//!
//! One beat counts for all of them, so that it costs the same however many they are. A beat is withheld while the entry
//! listener does not answer, or looks at files make no progress: then the accounts go offline by themselves.

use super::{Members, expires};
use crate::base::Mono;
use crate::hub::machine::catalogue::Catalogue;
use crate::hub::machine::{Change, Effect, Room, Rules};
use crate::hub::model::{AccountId, PoolName};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// The last beat that was not withheld.
    last: Option<Mono>,
    /// It is not too old, as far as was told.
    is_fresh: bool,
    /// The last beat for those for whom this host does not beat any more.
    former: HashMap<AccountId, Mono>,
    /// Those served whose pools were not looked at whole since the start: which pools.
    awaiting: BTreeMap<AccountId, BTreeSet<PoolName>>,
    /// The next round.
    round: Option<Mono>,
    /// When the entry listener was last heard of, and whether it answered.
    answer: Option<(Mono, bool)>,
    /// Why the last round brought no beat.
    withheld: Option<String>,
    /// For whom the entry listener was asked last.
    turn: Option<AccountId>,
}

impl Beats {
    /// The last own beat for an account.
    pub(super) fn last(&self, account: AccountId) -> Option<Mono> {
        let is_for_him = self.beating.contains(&account) && !self.newcomers.contains(&account);
        self.last.filter(|_| is_for_him).or_else(|| self.former.get(&account).copied())
    }

    /// The own beat that grows old for this account alone.
    pub(super) fn former(&self, account: AccountId) -> Option<Mono> {
        self.former.get(&account).copied()
    }

    /// Why there is no beat for an account that is served.
    pub(super) fn why_not(&self, account: AccountId) -> String {
        if let Some(pool) = self.awaiting.get(&account).and_then(BTreeSet::first) {
            return format!("the data pool {pool} has not been looked at whole since hostler started");
        }
        self.withheld.clone().unwrap_or_else(|| "its next one is due".to_owned())
    }

    /// Beats for an account from now on, the first time at once.
    pub(super) fn begin(&mut self, account: AccountId, now: Mono) {
        self.beating.insert(account);
        self.newcomers.insert(account);
        self.round = Some(now);
    }

    /// Beats no more for an account; old beats count until they are too old.
    pub(super) fn end(&mut self, account: AccountId) {
        let last = self.last(account);
        self.awaiting.remove(&account);
        self.newcomers.remove(&account);
        if self.beating.remove(&account)
            && let Some(last) = last
        {
            self.former.insert(account, last);
        }
        if self.beating.is_empty() {
            self.round = None;
        }
    }

    pub(super) fn forget(&mut self, account: AccountId) {
        self.end(account);
        self.former.remove(&account);
    }

    /// The first beat waits until these pools were looked at.
    pub(super) fn wait_for(&mut self, account: AccountId, pools: BTreeSet<PoolName>) {
        self.awaiting.insert(account, pools);
    }

    /// Those who wait no longer, now that there is nothing more to look at in pools for which this says so.
    fn take_waited(&mut self, is_over: impl Fn(&PoolName) -> bool) -> Vec<AccountId> {
        self.awaiting.values_mut().for_each(|pools| pools.retain(|pool| !is_over(pool)));
        let done = self.awaiting.iter().filter(|(_, pools)| pools.is_empty());
        let done: Vec<AccountId> = done.map(|(account, _)| *account).collect();
        done.iter().for_each(|account| drop(self.awaiting.remove(account)));
        done
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

/// Pools with files to be looked at, by owner: nobody beats for an owner before that was done.
pub(super) fn unseen_pools(catalogue: &Catalogue) -> HashMap<AccountId, BTreeSet<PoolName>> {
    let mut unseen: HashMap<AccountId, BTreeSet<PoolName>> = HashMap::new();
    for pool in catalogue.pools().filter(|pool| catalogue.published_in(&pool.name) > 0) {
        unseen.entry(pool.owner).or_default().insert(pool.name.clone());
    }
    unseen
}

impl Room {
    /// All files of a pool were looked at: its owner may have waited for that.
    pub(in crate::hub::machine) fn pool_was_seen(&mut self, pool: &PoolName) {
        let now = self.now.mono;
        let beats = &mut self.members.beats;
        for account in beats.take_waited(|waited| waited == pool) {
            beats.begin(account, now);
        }
        // It may be what was missing.
        if beats.withheld.is_some() && !beats.beating.is_empty() {
            beats.round = Some(now);
        }
    }

    /// What is not there any more need not be looked at.
    fn admit_emptied(&mut self) {
        let is_less = |change: &Change| {
            matches!(change, Change::PoolGone(_) | Change::ItemGone(_) | Change::TagGone(..) | Change::TagsGone(_))
        };
        if self.members.beats.awaiting.is_empty() || !self.plan.changes.iter().any(is_less) {
            return;
        }
        let catalogue = &self.catalogue;
        let is_over = |pool: &PoolName| catalogue.pool(pool).is_none() || catalogue.published_in(pool) == 0;
        for account in self.members.beats.take_waited(is_over) {
            self.members.beats.begin(account, self.now.mono);
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
        self.admit_emptied();
        if self.members.beats.round.is_some_and(|at| at <= now) {
            self.members.beats.round = Some(now + self.rules.beat_every.max(SHORTEST));
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
        let may = self.members.beats.is_answered(&self.rules, now).and_then(|()| self.is_verifying(now));
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
