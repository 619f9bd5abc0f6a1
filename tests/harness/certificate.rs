//! A certificate for TLS on loopback that is trusted only on request.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tempfile::TempDir;

use crate::process::output;

/// A self-signed certificate for 127.0.0.1.
pub struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// Creates a certificate.
    #[track_caller]
    pub fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "2", "-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1"]);
        // The default is that of a CA, which rustls does not accept as a server's.
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-keyout").arg(folder.path().join("key.pem")).arg("-out").arg(folder.path().join("cert.pem"));
        output(&mut openssl);
        Self { folder }
    }

    /// Returns the file of the certificate, in PEM.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Returns the configuration of a server that presents it.
    #[track_caller]
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let pem = |path: &Path| std::fs::read(path).expect("a file");
        let certificate = CertificateDer::from_pem_slice(&pem(&self.path())).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(&pem(&self.folder.path().join("key.pem"))).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        Arc::new(config.expect("the key is the certificate's"))
    }
}
