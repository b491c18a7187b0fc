//! Where a host can be reached.

use std::fmt;
use std::sync::Arc;
use url::Url;

/// An address at which a daemon hands out data, in normal form: scheme and host in small letters, the port written out, no
/// path, no slash at the end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryPoint(Arc<str>);

/// A text that is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entrypoint: expected http://HOST:PORT or https://HOST:PORT, not \"{}\"", .0.escape_debug())]
pub struct BadEntryPoint(pub String);

impl EntryPoint {
    /// Reads an address. A path, a query and a fragment are dropped; host and port have to be there; nothing may stand
    /// before the host.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<EntryPoint, BadEntryPoint> {
        let bad = || BadEntryPoint(text.to_owned());
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(bad());
        }
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let (host, port) = authority.rsplit_once(':').ok_or_else(bad)?;
        let port: u16 = port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?;
        if host.is_empty() || host.contains('@') {
            return Err(bad());
        }
        let url = Url::parse(&format!("{scheme}://{host}/")).map_err(|_| bad())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        Ok(EntryPoint(format!("{scheme}://{host}:{port}").into()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntryPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
