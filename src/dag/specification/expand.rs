//! What a template stands for: which lists its job refers to, how many instances that makes, and whether each of them
//! makes sense. No instance is built for that: a text is tried with the values of just the lists it refers to.

use super::Limits;
use crate::dag::model::job::{self, Instance};
use crate::dag::model::tokens::{Piece, pieces};
use crate::dag::model::{Invalid, Job, Parameter, Template};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most bytes that the texts of one instance's job may come to. The kernel takes no command of this size, and
/// without a limit, a text full of tokens of a long value would fill the memory.
const JOB_MAX: usize = 4 << 20;

/// How many texts may be tried for one specification, lest few bytes keep a processor busy for hours; a million tasks
/// need one million for each text that depends on a list.
const TRIES_MAX: u64 = 5_000_000;

/// Finds the axes of all templates and counts their instances.
///
/// # Errors
/// A list without values that a job refers to, a job that gets too long, too many tasks.
pub fn expand(templates: &mut [Template], limits: &Limits) -> Result<(), Invalid> {
    let mut total: Option<u64> = Some(0);
    for template in templates.iter_mut() {
        axes(template).map_err(|why| why.of_key("job").of_task(&template.name))?;
        let lengths = template.axes.iter().map(|(_, values)| values.len() as u64);
        let count = lengths.into_iter().try_fold(1, u64::checked_mul);
        total = total.zip(count).and_then(|(total, count)| total.checked_add(count));
        // Where it does not fit, the sum is refused below.
        template.count = count.and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX);
    }
    match total {
        Some(total) if total <= u64::from(limits.max_tasks) => Ok(()),
        total => {
            let many = total.map_or_else(|| format!("more than {}", u64::MAX), |total| total.to_string());
            Err(Invalid(format!("tasks: expected at most {} with all parameters, not {many}", limits.max_tasks)))
        }
    }
}

fn axes(template: &mut Template) -> Result<(), Invalid> {
    let mut axes = Vec::new();
    for name in lists(&template.job, template)? {
        if let Some(Parameter::List(values)) = template.parameter(name) {
            if values.is_empty() {
                return Err(Invalid(format!("expected values for {{{{{name}}}}}: the parameter is an empty array")));
            }
            axes.push((name.to_owned(), Arc::clone(values)));
        }
    }
    template.axes = axes;
    Ok(())
}

/// The array parameters that a job refers to, by name.
///
/// # Errors
/// With the longest values, the job gets too long.
fn lists<'a>(job: &'a Map<String, Value>, template: &Template) -> Result<BTreeSet<&'a str>, Invalid> {
    let mut names = BTreeSet::new();
    let mut size = 0;
    each_text(job, &mut |text| {
        for piece in pieces(text) {
            size += match piece {
                Piece::Text(text) => text.len(),
                Piece::Token(name) => match template.parameter(name) {
                    None => name.len() + "{{}}".len(),
                    Some(Parameter::One(text)) => text.len(),
                    Some(Parameter::List(values)) => {
                        names.insert(name);
                        values.longest()
                    }
                },
            };
        }
    });
    if size > JOB_MAX {
        return Err(Invalid(format!("expected at most {JOB_MAX} bytes with the longest values, not {size}")));
    }
    Ok(names)
}

/// Every text in a job, however deep, but keys.
fn each_text<'a>(members: &'a Map<String, Value>, see: &mut dyn FnMut(&'a str)) {
    fn one<'a>(value: &'a Value, see: &mut dyn FnMut(&'a str)) {
        match value {
            Value::String(text) => see(text),
            Value::Array(items) => items.iter().for_each(|item| one(item, see)),
            Value::Object(members) => each_text(members, see),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    members.values().for_each(|value| one(value, see));
}

/// Checks all instances of all templates, and finds out what they reserve where that is the same for all.
///
/// # Errors
/// The text that makes no sense with some values.
pub fn check(templates: &mut [Template], limits: &Limits) -> Result<(), Invalid> {
    let mut tries = TRIES_MAX;
    for template in templates {
        if let Some(mut instance) = Instance::new(template, 0) {
            let tried = rules(&template.job).iter().try_for_each(|rule| rule.check(&mut instance, limits, &mut tries));
            tried.map_err(|why| why.of_key("job").of_task(&template.name))?;
        }
        let fixed = |key| job::text(&template.job, key).is_none_or(|text| axes_in(text, template).is_empty());
        template.needs = (fixed("cores") && fixed("memoryMB")).then(|| template.needs(0));
    }
    Ok(())
}

/// What must hold for a text once its tokens are substituted.
struct Rule<'a> {
    text: &'a str,
    check: fn(&str, &Limits) -> Result<(), Invalid>,
    /// What a text begins with decides: if that is fine, all of it is, whatever follows.
    by_beginning: bool,
}

fn rules(job: &Map<String, Value>) -> Vec<Rule<'_>> {
    let mut rules = Vec::new();
    if let Some(text) = job::texts(job, "command").next() {
        rules.push(Rule { text, check: |text, _| job::program(text), by_beginning: true });
    }
    for text in job::texts(job, "environment") {
        rules.push(Rule { text, check: |text, _| job::variable(text).map(|_| ()), by_beginning: true });
    }
    if let Some(text) = job::text(job, "cores") {
        rules.push(Rule { text, check: cores, by_beginning: false });
    }
    if let Some(text) = job::text(job, "memoryMB") {
        rules.push(Rule { text, check: memory, by_beginning: false });
    }
    if let Some(text) = job::text(job, "timeout") {
        rules.push(Rule { text, check: |text, _| job::timeout(text).map(|_| ()), by_beginning: false });
    }
    if let Some((_, text)) = job::verb(job) {
        rules.push(Rule { text, check: |text, _| job::supervised(text), by_beginning: false });
    }
    rules
}

impl<'a> Rule<'a> {
    /// Tries the text with every combination of the values of the lists it refers to. The instance is the first one, and
    /// is so again after it.
    fn check(&self, instance: &mut Instance<'a>, limits: &Limits, tries: &mut u64) -> Result<(), Invalid> {
        if self.by_beginning
            && let Some(Piece::Text(beginning)) = pieces(self.text).next()
            && (self.check)(beginning, limits).is_ok()
        {
            return Ok(());
        }
        let template = instance.template();
        let axes = axes_in(self.text, template);
        let lengths = axes.iter().filter_map(|axis| template.axes.get(*axis)).map(|(_, values)| values.len() as u64);
        let combinations: u64 = lengths.product(); // at most as many as instances
        *tries = tries.checked_sub(combinations).ok_or_else(|| {
            let many = "too many combinations of values to check";
            Invalid(format!("{many}: {combinations} for {}, and {tries} are left", job::quoted(self.text)))
        })?;
        loop {
            (self.check)(&instance.text(self.text), limits)?;
            if !instance.advance(&axes) {
                return Ok(());
            }
        }
    }
}

/// The places of the axes that a text refers to, each once.
fn axes_in(text: &str, template: &Template) -> Vec<usize> {
    let axis = |piece| match piece {
        Piece::Text(_) => None,
        Piece::Token(name) => template.axis(name),
    };
    pieces(text).filter_map(axis).collect::<BTreeSet<_>>().into_iter().collect()
}

fn cores(text: &str, limits: &Limits) -> Result<(), Invalid> {
    within("cores", job::cores(text)?.into(), limits.capacity.map(|all| all.cores.into()))
}

fn memory(text: &str, limits: &Limits) -> Result<(), Invalid> {
    within("memoryMB", job::memory(text)?, limits.capacity.map(|all| all.memory_mb))
}

fn within(key: &str, wanted: u64, all: Option<u64>) -> Result<(), Invalid> {
    match all {
        Some(all) if wanted > all => {
            Err(Invalid(format!("{key}: expected at most {all}, which is all there is, not {wanted}")))
        }
        _ => Ok(()),
    }
}

/// Fills another job for one instance in, and reads it.
///
/// # Errors
/// It makes no sense, is too much, or refers to a list of which the instance has no value, since its template was not
/// expanded over it.
pub fn one(job: &Map<String, Value>, template: &Template, index: u32, limits: &Limits) -> Result<Job, Invalid> {
    if let Some(name) = lists(job, template)?.into_iter().find(|name| template.axis(name).is_none()) {
        return Err(Invalid(format!(
            "expected no {{{{{name}}}}}: '{}' was not expanded over this array, so no instance has a value of it",
            template.name
        )));
    }
    let instance = Instance::new(template, index).ok_or_else(|| Invalid("there is no such instance".into()))?;
    let job = Job::read(instance.job(job))?;
    within("cores", job.needs.cores.into(), limits.capacity.map(|all| all.cores.into()))?;
    within("memoryMB", job.needs.memory_mb, limits.capacity.map(|all| all.memory_mb))?;
    Ok(job)
}
