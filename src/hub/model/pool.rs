//! A data pool.

use super::{AccountId, PoolName};
use crate::base::Wall;
use std::path::PathBuf;
use std::sync::Arc;

/// A directory of this host under which data lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What it is called; no two are called the same.
    pub name: PoolName,
    /// Where it is: absolute, without symbolic links when it was made, below one of the configured roots.
    pub dir: Arc<PathBuf>,
    /// Whose it is.
    pub owner: AccountId,
    /// Since when.
    pub made: Wall,
}
