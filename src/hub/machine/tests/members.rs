//! Who is online: beats of this host and from outside, entry points, reported tags; and a dumb oracle.

use super::play::*;
use crate::base::Mono;
use crate::base::chance::Chance;
use crate::hub::machine::*;
use crate::hub::model::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

fn listening() -> Rules {
    Rules { listens: true, ..rules() }
}

#[test]
fn joining_is_idempotent() {
    let mut play = Play::new(rules());
    let member = play.join(ALICE);
    assert!(member.serving);
    let again = play.ask(Ask::Join(ALICE, Newcomer { daemon: daemon(9), serving: true }));
    assert_eq!(again, Verdict::Member(member.clone()), "the first daemon id stays");
    assert_eq!(play.room.by_daemon(&daemon(ALICE)), Some(&member));
    assert_eq!(play.room.by_daemon(&daemon(9)), None);
    assert_eq!(play.shelf.members.len(), 1);
    let play = play.restart();
    assert_eq!(play.room.member(ALICE), Some(&member));
}

#[test]
fn nobody_needs_a_clock_while_there_is_nobody() {
    let mut play = Play::new(listening());
    assert_eq!(play.room.deadline(), None);
    play.join(ALICE);
    assert!(play.room.deadline().is_some());
    play.tell(Event::Removed(ALICE));
    assert_eq!(play.room.deadline(), None);
    assert!(!play.room.standing(ALICE, play.now.mono).online);
    assert_eq!(play.ask(Ask::Beat(ALICE, Beat::default())), unknown(ALICE));
    assert_eq!(play.room.deadline(), None);
}

fn unknown(account: AccountId) -> Verdict {
    Verdict::Refused(Refusal::Unknown { what: "user", name: account.to_string() })
}

#[test]
fn whoever_is_served_is_online_at_once_and_stays_so() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    assert!(play.is_online(ALICE));
    play.pass(hours(1));
    assert!(play.is_online(ALICE));
    assert_eq!(play.take_news(), [News::Online(ALICE, true)]);
}

#[test]
fn switching_off_lets_the_last_beat_grow_old() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    play.pass(secs(3));
    play.serve(ALICE, false);
    play.pass(secs(27));
    assert!(play.is_online(ALICE), "the beat is 30 s old");
    play.pass(secs(1));
    assert!(!play.is_online(ALICE));
    assert_eq!(play.why(ALICE), "its last heartbeat was 31 s ago; this host does not serve for it");
    assert_eq!(play.room.deadline(), None, "nothing is going on");
    play.serve(ALICE, true);
    assert!(play.is_online(ALICE), "the first beat comes at once");
    let online = [true, false, true].map(|online| News::Online(ALICE, online));
    assert_eq!(play.take_news(), online);
    assert_eq!(play.log(ALICE), ["serving is switched off", "serving is switched on"]);
}

#[test]
fn only_oneself_and_administrators_switch() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    let foreign = play.ask(Ask::Serve(by(BOB), ALICE, false));
    assert!(matches!(foreign, Verdict::Refused(Refusal::Foreign(_))), "{foreign:?}");
    let foreign = play.ask(Ask::RequireOfMember(by(BOB), ALICE, Requirements::default()));
    assert!(matches!(foreign, Verdict::Refused(Refusal::Foreign(_))), "{foreign:?}");
    assert_eq!(play.ask(Ask::Serve(ADMIN, BOB, false)), unknown(BOB));
    assert_eq!(play.ask(Ask::Serve(ADMIN, ALICE, false)), Verdict::Done);
    assert!(!play.room.member(ALICE).unwrap().serving);
    let play = play.restart();
    assert!(!play.room.member(ALICE).unwrap().serving);
    assert_eq!(play.room.deadline(), None);
}

#[test]
fn everybody_is_offline_after_a_restart_until_the_next_beat() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    play.join(BOB);
    play.serve(BOB, false);
    play.beat(BOB);
    let mut play = play.restart();
    assert!(!play.is_online(BOB));
    play.calm();
    assert!(play.is_online(ALICE), "this host beats");
    assert!(!play.is_online(BOB));
    assert_eq!(play.why(BOB), "there was no heartbeat since hostler started; this host does not serve for it");
}

#[test]
fn a_beat_needs_an_answer_of_the_entry_listener() {
    let mut play = Play::new(listening());
    play.join(ALICE);
    assert_eq!(play.asked, [daemon(ALICE)]);
    assert!(!play.is_online(ALICE));
    assert!(play.why(ALICE).contains("the entry listener has not answered yet"));
    play.tell(Event::Answered(true));
    assert!(play.is_online(ALICE), "what was withheld comes with the answer");
    play.pass(secs(11));
    assert!(play.is_online(ALICE), "an answer counts for 12 s");
    play.pass(secs(29));
    assert!(play.is_online(ALICE), "the last beat was at 10 s");
    play.pass(secs(1));
    assert!(!play.is_online(ALICE));
    assert!(play.why(ALICE).contains("the entry listener last answered"), "{}", play.why(ALICE));
    play.tell(Event::Answered(false));
    play.pass(secs(5));
    assert!(play.why(ALICE).ends_with("the entry listener does not answer"), "{}", play.why(ALICE));
    play.tell(Event::Answered(true));
    assert!(play.is_online(ALICE));
}

#[test]
fn the_entry_listener_is_asked_for_one_in_turn() {
    let mut play = Play::new(listening());
    play.listener = Some(true);
    for account in [1, 2, 3] {
        play.join(account);
    }
    play.serve(2, false);
    play.pass(secs(5));
    play.asked.clear();
    play.pass(secs(20));
    assert_eq!(play.asked.iter().collect::<HashSet<_>>().len(), 2);
    assert_eq!(play.asked.len(), 4);
    assert_eq!(play.asked[0], play.asked[2]);
    assert!(!play.asked.contains(&daemon(2)));
}

#[test]
fn a_beat_from_outside_counts_for_as_long_and_no_longer() {
    let mut play = Play::new(listening());
    play.join(BOB);
    play.serve(BOB, false);
    play.beat(BOB);
    assert!(play.is_online(BOB));
    play.pass(secs(30));
    assert!(play.is_online(BOB));
    assert!(play.told.contains(&BOB));
    play.pass(secs(1));
    assert!(!play.is_online(BOB));
    assert!(!play.told.contains(&BOB), "the news came by itself");
    assert_eq!(play.room.deadline(), None);
}

#[test]
fn entry_points_are_set_and_reported() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    let (one, other) = (entry("http://127.0.0.1:1000"), entry("https://example.net:2000"));
    let set = vec![one.clone(), one.clone(), other.clone()];
    assert_eq!(play.ask(Ask::SetEntries(ALICE, set.clone())), Verdict::Done);
    assert_eq!(play.ask(Ask::SetEntries(ALICE, set)), Verdict::Done);
    let beat = Beat { entries: vec![other.clone()], ..Beat::default() };
    assert_eq!(play.ask(Ask::Beat(ALICE, beat)), Verdict::Done);
    let both = vec![one.clone(), other.clone()];
    assert_eq!(play.room.entries(ALICE, play.now.mono), (both.clone(), vec![other]));
    play.pass(secs(31));
    assert_eq!(play.room.entries(ALICE, play.now.mono), (both, Vec::new()), "the beat is too old");
    assert_eq!(play.ask(Ask::SetEntries(ALICE, Vec::new())), Verdict::Done);
    let set = "entry points are set: http://127.0.0.1:1000, https://example.net:2000";
    assert_eq!(play.log(ALICE), [set, "entry points are removed"], "the same again is no event");
    let many = (1..20).map(|port| entry(&format!("http://127.0.0.1:{port}"))).collect();
    assert_eq!(play.ask(Ask::SetEntries(ALICE, many)), Verdict::Done);
    assert_eq!(play.room.member(ALICE).unwrap().entries.len(), 8);
}

fn reporting(tags: &[&str]) -> Beat {
    let abnormal = tags.iter().map(|name| (rep("weather"), item("rain"), tag(name))).collect();
    Beat { abnormal, ..Beat::default() }
}

fn reported(play: &Play, account: AccountId) -> Vec<TagName> {
    let (rep, item) = (rep("weather"), item("rain"));
    let all: Vec<TagName> = play.room.members.reported(account, &rep, &item, play.now.mono).cloned().collect();
    for name in ["t1", "t2"].map(tag) {
        let is_one = play.room.members.reports(account, &rep, &item, &name, play.now.mono);
        assert_eq!(is_one, all.contains(&name));
    }
    all
}

#[test]
fn a_beat_reports_tags_until_the_next_one_or_until_it_is_old() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    play.join(BOB);
    play.make_item(ALICE, "main");
    let (one, _) = play.publish(ALICE, new_tag("t1", 10));
    let (two, _) = play.publish(ALICE, new_tag("t2", 10));
    play.take_news();
    assert_eq!(play.ask(Ask::Beat(ALICE, reporting(&["t1", "no such"]))), Verdict::Done);
    assert_eq!(reported(&play, ALICE), [tag("no such"), tag("t1")]);
    assert_eq!(play.take_news(), [News::Tag(one)]);
    assert_eq!(play.ask(Ask::Beat(ALICE, reporting(&["t2"]))), Verdict::Done);
    assert_eq!(reported(&play, ALICE), [tag("t2")]);
    assert_eq!(play.take_news(), [News::Tag(one), News::Tag(two)]);
    assert_eq!(play.ask(Ask::Beat(ALICE, reporting(&["t2"]))), Verdict::Done);
    assert_eq!(play.take_news(), [], "nothing has changed");
    play.pass(secs(31));
    assert_eq!(reported(&play, ALICE), []);
    assert_eq!(play.take_news(), [News::Tag(two)]);
    assert_eq!(play.ask(Ask::Beat(BOB, reporting(&["t1"]))), Verdict::Done);
    assert_eq!(play.take_news(), [], "it is not his");
    assert_eq!(reported(&play, ALICE), []);
}

#[test]
fn beats_of_this_host_wait_until_pools_were_looked_at() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    play.join(BOB);
    play.make_item(ALICE, "main");
    play.publish(ALICE, new_tag("t1", 10));
    assert!(play.is_online(ALICE));
    let mut play = play.restart();
    play.calm();
    assert!(!play.is_online(ALICE));
    assert!(play.why(ALICE).contains("the data pool main has not been looked at"), "{}", play.why(ALICE));
    play.tell(Event::Passed(pool("main")));
    assert!(play.is_online(ALICE));
    assert!(play.is_online(BOB));
    let mut play = play.restart();
    assert_eq!(play.ask(Ask::ForgetTags(by(ALICE), rep("weather"), item("rain"), Which::All)), Verdict::Gone(1));
    play.calm();
    assert!(play.is_online(ALICE), "there is nothing to look at any more");
}

#[test]
fn a_pool_that_is_not_looked_at_takes_its_owner_offline_and_nobody_else() {
    for rules in [rules(), listening()] {
        let mut play = Play::new(rules);
        play.listener = Some(true);
        play.join(ALICE);
        play.join(BOB);
        play.make_item(ALICE, "main");
        play.publish(ALICE, new_tag("t1", 10));
        play.tell(Event::Hangs(pool("main")));
        play.pass(secs(30));
        assert!(play.is_online(ALICE), "the last beat counts");
        play.pass(secs(1));
        assert!(!play.is_online(ALICE) && !play.told.contains(&ALICE), "it is told on time");
        assert!(play.why(ALICE).ends_with("the data pool main does not answer"), "{}", play.why(ALICE));
        assert!(play.is_online(BOB), "{}", play.why(BOB));
        play.tell(Event::Passed(pool("main")));
        assert!(play.is_online(ALICE), "at once");
        // No look comes by any more, and nobody says why.
        play.pass(secs(30 + 5 + 30 + 1));
        assert!(!play.is_online(ALICE) && play.is_online(BOB));
        assert!(play.why(ALICE).contains("the data pool main was last looked at"), "{}", play.why(ALICE));
        assert_eq!(play.ask(Ask::ForgetTags(by(ALICE), rep("weather"), item("rain"), Which::All)), Verdict::Gone(1));
        assert!(play.is_online(ALICE), "there is nothing to look at any more");
        let changes = [true, false, true, false, true].map(|online| News::Online(ALICE, online));
        let of_alice = |news: &News| matches!(news, News::Online(ALICE, _));
        assert!(play.take_news().into_iter().filter(of_alice).eq(changes));
    }
}

#[test]
fn nobody_wakes_up_for_beats_that_nothing_can_keep_back() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    assert_eq!(play.room.deadline(), None);
    play.pass(hours(1) + secs(3));
    let standing = play.room.standing(ALICE, play.now.mono);
    assert_eq!((standing.online, standing.last_beat.map(|beat| play.now.mono - beat)), (true, Some(secs(3))));
    play.make_item(ALICE, "main");
    play.publish(ALICE, new_tag("t1", 10));
    assert!(play.room.deadline().is_some_and(|at| at - play.now.mono <= secs(5)), "there is something to look at");
    assert_eq!(play.ask(Ask::ForgetItem(by(ALICE), rep("weather"), item("rain"))), Verdict::Done);
    assert_eq!(play.room.deadline(), None);
    assert!(play.is_online(ALICE));
    assert_eq!(play.told.len(), 1);
}

#[test]
fn what_is_required_of_an_account_keeps_it_offline() {
    let mut play = Play::new(rules());
    play.join(ALICE);
    let up = Requirement::Proc("db".into());
    assert_eq!(
        play.ask(Ask::RequireOfMember(by(ALICE), ALICE, requires(std::slice::from_ref(&up), ALICE))),
        Verdict::Done
    );
    assert_eq!(play.why(ALICE), "it requires proc db: not found out yet");
    assert_eq!(play.room.requirements(), [(up.clone(), ALICE)]);
    play.tell(Event::Fact((up.clone(), ALICE), Ok(())));
    assert!(play.is_online(ALICE));
    play.tell(Event::Fact((up.clone(), ALICE), Err("it is down".into())));
    assert_eq!(play.why(ALICE), "it requires proc db: it is down");
    let changes = [true, false, true, false].map(|online| News::Online(ALICE, online));
    assert_eq!(play.take_news(), changes);
    assert_eq!(play.ask(Ask::RequireOfMember(ADMIN, ALICE, Requirements::default())), Verdict::Done);
    assert!(play.told.contains(&ALICE));
    assert_eq!(play.room.requirements(), []);
}

/// All that was ever heard, and nothing clever.
#[derive(Default)]
struct Oracle {
    serving: BTreeMap<AccountId, bool>,
    beats: BTreeMap<AccountId, Vec<Mono>>,
    requires: BTreeSet<AccountId>,
    holds: bool,
    round: Option<Mono>,
    answer: Option<Mono>,
    withheld: bool,
}

impl Oracle {
    /// The round, if it is due; the listener answers at once, or not at all.
    fn second(&mut self, now: Mono, listener: Option<bool>) {
        if !self.serving.values().any(|serving| *serving) {
            self.round = None;
        }
        if self.round.is_none_or(|at| at > now) {
            return;
        }
        self.round = Some(now + secs(5));
        self.beat_if_answered(now);
        match listener {
            Some(true) => {
                self.answer = Some(now);
                if self.withheld {
                    self.beat_if_answered(now);
                }
            }
            Some(false) => self.answer = None,
            None => {}
        }
    }

    fn beat_if_answered(&mut self, now: Mono) {
        self.withheld = self.answer.is_none_or(|at| now - at >= secs(12));
        if !self.withheld {
            let serving = self.serving.iter().filter(|(_, serving)| **serving);
            serving.for_each(|(account, _)| self.beats.entry(*account).or_default().push(now));
        }
    }

    fn is_online(&self, account: AccountId, now: Mono) -> bool {
        let is_fresh = |beats: &Vec<Mono>| beats.iter().any(|beat| now - *beat <= secs(30));
        let may = self.holds || !self.requires.contains(&account);
        self.serving.contains_key(&account) && self.beats.get(&account).is_some_and(is_fresh) && may
    }
}

const ALL: [AccountId; 4] = [1, 2, 3, 4];

/// Something that happens, to both.
fn happen(chance: &mut Chance, play: &mut Play, oracle: &mut Oracle) {
    let (account, now) = (chance.pick(&ALL), play.now.mono);
    let fact = Requirement::Url("http://127.0.0.1:1/".into());
    let is_member = oracle.serving.contains_key(&account);
    match chance.below(9) {
        0 | 1 => {
            play.join(account);
            if !is_member {
                oracle.serving.insert(account, true);
                oracle.round = Some(now);
            }
        }
        2 | 3 if is_member => {
            let serving = chance.percent(50);
            play.serve(account, serving);
            if oracle.serving.insert(account, serving) == Some(false) && serving {
                oracle.round = Some(now);
            }
        }
        4 if is_member => {
            play.beat(account);
            oracle.beats.entry(account).or_default().push(now);
        }
        5 if is_member => {
            play.tell(Event::Removed(account));
            oracle.serving.remove(&account);
            oracle.beats.remove(&account);
            oracle.requires.remove(&account);
        }
        6 => play.listener = chance.pick(&[None, Some(true), Some(true), Some(false)]),
        7 if is_member => {
            let new = if chance.percent(50) { requires(&[fact], 0) } else { Requirements::default() };
            match new.all.is_empty() {
                true => oracle.requires.remove(&account),
                false => oracle.requires.insert(account),
            };
            assert_eq!(play.ask(Ask::RequireOfMember(by(account), account, new)), Verdict::Done);
            oracle.holds &= !oracle.requires.is_empty();
        }
        _ => {
            oracle.holds = chance.percent(70) && !oracle.requires.is_empty();
            let holds = if oracle.holds { Ok(()) } else { Err("it is not".to_owned()) };
            play.tell(Event::Fact((fact, 0), holds));
        }
    }
    // A fact on which nothing depends is forgotten.
    oracle.holds &= !oracle.requires.is_empty();
}

#[test]
fn a_dumb_oracle_agrees_on_who_is_online() {
    for seed in 0..60 {
        let (mut chance, mut play, mut oracle) = (Chance::new(seed), Play::new(listening()), Oracle::default());
        for _ in 0..200 {
            for _ in 0..chance.below(4) {
                happen(&mut chance, &mut play, &mut oracle);
                oracle.second(play.now.mono, play.listener);
            }
            agree(&play, &oracle, seed);
            for _ in 0..chance.pick(&[0, 1, 4, 5, 12, 35]) {
                play.pass(secs(1));
                oracle.second(play.now.mono, play.listener);
                agree(&play, &oracle, seed);
            }
        }
    }
}

fn agree(play: &Play, oracle: &Oracle, seed: u64) {
    for account in ALL {
        let expected = oracle.is_online(account, play.now.mono);
        let standing = play.room.standing(account, play.now.mono);
        assert_eq!(standing.online, expected, "seed {seed}: {account} at {:?}: {standing:?}", play.now.mono);
        // What passes silently on the way is told by the deadline that is due next.
        let is_due = play.room.deadline().is_some_and(|at| at <= play.now.mono);
        assert!(is_due || play.told.contains(&account) == expected, "seed {seed}: {account} was not told");
        assert_eq!(standing.online, standing.why.is_empty());
    }
}

#[test]
fn a_beat_costs_the_same_however_many_are_served() {
    let mut play = Play::new(listening());
    play.listener = Some(true);
    for account in 0..200 {
        play.join(account);
    }
    play.take_news();
    let plan: Plan = {
        play.now = play.now.later(secs(5));
        play.hear(Event::Tick)
    };
    assert_eq!((plan.changes.len(), plan.effects.len(), plan.news.len()), (0, 1, 0));
    assert!(play.room.members().all(|member: &Arc<Member>| play.is_online(member.account)));
}
