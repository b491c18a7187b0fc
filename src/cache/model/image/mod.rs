//! Images: how they are named, and for which machine (`platform`).

mod platform;
#[cfg(test)]
mod tests;

pub use platform::Platform;

use super::digest::Digest;
use url::Url;

/// The tag of an image that is named without one.
const LATEST: &str = "latest";
/// As Docker's own registry is called in names of images.
const DOCKER: [&str; 2] = ["docker.io", "index.docker.io"];
/// Where it is.
const DOCKER_HOST: &str = "registry-1.docker.io";
/// The longest repository and the longest tag. Sources: the Docker registry; the OCI distribution specification.
const REPOSITORY_MAX: usize = 255;
const TAG_MAX: usize = 128;

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
        super::address::masked(.0).escape_debug()
    )]
    Url(String),
    /// No platform.
    #[error("parsing platform \"{}\" failed: expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, or all", .0.escape_debug())]
    Platform(String),
}

impl Image {
    /// Reads the URL of a manifest, or `oci://HOST[:PORT]/REPOSITORY[:TAG|@DIGEST]` (over https, or over http where
    /// `plain` says that this host's registry has no TLS). Where there is a tag and a digest, the digest counts. The
    /// host `docker.io` means Docker's own registry, and a repository without a slash there is one of `library/`.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str, plain: impl Fn(&str) -> bool) -> Result<Image, ImageError> {
        let image = match text.split_once("://") {
            Some(("oci", name)) => Image::of_name(name, plain),
            Some((scheme @ ("http" | "https"), rest)) => Image::of_manifest(scheme, rest),
            _ => None,
        };
        image.filter(Image::is_sound).ok_or_else(|| ImageError::Url(text.to_owned()))
    }

    /// Where the registry is that names of images call so: Docker's own has another name than its images say.
    pub fn registry_host(name: &str) -> &str {
        if DOCKER.contains(&name) { DOCKER_HOST } else { name }
    }

    fn of_manifest(scheme: &str, rest: &str) -> Option<Image> {
        let (host, path) = rest.split_once('/')?;
        let (repository, reference) = path.strip_prefix("v2/")?.rsplit_once("/manifests/")?;
        Some(Image {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            repository: repository.to_owned(),
            reference: reference.to_owned(),
        })
    }

    fn of_name(name: &str, plain: impl Fn(&str) -> bool) -> Option<Image> {
        let (host, name) = name.split_once('/')?;
        let (name, digest) = match name.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (name, None),
        };
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (name, None),
        };
        // A tag beside a digest is for people, but it must be one.
        if tag.is_some_and(|tag| !is_tag(tag)) || digest.is_some_and(|digest| !is_digest(digest)) {
            return None;
        }
        let reference = digest.or(tag).unwrap_or(LATEST).to_owned();
        let scheme = if plain(host) { "http" } else { "https" }.to_owned();
        let host = Image::registry_host(host).to_owned();
        let is_official = host == DOCKER_HOST && !repository.contains('/');
        let repository = if is_official { format!("library/{repository}") } else { repository.to_owned() };
        Some(Image { scheme, host, repository, reference })
    }

    /// Whether its parts are what they should be, so that URLs made of them mean what they seem to mean.
    fn is_sound(&self) -> bool {
        let is_repository = |text: &str| {
            let is_segment = |segment: &str| {
                segment.starts_with(|first: char| first.is_ascii_alphanumeric())
                    && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            };
            text.len() <= REPOSITORY_MAX && text.split('/').all(is_segment)
        };
        is_host(&self.scheme, &self.host)
            && is_repository(&self.repository)
            && (is_tag(&self.reference) || is_digest(&self.reference))
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

/// A host with or without a port, and nothing else that a URL may have there.
fn is_host(scheme: &str, host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    host.bytes().all(fits) && Url::parse(&format!("{scheme}://{host}/")).is_ok_and(|url| url.path() == "/")
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_MAX
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || b".-".contains(&byte))
}

/// Only what can be verified.
fn is_digest(text: &str) -> bool {
    text.parse().is_ok_and(|digest: Digest| digest.is_strong())
}
