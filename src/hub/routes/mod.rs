//! The routes under `/daemon`, `/heartbeat` and `/api`: path → who → [`Handle`] → answer.
//!
//! What is under `/daemon` and `/heartbeat` is also under `/api`: the same handlers, but what `/daemon` answers bare, `/api`
//! puts in an envelope (`answer::Shape`).

mod answer;
mod failures;
mod heartbeat;
mod identity;
mod jobs;
mod pools;
mod repositories;
mod signing;
mod tags;
mod users;
mod who;

#[cfg(test)]
mod tests;

use super::engine::Handle;
use super::machine::{Ask, Verdict};
use super::wire;
use crate::auth::tokens::Tokens;
use crate::http::{Failure, Route};

/// What the handlers share.
#[derive(Clone)]
pub struct Shared {
    /// The room.
    pub handle: Handle,
    /// Tokens of programs.
    pub tokens: Tokens,
}

impl Shared {
    /// Asks the room for something; what it says no to is a failure.
    async fn ask(&self, ask: Ask) -> Result<Verdict, Failure> {
        match self.handle.ask(ask).await? {
            Verdict::Refused(why) => Err(why.into()),
            verdict => Ok(verdict),
        }
    }
}

/// All routes of the hub.
pub fn routes(shared: Shared) -> Vec<Route> {
    wire::zone(); // reads files, before anybody waits for it
    let mut routes = identity::routes(&shared);
    routes.extend(heartbeat::routes(&shared));
    routes.extend(signing::routes(&shared));
    routes.extend(users::routes(&shared));
    routes.extend(pools::routes(&shared));
    routes.extend(repositories::routes(&shared));
    routes.extend(tags::routes(&shared));
    routes.extend(jobs::routes(&shared));
    routes
}
