//! Repositories and items, as clients make and see them.
