//! What all connections of a gateway share: the picker, who is connected, and who waits for a msg_server.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mesh::config::HostPort;
use mesh::health::Health;
use mesh::outbox::{Outbox, Turn};
use mesh::process::Shutdown;
use mesh::report::{Identity, Report};
use parking_lot::Mutex;
use protocol::code::DisconnectCode;
use protocol::command::{Packet, name};
use protocol::event;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::pick::Picker;

/// One connection, as the desk knows it.
pub struct Client {
    id: u64,
    outbox: Arc<Outbox>,
    newer: AtomicBool,
    held: AtomicBool,
}

impl Client {
    /// Where its answers go.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Whether it numbered a request: then it understands `ERROR` and `DISCONNECT`.
    pub fn is_newer(&self) -> bool {
        self.newer.load(Ordering::Relaxed)
    }

    /// It numbered a request.
    pub fn turns_newer(&self) {
        self.newer.store(true, Ordering::Relaxed);
    }

    /// Whether it waits for a msg_server.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// The last frame for this client, where it understands one.
    pub fn farewell(&self, code: DisconnectCode) -> Option<Bytes> {
        self.is_newer().then(|| event::disconnect(code))
    }
}

/// The gateway's shared state.
pub struct Desk {
    state: Mutex<State>,
    all_left: Notify,
    next_id: AtomicU64,
    handed_out: AtomicU64,
    turned_away: AtomicU64,
    identity: Arc<Identity>,
    shutdown: Shutdown,
}

struct State {
    picker: Picker<HostPort>,
    clients: HashMap<u64, Arc<Client>>,
    /// By id, which is the order in which they came.
    held: BTreeMap<u64, Arc<Client>>,
}

impl Desk {
    /// A desk at which nobody waits; `beat` is how often msg_servers report that do not say it themselves.
    pub fn new(beat: Duration, identity: Arc<Identity>, shutdown: Shutdown) -> Self {
        let state = State { picker: Picker::new(beat), clients: HashMap::new(), held: BTreeMap::new() };
        Self {
            state: Mutex::new(state),
            all_left: Notify::new(),
            next_id: AtomicU64::new(0),
            handed_out: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            identity,
            shutdown,
        }
    }

    /// Who this gateway is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// A client connected.
    pub fn enter(&self, outbox: &Arc<Outbox>) -> Arc<Client> {
        let client = Arc::new(Client {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            outbox: Arc::clone(outbox),
            newer: AtomicBool::new(false),
            held: AtomicBool::new(false),
        });
        self.state.lock().clients.insert(client.id, Arc::clone(&client));
        client
    }

    /// A client's connection ended.
    pub fn leave(&self, client: &Client) {
        let mut state = self.state.lock();
        state.held.remove(&client.id);
        state.clients.remove(&client.id);
        if state.clients.is_empty() {
            self.all_left.notify_waiters();
        }
    }

    /// The address of a msg_server, which is counted as handed out; `None` where none is live.
    pub fn pick(&self) -> Option<String> {
        let picked = self.state.lock().pick();
        let count = if picked.is_some() { &self.handed_out } else { &self.turned_away };
        count.fetch_add(1, Ordering::Relaxed);
        picked
    }

    /// As [`Desk::pick`]; where no msg_server is live the client is held, and gets its answer once one is.
    pub fn pick_or_hold(&self, client: &Arc<Client>) -> Option<String> {
        let mut state = self.state.lock();
        let picked = state.pick();
        if picked.is_some() {
            self.handed_out.fetch_add(1, Ordering::Relaxed);
        } else {
            client.held.store(true, Ordering::Release);
            state.held.insert(client.id, Arc::clone(client));
        }
        picked
    }

    /// Stops holding a client; `false` where it has its answer already.
    pub fn give_up(&self, client: &Client) -> bool {
        let was_held = self.state.lock().held.remove(&client.id).is_some();
        if was_held {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        was_held
    }

    /// The msg_server that is linked as `link` reported: whoever is held is answered.
    pub fn reported(&self, link: &HostPort, report: &Report, turn: &mut Turn) {
        let mut state = self.state.lock();
        state.picker.reported(link.clone(), report, Instant::now().into_std());
        self.answer_held(&mut state, turn);
    }

    fn answer_held(&self, state: &mut State, turn: &mut Turn) {
        while !state.held.is_empty() {
            let Some(addr) = state.pick() else { return };
            let Some((_, client)) = state.held.pop_first() else { return };
            self.handed_out.fetch_add(1, Ordering::Relaxed);
            // A connection that is ending needs no answer.
            let _ = client.outbox.push(select(&addr), turn);
            client.held.store(false, Ordering::Release);
            client.outbox.wake();
        }
    }

    /// The link to a msg_server is down.
    pub fn link_down(&self, link: &HostPort) {
        self.state.lock().picker.link_down(link);
    }

    /// Ends every connection, after what it still has to read, and waits until they have ended.
    pub async fn drain(&self) {
        for client in self.state.lock().clients.values() {
            client.outbox.close(client.farewell(DisconnectCode::Draining));
        }
        loop {
            let left = self.all_left.notified();
            if self.state.lock().clients.is_empty() {
                return;
            }
            left.await;
        }
    }
}

impl State {
    fn pick(&mut self) -> Option<String> {
        self.picker.pick(Instant::now().into_std(), &mut rand::rng()).map(str::to_owned)
    }
}

/// The answer to an old client.
pub fn select(addr: &str) -> Bytes {
    Packet::new(name::SELECT_MSG_SERVER_FOR_CLIENT, [addr]).to_bytes()
}

impl Health for Desk {
    fn troubles(&self) -> Vec<String> {
        if self.state.lock().picker.live(Instant::now().into_std()) == 0 {
            vec!["no msg_server is live".into()]
        } else {
            Vec::new()
        }
    }

    fn ready(&self) -> bool {
        !self.shutdown.is_draining() && self.troubles().is_empty()
    }

    fn figures(&self) -> Map<String, Value> {
        let state = self.state.lock();
        let figures = [
            ("Connections", json!(state.clients.len())),
            ("Held", json!(state.held.len())),
            ("LiveMsgServers", json!(state.picker.live(Instant::now().into_std()))),
            ("HandedOutTotal", json!(self.handed_out.load(Ordering::Relaxed))),
            ("TurnedAwayTotal", json!(self.turned_away.load(Ordering::Relaxed))),
        ];
        figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
