//! Speaking to origins: one HTTP client with the rules of what may be connected to.
//!
//! Every request carries `Via: 1.1 hostler`. Redirects are followed here, at most ten, each checked anew; credentials go no
//! further than the origin (scheme, host, port) they were given for. Names are resolved by the system's resolver on the
//! blocking pool, and every address that a name leads to is checked before it is connected to: never link-local,
//! unspecified, multicast or one that this daemon listens on; loopback only where that is configured.
//!
//! **Absent:** retries and ranges, which are the fetch's; registries' challenges, which are the registry's.

mod body;
mod clients;
mod heads;
mod names;
mod reach;
mod send;
#[cfg(test)]
pub(in crate::cache) mod tests;
mod tls;
mod words;

pub use heads::is_secret;

use super::model::Image;
use crate::base::Secret;
use bytes::Bytes;
use clients::Clients;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use hyper::{HeaderMap, Method, StatusCode};
use reach::Reach;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// What may be connected to, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether loopback addresses may be connected to.
    pub allow_loopback: bool,
    /// The addresses that this daemon listens on; an unspecified address stands for all of this host's.
    pub own: Vec<SocketAddr>,
    /// How long a connection may take to stand.
    pub connect_timeout: Duration,
    /// How long nothing may come.
    pub idle_timeout: Duration,
    /// Registries of which something is known.
    pub registries: Vec<RegistrySettings>,
}

/// What is known of a registry, or of any other host.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// Host, with its port where that is not the scheme's own.
    pub host: String,
    /// It speaks plain HTTP: images named without a scheme are asked for so.
    pub plain: bool,
    /// Its certificate is not verified.
    pub insecure: bool,
    /// Certificates to trust for it, beside the system's: a PEM file.
    pub ca: Option<PathBuf>,
    /// Where a request brings no credentials of its own: name and password.
    pub account: Option<(String, Secret)>,
}

/// The client. Clones are the same. To be used on the data thread alone.
#[derive(Clone)]
pub struct Origins(Arc<Inner>);

struct Inner {
    settings: Settings,
    reach: Reach,
    clients: Clients,
}

/// A request.
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers; hop-by-hop ones, `host` and `via` are ours to set and are not sent.
    pub headers: HeaderMap,
    /// The body, where there is one.
    pub body: Option<BoxStream<'static, io::Result<Bytes>>>,
    /// Whether redirects are followed.
    pub follow: bool,
}

/// What an origin answered, whatever its status.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// Who answered, after redirects.
    pub url: Url,
    /// The body, as it comes.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

/// Why an origin did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It must not be asked; trying again does not help.
    #[error("{0}")]
    Forbidden(String),
    /// The URL, or a redirect, cannot be followed.
    #[error("{0}")]
    Url(String),
    /// It cannot be reached, or broke off: it may be tried again.
    #[error("{0}")]
    Unreachable(String),
}

/// Who speaks for a fetch: what is sent with its requests.
pub trait Authority: Send + Sync {
    /// The headers of the next request to this URL, credentials included.
    fn headers(&self, url: &Url) -> HeaderMap;

    /// The origin has answered 401 with this challenge: whether other headers are worth another try. Only to be asked
    /// where who answered is of the origin of this URL: somebody else, reached by a redirect, gets no proof.
    fn challenged<'a>(&'a self, url: &'a Url, answer: &'a HeaderMap) -> BoxFuture<'a, bool>;
}

impl Origins {
    /// A client. Blocks: certificates are read.
    ///
    /// # Errors
    /// A certificate file cannot be read, or holds no certificate.
    pub fn new(settings: Settings) -> Result<Origins, String> {
        let reach = Reach::new(&settings);
        let clients = Clients::new(&settings, reach.clone())?;
        Ok(Origins(Arc::new(Inner { settings, reach, clients })))
    }

    /// What is known of this host (with its port, where the URL names one). Docker's own registry may be called
    /// `docker.io`, too.
    pub fn registry(&self, host: &str) -> Option<&RegistrySettings> {
        self.place_of(host).map(|(_, registry)| registry)
    }

    /// The account that is configured for whoever answers at this URL: none where its password would be sent in the
    /// clear to a host that is not said to be plain.
    pub fn account(&self, url: &Url) -> Option<&(String, Secret)> {
        let registry = self.registry(&host_of(url))?;
        registry.account.as_ref().filter(|_| (url.scheme() == "http") == registry.plain)
    }

    fn place_of(&self, host: &str) -> Option<(usize, &RegistrySettings)> {
        let written = |host: &str, plain: bool| {
            let host = Image::registry_host(host).to_ascii_lowercase();
            host.strip_suffix(if plain { ":80" } else { ":443" }).map(str::to_owned).unwrap_or(host)
        };
        let is_it =
            |registry: &RegistrySettings| written(&registry.host, registry.plain) == written(host, registry.plain);
        self.0.settings.registries.iter().enumerate().find(|(_, registry)| is_it(registry))
    }

    /// Sends a request and answers when the head of the answer is there. A name and a password in the URL are sent as
    /// `authorization`, unless the headers have one. A redirect that leads nowhere is an answer like others.
    ///
    /// # Errors
    /// See [`OriginError`].
    pub async fn send(&self, request: Request) -> Result<Answer, OriginError> {
        Box::pin(send::send(&self.0, self, request)).await
    }
}

/// TLS with whoever answers, his certificate believed: for the sockets of this host itself, which bear its names for others.
///
/// # Errors
/// There is no TLS here at all.
pub fn believing() -> Result<tokio_rustls::rustls::ClientConfig, String> {
    tls::config(None)
}

/// The host as configurations and images name it: with its port, where the URL names one.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
