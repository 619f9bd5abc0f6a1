//! The collector as known at the start: its address, its certificates and the form of requests.

use std::{
    fs, io,
    net::{SocketAddr, ToSocketAddrs as _},
    path::Path,
    sync::Arc,
};

use thiserror::Error;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use super::{
    endpoint::Endpoint,
    settings::{SettingError, Settings},
};

/// The collector cannot be used.
#[derive(Debug, Error)]
pub enum TargetError {
    /// An environment variable is wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The name has no address.
    #[error("{endpoint} has no address: check the name, and whether this host can look up others")]
    Unresolved {
        /// The URL.
        endpoint: Endpoint,
        /// The resolver's reason.
        #[source]
        source: io::Error,
    },
    /// The name cannot be in a certificate.
    #[error("{0} has no name that a certificate could be for: give the name that is in its certificate")]
    Name(Endpoint),
    /// The file of certificates cannot be used.
    #[error("{path} has no certificates in PEM: give another file in OTEL_EXPORTER_OTLP_CERTIFICATE")]
    Certificates {
        /// The path, escaped.
        path: String,
        /// The reason, if reading failed.
        #[source]
        source: Option<io::Error>,
    },
    /// No certificate is trusted.
    #[error(
        "this host trusts no certificates: install ca-certificates, or give a file in OTEL_EXPORTER_OTLP_CERTIFICATE"
    )]
    NoRoots,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] tokio_rustls::rustls::Error),
}

/// TLS settings, and the name that the collector must prove.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// A collector to which records can be exported.
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) endpoint: Endpoint,
    pub(super) settings: Settings,
    /// Its current addresses.
    pub(super) addresses: Vec<SocketAddr>,
    /// `None` without TLS.
    pub(super) tls: Option<Tls>,
}

impl Target {
    /// Reads the environment and certificates, and looks up the collector.
    ///
    /// # Errors
    /// When an environment variable is wrong, the name is unknown, or there are no certificates.
    pub fn prepare(endpoint: &Endpoint) -> Result<Self, TargetError> {
        let settings = Settings::read()?;
        let unresolved = |source| TargetError::Unresolved { endpoint: endpoint.clone(), source };
        let addresses: Vec<_> =
            (endpoint.host.as_str(), endpoint.port).to_socket_addrs().map_err(unresolved)?.collect();
        let tls = if endpoint.tls { Some(Tls::new(endpoint, settings.certificate.as_deref())?) } else { None };
        Ok(Self { endpoint: endpoint.clone(), settings, addresses, tls })
    }
}

impl Tls {
    fn new(endpoint: &Endpoint, file: Option<&Path>) -> Result<Self, TargetError> {
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| TargetError::Name(endpoint.clone()))?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(match file {
            Some(path) => of_file(path)?,
            None => rustls_native_certs::load_native_certs().certs,
        });
        if roots.is_empty() {
            return Err(match file {
                Some(path) => no_certificates(path, None),
                None => TargetError::NoRoots,
            });
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TargetError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name })
    }
}

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let pem = fs::read(path).map_err(|source| no_certificates(path, Some(source)))?;
    CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| no_certificates(path, None))
}

fn no_certificates(path: &Path, source: Option<io::Error>) -> TargetError {
    let path = tcptrace_core::text::Escaped(path.as_os_str().as_encoded_bytes()).to_string();
    TargetError::Certificates { path, source }
}
