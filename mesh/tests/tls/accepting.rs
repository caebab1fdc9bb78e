//! What a port makes of the first bytes of a connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::log;
use crate::papers::Papers;
use crate::port::{Port, echoes, rest, tls_over};

#[tokio::test]
async fn who_speaks_tls_and_who_does_not_are_served_on_one_port() {
    let papers = Papers::new();
    let port = Port::start(&papers.certificate("a", &["localhost", "127.0.0.1"]).config()).await;
    for host in ["localhost", "127.0.0.1"] {
        echoes(&mut port.tls(&papers, host).await.unwrap(), b"sealed").await;
        echoes(&mut port.plain().await, b"plain").await;
    }
    // More than one record, and more than one read.
    let long = (0..300_000_u32).flat_map(u32::to_be_bytes).collect::<Vec<_>>();
    let mut stream = port.tls(&papers, "localhost").await.unwrap();
    for part in long.chunks(100_000) {
        echoes(&mut stream, part).await;
    }
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_sessions_are_resumed_by_tickets() {
    let papers = Papers::new();
    let port = Port::start(&papers.certificate("a", &["localhost"]).config()).await;
    let mut roots = RootCertStore::empty();
    let ca = std::fs::read(papers.ca()).unwrap();
    roots.add(rustls::pki_types::pem::PemObject::from_pem_slice(&ca).unwrap()).unwrap();
    for (version, spoken) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let client = Arc::new(client);
        for resumed in [false, true] {
            let mut stream = tls_over(port.plain().await, Arc::clone(&client), "localhost").await.unwrap();
            echoes(&mut stream, b"hello").await;
            let session = stream.get_ref().1;
            assert_eq!(session.protocol_version(), Some(spoken));
            let kind = format!("{:?}", session.handshake_kind().unwrap());
            assert_eq!(kind == "Resumed", resumed, "{kind}");
        }
    }
}

#[tokio::test]
async fn a_hello_that_comes_byte_by_byte_is_a_hello() {
    let papers = Papers::new();
    let port = Port::start(&papers.certificate("a", &["localhost"]).config()).await;
    let between = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (dialled, address) = (TcpStream::connect(between.local_addr().unwrap()).await.unwrap(), port.address);
    tokio::spawn(async move {
        let mut near = between.accept().await.unwrap().0;
        let mut far = TcpStream::connect(address).await.unwrap();
        far.set_nodelay(true).unwrap();
        copy_bidirectional_with_sizes(&mut near, &mut far, 1, 1).await
    });
    let client = mesh::tls::Authority::read(&papers.ca()).unwrap().client_config().unwrap();
    echoes(&mut tls_over(dialled, client, "localhost").await.unwrap(), b"hello").await;
}

#[tokio::test]
async fn a_hello_that_never_ends_is_closed_in_time() {
    let papers = Papers::new();
    let mut keys = papers.certificate("a", &["localhost"]).config();
    keys["LoginTimeout"] = json!(0.3);
    let port = Port::start(&keys).await;
    // A record of the handshake, of 512 bytes, of which none, or some, come.
    for half in [&[0x16][..], &[0x16, 3, 1, 2, 0], &[0x16, 3, 1, 2, 0, 1, 0, 1]] {
        let mut stream = port.plain().await;
        let begun = Instant::now();
        stream.write_all(half).await.unwrap();
        assert_eq!(rest(&mut stream).await.unwrap(), b"");
        assert!(begun.elapsed() >= Duration::from_millis(300));
    }
}

#[tokio::test]
async fn garbage_where_a_hello_should_be_ends_its_own_connection_only() {
    let papers = Papers::new();
    let port = Port::start(&papers.certificate("a", &["localhost"]).config()).await;
    let mut good = port.tls(&papers, "localhost").await.unwrap();
    let most = [&[0x16, 3, 1, 0x40, 0][..], &[0xff; 1 << 14]].concat();
    for garbage in [&[0x16; 64][..], &[0x16, 3, 1, 0, 4, 1, 2, 3, 4, 5], b"\x16GET / HTTP/1.1\r\n\r\n", &most]
    {
        let mut stream = port.plain().await;
        stream.write_all(garbage).await.unwrap();
        // At most an alert: a record of type 21, and then the end.
        let said = rest(&mut stream).await.unwrap();
        assert!(said.first().is_none_or(|first| *first == 21) && said.len() < 32, "{said:?}");
    }
    echoes(&mut good, b"still here").await;
    echoes(&mut port.tls(&papers, "localhost").await.unwrap(), b"and so are others").await;
}

#[tokio::test]
async fn a_port_without_a_certificate_closes_who_speaks_tls_and_says_what_to_set() {
    let log = log::begin();
    let port = Port::start(&json!({})).await;
    let mut stream = port.plain().await;
    stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await.unwrap();
    assert_eq!(rest(&mut stream).await.unwrap(), b"");
    assert!(log.text().contains("set TlsCertFile and TlsKeyFile"), "{}", log.text());
    echoes(&mut port.plain().await, b"plain").await;
}

#[tokio::test]
async fn a_peer_knows_whether_its_connection_is_secure_before_its_first_frame() {
    let papers = Papers::new();
    let keys = papers.certificate("a", &["localhost"]).config();
    let here = Port::start(&keys).await;
    echoes(&mut here.plain().await, b"from this machine").await;
    assert!(here.secure.load(Ordering::SeqCst));
    let Some(network) = address_in_a_network().await else { return };
    let port = Port::start_on(&format!("{network}:0"), &keys).await;
    echoes(&mut port.plain().await, b"plain").await;
    assert!(!port.secure.load(Ordering::SeqCst));
    echoes(&mut port.tls(&papers, "localhost").await.unwrap(), b"sealed").await;
    assert!(port.secure.load(Ordering::SeqCst));
}

/// An address of this machine that is not loopback, where it has one.
pub async fn address_in_a_network() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").await.ok()?;
    // Nothing is sent: it only tells by which address it would be.
    socket.connect("198.51.100.1:9").await.ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

#[tokio::test]
async fn the_health_of_a_process_is_told_by_tls_too_with_the_end_of_its_certificate() {
    struct Well;
    impl mesh::health::Health for Well {
        fn troubles(&self) -> Vec<String> {
            Vec::new()
        }
        fn figures(&self) -> serde_json::Map<String, serde_json::Value> {
            serde_json::Map::new()
        }
    }
    let papers = Papers::new();
    let process = crate::port::process_config(&papers.certificate_until("a", &["localhost"], 2031).config());
    let identity = mesh::report::Identity::new("router", "20000", "here").showing(&process.certificate);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let shutdown = mesh::process::Shutdown::new(Duration::ZERO);
    tokio::spawn(async move {
        mesh::health::serve(listener, &process, Arc::new(identity), Arc::new(Well), &shutdown).await;
    });
    let client = mesh::tls::Authority::read(&papers.ca()).unwrap().client_config().unwrap();
    let mut stream = tls_over(stream, client, "localhost").await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    assert!(page.contains("shoal_certificate_not_after_seconds{process=\"router\"} 1924992000"), "{page}");
}
