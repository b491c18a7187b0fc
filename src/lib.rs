//! # hostler — the map
pub mod base;
