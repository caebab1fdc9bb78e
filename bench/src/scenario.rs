//! The scenarios: who connects, who sends to whom, and what has to have arrived in the end.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::bail;
use protocol::command::name;
use tokio::task::spawn_local;

use crate::connection::{Connection, Plan, Sends, Shared};
use crate::figures::{Percentiles, Report};
use crate::mesh::Target;
use crate::{Options, Scenario};

/// How long what was sent may take to arrive once sending has stopped.
const ARRIVE_WITHIN: Duration = Duration::from_secs(30);

/// How long an idle mesh is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// Runs the scenario of `options`.
///
/// # Errors
/// Whatever makes the figures worthless: a connection that ended, a message lost, repeated or out of order.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let target = Target::start(options).await;
    match options.scenario {
        Scenario::Idle => idle(options, &target).await,
        _ => load(options, &target).await,
    }
}

async fn idle(options: &Options, target: &Target) -> anyhow::Result<Report> {
    let memory = |target: &Target| -> u64 {
        let spent = target.spent_since(&target.meter());
        spent
            .iter()
            .filter(|spent| spent.role.starts_with("msg_server"))
            .map(|spent| spent.resident_bytes)
            .sum()
    };
    let before = memory(target);
    let began = Instant::now();
    let mut open = Vec::with_capacity(options.connections);
    for index in 0..options.connections {
        let mut connection = Connection::login(target.address(index), &user(index)).await?;
        connection.resume().await?;
        open.push(connection);
    }
    let seconds = began.elapsed().as_secs_f64();
    tokio::time::sleep(SETTLE).await;
    let grown = memory(target).saturating_sub(before);
    Ok(Report {
        scenario: scenario_name(options.scenario),
        seconds,
        sent: 0,
        delivered: 0,
        answer_micros: None,
        delivery_micros: None,
        spent: target.spent_since(&target.meter()),
        connections: open.len(),
        bytes_per_connection: Some(grown as f64 / open.len().max(1) as f64),
    })
}

async fn load(options: &Options, target: &Target) -> anyhow::Result<Report> {
    let shared = Shared::new();
    let plans = plans(options);
    let connections = plans.len();
    let mut open = Vec::with_capacity(connections);
    for plan in &plans {
        open.push(connect(options, target, plan).await?);
    }
    for (plan, connection) in plans.into_iter().zip(open) {
        spawn_local(connection.run(plan, Rc::clone(&shared)));
    }
    let meter = target.meter();
    let began = Instant::now();
    shared.go.send_replace(true);
    tokio::time::sleep(options.duration()).await;
    shared.sending.set(false);
    let seconds = began.elapsed().as_secs_f64();
    settle(&shared, arrivals_per_message(options)).await?;
    let (sent, delivered) = (shared.answered.get(), shared.delivered.get());
    if sent == 0 {
        bail!("nothing was answered: nothing was measured");
    }
    Ok(Report {
        scenario: scenario_name(options.scenario),
        seconds,
        sent,
        delivered,
        answer_micros: Some(Percentiles::from(&*shared.answer.borrow())),
        delivery_micros: (delivered > 0).then(|| Percentiles::from(&*shared.delivery.borrow())),
        spent: target.spent_since(&meter),
        connections,
        bytes_per_connection: None,
    })
}

fn scenario_name(scenario: Scenario) -> String {
    format!("{scenario:?}")
}

fn user(index: usize) -> String {
    format!("user{index}")
}

fn is_fan_out(options: &Options) -> bool {
    matches!(options.scenario, Scenario::Fanout | Scenario::FanoutVolatile)
}

fn is_volatile(options: &Options) -> bool {
    matches!(options.scenario, Scenario::P2pVolatile | Scenario::FanoutVolatile)
}

/// How often one message has to arrive.
fn arrivals_per_message(options: &Options) -> u64 {
    match options.scenario {
        Scenario::Fanout | Scenario::FanoutVolatile => options.members as u64,
        Scenario::P2p | Scenario::P2pVolatile => 1,
        Scenario::Append | Scenario::Idle => 0,
    }
}

/// Who connects, readers first: whoever is sent to has to have logged in.
fn plans(options: &Options) -> Vec<Plan> {
    let plan = |index: usize, sends: Sends| Plan {
        index,
        sends,
        volatile: is_volatile(options),
        in_flight: options.in_flight,
        size: options.size,
    };
    let readers = match options.scenario {
        _ if is_fan_out(options) => options.members,
        Scenario::Append => 0,
        _ => options.connections.saturating_sub(options.senders).max(1),
    };
    let senders = if is_fan_out(options) { 1 } else { options.senders };
    let sends = |sender: usize| match options.scenario {
        _ if is_fan_out(options) => Sends::Topic("bench".to_owned()),
        Scenario::Append => Sends::Topic(format!("bench{sender}")),
        // Every sender goes through all readers, each beginning at another one.
        _ => Sends::Users((0..readers).map(|reader| user((reader + sender * 7919) % readers)).collect()),
    };
    let reading = (0..readers).map(|index| plan(index, Sends::Nothing));
    let sending = (0..senders).map(|sender| plan(readers + sender, sends(sender)));
    reading.chain(sending).collect()
}

async fn connect(options: &Options, target: &Target, plan: &Plan) -> anyhow::Result<Connection> {
    let mut connection = Connection::login(target.address(plan.index), &user(plan.index)).await?;
    connection.resume().await?;
    match &plan.sends {
        Sends::Topic(topic) if options.scenario == Scenario::Append => {
            // The creator must not read what it sends to: its own sends are not pushed to it.
            connection.topic(name::CREATE_TOPIC, topic, false).await?;
        }
        Sends::Topic(topic) => connection.topic(name::JOIN_TOPIC, topic, false).await?,
        Sends::Nothing if is_fan_out(options) => {
            let command = if plan.index == 0 { name::CREATE_TOPIC } else { name::JOIN_TOPIC };
            connection.topic(command, "bench", is_volatile(options)).await?;
        }
        _ => {}
    }
    Ok(connection)
}

/// Waits until everything that was answered has arrived as often as it must.
async fn settle(shared: &Shared, arrivals: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + ARRIVE_WITHIN;
    let mut last = None;
    loop {
        if let Some(wrong) = shared.wrong.borrow().as_ref() {
            bail!("the run is worth nothing: {wrong}");
        }
        let counts = (shared.answered.get(), shared.delivered.get());
        let all = counts.1 == counts.0 * arrivals;
        if all && last == Some(counts) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "{} messages were answered, and {} arrived instead of {}",
                counts.0,
                counts.1,
                counts.0 * arrivals
            );
        }
        last = Some(counts);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
