//! Whom TLS trusts: the system's roots, for some hosts others too, for some anybody.

use super::RegistrySettings;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The configuration for hosts of which nothing is known, and one for each of the others, where it differs.
pub(super) struct Trust {
    pub(super) common: ClientConfig,
    pub(super) special: Vec<Option<ClientConfig>>,
}

impl Trust {
    /// Reads all certificates. Blocks.
    ///
    /// # Errors
    /// A file cannot be read, or holds no certificate.
    pub(super) fn read(registries: &[RegistrySettings]) -> Result<Trust, String> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            tracing::warn!("no trusted certificates on this system{why}: no origin can be reached over TLS");
        }
        let special = |registry: &RegistrySettings| match &registry.ca {
            _ if registry.insecure => config(None).map(Some),
            Some(ca) => config(Some(with(&roots, ca)?)).map(Some),
            None => Ok(None),
        };
        let special = registries.iter().map(special).collect::<Result<_, String>>()?;
        Ok(Trust { common: config(Some(roots))?, special })
    }
}

/// The certificates of this file too.
fn with(roots: &RootCertStore, ca: &Path) -> Result<RootCertStore, String> {
    let mut roots = roots.clone();
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", ca.display());
    let mut count = 0;
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| told(&error))? {
        let certificate = certificate.map_err(|error| told(&error))?;
        roots.add(certificate).map_err(|error| told(&error))?;
        count += 1;
    }
    if count == 0 { Err(told(&"no certificate in it")) } else { Ok(roots) }
}

/// With these roots; with none, whoever answers is believed.
pub(super) fn config(roots: Option<RootCertStore>) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(match roots {
        Some(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
        None => {
            let anybody = Arc::new(Anybody::new(&provider));
            builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth()
        }
    })
}

/// Believes every certificate, where the operator says so of a host; that who shows it has its key is still verified.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl Anybody {
    fn new(provider: &CryptoProvider) -> Anybody {
        Anybody(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
