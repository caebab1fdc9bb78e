//! A newer client: it numbers its requests, and keeps apart what answers them and what is pushed.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::wire::Wire;
use crate::wait::{PATIENCE, eventually};

/// A session of a newer client.
#[derive(Debug)]
pub struct NewClient {
    wire: Wire,
    last_seq: u64,
    answers: VecDeque<Value>,
    pushes: VecDeque<Value>,
    /// The `Logs` of the login's answer; null before it.
    pub logs: Value,
}

impl NewClient {
    /// Connects to a gateway or a msg_server.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(Wire::connect(address).await)
    }

    /// Over a connection that stands.
    pub fn over(wire: Wire) -> Self {
        Self { wire, last_seq: 0, answers: VecDeque::new(), pushes: VecDeque::new(), logs: Value::Null }
    }

    /// Connects to a msg_server and logs in, as the device `default`.
    pub async fn login(address: SocketAddr, user: &str) -> Self {
        Self::login_as(address, user, "default").await
    }

    /// Connects to a msg_server and logs in as this device.
    pub async fn login_as(address: SocketAddr, user: &str, device: &str) -> Self {
        let mut client = Self::connect(address).await;
        client.logs =
            client.ok_with("SEND_CLIENT_ID", &[user], json!({"Device": device})).await["Logs"].take();
        client
    }

    /// Logs in and resumes every log from its head.
    pub async fn attach(address: SocketAddr, user: &str) -> Self {
        let mut client = Self::login(address, user).await;
        client.resume(json!({})).await;
        client
    }

    /// Logs in as this device and resumes from the versions in `logs`.
    pub async fn attach_as(address: SocketAddr, user: &str, device: &str, logs: Value) -> Self {
        let mut client = Self::login_as(address, user, device).await;
        client.resume(logs).await;
        client
    }

    /// Asks a gateway for a msg_server.
    pub async fn ask_gateway(address: SocketAddr) -> Value {
        Self::connect(address).await.request("REQ_MSG_SERVER", &[]).await
    }

    /// Sends a request with these further keys; gives its `Seq`.
    pub async fn send_with(&mut self, command: &str, args: &[&str], keys: Value) -> u64 {
        self.last_seq += 1;
        let mut packet = json!({"CmdName": command, "Args": args, "Seq": self.last_seq});
        let keys = keys.as_object().cloned().unwrap_or_default();
        packet.as_object_mut().expect("an object").extend(keys);
        self.wire.send(packet.to_string().as_bytes()).await;
        self.last_seq
    }

    /// Sends a request; gives its `Seq`.
    pub async fn send(&mut self, command: &str, args: &[&str]) -> u64 {
        self.send_with(command, args, Value::Null).await
    }

    /// Sends a request with further keys, and waits for its answer: `OK` or `ERROR`.
    pub async fn request_with(&mut self, command: &str, args: &[&str], keys: Value) -> Value {
        let seq = self.send_with(command, args, keys).await;
        self.answer(seq).await
    }

    /// Sends a request, and waits for its answer: `OK` or `ERROR`.
    pub async fn request(&mut self, command: &str, args: &[&str]) -> Value {
        self.request_with(command, args, Value::Null).await
    }

    /// Sends a request with further keys, which has to be answered with `OK`.
    pub async fn ok_with(&mut self, command: &str, args: &[&str], keys: Value) -> Value {
        let answer = self.request_with(command, args, keys).await;
        assert_eq!(answer["CmdName"], "OK", "{command} {args:?}: {answer}");
        answer
    }

    /// Sends a request, which has to be answered with `OK`.
    pub async fn ok(&mut self, command: &str, args: &[&str]) -> Value {
        self.ok_with(command, args, Value::Null).await
    }

    /// Sends a request with further keys, which has to be refused with this code; gives the `ERROR`.
    pub async fn refused_with(&mut self, code: u64, command: &str, args: &[&str], keys: Value) -> Value {
        let answer = self.request_with(command, args, keys).await;
        let ours = answer["CmdName"] == "ERROR" && answer["Code"] == code;
        assert!(ours, "{command} {args:?} is refused with {code}: {answer}");
        answer
    }

    /// Sends a request, which has to be refused with this code; gives the `ERROR`.
    pub async fn refused(&mut self, code: u64, command: &str, args: &[&str]) -> Value {
        self.refused_with(code, command, args, Value::Null).await
    }

    /// `RESUME` from these versions by log.
    pub async fn resume(&mut self, logs: Value) {
        self.ok_with("RESUME", &[], json!({"Logs": logs})).await;
    }

    /// Sends a durable p2p message, and waits until it is stored; gives its version in the own inbox.
    pub async fn send_p2p(&mut self, to: &str, text: &str, id: &str) -> u64 {
        let ok = self.ok_with("SEND_MESSAGE_P2P", &[to, text], json!({"MsgId": id})).await;
        ok["Version"].as_u64().expect("a version")
    }

    /// Sends a durable message to a topic, and waits until it is stored; gives its version.
    pub async fn send_topic(&mut self, topic: &str, text: &str, id: &str) -> u64 {
        let ok = self.ok_with("SEND_MESSAGE_TOPIC", &[topic, text], json!({"MsgId": id})).await;
        ok["Version"].as_u64().expect("a version")
    }

    /// Waits until `user` is told to be online.
    pub async fn sees_online(&mut self, user: &str) {
        self.sees(user, true).await;
    }

    /// Waits until `user` is told to be offline.
    pub async fn sees_offline(&mut self, user: &str) {
        self.sees(user, false).await;
    }

    async fn sees(&mut self, user: &str, online: bool) {
        eventually(&format!("{user} is online: {online}"), async || {
            let told = self.request("PRESENCE", &[user]).await;
            (told["Online"][user] == online).then_some(())
        })
        .await;
    }

    /// The answer to a request; what comes before it is kept.
    ///
    /// # Panics
    /// If the connection is closed instead, or nothing comes in time.
    pub async fn answer(&mut self, seq: u64) -> Value {
        loop {
            if let Some(at) = self.answers.iter().position(|answer| answer["Seq"] == seq) {
                return self.answers.remove(at).expect("an answer");
            }
            let packet = self.read().await;
            self.sort(packet);
        }
    }

    /// The next packet that is no answer.
    ///
    /// # Panics
    /// If the connection is closed instead, or nothing comes in time.
    pub async fn push(&mut self) -> Value {
        loop {
            if let Some(push) = self.pushes.pop_front() {
                return push;
            }
            let packet = self.read().await;
            self.sort(packet);
        }
    }

    /// The next packet that is no answer and for which `wanted` holds; others before it are dropped.
    pub async fn push_where(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let push = self.push().await;
            if wanted(&push) {
                return push;
            }
        }
    }

    /// The texts of the next `count` messages of a log, which have to come in version order without a hole and without
    /// anything between them.
    pub async fn texts(&mut self, log: &str, count: usize) -> Vec<String> {
        let mut texts = Vec::with_capacity(count);
        let mut last = None;
        while texts.len() < count {
            let push = self.push().await;
            assert_eq!(push["Log"], log, "{push}");
            let version = push["Version"].as_u64().expect("a version");
            assert!(last.is_none_or(|last| version == last + 1), "after version {last:?} comes {push}");
            last = Some(version);
            texts.push(text(&push).to_owned());
        }
        texts
    }

    /// What was pushed and not taken yet; waits for nothing.
    pub fn pushed_meanwhile(&mut self) -> Vec<Value> {
        self.pushes.drain(..).collect()
    }

    /// Has every packet before this moment come: what the server queued is here, and can be taken at once.
    pub async fn fence(&mut self) {
        self.ok("SEND_PING", &[]).await;
    }

    /// Waits until the server ends the session; gives the code of its `DISCONNECT`, if there was one.
    pub async fn disconnected(&mut self) -> Option<u64> {
        let mut code = None;
        while let Some(body) = self.wire.frame().await {
            let packet = json_of(&body);
            assert_eq!(code, None, "DISCONNECT is the last packet: {packet}");
            if packet["CmdName"] == "DISCONNECT" {
                assert_eq!(packet["Args"].as_array().map(Vec::len), Some(3), "{packet}");
                code = packet["Code"].as_u64();
            } else {
                self.sort(packet);
            }
        }
        code
    }

    /// The next packet, whatever it is, however long it takes; `None` where the connection was closed. May be dropped
    /// while it waits.
    pub async fn next(&mut self) -> Option<Value> {
        self.wire.next().await.map(|body| json_of(&body))
    }

    /// The connection itself.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    async fn read(&mut self) -> Value {
        let read = timeout(PATIENCE, self.wire.next()).await;
        let read = read.unwrap_or_else(|_| panic!("nothing came; not taken yet: {:?}", self.pushes));
        json_of(
            &read.unwrap_or_else(|| panic!("the connection was closed; not taken yet: {:?}", self.pushes)),
        )
    }

    fn sort(&mut self, packet: Value) {
        let is_answer = packet["CmdName"] == "OK" || packet["CmdName"] == "ERROR";
        if is_answer { self.answers.push_back(packet) } else { self.pushes.push_back(packet) }
    }
}

/// The text of a pushed message.
pub fn text(push: &Value) -> &str {
    let at = if push["CmdName"] == "RESP_MESSAGE_TOPIC" { 1 } else { 0 };
    push["Args"][at].as_str().unwrap_or_else(|| panic!("no message: {push}"))
}

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body)
        .unwrap_or_else(|error| panic!("no JSON: {error}: {}", String::from_utf8_lossy(body)))
}
