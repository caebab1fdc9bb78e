//! Decides: what comes in, and the time, turn into packets to write and actions. No sockets, no tasks, no clock.
//!
//! Times are durations since a moment that the caller chooses. The caller has one connection at a time: an
//! [`Action::Dial`] ends the one before. After each input it takes the actions and writes [`Session::output`].

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use protocol::ids::{LogName, Version};

use crate::backoff::Backoff;
use crate::outbox::{Outbox, Outgoing, Ticket};
use crate::progress::Progress;
use crate::request::{Answer, Request};
use crate::{Acks, Event, LogState, Options, Positions, Reason, RequestError, SendError, Sent};

mod arrivals;
mod connecting;
mod keepalive;
mod requests;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use keepalive::Keepalive;
use requests::Requests;

/// Time since a moment that the caller chooses.
pub type Now = Duration;

/// What the caller has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connect to this address, then [`Session::dialed`] or [`Session::lost`].
    Dial(String),
    /// End the connection.
    Hangup,
    /// Tell the program.
    Tell(Event),
    /// A durable send is answered for good.
    Sent(Ticket, Result<Sent, SendError>),
    /// A request is answered.
    Answered(Ticket, Result<Answer, RequestError>),
}

#[derive(Debug)]
enum Phase {
    /// Until it is time to come back.
    Waiting {
        until: Now,
    },
    /// To the gateway; then `REQ_MSG_SERVER`.
    DialingGateway {
        until: Now,
    },
    AskingGateway {
        until: Now,
    },
    DialingServer {
        until: Now,
    },
    LoggingIn {
        until: Now,
    },
    /// `RESUME` is on its way, or waits until `again`.
    Resuming {
        until: Now,
        again: Option<Now>,
        logs: Option<Vec<LogState>>,
    },
    /// `again`: when to connect again, as the login came without logs and there is nothing to resume from.
    Up {
        since: Now,
        again: Option<Now>,
    },
    Ended(Reason),
}

/// Whose answer a `Seq` will be.
#[derive(Debug)]
enum Waiting {
    Gateway,
    Login,
    Resume,
    Ping,
    Ack(LogName, u64),
    Send(Ticket),
    Request(Ticket),
}

/// A session held if it lasted this long: then the next wait is a short one again.
const STABLE: Duration = Duration::from_secs(5);

/// One client's state over all its connections.
#[derive(Debug)]
pub struct Session {
    options: Options,
    phase: Phase,
    /// Address of the msg_server that the gateway named last.
    server: String,
    /// Whether the program believes that there is a session.
    told_connected: bool,
    next_seq: u64,
    waiting: HashMap<u64, Waiting>,
    outbox: Outbox,
    requests: Requests,
    progress: Progress,
    keepalive: Keepalive,
    backoff: Backoff,
    ack_at: Option<Now>,
    /// The hole for which the last connection was ended.
    hole: Option<(LogName, u64)>,
    /// Login has told once which logs there are.
    knows_logs: bool,
    /// How many times in a row a `RESUME` was refused.
    refused_resumes: u32,
    /// The program does not take its events: nothing is read.
    paused: bool,
    closing: Option<Now>,
    output: Vec<u8>,
    actions: VecDeque<Action>,
}

impl Session {
    /// A client that is about to connect. `seed` is for the jitter of its waits.
    pub fn new(options: Options, seed: u64) -> Self {
        Self {
            phase: Phase::Waiting { until: Now::ZERO },
            server: String::new(),
            told_connected: false,
            next_seq: 1,
            waiting: HashMap::new(),
            outbox: Outbox::new(options.user.clone()),
            requests: Requests::default(),
            progress: Progress::new(options.acks == Acks::Manual),
            keepalive: Keepalive::default(),
            backoff: Backoff::new(seed),
            ack_at: None,
            hole: None,
            knows_logs: false,
            refused_resumes: 0,
            paused: false,
            closing: None,
            output: Vec::new(),
            actions: VecDeque::new(),
            options,
        }
    }

    /// What to do next.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Bytes to write to the connection; the caller takes from the front what was written.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Takes a durable send.
    pub fn send(&mut self, now: Now, ticket: Ticket, outgoing: Outgoing) {
        if let Some(reason) = self.over() {
            let error = SendError::Ended { reason, maybe_stored: false };
            return self.actions.push_back(Action::Sent(ticket, Err(error)));
        }
        self.outbox.add(ticket, outgoing);
        self.flush(now);
    }

    /// Takes a request.
    pub fn request(&mut self, now: Now, ticket: Ticket, request: Request) {
        let refusal = match self.over() {
            Some(reason) => Some(RequestError::Ended(reason)),
            None if !self.is_up() && !request.may_repeat() => Some(RequestError::NotConnected),
            None => None,
        };
        match refusal {
            Some(error) => self.actions.push_back(Action::Answered(ticket, Err(error))),
            None => {
                self.requests.add(ticket, request, now + self.options.timings.request);
                self.flush(now);
            }
        }
    }

    /// The program has handled this log up to `version`.
    pub fn handled(&mut self, now: Now, log: &LogName, version: Version) {
        self.progress.handled(log, version.0);
        self.ack_soon(now);
    }

    /// Where a program that has handled what it was told would go on.
    pub fn positions(&self) -> Positions {
        self.progress.positions()
    }

    /// Whether the connection may not be read now, as the program does not take its events.
    pub fn pause(&mut self, now: Now, paused: bool) {
        if self.paused && !paused {
            self.keepalive.resumed(now);
        }
        self.paused = paused;
    }

    /// Ends the client when all was sent and acknowledged, after `within` at the latest.
    pub fn close(&mut self, now: Now, within: Duration) {
        self.closing = Some(now + within);
        self.send_acks(now);
        self.finish_closing(now);
    }

    /// Whether the client has ended, and why.
    pub fn ended(&self) -> Option<&Reason> {
        match &self.phase {
            Phase::Ended(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether sends and requests go out.
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// When [`Session::tick`] is due.
    pub fn wake_at(&self) -> Option<Now> {
        let phase = match &self.phase {
            Phase::Ended(_) => return None,
            Phase::Waiting { until } => (!self.paused).then_some(*until),
            Phase::DialingGateway { until }
            | Phase::AskingGateway { until }
            | Phase::DialingServer { until }
            | Phase::LoggingIn { until } => Some(*until),
            Phase::Resuming { until, again, .. } => Some(again.map_or(*until, |again| again.min(*until))),
            Phase::Up { again, .. } => *again,
        };
        let up = if self.is_up() { self.wake_while_up() } else { None };
        [phase, up, self.requests.next_deadline(), self.closing].into_iter().flatten().min()
    }

    fn wake_while_up(&self) -> Option<Now> {
        let ping = (!self.paused).then(|| self.keepalive.due_at(&self.options.timings));
        let sends = [self.outbox.next_release(), self.requests.next_retry(), self.ack_at];
        sends.into_iter().chain([ping]).flatten().min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) {
        self.tick_phase(now);
        if self.is_up() {
            self.tick_up(now);
        }
        for (ticket, error) in self.requests.expire(now, self.options.timings.request) {
            self.actions.push_back(Action::Answered(ticket, Err(error)));
        }
        self.finish_closing(now);
    }

    fn tick_up(&mut self, now: Now) {
        if self.ack_at.is_some_and(|at| at <= now) {
            self.send_acks(now);
        }
        self.outbox.release(now);
        self.requests.release(now);
        self.flush(now);
        if !self.paused {
            self.beat(now);
        }
    }

    /// Writes what may be written now.
    fn flush(&mut self, now: Now) {
        if !self.is_up() {
            return;
        }
        let before = self.output.len();
        while let Some((ticket, outgoing)) = self.outbox.next() {
            let seq = self.next_seq;
            self.next_seq += 1;
            crate::wire::send(outgoing, seq, &mut self.output);
            self.waiting.insert(seq, Waiting::Send(ticket));
        }
        while let Some((ticket, request)) = self.requests.next() {
            let seq = self.next_seq;
            self.next_seq += 1;
            crate::wire::request(request, seq, &mut self.output);
            self.waiting.insert(seq, Waiting::Request(ticket));
        }
        if self.output.len() > before {
            self.keepalive.asked(now);
        }
    }

    fn number(&mut self, waiting: Waiting) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.waiting.insert(seq, waiting);
        seq
    }

    fn ack_soon(&mut self, now: Now) {
        self.ack_at.get_or_insert(now + self.options.timings.ack);
    }

    fn send_acks(&mut self, now: Now) {
        if !self.is_up() {
            return;
        }
        self.ack_at = None;
        for (log, version) in self.progress.take_acks() {
            let seq = self.number(Waiting::Ack(log.clone(), version));
            crate::wire::ack(&log, version, seq, &mut self.output);
            self.keepalive.asked(now);
        }
    }

    fn over(&self) -> Option<Reason> {
        self.ended().cloned().or_else(|| self.closing.map(|_| Reason::Closed))
    }

    fn finish_closing(&mut self, now: Now) {
        let Some(until) = self.closing else { return };
        let acks = self.is_up() && (self.progress.owes_acks() || self.progress.awaits_acks());
        let done = self.outbox.is_empty() && self.requests.is_empty() && !acks;
        if done || now >= until {
            self.end(Reason::Closed);
        }
    }

    fn end(&mut self, reason: Reason) {
        if self.ended().is_some() {
            return;
        }
        self.phase = Phase::Ended(reason.clone());
        self.actions.push_back(Action::Hangup);
        for (ticket, maybe_stored) in self.outbox.drain() {
            let error = SendError::Ended { reason: reason.clone(), maybe_stored };
            self.actions.push_back(Action::Sent(ticket, Err(error)));
        }
        for ticket in self.requests.drain() {
            let error = RequestError::Ended(reason.clone());
            self.actions.push_back(Action::Answered(ticket, Err(error)));
        }
        self.output.clear();
        self.waiting.clear();
        self.actions.push_back(Action::Tell(Event::Ended(reason)));
    }
}
