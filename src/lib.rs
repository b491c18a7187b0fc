//! # hostler — the map
pub mod base;
pub mod config;
pub mod proc;
pub mod schedule;
