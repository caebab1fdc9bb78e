//! The numbers of frames and fields, and the fields of one frame by their tags.

use super::page::PageEntry;
use crate::fields::{FieldError, Fields, Value};

pub(super) mod kind {
    pub const APPEND: u8 = 1;
    pub const APPENDED: u8 = 2;
    pub const SEND: u8 = 3;
    pub const READ: u8 = 4;
    pub const PAGE: u8 = 5;
    pub const CHANGE: u8 = 6;
    pub const CONFIRM: u8 = 7;
    pub const ASK: u8 = 8;
    pub const ANSWER: u8 = 9;
    pub const REPORT: u8 = 10;
    pub const ORDER: u8 = 11;
    pub const NOTICE: u8 = 12;
}

/// Tags shared by all frames: one meaning each.
pub(super) mod tag {
    pub const ASK: u8 = 1;
    pub const LOG: u8 = 2;
    pub const VERSION: u8 = 3;
    pub const TIME: u8 = 4;
    pub const CONTENT: u8 = 5;
    pub const PAIR: u8 = 6;
    pub const PEER_VERSION: u8 = 7;
    pub const CODE: u8 = 8;
    pub const MESSAGE: u8 = 9;
    pub const MAYBE: u8 = 10;
    pub const READER: u8 = 11;
    pub const AFTER: u8 = 12;
    pub const MAX_ENTRIES: u8 = 13;
    pub const MAX_BYTES: u8 = 14;
    pub const FIRST: u8 = 15;
    pub const HEAD: u8 = 16;
    pub const ENTRY: u8 = 17;
    pub const NUMBER: u8 = 18;
    pub const CHANNEL: u8 = 19;
    pub const END: u8 = 20;
    pub const DEVICE: u8 = 21;
    pub const STAMP: u8 = 22;
    pub const JSON: u8 = 23;
    pub const REVISION: u8 = 24;
    pub const SINCE: u8 = 25;
}

/// The fields of one frame, by tag; the last of a repeated tag counts, but for entries, which gather.
pub(super) struct Parts<'a> {
    values: [Option<Value<'a>>; 26],
    pub entries: Vec<PageEntry<'a>>,
}

impl<'a> Parts<'a> {
    pub fn read(body: &'a [u8]) -> Result<Self, FieldError> {
        let mut parts = Self { values: [None; 26], entries: Vec::new() };
        for field in Fields::new(body) {
            let (tag, value) = field?;
            if tag == tag::ENTRY {
                parts.entries.push(PageEntry::read(value.bytes("entry")?)?);
            } else if let Some(slot) = parts.values.get_mut(usize::from(tag)) {
                *slot = Some(value);
            }
        }
        Ok(parts)
    }

    pub fn int(&self, tag: u8, what: &'static str) -> Result<u64, FieldError> {
        self.values[usize::from(tag)].map_or(Ok(0), |value| value.int(what))
    }

    pub fn number(&self, tag: u8, what: &'static str) -> Result<u64, FieldError> {
        self.values[usize::from(tag)].ok_or(FieldError::Missing(what))?.int(what)
    }

    pub fn small<T: TryFrom<u64>>(&self, tag: u8, what: &'static str) -> Result<T, FieldError> {
        T::try_from(self.int(tag, what)?).map_err(|_| FieldError::Invalid(what))
    }

    pub fn text(&self, tag: u8, what: &'static str) -> Result<&'a str, FieldError> {
        self.values[usize::from(tag)].ok_or(FieldError::Missing(what))?.text(what)
    }

    pub fn maybe_text(&self, tag: u8, what: &'static str) -> Result<Option<&'a str>, FieldError> {
        self.values[usize::from(tag)].map(|value| value.text(what)).transpose()
    }

    pub fn bytes(&self, tag: u8, what: &'static str) -> Result<&'a [u8], FieldError> {
        self.values[usize::from(tag)].ok_or(FieldError::Missing(what))?.bytes(what)
    }
}
