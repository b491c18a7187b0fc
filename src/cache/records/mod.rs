//! What the cache keeps in the store, from kind 0x70 to 0x8F.

use crate::store::Table;

/// The kinds of records that the cache keeps.
pub const TABLES: [Table; 0] = [];
