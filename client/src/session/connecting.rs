//! From the gateway to a session that is resumed; and what to do when it is lost.

use protocol::code::ErrorCode;
use protocol::command::Packet;
use protocol::ids::Version;

use super::{Action, Now, Phase, STABLE, Session, Waiting};
use crate::backoff::Advice;
use crate::{Event, LogState, Reason, RequestError, Start, wire};

/// How long to stay without logs, before connecting again in the hope that a manager can be reached.
const AGAIN: Now = Now::from_secs(5);

impl Session {
    pub(super) fn tick_phase(&mut self, now: Now) {
        let over = |until: &Now| *until <= now;
        match &self.phase {
            Phase::Waiting { until } if over(until) && !self.paused => self.dial_gateway(now),
            Phase::DialingGateway { until } | Phase::DialingServer { until } if over(until) => {
                self.lost(now, Reason::TimedOut("connecting"));
            }
            Phase::AskingGateway { until } if over(until) => {
                self.lost(now, Reason::TimedOut("REQ_MSG_SERVER"))
            }
            Phase::LoggingIn { until } if over(until) => self.lost(now, Reason::TimedOut("the login")),
            Phase::Resuming { until, .. } if over(until) => self.lost(now, Reason::TimedOut("RESUME")),
            Phase::Resuming { again: Some(again), .. } if over(again) => self.send_resume(),
            Phase::Up { again: Some(again), .. } if over(again) => {
                let message = "the login told no logs, as no manager could be reached".to_owned();
                self.lost(
                    now,
                    Reason::NotNow { code: ErrorCode::NoManager.number(), message, retry: Now::ZERO },
                );
            }
            _ => {}
        }
    }

    fn dial_gateway(&mut self, now: Now) {
        self.phase = Phase::DialingGateway { until: now + self.options.timings.connect };
        self.actions.push_back(Action::Dial(self.options.gateway.clone()));
    }

    /// The connection that was asked for is there.
    pub fn dialed(&mut self, now: Now) {
        match &self.phase {
            Phase::DialingGateway { .. } => {
                self.phase = Phase::AskingGateway { until: now + self.options.timings.connect };
                let seq = self.number(Waiting::Gateway);
                wire::ask_gateway(seq, &mut self.output);
            }
            Phase::DialingServer { .. } => {
                self.phase = Phase::LoggingIn { until: now + self.options.timings.login };
                self.login(now);
            }
            _ => {}
        }
    }

    /// What is at the other end of the connection that is there or asked for.
    pub fn dialing(&self) -> String {
        match &self.phase {
            Phase::DialingGateway { .. } => format!("the gateway {}", self.options.gateway),
            _ => format!("the server {}", self.server),
        }
    }

    pub(super) fn gateway_named(&mut self, now: Now, packet: &Packet<'_>) {
        let Some(addr) = packet.addr.as_deref() else {
            return self.lost(now, Reason::BadPacket("the gateway's answer has no Addr".into()));
        };
        self.server = addr.to_owned();
        self.phase = Phase::DialingServer { until: now + self.options.timings.connect };
        self.actions.push_back(Action::Hangup);
        self.actions.push_back(Action::Dial(self.server.clone()));
    }

    fn login(&mut self, now: Now) {
        let seq = self.number(Waiting::Login);
        wire::login(&self.options.user, &self.options.device, seq, &mut self.output);
        self.keepalive.begin(now);
    }

    pub(super) fn logged_in(&mut self, now: Now, packet: &Packet<'_>) {
        match wire::login_logs(packet) {
            Err(error) => self.lost(now, Reason::BadPacket(error.to_string())),
            // The server keeps the positions, and follows them up when a manager can be reached.
            Ok(None) if self.knows_logs => self.resume(now, None),
            Ok(None) => {
                let again = now + self.backoff.stretched(AGAIN);
                self.up(now, Some(again), None);
            }
            Ok(Some(logs)) => {
                self.knows_logs = true;
                self.place(&logs);
                self.resume(now, Some(logs));
            }
        }
    }

    fn resume(&mut self, now: Now, logs: Option<Vec<LogState>>) {
        let until = now + self.options.timings.login;
        self.phase = Phase::Resuming { until, again: None, logs };
        self.send_resume();
    }

    /// Brings what this client has of each log together with what login says that there is.
    fn place(&mut self, logs: &[LogState]) {
        let durable = || logs.iter().filter(|state| !state.volatile);
        self.progress.keep(|log| durable().any(|state| state.log == *log));
        for state in durable() {
            let start = self.options.resume.get(&state.log).unwrap_or(match self.options.start {
                Start::Cursor => state.cursor,
                Start::Newest(count) => state.cursor.max(Version(state.head.0.saturating_sub(count))),
                Start::Head => state.head,
            });
            let had = self.progress.entry(&state.log, start.0).tracker.upto();
            // A head may be told by a server that is behind: so it is believed only when RESUME was refused for it.
            if had > state.head.0 && self.refused_resumes > 0 {
                self.progress.restart(&state.log, state.head.0);
                let (log, had, head) = (state.log.clone(), Version(had), state.head);
                self.actions.push_back(Action::Tell(Event::Rewound { log, had, head }));
            }
        }
    }

    fn send_resume(&mut self) {
        let Phase::Resuming { again, logs, .. } = &mut self.phase else { return };
        *again = None;
        let listed: Option<Vec<_>> = logs
            .as_ref()
            .map(|logs| logs.iter().filter(|state| !state.volatile).map(|state| state.log.clone()).collect());
        let mut positions = self.progress.resume();
        positions.retain(|log, _| listed.as_ref().is_none_or(|listed| listed.contains(log)));
        let seq = self.number(Waiting::Resume);
        wire::resume(&positions, seq, &mut self.output);
    }

    /// RESUME was answered, or a push shows that it was heard.
    pub(super) fn resumed(&mut self, now: Now) {
        if let Phase::Resuming { logs, .. } = &mut self.phase {
            let logs = std::mem::take(logs);
            self.up(now, None, logs);
        }
    }

    pub(super) fn resume_refused(&mut self, now: Now, reason: Reason) {
        if let (Reason::NotNow { retry, .. }, Phase::Resuming { again, until, .. }) =
            (&reason, &mut self.phase)
        {
            let at = now + self.backoff.stretched(*retry);
            *again = Some(at);
            *until = at + self.options.timings.login;
        } else {
            self.refused_resumes += 1;
            self.lost(now, reason);
        }
    }

    fn up(&mut self, now: Now, again: Option<Now>, logs: Option<Vec<LogState>>) {
        if logs.is_some() {
            self.refused_resumes = 0;
        }
        self.phase = Phase::Up { since: now, again };
        self.told_connected = true;
        self.actions.push_back(Action::Tell(Event::Connected { server: self.server.clone(), logs }));
        self.keepalive.begin(now);
        self.ack_soon(now);
        self.flush(now);
    }

    /// The connection is no more, or is given up.
    pub fn lost(&mut self, now: Now, reason: Reason) {
        if self.ended().is_some() {
            return;
        }
        if matches!(self.phase, Phase::Up { since, .. } if now.saturating_sub(since) >= STABLE) {
            self.backoff.reset();
        }
        self.forget_connection();
        match fate(&reason) {
            Fate::End => self.end(reason),
            Fate::ComeBack(advice) => {
                let coming_back_in = self.backoff.next(advice);
                self.phase = Phase::Waiting { until: now + coming_back_in };
                let event = if std::mem::take(&mut self.told_connected) {
                    Event::Disconnected { reason, coming_back_in }
                } else {
                    Event::Retrying { reason, coming_back_in }
                };
                self.actions.push_back(Action::Tell(event));
                self.finish_closing(now);
            }
        }
    }

    fn forget_connection(&mut self) {
        self.actions.push_back(Action::Hangup);
        self.output.clear();
        self.waiting.clear();
        self.outbox.unsend();
        self.progress.unsend_acks();
        for ticket in self.requests.unsend() {
            self.actions.push_back(Action::Answered(ticket, Err(RequestError::NotConnected)));
        }
    }
}

enum Fate {
    ComeBack(Advice),
    End,
}

fn fate(reason: &Reason) -> Fate {
    match reason {
        Reason::Told { code: 1000..2000, .. } => Fate::ComeBack(Advice::Soon),
        Reason::Told { code: 2000..3000, .. } => Fate::ComeBack(Advice::Later),
        Reason::Told { .. } | Reason::Refused { .. } | Reason::Closed => Fate::End,
        Reason::NotNow { retry, .. } => Fate::ComeBack(Advice::After(*retry)),
        _ => Fate::ComeBack(Advice::None),
    }
}
