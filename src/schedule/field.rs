//! One field of a crontab line: its text becomes the set of its values.
//!
//! ```text
//! field = item { "," item }
//! item  = "*" [ "/" step ] | value | value "-" value [ "/" step ]
//! value = one or two digits, or a name of three letters in either case (months and days of the week)
//! ```
//!
//! A range whose end lies before its beginning wraps around: hours `22-2` are 22, 23, 0, 1, 2.

use super::CronError;

/// What one of the five fields may hold.
pub(super) struct Field {
    /// As error messages call it.
    pub name: &'static str,
    lowest: u8,
    /// The highest number that may be written.
    highest: u8,
    /// How many different values there are: one less than numbers for the day of the week, whose 7 is its 0.
    count: u8,
    /// Names of the values from `lowest` on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

pub(super) const MINUTE: Field = Field { name: "minute", lowest: 0, highest: 59, count: 60, names: &[] };
pub(super) const HOUR: Field = Field { name: "hour", lowest: 0, highest: 23, count: 24, names: &[] };
pub(super) const DAY_OF_MONTH: Field = Field { name: "day of month", lowest: 1, highest: 31, count: 31, names: &[] };
pub(super) const MONTH: Field = Field { name: "month", lowest: 1, highest: 12, count: 12, names: &MONTHS };
pub(super) const DAY_OF_WEEK: Field = Field { name: "day of week", lowest: 0, highest: 7, count: 7, names: &DAYS };

/// The values a field's text stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Set {
    /// Bit `n` is value `n`.
    bits: u64,
    /// Whether the text begins with `*`, a step included. Cron's rules turn on this, not on the values.
    pub starred: bool,
}

impl Set {
    /// Whether `value` is one of them.
    #[cfg(test)]
    pub(super) fn has(self, value: u32) -> bool {
        value < 64 && self.bits >> value & 1 == 1
    }

    /// The set as an explicit list with every value moved up by `shift`, or `*` when nothing is left out.
    pub(super) fn list(self, field: &Field, shift: u8) -> String {
        if self.bits.count_ones() == u32::from(field.count) {
            return "*".to_owned();
        }
        let values = (0..64).filter(|value| self.bits >> value & 1 == 1);
        values.map(|value| (value + shift).to_string()).collect::<Vec<_>>().join(",")
    }
}

impl Field {
    /// Reads the field's text.
    ///
    /// # Errors
    /// [`CronError::Field`], naming the item that is wrong and what was expected in its place.
    pub(super) fn parse(&self, text: &str) -> Result<Set, CronError> {
        let mut set = Set { bits: 0, starred: text.starts_with('*') };
        for item in text.split(',') {
            set.bits |= self.item(item)?;
        }
        Ok(set)
    }

    fn item(&self, item: &str) -> Result<u64, CronError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(item, step)?)),
            None => (item, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.lowest, self.lowest + self.count - 1),
            Some((from, to)) => (self.value(item, from)?, self.value(item, to)?),
            None if step.is_some() => return Err(self.error(item, "a step only after * or a range".to_owned())),
            None => {
                let value = self.value(item, range)?;
                (value, value)
            }
        };
        // A range that wraps runs on past the end; the values found there are folded back.
        let end = if from > to { to + self.count } else { to };
        let values = (from..=end).step_by(usize::from(step.unwrap_or(1)));
        Ok(values.fold(0, |bits, value| bits | 1 << (self.lowest + (value - self.lowest) % self.count)))
    }

    /// A step of more than the highest value would be a mistake: it could never take place.
    fn step(&self, item: &str, text: &str) -> Result<u8, CronError> {
        number(text)
            .filter(|step| (1..=self.highest).contains(step))
            .ok_or_else(|| self.error(item, format!("a step from 1 to {}", self.highest)))
    }

    fn value(&self, item: &str, text: &str) -> Result<u8, CronError> {
        let named = || self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = || named().and_then(|index| u8::try_from(index).ok()).map(|index| self.lowest + index);
        number(text)
            .filter(|value| (self.lowest..=self.highest).contains(value))
            .or_else(named)
            .ok_or_else(|| self.error(item, self.expected()))
    }

    fn expected(&self) -> String {
        let numbers = format!("a number from {} to {}", self.lowest, self.highest);
        match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => format!("{numbers} or a name from {first} to {last}"),
            _ => numbers,
        }
    }

    fn error(&self, item: &str, expected: String) -> CronError {
        CronError::Field { field: self.name, item: item.to_owned(), expected }
    }
}

/// One or two digits, and nothing else: no sign, no blanks.
fn number(text: &str) -> Option<u8> {
    let plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
