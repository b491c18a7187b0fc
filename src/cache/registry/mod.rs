//! Registries: from an image to the addresses of its blobs, with whatever a registry wants to see first.
//!
//! **Absent:** the bytes of blobs. The authority that resolved an image goes with them to fetch them.

use super::model::{Image, Platform};
use super::origin::{Authority, Origins};
use crate::base::Secret;
use hyper::HeaderMap;
use std::sync::Arc;

/// What a request brings along.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Sent with every request; an `authorization` among them is used unchanged, and no challenge is answered.
    pub headers: HeaderMap,
    /// For challenges.
    pub account: Option<(String, Secret)>,
}

/// An image, resolved.
pub struct Resolved {
    /// The addresses of its blobs: of each manifest the config, then its layers; each once, in order.
    pub blobs: Vec<String>,
    /// Who fetches them: has what the registry gave, and renews it.
    pub authority: Arc<dyn Authority>,
}

/// Why an image is not resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It has nothing for this platform.
    #[error("{image}: no matching manifest for platform {platform}; there are {found}")]
    NoMatch {
        /// The manifest's URL.
        image: String,
        /// What was asked for.
        platform: String,
        /// What there is.
        found: String,
    },
    /// The registry refused, cannot be reached, or answers what is no manifest.
    #[error("{0}")]
    Registry(String),
}

/// Finds the blobs of an image. `credentials` go before what is configured for the registry.
///
/// # Errors
/// See [`ResolveError`].
pub async fn resolve(
    _origins: &Origins,
    _image: &Image,
    _platform: &Platform,
    _credentials: &Credentials,
) -> Result<Resolved, ResolveError> {
    unimplemented!()
}

/// Who speaks for a fetch that is no image's: sends the credentials, answers challenges of registries for their blobs and
/// manifests, and knows what is configured.
pub fn authority(_origins: &Origins, _credentials: Credentials) -> Arc<dyn Authority> {
    unimplemented!()
}
