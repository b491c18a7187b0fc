//! Crontab lines: what they say, and when that is next.
//!
//! A line names wall times. It is matched against local wall time *dressed as UTC*, where every day has 24 hours, and
//! a match is then turned into moments:
//!
//! | the wall time exists | fixed line | line with `*` in minute or hour |
//! |---|---|---|
//! | once | then | then |
//! | never (clocks go forward over it) | at the end of the gap | not at all |
//! | twice (clocks go back over it) | the first time | both times |
//!
//! These are the rules of Vixie's cron, as is the meaning of the two day fields: when neither begins with `*`, a day
//! needs to match only one of them.

use super::Zone;
use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH};
use crate::base::Wall;
use chrono::{Datelike as _, LocalResult, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::GapInfo;
use cron::Schedule;
use std::fmt;
use std::sync::Arc;

/// Lines that have a name.
const ALIASES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The crate's calendar ends with it.
const LAST_YEAR: i32 = 2100;

/// Not a time but an event, which whoever keeps the schedule must notice.
const REBOOT: &str = "@reboot";

/// Why a text is not a crontab line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CronError {
    /// Not five fields; seconds and years are no part of a crontab line.
    #[error("expected 5 fields (minute, hour, day of month, month, day of week) or an @alias, found {found} fields")]
    Fields {
        /// How many there are.
        found: usize,
    },
    /// A word with `@` that means nothing.
    #[error(
        "unknown alias \"{0}\": expected @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually or @reboot"
    )]
    Alias(String),
    /// One of the fields is wrong.
    #[error("{field}: \"{item}\" is not valid, expected {expected}")]
    Field {
        /// The field, in words.
        field: &'static str,
        /// The item of its list that is wrong.
        item: String,
        /// What may stand there.
        expected: String,
    },
}

/// A crontab line. Clones share what was parsed; two are equal when their texts are.
#[derive(Clone)]
pub struct Cron {
    text: Arc<str>,
    /// The union of these is the line: none for `@reboot`, two when either day field may match.
    lines: Arc<[Schedule]>,
    /// Minute and hour both without a leading `*`.
    fixed: bool,
}

impl Cron {
    /// Reads a crontab line: five fields, or an alias.
    ///
    /// # Errors
    /// [`CronError`] names the field that is wrong and what was expected. A date that never comes (30 February) is no
    /// error: such a line is never due.
    pub fn parse(text: &str) -> Result<Cron, CronError> {
        let line = text.trim();
        if line.eq_ignore_ascii_case(REBOOT) {
            return Ok(Cron { text: text.into(), lines: Arc::new([]), fixed: true });
        }
        let known = ALIASES.iter().find(|(alias, _)| line.eq_ignore_ascii_case(alias));
        let line = match known {
            Some((_, line)) => line,
            None if line.starts_with('@') => return Err(CronError::Alias(line.to_owned())),
            None => line,
        };
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(CronError::Fields { found: fields.len() });
        };
        let (minute, hour) = (MINUTE.parse(minute)?, HOUR.parse(hour)?);
        let (day, month, weekday) = (DAY_OF_MONTH.parse(day)?, MONTH.parse(month)?, DAY_OF_WEEK.parse(weekday)?);

        let time = format!("0 {} {}", minute.list(&MINUTE, 0), hour.list(&HOUR, 0));
        let (days, months) = (day.list(&DAY_OF_MONTH, 0), month.list(&MONTH, 0));
        let weekdays = weekday.list(&DAY_OF_WEEK, 1); // the crate counts from Sunday = 1
        let lines = if day.starred || weekday.starred {
            vec![format!("{time} {days} {months} {weekdays}")]
        } else {
            vec![format!("{time} {days} {months} *"), format!("{time} * {months} {weekdays}")]
        };
        let lines = lines.iter().map(|line| line.parse::<Schedule>()).collect::<Result<Arc<[_]>, _>>();
        // Explicit lists in range are all the crate is given; should it ever refuse one, the caller is told.
        let lines = lines.map_err(|why| CronError::Field {
            field: "line",
            item: text.to_owned(),
            expected: why.to_string(),
        })?;
        Ok(Cron { text: text.into(), lines, fixed: !minute.starred && !hour.starred })
    }

    /// Whether this is `@reboot`: due once after a start of the host, never by the clock.
    pub fn is_reboot(&self) -> bool {
        self.lines.is_empty()
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first moment after `after` at which the line is due in `zone`, always a full minute of its wall clock.
    ///
    /// None when it never is: `@reboot`, a date that never comes, or nothing left before the end of the year 2100.
    /// Nothing is due before 1970.
    pub fn next_after(&self, after: Wall, zone: Zone) -> Option<Wall> {
        let after = after.max(Wall::UNIX_EPOCH);
        if after.year() > LAST_YEAR {
            return None;
        }
        let mut wall = self.search_from(after, zone);
        let mut repeated = None;
        while let Some(due) = self.next_wall(wall) {
            let (first, second) = self.moments(due, zone);
            // First moments grow with the wall time, so nothing behind this one can be earlier; only the second pass
            // over an earlier wall time can.
            if let Some(first) = first.filter(|first| *first > after) {
                return Some(repeated.map_or(first, |second: Wall| second.min(first)));
            }
            repeated = repeated.or(second.filter(|second| *second > after));
            wall = due;
        }
        repeated
    }

    /// All moments after `after` and up to `until` at which the line is due, in order: what was missed while nobody
    /// was looking. Lazy, so take as many as are wanted: a month of minutes is 43,200 of them.
    pub fn missed(&self, after: Wall, until: Wall, zone: Zone) -> impl Iterator<Item = Wall> + '_ {
        let next = move |after: Wall| self.next_after(after, zone).filter(|due| *due <= until);
        std::iter::successors(next(after), move |due| next(*due))
    }

    /// The wall time after which to look for matches: that of `after`, unless the clocks are about to go back over
    /// it. Then what lies before comes once more.
    fn search_from(&self, after: Wall, zone: Zone) -> NaiveDateTime {
        let wall = after.with_timezone(&zone.rules()).naive_local();
        match zone.rules().from_local_datetime(&wall) {
            LocalResult::Ambiguous(first, second) if !self.fixed => wall - (second - first),
            _ => wall,
        }
    }

    /// The next matching wall time, whether or not it exists in any zone.
    fn next_wall(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let next = |line: &Schedule| line.after(&after.and_utc()).next();
        self.lines.iter().filter_map(next).min().map(|due| due.naive_utc())
    }

    /// When the line is due for a wall time that it matches: the table at the head.
    fn moments(&self, wall: NaiveDateTime, zone: Zone) -> (Option<Wall>, Option<Wall>) {
        match zone.rules().from_local_datetime(&wall) {
            LocalResult::Single(once) => (Some(once.with_timezone(&Utc)), None),
            LocalResult::Ambiguous(first, second) => {
                (Some(first.with_timezone(&Utc)), (!self.fixed).then(|| second.with_timezone(&Utc)))
            }
            LocalResult::None if self.fixed => {
                let end = GapInfo::new(&wall, &zone.rules()).and_then(|gap| gap.end);
                (end.map(|end| end.with_timezone(&Utc)), None)
            }
            LocalResult::None => (None, None),
        }
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Cron) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({:?})", self.text)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
