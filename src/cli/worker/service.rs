//! How a worker speaks to the daemon: signed with its identity, patient with a daemon that is away, and with the words
//! of the API made into what they mean.

use super::identity::{Identity, Store};
use super::outcome::Outcome;
use crate::base::Now;
use crate::cli::client::{Call, CallError, Client};
use crate::cli::exit::Problem;
use crate::cli::place::Place;
use crate::cli::project::Named;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// How long the daemon is asked to wait for a task.
const WAIT: Duration = Duration::from_secs(60);
/// How much longer its answer may take.
const SLACK: Duration = Duration::from_secs(30);
/// The pauses between tries grow from this …
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// … to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// An answer that says "later" without saying when.
const LATER: Duration = Duration::from_secs(1);

/// Pauses that grow.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// From `first` to `longest`, each twice the one before.
    pub(super) fn new(first: Duration, longest: Duration) -> Pauses {
        Pauses { next: first, longest }
    }

    /// How long to pause now.
    pub(super) fn grow(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}

/// What became of asking for a task.
#[derive(Debug)]
pub(super) enum Fetched {
    /// This one, in the API's words.
    Task(Value),
    /// There is none.
    Nothing,
    /// Not before so long.
    Later(Duration),
    /// Not with this identity: the daemon does not know it.
    Unknown,
    /// Not while this is so.
    Held(String),
}

/// The daemon, as a worker of one project sees it.
pub(super) struct Service {
    client: Client,
    who: Rc<Mutex<Identity>>,
    store: Rc<Store>,
    /// Which project.
    pub(super) project: Rc<Named>,
    /// Whether leases can be tied to this process: the daemon is on this host.
    proof: bool,
    /// Whether the daemon did not answer when it was last asked.
    away: bool,
}

impl Service {
    /// With an identity that is there or is made now.
    ///
    /// # Errors
    /// There is none, and none can be made.
    pub(super) async fn open(mut client: Client, store: Store, project: Named) -> Result<Service, Problem> {
        let who = store.obtain(&mut client, None).await?;
        let proof = match client.place() {
            Place::Unix(_) => true,
            Place::Tcp { host, .. } => {
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        };
        let (who, store, project) = (Rc::new(Mutex::new(who)), Rc::new(store), Rc::new(project));
        Ok(Service { client, who, store, project, proof, away: false })
    }

    /// The same, with a connection of its own.
    pub(super) fn another(&self) -> Service {
        Service {
            client: self.client.another(),
            who: self.who.clone(),
            store: self.store.clone(),
            project: self.project.clone(),
            proof: self.proof,
            away: false,
        }
    }

    /// Who it works as.
    pub(super) async fn identity(&self) -> Identity {
        self.who.lock().await.clone()
    }

    /// A new identity in place of one that the daemon does not know.
    pub(super) async fn renew(&mut self, lost: &Identity) -> Result<(), Problem> {
        let mut who = self.who.lock().await;
        // Another job of this process may have been here.
        if *who == *lost {
            *who = self.store.obtain(&mut self.client, Some(lost)).await?;
        }
        Ok(())
    }

    /// Asks for a task, waiting for one. Safe to drop: a task that was on its way goes back.
    ///
    /// # Errors
    /// The daemon's refusal of what no time will mend.
    pub(super) async fn fetch(&mut self) -> Result<Fetched, Problem> {
        let call = Call::get(&format!("/task/get/{}", self.project.id)).query("wait", WAIT.as_secs());
        let mut call = self.identity().await.sign(call).within(WAIT + SLACK);
        if self.proof {
            call = call.header(HeaderName::from_static("x-worker-pid"), HeaderValue::from(std::process::id()));
        }
        let asked = Instant::now();
        let (status, answer) = self.patiently(&call, None).await?;
        let message = message(&answer);
        if let Some(task) = answer.get("content").and_then(|content| content.get("task")) {
            return Ok(Fetched::Task(task.clone()));
        }
        match status {
            StatusCode::TOO_MANY_REQUESTS => Ok(Fetched::Later(delay(&answer))),
            // A tracker that does not wait answers at once: it is not to be asked without a pause.
            status if status.is_success() && asked.elapsed() < LATER => Ok(Fetched::Later(LATER)),
            status if status.is_success() => Ok(Fetched::Nothing),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED if is_unknown(message) => Ok(Fetched::Unknown),
            StatusCode::BAD_REQUEST if message.contains("paused") => {
                Ok(Fetched::Held("this worker is paused".to_owned()))
            }
            StatusCode::BAD_REQUEST if self.proof && message.to_ascii_lowercase().contains("x-worker-pid") => {
                // Another pid namespace, say: then a lease ends by its time only.
                self.proof = false;
                Ok(Fetched::Held(format!("tasks are not tied to this process: {message}")))
            }
            status => Err(refused(status, message)),
        }
    }

    /// Gives a task back: whether that changed anything. Tries until there is an answer, or until `limit`.
    ///
    /// # Errors
    /// The daemon says no, or did not answer until then.
    pub(super) async fn release(
        &mut self,
        task: u64,
        outcome: &Outcome,
        limit: Option<Instant>,
    ) -> Result<bool, Problem> {
        let body = match outcome {
            Outcome::Done(number) => json!({ "task_id": task, "result": 0, "verification": number }),
            Outcome::Failed(why) => json!({ "task_id": task, "result": 1, "reason": why }),
            Outcome::Skipped => json!({ "task_id": task, "result": 2 }),
        };
        let call = self.identity().await.sign(Call::post("/task/release").body(&body));
        let (status, answer) = self.patiently(&call, limit).await?;
        if !status.is_success() {
            return Err(refused(status, message(&answer)));
        }
        let updated = answer.get("content").and_then(|content| content.get("updated"));
        // One of several equal results that are wanted changes nothing yet, and is no less welcome.
        Ok(updated == Some(&Value::Bool(true)))
    }

    /// Asks for more time for a task, so much from now on: whether it is still this worker's.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub(super) async fn extend(&mut self, task: u64, by: Duration) -> Result<bool, Problem> {
        let body = json!({ "task_id": task, "seconds": by.as_secs().max(1) });
        let call = self.identity().await.sign(Call::post("/task/extend").body(&body));
        Ok(self.patiently(&call, None).await?.0.is_success())
    }

    /// Writes something into the tracker's log. What cannot be delivered at once is not: the worker's own output has it.
    pub(super) async fn log(&mut self, level: &str, text: &str) {
        let now = Now::read().wall.timestamp();
        let body = json!({ "scope": self.project.name, "message": text, "timestamp": now });
        let call = self.identity().await.sign(Call::post(&format!("/log/{level}")).body(&body));
        let _ = self.client.verdict(call).await;
    }

    /// The project's secret, for those who may be handed its tasks; else none.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub(super) async fn secret(&mut self) -> Result<Option<String>, Problem> {
        let call = self.identity().await.sign(Call::get(&format!("/project/secret/{}", self.project.id)));
        let (status, answer) = self.patiently(&call, None).await?;
        let secret = answer.get("content").and_then(|content| content.get("secret")).and_then(Value::as_str);
        Ok(secret.filter(|_| status.is_success()).map(str::to_owned))
    }

    /// Asks to be handed tasks. Having asked before is no problem.
    ///
    /// # Errors
    /// The daemon cannot be asked, or does not know this worker.
    pub(super) async fn request(&mut self) -> Result<StatusCode, Problem> {
        let body = json!({ "project": self.project.id, "assign": true, "submit": false });
        let call = self.identity().await.sign(Call::post("/project/request_access").body(&body));
        Ok(self.patiently(&call, None).await?.0)
    }

    /// Grants what was asked for, where whoever runs this may.
    ///
    /// # Errors
    /// The daemon cannot be asked.
    pub(super) async fn accept(&mut self) -> Result<bool, Problem> {
        let worker = self.identity().await.id;
        let call = Call::post(&format!("/project/accept_request/{}/{worker}", self.project.id));
        let (status, answer) = self.patiently(&call, None).await?;
        Ok(status.is_success() && answer.get("ok") == Some(&Value::Bool(true)))
    }

    /// Asks until there is an answer that is not "later": with growing pauses, telling once that the daemon is away.
    async fn patiently(&mut self, call: &Call, limit: Option<Instant>) -> Result<(StatusCode, Value), Problem> {
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let problem = match self.client.verdict(call.clone()).await {
                Ok((status, answer)) if status.is_server_error() => refused(status, message(&answer)),
                Ok(answer) => {
                    if std::mem::take(&mut self.away) {
                        tell("the daemon answers again");
                    }
                    return Ok(answer);
                }
                // What is none of its answers comes from something that has its place for the moment.
                Err(error @ CallError::Closed { .. }) => return Err(error.into()),
                Err(error) => Problem::Call(error),
            };
            let pause = pauses.grow();
            if limit.is_some_and(|limit| Instant::now() + pause > limit) {
                return Err(problem);
            }
            if !std::mem::replace(&mut self.away, true) {
                tell(&format!("{problem}; trying again"));
            }
            sleep(pause).await;
        }
    }
}

/// Says something on standard error, which a supervising log has.
pub(super) fn tell(text: &str) {
    use std::io::Write;
    // Nobody is left to be told when this fails.
    let _ = writeln!(std::io::stderr(), "hostler: {}", crate::cli::out::plain(text));
}

fn message(answer: &Value) -> &str {
    answer.get("message").and_then(Value::as_str).unwrap_or_default()
}

/// The words of the API for a worker that is not, or is another's.
fn is_unknown(message: &str) -> bool {
    message.contains("does not match any valid worker") || message.contains("invalid secret")
}

fn refused(status: StatusCode, message: &str) -> Problem {
    let words = if message.is_empty() { status.canonical_reason().unwrap_or("no reason") } else { message };
    Problem::Call(CallError::Refused { status, message: format!("{words} ({})", status.as_u16()) })
}

/// How long an answer 429 says to wait; never so long that a change of the limit goes unnoticed.
fn delay(answer: &Value) -> Duration {
    let seconds = answer.get("rate_limit_delay").and_then(Value::as_f64).unwrap_or(1.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(LATER).clamp(Duration::from_millis(10), WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
        let first: Vec<u128> = (0..9).map(|_| pauses.grow().as_millis()).collect();
        assert_eq!(first, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn a_limit_says_how_long_to_wait() {
        let of = |delay_: Value| delay(&json!({ "rate_limit_delay": delay_ }));
        assert_eq!(of(json!(0.5)), Duration::from_millis(500));
        assert_eq!(of(json!(9_223_372_036.854_776)), WAIT);
        assert_eq!(of(json!(-1)), LATER);
        assert_eq!(of(json!(0)), Duration::from_millis(10));
        assert_eq!(delay(&Value::Null), LATER);
    }
}
