//! A task's definition as a JSON document, read and written. The API takes and shows this form, and the store keeps
//! it, so what a client posted is what the next core reads.
//!
//! The fields of the original interface are checked in its order and refused with its texts ([`Refused::text`]);
//! [`Refused::detail`] names field and expectation. Fields without a meaning are kept as they came; `null` stands for
//! the default of every field that has one.

use super::model::*;
use crate::base::duration;
use crate::schedule::{CatchUp, Cron, Overlap, Zone};
use bytesize::ByteSize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

/// When a cron task says nothing.
const EVERY_MINUTE: &str = "* * * * *";

/// Keys that a listing shows beside the definition; whatever a client says about them is not kept.
const SHOWN: [&str; 6] = ["last_time", "start_time", "run_flag", "running", "state", "replicas"];

/// Why a document is no definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The field it is about.
    pub field: String,
    /// What is wrong, or what was expected.
    pub why: String,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A field of the original interface.
    Field,
    /// A field of ours.
    Own,
    Reserved,
    Interval,
    Replica,
    Cron,
}

impl Refused {
    fn new(what: What, field: &str, why: impl Display) -> Refused {
        Refused { field: field.to_owned(), why: why.to_string(), what }
    }

    /// A field of ours that does not fit.
    pub fn own(field: &str, why: impl Display) -> Refused {
        Refused::new(What::Own, field, why)
    }

    /// The message clients of the original know, the stray apostrophes included; for fields of ours, [`Self::detail`].
    pub fn text(&self) -> String {
        match self.what {
            What::Field => "Invalid JSON field".to_owned(),
            What::Reserved => "name '__coroutine__' is reserved".to_owned(),
            What::Interval => "Interval must be a positive integer'".to_owned(),
            What::Replica => "Replica must be a positive integer'".to_owned(),
            What::Cron => "Invalid cron format".to_owned(),
            What::Own => self.detail(),
        }
    }

    /// Field and expectation.
    pub fn detail(&self) -> String {
        format!("{}: {}", self.field, self.why)
    }
}

/// Reads a definition. `max_replicas` is the configured cap.
///
/// # Errors
/// The first field, in the original's order of checks, that does not fit.
pub fn read(document: Map<String, Value>, max_replicas: u32) -> Result<Definition, Refused> {
    let mut fields = Fields(document);
    for shown in SHOWN {
        fields.0.remove(shown);
    }
    let name = fields.required("name")?;
    let command = fields.command()?;
    let kind = fields.required("type")?;
    let replica = fields.whole("replica")?.unwrap_or(1);
    let interval = fields.interval()?;
    let user = fields.account("user")?;
    let group = fields.account("group")?;
    let deps = fields.deps()?;
    let kind = match kind.as_str() {
        "once" => Kind::Once,
        "daemon" => Kind::Daemon(Restart::default()),
        "cron" => {
            let line = fields.optional("cron", "a crontab line")?.unwrap_or_else(|| EVERY_MINUTE.to_owned());
            Kind::Cron(fields.schedule(&name, interval, replica, &line)?)
        }
        "coroutine" => {
            return Err(Refused::own("type", "coroutine is not supported: expected once, daemon or cron"));
        }
        _ => return Err(Refused::new(What::Field, "type", "expected once, daemon or cron")),
    };
    let name = check_order(&name, interval, replica, max_replicas)?;
    let mut definition = Definition::new(name, command, kind);
    definition.replica = Replicas::new(replica).map_err(|why| Refused::new(What::Replica, "replica", why))?;
    definition.interval = interval.unwrap_or(INTERVAL);
    (definition.user, definition.group, definition.deps) = (user, group, deps);
    if let Kind::Daemon(restart) = &mut definition.kind {
        fields.restart(restart)?;
    }
    fields.surroundings(&mut definition)?;
    definition.ready = fields.ready()?;
    definition.health = fields.health()?;
    definition.limits = fields.limits()?;
    definition.extra = fields.0;
    Ok(definition)
}

/// The checks that come after all fields have their types: name, interval, replica, in this order.
fn check_order(name: &str, interval: Option<Duration>, replica: i64, max_replicas: u32) -> Result<TaskName, Refused> {
    let name = TaskName::new(name).map_err(|why| match why {
        Invalid::Reserved => Refused::new(What::Reserved, "name", why),
        why => Refused::own("name", why),
    })?;
    if interval == Some(Duration::ZERO) {
        return Err(Refused::new(What::Interval, "interval", "expected more than 0 seconds"));
    }
    match replica {
        ..=0 => Err(Refused::new(What::Replica, "replica", "expected at least 1")),
        many if many > i64::from(max_replicas) => {
            Err(Refused::own("replica", format!("expected at most {max_replicas}, the configured proc.max_replicas")))
        }
        _ => Ok(name),
    }
}

/// The document while it is read: what has been understood is taken out.
struct Fields(Map<String, Value>);

impl Fields {
    /// Takes a field; `null` counts as absent.
    fn take(&mut self, field: &str) -> Option<Value> {
        self.0.remove(field).filter(|value| !value.is_null())
    }

    fn required(&mut self, field: &str) -> Result<String, Refused> {
        match self.take(field) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            _ => Err(Refused::new(What::Field, field, "expected text that is not empty")),
        }
    }

    fn optional(&mut self, field: &str, expected: &str) -> Result<Option<String>, Refused> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refused::new(What::Field, field, format!("expected {expected}"))),
        }
    }

    /// `user` and `group` are the only fields of the original whose `null` is an error.
    fn account(&mut self, field: &str) -> Result<Option<String>, Refused> {
        match self.0.remove(field) {
            None => Ok(None),
            Some(Value::String(name)) => Ok(Some(name)),
            Some(_) => Err(Refused::new(What::Field, field, "expected a name")),
        }
    }

    /// A JSON number without a fraction: `3`, `3.0` and `3e0` are the same.
    fn whole(&mut self, field: &str) -> Result<Option<i64>, Refused> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let number = whole_number(&value);
        number.map(Some).ok_or_else(|| Refused::new(What::Field, field, "expected a number without a fraction"))
    }

    fn interval(&mut self) -> Result<Option<Duration>, Refused> {
        let expected =
            |_| Refused::new(What::Field, "interval", "expected seconds as a number, or text such as \"5m\"");
        match self.take("interval") {
            None => Ok(None),
            Some(Value::Number(number)) if number.as_f64().is_some_and(|seconds| seconds < 0.0) => {
                Ok(Some(Duration::ZERO)) // refused later, in its turn
            }
            Some(value @ Value::Number(_)) => duration::from_json(&value).map(Some).map_err(expected),
            Some(Value::String(text)) => {
                humantime::parse_duration(&text).map(Some).map_err(|why| expected(why.to_string()))
            }
            Some(_) => Err(expected(String::new())),
        }
    }

    fn command(&mut self) -> Result<Command, Refused> {
        let invalid = |field, why: Invalid| Refused::own(field, why);
        match (self.0.contains_key("cmd"), self.take("argv")) {
            (_, None) => Command::shell(&self.required("cmd")?).map_err(|why| invalid("cmd", why)),
            (false, Some(argv)) => {
                let words = texts(&argv).ok_or_else(|| Refused::own("argv", "expected a list of texts"))?;
                Command::argv(words).map_err(|why| invalid("argv", why))
            }
            (true, Some(_)) => Err(Refused::own("argv", "expected either cmd or argv, not both")),
        }
    }

    /// Names, or `{"task": …, "until": …}`. An empty name names no task and holds nothing back.
    fn deps(&mut self) -> Result<Vec<Dependency>, Refused> {
        let bad = |why: &str| Refused::new(What::Field, "deps", why);
        let expected = "expected a list of names or of {\"task\", \"until\"}";
        let entries = match self.take("deps") {
            None => return Ok(Vec::new()),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(bad(expected)),
        };
        let mut deps = Vec::new();
        for entry in entries {
            let (task, until) = match entry {
                Value::String(name) => (name, Until::Idle),
                Value::Object(mut object) => {
                    let Some(Value::String(name)) = object.remove("task") else { return Err(bad(expected)) };
                    let until = match object.remove("until") {
                        None | Some(Value::Null) => Until::Idle,
                        Some(word) => word.as_str().and_then(until_named).ok_or_else(|| {
                            Refused::own("deps", "until: expected idle, ready, started, finished or succeeded")
                        })?,
                    };
                    (name, until)
                }
                _ => return Err(bad(expected)),
            };
            if !task.is_empty() {
                let task = TaskName::new(&task).map_err(|why| Refused::own("deps", why))?;
                deps.push(Dependency { task, until });
            }
        }
        Ok(deps)
    }

    /// The fields of a schedule. The cron line is read after name, interval and replica have been judged.
    fn schedule(
        &mut self,
        name: &str,
        interval: Option<Duration>,
        replica: i64,
        line: &str,
    ) -> Result<Schedule, Refused> {
        check_order(name, interval, replica, u32::MAX)?;
        let cron = Cron::parse(line).map_err(|why| Refused::new(What::Cron, "cron", why))?;
        let zone = match self.own_text("timezone", "the name of a time zone")? {
            Some(name) => Zone::parse(&name).map_err(|why| Refused::own("timezone", why))?,
            None => Zone::host(),
        };
        let overlap = self.word("overlap", &Overlap::WORDS)?.unwrap_or_default();
        let catch_up = self.word("catch_up", &CatchUp::WORDS)?.unwrap_or_default();
        let jitter = self.duration("jitter")?.unwrap_or_default();
        Ok(Schedule { cron, zone, overlap, catch_up, jitter })
    }

    fn restart(&mut self, restart: &mut Restart) -> Result<(), Refused> {
        restart.on = self.word("restart", &RESTARTS)?.unwrap_or(RestartOn::Always);
        restart.stable_after = self.duration("stable_after")?.unwrap_or(STABLE_AFTER);
        restart.max_restarts = self.number("max_restarts", 0, i64::from(u32::MAX))?;
        if let Some(mut backoff) = self.table("backoff")? {
            let factor = match backoff.take("factor") {
                None => 2.0,
                Some(value) => value.as_f64().ok_or_else(|| Refused::own("backoff.factor", "expected a number"))?,
            };
            let max = backoff.duration("max")?.unwrap_or(Duration::from_secs(60));
            let read = Backoff::new(factor, max).map_err(|why| Refused::own("backoff.factor", why))?;
            restart.backoff = Some(read);
            backoff.nothing_left("backoff")?;
        }
        Ok(())
    }

    /// Environment, place, priority, stopping, output.
    fn surroundings(&mut self, into: &mut Definition) -> Result<(), Refused> {
        into.env = self.env()?;
        into.env_file = self.absolute("env_file")?;
        into.cwd = self.absolute("cwd")?;
        if let Some(mask) = self.own_text("umask", "octal digits as text, such as \"022\"")? {
            let number = i64::from_str_radix(&mask, 8).map_err(|why| Refused::own("umask", why))?;
            into.umask = Some(Umask::new(number).map_err(|_| Refused::own("umask", "expected 0 to 0777, octal"))?);
        }
        if let Some(signal) = self.signal("stop_signal")? {
            into.stop_signal = signal;
        }
        if let Some(timeout) = self.duration("stop_timeout")? {
            into.stop_timeout = timeout;
        }
        into.reload_signal = self.signal("reload_signal")?;
        let priority = self.number::<i64>("nice", -20, 19)?;
        into.nice = priority.map(Nice::new).transpose().map_err(|why| Refused::own("nice", why))?;
        let score = self.number::<i64>("oom_score_adj", -1000, 1000)?;
        into.oom_score_adj =
            score.map(OomScoreAdj::new).transpose().map_err(|why| Refused::own("oom_score_adj", why))?;
        into.log_cap = self.size("log_max")?;
        into.split_output = match self.take("split_output") {
            None => false,
            Some(Value::Bool(split)) => split,
            Some(_) => return Err(Refused::own("split_output", "expected true or false")),
        };
        Ok(())
    }

    fn env(&mut self) -> Result<Env, Refused> {
        let Some(table) = self.table("env")? else { return Ok(Env::default()) };
        let mut pairs = BTreeMap::new();
        for (name, value) in table.0 {
            let Value::String(value) = value else {
                return Err(Refused::own(&format!("env.{name}"), "expected text"));
            };
            pairs.insert(name, value);
        }
        Env::new(pairs).map_err(|(name, why)| Refused::own(&format!("env.{name}"), why))
    }

    fn ready(&mut self) -> Result<Option<Ready>, Refused> {
        let Some(mut table) = self.table("ready")? else { return Ok(None) };
        let kinds = ["tcp", "http", "exec", "log", "notify"];
        let given: Vec<_> = kinds.into_iter().filter(|kind| table.0.contains_key(*kind)).collect();
        let [kind] = given[..] else { return Err(Refused::own("ready", format!("expected one of {kinds:?}"))) };
        let when = match kind {
            "log" => ReadyWhen::Log(
                table
                    .own_text("log", "text to look for")?
                    .filter(|text| !text.is_empty())
                    .ok_or_else(|| Refused::own("ready.log", "expected text that is not empty"))?,
            ),
            "notify" if table.take("notify") == Some(Value::Bool(true)) => ReadyWhen::Notify,
            "notify" => return Err(Refused::own("ready.notify", "expected true")),
            probe => ReadyWhen::Probe(table.probe("ready", probe)?),
        };
        let interval = table.duration("interval")?.unwrap_or(READY_INTERVAL);
        let timeout = table.duration("timeout")?.unwrap_or(READY_TIMEOUT);
        table.nothing_left("ready")?;
        positive("ready.interval", interval)?;
        positive("ready.timeout", timeout)?;
        Ok(Some(Ready { when, interval, timeout }))
    }

    fn health(&mut self) -> Result<Option<Health>, Refused> {
        let Some(mut table) = self.table("health")? else { return Ok(None) };
        let kinds = ["tcp", "http", "exec"];
        let given: Vec<_> = kinds.into_iter().filter(|kind| table.0.contains_key(*kind)).collect();
        let [kind] = given[..] else { return Err(Refused::own("health", format!("expected one of {kinds:?}"))) };
        let probe = table.probe("health", kind)?;
        let interval = table.duration("interval")?.unwrap_or(HEALTH_INTERVAL);
        let timeout = table.duration("timeout")?.unwrap_or(HEALTH_TIMEOUT);
        let failures = table.number("failures", 1, i64::from(u32::MAX))?.unwrap_or(HEALTH_FAILURES);
        table.nothing_left("health")?;
        positive("health.interval", interval)?;
        positive("health.timeout", timeout)?;
        Ok(Some(Health { probe, interval, timeout, failures }))
    }

    fn probe(&mut self, of: &str, kind: &str) -> Result<Probe, Refused> {
        let field = format!("{of}.{kind}");
        let bad = |why: &str| Refused::own(&field, why);
        match (kind, self.take(kind)) {
            ("tcp", Some(Value::String(address))) if address.contains(':') => Ok(Probe::Tcp(address)),
            ("tcp", _) => Err(bad("expected \"HOST:PORT\"")),
            ("http", Some(Value::String(url))) if url.starts_with("http://") => Ok(Probe::Http(url)),
            ("http", _) => Err(bad("expected an address that begins with http://")),
            (_, Some(Value::String(line))) => {
                Command::shell(&line).map(Probe::Exec).map_err(|why| Refused::own(&field, why))
            }
            (_, Some(argv)) => {
                let words = texts(&argv).ok_or_else(|| bad("expected a command line or a list of texts"))?;
                Command::argv(words).map(Probe::Exec).map_err(|why| Refused::own(&field, why))
            }
            (_, None) => Err(bad("expected a command line or a list of texts")),
        }
    }

    fn limits(&mut self) -> Result<Limits, Refused> {
        let Some(mut table) = self.table("limits")? else { return Ok(Limits::default()) };
        let memory = table.size("memory")?;
        let cpu = match table.take("cpu") {
            None => None,
            Some(value) => match value.as_f64() {
                Some(cpus) if cpus >= 0.01 && cpus.is_finite() => Some(cpus),
                _ => return Err(Refused::own("limits.cpu", "expected a number of processors, at least 0.01")),
            },
        };
        let pids = table.number::<u64>("pids", 1, i64::MAX)?;
        let mut rlimits = Vec::new();
        for (resource, value) in table.table("rlimits")?.map_or_else(Map::new, |table| table.0) {
            let field = format!("limits.rlimits.{resource}");
            let (soft, hard) = match &value {
                Value::Object(both) => (limit(both.get("soft")), limit(both.get("hard"))),
                one => (limit(Some(one)), limit(Some(one))),
            };
            let expected = "expected a number, \"unlimited\", or {\"soft\", \"hard\"} of these";
            let (soft, hard) = soft.zip(hard).ok_or_else(|| Refused::own(&field, expected))?;
            rlimits.push(Rlimit::new(&resource, soft, hard).map_err(|why| Refused::own(&field, why))?);
        }
        rlimits.sort_by_key(Rlimit::resource);
        if let Some(both) = rlimits.windows(2).find(|pair| pair[0].resource() == pair[1].resource()) {
            let field = format!("limits.rlimits.{}", both[0].resource());
            return Err(Refused::own(&field, "given twice"));
        }
        table.nothing_left("limits")?;
        Ok(Limits { rlimits, memory, cpu, pids })
    }

    fn table(&mut self, field: &str) -> Result<Option<Fields>, Refused> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Object(table)) => Ok(Some(Fields(table))),
            Some(_) => Err(Refused::own(field, "expected an object")),
        }
    }

    /// Inside our own tables nothing is unknown: it would be a misspelling.
    fn nothing_left(&self, of: &str) -> Result<(), Refused> {
        match self.0.keys().next() {
            Some(unknown) => Err(Refused::own(&format!("{of}.{unknown}"), "no such field")),
            None => Ok(()),
        }
    }

    fn own_text(&mut self, field: &str, expected: &str) -> Result<Option<String>, Refused> {
        self.optional(field, expected).map_err(|why| Refused { what: What::Own, ..why })
    }

    fn absolute(&mut self, field: &str) -> Result<Option<PathBuf>, Refused> {
        match self.own_text(field, "an absolute path")? {
            None => Ok(None),
            Some(path) if path.starts_with('/') && !path.contains('\0') => Ok(Some(PathBuf::from(path))),
            Some(_) => Err(Refused::own(field, "expected an absolute path")),
        }
    }

    fn duration(&mut self, field: &str) -> Result<Option<Duration>, Refused> {
        let value = self.take(field);
        value.map(|value| duration::from_json(&value)).transpose().map_err(|why| Refused::own(field, why))
    }

    fn size(&mut self, field: &str) -> Result<Option<u64>, Refused> {
        let expected = || Refused::own(field, "expected bytes as a number, or text such as \"64 MiB\"");
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => {
                text.parse::<ByteSize>().map(|size| Some(size.as_u64())).map_err(|_| expected())
            }
            Some(value) => value.as_u64().map(Some).ok_or_else(expected),
        }
    }

    fn number<T: TryFrom<i64>>(&mut self, field: &str, min: i64, max: i64) -> Result<Option<T>, Refused> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let number = whole_number(&value).filter(|number| (min..=max).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.map(Some).ok_or_else(|| Refused::own(field, format!("expected a whole number from {min} to {max}")))
    }

    fn signal(&mut self, field: &str) -> Result<Option<Signal>, Refused> {
        let bad = |why: Invalid| Refused::own(field, format!("{why}: expected a name such as TERM, or a number"));
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(name)) => Signal::parse(&name).map(Some).map_err(bad),
            Some(value) => Signal::new(whole_number(&value).unwrap_or(0)).map(Some).map_err(bad),
        }
    }

    /// One of a few words.
    fn word<T: Copy>(&mut self, field: &str, words: &[(&str, T)]) -> Result<Option<T>, Refused> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, meaning)| *meaning);
        let expected = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        found.map(Some).ok_or_else(|| Refused::own(field, format!("expected one of: {}", expected())))
    }
}

const RESTARTS: [(&str, RestartOn); 3] =
    [("always", RestartOn::Always), ("failure", RestartOn::Failure), ("never", RestartOn::Never)];
const UNTILS: [(&str, Until); 5] = [
    ("idle", Until::Idle),
    ("started", Until::Started),
    ("ready", Until::Ready),
    ("finished", Until::Finished),
    ("succeeded", Until::Succeeded),
];

/// The word for what a dependency waits for.
pub fn until_word(until: Until) -> &'static str {
    word_for(&UNTILS, &until)
}

fn until_named(word: &str) -> Option<Until> {
    UNTILS.iter().find(|(known, _)| *known == word).map(|(_, until)| *until)
}

/// The word for a value of one of the tables above.
fn word_for<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

fn whole_number(value: &Value) -> Option<i64> {
    // 2^53: up to there a floating-point number is a whole number exactly.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let as_float = || value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT);
    value.as_i64().or_else(|| as_float().map(|number| number as i64))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|entry| entry.as_str().map(str::to_owned)).collect()
}

fn limit(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::String(word) if word == "unlimited" => Some(u64::MAX),
        value => value.as_u64(),
    }
}

fn positive(field: &str, duration: Duration) -> Result<(), Refused> {
    if duration.is_zero() { Err(Refused::own(field, Invalid::Zero)) } else { Ok(()) }
}

/// Writes a definition so that [`read`] gives the same again. Fields of ours appear where they differ from the
/// default; `user` and `group` are left to the caller, whose listing shows them in its own way.
pub fn write(definition: &Definition) -> Map<String, Value> {
    let mut document = definition.extra.clone();
    let mut put = |field: &str, value: Value| {
        document.insert(field.to_owned(), value);
    };
    put("name", json!(definition.name.as_str()));
    put("type", json!(definition.kind.name()));
    put("replica", json!(definition.replica.get()));
    put("interval", duration::to_json(definition.interval));
    put("deps", definition.deps.iter().map(write_dep).collect());
    match &definition.command {
        Command::Shell(line) => put("cmd", json!(line)),
        Command::Argv(words) => put("argv", json!(words)),
    }
    match &definition.kind {
        Kind::Once => {}
        Kind::Daemon(restart) => write_restart(restart, &mut put),
        Kind::Cron(schedule) => write_schedule(schedule, &mut put),
    }
    write_surroundings(definition, &mut put);
    document
}

/// As [`write`], with the names of user and group where they are given.
pub fn write_whole(definition: &Definition) -> Map<String, Value> {
    let mut document = write(definition);
    for (field, name) in [("user", &definition.user), ("group", &definition.group)] {
        if let Some(name) = name {
            document.insert(field.to_owned(), json!(name));
        }
    }
    document
}

fn write_dep(dep: &Dependency) -> Value {
    match dep.until {
        Until::Idle => json!(dep.task.as_str()),
        until => json!({"task": dep.task.as_str(), "until": word_for(&UNTILS, &until)}),
    }
}

fn write_restart(restart: &Restart, put: &mut impl FnMut(&str, Value)) {
    if restart.on != RestartOn::Always {
        put("restart", json!(word_for(&RESTARTS, &restart.on)));
    }
    if let Some(backoff) = restart.backoff {
        put("backoff", json!({"factor": backoff.factor(), "max": duration::to_json(backoff.max())}));
    }
    if let Some(max) = restart.max_restarts {
        put("max_restarts", json!(max));
    }
    if restart.stable_after != STABLE_AFTER {
        put("stable_after", duration::to_json(restart.stable_after));
    }
}

fn write_schedule(schedule: &Schedule, put: &mut impl FnMut(&str, Value)) {
    put("cron", json!(schedule.cron.text()));
    if schedule.zone != Zone::host() {
        put("timezone", json!(schedule.zone.name()));
    }
    if schedule.overlap != Overlap::default() {
        put("overlap", json!(word_for(&Overlap::WORDS, &schedule.overlap)));
    }
    if schedule.catch_up != CatchUp::default() {
        put("catch_up", json!(word_for(&CatchUp::WORDS, &schedule.catch_up)));
    }
    if !schedule.jitter.is_zero() {
        put("jitter", duration::to_json(schedule.jitter));
    }
}

fn write_surroundings(definition: &Definition, put: &mut impl FnMut(&str, Value)) {
    let mut some = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            put(field, value);
        }
    };
    let env = definition.env.pairs();
    some("env", (!env.is_empty()).then(|| json!(env)));
    some("env_file", definition.env_file.as_ref().map(|path| json!(path)));
    some("cwd", definition.cwd.as_ref().map(|path| json!(path)));
    some("umask", definition.umask.map(|mask| json!(format!("{:03o}", mask.get()))));
    some("stop_signal", (definition.stop_signal != Signal::TERM).then(|| json!(definition.stop_signal.get())));
    let timeout = definition.stop_timeout;
    some("stop_timeout", (timeout != STOP_TIMEOUT).then(|| duration::to_json(timeout)));
    some("reload_signal", definition.reload_signal.map(|signal| json!(signal.get())));
    some("nice", definition.nice.map(|nice| json!(nice.get())));
    some("oom_score_adj", definition.oom_score_adj.map(|score| json!(score.get())));
    some("log_max", definition.log_cap.map(|bytes| json!(bytes)));
    some("split_output", definition.split_output.then_some(Value::Bool(true)));
    some("ready", definition.ready.as_ref().map(write_ready));
    some("health", definition.health.as_ref().map(write_health));
    some("limits", (definition.limits != Limits::default()).then(|| write_limits(&definition.limits)));
}

fn write_ready(ready: &Ready) -> Value {
    let (kind, value) = match &ready.when {
        ReadyWhen::Probe(probe) => write_probe(probe),
        ReadyWhen::Log(text) => ("log", json!(text)),
        ReadyWhen::Notify => ("notify", Value::Bool(true)),
    };
    json!({
        kind: value,
        "interval": duration::to_json(ready.interval),
        "timeout": duration::to_json(ready.timeout),
    })
}

fn write_health(health: &Health) -> Value {
    let (kind, value) = write_probe(&health.probe);
    json!({
        kind: value,
        "interval": duration::to_json(health.interval),
        "timeout": duration::to_json(health.timeout),
        "failures": health.failures,
    })
}

fn write_probe(probe: &Probe) -> (&'static str, Value) {
    match probe {
        Probe::Tcp(address) => ("tcp", json!(address)),
        Probe::Http(url) => ("http", json!(url)),
        Probe::Exec(Command::Shell(line)) => ("exec", json!(line)),
        Probe::Exec(Command::Argv(words)) => ("exec", json!(words)),
    }
}

fn write_limits(limits: &Limits) -> Value {
    let mut table = Map::new();
    let mut some = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            table.insert(field.to_owned(), value);
        }
    };
    some("memory", limits.memory.map(|bytes| json!(bytes)));
    some("cpu", limits.cpu.map(|cpus| json!(cpus)));
    some("pids", limits.pids.map(|pids| json!(pids)));
    let number = |limit: u64| if limit == u64::MAX { json!("unlimited") } else { json!(limit) };
    let rlimits: Map<_, _> = limits
        .rlimits
        .iter()
        .map(|one| {
            let value = json!({"soft": number(one.soft()), "hard": number(one.hard())});
            (one.resource().to_owned(), value)
        })
        .collect();
    some("rlimits", (!rlimits.is_empty()).then_some(Value::Object(rlimits)));
    Value::Object(table)
}
