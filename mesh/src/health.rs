//! `/healthz`, `/readyz` and `/metrics` on the port that a process listens on, told from other traffic by the first bytes.
//!
//! This answers one `GET` and closes: enough for a supervisor, a load balancer and a scraper, and nothing else.

mod serve;

use bytes::Bytes;

use crate::connection::Close;
use crate::report::Identity;

pub use serve::serve;

/// What a process says of itself.
pub trait Health: Send + Sync + 'static {
    /// Why the process is of no use at the moment; empty: it works.
    fn troubles(&self) -> Vec<String>;

    /// Whether it should be given work: false while it starts and while it drains.
    fn ready(&self) -> bool {
        self.troubles().is_empty()
    }

    /// Figures as a JSON object.
    fn figures(&self) -> serde_json::Map<String, serde_json::Value>;
}

/// The longest request head that is read, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Whether the first bytes of a connection are an HTTP `GET`; `None` while that cannot be told yet.
pub fn is_get(first: &[u8]) -> Option<bool> {
    let compared = first.len().min(4);
    if first[..compared] != b"GET "[..compared] {
        return Some(false);
    }
    (compared == 4).then_some(true)
}

/// Answers a request once its head is there; `Ok` while it is not.
///
/// # Errors
/// Always ends the connection when it answers.
pub fn answer(input: &[u8], identity: &Identity, health: &dyn Health) -> Result<(), Close> {
    let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if input.len() > MAX_HEAD {
            Err(Close::saying(
                "an HTTP head without an end",
                response(431, "text/plain", "the request head is too long\n"),
            ))
        } else {
            Ok(())
        };
    };
    let head = String::from_utf8_lossy(&input[..end]);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    Err(Close::saying("answered over HTTP", page(path, identity, health)))
}

fn page(path: &str, identity: &Identity, health: &dyn Health) -> Bytes {
    match path {
        "/healthz" => {
            let troubles = health.troubles();
            let status = if troubles.is_empty() { 200 } else { 503 };
            response(status, "application/json", &report(identity, &troubles, health))
        }
        "/readyz" => {
            let status = if health.ready() { 200 } else { 503 };
            response(status, "application/json", &report(identity, &health.troubles(), health))
        }
        "/metrics" => {
            let figures = identity.figures(health);
            response(200, "text/plain; version=0.0.4", &metrics(identity.process(), &figures))
        }
        _ => response(404, "text/plain", "there is /healthz, /readyz and /metrics\n"),
    }
}

fn report(identity: &Identity, troubles: &[String], health: &dyn Health) -> String {
    let report = serde_json::json!({
        "Process": identity.process(),
        "Version": env!("CARGO_PKG_VERSION"),
        "Pid": std::process::id(),
        "Ready": health.ready(),
        "Troubles": troubles,
        "Figures": identity.figures(health),
    });
    format!("{report}\n")
}

/// Figures that are numbers, in the text form that Prometheus reads.
fn metrics(process: &str, figures: &serde_json::Map<String, serde_json::Value>) -> String {
    let mut text = String::new();
    for (name, value) in figures {
        if let Some(number) = value.as_f64() {
            let name = snake_case(name);
            text += &format!("# TYPE shoal_{name} untyped\nshoal_{name}{{process=\"{process}\"}} {number}\n");
        }
    }
    text
}

/// A figure's name as Prometheus wants it: `MessagesInTotal` is `messages_in_total`.
pub fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    out
}

fn response(status: u16, kind: &str, body: &str) -> Bytes {
    let reason = match status {
        200 => "OK",
        404 => "Not Found",
        431 => "Request Header Fields Too Large",
        _ => "Service Unavailable",
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sick;

    impl Health for Sick {
        fn troubles(&self) -> Vec<String> {
            vec!["no manager is linked".into()]
        }

        fn figures(&self) -> serde_json::Map<String, serde_json::Value> {
            serde_json::json!({"OpenSessions": 3, "Note": "text"}).as_object().cloned().unwrap_or_default()
        }
    }

    fn router() -> Identity {
        Identity::new("router", "20000", "127.0.0.1:20000")
    }

    fn ask(request: &str) -> String {
        let close = answer(request.as_bytes(), &router(), &Sick).unwrap_err();
        String::from_utf8(close.last.unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_get_is_told_by_its_first_bytes() {
        assert_eq!(is_get(b""), None);
        assert_eq!(is_get(b"GE"), None);
        assert_eq!(is_get(b"GET /"), Some(true));
        assert_eq!(is_get(&[0, 0, 0, 5, b'{']), Some(false));
    }

    #[test]
    fn troubles_are_named_and_figures_told() {
        let page = ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
        assert!(page.contains("no manager is linked") && page.contains("\"OpenSessions\":3"), "{page}");
        let page = ask("GET /metrics?x=1 HTTP/1.1\r\n\r\n");
        assert!(page.contains("shoal_open_sessions{process=\"router\"} 3"), "{page}");
        assert!(ask("GET /other HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    }

    #[test]
    fn a_head_without_an_end_is_refused_in_time() {
        assert_eq!(answer(b"GET /healthz HTTP/1.1\r\n", &router(), &Sick), Ok(()));
        let long = format!("GET /{}", "x".repeat(MAX_HEAD));
        assert!(ask(&long).starts_with("HTTP/1.1 431 "));
    }
}
