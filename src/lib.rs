//! # hostler — the map
pub mod base;
pub mod cli;
