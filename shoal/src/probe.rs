//! Asking a process how it is: one `GET /readyz` on the port that it listens on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a process may take to answer; one that is only slow is not to be called silent.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most bytes of an answer that are read.
const LONGEST_ANSWER: u64 = 256 * 1024;

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Health {
    /// It can be given work.
    Ready,
    /// It answers, and says what keeps it from work.
    Unready(String),
    /// It does not answer.
    Silent,
}

/// Asks the process at `address`.
pub async fn ask(address: SocketAddr) -> Health {
    match timeout(PATIENCE, exchange(address)).await {
        Ok(Ok(answer)) => read(&answer),
        _ => Health::Silent,
    }
}

async fn exchange(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // What came before a reset is an answer all the same.
    let _ = stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    #[serde(default)]
    troubles: Vec<String>,
}

fn read(answer: &str) -> Health {
    let status = answer.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    match status {
        Some("200") => Health::Ready,
        Some(_) => Health::Unready(troubles(answer)),
        None => Health::Silent,
    }
}

fn troubles(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    match serde_json::from_str::<Report>(body) {
        Ok(report) if !report.troubles.is_empty() => report.troubles.join("; "),
        _ => "not ready yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn an_answer_says_ready_or_why_not() {
        assert_eq!(read("HTTP/1.1 200 OK\r\n\r\n{}"), Health::Ready);
        let troubled =
            "HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\n{\"Troubles\":[\"no manager\",\"no disk\"]}";
        assert_eq!(read(troubled), Health::Unready("no manager; no disk".into()));
        assert_eq!(read("HTTP/1.1 503 x\r\n\r\n{}"), Health::Unready("not ready yet".into()));
        assert_eq!(read("SSH-2.0-x"), Health::Silent);
        assert_eq!(read(""), Health::Silent);
    }

    #[tokio::test]
    async fn a_process_is_asked_over_its_port_and_one_that_is_not_there_is_silent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 19];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(request.to_vec()).unwrap()
        });
        assert_eq!(ask(address).await, Health::Ready);
        assert_eq!(served.await.unwrap(), "GET /readyz HTTP/1.");
        assert_eq!(ask(address).await, Health::Silent);
    }
}
