//! Which values each kind of key takes.

use std::net::SocketAddr;
use std::path::Path;

use jsonc_parser::ast::{Array, Value as Node};
use jsonc_parser::common::Ranged;
use serde_json::Value;

use super::address::HostPort;
use super::check::Check;
use super::keys::{Kind, TimeUnit};
use super::log_level::LogLevel;
use super::mistake::Wrong;
use super::secret::{SECRET_MAX_BYTES, SECRET_MIN_BYTES, Secret, SecretFileError};

/// The most characters of a file's text that a message repeats.
const QUOTE_LIMIT: usize = 60;

type Result<T> = std::result::Result<T, Wrong>;

impl Check<'_> {
    /// Checks one value; `None`, with the mistakes taken down, where it is wrong.
    pub fn value(&mut self, kind: &Kind, node: &Node<'_>, path: &str) -> Option<Value> {
        let checked = match (kind, node) {
            (Kind::Object(keys), Node::Object(object)) => {
                return Some(self.object(object, keys, path).into());
            }
            (Kind::ConfigOf(role), Node::Object(object)) => {
                return Some(self.object_of(object, *role, path).into());
            }
            (Kind::Addresses, Node::Array(array)) => return self.addresses(array, path),
            (Kind::Choices(choices), Node::Array(array)) => return self.choices(array, choices, path),
            (Kind::Texts, Node::Array(array)) => {
                return self.elements(array, path, |node| text(node, kind).map(Value::from));
            }
            _ => scalar(kind, node),
        };
        checked.map_err(|wrong| self.mistake(node.start(), path, wrong)).ok()
    }

    fn addresses(&mut self, array: &Array<'_>, path: &str) -> Option<Value> {
        if array.elements.is_empty() {
            let wrong = Wrong::new("is empty", "name at least one msg_server, as [\"127.0.0.1:19000\"]");
            self.mistake(array.start(), path, wrong);
            return None;
        }
        let mut seen: Vec<String> = Vec::new();
        self.elements(array, path, |node| {
            let address = dialled(text(node, &Kind::OwnAddress)?)?;
            if seen.contains(&address) {
                return Err(Wrong::new(
                    format!("({address:?}) is in the list twice"),
                    "name each address once",
                ));
            }
            seen.push(address.clone());
            Ok(address.into())
        })
    }

    fn choices(&mut self, array: &Array<'_>, choices: &'static [&'static str], path: &str) -> Option<Value> {
        if array.elements.is_empty() {
            let right = format!("name at least one of {}", Kind::list_choices(choices));
            self.mistake(array.start(), path, Wrong::new("is empty", right));
            return None;
        }
        self.elements(array, path, |node| {
            choice(text(node, &Kind::Choice(choices))?, choices).map(Value::from)
        })
    }

    /// All elements, each checked by `one`; `None` where any is wrong.
    fn elements(
        &mut self,
        array: &Array<'_>,
        path: &str,
        mut one: impl FnMut(&Node<'_>) -> Result<Value>,
    ) -> Option<Value> {
        let mut values = Vec::new();
        for (index, node) in array.elements.iter().enumerate() {
            match one(node) {
                Ok(value) => values.push(value),
                Err(wrong) => self.mistake(node.start(), &format!("{path}[{index}]"), wrong),
            }
        }
        (values.len() == array.elements.len()).then_some(Value::Array(values))
    }
}

fn scalar(kind: &Kind, node: &Node<'_>) -> Result<Value> {
    Ok(match *kind {
        Kind::Listen => listen(text(node, kind)?)?.into(),
        Kind::OwnAddress => own_address(text(node, kind)?)?.into(),
        Kind::Path => path(text(node, kind)?)?.into(),
        Kind::Text { min, max } => bounded(text(node, kind)?, min, max)?.into(),
        Kind::Secret { min } => secret(text(node, kind)?, min)?.into(),
        Kind::SecretFile => secret_file(path(text(node, kind)?)?)?.into(),
        Kind::Choice(choices) => choice(text(node, kind)?, choices)?.into(),
        Kind::LogLevel => log_level(text(node, kind)?)?.into(),
        Kind::Time { unit, min_ms, max_ms } => time(number(node, kind)?, kind, unit, min_ms, max_ms)?.into(),
        Kind::Whole { min, max, .. } => whole(number(node, kind)?, kind, min, max)?.into(),
        Kind::Port { .. } => port(node, kind)?.into(),
        Kind::Truth => truth(node, kind)?.into(),
        Kind::Addresses | Kind::Choices(_) | Kind::Texts | Kind::Object(_) | Kind::ConfigOf(_) => {
            return Err(wrong_type(node, kind));
        }
    })
}

fn text<'n>(node: &'n Node<'_>, kind: &Kind) -> Result<&'n str> {
    node.as_string_lit().map(|lit| &*lit.value).ok_or_else(|| wrong_type(node, kind))
}

fn number<'n>(node: &'n Node<'_>, kind: &Kind) -> Result<&'n str> {
    node.as_number_lit().map(|literal| literal.value).ok_or_else(|| wrong_type(node, kind))
}

fn truth(node: &Node<'_>, kind: &Kind) -> Result<bool> {
    match node {
        Node::BooleanLit(literal) => Ok(literal.value),
        _ => Err(wrong_type(node, kind)),
    }
}

fn wrong_type(node: &Node<'_>, kind: &Kind) -> Wrong {
    let shown = match kind {
        Kind::Secret { .. } => String::new(),
        _ => describe(node),
    };
    Wrong::new(format!("is {}{shown}", type_of(node)), format!("write {}", kind.form()))
}

fn type_of(node: &Node<'_>) -> &'static str {
    match node {
        Node::StringLit(_) => "the text",
        Node::NumberLit(_) => "the number",
        Node::BooleanLit(truth) if truth.value => "true",
        Node::BooleanLit(_) => "false",
        Node::Object(_) => "an object",
        Node::Array(_) => "a list",
        Node::NullKeyword(_) => "null",
    }
}

fn describe(node: &Node<'_>) -> String {
    match node {
        Node::StringLit(lit) => format!(" {}", quoted(&lit.value)),
        Node::NumberLit(lit) => format!(" {}", shortened(lit.value)),
        _ => String::new(),
    }
}

fn quoted(text: &str) -> String {
    Value::from(shortened(text)).to_string()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTE_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn listen(text: &str) -> Result<String> {
    let parsed = text.parse::<SocketAddr>();
    parsed.map(|address| address.to_string()).map_err(|_| {
        let port = text.strip_prefix(':').unwrap_or(text);
        let right = if port.parse::<u16>().is_ok() {
            format!("write \"0.0.0.0:{port}\" for every address of this machine, or \"127.0.0.1:{port}\"")
        } else {
            format!("write {}", Kind::Listen.form())
        };
        Wrong::new(format!("({}) is not ip:port", quoted(text)), right)
    })
}

fn address(text: &str) -> Result<HostPort> {
    text.parse().map_err(|error| {
        let right = match error {
            super::AddressError::BareIpv6 => "write an IPv6 address as \"[::1]:19000\"",
            _ => "write host:port, as \"127.0.0.1:19000\" or \"chat.example.org:19000\"",
        };
        Wrong::new(format!("({}) {error}", quoted(text)), right)
    })
}

fn dialled(text: &str) -> Result<String> {
    let address = reachable(address(text)?)?;
    if address.port() == 0 {
        return Err(Wrong::new(
            format!("({}) has port 0", quoted(text)),
            "write the port that it listens on",
        ));
    }
    Ok(address.to_string())
}

fn own_address(text: &str) -> Result<String> {
    reachable(address(text)?).map(|address| address.to_string())
}

fn reachable(address: HostPort) -> Result<HostPort> {
    match address.ip() {
        Some(ip) if ip.is_unspecified() => Err(Wrong::new(
            format!("(\"{address}\") is no address that anyone can dial"),
            "write the address or name by which others reach the msg_server",
        )),
        _ => Ok(address),
    }
}

fn path(text: &str) -> Result<&str> {
    if text.is_empty() || text.contains('\0') {
        return Err(Wrong::new(
            format!("({}) is no path", quoted(text)),
            "write a path, or leave the key out",
        ));
    }
    Ok(text)
}

fn bounded(text: &str, min: usize, max: usize) -> Result<&str> {
    if (min..=max).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    let wrong = format!("({}) has {} bytes, or a control character in it", quoted(text), text.len());
    Err(Wrong::new(wrong, format!("write {}", Kind::Text { min, max }.form())))
}

fn secret(text: &str, min: usize) -> Result<&str> {
    if (min..=SECRET_MAX_BYTES).contains(&text.len()) {
        return Ok(text);
    }
    let wrong = format!("has {} bytes", text.len());
    Err(Wrong::new(
        wrong,
        format!("write {}, as `openssl rand -hex 32` makes it", Kind::Secret { min }.form()),
    ))
}

fn secret_file(path: &str) -> Result<String> {
    let read = Secret::read(Path::new(path));
    read.map(|secret| String::from_utf8_lossy(secret.expose()).into_owned()).map_err(|error| {
        let right = match error {
            SecretFileError::Unreadable(_) => {
                format!("make it: (umask 077; openssl rand -hex 32 > {path})")
            }
            SecretFileError::OpenToOthers { .. } => format!("run: chmod 600 {path}"),
            SecretFileError::BadLength { .. } => {
                format!("a secret has {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} bytes")
            }
        };
        Wrong::new(format!("({}) {error}", quoted(path)), right)
    })
}

fn choice<'t>(text: &'t str, choices: &[&str]) -> Result<&'t str> {
    if choices.contains(&text) {
        return Ok(text);
    }
    Err(Wrong::new(
        format!("is {}, which this version does not know", quoted(text)),
        format!("write {}", Kind::list_choices(choices)),
    ))
}

fn log_level(text: &str) -> Result<&str> {
    match text.parse::<LogLevel>() {
        Ok(_) => Ok(text),
        Err(error) => Err(Wrong::new(
            format!("({}) has no level in {}", quoted(text), quoted(&error.0)),
            super::log_level::LOG_LEVEL_FORM,
        )),
    }
}

fn time(number: &str, kind: &Kind, unit: TimeUnit, min_ms: u64, max_ms: u64) -> Result<u64> {
    let bounds = min_ms as f64..=max_ms as f64;
    match number.parse::<f64>().map(|count| count * unit.milliseconds() as f64) {
        Ok(ms) if bounds.contains(&ms) => Ok(ms.round() as u64),
        _ => Err(out_of_range(number, kind)),
    }
}

fn whole(number: &str, kind: &Kind, min: u64, max: u64) -> Result<u64> {
    let count = number.parse().ok().filter(|count| (min..=max).contains(count));
    count.ok_or_else(|| out_of_range(number, kind))
}

fn out_of_range(number: &str, kind: &Kind) -> Wrong {
    Wrong::new(format!("is {}", shortened(number)), format!("write {}", kind.form()))
}

/// 6379, `":6379"` as Go programs write it, or `"6379"`.
fn port(node: &Node<'_>, kind: &Kind) -> Result<u16> {
    let digits = match node {
        Node::StringLit(lit) => lit.value.strip_prefix(':').unwrap_or(&lit.value),
        Node::NumberLit(lit) => lit.value,
        _ => return Err(wrong_type(node, kind)),
    };
    digits.parse().map_err(|_| Wrong::new(format!("is{}", describe(node)), format!("write {}", kind.form())))
}
