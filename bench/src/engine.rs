//! All connections on one thread: they enter, talk, and are looked at from outside.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet, spawn_local};
use tokio::time::{Instant, interval, sleep};

use crate::actor::{Actor, ActorError};
use crate::cast::{Cast, Role};
use crate::figures::Figures;
use crate::flight::Flight;
use crate::mesh::Target;

/// Connections that enter at one time.
const AT_ONCE: usize = 128;
/// What is read at once, in bytes, by any connection.
const SCRATCH: usize = 256 * 1024;
/// How often messages that are due at a fixed rate are handed out.
const PACE: Duration = Duration::from_millis(1);
/// How long the last messages may take to arrive.
const LANDING: Duration = Duration::from_secs(15);

/// Nanoseconds since the run began.
#[derive(Debug, Clone, Copy)]
pub struct Clock(std::time::Instant);

impl Clock {
    /// Now.
    pub fn nanos(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// What all connections share.
pub struct Stage {
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub figures: RefCell<Figures>,
    /// The messages of each sender.
    pub flights: RefCell<Vec<Flight>>,
    /// Told when a sender may send.
    pub may_send: Vec<Notify>,
    /// How many more messages each sender may start; `None`: as many as fit in flight.
    pub permits: Option<RefCell<Vec<u64>>>,
    /// Where connections read into.
    pub scratch: RefCell<Vec<u8>>,
    /// Whether new messages are started.
    pub talks: Cell<bool>,
    /// How many receive each message.
    pub receivers: u32,
    /// Messages of one sender in flight.
    pub in_flight: usize,
    /// Bytes of a text.
    pub size: usize,
}

/// How messages are started.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Messages of one sender in flight.
    pub in_flight: usize,
    /// Messages a second over all senders; `None`: as many as fit in flight.
    pub rate: Option<f64>,
    /// Bytes of a text.
    pub size: usize,
}

impl Stage {
    /// A stage for these sessions, on which nobody talks yet.
    ///
    /// # Errors
    /// See [`Figures::new`].
    pub fn new(cast: &Cast, pace: Pace) -> Result<Rc<Self>, hdrhistogram::CreationError> {
        let senders = cast.roles.iter().filter(|role| role.sends.is_some()).count();
        Ok(Rc::new(Self {
            clock: Clock(std::time::Instant::now()),
            figures: RefCell::new(Figures::new()?),
            flights: RefCell::new((0..senders).map(|_| Flight::default()).collect()),
            may_send: (0..senders).map(|_| Notify::new()).collect(),
            permits: pace.rate.map(|_| RefCell::new(vec![0; senders])),
            scratch: RefCell::new(vec![0; SCRATCH]),
            talks: Cell::new(false),
            receivers: cast.receivers,
            in_flight: pace.in_flight,
            size: pace.size,
        }))
    }

    /// Messages on their way, of all senders.
    pub fn open(&self) -> usize {
        self.flights.borrow().iter().map(Flight::open).sum()
    }

    /// Hands out permits to start messages, so many a second, one sender after another.
    pub async fn hand_out(self: Rc<Self>, rate: f64) {
        let Some(permits) = &self.permits else { return };
        let (began, mut handed_out, mut ticks) = (Instant::now(), 0u64, interval(PACE));
        loop {
            ticks.tick().await;
            let due = (began.elapsed().as_secs_f64() * rate) as u64;
            while handed_out < due {
                let sender = handed_out as usize % self.may_send.len().max(1);
                if let Some(permits) = permits.borrow_mut().get_mut(sender) {
                    *permits += 1;
                }
                self.may_send[sender].notify_one();
                handed_out += 1;
            }
        }
    }

    /// Starts no new messages, and waits until those on their way have landed. Those that do not are wrong.
    pub async fn land(&self) {
        self.talks.set(false);
        let began = Instant::now();
        while self.open() > 0 && began.elapsed() < LANDING {
            sleep(Duration::from_millis(5)).await;
        }
        let open = self.open();
        if open > 0 {
            let mut figures = self.figures.borrow_mut();
            figures.wrong(|| {
                format!("{open} messages were not acknowledged, or not delivered to all, in the end")
            });
        }
    }
}

/// Has everybody connect, log in and be a member of its topic; those who create topics come first.
///
/// # Errors
/// [`ActorError`] of the first who cannot.
pub async fn enter(stage: &Rc<Stage>, target: &Target, cast: Cast) -> Result<Vec<Actor>, ActorError> {
    let creates = |role: &Role| role.topic.as_ref().is_some_and(|topic| topic.creates);
    let (first, others): (Vec<_>, Vec<_>) = cast.roles.into_iter().partition(creates);
    let mut actors = Vec::with_capacity(first.len() + others.len());
    for roles in [first, others] {
        enter_some(stage, target, roles, &mut actors).await?;
    }
    for actor in &mut actors {
        actor.resume().await?;
    }
    Ok(actors)
}

async fn enter_some(
    stage: &Rc<Stage>,
    target: &Target,
    roles: Vec<Role>,
    actors: &mut Vec<Actor>,
) -> Result<(), ActorError> {
    let mut entering = JoinSet::new();
    for role in roles {
        if entering.len() >= AT_ONCE
            && let Some(entered) = entering.join_next().await
        {
            actors.push(entered??);
        }
        let (stage, server, gateway) = (Rc::clone(stage), target.server(role.server), target.gateway());
        entering.spawn_local(enter_one(stage, server, gateway, role));
    }
    while let Some(entered) = entering.join_next().await {
        actors.push(entered??);
    }
    Ok(())
}

async fn enter_one(
    stage: Rc<Stage>,
    server: Option<SocketAddr>,
    gateway: SocketAddr,
    role: Role,
) -> Result<Actor, ActorError> {
    let server = match server {
        Some(server) => server,
        None => Actor::ask_gateway(&stage, gateway).await?,
    };
    let mut actor = Actor::connect(&stage, server, role).await?;
    actor.log_in().await?;
    Ok(actor)
}

/// Everybody talks from now on, each in a task of its own.
pub fn let_talk(stage: &Rc<Stage>, actors: Vec<Actor>, rate: Option<f64>) -> Vec<AbortHandle> {
    stage.talks.set(true);
    let mut tasks: Vec<_> =
        actors.into_iter().map(|actor| spawn_local(actor.talk()).abort_handle()).collect();
    if let Some(rate) = rate {
        tasks.push(spawn_local(Rc::clone(stage).hand_out(rate)).abort_handle());
    }
    tasks
}

/// Has everybody ask whether its connection lives. Those that do not are wrong.
pub async fn ping_all(stage: &Stage, actors: &mut [Actor]) {
    for actor in actors {
        if let Err(error) = actor.ping().await {
            stage.figures.borrow_mut().wrong(|| format!("an idle connection: {error}"));
        }
    }
}
