//! What went wrong, in words for the operator of this host. A URL's query may hold secrets and is never told.

use super::OriginError;
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio_rustls::rustls::{self, CertificateError, InvalidMessage};
use url::Url;

/// Scheme, host and port.
pub(super) fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Why no answer came.
pub(super) fn unanswered(url: &Url, error: &(dyn Error + 'static)) -> OriginError {
    // Our own refusals travel inside of other people's errors.
    match chain(error).find_map(|error| error.downcast_ref::<OriginError>()) {
        Some(own) => own.clone(),
        None => OriginError::Unreachable(format!("{}: {}", place(url), plain(error))),
    }
}

/// Why a body ended before it was complete.
pub(super) fn broken(url: &Url, error: &(dyn Error + 'static)) -> io::Error {
    let kind =
        chain(error).find_map(|error| error.downcast_ref::<io::Error>()).map_or(io::ErrorKind::Other, io::Error::kind);
    io::Error::new(kind, format!("{}: {}", place(url), plain(error)))
}

/// Nothing came for so long.
pub(super) fn silent(url: &Url, time: Duration) -> String {
    format!("{}: nothing has come for {}", place(url), humantime::format_duration(time))
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| inner(*error))
}

fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    // An I/O error keeps what it wraps to itself.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source())
}

fn plain(error: &(dyn Error + 'static)) -> String {
    if let Some(tls) = chain(error).find_map(|error| error.downcast_ref::<rustls::Error>()) {
        return format!("no TLS connection: {}", tls_reason(tls));
    }
    if let Some(kind) = chain(error).filter_map(|error| error.downcast_ref::<io::Error>()).last().map(io::Error::kind) {
        match kind {
            io::ErrorKind::ConnectionRefused => return "connection refused: nobody listens there".to_owned(),
            io::ErrorKind::ConnectionReset => return "the connection was reset".to_owned(),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                return "there is no way to this host".to_owned();
            }
            io::ErrorKind::TimedOut => return "no connection in time".to_owned(),
            io::ErrorKind::UnexpectedEof => return "the connection ended too early".to_owned(),
            _ => {}
        }
    }
    if chain(error).filter_map(|error| error.downcast_ref::<hyper::Error>()).any(hyper::Error::is_incomplete_message) {
        return "the connection ended too early".to_owned();
    }
    if chain(error).filter_map(|error| error.downcast_ref::<reqwest::Error>()).any(reqwest::Error::is_timeout) {
        return "no connection in time".to_owned();
    }
    // The innermost says most. The outer ones name the URL.
    chain(error).last().map_or_else(|| "it does not answer".to_owned(), ToString::to_string)
}

fn tls_reason(error: &rustls::Error) -> String {
    let reason = match error {
        rustls::Error::InvalidCertificate(reason) => reason,
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return "it does not speak TLS (a registry without it can be configured with plain)".to_owned();
        }
        other => return other.to_string(),
    };
    let what = match reason {
        CertificateError::UnknownIssuer => "is signed by nobody this host trusts (a registry's ca can be configured)",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "is another host's",
        CertificateError::Revoked => "has been revoked",
        _ => return error.to_string(),
    };
    format!("the certificate {what}")
}
