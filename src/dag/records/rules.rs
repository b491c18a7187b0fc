//! What must hold between the records.

use super::dags::{Dag, DagText, Firing};
use super::shapes::{Added, Attempted, Edited, Live, Marked, Passed, Purged, Run, Text, Unfinished};
use crate::store::{ReadError, Reader, Record, Rule};

/// What must hold between the records, for a check of the whole store.
pub fn rules() -> Vec<Rule> {
    let runs: Rule = Box::new(|reader, report| {
        for entry in reader.scan::<Run>(..) {
            let (run, _) = entry?;
            if reader.get::<Text>(&run)?.is_none() {
                report(format!("dag.run {run} has no specification"));
            }
        }
        for entry in reader.scan::<Live>(..) {
            let run = entry?.1.run();
            if reader.get::<Run>(&run.0)?.is_none() {
                report(format!("a dag.live belongs to no run: {run}"));
            }
        }
        Ok(())
    });
    let dags: Rule = Box::new(|reader, report| {
        for entry in reader.scan::<Dag>(..) {
            let (name, _) = entry?;
            if reader.get::<DagText>(&name)?.is_none() {
                report(format!("dag.dag {name} has no specification"));
            }
        }
        for entry in reader.scan::<DagText>(..) {
            let (name, _) = entry?;
            if reader.get::<Dag>(&name)?.is_none() {
                report(format!("dag.dag_text {name} belongs to no DAG"));
            }
        }
        let mut known = None;
        for entry in reader.scan::<Firing>(..) {
            let name = entry?.0.name().clone();
            if known.as_ref() != Some(&name) && reader.get::<Dag>(&name.to_string())?.is_none() {
                report(format!("dag.firing {name} belongs to no DAG"));
            }
            known = Some(name);
        }
        Ok(())
    });
    vec![
        runs,
        dags,
        owned::<Unfinished>(|run| run, |key| *key),
        owned::<Text>(|run| run, |key| *key),
        owned::<Added>(|run| (run, 0), |key| key.0),
        owned::<Attempted>(|run| (run, (0, (0, 0))), |key| key.0),
        owned::<Passed>(|run| (run, (0, 0)), |key| key.0),
        owned::<Marked>(|run| (run, (0, (0, (0, 0)))), |key| key.0),
        owned::<Edited>(|run| (run, (0, 0)), |key| key.0),
    ]
}

/// Every record of this kind belongs to a run, or to one that is being removed. Looks at the first one of each run, wherever the others are.
fn owned<R: Record<Key: 'static>>(first_key: fn(u64) -> R::Key, run_of: fn(&R::Key) -> u64) -> Rule {
    let next = move |reader: &Reader, from: u64| -> Result<Option<u64>, ReadError> {
        let found = reader.scan::<R>(first_key(from)..).next().transpose()?;
        Ok(found.map(|(key, _)| run_of(&key)))
    };
    Box::new(move |reader, report| {
        let mut from = Some(0);
        while let Some(run) = from.map_or(Ok(None), |from| next(reader, from))? {
            if reader.get::<Run>(&run)?.is_none() && reader.get::<Purged>(&run)?.is_none() {
                report(format!("{} {run} belongs to no run", R::KIND.name()));
            }
            from = run.checked_add(1);
        }
        Ok(())
    })
}
