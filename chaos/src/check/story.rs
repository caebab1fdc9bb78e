//! A fault's history, cut down to what a person has to read: the message and its neighbours in the log, who saw them when, and
//! what was killed meanwhile.

use super::{Fault, Place};
use crate::history::{At, Client, History, How, LogNo};
use crate::message::MessageId;

/// Versions before and after the one in question that are told.
const AROUND: u64 = 2;
/// The time before and after which incidents are told, in microseconds.
const MEANWHILE: u32 = 3_000_000;
/// A story's longest.
const LINES: usize = 60;

/// What happened around a fault, line by line in order of time.
pub fn tell(history: &History, fault: &Fault) -> Vec<String> {
    let story = Story { history, place: fault.place, lines: Vec::new() };
    story.told()
}

struct Story<'a> {
    history: &'a History,
    place: Place,
    lines: Vec<(At, String)>,
}

impl Story<'_> {
    fn told(mut self) -> Vec<String> {
        let stored = self.stored();
        self.sent(&stored);
        self.seen();
        self.sessions();
        self.incidents();
        self.lines.sort_by_key(|(at, _)| *at);
        let left_out = self.lines.len().saturating_sub(LINES);
        let mut told: Vec<_> = self.lines.into_iter().map(|(at, line)| format!("{at}  {line}")).collect();
        told.truncate(LINES);
        if left_out > 0 {
            told.push(format!("… and {left_out} more lines"));
        }
        let log = self.place.log.map(|log| self.history.log_name(log));
        if let Some(log) = log {
            let entries: Vec<_> = stored.iter().map(|(version, id)| format!("{version}={id}")).collect();
            told.push(format!("in the end {log} holds … {} …", entries.join(" ")));
        }
        told
    }

    /// The entries around the place.
    fn stored(&self) -> Vec<(u64, String)> {
        let Some(log) = self.place.log.and_then(|log| self.history.logs.get(log as usize)) else {
            return Vec::new();
        };
        let around = |version: u64| match self.place.version {
            Some(middle) => version.abs_diff(middle) <= AROUND,
            None => false,
        };
        let ours = |message| self.place.message.is_some() && message == self.place.message;
        let entries = log.stored.iter().filter(|entry| around(entry.version) || ours(entry.message));
        entries
            .map(|entry| (entry.version, entry.message.map_or("?".into(), |message| message.to_string())))
            .collect()
    }

    fn sent(&mut self, stored: &[(u64, String)]) {
        let mut messages: Vec<MessageId> = stored.iter().filter_map(|(_, id)| id.parse().ok()).collect();
        messages.extend(self.place.message);
        messages.sort_unstable();
        messages.dedup();
        for message in messages {
            let Some(send) = self.history.send(message) else { continue };
            let log = self.history.log_name(send.log);
            let sessions = &self.history.clients[usize::from(message.client)].sessions;
            let server = |session: u16| sessions.get(usize::from(session)).map_or("?", |one| &one.server);
            self.lines
                .push((send.at, format!("{message} is sent to {log} through {}", server(send.session))));
            for (at, session) in &send.again {
                self.lines.push((*at, format!("{message} is sent again through {}", server(*session))));
            }
            if send.refused {
                self.lines.push((send.at, format!("{message} is refused for good (Stored: no)")));
            }
        }
    }

    fn seen(&mut self) {
        let Some(log) = self.place.log else { return };
        for client in &self.history.clients {
            for seen in client.seen.iter().filter(|seen| seen.log == log) {
                let near = self.place.version.is_some_and(|version| version.abs_diff(seen.version) <= AROUND);
                let ours = self.place.message.is_some() && self.place.message == seen.message;
                if near || ours {
                    let how = if seen.how == How::Acked { "is answered OK:" } else { "is pushed" };
                    let id = seen.message.map_or("something".into(), |message| message.to_string());
                    let line =
                        format!("{} (session {}) {how} {}={id}", client.user, seen.session, seen.version);
                    self.lines.push((seen.at, line));
                }
            }
        }
    }

    /// Beginnings and ends of sessions of whom it is about.
    fn sessions(&mut self) {
        let sender = self.place.message.map(|message| usize::from(message.client));
        let mut clients: Vec<usize> = [self.place.client, sender].into_iter().flatten().collect();
        clients.dedup();
        let (from, to) = self.span();
        for client in clients {
            let Some(one) = self.history.clients.get(client) else { continue };
            let lines = session_lines(one, self.place.log);
            self.lines.extend(lines.into_iter().filter(|(at, _)| *at >= from && *at <= to));
        }
    }

    fn incidents(&mut self) {
        let (from, to) = self.span();
        let incidents = self.history.incidents.iter().filter(|one| one.at >= from && one.at <= to);
        self.lines.extend(incidents.map(|one| (one.at, format!("*** {}", one.what))));
    }

    fn span(&self) -> (At, At) {
        let times = || self.lines.iter().map(|(at, _)| at.0);
        let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(u32::MAX));
        (At(first.saturating_sub(MEANWHILE)), At(last.saturating_add(MEANWHILE)))
    }
}

fn session_lines(client: &Client, log: Option<LogNo>) -> Vec<(At, String)> {
    let mut lines = Vec::new();
    for (number, session) in client.sessions.iter().enumerate() {
        let resumed = session.resumed.iter().find(|(other, _)| Some(*other) == log);
        let from = resumed.map_or(String::new(), |(_, version)| format!(", after version {version}"));
        let began = format!("{} begins session {number} on {}{from}", client.user, session.server);
        lines.push((session.began, began));
        if let Some((at, why)) = &session.ended {
            lines.push((*at, format!("{} ends session {number}: {why}", client.user)));
        }
    }
    lines
}
