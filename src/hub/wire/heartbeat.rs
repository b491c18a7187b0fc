//! Heartbeats from outside: read, with what is invalid refused and what is superfluous dropped.
