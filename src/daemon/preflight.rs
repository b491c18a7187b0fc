//! What can be known of a start before it is tried: for a binary that is about to take over from a running core, and for
//! an operator who asks about a configuration.
//!
//! A core that fails at its start, or finds no more than refusals to serve, has already replaced one that ran well. So
//! everything by which the configuration, or a file that it names, could bring that about is looked at here.

use super::{Arguments, formats, listeners, log, opened, tables};
use crate::config::Config;
use nix::unistd::{AccessFlags, access};
use std::path::Path;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What a core cannot use, a line each.
    pub problems: Vec<String>,
    /// What it can use, although it is not as it should be.
    pub remarks: Vec<String>,
}

/// Checks whether this binary could take over from the running one: configuration, the files that it names, sockets,
/// store format, carried state.
///
/// # Errors
/// Why it could not.
pub fn self_check(arguments: &Arguments) -> Result<(), String> {
    let config = arguments.configuration().map_err(|why| why.to_string())?;
    let held = crate::keeper::check_carried_state().map_err(|why| why.to_string())?;
    formats::check(&config.data_dir, &tables())?;
    let found = configured(&config);
    if !found.problems.is_empty() {
        return Err(found.problems.join("; "));
    }
    writable(&config.data_dir)?;
    writable(if config.cache.dir.as_os_str().is_empty() { &config.data_dir } else { &config.cache.dir })?;
    match held {
        Some(held) => listeners::check(&config, &held).map_err(|why| why.to_string()),
        None => Ok(()),
    }
}

/// What is wrong with the values of a configuration and with the files that it names. Blocks.
pub fn configured(config: &Config) -> Findings {
    let mut found = listeners::read(&listeners::certificates(config));
    found.problems.extend(log::filter(&config.log).err());
    found.problems.extend(opened::check_settings(config).err().map(|why| super::chain(&*why)));
    found
}

/// What is wrong with the certificates and keys that a configuration names. Blocks.
pub fn certificates(config: &Config) -> Findings {
    listeners::read(&listeners::certificates(config))
}

/// Whether files can be made in this directory, or it itself where it is not there yet.
pub(super) fn writable(dir: &Path) -> Result<(), String> {
    let dir = Path::new(".").join(dir);
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(&dir);
    if !there.is_dir() {
        return Err(format!("{} is no directory", there.display()));
    }
    access(there, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|why| format!("{} cannot be written: {why}", there.display()))
}
