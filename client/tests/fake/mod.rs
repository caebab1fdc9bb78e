//! A mesh that does what a test says: a gateway that names one server, and a server whose end of each connection
//! the test plays, packet by packet.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use client::{Client, Event, Events, Options, Timings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Nothing that a test waits for takes longer.
const DEADLINE: Duration = Duration::from_secs(20);

pub struct FakeMesh {
    pub gateway: String,
    server: TcpListener,
}

impl FakeMesh {
    pub async fn start() -> Self {
        Self::with_gateway_answers(Vec::new()).await
    }

    /// The gateway gives these answers first.
    pub async fn with_gateway_answers(mut first: Vec<Value>) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let named = json!({"CmdName": "OK", "Args": [], "Addr": server.local_addr().unwrap().to_string()});
        let address = gateway.local_addr().unwrap().to_string();
        first.reverse();
        tokio::spawn(async move {
            while let Ok((stream, _)) = gateway.accept().await {
                let mut connection = Connection { stream };
                let Some(asked) = connection.next().await else { continue };
                assert_eq!(asked["CmdName"], "REQ_MSG_SERVER");
                let answer = first.pop().unwrap_or_else(|| named.clone());
                connection.answer(&asked, answer).await;
            }
        });
        Self { gateway: address, server }
    }

    pub async fn accept(&self) -> Connection {
        let (stream, _) = timeout(DEADLINE, self.server.accept()).await.expect("a connection").unwrap();
        Connection { stream }
    }

    pub fn options(&self) -> Options {
        let mut options = Options::new(self.gateway.clone(), "amy".parse().unwrap());
        options.timings = Timings { ack: Duration::from_millis(20), ..Timings::default() };
        options
    }

    /// A client that is logged in, and the server's end of its connection.
    pub async fn connected(&self, options: Options, logs: Value) -> (Client, Events, Connection) {
        let (client, mut events) = Client::connect(options).unwrap();
        let mut connection = self.accept().await;
        connection.login(logs).await;
        assert!(matches!(events.next().await, Some(Event::Connected { .. })));
        (client, events, connection)
    }
}

pub struct Connection {
    pub stream: TcpStream,
}

impl Connection {
    /// The next packet; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Value> {
        let length = timeout(DEADLINE, self.stream.read_u32()).await.expect("a packet").ok()?;
        let mut body = vec![0; length as usize];
        self.stream.read_exact(&mut body).await.ok()?;
        Some(serde_json::from_slice(&body).unwrap())
    }

    /// The next packet of this name; pings are answered, acknowledgements too.
    pub async fn expect(&mut self, name: &str) -> Value {
        loop {
            let packet = self.next().await.unwrap_or_else(|| panic!("the connection ended before {name}"));
            match packet["CmdName"].as_str() {
                Some(found) if found == name => return packet,
                Some("SEND_PING" | "ACK" | "READ") => self.answer(&packet, json!({"CmdName": "OK"})).await,
                _ => panic!("{packet} came before {name}"),
            }
        }
    }

    pub async fn send(&mut self, packet: Value) {
        self.stream.write_all(&encoded(&packet)).await.unwrap();
    }

    pub async fn answer(&mut self, asked: &Value, mut answer: Value) {
        answer["Seq"] = asked["Seq"].clone();
        self.send(answer).await;
    }

    /// Answers login and resume; gives what the client resumed from.
    pub async fn login(&mut self, logs: Value) -> Value {
        let login = self.expect("SEND_CLIENT_ID").await;
        assert_eq!(login["Args"], json!(["amy"]));
        self.answer(&login, json!({"CmdName": "OK", "Logs": logs})).await;
        let resume = self.expect("RESUME").await;
        self.answer(&resume, json!({"CmdName": "OK"})).await;
        resume["Logs"].clone()
    }

    /// Answers a send with this version of amy's inbox.
    pub async fn store(&mut self, version: u64) -> Value {
        let sent = self.expect("SEND_MESSAGE_P2P").await;
        let ok = json!({"CmdName": "OK", "Log": "u/amy", "Version": version, "Time": 1_750_000_000_000u64});
        self.answer(&sent, ok).await;
        sent
    }
}

pub fn encoded(packet: &Value) -> Vec<u8> {
    let body = packet.to_string();
    let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(body.into_bytes());
    bytes
}

/// Amy's inbox, as login lists it.
pub fn inbox(cursor: u64, head: u64) -> Value {
    json!([{"Log": "u/amy", "First": 1, "Head": head, "Cursor": cursor, "Read": 0}])
}

/// A message from bob.
pub fn from_bob(version: u64, text: &str) -> Value {
    json!({"CmdName": "RESP_MESSAGE_P2P", "Args": [text, "bob", "uuid"], "Log": "u/amy", "Version": version,
        "MsgId": format!("bob-{version}"), "Time": 1_750_000_000_000u64})
}

/// The texts of the next messages.
pub async fn texts(events: &mut Events, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let event = timeout(DEADLINE, events.next()).await.expect("an event").expect("not the end");
        if let Event::Message(message) = event {
            texts.push(message.text_lossy().into_owned());
        }
    }
    texts
}

/// The next event that is not a message.
pub async fn news(events: &mut Events) -> Option<Event> {
    loop {
        match timeout(DEADLINE, events.next()).await.expect("an event") {
            Some(Event::Message(_)) => {}
            other => return other,
        }
    }
}
