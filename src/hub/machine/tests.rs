//! Stories and an oracle.
