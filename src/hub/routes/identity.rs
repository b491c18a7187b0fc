//! Who one is, where one can be reached, what one's log says.

use super::Shared;
use crate::http::Route;

/// These routes.
pub(super) fn routes(_: &Shared) -> Vec<Route> {
    Vec::new()
}
