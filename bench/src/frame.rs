//! What the hot path needs of a frame, found without reading all of it: the `Seq` of an `OK`, the mark in a message's text.
//! Whatever looks otherwise than expected is read as a whole packet.

use protocol::command::{Packet, name};

/// How every `OK` of a msg_server begins.
const OK: &[u8] = br#"{"CmdName":"OK","Args":[],"Seq":"#;
/// How a pushed message begins.
const MESSAGE: &[u8] = br#"{"CmdName":"RESP_MESSAGE_"#;
/// Around a mark in a text; no name contains it.
const FENCE: u8 = b'~';

/// What a frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The `OK` to the request with this `Seq`.
    Ok(u64),
    /// A message.
    Message(Mark),
    /// Something that should not come: an `ERROR`, a `DISCONNECT`, a message without a mark, anything else.
    Odd(String),
}

/// Which message it is, and when it was sent: written into its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which sender of this run.
    pub sender: u32,
    /// Which of its messages, counted from 0.
    pub number: u64,
    /// When it was sent: nanoseconds of [`crate::engine::Clock`].
    pub nanos: u64,
}

/// Reads a frame's body.
pub fn read(body: &[u8]) -> Heard {
    if let Some(rest) = body.strip_prefix(OK) {
        if let Some((seq, _)) = number(rest) {
            return Heard::Ok(seq);
        }
    } else if body.starts_with(MESSAGE)
        && let Some(mark) = Mark::find(&body[MESSAGE.len()..])
    {
        return Heard::Message(mark);
    }
    match Packet::parse(body) {
        Ok(packet) if &*packet.cmd_name == name::OK => match packet.seq {
            Some(seq) => Heard::Ok(seq),
            None => Heard::Odd("an OK without a Seq".into()),
        },
        Ok(packet) => Heard::Odd(format!("{} {:?} {:?}", &*packet.cmd_name, packet.args, packet.code)),
        Err(error) => Heard::Odd(error.to_string()),
    }
}

impl Mark {
    /// Appends the mark, and a filler up to `bytes`.
    pub fn write(self, out: &mut Vec<u8>, bytes: usize) {
        let start = out.len();
        out.push(FENCE);
        for (number, end) in [(u64::from(self.sender), b'.'), (self.number, b'.'), (self.nanos, FENCE)] {
            out.extend_from_slice(number.to_string().as_bytes());
            out.push(end);
        }
        out.resize(out.len().max(start + bytes), b'x');
    }

    fn find(text: &[u8]) -> Option<Self> {
        let start = text.iter().position(|byte| *byte == FENCE)? + 1;
        let (sender, rest) = number(text.get(start..)?)?;
        let (number_, rest) = number(rest.strip_prefix(b".")?)?;
        let (nanos, rest) = number(rest.strip_prefix(b".")?)?;
        rest.starts_with(&[FENCE]).then_some(Self {
            sender: u32::try_from(sender).ok()?,
            number: number_,
            nanos,
        })
    }
}

/// The digits at the beginning, and what follows them.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = text[..digits]
        .iter()
        .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    (digits > 0).then_some((value, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_out_as_it_went_in_whatever_is_around_it() {
        let mark = Mark { sender: 7, number: 123, nanos: 456_789 };
        for bytes in [0, 40, 200] {
            let mut text = Vec::new();
            mark.write(&mut text, bytes);
            assert!(text.len() >= bytes);
            let text = String::from_utf8(text).unwrap();
            for packet in [
                Packet::new(name::RESP_MESSAGE_P2P, [&text, "amy", "uuid"]),
                Packet::new(name::RESP_MESSAGE_TOPIC, ["garden", &text, "amy"]),
            ] {
                assert_eq!(read(&packet.to_bytes()[4..]), Heard::Message(mark));
            }
        }
    }

    #[test]
    fn an_ok_is_read_in_any_form_and_the_rest_is_odd() {
        let ok = Packet { seq: Some(12), log: Some("u/amy".into()), ..Packet::new(name::OK, []) };
        assert_eq!(read(&ok.to_bytes()[4..]), Heard::Ok(12));
        assert_eq!(read(br#"{"Seq":3,"CmdName":"OK"}"#), Heard::Ok(3));
        for odd in [
            &br#"{"CmdName":"ERROR","Args":["no"],"Seq":1,"Code":4003}"#[..],
            b"{}",
            b"",
            br#"{"CmdName":"RESP_MESSAGE_P2P","Args":["no mark","amy",""]}"#,
        ] {
            assert!(matches!(read(odd), Heard::Odd(_)));
        }
    }
}
