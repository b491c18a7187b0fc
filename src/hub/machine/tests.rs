//! Stories and an oracle.

mod facts;
mod jobs;
mod lines;
mod members;
mod play;
