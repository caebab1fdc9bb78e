//! Both programs in a pipe: lines in, lines out, and an end with a number.

use std::collections::VecDeque;
use std::io::{self, BufRead as _};
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use super::args::Common;
use super::exit::Exit;
use super::screen::Screen;
use super::{json, wording};
use crate::{Body, Client, Event, Events, Message, MessageId, RequestError, SendError, Sent, Target};

/// How long unsent lines are waited for when standard input has ended.
const SEND_WITHIN: Duration = Duration::from_secs(30);
/// How long the goodbye may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);
/// Lines that may be on their way at one time; standard input is not read beyond that.
const MAX_PENDING: usize = 1000;

/// One run.
pub struct Script {
    /// Connected already.
    pub client: Client,
    /// `None` where nothing is shown.
    pub events: Option<Events>,
    /// Whom the lines are for.
    pub target: Option<Target>,
    /// Send them without storing.
    pub volatile: bool,
    /// Which messages are shown and counted.
    pub shown: Box<dyn Fn(&Message) -> bool>,
    /// Where it goes.
    pub screen: Screen,
    /// The command line.
    pub common: Common,
}

struct Outcome {
    id: Option<MessageId>,
    result: Result<Option<Sent>, SendError>,
}

/// A line on its way.
type Answer = Pin<Box<dyn Future<Output = Outcome>>>;

/// How it stands.
struct State {
    /// In the order of the lines, in which their outcomes are shown.
    pending: VecDeque<Answer>,
    input_open: bool,
    came: u64,
    refused: bool,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Script {
    /// Runs to the end.
    pub async fn run(mut self) -> Exit {
        let mut events = self.events.take();
        let ended = self.exchange(&mut events).await;
        if let Some(events) = &mut events {
            events.handled();
        }
        drop(events);
        let exit = ended.unwrap_or_else(|exit| exit);
        // Whoever ran out of time does not get more of it.
        let within = if exit == Exit::NotYet { Duration::ZERO } else { CLOSE_WITHIN };
        self.client.close(within).await;
        exit
    }

    async fn exchange(&self, events: &mut Option<Events>) -> Result<Exit, Exit> {
        let mut lines = if self.common.listen { None } else { Some(stdin_lines()) };
        let mut state = State {
            pending: VecDeque::new(),
            input_open: lines.is_some(),
            came: 0,
            refused: false,
            deadline: None,
        };
        if lines.is_none() {
            state.deadline = self.common.wait.map(|wait| Box::pin(tokio::time::sleep(wait)));
        }
        loop {
            if let Some(exit) = self.finished(&state) {
                return Ok(exit);
            }
            tokio::select! {
                line = next_line(&mut lines), if state.input_open && state.pending.len() < MAX_PENDING => {
                    match line {
                        Some(line) => self.send(line?, &mut state).await?,
                        None => self.input_ended(&mut state),
                    }
                }
                outcome = first_of(&mut state.pending) => {
                    state.pending.pop_front();
                    self.outcome(&outcome, &mut state)?;
                }
                event = next_event(events) => self.event(event, &mut state)?,
                () = over(&mut state.deadline) => return Ok(self.at_deadline(&state)),
                _ = tokio::signal::ctrl_c() => return Ok(self.at_deadline(&state)),
            }
        }
    }

    fn finished(&self, state: &State) -> Option<Exit> {
        let sent = !state.input_open && state.pending.is_empty();
        let done = match self.common.count {
            Some(count) => state.came >= count && sent,
            None => sent && !self.common.listen && (self.common.wait.is_none() || self.common.once),
        };
        done.then_some(if state.refused { Exit::Refused } else { Exit::Ok })
    }

    /// The time is over: whether that is an end like another depends on what is still missing.
    fn at_deadline(&self, state: &State) -> Exit {
        if !state.pending.is_empty() {
            let unsent = state.pending.len();
            eprintln!("{unsent} of the lines are not known to be stored: the time is over; try again");
            return Exit::NotYet;
        }
        match self.common.count {
            Some(count) if state.came < count => {
                eprintln!("{} of {count} messages came: the time is over", state.came);
                Exit::NotYet
            }
            _ if state.refused => Exit::Refused,
            _ => Exit::Ok,
        }
    }

    fn input_ended(&self, state: &mut State) {
        state.input_open = false;
        let within = match self.common.wait {
            Some(wait) => Some(wait),
            None => self.common.count.is_none().then_some(SEND_WITHIN),
        };
        state.deadline = within.map(|within| Box::pin(tokio::time::sleep_until(Instant::now() + within)));
    }

    async fn send(&self, line: Vec<u8>, state: &mut State) -> Result<(), Exit> {
        let Some(target) = self.target.clone() else { return Ok(()) };
        let body = match String::from_utf8(line) {
            Ok(text) => Body::from(text),
            Err(error) => Body::of_type("application/octet-stream", error.into_bytes()),
        };
        if self.volatile {
            let client = self.client.clone();
            // A task, so that it is asked at once.
            let asked = tokio::spawn(async move { client.volatile(target, body).await });
            state.pending.push_back(Box::pin(async move {
                let result = asked.await.unwrap_or(Err(RequestError::NotConnected)).map(|()| None);
                Outcome { id: None, result: result.map_err(as_send_error) }
            }));
            return Ok(());
        }
        match self.client.post(target, body).await {
            Ok(pending) => {
                let id = Some(pending.id().clone());
                state
                    .pending
                    .push_back(Box::pin(async move { Outcome { id, result: pending.await.map(Some) } }));
                Ok(())
            }
            Err(error) => self.outcome(&Outcome { id: None, result: Err(error) }, state),
        }
    }

    fn outcome(&self, outcome: &Outcome, state: &mut State) -> Result<(), Exit> {
        let Some(target) = &self.target else { return Ok(()) };
        if let Err(error) = &outcome.result {
            state.refused = true;
            self.screen.warn(&wording::send_error(target, error))?;
        }
        self.screen.object(|| json::outcome(outcome.id.as_ref(), target, &outcome.result))
    }

    fn event(&self, event: Option<Event>, state: &mut State) -> Result<(), Exit> {
        let Some(event) = event else { return Err(Exit::Refused) };
        match &event {
            Event::Message(message) if !(self.shown)(message) => return Ok(()),
            Event::Message(message) => {
                state.came += 1;
                let topic = match &self.target {
                    Some(Target::Topic(topic)) => Some(topic.as_str()),
                    _ => None,
                };
                let line = wording::message(message, self.client.user(), topic, self.screen.paint);
                self.screen.say(&line)?;
            }
            Event::Disconnected { reason, .. } => self.screen.note(&reason.to_string())?,
            Event::Ended(reason) => self.screen.warn(&wording::ended(reason))?,
            Event::Gap { log, first, last } => {
                self.screen.note(&format!("{log}: the messages {first} to {last} are gone (retention)"))?;
            }
            _ => {}
        }
        self.screen.object(|| json::event(&event))
    }
}

/// A volatile message's refusal, as one of a durable one.
pub fn as_send_error(error: RequestError) -> SendError {
    use RequestError as E;
    match error {
        E::Refused { code, message } | E::NotNow { code, message } => SendError::Refused { code, message },
        E::TooLarge { bytes, limit } => SendError::TooLarge { bytes, limit },
        E::Ended(reason) => SendError::Ended { reason, maybe_stored: false },
        other => SendError::Refused { code: 0, message: other.to_string() },
    }
}

async fn next_event(events: &mut Option<Events>) -> Option<Event> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn first_of(pending: &mut VecDeque<Answer>) -> Outcome {
    match pending.front_mut() {
        Some(answer) => answer.await,
        None => std::future::pending().await,
    }
}

async fn over(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

async fn next_line(lines: &mut Option<mpsc::Receiver<io::Result<Vec<u8>>>>) -> Option<Result<Vec<u8>, Exit>> {
    let line = match lines {
        Some(lines) => lines.recv().await?,
        None => std::future::pending().await,
    };
    Some(line.map_err(|error| {
        eprintln!("cannot read standard input: {error}");
        Exit::Io
    }))
}

/// The lines of standard input, without their ends; empty ones are left out. Read by a thread, as nothing else
/// can be stopped in the middle of a read.
fn stdin_lines() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (line, lines) = mpsc::channel(64);
    thread::spawn(move || {
        for mut text in io::stdin().lock().split(b'\n') {
            if let Ok(text) = &mut text
                && text.last() == Some(&b'\r')
            {
                text.pop();
            }
            let empty = text.as_ref().is_ok_and(Vec::is_empty);
            if !empty && line.blocking_send(text).is_err() {
                return;
            }
        }
    });
    lines
}
