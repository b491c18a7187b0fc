//! Values with bounds: names, numbers, signals, environments. Each is made by a constructor that checks it.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The longest task name, in bytes: what a file name may have on every Linux file system.
pub const NAME_MAX: usize = 255;
/// The most replicas one task may have, whatever the configuration says.
pub const REPLICAS_MAX: u32 = 10_000;
/// Why a value was not accepted; the field is named by whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Nothing was given where something is needed.
    #[error("must not be empty")]
    Empty,
    /// Longer than allowed.
    #[error("is longer than {max} bytes")]
    Long {
        /// The limit.
        max: usize,
    },
    /// A byte that cannot be passed to a program.
    #[error("must not contain a NUL byte")]
    Nul,
    /// A name Meproc keeps to itself.
    #[error("is reserved")]
    Reserved,
    /// Outside of its range.
    #[error("must be between {min} and {max}")]
    Range {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// Not a name or number of a signal.
    #[error("is not a signal")]
    NoSignal,
    /// Not a name of a resource limit.
    #[error("is not a resource limit")]
    NoResource,
    /// A soft limit above its hard limit.
    #[error("has a soft limit above the hard limit")]
    SoftAboveHard,
    /// A growth that shrinks, or no number.
    #[error("must be a factor of at least 1")]
    Factor,
    /// The name of an environment variable with `=` in it.
    #[error("must not contain '='")]
    Equals,
    /// A moment that is over as soon as it begins.
    #[error("must be longer than zero")]
    Zero,
}

fn text(text: &str, max: usize) -> Result<&str, Invalid> {
    match text {
        "" => Err(Invalid::Empty),
        long if long.len() > max => Err(Invalid::Long { max }),
        nul if nul.contains('\0') => Err(Invalid::Nul),
        good => Ok(good),
    }
}

/// The name of a task: 1 to [`NAME_MAX`] bytes, any characters but NUL, not `__coroutine__`. Clones are cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskName(Arc<str>);

impl TaskName {
    /// Checks a name.
    ///
    /// # Errors
    /// Empty, too long, a NUL byte, or the reserved name.
    pub fn new(name: &str) -> Result<TaskName, Invalid> {
        match text(name, NAME_MAX)? {
            "__coroutine__" => Err(Invalid::Reserved),
            name => Ok(TaskName(name.into())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The alias of one replica, `name:index`.
    pub fn alias(&self, replica: u32) -> String {
        format!("{}:{replica}", self.0)
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In quotes, as messages to clients show it.
impl fmt::Debug for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Borrow<str> for TaskName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// One life of a task name, from its creation to its deletion. Output and history belong to it, not to the name.
/// Taken from the same numbers as [`RunId`](crate::base::RunId), so never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// What a replica executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A line for `/bin/sh -c`. Made by [`Command::shell`].
    Shell(String),
    /// A program and its arguments, no shell between. Made by [`Command::argv`].
    Argv(Vec<String>),
}

impl Command {
    /// A line for the shell.
    ///
    /// # Errors
    /// Empty, or a NUL byte.
    pub fn shell(line: &str) -> Result<Command, Invalid> {
        Ok(Command::Shell(text(line, usize::MAX)?.to_owned()))
    }

    /// A program and its arguments; the arguments may be empty texts.
    ///
    /// # Errors
    /// No program, or a NUL byte.
    pub fn argv(words: Vec<String>) -> Result<Command, Invalid> {
        text(words.first().map_or("", String::as_str), usize::MAX)?;
        if words.iter().any(|word| word.contains('\0')) {
            return Err(Invalid::Nul);
        }
        Ok(Command::Argv(words))
    }
}

/// A whole number within bounds.
macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident($of:ty) in $min:expr, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($of);

        impl $name {
            /// Checks the bounds.
            ///
            /// # Errors
            /// Out of range.
            pub fn new(value: i64) -> Result<$name, Invalid> {
                let out = Invalid::Range { min: $min, max: $max };
                if !($min..=$max).contains(&value) {
                    return Err(out);
                }
                <$of>::try_from(value).map($name).map_err(|_| out)
            }

            /// The number.
            pub fn get(self) -> $of {
                self.0
            }
        }
    };
}

bounded! {
    /// How many equal processes a task has: 1 to [`REPLICAS_MAX`].
    Replicas(u32) in 1, REPLICAS_MAX as i64
}
impl Replicas {
    /// What a task has that does not say.
    pub const ONE: Replicas = Replicas(1);
}

bounded! {
    /// The file mode creation mask.
    Umask(u32) in 0, 0o777
}
bounded! {
    /// The scheduling priority; lower is more.
    Nice(i32) in -20, 19
}
bounded! {
    /// How readily the kernel kills it when memory runs out; -1000 is never.
    OomScoreAdj(i32) in -1000, 1000
}

/// Names of signals by number, from 1 on (`signal(7)`, x86 and ARM numbering).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// A signal's number, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

impl Signal {
    /// Ends a process that knows how to end.
    pub const TERM: Signal = Signal(15);
    /// Ends any process.
    pub const KILL: Signal = Signal(9);

    /// Reads `TERM`, `SIGTERM`, `sigterm` or `15`.
    ///
    /// # Errors
    /// Neither a known name nor a number from 1 to 64.
    pub fn parse(text: &str) -> Result<Signal, Invalid> {
        if let Ok(number) = text.parse::<i64>() {
            return Signal::new(number);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let place = SIGNALS.iter().position(|known| *known == name).ok_or(Invalid::NoSignal)?;
        Signal::new(place as i64 + 1)
    }

    /// Checks a number.
    ///
    /// # Errors
    /// Not from 1 to 64.
    pub fn new(number: i64) -> Result<Signal, Invalid> {
        match i32::try_from(number) {
            Ok(number @ 1..=64) => Ok(Signal(number)),
            _ => Err(Invalid::NoSignal),
        }
    }

    /// The number.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::try_from(self.0 - 1).ok().and_then(|place| SIGNALS.get(place)) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// Names of resource limits (`getrlimit(2)`, lower case, without `RLIMIT_`).
pub const RESOURCES: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// One resource limit. [`u64::MAX`] is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rlimit {
    resource: &'static str,
    soft: u64,
    hard: u64,
}

impl Rlimit {
    /// Checks the name and the order of the two.
    ///
    /// # Errors
    /// No such resource, or soft above hard.
    pub fn new(resource: &str, soft: u64, hard: u64) -> Result<Rlimit, Invalid> {
        let lower = resource.to_ascii_lowercase();
        let resource = RESOURCES.into_iter().find(|known| *known == lower).ok_or(Invalid::NoResource)?;
        if soft > hard { Err(Invalid::SoftAboveHard) } else { Ok(Rlimit { resource, soft, hard }) }
    }

    /// One of [`RESOURCES`].
    pub fn resource(&self) -> &'static str {
        self.resource
    }

    /// What counts until the process raises it.
    pub fn soft(&self) -> u64 {
        self.soft
    }

    /// Up to where the process may raise it.
    pub fn hard(&self) -> u64 {
        self.hard
    }
}

/// Names and values for a program's environment; checked by [`Env::new`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// Checks names and values.
    ///
    /// # Errors
    /// An empty name, a `=` in a name, or a NUL byte, with the name it is about.
    pub fn new(pairs: BTreeMap<String, String>) -> Result<Env, (String, Invalid)> {
        for (name, value) in &pairs {
            let checked = match text(name, usize::MAX) {
                Ok(name) if name.contains('=') => Err(Invalid::Equals),
                Ok(_) if value.contains('\0') => Err(Invalid::Nul),
                other => other.map(|_| ()),
            };
            checked.map_err(|why| (name.clone(), why))?;
        }
        Ok(Env(pairs))
    }

    /// The pairs, by name.
    pub fn pairs(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}
