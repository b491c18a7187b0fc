//! # keeper — the process that must not die
pub mod frames;
pub mod link;
pub mod model;
pub mod sys;
pub mod wire;
