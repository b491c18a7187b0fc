//! # hostler — the map
pub mod base;
pub mod logs;
pub mod schedule;
