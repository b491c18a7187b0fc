//! The start.

use super::{Memory, Plan, Room, Rules};
use crate::base::Now;

/// See [`Room::recover`].
pub(super) fn recover(_: Rules, _: Memory, _: Now) -> (Room, Plan) {
    unimplemented!()
}
