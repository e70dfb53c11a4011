//! Whom we trust, and who we are.

use std::sync::Arc;

use keyfold::{Error, ErrorCode, Result};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::http::HttpOptions;

/// TLS 1.2 and 1.3 with the platform's trust, its own provider of cryptography whatever the
/// process has installed.
pub(crate) fn config(options: &HttpOptions) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let wrong = |error: rustls::Error| {
        Error::new(ErrorCode::InvalidArgument, format!("TLS cannot be set up: {error}"))
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(wrong)?;
    let extra = match &options.extra_ca_pem {
        Some(pem) => certificates(pem, "the additional certificate authorities")?,
        None => Vec::new(),
    };
    let builder = match verifier(extra, provider) {
        Ok(Some(verifier)) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        // A machine without certificate authorities trusts nobody; what needs no TLS goes on.
        Ok(None) => builder.with_root_certificates(RootCertStore::empty()),
        Err(error) => return Err(wrong(error)),
    };
    let mut config = match &options.client_certificate_pem {
        Some(pem) => {
            let chain = certificates(pem.expose(), "the client certificate")?;
            let key = PrivateKeyDer::from_pem_slice(pem.expose())
                .map_err(|_| invalid("the client certificate has no private key beside it"))?;
            builder.with_client_auth_cert(chain, key).map_err(wrong)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The platform's trust and what is added to it; `None` where the platform has none.
fn verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Verifier>, rustls::Error> {
    if extra.is_empty() {
        return Ok(Verifier::new(provider).ok());
    }
    #[cfg(not(target_os = "android"))]
    {
        Verifier::new_with_extra_roots(extra, provider).map(Some)
    }
    #[cfg(target_os = "android")]
    {
        Err(rustls::Error::General("Android takes its certificate authorities itself".into()))
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(invalid(&format!("{what} are not certificates in PEM"))),
    }
}

fn invalid(detail: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, detail.to_owned())
}

/// What went wrong with TLS, in words without a name or an address.
pub(crate) fn explain(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            C::Expired | C::ExpiredContext { .. } => "the server's certificate has expired",
            C::NotValidYet | C::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet"
            }
            C::NotValidForName | C::NotValidForNameContext { .. } => {
                "the server's certificate is for another name"
            }
            C::Revoked => "the server's certificate is revoked",
            C::UnknownIssuer => "the server's certificate is of an authority that is not trusted",
            _ => "the server's certificate is not valid",
        },
        rustls::Error::AlertReceived(_) => "the server broke off the TLS handshake",
        _ => "the TLS handshake failed",
    }
}
