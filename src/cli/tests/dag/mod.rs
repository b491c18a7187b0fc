//! `dag` and its verbs: what files and arguments become, what runs are told as, how waiting ends.

mod examples;
mod files;
mod stories;
mod verbs;
