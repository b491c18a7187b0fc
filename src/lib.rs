//! # hostler — the map
pub mod base;
pub mod proc;
pub mod schedule;
