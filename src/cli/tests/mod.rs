//! The command line against a scripted daemon: what it asks, what it says, how it ends.

mod account;
mod cache;
mod dag;
mod fake;
mod grammar;
mod hub;
mod parts;
mod streams;
mod tracker;
mod verbs;
