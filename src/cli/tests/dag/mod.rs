//! `dag` and its verbs: what files and arguments become, what runs are told as, how waiting ends.

mod files;
mod stories;
mod verbs;
