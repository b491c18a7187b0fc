//! The tracker over HTTP: path → who → handle → answer, in the words of the original.

use super::engine::Handle;
use crate::http::Route;

/// The room's routes.
pub fn routes(handle: Handle) -> Vec<Route> {
    let _ = handle;
    Vec::new()
}
