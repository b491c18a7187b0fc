//! The routes under `/daemon`, `/heartbeat` and `/api`: path → who → [`Handle`] → answer.

use super::engine::Handle;
use crate::auth::tokens::Tokens;
use crate::http::Route;

/// What the handlers share.
#[derive(Clone)]
pub struct Shared {
    /// The room.
    pub handle: Handle,
    /// Tokens of programs.
    pub tokens: Tokens,
}

/// All routes of the hub.
pub fn routes(_shared: Shared) -> Vec<Route> {
    unimplemented!()
}
