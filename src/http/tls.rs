//! Certificates of TLS listeners, re-read on demand.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Where a listener's certificate chain and key are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's certificate first.
    pub certificate: PathBuf,
    /// The key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or holds no such thing.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The file holds no certificate.
    #[error("{path}: no certificate in it", path = path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key do not fit each other, or are of a kind that is not supported.
    #[error("the certificate cannot be used with its key")]
    Unusable(#[from] rustls::Error),
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

async fn load_elsewhere(files: TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let loaded = tokio::task::spawn_blocking(move || load(&files)).await;
    loaded.unwrap_or_else(|why| Err(TlsError::Interrupted(io::Error::other(why))))
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate).map_err(failed(&files.certificate))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(failed(&files.certificate))?;
    if chain.is_empty() {
        return Err(TlsError::Empty { path: files.certificate.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(failed(&files.key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
