//! Requests that wait: to be written, for their answer, or until they may be asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Now;
use crate::outbox::Ticket;
use crate::request::Request;
use crate::{PageItem, RequestError};

#[derive(Debug)]
struct Entry {
    request: Request,
    deadline: Now,
    /// What it was answered last time, where that was "not now".
    refusal: Option<RequestError>,
    /// What came so far for a `SYNC`.
    collected: Vec<PageItem>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Requests {
    entries: BTreeMap<Ticket, Entry>,
    ready: BTreeSet<Ticket>,
    later: BTreeSet<(Now, Ticket)>,
    deadlines: BTreeSet<(Now, Ticket)>,
}

impl Requests {
    /// Takes a request, to be answered until `deadline`.
    pub fn add(&mut self, ticket: Ticket, request: Request, deadline: Now) {
        self.ready.insert(ticket);
        self.deadlines.insert((deadline, ticket));
        self.entries.insert(ticket, Entry { request, deadline, refusal: None, collected: Vec::new() });
    }

    /// The next one to write.
    pub fn next(&mut self) -> Option<(Ticket, &Request)> {
        let ticket = self.ready.pop_first()?;
        let entry = self.entries.get_mut(&ticket)?;
        entry.collected.clear();
        Some((ticket, &entry.request))
    }

    /// What a request was, while it waits.
    pub fn get(&self, ticket: Ticket) -> Option<&Request> {
        self.entries.get(&ticket).map(|entry| &entry.request)
    }

    /// Something came for a `SYNC`.
    pub fn collect(&mut self, ticket: Ticket, item: PageItem) {
        if let Some(entry) = self.entries.get_mut(&ticket) {
            entry.collected.push(item);
        }
    }

    /// It is answered: takes it out, with what came for it.
    pub fn resolve(&mut self, ticket: Ticket) -> Option<(Request, Vec<PageItem>)> {
        let entry = self.entries.remove(&ticket)?;
        self.ready.remove(&ticket);
        self.deadlines.remove(&(entry.deadline, ticket));
        Some((entry.request, entry.collected))
    }

    /// It was answered with "not now": to be asked again at `at`.
    pub fn retry(&mut self, ticket: Ticket, at: Now, refusal: RequestError) {
        if let Some(entry) = self.entries.get_mut(&ticket) {
            entry.refusal = Some(refusal);
            self.later.insert((at, ticket));
        }
    }

    /// Lets go what waited until now.
    pub fn release(&mut self, now: Now) {
        while let Some(&(at, ticket)) = self.later.first()
            && at <= now
        {
            self.later.pop_first();
            self.ready.insert(ticket);
        }
    }

    /// The connection broke: all are to be asked again, but those that may not be; these are given back.
    pub fn unsend(&mut self) -> Vec<Ticket> {
        let unrepeatable: Vec<Ticket> = self
            .entries
            .iter()
            .filter(|(_, entry)| !entry.request.may_repeat())
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in &unrepeatable {
            self.resolve(*ticket);
        }
        self.later.clear();
        self.ready = self.entries.keys().copied().collect();
        unrepeatable
    }

    /// Takes out those whose time is over.
    pub fn expire(&mut self, now: Now, allowed: Duration) -> Vec<(Ticket, RequestError)> {
        let mut expired = Vec::new();
        while let Some(&(at, ticket)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            self.ready.remove(&ticket);
            if let Some(entry) = self.entries.remove(&ticket) {
                expired.push((ticket, entry.refusal.unwrap_or(RequestError::TimedOut(allowed))));
            }
        }
        expired
    }

    /// When the next one's time is over.
    pub fn next_deadline(&self) -> Option<Now> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// When one may be asked again.
    pub fn next_retry(&self) -> Option<Now> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes all out.
    pub fn drain(&mut self) -> Vec<Ticket> {
        std::mem::take(self).entries.into_keys().collect()
    }
}
