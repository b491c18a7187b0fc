//! From a job as it is shown to what is executed: the meaning of its keys, and the values of one instance.

use super::names::Needs;
use super::template::{Command, Invalid, Job, Parameter, Step, StepKind, Template, Work};
use super::tokens;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Duration;

/// The keys of which a job has exactly one.
pub const FORMS: [&str; 3] = ["command", "commandString", "proc"];

/// The longest name of a supervised task, in bytes.
const SUPERVISED_MAX: usize = 255;

impl StepKind {
    /// All of them.
    pub const ALL: [StepKind; 4] = [StepKind::Start, StepKind::Restart, StepKind::Stop, StepKind::WaitReady];

    /// Its key in `proc`.
    pub const fn word(self) -> &'static str {
        match self {
            StepKind::Start => "start",
            StepKind::Restart => "restart",
            StepKind::Stop => "stop",
            StepKind::WaitReady => "wait_ready",
        }
    }
}

impl Job {
    /// Reads a job in the form in which it is shown, without looking for tokens: they were substituted before.
    ///
    /// # Errors
    /// The key that makes no sense, and what was expected.
    pub fn read(shown: Map<String, Value>) -> Result<Job, Invalid> {
        let work = match form(&shown)? {
            "command" => command(&shown, Command::Argv(texts(&shown, "command").map(str::to_owned).collect()))?,
            "commandString" => {
                command(&shown, Command::Script(text(&shown, "commandString").unwrap_or_default().to_owned()))?
            }
            _ => Work::Step(step(&shown)?),
        };
        let needs = Needs {
            cores: text(&shown, "cores").map_or(Ok(1), cores)?,
            memory_mb: text(&shown, "memoryMB").map_or(Ok(0), memory)?,
        };
        let timeout = text(&shown, "timeout").map_or(Ok(None), timeout)?;
        Ok(Job { work, needs, timeout, shown })
    }
}

/// The one of [`FORMS`] that the job has.
///
/// # Errors
/// It has none, or several.
pub fn form(job: &Map<String, Value>) -> Result<&'static str, Invalid> {
    let mut found = FORMS.into_iter().filter(|form| job.contains_key(*form));
    match (found.next(), found.next()) {
        (Some(form), None) => Ok(form),
        (None, _) => Err(Invalid("expected one of command, commandString and proc".into())),
        (Some(one), Some(other)) => Err(Invalid(format!("{one} and {other} exclude each other"))),
    }
}

/// The text under a key.
pub fn text<'a>(job: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    job.get(key)?.as_str()
}

/// The texts of the list under a key.
pub fn texts<'a>(job: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a str> {
    job.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The verb and the name under `proc`.
pub fn verb(job: &Map<String, Value>) -> Option<(StepKind, &str)> {
    let step = job.get("proc")?.as_object()?;
    StepKind::ALL.into_iter().find_map(|kind| Some((kind, text(step, kind.word())?)))
}

fn command(job: &Map<String, Value>, command: Command) -> Result<Work, Invalid> {
    if let Command::Argv(words) = &command {
        program(words.first().map_or("", String::as_str))?;
    }
    let entry = |entry| variable(entry).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env = texts(job, "environment").map(entry).collect::<Result<_, _>>()?;
    let dir = text(job, "workDir").filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(Work::Command { command, env, dir })
}

fn step(job: &Map<String, Value>) -> Result<Step, Invalid> {
    let (kind, name) = verb(job).ok_or_else(|| Invalid("proc: expected start, restart, stop or wait_ready".into()))?;
    supervised(name)?;
    Ok(Step { kind, name: name.to_owned() })
}

/// The first element of `command`.
///
/// # Errors
/// It is empty.
pub fn program(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        Err(Invalid("command: expected a program as the first element, not \"\"".into()))
    } else {
        Ok(())
    }
}

/// An entry of `environment`: name and value.
///
/// # Errors
/// It has no name or no `=`.
pub fn variable(text: &str) -> Result<(&str, &str), Invalid> {
    let found = text.split_once('=').filter(|(name, _)| !name.is_empty());
    found.ok_or_else(|| Invalid(format!("environment: expected NAME=value, not {}", quoted(text))))
}

/// `cores`.
///
/// # Errors
/// No number.
pub fn cores(text: &str) -> Result<u32, Invalid> {
    let number = number("cores", text)?;
    u32::try_from(number).map_err(|_| Invalid(format!("cores: expected at most {}, not {number}", u32::MAX)))
}

/// `memoryMB`.
///
/// # Errors
/// No number.
pub fn memory(text: &str) -> Result<u64, Invalid> {
    number("memoryMB", text)
}

/// `timeout`, in seconds; 0 is none.
///
/// # Errors
/// No number.
pub fn timeout(text: &str) -> Result<Option<Duration>, Invalid> {
    let seconds = number("timeout", text)?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

/// The name of a supervised task.
///
/// # Errors
/// None that such a task can have.
pub fn supervised(name: &str) -> Result<(), Invalid> {
    if (1..=SUPERVISED_MAX).contains(&name.len()) && !name.contains('\0') {
        return Ok(());
    }
    Err(Invalid(format!("proc: expected a task's name of 1 to {SUPERVISED_MAX} bytes, not {}", quoted(name))))
}

fn number(key: &str, text: &str) -> Result<u64, Invalid> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| Invalid(format!("{key}: expected an integer of at least 0, not {}", quoted(text))))
}

/// A text in a message, shortened if it is long.
pub fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
    }
}

/// The values of one instance: which of its values each axis has.
#[derive(Clone, Debug)]
pub struct Instance<'a> {
    template: &'a Template,
    /// By axis.
    places: Vec<usize>,
}

impl<'a> Instance<'a> {
    /// The instance of this index, if there is one.
    pub fn new(template: &'a Template, index: u32) -> Option<Instance<'a>> {
        let mut rest = (index < template.count).then_some(index as usize)?;
        let mut places = vec![0; template.axes.len()];
        for (place, (_, values)) in places.iter_mut().zip(&template.axes).rev() {
            *place = rest.checked_rem(values.len())?;
            rest /= values.len();
        }
        Some(Instance { template, places })
    }

    /// Of what it is an instance.
    pub fn template(&self) -> &'a Template {
        self.template
    }

    /// The value of a parameter; none: there is no such parameter, or it is a list that the template was not expanded
    /// over.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        match self.template.parameter(name)? {
            Parameter::One(text) => Some(text),
            Parameter::List(_) => {
                let axis = self.template.axis(name)?;
                self.template.axes.get(axis)?.1.get(*self.places.get(axis)?)
            }
        }
    }

    /// A text with the tokens substituted.
    pub fn text(&self, text: &'a str) -> String {
        tokens::substitute(text, |name| self.value(name))
    }

    /// The same in every text of a job, however deep; not in keys.
    pub fn job(&self, job: &'a Map<String, Value>) -> Map<String, Value> {
        job.iter().map(|(key, value)| (key.clone(), self.json(value))).collect()
    }

    fn json(&self, value: &'a Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(members) => Value::Object(self.job(members)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// Goes to the next combination of the values of just these axes, as a counter would; false: that was the last.
    pub fn advance(&mut self, axes: &[usize]) -> bool {
        for axis in axes.iter().rev() {
            let (Some(place), Some((_, values))) = (self.places.get_mut(*axis), self.template.axes.get(*axis)) else {
                continue;
            };
            *place += 1;
            if *place < values.len() {
                return true;
            }
            *place = 0;
        }
        false
    }
}

impl Template {
    /// The parameter of this name that holds for it: its own, else the run's.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.own_parameters.get(name).or_else(|| self.parameters.get(name))
    }

    /// The place of an array parameter among the axes.
    pub fn axis(&self, name: &str) -> Option<usize> {
        self.axes.binary_search_by(|(axis, _)| axis.as_str().cmp(name)).ok()
    }
}
