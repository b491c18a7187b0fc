//! What has to be done on disk before something can be asked of the machine: directories of pools, files to be published.

use super::{Failed, Handle};
use crate::base::Secret;
use crate::hub::machine::{By, NewPull, NewTag, Refusal, Verdict};
use crate::hub::model::{Look, PoolName};

/// Why something is not published, or a pool not made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The machine says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such file, or it is none: what a look found.
    #[error("{}", no_file(.0))]
    NoFile(Look),
    /// It changes all the time, or the disk fails; for people.
    #[error("the file could not be read: {0}")]
    Unreadable(String),
    /// The directory cannot be that of a pool; for people, with the field.
    #[error("{0}")]
    Directory(String),
    /// The room does not answer.
    #[error(transparent)]
    Failed(#[from] Failed),
}

fn no_file(_look: &Look) -> String {
    unimplemented!()
}

impl Handle {
    /// Makes a pool, and its directory where there is none.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn make_pool(&self, _by: By, _name: PoolName, _conn: &str) -> Result<Verdict, PublishError> {
        unimplemented!()
    }

    /// Publishes a file: small ones are read before it is answered ([`NewTag::read`] is filled in here).
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish(&self, _by: By, _new: NewTag) -> Result<Verdict, PublishError> {
        unimplemented!()
    }

    /// Begins a pull. The secret is for `username` at the source.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn pull(&self, _by: By, _new: NewPull, _secret: Option<Secret>) -> Result<Verdict, PublishError> {
        unimplemented!()
    }
}
