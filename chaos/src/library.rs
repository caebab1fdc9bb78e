//! The same client as [`crate::talker`], but through the library `client`, as programs use it.

use std::sync::Arc;
use std::time::Duration;

use client::{Client, Event, Events, LogName, MessageId, NoRuntime, Options, SendError, Sent};
use futures::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::delivery::Delivery;
use crate::message;
use crate::record::{Record, Refusal};
use crate::stage::{Act, Stage};
use crate::workload::{Target, Targets};

/// How often it looks whether something is due.
const TICK: Duration = Duration::from_millis(10);
/// How long the library may take to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// One client.
pub struct Talker {
    stage: Arc<Stage>,
    record: Arc<Mutex<Record>>,
    targets: Targets,
    client: Client,
    events: Events,
    began: Instant,
}

/// A message that waits for its answer.
type Waiting = std::pin::Pin<Box<dyn Future<Output = (u32, Result<Sent, SendError>)> + Send>>;

impl Talker {
    /// The client of this number; it connects at once.
    ///
    /// # Errors
    /// [`NoRuntime`] outside of a tokio runtime.
    pub fn new(stage: Arc<Stage>, number: usize) -> Result<Self, NoRuntime> {
        let user = message::user(number);
        let user = user.parse().unwrap_or_else(|error| unreachable!("{user} is a user id: {error}"));
        let (client, events) = Client::connect(Options::new(stage.gateway.to_string(), user))?;
        let record = Arc::clone(&stage.records[number]);
        record.lock().merged = true;
        let targets = stage.workload.targets(number);
        Ok(Self { stage, record, targets, client, events, began: Instant::now() })
    }

    /// Talks until the stage says that it is over.
    pub async fn run(self) {
        let Self { stage, record, targets, client, events, began } = self;
        let hears = tokio::spawn(hear(Arc::clone(&stage), Arc::clone(&record), events));
        Speaker { stage, record, targets, client: client.clone(), began }.speak().await;
        client.close(LEAVE_WITHIN).await;
        // It ends with the client.
        let _ = hears.await;
    }
}

async fn hear(stage: Arc<Stage>, record: Arc<Mutex<Record>>, mut events: Events) {
    let reader = record.lock().history.inbox as usize;
    while let Some(event) = events.next().await {
        let at = stage.now();
        let mut record = record.lock();
        match event {
            Event::Connected { server, .. } => record.session_begins(&server, at),
            Event::Disconnected { reason, .. } => record.session_ends(at, &reason.to_string()),
            Event::Message(message) => heard(&stage, &mut record, reader, &message),
            Event::Delayed { id, .. } => delayed(&mut record, &id),
            Event::Ended(_) if stage.act() == Act::Leave => {}
            Event::Retrying { .. } | Event::Receipt { .. } => {}
            other => record.odd(at, format!("{other:?}")),
        }
    }
}

fn heard(stage: &Stage, record: &mut Record, reader: usize, message: &client::Message) {
    let (text, topic) = (message.text_lossy(), message.topic());
    let delivery = Delivery {
        log: message.log.as_str(),
        topic: topic.as_ref().map(|topic| topic.as_str()),
        text: &text,
        sender: message.from.as_str(),
        to: message.to.as_ref().map(|to| to.as_str()),
        id: message.id.as_ref().map_or("", MessageId::as_str),
    };
    let id = delivery.message(&stage.workload, reader);
    match (stage.workload.log_named(delivery.log), message.version) {
        (Some(log), Some(version)) => record.pushed(log, version.0, id, stage.now()),
        _ => record.odd(stage.now(), format!("a message of no log: {message:?}")),
    }
}

/// It is sent again later by itself: what was sent after it may come before it.
fn delayed(record: &mut Record, id: &MessageId) {
    let number = id.as_str().parse::<message::MessageId>().map(|id| id.number as usize);
    if let Some(send) = number.ok().and_then(|number| record.history.sends.get_mut(number)) {
        send.out_of_turn = true;
    }
}

struct Speaker {
    stage: Arc<Stage>,
    record: Arc<Mutex<Record>>,
    targets: Targets,
    client: Client,
    began: Instant,
}

impl Speaker {
    async fn speak(mut self) {
        let mut waiting = FuturesUnordered::<Waiting>::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.stage.act() != Act::Leave {
            tokio::select! {
                Some((number, answer)) = waiting.next() => self.answered(number, answer),
                _ = ticks.tick() => self.talk(&mut waiting).await,
            }
        }
    }

    async fn talk(&mut self, waiting: &mut FuturesUnordered<Waiting>) {
        let due = (self.began.elapsed().as_secs_f64() * self.stage.workload.rate) as usize;
        while self.stage.act() == Act::Talk && self.is_due(due) {
            let target = self.targets.pick();
            let id = self.record.lock().sends(target, &self.stage.workload, self.stage.now());
            let text = id.text(self.stage.workload.bytes);
            let msg_id = id.to_string();
            let msg_id = MessageId::new(&msg_id).unwrap_or_else(|error| unreachable!("{msg_id}: {error}"));
            match self.client.post_with_id(msg_id, library_target(target), text).await {
                Ok(pending) => waiting.push(Box::pin(async move { (id.number, pending.await) })),
                Err(error) => self.answered(id.number, Err(error)),
            }
        }
    }

    fn is_due(&self, due: usize) -> bool {
        let record = self.record.lock();
        record.history.sends.len() < due && record.unanswered().len() < self.stage.workload.window
    }

    fn answered(&self, number: u32, answer: Result<Sent, SendError>) {
        let at = self.stage.now();
        let mut record = self.record.lock();
        match answer {
            Ok(Sent { log, version, .. }) => {
                record.acked(number, self.log_no(&log), version.0, at);
            }
            Err(error) => {
                let refusal = Refusal { code: 0, retry: None, surely_not_stored: false };
                record.refused(number, refusal, at);
                record.odd(at, error.to_string());
            }
        }
    }

    fn log_no(&self, log: &LogName) -> Option<crate::history::LogNo> {
        self.stage.workload.log_named(log.as_str())
    }
}

fn library_target(target: Target) -> client::Target {
    let wrong = |name: &str, error: client::NameError| -> ! { unreachable!("{name}: {error}") };
    match target {
        Target::Client(other) => {
            let name = message::user(other);
            client::Target::User(name.parse().unwrap_or_else(|error| wrong(&name, error)))
        }
        Target::Topic(topic) => {
            let name = message::topic(topic);
            client::Target::Topic(name.parse().unwrap_or_else(|error| wrong(&name, error)))
        }
    }
}
