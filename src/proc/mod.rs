//! # proc — supervised processes
pub mod model;
