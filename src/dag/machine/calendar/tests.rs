//! Stories on a simulated clock, and an oracle that walks through the same stories second by second.

use super::*;
use crate::base::Mono;
use crate::dag::model::{Blueprint, Defaults, Executor, OnFailure};
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

fn name(text: &str) -> DagName {
    DagName::new(text).unwrap()
}

fn schedule(line: &str) -> Schedule {
    Schedule {
        cron: Cron::parse(line).unwrap(),
        zone: Zone::UTC,
        zone_given: true,
        overlap: Overlap::default(),
        catch_up: CatchUp::default(),
        parameters: Map::new(),
    }
}

fn dag(of: &str, schedule: impl Into<Option<Schedule>>) -> Dag {
    let blueprint = Blueprint {
        tag: String::new(),
        templates: Vec::new(),
        edges: Vec::new(),
        executor: Executor::Noop,
        on_failure: OnFailure::Continue,
        max_parallel: None,
        priority: 0,
        user: None,
        parameters: Arc::default(),
        defaults: Defaults::default(),
    };
    Dag {
        name: name(of),
        text: "{}".into(),
        blueprint: Arc::new(blueprint),
        fired_text: "{}".into(),
        schedule: schedule.into(),
        owner: Arc::new(Owner { uid: 0, name: "root".into(), operator: true }),
        runs_as: 0,
    }
}

/// 1 March 2026, a Sunday, at midnight.
fn midnight() -> Wall {
    Wall::from_timestamp(1_772_323_200, 0).unwrap()
}

/// A calendar, what it has written, and runs that each last as long. Time is counted in seconds.
struct World {
    calendar: Calendar,
    /// What a start would find.
    disk: BTreeMap<DagName, (Dag, DagRow)>,
    time: i64,
    /// By how much the wall clock is ahead of what it should be.
    ahead: i64,
    lasting: i64,
    /// Runs that are not over: whose, and when they will be.
    runs: Vec<(DagName, i64)>,
    /// Every run: when, whose, when it was due.
    fired: Vec<(i64, DagName, Wall)>,
    not: Vec<(DagName, FiringRow)>,
}

impl World {
    fn new(lasting: i64) -> World {
        World {
            calendar: Calendar::default(),
            disk: BTreeMap::new(),
            time: 0,
            ahead: 0,
            lasting,
            runs: Vec::new(),
            fired: Vec::new(),
            not: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        let wall = midnight() + TimeDelta::seconds(self.time + self.ahead);
        Now { mono: Mono(Duration::from_secs(u64::try_from(self.time).unwrap())), wall }
    }

    fn put(&mut self, dag: Dag) {
        let row = self.calendar.put(dag.clone(), self.now());
        self.disk.insert(dag.name.clone(), (dag, row));
    }

    fn carry_out(&mut self, decided: Decided) {
        for row in decided.rows {
            let (_, stored) = self.disk.get_mut(&row.name).unwrap();
            *stored = row;
        }
        self.not.extend(decided.not);
        for Fire { dag, due, replace } in decided.fire {
            assert!(!replace || self.busy(&dag.name) > 0, "there is nothing to replace");
            self.runs.retain(|(of, _)| !replace || *of != dag.name);
            self.runs.push((dag.name.clone(), self.time + self.lasting));
            self.fired.push((self.time, dag.name.clone(), due));
        }
    }

    fn busy(&self, dag: &DagName) -> usize {
        self.runs.iter().filter(|(of, _)| of == dag).count()
    }

    fn tick(&mut self) {
        let runs = self.runs.clone();
        let busy = |dag: &DagName| runs.iter().filter(|(of, _)| of == dag).count();
        let decided = self.calendar.tick(self.now(), &busy);
        self.carry_out(decided);
    }

    /// The runs that end now; whose last one it was may run what is owed, if anybody is there.
    fn end_runs(&mut self, up: bool) {
        let time = self.time;
        let ended: BTreeSet<DagName> = self.runs.extract_if(.., |(_, end)| *end <= time).map(|(of, _)| of).collect();
        for dag in ended.iter().filter(|_| up) {
            if self.busy(dag) == 0 {
                let decided = self.calendar.idle(dag);
                self.carry_out(decided);
            }
        }
    }

    /// Jumps from one thing that happens to the next.
    fn run_until(&mut self, until: i64) {
        loop {
            self.end_runs(true);
            let due = |world: &World| world.calendar.deadline().is_some_and(|due| due <= world.now().wall);
            while due(self) {
                self.tick();
            }
            let deadline = self.calendar.deadline().map(|due| self.time + (due - self.now().wall).num_seconds());
            let next = self.runs.iter().map(|(_, end)| *end).chain(deadline).min().unwrap_or(until);
            if next > until {
                break;
            }
            self.time = next;
        }
        self.time = self.time.max(until);
        self.end_runs(true);
    }

    fn run_for(&mut self, seconds: i64) {
        self.run_until(self.time + seconds);
    }

    /// Nobody is there for so long; zero: the core alone is replaced.
    fn down_for(&mut self, seconds: i64) {
        self.time += seconds;
        self.end_runs(seconds == 0);
        let stored = self.disk.values().map(|(dag, row)| StoredDag { dag: dag.clone(), cursor: row.cursor.clone() });
        self.calendar = Calendar::recover(stored.collect(), self.now());
    }

    fn set_clock(&mut self, by: i64) {
        self.ahead += by;
        self.tick();
    }

    /// When runs of a DAG began, by the true time.
    fn times(&self, of: &str) -> Vec<String> {
        let fired = self.fired.iter().filter(|(_, dag, _)| dag.as_str() == of);
        fired.map(|(time, ..)| (midnight() + TimeDelta::seconds(*time)).format("%H:%M").to_string()).collect()
    }

    fn not(&self) -> Vec<(Fired, u32)> {
        self.not.iter().map(|(_, row)| (row.what, row.count)).collect()
    }
}

#[test]
fn overlaps_skip_queue_allow_or_replace_as_wanted() {
    let run = |overlap| {
        let mut world = World::new(150);
        world.put(dag("d", Schedule { overlap, ..schedule("0-3 1 * * *") }));
        world.run_for(2 * HOUR);
        let dues: Vec<_> = world.fired.iter().map(|(.., due)| due.format("%H:%M").to_string()).collect();
        (world.times("d"), dues, world.not())
    };
    let all = || ["01:00", "01:01", "01:02", "01:03"].map(str::to_owned).to_vec();
    let skipped = (Fired::Skipped, 1);
    let some = || ["01:00", "01:03"].map(str::to_owned).to_vec();
    assert_eq!(run(Overlap::Skip), (some(), some(), vec![skipped; 2]));
    let later = ["01:00", "01:02", "01:05", "01:07"].map(str::to_owned).to_vec();
    assert_eq!(run(Overlap::Queue), (later, all(), vec![]));
    assert_eq!(run(Overlap::Allow), (all(), all(), vec![]));
    assert_eq!(run(Overlap::Replace), (all(), all(), vec![]));
}

#[test]
fn daylight_saving_neither_loses_nor_doubles_a_daily_run() {
    // Forward on 29 March (02:00 becomes 03:00), back on 25 October (03:00 becomes 02:00).
    for start in [26 * 24 * HOUR + 12 * HOUR, 236 * 24 * HOUR + 12 * HOUR] {
        let mut world = World::new(1);
        world.time = start;
        let zone = Zone::parse("Europe/Berlin").unwrap();
        world.put(dag("daily", Schedule { zone, ..schedule("30 2 * * *") }));
        world.put(dag("hourly", Schedule { zone, ..schedule("30 * * * *") }));
        world.run_for(4 * 24 * HOUR);
        assert_eq!((world.times("daily").len(), world.times("hourly").len()), (4, 96), "{start}");
    }
}

#[test]
fn a_clock_set_back_fires_nothing_twice() {
    let mut world = World::new(1);
    world.put(dag("d", schedule("*/10 * * * *")));
    world.run_for(45 * MINUTE);
    world.set_clock(-30 * MINUTE);
    world.run_for(45 * MINUTE);
    assert_eq!(world.times("d"), ["00:10", "00:20", "00:30", "00:40", "01:20", "01:30"]);
    // A clock that was years ahead must not silence the schedule for years.
    let wrong = 12 * 365 * 24 * HOUR;
    world.set_clock(wrong);
    world.run_for(10 * MINUTE);
    world.set_clock(-wrong);
    world.run_for(10 * MINUTE);
    assert_eq!(world.times("d").last().map(String::as_str), Some("01:50"));
    assert_eq!(world.calendar.next_firings("d", world.now().wall, 1).len(), 1);
}

#[test]
fn a_schedule_that_was_decided_by_a_wrong_clock_begins_anew_at_the_next_start() {
    let mut world = World::new(1);
    world.put(dag("d", schedule("*/10 * * * *")));
    world.set_clock(24 * HOUR);
    world.run_for(15 * MINUTE);
    world.ahead = 0;
    world.down_for(0);
    world.run_for(10 * MINUTE);
    assert_eq!(world.times("d"), ["00:00", "00:10", "00:20"]);
}

#[test]
fn a_month_of_outage_is_accounted_for() {
    for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All] {
        let mut world = World::new(1);
        world.put(dag("daily", Schedule { catch_up, ..schedule("0 6 * * *") }));
        world.put(dag("minutely", schedule("* * * * *")));
        world.run_for(24 * HOUR);
        world.down_for(30 * 24 * HOUR);
        world.run_for(90);
        let missed: Vec<u32> =
            world.not.iter().filter(|(of, _)| of.as_str() == "daily").map(|(_, row)| row.count).collect();
        let expected = match catch_up {
            CatchUp::None => (1, vec![30]),
            CatchUp::Last => (2, vec![29]),
            CatchUp::All => (31, vec![]),
        };
        assert_eq!((world.times("daily").len(), missed), expected, "{catch_up:?}");
        let counted: u32 = world.not.iter().filter(|(of, _)| of.as_str() == "minutely").map(|(_, row)| row.count).sum();
        let ran = u32::try_from(world.times("minutely").len()).unwrap();
        assert_eq!(counted + ran, 31 * 1_440 + 1, "every minute has run or is on record");
    }
}

#[test]
fn a_long_stretch_is_counted_up_to_a_bound_and_named_to_its_end() {
    let mut world = World::new(1);
    world.put(dag("d", schedule("* * * * *")));
    let year = 365 * 24 * HOUR;
    world.down_for(year);
    world.tick();
    let row = &world.not[0].1;
    assert_eq!((row.count, row.at), (50_000, midnight() + TimeDelta::minutes(1)));
    assert_eq!(row.last, midnight() + TimeDelta::seconds(year - MINUTE));
}

#[test]
fn what_is_owed_survives_and_the_next_start_goes_on_with_it() {
    let mut world = World::new(10 * MINUTE);
    world.put(dag("d", Schedule { overlap: Overlap::Queue, ..schedule("1-4 0 * * *") }));
    world.run_for(6 * MINUTE);
    world.down_for(0);
    world.run_for(3 * MINUTE);
    world.down_for(10 * MINUTE); // in which the first run ends
    world.run_for(HOUR);
    assert_eq!(world.times("d"), ["00:01", "00:19", "00:29", "00:39"]);
    assert!(world.not.is_empty());
}

#[test]
fn a_changed_schedule_begins_now_and_an_unchanged_one_goes_on() {
    let mut world = World::new(10 * MINUTE);
    let queued = |line| Schedule { overlap: Overlap::Queue, ..schedule(line) };
    world.put(dag("d", queued("* * * * *")));
    world.run_for(4 * MINUTE);
    // Another overlap is no other schedule: what is owed stays owed.
    world.put(dag("d", Schedule { overlap: Overlap::Skip, ..queued("* * * * *") }));
    assert_eq!(world.disk[&name("d")].1.cursor.as_ref().map(|cursor| cursor.owed.len()), Some(1));
    for changed in
        [queued("*/2 * * * *"), Schedule { zone: Zone::parse("Asia/Tokyo").unwrap(), ..queued("*/2 * * * *") }]
    {
        world.put(dag("d", changed));
        let row = &world.disk[&name("d")].1;
        assert_eq!(row.cursor, Some(Cursor { decided: world.now().wall, owed: vec![] }));
        world.run_for(4 * MINUTE);
    }
    world.put(dag("d", None));
    assert_eq!((world.calendar.deadline(), world.disk[&name("d")].1.cursor.clone()), (None, None));
    assert!(world.calendar.get("d").is_some());
    world.put(dag("d", schedule("@reboot")));
    assert_eq!((world.calendar.deadline(), world.calendar.next_firings("d", midnight(), 3)), (None, vec![]));
    assert!(world.calendar.remove(&name("d")));
    assert!(!world.calendar.remove(&name("d")));
    assert!(world.calendar.get("d").is_none());
}

#[test]
fn the_next_firings_are_those_not_decided_yet() {
    let mut world = World::new(1);
    world.put(dag("b", schedule("0 6 * * *")));
    world.put(dag("a", schedule("*/30 * * * *")));
    world.run_for(HOUR + 1);
    let next = |after: i64| -> Vec<String> {
        let next = world.calendar.next_firings("a", midnight() + TimeDelta::seconds(after), 3);
        next.iter().map(|due| due.format("%H:%M").to_string()).collect()
    };
    assert_eq!(next(0), ["01:30", "02:00", "02:30"], "a moment that was decided does not come again");
    assert_eq!(next(5 * HOUR), ["05:30", "06:00", "06:30"]);
    assert!(world.calendar.next_firings("c", midnight(), 3).is_empty());
    assert_eq!(world.calendar.iter().map(|dag| dag.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_tick_does_a_bounded_part_and_the_rest_is_due_at_once() {
    let mut world = World::new(1);
    for number in 0..2_500 {
        world.put(dag(&format!("d{number}"), schedule("* * * * *")));
    }
    world.time = MINUTE;
    let mut fired = Vec::new();
    while world.calendar.deadline().is_some_and(|due| due <= world.now().wall) {
        let before = world.fired.len();
        world.tick();
        fired.push(world.fired.len() - before);
    }
    assert_eq!(fired, [1_000, 1_000, 500]);
    // A month of minutes is counted for a few DAGs at a time.
    world.time += 30 * 24 * HOUR;
    world.tick();
    assert_eq!(world.not.iter().map(|(of, _)| of).collect::<BTreeSet<_>>().len(), 1);
    assert!(world.calendar.deadline().is_some_and(|due| due <= world.now().wall));
}

#[test]
fn a_day_of_many_schedules_passes() {
    let mut world = World::new(30);
    for number in 0..60 {
        world.put(dag(&format!("d{number}"), schedule(&format!("{number} * * * *"))));
    }
    world.run_for(24 * HOUR);
    assert_eq!(world.fired.len(), 60 * 24);
    assert!(world.fired.iter().all(|(time, _, due)| midnight() + TimeDelta::seconds(*time) == *due));
}

/// What may happen beside the passing of time.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Down(i64),
    Clock(i64),
}

#[derive(Clone, Debug)]
struct Story {
    /// Due at each minute that this divides.
    every: i64,
    overlap: Overlap,
    catch_up: CatchUp,
    lasting: i64,
    /// After so many seconds of quiet each.
    turns: Vec<(i64, Turn)>,
}

fn stories() -> impl Strategy<Value = Story> {
    let overlap = prop_oneof![Just(Overlap::Skip), Just(Overlap::Queue), Just(Overlap::Allow), Just(Overlap::Replace)];
    let catch_up = prop_oneof![Just(CatchUp::None), Just(CatchUp::Last), Just(CatchUp::All)];
    let turn = prop_oneof![
        Just(Turn::Down(0)),
        (1..2 * HOUR).prop_map(Turn::Down),
        (1..200i64).prop_map(Turn::Down),
        (-4 * HOUR..4 * HOUR).prop_map(Turn::Clock),
        (-200..200i64).prop_map(Turn::Clock),
    ];
    let turns = prop::collection::vec((1..HOUR, turn), 0..6);
    (prop::sample::select(vec![1, 2, 5, 20]), overlap, catch_up, 1..1_500i64, turns)
        .prop_map(|(every, overlap, catch_up, lasting, turns)| Story { every, overlap, catch_up, lasting, turns })
}

/// Decides as the rules say, looking at every second, with lists where the calendar has stretches.
struct Oracle {
    story: Story,
    time: i64,
    ahead: i64,
    decided: i64,
    owed: VecDeque<i64>,
    runs: Vec<i64>,
    /// When, and when it was due.
    fired: Vec<(i64, i64)>,
    not: Vec<(Fired, i64)>,
}

impl Oracle {
    fn fire(&mut self, due: i64) {
        self.runs.push(self.time + self.story.lasting);
        self.fired.push((self.time, due));
    }

    fn look(&mut self) {
        let wall = self.time + self.ahead;
        if self.decided - wall > 3 * HOUR {
            (self.decided, self.owed) = (wall, VecDeque::new());
        }
        let period = MINUTE * self.story.every;
        let first = (self.decided.div_euclid(period) + 1) * period;
        let due = (first..=wall).step_by(usize::try_from(period).unwrap());
        let (late, timely): (Vec<i64>, Vec<i64>) = due.partition(|at| *at <= wall - MINUTE);
        self.decided = timely.last().or(late.last()).copied().unwrap_or(self.decided);
        let run = match self.story.catch_up {
            CatchUp::None => 0,
            CatchUp::Last => 1.min(late.len()),
            CatchUp::All => late.len(),
        };
        let (missed, owed) = late.split_at(late.len() - run);
        self.not.extend(missed.iter().map(|at| (Fired::Missed, *at)));
        self.owed.extend(owed);
        for at in timely {
            match self.story.overlap {
                _ if !self.owed.is_empty() => self.owed.push_back(at),
                Overlap::Queue if !self.runs.is_empty() => self.owed.push_back(at),
                Overlap::Skip if !self.runs.is_empty() => self.not.push((Fired::Skipped, at)),
                Overlap::Replace => {
                    self.runs.clear();
                    self.fire(at);
                }
                _ => self.fire(at),
            }
        }
        self.run_owed();
    }

    fn run_owed(&mut self) {
        if self.runs.is_empty()
            && let Some(at) = self.owed.pop_front()
        {
            self.fire(at);
        }
    }

    fn walk(&mut self, seconds: i64, up: bool) {
        for _ in 0..seconds {
            self.time += 1;
            self.runs.retain(|end| *end > self.time);
            if up {
                self.run_owed();
                self.look();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn the_oracle_decides_the_same(story in stories()) {
        let mut world = World::new(story.lasting);
        let (overlap, catch_up) = (story.overlap, story.catch_up);
        world.put(dag("d", Schedule { overlap, catch_up, ..schedule(&format!("*/{} * * * *", story.every)) }));
        let (turns, runs, fired, not) = (story.turns.clone(), Vec::new(), Vec::new(), Vec::new());
        let mut oracle = Oracle { story, time: 0, ahead: 0, decided: 0, owed: VecDeque::new(), runs, fired, not };
        for (quiet, turn) in turns.into_iter().chain([(HOUR, Turn::Down(0))]) {
            world.run_for(quiet);
            world.tick();
            oracle.walk(quiet, true);
            match turn {
                Turn::Down(seconds) => {
                    world.down_for(seconds);
                    oracle.walk(seconds, false);
                }
                Turn::Clock(by) => {
                    world.ahead += by;
                    oracle.ahead += by;
                }
            }
            world.tick();
            oracle.look();
        }
        let at = |wall: i64| midnight() + TimeDelta::seconds(wall);
        let fired: Vec<_> = oracle.fired.iter().map(|(time, due)| (*time, name("d"), at(*due))).collect();
        prop_assert_eq!(&world.fired, &fired);
        let every = TimeDelta::minutes(oracle.story.every);
        let mut not = Vec::new();
        for (_, row) in &world.not {
            let moments = std::iter::successors(Some(row.at), |at| Some(*at + every)).take(row.count as usize);
            not.extend(moments.map(|at| (row.what, at)));
            prop_assert_eq!(not.last().map(|(_, at)| *at), Some(row.last));
        }
        prop_assert_eq!(not, oracle.not.iter().map(|(what, wall)| (*what, at(*wall))).collect::<Vec<_>>());
    }
}
