//! Stories of lines and days, and two oracles: a matcher that walks minute by minute, and the crate croner.

use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH, Set};
use super::{Cron, CronError, Zone};
use crate::base::Wall;
use chrono::{Datelike as _, NaiveDateTime, TimeDelta, Timelike as _};
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn wall(text: &str) -> Wall {
    let parsed = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S"));
    parsed.unwrap().and_utc()
}

fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

/// The next `count` moments after `after` (UTC), in local time with its offset.
#[track_caller]
fn check(line: &str, name: &str, after: &str, count: usize, expected: Expect) {
    let cron = Cron::parse(line).unwrap();
    let due = cron.missed(wall(after), Wall::MAX_UTC, zone(name)).take(count);
    let local = |due: Wall| due.with_timezone(&zone(name).rules()).format("%a %Y-%m-%d %H:%M:%S%.f %z").to_string();
    expected.assert_eq(&due.map(local).collect::<Vec<_>>().join("\n"));
}

#[track_caller]
fn refused(line: &str, expected: Expect) {
    expected.assert_eq(&Cron::parse(line).unwrap_err().to_string());
}

/// The values of each field, as text.
fn values(line: &str) -> Result<Vec<String>, CronError> {
    let fields = [MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK];
    let texts: Vec<&str> = line.split(' ').collect();
    fields.iter().zip(texts).map(|(field, text)| Ok(field.parse(text)?.list(field, 0))).collect()
}

#[test]
fn lists_ranges_steps_and_names_become_values() {
    assert_eq!(
        values("5,10-12,*/30 22-2 28-3/2 NOV-feb fri-SUN").unwrap(),
        ["0,5,10,11,12,30", "0,1,2,22,23", "1,3,28,30", "1,2,11,12", "0,5,6"]
    );
    assert_eq!(values("05 00 */31 */12 7").unwrap(), ["5", "0", "1", "1", "0"]);
    assert_eq!(values("*/59 1-9/4 1-31 1-12 7-2").unwrap(), ["0,59", "1,5,9", "*", "*", "0,1,2"]);
    assert_eq!(values("* * * * 6-1/2").unwrap()[4], "1,6", "Saturday, then every other day: Monday");
    assert_eq!(values("* * * * 0-7").unwrap()[4], "*");
}

#[test]
fn what_is_wrong_is_named_with_what_was_expected() {
    refused(
        "",
        expect!["expected 5 fields (minute, hour, day of month, month, day of week) or an @alias, found 0 fields"],
    );
    refused(
        "bogus",
        expect!["expected 5 fields (minute, hour, day of month, month, day of week) or an @alias, found 1 fields"],
    );
    refused(
        "* * * *",
        expect!["expected 5 fields (minute, hour, day of month, month, day of week) or an @alias, found 4 fields"],
    );
    refused(
        "0 * * * * *",
        expect!["expected 5 fields (minute, hour, day of month, month, day of week) or an @alias, found 6 fields"],
    );
    refused(
        "@noon",
        expect![[
            r#"unknown alias "@noon": expected @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually or @reboot"#
        ]],
    );
    refused("61 * * * *", expect![[r#"minute: "61" is not valid, expected a number from 0 to 59"#]]);
    refused("* 24 * * *", expect![[r#"hour: "24" is not valid, expected a number from 0 to 23"#]]);
    refused("* * 0 * *", expect![[r#"day of month: "0" is not valid, expected a number from 1 to 31"#]]);
    refused(
        "* * * 13 *",
        expect![[r#"month: "13" is not valid, expected a number from 1 to 12 or a name from jan to dec"#]],
    );
    refused(
        "* * * * 8",
        expect![[r#"day of week: "8" is not valid, expected a number from 0 to 7 or a name from sun to sat"#]],
    );
    refused("*/0 * * * *", expect![[r#"minute: "*/0" is not valid, expected a step from 1 to 59"#]]);
    refused("*/60 * * * *", expect![[r#"minute: "*/60" is not valid, expected a step from 1 to 59"#]]);
    refused("1,5/10 * * * *", expect![[r#"minute: "5/10" is not valid, expected a step only after * or a range"#]]);
}

#[test]
fn odd_items_are_refused() {
    let odd = [
        ",", "1,", ",1", "1,,2", "?", "-", "1-", "-1", "+1", "1-2-3", "*-5", "**", "*/", "*/1/1", "/2", "007", "1.5",
        "0x1", "mon", "٣",
    ];
    for item in odd {
        assert!(Cron::parse(&format!("{item} * * * *")).is_err(), "{item:?} was accepted");
    }
    for item in ["monday", "L", "15W", "mon#2", "*/8", "sun-", "jan"] {
        assert!(Cron::parse(&format!("* * * * {item}")).is_err(), "{item:?} was accepted");
    }
}

#[test]
fn the_text_stays_as_given_and_blanks_do_not_matter() {
    let cron = Cron::parse(" 0\t9  * * 1-5 ").unwrap();
    assert_eq!(cron.text(), " 0\t9  * * 1-5 ");
    check(" 0\t9  * * 1-5 ", "UTC", "2026-01-02 09:00", 1, expect!["Mon 2026-01-05 09:00:00 +0000"]);
}

#[test]
fn aliases_stand_for_their_lines() {
    check(
        "@Hourly",
        "UTC",
        "2026-01-01 00:00",
        2,
        expect![[r#"
        Thu 2026-01-01 01:00:00 +0000
        Thu 2026-01-01 02:00:00 +0000"#]],
    );
    check("@weekly", "UTC", "2026-01-01 00:00", 1, expect!["Sun 2026-01-04 00:00:00 +0000"]);
    check("@monthly", "UTC", "2026-01-01 00:00", 1, expect!["Sun 2026-02-01 00:00:00 +0000"]);
    for (alias, same) in [("@midnight", "@daily"), ("@annually", "@yearly")] {
        let next = |line| Cron::parse(line).unwrap().next_after(wall("2026-03-05 10:00"), Zone::UTC);
        assert_eq!(next(alias), next(same));
        assert!(next(alias).is_some());
    }
}

#[test]
fn reboot_is_never_due_by_the_clock() {
    let cron = Cron::parse("@reboot").unwrap();
    assert!(cron.is_reboot());
    assert_eq!(cron.next_after(wall("2026-01-01 00:00"), Zone::UTC), None);
    assert!(!Cron::parse("@daily").unwrap().is_reboot());
}

#[test]
fn a_moment_is_exact_and_after() {
    let every = Cron::parse("* * * * *").unwrap();
    for (after, next) in [("2026-01-01 00:00:00", "2026-01-01 00:01"), ("2026-01-01 00:00:59", "2026-01-01 00:01")] {
        assert_eq!(every.next_after(wall(after), Zone::UTC), Some(wall(next)));
    }
    let just_before = wall("2026-01-01 00:01") - TimeDelta::microseconds(1);
    assert_eq!(every.next_after(just_before, Zone::UTC), Some(wall("2026-01-01 00:01")));
    check(
        "*/2 * * * *",
        "UTC",
        "2026-01-01 00:57:30",
        2,
        expect![[r#"
        Thu 2026-01-01 00:58:00 +0000
        Thu 2026-01-01 01:00:00 +0000"#]],
    );
}

#[test]
fn year_ends_and_leap_days_come() {
    check("59 23 31 12 *", "UTC", "2026-12-31 23:59", 1, expect!["Fri 2027-12-31 23:59:00 +0000"]);
    check(
        "0 0 29 2 *",
        "UTC",
        "2026-01-01 00:00",
        2,
        expect![[r#"
        Tue 2028-02-29 00:00:00 +0000
        Sun 2032-02-29 00:00:00 +0000"#]],
    );
    check("0 0 29 2 */7", "UTC", "2026-01-01 00:00", 1, expect!["Sun 2032-02-29 00:00:00 +0000"]);
}

#[test]
fn dates_that_never_come_and_ends_of_time_are_none() {
    for line in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "*/5 * 31 feb *"] {
        assert_eq!(Cron::parse(line).unwrap().next_after(wall("2026-01-01 00:00"), zone("Europe/Berlin")), None);
    }
    let every = Cron::parse("* * * * *").unwrap();
    assert_eq!(every.next_after(Wall::MAX_UTC, zone("Pacific/Kiritimati")), None);
    assert_eq!(every.next_after(wall("2101-01-01 00:00"), Zone::UTC), None);
    assert_eq!(every.next_after(Wall::MIN_UTC, Zone::UTC), Some(wall("1970-01-01 00:01")));
}

#[test]
fn two_day_fields_are_either_unless_one_begins_with_a_star() {
    check(
        "0 0 13 * fri",
        "UTC",
        "2026-02-01 00:00",
        4,
        expect![[r#"
        Fri 2026-02-06 00:00:00 +0000
        Fri 2026-02-13 00:00:00 +0000
        Fri 2026-02-20 00:00:00 +0000
        Fri 2026-02-27 00:00:00 +0000"#]],
    );
    check(
        "0 0 */12 * fri",
        "UTC",
        "2026-02-01 00:00",
        2,
        expect![[r#"
        Fri 2026-02-13 00:00:00 +0000
        Fri 2026-03-13 00:00:00 +0000"#]],
    );
    check("0 0 1-31 * fri", "UTC", "2026-02-01 00:00", 1, expect!["Mon 2026-02-02 00:00:00 +0000"]);
}

#[test]
fn a_fixed_time_in_the_gap_fires_at_its_end() {
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-28 00:00",
        3,
        expect![[r#"
        Sat 2026-03-28 02:30:00 +0100
        Sun 2026-03-29 03:00:00 +0200
        Mon 2026-03-30 02:30:00 +0200"#]],
    );
    check(
        "0,30 2,3 * * *",
        "Europe/Berlin",
        "2026-03-29 00:00",
        2,
        expect![[r#"
        Sun 2026-03-29 03:00:00 +0200
        Sun 2026-03-29 03:30:00 +0200"#]],
    );
    check(
        "0 0 * * *",
        "America/Havana",
        "2026-03-07 12:00",
        2,
        expect![[r#"
        Sun 2026-03-08 01:00:00 -0400
        Mon 2026-03-09 00:00:00 -0400"#]],
    );
    check(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03 00:00",
        2,
        expect![[r#"
        Sun 2026-10-04 02:30:00 +1100
        Mon 2026-10-05 02:15:00 +1100"#]],
    );
}

#[test]
fn a_star_in_the_gap_is_left_out() {
    check("*/20 2 * * *", "Europe/Berlin", "2026-03-29 00:00", 1, expect!["Mon 2026-03-30 02:00:00 +0200"]);
    check(
        "30 * * * *",
        "Europe/Berlin",
        "2026-03-29 00:00",
        3,
        expect![[r#"
        Sun 2026-03-29 01:30:00 +0100
        Sun 2026-03-29 03:30:00 +0200
        Sun 2026-03-29 04:30:00 +0200"#]],
    );
}

#[test]
fn in_the_overlap_a_fixed_time_comes_once_and_a_star_twice() {
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24 12:00",
        2,
        expect![[r#"
        Sun 2026-10-25 02:30:00 +0200
        Mon 2026-10-26 02:30:00 +0100"#]],
    );
    check(
        "*/30 2 * * *",
        "Europe/Berlin",
        "2026-10-24 12:00",
        5,
        expect![[r#"
        Sun 2026-10-25 02:00:00 +0200
        Sun 2026-10-25 02:30:00 +0200
        Sun 2026-10-25 02:00:00 +0100
        Sun 2026-10-25 02:30:00 +0100
        Mon 2026-10-26 02:00:00 +0100"#]],
    );
    check(
        "@hourly",
        "America/Havana",
        "2026-11-01 03:30",
        3,
        expect![[r#"
        Sun 2026-11-01 00:00:00 -0400
        Sun 2026-11-01 00:00:00 -0500
        Sun 2026-11-01 01:00:00 -0500"#]],
    );
}

#[test]
fn a_star_replayed_only_in_the_second_pass_is_not_lost_in_between() {
    // The next wall time that matches is a year away; the second pass over the last one is minutes away.
    check("*/20 2 25 10 *", "Europe/Berlin", "2026-10-25 00:41", 1, expect!["Sun 2026-10-25 02:00:00 +0100"]);
}

const ZONES: [&str; 5] = ["UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"];

/// Days on which something happens in one of the zones, and some on which nothing does.
const DAYS: [&str; 10] = [
    "2026-03-08 00:00",
    "2026-03-29 00:00",
    "2026-04-04 12:00",
    "2026-10-03 12:00",
    "2026-10-25 00:00",
    "2026-11-01 00:00",
    "2024-02-29 00:00",
    "2026-12-31 12:00",
    "2026-06-15 00:00",
    "2100-02-28 00:00",
];

/// Whether the line is due at this full minute, by walking: no arithmetic on offsets, one minute at a time.
fn reference(fields: &[Set; 5], at: Wall, zone: Zone) -> bool {
    let [minute, hour, day, month, weekday] = fields;
    let local = |at: Wall| at.with_timezone(&zone.rules()).naive_local();
    let says = |wall: NaiveDateTime| {
        let (by_day, by_weekday) = (day.has(wall.day()), weekday.has(wall.weekday().num_days_from_sunday()));
        let days = if day.starred || weekday.starred { by_day && by_weekday } else { by_day || by_weekday };
        minute.has(wall.minute()) && hour.has(wall.hour()) && month.has(wall.month()) && days
    };
    if minute.starred || hour.starred {
        return says(local(at));
    }
    let one = TimeDelta::minutes(1);
    let again = (1..=3 * 60).any(|back| local(at - one * back) == local(at));
    // All wall minutes that went by since the minute before: one, or a whole gap.
    let mut passed = local(at - one) + one;
    let mut due = says(local(at)) && !again;
    while passed < local(at) {
        due |= says(passed);
        passed += one;
    }
    due
}

/// One item of a field; ranges that wrap only when `wrap`.
fn item(lowest: u8, highest: u8, wrap: bool) -> impl Strategy<Value = String> {
    let value = lowest..=highest;
    let range = (value.clone(), value.clone());
    let range = range.prop_map(move |(from, to)| if wrap || from <= to { (from, to) } else { (to, from) }).boxed();
    prop_oneof![
        4 => value.prop_map(|one| one.to_string()),
        2 => range.clone().prop_map(|(from, to)| format!("{from}-{to}")),
        1 => (range, 1..=highest).prop_map(|((from, to), step)| format!("{from}-{to}/{step}")),
        2 => (1..=highest).prop_map(|step| format!("*/{step}")),
    ]
}

fn field(lowest: u8, highest: u8, wrap: bool) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just("*".to_owned()),
        3 => prop::collection::vec(item(lowest, highest, wrap), 1..3).prop_map(|items| items.join(",")),
    ]
}

fn lines(wrap: bool) -> impl Strategy<Value = [String; 5]> {
    // Hours near the changes are drawn often and most months are open, else few cases would see a change.
    let hour = prop_oneof![field(0, 23, wrap), field(0, 3, wrap)];
    let day = prop_oneof![Just("*".to_owned()), field(1, 31, wrap)];
    let month = prop_oneof![3 => Just("*".to_owned()), 1 => field(1, 12, wrap)];
    (field(0, 59, wrap), hour, day, month, field(0, 7, wrap))
        .prop_map(|(minute, hour, day, month, weekday)| [minute, hour, day, month, weekday])
}

/// In a gap or an overlap croner goes its own way with ranges of hours and with questions asked in the midst of it.
fn steady_zone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["UTC", "Asia/Kathmandu"][..])
}

fn moment() -> impl Strategy<Value = Wall> {
    (prop::sample::select(&DAYS[..]), 0..30 * 3600i64)
        .prop_map(|(day, seconds)| wall(day) + TimeDelta::seconds(seconds))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_minute_walker_agrees(line in lines(true), after in moment(), name in prop::sample::select(&ZONES[..])) {
        let [minute, hour, day, month, weekday] = &line;
        let fields = [
            MINUTE.parse(minute).unwrap(), HOUR.parse(hour).unwrap(), DAY_OF_MONTH.parse(day).unwrap(),
            MONTH.parse(month).unwrap(), DAY_OF_WEEK.parse(weekday).unwrap(),
        ];
        let cron = Cron::parse(&line.join(" ")).unwrap();
        let until = after + TimeDelta::hours(20);
        let ours: Vec<Wall> = cron.missed(after, until, zone(name)).collect();
        let first = after - TimeDelta::seconds(i64::from(after.second())) + TimeDelta::minutes(1);
        let minutes = (0..20 * 60).map(|count| first + TimeDelta::minutes(count));
        let walked: Vec<Wall> = minutes.filter(|at| *at <= until && reference(&fields, *at, zone(name))).collect();
        prop_assert_eq!(ours, walked);
    }

    #[test]
    fn croner_agrees_where_clocks_do_not_change(line in lines(false), after in moment(), name in steady_zone()) {
        let [_, _, day, _, weekday] = &line;
        // Left alone it takes "or" where crontab says "and".
        let both = day.starts_with('*') || weekday.starts_with('*');
        let parser = croner::parser::CronParser::builder().dom_and_dow(both).build();
        let theirs = parser.parse(&line.join(" ")).unwrap();
        let ours = Cron::parse(&line.join(" ")).unwrap().next_after(after, zone(name));
        let local = after.with_timezone(&zone(name).rules());
        let theirs = theirs.find_next_occurrence(&local, false).ok();
        let theirs = theirs.filter(|next| next.year() <= 2100); // our calendar ends there, by local time
        prop_assert_eq!(ours, theirs.map(|next| next.to_utc()));
    }

    #[test]
    fn any_text_is_an_answer_and_never_a_panic(text in "[-*/,0-9a-zA-Z@ ?]{0,24}") {
        if let Ok(cron) = Cron::parse(&text) {
            let next = cron.next_after(wall("2026-03-28 12:00"), zone("Europe/Berlin"));
            prop_assert!(next.is_none_or(|next| next > wall("2026-03-28 12:00")));
        }
    }
}
