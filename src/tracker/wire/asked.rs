//! What clients send, key by key, and how a task is made of it.

use super::reader::{Field, Password, objects};
use crate::base::Wall;
use crate::tracker::model::{Definition, Limit, NewTask, ProjectId, Rate, hash_of};
use chrono::DateTime;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use std::fmt;
use std::time::Duration;

objects! {
    /// `POST /worker/create`, `POST /worker/update`
    pub struct Alias {
        /// What the worker calls itself.
        alias: String,
    }

    /// `POST /worker/set_paused`
    pub struct Pause {
        /// Which worker.
        worker: i64,
        /// Whether it is to be paused.
        paused: bool,
    }

    /// `POST /register`, `POST /login`
    pub struct Login {
        /// The account's name.
        username: String,
        /// Its password.
        password: Password,
    }

    /// `POST /manager/set_role_for_project/{id}`
    pub struct SetRole {
        /// Whose.
        manager: i64,
        /// Which.
        role: i64,
    }

    /// `POST /project/create`, `POST /project/update/{id}`
    pub struct ProjectBody {
        /// Required.
        name: String,
        /// Where its program comes from.
        clone_url: String,
        /// `owner/name`
        git_repo: String,
        /// Free text.
        version: String,
        /// For workers.
        motd: String,
        /// Not negative.
        priority: i64,
        /// For everybody.
        public: bool,
        /// For some.
        hidden: bool,
        /// For nobody.
        paused: bool,
        /// The next project.
        chain: i64,
        /// Tasks per second.
        assign_rate: f64,
        /// Tasks per second.
        submit_rate: f64,
        /// Tasks at once.
        assign_burst: f64,
        /// Tasks at once.
        submit_burst: f64,
        /// Tasks per second and worker.
        worker_assign_rate: f64,
        /// Tasks per second and worker.
        worker_submit_rate: f64,
    }

    /// `POST /project/secret/{id}`
    pub struct SecretBody {
        /// What it is to be.
        secret: String,
    }

    /// `POST /project/webhook_secret/{id}`
    pub struct WebhookSecretBody {
        /// What it is to be.
        webhook_secret: String,
    }

    /// `POST /project/request_access`
    pub struct RequestAccess {
        /// To be handed tasks.
        assign: bool,
        /// To submit.
        submit: bool,
        /// Where.
        project: i64,
    }

    /// `POST /task/submit`
    pub struct Submit {
        /// Where.
        project: i64,
        /// What.
        recipe: String,
        /// How often it may fail.
        max_retries: i16,
        /// Higher ones go first.
        priority: i16,
        /// Seconds.
        max_assign_time: i64,
        /// The hash.
        hash_u64: i64,
        /// Stands for the hash where there is none: the name that the original's notes give it.
        hash64: i64,
        /// What the hash is made of.
        unique_string: String,
        /// What the hash is made of where nothing else is said: the name that the Python client gives it.
        unique_str: String,
        /// How many equal results close it.
        verification_count: i16,
        /// Unix seconds before which it is not handed out.
        not_before: f64,
        /// Seconds from now before which it is not handed out.
        delay: f64,
    }

    /// `POST /task/bulk_submit`
    pub struct Bulk {
        /// The tasks.
        requests: Requests,
    }

    /// `POST /task/release`
    pub struct Release {
        /// Which task.
        task_id: i64,
        /// How: 0, 1 or 2.
        result: i64,
        /// What the worker came to.
        verification: i64,
        /// Why it failed.
        reason: String,
    }

    /// `POST /task/extend`
    pub struct Extend {
        /// Which task.
        task_id: i64,
        /// How long from now on.
        seconds: f64,
    }

    /// `POST /task/requeue`
    pub struct TaskNumber {
        /// Which task.
        task_id: i64,
    }

    /// `POST /log/…`
    pub struct LogBody {
        /// About what.
        scope: String,
        /// What.
        message: String,
        /// Unix seconds.
        timestamp: i64,
    }

    /// `POST /logs`
    pub struct LogsBody {
        /// Exactly this one.
        level: i64,
        /// Unix seconds.
        since: i64,
    }

    /// `POST /git/receivehook`
    pub struct Hook {
        /// `refs/heads/…`
        reference = "ref": String,
        /// The commit that the branch is at now.
        after: String,
        /// Of which repository.
        repository: Repository,
    }

    /// The repository of a [`Hook`].
    pub struct Repository {
        /// `owner/name`
        full_name: String,
    }
}

/// How long what is kept in memory for good and shown again and again may be, in bytes: the texts of a project together, or
/// a secret, which is handed to programs in one variable.
pub const TEXT_MAX: usize = 64 << 10;
/// How long a worker's alias may be, in bytes.
pub const ALIAS_MAX: usize = 1 << 10;

/// A text that is longer than it may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: expected at most {most} bytes")]
pub struct TooLong {
    what: &'static str,
    most: usize,
}

/// Refuses more than so many bytes.
///
/// # Errors
/// There are more.
pub fn at_most(most: usize, what: &'static str, bytes: usize) -> Result<(), TooLong> {
    if bytes <= most { Ok(()) } else { Err(TooLong { what, most }) }
}

/// A priority of a project that no 32-bit column holds.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(r#"pq: value "{0}" is out of range for type integer"#)]
pub struct OutOfRange(pub i64);

impl ProjectBody {
    /// Whether its texts are short enough.
    ///
    /// # Errors
    /// They are not.
    pub fn fits(&self) -> Result<(), TooLong> {
        let texts = [&self.name, &self.clone_url, &self.git_repo, &self.version, &self.motd];
        at_most(TEXT_MAX, "name, clone_url, git_repo, version and motd together", texts.map(String::len).iter().sum())
    }

    /// Whether it is valid in itself.
    pub fn is_valid(&self) -> bool {
        let bursts = [self.assign_burst, self.submit_burst];
        !self.name.is_empty()
            && self.priority >= 0
            && !(self.public && self.hidden)
            && bursts.iter().all(|burst| *burst == 0.0 || *burst >= 1.0)
    }

    /// What is to be.
    ///
    /// # Errors
    /// The priority is too large.
    pub fn definition(self) -> Result<Definition, OutOfRange> {
        let priority = i32::try_from(self.priority).map_err(|_| OutOfRange(self.priority))?;
        let limit = |rate, burst: f64, per_worker| Limit {
            rate: Rate::new(rate),
            burst: burst.max(1.0),
            per_worker: Rate::new(per_worker),
        };
        Ok(Definition {
            assign: limit(self.assign_rate, self.assign_burst, self.worker_assign_rate),
            submit: limit(self.submit_rate, self.submit_burst, self.worker_submit_rate),
            chain: (self.chain != 0).then(|| ProjectId(number(self.chain))),
            name: self.name,
            clone_url: self.clone_url,
            git_repo: self.git_repo,
            version: self.version,
            motd: self.motd,
            priority,
            public: self.public,
            hidden: self.hidden,
            paused: self.paused,
        })
    }
}

/// A project's or worker's number. 0, which nothing has, for what none can be.
pub fn number(sent: i64) -> u32 {
    i32::try_from(sent).ok().and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

/// A task as it was sent, valid in itself.
#[derive(Debug, PartialEq)]
pub struct Wanted {
    /// Where; never 0.
    pub project: i64,
    /// What. Its `not_before` does not know of the delay.
    pub task: NewTask,
    /// From now on.
    pub delay: Duration,
}

/// A task that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks a rule.
    Invalid,
    /// It is to be held for longer than the original's column can say.
    TooLong,
}

/// The end of the year 9999: as far ahead as a task may be put off.
const LATEST: f64 = 253_402_300_799.0;

impl Submit {
    /// The task, if it is one.
    ///
    /// # Errors
    /// It breaks a rule.
    pub fn check(self) -> Result<Wanted, Fault> {
        let told_twice = self.hash_u64 != 0 && !self.unique_string.is_empty();
        let times = [self.not_before, self.delay];
        if self.project == 0
            || self.recipe.is_empty()
            || self.max_retries < 0
            || told_twice
            || !times.iter().all(|time| (0.0..=LATEST).contains(time))
        {
            return Err(Fault::Invalid);
        }
        let hash = match (self.unique_string.as_str(), self.hash_u64, self.hash64, self.unique_str.as_str()) {
            ("", 0, 0, "") => 0,
            ("", 0, 0, unique) => hash_of(unique),
            ("", 0, hash, _) | ("", hash, ..) => hash,
            (unique, ..) => hash_of(unique),
        };
        let task = NewTask {
            recipe: self.recipe.into(),
            priority: self.priority,
            max_retries: self.max_retries,
            max_assign: i32::try_from(self.max_assign_time).map_err(|_| Fault::TooLong)?,
            verification_count: if self.verification_count == 0 { 1 } else { self.verification_count },
            hash,
            not_before: moment(self.not_before),
        };
        let delay = Duration::try_from_secs_f64(self.delay).map_err(|_| Fault::Invalid)?;
        Ok(Wanted { project: self.project, task, delay })
    }
}

impl Wanted {
    /// The task, put off from now on.
    pub fn at(self, now: Wall) -> NewTask {
        let mut task = self.task;
        if !self.delay.is_zero() {
            let then = chrono::TimeDelta::from_std(self.delay).ok().and_then(|delay| now.checked_add_signed(delay));
            task.not_before = task.not_before.max(then);
        }
        task
    }
}

/// A moment in Unix seconds; none for 0.
fn moment(seconds: f64) -> Option<Wall> {
    let since = Duration::try_from_secs_f64(seconds).ok().filter(|since| !since.is_zero())?;
    DateTime::from_timestamp(i64::try_from(since.as_secs()).ok()?, since.subsec_nanos())
}

/// The tasks of a bulk: one or several of one project. Each is checked as it is read, and none is kept once one is not
/// valid, so that a body of many empty tasks takes no room.
#[derive(Debug, Default)]
pub struct Requests {
    /// The tasks, while all are valid.
    pub tasks: Vec<Wanted>,
    /// What is wrong with the first that is not.
    pub fault: Option<Fault>,
    /// Whether they are of different projects.
    pub differing: bool,
}

impl Requests {
    fn push(&mut self, task: Submit) {
        match task.check() {
            Ok(wanted) => {
                self.differing |= self.tasks.first().is_some_and(|first| first.project != wanted.project);
                if self.fault.is_none() {
                    self.tasks.push(wanted);
                }
            }
            Err(fault) => {
                self.fault.get_or_insert(fault);
                self.tasks = Vec::new();
            }
        }
    }
}

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Requests;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tasks")
            }

            fn visit_unit<E>(self) -> Result<Requests, E> {
                Ok(Requests::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Requests, A::Error> {
                let mut requests = Requests::default();
                while let Some(task) = list.next_element()? {
                    requests.push(task);
                }
                Ok(requests)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Requests, A::Error> {
                let mut requests = Requests::default();
                requests.push(Submit::deserialize(MapAccessDeserializer::new(map))?);
                Ok(requests)
            }
        }
        from.deserialize_any(OneOrMore)
    }
}

impl<'de> Field<'de> for Requests {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        map.next_value()
    }
}

#[cfg(test)]
#[path = "asked/tests.rs"]
mod tests;
