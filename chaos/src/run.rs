//! A run from beginning to end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use testbed::{Mesh, Role};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::check::{self, Verdict};
use crate::history::History;
use crate::library;
use crate::nemesis;
use crate::readback;
use crate::report::Summary;
use crate::settings::{Settings, Via};
use crate::setup;
use crate::silence;
use crate::stage::{Act, Stage};
use crate::talker::Talker;
use crate::wire::WireError;
use crate::workload::Workload;

/// How long everyone may take to be connected before the traffic begins.
const ARRIVE: Duration = Duration::from_secs(30);

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// Accounts and topics could not be made.
    #[error("before the traffic: {0}")]
    Setup(#[from] WireError),
    /// The client library did not start.
    #[error("the client library: {0}")]
    Library(String),
}

/// What came of a run.
pub struct Outcome {
    /// Everything that happened.
    pub history: History,
    /// What each check says.
    pub verdicts: Vec<Verdict>,
    /// In figures.
    pub summary: Summary,
}

impl Outcome {
    /// Whether every promise was kept.
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.count == 0)
    }
}

/// Starts a mesh, has clients talk while it is struck, waits for silence, and checks.
///
/// # Errors
/// [`ChaosError`] if the run could not be made; a broken promise is no error but in the [`Outcome`].
pub async fn run(settings: &Settings) -> Result<Outcome, ChaosError> {
    let mesh = start(settings).await;
    let workload = Workload::new(settings);
    setup::prepare(mesh.gateway_addr(), &workload).await?;
    let stage = Arc::new(Stage::new(workload, mesh.gateway_addr()));
    let clients = enter(settings, &stage).await?;
    let traffic = traffic(settings, &mesh, &stage).await;
    let (settled, end) = quiet(settings, &stage).await;
    let logs = readback::read_all(stage.gateway, &stage.workload).await;
    stage.set(Act::Leave);
    clients.join_all().await;
    let history = gather(&stage, logs, settled);
    let verdicts = check::all(&history);
    let summary = Summary::of(settings, &stage, &history, &verdicts, traffic, end);
    let outcome = Outcome { history, verdicts, summary };
    if settings.keep_logs && !outcome.passed() {
        keep_logs(&mesh);
    }
    Ok(outcome)
}

async fn start(settings: &Settings) -> Mesh {
    let mut builder = Mesh::builder().msg_servers(settings.msg_servers).routers(settings.routers).set(
        Role::Manager,
        "Store",
        json!({"Kind": "embedded", "Path": "store"}),
    );
    if let Some(seconds) = settings.ask_interval {
        builder = builder.set(Role::MsgServer, "AskInterval", seconds);
    }
    builder.start().await
}

/// Everyone comes; returns when all are connected.
async fn enter(settings: &Settings, stage: &Arc<Stage>) -> Result<JoinSet<()>, ChaosError> {
    let mut clients = JoinSet::new();
    for number in 0..stage.workload.clients {
        match settings.via {
            Via::Wire => drop(clients.spawn(Talker::new(Arc::clone(stage), number).run())),
            Via::Library => {
                let talker = library::Talker::new(Arc::clone(stage), number)
                    .map_err(|error| ChaosError::Library(error.to_string()))?;
                clients.spawn(talker.run());
            }
        }
    }
    let all = || stage.records.iter().all(|record| record.lock().connected);
    let began = tokio::time::Instant::now();
    while !all() && began.elapsed() < ARRIVE {
        sleep(Duration::from_millis(10)).await;
    }
    Ok(clients)
}

async fn traffic(settings: &Settings, mesh: &Mesh, stage: &Stage) -> Duration {
    let strikes = nemesis::plan(settings, mesh.parts());
    let began = tokio::time::Instant::now();
    let talk = async {
        sleep(settings.traffic()).await;
        stage.set(Act::Hush);
        stage.incident("the traffic ends".into());
        began.elapsed()
    };
    tokio::join!(talk, nemesis::rage(mesh, stage, &strikes, settings.pause)).0
}

/// How the end came about.
#[derive(Debug, Clone, Default)]
pub struct End {
    /// How long everyone took to have everything.
    pub level_after: Option<Duration>,
    /// Who did not.
    pub lacking: Vec<String>,
}

async fn quiet(settings: &Settings, stage: &Stage) -> (Option<crate::history::At>, End) {
    if let Err(lacking) = silence::settled(stage, settings.silence()).await {
        return (None, End { level_after: None, lacking });
    }
    let settled = stage.now();
    stage.incident("everyone is connected and answered".into());
    let end = match silence::everyone_has_all(stage, settings.silence()).await {
        Ok(after) => End { level_after: Some(after), lacking: Vec::new() },
        Err(lacking) => End { level_after: None, lacking },
    };
    (Some(settled), end)
}

fn gather(stage: &Stage, logs: Vec<crate::history::Log>, settled: Option<crate::history::At>) -> History {
    let clients = stage.records.iter().map(|record| std::mem::take(&mut record.lock().history)).collect();
    History { clients, logs, incidents: stage.incidents(), settled }
}

/// What the processes logged, for whoever looks for the cause.
fn keep_logs(mesh: &Mesh) {
    let folder = std::env::temp_dir().join(format!("chaos-logs-{}", std::process::id()));
    if let Err(error) = std::fs::create_dir_all(&folder) {
        return eprintln!("the logs cannot be kept in {}: {error}", folder.display());
    }
    for part in mesh.parts() {
        // One that cannot be kept is no reason to lose the others.
        let _ = std::fs::write(folder.join(format!("{part}.log")), mesh.log(part));
    }
    eprintln!("what the processes logged is in {}", folder.display());
}
