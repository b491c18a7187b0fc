//! Stories of the machine alone.
