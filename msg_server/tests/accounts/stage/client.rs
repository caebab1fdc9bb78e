//! A newer client, packet by packet.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::PATIENCE;

pub struct Client {
    stream: TcpStream,
    seq: u64,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), seq: 0 }
    }

    /// Sends a body as it is.
    pub async fn send(&mut self, body: &Value) {
        let body = body.to_string();
        let mut frame = (body.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(body.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Asks for something with these further keys.
    pub async fn request(&mut self, command: &str, args: &[&str], keys: Value) {
        self.seq += 1;
        let mut body = json!({"CmdName": command, "Args": args, "Seq": self.seq});
        let keys: Map<String, Value> = serde_json::from_value(keys).unwrap();
        body.as_object_mut().unwrap().extend(keys);
        self.send(&body).await;
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&mut self, command: &str, args: &[&str], keys: Value) -> Value {
        self.request(command, args, keys).await;
        let answer = self.next().await.unwrap_or_else(|| panic!("{command} is not answered: closed"));
        assert_eq!(answer["Seq"], self.seq, "{answer}");
        answer
    }

    /// Asks for what is granted.
    pub async fn ok(&mut self, command: &str, args: &[&str], keys: Value) -> Value {
        let answer = self.ask(command, args, keys).await;
        assert_eq!(answer["CmdName"], "OK", "{command}: {answer}");
        answer
    }

    /// Asks for what is refused; the code.
    pub async fn refused(&mut self, command: &str, args: &[&str], keys: Value) -> u64 {
        let answer = self.ask(command, args, keys).await;
        answer["Code"].as_u64().unwrap_or_else(|| panic!("{command} is not refused: {answer}"))
    }

    /// The next packet; `None` where the connection is closed.
    pub async fn next(&mut self) -> Option<Value> {
        let read = async {
            let length = self.stream.read_u32().await.ok()?;
            let mut body = vec![0; length as usize];
            self.stream.read_exact(&mut body).await.ok()?;
            Some(serde_json::from_slice(&body).unwrap())
        };
        tokio::time::timeout(PATIENCE, read).await.expect("a packet or the end, in time")
    }

    /// The code under which the session is ended, after nothing else.
    pub async fn ended(&mut self) -> u64 {
        let last = self.next().await.expect("a last packet");
        assert_eq!(last["CmdName"], "DISCONNECT", "{last}");
        assert_eq!(self.next().await, None);
        last["Code"].as_u64().unwrap()
    }
}
