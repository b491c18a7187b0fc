//! How the daemon is, for `/healthz`, `/readyz` and every route of a degraded one.

use std::sync::Arc;
use tokio::sync::watch;

/// What the daemon can do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Reading its store; nothing is decided yet.
    Starting,
    /// Serving.
    Ready,
    /// The store cannot be used: every route is answered 503 with the cause.
    Degraded {
        /// Why, in a sentence for the operator.
        cause: String,
    },
    /// Stopping what it supervises.
    Stopping,
}

/// The state, shared: daemon writes, routes read. Clones are the same state.
#[derive(Debug, Clone)]
pub struct Health {
    state: Arc<watch::Sender<State>>,
}

impl Health {
    /// A daemon in `state`.
    pub fn new(state: State) -> Health {
        Health { state: Arc::new(watch::Sender::new(state)) }
    }

    /// Says how the daemon is from now on.
    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// How it is.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Why no route can be served, if so.
    pub fn degraded(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Degraded { cause } => Some(cause.clone()),
            State::Starting | State::Ready | State::Stopping => None,
        }
    }
}
