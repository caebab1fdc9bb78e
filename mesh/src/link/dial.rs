//! The dialer's end of links: keeps one to every msg_server of the list, for as long as the process lives.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::channel::Channel;
use protocol::link::Frame;
use tokio_util::sync::CancellationToken;

use super::LinkId;
use super::dialer::Dialer;
use super::handshake::{Greeting, Secrecy};
use super::refusals::Refusals;
use crate::config::{AuthMode, DialConfig, HostPort, LinkConfig, Live, ProcessConfig, Role};
use crate::connection::Close;
use crate::outbox::{Outbox, Turn};
use crate::process::Shutdown;
use crate::report::Identity;
use crate::tls::{Authority, Certificate};

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

/// A process that dials: who it is, whom it dials, and what all of its links have in common.
#[derive(Clone)]
pub struct Dial {
    role: Role,
    pub(super) mode: AuthMode,
    servers: Live<Vec<HostPort>>,
    pub(super) greeting: Greeting,
    pub(super) secrecy: Secrecy,
    pub(super) authority: Authority,
    certificate: Certificate,
    pub(super) channels: Vec<Channel>,
    pub(super) queue_bytes: usize,
    pub(super) beat: Duration,
    pub(super) refusals: Arc<Refusals>,
}

impl Dial {
    /// As the config of a process of this role has it. It subscribes to `channels`, in this order.
    pub fn new(
        role: Role,
        process: &ProcessConfig,
        links: &LinkConfig,
        dial: &DialConfig,
        channels: &[Channel],
    ) -> Self {
        let greeting = Greeting { role: role.name().into(), uuid: dial.uuid.clone(), store: String::new() };
        Self {
            role,
            mode: process.auth_mode,
            servers: dial.msg_server_list.clone(),
            greeting,
            secrecy: Secrecy::new(links.mesh_secret.clone()),
            authority: dial.authority.clone(),
            certificate: process.certificate.clone(),
            channels: channels.to_vec(),
            queue_bytes: links.link_queue_bytes,
            beat: dial.beat_time,
            refusals: Arc::default(),
        }
    }

    /// The same, of a manager that has this store.
    pub fn with_store(mut self, store: String) -> Self {
        self.greeting.store = store;
        self
    }

    /// Who refuses the process.
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    /// Who the process is in its reports; `address` is where it listens.
    pub fn identity(&self, address: impl Into<String>) -> Identity {
        let identity = Identity::new(self.role.name(), &self.greeting.uuid, address);
        identity.with_beat(self.beat).showing(&self.certificate)
    }
}

/// Keeps a link to every msg_server of the list, which may change, until the process stops; `handler` makes what serves
/// one.
pub async fn dial_all<H: LinkHandler>(dial: Dial, shutdown: Shutdown, handler: impl Fn(&HostPort) -> H) {
    let mut changes = dial.servers.subscribe();
    let mut dialers: HashMap<HostPort, CancellationToken> = HashMap::new();
    loop {
        let wanted = dial.servers.get();
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
