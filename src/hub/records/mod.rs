//! What the hub keeps in the store, from kind 0x90 to 0x9F. The shapes are the stored format; a change of one raises its
//! `FORMAT` and teaches `migrate` the old one.

use crate::store::Table;

/// The kinds of records that the hub keeps.
pub const TABLES: [Table; 0] = [];
