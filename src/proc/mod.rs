//! # proc — supervised processes
pub mod machine;
pub mod model;
