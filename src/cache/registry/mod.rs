//! Registries: from an image to the addresses of its blobs, with whatever a registry wants to see first.
//!
//! **Absent:** the bytes of blobs. The authority that resolved an image goes with them to fetch them.

mod challenge;
mod exchange;
mod manifest;
mod speaker;
#[cfg(test)]
mod tests;
mod walk;

use super::model::{Image, Platform};
use super::origin::{Authority, Origins};
use crate::base::Secret;
use hyper::HeaderMap;
use speaker::Speaker;
use std::sync::Arc;
use url::Url;
use walk::Walk;

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
    origins: &Origins,
    image: &Image,
    platform: &Platform,
    credentials: &Credentials,
) -> Result<Resolved, ResolveError> {
    let home = Url::parse(&image.manifest(&image.reference));
    let home = home.map_err(|error| ResolveError::Registry(format!("{}: {error}", image.host)))?;
    let speaker = Speaker::new(origins, credentials.clone(), Some(&home));
    Walk::new(origins, image, platform, speaker).run().await
}

/// Who speaks for a fetch that is no image's: sends the credentials, answers challenges of registries for their blobs and
/// manifests, and knows what is configured.
pub fn authority(origins: &Origins, credentials: Credentials) -> Arc<dyn Authority> {
    Arc::new(Speaker::new(origins, credentials, None))
}
