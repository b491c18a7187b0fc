//! Durations as people write them: in JSON and TOML a number is seconds (fractions allowed), a string is read as
//! `humantime` does ("5m", "1h 30m").

use serde::{Deserialize, Deserializer, Serializer};
use std::time::Duration;

/// What was expected, for error messages.
pub const EXPECTED: &str = "seconds as a number, or text such as \"5m\" or \"1h30m\"";

/// Seconds as a duration.
///
/// # Errors
/// Negative, not finite, or beyond what a duration holds.
pub fn from_seconds(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{seconds} is not a duration: expected {EXPECTED}"))
}

/// Reads `humantime` text, or a bare number as seconds.
///
/// # Errors
/// Anything else, with what was expected.
pub fn parse(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<f64>() {
        Ok(seconds) => from_seconds(seconds),
        Err(_) => humantime::parse_duration(text).map_err(|why| format!("\"{text}\": {why}; expected {EXPECTED}")),
    }
}

/// A JSON value as a duration.
///
/// # Errors
/// Anything but a number of seconds or `humantime` text.
pub fn from_json(value: &serde_json::Value) -> Result<Duration, String> {
    match value {
        serde_json::Value::Number(number) => from_seconds(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => parse(text),
        other => Err(format!("{other} is not a duration: expected {EXPECTED}")),
    }
}

/// The duration as a JSON number of seconds; whole seconds are integers.
pub fn to_json(duration: Duration) -> serde_json::Value {
    if duration.subsec_nanos() == 0 { duration.as_secs().into() } else { duration.as_secs_f64().into() }
}

/// For `#[serde(with = "base::duration")]`: reads both forms, writes seconds.
///
/// # Errors
/// Those of the deserializer, and [`from_json`]'s.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    from_json(&value).map_err(serde::de::Error::custom)
}

/// See [`deserialize`].
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&to_json(*duration), to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_seconds_and_strings_are_humantime() {
        assert_eq!(from_json(&json!(1.5)), Ok(Duration::from_millis(1500)));
        assert_eq!(from_json(&json!("1h30m")), Ok(Duration::from_secs(5400)));
        assert_eq!(from_json(&json!("90")), Ok(Duration::from_secs(90)));
        for bad in [json!(-1), json!(1e300), json!("soon"), json!(null), json!([1]), json!("NaN"), json!("inf")] {
            assert!(from_json(&bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn whole_seconds_are_written_as_integers() {
        assert_eq!(to_json(Duration::from_secs(3)), json!(3));
        assert_eq!(to_json(Duration::from_millis(250)), json!(0.25));
    }
}
