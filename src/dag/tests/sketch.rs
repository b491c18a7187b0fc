//! Specifications in short: what a story says of a run, before any of the room's code has read it.

use crate::base::chance::Chance;
use crate::dag::machine::Submission;
use crate::dag::model::{Executor, OnFailure, Origin, Trigger};
use crate::dag::specification::parse;
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::Arc;

/// A group of tasks.
#[derive(Clone, PartialEq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) count: u32,
    pub(super) parents: Vec<String>,
    pub(super) children: Vec<String>,
    pub(super) retries: u32,
    /// Seconds between attempts.
    pub(super) interval: u64,
    pub(super) trigger: Trigger,
    pub(super) priority: i32,
    pub(super) cores: u32,
    pub(super) memory: u64,
    /// Seconds.
    pub(super) timeout: Option<u64>,
    /// Whether it acts on a supervised task instead of running a command.
    pub(super) step: bool,
    /// What its instances print, if it is a generator.
    pub(super) prints: Option<Print>,
}

/// What a generator prints.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Print {
    /// These, with the generator's index added to their names.
    Groups(Vec<Group>),
    /// These, word for word: several instances clash.
    Clashing(Vec<Group>),
    /// Something that is no set of tasks.
    Garbage(&'static str),
}

/// A whole specification.
#[derive(Clone, PartialEq)]
pub(super) struct Sketch {
    /// By name.
    pub(super) groups: Vec<Group>,
    pub(super) on_failure: OnFailure,
    pub(super) max_parallel: Option<u32>,
    pub(super) priority: i32,
    pub(super) executor: Executor,
}

pub(super) fn group(name: &str) -> Group {
    Group {
        name: name.into(),
        count: 1,
        parents: Vec::new(),
        children: Vec::new(),
        retries: 0,
        interval: 0,
        trigger: Trigger::Success,
        priority: 0,
        cores: 1,
        memory: 0,
        timeout: None,
        step: false,
        prints: None,
    }
}

impl Group {
    pub(super) fn times(self, count: u32) -> Group {
        Group { count, ..self }
    }

    pub(super) fn after(mut self, parent: &str) -> Group {
        self.parents.push(parent.into());
        self
    }

    pub(super) fn before(mut self, child: &str) -> Group {
        self.children.push(child.into());
        self
    }

    pub(super) fn retries(self, retries: u32, interval: u64) -> Group {
        Group { retries, interval, ..self }
    }

    pub(super) fn when(self, trigger: Trigger) -> Group {
        Group { trigger, ..self }
    }

    pub(super) fn priority(self, priority: i32) -> Group {
        Group { priority, ..self }
    }

    pub(super) fn needs(self, cores: u32, memory: u64) -> Group {
        Group { cores, memory, ..self }
    }

    pub(super) fn timeout(self, seconds: u64) -> Group {
        Group { timeout: Some(seconds), ..self }
    }

    pub(super) fn step(self) -> Group {
        Group { step: true, ..self }
    }

    pub(super) fn prints(self, print: Print) -> Group {
        Group { prints: Some(print), ..self }
    }

    fn job(&self) -> Value {
        let mut job = Map::new();
        if self.step {
            job.insert("proc".into(), json!({"start": "web"}));
        } else {
            job.insert("command".into(), json!(["work", "{{I}}"]));
        }
        job.insert("cores".into(), json!(self.cores));
        job.insert("memoryMB".into(), json!(self.memory));
        job.insert("note".into(), json!("{{I}}"));
        if let Some(timeout) = self.timeout {
            job.insert("timeout".into(), json!(timeout));
        }
        Value::Object(job)
    }

    fn task(&self) -> Value {
        let instances: Vec<_> = (0..self.count).map(|index| index.to_string()).collect();
        let trigger = match self.trigger {
            Trigger::Success => "success",
            Trigger::Failure => "failure",
            Trigger::Always => "always",
        };
        json!({
            "job": self.job(),
            "parameters": {"I": instances},
            "parents": self.parents,
            "children": self.children,
            "maxRetries": self.retries,
            "retryIntervalSeconds": self.interval,
            "trigger": trigger,
            "priority": self.priority,
            "isGenerator": self.prints.is_some(),
        })
    }
}

impl Print {
    /// The groups that this instance of the generator adds; none: it is no good whatever the run is like.
    pub(super) fn groups(&self, index: u32) -> Option<Vec<Group>> {
        match self {
            Print::Garbage(_) => None,
            Print::Clashing(groups) => Some(groups.clone()),
            Print::Groups(groups) => {
                let own: Vec<_> = groups.iter().map(|group| group.name.clone()).collect();
                let named = |name: &String| if own.contains(name) { format!("{name}-{index}") } else { name.clone() };
                let all = |names: &[String]| names.iter().map(named).collect();
                let rename = |group: &Group| Group {
                    name: named(&group.name),
                    parents: all(&group.parents),
                    children: all(&group.children),
                    ..group.clone()
                };
                Some(groups.iter().map(rename).collect())
            }
        }
    }

    pub(super) fn text(&self, index: u32) -> String {
        match self {
            Print::Garbage(text) => (*text).into(),
            Print::Groups(_) | Print::Clashing(_) => tasks(&self.groups(index).unwrap_or_default()).to_string(),
        }
    }
}

fn tasks(groups: &[Group]) -> Value {
    Value::Object(groups.iter().map(|group| (group.name.clone(), group.task())).collect())
}

/// A specification of these groups.
pub(super) fn sketch(groups: impl IntoIterator<Item = Group>) -> Sketch {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    Sketch { groups, on_failure: OnFailure::Continue, max_parallel: None, priority: 0, executor: Executor::Local }
}

impl Sketch {
    pub(super) fn stopping(self) -> Sketch {
        Sketch { on_failure: OnFailure::Stop, ..self }
    }

    pub(super) fn at_most(self, max_parallel: u32) -> Sketch {
        Sketch { max_parallel: Some(max_parallel), ..self }
    }

    pub(super) fn ranked(self, priority: i32) -> Sketch {
        Sketch { priority, ..self }
    }

    pub(super) fn noop(self) -> Sketch {
        Sketch { executor: Executor::Noop, ..self }
    }

    pub(super) fn text(&self) -> String {
        let mut text = json!({"tag": "t", "tasks": tasks(&self.groups), "priority": self.priority});
        if let Some(most) = self.max_parallel {
            text["maxParallel"] = json!(most);
        }
        if self.on_failure == OnFailure::Stop {
            text["onFailure"] = json!("stop");
        }
        if self.executor == Executor::Noop {
            text["executor"] = json!("noop");
        }
        text.to_string()
    }

    #[track_caller]
    pub(super) fn submission(&self) -> Box<Submission> {
        let text = self.text();
        let blueprint = parse(text.as_bytes(), &super::LIMITS).unwrap_or_else(|why| panic!("{why} in {text}"));
        Box::new(Submission {
            blueprint: Arc::new(blueprint),
            text: text.into(),
            runs_as: 0,
            origin: Origin::Client,
            key: None,
        })
    }

    /// Any specification that is accepted. Its groups' names say nothing about their order.
    pub(super) fn any(chance: &mut Chance) -> Sketch {
        let most = if chance.percent(70) { 4 } else { 8 };
        let count = 1 + chance.place(most);
        let noop = chance.percent(12);
        let mut order: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h"][..count].to_vec();
        for at in (1..count).rev() {
            order.swap(at, chance.place(at + 1));
        }
        let mut groups: Vec<Group> = Vec::new();
        for name in order {
            let mut new = any_group(chance, name);
            new.step &= !noop;
            for parent in &mut groups {
                match chance.below(8) {
                    0 | 1 => new.parents.push(parent.name.clone()),
                    2 => parent.children.push(new.name.clone()),
                    3 if chance.percent(30) => {
                        new.parents.push(parent.name.clone()); // from both ends, which counts once
                        parent.children.push(new.name.clone());
                    }
                    _ => {}
                }
            }
            if !noop && chance.percent(15) && only_success_above(&groups, &new) {
                new.trigger = Trigger::Success;
                new.step = false;
                new.prints = Some(any_print(chance, &groups, 2));
            }
            groups.push(new);
        }
        let plain = sketch(groups);
        Sketch {
            on_failure: if chance.percent(25) { OnFailure::Stop } else { OnFailure::Continue },
            max_parallel: chance.percent(25).then(|| 1 + u32::try_from(chance.below(3)).unwrap()),
            priority: chance.pick(&[0, 0, 0, 1, 5]),
            executor: if noop { Executor::Noop } else { Executor::Local },
            ..plain
        }
    }
}

/// As it would be written here, so that what is found at random can be kept.
impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group({:?})", self.name)?;
        if self.count > 1 {
            write!(f, ".times({})", self.count)?;
        }
        self.parents.iter().try_for_each(|name| write!(f, ".after({name:?})"))?;
        self.children.iter().try_for_each(|name| write!(f, ".before({name:?})"))?;
        if self.retries > 0 {
            write!(f, ".retries({}, {})", self.retries, self.interval)?;
        }
        if self.trigger != Trigger::Success {
            write!(f, ".when(Trigger::{:?})", self.trigger)?;
        }
        if self.priority != 0 {
            write!(f, ".priority({})", self.priority)?;
        }
        if (self.cores, self.memory) != (1, 0) {
            write!(f, ".needs({}, {})", self.cores, self.memory)?;
        }
        if let Some(timeout) = self.timeout {
            write!(f, ".timeout({timeout})")?;
        }
        if self.step {
            write!(f, ".step()")?;
        }
        self.prints.iter().try_for_each(|print| write!(f, ".prints(Print::{print:?})"))
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sketch({:?})", self.groups)?;
        if self.on_failure == OnFailure::Stop {
            write!(f, ".stopping()")?;
        }
        self.max_parallel.iter().try_for_each(|most| write!(f, ".at_most({most})"))?;
        if self.priority != 0 {
            write!(f, ".ranked({})", self.priority)?;
        }
        if self.executor == Executor::Noop {
            write!(f, ".noop()")?;
        }
        Ok(())
    }
}

/// Whether every ancestor of a group has the trigger `success`. Others may be reset by a restart although they have
/// completed, and a generator must not add its tasks twice.
fn only_success_above(groups: &[Group], group: &Group) -> bool {
    let parents = |of: &Group| {
        let (name, declared) = (of.name.clone(), of.parents.clone());
        groups.iter().filter(move |it| it.children.contains(&name) || declared.contains(&it.name))
    };
    parents(group).all(|parent| parent.trigger == Trigger::Success && only_success_above(groups, parent))
}

fn any_group(chance: &mut Chance, name: &str) -> Group {
    let small = |chance: &mut Chance, end: u64| u32::try_from(chance.below(end)).unwrap();
    Group {
        count: if chance.percent(60) { 1 } else { 1 + small(chance, 4) },
        retries: if chance.percent(60) { 0 } else { 1 + small(chance, 2) },
        interval: chance.pick(&[0, 0, 2, 30]),
        trigger: chance.pick(&[
            Trigger::Success,
            Trigger::Success,
            Trigger::Success,
            Trigger::Success,
            Trigger::Failure,
            Trigger::Always,
        ]),
        priority: chance.pick(&[0, 0, 0, 1, 2]),
        cores: chance.pick(&[1, 1, 1, 2, 4, 0]),
        memory: chance.pick(&[0, 0, 1000, 2500]),
        timeout: chance.pick(&[None, None, None, Some(4)]),
        step: chance.percent(5),
        ..group(name)
    }
}

/// What a generator prints: mostly something good. `old` are groups that are certainly there already.
fn any_print(chance: &mut Chance, old: &[Group], depth: u32) -> Print {
    match chance.below(12) {
        0 => return Print::Garbage(""),
        1 => return Print::Garbage("not json"),
        2 => return Print::Groups(Vec::new()),
        _ => {}
    }
    let mut groups: Vec<Group> = Vec::new();
    for name in ["x", "y", "z"].into_iter().take(1 + chance.place(3)) {
        let name = format!("{name}{depth}");
        let mut new = any_group(chance, &name);
        new.step = false;
        for parent in &groups {
            if chance.percent(30) {
                new.parents.push(parent.name.clone());
            }
        }
        if depth > 0 && new.parents.is_empty() && chance.percent(15) {
            new.trigger = Trigger::Success;
            new.prints = Some(any_print(chance, old, depth - 1));
        }
        groups.push(new);
    }
    let last = groups.len() - 1;
    match chance.below(20) {
        0 => groups[last].parents.push("nowhere".into()),
        1 => groups[last].children.push(chance.pick(&["a", "b", "c", "d"]).into()), // perhaps it has begun, or a cycle
        2 | 3 if groups[last].prints.is_none() => {
            // Perhaps after the generator's own child, or after something that never happens.
            groups[last].parents.push(chance.pick(&["a", "b", "c", "d"]).into());
        }
        4 if !old.is_empty() => groups[last].name = old[chance.place(old.len())].name.clone(), // in use
        _ => {}
    }
    if chance.percent(90) { Print::Groups(groups) } else { Print::Clashing(groups) }
}
