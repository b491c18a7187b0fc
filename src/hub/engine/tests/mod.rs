//! What of a decision is written when and who is told when, stories over a store in memory, and one in which the daemon
//! dies at every commit.
