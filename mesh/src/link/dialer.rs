//! The dialer of one msg_server: connects, waits, and connects again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::dial::{Dial, LinkHandler};
use super::dialled::Dialled;
use crate::config::HostPort;
use crate::connection::{self, Close, Ended};
use crate::outbox::Turn;
use crate::tls::Session;

/// The first wait before a link is dialled again.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest, and the time that a connect or a handshake may take.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long a msg_server that refuses this process is left alone.
const REFUSED_WAIT: Duration = Duration::from_secs(5);

/// Dials one msg_server.
pub(super) struct Dialer<H> {
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
                return self.dial.refusals.end(&self.address);
            }
            match outcome.reached {
                Reached::Nobody => self.dial.refusals.end(&self.address),
                Reached::Refusal => wait = REFUSED_WAIT,
                Reached::Link => {
                    wait = FIRST_WAIT;
                    said.clear();
                }
            }
            if outcome.why != said {
                tracing::info!(msg_server = %self.address, "link is down: {}; dialling again", outcome.why);
                said = outcome.why;
            }
            let jittered = wait.mul_f64(rand::rng().random_range(0.5..1.5));
            tokio::select! {
                () = stop.cancelled() => return self.dial.refusals.end(&self.address),
                () = tokio::time::sleep(jittered) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn once(&mut self, stop: &CancellationToken) -> Outcome {
        let connected = tokio::select! {
            () = stop.cancelled() => return Outcome::never("this process stops".into()),
            why = self.dial.refusals.by_another(&self.address) => return Outcome::never(why),
            connected = tokio::time::timeout(LONGEST_WAIT, connect(&self.address, &self.dial)) => connected,
        };
        match connected {
            Ok(Ok(stream)) => {
                self.serve(stream, stop).await.unwrap_or_else(|close| Outcome::never(close.why))
            }
            Ok(Err(close)) => Outcome::never(close.why),
            Err(_) => Outcome::never("no answer to the connect".into()),
        }
    }

    /// From the handshake to the end of the link.
    async fn serve(&mut self, stream: TcpStream, stop: &CancellationToken) -> Result<Outcome, Close> {
        let (read, outbox) = connection::take(stream, self.dial.queue_bytes).map_err(failed)?;
        if let Some(client) = self.dial.authority.client_config() {
            outbox.speak_tls(Session::dialled(client, self.address.host()).map_err(failed)?);
        }
        let mut turn = Turn::default();
        let mut peer = Dialled::begin(&self.address, &self.dial, &mut self.handler, &outbox, &mut turn)?;
        turn.flush_now();
        let stopping = Arc::clone(&outbox);
        let refusals = Arc::clone(&self.dial.refusals);
        let address = self.address.clone();
        let close_on_stop = async {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = refusals.by_another(&address) => {}
            }
            stopping.close(None);
            std::future::pending::<()>().await;
        };
        // A link's last words are bounded, and worth waiting for.
        let never_cut = CancellationToken::new();
        let ended = tokio::select! {
            ended = connection::drive(read, outbox, &mut peer, None, &never_cut) => ended,
            () = close_on_stop => Ended::ByUs("this process stops".into()),
        };
        Ok(Outcome { reached: peer.reached, why: why(ended) })
    }
}

async fn connect(address: &HostPort, dial: &Dial) -> Result<TcpStream, Close> {
    let stream = TcpStream::connect((address.host(), address.port())).await.map_err(failed)?;
    dial.secrecy.admits(stream.peer_addr().map_err(failed)?)?;
    Ok(stream)
}

fn failed(error: io::Error) -> Close {
    Close::silently(error.to_string())
}

fn why(ended: Ended) -> String {
    match ended {
        Ended::ByPeer => "the msg_server closed it".into(),
        Ended::ByUs(why) => why,
        Ended::Failed(error) => error.to_string(),
    }
}

struct Outcome {
    reached: Reached,
    why: String,
}

/// How far an attempt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// No handshake was done.
    Nobody,
    /// The msg_server refused, for good as far as it knows.
    Refusal,
    /// The link stood.
    Link,
}

impl Outcome {
    fn never(why: String) -> Self {
        Self { reached: Reached::Nobody, why }
    }
}
