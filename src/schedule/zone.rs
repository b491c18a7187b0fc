//! Time zones by their names in the IANA database, which is compiled in: no file of the host decides what a name means.

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use std::fmt;
use std::str::FromStr as _;

/// A time zone. Cheap to copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Zone(Tz);

/// The name of a zone is not in the database.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown time zone \"{0}\": expected a name such as \"Europe/Berlin\" or \"UTC\"")]
pub struct ZoneError(pub String);

impl Zone {
    /// Universal time: no clock changes at all.
    pub const UTC: Zone = Zone(Tz::UTC);

    /// A zone by its IANA name, spelled as in the database.
    ///
    /// # Errors
    /// [`ZoneError`] when there is none of this name.
    pub fn parse(name: &str) -> Result<Zone, ZoneError> {
        Tz::from_str(name).map(Zone).map_err(|_| ZoneError(name.to_owned()))
    }

    /// The host's zone: `TZ` of the environment, else the system's setting, else UTC. Reads files: ask once, at start.
    pub fn host() -> Zone {
        let environment = std::env::var("TZ").ok().and_then(|value| Zone::from_environment(&value));
        let system = || iana_time_zone::get_timezone().ok().and_then(|name| Zone::parse(&name).ok());
        environment.or_else(system).unwrap_or(Zone::UTC)
    }

    /// `TZ` as glibc takes it: a name, a name after a colon, or the path of a zone file. Empty means UTC. Rules
    /// written out (`CET-1CEST`) are not understood and count as absent.
    fn from_environment(value: &str) -> Option<Zone> {
        let value = value.strip_prefix(':').unwrap_or(value);
        if value.is_empty() {
            return Some(Zone::UTC);
        }
        let name = value.rsplit_once("/zoneinfo/").map_or(value, |(_, name)| name);
        Zone::parse(name).ok()
    }

    /// The name in the database.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// What clocks in this zone show at a moment.
    pub fn local(self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.0).naive_local()
    }

    pub(super) fn rules(self) -> Tz {
        self.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_database() {
        assert_eq!(Zone::parse("Europe/Berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(Zone::parse("UTC"), Ok(Zone::UTC));
        for bad in ["", "Europe/Atlantis", "europe/berlin ", "+02:00"] {
            assert_eq!(Zone::parse(bad), Err(ZoneError(bad.to_owned())));
        }
    }

    #[test]
    fn the_environment_may_name_a_zone_in_three_ways() {
        let havana = Zone::parse("America/Havana").ok();
        for value in ["America/Havana", ":America/Havana", "/usr/share/zoneinfo/America/Havana"] {
            assert_eq!(Zone::from_environment(value), havana, "{value}");
        }
        assert_eq!(Zone::from_environment(""), Some(Zone::UTC));
        assert_eq!(Zone::from_environment("CET-1CEST,M3.5.0,M10.5.0/3"), None);
    }
}
