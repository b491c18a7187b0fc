//! The routes under `/oapi/v1` (programs, with tokens) and `/api/v1` (people, signed in): path → who → [`Handle`] → answer.

mod paged;
mod who;

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

/// All routes of the cache.
pub fn routes(_shared: Shared) -> Vec<Route> {
    Vec::new()
}
