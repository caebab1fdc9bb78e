//! What is left of records once everything is taken out that nothing will ask for again.
//!
//! What is taken out makes no difference to the state that all records together lead to, whatever comes between them:
//!
//! - an entry that retention took becomes a stub, and goes once repeats of it need not be known any more;
//! - a cursor, and where a log begins, goes when a later record has moved it on; so does an account's record.
//!
//! Later records are those that the state has seen beyond these; all of them are durable. Everything else stays, in the
//! order in which it came: what it leads to depends on that.

use std::collections::HashMap;

use protocol::content::Content;
use protocol::ids::Time;

use super::estimate::cost;
use crate::codec::Malformed;
use crate::embedded::state::change::{Change, Changes, Place, put_header};
use crate::embedded::state::keys;
use crate::embedded::state::pending::{ApplyError, message_of};
use crate::embedded::state::values::LogMeta;
use crate::embedded::state::view::View;
use crate::{Account, StoreError};

/// Takes records one after another, and gives one for all of them.
pub(crate) struct Rewriter<'v, V> {
    state: &'v V,
    /// The logs that were named so far; what is known of them only grows, so an older view does no harm.
    logs: HashMap<String, LogMeta>,
    batch: Batch,
    /// What the entries that are kept are estimated to take.
    kept: u64,
}

/// A record in the making.
#[derive(Default)]
struct Batch {
    payload: Vec<u8>,
    time: Time,
    slots: HashMap<String, usize>,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It can be read.
    Live,
    /// Only a repeat of it is to be known.
    Known,
    /// Nothing is to be known of it.
    Forgotten,
}

/// An entry that a change makes: its log's name, and its version.
#[derive(Clone, Copy)]
struct Made<'a> {
    log: &'a str,
    version: u64,
}

impl<'v, V: View> Rewriter<'v, V> {
    /// Nothing taken yet.
    pub fn new(state: &'v V) -> Self {
        Self { state, logs: HashMap::new(), batch: Batch::default(), kept: 0 }
    }

    /// Bytes of the record in the making.
    pub fn bytes(&self) -> usize {
        self.batch.payload.len()
    }

    /// What the entries kept so far are estimated to take; the rest of the bytes is for what never goes.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// The record for all that was taken since the last one.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.batch).payload
    }

    /// Takes a record.
    pub fn take(&mut self, payload: &[u8]) -> Result<(), ApplyError> {
        let mut changes = Changes::new(payload)?;
        self.batch.begin(changes.time);
        let mut names = Vec::new();
        while let Some((change, _)) = changes.next()? {
            self.change(change, &mut names)?;
        }
        Ok(())
    }

    fn change<'a>(&mut self, change: Change<'a>, names: &mut Vec<&'a str>) -> Result<(), ApplyError> {
        let made = |names: &[&'a str], place: Place| -> Result<Made<'a>, Malformed> {
            let log = names.get(place.slot).copied().ok_or(Malformed("a log named before"))?;
            Ok(Made { log, version: place.version })
        };
        match change {
            Change::Log { name } => {
                self.name(name)?;
                names.push(name);
            }
            Change::Entry { place, time, open, content } => {
                let made = made(names, place)?;
                match open && self.is_open(made, time)? {
                    true => self.keep_open(made, time, content),
                    false => self.message(&[made], time, content)?,
                }
            }
            Change::Pair { sender, recipient, time, content } => {
                self.message(&[made(names, sender)?, made(names, recipient)?], time, content)?;
            }
            Change::Stub { place, peer, time, hash, fingerprint } => {
                let places = [Some(place), peer];
                let known: Result<Vec<_>, _> =
                    places.iter().flatten().map(|place| made(names, *place)).collect();
                let known: Vec<_> =
                    known?.into_iter().filter(|made| self.fate(*made) != Fate::Forgotten).collect();
                self.keep_stub(&known, time, hash, fingerprint);
            }
            Change::Closed { place } | Change::First { place } | Change::Forget { place } => {
                let made = made(names, place)?;
                if self.still_tells(&change, made) {
                    let place = self.place(made);
                    self.write(with_place(change, place));
                }
            }
            Change::Cursor { user, device, log, mark, version } => {
                if self.state.number(&keys::cursor(user, log, mark, device))? == version {
                    self.write(change);
                }
            }
            Change::Record { user, record } => {
                let newest = self.state.record(user)?.map_or(0, |account| account.revision);
                if Account::decode(record)?.revision >= newest {
                    self.write(change);
                }
            }
            Change::Account { .. }
            | Change::Device { .. }
            | Change::Revised { .. }
            | Change::Topic { .. }
            | Change::Join { .. }
            | Change::Leave { .. }
            | Change::Invite { .. }
            | Change::Remove { .. }
            | Change::Dissolve { .. } => self.write(change),
        }
        Ok(())
    }

    /// Learns of a log; one that comes for the first time is named in the record, since logs are numbered in that order.
    fn name(&mut self, name: &str) -> Result<(), StoreError> {
        if !self.logs.contains_key(name) {
            let meta = self.state.log(name)?.unwrap_or(LogMeta::empty(0));
            self.logs.insert(name.to_owned(), meta);
            self.batch.slot(name);
        }
        Ok(())
    }

    fn meta(&self, log: &str) -> LogMeta {
        self.logs.get(log).copied().unwrap_or(LogMeta::empty(0))
    }

    fn fate(&self, made: Made<'_>) -> Fate {
        let meta = self.meta(made.log);
        match made.version {
            version if version >= meta.first => Fate::Live,
            version if version >= meta.remembered => Fate::Known,
            _ => Fate::Forgotten,
        }
    }

    /// Whether the entry is half of a pair that is not whole yet: whoever completes it needs the content.
    fn is_open(&self, made: Made<'_>, time: Time) -> Result<bool, StoreError> {
        self.state.has(&keys::open(time.0, self.meta(made.log).id, made.version))
    }

    /// Whether no later record says more.
    fn still_tells(&self, change: &Change<'_>, made: Made<'_>) -> bool {
        let meta = self.meta(made.log);
        match change {
            Change::First { .. } => made.version >= meta.first,
            _ => made.version >= meta.remembered,
        }
    }

    fn message(&mut self, made: &[Made<'_>], time: Time, content: &[u8]) -> Result<(), ApplyError> {
        let parsed = Content::parse(content).map_err(|_| Malformed("a content"))?;
        let hash = message_of(&parsed);
        let (mut live, mut known) = (Vec::new(), Vec::new());
        for made in made {
            match (self.fate(*made), hash) {
                (Fate::Forgotten, _) => {}
                (Fate::Known, Some(_)) => known.push(*made),
                // Nobody may send it again, so there is no stub of it; it is small.
                (Fate::Live, _) | (Fate::Known, None) => live.push(*made),
            }
        }
        self.keep_live(&live, time, content);
        self.keep_stub(&known, time, hash.unwrap_or_default(), parsed.fingerprint());
        Ok(())
    }

    fn keep_open(&mut self, made: Made<'_>, time: Time, content: &[u8]) {
        let place = self.place(made);
        self.kept += cost(made.log, Some(content.len()));
        self.write(Change::Entry { place, time, open: true, content });
    }

    fn keep_live(&mut self, made: &[Made<'_>], time: Time, content: &[u8]) {
        self.kept += made.iter().map(|made| cost(made.log, Some(content.len()))).sum::<u64>();
        match *made {
            [one] => {
                let place = self.place(one);
                self.write(Change::Entry { place, time, open: false, content });
            }
            [sender, recipient] => {
                let (sender, recipient) = (self.place(sender), self.place(recipient));
                self.write(Change::Pair { sender, recipient, time, content });
            }
            _ => {}
        }
    }

    fn keep_stub(&mut self, made: &[Made<'_>], time: Time, hash: u128, fingerprint: u128) {
        self.kept += made.iter().map(|made| cost(made.log, None)).sum::<u64>();
        let Some((first, rest)) = made.split_first() else { return };
        let place = self.place(*first);
        let peer = rest.first().map(|peer| self.place(*peer));
        self.write(Change::Stub { place, peer, time, hash, fingerprint });
    }

    fn place(&mut self, made: Made<'_>) -> Place {
        Place { slot: self.batch.slot(made.log), version: made.version }
    }

    fn write(&mut self, change: Change<'_>) {
        change.encode(self.batch.time, &mut self.batch.payload);
    }
}

fn with_place(change: Change<'_>, place: Place) -> Change<'_> {
    match change {
        Change::Closed { .. } => Change::Closed { place },
        Change::First { .. } => Change::First { place },
        Change::Forget { .. } => Change::Forget { place },
        other => other,
    }
}

impl Batch {
    /// The first record that is taken gives the record its time.
    fn begin(&mut self, time: Time) {
        if self.payload.is_empty() {
            self.time = time;
            put_header(&mut self.payload, time);
        }
    }

    /// The log's number in the record, which names it if it did not before.
    fn slot(&mut self, log: &str) -> usize {
        if let Some(slot) = self.slots.get(log) {
            return *slot;
        }
        Change::Log { name: log }.encode(self.time, &mut self.payload);
        let slot = self.slots.len();
        self.slots.insert(log.to_owned(), slot);
        slot
    }
}
