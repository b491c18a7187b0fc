//! # hostler — the map
pub mod admin;
pub mod auth;
pub mod base;
pub mod http;
pub mod metrics;
pub mod store;
