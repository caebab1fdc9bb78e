//! A running gateway and clients of it, for tests.

use std::time::{Duration, Instant};

use mesh::config::{GatewayConfig, RoleConfig};
use mesh::process::Shutdown;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::fake_msg_server::PATIENCE;

/// A gateway in this process, on a free port.
pub struct Gateway {
    pub addr: String,
    pub config: GatewayConfig,
    shutdown: Shutdown,
    running: tokio::task::JoinHandle<Result<(), gateway::GatewayError>>,
}

impl Gateway {
    /// With these msg_servers, a fast beat, and what the test sets beside.
    pub async fn start(servers: &[&str], keys: Value) -> Self {
        let mut file =
            json!({"Listen": "127.0.0.1:0", "UUID": "17000", "BeatTime": 0.2, "MsgServerList": servers});
        file.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let config = GatewayConfig::parse(&file.to_string(), "gateway.json").unwrap().config;
        let listener = TcpListener::bind(config.process.listen).await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let shutdown = Shutdown::new(Duration::from_secs(10));
        let running = tokio::spawn(gateway::run(config.clone(), listener, shutdown.clone()));
        Self { addr, config, shutdown, running }
    }

    /// A client.
    pub async fn connect(&self) -> Client {
        Client(TcpStream::connect(&self.addr).await.unwrap())
    }

    /// A GET: status and body.
    pub async fn http(&self, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.addr).await.unwrap();
        socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// A figure of its own.
    pub async fn figure(&self, name: &str) -> u64 {
        let (_, body) = self.http("/healthz").await;
        let health: Value = serde_json::from_str(&body).unwrap();
        health["Figures"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {body}"))
    }

    /// Waits until a figure has this value.
    pub async fn until(&self, name: &str, value: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let is = self.figure(name).await;
            if is == value {
                return;
            }
            assert!(Instant::now() < deadline, "{name} is {is}, not {value}");
            tokio::task::yield_now().await;
        }
    }

    /// Drains it, and waits until nothing of it runs.
    pub async fn drained(self) {
        self.shutdown.drain();
        timeout(PATIENCE, self.running).await.expect("an end in time").unwrap().unwrap();
        timeout(PATIENCE, self.shutdown.tasks_ended()).await.expect("the end of all tasks in time");
    }
}

/// A client's connection.
pub struct Client(pub TcpStream);

impl Client {
    /// Sends a packet.
    pub async fn send(&mut self, body: &str) {
        let mut frame = (body.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(body.as_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    /// Asks as an old client does.
    pub async fn ask(&mut self) {
        self.send(r#"{"CmdName":"REQ_MSG_SERVER","Args":[]}"#).await;
    }

    /// Asks as a newer client does, and takes the answer.
    pub async fn ask_numbered(&mut self, seq: u64) -> Value {
        self.send(&json!({"CmdName": "REQ_MSG_SERVER", "Args": [], "Seq": seq}).to_string()).await;
        serde_json::from_str(&self.next().await.expect("an answer")).unwrap()
    }

    /// The next frame's body; `None` at the end.
    pub async fn next(&mut self) -> Option<String> {
        timeout(PATIENCE, async {
            let mut length = [0; 4];
            self.0.read_exact(&mut length).await.ok()?;
            let mut body = vec![0; u32::from_be_bytes(length) as usize];
            self.0.read_exact(&mut body).await.ok()?;
            Some(String::from_utf8(body).unwrap())
        })
        .await
        .expect("a frame or an end in time")
    }
}
