//! # hostler — the map
pub mod base;
pub mod store;
