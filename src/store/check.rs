//! Looking for damage, without changing anything.
//!
//! Every page is read, so sled's checksums are verified, from the disk when the store was just opened; every record must
//! be readable by its table; every object must exist and match, and have an owner; sled's `blobs/`, which is never
//! synced, must be empty. What a record says about other records is for the rooms: they give rules.

use super::backup::RECORDS;
use super::disk::DiskView;
use super::formats::Table;
use super::objects::{INDEX, LONGEST_INLINE, Reference, indexed};
use super::reader::{ReadError, Reader};
use super::redo::MARKER;
use crate::base::Hex;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Findings that are listed; more are only counted.
const MOST_LISTED: usize = 1000;

/// What a room knows about its records, such as that each run belongs to a task: it reads, and reports what is wrong.
pub type Rule = Box<dyn Fn(&Reader, &mut dyn FnMut(String)) -> Result<(), ReadError> + Send>;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Objects read.
    pub objects: u64,
    /// How many things are wrong.
    pub wrong: u64,
    /// What is wrong, at most a thousand lines.
    pub findings: Vec<String>,
}

impl Report {
    /// One more thing is wrong.
    pub fn add(&mut self, finding: impl Into<String>) {
        self.wrong += 1;
        if self.findings.len() < MOST_LISTED {
            self.findings.push(finding.into());
        }
    }
}

/// Checks what is behind a view. Nobody should write meanwhile, or an object in change may be reported.
pub(super) fn check(view: &Arc<DiskView>, db: &Path, tables: &[Table], rules: &[Rule]) -> Report {
    let mut report = Report::default();
    let mut owners = check_records(view, tables, &mut report);
    check_index(view, &mut owners, &mut report);
    for (id, key) in owners {
        report.add(format!("object {id:016x} of {} is not in the index", Hex(&key)));
    }
    check_blobs(db, &mut report);
    run_rules(&Reader { view: view.clone() }, rules, &mut report);
    report
}

/// Only the rooms' rules.
pub(super) fn check_rules(reader: &Reader, rules: &[Rule]) -> Report {
    let mut report = Report::default();
    run_rules(reader, rules, &mut report);
    report
}

fn run_rules(reader: &Reader, rules: &[Rule], report: &mut Report) {
    for rule in rules {
        if let Err(why) = rule(reader, &mut |finding| report.add(finding)) {
            report.add(why.to_string());
        }
    }
}

/// Reads every record; answers the owners of objects by number.
fn check_records(view: &DiskView, tables: &[Table], report: &mut Report) -> HashMap<u64, Vec<u8>> {
    let mut owners = HashMap::new();
    for pair in view.backend.scan(&[RECORDS.0], &[RECORDS.1], false) {
        let (key, value) = match pair {
            Ok(pair) => pair,
            Err(why) => {
                report.add(format!("the database cannot be read: {why}"));
                break; // sled would answer the same for ever
            }
        };
        report.records += 1;
        if value.len() > LONGEST_INLINE {
            report.add(format!("{}: {} bytes in the tree", Hex(&key), value.len()));
        }
        if let Some(reference) = Reference::in_value(&value) {
            report.objects += 1;
            owners.insert(reference.id, key.clone());
        }
        let value = match view.follow(&key, value) {
            Ok(Some(value)) => value,
            Ok(None) => continue, // deleted meanwhile
            Err(why) => {
                report.add(format!("{}: {why}", Hex(&key)));
                continue;
            }
        };
        match tables.iter().find(|table| key.first() == Some(&table.kind().byte())) {
            Some(table) => {
                if let Err(why) = table.verify(&key, &value) {
                    report.add(format!("{}: {why}", Hex(&key)));
                }
            }
            None => report.add(format!("{}: no room of this version keeps such records", Hex(&key))),
        }
    }
    owners
}

/// Each object in the index must be the one its owner names. Those that are leave `owners`.
fn check_index(view: &DiskView, owners: &mut HashMap<u64, Vec<u8>>, report: &mut Report) {
    for pair in view.backend.scan(&[INDEX], &[INDEX + 1], false) {
        match pair {
            Ok((key, owner)) => match indexed(&key) {
                Some(id) if owners.get(&id) == Some(&owner) => drop(owners.remove(&id)),
                Some(id) => report.add(format!("object {id:016x} belongs to {}, which does not name it", Hex(&owner))),
                None => report.add(format!("index key {} is damaged", Hex(&key))),
            },
            Err(why) => return report.add(format!("the database cannot be read: {why}")),
        }
    }
    if view.backend.scan(&[MARKER], &[MARKER + 1], false).next().is_some() {
        report.add("a decision is only half applied");
    }
}

fn check_blobs(db: &Path, report: &mut Report) {
    match fs::read_dir(db.join("blobs")) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                report.add("blobs/ is not empty: a page grew beyond what is synced");
            }
        }
        Err(why) => report.add(format!("blobs/ cannot be listed: {why}")),
    }
}
