//! TLS from PEM files, read again when they change.

use std::path::Path;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::RootCertStore;
use rustls::ServerConfig as RustlsServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use zeroize::Zeroizing;

use super::ServeError;
use super::config::TlsConfig;
use super::observe;

/// The longest PEM file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// What was in the files when they were last read.
struct Files {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

/// The configuration of TLS as it is now.
pub(crate) struct Tls {
    config: TlsConfig,
    pub(crate) current: RustlsConfig,
    last: parking_lot::Mutex<Files>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`ServeError::Tls`], naming the file.
    pub(crate) fn load(config: &TlsConfig) -> Result<Self, ServeError> {
        let files = Files::read(config)?;
        let current = RustlsConfig::from_config(Arc::new(files.build(config)?));
        Ok(Tls { config: config.clone(), current, last: parking_lot::Mutex::new(files) })
    }

    /// Reads the files again; new connections use what is new in them. Where they cannot be used,
    /// all stays as it is. Answers whether anything changed.
    pub(crate) fn reload(&self) -> Result<bool, ServeError> {
        let loaded = self.read_changed();
        match &loaded {
            Ok(false) => {}
            Ok(true) => {
                metrics::counter!(observe::TLS_RELOADS, "result" => "ok").increment(1);
                tracing::info!(target: "keyfold::server", "read the TLS files again");
            }
            Err(error) => {
                metrics::counter!(observe::TLS_RELOADS, "result" => "failed").increment(1);
                let error: &dyn std::error::Error = error;
                tracing::error!(target: "keyfold::server", error, "the TLS files stay as they were");
            }
        }
        loaded
    }

    fn read_changed(&self) -> Result<bool, ServeError> {
        let files = Files::read(&self.config)?;
        let mut last = self.last.lock();
        if files == *last {
            return Ok(false);
        }
        self.current.reload_from_config(Arc::new(files.build(&self.config)?));
        *last = files;
        Ok(true)
    }
}

impl PartialEq for Files {
    fn eq(&self, other: &Self) -> bool {
        // A key is compared with an older copy of itself, by nobody who could measure it.
        self.certificate == other.certificate
            && *self.key == *other.key
            && self.client_ca == other.client_ca
    }
}

impl Files {
    fn read(config: &TlsConfig) -> Result<Self, ServeError> {
        Ok(Files {
            certificate: read(&config.certificate)?,
            key: Zeroizing::new(read(&config.key)?),
            client_ca: config.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn build(&self, config: &TlsConfig) -> Result<RustlsServerConfig, ServeError> {
        let chain = certificates(&config.certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| ServeError::tls(&config.key, "holds no private key in PEM"))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        // TLS 1.3 and 1.2, the post-quantum key exchange first.
        let builder = RustlsServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| ServeError::tls(&config.certificate, &error.to_string()))?;
        let builder = match (&config.client_ca, &self.client_ca) {
            (Some(path), Some(pem)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path, pem)? {
                    roots
                        .add(certificate)
                        .map_err(|error| ServeError::tls(path, &error.to_string()))?;
                }
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                if !config.require_client_certificate {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier =
                    verifier.build().map_err(|error| ServeError::tls(path, &error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut built = builder
            .with_single_cert(chain, key)
            .map_err(|error| ServeError::tls(&config.certificate, &error.to_string()))?;
        built.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(built)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ServeError> {
    let refused = |error: std::io::Error| ServeError::tls(path, &error.to_string());
    if std::fs::metadata(path).map_err(refused)?.len() > MAX_FILE {
        return Err(ServeError::tls(path, "is longer than 1 MiB"));
    }
    std::fs::read(path).map_err(refused)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(ServeError::tls(path, "holds no certificate in PEM")),
    }
}
