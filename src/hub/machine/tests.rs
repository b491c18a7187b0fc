//! Stories and an oracle.

mod catalogue;
mod crowds;
mod facts;
mod health;
mod jobs;
mod lines;
mod members;
mod play;
mod random;
