//! The dialer's end of links: keeps one to every msg_server of the list, for as long as the process lives.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use protocol::channel::Channel;
use protocol::command::{Packet, name};
use protocol::link::Frame;
use rand::RngExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::handshake::{Greeting, Offer, Secrecy};
use super::{LinkId, MAX_FRAME_BYTES, Pulse, each_frame};
use crate::config::{HostPort, Live};
use crate::connection::{self, Close, Ended, Peer};
use crate::outbox::{Outbox, Turn};
use crate::process::Shutdown;

/// What a process does with its links. One handler serves one msg_server, through all incarnations of the link.
pub trait LinkHandler: Send + 'static {
    /// The link stands, and the channels are subscribed.
    fn up(&mut self, id: LinkId, outbox: &Arc<Outbox>, turn: &mut Turn);

    /// A frame came; `whole` is the same frame with its length, to be passed on as it is.
    ///
    /// # Errors
    /// [`Close`] breaks the link; it is dialled again.
    fn frame(&mut self, frame: Frame<'_>, whole: &[u8], turn: &mut Turn) -> Result<(), Close>;

    /// What was read at once is handled.
    fn turn_ends(&mut self, _turn: &mut Turn) {}

    /// The figures to report, as JSON; asked for every beat.
    fn report(&self) -> Vec<u8>;

    /// The link that stood is down.
    fn down(&mut self, turn: &mut Turn);
}

/// What every link of a process has in common.
#[derive(Clone)]
pub struct Dial {
    /// Who dials.
    pub greeting: Greeting,
    /// What both sides prove.
    pub secrecy: Secrecy,
    /// What is subscribed.
    pub channels: Vec<Channel>,
    /// Bytes that may wait on one link.
    pub queue_bytes: usize,
    /// How often something is said.
    pub beat: Duration,
}

/// The first wait before a link is dialled again.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest, and the time that a connect or a handshake may take.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Keeps a link to every msg_server of `list`, which may change, until the process stops; `handler` makes what serves one.
pub async fn dial_all<H: LinkHandler>(
    list: Live<Vec<HostPort>>,
    dial: Dial,
    shutdown: Shutdown,
    handler: impl Fn(&HostPort) -> H,
) {
    let mut changes = list.subscribe();
    let mut dialers: HashMap<HostPort, CancellationToken> = HashMap::new();
    loop {
        let wanted = list.get();
        dialers.retain(|address, stop| {
            let keep = wanted.contains(address);
            if !keep {
                stop.cancel();
            }
            keep
        });
        for address in wanted {
            dialers.entry(address.clone()).or_insert_with(|| {
                let stop = CancellationToken::new();
                let dialer =
                    Dialer { address: address.clone(), dial: dial.clone(), handler: handler(&address) };
                shutdown.spawn(dialer.run(stop.clone()));
                stop
            });
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = changes.changed() => if changed.is_err() { shutdown.cancelled().await; break },
        }
    }
    dialers.values().for_each(CancellationToken::cancel);
}

/// Dials one msg_server, again and again.
pub struct Dialer<H> {
    /// Where to.
    pub address: HostPort,
    /// As whom.
    pub dial: Dial,
    /// For what.
    pub handler: H,
}

impl<H: LinkHandler> Dialer<H> {
    /// Keeps the link until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut wait = FIRST_WAIT;
        let mut said = String::new();
        loop {
            let outcome = self.once(&stop).await;
            if stop.is_cancelled() {
                return;
            }
            if outcome.stood {
                wait = FIRST_WAIT;
                said.clear();
            }
            if outcome.why != said {
                tracing::info!(msg_server = %self.address, "link is down: {}; dialling again", outcome.why);
                said = outcome.why;
            }
            let jittered = wait.mul_f64(rand::rng().random_range(0.5..1.5));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(jittered) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn once(&mut self, stop: &CancellationToken) -> Outcome {
        let connected = tokio::select! {
            () = stop.cancelled() => return Outcome::never("this process stops".into()),
            connected = tokio::time::timeout(LONGEST_WAIT, connect(&self.address)) => connected,
        };
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Outcome::never(error.to_string()),
            Err(_) => return Outcome::never("no answer to the connect".into()),
        };
        let admitted = stream.peer_addr().map_err(|error| Close::silently(error.to_string()));
        if let Err(close) = admitted.and_then(|address| self.dial.secrecy.admits(address)) {
            return Outcome::never(close.why);
        }
        let (read, outbox) = match connection::take(stream, self.dial.queue_bytes) {
            Ok(halves) => halves,
            Err(error) => return Outcome::never(error.to_string()),
        };
        let (offer, hello) = match Offer::begin(self.dial.greeting.clone()) {
            Ok(begun) => begun,
            Err(close) => return Outcome::never(close.why),
        };
        let mut peer = Link {
            dial: &self.dial,
            handler: &mut self.handler,
            outbox: Arc::clone(&outbox),
            state: State::Shaking(offer),
            stood: false,
            pulse: Pulse::new(self.dial.beat, Instant::now()),
        };
        let mut turn = Turn::default();
        let _ = outbox.push(hello, &mut turn);
        turn.flush_now();
        let stopping = Arc::clone(&outbox);
        let close_on_stop = async {
            stop.cancelled().await;
            stopping.close(None);
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = connection::drive(read, outbox, &mut peer) => ended,
            () = close_on_stop => Ended::ByUs("this process stops".into()),
        };
        Outcome { stood: peer.stood, why: why(ended) }
    }
}

async fn connect(address: &HostPort) -> io::Result<TcpStream> {
    TcpStream::connect((address.host(), address.port())).await
}

fn why(ended: Ended) -> String {
    match ended {
        Ended::ByPeer => "the msg_server closed it".into(),
        Ended::ByUs(why) => why,
        Ended::Failed(error) => error.to_string(),
    }
}

struct Outcome {
    stood: bool,
    why: String,
}

impl Outcome {
    fn never(why: String) -> Self {
        Self { stood: false, why }
    }
}

enum State {
    Shaking(Offer),
    Up,
}

struct Link<'h, H> {
    dial: &'h Dial,
    handler: &'h mut H,
    outbox: Arc<Outbox>,
    state: State,
    stood: bool,
    pulse: Pulse,
}

impl<H: LinkHandler> Link<'_, H> {
    fn shake(&mut self, packet: &Packet<'_>, turn: &mut Turn) -> Result<(), Close> {
        let State::Shaking(offer) = &self.state else { return Ok(()) };
        match &*packet.cmd_name {
            name::LINK_CHALLENGE => self.push(offer.answer(&self.dial.secrecy, packet)?, turn),
            name::LINK_OK => {
                for channel in &self.dial.channels {
                    let args = [channel.name(), &self.dial.greeting.uuid];
                    self.push(Packet::new(name::SUBSCRIBE_CHANNEL, args).to_bytes(), turn)?;
                }
                self.state = State::Up;
                self.stood = true;
                self.handler.up(LinkId::fresh(), &self.outbox, turn);
                self.push(Frame::Report(&self.handler.report()).to_bytes(), turn)
            }
            name::ERROR | name::DISCONNECT => Err(Close::silently(packet.args.get(0).unwrap_or("refused"))),
            _ => Ok(()),
        }
    }

    fn push(&self, frame: bytes::Bytes, turn: &mut Turn) -> Result<(), Close> {
        self.outbox.push(frame, turn).map_err(|error| Close::silently(error.to_string()))
    }

    fn frame(&mut self, body: &[u8], whole: &[u8], turn: &mut Turn) -> Result<(), Close> {
        let frame = Frame::parse(body)
            .map_err(|error| Close::silently(format!("a frame that cannot be read: {error}")))?;
        if let Frame::Packet(body) = frame {
            let packet = Packet::parse(body).map_err(|error| Close::silently(error.to_string()))?;
            match &self.state {
                State::Shaking(_) => return self.shake(&packet, turn),
                State::Up if matches!(&*packet.cmd_name, name::ERROR | name::DISCONNECT) => {
                    return Err(Close::silently(packet.args.get(0).unwrap_or("refused")));
                }
                State::Up => {}
            }
            return Ok(());
        }
        match self.state {
            State::Up => self.handler.frame(frame, whole, turn),
            State::Shaking(_) => Err(Close::silently("a frame before the handshake was done")),
        }
    }
}

impl<H: LinkHandler> Peer for Link<'_, H> {
    fn received(&mut self, input: &[u8], turn: &mut Turn) -> Result<usize, Close> {
        self.pulse.heard(Instant::now());
        let taken = each_frame(input, MAX_FRAME_BYTES, |body, whole| self.frame(body, whole, turn))?;
        if self.stood {
            self.handler.turn_ends(turn);
        }
        Ok(taken)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.pulse.due())
    }

    fn timeout(&mut self, turn: &mut Turn) -> Result<(), Close> {
        let ping = self.pulse.beat(Instant::now())?;
        match self.state {
            State::Up => self.push(Frame::Report(&self.handler.report()).to_bytes(), turn),
            State::Shaking(_) => self.push(ping, turn),
        }
    }

    fn ended(&mut self, _how: &Ended, turn: &mut Turn) {
        if self.stood {
            self.handler.down(turn);
        }
    }
}
