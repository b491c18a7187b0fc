//! Certificates of TLS listeners, re-read on demand.

use chrono::DateTime;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{self, CertificateError, RootCertStore, ServerConfig, client};

/// Where a listener's certificate chain and key are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's certificate first.
    pub certificate: PathBuf,
    /// The key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Reads them as a listener would. The answer is what its clients will not like, if anything. Blocks.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn check(&self) -> Result<Option<String>, TlsError> {
        load(self).map(|loaded| loaded.remark)
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or is no PEM.
    #[error("{path}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The file does not hold what it should.
    #[error("{path}: no {what} in it", path = path.display())]
    Empty {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Certificate and key do not fit each other, or are of a kind that is not supported.
    #[error(
        "the certificate {certificate} cannot be used with the key {key}",
        certificate = files.certificate.display(),
        key = files.key.display()
    )]
    Unusable {
        /// Which.
        files: TlsFiles,
        /// Why.
        source: rustls::Error,
    },
    /// The reading was interrupted.
    #[error("the files could not be read")]
    Interrupted(#[source] io::Error),
}

/// A certificate in use.
pub struct Certificate {
    files: TlsFiles,
    config: Mutex<Arc<ServerConfig>>,
}

impl Certificate {
    /// Reads the files, off this thread.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub async fn read(files: TlsFiles) -> Result<Certificate, TlsError> {
        let config = load_elsewhere(files.clone()).await?;
        Ok(Certificate { files, config: Mutex::new(config) })
    }

    /// Reads them again. On failure the old certificate stays in use.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub async fn reload(&self) -> Result<(), TlsError> {
        let fresh = load_elsewhere(self.files.clone()).await?;
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What the next handshake goes by.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the files hold.
struct Loaded {
    config: Arc<ServerConfig>,
    /// It can be used, but clients will refuse it.
    remark: Option<String>,
}

async fn load_elsewhere(files: TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let loaded = tokio::task::spawn_blocking(move || load(&files)).await;
    let loaded = loaded.unwrap_or_else(|why| Err(TlsError::Interrupted(io::Error::other(why))))?;
    if let Some(remark) = loaded.remark {
        tracing::warn!("{remark}");
    }
    Ok(loaded.config)
}

fn load(files: &TlsFiles) -> Result<Loaded, TlsError> {
    let failed = |path: &Path, what| {
        let path = path.to_owned();
        move |source| match source {
            pem::Error::NoItemsFound => TlsError::Empty { path, what },
            source => TlsError::File { path, source },
        }
    };
    let unreadable = || failed(&files.certificate, "certificate");
    let chain = CertificateDer::pem_file_iter(&files.certificate).map_err(unreadable())?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(unreadable())?;
    let Some(first) = chain.first() else { return Err(unreadable()(pem::Error::NoItemsFound)) };
    let remark = date(first).map(|wrong| format!("{}: {wrong}", files.certificate.display()));
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(failed(&files.key, "key"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|source| TlsError::Unusable { files: files.clone(), source })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded { config: Arc::new(config), remark })
}

/// What is wrong with the dates of a certificate, as of now. They are what a client looks at first, before it asks who
/// issued it; here nobody is trusted, so whatever else it would find is not looked at.
fn date(certificate: &CertificateDer<'_>) -> Option<String> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    let nobody = RootCertStore::empty();
    let now = UnixTime::now();
    let found = client::verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], now, algorithms);
    let day = |time: UnixTime| {
        let day = i64::try_from(time.as_secs()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        day.map_or_else(|| "a day unknown".to_owned(), |day| day.format("%F").to_string())
    };
    match found {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(format!("the certificate has expired on {}", day(not_after)))
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            Some(format!("the certificate is not valid before {}", day(not_before)))
        }
        _ => None,
    }
}
