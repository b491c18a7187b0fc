//! Jobs: pulls, publications of large files, transfers.

use super::Shared;
use crate::http::Route;

/// These routes.
pub(super) fn routes(_: &Shared) -> Vec<Route> {
    Vec::new()
}
