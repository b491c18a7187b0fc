//! The audit log, on the wire: what is asked of it, and its lines as the original's records.
//!
//! The log tells refused and changing requests. It has no numbers: the moment of an answer, in microseconds, is shown as
//! one.

use super::fields::Fault;
use super::moment;
use crate::base::Wall;
use serde_json::{Value, json};

/// All that is told is of this type: a request.
const EVENT: &str = "API";

/// Who asked, as far as the original tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// An account, or the operator.
    User,
    /// A token.
    Token,
    /// Somebody else.
    Unknown,
}

impl Actor {
    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Actor::User => "USER",
            Actor::Token => "PAT",
            Actor::Unknown => "UNKNOWN",
        }
    }

    /// What sort of caller the log names, and his name.
    pub fn of(who: &str) -> (Actor, &str) {
        if let Some(name) = who.strip_prefix("account ") {
            (Actor::User, name)
        } else if let Some(name) = who.strip_prefix("token ") {
            (Actor::Token, name)
        } else if who == "operator" {
            (Actor::User, who)
        } else {
            (Actor::Unknown, who)
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was answered.
    pub at: Wall,
    /// What sort of caller it was.
    pub actor: Actor,
    /// His name.
    pub name: &'a str,
    /// The method.
    pub operation: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The status of the answer.
    pub status: u16,
}

impl<'a> Record<'a> {
    /// A line of the log: who, and method and path with a space between.
    pub fn of(at: Wall, who: &'a str, what: &'a str, status: u16) -> Record<'a> {
        let (actor, name) = Actor::of(who);
        let (operation, path) = what.split_once(' ').unwrap_or((what, ""));
        Record { at, actor, name, operation, path, status }
    }

    fn state(&self) -> &'static str {
        if (200..300).contains(&self.status) { "SUCCESS" } else { "FAILURE" }
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let at = moment(self.at);
        json!({
            "id": self.at.timestamp_micros(),
            "created_at": at,
            "updated_at": at,
            "is_del": 0,
            "actor_type": self.actor.text(),
            "actor_name": self.name,
            "event_type": EVENT,
            "operation": self.operation,
            "operated_at": at,
            "state": self.state(),
            "path": self.path,
            "status_code": self.status,
        })
    }
}

/// Which requests are wanted: those with all of this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The word for the caller's sort.
    pub actor_type: Option<String>,
    /// The caller's name.
    pub actor_name: Option<String>,
    /// The type of the event.
    pub event_type: Option<String>,
    /// The method.
    pub operation: Option<String>,
    /// `SUCCESS` or `FAILURE`.
    pub state: Option<String>,
    /// The path.
    pub path: Option<String>,
    /// The status of the answer.
    pub status_code: Option<u16>,
}

impl Wanted {
    /// Reads a query, by the values of its names. Empty ones are none.
    ///
    /// # Errors
    /// A word or number that cannot be meant: which.
    pub fn read<'q>(value: impl Fn(&str) -> Option<&'q str>) -> Result<Wanted, Fault> {
        let given = |name: &str| value(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let one_of = |name: &str, words: &[&str]| match given(name) {
            Some(word) if !words.contains(&word.as_str()) => {
                Err(Fault::Binding(format!("{name}: expected one of {} (oneof)", words.join(", "))))
            }
            word => Ok(word),
        };
        let status = given("status_code").map(|text| text.parse::<u16>()).transpose();
        Ok(Wanted {
            actor_type: one_of("actor_type", &["UNKNOWN", "USER", "PAT"])?,
            actor_name: given("actor_name"),
            event_type: one_of("event_type", &[EVENT])?,
            operation: given("operation"),
            state: one_of("state", &["SUCCESS", "FAILURE"])?,
            path: given("path"),
            status_code: status
                .map_err(|_| Fault::Binding("status_code: expected the number of a status".to_owned()))?,
        })
    }

    /// Whether this one is.
    pub fn wants(&self, record: &Record<'_>) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        is(&self.actor_type, record.actor.text())
            && is(&self.actor_name, record.name)
            && is(&self.operation, record.operation)
            && is(&self.state, record.state())
            && is(&self.path, record.path)
            && self.status_code.is_none_or(|status| status == record.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pairs: &[(&str, &'static str)]) -> Result<Wanted, Fault> {
        Wanted::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value))
    }

    #[test]
    fn a_line_of_the_log_is_a_record() {
        let at = Wall::from_timestamp_micros(1_000_001).unwrap();
        let json = Record::of(at, "token ci", "POST /oapi/v1/jobs", 200).json();
        let expected = json!({
            "id": 1_000_001, "created_at": "1970-01-01T00:00:01.000001Z", "updated_at": "1970-01-01T00:00:01.000001Z",
            "is_del": 0, "actor_type": "PAT", "actor_name": "ci", "event_type": "API", "operation": "POST",
            "operated_at": "1970-01-01T00:00:01.000001Z", "state": "SUCCESS", "path": "/oapi/v1/jobs",
            "status_code": 200,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn callers_are_told_apart() {
        assert_eq!(Actor::of("account alice"), (Actor::User, "alice"));
        assert_eq!(Actor::of("account token x"), (Actor::User, "token x"));
        assert_eq!(Actor::of("token a b"), (Actor::Token, "a b"));
        assert_eq!(Actor::of("operator"), (Actor::User, "operator"));
        assert_eq!(Actor::of("uid 0 (root)"), (Actor::Unknown, "uid 0 (root)"));
        assert_eq!(Actor::of("anonymous"), (Actor::Unknown, "anonymous"));
    }

    #[test]
    fn only_what_is_wanted_is_told() {
        let record = Record::of(Wall::UNIX_EPOCH, "account alice", "DELETE /oapi/v1/jobs/7", 404);
        for (name, right, wrong) in [
            ("actor_type", "USER", "PAT"),
            ("actor_name", "alice", "ali"),
            ("operation", "DELETE", "POST"),
            ("state", "FAILURE", "SUCCESS"),
            ("path", "/oapi/v1/jobs/7", "/oapi/v1/jobs"),
            ("status_code", "404", "200"),
        ] {
            assert!(wanted(&[(name, right)]).unwrap().wants(&record), "{name}={right}");
            assert!(!wanted(&[(name, wrong)]).unwrap().wants(&record), "{name}={wrong}");
        }
        assert!(wanted(&[("event_type", "API"), ("state", "")]).unwrap().wants(&record));
        for (name, nonsense) in [("actor_type", "root"), ("event_type", "x"), ("state", "done"), ("status_code", "4xx")]
        {
            assert!(wanted(&[(name, nonsense)]).unwrap_err().to_string().starts_with(name));
        }
    }
}
