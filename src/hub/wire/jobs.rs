//! Jobs, as clients make and see them.
