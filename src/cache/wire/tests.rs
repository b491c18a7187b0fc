//! What is read, and what is written.
