//! Links over TLS: dialled with an authority, accepted on a port with a certificate.

use std::sync::Arc;
use std::time::Duration;

use mesh::config::{AuthMode, LinkConfig, Role, RoleConfig, RouterConfig};
use mesh::connection::{Close, Peer};
use mesh::link::{self, Dial, LinkHandler, LinkId, Listening, Secrecy, dial_all, each_frame};
use mesh::outbox::{Outbox, Turn};
use mesh::process::Shutdown;
use mesh::tls::Certificate;
use protocol::channel::Channel;
use protocol::command::{Packet, name};
use protocol::link::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::PATIENCE;
use crate::accepting::address_in_a_network;
use crate::log;
use crate::papers::Papers;
use crate::port::{process_config, serve};

/// A secret, so that links may come from everywhere.
const SECRET: &str = "a secret of the mesh";

/// The end of a link at a msg_server that answers each report.
struct Answering {
    secrecy: Secrecy,
    certificate: Certificate,
    outbox: Arc<Outbox>,
    listening: Option<Listening>,
}

impl Answering {
    fn packet(&mut self, packet: &Packet<'_>, turn: &mut Turn) -> Result<(), Close> {
        let answer = match &*packet.cmd_name {
            name::LINK_HELLO => {
                let address = "192.0.2.8:4711".parse().unwrap();
                link::admit(&self.secrecy, &self.certificate, address, &self.outbox)?;
                let (listening, challenge) = Listening::begin(&self.secrecy, packet, "192.0.2.9:19000")?;
                self.listening = Some(listening);
                challenge
            }
            name::LINK_PROOF => {
                self.listening.take().unwrap().prove(&self.secrecy, packet, AuthMode::Open)?.1
            }
            _ => return Ok(()),
        };
        self.outbox.push(answer, turn).map_err(|error| Close::silently(error.to_string()))
    }
}

impl Peer for Answering {
    fn received(&mut self, input: &[u8], turn: &mut Turn) -> Result<usize, Close> {
        each_frame(input, link::MAX_FRAME_BYTES, |body, whole| match Frame::parse(body).unwrap() {
            Frame::Packet(body) => self.packet(&Packet::parse(body).unwrap(), turn),
            _ => {
                let answer = bytes::Bytes::copy_from_slice(whole);
                self.outbox.push(answer, turn).map_err(|error| Close::silently(error.to_string()))
            }
        })
    }
}

/// The other end: says that it is up, and what it heard.
struct Telling(UnboundedSender<String>);

impl LinkHandler for Telling {
    fn up(&mut self, _: LinkId, outbox: &Arc<Outbox>, _: &mut Turn) {
        let _ = self.0.send(format!("up, secure: {}", outbox.is_secure()));
    }

    fn frame(&mut self, frame: Frame<'_>, _: &[u8], _: &mut Turn) -> Result<(), Close> {
        if let Frame::Report(json) = frame {
            let _ = self.0.send(String::from_utf8_lossy(json).into_owned());
        }
        Ok(())
    }

    fn report(&self) -> Vec<u8> {
        b"{}".to_vec()
    }

    fn down(&mut self, _: &mut Turn) {}
}

/// A port that takes links, on `address`, with these keys.
async fn port(address: &str, keys: &Value) -> (String, Shutdown) {
    let process = process_config(keys);
    let certificate = process.certificate.clone();
    let (address, shutdown) = serve(address, process, 1 << 20, move |outbox| Answering {
        secrecy: secrecy(),
        certificate: certificate.clone(),
        outbox: Arc::clone(outbox),
        listening: None,
    })
    .await;
    (address.to_string(), shutdown)
}

fn secrecy() -> Secrecy {
    let keys = json!({ "MeshSecret": SECRET }).to_string();
    let LinkConfig { mesh_secret, .. } = RouterConfig::parse(&keys, "f").unwrap().config.links;
    Secrecy::new(mesh_secret)
}

/// Dials `server` for as long as what is returned lives; what the link says comes there.
fn dial(server: &str, mut keys: Value) -> (UnboundedReceiver<String>, Shutdown) {
    keys["MsgServerList"] = json!([server]);
    keys["MeshSecret"] = json!(SECRET);
    let config = RouterConfig::parse(&keys.to_string(), "router.json").unwrap().config;
    let dial = Dial::new(Role::Router, &config.process, config.links(), &config.dial, &[Channel::Monitor]);
    let ((say, told), shutdown) = (unbounded_channel(), Shutdown::new(Duration::ZERO));
    tokio::spawn(dial_all(dial, shutdown.clone(), move |_| Telling(say.clone())));
    (told, shutdown)
}

async fn told(from: &mut UnboundedReceiver<String>) -> String {
    timeout(PATIENCE, from.recv()).await.expect("news of the link in time").unwrap()
}

/// Waits until the log says why there is no link.
async fn is_refused(server: &str, keys: Value, why: &[&str]) {
    let log = log::begin();
    let (mut told, shutdown) = dial(server, keys);
    let said = async {
        while !why.iter().all(|part| log.text().contains(part)) {
            tokio::task::yield_now().await;
        }
    };
    if timeout(PATIENCE, said).await.is_err() {
        panic!("{why:?} is not in {}", log.text());
    }
    assert!(told.try_recv().is_err());
    shutdown.cancel();
}

#[tokio::test]
async fn with_an_authority_links_speak_tls() {
    let papers = Papers::new();
    let address = address_in_a_network().await.map_or("127.0.0.1:0".into(), |ip| format!("{ip}:0"));
    let host = address.rsplit_once(':').unwrap().0;
    let (server, _port) = port(&address, &papers.certificate("b", &[host]).config()).await;
    let (mut link, shutdown) = dial(&server, json!({ "TlsCaFile": papers.ca() }));
    assert_eq!(told(&mut link).await, "up, secure: true");
    assert_eq!(told(&mut link).await, "{}");
    shutdown.cancel();
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_makes_no_link_and_the_log_says_why() {
    let (papers, others) = (Papers::new(), Papers::new());
    let (server, _port) = port("127.0.0.1:0", &papers.certificate("a", &["127.0.0.1"]).config()).await;
    is_refused(
        &server,
        json!({ "TlsCaFile": others.ca() }),
        &["link is down", "signed by none of those in TlsCaFile"],
    )
    .await;
    let by_name = server.replace("127.0.0.1", "localhost");
    is_refused(
        &by_name,
        json!({ "TlsCaFile": papers.ca() }),
        &["link is down", "valid for the host by which it is dialled"],
    )
    .await;
    let (server, _port) =
        port("127.0.0.1:0", &papers.certificate_until("old", &["127.0.0.1"], 2021).config()).await;
    is_refused(&server, json!({ "TlsCaFile": papers.ca() }), &["link is down", "has to be renewed"]).await;
}

#[tokio::test]
async fn a_msg_server_without_a_certificate_takes_no_link_that_wants_tls() {
    let papers = Papers::new();
    let (server, _port) = port("127.0.0.1:0", &json!({})).await;
    is_refused(
        &server,
        json!({ "TlsCaFile": papers.ca() }),
        &["closed in the handshake of TLS", "TlsCertFile"],
    )
    .await;
}

#[tokio::test]
async fn a_plain_link_is_taken_from_this_machine_and_from_no_other_where_there_is_a_certificate() {
    let papers = Papers::new();
    let keys = papers.certificate("a", &["localhost"]).config();
    let (server, _port) = port("127.0.0.1:0", &keys).await;
    let (mut link, _dialling) = dial(&server, json!({}));
    assert_eq!(told(&mut link).await, "up, secure: true");
    let Some(network) = address_in_a_network().await else { return };
    let (server, _port) = port(&format!("{network}:0"), &keys).await;
    // Both logs are in this one: of who refuses, and of who is refused.
    is_refused(&server, json!({}), &["a link is refused", "link is down: a link with", "set TlsCaFile"])
        .await;
    let (server, _port) = port(&format!("{network}:0"), &json!({})).await;
    let (mut link, _dialling) = dial(&server, json!({}));
    assert_eq!(told(&mut link).await, "up, secure: false");
}
