//! Certificates in files: what is refused, and what is exchanged while a port is open.

use std::fs::{Permissions, copy, set_permissions, write};
use std::os::unix::fs::PermissionsExt;

use mesh::config::{RoleConfig, RouterConfig};
use mesh::tls::{Authority, Certificate};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::papers::Papers;
use crate::port::{Port, echoes};

/// What is wrong with these keys of a config.
fn mistakes(keys: &Value) -> String {
    RouterConfig::parse(&keys.to_string(), "router.json").unwrap_err().to_string()
}

#[track_caller]
fn is_told(keys: &Value, parts: &[&str]) {
    let told = mistakes(keys);
    assert!(told.starts_with("router.json: 1 mistake\n"), "{told}");
    for part in parts {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[test]
fn files_that_do_not_serve_are_named_with_the_cause_and_what_to_do() {
    let papers = Papers::new();
    let (pair, other) = (papers.certificate("a", &["localhost"]), papers.certificate("b", &["localhost"]));
    let (certificate, key) = (&pair.certificate, &pair.key);
    assert!(RouterConfig::parse(&pair.config().to_string(), "f").is_ok());
    is_told(
        &json!({"TlsCertFile": certificate}),
        &["1:16: TlsCertFile", "TlsKeyFile is not", "set TlsKeyFile too"],
    );
    is_told(&json!({"TlsKeyFile": key}), &["TlsCertFile is not"]);
    let none = papers.path("none.pem");
    is_told(
        &json!({"TlsCertFile": none, "TlsKeyFile": key}),
        &["TlsCertFile", "none.pem", "cannot be read: No such"],
    );
    is_told(&json!({"TlsCertFile": key, "TlsKeyFile": key}), &["TlsCertFile", "has no certificate in it"]);
    is_told(
        &json!({"TlsCertFile": certificate, "TlsKeyFile": certificate}),
        &["TlsKeyFile", "is open to others"],
    );
    is_told(
        &json!({"TlsCertFile": certificate, "TlsKeyFile": other.key}),
        &["TlsKeyFile", "is not the key of the certificate"],
    );
    is_told(&json!({"TlsCaFile": key}), &["TlsCaFile", "has no certificate in it"]);
    let broken = papers.path("broken.pem");
    write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    is_told(&json!({"TlsCertFile": broken, "TlsKeyFile": key}), &["broken.pem", "cannot be used"]);
    is_told(&json!({"TlsCaFile": broken}), &["TlsCaFile", "cannot be used"]);
    set_permissions(key, Permissions::from_mode(0o640)).unwrap();
    is_told(&pair.config(), &["TlsKeyFile", "mode 640", "run: chmod 600 "]);
    set_permissions(key, Permissions::from_mode(0o600)).unwrap();
    write(key, "no key").unwrap();
    is_told(&pair.config(), &["TlsKeyFile", "has no private key in it"]);
}

/// The certificate that a new connection is shown.
async fn shown(port: &Port, papers: &Papers) -> CertificateDer<'static> {
    let stream = port.tls(papers, "localhost").await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_a_bad_one_to_nobody() {
    let papers = Papers::new();
    let pair = papers.certificate_until("a", &["localhost"], 2050);
    let port = Port::start(&pair.config()).await;
    let certificate = &port.process.certificate;
    let (old, end) = (shown(&port, &papers).await, certificate.not_after());
    let mut standing = port.tls(&papers, "localhost").await.unwrap();
    echoes(&mut standing, b"before").await;

    let new = papers.certificate_until("b", &["localhost"], 2060);
    copy(&new.certificate, &pair.certificate).unwrap();
    let error = certificate.load().unwrap_err().to_string();
    assert!(error.contains("is not the key of the certificate"), "{error}");
    assert_eq!((shown(&port, &papers).await, certificate.not_after()), (old.clone(), end));

    copy(&new.key, &pair.key).unwrap();
    certificate.load().unwrap();
    assert_ne!(shown(&port, &papers).await, old);
    assert!(certificate.not_after() > end);
    echoes(&mut standing, b"as before").await;
}

#[test]
fn what_is_read_from_files_says_whether_it_is_there() {
    let papers = Papers::new();
    let pair = papers.certificate_until("a", &["localhost"], 2031);
    let certificate = Certificate::read(&pair.certificate, &pair.key).unwrap();
    assert_eq!((certificate.is_there(), certificate.not_after()), (true, Some(1_924_992_000)));
    assert!(Authority::read(&papers.ca()).unwrap().is_there());
    let none = RouterConfig::parse("{}", "f").unwrap().config;
    assert!(!none.process.certificate.is_there() && none.process.certificate.server_config().is_none());
    assert!(!none.dial.authority.is_there() && none.dial.authority.client_config().is_none());
}
