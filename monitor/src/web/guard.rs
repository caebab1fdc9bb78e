//! What every answer says to browsers, and whom a monitor on loopback answers.

use std::net::IpAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};

/// Which names the monitor answers to.
pub struct Hosts {
    /// It listens on loopback: then only names that mean loopback are good. A page elsewhere that has its own name
    /// resolve to 127.0.0.1 so reads nothing through its visitor's browser.
    pub only_this_machine: bool,
}

impl Hosts {
    fn admit(&self, host: Option<&str>) -> bool {
        !self.only_this_machine || host.is_some_and(means_this_machine)
    }
}

/// Nothing but the monitor's own files is loaded, nobody frames the page, nothing is kept.
const HEADERS: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Stands before every answer.
///
/// # Errors
/// Those of the service behind it.
pub async fn guard(
    hosts: Data<Hosts>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let mut response = if hosts.admit(host) {
        next.call(request).await?.map_into_boxed_body()
    } else {
        let refusal = "this monitor listens on this machine only: open it as localhost or 127.0.0.1\n";
        request.into_response(HttpResponse::MisdirectedRequest().body(refusal))
    };
    add_headers(response.headers_mut());
    Ok(response)
}

fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

fn means_this_machine(host: &str) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_loopback_only_names_of_this_machine_are_answered() {
        let hosts = Hosts { only_this_machine: true };
        for good in [
            "localhost",
            "LOCALHOST:30000",
            "127.0.0.1:30000",
            "127.9.9.9",
            "[::1]:1",
            "[::1]",
            "shoal.localhost:5",
        ] {
            assert!(hosts.admit(Some(good)), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:30000",
            "localhost.evil.example",
            "10.0.0.1:30000",
            "127.0.0.1.evil.example",
        ] {
            assert!(!hosts.admit(Some(bad)), "{bad}");
        }
        assert!(!hosts.admit(None));
    }

    #[test]
    fn beyond_loopback_it_answers_to_any_name() {
        assert!(Hosts { only_this_machine: false }.admit(Some("monitor.example")));
    }
}
