//! What the room stores, and how it is written and read back. The shapes below this file are the stored format; a change
//! of one raises its `FORMAT` and teaches `migrate` the old one.

use crate::store::{Rule, Table};

/// All kinds of records, for the store: 0x50 on.
pub const TABLES: [Table; 0] = [];

/// What must hold between the records.
pub fn rules() -> Vec<Rule> {
    Vec::new()
}
