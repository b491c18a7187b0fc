//! JSON in and out, as clients of Dragonfly write and read it.

pub mod page;
