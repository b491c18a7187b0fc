//! Data pools, as clients make and see them.
