//! Accounts, as clients make and see them.
