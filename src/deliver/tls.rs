//! TLS of deliveries: whom we trust, who we are, and what to tell people when it fails.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use crate::model::TlsKeys;

/// The certificates this machine trusts, or Mozilla's where it has none.
pub(super) fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    tracing::debug!(added, ignored, errors = found.errors.len(), "root certificates loaded");
    roots
}

/// How to speak TLS with `roots` trusted and a webhook's own `keys`. HTTP/2 is offered. `Err` says which key cannot be used.
pub(super) fn config(mut roots: RootCertStore, keys: &TlsKeys) -> Result<Arc<ClientConfig>, String> {
    if let Some(pem) = &keys.ca {
        for certificate in certificates("tls.ca", pem)? {
            roots.add(certificate).map_err(|error| format!("tls.ca cannot be used: {error}"))?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?
        .with_root_certificates(roots);
    let mut config = match &keys.client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = certificates("tls.client_cert", chain)?;
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                .map_err(|_| "tls.client_key holds no private key in PEM form".to_owned())?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("tls.client_cert and tls.client_key cannot be used: {error}"))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    read.map_err(|_| format!("{what} holds no certificate in PEM form"))
}

/// What rustls says inside an error; it hides in io errors, which are no links of the chain.
pub(super) fn inside<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = cause;
    while let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause = inner;
    }
    cause.downcast_ref::<rustls::Error>()
}

/// For people: what was wrong and what to do.
pub(super) fn explain(error: &rustls::Error) -> String {
    use AlertDescription as Alert;
    let text = match error {
        rustls::Error::InvalidCertificate(fault) => return certificate(fault),
        rustls::Error::AlertReceived(Alert::CertificateRequired) => {
            "it asks for a client certificate: name one in tls.client_cert and tls.client_key"
        }
        rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
        ) => return format!("it does not accept our client certificate ({error})"),
        rustls::Error::AlertReceived(Alert::ProtocolVersion) | rustls::Error::PeerIncompatible(_) => {
            return format!("it refused the handshake: no version or cipher in common ({error})");
        }
        rustls::Error::AlertReceived(_) => return format!("it refused the handshake ({error})"),
        rustls::Error::InvalidMessage(_) => "what answers there does not speak TLS: should the URL begin with http://?",
        _ => return error.to_string(),
    };
    text.to_owned()
}

fn certificate(fault: &CertificateError) -> String {
    use CertificateError as Fault;
    match fault {
        Fault::UnknownIssuer => {
            "its certificate is signed by nobody this machine trusts: if that is right, name its CA in tls.ca"
                .to_owned()
        }
        Fault::Expired | Fault::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this machine's clock is wrong".to_owned()
        }
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        Fault::Revoked => "its certificate was revoked".to_owned(),
        other => format!("its certificate cannot be used: {other}"),
    }
}
