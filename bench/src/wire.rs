//! Just enough of the wire to load a server: frames are looked through for what is needed, not parsed.
//!
//! This knows the order in which msg_servers write their keys; it is a measuring tool's client, not an example of one.

use protocol::packet;

/// A frame from a msg_server, as far as it concerns us.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The answer to a request.
    Ok(u64),
    /// A message's text.
    Message(&'a str),
    /// Something that must not come in a measurement.
    Other(&'a str),
}

/// Takes the first whole frame: what it is, and how many bytes it was.
pub fn hear(input: &[u8]) -> Option<(Heard<'_>, usize)> {
    let (body, used) = packet::split(input, 64 << 20).ok()??;
    let text = std::str::from_utf8(body).unwrap_or("not UTF-8");
    Some((look(text), used))
}

fn look(text: &str) -> Heard<'_> {
    if text.starts_with(r#"{"CmdName":"OK""#) {
        return after(text, r#""Seq":"#).and_then(number).map_or(Heard::Other(text), Heard::Ok);
    }
    let p2p = text.strip_prefix(r#"{"CmdName":"RESP_MESSAGE_P2P","Args":[""#);
    let topic = || after(text.strip_prefix(r#"{"CmdName":"RESP_MESSAGE_TOPIC","Args":[""#)?, r#"",""#);
    p2p.or_else(topic).and_then(|rest| rest.split('"').next()).map_or(Heard::Other(text), Heard::Message)
}

fn after<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    text.find(what).map(|at| &text[at + what.len()..])
}

fn number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// A message's text: who sent it, its number, when (in microseconds of this tool's clock), and padding.
pub fn text(sender: usize, number: u64, micros: u64, size: usize) -> String {
    let mut text = format!("{sender} {number} {micros} ");
    let padding = size.saturating_sub(text.len());
    text.extend(std::iter::repeat_n('x', padding));
    text
}

/// The parts of a [`text`].
pub fn parts(text: &str) -> Option<(usize, u64, u64)> {
    let mut parts = text.split(' ');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use protocol::content::{Content, Entry};
    use protocol::event::{self, Dialect};
    use protocol::ids::{LogName, Time, Version};

    use super::*;

    #[test]
    fn what_servers_write_is_understood() {
        let entry =
            |content: Content<'_>| Entry { version: Version(1), time: Time(1), content: content.to_bytes() };
        let said = text(3, 7, 99, 40);
        for (log, to) in [("u/bob", Some("bob")), ("t/x", None)] {
            let entry = entry(Content::text("amy", "1", to, &said));
            let frame = event::pushed(Dialect::New, &LogName::new(log).unwrap(), &entry, None).unwrap();
            assert_eq!(hear(&frame), Some((Heard::Message(&said), frame.len())));
        }
        assert_eq!(parts(&said), Some((3, 7, 99)));
        assert_eq!(said.len(), 40);
        let ok = event::ok(12).to_bytes();
        assert_eq!(hear(&ok), Some((Heard::Ok(12), ok.len())));
        assert_eq!(hear(&ok[..10]), None);
    }
}
