//! An authority and certificates of it, in files: for tests of TLS.
//!
//! Other crates' tests take it in by its path; each uses a part of it.
#![allow(dead_code)]

use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// An authority, and the folder for all files.
pub struct Papers {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// The files of one certificate.
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Pair {
    /// As keys of a config file.
    pub fn config(&self) -> serde_json::Value {
        serde_json::json!({ "TlsCertFile": self.certificate, "TlsKeyFile": self.key })
    }
}

impl Papers {
    /// A new authority.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority for tests");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Self { folder, authority }
    }

    /// The authority's own certificate.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for these hosts that is good for long, with its key: `name.pem` and `name.key`.
    pub fn certificate(&self, name: &str, hosts: &[&str]) -> Pair {
        self.certificate_until(name, hosts, 2100)
    }

    /// The same, that ends with the beginning of `year`.
    pub fn certificate_until(&self, name: &str, hosts: &[&str], year: i32) -> Pair {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let pair =
            Pair { certificate: self.path(&format!("{name}.pem")), key: self.path(&format!("{name}.key")) };
        write(&pair.certificate, certificate.pem()).unwrap();
        write(&pair.key, key.serialize_pem()).unwrap();
        set_permissions(&pair.key, Permissions::from_mode(0o600)).unwrap();
        pair
    }
}
