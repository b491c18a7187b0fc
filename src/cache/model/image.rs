//! Images: how they are named, and for which machine.

use std::fmt;

/// An image in a registry, by tag or digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// `http` or `https`.
    pub scheme: String,
    /// Host, with its port where one is given.
    pub host: String,
    /// May have slashes.
    pub repository: String,
    /// A tag, or `ALGORITHM:HEX`.
    pub reference: String,
}

/// A text that names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Neither the URL of a manifest nor an image's name.
    #[error(
        "parsing \"{}\" failed: expected SCHEME://HOST/v2/REPOSITORY/manifests/REFERENCE or oci://HOST/REPOSITORY:TAG",
        .0.escape_debug()
    )]
    Url(String),
    /// No platform.
    #[error("parsing platform \"{}\" failed: expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, or all", .0.escape_debug())]
    Platform(String),
}

/// For which machines an image is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Every one that it has.
    All,
    /// The one that fits best.
    One {
        /// `linux`.
        os: String,
        /// `amd64`.
        architecture: String,
        /// `v7`.
        variant: Option<String>,
    },
}

impl Image {
    /// Reads the URL of a manifest, or `oci://HOST[:PORT]/REPOSITORY[:TAG|@DIGEST]` (over https, or over http where
    /// `plain` says that this host's registry has no TLS).
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(_text: &str, _plain: impl Fn(&str) -> bool) -> Result<Image, ImageError> {
        unimplemented!()
    }

    /// The URL of a manifest of this repository.
    pub fn manifest(&self, reference: &str) -> String {
        format!("{}://{}/v2/{}/manifests/{reference}", self.scheme, self.host, self.repository)
    }

    /// The URL of a blob of this repository.
    pub fn blob(&self, digest: &str) -> String {
        format!("{}://{}/v2/{}/blobs/{digest}", self.scheme, self.host, self.repository)
    }
}

impl Platform {
    /// Reads `OS/ARCHITECTURE[/VARIANT]` or `all`; an empty text is this machine's own.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(_text: &str) -> Result<Platform, ImageError> {
        unimplemented!()
    }

    /// This machine's own.
    pub fn own() -> Platform {
        unimplemented!()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}
