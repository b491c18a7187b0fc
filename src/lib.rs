pub mod base;
pub mod config;
