//! The machine under test.
