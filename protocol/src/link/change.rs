//! Changes of a channel's state, and their confirmation.

use super::parts::{Parts, kind, tag};
use crate::fields::{FieldError, put_bytes, put_int};

/// Whether something began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It is so from now on.
    Begin,
    /// It is so no longer.
    End,
}

/// A change of a channel's state. In a snapshot `number` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The number of this change on this subscription, counted up by one; 0: part of the snapshot.
    pub number: u64,
    /// The channel, as [`crate::channel::Channel`]'s number.
    pub channel: u8,
    /// Begin or end.
    pub direction: Direction,
    /// The log that this msg_server begins or stops to follow.
    pub log: &'a str,
    /// For a session: the device (empty: none was named).
    pub device: Option<&'a str>,
    /// For a session: the number of its login, greater than that of any earlier login.
    pub stamp: u64,
}

/// Up to which number changes are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirm {
    /// The number.
    pub number: u64,
}

impl<'a> Change<'a> {
    pub(super) fn from_parts(parts: &Parts<'a>) -> Result<Self, FieldError> {
        let end = parts.int(tag::END, "end")? != 0;
        Ok(Self {
            number: parts.int(tag::NUMBER, "number")?,
            channel: parts.small(tag::CHANNEL, "channel")?,
            direction: if end { Direction::End } else { Direction::Begin },
            log: parts.text(tag::LOG, "log")?,
            device: parts.maybe_text(tag::DEVICE, "device")?,
            stamp: parts.int(tag::STAMP, "stamp")?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(kind::CHANGE);
        put_int(out, tag::NUMBER, self.number);
        put_int(out, tag::CHANNEL, u64::from(self.channel));
        if self.direction == Direction::End {
            put_int(out, tag::END, 1);
        }
        put_bytes(out, tag::LOG, self.log.as_bytes());
        if let Some(device) = self.device {
            put_bytes(out, tag::DEVICE, device.as_bytes());
        }
        put_int(out, tag::STAMP, self.stamp);
    }
}
