//! # hostler — the map
pub mod admin;
pub mod auth;
pub mod base;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod http;
pub mod keeper;
pub mod launch;
pub mod logs;
pub mod metrics;
pub mod proc;
pub mod schedule;
pub mod store;
