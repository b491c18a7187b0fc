//! # hostler — the map
pub mod auth;
pub mod base;
pub mod store;
