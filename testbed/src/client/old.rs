//! A client of the field: it numbers nothing, is answered almost nothing, and compares what it gets byte for byte.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::wire::Wire;

/// A session of an old client.
#[derive(Debug)]
pub struct OldClient {
    wire: Wire,
}

impl OldClient {
    /// Connects to a gateway or a msg_server.
    pub async fn connect(address: SocketAddr) -> Self {
        Self { wire: Wire::connect(address).await }
    }

    /// Connects to a msg_server and logs in with `SEND_CLIENT_ID`.
    pub async fn login(address: SocketAddr, id: &str) -> Self {
        let mut client = Self::connect(address).await;
        client.send("SEND_CLIENT_ID", &[id]).await;
        client
    }

    /// Asks a gateway, as clients of the field do: the one argument of its answer.
    pub async fn ask_gateway(address: SocketAddr) -> String {
        let mut client = Self::connect(address).await;
        client.send("REQ_MSG_SERVER", &[]).await;
        let answer = client.frame().await;
        let prefix = r#"{"CmdName":"SELECT_MSG_SERVER_FOR_CLIENT","Args":[""#;
        let address = answer.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(r#""]}"#));
        address.unwrap_or_else(|| panic!("no answer of the field: {answer}")).to_owned()
    }

    /// Sends a command, in the very bytes of the field: no key besides `CmdName` and `Args`.
    pub async fn send(&mut self, command: &str, args: &[&str]) {
        let args = serde_json::to_string(args).expect("texts are JSON");
        self.wire.send(format!(r#"{{"CmdName":"{command}","Args":{args}}}"#).as_bytes()).await;
    }

    /// Sends a p2p message as `from`.
    pub async fn send_p2p(&mut self, to: &str, text: &str, from: &str) {
        self.send("SEND_MESSAGE_P2P", &[to, text, from]).await;
    }

    /// The next frame's body, as text.
    ///
    /// # Panics
    /// If the connection is closed instead, or nothing comes in time.
    pub async fn frame(&mut self) -> String {
        let body = self.wire.frame().await.expect("a frame, not an end");
        String::from_utf8(body).expect("a frame is UTF-8")
    }

    /// The next frame, however long it takes; `None` where the connection was closed. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<String> {
        self.wire.next().await.map(|body| String::from_utf8(body).expect("a frame is UTF-8"))
    }

    /// Waits for a p2p message, which has to be the next frame, byte for byte; gives its uuid.
    pub async fn p2p(&mut self, text: &str, from: &str) -> String {
        let frame = self.frame().await;
        let prefix = format!(r#"{{"CmdName":"RESP_MESSAGE_P2P","Args":[{},{},""#, json!(text), json!(from));
        let uuid = frame.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(r#""]}"#));
        let uuid = uuid.unwrap_or_else(|| panic!("wanted the message {text:?} of {from}, got {frame}"));
        assert!(!uuid.contains('"'), "a message has three args: {frame}");
        uuid.to_owned()
    }

    /// Waits for a topic's message, which has to be the next frame, byte for byte.
    pub async fn topic(&mut self, topic: &str, text: &str, from: &str) {
        let (topic, text, from) = (json!(topic), json!(text), json!(from));
        let wanted = format!(r#"{{"CmdName":"RESP_MESSAGE_TOPIC","Args":[{topic},{text},{from}]}}"#);
        assert_eq!(self.frame().await, wanted);
    }

    /// Waits for the answer to a `JOIN_TOPIC`, which has to be the next frame, byte for byte.
    pub async fn located(&mut self, address: &str, topic: &str) {
        let wanted =
            format!(r#"{{"CmdName":"LOCATE_TOPIC_MSG_ADDR","Args":["{address}",{}]}}"#, json!(topic));
        assert_eq!(self.frame().await, wanted);
    }

    /// Waits until the server closes the connection, which it has to do without another frame.
    pub async fn closed_silently(&mut self) {
        let last = self.wire.closed().await;
        let last: Vec<_> = last.iter().map(|body| String::from_utf8_lossy(body)).collect();
        assert!(last.is_empty(), "an old session is closed without a frame: {last:?}");
    }

    /// The next frame as JSON.
    pub async fn json(&mut self) -> Value {
        let frame = self.frame().await;
        serde_json::from_str(&frame).unwrap_or_else(|error| panic!("no JSON: {error}: {frame}"))
    }

    /// The connection itself.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }
}
