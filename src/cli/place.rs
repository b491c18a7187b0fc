//! Where the daemon listens, and how to get a connection there: Unix socket, TCP, or TLS with the system's roots.

use crate::cli::client::CallError;
use hyper::Uri;
use hyper::http::uri::Scheme;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long a connection may take to come about.
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);

/// Bytes both ways, whatever carries them.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// An address of a daemon, or of what is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A socket in the file system: the peer is known by its uid.
    Unix(PathBuf),
    /// An address with a port.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether TLS is spoken there.
        tls: bool,
    },
}

impl Place {
    /// The socket used when nothing else is said: `$HOSTLER_SOCKET`, else the system's daemon for root, else the
    /// user's own.
    ///
    /// # Errors
    /// An ordinary user without `$XDG_RUNTIME_DIR`: what to do instead.
    pub fn default_socket(variable: impl Fn(&str) -> Option<PathBuf>, root: bool) -> Result<Place, String> {
        if let Some(socket) = variable("HOSTLER_SOCKET") {
            return Ok(Place::Unix(socket));
        }
        if root {
            return Ok(Place::Unix(PathBuf::from("/run/hostler/hostler.sock")));
        }
        let runtime =
            variable("XDG_RUNTIME_DIR").ok_or("XDG_RUNTIME_DIR is not set: say --socket PATH or --url URL")?;
        Ok(Place::Unix(runtime.join("hostler.sock")))
    }

    /// Reads `http://host[:port]` or `https://host[:port]`; the path is given back beside it.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(url: &str) -> Result<(Place, String), String> {
        let expected = || format!("\"{url}\" is not a URL: expected http://HOST:PORT or https://HOST:PORT");
        let uri: Uri = url.parse().map_err(|_| expected())?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(expected()),
        };
        let authority = uri.authority().ok_or_else(expected)?;
        let host = authority.host();
        // A port that is not a number must not silently become the default; names and passwords have no place here.
        let port = match authority.as_str().strip_prefix(host) {
            _ if host.is_empty() => return Err(expected()),
            Some("") if tls => 443,
            Some("") => 80,
            _ => authority.port_u16().filter(|_| !authority.as_str().contains('@')).ok_or_else(expected)?,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok((Place::Tcp { host, port, tls }, path))
    }

    /// What goes into the `Host` header.
    pub fn host(&self) -> String {
        match self {
            Place::Unix(_) => "localhost".to_owned(),
            Place::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp { host, port, .. } => format!("{host}:{port}"),
        }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Nobody listens there, or TLS did not come about.
    pub async fn connect(&self) -> Result<Box<dyn Wire>, CallError> {
        let opening = async {
            match self {
                Place::Unix(path) => self.unix(path).await,
                Place::Tcp { host, port, tls } => self.tcp(host, *port, *tls).await,
            }
        };
        let late = |_| self.absent(io::ErrorKind::TimedOut.into());
        tokio::time::timeout(CONNECTS_WITHIN, opening).await.map_err(late)?
    }

    async fn unix(&self, path: &Path) -> Result<Box<dyn Wire>, CallError> {
        let stream = UnixStream::connect(path).await.map_err(|error| self.absent(error))?;
        Ok(Box::new(stream))
    }

    async fn tcp(&self, host: &str, port: u16, tls: bool) -> Result<Box<dyn Wire>, CallError> {
        let stream = TcpStream::connect((host, port)).await.map_err(|error| self.absent(error))?;
        // Requests are small and each waits for its answer; a failure only costs time.
        let _ = stream.set_nodelay(true);
        if !tls {
            return Ok(Box::new(stream));
        }
        let failed = |why: String| CallError::Tls { place: self.to_string(), why };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
        let config = tls_config().map_err(failed)?;
        let secured = TlsConnector::from(config).connect(name, stream).await;
        Ok(Box::new(secured.map_err(|error| failed(error.to_string()))?))
    }

    fn absent(&self, source: io::Error) -> CallError {
        match source.kind() {
            io::ErrorKind::PermissionDenied => CallError::Closed { place: self.to_string() },
            _ => CallError::Absent { place: self.to_string(), source },
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Unix(path) => path.display().fmt(f),
            Place::Tcp { tls, .. } => write!(f, "{}://{}", if *tls { "https" } else { "http" }, self.host()),
        }
    }
}

/// Trusts what the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name other roots, as with OpenSSL.
fn tls_config() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!("no trusted certificates on this system{why}"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
