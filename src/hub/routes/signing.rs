//! From a password to a token that stands for it, and back.

use super::Shared;
use crate::http::Route;

/// These routes.
pub(super) fn routes(_: &Shared) -> Vec<Route> {
    Vec::new()
}
