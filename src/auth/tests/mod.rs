//! The room's tests, by subject.

mod audit;
mod peers;
mod rights;
mod tokens;
