//! A client of our own, which speaks nothing but the wire: sends at its rate whatever happens, up to its window of unanswered
//! messages; when its connection dies, comes back through the gateway, resumes from what it has, and sends again, in order,
//! what was not answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::command::{Packet, name};
use rand::RngExt;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::delivery::Delivery;
use crate::message::{self, MessageId};
use crate::record::{Record, Refusal, Then};
use crate::stage::{Act, Stage};
use crate::wire::{self, Connection, WireError};
use crate::workload::{Target, Targets, Workload};

/// The device that talks.
const DEVICE: &str = "talker";
/// How often it looks whether something is due.
const TICK: Duration = Duration::from_millis(10);
/// The longest random wait before it comes back.
const COME_BACK_WITHIN: Duration = Duration::from_millis(200);
/// How often it asks whether the connection lives.
const PING_EVERY: Duration = Duration::from_secs(3);
/// A connection over which nothing came for so long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(12);

/// `Seq` of the requests that are no sends; that of a send is its number, counted from [`FIRST_SEND`].
const RESUME: u64 = 1;
const FIRST_PING: u64 = 10;
const FIRST_SEND: u64 = 1_000_000;

/// One client.
pub struct Talker {
    stage: Arc<Stage>,
    number: usize,
    record: Arc<Mutex<Record>>,
    targets: Targets,
    began: Instant,
    /// Messages to be sent again when their time has come.
    later: BTreeMap<(Instant, u32), ()>,
}

impl Talker {
    /// The client of this number.
    pub fn new(stage: Arc<Stage>, number: usize) -> Self {
        let record = Arc::clone(&stage.records[number]);
        let targets = stage.workload.targets(number);
        Self { stage, number, record, targets, began: Instant::now(), later: BTreeMap::new() }
    }

    /// Talks until the stage says that it is over.
    pub async fn run(mut self) {
        while self.stage.act() != Act::Leave {
            let ended = self.session().await;
            let over = self.stage.act() == Act::Leave;
            if let Err(error) = ended.as_ref()
                && !over
            {
                self.ended(error);
            }
            if !over {
                let wait = rand::rng().random_range(Duration::ZERO..COME_BACK_WITHIN);
                sleep(wait).await;
            }
        }
    }

    fn ended(&self, why: &WireError) {
        let mut record = self.record.lock();
        if !why.may_pass() {
            record.odd(self.stage.now(), why.to_string());
        }
        record.session_ends(self.stage.now(), &why.to_string());
    }

    async fn session(&mut self) -> Result<(), WireError> {
        let address = wire::ask_gateway(self.stage.gateway).await?;
        let mut connection = Connection::open(address).await?;
        let user = message::user(self.number);
        let login = Packet { device: Some(DEVICE.into()), ..Packet::new(name::SEND_CLIENT_ID, [&user]) };
        let mut early = 0;
        connection.ask(login, |_| early += 1).await?;
        self.record.lock().session_begins(&address.to_string(), self.stage.now());
        if early > 0 {
            self.odd(format!("{early} packets before RESUME"));
        }
        self.resume(&mut connection);
        self.converse(&mut connection).await
    }

    /// Says from where to read, and sends again what was not answered, before anything new.
    fn resume(&mut self, connection: &mut Connection) {
        let mut record = self.record.lock();
        let workload = &self.stage.workload;
        let positions: serde_json::Map<String, serde_json::Value> =
            record.positions().map(|(log, version)| (workload.log_name(log), version.into())).collect();
        let logs = serde_json::value::to_raw_value(&positions).ok();
        connection.queue(&Packet {
            seq: Some(RESUME),
            logs: logs.as_deref(),
            ..Packet::new(name::RESUME, [])
        });
        self.later.clear();
        let unanswered: Vec<_> = record.unanswered().iter().copied().collect();
        for number in unanswered {
            if let Some((id, target)) = record.sends_again(number, workload, self.stage.now()) {
                queue_send(connection, workload, id, target);
            }
        }
    }

    async fn converse(&mut self, connection: &mut Connection) -> Result<(), WireError> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pulse = Pulse::new();
        while self.stage.act() != Act::Leave {
            tokio::select! {
                turned = connection.turn() => {
                    turned?;
                    pulse.heard = Instant::now();
                    self.hear(connection)?;
                }
                _ = ticks.tick() => pulse.beat(connection)?,
            }
            self.talk(connection);
            connection.flush()?;
        }
        Ok(())
    }

    /// Sends what is due: again, and anew.
    fn talk(&mut self, connection: &mut Connection) {
        let (now, at, workload) = (Instant::now(), self.stage.now(), &self.stage.workload);
        let mut record = self.record.lock();
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, number), ()) = entry.remove_entry();
            if record.awaits(number)
                && let Some((id, target)) = record.sends_again(number, workload, at)
            {
                queue_send(connection, workload, id, target);
            }
        }
        if self.stage.act() != Act::Talk {
            return;
        }
        let due = (now.duration_since(self.began).as_secs_f64() * workload.rate) as usize;
        while record.history.sends.len() < due && record.unanswered().len() < workload.window {
            let target = self.targets.pick();
            let id = record.sends(target, workload, at);
            queue_send(connection, workload, id, target);
        }
    }

    fn hear(&mut self, connection: &mut Connection) -> Result<(), WireError> {
        let at = self.stage.now();
        let mut record = self.record.lock();
        let mut again = Vec::new();
        connection.each(|packet| {
            match &*packet.cmd_name {
                name::OK => match number_of(packet) {
                    Some(number) => {
                        let log = packet.log.as_ref().and_then(|log| self.stage.workload.log_named(log));
                        record.acked(number, log, packet.version.unwrap_or(0), at);
                    }
                    None if packet.seq.is_none() => record.odd(at, "an OK without a Seq".into()),
                    None => {}
                },
                name::ERROR => match number_of(packet) {
                    Some(number) => {
                        if let Then::SendAgain(after) = record.refused(number, refusal(packet), at) {
                            again.push((Instant::now() + after, number));
                        }
                    }
                    None => return Err(error_to_request(packet)),
                },
                name::RESP_MESSAGE_P2P | name::RESP_MESSAGE_TOPIC | name::ENTRY => {
                    let message =
                        Delivery::of(packet).and_then(|one| one.message(&self.stage.workload, self.number));
                    match (
                        packet.log.as_ref().and_then(|log| self.stage.workload.log_named(log)),
                        packet.version,
                    ) {
                        (Some(log), Some(version)) => record.pushed(log, version, message, at),
                        _ => record.odd(at, format!("a push of no log: {packet:?}")),
                    }
                }
                other => record.odd(at, format!("{other} {:?}", packet.args)),
            }
            Ok(())
        })?;
        self.later.extend(again.into_iter().map(|key| (key, ())));
        Ok(())
    }

    fn odd(&self, what: String) {
        self.record.lock().odd(self.stage.now(), what);
    }
}

/// When something was heard last, and asked.
struct Pulse {
    heard: Instant,
    asked: Instant,
    pings: u64,
}

impl Pulse {
    fn new() -> Self {
        Self { heard: Instant::now(), asked: Instant::now(), pings: 0 }
    }

    fn beat(&mut self, connection: &mut Connection) -> Result<(), WireError> {
        if self.heard.elapsed() > DEAD_AFTER {
            return Err(WireError::Silent);
        }
        if self.asked.elapsed() > PING_EVERY {
            self.asked = Instant::now();
            let seq = Some(FIRST_PING + self.pings % (FIRST_SEND - FIRST_PING));
            self.pings += 1;
            connection.queue(&Packet { seq, ..Packet::new(name::SEND_PING, []) });
        }
        Ok(())
    }
}

fn queue_send(connection: &mut Connection, workload: &Workload, id: MessageId, target: Target) {
    let (text, msg_id) = (id.text(workload.bytes), id.to_string());
    let (command, whom) = match target {
        Target::Client(other) => (name::SEND_MESSAGE_P2P, message::user(other)),
        Target::Topic(topic) => (name::SEND_MESSAGE_TOPIC, message::topic(topic)),
    };
    let mut packet = Packet::new(command, [&whom, &text]);
    packet.seq = Some(FIRST_SEND + u64::from(id.number));
    packet.msg_id = Some(msg_id.as_str().into());
    connection.queue(&packet);
}

/// The number of the send that an answer is for.
fn number_of(packet: &Packet<'_>) -> Option<u32> {
    u32::try_from(packet.seq?.checked_sub(FIRST_SEND)?).ok()
}

fn refusal(packet: &Packet<'_>) -> Refusal {
    Refusal {
        code: packet.code.unwrap_or(0),
        retry: packet.retry.map(Duration::from_millis),
        surely_not_stored: packet.stored.as_deref() == Some("no"),
    }
}

fn error_to_request(packet: &Packet<'_>) -> WireError {
    let message = packet.args.get(0).unwrap_or_default().to_owned();
    let message = format!("{message} (Seq {:?})", packet.seq);
    WireError::Refused { code: packet.code.unwrap_or(0), message }
}
