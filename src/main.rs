//! Chooses what this process is from its arguments.
fn main() {}
