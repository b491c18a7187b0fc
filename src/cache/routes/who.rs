//! Who asks, and whether he may.

use super::Shared;
use crate::http::{Cx, Failure};

/// Whoever may do what he asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// For the audit log and for pins.
    pub name: String,
    /// All rights are his: he sees what was fetched with credentials, and may name files of this host.
    pub operator: bool,
    /// The account that signed in, or that a token belongs to.
    pub account: Option<u32>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To see jobs and tasks.
    SeeJobs,
    /// To make and change them.
    Jobs,
    /// Clusters.
    Clusters,
}

/// Under `/oapi/v1`: by token, or an operator on the Unix socket.
///
/// # Errors
/// 401 or 403, in the words of the original.
pub async fn program(_shared: &Shared, _cx: &Cx, _need: Need) -> Result<Who, Failure> {
    unimplemented!()
}

/// Under `/api/v1`: by sign-in, or an operator on the Unix socket. Guests may look, and nothing else.
///
/// # Errors
/// 401, in the words of the original.
pub async fn person(_shared: &Shared, _cx: &Cx, _changes: bool) -> Result<Who, Failure> {
    unimplemented!()
}
