//! Facts of this host, found out with the rights of whoever says that they count.
//!
//! As long as nothing depends on one, nothing is asked and nothing wakes up. Otherwise all are asked for once in
//! `stat_every`, and at once when a task or a run changes that something depends on. The machine is told what it does not
//! know yet.

use super::Handle;
use crate::base::events::{Event as Happened, Listener};
use crate::base::{Now, Wall};
use crate::dag::model::{DagName, DagRunId, RunRow, State};
use crate::hub::machine::Event;
use crate::hub::model::{AccountId, Requirement};
use crate::proc::machine::TaskState;
use chrono::{SecondsFormat, TimeDelta};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The pause between two questions to one address, at least.
const URLS_EVERY: Duration = Duration::from_secs(5);

/// An address that has not answered for so long is asked again: whoever asked it is gone.
const ABANDONED: Duration = Duration::from_secs(120);

/// A fact, and who says that it counts.
type Fact = (Requirement, AccountId);

/// Whether it holds; why it does not, for people.
type Outcome = Result<(), String>;

/// Tells the room of its facts for as long as it lives.
pub(super) async fn watch(handle: Handle) {
    let mut watch = Watch::new(handle.clone());
    loop {
        let wanted = handle.look(|room| room.requirements());
        if wanted.is_empty() {
            watch = Watch::new(handle.clone());
            handle.0.facts.notified().await;
            continue;
        }
        watch.find_out(wanted).await;
        watch.wait().await;
    }
}

/// What is known of all facts.
struct Watch {
    handle: Handle,
    /// Those that are asked for.
    wanted: HashSet<Fact>,
    /// What the machine knows.
    told: HashMap<Fact, Outcome>,
    /// Changes of tasks and runs; none: nothing depends on any.
    listener: Option<Listener>,
    /// The last run that is over, of each stored DAG that was asked for.
    runs: HashMap<DagName, Option<Over>>,
    /// When an address was asked last, and what came of it.
    urls: HashMap<Fact, (Instant, Option<Outcome>)>,
    asking: JoinSet<(Fact, Outcome)>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Over {
    run: DagRunId,
    state: State,
    at: Wall,
}

impl Over {
    /// None: it is not over.
    fn of(row: &RunRow) -> Option<Over> {
        let last = row.history.last().filter(|last| last.state.is_over())?;
        Some(Over { run: row.id, state: last.state, at: last.at })
    }
}

impl Watch {
    fn new(handle: Handle) -> Watch {
        Watch {
            handle,
            wanted: HashSet::new(),
            told: HashMap::new(),
            listener: None,
            runs: HashMap::new(),
            urls: HashMap::new(),
            asking: JoinSet::new(),
        }
    }

    /// Finds out how these facts stand. Addresses are asked beside it.
    async fn find_out(&mut self, wanted: Vec<Fact>) {
        self.wanted = wanted.into_iter().collect();
        let Watch { wanted, told, urls, .. } = self;
        told.retain(|fact, _| wanted.contains(fact));
        urls.retain(|fact, _| wanted.contains(fact));
        let listens = wanted.iter().any(|(fact, _)| !matches!(fact, Requirement::Url(_)));
        match listens {
            // Before anything is looked at: what changes from here on is heard.
            true if self.listener.is_none() => self.listener = Some(self.handle.0.tools.bus.listen(None)),
            true => {}
            false => {
                self.listener = None;
                self.runs.clear();
            }
        }
        for fact in self.wanted.clone() {
            let outcome = match &fact.0 {
                Requirement::Url(url) => {
                    let url = url.clone();
                    self.ask_url(&fact, url)
                }
                Requirement::Proc(name) => Some(match self.may_ask(fact.1) {
                    Ok(()) => self.task(name).await,
                    refused => refused,
                }),
                Requirement::Dag(name, age) => Some(match self.may_ask(fact.1) {
                    Ok(()) => self.dag(name, *age).await,
                    refused => refused,
                }),
            };
            if let Some(outcome) = outcome {
                self.tell(fact, outcome);
            }
        }
    }

    /// Returns when it is time to find out anew.
    async fn wait(&mut self) {
        let next = Instant::now() + self.handle.0.settings.stat_every;
        let handle = self.handle.clone();
        loop {
            let heard = async {
                match &mut self.listener {
                    Some(listener) => listener.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(next) => return,
                () = handle.0.facts.notified() => {
                    // What nothing depended on in between is not known to the machine any more.
                    self.told.clear();
                    return;
                }
                heard = heard => {
                    let concerns = match heard {
                        Ok(events) => self.hear(&events).await,
                        Err(_) => {
                            self.runs.clear();
                            true
                        }
                    };
                    if concerns {
                        return;
                    }
                }
                Some(answered) = self.asking.join_next() => {
                    if let Ok((fact, outcome)) = answered {
                        self.answered(fact, outcome);
                    }
                }
            }
        }
    }

    /// Whether something has happened to what something depends on.
    async fn hear(&mut self, events: &[Arc<Happened>]) -> bool {
        let mut concerns = false;
        for event in events {
            concerns |= match event.kind {
                "dag.run.state" => self.hear_of_run(event).await,
                "dag.stored" => self.runs.keys().any(|dag| dag.as_str() == event.name),
                kind if kind.starts_with("proc.") => {
                    let is_it = |fact: &Fact| matches!(&fact.0, Requirement::Proc(name) if **name == *event.name);
                    self.wanted.iter().any(is_it)
                }
                _ => false,
            };
        }
        concerns
    }

    /// A run has come into another state: whether what is known of its DAG has changed.
    async fn hear_of_run(&mut self, event: &Happened) -> bool {
        let Some(run) = event.data.get("run").and_then(serde_json::Value::as_u64).map(DagRunId) else { return false };
        if self.runs.is_empty() {
            return false;
        }
        let Ok(Some(row)) = self.handle.0.tools.runs.run_row(run).await else { return false };
        let Some(dag) = row.origin.dag().filter(|dag| self.runs.contains_key(*dag)) else { return false };
        let known = self.runs.get(dag).copied().flatten();
        match Over::of(&row) {
            Some(over) if known.is_none_or(|known| known.run <= over.run) => {
                self.runs.insert(dag.clone(), Some(over));
                true
            }
            // It was restarted: the one before it is the last, whichever that was.
            None if known.is_some_and(|known| known.run == run) => {
                self.runs.remove(dag);
                true
            }
            _ => false,
        }
    }

    /// Tells the machine, where it knows otherwise.
    fn tell(&mut self, fact: Fact, outcome: Outcome) {
        if self.told.get(&fact) != Some(&outcome) {
            self.told.insert(fact.clone(), outcome.clone());
            self.handle.tell(Event::Fact(fact, outcome));
        }
    }

    /// Facts about tasks and runs count only as long as whoever says so may see them.
    fn may_ask(&self, by: AccountId) -> Outcome {
        let is_operator = self.handle.rights_of(by).is_some_and(|rights| rights.operator);
        is_operator.then_some(()).ok_or_else(|| "whoever required it is no operator any more".to_owned())
    }

    async fn task(&self, name: &Arc<str>) -> Outcome {
        let wanted = name.clone();
        let state = self.handle.0.tools.tasks.look(move |room| room.task(&wanted).map(|task| task.state())).await;
        match state.map_err(|why| why.to_string())? {
            Some(TaskState::Running) => Ok(()),
            // The words of the states are their names.
            Some(state) => Err(format!("it is {}", format!("{state:?}").to_ascii_lowercase())),
            None => Err("there is no such task".to_owned()),
        }
    }

    async fn dag(&mut self, name: &str, age: Option<Duration>) -> Outcome {
        let runs = &self.handle.0.tools.runs;
        let dag = DagName::new(name).map_err(|why| why.to_string())?;
        if !runs.has_dag(&dag).await.map_err(|why| why.to_string())? {
            return Err("there is no such stored DAG".to_owned());
        }
        let last = match self.runs.get(&dag) {
            Some(last) => *last,
            None => {
                let row = runs.last_over(&dag).await.map_err(|why| why.to_string())?;
                let last = row.as_ref().and_then(Over::of);
                self.runs.insert(dag, last);
                last
            }
        };
        judge(last, age, Now::read().wall)
    }

    /// Asks an address where that is due; answers with what came of it the last time.
    fn ask_url(&mut self, fact: &Fact, url: Arc<str>) -> Option<Outcome> {
        let every = URLS_EVERY.max(self.handle.0.settings.stat_every);
        let known = self.urls.get(fact);
        let outcome = known.and_then(|(_, outcome)| outcome.clone());
        let is_due = |(asked, outcome): &(Instant, Option<Outcome>)| {
            let pause = if outcome.is_some() { every } else { every.max(ABANDONED) };
            asked.elapsed() >= pause
        };
        if known.is_none_or(is_due) {
            self.urls.insert(fact.clone(), (Instant::now(), None));
            let (handle, fact) = (self.handle.clone(), fact.clone());
            self.asking.spawn(async move {
                let outcome = handle.reach().get(&url).await;
                (fact, outcome)
            });
        }
        outcome
    }

    /// An address has answered; if nothing depends on it any more, nobody hears of it.
    fn answered(&mut self, fact: Fact, outcome: Outcome) {
        if let Some((_, known)) = self.urls.get_mut(&fact) {
            *known = Some(outcome.clone());
            self.tell(fact, outcome);
        }
    }
}

/// Whether the last run of a DAG is good enough.
fn judge(last: Option<Over>, age: Option<Duration>, now: Wall) -> Outcome {
    let Some(Over { run, state, at }) = last else { return Err("none of its runs is over".to_owned()) };
    if state != State::Completed {
        return Err(format!("its last run, {run}, has ended {}", state.word()));
    }
    let Some(age) = age else { return Ok(()) };
    let until = TimeDelta::from_std(age).ok().and_then(|age| at.checked_add_signed(age));
    match until {
        Some(until) if until < now => Err(format!(
            "its last run, {run}, has ended at {}: longer than {} s ago",
            at.to_rfc3339_opts(SecondsFormat::Secs, true),
            age.as_secs()
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_good_enough_when_it_succeeded_and_is_not_too_old() {
        let at = Wall::UNIX_EPOCH;
        let over = |state| Some(Over { run: DagRunId(7), state, at });
        let hours = |hours: i64| at + TimeDelta::hours(hours);
        let day = Some(Duration::from_secs(26 * 3600));
        assert_eq!(judge(over(State::Completed), None, hours(10_000)), Ok(()));
        assert_eq!(judge(over(State::Completed), day, hours(26)), Ok(()));
        assert_eq!(judge(over(State::Completed), Some(Duration::MAX), hours(26)), Ok(()));
        let old = judge(over(State::Completed), day, hours(27)).unwrap_err();
        assert!(old.starts_with("its last run, 7, has ended at 1970-01-01T00:00:00Z: longer than"), "{old}");
        for state in [State::Errored, State::Killed] {
            assert!(judge(over(state), None, hours(0)).unwrap_err().contains(state.word()));
        }
        assert_eq!(judge(None, None, hours(0)).unwrap_err(), "none of its runs is over");
    }
}
