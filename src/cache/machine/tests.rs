//! Stories, an oracle, and random days.
