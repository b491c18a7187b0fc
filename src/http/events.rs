//! `GET /events`: everything that changes, as it changes, to whoever may see it.

use crate::auth::{Caller, Scope};
use crate::base::Bus;
use crate::base::events::{Event, Listener, Missed};
use crate::http::failure::{ErrorStatus, Failure};
use crate::http::reply::{Reply, Sse};
use crate::http::route::Cx;
use futures_util::stream::{self, Stream};
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// After how many events that it does not want a client is told how far it has come, so that coming back with its
/// last number does not miss anything.
const SILENCE: usize = 1024;

/// Answers with the stream.
///
/// # Errors
/// 400 when the number to go on after is none.
pub fn stream(bus: &Bus, cx: &Cx, keep_alive: Duration) -> Result<Reply, Failure> {
    let listener = bus.listen(last_seen(cx)?);
    let wish = Wish {
        caller: cx.caller.clone(),
        kinds: cx.query.all("kind").flat_map(words).collect(),
        names: cx.query.all("name").map(str::to_owned).collect(),
    };
    Ok(Reply::sse_every(keep_alive, follow(listener, wish)))
}

/// The number a client comes back with: the header a browser sends by itself, else `?after=`.
fn last_seen(cx: &Cx) -> Result<Option<u64>, Failure> {
    let Some(header) = cx.headers.get("last-event-id") else { return cx.number("after") };
    let number = header.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(Some).ok_or_else(|| {
        Failure::public(ErrorStatus::BAD_REQUEST, "bad_event_id", "Last-Event-ID must be the number of an event")
    })
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(',').filter(|word| !word.is_empty()).map(str::to_owned)
}

/// What a client wants, and may have.
struct Wish {
    caller: Caller,
    /// Kinds or their beginnings: `proc`, `proc.run`, `proc.run.exited`. None: all.
    kinds: Vec<String>,
    /// None: all.
    names: Vec<String>,
}

impl Wish {
    fn wants(&self, event: &Event) -> bool {
        let within = |kind: &String| {
            event.kind.strip_prefix(kind.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        (self.kinds.is_empty() || self.kinds.iter().any(within))
            && (self.names.is_empty() || self.names.contains(&event.name))
            && may_see(&self.caller, event)
    }
}

/// An operator sees everything; others what is theirs, in rooms they may read.
fn may_see(caller: &Caller, event: &Event) -> bool {
    let scope = match event.kind.split('.').next().unwrap_or_default() {
        "proc" => Scope::ProcRead,
        "dag" => Scope::DagRead,
        "tracker" => Scope::Tracker,
        "hub" => Scope::Hub,
        "cache" => Scope::JobRead,
        _ => Scope::Admin,
    };
    caller.is_operator() || (caller.holds(scope) && event.owner.is_some_and(|owner| caller.may_touch(owner)))
}

struct Following {
    listener: Listener,
    wish: Wish,
    ready: VecDeque<Sse>,
    passed_over: usize,
}

fn follow(listener: Listener, wish: Wish) -> impl Stream<Item = Sse> + Send {
    let state = Following { listener, wish, ready: VecDeque::new(), passed_over: 0 };
    stream::unfold(state, |mut state| async move {
        loop {
            if let Some(next) = state.ready.pop_front() {
                return Some((next, state));
            }
            match state.listener.next().await {
                Ok(events) => state.take(&events),
                Err(Missed { oldest }) => state.ready.push_back(Sse {
                    id: Some(oldest.saturating_sub(1)),
                    event: Some("missed".to_owned()),
                    data: json!({ "oldest": oldest }).to_string(),
                }),
            }
        }
    })
}

impl Following {
    fn take(&mut self, events: &[Arc<Event>]) {
        for event in events {
            if self.wish.wants(event) {
                self.passed_over = 0;
                self.ready.push_back(show(event));
            } else {
                self.passed_over += 1;
            }
        }
        if self.passed_over >= SILENCE {
            self.passed_over = 0;
            self.ready.push_back(Sse { id: events.last().map(|event| event.id), ..Sse::default() });
        }
    }
}

fn show(event: &Event) -> Sse {
    let data = json!({
        "id": event.id,
        "at": event.at,
        "kind": event.kind,
        "name": event.name,
        "owner": event.owner,
        "data": event.data,
    });
    Sse { id: Some(event.id), event: Some(event.kind.to_owned()), data: data.to_string() }
}
