//! One measurement from beginning to end.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::actor::{Actor, ActorError};
use crate::cast::Cast;
use crate::engine::{self, Pace, Stage};
use crate::mesh::{Snapshot, Target};
use crate::options::{Options, Scenario};
use crate::report::{Measured, Memory};

/// Messages of one sender in flight at a fixed rate: more than any good mesh lets gather.
const MANY: usize = 10_000;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A connection could not enter.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// What is counted could not be set up.
    #[error("{0}")]
    Figures(#[from] hdrhistogram::CreationError),
}

/// Measures one scenario on a mesh of its own, or on the one that was named.
///
/// # Errors
/// [`BenchError`]; what a mesh does wrong under load is in the result.
pub async fn run(scenario: Scenario, options: &Options) -> Result<Measured, BenchError> {
    LocalSet::new().run_until(measure(scenario, options)).await
}

async fn measure(scenario: Scenario, options: &Options) -> Result<Measured, BenchError> {
    let target = Target::start(options).await;
    // Names of their own, so that a mesh that runs already can be measured twice.
    let run = format!("b{:x}-", rand::random::<u32>());
    let cast = Cast::of(scenario, options, &run);
    let in_flight = if options.rate.is_some() { MANY } else { options.in_flight(scenario) };
    let stage = Stage::new(&cast, Pace { in_flight, rate: options.rate, size: options.size })?;
    let connections = cast.roles.len();
    let empty = target.usage();
    let began = std::time::Instant::now();
    let actors = engine::enter(&stage, &target, cast).await?;
    let entered = began.elapsed();
    let mut measured = match scenario {
        Scenario::Idle => idle(&stage, &target, options, actors, &empty).await,
        _ => load(&stage, &target, options, actors).await,
    };
    measured.scenario = format!("{scenario:?}");
    measured.connections = connections;
    measured.entered_per_second = connections as f64 / entered.as_secs_f64().max(f64::EPSILON);
    measured.in_flight = in_flight;
    measured.size = options.size;
    measured.receivers = stage.receivers;
    Ok(measured)
}

async fn load(stage: &Rc<Stage>, target: &Target, options: &Options, actors: Vec<Actor>) -> Measured {
    let tasks = engine::let_talk(stage, actors, options.rate);
    sleep(options.warm_up()).await;
    hold(options, target).await;
    let before = target.usage();
    let began = std::time::Instant::now();
    stage.figures.borrow_mut().measuring = true;
    sleep(options.measured()).await;
    stage.figures.borrow_mut().measuring = false;
    let (took, after) = (began.elapsed(), target.usage());
    hold(options, target).await;
    stage.land().await;
    tasks.iter().for_each(tokio::task::AbortHandle::abort);
    Measured::of(&stage.figures.borrow(), took, &before, &after)
}

async fn idle(
    stage: &Rc<Stage>,
    target: &Target,
    options: &Options,
    mut actors: Vec<Actor>,
    empty: &Snapshot,
) -> Measured {
    let connections = actors.len();
    sleep(options.warm_up()).await;
    hold(options, target).await;
    let before = target.usage();
    sleep(options.measured()).await;
    let after = target.usage();
    engine::ping_all(stage, &mut actors).await;
    let mut measured = Measured::of(&stage.figures.borrow(), options.measured(), &before, &after);
    measured.memory = Some(memory(empty, &after, connections));
    measured
}

fn memory(empty: &Snapshot, full: &Snapshot, connections: usize) -> Memory {
    let resident = |snapshot: &Snapshot| -> BTreeMap<String, u64> {
        snapshot.processes.iter().map(|(part, usage)| (part.to_string(), usage.resident)).collect()
    };
    let of_msg_servers = |snapshot: &Snapshot| -> u64 {
        let msg_servers =
            snapshot.processes.iter().filter(|(part, _)| part.role() == testbed::Role::MsgServer);
        msg_servers.map(|(_, usage)| usage.resident).sum()
    };
    let grown = of_msg_servers(full).saturating_sub(of_msg_servers(empty));
    let all = |snapshot: &Snapshot| -> u64 { snapshot.processes.values().map(|usage| usage.resident).sum() };
    Memory {
        resident_empty: resident(empty),
        resident_full: resident(full),
        msg_server_bytes_per_connection: grown as f64 / connections.max(1) as f64,
        mesh_bytes_per_connection: all(full).saturating_sub(all(empty)) as f64 / connections.max(1) as f64,
    }
}

/// Waits for a line on the terminal, while a profiler is attached.
async fn hold(options: &Options, target: &Target) {
    if !options.hold {
        return;
    }
    for (part, pid) in target.pids() {
        eprintln!("{part}: process {pid}");
    }
    eprintln!("press Enter to go on");
    // The load goes on meanwhile.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
    sleep(Duration::from_millis(10)).await;
}
