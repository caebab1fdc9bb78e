//! The least that a client has to speak.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

/// A newer session of one user.
pub struct Person {
    stream: TcpStream,
    seq: u64,
    /// What was pushed while an answer was waited for.
    pushed: Vec<Value>,
}

impl Person {
    /// Logs `id` in at the msg_server that the gateway at `gateway` names, and resumes after `version` of the inbox.
    pub fn log_in(gateway: &str, id: &str, version: u64) -> Self {
        let mut asking = Self::connect(gateway);
        let address =
            asking.ask("REQ_MSG_SERVER", &[], json!({}))["Addr"].as_str().expect("an address").to_owned();
        let mut person = Self::connect(&address);
        person.ask("SEND_CLIENT_ID", &[id], json!({"Device": "test"}));
        person.ask("RESUME", &[], json!({"Logs": {format!("u/{id}"): version}}));
        person
    }

    /// Sends `text` to `to`; gives the answer once the message is durable.
    pub fn send(&mut self, to: &str, text: &str, message_id: &str) -> Value {
        self.ask("SEND_MESSAGE_P2P", &[to, text], json!({"MsgId": message_id}))
    }

    /// The text and the sender of the next message that is pushed.
    pub fn receive(&mut self) -> (String, String) {
        loop {
            let frame = if self.pushed.is_empty() { self.read() } else { self.pushed.remove(0) };
            if frame["CmdName"] == "RESP_MESSAGE_P2P" {
                let arg = |index: usize| frame["Args"][index].as_str().expect("a text").to_owned();
                return (arg(0), arg(1));
            }
        }
    }

    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        Self { stream, seq: 0, pushed: Vec::new() }
    }

    fn ask(&mut self, command: &str, args: &[&str], keys: Value) -> Value {
        self.seq += 1;
        let mut request = json!({"CmdName": command, "Args": args, "Seq": self.seq});
        for (key, value) in keys.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        let body = request.to_string();
        let length = u32::try_from(body.len()).expect("a short body").to_be_bytes();
        self.stream.write_all(&[&length, body.as_bytes()].concat()).expect("it takes it");
        loop {
            let frame = self.read();
            if frame["Seq"] == self.seq {
                assert_eq!(frame["CmdName"], "OK", "{command} was answered with {frame}");
                return frame;
            }
            self.pushed.push(frame);
        }
    }

    fn read(&mut self) -> Value {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("a frame");
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut body).expect("a whole frame");
        serde_json::from_slice(&body).expect("JSON")
    }
}
